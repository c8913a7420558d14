//! Digests in the spool: what is in them, that it stays so, and that none of it is left out or mailed twice.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::store::{MailBacklog, MailJob, schema::MIGRATIONS};

const SECOND: Duration = Duration::from_secs(1);

impl Bench {
    fn flooded_from(limit: u32) -> Self {
        let bench = Self::new();
        bench.store.set_flood_limit(limit);
        bench
    }

    /// As after a crash, with the limit that the configuration has.
    fn crash(self, limit: u32) -> Self {
        let bench = self.reopen();
        bench.store.set_flood_limit(limit);
        bench
    }

    async fn message(&self, segment: NewSegment) -> MessageId {
        let Committed::Stored { message: Some(id) } = self.receive(segment).await else { panic!("no message") };
        id
    }

    /// So many of the usual sender, numbered from `first`.
    async fn flood(&self, first: u16, count: u16) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for number in first..first + count {
            ids.push(self.message(whole(number, &format!("{number:04X}"))).await);
        }
        ids
    }

    async fn mails(&self) -> Vec<MailJob> {
        self.store.mail_due(1000).await.unwrap()
    }

    async fn backlog(&self) -> (usize, usize, usize) {
        let MailBacklog { waiting, dead, dead_messages } = self.store.mail_backlog().await.unwrap();
        (waiting, dead, dead_messages)
    }
}

fn ids(job: &MailJob) -> Vec<MessageId> {
    std::iter::once(&job.message).chain(&job.more).map(|message| message.id).collect()
}

fn all_ids(jobs: &[MailJob]) -> Vec<Vec<MessageId>> {
    jobs.iter().map(ids).collect()
}

#[tokio::test]
async fn sixty_a_minute_have_a_mail_each_and_the_others_share_one() {
    let bench = Bench::flooded_from(60);
    let came = bench.flood(0, 65).await;
    let jobs = bench.mails().await;
    assert_eq!(all_ids(&jobs), came[..60].iter().map(|id| vec![*id]).collect::<Vec<_>>());
    for job in jobs {
        bench.store.mail_sent(job.message.id).await.unwrap();
    }
    let now = bench.store.now();
    assert_eq!(bench.store.mail_next_due().await.unwrap(), Some(now.after(10 * SECOND)));
    assert!(bench.mails().await.is_empty(), "more may come");
    bench.clock.pass(10 * SECOND);
    assert_eq!(all_ids(&bench.mails().await), [came[60..].to_vec()]);
    assert_eq!(bench.backlog().await, (5, 0, 0));
    bench.store.mail_sent(came[60]).await.unwrap();
    assert_eq!((bench.backlog().await, bench.store.mail_next_due().await.unwrap()), ((0, 0, 0), None));
    bench.clock.pass(60 * SECOND);
    let later = bench.flood(100, 1).await;
    assert_eq!(all_ids(&bench.mails().await), [later], "the flood is over");
}

#[tokio::test]
async fn a_full_digest_goes_at_once() {
    let bench = Bench::flooded_from(3);
    let came = bench.flood(0, 3 + 230).await;
    let jobs = bench.mails().await;
    assert_eq!(jobs.iter().map(|job| ids(job).len()).collect::<Vec<_>>(), [1, 1, 1, 100, 100]);
    bench.clock.pass(10 * SECOND);
    assert_eq!(all_ids(&bench.mails().await).concat(), came, "all of them, in their order");
}

#[tokio::test]
async fn what_was_offered_once_stays_as_it_is() {
    let bench = Bench::flooded_from(1);
    let came = bench.flood(0, 4).await;
    bench.store.mail_sent(came[0]).await.unwrap();
    let bench = bench.crash(1);
    assert!(bench.mails().await.is_empty(), "still being gathered after a crash");
    let joined = bench.flood(10, 1).await;
    bench.clock.pass(10 * SECOND);
    let offered = all_ids(&bench.mails().await);
    assert_eq!(offered, [[&came[1..], &joined].concat()]);
    // The answer of the server is lost, more comes, and the power goes.
    let later = bench.flood(20, 2).await;
    assert_eq!(all_ids(&bench.mails().await), offered);
    let bench = bench.crash(1);
    assert_eq!(all_ids(&bench.mails().await), offered);
    bench.store.mail_deferred(came[1], "not now", bench.store.now().after(30 * SECOND)).await.unwrap();
    bench.clock.pass(10 * SECOND);
    assert_eq!(all_ids(&bench.mails().await), std::slice::from_ref(&later), "a digest that is put off delays no other");
    bench.clock.pass(20 * SECOND);
    let jobs = bench.mails().await;
    assert_eq!(all_ids(&jobs), [offered[0].clone(), later.clone()]);
    assert_eq!((jobs[0].attempts, jobs[1].attempts), (1, 0));
    bench.store.mail_sent(came[1]).await.unwrap();
    assert_eq!(all_ids(&bench.mails().await), [later]);
}

#[tokio::test]
async fn a_digest_that_is_due_takes_nothing_in_even_before_it_is_read() {
    let bench = Bench::flooded_from(1);
    let came = bench.flood(0, 3).await;
    bench.clock.pass(10 * SECOND);
    let later = bench.flood(10, 2).await;
    assert_eq!(all_ids(&bench.mails().await), [vec![came[0]], came[1..].to_vec()]);
    bench.clock.pass(10 * SECOND);
    assert_eq!(all_ids(&bench.mails().await)[2], later);
}

#[tokio::test]
async fn only_plain_messages_of_one_sender_to_one_sim_share_a_mail() {
    let bench = Bench::flooded_from(2);
    let plain = bench.flood(0, 4).await;
    let whole_of = |number: u16| SegmentContent::Whole { text: format!("other {number}") };
    let mut others = vec![
        NewSegment { sender: "+491510000000".to_owned(), ..whole(50, "A0") },
        NewSegment { flash: true, ..whole(51, "A1") },
        segment(Some(52), "A2", SegmentContent::Undecodable { text: "hex".to_owned() }),
    ];
    let mut elsewhere = segment(Some(53), "A3", whole_of(53));
    elsewhere.key.slot = SlotId::new("modem2");
    others.push(elsewhere);
    let mut alone = Vec::new();
    for other in others {
        alone.push(bench.message(other).await);
    }
    // A part of a message, what is missing of it, and the whole.
    bench.receive(part(60, "B1", 2, 1)).await;
    alone.extend(bench.store.deliver_partials(Duration::ZERO, join).await.unwrap());
    alone.push(bench.message(part(61, "B2", 2, 2)).await);
    let ussd = super::super::NewUssd {
        slot: slot(),
        recipient: String::new(),
        network: "Net".to_owned(),
        text: "from the network".to_owned(),
    };
    alone.extend(bench.store.commit_ussd(ussd).await.unwrap());
    assert_eq!(alone.len(), 7);
    let jobs = bench.mails().await;
    assert!(jobs.iter().all(|job| job.more.is_empty()));
    let mailed: Vec<MessageId> = jobs.iter().map(|job| job.message.id).collect();
    assert_eq!(mailed, [&plain[..2], &alone].concat());
    bench.clock.pass(10 * SECOND);
    assert!(all_ids(&bench.mails().await).contains(&plain[2..].to_vec()));
}

#[tokio::test]
async fn without_a_limit_each_has_its_own() {
    let bench = Bench::flooded_from(1);
    let gathered = bench.flood(0, 3).await;
    bench.store.set_flood_limit(0);
    let own = bench.flood(10, 3).await;
    let wanted = [vec![gathered[0]], gathered[1..].to_vec(), vec![own[0]], vec![own[1]], vec![own[2]]];
    assert_eq!(all_ids(&bench.mails().await), wanted, "what was gathered goes before");
}

#[tokio::test]
async fn a_digest_given_up_takes_its_messages_with_it_and_keeps_their_texts_until_then() {
    let bench = Bench::flooded_from(1);
    let came = bench.flood(0, 6).await;
    bench.store.mail_sent(came[0]).await.unwrap();
    bench.clock.pass(DAY + HOUR);
    bench.store.retain().await.unwrap();
    assert_eq!(bench.visible().await.len(), 5, "texts stay until they are mailed");
    assert_eq!(all_ids(&bench.mails().await), [came[1..].to_vec()]);
    bench.store.mail_dead(came[1], "552 too big").await.unwrap();
    assert_eq!((bench.backlog().await, bench.mails().await.len()), ((0, 1, 5), 0));
    let bench = bench.crash(1);
    assert_eq!(bench.backlog().await, (0, 1, 5));
    bench.clock.pass(31 * DAY);
    bench.store.retain().await.unwrap();
    assert_eq!(bench.backlog().await, (0, 0, 0));
    bench.store.retain().await.unwrap();
    assert!(bench.visible().await.is_empty(), "then they go");
}

#[tokio::test]
async fn texts_of_a_digest_go_once_it_is_mailed() {
    let bench = Bench::flooded_from(1);
    let came = bench.flood(0, 6).await;
    bench.clock.pass(10 * SECOND);
    assert_eq!(bench.mails().await.len(), 2);
    bench.store.mail_sent(came[1]).await.unwrap();
    bench.clock.pass(DAY);
    bench.store.retain().await.unwrap();
    let held: Vec<MessageId> = bench.visible().await.into_iter().map(|message| message.id).collect();
    assert_eq!(held, came[..1], "the one that is not mailed");
}

#[tokio::test]
async fn rows_that_lost_their_digest_are_mailed_all_the_same() {
    for (damage, wanted) in [
        // The first message of it: the others go by themselves.
        ("DELETE FROM spool WHERE digest = message", vec![vec![0], vec![2], vec![3]]),
        // Nobody gathers it any more.
        ("DELETE FROM gathering", vec![vec![0], vec![1, 2, 3]]),
        // A number that became another's.
        ("UPDATE spool SET digest = digest - 1 WHERE message = digest + 1", vec![vec![0], vec![2]]),
        ("UPDATE gathering SET digest = 77", vec![vec![0], vec![1, 2, 3]]),
    ] {
        let bench = Bench::flooded_from(1);
        let came = bench.flood(0, 4).await;
        let other = rusqlite::Connection::open(bench.path()).unwrap();
        assert!(other.execute(damage, []).unwrap() > 0, "{damage}");
        drop(other);
        let bench = bench.crash(1);
        let wanted: Vec<Vec<MessageId>> = wanted.iter().map(|mail| mail.iter().map(|at| came[*at]).collect()).collect();
        assert_eq!(all_ids(&bench.mails().await), wanted, "{damage}");
        bench.clock.pass(60 * SECOND);
        let rest = usize::from(damage.contains("digest - 1"));
        assert_eq!(bench.mails().await.len(), wanted.len() + rest, "{damage}");
        assert!(bench.store.mail_next_due().await.unwrap().is_some_and(|next| next <= bench.store.now()), "{damage}");
    }
}

#[test]
fn what_an_older_version_spooled_is_mailed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smsgate.db");
    let older = rusqlite::Connection::open(&path).unwrap();
    MIGRATIONS.iter().take(5).for_each(|step| older.execute_batch(step).unwrap());
    older
        .execute_batch(
            "PRAGMA user_version = 5;
             INSERT INTO message (id, slot, recipient, sender, text, network, sent_offset, received_at, arrived_run,
                 flash, parts_missing, undecodable)
             VALUES ('00000000-0000-7000-8000-000000000001', '00', '', '+49', 'old', '', 0, 0, 0, 0, 0, 0);
             INSERT INTO spool (message, spooled_run, next_run) VALUES (1, 0, 0);",
        )
        .unwrap();
    drop(older);
    let options = Options { mail: true, retention: DAY, queue_limit: 10 };
    let store = Store::open(&path, options).unwrap();
    assert_eq!(store.damage(), None);
    let jobs = tokio::runtime::Runtime::new().unwrap().block_on(store.mail_due(10)).unwrap();
    assert_eq!(jobs.iter().map(|job| job.message.text.as_str()).collect::<Vec<_>>(), ["old"]);
}

/// Arrivals, time, mails taken, put off and lost, and crashes, in any order: each message is in one mail, always the same.
#[tokio::test]
async fn whatever_happens_each_message_is_in_one_mail() {
    for seed in 1..=6_u64 {
        let (mut state, mut number) = (seed, 0_u16);
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        let mut bench = Bench::flooded_from(3);
        let mut came = BTreeSet::new();
        let mut offered: BTreeMap<MessageId, Vec<MessageId>> = BTreeMap::new();
        let mut taken = Vec::new();
        for step in 0..120 {
            match below(8) {
                0..=3 => {
                    for _ in 0..below(6) {
                        let sender = format!("+4915100000{}", below(2));
                        let segment =
                            NewSegment { sender, flash: below(9) == 0, ..whole(number, &format!("{number:04X}")) };
                        came.insert(bench.message(segment).await);
                        number += 1;
                    }
                }
                4 => bench.clock.pass(Duration::from_secs(below(25))),
                5 => bench = bench.crash(3),
                _ => {
                    for job in bench.mails().await {
                        let (id, ids) = (job.message.id, ids(&job));
                        assert_eq!(offered.entry(id).or_insert_with(|| ids.clone()), &ids, "seed {seed}, step {step}");
                        match below(3) {
                            0 => bench.store.mail_deferred(id, "later", bench.store.now().after(SECOND)).await.unwrap(),
                            1 => {
                                bench.store.mail_sent(id).await.unwrap();
                                taken.extend(ids);
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        bench.clock.pass(120 * SECOND);
        for job in bench.mails().await {
            assert_eq!(*offered.entry(job.message.id).or_insert_with(|| ids(&job)), ids(&job), "seed {seed}");
            bench.store.mail_sent(job.message.id).await.unwrap();
            taken.extend(ids(&job));
        }
        assert_eq!(bench.backlog().await, (0, 0, 0), "seed {seed}");
        assert_eq!(taken.len(), came.len(), "seed {seed}: one mail each");
        assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), came, "seed {seed}");
        assert!(offered.values().any(|mail| mail.len() > 2), "seed {seed}: there were digests");
    }
}
