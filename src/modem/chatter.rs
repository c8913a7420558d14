//! How much a modem says without being asked. Pure: moments in, a verdict out.
//!
//! A network brings a modem a few SMS a second, and a line at 115,200 baud has room for some 700 notices. One that keeps on
//! saying more than a thousand a second is broken or means harm, and whatever it says takes the processor and the store
//! from the others (S14).

use std::time::{Duration, Instant};

/// What a notice adds: a modem may say a thousand a second for ever.
const NOTICE: Duration = Duration::from_millis(1);
/// How far it may run ahead of that: five thousand at once.
const MOST_AHEAD: Duration = Duration::from_secs(5);

/// What one modem has said lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chatter {
    ahead: Duration,
    last: Option<Instant>,
}

impl Chatter {
    /// The modem has said something at this moment: whether that is too much.
    pub(super) fn is_too_much(&mut self, at: Instant) -> bool {
        let passed = self.last.map_or(Duration::ZERO, |last| at.saturating_duration_since(last));
        self.last = Some(at);
        self.ahead = self.ahead.saturating_sub(passed).saturating_add(NOTICE);
        self.ahead > MOST_AHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many notices it is too much, if ever, with so many in each of `seconds`.
    fn too_much_after(a_second: u32, seconds: u32) -> Option<u32> {
        let (start, mut chatter) = (Instant::now(), Chatter::default());
        (0..a_second * seconds).find(|number| chatter.is_too_much(start + Duration::from_secs(1) * *number / a_second))
    }

    #[test]
    fn a_thousand_a_second_is_borne_for_ever_and_more_only_for_a_while() {
        for (a_second, seconds, after) in [
            (10, 3600, None),
            (1000, 3600, None),
            (1250, 19, None),
            (1250, 60, Some(24_900..25_100)),
            (5000, 60, Some(6200..6300)),
            (1_000_000, 1, Some(5000..5050)),
        ] {
            let met = too_much_after(a_second, seconds);
            let as_expected = match &after {
                Some(range) => met.is_some_and(|met| range.contains(&met)),
                None => met.is_none(),
            };
            assert!(as_expected, "{a_second} a second: {met:?}, not {after:?}");
        }
    }

    #[test]
    fn a_burst_is_forgotten_after_as_many_milliseconds() {
        let (start, mut chatter) = (Instant::now(), Chatter::default());
        assert!((0..5000).all(|_| !chatter.is_too_much(start)));
        assert!(chatter.is_too_much(start));
        assert!((0..4999).all(|_| !chatter.is_too_much(start + Duration::from_secs(6))));
    }
}
