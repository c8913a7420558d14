//! Which SIMs have room left under their limits, as far as the dispatcher has seen. The store counts, and has the last
//! word before each part.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tracing::warn;

use crate::{
    config::{Config, Slot},
    model::{RunTime, SlotId, Spending},
    store::{OutboxJob, PartState, Store},
    tpdu::{MessageClass, Reference, segment},
};

/// How soon a SIM is looked at again of which it is not known when it has room.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Longest a message keeps what came later from room that is too small for itself.
const PATIENCE: Duration = Duration::from_secs(65);

/// What was seen of the limits, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Room {
    limited: bool,
    spending: BTreeMap<SlotId, Spending>,
    /// SIMs whose room a message waits for that will be there soon. One that is shorter and came later must not take it,
    /// or the longer one would never go; but for a day's limit it must not wait.
    awaited: BTreeSet<SlotId>,
    frees: Option<RunTime>,
}

impl Room {
    /// Looks at what the SIMs with limits have sent.
    pub(super) async fn look(&mut self, store: &Store, config: &Config) {
        let slots: Vec<SlotId> = config
            .slots
            .iter()
            .filter(|slot| slot.enabled && !slot.limits.is_none())
            .map(|slot| slot.id.clone())
            .collect();
        self.limited = !slots.is_empty();
        if !self.limited {
            self.spending.clear();
            return;
        }
        match store.slot_spending(slots).await {
            Ok(spending) => self.spending = spending,
            Err(error) => warn!(%error, "cannot read what was sent lately"),
        }
    }

    /// How many parts of a message are still to be sent. Not worked out where nothing is limited.
    pub(super) fn parts_left(&self, job: &OutboxJob) -> u32 {
        if !self.limited {
            return 0;
        }
        let parts = if job.parts.is_empty() {
            let class = job.flash.then_some(MessageClass::Zero);
            segment(&job.text, Reference::Narrow(0), class).map_or(1, |segments| segments.len())
        } else {
            let left = |state| matches!(state, PartState::Sent | PartState::Delivered | PartState::Undelivered);
            job.parts.iter().filter(|part| !left(part.state)).count()
        };
        u32::try_from(parts).unwrap_or(u32::MAX).max(1)
    }

    /// Whether a message may begin on this SIM. `in_turn`: those that wait for the SIM do not come first.
    pub(super) fn is_there(&self, slot: &Slot, parts: u32, in_turn: bool, now: RunTime) -> bool {
        slot.limits.is_none()
            || (in_turn || !self.awaited.contains(&slot.id)) && self.frees_at(slot, parts, now).is_none()
    }

    /// A message waits for this SIM.
    pub(super) fn await_slot(&mut self, slot: &Slot, parts: u32, now: RunTime) {
        let frees = match self.frees_at(slot, parts, now) {
            Some(frees) => frees,
            // Another one that waits comes first, and its time is noted.
            None if self.awaited.contains(&slot.id) => return,
            None => now.after(LOOK_AGAIN),
        };
        if frees.since(now) <= PATIENCE {
            self.awaited.insert(slot.id.clone());
        }
        self.frees = Some(self.frees.map_or(frees, |other| other.min(frees)));
    }

    /// When those that wait are worth another look.
    pub(super) const fn next_look(&self) -> Option<RunTime> {
        self.frees
    }

    /// All that wait are looked at again.
    pub(super) fn forget_waiting(&mut self) {
        self.awaited.clear();
        self.frees = None;
    }

    fn frees_at(&self, slot: &Slot, parts: u32, now: RunTime) -> Option<RunTime> {
        let spending = self.spending.get(&slot.id)?;
        slot.limits.reached(spending, parts, slot.costs_per_sms_micros, now).map(|reached| reached.frees)
    }
}
