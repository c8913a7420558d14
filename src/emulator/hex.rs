//! Text in hex as `+CUSD` carries it: UCS-2, or septets packed. TPDUs have a codec of their own.

/// Octets of hex digits.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    Some(nibbles?.chunks_exact(2).map(|pair| pair.iter().fold(0, |octet, nibble| octet << 4 | nibble)).collect())
}

pub(super) fn ucs2(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

pub(super) fn ucs2_text(octets: &[u8]) -> String {
    let units: Vec<u16> =
        octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, octet| unit << 8 | u16::from(*octet))).collect();
    String::from_utf16_lossy(&units)
}

/// Letters are ASCII but for the umlauts, which is all the network's own texts need.
pub(super) fn packed(text: &str) -> String {
    let (mut hex, mut bits, mut held) = (String::new(), 0_u32, 0);
    for letter in text.chars() {
        let septet = match letter {
            'ä' => 0x7b,
            other => u32::from(other) & 0x7f,
        };
        bits |= septet << held;
        held += 7;
        while held >= 8 {
            hex.push_str(&format!("{:02X}", bits & 0xff));
            bits >>= 8;
            held -= 8;
        }
    }
    // Seven spare bits are filled with CR, or they would read as `@` (TS 23.038 6.1.2.3.1).
    if held == 1 {
        bits |= 0x0d << held;
    }
    if held > 0 {
        hex.push_str(&format!("{bits:02X}"));
    }
    hex
}

pub(super) fn unpacked_text(octets: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::new(), 0_u32, 0);
    for octet in octets {
        bits |= u32::from(*octet) << held;
        held += 8;
        while held >= 7 {
            text.push(char::from((bits & 0x7f) as u8));
            bits >>= 7;
            held -= 7;
        }
    }
    text.trim_end_matches(['\r', '\0']).to_owned()
}
