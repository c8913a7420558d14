//! The one thread that writes: a bounded mailbox, group commit, answers only after the commit.
//!
//! Whatever waits in the mailbox shares a transaction, so its flush to disk is shared too; an operation that finds the
//! mailbox empty is committed at once, but for notes, which wait a moment for a transaction of others: nobody waits for
//! them, and without them the gateway only knows less. Each operation runs in a savepoint of its own. After any failure of SQLite the
//! connection is thrown away: a flush that failed once says nothing about the pages it was meant to save, so it is
//! never repeated (the pages may be marked clean although they never reached the disk).

use std::{
    collections::{HashSet, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Notify, oneshot, watch};

use super::{Options, SlotLimits, StoreError, clock::RunClock, lock::Lock, recall::Recall, schema, space::Shortage};
use crate::model::{MessageId, RunTime};

/// Operations that may wait; more is an answer ([`StoreError::Busy`]).
pub(super) const MAILBOX: usize = 1024;
const GROUP_OPERATIONS: usize = 64;
const GROUP_TIME: Duration = Duration::from_millis(5);
/// How much run time an idle daemon loses at most when the machine is cut off.
const IDLE_STAMP: Duration = Duration::from_secs(300);
/// How much a busy one does: rows carry stamps, too, by which time is resumed, so that the time by itself is rarely written.
const BUSY_STAMP: Duration = Duration::from_secs(60);
/// How long a note waits for the transaction of somebody else.
const NOTE_TIME: Duration = Duration::from_secs(1);

/// What an operation works with.
pub(super) struct Work<'a> {
    pub(super) connection: &'a Connection,
    pub(super) now: RunTime,
    pub(super) wall: Timestamp,
    pub(super) options: &'a Options,
    pub(super) limits: &'a SlotLimits,
    pub(super) shortage: Shortage,
    pub(super) flood_limit: u32,
    pub(super) effects: Effects,
    pub(super) claims: &'a mut Claims,
    pub(super) recall: &'a mut Recall,
}

/// Whom to wake once the transaction is on disk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effects {
    pub(super) mail: bool,
    pub(super) outbox: bool,
    pub(super) arrival: Option<i64>,
}

/// Outgoing messages that were handed to a dispatcher and not answered. Changes are undone with their operation.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: HashSet<MessageId>,
    log: Vec<(MessageId, Change)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Taken,
    Released,
}

impl Claims {
    pub(super) fn is_held(&self, id: MessageId) -> bool {
        self.held.contains(&id)
    }

    pub(super) fn count(&self) -> usize {
        self.held.len()
    }

    pub(super) fn take(&mut self, id: MessageId) {
        if self.held.insert(id) {
            self.log.push((id, Change::Taken));
        }
    }

    pub(super) fn release(&mut self, id: MessageId) {
        if self.held.remove(&id) {
            self.log.push((id, Change::Released));
        }
    }

    pub(super) fn release_all(&mut self) {
        self.log.extend(self.held.drain().map(|id| (id, Change::Released)));
    }

    fn revert_to(&mut self, mark: usize) {
        for (id, change) in self.log.drain(mark.min(self.log.len())..).rev() {
            match change {
                Change::Taken => self.held.remove(&id),
                Change::Released => self.held.insert(id),
            };
        }
    }

    fn taken_since(&self, mark: usize) -> Vec<MessageId> {
        self.log.iter().skip(mark).filter(|(_, change)| *change == Change::Taken).map(|(id, _)| *id).collect()
    }
}

/// How an operation went, as far as the group is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ran {
    Done,
    Refused,
    Broken,
}

/// Something in the mailbox.
pub(super) trait Operation: Send {
    /// Does the work inside a savepoint.
    fn run(&mut self, work: &mut Work<'_>) -> Ran;
    /// Tells the caller, after the commit. False if nobody listens any more.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> bool;
    /// Whether it is a note.
    fn is_note(&self) -> bool {
        false
    }
}

/// An operation that nobody waits for. Those that are sent after it find it done; a crash may forget it.
pub(super) struct Note<F>(Option<F>);

impl<F> Note<F> {
    pub(super) const fn new(work: F) -> Self {
        Self(Some(work))
    }
}

impl<F> Operation for Note<F>
where
    F: FnOnce(&mut Work<'_>) -> Result<(), StoreError> + Send,
{
    fn run(&mut self, work: &mut Work<'_>) -> Ran {
        match self.0.take().map(|note| note(work)) {
            Some(Ok(())) => Ran::Done,
            Some(Err(StoreError::Sqlite(_))) => Ran::Broken,
            Some(Err(_)) | None => Ran::Refused,
        }
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> bool {
        if let Err(error) = committed {
            tracing::debug!(%error, "a note is lost");
        }
        true
    }

    fn is_note(&self) -> bool {
        true
    }
}

/// An operation made of a closure.
pub(super) struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Task<T, F> {
    pub(super) const fn new(work: F, reply: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
}

impl<T, F> Operation for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Work<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, work: &mut Work<'_>) -> Ran {
        let Some(closure) = self.work.take() else { return Ran::Refused };
        // A defect in one operation (the joiner is foreign code) must not take the writer down.
        let result = catch_unwind(AssertUnwindSafe(|| closure(work)))
            .unwrap_or_else(|_| Err(StoreError::Sqlite("the operation panicked".to_owned())));
        let ran = match &result {
            Ok(_) => Ran::Done,
            Err(StoreError::Sqlite(_)) => Ran::Broken,
            Err(_) => Ran::Refused,
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) -> bool {
        let result = match (committed, self.result) {
            // Its own error says more than that of the group.
            (_, Some(Err(own))) => Err(own),
            (Err(error), _) => Err(error),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Closed),
        };
        self.reply.send(result).is_ok()
    }
}

/// What the writer shares with the handles.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) mail: Arc<Notify>,
    pub(super) outbox: Arc<Notify>,
    pub(super) arrivals: watch::Sender<i64>,
    pub(super) transactions: AtomicU64,
    /// Moves with every change, and before anybody is told of it.
    pub(super) state: AtomicU64,
    pub(super) unanswered: AtomicUsize,
    pub(super) flood_limit: AtomicU32,
}

/// The writer thread's state.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) options: watch::Receiver<Options>,
    pub(super) limits: watch::Receiver<Arc<SlotLimits>>,
    pub(super) shortage: watch::Receiver<Shortage>,
    pub(super) clock: RunClock,
    pub(super) connection: Option<Connection>,
    pub(super) signals: Arc<Signals>,
    pub(super) lock: Lock,
    /// When the run time was last written.
    pub(super) stamped: RunTime,
    pub(super) recall: Recall,
}

type Group = Vec<Box<dyn Operation>>;

impl Writer {
    /// Works until every sender is gone and the mailbox is empty, then checkpoints and lets go of the lock.
    pub(super) fn run(mut self, mailbox: &Receiver<Box<dyn Operation>>) {
        let mut claims = Claims::default();
        let mut notes = Vec::new();
        let mut noted = Instant::now();
        loop {
            let patience = if notes.is_empty() { IDLE_STAMP } else { NOTE_TIME.saturating_sub(noted.elapsed()) };
            match mailbox.recv_timeout(patience) {
                Ok(note) if note.is_note() && notes.len() + 1 < GROUP_OPERATIONS && !patience.is_zero() => {
                    if notes.is_empty() {
                        noted = Instant::now();
                    }
                    notes.push(note);
                }
                Ok(operation) => {
                    notes.push(operation);
                    self.run_group(std::mem::take(&mut notes), mailbox, &mut claims);
                }
                Err(RecvTimeoutError::Timeout) if notes.is_empty() => self.stamp(),
                Err(RecvTimeoutError::Timeout) => self.run_group(std::mem::take(&mut notes), mailbox, &mut claims),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !notes.is_empty() {
            self.run_group(notes, mailbox, &mut claims);
        }
        self.stamp();
        if let Some(connection) = self.connection.take() {
            // Both are only tidiness: the next start recovers from the WAL just as well.
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            let _ = connection.close();
        }
        drop(self.lock);
    }

    /// Runs these and what else is in the mailbox.
    fn run_group(&mut self, first: Group, mailbox: &Receiver<Box<dyn Operation>>, claims: &mut Claims) {
        let mut group: Group = Vec::with_capacity(GROUP_OPERATIONS);
        let mut taken = Vec::with_capacity(GROUP_OPERATIONS);
        let mut waiting = VecDeque::from(first);
        let started = Instant::now();
        let more = |group: &Group| {
            (group.len() < GROUP_OPERATIONS && started.elapsed() < GROUP_TIME)
                .then(|| mailbox.try_recv().ok())
                .flatten()
        };
        let verdict = self.transact(claims, |writer, connection, claims, effects| {
            while let Some(mut operation) = waiting.pop_front().or_else(|| more(&group)) {
                let mark = claims.log.len();
                let step = writer.savepoint(connection, operation.as_mut(), claims, effects);
                taken.push(claims.taken_since(mark));
                group.push(operation);
                step?;
            }
            Ok(())
        });
        // Those that were not begun, as the connection could not be had or broke, still wait for their answer.
        group.extend(waiting);
        match &verdict {
            Ok(effects) => self.announce(*effects),
            Err(_) => claims.revert_to(0),
        }
        claims.log.clear();
        let committed = verdict.map(|_| ());
        for (index, operation) in group.into_iter().enumerate() {
            let is_note = operation.is_note();
            if !operation.answer(committed.clone()) {
                for id in taken.get(index).into_iter().flatten() {
                    claims.held.remove(id);
                }
            }
            if !is_note {
                self.signals.unanswered.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Runs `body` in one transaction and commits it. On any failure of SQLite the connection is dropped.
    fn transact(
        &mut self,
        claims: &mut Claims,
        body: impl FnOnce(&mut Self, &Connection, &mut Claims, &mut Progress) -> Result<(), StoreError>,
    ) -> Result<Effects, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::connect(&self.path)?,
        };
        let mut progress = Progress::default();
        let before = connection.total_changes();
        let now = self.clock.now();
        let is_stamp_due = now.since(self.stamped) >= BUSY_STAMP;
        let result = (|| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            body(self, &connection, claims, &mut progress)?;
            let changed = connection.total_changes() != before;
            if changed && is_stamp_due {
                self.clock.persist(&connection)?;
            }
            connection.execute_batch("COMMIT")?;
            if changed {
                if is_stamp_due {
                    self.stamped = now;
                }
                self.signals.transactions.fetch_add(1, Ordering::Relaxed);
            }
            Ok(progress.effects)
        })();
        if result.is_err() && !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        if result.is_err() {
            self.recall.forget();
        }
        // A commit that failed may be on disk all the same.
        if result.is_err() || connection.total_changes() != before {
            self.signals.state.fetch_add(1, Ordering::Release);
        }
        if result.is_ok() && !progress.suspect {
            self.connection = Some(connection);
        }
        result
    }

    fn savepoint(
        &mut self,
        connection: &Connection,
        operation: &mut dyn Operation,
        claims: &mut Claims,
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        connection.execute_batch("SAVEPOINT operation")?;
        let mark = claims.log.len();
        let options = self.options.borrow().clone();
        let limits = Arc::clone(&self.limits.borrow());
        let mut work = Work {
            connection,
            now: self.clock.now(),
            wall: self.clock.wall(),
            options: &options,
            limits: &limits,
            shortage: *self.shortage.borrow(),
            flood_limit: self.signals.flood_limit.load(Ordering::Relaxed),
            effects: progress.effects,
            claims,
            recall: &mut self.recall,
        };
        work.recall.begin();
        let ran = operation.run(&mut work);
        let effects = work.effects;
        if ran == Ran::Done {
            progress.effects = effects;
            connection.execute_batch("RELEASE operation")?;
            return Ok(());
        }
        claims.revert_to(mark);
        self.recall.undo();
        progress.suspect |= ran == Ran::Broken;
        if connection.is_autocommit() {
            // SQLite has rolled the whole transaction back on its own (full disk, I/O error).
            return Err(StoreError::Sqlite("the transaction was rolled back".to_owned()));
        }
        connection.execute_batch("ROLLBACK TO operation; RELEASE operation")?;
        Ok(())
    }

    /// Writes the run time alone, so that a long idle spell is not forgotten at a power cut.
    fn stamp(&mut self) {
        let clock = self.clock.clone();
        // A failure shows at the next operation, with somebody there to tell.
        let _ = self.transact(&mut Claims::default(), |_, connection, _, _| Ok(clock.persist(connection)?));
    }

    fn announce(&self, effects: Effects) {
        if effects.mail {
            self.signals.mail.notify_one();
        }
        if effects.outbox {
            self.signals.outbox.notify_one();
        }
        if let Some(sequence) = effects.arrival {
            self.signals.arrivals.send_replace(sequence);
        }
    }
}

/// What a transaction has gathered so far.
#[derive(Debug, Default)]
struct Progress {
    effects: Effects,
    suspect: bool,
}
