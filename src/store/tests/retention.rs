//! What is forgotten, and what is not.

use super::*;
use crate::{model::OutgoingState, store::StoreError};

fn count(bench: &Bench, query: &str) -> i64 {
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    connection.query_row(query, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn texts_go_once_mailed_and_facts_stay_thirty_days() {
    let bench = Bench::new();
    let Committed::Stored { message: Some(mailed) } = bench.receive(whole(1, "AA")).await else { panic!() };
    bench.receive(whole(2, "BB")).await;
    bench.store.mail_sent(mailed).await.unwrap();
    let sent = bench.sent("+491760000000", 1, 1).await;
    bench.store.commit_report(report(1, "+491760000000", ReportOutcome::Delivered, "R")).await.unwrap();
    let unreported = bench.sent("+491760000000", 1, 2).await;
    bench.clock.pass(DAY + HOUR);
    assert_eq!(bench.store.retain().await.unwrap(), 0);
    let texts: Vec<String> = bench.visible().await.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["text of BB"], "not mailed yet, so not blanked");
    assert_eq!(count(&bench, "SELECT count(*) FROM message WHERE text LIKE '%AA'"), 0);
    assert_eq!(count(&bench, "SELECT count(*) FROM segment WHERE pdu <> ''"), 0);
    assert_eq!(bench.store.outgoing(sent).await.unwrap().unwrap().text, "");
    assert_eq!(bench.store.outgoing(unreported).await.unwrap().unwrap().text, "");

    bench.clock.pass(27 * DAY);
    bench.store.retain().await.unwrap();
    let message = bench.reopen().store.outgoing(sent).await.unwrap().unwrap();
    assert_eq!(message.state, OutgoingState::Delivered);
}

#[tokio::test]
async fn the_newest_thousand_and_what_waits_are_kept() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10_000 });
    let waiting = bench.send("+491760000000", ResendPolicy::Alarm).await;
    for number in 0..1600 {
        bench.receive(segment(None, &format!("{number:04X}"), SegmentContent::Discard)).await;
    }
    for number in 0..1600_u16 {
        let pdu = format!("F{number:04X}");
        bench.receive(segment(None, &pdu, SegmentContent::Whole { text: pdu.clone() })).await;
        bench.store.segment_deleted(key(None, &pdu)).unwrap();
    }
    bench.clock.pass(31 * DAY);
    let gone = bench.store.retain().await.unwrap();
    assert_eq!(count(&bench, "SELECT count(*) FROM message"), 1000);
    assert_eq!(count(&bench, "SELECT count(*) FROM segment"), 0);
    assert_eq!(gone, 600 + 3200);
    assert!(bench.store.outgoing(waiting).await.unwrap().is_some_and(|message| message.text == "hello"));
    assert_eq!(bench.store.retain().await.unwrap(), 0);
}

#[tokio::test]
async fn an_open_set_keeps_its_parts() {
    let bench = Bench::new();
    bench.receive(part(1, "P1", 2, 1)).await;
    bench.store.segment_deleted(key(Some(1), "P1")).unwrap();
    bench.clock.pass(5 * DAY);
    bench.store.retain().await.unwrap();
    bench.receive(part(2, "P2", 2, 2)).await;
    assert_eq!(bench.visible().await[0].text, "1=P1,2=P2/2");
}

#[tokio::test]
async fn after_close_everything_is_refused() {
    let bench = Bench::new();
    bench.store.close().await;
    assert!(matches!(bench.store.enqueue(outgoing("+49", ResendPolicy::Once)).await, Err(StoreError::Closed)));
    assert!(matches!(bench.store.mail_backlog().await, Err(StoreError::Closed)));
    let wal = bench.path().with_extension("db-wal");
    assert!(!wal.exists(), "checkpointed and gone");
}

#[tokio::test]
async fn a_clock_that_ran_ahead_for_months_costs_no_count_of_today() {
    let bench = Bench::new();
    let today = wall().to_zoned(jiff::tz::TimeZone::system()).date();
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    for day in 0..70 {
        for day in [today - jiff::Span::new().days(day), today + jiff::Span::new().years(10).days(day)] {
            let row = [day.to_string(), slot().to_string()];
            connection.execute("INSERT INTO sent_daily (day, slot, messages) VALUES (?1, ?2, 5)", row).unwrap();
        }
    }
    bench.store.retain().await.unwrap();
    assert_eq!(bench.store.sent_on_day(today).await.unwrap().get(&slot()), Some(&5));
    assert_eq!(count(&bench, "SELECT count(*) FROM sent_daily"), 120, "60 days up to today, and 60 to come");
}
