//! The file: lock, modes, damage, versions, group commit, and kills.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
};

use tokio::task::JoinSet;

use super::*;
use crate::store::{OpenError, StoreError};

/// Half a statement that is big enough goes into a temporary file to be taken back from, and there is no folder for one.
#[test]
fn no_connection_keeps_temporaries_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smsgate.db");
    let writer = crate::store::schema::connect(&path).err();
    assert!(writer.is_some(), "the file is made by the store alone");
    fs::write(&path, "").unwrap();
    let writer = crate::store::schema::connect(&path).unwrap();
    let reader = crate::store::schema::connect_reader(&path).unwrap();
    for connection in [writer, reader] {
        let place: i64 = connection.pragma_query_value(None, "temp_store", |row| row.get(0)).unwrap();
        assert_eq!(place, 2, "2 is MEMORY");
    }
}

/// Its name is synced then; SQLite itself would not say if that failed.
#[test]
fn the_log_is_there_before_the_first_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smsgate.db");
    fs::write(&path, "").unwrap();
    for _ in 0..2 {
        let writer = crate::store::schema::connect(&path).unwrap();
        assert!(folder.path().join("smsgate.db-wal").exists());
        drop(writer);
        assert!(!folder.path().join("smsgate.db-wal").exists());
    }
}

#[tokio::test]
async fn one_daemon_per_store_and_nobody_else_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new").join("smsgate.db");
    let options = Options { mail: true, retention: DAY, queue_limit: 10 };
    let store = Store::open(&path, options.clone()).unwrap();
    assert!(matches!(Store::open(&path, options.clone()), Err(OpenError::Locked { .. })));
    store.enqueue(outgoing("+49", ResendPolicy::Once)).await.unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("db-wal")), 0o600);
    let other = store.clone();
    drop(store);
    assert!(matches!(Store::open(&path, options.clone()), Err(OpenError::Locked { .. })));
    drop(other);
    assert_eq!(Store::open(&path, options).unwrap().outbox_waiting().await.unwrap(), 1);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside() {
    let bench = Bench::new();
    for number in 0..200 {
        bench.receive(whole(number, &format!("{number:04X}"))).await;
    }
    bench.store.close().await;
    let mut bytes = fs::read(bench.path()).unwrap();
    let pages = bytes.len() / 1024;
    for page in 2..pages {
        bytes[page * 1024..page * 1024 + 64].fill(0xA5);
    }
    fs::write(bench.path(), &bytes).unwrap();
    let bench = bench.reopen();
    let aside = bench.store.damage().unwrap().aside.clone();
    assert_eq!(aside, bench.folder.path().join("smsgate.db.damaged-1"));
    assert_eq!(fs::read(&aside).unwrap(), bytes);
    assert!(bench.visible().await.is_empty());
    bench.receive(whole(1, "AA")).await;

    bench.store.close().await;
    fs::write(bench.path(), "this is no database at all, but it is long enough to look at").unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.store.damage().unwrap().aside, bench.folder.path().join("smsgate.db.damaged-2"));
    let bench = bench.reopen();
    assert_eq!(bench.store.damage(), None);
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    let Bench { folder, store, options, .. } = bench;
    drop(store);
    let path = folder.path().join("smsgate.db");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("CREATE TABLE news (id INTEGER); PRAGMA user_version = 99").unwrap();
    drop(newer);
    assert!(matches!(Store::open(&path, options), Err(OpenError::Newer { found: 99, known: 7, .. })));
    assert!(!folder.path().join("smsgate.db.damaged-1").exists());
}

#[tokio::test]
async fn run_time_never_falls_behind_a_stamp() {
    let bench = Bench::new();
    bench.clock.pass(DAY);
    bench.receive(whole(1, "AA")).await;
    let stamped = bench.store.now();
    bench.store.close().await;
    rusqlite::Connection::open(bench.path()).unwrap().execute("DELETE FROM meta", []).unwrap();
    bench.clock.reboot("boot-2");
    assert!(bench.reopen().store.now() >= stamped);
}

#[tokio::test]
async fn concurrent_commits_share_transactions() {
    let bench = Bench::new();
    let before = bench.store.transactions();
    let mut tasks = JoinSet::new();
    for number in 0..1000_u16 {
        let store = bench.store.clone();
        tasks.spawn(async move { store.commit_segment(whole(number, &format!("{number:04X}")), join).await.unwrap() });
    }
    while let Some(committed) = tasks.join_next().await {
        assert!(matches!(committed.unwrap(), Committed::Stored { message: Some(_) }));
    }
    let transactions = bench.store.transactions() - before;
    assert!(transactions < 200, "{transactions} transactions for 1000 segments");
    assert_eq!(bench.visible().await.len(), 1000);
}

#[tokio::test]
async fn a_refused_operation_does_not_undo_its_group() {
    let bench = Bench::new();
    let (good, bad) = (bench.store.clone(), bench.store.clone());
    let mut tasks = JoinSet::new();
    for number in 0..50_u16 {
        let (good, bad) = (good.clone(), bad.clone());
        tasks.spawn(async move { good.commit_segment(whole(number, &format!("{number:04X}")), join).await.is_ok() });
        tasks.spawn(async move { bad.part_begins(new_message_id(), 0).await.is_err() });
    }
    while let Some(as_expected) = tasks.join_next().await {
        assert!(as_expected.unwrap());
    }
    assert_eq!(bench.visible().await.len(), 50);
}

#[tokio::test]
async fn a_joiner_that_panics_loses_its_operation_only() {
    fn panics(_: u8, _: &[(u8, &str)]) -> String {
        panic!("a defect")
    }
    let bench = Bench::new();
    let failed = bench.store.commit_segment(part(1, "P1", 1, 1), panics).await;
    assert!(matches!(failed, Err(StoreError::Sqlite(_))));
    assert!(matches!(bench.receive(part(1, "P1", 1, 1)).await, Committed::Stored { message: Some(_) }));
}

#[tokio::test]
async fn a_full_mailbox_is_an_answer() {
    let bench = Bench::new();
    let blocker = rusqlite::Connection::open(bench.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..1200_u16 {
        let store = bench.store.clone();
        tasks.spawn(async move { store.commit_segment(whole(number, &format!("{number:04X}")), join).await });
    }
    let (mut busy, mut stored) = (0, 0);
    while let Some(answer) = tasks.join_next().await {
        match answer.unwrap() {
            Err(StoreError::Busy) => {
                busy += 1;
                // The writer waits for the lock until the first refusals are in.
                let _ = blocker.execute_batch("ROLLBACK");
            }
            Ok(_) => stored += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(busy > 0);
    assert_eq!(bench.visible().await.len(), stored);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_the_next_operation_finds_a_fresh_connection() {
    let bench = Bench::new();
    bench.receive(whole(1, "AA")).await;
    let capped = bench
        .store
        .write(|work| {
            let pages: i64 = work.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            work.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            Ok(pages)
        })
        .await;
    assert!(capped.is_ok());
    let large = "00".repeat(100_000);
    let failed = bench.store.commit_segment(whole(2, &large), join).await;
    assert!(matches!(failed, Err(StoreError::Sqlite(_))), "{failed:?}");
    assert_eq!(bench.visible().await.len(), 1);
    assert!(matches!(bench.receive(whole(2, &large)).await, Committed::Stored { message: Some(_) }));
}

const CHILD: &str = "SMSGATE_STORE_KILL_TEST";

/// Not a test of its own: the child of the next one, which runs this test binary again.
#[test]
fn child_that_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let (path, round) = path.rsplit_once(':').unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let options = Options { mail: true, retention: DAY, queue_limit: 1_000_000 };
    let store = Store::open(std::path::Path::new(path), options).unwrap();
    for worker in 0..4 {
        let (store, round) = (store.clone(), round.to_owned());
        runtime.spawn(async move {
            for number in 0_u64.. {
                let name = format!("{round}W{worker}N{number}");
                let content = SegmentContent::Whole { text: name.clone() };
                store.commit_segment(segment(None, &name, content), join).await.unwrap();
                let message = outgoing("+491760000000", ResendPolicy::Alarm);
                let id = message.id;
                store.enqueue(message).await.unwrap();
                // One write per line: a kill leaves whole lines and at most one torn one.
                std::io::stdout().write_all(format!("ack {name} {id}\n").as_bytes()).unwrap();
            }
        });
    }
    thread::park();
}

#[test]
fn everything_acknowledged_survives_thirty_kills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smsgate.db");
    let mut acknowledged: Vec<(String, MessageId)> = Vec::new();
    for round in 0..30_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::durability::child_that_is_killed", "--nocapture"])
            .env(CHILD, format!("{}:R{round}", path.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        // Killed after a differing number of acknowledgements, while four workers are in the middle of the next ones.
        let mut heard: Vec<String> = lines.iter().filter(|line| line.contains("ack ")).take(1 + round * 3).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        heard.extend(lines.iter());
        assert!(heard.len() > round * 3, "the child died by itself");
        acknowledged.extend(heard.iter().filter_map(|line| {
            let (_, rest) = line.split_once("ack ")?;
            let (name, id) = rest.split_once(' ')?;
            Some((name.to_owned(), MessageId::parse(id)?))
        }));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let options = Options { mail: true, retention: DAY, queue_limit: 1_000_000 };
        let store = Store::open(&path, options).unwrap();
        assert_eq!(store.damage(), None);
        let query = InboxQuery { slots: vec![slot()], since: RunTime(0), after: None, limit: 1_000_000 };
        let mut texts: Vec<String> = store.inbox(query).await.unwrap().into_iter().map(|m| m.text).collect();
        let mailed = store.mail_backlog().await.unwrap().waiting;
        assert_eq!(mailed, texts.len(), "one mail for each message");
        texts.sort();
        assert!(acknowledged.len() > 1000);
        for (name, id) in &acknowledged {
            assert!(texts.binary_search(name).is_ok(), "{name} was lost");
            assert!(store.outgoing(*id).await.unwrap().is_some(), "{id} was lost");
        }
        texts.dedup();
        assert_eq!(mailed, texts.len(), "none twice");
    });
}
