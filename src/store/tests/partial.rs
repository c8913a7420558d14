//! Incomplete messages (D8): what is shown of them, when, and what is never forgotten unseen.

use super::*;

const AGE: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_late_part_that_does_not_complete_its_message_is_shown_when_it_is_given_up() {
    let bench = Bench::with(Options { mail: true, retention: HOUR, queue_limit: 10 });
    bench.receive(part(1, "P1", 4, 1)).await;
    bench.receive(part(2, "P2", 4, 2)).await;
    bench.clock.pass(AGE);
    let partial = bench.store.deliver_partials(AGE, join).await.unwrap();
    bench.clock.pass(HOUR);
    assert_eq!(bench.receive(part(3, "P4", 4, 4)).await, Committed::Stored { message: None });
    for index in 1..=3 {
        bench.store.segment_deleted(key(Some(index), ["P1", "P2", "P4"][usize::from(index) - 1])).unwrap();
    }
    bench.clock.pass(6 * DAY);
    bench.store.retain().await.unwrap();
    assert!(bench.store.deliver_partials(AGE, join).await.unwrap().is_empty(), "it may become whole yet");
    bench.clock.pass(DAY);
    // Whichever comes first: nothing is forgotten before it was shown.
    bench.store.retain().await.unwrap();
    let bench = bench.reopen();
    let last = bench.store.deliver_partials(AGE, join).await.unwrap();
    assert_eq!(last.len(), 1);
    let visible = bench.visible().await;
    let shown = visible.iter().find(|message| message.id == last[0]).unwrap();
    assert_eq!((shown.text.as_str(), shown.parts_missing), ("[3 of 4 parts] 1=P1,2=P2,4=P4/4", 1));
    assert_eq!(shown.completes, Some(partial[0]), "it answers the first");
    assert!(bench.store.deliver_partials(AGE, join).await.unwrap().is_empty(), "once");
    assert_eq!(bench.store.sim_facts().await.unwrap()[&slot()].received, 1);
    bench.clock.pass(8 * DAY);
    bench.store.retain().await.unwrap();
    assert_eq!(count(&bench, "SELECT count(*) FROM concatenation"), 0, "then it is forgotten");
}

#[tokio::test]
async fn a_message_whose_parts_were_all_shown_is_forgotten_after_seven_days() {
    let bench = Bench::new();
    bench.receive(part(1, "P1", 2, 1)).await;
    bench.clock.pass(AGE);
    assert_eq!(bench.store.deliver_partials(AGE, join).await.unwrap().len(), 1);
    bench.clock.pass(7 * DAY + HOUR);
    assert!(bench.store.deliver_partials(AGE, join).await.unwrap().is_empty());
    bench.store.retain().await.unwrap();
    assert_eq!(count(&bench, "SELECT count(*) FROM concatenation"), 0);
    assert_eq!(bench.receive(part(2, "P2", 2, 2)).await, Committed::Stored { message: None }, "a set of its own");
}

#[tokio::test]
async fn what_arrived_before_a_long_pause_is_shown_after_it() {
    let bench = Bench::new();
    bench.receive(part(1, "P1", 2, 1)).await;
    let bench = bench.reopen_after(9 * DAY);
    bench.store.retain().await.unwrap();
    assert_eq!(bench.store.deliver_partials(AGE, join).await.unwrap().len(), 1);
    assert_eq!(bench.visible().await[0].text, "[1 of 2 parts] 1=P1/2");
}

fn count(bench: &Bench, query: &str) -> u32 {
    rusqlite::Connection::open(bench.path()).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}
