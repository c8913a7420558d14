//! TP-VP: how long the service centre tries (TS 23.040 9.2.3.12).

use std::time::Duration;

use super::timestamp::ServiceCentreTimestamp;

/// TP-VP in its three formats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValidityPeriod {
    /// From the moment the service centre receives the message, in the steps of 9.2.3.12.1.
    Relative(u8),
    /// Until a moment.
    Absolute(ServiceCentreTimestamp),
    /// The enhanced format of 9.2.3.12.3, octet for octet.
    Enhanced([u8; 7]),
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

impl ValidityPeriod {
    /// The shortest relative period not shorter than `duration`; 63 weeks if none is that long.
    #[must_use]
    pub fn relative(duration: Duration) -> Self {
        let steps = 0..=u8::MAX;
        Self::Relative(steps.into_iter().find(|&step| relative(step) >= duration).unwrap_or(u8::MAX))
    }

    /// The length of a relative or enhanced period; `None` for an absolute one, and where the enhanced format tells no
    /// length.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        match self {
            Self::Relative(value) => Some(relative(*value)),
            Self::Absolute(_) => None,
            Self::Enhanced(octets) => enhanced(octets),
        }
    }
}

fn relative(value: u8) -> Duration {
    let step = u64::from(value);
    Duration::from_secs(match value {
        0..=143 => (step + 1) * 5 * MINUTE,
        144..=167 => 12 * HOUR + (step - 143) * 30 * MINUTE,
        168..=196 => (step - 166) * DAY,
        197..=255 => (step - 192) * WEEK,
    })
}

/// Functionality indicator, then by its format a relative value, seconds, or hours, minutes and seconds.
fn enhanced(octets: &[u8; 7]) -> Option<Duration> {
    /// Another functionality indicator follows: reserved, nothing is known of what comes.
    const EXTENDED: u8 = 0x80;
    let [indicator, first, second, third, ..] = *octets;
    if indicator & EXTENDED != 0 {
        return None;
    }
    match indicator & 0x07 {
        1 => Some(relative(first)),
        2 => Some(Duration::from_secs(u64::from(first))),
        3 => {
            let [hours, minutes, seconds] = [decimal(first)?, decimal(second)?, decimal(third)?];
            Some(Duration::from_secs(hours * HOUR + minutes * MINUTE + seconds))
        }
        _ => None,
    }
}

fn decimal(octet: u8) -> Option<u64> {
    let (tens, ones) = (octet & 0x0f, octet >> 4);
    (tens <= 9 && ones <= 9).then(|| u64::from(tens * 10 + ones))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_steps() {
        for (value, seconds) in [
            (0, 300),
            (143, 12 * HOUR),
            (144, 12 * HOUR + 1800),
            (167, DAY),
            (168, 2 * DAY),
            (170, 4 * DAY),
            (196, 30 * DAY),
            (197, 5 * WEEK),
            (255, 63 * WEEK),
        ] {
            assert_eq!(ValidityPeriod::Relative(value).duration(), Some(Duration::from_secs(seconds)), "{value}");
            assert_eq!(ValidityPeriod::relative(Duration::from_secs(seconds)), ValidityPeriod::Relative(value));
        }
    }

    #[test]
    fn a_relative_period_is_never_shorter_than_asked_for() {
        assert_eq!(ValidityPeriod::relative(Duration::ZERO), ValidityPeriod::Relative(0));
        assert_eq!(ValidityPeriod::relative(Duration::from_secs(301)), ValidityPeriod::Relative(1));
        assert_eq!(ValidityPeriod::relative(Duration::MAX), ValidityPeriod::Relative(255));
    }

    #[test]
    fn enhanced_formats() {
        for (octets, seconds) in [
            ([0x01, 0xa7, 0, 0, 0, 0, 0], Some(DAY)),
            ([0x42, 90, 0, 0, 0, 0, 0], Some(90)),
            ([0x03, 0x21, 0x43, 0x50, 0, 0, 0], Some(12 * HOUR + 34 * MINUTE + 5)),
            ([0x03, 0xa1, 0x43, 0x50, 0, 0, 0], None),
            ([0x00, 1, 0, 0, 0, 0, 0], None),
            ([0x81, 1, 0, 0, 0, 0, 0], None),
        ] {
            assert_eq!(ValidityPeriod::Enhanced(octets).duration(), seconds.map(Duration::from_secs), "{octets:?}");
        }
    }
}
