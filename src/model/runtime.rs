//! Running time: the only time decisions are made on.

use std::time::Duration;

/// Time since this installation first ran, in milliseconds, as far as it is known to have passed.
///
/// It advances with `CLOCK_BOOTTIME` while the daemon runs (and while it is down, within one boot of the machine), is
/// kept across restarts, and never moves with the wall clock. Retries, time-outs, windows and retention compare these;
/// wall-clock times are data only.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RunTime(pub i64);

impl RunTime {
    /// The run time `duration` later. Saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The run time `duration` earlier. Saturates.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` until now; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}
