//! What the record of a SIM's self-tests says about its modem. Pure.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::schedule::length;
use crate::{
    config::SelfTestInterval,
    model::{OutgoingState, RunTime, SelfTest},
};

/// How long a test may be on its way before it counts as missing: networks hold messages back for minutes.
const WINDOW: Duration = Duration::from_secs(3600);
/// Without a return for this many intervals something is wrong.
const MISSED_INTERVALS: u32 = 2;

/// What to warn of, if anything: that no test has come back for two intervals of running time, although one that was due
/// is out for longer than it may be. `tests` are the latest of one SIM, oldest first, with the last that came back among
/// them if any did.
///
/// The two intervals count from the last return, before the first one from the first test: a new SIM gets that long. Of
/// a modem that was away, so that no test was started, nothing is missing. The sentence changes with each test, not with
/// the time: health is logged when it changes.
#[must_use]
pub fn finding(interval: SelfTestInterval, tests: &[SelfTest], now: RunTime, zone: &TimeZone) -> Option<String> {
    let newest = tests.last().filter(|test| test.back.is_none())?;
    let last_back = tests.iter().rev().find_map(|test| test.back);
    let since = last_back.map_or_else(|| tests.first().map_or(now, |test| test.start.run), |back| back.run);
    let missing = now.since(newest.start.run) >= WINDOW && now.since(since) >= length(interval) * MISSED_INTERVALS;
    missing.then(|| {
        let local = |time: Timestamp| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        let back = last_back.map_or_else(|| "never".to_owned(), |back| local(back.wall));
        let sent = tests.iter().rev().find_map(|test| test.sent_at).map_or_else(|| "never".to_owned(), local);
        format!(
            "Self-test: no test SMS has come back for 2 intervals, last sent {sent}, last back {back}{}",
            cause(newest)
        )
    })
}

/// Why the newest one did not even leave.
fn cause(test: &SelfTest) -> String {
    let state = match test.state {
        Some(OutgoingState::Sent | OutgoingState::Delivered) | None => return String::new(),
        Some(state) => state,
    };
    let cause = if test.cause.is_empty() { String::new() } else { format!(": {}", test.cause) };
    format!(", the latest one is {state}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, SelfTestReturn, SelfTestStart};

    const HOUR: i64 = 3_600_000;

    /// A test started `at` hours, back `after` minutes.
    fn test(at: i64, after: Option<i64>) -> SelfTest {
        let wall = Timestamp::from_second(1_800_000_000 + at * 3600).unwrap();
        let run = RunTime(at * HOUR);
        let back = after.map(|minutes| SelfTestReturn {
            wall: Timestamp::from_second(wall.as_second() + minutes * 60).unwrap(),
            run: RunTime(run.0 + minutes * 60_000),
            round_trip: Duration::from_secs(4),
        });
        SelfTest {
            sequence: at,
            message: MessageId::parse("01890a5d-ac96-7000-8000-000000000001").unwrap(),
            start: SelfTestStart { day: wall.to_zoned(TimeZone::UTC).date(), wall, run, same_boot: true },
            state: Some(OutgoingState::Sent),
            cause: String::new(),
            sent_at: Some(wall),
            back,
        }
    }

    fn daily(tests: &[SelfTest], hour: i64) -> Option<String> {
        finding(SelfTestInterval::Daily, tests, RunTime(hour * HOUR), &TimeZone::UTC)
    }

    #[test]
    fn two_intervals_without_a_return_are_a_warning() {
        let back = |at| test(at, Some(0));
        let lost = |at| test(at, None);
        for (name, tests, hour, warned) in [
            ("never tested", vec![], 1000, false),
            ("all well", vec![back(0), back(24)], 48, false),
            ("the first is on its way", vec![lost(0)], 1, false),
            ("the first is lost: grace", vec![lost(0), lost(24)], 47, false),
            ("the first three are lost", vec![lost(0), lost(24), lost(48)], 49, true),
            ("lost once", vec![back(0), lost(24)], 47, false),
            ("lost once, the next is under way", vec![back(0), lost(24), lost(48)], 48, false),
            ("lost twice", vec![back(0), lost(24), lost(48)], 49, true),
            ("lost, and none was started since", vec![back(0), lost(24)], 48, true),
            ("lost twice, then back", vec![back(0), lost(24), lost(48), back(72)], 100, false),
            ("lost, then back, then under way", vec![lost(0), back(72), lost(96)], 119, false),
            ("away for long, just tested", vec![back(0), lost(500)], 500, false),
            ("away for long, tested, lost", vec![back(0), lost(500)], 501, true),
            ("away for long, nothing started", vec![back(0)], 1000, false),
        ] {
            assert_eq!(daily(&tests, hour).is_some(), warned, "{name}");
        }
        let tests = [back(0), lost(24)];
        let weekly = |hour| finding(SelfTestInterval::Weekly, &tests, RunTime(hour * HOUR), &TimeZone::UTC);
        assert!(weekly(14 * 24 - 1).is_none() && weekly(14 * 24).is_some());
    }

    #[test]
    fn the_sentence_says_when_and_why() {
        let tests = [test(0, Some(5)), test(24, None)];
        assert_eq!(
            daily(&tests, 50).unwrap(),
            "Self-test: no test SMS has come back for 2 intervals, last sent 2027-01-16 08:00, last back 2027-01-15 08:05"
        );
        assert_eq!(daily(&tests, 50), daily(&tests, 90), "it does not change with time");
        let refused = SelfTest {
            state: Some(OutgoingState::Failed),
            cause: "the SIM is barred".to_owned(),
            sent_at: None,
            ..test(0, None)
        };
        assert_eq!(
            daily(&[refused], 50).unwrap(),
            "Self-test: no test SMS has come back for 2 intervals, last sent never, last back never, \
             the latest one is failed: the SIM is barred"
        );
    }
}
