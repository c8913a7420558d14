//! TP-SCTS, TP-DT and absolute TP-VP: seven octets of local time with a zone in quarters of an hour (TS 23.040
//! 9.2.3.11).

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

/// A time of the service centre, as received: the octets are kept even where they are no time.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ServiceCentreTimestamp([u8; 7]);

/// Years from here to 99 are of the 20th century: SMS is that old, and standards' examples are.
const FIRST_YEAR: i16 = 90;

const QUARTER_SECONDS: i32 = 15 * 60;

/// The largest zone three bits and a digit can tell.
const MAX_QUARTERS: i8 = 79;

impl ServiceCentreTimestamp {
    /// Takes the octets as they are.
    #[must_use]
    pub fn from_octets(octets: [u8; 7]) -> Self {
        Self(octets)
    }

    /// `timestamp` on a clock `offset_quarters` quarters of an hour ahead of UTC. A zone beyond ±79 quarters becomes
    /// ±79; fractions of a second and the century are lost.
    #[must_use]
    pub fn from_timestamp(timestamp: Timestamp, offset_quarters: i8) -> Self {
        let quarters = offset_quarters.clamp(-MAX_QUARTERS, MAX_QUARTERS);
        let offset = SignedDuration::from_secs(i64::from(i32::from(quarters) * QUARTER_SECONDS));
        let local = TimeZone::UTC.to_datetime(timestamp).saturating_add(offset);
        let year = i8::try_from(local.year().rem_euclid(100)).unwrap_or_default();
        let sign = if quarters < 0 { 0x08 } else { 0x00 };
        Self([
            semi_octets(year),
            semi_octets(local.month()),
            semi_octets(local.day()),
            semi_octets(local.hour()),
            semi_octets(local.minute()),
            semi_octets(local.second()),
            semi_octets(quarters.abs()) + sign,
        ])
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> [u8; 7] {
        self.0
    }

    /// The moment, or `None` where the octets are no time.
    #[must_use]
    pub fn to_timestamp(&self) -> Option<Timestamp> {
        let offset = self.quarters()?;
        let local = TimeZone::UTC.to_timestamp(self.local()?).ok()?;
        local.checked_sub(SignedDuration::from_secs(i64::from(offset * QUARTER_SECONDS))).ok()
    }

    /// Seconds the service centre's clock is ahead of UTC; 0 where the zone's octet is no number.
    #[must_use]
    pub fn offset_seconds(&self) -> i32 {
        self.quarters().unwrap_or(0) * QUARTER_SECONDS
    }

    fn local(&self) -> Option<DateTime> {
        let [year, month, day, hour, minute, second, _] = self.0;
        let year = i16::from(digits(year)?);
        let year = if year >= FIRST_YEAR { 1900 + year } else { 2000 + year };
        DateTime::new(year, digits(month)?, digits(day)?, digits(hour)?, digits(minute)?, digits(second)?, 0).ok()
    }

    fn quarters(&self) -> Option<i32> {
        let [.., zone] = self.0;
        let quarters = i32::from(digits(zone & !0x08)?);
        Some(if zone & 0x08 == 0 { quarters } else { -quarters })
    }
}

/// Two decimal digits, the first in the low half.
fn digits(octet: u8) -> Option<i8> {
    let (tens, ones) = (octet & 0x0f, octet >> 4);
    if tens > 9 || ones > 9 {
        return None;
    }
    i8::try_from(tens * 10 + ones).ok()
}

/// `value` is 0 to 99.
fn semi_octets(value: i8) -> u8 {
    let value = value.unsigned_abs();
    ((value % 10) << 4) + value / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn octets_and_moments_go_both_ways() {
        for (octets, moment, seconds) in [
            ([0x51, 0x11, 0x72, 0x00, 0x00, 0x00, 0x00], "2015-11-27T00:00:00Z", 0),
            ([0x51, 0x11, 0x72, 0x00, 0x00, 0x00, 0x80], "2015-11-26T22:00:00Z", 7200),
            ([0x70, 0x40, 0x21, 0x32, 0x52, 0x24, 0x2b], "2007-04-13T07:25:42Z", -28800),
            ([0x70, 0x40, 0x21, 0x32, 0x52, 0x24, 0x23], "2007-04-12T15:25:42Z", 28800),
            ([0x99, 0x20, 0x21, 0x50, 0x75, 0x03, 0x21], "1999-02-12T02:57:30Z", 10800),
            ([0x42, 0x10, 0x51, 0x00, 0x00, 0x00, 0x32], "2024-01-14T18:15:00Z", 20700), // +5:45
            ([0x42, 0x10, 0x51, 0x00, 0x00, 0x00, 0x4a], "2024-01-15T06:00:00Z", -21600),
            ([0x00, 0x10, 0x10, 0x00, 0x00, 0x00, 0x40], "1999-12-31T23:00:00Z", 3600),
        ] {
            let time = ServiceCentreTimestamp::from_octets(octets);
            assert_eq!(time.to_timestamp(), Some(at(moment)), "{octets:02x?}");
            assert_eq!(time.offset_seconds(), seconds, "{octets:02x?}");
            let quarters = i8::try_from(seconds / 900).unwrap();
            assert_eq!(ServiceCentreTimestamp::from_timestamp(at(moment), quarters), time, "{octets:02x?}");
        }
    }

    #[test]
    fn what_is_no_time_is_kept() {
        for octets in [
            [0; 7],
            [0xff; 7],
            [0x42, 0x31, 0x10, 0, 0, 0, 0],    // month 13
            [0x42, 0x20, 0x03, 0, 0, 0, 0],    // 30 February
            [0x42, 0x10, 0x10, 0x42, 0, 0, 0], // hour 24
            [0x42, 0x10, 0x10, 0, 0x06, 0, 0], // minute 60
            [0x42, 0x10, 0x10, 0, 0, 0x0a, 0], // second of no digit
            [0x42, 0x10, 0x10, 0, 0, 0, 0xf0], // zone of no digit
        ] {
            let time = ServiceCentreTimestamp::from_octets(octets);
            assert_eq!(time.to_timestamp(), None, "{octets:02x?}");
            assert_eq!(time.octets(), octets);
        }
    }

    #[test]
    fn zones_beyond_what_fits_become_the_last_that_does() {
        for (quarters, seconds) in [(127, 79 * 900), (-128, -79 * 900)] {
            let time = ServiceCentreTimestamp::from_timestamp(at("2024-06-01T12:00:00Z"), quarters);
            assert_eq!(time.offset_seconds(), seconds);
            assert_eq!(time.to_timestamp(), Some(at("2024-06-01T12:00:00Z")));
        }
    }
}
