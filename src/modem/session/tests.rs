//! Sessions with a scripted modem at the other end of the line and a real store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{super::starting, *};
use crate::{
    config::{SelfTestInterval, Slot},
    model::{HealthLevel, InboundMessage, MessageId, ModemSnapshot, Msisdn, ResendPolicy, RunTime},
    modem::{SubmitError, sample},
    store::{InboxQuery, NewOutgoing, NewSelfTest, Options, Store},
};

mod inbound;
mod ussd;

const PDU: &str = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
const OTHER: &str = "07911326040000F0040B911346610089F60000208062917324080CC8F71D14969741F977FD07";

/// What the modem is made of: its SIM, its answers, what it was told.
#[derive(Debug, Default)]
struct Modem {
    sim: BTreeMap<u16, String>,
    /// Answers by command, instead of the usual ones.
    answers: BTreeMap<String, String>,
    told: Vec<String>,
}

impl Modem {
    fn answer(&mut self, command: &str) -> String {
        self.told.push(command.to_owned());
        if let Some(answer) = self.answers.get(command) {
            return format!("\r\n{answer}\r\n");
        }
        let line = match command {
            "AT+CGMI" => "Acme".to_owned(),
            "AT+CGMM" => "One".to_owned(),
            "AT+CGSN" => "861536030196001".to_owned(),
            "AT+CFUN?" => "+CFUN: 1".to_owned(),
            "AT+CPIN?" => "+CPIN: READY".to_owned(),
            "AT+CCID" => "+CCID: 89490200001234567890".to_owned(),
            "AT+CSCA?" => "+CSCA: \"+491722270333\",145".to_owned(),
            "AT+CPMS=?" => "+CPMS: (\"SM\"),(\"SM\"),(\"SM\")".to_owned(),
            "AT+CPMS?" => {
                let used = self.sim.len();
                format!("+CPMS: \"SM\",{used},20,\"SM\",{used},20,\"SM\",{used},20")
            }
            "AT+CREG?" => "+CREG: 1,1".to_owned(),
            "AT+COPS?" => "+COPS: 0,0,\"Vodafone.de\"".to_owned(),
            "AT+CSQ" => "+CSQ: 17,99".to_owned(),
            "AT+CIMI" => "262021234567890".to_owned(),
            "AT+CMGL=4" => {
                self.sim.iter().map(|(index, pdu)| format!("+CMGL: {index},0,,{}\r\n{pdu}\r\n", octets(pdu))).collect()
            }
            _ if command.starts_with("AT+CMGR=") => {
                let place = command.trim_start_matches("AT+CMGR=").parse().ok();
                let pdu = place.and_then(|index: u16| self.sim.get(&index));
                pdu.map(|pdu| format!("+CMGR: 0,,{}\r\n{pdu}", octets(pdu))).unwrap_or_default()
            }
            _ => match command.strip_prefix("AT+CMGD=").and_then(|index| index.parse().ok()) {
                Some(index) => {
                    self.sim.remove(&index);
                    String::new()
                }
                None => String::new(),
            },
        };
        format!("\r\n{line}\r\n\r\nOK\r\n")
    }
}

fn octets(pdu: &str) -> usize {
    (pdu.len() / 2).saturating_sub(8)
}

/// A modem that plays its part until the line is cut.
async fn play(modem: Arc<Mutex<Modem>>, mut line: DuplexStream, mut notices: mpsc::Receiver<String>) {
    let mut typed = Vec::new();
    let mut buffer = [0; 512];
    loop {
        tokio::select! {
            read = line.read(&mut buffer) => {
                let Ok(count @ 1..) = read else { return };
                typed.extend_from_slice(&buffer[..count]);
                while let Some(end) = typed.iter().position(|octet| *octet == b'\r') {
                    let command: Vec<u8> = typed.drain(..=end).collect();
                    let command = String::from_utf8_lossy(&command).trim().to_owned();
                    let answer = modem.lock().unwrap().answer(&command);
                    if line.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
            Some(notice) = notices.recv() => {
                if line.write_all(format!("\r\n{notice}\r\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A slot with its store, and the modem that is plugged in.
struct Bench {
    _folder: TempDir,
    context: Context,
    slot: watch::Sender<Arc<Slot>>,
    seen: watch::Receiver<ModemSnapshot>,
    modem: Arc<Mutex<Modem>>,
    cancel: CancellationToken,
}

/// A running session.
struct Running {
    notices: mpsc::Sender<String>,
    requests: mpsc::Sender<Request>,
    end: JoinHandle<String>,
}

impl Bench {
    fn new() -> Self {
        Self::with_pin(None)
    }

    fn with_pin(pin: Option<&str>) -> Self {
        Self::with(|slot| slot.pin = pin.map(SecretString::from))
    }

    fn with(change: impl FnOnce(&mut Slot)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { mail: true, retention: Duration::from_secs(3600), queue_limit: 100 };
        let store = Store::open(&folder.path().join("smsgate.db"), options).unwrap();
        let mut slot = sample::slot("00", "+49");
        change(&mut slot);
        let (snapshot, seen) = watch::channel(ModemSnapshot::absent(slot.id.clone(), true, ""));
        let (slot, generations) = watch::channel(Arc::new(slot));
        let context = Context { slot: generations, store, snapshot, self_test: watch::channel(None).1 };
        Self { _folder: folder, context, slot, seen, modem: Arc::default(), cancel: CancellationToken::new() }
    }

    /// Another generation of the configuration comes.
    fn reload(&self, change: impl FnOnce(&mut Slot)) {
        self.slot.send_modify(|slot| change(Arc::make_mut(slot)));
    }

    fn modem(&self) -> MutexGuard<'_, Modem> {
        self.modem.lock().unwrap()
    }

    fn answers(&self, command: &str, answer: &str) {
        self.modem().answers.insert(command.to_owned(), answer.to_owned());
    }

    fn told(&self, command: &str) -> usize {
        self.modem().told.iter().filter(|told| told.starts_with(command)).count()
    }

    /// How often a message that was handed over was confirmed.
    fn confirmed(&self) -> usize {
        self.told("AT+CNMA") - self.told("AT+CNMA=2")
    }

    /// Opens the port, brings the modem up and serves; gives the end in words.
    fn start(&self) -> Running {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (notices, heard) = mpsc::channel(64);
        let (requests, mut mailbox) = mpsc::channel(4);
        tokio::spawn(play(Arc::clone(&self.modem), theirs, heard));
        let (context, cancel) = (self.context.clone(), self.cancel.clone());
        let end = tokio::spawn(async move {
            let mut link = Link::new(Box::new(ours));
            match starting::bring_up(&context, &mut link).await {
                Ok(equipment) => {
                    context.publish(|seen| seen.iccid = equipment.iccid.clone().unwrap_or_default());
                    Session::new(&context, link, equipment, None).serve(&mut mailbox, &cancel).await.to_string()
                }
                Err(fault) => fault.to_string(),
            }
        });
        Running { notices, requests, end }
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..4000 {
            if condition(self) {
                return;
            }
            // Paused time would run away while the store's thread is at work.
            while self.context.store.unanswered() > 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
            sleep_until(Instant::now() + Duration::from_millis(50)).await;
        }
        panic!("never: {what}; the modem was told {:?}", self.modem().told);
    }

    async fn swept(&self) {
        self.until("the first sweep", |bench| bench.told("AT+CPMS?") > 0).await;
    }

    async fn inbox(&self) -> Vec<InboundMessage> {
        let slots = vec![self.context.slot().id.clone()];
        self.context.store.inbox(InboxQuery { slots, since: RunTime(0), after: None, limit: 100 }).await.unwrap()
    }
}

fn cmt(pdu: &str) -> String {
    format!("+CMT: ,{}\r\n{pdu}", octets(pdu))
}

#[tokio::test]
async fn signal_and_network_are_checked_at_the_slots_interval() {
    let told = |interval: Duration| async move {
        // What the network would say of its own accord is not said here, and the poll of each minute is far away.
        let bench = Bench::with(|slot| slot.health_check_interval = interval);
        let running = bench.start();
        bench.until("readiness", |bench| bench.seen.borrow().ready && bench.told("AT+CPMS?") > 0).await;
        bench.answers("AT+CSQ", "+CSQ: 3,99\r\n\r\nOK");
        bench.answers("AT+CREG?", "+CREG: 1,5\r\n\r\nOK");
        (bench, running)
    };
    let (bench, _running) = told(Duration::from_millis(50)).await;
    let expected = "Signal: weak (CSQ 3); Network: roaming";
    bench.until(expected, |bench| bench.seen.borrow().health.message() == expected).await;
    let (bench, running) = told(Duration::from_secs(3600)).await;
    let before = bench.told("AT+CSQ");
    // Something that is done after the change, so that there was time for a check.
    running.notices.send(cmt(PDU)).await.unwrap();
    bench.until("a confirmation", |bench| bench.confirmed() > 0).await;
    assert_eq!((bench.told("AT+CSQ"), bench.seen.borrow().health.level), (before, HealthLevel::Ok));
}

#[tokio::test]
async fn equal_messages_that_lie_there_together_are_all_kept() {
    let bench = Bench::new();
    bench.modem().sim.extend([(1, PDU.to_owned()), (2, PDU.to_owned()), (3, OTHER.to_owned())]);
    let _session = bench.start();
    bench.until("an empty SIM", |bench| bench.told("AT+CMGD") == 3 && bench.modem().sim.is_empty()).await;
    assert_eq!(bench.inbox().await.len(), 3);
}

#[tokio::test]
async fn several_announced_at_once_cost_one_listing_and_a_deletion_each() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    bench.until("calm", |bench| bench.told("AT+CUSD") > 0).await;
    let before = bench.modem().told.len();
    let notices: Vec<String> = (1..=12).map(|index| format!("+CMTI: \"SM\",{index}")).collect();
    bench.modem().sim.extend((1..=12).map(|index| (index, if index % 2 == 0 { PDU } else { OTHER }.to_owned())));
    session.notices.send(notices.join("\r\n\r\n")).await.unwrap();
    bench.until("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
    let mut expected = vec!["AT+CMGL=4".to_owned()];
    expected.extend((1..=12).map(|index| format!("AT+CMGD={index}")));
    assert_eq!(bench.modem().told[before..], expected);
    assert_eq!(bench.inbox().await.len(), 12, "equal ones that are there at once are two messages");
    // The record of a deletion goes before whatever comes into the same place: an equal one is a repeat now.
    bench.modem().sim.insert(3, OTHER.to_owned());
    session.notices.send("+CMTI: \"SM\",3".to_owned()).await.unwrap();
    bench.until("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
    assert_eq!(bench.inbox().await.len(), 12);
    assert_eq!(bench.told("AT+CMGD"), 13);
}

#[tokio::test]
async fn what_was_announced_and_stays_is_counted() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    bench.answers("AT+CMGD=2", "+CMS ERROR: 500\r\n");
    bench.modem().sim.extend([(1, PDU.to_owned()), (2, OTHER.to_owned())]);
    session.notices.send("+CMTI: \"SM\",1\r\n\r\n+CMTI: \"SM\",2".to_owned()).await.unwrap();
    bench.until("the one that stays", |bench| bench.seen.borrow().storage == (1, 20)).await;
    assert_eq!(bench.inbox().await.len(), 2);
}

#[tokio::test]
async fn nothing_is_deleted_or_confirmed_that_the_store_does_not_have() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    bench.context.store.close().await;
    bench.modem().sim.insert(4, PDU.to_owned());
    session.notices.send("+CMTI: \"SM\",4".to_owned()).await.unwrap();
    session.notices.send(cmt(OTHER)).await.unwrap();
    bench.until("CRITICAL", |bench| bench.seen.borrow().health.message().contains("Store")).await;
    bench.cancel.cancel();
    assert_eq!(session.end.await.unwrap(), "stopped");
    assert_eq!((bench.told("AT+CMGD"), bench.confirmed(), bench.modem().sim.len()), (0, 0, 1));
}

#[tokio::test]
async fn of_two_handed_over_only_the_last_is_confirmed_and_a_repeat_of_the_first_is_no_second_message() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    session.notices.send(format!("{}\r\n{}", cmt(PDU), cmt(OTHER))).await.unwrap();
    bench.until("a confirmation", |bench| bench.confirmed() > 0).await;
    session.notices.send(cmt(PDU)).await.unwrap();
    bench.until("another confirmation", |bench| bench.confirmed() > 1).await;
    // The network may also have it stored instead.
    bench.modem().sim.insert(1, PDU.to_owned());
    session.notices.send("+CMTI: \"SM\",1".to_owned()).await.unwrap();
    bench.answers("AT+CMGR=1", &format!("+CMGR: 0,,{}\r\n{PDU}\r\n\r\nOK", octets(PDU)));
    bench.until("a delete", |bench| bench.told("AT+CMGD") > 0).await;
    assert_eq!((bench.inbox().await.len(), bench.confirmed()), (2, 2));
}

#[tokio::test]
async fn a_message_that_lost_octets_on_the_line_is_read_again_and_not_deleted_before() {
    let bench = Bench::new();
    let cut = &PDU[..40];
    bench.modem().sim.extend([(1, PDU.to_owned()), (2, OTHER.to_owned())]);
    let (one, two) = (octets(PDU), octets(OTHER));
    bench.answers("AT+CMGL=4", &format!("+CMGL: 1,0,,{one}\r\n{cut}\r\n+CMGL: 2,0,,{two}\r\n\r\nOK"));
    bench.answers("AT+CMGR=1", &format!("+CMGR: 0,,{one}\r\n{PDU}\r\n\r\nOK"));
    bench.answers("AT+CMGR=2", &format!("+CMGR: 0,,{two}\r\n\r\nOK"));
    let _session = bench.start();
    bench.until("the end of the sweep", |bench| bench.told("AT+CMGD") > 0 && bench.told("AT+CPMS?") == 2).await;
    assert_eq!(bench.inbox().await.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["How are you?"]);
    assert_eq!(bench.modem().sim.keys().copied().collect::<Vec<_>>(), [2], "unread, so it stays");
}

#[tokio::test]
async fn what_was_handed_over_last_is_saved_when_the_modem_restarts() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    session.notices.send(format!("RDY\r\n{}", cmt(PDU))).await.unwrap();
    assert!(session.end.await.unwrap().contains("restarted"));
    assert_eq!(bench.inbox().await.len(), 1);
}

#[tokio::test]
async fn parts_that_get_ready_after_the_start_are_no_restart() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    for notice in ["Call Ready", "SMS Ready", "PB DONE", "^SIMST:1", "+CMTI: \"SM\",9"] {
        session.notices.send(notice.to_owned()).await.unwrap();
    }
    bench.until("the session to go on", |bench| bench.told("AT+CMGR=9") > 0).await;
    session.notices.send("RDY".to_owned()).await.unwrap();
    assert!(session.end.await.unwrap().contains("RDY"));
}

#[tokio::test(start_paused = true)]
async fn parts_that_get_ready_much_later_are_a_restart() {
    let bench = Bench::new();
    let session = bench.start();
    bench.swept().await;
    sleep_until(Instant::now() + Duration::from_secs(61)).await;
    session.notices.send("SMS Ready".to_owned()).await.unwrap();
    assert!(session.end.await.unwrap().contains("SMS Ready"));
}

#[tokio::test(start_paused = true)]
async fn what_a_modem_loses_when_it_restarts_unseen_is_set_again_with_the_next_poll() {
    let bench = Bench::new();
    let _session = bench.start();
    bench.swept().await;
    let settings = ["AT+CMGF=0", "AT+CSMS=1", "AT+CNMI="];
    let before = settings.map(|setting| bench.told(setting));
    sleep_until(Instant::now() + Duration::from_secs(61)).await;
    bench.until("the poll", |bench| bench.told("AT+CNMI=") > before[2]).await;
    let after = settings.map(|setting| bench.told(setting));
    assert!(after.iter().zip(before).all(|(after, before)| *after > before), "{before:?}, then {after:?}");
    let last = |setting: &str| bench.modem().told.iter().rposition(|told| told.starts_with(setting));
    assert!(last("AT+CSMS=1") < last("AT+CNMI="), "some forget +CNMI with a new +CSMS");
}

#[tokio::test(start_paused = true)]
async fn without_a_network_the_sim_is_read_and_the_network_awaited() {
    let bench = Bench::new();
    bench.answers("AT+CREG?", "+CREG: 1,2\r\n\r\nOK");
    bench.modem().sim.insert(1, PDU.to_owned());
    let _session = bench.start();
    bench.until("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
    bench.until("a status", |bench| bench.seen.borrow().status == "Waiting for network.").await;
    assert_eq!(bench.seen.borrow().health.level, HealthLevel::Critical);
    bench.until("ten looks", |bench| bench.told("AT+CREG?") > 10).await;
    assert!(bench.told("AT+CSQ") < 5, "looking for a network is not a whole poll each time");
    bench.modem().answers.clear();
    bench.until("readiness", |bench| bench.seen.borrow().ready).await;
    assert_eq!(bench.seen.borrow().status, "Ready.");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deleted_is_not_listed_without_end() {
    let bench = Bench::new();
    bench.answers("AT+CMGD=1", "+CMS ERROR: 321");
    let long = "x".repeat(3000);
    let listing = format!("+CMGL: 1,0,,{}\r\n{PDU}\r\n+CMGL: 2,0,,9\r\n{long}\r\n\r\nOK", octets(PDU));
    bench.answers("AT+CMGL=4", &listing);
    bench.modem().sim.extend([(1, PDU.to_owned()), (2, long)]);
    let _session = bench.start();
    bench.until("a try to delete", |bench| bench.told("AT+CMGD=1") > 0).await;
    sleep_until(Instant::now() + Duration::from_secs(50)).await;
    assert!(bench.told("AT+CMGL") <= 2, "{}", bench.told("AT+CMGL"));
    assert_eq!(bench.inbox().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sim_that_was_busy_at_first_is_asked_again() {
    let bench = Bench::new();
    bench.answers("AT+CIMI", "ERROR");
    bench.answers("AT+CSCA?", "ERROR");
    let _session = bench.start();
    bench.swept().await;
    assert!(!bench.seen.borrow().ready);
    bench.modem().answers.clear();
    bench.until("readiness", |bench| bench.seen.borrow().ready).await;
    assert_eq!(bench.seen.borrow().health.level, HealthLevel::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_silent_modem_leaves_the_outcome_open_and_a_missing_prompt_does_not() {
    for (prompt, open) in [("\r\n> ", true), ("", false)] {
        let bench = Bench::new();
        bench.answers("AT+CMGS=30", prompt);
        let session = bench.start();
        bench.swept().await;
        let (reply, answer) = oneshot::channel();
        let request = Request::Submit { hex: PDU.to_owned(), tpdu_octets: 30, more: false, reply };
        session.requests.send(request).await.unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(matches!(answer, Err(SubmitError::OutcomeUnknown { .. })), open, "{answer:?}");
        assert_eq!(matches!(answer, Err(SubmitError::Transient { .. })), !open, "{answer:?}");
    }
}

#[tokio::test]
async fn a_pin_that_was_taken_is_used_again_after_a_power_cycle_and_a_wrong_one_never() {
    let locked = "+CPIN: SIM PIN\r\n\r\nOK";
    let three = "+CPINR: SIM PIN,3,3\r\n\r\nOK";
    let mut bench = Bench::with_pin(Some("1234"));
    bench.answers("AT+CPIN?", locked);
    bench.answers("AT+CPINR", three);
    // Taken, but the daemon stops before the SIM says so.
    let session = bench.start();
    bench.until("the state after the PIN", |bench| bench.told("AT+CPIN?") > 1).await;
    session.end.abort();
    let session = bench.start();
    bench.until("the PIN once more", |bench| bench.told("AT+CPIN=\"1234\"") == 2).await;
    session.end.abort();

    bench.answers("AT+CPIN=\"1234\"", "+CME ERROR: 16");
    assert!(bench.start().end.await.unwrap().contains("incorrect SIM PIN"));
    for _ in 0..2 {
        assert!(bench.start().end.await.unwrap().contains("start once without `pin`"));
    }
    assert_eq!(bench.told("AT+CPIN=\"1234\""), 3);

    let with_pin = std::mem::replace(&mut bench.context.slot, watch::channel(Arc::new(sample::slot("00", "+49"))).1);
    assert!(bench.start().end.await.unwrap().contains("SIM PIN required"));
    bench.context.slot = with_pin;
    bench.modem().answers.remove("AT+CPIN=\"1234\"");
    let _session = bench.start();
    bench.until("the PIN put back", |bench| bench.told("AT+CPIN=\"1234\"") == 4).await;
}

#[tokio::test]
async fn a_pin_is_not_tried_while_the_attempt_cannot_be_recorded() {
    let bench = Bench::with_pin(Some("1234"));
    bench.answers("AT+CPIN?", "+CPIN: SIM PIN\r\n\r\nOK");
    bench.context.store.close().await;
    assert!(bench.start().end.await.unwrap().contains("cannot be recorded"));
    assert_eq!(bench.told("AT+CPIN="), 0);
}

#[tokio::test]
async fn a_self_test_that_is_missed_is_a_warning_until_one_comes_back() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let clock = Arc::new(sample::HandClock::default());
    let mut bench = Bench::new();
    let options = Options { mail: true, retention: DAY, queue_limit: 100 };
    let path = bench._folder.path().join("moved.db");
    bench.context.store = Store::open_with_clock(&path, options, clock.clone()).unwrap();
    bench.context.self_test = watch::channel(Some(SelfTestInterval::Daily)).1;
    let mut slot = sample::slot("00", "+49");
    slot.phone_number = Some(Msisdn::parse("+491700000000").unwrap());
    bench.context.slot = watch::channel(Arc::new(slot)).1;
    for (day, token) in [(0, "0000000000000001"), (1, "0000000000000002"), (2, "0000000000000003")] {
        let message = NewOutgoing {
            id: MessageId::parse(&format!("01890a5d-ac96-7000-8000-{day:012}")).unwrap(),
            sender: None,
            recipient: "+491700000000".to_owned(),
            text: String::new(),
            flash: false,
            policy: ResendPolicy::Once,
            queued_at: bench.context.store.wall(),
            lifetime: DAY / 2,
        };
        let (slot, token, day) =
            (bench.context.slot().id.clone(), token.to_owned(), jiff::civil::date(2027, 1, 15 + day));
        let after = bench.context.store.self_tests_of(&slot).await.unwrap().last().map(|test| test.sequence);
        let test = NewSelfTest { slot, token, day, after, message };
        assert!(bench.context.store.start_self_test(test).await.unwrap());
        clock.pass(DAY - Duration::from_secs(1));
    }
    let session = bench.start();
    bench.until("a WARNING", |bench| bench.seen.borrow().health.level == HealthLevel::Warning).await;
    let text = bench.seen.borrow().health.message();
    assert!(text.starts_with("Self-test: no test SMS has come back for 2 intervals"), "{text}");
    assert!(bench.seen.borrow().ready, "it may send nevertheless");

    // Somebody else's text that looks alike is a message, and no return.
    session.notices.send(cmt(&sample::self_test_pdu("+491700000009", "0000000000000003"))).await.unwrap();
    bench.until("a confirmation", |bench| bench.confirmed() > 0).await;
    assert_eq!(bench.seen.borrow().health.level, HealthLevel::Warning);
    assert_eq!(bench.inbox().await.len(), 1);
    // Ours, in the national form.
    session.notices.send(cmt(&sample::self_test_pdu("01700000000", "0000000000000003"))).await.unwrap();
    bench.until("health", |bench| bench.seen.borrow().health.level == HealthLevel::Ok).await;
    assert_eq!(bench.inbox().await.len(), 1, "users do not see it");
    assert_eq!(bench.context.store.mail_backlog().await.unwrap().waiting, 1);
}
