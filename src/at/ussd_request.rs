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

/// An answer to a network's menu: 1 to 182 characters that are the same octet in ASCII and in the GSM default alphabet,
/// without those that could end a string or a command: no quote, no semicolon, no control character.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UssdAnswer(String);

/// Why a string is no answer to a menu.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an answer is 1 to 182 letters and digits without accents, blanks, and ! # % & ' ( ) * + , - . / : < = > ?")]
pub struct UssdAnswerError;

impl UssdAnswer {
    /// Checks an answer.
    ///
    /// # Errors
    /// [`UssdAnswerError`] for anything that no modem is sure to carry.
    pub fn parse(text: &str) -> Result<Self, UssdAnswerError> {
        let carried = |b: u8| b.is_ascii_alphanumeric() || b" !#%&'()*+,-./:<=>?".contains(&b);
        let fits = (1..=UssdCode::MAX).contains(&text.len()) && text.bytes().all(carried);
        if fits { Ok(Self(text.to_owned())) } else { Err(UssdAnswerError) }
    }
}

/// A code or answer as it goes between the quotes of `AT+CUSD`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UssdRequest(String);

impl UssdRequest {
    /// Writes a code for a modem.
    #[must_use]
    pub fn encode(code: &UssdCode, charset: Charset, style: UssdStyle) -> Self {
        Self::of(&code.0, charset, style)
    }

    /// Writes an answer to a menu for a modem.
    #[must_use]
    pub fn answer(answer: &UssdAnswer, charset: Charset, style: UssdStyle) -> Self {
        Self::of(&answer.0, charset, style)
    }

    /// `text` has only characters that are their own septets.
    fn of(text: &str, charset: Charset, style: UssdStyle) -> Self {
        match (style, charset) {
            (UssdStyle::Charset, Charset::Gsm) => Self(text.to_owned()),
            (UssdStyle::Charset, Charset::Ucs2) => Self(text.bytes().map(|b| format!("{b:04X}")).collect()),
            (UssdStyle::Packed, _) => Self(hex::encode(&packed(text.as_bytes()))),
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
    fn answers_hold_nothing_that_ends_a_string_or_a_command() {
        for (text, fits) in [
            ("1", true),
            ("Max Muster, 12-34", true),
            ("*100#", true),
            ("a?b!c", true),
            ("", false),
            ("1\"", false),
            ("1\r", false),
            ("1\nAT", false),
            ("1;+CFUN=0", false),
            ("\u{1a}", false),
            ("1\u{1b}", false),
            ("a\\b", false),
            ("a@b", false),
            ("a_b", false),
            ("$5", false),
            ("grün", false),
            ("٣", false),
            ("[1]", false),
        ] {
            assert_eq!(UssdAnswer::parse(text).is_ok(), fits, "{text:?}");
        }
        assert!(UssdAnswer::parse(&"1".repeat(183)).is_err());
        // Every octet there is: what passes is the same septet, and neither quotes nor parts a command.
        let passing = (0..=u8::MAX).filter(|b| UssdAnswer::parse(&char::from(*b).to_string()).is_ok());
        for octet in passing {
            assert_eq!(gsm7::decode(&[octet]), char::from(octet).to_string(), "{octet:#04x}");
            assert!((0x20..0x7f).contains(&octet) && !matches!(octet, b'"' | b';' | b'\\'), "{octet:#04x}");
        }
    }

    #[test]
    fn requests_by_character_set() {
        let code = UssdCode::parse("*100#").expect("a code");
        let written = |charset, style| UssdRequest::encode(&code, charset, style).as_str().to_owned();
        assert_eq!(code.as_str(), "*100#");
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
