//! Subscriber numbers, dialling prefixes and equipment identities.

use std::fmt;

use serde::Serialize;

/// Why a text is no phone number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MsisdnError {
    /// Nothing but separators.
    #[error("the number is empty")]
    Empty,
    /// `+` and digits were expected.
    #[error("a phone number is `+` and digits")]
    NotInternational,
    /// More digits than a TP address can carry (20 semi-octets, TS 23.040 9.1.2.5).
    #[error("a phone number has at most 20 digits")]
    TooLong,
}

/// An international subscriber number: `+` and 1 to 20 digits.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Msisdn(String);

const MAX_DIGITS: usize = 20;

impl Msisdn {
    /// Reads a number as upstream's users write it: everything but `+` and digits is dropped, then it must be `+` and
    /// digits.
    ///
    /// # Errors
    /// [`MsisdnError`] if what is left is not `+` and 1 to 20 digits.
    pub fn parse(text: &str) -> Result<Self, MsisdnError> {
        let kept = strip(text);
        let Some(digits) = kept.strip_prefix('+') else {
            return Err(if kept.is_empty() { MsisdnError::Empty } else { MsisdnError::NotInternational });
        };
        check_digits(digits)?;
        Ok(Self(kept))
    }

    /// The number with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whom an SMS goes to: a subscriber, or a short code of the SIM's own network.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Recipient {
    /// `+` and digits.
    Subscriber(Msisdn),
    /// Digits only.
    ShortCode(String),
}

impl Recipient {
    /// Reads a recipient; digits alone are a short code where `allow_short_codes` says so.
    ///
    /// # Errors
    /// [`MsisdnError`] if it is neither.
    pub fn parse(text: &str, allow_short_codes: bool) -> Result<Self, MsisdnError> {
        let kept = strip(text);
        if allow_short_codes && !kept.is_empty() && !kept.starts_with('+') {
            check_digits(&kept)?;
            return Ok(Self::ShortCode(kept));
        }
        Msisdn::parse(text).map(Self::Subscriber)
    }

    /// As dialled: with `+` for a subscriber, bare digits for a short code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Subscriber(number) => number.as_str(),
            Self::ShortCode(digits) => digits,
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The start of numbers a SIM may send to: `+` and digits, as in the `prefixes` key.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix(String);

impl Prefix {
    /// Reads a prefix; blanks around it are dropped.
    ///
    /// # Errors
    /// [`MsisdnError`] if it is not `+` (optionally with digits behind) or digits.
    pub fn parse(text: &str) -> Result<Self, MsisdnError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(MsisdnError::Empty);
        }
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !digits.is_empty() {
            check_digits(digits)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `number` starts with this prefix.
    #[must_use]
    pub fn matches(&self, number: &str) -> bool {
        number.starts_with(&self.0)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An International Mobile Equipment Identity: 14 to 17 digits (15 with check digit; TS 23.003 6.2).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Imei(String);

impl Imei {
    /// Reads an IMEI, with or without quotes and blanks around it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().trim_matches('"').trim();
        let plausible = (14..=17).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plausible.then(|| Self(digits.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Imei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn strip(text: &str) -> String {
    text.chars().filter(|c| *c == '+' || c.is_ascii_digit()).collect()
}

fn check_digits(digits: &str) -> Result<(), MsisdnError> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MsisdnError::NotInternational);
    }
    if digits.len() > MAX_DIGITS {
        return Err(MsisdnError::TooLong);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_separators_and_need_a_plus() {
        for (text, expected) in [
            ("+49 176 / 0000-000", Ok("+491760000000")),
            ("0176 1", Err(MsisdnError::NotInternational)),
            ("", Err(MsisdnError::Empty)),
            ("+", Err(MsisdnError::NotInternational)),
            ("+4+9", Err(MsisdnError::NotInternational)),
            ("+123456789012345678901", Err(MsisdnError::TooLong)),
        ] {
            assert_eq!(Msisdn::parse(text).as_ref().map(Msisdn::as_str), expected.as_ref().copied(), "{text:?}");
        }
    }

    #[test]
    fn short_codes_only_where_allowed() {
        assert_eq!(Recipient::parse("12 34", true), Ok(Recipient::ShortCode("1234".into())));
        assert_eq!(Recipient::parse("1234", false), Err(MsisdnError::NotInternational));
    }

    #[test]
    fn imei_may_be_quoted() {
        for text in ["861536030196001", " \"861536030196001\"\r"] {
            assert_eq!(Imei::parse(text).as_ref().map(Imei::as_str), Some("861536030196001"), "{text:?}");
        }
        for text in ["", "ERROR", "12345", "86153603019600x"] {
            assert_eq!(Imei::parse(text), None, "{text:?}");
        }
    }
}
