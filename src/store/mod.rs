//! The single source of durable truth: one SQLite file, one writer thread, readers on connections of their own.

mod types;

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::model::{InboundMessage, MessageId, OutgoingMessage, RunTime, SlotId};
pub use types::*;

/// A handle on the store. Cheap to clone; every handle speaks to the same writer thread.
#[derive(Clone, Debug)]
pub struct Store {}

impl Store {
    /// Opens or creates the database, takes the lock beside it, checks it, recovers what a crash left half done (every
    /// part whose outcome is open becomes *unknown*) and starts the writer thread.
    pub fn open(_path: &Path, _options: Options) -> Result<Self, OpenError> {
        todo!()
    }
    /// The running time now.
    pub fn now(&self) -> RunTime {
        todo!()
    }
    /// Drains the writer, checkpoints and closes.
    pub async fn close(&self) {
        todo!()
    }

    // inbound
    /// Commits one received segment durably; a completed message and its mail spool row land in the same transaction.
    /// When this returns `Ok` the segment may be deleted from the SIM (or acknowledged with CNMA).
    pub async fn commit_segment(&self, _segment: NewSegment, _join: Joiner) -> Result<Committed, StoreError> {
        todo!()
    }
    /// The SIM confirmed the delete (or the CNMA): the same TPDU coming again is a network repeat from now on.
    pub async fn segment_deleted(&self, _key: SegmentKey) -> Result<(), StoreError> {
        todo!()
    }
    /// What a listing of one memory of a SIM held: every segment thought to be on an index that is not listed was deleted.
    pub async fn storage_listed(&self, _sim: &str, _memory: &str, _present: Vec<u16>) -> Result<(), StoreError> {
        todo!()
    }
    /// Delivers every incomplete set older than `age` as a partial text, once each.
    pub async fn deliver_partials(
        &self,
        _age: std::time::Duration,
        _join: Joiner,
    ) -> Result<Vec<MessageId>, StoreError> {
        todo!()
    }
    /// Visible messages of `slots`, oldest first.
    pub async fn inbox(&self, _query: InboxQuery) -> Result<Vec<InboundMessage>, StoreError> {
        todo!()
    }
    /// The highest message sequence, changing with each new visible message.
    pub fn arrivals(&self) -> watch::Receiver<i64> {
        todo!()
    }

    // mail spool
    /// Woken when a mail row was added.
    pub fn mail_wakeup(&self) -> Arc<Notify> {
        todo!()
    }
    /// Spool rows due now, oldest first.
    pub async fn mail_due(&self, _limit: usize) -> Result<Vec<MailJob>, StoreError> {
        todo!()
    }
    /// When the next spool row falls due, if any waits.
    pub async fn mail_next_due(&self) -> Result<Option<RunTime>, StoreError> {
        todo!()
    }
    /// The server took the mail.
    pub async fn mail_sent(&self, _id: MessageId) -> Result<(), StoreError> {
        todo!()
    }
    /// Not now: try again at `retry_at`.
    pub async fn mail_deferred(&self, _id: MessageId, _error: &str, _retry_at: RunTime) -> Result<(), StoreError> {
        todo!()
    }
    /// Never: kept as a dead letter for 30 days.
    pub async fn mail_dead(&self, _id: MessageId, _error: &str) -> Result<(), StoreError> {
        todo!()
    }
    /// What waits and what died.
    pub async fn mail_backlog(&self) -> Result<MailBacklog, StoreError> {
        todo!()
    }

    // outbound
    /// Accepts a message durably. `Full` when `queue_limit` messages wait already.
    pub async fn enqueue(&self, _message: NewOutgoing) -> Result<(), StoreError> {
        todo!()
    }
    /// Woken when a message was queued or an outcome became known.
    pub fn outbox_wakeup(&self) -> Arc<Notify> {
        todo!()
    }
    /// Messages that want something done now (route and send, resume, resolve an unknown part, expire), oldest first.
    pub async fn outbox_due(&self, _limit: usize) -> Result<Vec<OutboxJob>, StoreError> {
        todo!()
    }
    /// When the next message falls due, if any waits.
    pub async fn outbox_next_due(&self) -> Result<Option<RunTime>, StoreError> {
        todo!()
    }
    /// A SIM was chosen. Parts are created at the first routing and kept afterwards.
    pub async fn routed(&self, _id: MessageId, _route: Route) -> Result<(), StoreError> {
        todo!()
    }
    /// The intent to submit `part` is on disk when this returns; only then may the PDU be handed to the modem.
    /// Counts a submission and its cost.
    pub async fn part_begins(&self, _id: MessageId, _part: u16) -> Result<(), StoreError> {
        todo!()
    }
    /// The network took `part` with this TP-MR. `next` = the intent for the next part, in the same transaction.
    pub async fn part_sent(
        &self,
        _id: MessageId,
        _part: u16,
        _reference: u8,
        _next: Option<u16>,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// `part` did not leave. `retry_at` = queued again until then; `None` = the message has failed.
    pub async fn part_refused(
        &self,
        _id: MessageId,
        _part: u16,
        _cause: &str,
        _retry_at: Option<RunTime>,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Nobody knows whether `part` left. With `resolve_at` it comes back as a job then, unless a report settles it first.
    pub async fn part_unknown(
        &self,
        _id: MessageId,
        _part: u16,
        _cause: &str,
        _resolve_at: Option<RunTime>,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// No part was tried: nothing to send with yet. Back to `queued` until `retry_at`.
    pub async fn deferred(&self, _id: MessageId, _cause: &str, _retry_at: RunTime) -> Result<(), StoreError> {
        todo!()
    }
    /// Ends a message in `failed`, `expired` or `unknown`.
    pub async fn ended(
        &self,
        _id: MessageId,
        _state: crate::model::OutgoingState,
        _cause: &str,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Commits a delivery report durably and matches it. When this returns `Ok` it may be deleted or acknowledged.
    pub async fn commit_report(&self, _report: NewReport) -> Result<ReportMatch, StoreError> {
        todo!()
    }
    /// Everything about one outgoing message.
    pub async fn outgoing(&self, _id: MessageId) -> Result<Option<OutgoingMessage>, StoreError> {
        todo!()
    }
    /// Messages accepted and not yet ended.
    pub async fn outbox_waiting(&self) -> Result<usize, StoreError> {
        todo!()
    }
    /// Messages each slot sent on the calendar day of `today` (local), for the router's tie-break.
    pub async fn sent_on_day(
        &self,
        _today: jiff::civil::Date,
    ) -> Result<std::collections::BTreeMap<SlotId, u32>, StoreError> {
        todo!()
    }

    // SIM facts
    /// Counters and last times of every slot that has any.
    pub async fn sim_facts(&self) -> Result<std::collections::BTreeMap<SlotId, SimFacts>, StoreError> {
        todo!()
    }
    /// Whether this PIN may be tried on this SIM: not if an attempt with it is on record without an acceptance.
    pub async fn pin_may_try(&self, _sim: &str, _pin_digest: [u8; 32]) -> Result<bool, StoreError> {
        todo!()
    }
    /// Records an attempt, durably, before the PIN is sent.
    pub async fn pin_attempted(&self, _sim: &str, _pin_digest: [u8; 32], _at: Timestamp) -> Result<(), StoreError> {
        todo!()
    }
    /// The SIM took the PIN.
    pub async fn pin_accepted(&self, _sim: &str, _pin_digest: [u8; 32]) -> Result<(), StoreError> {
        todo!()
    }

    /// Deletes what is past its retention, in small batches; returns how many rows went.
    pub async fn retain(&self) -> Result<usize, StoreError> {
        todo!()
    }
}
