//! A file that the disk gives back otherwise than it was written (D22): noticed at the start, set aside, and what is left
//! of it kept. Never is another text shown or sent than the one that was written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::*;
use crate::{
    emulator::Dice,
    model::OutgoingState,
    store::{Damage, Salvage, inbox, outbox},
};

const PAGE: usize = 1024;

/// Messages in both directions and in every state; what there is of them.
struct Written {
    /// Texts by identifier.
    incoming: BTreeMap<MessageId, String>,
    outgoing: BTreeMap<MessageId, OutgoingState>,
    waiting: usize,
}

async fn written(bench: &Bench, messages: u16) -> Written {
    for number in 0..messages {
        bench.receive(whole(number, &format!("{number:04X}"))).await;
    }
    bench.receive(part(messages, "BEEF", 2, 1)).await;
    let mut outgoing = BTreeMap::new();
    for number in 0..messages {
        let recipient = format!("+49151{number:07}");
        let id = match number % 4 {
            0 => bench.sent(&recipient, 1 + number % 3, 7).await,
            1 => {
                let id = bench.send(&recipient, ResendPolicy::Alarm).await;
                bench.store.routed(id, route(2)).await.unwrap();
                bench.store.part_begins(id, 0).await.unwrap();
                bench.store.part_unknown(id, 0, "silence", Some(bench.store.now().after(DAY))).await.unwrap();
                id
            }
            _ => bench.send(&recipient, ResendPolicy::Once).await,
        };
        outgoing.insert(id, bench.store.outgoing(id).await.unwrap().unwrap().state);
    }
    let incoming = bench.visible().await.into_iter().map(|message| (message.id, message.text)).collect();
    Written { incoming, outgoing, waiting: bench.store.outbox_waiting().await.unwrap() }
}

impl Written {
    /// What a store shows now that is not what was written. How many are missing.
    async fn judge(&self, bench: &Bench) -> (Vec<String>, usize) {
        let (mut faults, mut found) = (Vec::new(), BTreeSet::new());
        for message in bench.visible().await {
            found.insert(message.id);
            match self.incoming.get(&message.id) {
                Some(text) if *text == message.text && message.sender == "+491760000000" => {}
                _ if message.text.starts_with(inbox::DAMAGED) && message.undecodable => {}
                _ => faults.push(format!("shown: {message:?}")),
            }
        }
        let mut missing = self.incoming.len() - self.incoming.keys().filter(|id| found.contains(id)).count();
        for job in bench.store.outbox_due(10_000).await.unwrap() {
            if !self.outgoing.contains_key(&job.id) || job.text != "hello" || !job.recipient.starts_with("+49151") {
                faults.push(format!("to be sent: {job:?}"));
            }
        }
        for (id, state) in &self.outgoing {
            match bench.store.outgoing(*id).await.unwrap() {
                None => missing += 1,
                Some(message) if message.state == *state || message.cause == outbox::DAMAGED => {}
                // What was in hand waits again.
                Some(message) if message.state == OutgoingState::Queued => {}
                Some(message) => faults.push(format!("{state:?} has become {message:?}")),
            }
        }
        (faults, missing)
    }
}

/// A copy of a store, opened.
fn opened(bytes: &[u8]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smsgate.db");
    fs::write(&path, bytes).unwrap();
    let clock = Arc::new(HandClock { state: Mutex::new(("boot-1".to_owned(), Duration::from_secs(200))) });
    let options = Options { mail: true, retention: DAY, queue_limit: 10_000 };
    let store = Store::open_with_clock(&path, options.clone(), clock.clone()).unwrap();
    Bench { folder, clock, options, store }
}

#[tokio::test]
async fn a_bit_that_flips_anywhere_shows_and_sends_no_other_message() {
    let bench = Bench::new();
    let written = written(&bench, 200).await;
    bench.store.close().await;
    let sound = fs::read(bench.path()).unwrap();
    let pages = sound.len() / PAGE;
    let mut dice = Dice::new(22);
    let (mut noticed, mut missing, mut kept) = (0, 0, 0);
    let flips = std::env::var("SMSGATE_FLIPS").map_or(100, |flips| flips.parse::<usize>().unwrap());
    for flip in 0..flips {
        let mut bytes = sound.clone();
        let page = usize::try_from(dice.below(pages as u64)).unwrap();
        let octet = page * PAGE + usize::try_from(dice.below(PAGE as u64)).unwrap();
        bytes[octet] ^= 1 << dice.below(8);
        let bench = opened(&bytes);
        let (faults, gone) = written.judge(&bench).await;
        assert!(faults.is_empty(), "flip {flip} at {octet}: {faults:?}");
        if let Some(Damage { aside, salvage }) = bench.store.damage() {
            assert!(aside.exists(), "{aside:?}");
            noticed += 1;
            kept += salvage.kept;
        } else {
            assert_eq!(gone, 0, "flip {flip} at {octet}: gone without a word");
        }
        missing += gone;
        // It is used as if nothing had been.
        bench.receive(whole(9999, "FFFF")).await;
    }
    let of = written.incoming.len() + written.outgoing.len();
    eprintln!(
        "{flips} flips in {pages} pages of {of} messages: {noticed} noticed, {missing} messages missing in all of those, \
         {} rows kept in each",
        kept / noticed
    );
    assert!(noticed * 5 > flips, "only {noticed} were noticed");
    assert!(missing < 10 * noticed, "{missing}");
}

#[tokio::test]
async fn pages_that_are_gone_cost_their_own_rows_only() {
    let bench = Bench::new();
    let written = written(&bench, 300).await;
    bench.store.close().await;
    let sound = fs::read(bench.path()).unwrap();
    let of = written.incoming.len() + written.outgoing.len();
    let mut worst = 0;
    for page in (0..sound.len() / PAGE).step_by(3) {
        let mut bytes = sound.clone();
        bytes[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        let bench = opened(&bytes);
        let (faults, missing) = written.judge(&bench).await;
        assert!(faults.is_empty(), "page {page}: {faults:?}");
        // Of the first page all others are found, and a table's root has many below it.
        if missing < of / 4 {
            worst = worst.max(missing);
        }
    }
    assert!((1..60).contains(&worst), "{worst} of {of}");
}

#[tokio::test]
async fn nothing_is_mailed_or_sent_less_for_a_damage() {
    let bench = Bench::new();
    let written = written(&bench, 40).await;
    bench.store.close().await;
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    // As a bit that flips: SQLite finds nothing wrong with it.
    connection.execute("UPDATE message SET text = 'text of 000B' WHERE text = 'text of 000A'", []).unwrap();
    connection.execute("UPDATE outbox SET recipient = '+4915199999' WHERE recipient = '+491510000002'", []).unwrap();
    drop(connection);
    let bench = bench.reopen();
    let Damage { salvage, .. } = bench.store.damage().unwrap();
    assert_eq!((salvage.damaged, salvage.unreadable), (2, false));
    assert!(salvage.kept > 150, "{salvage:?}");
    let (faults, missing) = written.judge(&bench).await;
    assert_eq!((faults, missing), (Vec::new(), 0));
    let texts: Vec<String> = bench.visible().await.into_iter().map(|message| message.text).collect();
    assert!(texts.contains(&format!("{} It was received as: 000A", inbox::DAMAGED)), "{texts:?}");
    assert_eq!(bench.store.outbox_waiting().await.unwrap(), written.waiting - 1);
    assert_eq!(bench.store.mail_due(1000).await.unwrap().len(), 40);
    // What it found is settled: the next start finds nothing.
    assert_eq!(bench.reopen().store.damage(), None);
}

#[tokio::test]
async fn what_is_damaged_while_it_runs_is_neither_shown_nor_sent() {
    let bench = Bench::new();
    bench.receive(whole(1, "AA")).await;
    let id = bench.send("+49151", ResendPolicy::Alarm).await;
    let other = rusqlite::Connection::open(bench.path()).unwrap();
    other.execute("UPDATE message SET sender = '+490'", []).unwrap();
    other.execute("UPDATE outbox SET text = 'another'", []).unwrap();
    assert_eq!(bench.visible().await[0].text, inbox::DAMAGED);
    assert!(bench.store.outbox_due(10).await.unwrap().is_empty());
    let message = bench.store.outgoing(id).await.unwrap().unwrap();
    assert_eq!((message.state, message.cause.as_str()), (OutgoingState::Failed, outbox::DAMAGED));
}

#[tokio::test]
async fn a_salvage_that_the_power_ended_is_begun_anew_or_finished() {
    let bench = Bench::new();
    let written = written(&bench, 8).await;
    bench.store.close().await;
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    connection.execute("UPDATE message SET text = 'x' WHERE text = 'text of 0001'", []).unwrap();
    drop(connection);
    // In the middle of the copy.
    fs::write(bench.folder.path().join("smsgate.db.salvaged"), "half a file").unwrap();
    fs::write(bench.folder.path().join("smsgate.db.salvaged-wal"), "and half a log").unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.store.damage().map(|damage| damage.salvage.damaged), Some(1));
    assert_eq!(written.judge(&bench).await, (Vec::new(), 0));
    // Between the two renames.
    bench.store.close().await;
    fs::rename(bench.path(), bench.folder.path().join("smsgate.db.salvaged")).unwrap();
    let bench = bench.reopen();
    assert_eq!(bench.store.damage(), None);
    assert_eq!(written.judge(&bench).await, (Vec::new(), 0));
}

#[tokio::test]
async fn a_lost_spool_is_mailed_again() {
    let bench = Bench::new();
    for number in 0..5 {
        bench.receive(whole(number, &format!("{number:04X}"))).await;
    }
    for message in bench.visible().await {
        bench.store.mail_sent(message.id).await.unwrap();
    }
    bench.receive(whole(6, "AA")).await;
    bench.store.close().await;
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    let root: i64 =
        connection.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'spool'", [], |row| row.get(0)).unwrap();
    drop(connection);
    let root = usize::try_from(root).unwrap();
    let mut bytes = fs::read(bench.path()).unwrap();
    bytes[(root - 1) * PAGE..root * PAGE].fill(0xFF);
    fs::write(bench.path(), &bytes).unwrap();
    let bench = bench.reopen();
    assert!(matches!(bench.store.damage(), Some(Damage { salvage: Salvage { unreadable: true, .. }, .. })));
    assert_eq!(bench.store.mail_due(100).await.unwrap().len(), 6);
}
