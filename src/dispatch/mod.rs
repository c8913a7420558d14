//! From the outbox to a modem: routing, submission part by part, retry by cause.
//!
//! One task per pool reads the outbox and keeps a queue per slot; each slot works off its queue one message at a time.
//! What is on disk leads: a message is handed to a modem only after the intent is durable, and what became of it is
//! durable before the next part goes out.

mod backlog;
mod backoff;
mod queue;
mod room;
#[cfg(test)]
mod sample;
mod transmit;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    config::Config,
    model::{Classified, ErrorClass, HealthLevel, MessageId, Msisdn, OutgoingState, Recipient, SlotId},
    pool::Pool,
    router::{AT_LIMIT, NoRoute, Reason, RoutingModel, Sim, Verdict},
    store::{OutboxJob, Store, StoreError},
};
use backlog::Backlog;
pub use backoff::retry_delay;
use queue::Queues;
use room::Room;
use transmit::Transmission;

/// Most messages held in memory; the rest waits in the store.
const LOOKAHEAD: usize = 2048;
/// Most messages that wait in memory for one slot: a long queue there must not keep out what others could send.
const QUEUE_MOST: usize = 512;
/// A queue this short is filled up again.
const QUEUE_LOW: usize = 128;
/// How many of those that wait for a busy modem are looked at for one that is idle.
const RELIEVED_MOST: usize = 8;
/// How often the outbox is looked at although nothing announced a change.
const IDLE_ROUND: Duration = Duration::from_secs(30);
/// How soon something the store would not take is tried again.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
/// How long the running submissions get when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// The dispatcher: built once, run until cancelled.
pub struct Dispatch {
    store: Store,
    pool: Pool,
    config: watch::Receiver<Arc<Config>>,
    model: Box<dyn RoutingModel>,
    sent_today: BTreeMap<SlotId, u32>,
    counted_on: Option<jiff::civil::Date>,
    backlog: Backlog,
    room: Room,
    /// Messages in the backlog of which the store does not know yet that limits keep them there.
    held_up: Vec<MessageId>,
    /// What the store has to be told and could not be yet.
    owed: Vec<Owed>,
}

/// The end of a message that is not in the store yet.
enum Owed {
    Ended { id: MessageId, state: OutgoingState, cause: String },
    Abandoned { id: MessageId },
}

impl Dispatch {
    /// A dispatcher over the slots of a configuration that may change.
    #[must_use]
    pub fn new(store: Store, pool: Pool, config: watch::Receiver<Arc<Config>>, model: Box<dyn RoutingModel>) -> Self {
        Self {
            store,
            pool,
            config,
            model,
            sent_today: BTreeMap::new(),
            counted_on: None,
            backlog: Backlog::default(),
            room: Room::default(),
            held_up: Vec::new(),
            owed: Vec::new(),
        }
    }

    /// Works until `cancel`; then lets the submissions in flight finish, so that no outcome is left open needlessly.
    pub async fn run(mut self, cancel: CancellationToken) {
        let wakeup = self.store.outbox_wakeup();
        let (pool, mut generations) = (self.pool.clone(), self.config.clone());
        let mut queues = Queues::default();
        let mut running: JoinSet<()> = JoinSet::new();
        while !cancel.is_cancelled() {
            // Listening starts before looking, so that no change falls between the two.
            let change = pool.changed();
            tokio::pin!(change);
            if generations.has_changed().unwrap_or(false) {
                generations.mark_unchanged();
                self.backlog.forget_usable();
            }
            let config = Arc::clone(&self.config.borrow());
            self.room.look(&self.store, &config).await;
            self.reconsider(&mut queues);
            self.take_jobs(&mut queues).await;
            self.relieve(&mut queues);
            self.start_ready(&mut queues, &mut running);
            self.write_down().await;
            let pause = self.next_look(&queues).await;
            tokio::select! {
                () = cancel.cancelled() => {}
                () = wakeup.notified() => {}
                () = &mut change => {}
                Ok(()) = generations.changed() => self.backlog.forget_usable(),
                () = sleep_until(Instant::now() + pause) => {}
                Some(done) = running.join_next_with_id() => self.settle(done, &mut queues),
            }
        }
        self.write_down().await;
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(Some(_)) = timeout_at(deadline, running.join_next()).await {}
    }

    /// Looks again at what no SIM could take, when other SIMs are usable than before or one may have room again, and at
    /// what has outlived its time.
    fn reconsider(&mut self, queues: &mut Queues) {
        let usable = self.usable();
        let now = self.store.now();
        let is_due = self.room.next_look().is_some_and(|at| at <= now);
        if is_due {
            self.backlog.forget_usable();
        }
        if is_due || self.backlog.is_news(&usable) {
            self.room.forget_waiting();
        }
        for job in self.backlog.take(usable, now) {
            self.place(job, queues);
        }
    }

    /// SIMs that could send something now.
    fn usable(&self) -> BTreeSet<SlotId> {
        let seen = self.pool.snapshots().into_iter();
        let usable = seen.filter(|seen| seen.ready && seen.health.level < HealthLevel::Critical);
        usable.map(|seen| seen.slot).collect()
    }

    /// Claims what is due and sorts it into the queues.
    async fn take_jobs(&mut self, queues: &mut Queues) {
        let again = self.backlog.recall(|slot| queues.waiting_for(slot) < QUEUE_LOW);
        if !again.is_empty()
            && let Err(error) = self.store.taken_up(again).await
        {
            // They fall due by themselves, later.
            warn!(%error, "cannot take messages up again");
        }
        let room = LOOKAHEAD.saturating_sub(queues.len() + self.backlog.len());
        if room == 0 {
            return;
        }
        let jobs = match self.store.outbox_due(room.min(256)).await {
            Ok(jobs) => jobs,
            Err(error) => {
                warn!(%error, "cannot read the outbox");
                return;
            }
        };
        if jobs.is_empty() {
            return;
        }
        self.count_today().await;
        for job in jobs {
            self.place(job, queues);
        }
    }

    /// Gives a job to the queue of the SIM it would take now, or says why it cannot go.
    fn place(&mut self, mut job: OutboxJob, queues: &mut Queues) {
        let id = job.id;
        if job.lifetime_over || job.expires <= self.store.now() {
            let state =
                if job.state == OutgoingState::Unknown { OutgoingState::Unknown } else { OutgoingState::Expired };
            self.owed.push(Owed::Ended { id, state, cause: "message lifetime is over".to_owned() });
            return;
        }
        match self.choose(&job, queues, None) {
            Ok(slot) if queues.waiting_for(&slot) >= QUEUE_MOST => self.backlog.out_of_turn(slot, &job),
            Ok(slot) => queues.push(slot, job),
            Err(no_route) if no_route.class() == ErrorClass::Permanent => {
                info!(message_id = %id, cause = %no_route, "message failed");
                self.owed.push(Owed::Ended { id, state: OutgoingState::Failed, cause: no_route.to_string() });
            }
            Err(no_route) => {
                debug!(message_id = %id, cause = %no_route, "no SIM can take it now");
                if let NoRoute::AtLimit { explanation } = &no_route {
                    self.hold_up(&mut job, explanation);
                }
                self.backlog.without_sim(job);
            }
        }
    }

    /// What waits behind a message that takes long goes to a SIM with nothing to do that suits as well: a modem that falls
    /// silent after a text is waited for for minutes.
    fn relieve(&self, queues: &mut Queues) {
        let usable = self.usable();
        for from in queues.held_up() {
            while usable.iter().any(|slot| queues.ahead_in(slot) == 0) {
                let better = |job: &OutboxJob| {
                    let choice = self.choose(job, queues, None).ok();
                    choice.filter(|choice| *choice != from && queues.ahead_in(choice) == 0)
                };
                let found = queues
                    .first_of(&from, RELIEVED_MOST)
                    .enumerate()
                    .find_map(|(place, job)| Some((place, better(job)?)));
                let Some((place, to)) = found else { break };
                queues.hand_over(&from, place, to);
            }
        }
    }

    /// Notes what a message waits for that limits alone keep from going.
    fn hold_up(&mut self, job: &mut OutboxJob, explanation: &[Verdict]) {
        let (parts, now) = (self.room.parts_left(job), self.store.now());
        let full = |slot: &SlotId| explanation.iter().any(|it| it.slot == *slot && it.reason == Reason::NoRoom);
        for slot in self.config.borrow().slots.iter().filter(|slot| full(&slot.id)) {
            self.room.await_slot(slot, parts, now);
        }
        if job.cause != AT_LIMIT {
            AT_LIMIT.clone_into(&mut job.cause);
            self.held_up.push(job.id);
        }
    }

    /// Starts the head of every queue whose slot is free.
    fn start_ready(&mut self, queues: &mut Queues, running: &mut JoinSet<()>) {
        while let Some((slot, job)) = queues.next_free() {
            let expired = job.expires <= self.store.now();
            // The world may have changed since the job was placed: health, balance, a cheaper SIM back.
            match self.choose(&job, queues, Some(&slot)) {
                Ok(choice) if choice == slot && !expired => {
                    let config = Arc::clone(&self.config.borrow());
                    let Some(config) = config.slots.iter().find(|candidate| candidate.id == slot) else {
                        // It went this very moment.
                        self.place(job, queues);
                        continue;
                    };
                    *self.sent_today.entry(slot.clone()).or_default() += 1;
                    let message = job.id;
                    let work = Transmission::new(&self.store, &self.pool, config, job);
                    let task = running.spawn(work.run());
                    queues.started(slot, task.id(), message);
                }
                Ok(_) | Err(_) => self.place(job, queues),
            }
        }
    }

    /// Frees the slot of an ended submission task. One that panicked leaves a message of which nobody knows more.
    fn settle(&mut self, done: Result<(Id, ()), JoinError>, queues: &mut Queues) {
        let task = match &done {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let message = queues.finished(task);
        // The error would tell the panic's message, in which the text may be.
        if let (Err(_), Some(id)) = (done, message) {
            warn!(message_id = %id, "a submission ended in a fault of this program");
            self.owed.push(Owed::Abandoned { id });
        }
    }

    /// Tells the store what it has not been told yet; what it does not take is kept for the next round.
    async fn write_down(&mut self) {
        for owed in std::mem::take(&mut self.owed) {
            let (id, result) = match &owed {
                Owed::Ended { id, state, cause } => (*id, self.store.ended(*id, *state, cause).await),
                Owed::Abandoned { id } => (*id, self.store.abandoned(*id).await),
            };
            match result {
                Ok(()) | Err(StoreError::NoSuchMessage(_)) => {}
                Err(error) => {
                    warn!(message_id = %id, %error, "cannot record the state of a message");
                    self.owed.push(owed);
                }
            }
        }
        if !self.held_up.is_empty()
            && let Err(error) = self.store.waits_for(std::mem::take(&mut self.held_up), AT_LIMIT).await
        {
            // It is only shown; nothing is decided by it.
            warn!(%error, "cannot record what messages wait for");
        }
        self.backlog.set_aside(&self.store).await;
    }

    /// The SIM that would take a job now. It has waited its turn for the room of the slot `queued_for`.
    fn choose(&self, job: &OutboxJob, queues: &Queues, queued_for: Option<&SlotId>) -> Result<SlotId, NoRoute> {
        let config = Arc::clone(&self.config.borrow());
        let (parts, now) = (self.room.parts_left(job), self.store.now());
        let sims: Vec<Sim> = config
            .slots
            .iter()
            .filter(|slot| slot.enabled)
            .filter_map(|slot| {
                let snapshot = self.pool.snapshot(&slot.id)?;
                Some(Sim {
                    slot: slot.id.clone(),
                    number: slot.phone_number.as_ref().map(ToString::to_string).unwrap_or_default(),
                    prefixes: slot.prefixes.clone(),
                    denied: slot.denied_prefixes.clone(),
                    cost_micros: slot.costs_per_sms_micros,
                    health: snapshot.health.level,
                    ready: snapshot.ready,
                    waiting: u64::try_from(queues.ahead_in(&slot.id)).unwrap_or(u64::MAX),
                    has_room: self.room.is_there(slot, parts, queued_for == Some(&slot.id), now),
                    sent_today: self.sent_today.get(&slot.id).copied().unwrap_or(0).into(),
                })
            })
            .collect();
        if let Some(pinned) = &job.pinned {
            // Parts of one message that come from two numbers are never joined by the recipient's phone.
            let sim = sims.iter().find(|sim| sim.slot == *pinned);
            return match sim {
                Some(sim) if sim.denied.iter().any(|prefix| prefix.matches(&job.recipient)) => {
                    Err(NoRoute::Denied { explanation: Vec::new() })
                }
                Some(sim) if sim.ready && sim.health < HealthLevel::Critical && sim.has_room => Ok(sim.slot.clone()),
                Some(sim) if sim.ready && sim.health < HealthLevel::Critical => {
                    let explanation = vec![Verdict { slot: sim.slot.clone(), reason: Reason::NoRoom }];
                    Err(NoRoute::AtLimit { explanation })
                }
                Some(_) | None => Err(NoRoute::NoneHealthy { explanation: Vec::new() }),
            };
        }
        let recipient =
            Recipient::parse(&job.recipient, true).map_err(|_| NoRoute::NoPrefix { explanation: Vec::new() })?;
        let sender = job.sender.as_ref().map(Msisdn::as_str).unwrap_or_default();
        self.model.choose(&sims, &recipient, sender).map(|choice| choice.slot)
    }

    async fn count_today(&mut self) {
        let today = self.store.wall().to_zoned(TimeZone::system()).date();
        if self.counted_on == Some(today) {
            return;
        }
        match self.store.sent_on_day(today).await {
            Ok(counts) => {
                self.sent_today = counts;
                self.counted_on = Some(today);
            }
            Err(error) => warn!(%error, "cannot count today's messages"),
        }
    }

    async fn next_look(&self, queues: &Queues) -> Duration {
        let now = self.store.now();
        let longest = if self.owed.is_empty() && !self.backlog.is_overfull() { IDLE_ROUND } else { RECORD_PAUSE };
        let longest = self.room.next_look().map_or(longest, |at| at.since(now).min(longest));
        if queues.len() + self.backlog.len() >= LOOKAHEAD {
            return longest;
        }
        match self.store.outbox_next_due().await {
            Ok(Some(due)) => due.since(now).min(longest),
            Ok(None) => longest,
            Err(_) => RECORD_PAUSE,
        }
    }
}

#[cfg(test)]
mod tests;
