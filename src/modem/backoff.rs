//! How long a modem is left alone after a fault.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Doubles from 1 s to 60 s; starts again after a session that worked.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try. `spread` (0..=255) moves it by up to a quarter, so that modems that fell together do
    /// not come back in step.
    pub(super) fn next(&mut self, spread: u8) -> Duration {
        let factor = 1_u32.checked_shl(self.failures.min(10)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let base = FIRST.saturating_mul(factor).min(LONGEST);
        base + base * u32::from(spread) / 1024
    }

    /// The modem worked.
    pub(super) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute_and_starts_again() {
        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..8).map(|_| backoff.next(0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        backoff.reset();
        assert_eq!(backoff.next(0), FIRST);
    }

    #[test]
    fn spread_adds_less_than_a_quarter() {
        let wait = Backoff::default().next(255);
        assert!(wait > FIRST && wait < FIRST * 5 / 4, "{wait:?}");
    }
}
