//! From the outbox to a modem: routing, submission part by part, retry by cause.
//!
//! One task per pool reads the outbox and keeps a queue per slot; each slot works off its queue one message at a time.
//! What is on disk leads: a message is handed to a modem only after the intent is durable, and what became of it is
//! durable before the next part goes out.

mod backlog;
mod backoff;
mod queue;
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
    router::{NoRoute, RoutingModel, Sim},
    store::{OutboxJob, Store, StoreError},
};
use backlog::Backlog;
pub use backoff::retry_delay;
use queue::Queues;
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

    /// Looks again at what no SIM could take, when other SIMs are usable than before, and at what has outlived its time.
    fn reconsider(&mut self, queues: &mut Queues) {
        for job in self.backlog.take(self.usable(), self.store.now()) {
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
    fn place(&mut self, job: OutboxJob, queues: &mut Queues) {
        let id = job.id;
        if job.lifetime_over || job.expires <= self.store.now() {
            let state =
                if job.state == OutgoingState::Unknown { OutgoingState::Unknown } else { OutgoingState::Expired };
            self.owed.push(Owed::Ended { id, state, cause: "message lifetime is over".to_owned() });
            return;
        }
        match self.choose(&job, queues) {
            Ok(slot) if queues.waiting_for(&slot) >= QUEUE_MOST => self.backlog.out_of_turn(slot, &job),
            Ok(slot) => queues.push(slot, job),
            Err(no_route) if no_route.class() == ErrorClass::Permanent => {
                info!(message_id = %id, cause = %no_route, "message failed");
                self.owed.push(Owed::Ended { id, state: OutgoingState::Failed, cause: no_route.to_string() });
            }
            Err(no_route) => {
                debug!(message_id = %id, cause = %no_route, "no SIM can take it now");
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
                    let choice = self.choose(job, queues).ok();
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

    /// Starts the head of every queue whose slot is free.
    fn start_ready(&mut self, queues: &mut Queues, running: &mut JoinSet<()>) {
        while let Some((slot, job)) = queues.next_free() {
            let expired = job.expires <= self.store.now();
            // The world may have changed since the job was placed: health, balance, a cheaper SIM back.
            match self.choose(&job, queues) {
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
        if let (Err(error), Some(id)) = (done, message) {
            warn!(message_id = %id, %error, "a submission ended in a fault of this program");
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
        self.backlog.set_aside(&self.store).await;
    }

    fn choose(&self, job: &OutboxJob, queues: &Queues) -> Result<SlotId, NoRoute> {
        let config = Arc::clone(&self.config.borrow());
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
                    cost_micros: slot.costs_per_sms_micros,
                    health: snapshot.health.level,
                    ready: snapshot.ready,
                    waiting: u64::try_from(queues.ahead_in(&slot.id)).unwrap_or(u64::MAX),
                    sent_today: self.sent_today.get(&slot.id).copied().unwrap_or(0).into(),
                })
            })
            .collect();
        if let Some(pinned) = &job.pinned {
            // Parts of one message that come from two numbers are never joined by the recipient's phone.
            let usable = |sim: &&Sim| sim.slot == *pinned && sim.ready && sim.health < HealthLevel::Critical;
            return sims
                .iter()
                .find(usable)
                .map(|sim| sim.slot.clone())
                .ok_or_else(|| NoRoute::NoneHealthy { explanation: Vec::new() });
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
        let longest = if self.owed.is_empty() && !self.backlog.is_overfull() { IDLE_ROUND } else { RECORD_PAUSE };
        if queues.len() + self.backlog.len() >= LOOKAHEAD {
            return longest;
        }
        match self.store.outbox_next_due().await {
            Ok(Some(due)) => due.since(self.store.now()).min(longest),
            Ok(None) => longest,
            Err(_) => RECORD_PAUSE,
        }
    }
}

#[cfg(test)]
mod tests;
