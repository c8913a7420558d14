//! How long a balance lasts: what was spent per day of late, from the last balance of each day.
//!
//! A balance that rose was topped up: how much was spent meanwhile is unknown, so those days count neither as spend nor
//! as time.

use crate::model::BalanceDay;

/// Only what was spent in so many days counts as the current spend.
const LOOK_BACK: i32 = 28;

/// Days that `days`' last balance lasts, oldest day first. `None` while nothing is known: fewer than two days, or
/// nothing spent.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "amounts of money stay far below 2^53 millionths")]
pub fn days_left(days: &[BalanceDay]) -> Option<f64> {
    let last = days.last()?;
    let (mut spent, mut time) = (0_i64, 0_i64);
    for (from, to) in days.iter().zip(days.iter().skip(1)) {
        let apart = between(from, to);
        if apart < 1 || between(from, last) > LOOK_BACK || to.micros > from.micros {
            continue;
        }
        spent = spent.saturating_add(from.micros.saturating_sub(to.micros));
        time += i64::from(apart);
    }
    if spent <= 0 || time <= 0 {
        return None;
    }
    Some((last.micros.max(0) as f64) * (time as f64) / (spent as f64))
}

fn between(from: &BalanceDay, to: &BalanceDay) -> i32 {
    from.day.until(to.day).map_or(0, |span| span.get_days())
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan as _, civil::date};

    use super::*;

    /// Balances in cents, by day from some day on.
    fn left(balances: &[(i64, i64)]) -> Option<f64> {
        let first = date(2026, 10, 20);
        let days: Vec<BalanceDay> = balances
            .iter()
            .map(|(day, cents)| BalanceDay { day: first.saturating_add(day.days()), micros: cents * 10_000 })
            .collect();
        days_left(&days)
    }

    #[test]
    fn balances_last_as_long_as_the_spend_says() {
        for (name, balances, expected) in [
            ("nothing known", vec![], None),
            ("one day", vec![(0, 1000)], None),
            ("nothing spent", vec![(0, 1000), (1, 1000)], None),
            ("one unit a day", vec![(0, 1000), (1, 900)], Some(9.0)),
            ("days without a reading", vec![(0, 1000), (5, 500)], Some(5.0)),
            ("some days nothing", vec![(0, 1000), (1, 1000), (2, 800)], Some(8.0)),
            ("a top-up counts for nothing", vec![(0, 300), (1, 200), (2, 1200), (3, 1100)], Some(11.0)),
            ("only top-ups", vec![(0, 300), (1, 400), (2, 1200)], None),
            ("spent long ago", vec![(0, 9000), (1, 1000), (20, 1000), (40, 1000)], None),
            ("spent long ago, less now", vec![(0, 9000), (1, 1000), (31, 1000), (32, 900)], Some(9.0)),
            ("nothing left", vec![(0, 100), (1, 0)], Some(0.0)),
            ("less than nothing left", vec![(0, 100), (1, -50)], Some(0.0)),
            ("twice the same day", vec![(0, 1000), (0, 900)], None),
            ("over the end of a month", vec![(10, 1000), (14, 800)], Some(16.0)),
        ] {
            assert_eq!(left(&balances), expected, "{name}");
        }
    }
}
