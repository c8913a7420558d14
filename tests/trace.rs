//! Traces: nothing of a person is in one, and one plays back to the same events.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

mod dialogue;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use dialogue::transmitted;
use jiff::Timestamp;
use proptest::prelude::*;
use smsgate::{
    at::{Channel, Charset, Event, Profile, Urc, UssdCode, UssdRequest},
    config::{self, Source},
    emulator::{Fault, Injection, Modem, Network, PERSONALITIES, UssdText, VirtualPool, World},
    model::{RunTime, SlotId},
    modem::{
        Connector, ModemTask, Passed, Request, SerialProbe, Traffic, UssdAsk, UssdError, discovery::Discovery,
        hints::Hints,
    },
    store::{InboxQuery, Options, Store},
    tpdu::{Address, EncodedPdu, Reference, Submit, decode_submit, encode_submit, gsm7, hex, segment},
    trace::{Line, Recorder, parse, write},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What must not be in a trace.
#[derive(Clone, Debug)]
struct Secrets {
    pin: String,
    own: String,
    sender: String,
    recipient: String,
    incoming: String,
    outgoing: String,
    code: String,
    notice: String,
}

impl Secrets {
    fn all(&self) -> [&str; 8] {
        let Self { pin, own, sender, recipient, incoming, outgoing, code, notice } = self;
        [pin, &own[1..], &sender[1..], &recipient[1..], incoming, outgoing, code, notice].map(|secret| secret as &str)
    }

    /// Others of the same shape.
    fn others(&self) -> Self {
        let same = |text: &str| -> String {
            let other = |c: char| match c {
                '0'..='9' => '7',
                'a'..='y' => 'q',
                'а'..='я' => 'ж',
                other => other,
            };
            text.chars().map(other).collect()
        };
        Self {
            pin: "7".repeat(self.pin.len()),
            own: "+497777777771".to_owned(),
            sender: "+497777777772".to_owned(),
            recipient: "+497777777773".to_owned(),
            incoming: same(&self.incoming),
            outgoing: same(&self.outgoing),
            code: same(&self.code),
            notice: same(&self.notice),
        }
    }
}

fn submit(to: &str, text: &str) -> EncodedPdu {
    let part = segment(text, Reference::Narrow(9), None).unwrap().remove(0);
    let submit = Submit {
        reject_duplicates: false,
        reply_path: false,
        status_report_request: true,
        message_reference: 0,
        destination: Address::number(to).unwrap(),
        protocol_identifier: 0,
        data_coding: part.data_coding,
        validity: None,
        user_data: part.user_data,
    };
    encode_submit(None, &submit).unwrap()
}

/// A terminal at one modem of a world, with a recorder on its line. Time is told.
struct Terminal {
    world: World,
    recorder: Recorder,
    lines: Vec<Line>,
    now: Duration,
}

impl Terminal {
    fn say(&mut self, octets: &str) {
        self.now += Duration::from_millis(10);
        self.lines.extend(self.recorder.sent(self.now, octets.as_bytes()));
        self.world.handle_input(self.now, 0, octets.as_bytes());
        self.listen();
    }

    fn listen(&mut self) {
        self.now += Duration::from_millis(10);
        self.world.handle_timeout(self.now, 0);
        let output = self.world.poll_output(self.now, 0);
        self.lines.extend(self.recorder.received(self.now, &output));
    }

    fn send(&mut self, to: &str, text: &str) {
        let EncodedPdu { hex, tpdu_octets } = submit(to, text);
        self.say(&format!("AT+CMGS={tpdu_octets}\r"));
        self.say(&format!("{hex}\x1a"));
        self.listen();
    }

    /// The other modem sends.
    fn receive(&mut self, to: &str, text: &str) {
        let EncodedPdu { hex, tpdu_octets } = submit(to, text);
        self.now += Duration::from_millis(10);
        self.world.handle_input(self.now, 1, format!("AT+CMGS={tpdu_octets}\r").as_bytes());
        self.world.handle_input(self.now, 1, format!("{hex}\x1a").as_bytes());
        self.listen();
    }
}

/// A session with everything in it, on one model; its trace.
fn session(model: usize, echo: bool, secrets: &Secrets) -> String {
    let personality = &PERSONALITIES[model];
    let mut world = World::new(Network::new(Timestamp::UNIX_EPOCH, 1));
    world.add(Modem::new(personality, &secrets.own, 7));
    world.add(Modem::new(&PERSONALITIES[0], &secrets.sender, 8));
    world.start_fault(Duration::ZERO, 0, Fault::PinRequired { pin: secrets.pin.clone(), tries: None });
    let mut at = Terminal { world, recorder: Recorder::default(), lines: Vec::new(), now: Duration::ZERO };
    if !echo {
        at.say("ATE0\r");
    }
    for line in ["AT+CMEE=1", "AT+CPIN?", &format!("AT+CPIN=\"{}\"", secrets.pin), "AT+CGMI", "AT+CGMM", "AT+CGMR"] {
        at.say(&format!("{line}\r"));
    }
    let iccid = format!("AT{}", personality.iccid.0);
    for line in ["AT+CGSN", "AT+CIMI", &iccid, "AT+CSCA?", "AT+CNUM", "AT+CREG?", "AT+COPS?", "AT+CSMS=1", "AT+CMGF=0"]
    {
        at.say(&format!("{line}\r"));
    }
    at.say("AT+CNMI=2,1,0,1\r");
    at.receive(&secrets.own, &secrets.incoming);
    at.say("AT+CMGL=4\r");
    at.say("AT+CMGR=1\r");
    at.say("AT+CMGD=1\r");
    at.say("AT+CNMI=2,2,0,1\r");
    at.receive(&secrets.own, &secrets.incoming);
    at.say("AT+CNMA\r");
    at.send(&secrets.recipient, &secrets.outgoing);
    at.listen();
    at.say("AT+CNMA\r");
    let code = UssdCode::parse(&format!("*104*{}#", secrets.code)).unwrap();
    for charset in [Charset::Gsm, Charset::Ucs2] {
        let (name, style) = match (charset, personality.ussd) {
            (Charset::Gsm, UssdText::PackedHex) => ("GSM", Profile::of(smsgate::at::Family::Huawei).ussd),
            (Charset::Gsm, _) => ("GSM", smsgate::at::UssdStyle::Charset),
            (Charset::Ucs2, _) => ("UCS2", smsgate::at::UssdStyle::Charset),
        };
        at.say(&format!("AT+CSCS=\"{name}\"\r"));
        at.say(&format!("AT+CUSD=1,\"{}\",15\r", UssdRequest::encode(&code, charset, style).as_str()));
        at.world.send_ussd(at.now, 0, &format!("{}\n1 {}\nOK", secrets.notice, secrets.notice), true);
        at.listen();
        at.say("AT+CUSD=2\r");
    }
    let rest = at.recorder.finish(at.now);
    at.lines.extend(rest);
    at.lines.iter().map(|line| write(line) + "\n").collect()
}

/// The dresses in which a modem could show a secret: what is searched for in the trace.
fn dresses(secret: &str) -> Vec<String> {
    let mut dresses = vec![secret.to_owned()];
    dresses.push(secret.encode_utf16().map(|unit| format!("{unit:04X}")).collect());
    if let Ok(septets) = gsm7::encode(secret) {
        for before in 0..8 {
            let mut shifted = vec![0; before];
            shifted.extend(&septets);
            let octets = gsm7::pack(&shifted);
            // Octets that hold nothing of what stands around the secret.
            let inner = octets.get((before * 7).div_ceil(8)..(before + septets.len()) * 7 / 8).unwrap_or_default();
            dresses.push(hex::encode(inner));
        }
    }
    if secret.bytes().all(|octet| octet.is_ascii_digit()) {
        for skip in [0, 1] {
            let swapped = secret.as_bytes()[skip..].chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]);
            dresses.push(swapped.map(char::from).collect());
        }
    }
    // What is that short comes about by chance.
    dresses.retain(|dress| dress.chars().count() >= 4);
    dresses
}

/// Octets, with what means something among them.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "\r\n",
        "AT+CPIN=\"",
        "AT+CUSD=1,\"",
        "+CUSD: 1,\"",
        "\",15",
        "+CMT: ,5",
        "+CMGL: 1,1,,",
        "0791",
        "> ",
        "\x1a",
        "OK",
    ]);
    let piece = prop_oneof![word.prop_map(|word| word.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..12)];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn secrets() -> impl Strategy<Value = Secrets> {
    let number = || "[1-9][0-9]{9}".prop_map(|digits| format!("+49{digits}"));
    // A letter that is no hex digit: what happens to look like hex is redacted as hex.
    let text = || prop_oneof!["z[a-y0-9 ]{8,30}z", "z[а-я]{8,20}z", "z[a-y]{3} code [0-9]{6} z"];
    ("[0-9]{4,8}", number(), number(), number(), text(), text(), "[0-9]{6,12}", text())
        .prop_filter("numbers differ", |(_, own, sender, recipient, ..)| {
            own != sender && own != recipient && sender != recipient
        })
        .prop_map(|(pin, own, sender, recipient, incoming, outgoing, code, notice)| Secrets {
            pin,
            own,
            sender,
            recipient,
            incoming,
            outgoing,
            code,
            notice,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the secrets are, the trace is the same: it can tell nothing of them.
    #[test]
    fn a_trace_tells_nothing_of_anybody(secrets in secrets(), model in 0..PERSONALITIES.len(), echo: bool) {
        let trace = session(model, echo, &secrets);
        let baseline = session(model, echo, &secrets.others());
        for (line, other) in trace.lines().zip(baseline.lines()) {
            prop_assert_eq!(line, other);
        }
        prop_assert_eq!(&trace, &baseline);
        for secret in secrets.all() {
            for dress in dresses(secret) {
                // What is in the trace of other secrets too is there by chance, in the length of something.
                let found = trace.contains(&dress) && !baseline.contains(&dress);
                prop_assert!(!found, "{:?} as {:?} in\n{}", secret, dress, trace);
            }
        }
        prop_assert!(parse(&trace).is_ok());
    }

    /// Line noise and half sentences are no reason to panic, and what is written can be read.
    #[test]
    fn any_octets_can_be_recorded(pieces in prop::collection::vec((any::<bool>(), noise()), 0..24)) {
        let mut recorder = Recorder::default();
        let mut lines = Vec::new();
        for (sent, octets) in pieces {
            lines.extend(if sent {
                recorder.sent(Duration::ZERO, &octets)
            } else {
                recorder.received(Duration::ZERO, &octets)
            });
        }
        lines.extend(recorder.finish(Duration::ZERO));
        let text: String = lines.iter().map(|line| write(line) + "\n").collect();
        prop_assert!(parse(&text).is_ok(), "{}", text);
    }
}

#[test]
fn the_search_for_secrets_finds_them() {
    let plain = "AT+CUSD=1,\"hellozzz\"";
    assert!(dresses("hellozzz").iter().any(|dress| plain.contains(dress.as_str())));
    let pdu = submit("+491511234567", "say hellozzz to them").hex;
    assert!(dresses("hellozzz").iter().any(|dress| pdu.contains(dress.as_str())), "{pdu}");
    assert!(dresses("491511234567").iter().any(|dress| pdu.contains(dress.as_str())), "{pdu}");
    let ucs2 = submit("+491511234567", "привет, мир").hex;
    assert!(dresses("привет").iter().any(|dress| ucs2.contains(dress.as_str())), "{ucs2}");
}

/// A session of the modem task on a virtual modem, seen through the tap.
struct Seen {
    passed: Vec<Passed>,
    ussd: Vec<Result<String, UssdError>>,
    texts: Vec<String>,
}

const LONG: Duration = Duration::from_secs(30);
/// A line that was silent for that long has said what it had to.
const SILENCE: Duration = Duration::from_millis(400);

struct Rig {
    tap: broadcast::Receiver<Passed>,
    passed: Vec<Passed>,
}

impl Rig {
    /// Until some octets have come from the modem.
    async fn until(&mut self, what: &str) {
        let from = self.passed.len();
        timeout(LONG, async {
            loop {
                let passed = self.tap.recv().await.unwrap();
                self.passed.push(passed);
                let heard: Vec<u8> = self.passed[from..].iter().flat_map(received).copied().collect();
                if String::from_utf8_lossy(&heard).contains(what) {
                    return;
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{what} did not come"));
    }

    async fn settle(&mut self) {
        while let Ok(passed) = timeout(SILENCE, self.tap.recv()).await {
            self.passed.push(passed.unwrap());
        }
    }
}

fn received(passed: &Passed) -> &[u8] {
    match &passed.what {
        Traffic::Received(octets) => octets,
        _ => &[],
    }
}

/// `act` does what comes from the network; a recorded session does that by itself.
async fn run(port: &str, secrets: &Secrets, pool: Arc<VirtualPool>, act: bool) -> Seen {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
    let store = Store::open(&folder.path().join("smsgate.db"), options).unwrap();
    let sims = format!(
        "[00]\nport = {port}\npin = {}\nphone_number = {}\nprefixes = +\ncosts_per_sms = 0\n",
        secrets.pin, secrets.own
    );
    let (config, found) = config::load(
        Source { name: "smsgate.conf", text: "[mail]\nenabled = False\n[server]\ncertificate = c\nkey = k\n" },
        Source { name: "sim-cards.conf", text: &sims },
    );
    let slot = config.unwrap_or_else(|| panic!("{found:?}")).slots.remove(0);
    let (_changed, changes) = watch::channel(0);
    let (discovery, _seeker) = Discovery::new(std::slice::from_ref(&slot), Hints::load(None), changes, SerialProbe);
    let connector = Connector::new(discovery, Arc::clone(&pool));
    let id = SlotId::new("00");
    let mut rig = Rig { tap: connector.taps().listen(&id), passed: Vec::new() };
    let (mut task, mut snapshot, requests) =
        ModemTask::new(watch::channel(Arc::new(slot)).1, store.clone(), connector, watch::channel(None).1);
    let cancel = CancellationToken::new();
    let running = tokio::spawn({
        let cancel = cancel.clone();
        async move { task.run(cancel).await }
    });
    timeout(LONG, snapshot.wait_for(|seen| seen.ready)).await.expect("the modem comes up").unwrap();
    rig.settle().await;

    let mut arrivals = store.arrivals();
    if act {
        let injection = Injection {
            to: secrets.own.clone(),
            from: secrets.sender.clone(),
            text: secrets.incoming.clone(),
            ..Injection::default()
        };
        let injected = pool.shared().with(|world, now| smsgate::emulator::inject(world, now, &injection));
        assert!(injected.is_ok(), "{injected:?}");
    }
    timeout(LONG, arrivals.wait_for(|sequence| *sequence > 0)).await.expect("the message comes in").unwrap();
    rig.settle().await;

    let EncodedPdu { hex, tpdu_octets } = submit(&secrets.recipient, &secrets.outgoing);
    let (reply, answer) = oneshot::channel();
    requests.send(Request::Submit { hex, tpdu_octets, more: false, reply }).await.unwrap();
    timeout(LONG, answer).await.unwrap().unwrap().expect("the message goes out");
    rig.until("+CDS").await;
    rig.settle().await;

    let mut ussd = Vec::new();
    for code in ["*101#".to_owned(), format!("*104*{}#", secrets.code)] {
        ussd.push(ask(&requests, code).await);
        rig.settle().await;
    }
    if act {
        pool.shared().with(|world, now| world.send_ussd(now, 0, &secrets.notice, false));
    }
    rig.settle().await;
    cancel.cancel();
    running.await.unwrap();
    let query = InboxQuery { slots: vec![id], since: RunTime(0), after: None, limit: 10 };
    let texts = store.inbox(query).await.unwrap().into_iter().map(|message| message.text).collect();
    store.close().await;
    Seen { passed: rig.passed, ussd, texts }
}

async fn ask(requests: &mpsc::Sender<Request>, code: String) -> Result<String, UssdError> {
    let (reply, answer) = oneshot::channel();
    requests.send(Request::Ussd { ask: UssdAsk::Once(code), reply }).await.unwrap();
    timeout(LONG, answer).await.unwrap().unwrap().map(|step| step.text)
}

/// The trace of what passed.
fn trace(passed: &[Passed]) -> Vec<Line> {
    let mut recorder = Recorder::default();
    let began = passed[0].at;
    let mut lines = Vec::new();
    for one in passed {
        let at = one.at.duration_since(began);
        lines.extend(match &one.what {
            Traffic::Sent(octets) => recorder.sent(at, octets),
            Traffic::Received(octets) => recorder.received(at, octets),
            Traffic::Closed => recorder.finish(at),
        });
    }
    lines
}

/// The same without redaction.
fn plain(passed: &[Passed]) -> Vec<Line> {
    passed
        .iter()
        .filter_map(|one| match &one.what {
            Traffic::Sent(octets) => Some(Line::Sent(octets.to_vec())),
            Traffic::Received(octets) => Some(Line::Received(octets.to_vec())),
            Traffic::Closed => None,
        })
        .collect()
}

/// What the dialogue makes of a recording.
fn events(lines: &[Line]) -> Vec<Event> {
    let mut channel = Channel::new();
    let now = StdInstant::now();
    let mut events = Vec::new();
    for (position, line) in lines.iter().enumerate() {
        match line {
            Line::Sent(octets) => {
                let sent = transmitted(&mut channel, now, octets, &lines[position..]);
                assert_eq!(String::from_utf8_lossy(&sent), String::from_utf8_lossy(octets));
            }
            Line::Received(octets) => channel.handle_input(now, octets),
            _ => {}
        }
        while let Some(event) = channel.poll_event() {
            events.push(event);
        }
    }
    events
}

/// An event without what is redacted: kinds, indices, counts, lengths.
fn shape(event: &Event) -> String {
    let masked = |text: &str| {
        let head = text.split_once(':').map_or("", |(head, _)| head);
        format!("{head}:{}", text.chars().count())
    };
    match event {
        Event::Completed { result: Ok(response), .. } => {
            let lines = response
                .lines
                .iter()
                .map(|line| format!("{} {:?}", masked(&line.text), line.pdu.as_ref().map(String::len)));
            format!("completed {:?} {:?}", lines.collect::<Vec<_>>(), response.message_reference())
        }
        Event::Completed { result: Err(error), .. } => format!("failed {error:?}"),
        Event::Unsolicited(Urc::Cusd(cusd)) => {
            format!("cusd {} {:?} {:?}", cusd.status, cusd.text.as_ref().map(Vec::len), cusd.dcs)
        }
        Event::Unsolicited(Urc::Cmt { tpdu_octets, pdu }) => format!("cmt {tpdu_octets:?} {}", pdu.len()),
        Event::Unsolicited(Urc::Cds { tpdu_octets, pdu }) => format!("cds {tpdu_octets:?} {}", pdu.len()),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_trace_of_a_session_plays_back_to_the_same_events_and_holds_no_secret() {
    let secrets = Secrets {
        pin: "583927".to_owned(),
        own: "+491716048395".to_owned(),
        sender: "+491529384756".to_owned(),
        recipient: "+491638475926".to_owned(),
        incoming: "meet at the old bridge, code 739204".to_owned(),
        outgoing: "token q8Zr4Lp2Wv is yours".to_owned(),
        code: "62938475".to_owned(),
        notice: "Your voucher is 8374-9265".to_owned(),
    };
    for model in ["generic", "sim7600e", "quectel-m35"] {
        let pool = || Arc::new(VirtualPool::new(Timestamp::UNIX_EPOCH, 1));
        let live = pool();
        drop(live.connect("00", model, Some(&secrets.own)).unwrap());
        let pin = Fault::PinRequired { pin: secrets.pin.clone(), tries: None };
        assert!(live.shared().with(|world, now| world.start_fault(now, 0, pin)));
        let original = run(&format!("virtual:{model}"), &secrets, live, true).await;
        assert_eq!(original.texts, [secrets.incoming.as_str()], "{model}");

        let recorded = trace(&original.passed);
        let text: String = recorded.iter().map(|line| write(line) + "\n").collect();
        for secret in secrets.all() {
            for dress in dresses(secret) {
                assert!(!text.contains(&dress), "{model}: {secret:?} as {dress:?} in\n{text}");
            }
        }
        assert!(text.contains("> AT+CPIN=\"000000\"\\r\n"), "{text}");

        // Through the dialogue: the same events, but for what is redacted.
        let plainly: Vec<String> = events(&plain(&original.passed)).iter().map(shape).collect();
        let redacted = events(&parse(&text).unwrap());
        let shapes: Vec<String> = redacted.iter().map(shape).collect();
        assert_eq!(shapes, plainly, "{model}");
        for kind in ["cusd 1 ", "cusd 4 ", "cds ", "completed [\"+CMGS:"] {
            assert!(shapes.iter().any(|shape| shape.starts_with(kind)), "{model}: {kind} in {shapes:#?}");
        }

        // Through the modem task: it does the same again, and the trace of that is the same.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session.at");
        fs::write(&file, &text).unwrap();
        // What is sent goes to the number that the trace has, since its delivery report tells of that one.
        let recipient = recorded
            .iter()
            .find_map(|line| match line {
                Line::Sent(octets) => std::str::from_utf8(octets.strip_suffix(b"\x1a")?).ok(),
                _ => None,
            })
            .map(|payload| decode_submit(payload).unwrap().1.destination.to_string())
            .unwrap();
        assert_ne!(recipient, secrets.recipient);
        let again = Secrets { recipient, ..secrets.clone() };
        let played = replay(&file, &again, pool()).await;
        assert_eq!(played.texts, ["x".repeat(secrets.incoming.len())], "{model}");
        assert_eq!(played.ussd.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false], "{model}");
        let again = events(&trace(&played.passed));
        assert_eq!(again.iter().map(shape).collect::<Vec<_>>(), shapes, "{model}");
        assert_eq!(again, redacted, "{model}");
    }
}

async fn replay(file: &Path, secrets: &Secrets, pool: Arc<VirtualPool>) -> Seen {
    run(&format!("virtual:trace:{}", file.display()), secrets, pool, false).await
}
