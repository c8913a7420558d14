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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::sample::{id, job};

    fn slots(names: &[&str]) -> BTreeSet<SlotId> {
        names.iter().map(|name| SlotId::new(name)).collect()
    }

    #[test]
    fn what_is_too_much_for_memory_is_for_the_store() {
        let mut backlog = Backlog::default();
        for number in 0..1024 {
            backlog.without_sim(job(number));
        }
        assert_eq!((backlog.len(), backlog.is_overfull()), (1024, false));
        backlog.without_sim(job(1024));
        backlog.out_of_turn(SlotId::new("a"), &job(1025));
        assert_eq!((backlog.len(), backlog.is_overfull()), (1026, true));
        assert_eq!(backlog.without_sim.len(), 1024);
        assert_eq!(backlog.surplus[&None], [id(1024)]);
        assert_eq!(backlog.surplus[&Some(SlotId::new("a"))], [id(1025)]);
    }

    #[test]
    fn all_is_worth_a_look_when_other_sims_are_usable_else_what_is_over() {
        let mut backlog = Backlog::default();
        for number in [5, 6, 7] {
            backlog.without_sim(job(number));
        }
        let take = |backlog: &mut Backlog, usable: &[&str], now| -> Vec<MessageId> {
            let taken = backlog.take(slots(usable), RunTime(now));
            taken.into_iter().map(|job| job.id).collect()
        };
        assert!(!backlog.is_news(&slots(&[])));
        assert_eq!(take(&mut backlog, &[], 4), []);
        assert_eq!(take(&mut backlog, &[], 6), [id(5), id(6)], "over at this moment is over");
        backlog.aside = [(Some(SlotId::new("a")), vec![id(1)]), (None, vec![id(2)])].into();
        assert!(backlog.is_news(&slots(&["a"])));
        assert_eq!(take(&mut backlog, &["a"], 0), [id(7)]);
        assert_eq!(backlog.aside, [(None, vec![id(2), id(1)])].into(), "no longer bound to a slot");
        backlog.without_sim(job(8));
        assert!(!backlog.is_news(&slots(&["a"])));
        assert_eq!(take(&mut backlog, &["a"], 0), []);
        backlog.forget_usable();
        assert_eq!(take(&mut backlog, &["a"], 0), [id(8)]);
        assert_eq!(take(&mut backlog, &[], 0), []);
        assert_eq!(backlog.aside.len(), 1);
    }

    #[test]
    fn what_was_set_aside_comes_back_where_there_is_room_for_it() {
        let [low, full] = ["low", "full"].map(SlotId::new);
        for (in_memory, without_sim) in [(0, 512), (511, 512), (512, 0), (513, 0)] {
            let mut backlog = Backlog::default();
            (0..in_memory).for_each(|number| backlog.without_sim(job(number)));
            backlog.aside = [
                (None, (0..600).map(id).collect()),
                (Some(low.clone()), vec![id(1000), id(1001)]),
                (Some(full.clone()), vec![id(2000)]),
            ]
            .into();
            let recalled = backlog.recall(|slot| *slot == low);
            let of_low = recalled.iter().filter(|recalled| [id(1000), id(1001)].contains(recalled)).count();
            assert_eq!((recalled.len(), of_low), (without_sim + 2, 2), "{in_memory} in memory");
            let left: Vec<_> = backlog.aside.iter().map(|(reason, ids)| (reason.clone(), ids.len())).collect();
            assert_eq!(left, [(None, 600 - without_sim), (Some(full.clone()), 1)]);
        }
    }
}
