//! Limits to sending: counted with the intent or the acceptance, kept over crashes, and nothing where there are none.

use super::*;
use crate::{
    model::{OutgoingState, SendLimit, SendLimits, Window},
    store::{Allowance, StoreError},
};

const TO: &str = "+491760000000";
const NONE: SendLimits = SendLimits { parts_per_minute: None, parts_per_day: None, micros_per_day: None };

fn per_minute(parts: u32) -> SendLimits {
    SendLimits { parts_per_minute: Some(parts), ..NONE }
}

impl Bench {
    fn limit(&self, limits: SendLimits) {
        self.store.set_limits([(slot(), limits)].into());
    }

    async fn routed(&self, parts: u16) -> MessageId {
        let id = self.send(TO, ResendPolicy::Alarm).await;
        self.store.routed(id, route(parts)).await.unwrap();
        id
    }

    async fn begin(&self, id: MessageId) -> Result<(), (SendLimit, RunTime)> {
        refusal(self.store.part_begins(id, 0).await)
    }

    fn rows(&self) -> i64 {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection.query_row("SELECT count(*) FROM spending", [], |row| row.get(0)).unwrap()
    }
}

fn refusal(result: Result<(), StoreError>) -> Result<(), (SendLimit, RunTime)> {
    result.map_err(|error| {
        let StoreError::LimitReached(reached) = error else { panic!("{error}") };
        (reached.limit, reached.frees)
    })
}

#[tokio::test]
async fn no_intent_is_written_beyond_the_limit_and_the_refusal_changes_nothing() {
    let bench = Bench::new();
    bench.limit(per_minute(2));
    let ids = [bench.routed(1).await, bench.routed(1).await, bench.routed(1).await];
    assert_eq!(bench.begin(ids[0]).await, Ok(()));
    assert_eq!(bench.begin(ids[0]).await, Ok(()), "the same intent once more is the same intent");
    assert_eq!(bench.begin(ids[1]).await, Ok(()));
    // The clock of these tests begins at 0, whatever the machine's says.
    let frees = RunTime(65_000);
    assert_eq!(bench.begin(ids[2]).await, Err((SendLimit::Parts(2, Window::Minute), frees)));
    let refused = bench.store.outgoing(ids[2]).await.unwrap().unwrap();
    assert_eq!((refused.state, refused.tries, refused.cost_micros), (OutgoingState::Routed, 0, 0));
    bench.clock.pass(Duration::from_millis(64_999));
    assert!(bench.begin(ids[2]).await.is_err());
    bench.clock.pass(Duration::from_millis(1));
    assert_eq!(bench.begin(ids[2]).await, Ok(()));
}

#[tokio::test]
async fn neither_a_crash_nor_a_boot_forgets_what_was_counted_and_a_second_try_counts_again() {
    let mut bench = Bench::new();
    bench.limit(SendLimits { parts_per_day: Some(3), ..NONE });
    let id = bench.routed(1).await;
    for down in [Duration::ZERO, HOUR] {
        assert_eq!(bench.begin(id).await, Ok(()));
        bench = bench.reopen_after(down);
        bench.limit(SendLimits { parts_per_day: Some(3), ..NONE });
        assert_eq!(bench.store.outgoing(id).await.unwrap().unwrap().state, OutgoingState::Unknown);
    }
    assert_eq!(bench.begin(id).await, Ok(()));
    bench.clock.reboot("boot-2");
    bench = bench.reopen();
    bench.limit(SendLimits { parts_per_day: Some(3), ..NONE });
    assert!(bench.begin(id).await.is_err());
    bench.clock.pass(DAY - HOUR);
    assert!(bench.begin(id).await.is_err(), "a step counts until all of it is a day ago");
    bench.clock.pass(Duration::from_secs(1200));
    assert_eq!(bench.begin(id).await, Ok(()));
}

#[tokio::test]
async fn an_outcome_is_kept_although_the_next_part_has_to_wait() {
    let bench = Bench::new();
    bench.limit(per_minute(1));
    let id = bench.routed(2).await;
    assert_eq!(bench.begin(id).await, Ok(()));
    assert!(refusal(bench.store.part_sent(id, 0, 7, Some(1)).await).is_err());
    bench.store.part_sent(id, 0, 7, None).await.unwrap();
    let message = bench.store.outgoing(id).await.unwrap().unwrap();
    assert_eq!((message.parts_sent, message.tries), (1, 1));
}

#[tokio::test]
async fn money_is_counted_at_the_price_of_the_route() {
    let bench = Bench::new();
    // Three at 0.09 and one millionth too little for a fourth.
    bench.limit(SendLimits { micros_per_day: Some(359_999), ..NONE });
    for number in 0..4 {
        let id = bench.routed(1).await;
        assert_eq!(bench.begin(id).await.is_ok(), number < 3, "{number}");
    }
}

#[tokio::test]
async fn a_token_without_room_gets_no_row_and_a_full_queue_takes_no_room() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 2 });
    let limits = per_minute(5);
    let offer = async |party: &str, parts: u32| {
        let allowance = Allowance { party: party.to_owned(), limits, parts };
        bench.store.enqueue_within(outgoing(TO, ResendPolicy::Alarm), allowance).await
    };
    offer("token a", 3).await.unwrap();
    assert!(refusal(offer("token a", 3).await).is_err());
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), 1);
    offer("token b", 3).await.unwrap();
    let full = offer("token a", 2).await;
    assert!(matches!(full, Err(StoreError::Full { limit: 2 })), "{full:?}");
    bench.store.set_options(Options { mail: false, retention: DAY, queue_limit: 3 });
    offer("token a", 2).await.unwrap();
}

#[tokio::test]
async fn what_is_not_limited_is_not_counted_and_what_is_over_is_forgotten() {
    let bench = Bench::new();
    bench.sent(TO, 1, 0).await;
    bench.store.set_limits([(SlotId::new("other"), per_minute(1))].into());
    bench.sent(TO, 2, 10).await;
    bench.limit(NONE);
    bench.sent(TO, 2, 20).await;
    assert_eq!(bench.rows(), 0);

    bench.limit(per_minute(100));
    bench.sent(TO, 2, 30).await;
    assert_eq!(bench.rows(), 1, "no day is limited");
    bench.limit(SendLimits { parts_per_minute: Some(100), parts_per_day: Some(10_000), micros_per_day: None });
    for _ in 0..600 {
        bench.sent(TO, 1, 40).await;
        bench.clock.pass(Duration::from_secs(171));
    }
    // 600 messages in 28 hours and a half.
    assert!(bench.rows() <= 1 + 145, "{}", bench.rows());
    bench.clock.pass(DAY + HOUR);
    bench.store.retain().await.unwrap();
    assert_eq!(bench.rows(), 0);
}
