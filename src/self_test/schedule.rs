//! When a SIM's next self-test is due. Pure: the clocks' readings come in, a yes or no goes out.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use crate::{
    config::SelfTestInterval,
    model::{RunTime, SelfTestStart},
};

/// A wall clock that shows less than this has not been set since the machine started.
const CLOCK_FLOOR: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// How far the wall clock may stray from running time between two tests before it counts as having been set.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(2);
/// All SIMs of a pool begin their period within this time.
const SPREAD: Duration = Duration::from_secs(15 * 60);
/// A test waits this long for its modem at most, whatever the interval.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The clocks as they stand.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// Running time.
    pub run: RunTime,
    /// The zone in which a day begins: the system's. A gateway stands where its SIMs are at home; the service centre's
    /// offset would be that of the network visited, and is missing until something was received.
    pub zone: TimeZone,
}

/// Whether a test is to be started now.
///
/// *Once per period.* The period is a day, a week from Monday, or a month. The record keeps the day of the last test, from
/// which its period follows for whatever interval is configured now; in a later period the next one is due. It is not
/// tied to Monday or the 1st: a gateway that was off then tests as soon as it can. It does not come twice within half an
/// interval either, so that a first test late in a period does not have the second one at its heels; half an interval is
/// shorter than a period, so none is left out.
///
/// *The wall clock is believed only as far as running time agrees with it.* Within one boot exactly as much real time has
/// passed since the last test as running time says, so a wall clock that moved by anything else was set meanwhile, before
/// or after it was right: nobody knows. After a reboot running time is a lower bound, since it stands still while the
/// machine is off; the wall clock must have moved on by at least as much. A clock below the year of this release was
/// never set at all. Where the clock fails, running time decides alone: a test is due one whole interval after the last.
/// That is never a second one in a real period, nor a burst, and never starves, since the next record is of the clock as
/// it is now. So +10 years, -10 years, 1970 until the time server answers, and all of them in turn cost a shifted
/// rhythm, never a mass.
///
/// *What remains* is a reboot with the wall clock set ahead: like a machine that was off all that time. It costs one test.
#[must_use]
pub fn is_due(interval: SelfTestInterval, clocks: &Clocks, offset: Duration, last: Option<&SelfTestStart>) -> bool {
    let Some(last) = last else {
        return clocks.wall >= CLOCK_FLOOR || clocks.run.since(RunTime(0)) >= length(interval);
    };
    let ran = clocks.run.since(last.run);
    if !is_believable(clocks, last, ran) {
        return ran >= length(interval);
    }
    let passed = if last.same_boot { ran } else { clocks.wall.duration_since(last.wall).unsigned_abs() };
    period(interval, day(clocks, offset)) > period(interval, last.day) && passed >= length(interval) / 2
}

/// The day that a test started now counts for. Days begin `offset` late, which spreads a pool.
#[must_use]
pub fn day(clocks: &Clocks, offset: Duration) -> Date {
    let shifted = clocks.wall.checked_sub(offset).unwrap_or(clocks.wall);
    shifted.to_zoned(clocks.zone.clone()).date()
}

/// How much later than the first slot's the period of the slot at `position` of `slots` begins.
#[must_use]
pub fn offset(position: usize, slots: usize) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    SPREAD * part(position.min(slots)) / part(slots.max(1))
}

/// Nominal length; a month's is the longest.
#[must_use]
pub const fn length(interval: SelfTestInterval) -> Duration {
    const DAY: u64 = 86_400;
    Duration::from_secs(match interval {
        SelfTestInterval::Daily => DAY,
        SelfTestInterval::Weekly => 7 * DAY,
        SelfTestInterval::Monthly => 31 * DAY,
    })
}

/// How long a test may wait for its modem before it is given up.
#[must_use]
pub fn lifetime(interval: SelfTestInterval) -> Duration {
    (length(interval) / 2).min(LONGEST_LIFETIME)
}

fn is_believable(clocks: &Clocks, last: &SelfTestStart, ran: Duration) -> bool {
    let went = clocks.wall.duration_since(last.wall);
    let ran = SignedDuration::try_from(ran).unwrap_or(SignedDuration::MAX);
    let strayed = went.saturating_sub(ran);
    let set = clocks.wall >= CLOCK_FLOOR && last.wall >= CLOCK_FLOOR;
    set && strayed >= -CLOCK_TOLERANCE && (!last.same_boot || strayed <= CLOCK_TOLERANCE)
}

/// The first day of the period in which a day lies.
fn period(interval: SelfTestInterval, day: Date) -> Date {
    match interval {
        SelfTestInterval::Daily => day,
        SelfTestInterval::Weekly => {
            let since_monday = i64::from(day.weekday().since(Weekday::Monday));
            day.checked_sub(SignedDuration::from_hours(24 * since_monday)).unwrap_or(day)
        }
        SelfTestInterval::Monthly => day.first_of_month(),
    }
}

#[cfg(test)]
mod tests;
