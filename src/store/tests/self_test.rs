//! Self-tests on record: one transaction each way, and a crash between every two steps.

use jiff::civil::date;

use super::*;
use crate::{
    model::{OutgoingState, SelfTest},
    store::{NewSelfTest, StoreError},
};

const TOKEN: &str = "3f9c1a7be2d04c05";

fn new_test(token: &str, after: Option<i64>) -> NewSelfTest {
    let mut message = outgoing("+491700000001", ResendPolicy::Once);
    message.text = format!("SMSgate self-test {token}");
    NewSelfTest { slot: slot(), token: token.to_owned(), day: date(2026, 11, 21), after, message }
}

/// What comes in when a test returns.
fn coming_back(index: u16, pdu: &str, token: &str) -> NewSegment {
    let text = format!("SMSgate self-test {token}");
    segment(Some(index), pdu, SegmentContent::SelfTest { token: token.to_owned(), text })
}

impl Bench {
    async fn begin_test(&self, token: &str) -> SelfTest {
        let after = self.tests().await.last().map(|test| test.sequence);
        assert!(self.store.start_self_test(new_test(token, after)).await.unwrap());
        self.tests().await.pop().unwrap()
    }

    async fn tests(&self) -> Vec<SelfTest> {
        self.store.self_tests_of(&slot()).await.unwrap()
    }

    async fn latest(&self) -> SelfTest {
        self.tests().await.pop().unwrap()
    }
}

#[tokio::test]
async fn a_test_goes_out_through_its_own_sim_and_comes_back_unseen() {
    let bench = Bench::new();
    let test = bench.begin_test(TOKEN).await;
    assert_eq!((test.state, test.back), (Some(OutgoingState::Queued), None));
    assert_eq!((test.start.day, test.start.run), (date(2026, 11, 21), bench.store.now()));
    assert!(test.start.same_boot);
    let job = bench.store.outbox_due(10).await.unwrap().pop().unwrap();
    assert_eq!((job.id, &job.pinned), (test.message, &Some(slot())));

    bench.clock.pass(HOUR);
    bench.store.routed(job.id, route(1)).await.unwrap();
    bench.store.part_begins(job.id, 0).await.unwrap();
    bench.store.part_sent(job.id, 0, 1, None).await.unwrap();
    bench.clock.pass(Duration::from_millis(4250));
    assert_eq!(bench.receive(coming_back(1, "AA", TOKEN)).await, Committed::SelfTest);
    assert!(bench.visible().await.is_empty());
    assert_eq!(bench.store.mail_backlog().await.unwrap().waiting, 0);
    let facts = bench.store.sim_facts().await.unwrap().remove(&slot()).unwrap();
    assert_eq!(
        (facts.sent, facts.received, facts.last_received),
        (1, 0, None),
        "the network charged it; nobody got it"
    );
    let back = bench.latest().await.back.unwrap();
    assert_eq!((back.round_trip, back.run), (Duration::from_millis(4250), bench.store.now()), "from the hand-over");

    // The network's repeats change nothing, whether its bytes are the same or not.
    bench.store.segment_deleted(key(Some(1), "AA")).unwrap();
    bench.clock.pass(HOUR);
    assert!(matches!(bench.receive(coming_back(1, "AA", TOKEN)).await, Committed::Repeat { of: None }));
    assert_eq!(bench.receive(coming_back(2, "BB", TOKEN)).await, Committed::SelfTest);
    assert_eq!(bench.latest().await.back, Some(back));
    assert!(bench.visible().await.is_empty());
}

#[tokio::test]
async fn what_was_never_issued_to_this_slot_is_an_ordinary_message() {
    let bench = Bench::new();
    bench.begin_test(TOKEN).await;
    let mut elsewhere = coming_back(2, "BB", TOKEN);
    elsewhere.key.slot = SlotId::new("modem2");
    for (segment, seen) in [(coming_back(1, "AA", "0000000000000000"), 1), (elsewhere, 1)] {
        let committed = bench.receive(segment).await;
        assert!(matches!(committed, Committed::Stored { message: Some(_) }), "{committed:?}");
        assert_eq!(bench.visible().await.len(), seen);
    }
    assert_eq!(bench.visible().await[0].text, "SMSgate self-test 0000000000000000");
    assert_eq!(bench.store.mail_backlog().await.unwrap().waiting, 2);
    assert_eq!(bench.latest().await.back, None);
}

#[tokio::test]
async fn late_ones_are_known_and_much_later_ones_are_not() {
    let bench = Bench::new();
    let token = |number: u64| format!("{number:016x}");
    for number in 0..4 {
        bench.begin_test(&token(number)).await;
    }
    assert_eq!(bench.receive(coming_back(1, "A0", &token(0))).await, Committed::SelfTest);
    for number in 4..20 {
        bench.begin_test(&token(number)).await;
    }
    // The one that came back is kept for as long as none did since; the others go.
    let kept: Vec<(i64, bool)> = bench.tests().await.iter().map(|test| (test.sequence, test.back.is_some())).collect();
    assert_eq!(kept, [(1, true), (16, false), (17, false), (18, false), (19, false), (20, false)]);
    assert!(matches!(bench.receive(coming_back(2, "A1", &token(1))).await, Committed::Stored { message: Some(_) }));
    assert_eq!(bench.receive(coming_back(3, "AF", &token(15))).await, Committed::SelfTest);
    bench.begin_test(&token(20)).await;
    assert_eq!(bench.tests().await.len(), 6, "the newest return, and five");
    bench.begin_test(&token(21)).await;
    assert_eq!(bench.tests().await.iter().filter(|test| test.back.is_some()).count(), 1);
}

#[tokio::test]
async fn of_two_that_decide_at_once_one_starts() {
    let bench = Bench::new();
    assert!(bench.store.start_self_test(new_test(TOKEN, None)).await.unwrap());
    assert!(!bench.store.start_self_test(new_test("ffffffffffffffff", None)).await.unwrap());
    assert!(!bench.store.start_self_test(new_test("ffffffffffffffff", Some(7))).await.unwrap());
    assert_eq!((bench.tests().await.len(), bench.store.outgoing_latest(10).await.unwrap().len()), (1, 1));
}

/// A failure of either half undoes the other.
#[tokio::test]
async fn there_is_no_test_without_its_message_and_no_message_without_its_test() {
    let bench = Bench::new();
    let first = bench.begin_test(TOKEN).await;
    let twice = bench.store.start_self_test(new_test(TOKEN, Some(first.sequence))).await;
    assert!(matches!(twice, Err(StoreError::Sqlite(_))), "the token is taken: {twice:?}");
    assert_eq!(bench.store.outgoing_latest(10).await.unwrap().len(), 1, "and its message is not queued");
    assert_eq!(bench.tests().await, [first]);
}

#[tokio::test]
async fn self_tests_neither_fill_the_queue_nor_are_kept_out_by_it() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 1 });
    bench.begin_test(TOKEN).await;
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), 0);
    bench.send("+491", ResendPolicy::Alarm).await;
    assert!(matches!(
        bench.store.enqueue(outgoing("+492", ResendPolicy::Alarm)).await,
        Err(StoreError::Full { limit: 1 })
    ));
    bench.begin_test("ffffffffffffffff").await;
    assert_eq!(bench.store.outbox_due(10).await.unwrap().len(), 3);
}

/// SIGKILL between every two steps: the record stays, the outbox's states say what happens to the message, and it is
/// never handed over twice.
#[tokio::test]
async fn a_crash_between_any_two_steps_gives_neither_two_tests_nor_none() {
    for steps in 0..=4 {
        let mut bench = Bench::new();
        let test = bench.begin_test(TOKEN).await;
        let mut handed_over = false;
        for step in 0..=steps {
            bench = bench.reopen_after(Duration::from_secs(1));
            match step {
                0 => {}
                1 => assert_eq!(bench.store.outbox_due(10).await.unwrap().len(), 1),
                2 => bench.store.routed(test.message, route(1)).await.unwrap(),
                3 => {
                    bench.store.part_begins(test.message, 0).await.unwrap();
                    handed_over = true;
                }
                _ => {}
            }
        }
        let bench = bench.reopen();
        assert_eq!(bench.tests().await.len(), 1, "after {steps} steps");
        assert!(bench.latest().await.start.same_boot);
        let stale = new_test("ffffffffffffffff", None);
        assert!(!bench.store.start_self_test(stale).await.unwrap(), "after {steps} steps");
        let due = bench.store.outbox_due(10).await.unwrap();
        if handed_over {
            // In the modem's hands when the power went: it may have left, and is not sent again.
            assert!(due.is_empty(), "after {steps} steps: {due:?}");
            assert_eq!(bench.latest().await.state, Some(OutgoingState::Unknown));
            bench.clock.pass(30 * DAY);
            assert!(bench.store.outbox_due(10).await.unwrap().is_empty());
        } else {
            assert_eq!(due.iter().map(|job| job.id).collect::<Vec<_>>(), [test.message], "after {steps} steps");
            assert_eq!(due[0].pinned, Some(slot()));
        }
        // If it left, its return says so; a crash before the SIM's copy is deleted does not bring it up as a message.
        assert_eq!(bench.receive(coming_back(1, "AA", TOKEN)).await, Committed::SelfTest);
        let bench = bench.reopen();
        assert_eq!(bench.receive(coming_back(1, "AA", TOKEN)).await, Committed::AlreadyHeld);
        assert!(bench.latest().await.back.is_some() && bench.visible().await.is_empty());
    }
}

#[tokio::test]
async fn the_record_knows_a_reboot_and_outlives_its_message() {
    let bench = Bench::new();
    let test = bench.begin_test(TOKEN).await;
    bench.store.ended(test.message, OutgoingState::Failed, "barred").await.unwrap();
    assert_eq!(bench.latest().await.cause, "barred");
    bench.clock.reboot("boot-2");
    let bench = bench.reopen();
    assert!(!bench.latest().await.start.same_boot);
    bench.clock.pass(60 * DAY);
    for _ in 0..1001 {
        bench.send("+491", ResendPolicy::Alarm).await;
    }
    bench.store.retain().await.unwrap();
    assert_eq!(bench.store.outgoing(test.message).await.unwrap(), None);
    let latest = bench.latest().await;
    assert_eq!((latest.state, latest.start.run), (None, test.start.run));
}
