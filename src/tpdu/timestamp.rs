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
            semi_octets(quarters.abs()) | sign,
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
    (value % 10) << 4 | value / 10
}
