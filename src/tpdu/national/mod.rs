//! National language tables (TS 23.038 annex A) and their identifiers: facts only, no reading or packing of septets.
//!
//! A table is written as runs: a septet, and the characters from it on.

mod bengali;
mod gujarati;
mod hindi;
mod kannada;
mod malayalam;
mod oriya;
mod portuguese;
mod punjabi;
mod spanish;
mod tamil;
mod telugu;
mod turkish;
mod urdu;

/// A table, or a part of one: first septet of each run, and its characters.
pub(super) type Runs = &'static [(u8, &'static str)];

/// What a language has in place of the default tables.
#[derive(Clone, Copy, Debug)]
pub(super) enum LockingShift {
    /// No table.
    None,
    /// The default alphabet but for these.
    Changes(Runs),
    /// These and nothing else.
    Whole([Runs; 2]),
}

/// A national language identifier (TS 23.038 6.2.1.2.4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Language {
    /// 1.
    Turkish,
    /// 2: single shift only.
    Spanish,
    /// 3.
    Portuguese,
    /// 4, and Assamese.
    Bengali,
    /// 5.
    Gujarati,
    /// 6.
    Hindi,
    /// 7.
    Kannada,
    /// 8.
    Malayalam,
    /// 9.
    Oriya,
    /// 10.
    Punjabi,
    /// 11.
    Tamil,
    /// 12.
    Telugu,
    /// 13.
    Urdu,
}

impl Language {
    /// Every language, in the order of the identifiers from 1.
    pub const ALL: [Self; 13] = [
        Self::Turkish,
        Self::Spanish,
        Self::Portuguese,
        Self::Bengali,
        Self::Gujarati,
        Self::Hindi,
        Self::Kannada,
        Self::Malayalam,
        Self::Oriya,
        Self::Punjabi,
        Self::Tamil,
        Self::Telugu,
        Self::Urdu,
    ];

    /// The language of an identifier; `None` for the reserved ones.
    #[must_use]
    pub fn from_identifier(identifier: u8) -> Option<Self> {
        Self::ALL.get(usize::from(identifier).checked_sub(1)?).copied()
    }

    /// Its identifier.
    #[must_use]
    pub fn identifier(self) -> u8 {
        match self {
            Self::Turkish => 1,
            Self::Spanish => 2,
            Self::Portuguese => 3,
            Self::Bengali => 4,
            Self::Gujarati => 5,
            Self::Hindi => 6,
            Self::Kannada => 7,
            Self::Malayalam => 8,
            Self::Oriya => 9,
            Self::Punjabi => 10,
            Self::Tamil => 11,
            Self::Telugu => 12,
            Self::Urdu => 13,
        }
    }

    /// Its single shift table, in parts.
    pub(super) fn single_shift(self) -> [Runs; 2] {
        match self {
            Self::Turkish => [turkish::SINGLE_SHIFT, &[]],
            Self::Spanish => [spanish::SINGLE_SHIFT, &[]],
            Self::Portuguese => [portuguese::SINGLE_SHIFT, &[]],
            Self::Bengali => [INDIC_SINGLE_SHIFT, bengali::SINGLE_SHIFT],
            Self::Gujarati => [INDIC_SINGLE_SHIFT, gujarati::SINGLE_SHIFT],
            Self::Hindi => [INDIC_SINGLE_SHIFT, hindi::SINGLE_SHIFT],
            Self::Kannada => [INDIC_SINGLE_SHIFT, kannada::SINGLE_SHIFT],
            Self::Malayalam => [INDIC_SINGLE_SHIFT, malayalam::SINGLE_SHIFT],
            Self::Oriya => [INDIC_SINGLE_SHIFT, oriya::SINGLE_SHIFT],
            Self::Punjabi => [INDIC_SINGLE_SHIFT, punjabi::SINGLE_SHIFT],
            Self::Tamil => [INDIC_SINGLE_SHIFT, tamil::SINGLE_SHIFT],
            Self::Telugu => [INDIC_SINGLE_SHIFT, telugu::SINGLE_SHIFT],
            Self::Urdu => [INDIC_SINGLE_SHIFT, urdu::SINGLE_SHIFT],
        }
    }

    /// Its locking shift table.
    pub(super) fn locking_shift(self) -> LockingShift {
        let whole = |own| LockingShift::Whole([INDIC_LOCKING_SHIFT, own]);
        match self {
            Self::Turkish => LockingShift::Changes(turkish::LOCKING_SHIFT),
            Self::Spanish => LockingShift::None,
            Self::Portuguese => LockingShift::Changes(portuguese::LOCKING_SHIFT),
            Self::Bengali => whole(bengali::LOCKING_SHIFT),
            Self::Gujarati => whole(gujarati::LOCKING_SHIFT),
            Self::Hindi => whole(hindi::LOCKING_SHIFT),
            Self::Kannada => whole(kannada::LOCKING_SHIFT),
            Self::Malayalam => whole(malayalam::LOCKING_SHIFT),
            Self::Oriya => whole(oriya::LOCKING_SHIFT),
            Self::Punjabi => whole(punjabi::LOCKING_SHIFT),
            Self::Tamil => whole(tamil::LOCKING_SHIFT),
            Self::Telugu => whole(telugu::LOCKING_SHIFT),
            Self::Urdu => whole(urdu::LOCKING_SHIFT),
        }
    }
}

/// The character of a septet.
pub(super) fn character(runs: Runs, septet: u8) -> Option<char> {
    runs.iter().rev().find(|(first, _)| *first <= septet).and_then(|(first, characters)| {
        let position = usize::from(septet.checked_sub(*first)?);
        characters.chars().nth(position)
    })
}

/// The first septet of a character.
pub(super) fn septet(runs: Runs, character: char) -> Option<u8> {
    runs.iter().find_map(|(first, characters)| {
        let position = characters.chars().position(|c| c == character)?;
        first.checked_add(u8::try_from(position).ok()?)
    })
}

/// What the single shift tables of the languages of India and Pakistan have in common.
const INDIC_SINGLE_SHIFT: Runs = &[
    (0x00, "@\u{a3}$\u{a5}\u{bf}\"\u{a4}%&'\u{c}*+"),
    (0x0e, "-/"),
    (0x10, "<=>\u{a1}^\u{a1}_#*"),
    (0x28, "{}"),
    (0x2f, "\\"),
    (0x3c, "[~]"),
    (0x40, "|ABCDEFGHIJKLMNO"),
    (0x50, "PQRSTUVWXYZ"),
    (0x65, "\u{20ac}"),
];

/// What the locking shift tables of the languages of India and Pakistan have in common.
const INDIC_LOCKING_SHIFT: Runs = &[
    (0x0a, "\n"),
    (0x0d, "\r"),
    (0x20, " !"),
    (0x28, ")("),
    (0x2c, ","),
    (0x2e, "."),
    (0x30, "0123456789:;"),
    (0x3f, "?"),
    (0x61, "abcdefghijklmno"),
    (0x70, "pqrstuvwxyz"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn identifiers_go_both_ways() {
        for (identifier, language) in (1..).zip(Language::ALL) {
            assert_eq!(language.identifier(), identifier);
            assert_eq!(Language::from_identifier(identifier), Some(language));
        }
        for reserved in [0, 14, 255] {
            assert_eq!(Language::from_identifier(reserved), None);
        }
    }

    /// Runs in order, without overlap, within 7 bits, and off the escape: what `character` relies on.
    #[test]
    fn runs_are_ordered_and_in_range() {
        for language in Language::ALL {
            let locking = match language.locking_shift() {
                LockingShift::None => vec![],
                LockingShift::Changes(runs) => vec![runs],
                LockingShift::Whole(parts) => parts.to_vec(),
            };
            for runs in language.single_shift().into_iter().chain(locking) {
                let mut next = 0;
                for (first, characters) in runs {
                    assert!(*first >= next, "{language:?} {first:#04x}");
                    next = first + u8::try_from(characters.chars().count()).unwrap();
                    assert!(next <= 0x80, "{language:?} {first:#04x}");
                    assert!(!(*first..next).contains(&0x1b), "{language:?} {first:#04x}");
                }
            }
        }
    }

    /// The shared and the own part of a table never tell different characters for one septet, and no character is
    /// twice in a locking shift table.
    #[test]
    fn parts_do_not_contradict() {
        for language in Language::ALL {
            let [shared, own] = language.single_shift();
            for septet in 0..0x80 {
                assert!(
                    character(shared, septet).is_none() || character(own, septet).is_none(),
                    "{language:?} {septet}"
                );
            }
            let LockingShift::Whole([shared, own]) = language.locking_shift() else { continue };
            let mut seen = HashMap::new();
            for septet in 0..0x80 {
                let both = [character(shared, septet), character(own, septet)];
                assert!(both.iter().flatten().count() <= 1, "{language:?} {septet:#04x}");
                for c in both.into_iter().flatten() {
                    assert_eq!(seen.insert(c, septet), None, "{language:?} {c:?}");
                }
            }
        }
    }

    /// Corners of the printed tables.
    #[test]
    fn known_places() {
        let single = |language: Language, septet| {
            let [shared, own] = language.single_shift();
            character(shared, septet).or_else(|| character(own, septet))
        };
        let locking = |language: Language, septet| match language.locking_shift() {
            LockingShift::None => None,
            LockingShift::Changes(runs) => character(runs, septet),
            LockingShift::Whole([shared, own]) => character(shared, septet).or_else(|| character(own, septet)),
        };
        for (language, septet, single_shift, locking_shift) in [
            (Language::Turkish, 0x69, Some('ı'), None),
            (Language::Turkish, 0x1c, None, Some('Ş')),
            (Language::Spanish, 0x4f, Some('Ó'), None),
            (Language::Portuguese, 0x7b, Some('ã'), Some('ã')),
            (Language::Portuguese, 0x15, Some('\u{3a9}'), Some('∞')),
            (Language::Bengali, 0x19, Some('\u{9e6}'), Some('\u{999}')),
            (Language::Gujarati, 0x19, Some('\u{964}'), Some('\u{a99}')),
            (Language::Hindi, 0x00, Some('@'), Some('\u{901}')),
            (Language::Kannada, 0x24, Some('\u{cee}'), Some('\u{ca1}')),
            (Language::Malayalam, 0x34, Some('\u{d7f}'), Some('4')),
            (Language::Oriya, 0x7f, None, Some('\u{b63}')),
            (Language::Punjabi, 0x2d, Some('\u{a75}'), Some('\u{a27}')),
            (Language::Tamil, 0x24, Some('\u{bee}'), None),
            (Language::Telugu, 0x65, Some('€'), Some('e')),
            (Language::Urdu, 0x3f, Some('\u{6d4}'), Some('?')),
            (Language::Urdu, 0x7f, None, Some('\u{670}')),
        ] {
            assert_eq!(single(language, septet), single_shift, "{language:?} {septet:#04x}");
            assert_eq!(locking(language, septet), locking_shift, "{language:?} {septet:#04x}");
        }
    }
}
