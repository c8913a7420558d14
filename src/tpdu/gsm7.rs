//! The GSM 7 bit default alphabet, its extension table, the national tables in their place, and the packing of septets
//! (TS 23.038 6.1.2, 6.2.1).

use super::national::{self, Language, LockingShift, Runs};

/// The septet before a character of the extension table.
pub(super) const ESCAPE: u8 = 0x1b;

/// Septets of `text` in the default alphabet and its extension table.
///
/// # Errors
/// The first character that is in neither.
pub fn encode(text: &str) -> Result<Vec<u8>, char> {
    let mut septets = Vec::with_capacity(text.len());
    for character in text.chars() {
        match Tables::default().code(character).ok_or(character)? {
            Code::Plain(septet) => septets.push(septet),
            Code::Escaped(septet) => septets.extend([ESCAPE, septet]),
        }
    }
    Ok(septets)
}

/// Text of septets in the default alphabet and its extension table.
#[must_use]
pub fn decode(septets: &[u8]) -> String {
    Tables::default().text(septets)
}

/// Packs septets into octets, the first into the low bits; spare bits at the end are zero.
#[must_use]
pub fn pack(septets: &[u8]) -> Vec<u8> {
    pack_behind(0, septets)
}

/// Unpacks at most `count` septets.
#[must_use]
pub fn unpack(octets: &[u8], count: usize) -> Vec<u8> {
    unpack_behind(0, octets, count)
}

/// Packs behind `fill` zero bits (0 to 6), which let septets after a header start where a septet would.
pub(super) fn pack_behind(fill: u32, septets: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity((septets.len() * 7).div_ceil(8) + 1);
    let (mut bits, mut count) = (0_u32, fill);
    for septet in septets {
        bits |= u32::from(septet & 0x7f) << count;
        count += 7;
        while count >= 8 {
            octets.push(low_octet(bits));
            bits >>= 8;
            count -= 8;
        }
    }
    // Fill bits without a septet behind them are no octet.
    if count > 0 && !septets.is_empty() {
        octets.push(low_octet(bits));
    }
    octets
}

/// Unpacks at most `count` septets from behind `fill` bits (0 to 6).
pub(super) fn unpack_behind(fill: u32, octets: &[u8], count: usize) -> Vec<u8> {
    let mut septets = Vec::with_capacity(count.min(octets.len() * 8 / 7 + 1));
    let (mut bits, mut held, mut skip) = (0_u32, 0, fill);
    for octet in octets {
        bits |= u32::from(*octet) << held;
        held += 8;
        bits >>= skip;
        held -= skip;
        skip = 0;
        while held >= 7 && septets.len() < count {
            septets.push(low_octet(bits) & 0x7f);
            bits >>= 7;
            held -= 7;
        }
        if septets.len() == count {
            break;
        }
    }
    septets
}

/// The tables a text is read and written with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tables {
    /// In place of the default alphabet.
    pub(super) locking: Option<Language>,
    /// In place of the extension table.
    pub(super) single: Option<Language>,
}

/// How a character is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Code {
    /// By this septet.
    Plain(u8),
    /// By the escape and this septet.
    Escaped(u8),
}

impl Tables {
    /// The septets that write `character`; none if it is in neither table.
    pub(super) fn code(self, character: char) -> Option<Code> {
        if let Some(septet) = self.plain_septet(character) {
            return Some(Code::Plain(septet));
        }
        let septet = match self.single {
            None => national::septet(EXTENSION, character),
            Some(language) => {
                let [first, second] = language.single_shift();
                national::septet(first, character).or_else(|| national::septet(second, character))
            }
        };
        septet.map(Code::Escaped)
    }

    /// The text of `septets`. An escaped septet that is not in the extension or single shift table reads as if it were
    /// not escaped; an escape that is escaped, and a septet a locking shift table leaves open, read as a blank
    /// (6.2.1.1, A.3). An escape at the very end reads as nothing.
    pub(super) fn text(self, septets: &[u8]) -> String {
        let mut text = String::with_capacity(septets.len());
        let mut escaped = false;
        for &septet in septets {
            match (escaped, septet) {
                (false, ESCAPE) => {
                    escaped = true;
                    continue;
                }
                (true, ESCAPE) => text.push(' '),
                (true, _) => text.push(self.escaped(septet).unwrap_or_else(|| self.plain(septet))),
                (false, _) => text.push(self.plain(septet)),
            }
            escaped = false;
        }
        text
    }

    fn plain(self, septet: u8) -> char {
        let default = || DEFAULT.get(usize::from(septet)).copied().unwrap_or(' ');
        match self.locking.map_or(LockingShift::None, Language::locking_shift) {
            LockingShift::None => default(),
            LockingShift::Changes(runs) => national::character(runs, septet).unwrap_or_else(default),
            LockingShift::Whole([first, second]) => {
                national::character(first, septet).or_else(|| national::character(second, septet)).unwrap_or(' ')
            }
        }
    }

    fn escaped(self, septet: u8) -> Option<char> {
        match self.single {
            None => national::character(EXTENSION, septet),
            Some(language) => {
                let [first, second] = language.single_shift();
                national::character(first, septet).or_else(|| national::character(second, septet))
            }
        }
    }

    fn plain_septet(self, character: char) -> Option<u8> {
        match self.locking.map_or(LockingShift::None, Language::locking_shift) {
            LockingShift::None => default_septet(character),
            LockingShift::Changes(runs) => national::septet(runs, character)
                .or_else(|| default_septet(character).filter(|&septet| national::character(runs, septet).is_none())),
            LockingShift::Whole([first, second]) => {
                national::septet(first, character).or_else(|| national::septet(second, character))
            }
        }
    }
}

fn default_septet(character: char) -> Option<u8> {
    // Letters and digits, nearly all of any text, are where ASCII has them.
    if character.is_ascii_alphanumeric() {
        return u8::try_from(character).ok();
    }
    let position = DEFAULT.iter().position(|&c| c == character)?;
    u8::try_from(position).ok().filter(|&septet| septet != ESCAPE)
}

fn low_octet(bits: u32) -> u8 {
    let [octet, ..] = bits.to_le_bytes();
    octet
}

/// The GSM 7 bit default alphabet (6.2.1); 0x1b is the escape, which is never shown.
#[rustfmt::skip]
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table (6.2.1.1). 0x0a is the page break; 0x0d, a control code, and 0x1b, the way to a further table
/// nobody has defined, have no character.
const EXTENSION: Runs =
    &[(0x0a, "\u{c}"), (0x14, "^"), (0x28, "{}"), (0x2f, "\\"), (0x3c, "[~]"), (0x40, "|"), (0x65, "€")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing() {
        for (text, octets) in [
            ("", vec![]),
            ("123", vec![0x31, 0xd9, 0x0c]),
            ("12345678", vec![0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x70]),
            ("123456789", vec![0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x70, 0x39]),
            ("Hello World!", vec![0xc8, 0x32, 0x9b, 0xfd, 0x06, 0x5d, 0xdf, 0x72, 0x36, 0x39, 0x04]),
            ("[{abc}]~", vec![0x1b, 0xde, 0x06, 0x15, 0x16, 0x8f, 0x37, 0xa9, 0x8d, 0x6f, 0xd3, 0x03]),
        ] {
            let septets = encode(text).unwrap();
            assert_eq!(pack(&septets), octets, "{text}");
            assert_eq!(unpack(&octets, septets.len()), septets, "{text}");
            assert_eq!(decode(&septets), text);
        }
    }

    #[test]
    fn fill_bits_are_skipped_whatever_their_number() {
        let septets: Vec<u8> = (0..40).collect();
        for fill in 0..7 {
            for count in 0..septets.len() {
                let octets = pack_behind(fill, &septets[..count]);
                assert_eq!(unpack_behind(fill, &octets, count), &septets[..count], "{fill} {count}");
            }
        }
    }

    #[test]
    fn asking_for_more_than_there_is_gives_what_there_is() {
        assert_eq!(unpack(&[0x31, 0xd9], 10), [0x31, 0x32]);
        assert!(unpack(&[], 255).is_empty());
        assert!(unpack_behind(6, &[0xff], 1).is_empty());
    }

    #[test]
    fn every_character_of_the_default_tables_goes_both_ways() {
        for septet in (0..0x80).filter(|&s| s != ESCAPE) {
            let text = decode(&[septet]);
            assert_eq!(encode(&text), Ok(vec![septet]), "{septet:#04x}");
        }
        for text in ["\u{c}", "^", "{", "}", "\\", "[", "~", "]", "|", "€"] {
            let septets = encode(text).unwrap();
            assert_eq!((septets.len(), septets[0]), (2, ESCAPE), "{text}");
            assert_eq!(decode(&septets), text);
        }
    }

    #[test]
    fn what_the_tables_lack_cannot_be_written() {
        for (text, missing) in [("`", '`'), ("a\u{1b}", '\u{1b}'), ("çok", 'ç'), ("Ł", 'Ł'), ("\t", '\t'), ("😀", '😀')]
        {
            assert_eq!(encode(text), Err(missing), "{text}");
        }
        assert_eq!(encode("§"), Ok(vec![0x5f]));
    }

    #[test]
    fn odd_escapes_read_as_the_standard_says() {
        for (septets, text) in [
            (vec![0x1b, 0x41], "A"), // not in the extension table
            (vec![0x1b, 0x1b], " "), // way to a further table
            (vec![0x1b, 0x1b, 0x65], " e"),
            (vec![0x1b, 0x0d], "\r"),    // control code
            (vec![0x1b, 0x0a], "\u{c}"), // page break
            (vec![0x41, 0x1b], "A"),     // nothing behind it
            (vec![0x1b, 0x65, 0x65], "€e"),
        ] {
            assert_eq!(decode(&septets), text, "{septets:?}");
        }
    }

    #[test]
    fn national_tables_replace_the_default_ones() {
        let turkish = Some(Language::Turkish);
        let hindi = Some(Language::Hindi);
        for (locking, single, septets, text) in [
            (None, turkish, vec![0x1b, 0x67], "ğ"),
            (None, turkish, vec![0x67], "g"),
            (None, turkish, vec![0x1b, 0x41], "A"),
            (turkish, None, vec![0x0c, 0x41], "ğA"),
            (turkish, None, vec![0x1b, 0x65], "€"),
            (turkish, None, vec![0x1b, 0x0c], "ğ"), // falls back to the locking shift table
            (hindi, hindi, vec![0x00, 0x1b, 0x41, 0x61], "\u{901}Aa"),
            (Some(Language::Tamil), None, vec![0x00], " "),   // left open
            (Some(Language::Spanish), None, vec![0x41], "A"), // has no locking shift table
        ] {
            assert_eq!(Tables { locking, single }.text(&septets), text, "{locking:?} {single:?} {septets:?}");
        }
    }

    /// Each character of each pair of tables is read as what was written, so no table hides another's characters.
    #[test]
    fn every_character_of_every_pair_of_tables_goes_both_ways() {
        let languages = || [None].into_iter().chain(Language::ALL.map(Some));
        for locking in languages() {
            for single in languages() {
                let tables = Tables { locking, single };
                for septet in (0..0x80).filter(|&s| s != ESCAPE) {
                    for read in [tables.text(&[septet]), tables.text(&[ESCAPE, septet])] {
                        let character = read.chars().next().unwrap();
                        let septets = match tables.code(character).unwrap() {
                            Code::Plain(septet) => vec![septet],
                            Code::Escaped(septet) => vec![ESCAPE, septet],
                        };
                        assert_eq!(tables.text(&septets), read, "{tables:?} {septet:#04x}");
                    }
                }
            }
        }
    }
}
