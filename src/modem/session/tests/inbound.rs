//! What comes in, at scale and against the standard: lost announcements (D5), full memories, PDUs nobody can read (D6),
//! incomplete messages (D8), silent messages and those that replace others.

use std::collections::{BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::*;
use crate::{
    mail::compose::{Letterhead, compose, mail_id},
    modem::{
        inbound::join_parts,
        intake::{Receiver, commit},
    },
    tpdu::{
        Address, DataCodingScheme, Deliver, Incoming, Reference, ServiceCentreTimestamp, UserData, decode_incoming,
        encode_incoming, segment,
    },
};

const SENDER: &str = "+491511111111";

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(bound).unwrap_or(0)
    }
}

/// A message from [`SENDER`] as a modem prints it, segment by segment; `second` tells equal texts apart.
fn pdus(text: &str, protocol: u8, second: i64) -> Vec<String> {
    let segments = segment(text, Reference::Narrow(77), None).unwrap();
    segments.into_iter().map(|segment| pdu(protocol, segment.data_coding, segment.user_data, second)).collect()
}

fn pdu(protocol_identifier: u8, data_coding: DataCodingScheme, user_data: UserData, second: i64) -> String {
    let at = jiff::Timestamp::from_second(1_790_000_000 + second).unwrap();
    let deliver = Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: Address::number(SENDER).unwrap(),
        protocol_identifier,
        data_coding,
        service_centre_timestamp: ServiceCentreTimestamp::from_timestamp(at, 0),
        user_data,
    };
    let centre = Address::number("+491710760000").unwrap();
    encode_incoming(Some(&centre), &Incoming::Deliver(deliver)).unwrap().hex
}

fn one(text: &str, protocol: u8) -> String {
    pdus(text, protocol, 0).remove(0)
}

fn receiver(bench: &Bench) -> Receiver {
    Receiver { slot: bench.context.slot().id.clone(), number: String::new(), network: "Net".into(), sim: "8949".into() }
}

/// Keeps paused time from running away while the store, a thread of its own, is at work: it moves by hand only.
struct Hold(Option<std::sync::mpsc::Sender<()>>);

impl Hold {
    fn new() -> Self {
        let (release, released) = std::sync::mpsc::channel();
        tokio::task::spawn_blocking(move || released.recv());
        Self(Some(release))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.take();
    }
}

impl Bench {
    /// Until a condition holds, in real time.
    async fn settles(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..5000 {
            if condition(self) {
                return;
            }
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
        }
        let told = self.modem().told.clone();
        panic!("never: {what}; the modem was told {:?}", &told[told.len().saturating_sub(30)..]);
    }

    /// Until the modem has been told nothing for a while of real time.
    async fn quiet(&self) {
        let mut before = usize::MAX;
        let mut calm = 0;
        for _ in 0..3000 {
            if calm > 12 {
                return;
            }
            let told = self.modem().told.len();
            calm = if told == before { calm + 1 } else { 0 };
            before = told;
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
        }
        let told = self.modem().told.clone();
        panic!("never quiet; the modem was told {:?}", &told[told.len().saturating_sub(30)..]);
    }

    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
        self.quiet().await;
    }

    async fn pass_until_swept(&self) {
        while self.told("AT+CPMS?") == 0 {
            self.pass(Duration::from_millis(100)).await;
        }
        self.quiet().await;
    }

    async fn texts(&self) -> Vec<String> {
        let slots = vec![self.context.slot().id.clone()];
        let query = InboxQuery { slots, since: RunTime(0), after: None, limit: 100_000 };
        self.context.store.inbox(query).await.unwrap().into_iter().map(|message| message.text).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn with_three_in_ten_announcements_lost_no_message_is_lost_or_later_than_the_poll() {
    const MESSAGES: u16 = 300;
    let bench = Bench::new();
    let _hold = Hold::new();
    let session = bench.start();
    bench.pass_until_swept().await;
    let mut dice = Dice(5);
    let (mut lost, mut waiting, mut waits) = (0, HashMap::new(), Vec::new());
    for index in 1..=MESSAGES {
        bench.modem().sim.insert(index, pdus(&format!("message {index}"), 0, index.into()).remove(0));
        waiting.insert(index, Instant::now());
        if dice.below(100) < 30 {
            lost += 1;
        } else {
            session.notices.send(format!("+CMTI: \"SM\",{index}")).await.unwrap();
        }
        bench.quiet().await;
        collect(&bench, &mut waiting, &mut waits);
        bench.pass(Duration::from_millis(1500)).await;
        collect(&bench, &mut waiting, &mut waits);
    }
    for _ in 0..61 {
        bench.pass(Duration::from_secs(1)).await;
        collect(&bench, &mut waiting, &mut waits);
    }
    assert!((70..=110).contains(&lost), "{lost} lost");
    assert!(waiting.is_empty(), "left behind: {waiting:?}");
    let longest = waits.iter().max().unwrap();
    assert!(*longest <= Duration::from_secs(65), "{longest:?}");
    // Those that were announced did not wait, those that were not did: the announcements were really lost.
    let delayed = waits.iter().filter(|wait| **wait > Duration::from_secs(2)).count();
    assert!(delayed > lost / 2, "{delayed} delayed of {lost} lost");
    let texts: BTreeSet<String> = bench.texts().await.into_iter().collect();
    assert_eq!(texts, (1..=MESSAGES).map(|index| format!("message {index}")).collect());
    assert_eq!(bench.texts().await.len(), usize::from(MESSAGES), "none twice");
}

fn collect(bench: &Bench, waiting: &mut HashMap<u16, Instant>, waits: &mut Vec<Duration>) {
    let modem = bench.modem();
    waiting.retain(|index, since| {
        let gone = !modem.sim.contains_key(index);
        if gone {
            waits.push(since.elapsed());
        }
        !gone
    });
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_due_waits_for_no_end_of_requests() {
    let bench = Bench::new();
    let _hold = Hold::new();
    let session = bench.start();
    bench.pass_until_swept().await;
    bench.modem().sim.insert(1, one("unannounced", 0));
    bench.answers("AT+CMGS=30", "ERROR\r\n");
    // Each answer is followed by a request that waits already.
    let requests = session.requests.clone();
    let flood = tokio::spawn(async move {
        loop {
            let (reply, _) = oneshot::channel();
            let request = Request::Submit { hex: PDU.to_owned(), tpdu_octets: 30, more: true, reply };
            if requests.send(request).await.is_err() {
                return;
            }
        }
    });
    bench.settles("a flood", |bench| bench.told("AT+CMGS") > 20).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let before = bench.told("AT+CMGS");
    bench.settles("an empty SIM", |bench| bench.modem().sim.is_empty() || bench.told("AT+CMGS") > before + 500).await;
    flood.abort();
    assert!(bench.modem().sim.is_empty(), "{} requests went before the poll", bench.told("AT+CMGS") - before);
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_fills_is_a_warning_then_critical_and_well_again_once_emptied() {
    let bench = Bench::new();
    let _hold = Hold::new();
    for index in 1..=20 {
        bench.answers(&format!("AT+CMGD={index}"), "+CMS ERROR: 500\r\n");
    }
    let session = bench.start();
    bench.pass_until_swept().await;
    for (held, level) in [
        (10, HealthLevel::Ok),
        (11, HealthLevel::Warning),
        (16, HealthLevel::Warning),
        (17, HealthLevel::Critical),
        (20, HealthLevel::Critical),
    ] {
        for index in 1..=held {
            bench.modem().sim.insert(index, pdus("stays", 0, index.into()).remove(0));
        }
        bench.pass(Duration::from_secs(61)).await;
        bench.settles("a sweep", |bench| bench.seen.borrow().storage == (held, 20)).await;
        let health = bench.seen.borrow().health.clone();
        assert_eq!(health.level, level, "{held} of 20: {}", health.message());
        assert_eq!(health.message().contains(&format!("Storage: {held} of 20 places in SM are taken")), held > 10);
        assert_eq!(bench.seen.borrow().storage, (held, 20));
    }
    assert_eq!(bench.texts().await.len(), 20, "saved once each, although they stay");
    bench.modem().answers.clear();
    session.notices.send("^SMMEMFULL: \"SM\"".to_owned()).await.unwrap();
    // Time stands still, so it is the notice that has the memory swept.
    bench.settles("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
    bench.settles("health", |bench| bench.seen.borrow().health.level == HealthLevel::Ok).await;
    assert_eq!(bench.texts().await.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_leaves_all_on_the_sim_and_health_tells_both() {
    let bench = Bench::new();
    let _hold = Hold::new();
    let _session = bench.start();
    bench.pass_until_swept().await;
    bench.context.store.close().await;
    for index in 1..=17 {
        bench.modem().sim.insert(index, pdus("kept", 0, index.into()).remove(0));
    }
    bench.pass(Duration::from_secs(61)).await;
    bench.settles("the SIM as it is", |bench| bench.seen.borrow().storage == (17, 20)).await;
    let health = bench.seen.borrow().health.clone();
    assert_eq!((health.level, bench.told("AT+CMGD")), (HealthLevel::Critical, 0));
    assert_eq!(bench.modem().sim.len(), 17);
    for word in ["Store: received SMS cannot be saved", "Storage: 17 of 20 places in SM are taken"] {
        assert!(health.message().contains(word), "{}", health.message());
    }
}

#[tokio::test(start_paused = true)]
async fn a_modem_without_room_is_swept_whichever_way_it_says_so() {
    let bench = Bench::new();
    let _hold = Hold::new();
    let session = bench.start();
    bench.pass_until_swept().await;
    for (index, notice) in
        ["^SMMEMFULL: \"SM\"", "+SMS FULL", "+ZSMSFULL", "+QIND: \"smsfull\",\"SM\"", "+CIEV: SMSFULL,1", "^SMGO: 1"]
            .into_iter()
            .enumerate()
    {
        let index = u16::try_from(index).unwrap() + 1;
        bench.modem().sim.insert(index, pdus("full", 0, index.into()).remove(0));
        session.notices.send(notice.to_owned()).await.unwrap();
        bench.settles(notice, |bench| bench.modem().sim.is_empty()).await;
        bench.quiet().await;
    }
    bench.modem().sim.insert(9, one("full as well", 0));
    bench.answers("AT+CMGS=30", "+CMS ERROR: 322\r\n");
    let (reply, answer) = oneshot::channel();
    let request = Request::Submit { hex: PDU.to_owned(), tpdu_octets: 30, more: false, reply };
    session.requests.send(request).await.unwrap();
    assert!(matches!(answer.await.unwrap(), Err(SubmitError::Transient { .. })));
    // Time stands still, so it is not the poll.
    bench.settles("a sweep after a send without room", |bench| bench.modem().sim.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn announcements_of_a_memory_that_is_not_swept_are_each_followed() {
    let bench = Bench::new();
    let _hold = Hold::new();
    let session = bench.start();
    bench.pass_until_swept().await;
    // No sweep sees these: they lie in ME, of which this modem said nothing.
    bench.answers("AT+CMGL=4", "\r\n");
    bench.answers("AT+CPMS?", "+CPMS: \"SM\",0,20,\"SM\",0,20,\"SM\",0,20\r\n");
    bench.modem().sim.extend([(1, one("first", 0)), (2, one("second", 0))]);
    session.notices.send("+CMTI: \"ME\",1\r\n\r\n+CMTI: \"ME\",2".to_owned()).await.unwrap();
    bench.settles("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
    assert_eq!(bench.texts().await, ["first", "second"]);
}

#[tokio::test]
async fn five_thousand_malformed_pdus_among_five_hundred_good_ones() {
    let bench = Bench::new();
    let (malformed, good) = (malformed(5000), (0..500).map(|n| pdus(&format!("good {n}"), 0, n).remove(0)));
    let receiver = receiver(&bench);
    let mut good = good.into_iter();
    let mut keys = tokio::task::JoinSet::new();
    for (number, hex) in malformed.iter().enumerate() {
        let between = number.is_multiple_of(10).then(|| good.next().unwrap());
        for pdu in [Some(hex.clone()), between].into_iter().flatten() {
            let (context, receiver) = (bench.context.clone(), receiver.clone());
            let index = u16::try_from(number % 200).unwrap();
            keys.spawn(async move { commit(&context, &receiver, "SM", Some(index), &pdu).await });
        }
        // As many under way as the store lets wait.
        if keys.len() >= 64 {
            while let Some(taken) = keys.join_next().await {
                bench.context.store.segment_deleted(taken.unwrap().unwrap().key).unwrap();
            }
        }
    }
    while let Some(taken) = keys.join_next().await {
        bench.context.store.segment_deleted(taken.unwrap().unwrap().key).unwrap();
    }
    let slots = vec![bench.context.slot().id.clone()];
    let query = InboxQuery { slots, since: RunTime(0), after: None, limit: 100_000 };
    let inbox = bench.context.store.inbox(query).await.unwrap();
    let (raw, texts): (Vec<_>, Vec<_>) = inbox.into_iter().partition(|message| message.undecodable);
    let texts: BTreeSet<String> = texts.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, (0..500).map(|n| format!("good {n}")).collect());
    let held: BTreeSet<&str> = raw.iter().map(|message| hex_of(&message.text)).collect();
    assert_eq!(raw.len(), 5000);
    assert_eq!(held, malformed.iter().map(String::as_str).collect());
    assert_eq!(bench.context.store.mail_backlog().await.unwrap().waiting, 5500);
}

/// The hex at the end of the notice about a message nobody can read.
fn hex_of(text: &str) -> &str {
    text.rsplit_once("Its PDU is ").unwrap().1.trim_end_matches(']')
}

/// Different PDUs that no decoder takes: cut, with wrong types, with addresses beyond their end, random.
fn malformed(count: usize) -> Vec<String> {
    let mut dice = Dice(6);
    let sound = one("a message that was well once", 0);
    let mut found = BTreeSet::new();
    while found.len() < count {
        let mut octets = if dice.below(2) == 0 {
            let kept = 2 * usize::try_from(dice.below(28)).unwrap();
            crate::tpdu::hex::decode(&sound[..kept]).unwrap()
        } else {
            (0..dice.below(40)).map(|_| dice.below(256) as u8).collect::<Vec<u8>>()
        };
        if let Some(place) = usize::try_from(dice.below(octets.len() as u64)).ok().filter(|_| !octets.is_empty()) {
            octets[place] ^= dice.below(256) as u8;
        }
        let hex = crate::tpdu::hex::encode(&octets);
        if decode_incoming(&hex).is_err() {
            found.insert(hex);
        }
    }
    found.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_leaves_the_sim_and_holds_up_nothing() {
    let bench = Bench::new();
    let _hold = Hold::new();
    let bad = malformed(15);
    for (index, hex) in (1..).zip(&bad) {
        bench.modem().sim.insert(index, hex.clone());
    }
    bench.modem().sim.insert(18, one("behind them", 0));
    let _session = bench.start();
    bench.pass_until_swept().await;
    let read = |bench: &Bench| bench.modem().sim.values().all(String::is_empty);
    bench.settles("nothing but an empty entry on the SIM", read).await;
    let texts = bench.texts().await;
    assert!(texts.contains(&"behind them".to_owned()));
    assert_eq!(texts.len(), 1 + bad.iter().filter(|pdu| !pdu.is_empty()).count());
}

#[tokio::test(start_paused = true)]
async fn a_silent_message_is_confirmed_and_deleted_and_nobody_hears_of_it() {
    let bench = Bench::new();
    let _hold = Hold::new();
    let session = bench.start();
    bench.pass_until_swept().await;
    let arrivals = bench.context.store.arrivals();
    bench.modem().sim.insert(3, one("silent, stored", 0x40));
    session.notices.send("+CMTI: \"SM\",3".to_owned()).await.unwrap();
    session.notices.send(cmt(&pdus("silent, handed over", 0x40, 1).remove(0))).await.unwrap();
    bench.quiet().await;
    bench.settles("a confirmation", |bench| bench.confirmed() == 1).await;
    bench.settles("a delete", |bench| bench.modem().sim.is_empty()).await;
    bench.quiet().await;
    assert_eq!(bench.texts().await, Vec::<String>::new());
    assert_eq!(bench.context.store.mail_backlog().await.unwrap().waiting, 0);
    assert!(!arrivals.has_changed().unwrap(), "nobody who waits is woken");
    let facts = bench.context.store.sim_facts().await.unwrap();
    assert_eq!(facts.get(&bench.context.slot().id).map_or(0, |facts| facts.received), 0);
    // Kept raw: the same octets again are known.
    let again = commit(
        &bench.context,
        &Receiver { sim: "89490200001234567890".into(), ..receiver(&bench) },
        "SM",
        Some(4),
        &one("silent, stored", 0x40),
    )
    .await;
    assert!(again.is_ok());
    let raw = rusqlite::Connection::open(bench._folder.path().join("smsgate.db")).unwrap();
    let kept: u32 = raw
        .query_row("SELECT count(*) FROM segment WHERE kind = 'discard' AND pdu <> ''", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 3);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_replace_type_are_all_kept_and_none_is_deleted_unread() {
    let bench = Bench::new();
    let _hold = Hold::new();
    // The listing shows the old one; by the time of the delete the modem has put the new one in its place.
    let (old, new) = (one("old", 0x41), one("new", 0x41));
    bench.modem().sim.insert(1, new.clone());
    bench.answers("AT+CMGL=4", &format!("+CMGL: 1,0,,{}\r\n{old}\r\n\r\nOK", octets(&old)));
    let _session = bench.start();
    bench.pass_until_swept().await;
    bench.settles("a second look", |bench| bench.told("AT+CMGR=1") == 1).await;
    bench.quiet().await;
    assert_eq!((bench.texts().await, bench.told("AT+CMGD")), (vec!["old".to_owned()], 0));
    assert_eq!(bench.modem().sim.get(&1), Some(&new), "not deleted unread");
    bench.modem().answers.clear();
    bench.pass(Duration::from_secs(61)).await;
    bench.settles("an empty SIM", |bench| bench.modem().sim.is_empty()).await;
    assert_eq!(bench.texts().await, ["old", "new"]);
}

#[tokio::test]
async fn an_incomplete_message_is_mailed_once_with_its_gap_and_the_whole_one_answers_it() {
    let clock = Arc::new(sample::HandClock::default());
    let mut bench = Bench::new();
    let options = Options { mail: true, retention: Duration::from_secs(24 * 3600), queue_limit: 100 };
    let path = bench._folder.path().join("aged.db");
    bench.context.store = Store::open_with_clock(&path, options.clone(), clock.clone()).unwrap();
    let text = "Unvollständig: ".to_owned() + &"Zeile mit Umlauten äöü. ".repeat(18);
    let parts = pdus(&text, 0, 0);
    assert_eq!(parts.len(), 3);
    let receiver = receiver(&bench);
    for (index, part) in [(1, 0), (2, 2)] {
        commit(&bench.context, &receiver, "SM", Some(index), &parts[part]).await.unwrap();
    }
    let age = Duration::from_secs(600);
    clock.pass(Duration::from_secs(300));
    bench.context.store.close().await;
    bench.context.store = Store::open_with_clock(&path, options.clone(), clock.clone()).unwrap();
    clock.pass(Duration::from_secs(299));
    assert!(bench.context.store.deliver_partials(age, join_parts).await.unwrap().is_empty(), "not before its time");
    clock.pass(Duration::from_secs(1));
    assert_eq!(bench.context.store.deliver_partials(age, join_parts).await.unwrap().len(), 1);
    assert!(bench.context.store.deliver_partials(age, join_parts).await.unwrap().is_empty(), "once");
    clock.pass(Duration::from_secs(6 * 24 * 3600));
    commit(&bench.context, &receiver, "SM", Some(3), &parts[1]).await.unwrap();
    let jobs = bench.context.store.mail_due(10).await.unwrap();
    let [gapped, whole] = jobs.as_slice() else { panic!("two mails, not {}", jobs.len()) };
    assert!(gapped.message.text.starts_with("[2 of 3 parts] Unvollständig: "), "{}", gapped.message.text);
    assert!(gapped.message.text.contains("[...]"));
    assert_eq!((gapped.message.parts_missing, whole.message.parts_missing), (1, 0));
    assert_eq!(whole.message.text, text);
    let head = Letterhead { from: "g@example.org", to: "m@example.org", host: "gw", zone: &TimeZone::UTC };
    let mail = compose(&whole.message, head).unwrap().text;
    assert!(mail.contains(&format!("\r\nIn-Reply-To: {}\r\n", mail_id(gapped.message.id, "gw"))), "{mail}");
}
