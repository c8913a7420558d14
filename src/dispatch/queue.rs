//! The queue of each slot: first come, first served, one message at a time.

use std::collections::{BTreeMap, VecDeque};

use tokio::task::Id;

use crate::{
    model::{MessageId, SlotId},
    store::OutboxJob,
};

/// Jobs placed and not yet started, by slot.
#[derive(Debug, Default)]
pub(super) struct Queues {
    waiting: BTreeMap<SlotId, VecDeque<OutboxJob>>,
    busy: BTreeMap<SlotId, (Id, MessageId)>,
    len: usize,
}

impl Queues {
    /// Jobs waiting in all queues.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Jobs waiting for this slot.
    pub(super) fn waiting_for(&self, slot: &SlotId) -> usize {
        self.waiting.get(slot).map_or(0, VecDeque::len)
    }

    /// Messages that leave this slot before one that came now would, the one under way included.
    pub(super) fn ahead_in(&self, slot: &SlotId) -> usize {
        self.waiting_for(slot) + usize::from(self.busy.contains_key(slot))
    }

    /// Slots that are at work on a message while others wait for them.
    pub(super) fn held_up(&self) -> Vec<SlotId> {
        self.waiting.keys().filter(|slot| self.busy.contains_key(*slot)).cloned().collect()
    }

    /// The first jobs that wait for this slot.
    pub(super) fn first_of(&self, slot: &SlotId, count: usize) -> impl Iterator<Item = &OutboxJob> {
        self.waiting.get(slot).into_iter().flat_map(move |queue| queue.iter().take(count))
    }

    /// Gives a job in a slot's queue to another slot.
    pub(super) fn hand_over(&mut self, from: &SlotId, place: usize, to: SlotId) {
        let Some(queue) = self.waiting.get_mut(from) else { return };
        let Some(job) = queue.remove(place) else { return };
        if queue.is_empty() {
            self.waiting.remove(from);
        }
        self.waiting.entry(to).or_default().push_back(job);
    }

    /// Appends a job to a slot's queue.
    pub(super) fn push(&mut self, slot: SlotId, job: OutboxJob) {
        self.waiting.entry(slot).or_default().push_back(job);
        self.len += 1;
    }

    /// Takes the head of some free slot's queue.
    pub(super) fn next_free(&mut self) -> Option<(SlotId, OutboxJob)> {
        let slot = self.waiting.keys().find(|slot| !self.busy.contains_key(*slot))?.clone();
        let queue = self.waiting.get_mut(&slot)?;
        let job = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&slot);
        }
        let job = job?;
        self.len -= 1;
        Some((slot, job))
    }

    /// The slot works on this message in this task.
    pub(super) fn started(&mut self, slot: SlotId, task: Id, message: MessageId) {
        self.busy.insert(slot, (task, message));
    }

    /// The task has ended; the slot may take its next job. Returns the message it worked on.
    pub(super) fn finished(&mut self, task: Id) -> Option<MessageId> {
        let slot = self.busy.iter().find(|(_, (id, _))| *id == task)?.0.clone();
        self.busy.remove(&slot).map(|(_, message)| message)
    }
}
