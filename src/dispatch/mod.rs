//! From the outbox to a modem: routing, submission part by part, retry by cause.
//!
//! One task per pool reads the outbox and keeps a queue per slot; each slot works off its queue one message at a time.
//! What is on disk leads: a message is handed to a modem only after the intent is durable, and what became of it is
//! durable before the next part goes out.

mod backoff;
mod queue;
mod transmit;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Zoned;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    config::Slot,
    model::{Classified, ErrorClass, HealthLevel, Msisdn, OutgoingState, Recipient, SlotId},
    pool::Pool,
    router::{NoRoute, RoutingModel, Sim},
    store::{OutboxJob, Store, StoreError},
};
pub use backoff::retry_delay;
use queue::Queues;
use transmit::Transmission;

/// Most messages held in memory; the rest waits in the store.
const LOOKAHEAD: usize = 2048;
/// How long a message waits that no healthy SIM can take now.
const NO_SIM_DELAY: Duration = Duration::from_secs(10);
/// How often the outbox is looked at although nothing announced a change.
const IDLE_ROUND: Duration = Duration::from_secs(30);
/// How long the running submissions get when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(4);

/// The dispatcher: built once, run until cancelled.
pub struct Dispatch {
    store: Store,
    pool: Pool,
    slots: Arc<Vec<Slot>>,
    model: Box<dyn RoutingModel>,
    sent_today: BTreeMap<SlotId, u32>,
    counted_on: Option<jiff::civil::Date>,
}

impl Dispatch {
    /// A dispatcher over these slots.
    #[must_use]
    pub fn new(store: Store, pool: Pool, slots: Arc<Vec<Slot>>, model: Box<dyn RoutingModel>) -> Self {
        Self { store, pool, slots, model, sent_today: BTreeMap::new(), counted_on: None }
    }

    /// Works until `cancel`; then lets the submissions in flight finish, so that no outcome is left open needlessly.
    pub async fn run(mut self, cancel: CancellationToken) {
        let wakeup = self.store.outbox_wakeup();
        let mut queues = Queues::default();
        let mut running: JoinSet<()> = JoinSet::new();
        while !cancel.is_cancelled() {
            self.take_jobs(&mut queues).await;
            self.start_ready(&mut queues, &mut running).await;
            let pause = self.next_look(&queues).await;
            tokio::select! {
                () = cancel.cancelled() => {}
                () = wakeup.notified() => {}
                () = sleep_until(Instant::now() + pause) => {}
                Some(done) = running.join_next_with_id() => self.settle(done, &mut queues).await,
            }
        }
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(Some(_)) = timeout_at(deadline, running.join_next()).await {}
    }

    /// Claims what is due and sorts it into the queues.
    async fn take_jobs(&mut self, queues: &mut Queues) {
        let room = LOOKAHEAD.saturating_sub(queues.len());
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
            self.place(job, queues).await;
        }
    }

    /// Gives a job to the queue of the SIM it would take now, or says why it cannot go.
    async fn place(&mut self, job: OutboxJob, queues: &mut Queues) {
        if job.lifetime_over {
            let state =
                if job.state == OutgoingState::Unknown { OutgoingState::Unknown } else { OutgoingState::Expired };
            report(self.store.ended(job.id, state, "message lifetime is over").await, &job);
            return;
        }
        match self.choose(&job) {
            Ok(slot) => queues.push(slot, job),
            Err(no_route) if no_route.class() == ErrorClass::Permanent => {
                info!(message_id = %job.id, cause = %no_route, "message failed");
                report(self.store.ended(job.id, OutgoingState::Failed, &no_route.to_string()).await, &job);
            }
            Err(no_route) => {
                debug!(message_id = %job.id, cause = %no_route, "no SIM can take it now");
                let retry_at = self.store.now().after(NO_SIM_DELAY);
                report(self.store.deferred(job.id, &no_route.to_string(), retry_at).await, &job);
            }
        }
    }

    /// Starts the head of every queue whose slot is free.
    async fn start_ready(&mut self, queues: &mut Queues, running: &mut JoinSet<()>) {
        while let Some((slot, job)) = queues.next_free() {
            // The world may have changed since the job was placed: health, balance, a cheaper SIM back.
            match self.choose(&job) {
                Ok(choice) if choice == slot => {
                    let Some(config) = self.slots.iter().find(|candidate| candidate.id == slot) else { continue };
                    *self.sent_today.entry(slot.clone()).or_default() += 1;
                    let message = job.id;
                    let work = Transmission::new(&self.store, &self.pool, config, job);
                    let task = running.spawn(work.run());
                    queues.started(slot, task.id(), message);
                }
                Ok(_) | Err(_) => self.place(job, queues).await,
            }
        }
    }

    /// Frees the slot of an ended submission task. One that panicked leaves a message of which nobody knows more.
    async fn settle(&self, done: Result<(Id, ()), JoinError>, queues: &mut Queues) {
        let task = match &done {
            Ok((task, ())) => *task,
            Err(error) => error.id(),
        };
        let message = queues.finished(task);
        if let (Err(error), Some(id)) = (done, message) {
            warn!(message_id = %id, %error, "a submission ended in a fault of this program");
            if let Err(error) = self.store.ended(id, OutgoingState::Unknown, "internal fault while sending").await {
                warn!(message_id = %id, %error, "cannot record the state of a message");
            }
        }
    }

    fn choose(&self, job: &OutboxJob) -> Result<SlotId, NoRoute> {
        let sims: Vec<Sim> = self
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
        let today = Zoned::now().date();
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
        if queues.len() >= LOOKAHEAD {
            return IDLE_ROUND;
        }
        match self.store.outbox_next_due().await {
            Ok(Some(due)) => due.since(self.store.now()).min(IDLE_ROUND),
            Ok(None) => IDLE_ROUND,
            Err(_) => Duration::from_secs(1),
        }
    }
}

fn report(result: Result<(), StoreError>, job: &OutboxJob) {
    if let Err(error) = result {
        warn!(message_id = %job.id, %error, "cannot record the state of a message");
    }
}
