//! The single source of durable truth: one SQLite file, one writer thread, readers on connections of their own.
//!
//! Every change goes through the writer's mailbox and is answered after its commit is on disk; queries see committed
//! rows only. The store keeps PDUs but does not read them: joining parts is the caller's function.

mod balance;
mod ballast;
mod clock;
mod compaction;
mod concatenation;
mod flood;
mod gathering;
mod inbox;
mod layout;
mod lock;
mod outbox;
mod probe;
mod readers;
mod recall;
mod recent;
mod recovery;
mod reports;
mod retention;
mod rows;
mod salvage;
mod schema;
mod seal;
mod self_test;
mod sim_card;
mod sims;
mod space;
mod spending;
mod spool;
mod tally;
mod types;
mod ussd;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
};

pub use clock::{ClockSource, SystemClock};
use jiff::Timestamp;
pub use recovery::Recoveries;
use rusqlite::Connection;
pub use salvage::Salvage;
pub use schema::{Damage, prepare_folder};
pub use self_test::NewSelfTest;
pub use sim_card::CardSeen;
pub use space::Shortage;
pub use spending::{Allowance, SlotLimits};
use tokio::sync::{Notify, oneshot, watch};
pub use types::*;
pub use ussd::NewUssd;

use self::{
    clock::RunClock,
    lock::Lock,
    readers::Readers,
    recall::Recall,
    recent::{Look, Recent},
    writer::{Claims, Effects, MAILBOX, Note, Operation, Signals, Task, Work, Writer},
};
use crate::model::{InboundMessage, MessageId, OutgoingMessage, OutgoingState, RunTime, SlotId};

/// A handle on the store. Cheap to clone; every handle speaks to the same writer thread.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens or creates the database, takes the lock beside it, checks it, recovers what a crash left half done (every
    /// part whose outcome is open becomes *unknown*) and starts the writer thread.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_with_clock(path, options, Arc::new(SystemClock))
    }
    /// As [`open`](Self::open), with a clock of the caller's.
    ///
    /// # Errors
    /// [`OpenError`], as there.
    pub fn open_with_clock(path: &Path, options: Options, clock: Arc<dyn ClockSource>) -> Result<Self, OpenError> {
        let database_error = |source| OpenError::Database { path: path.to_owned(), source };
        prepare_folder(path)?;
        let lock = Lock::take(path)?;
        let open = || {
            let schema::Opened { connection, damage } = schema::open(path, options.mail)?;
            let clock = RunClock::resume(Arc::clone(&clock), &connection).map_err(database_error)?;
            recover(&connection, &options, &clock).map_err(database_error)?;
            let last = inbox::last_sequence(&connection).map_err(database_error)?;
            Ok((connection, damage, clock, last))
        };
        let opened = match open() {
            Err(OpenError::Database { source, .. }) if ballast::release(path) => {
                tracing::warn!(error = %source, "the store cannot be opened: trying with the room that was set aside");
                open()?
            }
            opened => opened?,
        };
        let (connection, damage, clock, last) = opened;
        ballast::keep(path);
        let signals = Arc::new(Signals {
            mail: Arc::default(),
            outbox: Arc::default(),
            arrivals: watch::Sender::new(last),
            transactions: AtomicU64::new(0),
            state: AtomicU64::new(0),
            unanswered: AtomicUsize::new(0),
            flood_limit: AtomicU32::new(0),
        });
        let options = watch::Sender::new(options);
        let limits = watch::Sender::<Arc<SlotLimits>>::default();
        let shortage = watch::Sender::<Shortage>::default();
        let writer = Writer {
            path: path.to_owned(),
            options: options.subscribe(),
            limits: limits.subscribe(),
            shortage: shortage.subscribe(),
            clock: clock.clone(),
            connection: Some(connection),
            signals: Arc::clone(&signals),
            lock,
            stamped: clock.now(),
            recall: Recall::default(),
        };
        let (sender, receiver) = sync_channel(MAILBOX);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        let inner = Inner {
            clock,
            signals,
            damage,
            options,
            limits,
            shortage,
            path: path.to_owned(),
            readers: Readers::new(path.to_owned()),
            recent: Recent::default(),
            mailbox: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }
    /// Proves that a transaction can be committed now. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`]: why not.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.write(|work| {
            work.connection.execute("UPDATE meta SET run_ms = run_ms", [])?;
            Ok(())
        })
        .await
    }
    /// The damaged database that this one replaces since it was opened.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.inner.damage.as_ref()
    }
    /// Damaged databases that were set aside, at whatever start, and still lie there.
    #[must_use]
    pub fn damaged_files(&self) -> Vec<PathBuf> {
        schema::damaged_files(&self.inner.path)
    }
    /// Transactions that changed something, since opening.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.inner.signals.transactions.load(Ordering::Relaxed)
    }
    /// Changes that the writer has not answered yet. Whoever moves the clock waits until there are none.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.inner.signals.unanswered.load(Ordering::Acquire)
    }
    /// The running time now.
    pub fn now(&self) -> RunTime {
        self.inner.clock.now()
    }
    /// The wall clock as the store sees it: data to show and to write down, nothing to decide by.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.inner.clock.wall()
    }
    /// Works by other options from the next operation on.
    pub fn set_options(&self, options: Options) {
        self.inner.options.send_replace(options);
    }
    /// Drains the writer, checkpoints and closes.
    pub async fn close(&self) {
        let sender = self.inner.mailbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
        self.inner.readers.close();
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It ends by itself; joining off the runtime keeps other tasks going meanwhile.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    // inbound
    /// Commits one received segment durably; a completed message and its mail spool row land in the same transaction.
    /// When this returns `Ok` the segment may be deleted from the SIM (or acknowledged with CNMA).
    pub async fn commit_segment(&self, segment: NewSegment, join: Joiner) -> Result<Committed, StoreError> {
        self.write(move |work| inbox::commit_segment(work, &segment, join)).await
    }
    /// The SIM confirmed the delete (or the CNMA): the same TPDU coming again is a network repeat from now on.
    ///
    /// Not on disk when this returns, but about a second later: a crash before that leaves the segment where it was as far
    /// as the store knows, until the next [`storage_listed`](Self::storage_listed).
    ///
    /// # Errors
    /// [`StoreError`] if it cannot even be noted.
    pub fn segment_deleted(&self, key: SegmentKey) -> Result<(), StoreError> {
        let at = self.now();
        self.post(Box::new(Note::new(move |work: &mut Work<'_>| inbox::segment_deleted(work, &key, at))))
    }
    /// What a listing of one memory of a SIM held: every segment thought to be on an index that is not listed was deleted.
    pub async fn storage_listed(&self, sim: &str, memory: &str, present: Vec<u16>) -> Result<(), StoreError> {
        let (sim, memory) = (sim.to_owned(), memory.to_owned());
        self.write(move |work| inbox::storage_listed(work, &sim, &memory, &present)).await
    }
    /// Delivers every incomplete set older than `age` as a partial text, once each.
    pub async fn deliver_partials(&self, age: std::time::Duration, join: Joiner) -> Result<Vec<MessageId>, StoreError> {
        self.write(move |work| concatenation::deliver_partials(work, age, join)).await
    }
    /// Visible messages of `slots`, oldest first.
    pub async fn inbox(&self, query: InboxQuery) -> Result<Vec<InboundMessage>, StoreError> {
        self.read(move |connection| inbox::read(connection, &query)).await
    }
    /// As [`inbox`](Self::inbox), without asking the database where nothing has changed since it was asked.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn recent_inbox(&self, query: InboxQuery) -> Result<Vec<Arc<InboundMessage>>, StoreError> {
        let Inner { recent, signals, .. } = &*self.inner;
        // Seen before the reading begins: a change that comes meanwhile ends what is held.
        let state = signals.state.load(Ordering::Acquire);
        let mut look = recent.look(state, &query);
        if look == Look::Read {
            let since = query.since;
            let read = self.read(move |connection| inbox::read_window(connection, since, recent::MOST + 1)).await?;
            recent.hold(state, since, read);
            look = recent.look(state, &query);
        }
        match look {
            Look::Found(messages) => Ok(messages),
            Look::Ask | Look::Read => Ok(self.inbox(query).await?.into_iter().map(Arc::new).collect()),
        }
    }
    /// The highest message sequence, changing with each new visible message.
    pub fn arrivals(&self) -> watch::Receiver<i64> {
        self.inner.signals.arrivals.subscribe()
    }

    // mail spool
    /// Woken when a mail row was added.
    pub fn mail_wakeup(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.signals.mail)
    }
    /// Mails due now, oldest first. What a mail holds never changes once it was in here.
    pub async fn mail_due(&self, limit: usize) -> Result<Vec<MailJob>, StoreError> {
        let now = self.now();
        if self.read(move |connection| gathering::is_ripe(connection, now)).await? {
            self.write(gathering::close_ripe).await?;
        }
        let now = self.now();
        self.read(move |connection| spool::due(connection, now, limit)).await
    }
    /// When the next mail falls due, if any waits.
    pub async fn mail_next_due(&self) -> Result<Option<RunTime>, StoreError> {
        self.read(spool::next_due).await
    }
    /// The server took the mail.
    pub async fn mail_sent(&self, id: MessageId) -> Result<(), StoreError> {
        self.write(move |work| spool::sent(work, id)).await
    }
    /// Not now: try again at `retry_at`.
    pub async fn mail_deferred(&self, id: MessageId, error: &str, retry_at: RunTime) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.write(move |work| spool::deferred(work, id, &error, retry_at)).await
    }
    /// Never: kept as a dead letter for 30 days.
    pub async fn mail_dead(&self, id: MessageId, error: &str) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.write(move |work| spool::dead(work, id, &error)).await
    }
    /// What waits and what died.
    pub async fn mail_backlog(&self) -> Result<MailBacklog, StoreError> {
        self.read(spool::backlog).await
    }

    // outbound
    /// Accepts a message durably. `Full` when `queue_limit` messages wait already, `NoSpace` when the file system of the
    /// store is nearly full.
    pub async fn enqueue(&self, message: NewOutgoing) -> Result<(), StoreError> {
        self.write(move |work| outbox::enqueue(work, &message)).await
    }
    /// Woken when a message was queued or an outcome became known.
    pub fn outbox_wakeup(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.signals.outbox)
    }
    /// Messages that want something done now (route and send, resume, resolve an unknown part, expire), oldest first.
    pub async fn outbox_due(&self, limit: usize) -> Result<Vec<OutboxJob>, StoreError> {
        self.write(move |work| outbox::due(work, limit)).await
    }
    /// A dispatcher starts anew: every job that was handed out and not answered is free again, half-sent ones as after
    /// a restart.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn outbox_abandoned(&self) -> Result<(), StoreError> {
        self.write(outbox::recover).await
    }
    /// Whoever worked on this message is gone: as after a restart, for it alone.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn abandoned(&self, id: MessageId) -> Result<(), StoreError> {
        self.write(move |work| outbox::abandoned(work, id)).await
    }
    /// As [`deferred`](Self::deferred), for many in one transaction.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn set_aside(&self, ids: Vec<MessageId>, cause: &str, retry_at: RunTime) -> Result<(), StoreError> {
        let cause = cause.to_owned();
        self.write(move |work| outbox::set_aside(work, &ids, &cause, retry_at)).await
    }
    /// What was set aside falls due now.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn taken_up(&self, ids: Vec<MessageId>) -> Result<(), StoreError> {
        self.write(move |work| outbox::taken_up(work, &ids)).await
    }
    /// When the next message falls due, if any waits.
    pub async fn outbox_next_due(&self) -> Result<Option<RunTime>, StoreError> {
        self.write(|work| outbox::next_due(work)).await
    }
    /// A SIM was chosen. Parts are created at the first routing and kept afterwards.
    pub async fn routed(&self, id: MessageId, route: Route) -> Result<(), StoreError> {
        self.write(move |work| outbox::routed(work, id, &route)).await
    }
    /// The intent to submit `part` is on disk when this returns; only then may the PDU be handed to the modem.
    /// Counts a submission and its cost.
    pub async fn part_begins(&self, id: MessageId, part: u16) -> Result<(), StoreError> {
        self.write(move |work| outbox::part_begins(work, id, part)).await
    }
    /// The network took `part` with this TP-MR. `next` = the intent for the next part, in the same transaction.
    pub async fn part_sent(
        &self,
        id: MessageId,
        part: u16,
        reference: u8,
        next: Option<u16>,
    ) -> Result<(), StoreError> {
        self.write(move |work| outbox::part_sent(work, id, part, reference, next)).await
    }
    /// `part` did not leave. `retry_at` = queued again until then; `None` = the message has failed.
    pub async fn part_refused(
        &self,
        id: MessageId,
        part: u16,
        cause: &str,
        retry_at: Option<RunTime>,
    ) -> Result<(), StoreError> {
        let cause = cause.to_owned();
        self.write(move |work| outbox::part_refused(work, id, part, &cause, retry_at)).await
    }
    /// Nobody knows whether `part` left. With `resolve_at` it comes back as a job then, unless a report settles it first.
    pub async fn part_unknown(
        &self,
        id: MessageId,
        part: u16,
        cause: &str,
        resolve_at: Option<RunTime>,
    ) -> Result<(), StoreError> {
        let cause = cause.to_owned();
        self.write(move |work| outbox::part_unknown(work, id, part, &cause, resolve_at)).await
    }
    /// No part was tried: nothing to send with yet. Back to `queued` until `retry_at`.
    pub async fn deferred(&self, id: MessageId, cause: &str, retry_at: RunTime) -> Result<(), StoreError> {
        let cause = cause.to_owned();
        self.write(move |work| outbox::deferred(work, id, &cause, retry_at)).await
    }
    /// Ends a message in `failed`, `expired` or `unknown`.
    pub async fn ended(&self, id: MessageId, state: OutgoingState, cause: &str) -> Result<(), StoreError> {
        let cause = cause.to_owned();
        self.write(move |work| outbox::ended(work, id, state, &cause)).await
    }
    /// Commits a delivery report durably and matches it. When this returns `Ok` it may be deleted or acknowledged.
    pub async fn commit_report(&self, report: NewReport) -> Result<ReportMatch, StoreError> {
        self.write(move |work| reports::commit_report(work, &report)).await
    }
    /// Everything about one outgoing message.
    pub async fn outgoing(&self, id: MessageId) -> Result<Option<OutgoingMessage>, StoreError> {
        self.read(move |connection| outbox::outgoing(connection, id)).await
    }
    /// The latest `limit` outgoing messages, newest first.
    pub async fn outgoing_latest(&self, limit: usize) -> Result<Vec<OutgoingMessage>, StoreError> {
        self.read(move |connection| outbox::latest(connection, limit)).await
    }
    /// Messages accepted and not yet ended.
    pub async fn outbox_waiting(&self) -> Result<usize, StoreError> {
        self.read(outbox::waiting).await
    }
    /// Messages each slot sent on the calendar day of `today` (local), for the router's tie-break.
    pub async fn sent_on_day(
        &self,
        today: jiff::civil::Date,
    ) -> Result<std::collections::BTreeMap<SlotId, u32>, StoreError> {
        self.read(move |connection| sims::sent_on_day(connection, today)).await
    }

    // SIM facts
    /// Counters and last times of every slot that has any.
    pub async fn sim_facts(&self) -> Result<std::collections::BTreeMap<SlotId, SimFacts>, StoreError> {
        self.read(sims::facts).await
    }
    /// Whether this PIN may be tried on this SIM: not if an attempt with it is on record without an acceptance.
    pub async fn pin_may_try(&self, sim: &str, pin_digest: [u8; 32]) -> Result<bool, StoreError> {
        let sim = sim.to_owned();
        self.read(move |connection| sims::pin_may_try(connection, &sim, &pin_digest)).await
    }
    /// Records an attempt, durably, before the PIN is sent.
    pub async fn pin_attempted(&self, sim: &str, pin_digest: [u8; 32], at: Timestamp) -> Result<(), StoreError> {
        let sim = sim.to_owned();
        self.write(move |work| sims::pin_attempted(work, &sim, &pin_digest, at)).await
    }
    /// The SIM took the PIN.
    pub async fn pin_accepted(&self, sim: &str, pin_digest: [u8; 32]) -> Result<(), StoreError> {
        let sim = sim.to_owned();
        self.write(move |work| sims::pin_accepted(work, &sim, &pin_digest)).await
    }
    /// No PIN is configured for this SIM any more: attempts with earlier ones count no longer.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn pin_forgotten(&self, sim: &str) -> Result<(), StoreError> {
        let sim = sim.to_owned();
        self.write(move |work| sims::pin_forgotten(work, &sim)).await
    }

    /// Deletes what is past its retention, in small batches; returns how many rows went.
    pub async fn retain(&self) -> Result<usize, StoreError> {
        let mut deleted = 0;
        loop {
            let batch = self.write(retention::retain).await?;
            deleted += batch.deleted;
            if !batch.more {
                return Ok(deleted);
            }
        }
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Work<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let unanswered = &self.inner.signals.unanswered;
        unanswered.fetch_add(1, Ordering::AcqRel);
        self.post(Box::new(Task::new(work, reply))).inspect_err(|_| {
            unanswered.fetch_sub(1, Ordering::AcqRel);
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Puts something into the writer's mailbox.
    fn post(&self, operation: Box<dyn Operation>) -> Result<(), StoreError> {
        let mailbox = self.inner.mailbox.lock().unwrap_or_else(PoisonError::into_inner);
        match mailbox.as_ref().map(|sender| sender.try_send(operation)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(StoreError::Closed),
        }
    }

    async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.readers.read(query).await
    }
}

/// What all handles share. The last one to go waits for the writer, so that the file is free afterwards.
#[derive(Debug)]
struct Inner {
    clock: RunClock,
    signals: Arc<Signals>,
    damage: Option<Damage>,
    options: watch::Sender<Options>,
    limits: watch::Sender<Arc<SlotLimits>>,
    shortage: watch::Sender<Shortage>,
    path: PathBuf,
    readers: Readers,
    recent: Recent,
    mailbox: Mutex<Option<SyncSender<Box<dyn Operation>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.readers.close();
        drop(self.mailbox.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

/// Settles what the last run left half done, before anybody can ask.
fn recover(connection: &Connection, options: &Options, clock: &RunClock) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let mut work = Work {
        connection,
        now: clock.now(),
        wall: clock.wall(),
        options,
        limits: &SlotLimits::new(),
        shortage: Shortage::default(),
        flood_limit: 0,
        effects: Effects::default(),
        claims: &mut Claims::default(),
        recall: &mut Recall::default(),
    };
    let recovered = outbox::recover(&mut work).and_then(|()| gathering::recover(&mut work));
    recovered.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    clock.persist(connection)?;
    transaction.commit()
}

#[cfg(test)]
mod tests;
