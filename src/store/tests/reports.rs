//! Delivery reports: whom they mean, and what they may change.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    model::OutgoingState,
    store::{
        ReportMatch,
        ReportOutcome::{Delivered, Expired, Trying, Undelivered},
    },
};

const TO: &str = "+491760000000";

impl Bench {
    async fn report(&self, reference: u8, recipient: &str, outcome: ReportOutcome, pdu: &str) -> ReportMatch {
        self.store.commit_report(report(reference, recipient, outcome, pdu)).await.unwrap()
    }

    async fn state_of(&self, id: MessageId) -> OutgoingState {
        self.store.outgoing(id).await.unwrap().unwrap().state
    }

    async fn in_doubt(&self, recipient: &str, policy: ResendPolicy) -> MessageId {
        let id = self.send(recipient, policy).await;
        self.store.outbox_due(100).await.unwrap();
        self.store.routed(id, route(1)).await.unwrap();
        self.store.part_begins(id, 0).await.unwrap();
        let resolve_at = (policy == ResendPolicy::Alarm).then(|| self.store.now().after(HOUR));
        self.store.part_unknown(id, 0, "silent", resolve_at).await.unwrap();
        id
    }
}

#[tokio::test]
async fn all_parts_delivered_is_delivered() {
    let bench = Bench::new();
    let id = bench.sent(TO, 2, 10).await;
    assert_eq!(bench.report(11, "491760000000", Delivered, "R1").await, ReportMatch::Message(id));
    assert_eq!(bench.state_of(id).await, OutgoingState::Sent);
    let bench = bench.reopen();
    assert_eq!(bench.report(10, "01760000000", Delivered, "R2").await, ReportMatch::Message(id));
    let message = bench.store.outgoing(id).await.unwrap().unwrap();
    assert_eq!((message.state, message.parts_delivered, message.done_at), (OutgoingState::Delivered, 2, Some(wall())));
}

#[tokio::test]
async fn outcomes_and_their_order() {
    for (outcomes, state) in [
        (vec![Trying], OutgoingState::Sent),
        (vec![Undelivered], OutgoingState::Undelivered),
        (vec![Expired], OutgoingState::Expired),
        (vec![Trying, Delivered], OutgoingState::Delivered),
        (vec![Delivered, Undelivered], OutgoingState::Delivered),
        (vec![Delivered, Trying], OutgoingState::Delivered),
        (vec![Undelivered, Trying], OutgoingState::Undelivered),
        (vec![Expired, Delivered], OutgoingState::Delivered),
    ] {
        let bench = Bench::new();
        let id = bench.sent(TO, 1, 10).await;
        for (number, outcome) in outcomes.iter().enumerate() {
            assert_eq!(bench.report(10, TO, *outcome, &format!("R{number}")).await, ReportMatch::Message(id));
        }
        assert_eq!(bench.state_of(id).await, state, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_report_is_taken_once() {
    let bench = Bench::new();
    bench.sent(TO, 1, 10).await;
    bench.report(10, TO, Trying, "R").await;
    assert_eq!(bench.report(10, TO, Trying, "R").await, ReportMatch::Duplicate);
    bench.store.segment_deleted(key(None, "R")).unwrap();
    let bench = bench.reopen_after(DAY - HOUR);
    assert_eq!(bench.report(10, TO, Trying, "R").await, ReportMatch::Duplicate);
    bench.clock.pass(HOUR);
    assert_ne!(bench.report(10, TO, Trying, "R").await, ReportMatch::Duplicate);
}

#[tokio::test]
async fn same_reference_and_recipient_open_twice_is_left_alone() {
    let bench = Bench::new();
    let first = bench.sent(TO, 1, 10).await;
    let second = bench.sent(TO, 1, 10).await;
    let other = bench.sent("+43660000000", 1, 10).await;
    assert_eq!(bench.report(10, TO, Delivered, "R1").await, ReportMatch::Ambiguous);
    assert_eq!(bench.state_of(first).await, OutgoingState::Sent);
    assert_eq!(bench.state_of(second).await, OutgoingState::Sent);
    assert_eq!(bench.report(10, "+43660000000", Delivered, "R2").await, ReportMatch::Message(other));
}

#[tokio::test]
async fn another_sim_or_an_old_submission_does_not_match() {
    let bench = Bench::new();
    let id = bench.sent(TO, 1, 10).await;
    let mut foreign = report(10, TO, Delivered, "R1");
    foreign.key.sim = "8950".to_owned();
    assert_eq!(bench.store.commit_report(foreign).await.unwrap(), ReportMatch::Unmatched);
    bench.clock.pass(4 * DAY + HOUR);
    assert_eq!(bench.report(10, TO, Delivered, "R2").await, ReportMatch::Unmatched);
    assert_eq!(bench.state_of(id).await, OutgoingState::Sent);
}

#[tokio::test]
async fn a_report_may_come_before_the_answer_with_the_reference() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.report(77, TO, Delivered, "stray").await;
    bench.clock.pass(HOUR);
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    assert_eq!(bench.report(77, TO, Expired, "R").await, ReportMatch::Unmatched);
    bench.store.part_sent(id, 0, 77, None).await.unwrap();
    assert_eq!(bench.state_of(id).await, OutgoingState::Expired, "and the stray one from before is not its");
}

#[tokio::test]
async fn a_report_settles_an_unknown_outcome() {
    for policy in [ResendPolicy::Alarm, ResendPolicy::Once] {
        let bench = Bench::new();
        let id = bench.in_doubt(TO, policy).await;
        assert_eq!(bench.report(5, TO, Delivered, "R").await, ReportMatch::Message(id));
        assert_eq!(bench.state_of(id).await, OutgoingState::Delivered, "{policy:?}");
        bench.clock.pass(HOUR);
        assert!(bench.store.outbox_due(9).await.unwrap().is_empty(), "{policy:?}");
        assert_eq!(bench.store.outbox_waiting().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_report_from_before_the_crash_settles_after_it() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    assert_eq!(bench.report(5, TO, Delivered, "R").await, ReportMatch::Unmatched);
    let bench = bench.reopen();
    assert_eq!(bench.state_of(id).await, OutgoingState::Delivered);
}

#[tokio::test]
async fn two_unknown_outcomes_to_one_recipient_are_left_alone() {
    let bench = Bench::new();
    let first = bench.in_doubt(TO, ResendPolicy::Once).await;
    let second = bench.in_doubt(TO, ResendPolicy::Once).await;
    assert_eq!(bench.report(5, TO, Delivered, "R").await, ReportMatch::Ambiguous);
    assert_eq!(bench.state_of(first).await, OutgoingState::Unknown);
    assert_eq!(bench.state_of(second).await, OutgoingState::Unknown);
}

impl Bench {
    /// In doubt, and then submitted again, with this reference.
    async fn submitted_twice(&self, recipient: &str, reference: u8) -> MessageId {
        let id = self.in_doubt(recipient, ResendPolicy::Alarm).await;
        self.clock.pass(2 * HOUR);
        assert_eq!(self.store.outbox_due(100).await.unwrap().len(), 1);
        self.store.routed(id, route(1)).await.unwrap();
        self.store.part_begins(id, 0).await.unwrap();
        self.store.part_sent(id, 0, reference, None).await.unwrap();
        id
    }
}

#[tokio::test]
async fn a_first_submission_is_reported_with_a_reference_nobody_knows() {
    for outcome in [Delivered, Expired] {
        let bench = Bench::new();
        let id = bench.submitted_twice(TO, 6).await;
        assert_eq!(bench.report(5, TO, outcome, "R1").await, ReportMatch::Message(id), "{outcome:?}");
        assert_eq!(bench.report(6, TO, Delivered, "R2").await, ReportMatch::Message(id), "{outcome:?}");
        assert_eq!(bench.state_of(id).await, OutgoingState::Delivered, "{outcome:?}");
        assert_eq!(bench.report(6, TO, Expired, "R3").await, ReportMatch::Message(id), "its last word, {outcome:?}");
        assert_eq!(bench.state_of(id).await, OutgoingState::Delivered, "{outcome:?}");
    }
}

#[tokio::test]
async fn the_report_of_a_first_submission_settles_no_other_message() {
    let bench = Bench::new();
    let twice = bench.submitted_twice(TO, 6).await;
    let doubtful = bench.in_doubt(TO, ResendPolicy::Once).await;
    assert_eq!(bench.report(5, TO, Delivered, "R1").await, ReportMatch::Ambiguous);
    assert_eq!(bench.state_of(doubtful).await, OutgoingState::Unknown);
    assert_eq!(bench.report(6, TO, Delivered, "R2").await, ReportMatch::Message(twice));

    // The same while the other one is on its way, whose outcome is lost afterwards.
    let bench = Bench::new();
    bench.submitted_twice(TO, 6).await;
    let doubtful = bench.send(TO, ResendPolicy::Once).await;
    bench.store.routed(doubtful, route(1)).await.unwrap();
    bench.store.part_begins(doubtful, 0).await.unwrap();
    assert_eq!(bench.report(5, TO, Delivered, "R1").await, ReportMatch::Unmatched);
    bench.store.part_unknown(doubtful, 0, "silent", None).await.unwrap();
    assert_eq!(bench.state_of(doubtful).await, OutgoingState::Unknown);
}

#[tokio::test]
async fn an_unknown_outcome_does_not_take_the_report_of_the_part_in_hand() {
    for (reference, settled_first) in [(6, false), (5, true)] {
        let bench = Bench::new();
        let first = bench.in_doubt(TO, ResendPolicy::Alarm).await;
        let second = bench.send(TO, ResendPolicy::Alarm).await;
        bench.store.routed(second, route(1)).await.unwrap();
        bench.store.part_begins(second, 0).await.unwrap();
        assert_eq!(bench.report(reference, TO, Delivered, "R").await, ReportMatch::Unmatched);
        bench.store.part_sent(second, 0, 6, None).await.unwrap();
        let states = (bench.state_of(first).await, bench.state_of(second).await);
        let expected = if settled_first {
            (OutgoingState::Delivered, OutgoingState::Sent)
        } else {
            (OutgoingState::Unknown, OutgoingState::Delivered)
        };
        assert_eq!(states, expected, "reported {reference}");
    }
}

#[tokio::test]
async fn an_old_open_part_does_not_take_the_report_of_the_part_in_hand() {
    let bench = Bench::new();
    let old = bench.sent(TO, 1, 10).await;
    for number in 0..255_u8 {
        bench.sent("+43660000000", 1, number.wrapping_add(11)).await;
    }
    let new = bench.send(TO, ResendPolicy::Alarm).await;
    bench.store.routed(new, route(1)).await.unwrap();
    bench.store.part_begins(new, 0).await.unwrap();
    assert_eq!(bench.report(10, TO, Undelivered, "R").await, ReportMatch::Unmatched);
    bench.store.part_sent(new, 0, 10, None).await.unwrap();
    assert_eq!(bench.state_of(old).await, OutgoingState::Sent);
    assert_eq!(bench.state_of(new).await, OutgoingState::Sent, "either could be meant");
}

#[tokio::test]
async fn the_rest_follows_once_a_report_settled_the_open_part() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.store.outbox_due(9).await.unwrap();
    bench.store.routed(id, route(2)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_unknown(id, 0, "silent", Some(bench.store.now().after(HOUR))).await.unwrap();
    bench.report(5, TO, Trying, "R").await;
    let jobs = bench.store.outbox_due(9).await.unwrap();
    assert_eq!(jobs.len(), 1, "at once, not after the hour");
    assert_eq!(jobs[0].pinned, Some(slot()));
}

/// What a model of the network does: it counts references per SIM and reports each submission once, or never.
#[derive(Clone, Debug)]
enum Event {
    Send { sim: usize, recipient: usize },
    Report { pick: usize, outcome: usize },
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..2_usize, 0..3_usize).prop_map(|(sim, recipient)| Event::Send { sim, recipient }),
        6 => (any::<usize>(), 0..3_usize).prop_map(|(pick, outcome)| Event::Report { pick, outcome }),
        1 => Just(Event::Restart),
    ]
}

struct Submission {
    id: MessageId,
    sim: usize,
    reference: u8,
    recipient: usize,
    reported: bool,
}

/// References come round after `round`, so that many wraps fit into few events.
async fn no_report_is_matched_wrongly(events: Vec<Event>, round: u8) -> (usize, usize) {
    let sims = ["8949", "8950"];
    // The second and third end alike, but not in eight digits.
    let recipients = ["+491760000000", "+491761234567", "+436601234567"];
    let outcomes = [Delivered, Undelivered, Expired];
    let mut bench = Bench::new();
    let mut next = [0_u8; 2];
    let mut submissions: Vec<Submission> = Vec::new();
    let mut expected: BTreeMap<MessageId, OutgoingState> = BTreeMap::new();
    let (mut reports, mut matched) = (0, 0);
    for event in events {
        match event {
            Event::Send { sim, recipient } => {
                let id = bench.send(recipients[recipient], ResendPolicy::Alarm).await;
                bench.store.routed(id, Route { sim: sims[sim].to_owned(), ..route(1) }).await.unwrap();
                bench.store.part_begins(id, 0).await.unwrap();
                bench.store.part_sent(id, 0, next[sim], None).await.unwrap();
                submissions.push(Submission { id, sim, reference: next[sim], recipient, reported: false });
                next[sim] = (next[sim] + 1) % round;
                expected.insert(id, OutgoingState::Sent);
            }
            Event::Report { pick, outcome } => {
                let open: Vec<usize> = (0..submissions.len()).filter(|i| !submissions[*i].reported).collect();
                if open.is_empty() {
                    continue;
                }
                let chosen = open[pick % open.len()];
                submissions[chosen].reported = true;
                let Submission { id, sim, reference, recipient, .. } = submissions[chosen];
                let mut news = report(reference, recipients[recipient], outcomes[outcome], &format!("R{chosen}"));
                news.key.sim = sims[sim].to_owned();
                let rivals = submissions.iter().filter(|other| {
                    other.id != id
                        && (other.sim, other.reference, other.recipient) == (sim, reference, recipient)
                        && expected[&other.id] == OutgoingState::Sent
                });
                reports += 1;
                // An earlier ambiguous report leaves its part open for good, so it stays a rival.
                if rivals.count() == 0 {
                    assert_eq!(bench.store.commit_report(news).await.unwrap(), ReportMatch::Message(id));
                    let state = [OutgoingState::Delivered, OutgoingState::Undelivered, OutgoingState::Expired][outcome];
                    expected.insert(id, state);
                    matched += 1;
                } else {
                    assert_eq!(bench.store.commit_report(news).await.unwrap(), ReportMatch::Ambiguous);
                }
            }
            Event::Restart => bench = bench.reopen(),
        }
    }
    for (id, state) in expected {
        assert_eq!(bench.state_of(id).await, state);
    }
    (reports, matched)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn reports_follow_the_model(events in prop::collection::vec(event(), 1..60), round in 2..6_u8) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(no_report_is_matched_wrongly(events, round));
    }
}

#[tokio::test]
async fn references_that_come_round_match_when_reports_are_a_little_late() {
    let mut events = Vec::new();
    for number in 0..600 {
        events.push(Event::Send { sim: number % 2, recipient: number % 3 });
        if number >= 20 {
            events.push(Event::Report { pick: OLDEST, outcome: 0 });
        }
    }
    let (reports, matched) = no_report_is_matched_wrongly(events, 100).await;
    assert_eq!((reports, matched), (580, 580));
}

/// Picks the submission that has waited longest.
const OLDEST: usize = 0;
