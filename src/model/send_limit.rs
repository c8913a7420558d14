//! How much may be sent in a minute and in a day, and when there is room again.
//!
//! Windows slide on running time, in steps: what was sent in a step counts until the whole step is as long ago as the
//! window. So no stretch of time of a window's length ever holds more than the limit, a step's worth of rows is enough
//! to know that, and room comes back one step late at most.

use std::{fmt, time::Duration};

use super::RunTime;

/// The stretch of time that a limit is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Window {
    /// 60 s, in steps of 5 s.
    Minute,
    /// 24 h, in steps of 10 min.
    Day,
}

impl Window {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minute, Self::Day];

    /// How long it is.
    #[must_use]
    pub const fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::Day => Duration::from_secs(24 * 3600),
        }
    }

    /// Length of a step, in milliseconds.
    #[must_use]
    pub const fn step_ms(self) -> i64 {
        match self {
            Self::Minute => 5_000,
            Self::Day => 600_000,
        }
    }

    /// The step that is under way at `now`.
    #[must_use]
    pub const fn step(self, now: RunTime) -> i64 {
        now.0.div_euclid(self.step_ms())
    }

    /// From when on a step counts no longer.
    #[must_use]
    pub fn leaves(self, step: i64) -> RunTime {
        RunTime(step.saturating_add(1).saturating_mul(self.step_ms())).after(self.length())
    }

    /// The oldest step that still counts at `now`.
    #[must_use]
    pub fn oldest(self, now: RunTime) -> i64 {
        self.step(now.before(self.length()))
    }
}

/// What one SIM or one token may send. Nothing is limited by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SendLimits {
    /// Parts in a minute.
    pub parts_per_minute: Option<u32>,
    /// Parts in a day.
    pub parts_per_day: Option<u32>,
    /// Money in a day, in millionths of the currency unit.
    pub micros_per_day: Option<i64>,
}

/// One of the limits, with its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendLimit {
    /// Parts in a minute or a day.
    Parts(u32, Window),
    /// Money in a day, in millionths.
    Costs(i64),
}

impl fmt::Display for SendLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parts(parts, window) => {
                let (noun, window) = (if *parts == 1 { "part" } else { "parts" }, window_name(*window));
                write!(f, "{parts} {noun} per {window}")
            }
            Self::Costs(micros) => {
                let fraction = format!("{:06}", micros.rem_euclid(1_000_000));
                let cents = format!("{:0<2}", fraction.trim_end_matches('0'));
                write!(f, "costs of {}.{cents} per day", micros.div_euclid(1_000_000))
            }
        }
    }
}

const fn window_name(window: Window) -> &'static str {
    match window {
        Window::Minute => "minute",
        Window::Day => "day",
    }
}

/// What was sent in one step of a window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Spent {
    /// Which step.
    pub step: i64,
    /// Parts that were handed over for the network, counted before they were.
    pub parts: u32,
    /// What they cost, in millionths.
    pub micros: i64,
}

/// What was sent lately, by window, oldest step first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Spending {
    /// In steps of [`Window::Minute`].
    pub minute: Vec<Spent>,
    /// In steps of [`Window::Day`].
    pub day: Vec<Spent>,
}

/// A limit that leaves no room, and when it will.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reached {
    /// Which.
    pub limit: SendLimit,
    /// When there is room.
    pub frees: RunTime,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit of {} is reached", self.limit)
    }
}

impl SendLimits {
    /// Nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anything is limited over this window, so that it has to be counted.
    #[must_use]
    pub const fn counts(&self, window: Window) -> bool {
        match window {
            Window::Minute => self.parts_per_minute.is_some(),
            Window::Day => self.parts_per_day.is_some() || self.micros_per_day.is_some(),
        }
    }

    /// Most parts that ever go within one window.
    #[must_use]
    pub fn most_parts(&self) -> Option<u32> {
        [self.parts_per_minute, self.parts_per_day].into_iter().flatten().min()
    }

    /// What keeps `parts` more, at `price` millionths each, from going now; of several limits the one that frees last.
    ///
    /// More parts than ever fit are taken for as many as do: such a message begins where a window is empty, and ends in
    /// the next.
    #[must_use]
    pub fn reached(&self, spending: &Spending, parts: u32, price: i64, now: RunTime) -> Option<Reached> {
        let count = |limit: Option<u32>, window: Window, spent: &[Spent]| {
            let limit = limit?;
            let spent = spent.iter().map(|spent| (spent.step, i64::from(spent.parts)));
            let frees = room_at(window, i64::from(limit), i64::from(parts.min(limit)), spent, now)?;
            Some(Reached { limit: SendLimit::Parts(limit, window), frees })
        };
        let money = || {
            let limit = self.micros_per_day?;
            let fits = limit.checked_div(price).unwrap_or(i64::MAX).max(1);
            let wanted = i64::from(parts).min(fits).saturating_mul(price);
            let spent = spending.day.iter().map(|spent| (spent.step, spent.micros));
            let frees = room_at(Window::Day, limit, wanted, spent, now)?;
            Some(Reached { limit: SendLimit::Costs(limit), frees })
        };
        [
            count(self.parts_per_minute, Window::Minute, &spending.minute),
            count(self.parts_per_day, Window::Day, &spending.day),
            money(),
        ]
        .into_iter()
        .flatten()
        .max_by_key(|reached| reached.frees)
    }
}

/// When `wanted` more fits under `limit`; `None` if it does now. What never fits is worth another look a window later.
fn room_at(
    window: Window,
    limit: i64,
    wanted: i64,
    spent: impl Iterator<Item = (i64, i64)> + Clone,
    now: RunTime,
) -> Option<RunTime> {
    let counting = spent.filter(|(step, _)| window.leaves(*step) > now);
    let mut total: i64 = counting.clone().map(|(_, amount)| amount).fold(wanted, i64::saturating_add);
    if total <= limit {
        return None;
    }
    for (step, amount) in counting {
        total = total.saturating_sub(amount);
        if total <= limit {
            return Some(window.leaves(step));
        }
    }
    Some(now.after(window.length()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1000;

    fn per_minute(parts: u32) -> SendLimits {
        SendLimits { parts_per_minute: Some(parts), ..SendLimits::default() }
    }

    fn minute(steps: &[(i64, u32)]) -> Spending {
        let spent = |(step, parts): &(i64, u32)| Spent { step: *step, parts: *parts, micros: 0 };
        Spending { minute: steps.iter().map(spent).collect(), day: Vec::new() }
    }

    #[test]
    fn a_step_counts_until_all_of_it_is_a_window_ago() {
        for window in Window::ALL {
            let (step, width) = (7, window.step_ms());
            let last = RunTime((step + 1) * width - 1);
            assert_eq!(window.step(last), step);
            assert_eq!(window.leaves(step), RunTime(last.0 + 1).after(window.length()));
            assert_eq!(window.oldest(RunTime(window.leaves(step).0 - 1)), step);
            assert_eq!(window.oldest(window.leaves(step)), step + 1);
        }
        assert_eq!(Window::Day.oldest(RunTime(0)), -144, "a clock that has just begun");
    }

    #[test]
    fn room_for_parts() {
        for (limit, steps, wanted, now, frees) in [
            (10, &[][..], 10, 0, None),
            (10, &[(0, 9)], 1, 4, None),
            (10, &[(0, 10)], 1, 4, Some(65)),
            (10, &[(0, 10)], 1, 64, Some(65)),
            (10, &[(0, 10)], 1, 65, None),
            // The oldest steps go first; more room needs more of them gone.
            (10, &[(0, 4), (3, 6)], 4, 20, Some(65)),
            (10, &[(0, 4), (3, 6)], 5, 20, Some(80)),
            // More than ever fits waits for an empty window.
            (10, &[(0, 1)], 25, 20, Some(65)),
            (10, &[], 25, 20, None),
            // A limit that was lowered meanwhile.
            (2, &[(0, 9), (1, 1), (2, 1)], 1, 20, Some(70)),
        ] {
            let reached = per_minute(limit).reached(&minute(steps), wanted, 0, RunTime(now * SECOND));
            assert_eq!(reached.map(|reached| reached.frees.0 / SECOND), frees, "{limit} {steps:?} {wanted} {now}");
        }
    }

    #[test]
    fn room_for_money_is_exact() {
        let limits = SendLimits { micros_per_day: Some(1_000_000), ..SendLimits::default() };
        let day = |micros| Spending { minute: Vec::new(), day: vec![Spent { step: 0, parts: 1, micros }] };
        for (spent, parts, price, fits) in [
            (0, 11, 90_000, true),
            (10_000, 11, 90_000, true),
            (10_001, 11, 90_000, false),
            (910_000, 1, 90_000, true),
            (910_001, 1, 90_000, false),
            (1_000_000, 1, 0, true),
            // What costs more than a day may: as many parts as fit; one that never does.
            (0, 30, 90_000, true),
            (1, 30, 90_000, true),
            (10_001, 30, 90_000, false),
            (0, 1, 1_000_001, false),
        ] {
            let reached = limits.reached(&day(spent), parts, price, RunTime(0));
            assert_eq!(reached.is_none(), fits, "{spent} {parts} {price}");
        }
    }

    #[test]
    fn the_limit_that_frees_last_is_named() {
        let limits = SendLimits { parts_per_minute: Some(1), parts_per_day: Some(2), micros_per_day: Some(100_000) };
        let spent = Spent { step: 0, parts: 1, micros: 90_000 };
        let both = Spending { minute: vec![spent], day: vec![spent] };
        let reached = limits.reached(&both, 1, 90_000, RunTime(0)).unwrap();
        assert_eq!((reached.limit, reached.frees), (SendLimit::Costs(100_000), Window::Day.leaves(0)));
        let reached = limits.reached(&both, 1, 10_000, RunTime(0)).unwrap();
        assert_eq!((reached.limit, reached.frees.0), (SendLimit::Parts(1, Window::Minute), 65 * SECOND));
    }

    /// Whatever was let through at whatever times, no stretch of a window's length holds more than the limit, nor is
    /// anybody kept waiting for longer than a window and a step.
    #[test]
    fn no_stretch_of_time_holds_more_than_the_limit() {
        let (limit, mut seed) = (7_u32, 1_u64);
        let (mut spending, mut sent, mut waited) = (Spending::default(), Vec::<i64>::new(), 0);
        let mut now = RunTime(123_456);
        for _ in 0..5000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match per_minute(limit).reached(&spending, 1, 0, now) {
                Some(reached) => {
                    assert!(reached.frees > now && reached.frees.0 - now.0 <= 65 * SECOND, "{reached:?} at {now:?}");
                    waited += 1;
                    now = reached.frees;
                }
                None => {
                    sent.push(now.0);
                    let step = Window::Minute.step(now);
                    match spending.minute.last_mut() {
                        Some(last) if last.step == step => last.parts += 1,
                        _ => spending.minute.push(Spent { step, parts: 1, micros: 0 }),
                    }
                    now.0 += i64::try_from(seed >> 50).unwrap();
                }
            }
        }
        assert!(waited > 100, "{waited}");
        let crowded = sent.windows(8).find(|eight| eight[7] - eight[0] < 60 * SECOND);
        assert_eq!(crowded, None);
    }

    #[test]
    fn limits_in_words() {
        for (limit, words) in [
            (SendLimit::Parts(1, Window::Minute), "1 part per minute"),
            (SendLimit::Parts(100, Window::Day), "100 parts per day"),
            (SendLimit::Costs(5_000_000), "costs of 5.00 per day"),
            (SendLimit::Costs(90_000), "costs of 0.09 per day"),
            (SendLimit::Costs(1_234_500), "costs of 1.2345 per day"),
        ] {
            assert_eq!(limit.to_string(), words);
        }
    }
}
