//! Segments: duplicates, repeats, sets, partial texts; and the mail they cause.

use super::*;
use crate::store::MailBacklog;

#[tokio::test]
async fn a_segment_read_again_before_its_delete_is_held_already() {
    let bench = Bench::new();
    assert!(matches!(bench.receive(whole(3, "AA")).await, Committed::Stored { message: Some(_) }));
    let bench = bench.reopen();
    assert_eq!(bench.receive(whole(3, "AA")).await, Committed::AlreadyHeld);
    assert_eq!(bench.visible().await.len(), 1);
}

#[tokio::test]
async fn equal_segments_on_two_indexes_are_two_messages() {
    let bench = Bench::new();
    assert!(matches!(bench.receive(whole(3, "AA")).await, Committed::Stored { message: Some(_) }));
    assert!(matches!(bench.receive(whole(4, "AA")).await, Committed::Stored { message: Some(_) }));
    assert_eq!(bench.visible().await.len(), 2);
}

/// A modem that did not tell its ICCID once: the IMSI stands for the SIM then.
fn by_another_name(mut segment: NewSegment) -> NewSegment {
    segment.key.sim = "26201".to_owned();
    segment
}

#[tokio::test]
async fn a_sim_that_goes_by_another_name_brings_no_second_message() {
    let bench = Bench::new();
    assert!(matches!(bench.receive(whole(3, "AA")).await, Committed::Stored { message: Some(_) }));
    let again = by_another_name(whole(3, "AA"));
    assert_eq!(bench.receive(again.clone()).await, Committed::AlreadyHeld);
    bench.store.segment_deleted(again.key.clone()).unwrap();
    assert!(matches!(bench.receive(again).await, Committed::Repeat { of: Some(_) }));
    bench.receive(part(4, "B1", 2, 1)).await;
    assert!(matches!(
        bench.receive(by_another_name(part(5, "B2", 2, 2))).await,
        Committed::Stored { message: Some(_) }
    ));
    assert_eq!(bench.visible().await.len(), 2);
}

#[tokio::test]
async fn equal_segments_of_two_sims_in_two_slots_are_two_messages() {
    let bench = Bench::new();
    let mut other = by_another_name(whole(3, "AA"));
    other.key.slot = SlotId::new("modem2");
    for segment in [whole(3, "AA"), other.clone()] {
        assert!(matches!(bench.receive(segment).await, Committed::Stored { message: Some(_) }));
    }
    bench.store.segment_deleted(other.key.clone()).unwrap();
    assert_eq!(bench.receive(whole(3, "AA")).await, Committed::AlreadyHeld, "that one was not deleted");
}

#[tokio::test]
async fn the_same_segment_after_its_delete_is_a_repeat_for_a_day_of_run_time() {
    let bench = Bench::new();
    let Committed::Stored { message } = bench.receive(whole(3, "AA")).await else { panic!() };
    bench.store.segment_deleted(key(Some(3), "AA")).unwrap();
    bench.clock.pass(DAY - HOUR);
    assert_eq!(bench.receive(whole(5, "AA")).await, Committed::Repeat { of: message });
    assert_eq!(bench.receive(whole(5, "AA")).await, Committed::AlreadyHeld, "the repeat lies there still");
    bench.store.segment_deleted(key(Some(5), "AA")).unwrap();
    assert_eq!(bench.receive(whole(5, "AA")).await, Committed::Repeat { of: message }, "a repeat of the repeat");
    bench.store.segment_deleted(key(Some(5), "AA")).unwrap();
    assert_eq!(bench.visible().await.len(), 1);
    assert_eq!(bench.store.mail_backlog().await.unwrap(), MailBacklog { waiting: 1, ..MailBacklog::default() });

    bench.clock.pass(DAY - HOUR);
    assert_eq!(bench.receive(whole(5, "AA")).await, Committed::Repeat { of: message }, "of the first, long gone");
    bench.store.segment_deleted(key(Some(5), "AA")).unwrap();

    bench.clock.pass(DAY);
    assert!(matches!(bench.receive(whole(5, "AA")).await, Committed::Stored { message: Some(_) }));
}

#[tokio::test]
async fn a_direct_segment_is_held_until_acknowledged_and_a_repeat_afterwards() {
    let bench = Bench::new();
    let direct = || segment(None, "CC", SegmentContent::Whole { text: "now".to_owned() });
    let Committed::Stored { message } = bench.receive(direct()).await else { panic!() };
    let bench = bench.reopen();
    assert_eq!(bench.receive(direct()).await, Committed::AlreadyHeld);
    bench.store.segment_deleted(key(None, "CC")).unwrap();
    assert_eq!(bench.receive(direct()).await, Committed::Repeat { of: message });
}

#[tokio::test]
async fn what_a_listing_does_not_show_was_deleted() {
    let bench = Bench::new();
    let Committed::Stored { message } = bench.receive(whole(3, "AA")).await else { panic!() };
    bench.receive(whole(4, "BB")).await;
    bench.store.storage_listed("8949", "ME", vec![]).await.unwrap();
    bench.store.storage_listed("8949", "SM", vec![4]).await.unwrap();
    assert_eq!(bench.receive(whole(4, "BB")).await, Committed::AlreadyHeld);
    assert_eq!(bench.receive(whole(3, "AA")).await, Committed::Repeat { of: message });
}

#[tokio::test]
async fn undecodable_segments_are_shown_and_discarded_ones_are_not() {
    let bench = Bench::new();
    bench.receive(segment(Some(1), "01", SegmentContent::Undecodable { text: "hex 01".to_owned() })).await;
    let discarded = bench.receive(segment(Some(2), "02", SegmentContent::Discard)).await;
    assert_eq!(discarded, Committed::Stored { message: None });
    let visible = bench.visible().await;
    assert_eq!(visible.len(), 1);
    assert!(visible[0].undecodable);
    assert_eq!(visible[0].text, "hex 01");
}

#[tokio::test]
async fn parts_in_any_order_join_once_over_a_restart() {
    let bench = Bench::new();
    bench.receive(part(1, "P3", 3, 3)).await;
    bench.receive(part(2, "P1", 3, 1)).await;
    assert_eq!(bench.receive(part(3, "P1", 3, 1)).await, Committed::Stored { message: None }, "same bytes again");
    let bench = bench.reopen();
    let Committed::Stored { message: Some(id) } = bench.receive(part(4, "P2", 3, 2)).await else { panic!() };
    let visible = bench.visible().await;
    assert_eq!(visible.len(), 1);
    assert_eq!((visible[0].id, visible[0].text.as_str()), (id, "1=P1,2=P2,3=P3/3"));
    assert_eq!(bench.receive(part(5, "P2", 3, 2)).await, Committed::Repeat { of: Some(id) });
    assert!(bench.store.deliver_partials(Duration::ZERO, join).await.unwrap().is_empty());
}

#[tokio::test]
async fn other_bytes_under_the_same_number_open_another_set() {
    let bench = Bench::new();
    let at = |mut segment: NewSegment, second: i64| {
        segment.sent_at = Some(Timestamp::from_second(second).unwrap());
        segment
    };
    bench.receive(at(part(1, "A1", 2, 1), 1000)).await;
    bench.receive(at(part(2, "B1", 2, 1), 5000)).await;
    bench.receive(at(part(3, "A2", 2, 2), 1003)).await;
    bench.receive(at(part(4, "B2", 2, 2), 5002)).await;
    let texts: Vec<String> = bench.visible().await.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["1=A1,2=A2/2", "1=B1,2=B2/2"]);
}

#[tokio::test]
async fn sets_differ_by_sender_total_and_width_of_the_reference() {
    let bench = Bench::new();
    bench.receive(part(1, "A1", 2, 1)).await;
    let wide = SegmentContent::Part { reference: 7, wide: true, total: 2, sequence: 2 };
    assert_eq!(bench.receive(segment(Some(2), "A2", wide)).await, Committed::Stored { message: None });
    assert_eq!(bench.receive(part(3, "A3", 3, 2)).await, Committed::Stored { message: None });
    let mut other = part(4, "A4", 2, 2);
    other.sender = "+43".to_owned();
    assert_eq!(bench.receive(other).await, Committed::Stored { message: None });
}

#[tokio::test]
async fn a_part_number_out_of_range_is_shown_on_its_own() {
    let bench = Bench::new();
    for (index, (total, sequence)) in [(0, 0), (2, 0), (2, 3)].into_iter().enumerate() {
        let index = u16::try_from(index).unwrap();
        let committed = bench.receive(part(index, &format!("X{index}"), total, sequence)).await;
        assert!(matches!(committed, Committed::Stored { message: Some(_) }), "{sequence} of {total}");
    }
}

#[tokio::test]
async fn an_incomplete_set_is_delivered_once_and_completed_later() {
    let bench = Bench::new();
    let age = Duration::from_secs(600);
    bench.receive(part(1, "P1", 3, 1)).await;
    bench.receive(part(2, "P3", 3, 3)).await;
    bench.clock.pass(Duration::from_secs(400));
    let bench = bench.reopen();
    assert!(bench.store.deliver_partials(age, join).await.unwrap().is_empty());
    bench.clock.pass(Duration::from_secs(200));
    let partial = bench.store.deliver_partials(age, join).await.unwrap();
    assert_eq!(partial.len(), 1);
    let bench = bench.reopen();
    assert!(bench.store.deliver_partials(age, join).await.unwrap().is_empty());

    bench.clock.pass(6 * DAY);
    assert!(matches!(bench.receive(part(3, "P2", 3, 2)).await, Committed::Stored { message: Some(_) }));
    let visible = bench.visible().await;
    assert_eq!(visible.len(), 2);
    assert_eq!((visible[0].parts_missing, visible[0].text.as_str()), (1, "[2 of 3 parts] 1=P1,3=P3/3"));
    assert_eq!((visible[1].parts_missing, visible[1].completes), (0, Some(partial[0])));
    let facts = bench.store.sim_facts().await.unwrap();
    assert_eq!(facts[&slot()].received, 1, "one message, though shown twice");
}

#[tokio::test]
async fn a_set_takes_no_part_after_seven_days() {
    let bench = Bench::new();
    bench.receive(part(1, "P1", 2, 1)).await;
    bench.clock.pass(7 * DAY);
    assert_eq!(bench.receive(part(2, "P2", 2, 2)).await, Committed::Stored { message: None });
    assert_eq!(bench.store.deliver_partials(HOUR, join).await.unwrap().len(), 1, "the old one only");
}

#[tokio::test]
async fn age_is_run_time_over_reboots() {
    let bench = Bench::new();
    bench.receive(part(1, "P1", 2, 1)).await;
    let before = bench.store.now();
    bench.clock.pass(HOUR);
    bench.store.close().await;
    bench.clock.reboot("boot-2");
    let bench = bench.reopen();
    assert_eq!(bench.store.now().since(before), HOUR, "continues where it was closed");
    bench.clock.pass(HOUR);
    assert_eq!(bench.store.now().since(before), 2 * HOUR);
    let bench = bench.reopen_after(HOUR);
    assert_eq!(bench.store.now().since(before), 3 * HOUR, "same boot: the time in between counts");
}

#[tokio::test]
async fn the_inbox_selects_by_slot_window_and_predecessor() {
    let bench = Bench::new();
    let mut arrivals = bench.store.arrivals();
    assert_eq!(*arrivals.borrow_and_update(), 0);
    bench.receive(whole(1, "A")).await;
    bench.clock.pass(HOUR);
    let since = bench.store.now();
    bench.receive(whole(2, "B")).await;
    bench.receive(whole(3, "C")).await;
    assert!(arrivals.has_changed().unwrap());
    assert_eq!(*arrivals.borrow(), 3);

    let ids: Vec<MessageId> = bench.visible().await.into_iter().map(|message| message.id).collect();
    let select = async |slots: &[&str], since: RunTime, after: Option<MessageId>, limit: usize| {
        let slots = slots.iter().map(|name| SlotId::new(name)).collect();
        let found = bench.store.inbox(InboxQuery { slots, since, after, limit }).await.unwrap();
        found.into_iter().map(|message| message.id).collect::<Vec<_>>()
    };
    assert_eq!(select(&["modem1"], RunTime(0), None, 2).await, ids[..2]);
    assert_eq!(select(&["modem1"], since, None, 9).await, ids[1..]);
    assert_eq!(select(&["x", "modem1"], RunTime(0), Some(ids[1]), 9).await, ids[2..]);
    assert_eq!(select(&["modem1"], since, Some(new_message_id()), 9).await, ids[1..], "unknown: all in the window");
    assert!(select(&["x"], RunTime(0), None, 9).await.is_empty());
}

/// Asked often enough to be answered from memory.
#[tokio::test]
async fn the_inbox_of_late_is_always_the_inbox() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10_000 });
    let mut first = None;
    for step in 0..9 {
        match step {
            0 | 3 | 6 => {
                bench.receive(whole(step + 1, &format!("M{step}"))).await;
            }
            1 | 4 => bench.clock.pass(HOUR),
            2 => {
                bench.receive(part(step + 1, "P1", 2, 1)).await;
            }
            5 => {
                bench.receive(part(step + 1, "P2", 2, 2)).await;
            }
            7 => bench.clock.pass(2 * DAY),
            _ => assert!(bench.store.retain().await.is_ok()),
        }
        let now = bench.store.now();
        for since in [RunTime(0), now.before(HOUR), now.before(2 * HOUR), now] {
            for after in [None, first, Some(new_message_id())] {
                let query = InboxQuery { slots: vec![slot()], since, after, limit: 100 };
                let inbox = bench.store.inbox(query.clone()).await.unwrap();
                for _ in 0..3 {
                    let recent = bench.store.recent_inbox(query.clone()).await.unwrap();
                    let recent: Vec<InboundMessage> = recent.iter().map(|message| (**message).clone()).collect();
                    assert_eq!(recent, inbox, "step {step}, since {since:?}");
                }
                first = first.or(inbox.first().map(|message| message.id));
            }
        }
    }
    assert!(first.is_some() && bench.visible().await.is_empty(), "there were texts, and their time is over");
}

#[tokio::test]
async fn mail_is_spooled_with_the_message_and_ends_sent_or_dead() {
    let bench = Bench::new();
    bench.receive(whole(1, "A")).await;
    bench.receive(whole(2, "B")).await;
    bench.store.mail_wakeup().notified().await;
    let bench = bench.reopen();
    let jobs = bench.store.mail_due(10).await.unwrap();
    let texts: Vec<&str> = jobs.iter().map(|job| job.message.text.as_str()).collect();
    assert_eq!(texts, ["text of A", "text of B"]);

    let retry_at = bench.store.now().after(HOUR);
    bench.store.mail_deferred(jobs[0].message.id, "421", retry_at).await.unwrap();
    bench.store.mail_sent(jobs[1].message.id).await.unwrap();
    assert!(bench.store.mail_sent(jobs[1].message.id).await.is_err());
    assert!(bench.store.mail_due(10).await.unwrap().is_empty());
    assert_eq!(bench.store.mail_next_due().await.unwrap(), Some(retry_at));
    bench.clock.pass(HOUR);
    let again = bench.store.mail_due(10).await.unwrap();
    assert_eq!((again.len(), again[0].attempts), (1, 1));
    bench.store.mail_dead(jobs[0].message.id, "550").await.unwrap();
    assert_eq!(bench.store.mail_next_due().await.unwrap(), None);
    assert_eq!(bench.store.mail_backlog().await.unwrap(), MailBacklog { waiting: 0, dead: 1, dead_messages: 1 });
}

#[tokio::test]
async fn without_mail_nothing_is_spooled() {
    let bench = Bench::with(Options { mail: false, retention: DAY, queue_limit: 10 });
    bench.receive(whole(1, "A")).await;
    assert_eq!(bench.store.mail_backlog().await.unwrap(), MailBacklog::default());
    bench.store.set_options(Options { mail: true, retention: DAY, queue_limit: 10 });
    bench.receive(whole(2, "B")).await;
    assert_eq!(bench.store.mail_backlog().await.unwrap(), MailBacklog { waiting: 1, ..MailBacklog::default() });
}

/// A deletion shares the next transaction; whoever comes after it finds it done all the same.
#[tokio::test]
async fn a_deletion_is_noted_in_its_turn_and_kept() {
    let bench = Bench::new();
    let stored = bench.receive(whole(3, "AA")).await;
    let Committed::Stored { message: Some(of) } = stored else { panic!("{stored:?}") };
    bench.store.segment_deleted(key(Some(3), "AA")).unwrap();
    assert_eq!(bench.receive(whole(3, "AA")).await, Committed::Repeat { of: Some(of) });
    bench.store.segment_deleted(key(Some(3), "AA")).unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.receive(whole(4, "AA")).await, Committed::Repeat { of: Some(of) });
    let open = "SELECT count(*) FROM segment WHERE deleted_run IS NULL";
    let reader = rusqlite::Connection::open(bench.path()).unwrap();
    assert_eq!(reader.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap(), 1, "the last one");
}

/// Nobody else may want to write anything.
#[tokio::test]
async fn a_deletion_is_written_by_itself_after_a_while() {
    let bench = Bench::new();
    bench.receive(whole(3, "AA")).await;
    bench.store.segment_deleted(key(Some(3), "AA")).unwrap();
    let reader = rusqlite::Connection::open(bench.path()).unwrap();
    let open = "SELECT count(*) FROM segment WHERE deleted_run IS NULL";
    let began = std::time::Instant::now();
    while reader.query_row(open, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it is never written");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
