//! USSD texts and sessions: `+CUSD: <m>[,<str>,<dcs>]` (TS 27.007 7.15, TS 23.038 clause 5).
//!
//! Modems give `<str>` as plain text, raw septets, UCS2 in hex or packed septets in hex, and do not say which: the
//! data coding scheme, the look of the string and the configured character set decide together, in that order. What a
//! text means (a balance) is not this room's business.

use crate::{
    at::{Charset, Cusd},
    tpdu::{gsm7, hex},
};

/// CR as a septet: padding and, at the very end, a real CR doubled (TS 23.038 6.1.2.3.1).
const CR: u8 = 0x0d;

/// `<m>` of `+CUSD` (TS 27.007 7.15).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionState {
    /// 0: no further action, the session is over.
    Finished,
    /// 1: the network waits for an answer.
    ActionRequired,
    /// 2: ended by the network.
    Terminated,
    /// 3: another client has answered.
    AnsweredElsewhere,
    /// 4: not supported.
    NotSupported,
    /// 5: the network did not answer in time.
    TimedOut,
    /// Anything else.
    Unknown,
}

impl SessionState {
    /// The state with this number.
    #[must_use]
    pub const fn of(status: u8) -> Self {
        match status {
            0 => Self::Finished,
            1 => Self::ActionRequired,
            2 => Self::Terminated,
            3 => Self::AnsweredElsewhere,
            4 => Self::NotSupported,
            5 => Self::TimedOut,
            _ => Self::Unknown,
        }
    }

    /// The session stays open and should be closed with `AT+CUSD=2`.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::ActionRequired)
    }

    /// Words for a person.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::ActionRequired => "the network waits for an answer",
            Self::Terminated => "terminated by the network",
            Self::AnsweredElsewhere => "another local client has responded",
            Self::NotSupported => "operation not supported",
            Self::TimedOut => "network time out",
            Self::Unknown => "unknown session state",
        }
    }
}

/// The text of a notice, empty if it has none. `hint` is the character set the modem was given with `+CSCS`.
#[must_use]
pub fn decode(cusd: &Cusd, hint: Charset) -> String {
    without_language(text_of(cusd, hint), cusd.dcs)
}

fn text_of(cusd: &Cusd, hint: Charset) -> String {
    let Some(octets) = cusd.text.as_deref() else { return String::new() };
    let look = Alphabet::of(cusd.dcs);
    let Some(bytes) =
        std::str::from_utf8(octets).ok().filter(|text| looks_like_hex(text)).and_then(|t| hex::decode(t).ok())
    else {
        return plain(octets, look);
    };
    // The scheme tells of the air interface; a modem set to UCS2 translates septets to UCS2 as well.
    match (look, hint) {
        _ if looks_like_ucs2(&bytes) => ucs2(&bytes),
        (Alphabet::Ucs2, _) if bytes.len().is_multiple_of(2) => ucs2(&bytes),
        (Alphabet::Octets, _) => latin1(&bytes),
        (Alphabet::Septets | Alphabet::Unsaid | Alphabet::Ucs2, Charset::Ucs2)
            if bytes.len().is_multiple_of(2) && looks_like_text(&ucs2(&bytes)) =>
        {
            ucs2(&bytes)
        }
        _ if octets.iter().all(u8::is_ascii_digit) => plain(octets, look),
        _ => {
            let text = unpacked(&bytes);
            if looks_like_text(&text) { text } else { plain(octets, look) }
        }
    }
}

/// Cuts the language that two schemes put before the text, where the modem has not done so: two letters and CR before
/// septets, two packed septets in place of the first character before UCS2 (TS 23.038 clause 5).
fn without_language(text: String, dcs: Option<u8>) -> String {
    let rest = match dcs {
        Some(0x10) => match text.as_bytes() {
            [a, b, CR, ..] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => text.get(3..),
            _ => None,
        },
        Some(0x11) => {
            let mut letters = text.chars();
            let language = letters.next().and_then(|first| u16::try_from(u32::from(first)).ok()).map(u16::to_be_bytes);
            let is_language = |octets: [u8; 2]| {
                octets[1] < 0x40 && gsm7::unpack(&octets, 2).iter().all(|septet| septet.is_ascii_lowercase())
            };
            language.filter(|octets| is_language(*octets)).map(|_| letters.as_str())
        }
        _ => None,
    };
    rest.map(str::to_owned).unwrap_or(text)
}

/// What the data coding scheme says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Alphabet {
    Septets,
    Octets,
    Ucs2,
    Unsaid,
}

impl Alphabet {
    /// TS 23.038 clause 5.
    fn of(dcs: Option<u8>) -> Self {
        match dcs {
            None => Self::Unsaid,
            // 0001 0001: UCS2 with the language in its first character.
            Some(0x11) => Self::Ucs2,
            Some(dcs @ (0x40..=0x7f | 0x90..=0x9f)) => match dcs & 0x0c {
                0x04 => Self::Octets,
                0x08 => Self::Ucs2,
                _ => Self::Septets,
            },
            Some(dcs @ 0xf0..) if dcs & 0x04 != 0 => Self::Octets,
            // Not of clause 5, but what modems print for the SMS scheme of clause 4.
            Some(0x08) => Self::Ucs2,
            Some(_) => Self::Septets,
        }
    }
}

fn unpacked(octets: &[u8]) -> String {
    let mut septets = gsm7::unpack(octets, octets.len() * 8 / 7);
    if septets.len().is_multiple_of(8) && septets.last() == Some(&CR) {
        septets.pop();
    }
    gsm7::decode(&septets)
}

fn ucs2(octets: &[u8]) -> String {
    let units: Vec<u16> =
        octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, octet| unit << 8 | u16::from(*octet))).collect();
    String::from_utf16_lossy(&units)
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// Text as it stands: raw septets where it cannot be anything else, else UTF-8, else Latin-1.
fn plain(octets: &[u8], alphabet: Alphabet) -> String {
    let septets = octets.is_ascii()
        && matches!(alphabet, Alphabet::Septets | Alphabet::Unsaid)
        && octets.iter().any(|octet| is_septet_only(*octet));
    if septets {
        return gsm7::decode(octets);
    }
    std::str::from_utf8(octets).map_or_else(|_| latin1(octets), str::to_owned)
}

/// Octets that stand for something common in the GSM alphabet and for next to nothing in ASCII: `{` is `ä`, a control
/// octet a letter or sign.
const fn is_septet_only(octet: u8) -> bool {
    matches!(octet, 0..=0x09 | 0x0b | 0x0c | 0x0e..=0x1f | 0x5b..=0x5e | 0x60 | 0x7b..=0x7f)
}

fn looks_like_hex(text: &str) -> bool {
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// At least half of it is ASCII, or it is all of one of the blocks from Greek to Arabic with ASCII between.
fn looks_like_ucs2(octets: &[u8]) -> bool {
    let pairs = octets.chunks_exact(2);
    let of_block = |block: u8| {
        let foreign = pairs.clone().filter(|pair| pair.first() == Some(&block)).count();
        foreign >= 3 && pairs.clone().all(|pair| matches!(pair, [high, _] if *high == 0 || *high == block))
    };
    if octets.len().is_multiple_of(2) && (0x03..=0x06).any(of_block) {
        return true;
    }
    let ascii = pairs.clone().filter(|pair| matches!(pair, [0, low] if *low >= 0x20 || *low == 0x0a || *low == 0x0d));
    octets.len() >= 2 && octets.len().is_multiple_of(2) && ascii.count() * 2 >= pairs.len()
}

fn looks_like_text(text: &str) -> bool {
    let odd = |c: &char| *c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\n' | '\r' | '\u{c}'));
    !text.is_empty() && !text.chars().any(|c| odd(&c) || ('\u{e000}'..='\u{f8ff}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cusd(text: &[u8], dcs: u8) -> Cusd {
        Cusd { status: 0, text: Some(text.to_vec()), dcs: Some(dcs) }
    }

    #[test]
    fn texts_in_every_dress() {
        for (text, dcs, hint, expected) in [
            (b"Balance: 12,34 EUR".as_slice(), 15, Charset::Gsm, "Balance: 12,34 EUR"),
            (b"betr{gt 5\x1be", 15, Charset::Gsm, "beträgt 5€"),
            ("beträgt 5€".as_bytes(), 15, Charset::Gsm, "beträgt 5€"),
            (b"betr\xe4gt", 72, Charset::Gsm, "beträgt"),
            (b"00620065007400720065", 72, Charset::Ucs2, "betre"),
            (b"0411043004330430", 72, Charset::Ucs2, "Бага"),
            (b"0411043004330430", 72, Charset::Gsm, "Бага"),
            (b"AA180C3602", 15, Charset::Gsm, "*100#"),
            (b"AA180C3602", 15, Charset::Ucs2, "*100#"),
            (b"12345678", 15, Charset::Gsm, "12345678"),
            (b"31323334", 0x44, Charset::Gsm, "1234"),
        ] {
            assert_eq!(decode(&cusd(text, dcs), hint), expected, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(decode(&Cusd { status: 4, text: None, dcs: None }, Charset::Gsm), "");
    }

    #[test]
    fn schemes_that_are_missing_or_wrong_and_languages() {
        let hex = |text: &str| -> String { text.encode_utf16().map(|unit| format!("{unit:04X}")).collect() };
        let packed = |text: &str| hex::encode(&gsm7::pack(&gsm7::encode(text).unwrap()));
        let with_language = format!("6537{}", hex("Баланс 5"));
        for (name, text, dcs, hint, expected) in [
            ("no scheme, plain", "Balance: 5".to_owned(), None, Charset::Gsm, "Balance: 5"),
            ("no scheme, UCS2", hex("Balance: 5€"), None, Charset::Gsm, "Balance: 5€"),
            ("no scheme, Cyrillic", hex("Баланс 5"), None, Charset::Gsm, "Баланс 5"),
            ("no scheme, packed", packed("Guthaben 5,00"), None, Charset::Gsm, "Guthaben 5,00"),
            ("septets said, UCS2 meant", hex("Ваш баланс: 12,34"), Some(15), Charset::Gsm, "Ваш баланс: 12,34"),
            ("septets said, Greek meant", hex("Υπόλοιπο"), Some(15), Charset::Gsm, "Υπόλοιπο"),
            ("septets said, Arabic meant", hex("رصيدك 5"), Some(0), Charset::Gsm, "رصيدك 5"),
            ("UCS2 said, plain meant", "Balance: 5".to_owned(), Some(72), Charset::Gsm, "Balance: 5"),
            ("the terminal's UCS2", hex("Guthaben: 12,34 €"), Some(15), Charset::Ucs2, "Guthaben: 12,34 €"),
            ("packed in the terminal's UCS2", packed("*100#"), Some(15), Charset::Ucs2, "*100#"),
            ("surrogates", hex("ok 😀"), Some(72), Charset::Gsm, "ok 😀"),
            ("Chinese", hex("余额5元"), Some(72), Charset::Gsm, "余额5元"),
            ("packed with the padding CR", packed("1234567\r"), Some(15), Charset::Gsm, "1234567"),
            ("language before septets", "en\rBalance".to_owned(), Some(0x10), Charset::Gsm, "Balance"),
            ("language before packed septets", packed("de\rGuthaben 5"), Some(0x10), Charset::Gsm, "Guthaben 5"),
            ("language already cut", "Balance".to_owned(), Some(0x10), Charset::Gsm, "Balance"),
            ("language before UCS2", with_language, Some(0x11), Charset::Gsm, "Баланс 5"),
            ("no language before UCS2", hex("Баланс 5"), Some(0x11), Charset::Gsm, "Баланс 5"),
            ("no language, Chinese", hex("余额5元"), Some(0x11), Charset::Gsm, "余额5元"),
            ("class 0 septets", "Balance".to_owned(), Some(0xf0), Charset::Gsm, "Balance"),
            ("the SMS scheme", hex("Баланс"), Some(8), Charset::Gsm, "Баланс"),
            ("a year", "2026".to_owned(), Some(15), Charset::Gsm, "2026"),
            ("lines", "1 a\n2 b".to_owned(), Some(15), Charset::Gsm, "1 a\n2 b"),
            ("half a pair", "00410".to_owned(), Some(72), Charset::Gsm, "00410"),
            ("nothing", String::new(), Some(15), Charset::Gsm, ""),
        ] {
            let found = decode(&Cusd { status: 0, text: Some(text.clone().into_bytes()), dcs }, hint);
            assert_eq!(found, expected, "{name}: {text}");
        }
    }

    #[test]
    fn padding_of_seven_spare_bits_is_a_carriage_return() {
        // Seven septets with a padding CR are seven characters; eight septets whose last is no CR are eight.
        assert_eq!(unpacked(&[0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x1a]), "1234567");
        assert_eq!(unpacked(&[0x31, 0xd9, 0x8c, 0x56, 0xb3, 0xdd, 0x70]), "12345678");
    }

    #[test]
    fn session_states() {
        assert!(SessionState::of(1).is_open());
        for status in [0, 2, 3, 4, 5, 9] {
            assert!(!SessionState::of(status).is_open());
        }
        assert_eq!(SessionState::of(4), SessionState::NotSupported);
    }
}
