//! UCS-2, which in the field is UTF-16, big endian (TS 23.038 6.2.3).

/// Octets of `character`: two, or four as a surrogate pair.
pub(super) fn encode(character: char) -> impl Iterator<Item = u8> {
    let mut units = [0; 2];
    let length = character.encode_utf16(&mut units).len();
    units.into_iter().take(length).flat_map(u16::to_be_bytes)
}

/// Text of octets; a surrogate without its other half becomes `�`, half a unit at the end is dropped.
pub(super) fn decode(octets: &[u8]) -> String {
    let (pairs, _) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        for text in ["", "あ叶葉", "a😀b", "\u{feff}\u{ffff}\u{10ffff}"] {
            let octets: Vec<u8> = text.chars().flat_map(encode).collect();
            assert_eq!(decode(&octets), text);
        }
    }

    #[test]
    fn halves_are_shown_as_such() {
        for (octets, text) in
            [(vec![0xd8, 0x3d], "�"), (vec![0xde, 0x00, 0x00, 0x41], "�A"), (vec![0x00, 0x41, 0x00], "A")]
        {
            assert_eq!(decode(&octets), text, "{octets:?}");
        }
    }
}
