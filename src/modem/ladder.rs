//! The recovery ladder: what to do next about a modem that failed. Pure: failures and time in, the next step out.
//!
//! A failed modem climbs: the port is opened again, then `AT+CFUN=1,1`, then its USB device is taken off the bus and let
//! on again, then it is given up and only looked at now and then. Each rung is tried at most [`MOST_PER_HOUR`] times an
//! hour and modem; a rung that is used up is passed over. What a reset cannot cure never climbs. How a rung is done and
//! where its tries are kept is the driver's business.

use std::time::Duration;

use crate::model::{RunTime, Rung};

/// Most tries of one rung within an hour, so nine of all rungs together.
pub const MOST_PER_HOUR: usize = 3;
/// How often a modem that was given up is looked at.
pub const SLOW: Duration = Duration::from_secs(20 * 60);
/// How long a modem with a good SIM may be without a network before it is restarted. Doubles with each restart.
pub const UNREGISTERED: Duration = Duration::from_secs(15 * 60);

const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long after a reset the port may go away and come back without this being news.
const SETTLING: Duration = Duration::from_secs(90);
/// How long after a try a modem that works is its merit: a restart, and the way into the network.
const CREDITED: Duration = Duration::from_secs(10 * 60);

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The modem is there and does not work: silent, or bring-up did not get through.
    Hung,
    /// It works, but found no network for a long time.
    Unregistered,
    /// It restarted by itself: nothing to cure, and perhaps what the last rung came to.
    Restarted,
    /// It is not there: nothing to cure.
    Away,
    /// A person has to act: SIM, PIN, PUK, IMEI, permissions.
    Incurable,
}

/// What to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing of the ladder's: start over after the usual pause.
    StartOver,
    /// This rung, after this pause.
    Try {
        /// Which.
        rung: Rung,
        /// The pause before it.
        after: Duration,
    },
    /// Nothing helped. Open the port again after this pause, and do no more.
    GiveUp {
        /// The pause before the next look.
        again: Duration,
    },
}

/// One modem's ladder.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    /// Tries of the last hour, oldest first.
    tries: Vec<(Rung, RunTime)>,
    /// Rungs tried since the modem worked last, in their order.
    climbed: Vec<Rung>,
}

impl Ladder {
    /// A ladder that remembers these tries of an earlier life.
    #[must_use]
    pub const fn with_tries(tries: Vec<(Rung, RunTime)>) -> Self {
        Self { tries, climbed: Vec::new() }
    }

    /// The modem failed. `usb` says whether its USB device may be taken off the bus.
    pub fn failed(&mut self, now: RunTime, failure: Failure, usb: bool) -> Step {
        self.tries.retain(|(_, at)| now.since(*at) < HOUR);
        match failure {
            Failure::Hung => self.climb(now, usb),
            // It works but for the network: it is restarted and nothing more, and of more use at work than waiting.
            Failure::Unregistered if self.spent(Rung::Reset) < MOST_PER_HOUR => self.step(Rung::Reset),
            Failure::Unregistered => Step::StartOver,
            Failure::Restarted => Step::StartOver,
            Failure::Away if self.is_settling(now) => Step::StartOver,
            Failure::Away | Failure::Incurable => {
                self.climbed.clear();
                Step::StartOver
            }
        }
    }

    /// A rung was tried.
    pub fn tried(&mut self, now: RunTime, rung: Rung) {
        self.tries.push((rung, now));
        // A modem that was given up is looked at for ever.
        if self.climbed.last() != Some(&rung) {
            self.climbed.push(rung);
        }
    }

    /// The modem works: which rung has cured it, if one was needed. The next failure starts at the bottom. What comes
    /// back long after the last try was brought back by something else.
    pub fn works(&mut self, now: RunTime) -> Option<Rung> {
        let in_time = self.tries.last().is_some_and(|(_, at)| now.since(*at) <= CREDITED);
        let last = self.climbed.last().copied().filter(|_| in_time);
        self.climbed.clear();
        last
    }

    /// Another device took the modem's place, or the same one was plugged in anew: the climb so far says nothing of it.
    pub fn replaced(&mut self) {
        self.climbed.clear();
    }

    /// Rungs tried since the modem worked last.
    #[must_use]
    pub fn climbed(&self) -> &[Rung] {
        &self.climbed
    }

    /// How long it may be without a network now; `None` if no restart is left for that.
    #[must_use]
    pub fn patience(&self, now: RunTime) -> Option<Duration> {
        let resets = self.tries.iter().filter(|(rung, at)| *rung == Rung::Reset && now.since(*at) < HOUR).count();
        let doubled = |resets: usize| UNREGISTERED.saturating_mul(1 << resets.min(8));
        (resets < MOST_PER_HOUR).then(|| doubled(resets))
    }

    fn climb(&self, now: RunTime, usb: bool) -> Step {
        let highest = self.climbed.iter().max().copied();
        let next = Rung::ALL.into_iter().find(|rung| {
            let possible = *rung != Rung::Reauthorise || usb;
            possible && highest.is_none_or(|highest| *rung > highest) && self.spent(*rung) < MOST_PER_HOUR
        });
        next.map_or_else(
            || Step::GiveUp { again: SLOW.max(self.until_free(now, Rung::Reopen)) },
            |rung| self.step(rung),
        )
    }

    fn step(&self, rung: Rung) -> Step {
        Step::Try { rung, after: pause(rung, self.spent(rung)) }
    }

    fn spent(&self, rung: Rung) -> usize {
        self.tries.iter().filter(|(tried, _)| *tried == rung).count()
    }

    fn is_settling(&self, now: RunTime) -> bool {
        self.tries.last().is_some_and(|(rung, at)| *rung > Rung::Reopen && now.since(*at) < SETTLING)
    }

    /// How long until another try of this rung is allowed.
    fn until_free(&self, now: RunTime, rung: Rung) -> Duration {
        let mut stamps = self.tries.iter().filter(|(tried, _)| *tried == rung).map(|(_, at)| *at).rev();
        // The third from the end has to be an hour old by then.
        stamps.nth(MOST_PER_HOUR - 1).map_or(Duration::ZERO, |decisive| decisive.after(HOUR).since(now))
    }
}

/// Longer for higher rungs, and longer each time within the hour.
fn pause(rung: Rung, spent: usize) -> Duration {
    let first = match rung {
        Rung::Reopen => 1,
        Rung::Reset => 5,
        Rung::Reauthorise => 15,
    };
    Duration::from_secs(first << spent.min(8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> RunTime {
        RunTime(seconds * 1000)
    }

    /// Fails at once each time, until it is given up.
    fn climb(ladder: &mut Ladder, now: RunTime, failure: Failure, usb: bool) -> Vec<Rung> {
        let mut rungs = Vec::new();
        while let Step::Try { rung, .. } = ladder.failed(now, failure, usb) {
            rungs.push(rung);
            ladder.tried(now, rung);
        }
        rungs
    }

    #[test]
    fn a_hung_modem_climbs_to_the_top_and_is_then_only_looked_at() {
        let mut ladder = Ladder::default();
        assert_eq!(climb(&mut ladder, at(0), Failure::Hung, true), Rung::ALL);
        for minute in [20, 40, 60, 80] {
            let now = at(minute * 60);
            assert_eq!(ladder.failed(now, Failure::Hung, true), Step::GiveUp { again: SLOW }, "minute {minute}");
            ladder.tried(now, Rung::Reopen);
        }
        assert_eq!(ladder.works(at(80 * 60 + 10)), Some(Rung::Reopen));
        assert_eq!(ladder.works(at(80 * 60 + 10)), None);
    }

    #[test]
    fn without_a_usb_device_of_its_own_the_ladder_is_shorter() {
        assert_eq!(climb(&mut Ladder::default(), at(0), Failure::Hung, false), [Rung::Reopen, Rung::Reset]);
    }

    #[test]
    fn a_modem_that_hangs_again_and_again_uses_up_its_rungs() {
        let mut ladder = Ladder::default();
        let mut cures = Vec::new();
        for minute in 0..12 {
            match ladder.failed(at(minute * 60), Failure::Hung, true) {
                Step::Try { rung, .. } => ladder.tried(at(minute * 60), rung),
                Step::GiveUp { again } => {
                    assert_eq!(
                        (minute, again),
                        (9, Duration::from_secs(51 * 60)),
                        "until the first reopening is an hour ago"
                    );
                    break;
                }
                Step::StartOver => panic!("it hangs"),
            }
            cures.extend(ladder.works(at(minute * 60)));
        }
        let expected: Vec<_> = Rung::ALL.into_iter().flat_map(|rung| [rung; 3]).collect();
        assert_eq!(cures, expected);
    }

    #[test]
    fn pauses_grow_with_the_rung_and_with_each_try() {
        let mut ladder = Ladder::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            if let Step::Try { rung, after } = ladder.failed(at(0), Failure::Hung, true) {
                pauses.push(after.as_secs());
                ladder.tried(at(0), rung);
                ladder.works(at(0));
            }
        }
        assert_eq!(pauses, [1, 2, 4, 5, 10, 20, 15, 30, 60]);
    }

    #[test]
    fn tries_of_an_earlier_life_count() {
        let mut ladder = Ladder::with_tries(vec![(Rung::Reopen, at(0)), (Rung::Reopen, at(1)), (Rung::Reopen, at(2))]);
        assert!(matches!(ladder.failed(at(60), Failure::Hung, true), Step::Try { rung: Rung::Reset, .. }));
        assert!(matches!(ladder.failed(at(3600), Failure::Hung, true), Step::Try { rung: Rung::Reopen, .. }));
    }

    #[test]
    fn the_port_may_go_away_over_a_reset_and_the_climb_goes_on() {
        let mut ladder = Ladder::default();
        ladder.tried(at(0), Rung::Reopen);
        ladder.tried(at(10), Rung::Reset);
        assert_eq!(ladder.failed(at(20), Failure::Away, true), Step::StartOver);
        assert!(matches!(ladder.failed(at(30), Failure::Hung, true), Step::Try { rung: Rung::Reauthorise, .. }));
        assert_eq!(ladder.failed(at(200), Failure::Away, true), Step::StartOver);
        assert!(matches!(ladder.failed(at(210), Failure::Hung, true), Step::Try { rung: Rung::Reopen, .. }));
    }

    #[test]
    fn a_cure_is_credited_to_the_last_rung_unless_something_else_came_between() {
        let climbs = [(0, Rung::Reopen), (10, Rung::Reset), (30, Rung::Reauthorise)];
        for (name, rungs, between, works, credited) in [
            ("nothing between", 1, None, 20, Some(Rung::Reopen)),
            ("opened again, it restarts", 1, Some((5, Failure::Restarted)), 20, Some(Rung::Reopen)),
            ("reset, it restarts once more", 2, Some((200, Failure::Restarted)), 220, Some(Rung::Reset)),
            ("opened again, it is pulled out", 1, Some((5, Failure::Away)), 20, None),
            ("reset, it leaves the bus for a moment", 2, Some((15, Failure::Away)), 40, Some(Rung::Reset)),
            ("pulled out long after the reset", 2, Some((200, Failure::Away)), 220, None),
            ("its SIM is pulled out", 1, Some((5, Failure::Incurable)), 20, None),
            ("it takes its time", 3, None, 630, Some(Rung::Reauthorise)),
            ("somebody came long afterwards", 3, None, 631, None),
        ] {
            let mut ladder = Ladder::default();
            for (second, rung) in climbs.into_iter().take(rungs) {
                ladder.tried(at(second), rung);
            }
            if let Some((second, failure)) = between {
                assert_eq!(ladder.failed(at(second), failure, true), Step::StartOver, "{name}");
            }
            assert_eq!(ladder.works(at(works)), credited, "{name}");
            assert_eq!(ladder.works(at(works)), None, "{name}: once");
        }
    }

    #[test]
    fn a_modem_that_restarts_and_hangs_on_climbs_on() {
        let mut ladder = Ladder::default();
        ladder.tried(at(0), Rung::Reopen);
        assert_eq!(ladder.failed(at(5), Failure::Restarted, true), Step::StartOver);
        assert!(matches!(ladder.failed(at(30), Failure::Hung, true), Step::Try { rung: Rung::Reset, .. }));
    }

    #[test]
    fn without_a_network_it_is_restarted_ever_more_rarely_and_never_given_up() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.patience(at(0)), Some(UNREGISTERED));
        assert!(matches!(ladder.failed(at(900), Failure::Unregistered, true), Step::Try { rung: Rung::Reset, .. }));
        ladder.tried(at(900), Rung::Reset);
        assert_eq!(ladder.patience(at(901)), Some(UNREGISTERED * 2));
        ladder.tried(at(902), Rung::Reset);
        ladder.tried(at(903), Rung::Reset);
        assert_eq!(ladder.patience(at(904)), None);
        assert_eq!(ladder.failed(at(905), Failure::Unregistered, false), Step::StartOver);
    }

    fn failure() -> impl Strategy<Value = Option<Failure>> {
        prop_oneof![
            6 => Just(Some(Failure::Hung)),
            1 => Just(Some(Failure::Unregistered)),
            1 => Just(Some(Failure::Restarted)),
            1 => Just(Some(Failure::Away)),
            1 => Just(Some(Failure::Incurable)),
            2 => Just(None),
        ]
    }

    proptest! {
        #[test]
        fn no_rung_is_tried_more_than_three_times_in_any_hour(
            events in prop::collection::vec((0_i64..2000, failure(), any::<bool>(), any::<bool>()), 1..200),
        ) {
            let mut ladder = Ladder::default();
            let mut now = 0;
            let mut tries: Vec<(Rung, i64)> = Vec::new();
            for (passed, failure, usb, restart) in events {
                now += passed;
                if restart {
                    // The daemon starts anew and has the tries from the store.
                    ladder = Ladder::with_tries(tries.iter().map(|(rung, second)| (*rung, at(*second))).collect());
                }
                let Some(failure) = failure else {
                    ladder.works(at(now));
                    continue;
                };
                let step = ladder.failed(at(now), failure, usb);
                let rung = match step {
                    Step::StartOver => continue,
                    Step::Try { rung, after } => {
                        now += after.as_secs() as i64;
                        rung
                    }
                    Step::GiveUp { again } => {
                        prop_assert!(again >= SLOW);
                        now += again.as_secs() as i64;
                        Rung::Reopen
                    }
                };
                prop_assert!(matches!(failure, Failure::Hung | Failure::Unregistered), "{failure:?} climbed");
                prop_assert!(usb || rung != Rung::Reauthorise);
                ladder.tried(at(now), rung);
                tries.push((rung, now));
                let recent = tries.iter().filter(|(tried, then)| *tried == rung && now - then < 3600).count();
                prop_assert!(recent <= MOST_PER_HOUR, "{rung:?} {recent} times");
            }
        }

        #[test]
        fn what_a_reset_cannot_cure_never_climbs(
            events in prop::collection::vec((0_i64..10_000, 0..3_usize, any::<bool>()), 1..100),
        ) {
            let mut ladder = Ladder::default();
            let mut now = 0;
            for (passed, kind, usb) in events {
                now += passed;
                let failure = [Failure::Away, Failure::Restarted, Failure::Incurable][kind];
                prop_assert_eq!(ladder.failed(at(now), failure, usb), Step::StartOver);
                prop_assert_eq!(ladder.works(at(now)), None);
            }
        }
    }
}
