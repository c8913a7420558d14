//! Hexadecimal as modems print it: either case, blanks around.

use super::error::{DecodeError, DecodeErrorKind};

/// Reads octets; blanks and control characters around the digits are no error.
///
/// # Errors
/// [`DecodeErrorKind::NotHex`] at the octet that is none.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let digits = text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).as_bytes();
    let octet = |pair: &[u8]| match *pair {
        [high, low] => Some(nibble(high)? << 4 | nibble(low)?),
        _ => None,
    };
    let not_hex = |offset| DecodeError { field: "PDU", offset, kind: DecodeErrorKind::NotHex };
    digits.chunks(2).enumerate().map(|(offset, pair)| octet(pair).ok_or_else(|| not_hex(offset))).collect()
}

/// Writes octets in upper case.
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase();
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0f)]).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_case_and_blanks_around() {
        assert_eq!(decode(" 0aFf\r\n"), Ok(vec![0x0a, 0xff]));
        assert_eq!(decode(""), Ok(vec![]));
        assert_eq!(encode(&[0x0a, 0xff]), "0AFF");
    }

    #[test]
    fn anything_else_is_an_error_at_its_octet() {
        for (text, offset) in [("00 11", 1), ("000", 1), ("0g", 0), ("é0", 0), ("+CMTI", 0)] {
            assert_eq!(decode(text).unwrap_err().offset, offset, "{text:?}");
        }
    }
}
