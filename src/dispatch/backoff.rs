//! When a message that did not leave is tried again.

use std::time::Duration;

const STEPS: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(600)];
const LAST_STEP: Duration = Duration::from_secs(3600);

/// The wait after the `failures`-th failed try (from 0): 5 s, 30 s, 2 min, 10 min, then hourly.
#[must_use]
pub fn retry_delay(failures: u32) -> Duration {
    usize::try_from(failures).ok().and_then(|index| STEPS.get(index)).copied().unwrap_or(LAST_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_to_an_hour_and_stay_there() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 4, 5, u32::MAX].into_iter().map(|n| retry_delay(n).as_secs()).collect();
        assert_eq!(seconds, [5, 30, 120, 600, 3600, 3600, 3600]);
    }
}
