//! Messages that cannot go now: no usable SIM, or a long queue before them.
//!
//! The first ones without a SIM wait in memory, which writes nothing while all modems are away. The others are set aside
//! in the store, so that a long queue for one SIM keeps nothing from another, and are called up when their time has come.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tracing::warn;

use super::QUEUE_MOST;
use crate::{
    model::{MessageId, RunTime, SlotId},
    store::{OutboxJob, Store},
};

/// Most messages without a SIM that wait in memory.
const MOST: usize = 1024;
/// When a message that was set aside falls due although nobody called it up.
const ASIDE: Duration = Duration::from_secs(600);

/// What waits, by what it waits for: a slot's queue, or (`None`) any SIM.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    without_sim: Vec<OutboxJob>,
    usable: BTreeSet<SlotId>,
    /// To be set aside at the next opportunity.
    surplus: BTreeMap<Option<SlotId>, Vec<MessageId>>,
    aside: BTreeMap<Option<SlotId>, Vec<MessageId>>,
}

impl Backlog {
    /// Messages held in memory.
    pub(super) fn len(&self) -> usize {
        self.without_sim.len() + self.surplus.values().map(Vec::len).sum::<usize>()
    }

    /// The store has not taken the surplus.
    pub(super) fn is_overfull(&self) -> bool {
        !self.surplus.is_empty()
    }

    /// No SIM can take it now.
    pub(super) fn without_sim(&mut self, job: OutboxJob) {
        if self.without_sim.len() < MOST {
            self.without_sim.push(job);
        } else {
            self.surplus.entry(None).or_default().push(job.id);
        }
    }

    /// The queue of its SIM is full.
    pub(super) fn out_of_turn(&mut self, slot: SlotId, job: &OutboxJob) {
        self.surplus.entry(Some(slot)).or_default().push(job.id);
    }

    /// Whether [`take`](Self::take) would look at everything.
    pub(super) fn is_news(&self, usable: &BTreeSet<SlotId>) -> bool {
        self.usable != *usable
    }

    /// What is worth another look: all, if other SIMs are usable than at the last call, else what has outlived its time.
    pub(super) fn take(&mut self, usable: BTreeSet<SlotId>, now: RunTime) -> Vec<OutboxJob> {
        if self.is_news(&usable) {
            self.usable = usable;
            // Called up with the others, whatever it waited for.
            let ids: Vec<MessageId> = std::mem::take(&mut self.aside).into_values().flatten().collect();
            if !ids.is_empty() {
                self.aside.insert(None, ids);
            }
            return std::mem::take(&mut self.without_sim);
        }
        self.without_sim.extract_if(.., |job| job.expires <= now).collect()
    }

    /// The SIMs are others, or take other numbers: the next call of [`take`](Self::take) looks at everything.
    pub(super) fn forget_usable(&mut self) {
        self.usable.clear();
    }

    /// What was set aside and may be called up: as much as fits where the queue `is_low`.
    pub(super) fn recall(&mut self, is_low: impl Fn(&SlotId) -> bool) -> Vec<MessageId> {
        let room_without_sim = self.without_sim.len() < MOST / 2;
        let mut recalled = Vec::new();
        for (reason, ids) in &mut self.aside {
            if reason.as_ref().map_or(room_without_sim, &is_low) {
                recalled.extend(ids.drain(..ids.len().min(QUEUE_MOST)));
            }
        }
        self.aside.retain(|_, ids| !ids.is_empty());
        recalled
    }

    /// Gives the surplus back to the store; what it does not take is kept for the next time.
    pub(super) async fn set_aside(&mut self, store: &Store) {
        for (reason, ids) in std::mem::take(&mut self.surplus) {
            let cause = if reason.is_some() { "waiting for its turn" } else { "no SIM can take it now" };
            match store.set_aside(ids.clone(), cause, store.now().after(ASIDE)).await {
                Ok(()) => self.aside.entry(reason).or_default().extend(ids),
                Err(error) => {
                    warn!(%error, "cannot set messages aside");
                    self.surplus.insert(reason, ids);
                }
            }
        }
    }
}
