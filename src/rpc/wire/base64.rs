//! The base64 alphabet of RFC 4648 section 4, as `<base64>` uses it: line breaks and blanks are skipped (RFC 2045 6.8).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes; `None` for a foreign character, wrong padding or wrong length.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held, mut characters, mut padding) = (0_u32, 0_u32, 0_usize, 0_usize);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        characters += 1;
        if byte == b'=' {
            padding += 1;
            continue;
        }
        if padding > 0 {
            return None;
        }
        bits = (bits << 6) | digit(byte)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    (characters % 4 == 0 && padding <= 2).then_some(octets)
}

/// Encodes without line breaks.
pub(super) fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, &octet| (group << 8) | u32::from(octet)) << (8 * (3 - chunk.len()));
        for position in 0..4_usize {
            let index = usize::try_from((group >> (18 - 6 * position)) & 0x3f).unwrap_or(0);
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            text.push(if position > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

fn digit(byte: u8) -> Option<u32> {
    let position = ALPHABET.iter().position(|&letter| letter == byte)?;
    u32::try_from(position).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_section_10() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).as_deref(), Some(plain.as_bytes()), "{coded}");
        }
        assert_eq!(decode("Zm9v\n YmFy").as_deref(), Some(b"foobar".as_slice()));
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        for text in ["Zg=", "Z", "Zg==Zg==", "Zm9v!", "====", "Zm-_"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
