//! What is forgotten early while room is low, what never is, and that it makes room.

use super::*;
use crate::{
    model::{OutgoingState, Space},
    store::{Shortage, StoreError},
};

fn texts(bench: &Bench, query: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn number(bench: &Bench, query: &str) -> i64 {
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

/// A store that was told that room is low.
fn short(bench: &Bench, space: Space) {
    bench.store.set_shortage(Shortage { space, keep: HOUR });
}

/// So many messages, from this one on, each with a text of its own that is as long as one.
async fn fill(bench: &Bench, first: u32, count: u32) {
    fill_with(bench, first, count, (160, 320)).await;
}

/// As [`fill`], with the lengths of text and PDU.
async fn fill_with(bench: &Bench, first: u32, count: u32, (text, pdu): (usize, usize)) {
    for number in first..first + count {
        let pdu = format!("{number:0pdu$X}");
        bench.receive(segment(None, &pdu, SegmentContent::Whole { text: format!("{number:0text$}") })).await;
        bench.store.segment_deleted(key(None, &pdu)).unwrap();
    }
}

const LEFT: &str = "SELECT count(*) FROM message WHERE text <> ''";

#[tokio::test]
async fn while_room_is_low_texts_go_early_but_for_the_newest_thousand() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10_000 });
    fill(&bench, 0, 1500).await;
    bench.clock.pass(2 * HOUR);
    bench.store.retain().await.unwrap();
    assert_eq!(number(&bench, LEFT), 1500, "there is room enough");
    short(&bench, Space::Low);
    bench.store.retain().await.unwrap();
    assert_eq!(number(&bench, LEFT), 1000);
    assert_eq!(number(&bench, "SELECT count(*) FROM message"), 1500, "what is known of them stays");
    assert_eq!(number(&bench, "SELECT min(sequence) FROM message WHERE text <> ''"), 501);
    assert_eq!(number(&bench, "SELECT count(*) FROM segment WHERE pdu <> ''"), 1000);
    let visible = bench.visible().await;
    assert_eq!((visible.len(), visible[0].text.as_str()), (1000, format!("{:0160}", 500).as_str()));

    short(&bench, Space::Enough);
    fill(&bench, 1500, 100).await;
    bench.clock.pass(2 * HOUR);
    bench.store.retain().await.unwrap();
    assert_eq!(number(&bench, LEFT), 1100, "it went on when there was room again");
}

#[tokio::test]
async fn what_somebody_may_still_come_for_stays() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10_000 });
    fill(&bench, 0, 1200).await;
    bench.clock.pass(HOUR / 2);
    short(&bench, Space::NearlyFull);
    bench.store.retain().await.unwrap();
    assert_eq!(number(&bench, LEFT), 1200, "within the window of readers");
    bench.clock.pass(HOUR);
    bench.store.retain().await.unwrap();
    assert_eq!(number(&bench, LEFT), 1000);
}

#[tokio::test]
async fn what_is_not_mailed_or_not_sent_stays() {
    let bench = Bench::new();
    let Committed::Stored { message: Some(mailed) } = bench.receive(whole(1, "A0")).await else { panic!() };
    let Committed::Stored { message: Some(dead) } = bench.receive(whole(2, "B0")).await else { panic!() };
    bench.receive(whole(3, "C0")).await;
    bench.receive(part(4, "D0", 2, 1)).await;
    bench.store.mail_sent(mailed).await.unwrap();
    bench.store.mail_dead(dead, "550 no").await.unwrap();
    let over = bench.sent("+491760000000", 3, 1).await;
    let waiting = bench.send("+491760000000", ResendPolicy::Alarm).await;
    fill(&bench, 0, 1000).await;
    for _ in 0..1000 {
        bench.send("+491760000009", ResendPolicy::Alarm).await;
    }
    bench.clock.pass(2 * HOUR);
    short(&bench, Space::NearlyFull);
    let before = texts(&bench, "SELECT message || number || state || submissions || reference FROM outbox_segment");
    bench.store.retain().await.unwrap();
    assert_eq!(
        texts(&bench, "SELECT text FROM message WHERE length(text) < 100 ORDER BY sequence"),
        ["", "text of B0", "text of C0"]
    );
    assert_eq!(texts(&bench, "SELECT pdu FROM segment WHERE length(pdu) BETWEEN 1 AND 9"), ["D0"], "its set is open");
    let sent = bench.store.outgoing(over).await.unwrap().unwrap();
    assert_eq!((sent.text.as_str(), sent.state), ("", OutgoingState::Sent));
    assert_eq!(bench.store.outgoing(waiting).await.unwrap().unwrap().text, "hello");
    let after = texts(&bench, "SELECT message || number || state || submissions || reference FROM outbox_segment");
    assert_eq!((before.len(), after), (3, before), "the parts of a message go with it when it is written anew");

    // Nothing else has changed: its report finds it, and the rest of the set comes in.
    bench.store.commit_report(report(1, "+491760000000", ReportOutcome::Delivered, "R0")).await.unwrap();
    assert_eq!(number(&bench, "SELECT count(*) FROM outbox_segment WHERE state = 'delivered'"), 1);
    bench.receive(part(5, "D1", 2, 2)).await;
    assert_eq!(bench.visible().await.last().unwrap().text, "1=D0,2=D1/2");
    assert_eq!(texts(&bench, "SELECT 'x' FROM pragma_foreign_key_check"), Vec::<String>::new());
}

#[tokio::test]
async fn a_nearly_full_disk_takes_nothing_more_to_be_sent() {
    let bench = Bench::new();
    for (space, is_taken) in [(Space::Low, true), (Space::NearlyFull, false), (Space::Enough, true)] {
        short(&bench, space);
        let said = bench.store.enqueue(outgoing("+491760000000", ResendPolicy::Alarm)).await;
        assert_eq!(said.is_ok(), is_taken, "{space:?}: {said:?}");
        assert!(is_taken || matches!(said, Err(StoreError::NoSpace)), "{said:?}");
    }
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), 2);
    short(&bench, Space::NearlyFull);
    bench.receive(whole(1, "A0")).await;
    assert_eq!(bench.visible().await.len(), 1, "what comes in is taken");
    assert_eq!(bench.store.outbox_due(10).await.unwrap().len(), 2, "what was accepted goes out");
}

#[tokio::test]
async fn the_store_says_when_it_is_told_something_else() {
    let bench = Bench::new();
    let mut seen = bench.store.shortage();
    let mut tell = |space, keep| {
        let is_another = bench.store.set_shortage(Shortage { space, keep });
        assert_eq!(seen.has_changed().unwrap(), is_another, "{space:?}");
        assert_eq!(*seen.borrow_and_update(), Shortage { space, keep });
        is_another
    };
    assert!(!tell(Space::Enough, HOUR));
    assert!(tell(Space::Low, HOUR));
    assert!(!tell(Space::Low, DAY));
    assert!(tell(Space::Enough, DAY));
}

/// A text that is forgotten makes room for others: pages that SQLite can use, not gaps in those that are there.
#[tokio::test]
async fn the_file_grows_no_further_for_what_has_been_forgotten() {
    for (lengths, departures) in [((1500, 10), 0), ((10, 1500), 0), ((10, 10), 300)] {
        let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10_000 });
        fill_with(&bench, 0, 300, lengths).await;
        for _ in 0..departures {
            let message = NewOutgoing { text: "x".repeat(1500), ..outgoing("+491760000000", ResendPolicy::Once) };
            let id = message.id;
            bench.store.enqueue(message).await.unwrap();
            bench.store.ended(id, OutgoingState::Failed, "refused").await.unwrap();
        }
        let pages = number(&bench, "PRAGMA page_count");
        bench.clock.pass(DAY + HOUR);
        bench.store.retain().await.unwrap();
        let free = number(&bench, "PRAGMA freelist_count");
        assert!(free * 2 > pages, "{lengths:?} {departures}: {free} of {pages} pages are free");
        fill_with(&bench, 300, 100, (1500, 10)).await;
        assert_eq!(number(&bench, "PRAGMA page_count"), pages, "{lengths:?} {departures}");
    }
}

/// What the documents say of the size of a message.
#[tokio::test]
async fn a_message_takes_less_than_two_kib() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10_000 });
    fill(&bench, 0, 500).await;
    let octets = number(&bench, "PRAGMA page_count") * 1024 / 500;
    assert!(octets < 2048, "{octets}");
}
