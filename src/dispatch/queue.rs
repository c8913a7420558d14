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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::sample::{id, job};

    #[tokio::test]
    async fn a_slot_works_on_one_message_at_a_time_in_the_order_they_came() {
        let [a, b, c] = ["a", "b", "c"].map(SlotId::new);
        let [first, second] = [tokio::spawn(async {}).id(), tokio::spawn(async {}).id()];
        let mut queues = Queues::default();
        for (number, slot) in [(1, &a), (2, &a), (3, &a), (4, &b)] {
            queues.push(slot.clone(), job(number));
        }
        let ahead = |queues: &Queues| [&a, &b, &c].map(|slot| (queues.waiting_for(slot), queues.ahead_in(slot)));
        assert_eq!((queues.len(), ahead(&queues)), (4, [(3, 3), (1, 1), (0, 0)]));
        assert!(queues.held_up().is_empty(), "none is at work");

        let next = |queues: &mut Queues, task| {
            let (slot, job) = queues.next_free()?;
            queues.started(slot.clone(), task, job.id);
            Some((slot, job.id))
        };
        assert_eq!(next(&mut queues, first), Some((a.clone(), id(1))));
        assert_eq!(next(&mut queues, second), Some((b.clone(), id(4))));
        assert_eq!(next(&mut queues, second), None, "both are at work");
        assert_eq!((queues.len(), ahead(&queues)), (2, [(2, 3), (0, 1), (0, 0)]));
        assert_eq!(queues.held_up(), std::slice::from_ref(&a));

        assert_eq!(queues.finished(second), Some(id(4)));
        assert_eq!(queues.finished(second), None);
        assert_eq!(queues.finished(first), Some(id(1)));
        assert_eq!(next(&mut queues, first), Some((a.clone(), id(2))));
        assert_eq!((queues.len(), ahead(&queues)), (1, [(1, 2), (0, 0), (0, 0)]));
    }

    #[test]
    fn a_job_that_is_handed_over_waits_behind_the_others_there() {
        let [from, to] = ["a", "b"].map(SlotId::new);
        let mut queues = Queues::default();
        for (number, slot) in [(1, &from), (2, &from), (3, &to)] {
            queues.push(slot.clone(), job(number));
        }
        let waiting = |queues: &Queues, slot: &SlotId, count: usize| -> Vec<MessageId> {
            queues.first_of(slot, count).map(|job| job.id).collect()
        };
        assert_eq!(waiting(&queues, &from, 1), [id(1)]);
        assert_eq!(waiting(&queues, &from, 9), [id(1), id(2)]);
        queues.hand_over(&from, 2, to.clone());
        queues.hand_over(&from, 1, to.clone());
        assert_eq!((waiting(&queues, &from, 9), waiting(&queues, &to, 9)), (vec![id(1)], vec![id(3), id(2)]));
        queues.hand_over(&from, 0, to.clone());
        assert_eq!(waiting(&queues, &to, 9), [id(3), id(2), id(1)]);
        assert_eq!(queues.len(), 3);
        assert_eq!(queues.next_free().map(|(slot, job)| (slot, job.id)), Some((to, id(3))), "the other queue is gone");
    }
}
