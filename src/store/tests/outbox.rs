//! The queue: hand-out, states, recovery, limits.

use super::*;
use crate::{
    model::OutgoingState,
    store::{OutboxJob, PartState, StoreError},
};

impl Bench {
    async fn due(&self) -> Vec<OutboxJob> {
        self.store.outbox_due(100).await.unwrap()
    }

    async fn state(&self, id: MessageId) -> OutgoingState {
        self.store.outgoing(id).await.unwrap().unwrap().state
    }
}

const TO: &str = "+491760000000";

#[tokio::test]
async fn a_job_is_handed_out_once_until_answered() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.store.outbox_wakeup().notified().await;
    assert_eq!(bench.store.outbox_next_due().await.unwrap(), Some(bench.store.now()));
    assert_eq!(bench.due().await.len(), 1);
    assert!(bench.due().await.is_empty());
    assert_eq!(bench.store.outbox_next_due().await.unwrap(), None);

    let retry_at = bench.store.now().after(HOUR);
    bench.store.deferred(id, "no SIM", retry_at).await.unwrap();
    assert!(bench.due().await.is_empty());
    assert_eq!(bench.store.outbox_next_due().await.unwrap(), Some(retry_at));
    bench.clock.pass(HOUR);
    assert_eq!(bench.due().await.len(), 1);
    let bench = bench.reopen();
    assert_eq!(bench.due().await.len(), 1, "free again after a restart");
    bench.store.outbox_abandoned().await.unwrap();
    assert_eq!(bench.due().await.len(), 1, "free again with a new dispatcher");
}

#[tokio::test]
async fn a_message_is_sent_with_its_last_part() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.due().await;
    bench.store.routed(id, route(2)).await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Routed);
    bench.store.part_begins(id, 0).await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Sending);
    bench.store.part_sent(id, 0, 17, Some(1)).await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Sending);
    bench.store.part_sent(id, 1, 18, None).await.unwrap();
    let message = bench.store.outgoing(id).await.unwrap().unwrap();
    assert_eq!(message.state, OutgoingState::Sent);
    assert_eq!((message.parts, message.parts_sent, message.parts_delivered, message.tries), (2, 2, 0, 2));
    assert_eq!((message.cost_micros, message.currency.as_str()), (180_000, "EUR"));
    assert_eq!((message.sent_at, message.done_at), (Some(wall()), None));
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), 0);
    let facts = bench.store.sim_facts().await.unwrap();
    assert_eq!((facts[&slot()].sent, facts[&slot()].last_sent), (1, Some(wall())));
    let today = wall().to_zoned(jiff::tz::TimeZone::system()).date();
    assert_eq!(bench.store.sent_on_day(today).await.unwrap()[&slot()], 1);
    assert!(matches!(bench.store.part_begins(id, 0).await, Err(StoreError::PartLeft { .. })));
}

#[tokio::test]
async fn a_refused_part_is_queued_again_or_fails_the_message() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.due().await;
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_refused(id, 0, "congestion", Some(bench.store.now())).await.unwrap();
    let job = bench.due().await.remove(0);
    assert_eq!((job.failures, job.state, job.parts[0].state), (1, OutgoingState::Queued, PartState::Pending));
    assert_eq!(job.pinned, None);
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_refused(id, 0, "barred", None).await.unwrap();
    let message = bench.store.outgoing(id).await.unwrap().unwrap();
    assert_eq!((message.state, message.cause.as_str(), message.tries), (OutgoingState::Failed, "barred", 2));
    assert_eq!(message.done_at, Some(wall()));
    assert!(bench.due().await.is_empty());
}

#[tokio::test]
async fn a_crash_while_sending_leaves_the_outcome_open() {
    for (policy, waits) in [(ResendPolicy::Alarm, true), (ResendPolicy::Once, false)] {
        let bench = Bench::new();
        let id = bench.send(TO, policy).await;
        bench.due().await;
        bench.store.routed(id, route(1)).await.unwrap();
        bench.store.part_begins(id, 0).await.unwrap();
        let bench = bench.reopen();
        let message = bench.store.outgoing(id).await.unwrap().unwrap();
        assert_eq!(message.state, OutgoingState::Unknown, "{policy:?}");
        assert_eq!(message.done_at.is_none(), waits, "{policy:?}");
        assert!(bench.due().await.is_empty(), "{policy:?}");
        bench.clock.pass(Duration::from_secs(60));
        let jobs = bench.due().await;
        assert_eq!(jobs.len(), usize::from(waits), "{policy:?}");
        if !waits {
            continue;
        }
        assert_eq!((jobs[0].parts[0].state, jobs[0].parts[0].submissions), (PartState::Unknown, 1));
        bench.store.routed(id, route(1)).await.unwrap();
        bench.store.part_begins(id, 0).await.unwrap();
        let bench = bench.reopen();
        bench.clock.pass(DAY);
        assert!(bench.due().await.is_empty(), "two submissions at most");
        assert_eq!(bench.state(id).await, OutgoingState::Unknown);
    }
}

#[tokio::test]
async fn a_half_sent_message_is_resumed_through_the_same_slot() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.due().await;
    bench.store.routed(id, route(3)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_sent(id, 0, 1, None).await.unwrap();
    let bench = bench.reopen();
    let job = bench.due().await.remove(0);
    assert_eq!((job.state, job.pinned.clone(), job.reference), (OutgoingState::Queued, Some(slot()), Some(9)));
    let states: Vec<PartState> = job.parts.iter().map(|part| part.state).collect();
    assert_eq!(states, [PartState::Sent, PartState::Pending, PartState::Pending]);
    bench.store.routed(id, Route { parts: 1, reference: Some(10), ..route(3) }).await.unwrap();
    let bench = bench.reopen();
    let job = bench.due().await.remove(0);
    assert_eq!((job.parts.len(), job.reference), (3, Some(9)), "parts and reference are kept");
}

#[tokio::test]
async fn a_refused_second_submission_does_not_claim_that_nothing_left() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.due().await;
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_unknown(id, 0, "silent", Some(bench.store.now())).await.unwrap();
    assert_eq!(bench.due().await.len(), 1);
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_refused(id, 0, "barred", None).await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Unknown);
}

#[tokio::test]
async fn a_message_falls_due_when_its_lifetime_is_over() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    let job = bench.due().await.remove(0);
    assert_eq!((job.lifetime_over, job.lifetime), (false, DAY));
    bench.store.deferred(id, "no SIM", bench.store.now().after(10 * DAY)).await.unwrap();
    bench.clock.pass(DAY);
    let job = bench.due().await.remove(0);
    assert_eq!((job.lifetime_over, job.lifetime), (true, Duration::ZERO));
    bench.store.ended(id, OutgoingState::Expired, "lifetime").await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Expired);
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), 0);
}

#[tokio::test]
async fn the_queue_has_a_limit_and_accepting_twice_is_once() {
    let bench = Bench::with(Options { mail: true, retention: DAY, queue_limit: 2 });
    let message = outgoing(TO, ResendPolicy::Once);
    bench.store.enqueue(message.clone()).await.unwrap();
    bench.store.enqueue(message).await.unwrap();
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), 1);
    let id = bench.send(TO, ResendPolicy::Once).await;
    let refused = bench.store.enqueue(outgoing(TO, ResendPolicy::Once)).await;
    assert!(matches!(refused, Err(StoreError::Full { limit: 2 })));
    bench.store.set_options(Options { mail: true, retention: DAY, queue_limit: 3 });
    bench.send(TO, ResendPolicy::Once).await;
    bench.store.set_options(Options { mail: true, retention: DAY, queue_limit: 2 });
    let refused = bench.store.enqueue(outgoing(TO, ResendPolicy::Once)).await;
    assert!(matches!(refused, Err(StoreError::Full { limit: 2 })));
    bench.store.set_options(Options { mail: true, retention: DAY, queue_limit: 3 });
    bench.store.ended(id, OutgoingState::Failed, "").await.unwrap();
    bench.send(TO, ResendPolicy::Once).await;
}

#[tokio::test]
async fn references_differ_per_recipient_even_when_handed_out_together() {
    let bench = Bench::new();
    for recipient in [TO, TO, "+43", TO] {
        bench.send(recipient, ResendPolicy::Alarm).await;
    }
    let bench = bench.reopen();
    let references: Vec<u16> = bench.due().await.into_iter().map(|job| job.next_reference).collect();
    assert_eq!(references, [0, 1, 0, 2]);
}

#[tokio::test]
async fn what_is_not_there_is_an_error() {
    let bench = Bench::new();
    let id = new_message_id();
    assert_eq!(bench.store.outgoing(id).await.unwrap(), None);
    assert!(matches!(bench.store.part_begins(id, 0).await, Err(StoreError::NoSuchMessage(missing)) if missing == id));
    let sent = bench.sent(TO, 1, 1).await;
    assert!(bench.store.part_sent(sent, 5, 1, None).await.is_err());
}

#[tokio::test]
async fn a_pin_is_tried_once_until_accepted() {
    let bench = Bench::new();
    let (pin, other) = ([1_u8; 32], [2_u8; 32]);
    assert!(bench.store.pin_may_try("8949", pin).await.unwrap());
    bench.store.pin_attempted("8949", pin, wall()).await.unwrap();
    let bench = bench.reopen();
    assert!(!bench.store.pin_may_try("8949", pin).await.unwrap());
    assert!(bench.store.pin_may_try("8949", other).await.unwrap());
    assert!(bench.store.pin_may_try("8950", pin).await.unwrap());
    bench.store.pin_accepted("8949", pin).await.unwrap();
    assert!(bench.store.pin_may_try("8949", pin).await.unwrap());
}

#[tokio::test]
async fn a_refused_submission_does_not_use_up_the_second_chance() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.due().await;
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_refused(id, 0, "congestion", Some(bench.store.now())).await.unwrap();
    bench.due().await;
    bench.store.part_begins(id, 0).await.unwrap();
    let bench = bench.reopen();
    bench.clock.pass(HOUR);
    let job = bench.due().await.remove(0);
    assert_eq!((job.parts[0].state, job.parts[0].doubtful), (PartState::Unknown, true), "sent once more");
    bench.store.part_begins(id, 0).await.unwrap();
    let bench = bench.reopen();
    bench.clock.pass(HOUR);
    assert!(bench.due().await.is_empty(), "two that may have left are enough");
    assert_eq!(bench.state(id).await, OutgoingState::Unknown);
}

#[tokio::test]
async fn a_message_that_may_have_left_does_not_end_as_expired() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    bench.due().await;
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_unknown(id, 0, "silence", Some(bench.store.now())).await.unwrap();
    bench.due().await;
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.part_refused(id, 0, "congestion", Some(bench.store.now())).await.unwrap();
    bench.store.ended(id, OutgoingState::Expired, "message lifetime is over").await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Unknown);
}

#[tokio::test]
async fn one_abandoned_message_is_recovered_alone() {
    let bench = Bench::new();
    let id = bench.send(TO, ResendPolicy::Alarm).await;
    let other = bench.send(TO, ResendPolicy::Alarm).await;
    assert_eq!(bench.due().await.len(), 2);
    bench.store.routed(id, route(1)).await.unwrap();
    bench.store.part_begins(id, 0).await.unwrap();
    bench.store.abandoned(id).await.unwrap();
    assert_eq!(bench.state(id).await, OutgoingState::Unknown);
    bench.clock.pass(HOUR);
    assert_eq!(bench.due().await.iter().map(|job| job.id).collect::<Vec<_>>(), [id], "the other is still held");
    bench.store.set_aside(vec![id, other], "no SIM", bench.store.now().after(HOUR)).await.unwrap();
    assert!(bench.due().await.is_empty());
    bench.store.taken_up(vec![id, other]).await.unwrap();
    assert_eq!(bench.due().await.iter().map(|job| job.id).collect::<Vec<_>>(), [id, other]);
}
