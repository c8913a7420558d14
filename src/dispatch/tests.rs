//! The dispatcher over a real store, with modems that answer what the test says.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::*;

mod decisions;

use crate::{
    model::{Health, ModemSnapshot, ResendPolicy, SendLimits},
    modem::{
        Request, SubmitError,
        sample::{config, slot},
    },
    pool::SlotHandle,
    router::LeastCost,
    store::{ClockSource, NewOutgoing, NewSelfTest, Options},
};

const SOON: Duration = Duration::from_secs(3);
const LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);

#[derive(Debug, Default)]
struct HandClock(Mutex<Duration>);

impl ClockSource for HandClock {
    fn boot_id(&self) -> String {
        "boot".to_owned()
    }

    fn boottime(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

type Answer = Result<u8, SubmitError>;

/// A dispatcher at work, its store and its modems.
struct Bench {
    folder: TempDir,
    clock: Arc<HandClock>,
    store: Store,
    pool: Pool,
    modems: BTreeMap<SlotId, watch::Sender<ModemSnapshot>>,
    submitted: mpsc::Receiver<(SlotId, String)>,
    config: watch::Sender<Arc<Config>>,
    cancel: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    /// Modems that take what they are given and say nothing.
    silent: Arc<Mutex<BTreeSet<SlotId>>>,
    sent: u32,
}

impl Bench {
    /// `answers` is asked with the number of the submission, from 1.
    fn new(names: &[(&str, &str)], answers: impl Fn(u32) -> Answer + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::default());
        let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 10_000 };
        let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options, clock.clone()).unwrap();
        let (seen, submitted) = mpsc::channel(4096);
        let (answers, count) = (Arc::new(answers), Arc::new(AtomicU32::new(0)));
        let silent: Arc<Mutex<BTreeSet<SlotId>>> = Arc::default();
        let mut modems = BTreeMap::new();
        let mut handles = BTreeMap::new();
        let mut slots = Vec::new();
        for (name, prefix) in names {
            let slot = slot(name, prefix);
            let (sender, snapshot) = watch::channel(ModemSnapshot::absent(slot.id.clone(), true, ""));
            let (requests, mut mailbox) = mpsc::channel(4);
            let (id, seen, answers, count) = (slot.id.clone(), seen.clone(), answers.clone(), count.clone());
            let silent = silent.clone();
            tokio::spawn(async move {
                let mut kept = Vec::new();
                while let Some(request) = mailbox.recv().await {
                    if let Request::Submit { hex, reply, .. } = request {
                        let _ = seen.send((id.clone(), hex)).await;
                        if silent.lock().unwrap().contains(&id) {
                            kept.push(reply);
                            continue;
                        }
                        let _ = reply.send(answers(count.fetch_add(1, Ordering::Relaxed) + 1));
                    }
                }
            });
            modems.insert(slot.id.clone(), sender);
            handles.insert(slot.id.clone(), SlotHandle { snapshot, requests });
            slots.push(slot);
        }
        let cancel = CancellationToken::new();
        let (config, generations) = watch::channel(config(slots));
        let pool = Pool::new(handles);
        let dispatch = Dispatch::new(store.clone(), pool.clone(), generations, Box::new(LeastCost));
        let running = tokio::spawn(dispatch.run(cancel.clone()));
        Self { folder, clock, store, pool, modems, submitted, config, cancel, running, silent, sent: 0 }
    }

    /// Another dispatcher in the place of this one, over the same store and modems.
    async fn start_anew(&mut self) {
        self.cancel.cancel();
        self.store.outbox_abandoned().await.unwrap();
        self.cancel = CancellationToken::new();
        let dispatch =
            Dispatch::new(self.store.clone(), self.pool.clone(), self.config.subscribe(), Box::new(LeastCost));
        self.running = tokio::spawn(dispatch.run(self.cancel.clone()));
    }

    fn set_ready(&self, name: &str, ready: bool) {
        self.modems[&SlotId::new(name)].send_modify(|seen| {
            seen.ready = ready;
            seen.health = Health::ok();
        });
    }

    fn silence(&self, name: &str) {
        self.silent.lock().unwrap().insert(SlotId::new(name));
    }

    async fn send(&mut self, recipient: &str, text: &str, policy: ResendPolicy) -> MessageId {
        let message = self.message(recipient, text, policy);
        let id = message.id;
        self.store.enqueue(message).await.unwrap();
        id
    }

    fn message(&mut self, recipient: &str, text: &str, policy: ResendPolicy) -> NewOutgoing {
        self.sent += 1;
        let id = MessageId::parse(&format!("01890a5d-ac96-7000-8000-{:012}", self.sent)).unwrap();
        NewOutgoing {
            id,
            sender: None,
            recipient: recipient.to_owned(),
            text: text.to_owned(),
            flash: false,
            policy,
            queued_at: Timestamp::UNIX_EPOCH,
            lifetime: LIFETIME,
        }
    }

    /// Queues a self-test of a slot.
    async fn self_test(&mut self, name: &str, number: &str, token: &str) -> MessageId {
        let message = self.message(number, token, ResendPolicy::Once);
        let (id, slot) = (message.id, SlotId::new(name));
        let after = self.store.self_tests_of(&slot).await.unwrap().last().map(|test| test.sequence);
        let day = jiff::civil::date(2026, 11, 21);
        let test = NewSelfTest { slot, token: token.to_owned(), day, after, message };
        assert!(self.store.start_self_test(test).await.unwrap());
        id
    }

    async fn submission(&mut self) -> String {
        timeout(SOON, self.submitted.recv()).await.expect("a submission in time").unwrap().0.to_string()
    }

    /// The TPDU of the next submission.
    async fn pdu(&mut self) -> String {
        timeout(SOON, self.submitted.recv()).await.expect("a submission in time").unwrap().1
    }

    async fn reaches(&self, id: MessageId, state: OutgoingState) {
        let wanted = async {
            loop {
                let now = self.store.outgoing(id).await.unwrap().unwrap().state;
                if now == state {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let outcome = timeout(Duration::from_secs(20), wanted).await;
        assert!(outcome.is_ok(), "{state:?}, is {:?}", self.store.outgoing(id).await);
    }

    /// Time passes, and the dispatcher notices.
    async fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
        self.store.outbox_wakeup().notify_one();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn block(path: &std::path::Path) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

fn unknown() -> Answer {
    Err(SubmitError::OutcomeUnknown { cause: "silence".to_owned() })
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_messages_go_out_when_a_modem_becomes_ready_and_cost_no_writes_before() {
    let mut bench = Bench::new(&[("00", "+49")], |_| Ok(1));
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(bench.send(&format!("+4917612345{number:02}"), "hello", ResendPolicy::Alarm).await);
    }
    let accepted = bench.store.transactions();
    for _ in 0..20 {
        bench.pass(Duration::from_secs(11)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.store.transactions(), accepted, "nothing is written while nothing can be sent");
    bench.set_ready("00", true);
    for id in ids {
        bench.submission().await;
        bench.reaches(id, OutgoingState::Sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_modem_took_expires() {
    let mut bench = Bench::new(&[("00", "+49")], |_| Ok(1));
    let id = bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
    let dead = bench.send("+1", "hello", ResendPolicy::Alarm).await;
    bench.reaches(dead, OutgoingState::Failed).await;
    bench.pass(LIFETIME).await;
    bench.reaches(id, OutgoingState::Expired).await;
    bench.set_ready("00", true);
    let next = bench.send("+491761234568", "hello", ResendPolicy::Alarm).await;
    bench.reaches(next, OutgoingState::Sent).await;
    bench.submission().await;
    assert!(bench.submitted.try_recv().is_err(), "the expired one stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_of_one_sim_does_not_keep_out_another() {
    let mut bench = Bench::new(&[("00", "+49"), ("01", "+43")], |_| Ok(1));
    bench.set_ready("01", true);
    for hundred in 0..21 {
        // Together, so that they share their flush to disk.
        let mut accepted = JoinSet::new();
        for number in 0..100 {
            let message = bench.message(&format!("+4917612{hundred:02}{number:03}"), "hello", ResendPolicy::Alarm);
            let store = bench.store.clone();
            accepted.spawn(async move { store.enqueue(message).await.unwrap() });
        }
        accepted.join_all().await;
    }
    let other = bench.send("+431761234567", "hello", ResendPolicy::Alarm).await;
    bench.reaches(other, OutgoingState::Sent).await;
    assert_eq!(bench.submission().await, "01");
    bench.set_ready("00", true);
    for _ in 0..700 {
        assert_eq!(bench.submission().await, "00");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modem_that_does_not_answer_keeps_one_message_from_leaving_and_no_others() {
    let mut bench = Bench::new(&[("00", "+49"), ("01", "+49"), ("02", "+49")], |_| Ok(1));
    bench.silence("00");
    for name in ["00", "01", "02"] {
        bench.set_ready(name, true);
    }
    let held = bench.send("+491761234567", "into the void", ResendPolicy::Alarm).await;
    assert_eq!(bench.submission().await, "00");
    for number in 0..12 {
        let id = bench.send(&format!("+4917612345{number:02}"), "hello", ResendPolicy::Alarm).await;
        bench.reaches(id, OutgoingState::Sent).await;
    }
    assert_eq!(bench.store.outgoing(held).await.unwrap().unwrap().state, OutgoingState::Sending);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_behind_a_modem_that_does_not_answer_goes_to_the_next_one_that_comes() {
    let mut bench = Bench::new(&[("00", "+49"), ("01", "+49")], |_| Ok(1));
    bench.silence("00");
    bench.set_ready("00", true);
    bench.send("+491761234567", "into the void", ResendPolicy::Alarm).await;
    assert_eq!(bench.submission().await, "00");
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(bench.send(&format!("+4917612345{number:02}"), "hello", ResendPolicy::Alarm).await);
    }
    // All have been taken up, and there is none but the silent one.
    while bench.store.outbox_next_due().await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.set_ready("01", true);
    for id in ids {
        bench.reaches(id, OutgoingState::Sent).await;
        assert_eq!(bench.submission().await, "01");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_the_store_cannot_take_is_recorded_later_and_nothing_goes_twice() {
    let blocked: Arc<Mutex<Option<rusqlite::Connection>>> = Arc::default();
    let path: Arc<Mutex<Option<std::path::PathBuf>>> = Arc::default();
    let (holder, place) = (blocked.clone(), path.clone());
    let mut bench = Bench::new(&[("00", "+49")], move |_| {
        *holder.lock().unwrap() = Some(block(place.lock().unwrap().as_ref().unwrap()));
        Ok(7)
    });
    *path.lock().unwrap() = Some(bench.folder.path().join("smsgate.db"));
    bench.set_ready("00", true);
    let id = bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
    bench.submission().await;
    // The writer gives up at least once before the store works again.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(bench.store.outgoing(id).await.unwrap().unwrap().state, OutgoingState::Sending);
    drop(blocked.lock().unwrap().take());
    bench.reaches(id, OutgoingState::Sent).await;
    bench.pass(Duration::from_secs(120)).await;
    assert_eq!(bench.store.outgoing(id).await.unwrap().unwrap().tries, 1);
    assert!(bench.submitted.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_twice_ends_it_and_a_refusal_before_does_not_count() {
    let mut bench = Bench::new(&[("00", "+49")], |count| match count {
        1 => Err(SubmitError::Transient { cause: "congestion".to_owned() }),
        2 => unknown(),
        3 => Err(SubmitError::Transient { cause: "congestion".to_owned() }),
        _ => unknown(),
    });
    bench.set_ready("00", true);
    let id = bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
    while bench.store.outgoing(id).await.unwrap().unwrap().tries < 4 {
        bench.pass(Duration::from_secs(61)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.reaches(id, OutgoingState::Unknown).await;
    bench.pass(Duration::from_secs(4000)).await;
    let other = bench.send("+491761234568", "hello", ResendPolicy::Alarm).await;
    bench.reaches(other, OutgoingState::Unknown).await;
    assert_eq!(bench.store.outgoing(id).await.unwrap().unwrap().tries, 4, "two that may have left are enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_test_leaves_through_its_own_sim_whatever_the_routes_say_or_not_at_all() {
    let mut bench = Bench::new(&[("00", "+43"), ("01", "+49")], |_| Ok(1));
    bench.set_ready("00", true);
    bench.set_ready("01", true);
    let number = "+491700000000";
    for (token, health) in
        [("0000000000000001", Health::ok()), ("0000000000000002", Health::of(HealthLevel::Warning, "x"))]
    {
        bench.modems[&SlotId::new("00")].send_modify(|seen| seen.health = health);
        let id = bench.self_test("00", number, token).await;
        assert_eq!(bench.submission().await, "00");
        bench.reaches(id, OutgoingState::Sent).await;
    }
    // A CRITICAL modem is not tested, and no other one sends in its place.
    bench.modems[&SlotId::new("00")].send_modify(|seen| seen.health = Health::of(HealthLevel::Critical, "x"));
    let id = bench.self_test("00", number, "0000000000000003").await;
    let other = bench.send(number, "hello", ResendPolicy::Alarm).await;
    assert_eq!(bench.submission().await, "01");
    bench.reaches(other, OutgoingState::Sent).await;
    assert_eq!(bench.store.outgoing(id).await.unwrap().unwrap().state, OutgoingState::Queued);
    bench.pass(LIFETIME).await;
    bench.reaches(id, OutgoingState::Expired).await;
    bench.set_ready("00", true);
    assert!(bench.submitted.try_recv().is_err());
}

#[tokio::test]
async fn a_message_that_waits_goes_as_soon_as_another_configuration_lets_it() {
    let mut bench = Bench::new(&[("00", "+49"), ("01", "+49")], |_| Ok(7));
    bench.set_ready("01", true);
    let slots = |prefix: &str| vec![slot("00", "+41"), slot("01", prefix)];
    bench.config.send_replace(config(slots("+49")));
    let id = bench.send("+41791234567", "waits for 00", ResendPolicy::Alarm).await;
    // Once the one behind it has gone, it has been looked at and left.
    bench.send("+4917612345678", "does not wait", ResendPolicy::Alarm).await;
    bench.submission().await;
    bench.config.send_replace(config(slots("+41")));
    bench.submission().await;
    bench.reaches(id, OutgoingState::Sent).await;
}

impl Bench {
    /// From now on the slots have these limits of parts per minute.
    fn limit(&self, slots: &[(&str, &str, u32)]) {
        let slots: Vec<_> = slots
            .iter()
            .map(|(name, prefix, parts)| {
                let mut slot = slot(name, prefix);
                slot.limits = SendLimits { parts_per_minute: Some(*parts), ..SendLimits::default() };
                slot
            })
            .collect();
        self.store.set_limits(slots.iter().map(|slot| (slot.id.clone(), slot.limits)).collect());
        self.config.send_replace(config(slots));
        self.modems.keys().for_each(|slot| self.set_ready(slot.as_str(), true));
    }

    async fn waits_for_room(&self, id: MessageId) {
        let cause = async {
            while !self.store.outgoing(id).await.unwrap().unwrap().cause.contains("limit") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, cause).await.expect("the cause says that a limit is reached");
        assert_eq!(self.store.outgoing(id).await.unwrap().unwrap().state, OutgoingState::Queued);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sim_at_its_limit_leaves_it_to_another_and_when_all_are_the_message_waits() {
    let mut bench = Bench::new(&[("00", "+49"), ("01", "+49")], |_| Ok(1));
    bench.limit(&[("00", "+49", 1), ("01", "+49", 2)]);
    let mut went = Vec::new();
    for _ in 0..3 {
        bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
        went.push(bench.submission().await);
    }
    went.sort();
    assert_eq!(went, ["00", "01", "01"]);
    let late = bench.send("+491761234567", "late", ResendPolicy::Alarm).await;
    bench.waits_for_room(late).await;
    assert!(bench.submitted.try_recv().is_err());
    bench.pass(Duration::from_secs(65)).await;
    bench.submission().await;
    bench.reaches(late, OutgoingState::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sim_that_is_away_when_it_has_room_again_sends_once_it_is_back() {
    let mut bench = Bench::new(&[("00", "+49")], |_| Ok(1));
    bench.limit(&[("00", "+49", 1)]);
    bench.send("+491761234567", "first", ResendPolicy::Alarm).await;
    bench.submission().await;
    let late = bench.send("+491761234567", "late", ResendPolicy::Alarm).await;
    bench.waits_for_room(late).await;
    bench.set_ready("00", false);
    bench.pass(Duration::from_secs(65)).await;
    bench.set_ready("00", true);
    bench.reaches(late, OutgoingState::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_keeps_its_turn_before_short_ones_that_came_later() {
    let mut bench = Bench::new(&[("00", "+49")], |_| Ok(1));
    bench.limit(&[("00", "+49", 2)]);
    bench.send("+491761234567", "first", ResendPolicy::Alarm).await;
    bench.submission().await;
    let long = bench.send("+491761234567", &"long ".repeat(50), ResendPolicy::Alarm).await;
    bench.waits_for_room(long).await;
    let short = bench.send("+491761234567", "short", ResendPolicy::Alarm).await;
    bench.waits_for_room(short).await;
    assert!(bench.submitted.try_recv().is_err(), "there is room for the short one, but it is not its turn");
    bench.pass(Duration::from_secs(65)).await;
    bench.reaches(long, OutgoingState::Sent).await;
    bench.waits_for_room(short).await;
    bench.pass(Duration::from_secs(65)).await;
    bench.reaches(short, OutgoingState::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_longer_than_the_limit_goes_part_by_part() {
    let mut bench = Bench::new(&[("00", "+49")], |_| Ok(1));
    bench.limit(&[("00", "+49", 2)]);
    let long = bench.send("+491761234567", &"long ".repeat(80), ResendPolicy::Alarm).await;
    for _ in 0..2 {
        bench.submission().await;
    }
    bench.waits_for_room(long).await;
    let message = bench.store.outgoing(long).await.unwrap().unwrap();
    assert_eq!((message.parts, message.parts_sent), (3, 2));
    bench.pass(Duration::from_secs(65)).await;
    bench.submission().await;
    bench.reaches(long, OutgoingState::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_limit_and_a_denied_prefix_count_at_once() {
    let mut bench = Bench::new(&[("00", "+")], |_| Ok(1));
    bench.limit(&[("00", "+", 1)]);
    bench.send("+491", "first", ResendPolicy::Alarm).await;
    bench.submission().await;
    let second = bench.send("+491", "second", ResendPolicy::Alarm).await;
    bench.waits_for_room(second).await;
    bench.limit(&[("00", "+", 2)]);
    bench.reaches(second, OutgoingState::Sent).await;
    let mut denying = slot("00", "+");
    denying.denied_prefixes = vec![crate::model::Prefix::parse("+881").unwrap()];
    bench.config.send_replace(config(vec![denying]));
    let satellite = bench.send("+8816123", "dear", ResendPolicy::Alarm).await;
    bench.reaches(satellite, OutgoingState::Failed).await;
    assert!(bench.store.outgoing(satellite).await.unwrap().unwrap().cause.contains("denied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn among_equals_the_one_that_sent_less_today_sends_also_after_a_restart() {
    let mut bench = Bench::new(&[("00", "+49"), ("01", "+49")], |_| Ok(1));
    bench.set_ready("00", true);
    bench.set_ready("01", true);
    for expected in ["00", "01", "00", "01", "00"] {
        let id = bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
        bench.reaches(id, OutgoingState::Sent).await;
        assert_eq!(bench.submission().await, expected);
    }
    bench.start_anew().await;
    let id = bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
    bench.reaches(id, OutgoingState::Sent).await;
    assert_eq!(bench.submission().await, "01", "00 sent three");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_message_share_a_reference_that_the_next_message_does_not_have() {
    let mut bench = Bench::new(&[("00", "+49")], |_| Ok(1));
    bench.set_ready("00", true);
    let mut headers = Vec::new();
    for _ in 0..3 {
        let id = bench.send("+491761234567", &"long ".repeat(50), ResendPolicy::Alarm).await;
        bench.reaches(id, OutgoingState::Sent).await;
        for part in ["01", "02"] {
            let pdu = bench.pdu().await;
            // UDH: five octets, concatenation of three: reference, parts, this one.
            let (_, header) = pdu.split_once("050003").expect("a concatenation");
            assert_eq!(&header[2..6], format!("02{part}"), "{pdu}");
            headers.push(header[..2].to_owned());
        }
    }
    assert_eq!((&headers[0], &headers[2], &headers[4]), (&headers[1], &headers[3], &headers[5]), "of one message");
    headers.dedup();
    assert_eq!(headers.len(), 3, "of three: {headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_go_once_only_is_over_when_the_modem_falls_silent() {
    let mut bench = Bench::new(&[("00", "+49")], |_| unknown());
    bench.set_ready("00", true);
    let id = bench.send("+491761234567", "hello", ResendPolicy::Once).await;
    bench.reaches(id, OutgoingState::Unknown).await;
    bench.submission().await;
    bench.pass(Duration::from_secs(4000)).await;
    let next = bench.send("+491761234568", "hello", ResendPolicy::Once).await;
    bench.reaches(next, OutgoingState::Unknown).await;
    bench.submission().await;
    assert!(bench.submitted.try_recv().is_err(), "once is once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_submission_under_way_is_waited_for_at_the_stop() {
    let (answer, answers) = std::sync::mpsc::channel();
    let answers = Mutex::new(answers);
    let mut bench = Bench::new(&[("00", "+49")], move |_| answers.lock().unwrap().recv().unwrap());
    bench.set_ready("00", true);
    let id = bench.send("+491761234567", "hello", ResendPolicy::Alarm).await;
    bench.submission().await;
    bench.cancel.cancel();
    assert!(timeout(Duration::from_millis(100), &mut bench.running).await.is_err(), "it waits for the modem's answer");
    answer.send(Ok(7)).unwrap();
    timeout(SOON, &mut bench.running).await.expect("then it ends").unwrap();
    assert_eq!(bench.store.outgoing(id).await.unwrap().unwrap().state, OutgoingState::Sent);
}
