//! What goes between the quotes of `AT+CUSD` (TS 27.007 7.15). Reading what comes back is [`crate::ussd`]'s business.

use super::{Charset, UssdStyle};
use crate::tpdu::{gsm7, hex};

/// CR as a septet: padding (TS 23.038 6.1.2.3.1).
const CR: u8 = 0x0d;

/// A USSD code: 1 to 182 of `0-9*#+` (TS 23.038: 160 octets hold 182 septets).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UssdCode(String);

/// Why a string is no USSD code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a USSD code is 1 to 182 of the characters 0-9 * # +")]
pub struct UssdCodeError;

impl UssdCode {
    /// Most characters a code may have.
    pub const MAX: usize = 182;

    /// Checks a code.
    ///
    /// # Errors
    /// [`UssdCodeError`] for anything but 1 to 182 of `0-9*#+`.
    pub fn parse(text: &str) -> Result<Self, UssdCodeError> {
        let fits = (1..=Self::MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#' | b'+'));
        if fits { Ok(Self(text.to_owned())) } else { Err(UssdCodeError) }
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A code as it goes between the quotes of `AT+CUSD`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UssdRequest(String);

impl UssdRequest {
    /// Writes a code for a modem.
    #[must_use]
    pub fn encode(code: &UssdCode, charset: Charset, style: UssdStyle) -> Self {
        match (style, charset) {
            (UssdStyle::Charset, Charset::Gsm) => Self(code.0.clone()),
            (UssdStyle::Charset, Charset::Ucs2) => Self(code.0.bytes().map(|b| format!("{b:04X}")).collect()),
            (UssdStyle::Packed, _) => Self(hex::encode(&packed(code.0.as_bytes()))),
        }
    }

    /// The characters between the quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn packed(septets: &[u8]) -> Vec<u8> {
    let mut septets = septets.to_vec();
    // Seven spare bits would read as an @: a CR fills them.
    if septets.len() % 8 == 7 {
        septets.push(CR);
    }
    gsm7::pack(&septets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_digits_and_signs() {
        for (code, fits) in
            [("*100#", true), ("+1", true), ("", false), ("*1a#", false), ("1\r", false), ("*\"", false)]
        {
            assert_eq!(UssdCode::parse(code).is_ok(), fits, "{code:?}");
        }
        assert!(UssdCode::parse(&"1".repeat(182)).is_ok());
        assert!(UssdCode::parse(&"1".repeat(183)).is_err());
    }

    #[test]
    fn requests_by_character_set() {
        let code = UssdCode::parse("*100#").expect("a code");
        let written = |charset, style| UssdRequest::encode(&code, charset, style).as_str().to_owned();
        assert_eq!(written(Charset::Gsm, UssdStyle::Charset), "*100#");
        assert_eq!(written(Charset::Ucs2, UssdStyle::Charset), "002A0031003000300023");
        assert_eq!(written(Charset::Gsm, UssdStyle::Packed), "AA180C3602");
    }

    #[test]
    fn seven_spare_bits_are_filled_with_a_carriage_return() {
        assert_eq!(packed(b"1234567"), [0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x1a]);
        assert_eq!(packed(b"12345678"), [0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x70]);
    }
}
