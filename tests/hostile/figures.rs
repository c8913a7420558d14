//! Times of calls in figures, and what the daemon holds of the machine.

use std::time::Duration;

pub use super::rig::holdings::{descriptors, resident, threads};

/// How long calls took.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// Takes the times of another as well.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// So many of a hundred took no longer.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        *sorted.get(at).expect("at least one call was timed")
    }

    /// Count, median, p99 and longest.
    pub fn row(&self, what: &str) -> String {
        let [median, high, most] = [50, 99, 100].map(|percent| self.percentile(percent).as_secs_f64() * 1e3);
        format!("{what}: {} timed, median {median:.1} ms, p99 {high:.1} ms, longest {most:.1} ms", self.0.len())
    }

    /// Fails if p99 is above the bar of the table at full scale, or else so many times what it was before.
    #[track_caller]
    pub fn assert_p99(&self, what: &str, bar: Duration, before: &Self, times: u32, slack: Duration) {
        eprintln!("{}", before.row(&format!("{what}, before")));
        eprintln!("{}", self.row(&format!("{what}, under attack")));
        let most = if super::scale::is_full() { bar } else { bar.max(before.percentile(99) * times + slack) };
        let p99 = self.percentile(99);
        assert!(p99 <= most, "{what}: p99 {p99:?}, {most:?} is allowed");
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}
