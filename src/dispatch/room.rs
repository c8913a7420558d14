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
    /// As if this had been seen.
    #[cfg(test)]
    pub(super) fn seen(spending: &[(&str, Spending)]) -> Self {
        let spending = spending.iter().map(|(slot, spending)| (SlotId::new(slot), spending.clone())).collect();
        Self { limited: true, spending, ..Self::default() }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dispatch::sample::job,
        model::{SendLimits, Spent},
        modem::sample::slot,
        store::OutboxPart,
    };

    /// A slot of which three parts may go in a minute and ten in a day.
    fn limited(name: &str) -> Slot {
        let limits = SendLimits { parts_per_minute: Some(3), parts_per_day: Some(10), ..SendLimits::default() };
        Slot { limits, ..slot(name, "+49") }
    }

    /// Two parts were sent through the slot in the minute, from its beginning, and this many in the day.
    fn room(name: &str, day: u32) -> Room {
        let spent = |parts| vec![Spent { step: 0, parts, micros: 0 }];
        Room::seen(&[(name, Spending { minute: spent(2), day: spent(day) })])
    }

    #[test]
    fn parts_that_left_need_no_room() {
        use PartState::{Delivered, Pending, Sending, Sent, Undelivered, Unknown};
        let long = "long ".repeat(80);
        for (text, states, left) in [
            ("short", vec![], 1),
            (&long, vec![], 3),
            (&long, vec![Sent, Delivered, Pending], 1),
            (&long, vec![Undelivered, Unknown, Sending], 2),
            (&long, vec![Sent, Sent, Sent], 1),
        ] {
            let mut job = job(1);
            text.clone_into(&mut job.text);
            job.parts = (0_u16..)
                .zip(&states)
                .map(|(number, state)| OutboxPart { number, state: *state, submissions: 1, doubtful: false })
                .collect();
            assert_eq!(room("a", 0).parts_left(&job), left, "{states:?}");
            assert_eq!(Room::default().parts_left(&job), 0, "it is not asked for");
        }
    }

    #[test]
    fn room_that_another_waits_for_is_there_in_turn_only() {
        let now = RunTime(10_000);
        let (slot, mut room) = (limited("a"), room("a", 2));
        let seen =
            |room: &Room, slot: &Slot, parts| [false, true].map(|in_turn| room.is_there(slot, parts, in_turn, now));
        assert_eq!(seen(&room, &slot, 1), [true, true]);
        assert_eq!(seen(&room, &slot, 2), [false, false]);
        room.await_slot(&slot, 2, now);
        assert_eq!(seen(&room, &slot, 1), [false, true]);
        assert_eq!(seen(&room, &slot, 2), [false, false]);
        assert_eq!(seen(&room, &limited("never seen"), 1), [true, true]);
        let unlimited = self::slot("a", "+49");
        assert_eq!(seen(&room, &unlimited, 9), [true, true]);
        room.forget_waiting();
        assert_eq!((seen(&room, &slot, 1), room.next_look()), ([true, true], None));
    }

    #[test]
    fn the_next_look_is_when_the_first_of_them_has_room() {
        let now = RunTime(10_000);
        let soon = RunTime(65_000);
        for (day, parts, awaited, next, what) in [
            (2, 2, true, soon, "the minute's two leave with their step"),
            (10, 1, false, RunTime(87_000_000), "nobody stands in line for a day"),
            (2, 1, true, now.after(Duration::from_secs(5)), "there is room; look again"),
        ] {
            let (slot, mut room) = (limited("a"), room("a", day));
            room.await_slot(&slot, parts, now);
            assert_eq!((room.awaited.contains(&slot.id), room.next_look()), (awaited, Some(next)), "{what}");
        }
        let (slot, mut room) = (limited("a"), room("a", 2));
        room.await_slot(&slot, 2, now);
        room.await_slot(&slot, 1, now);
        assert_eq!(room.next_look(), Some(soon), "who comes later does not have it looked at earlier");
        room.await_slot(&limited("b"), 1, now);
        assert_eq!(room.next_look(), Some(now.after(Duration::from_secs(5))));
        room.await_slot(&slot, 2, now);
        assert_eq!(room.next_look(), Some(now.after(Duration::from_secs(5))), "the earliest counts");
    }

    #[test]
    fn a_wait_as_long_as_patience_still_keeps_the_place() {
        let (slot, mut room) = (limited("a"), room("a", 2));
        room.await_slot(&slot, 2, RunTime(0));
        assert_eq!((room.awaited.len(), room.next_look()), (1, Some(RunTime(65_000))));
    }
}
