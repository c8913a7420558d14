//! Fillers for texts: as long as what they replace and written the same way (plain, UCS2 in hex, packed septets in hex).

use crate::tpdu::{gsm7, hex};

/// What stands for a character.
pub(super) const FILLER: u8 = b'x';

/// Replaces letters by `x` and digits by `0`; blanks and a few signs show the shape of a text and stay.
pub(super) fn mask_plain(octets: &[u8], kept: &[u8]) -> Vec<u8> {
    octets.iter().map(|&octet| mask_octet(octet, kept)).collect()
}

/// Replaces every letter and digit by one of its kind.
pub(super) fn mask_words(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0'..='9' => '0',
            'A'..='Z' => 'X',
            ' '..='~' if !c.is_ascii_alphabetic() => c,
            _ => 'x',
        })
        .collect()
}

/// Replaces a USSD string, in whichever of the ways it is written. `kept`: signs that stay where the text is plain or
/// UCS2, beside blanks.
pub(super) fn mask_ussd(octets: &[u8], kept: &[u8]) -> Vec<u8> {
    let is_hex = octets.len() >= 2 && octets.len().is_multiple_of(2) && octets.iter().all(u8::is_ascii_hexdigit);
    let decoded = std::str::from_utf8(octets).ok().filter(|_| is_hex).and_then(|text| hex::decode(text).ok());
    match decoded {
        Some(units) if is_ucs2(&units) => hex::encode(&mask_ucs2(&units, kept)).into_bytes(),
        Some(packed) if !octets.iter().all(u8::is_ascii_digit) => {
            hex::encode(&gsm7::pack(&vec![FILLER; packed.len() * 8 / 7])).into_bytes()
        }
        _ => mask_plain(octets, kept),
    }
}

/// UCS2 in hex with small characters, as numbers are written when the character set is UCS2.
pub(super) fn ucs2_ascii(text: &str) -> Option<String> {
    let octets = hex::decode(text).ok().filter(|octets| octets.len() >= 2 && octets.len().is_multiple_of(2))?;
    octets
        .chunks_exact(2)
        .map(|unit| match unit {
            [0, low @ b' '..=b'~'] => Some(char::from(*low)),
            _ => None,
        })
        .collect()
}

fn mask_octet(octet: u8, kept: &[u8]) -> u8 {
    match octet {
        b'0'..=b'9' => b'0',
        b' ' | b'\r' | b'\n' => octet,
        _ if kept.contains(&octet) => octet,
        _ => FILLER,
    }
}

fn mask_ucs2(units: &[u8], kept: &[u8]) -> Vec<u8> {
    units
        .chunks_exact(2)
        .flat_map(|unit| match unit {
            [0, low] => [0, mask_octet(*low, kept)],
            _ => [0, FILLER],
        })
        .collect()
}

/// Most units are of alphabets with small numbers.
fn is_ucs2(octets: &[u8]) -> bool {
    let small = octets.chunks_exact(2).filter(|unit| unit.first().is_some_and(|high| *high <= 0x06)).count();
    octets.len().is_multiple_of(2) && small * 4 >= octets.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ussd_strings_keep_length_and_dress() {
        for (text, masked) in [
            ("*104*1234567#", "*000*0000000#"),
            ("Guthaben: 5,20 EUR", "xxxxxxxxx 0x00 xxx"),
            ("002A0031003000300023", "002A0030003000300023"),
            ("0411043004330430", "0078007800780078"),
            ("AA180C3602", "783C1E8F07"),
            ("12345678", "00000000"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(mask_ussd(text.as_bytes(), b"*#")).unwrap(), masked, "{text}");
        }
        assert_eq!(mask_ussd(b"betr\xe4gt", b""), b"xxxxxxx");
    }

    #[test]
    fn numbers_in_ucs2() {
        assert_eq!(ucs2_ascii("002B00340039").as_deref(), Some("+49"));
        for text in ["+49", "0411", "491", ""] {
            assert_eq!(ucs2_ascii(text), None, "{text}");
        }
    }
}
