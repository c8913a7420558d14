//! TP-DCS: the SMS data coding scheme (TS 23.038 clause 4).

/// TP-DCS, as the octet it is; what it says is asked of it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct DataCodingScheme(pub u8);

/// How user data is to be read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Alphabet {
    /// GSM 7 bit default alphabet, with its extension and national tables.
    Gsm7,
    /// 8 bit data, and anything compressed.
    Octets,
    /// UCS-2, in the field UTF-16, big endian.
    Ucs2,
}

/// What the receiver is to do with a message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum MessageClass {
    /// Shown at once and not stored: flash.
    Zero,
    /// Meant for the mobile equipment.
    One,
    /// Meant for the SIM.
    Two,
    /// Meant for the terminal equipment.
    Three,
}

/// A message waiting indication.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MessageWaiting {
    /// Messages wait (`true`), or none any more.
    pub active: bool,
    /// What waits.
    pub kind: WaitingKind,
    /// The text may be thrown away.
    pub discard: bool,
}

/// What waits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum WaitingKind {
    /// Voice mail.
    Voicemail,
    /// Fax.
    Fax,
    /// Electronic mail.
    Email,
    /// Something else.
    Other,
}

impl DataCodingScheme {
    /// GSM 7 bit default alphabet, no class.
    pub const GSM7: Self = Self(0x00);
    /// 8 bit data, no class.
    pub const OCTETS: Self = Self(0x04);
    /// UCS-2, no class.
    pub const UCS2: Self = Self(0x08);

    /// The general group, uncompressed, with or without a class.
    #[must_use]
    pub fn new(alphabet: Alphabet, class: Option<MessageClass>) -> Self {
        let alphabet = match alphabet {
            Alphabet::Gsm7 => Self::GSM7.0,
            Alphabet::Octets => Self::OCTETS.0,
            Alphabet::Ucs2 => Self::UCS2.0,
        };
        let class = match class {
            None => 0x00,
            Some(MessageClass::Zero) => 0x10,
            Some(MessageClass::One) => 0x11,
            Some(MessageClass::Two) => 0x12,
            Some(MessageClass::Three) => 0x13,
        };
        Self(alphabet | class)
    }

    /// The alphabet. Reserved codings are the GSM 7 bit default alphabet, as the standard wants; compressed text is
    /// octets, since nobody decompresses it.
    #[must_use]
    pub fn alphabet(self) -> Alphabet {
        match self.0 {
            // General and automatic deletion groups.
            0x00..=0x7f => match (self.is_compressed(), self.0 >> 2 & 0x03) {
                (true, _) | (_, 0x01) => Alphabet::Octets,
                (_, 0x02) => Alphabet::Ucs2,
                _ => Alphabet::Gsm7,
            },
            0xe0..=0xef => Alphabet::Ucs2,
            0xf0..=0xff if self.0 & 0x04 != 0 => Alphabet::Octets,
            _ => Alphabet::Gsm7,
        }
    }

    /// The message class, if there is one.
    #[must_use]
    pub fn class(self) -> Option<MessageClass> {
        match self.0 {
            0x00..=0x7f if self.0 & 0x10 != 0 => {}
            0xf0..=0xff => {}
            _ => return None,
        }
        Some(match self.0 & 0x03 {
            0 => MessageClass::Zero,
            1 => MessageClass::One,
            2 => MessageClass::Two,
            _ => MessageClass::Three,
        })
    }

    /// Class 0: shown at once and not stored.
    #[must_use]
    pub fn is_flash(self) -> bool {
        self.class() == Some(MessageClass::Zero)
    }

    /// Compressed with TS 23.042.
    #[must_use]
    pub fn is_compressed(self) -> bool {
        self.0 <= 0x7f && self.0 & 0x20 != 0
    }

    /// The message waiting indication, if it is one (groups 1100, 1101, 1110).
    #[must_use]
    pub fn message_waiting(self) -> Option<MessageWaiting> {
        if !matches!(self.0, 0xc0..=0xef) {
            return None;
        }
        let kind = match self.0 & 0x03 {
            0 => WaitingKind::Voicemail,
            1 => WaitingKind::Fax,
            2 => WaitingKind::Email,
            _ => WaitingKind::Other,
        };
        Some(MessageWaiting { active: self.0 & 0x08 != 0, kind, discard: self.0 <= 0xcf })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_alphabet_and_class() {
        use Alphabet::{Gsm7, Octets, Ucs2};
        use MessageClass::{One, Three, Two, Zero};
        for (octet, alphabet, class) in [
            (0x00, Gsm7, None),
            (0x01, Gsm7, None), // class bits without their flag
            (0x04, Octets, None),
            (0x08, Ucs2, None),
            (0x0c, Gsm7, None), // reserved alphabet
            (0x10, Gsm7, Some(Zero)),
            (0x15, Octets, Some(One)),
            (0x18, Ucs2, Some(Zero)),
            (0x1b, Ucs2, Some(Three)),
            (0x20, Octets, None), // compressed
            (0x28, Octets, None),
            (0x40, Gsm7, None),
            (0x48, Ucs2, None),
            (0x54, Octets, Some(Zero)),
            (0x68, Octets, None),
            (0x88, Gsm7, None), // reserved groups
            (0xb4, Gsm7, None),
            (0xc8, Gsm7, None),
            (0xd0, Gsm7, None),
            (0xe8, Ucs2, None),
            (0xf0, Gsm7, Some(Zero)),
            (0xf2, Gsm7, Some(Two)),
            (0xf5, Octets, Some(One)),
            (0xf8, Gsm7, Some(Zero)), // reserved bit 3 set
        ] {
            let scheme = DataCodingScheme(octet);
            assert_eq!((scheme.alphabet(), scheme.class()), (alphabet, class), "{octet:#04x}");
            assert_eq!(scheme.is_flash(), class == Some(Zero), "{octet:#04x}");
        }
    }

    #[test]
    fn message_waiting_groups() {
        let waiting = |active, kind, discard| Some(MessageWaiting { active, kind, discard });
        for (octet, expected) in [
            (0xc8, waiting(true, WaitingKind::Voicemail, true)),
            (0xc0, waiting(false, WaitingKind::Voicemail, true)),
            (0xd9, waiting(true, WaitingKind::Fax, false)),
            (0xe2, waiting(false, WaitingKind::Email, false)),
            (0xdf, waiting(true, WaitingKind::Other, false)),
            (0xf0, None),
            (0xb8, None),
            (0x00, None),
        ] {
            assert_eq!(DataCodingScheme(octet).message_waiting(), expected, "{octet:#04x}");
        }
    }

    #[test]
    fn schemes_built_say_what_they_were_built_of() {
        for alphabet in [Alphabet::Gsm7, Alphabet::Octets, Alphabet::Ucs2] {
            for class in [None, Some(MessageClass::Zero), Some(MessageClass::Three)] {
                let scheme = DataCodingScheme::new(alphabet, class);
                assert_eq!((scheme.alphabet(), scheme.class()), (alphabet, class));
            }
        }
    }
}
