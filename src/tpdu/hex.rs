//! Hexadecimal as modems print it: either case, blanks around.

use super::error::{DecodeError, DecodeErrorKind};

/// Reads octets; blanks and control characters around the digits are no error.
///
/// # Errors
/// [`DecodeErrorKind::NotHex`] at the octet that is none.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let digits = text.trim_matches(|c: char| c.is_whitespace() || c.is_control()).as_bytes();
    let not_hex = |offset| DecodeError { field: "PDU", offset, kind: DecodeErrorKind::NotHex };
    let mut octets = Vec::with_capacity(digits.len() / 2);
    for pair in digits.chunks(2) {
        let &[high, low] = pair else { return Err(not_hex(octets.len())) };
        let (Some(high), Some(low)) = (nibble(high), nibble(low)) else { return Err(not_hex(octets.len())) };
        octets.push((high << 4) + low);
    }
    Ok(octets)
}

/// Writes octets in upper case.
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 2);
    for octet in octets {
        text.push(digit(octet >> 4));
        text.push(digit(octet & 0x0f));
    }
    text
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// `nibble` is below 16.
fn digit(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 })
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
