//! Text to segments (TS 23.040 9.2.3.24.1, TS 23.038 6.1, 6.2.1.2).
//!
//! Chooses the alphabet and where to cut. The reference number is the caller's.

use super::{
    dcs::{Alphabet, DataCodingScheme, MessageClass},
    gsm7::{Code, ESCAPE, Tables},
    national::Language,
    ucs2,
    udh::{InformationElement, UserDataHeader},
    userdata::{MAX_OCTETS, Payload, UserData},
};

/// One TPDU's share of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// TP-DCS for it.
    pub data_coding: DataCodingScheme,
    /// TP-UD for it.
    pub user_data: UserData,
}

/// Reference of a message of several segments; without effect on one that fits one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reference {
    /// 8 bits: one septet or UCS-2 unit more a segment.
    Narrow(u8),
    /// 16 bits: fewer mix-ups at the recipient.
    Wide(u16),
}

/// Which national language tables may be used for sending. Receivers that do not know them show wrong letters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alphabets {
    /// Languages whose single shift table may be used.
    pub single_shift: Vec<Language>,
    /// Languages whose locking shift table may be used.
    pub locking_shift: Vec<Language>,
}

/// Why a text has no segments.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SegmentError {
    /// More segments than one message can have.
    #[error("the text needs {parts} segments, 255 are the most")]
    TooLong {
        /// Segments it would need.
        parts: usize,
    },
}

impl Alphabets {
    /// No national table at all: the default alphabet or UCS-2.
    pub const NONE: Self = Self { single_shift: Vec::new(), locking_shift: Vec::new() };

    /// The tables worth trying: each one alone, and each language's two together. A language without a locking shift
    /// table takes room for nothing and so is never the shortest.
    fn tables(&self) -> impl Iterator<Item = Tables> {
        let locking = self.locking_shift.iter().copied();
        let singles = self.single_shift.iter().map(|&single| Tables { single: Some(single), locking: None });
        let lockings = locking.clone().map(|locking| Tables { locking: Some(locking), single: None });
        let both = locking.filter(|language| self.single_shift.contains(language));
        singles.chain(lockings).chain(both.map(|language| Tables { locking: Some(language), single: Some(language) }))
    }
}

impl Default for Alphabets {
    /// Every table there is.
    fn default() -> Self {
        Self { single_shift: Language::ALL.to_vec(), locking_shift: Language::ALL.to_vec() }
    }
}

/// Splits `text` with every national table allowed: see [`segment_with`].
///
/// # Errors
/// [`SegmentError::TooLong`] beyond 255 segments.
pub fn segment(text: &str, reference: Reference, class: Option<MessageClass>) -> Result<Vec<Segment>, SegmentError> {
    segment_with(text, reference, class, &Alphabets::default())
}

/// Splits `text`: in the GSM 7 bit default alphabet if it can be written in it; else in UCS-2, unless national tables
/// write it in fewer segments. No cut separates an escape from its septet, or the halves of a surrogate pair. The empty
/// text is one segment.
///
/// # Errors
/// [`SegmentError::TooLong`] beyond 255 segments.
pub fn segment_with(
    text: &str,
    reference: Reference,
    class: Option<MessageClass>,
    alphabets: &Alphabets,
) -> Result<Vec<Segment>, SegmentError> {
    let plan = match Plan::septets(text, Tables::default(), reference) {
        Some(plan) => plan,
        None => shortest(text, reference, alphabets),
    };
    plan.segments(reference, class)
}

/// UCS-2, or the first of the shortest plans with national tables if it is shorter.
fn shortest(text: &str, reference: Reference, alphabets: &Alphabets) -> Plan {
    let ucs2 = Plan::ucs2(text, reference);
    if ucs2.parts.len() == 1 {
        return ucs2;
    }
    let national = alphabets.tables().filter_map(|tables| Plan::septets(text, tables, reference));
    match national.min_by_key(|plan| plan.parts.len()) {
        Some(plan) if plan.parts.len() < ucs2.parts.len() => plan,
        _ => ucs2,
    }
}

/// A text in one alphabet, cut.
#[derive(Debug)]
struct Plan {
    /// Tables of a text in septets; none of one in UCS-2.
    tables: Option<Tables>,
    /// Septets or octets of each segment.
    parts: Vec<Vec<u8>>,
}

impl Plan {
    /// With these tables, if they have every character.
    fn septets(text: &str, tables: Tables, reference: Reference) -> Option<Self> {
        let units = text.chars().map(|character| tables.code(character).map(Unit::from)).collect::<Option<Vec<_>>>()?;
        let capacity = |concatenated: usize| (MAX_OCTETS - header_octets(tables, concatenated)) * 8 / 7;
        let parts = cut(&units, capacity(0), capacity(reference.element_octets()));
        Some(Self { tables: Some(tables), parts })
    }

    fn ucs2(text: &str, reference: Reference) -> Self {
        let units: Vec<Unit> = text.chars().map(Unit::from).collect();
        let capacity = |concatenated: usize| MAX_OCTETS - header_octets(Tables::default(), concatenated);
        Self { tables: None, parts: cut(&units, capacity(0), capacity(reference.element_octets())) }
    }

    fn segments(self, reference: Reference, class: Option<MessageClass>) -> Result<Vec<Segment>, SegmentError> {
        let total = u8::try_from(self.parts.len()).map_err(|_| SegmentError::TooLong { parts: self.parts.len() })?;
        let tables = self.tables.unwrap_or_default();
        let payload = |part| match self.tables {
            Some(_) => Payload::Septets(part),
            None => Payload::Octets(part),
        };
        let alphabet = self.tables.map_or(Alphabet::Ucs2, |_| Alphabet::Gsm7);
        let segment = |(sequence, part)| {
            let concatenation = (total > 1).then(|| reference.element(total, sequence));
            let elements: Vec<_> = concatenation
                .into_iter()
                .chain(tables.single.map(InformationElement::NationalSingleShift))
                .chain(tables.locking.map(InformationElement::NationalLockingShift))
                .collect();
            let header = (!elements.is_empty()).then_some(UserDataHeader { elements });
            Segment {
                data_coding: DataCodingScheme::new(alphabet, class),
                user_data: UserData { header, payload: payload(part) },
            }
        };
        Ok((1..=total).zip(self.parts).map(segment).collect())
    }
}

impl Reference {
    /// Octets of the concatenation element.
    fn element_octets(self) -> usize {
        match self {
            Self::Narrow(_) => 5,
            Self::Wide(_) => 6,
        }
    }

    fn element(self, total: u8, sequence: u8) -> InformationElement {
        let (reference, wide) = match self {
            Self::Narrow(reference) => (reference.into(), false),
            Self::Wide(reference) => (reference, true),
        };
        InformationElement::Concatenation { reference, wide, total, sequence }
    }
}

/// Octets of a header with these tables and a concatenation element of so many octets; none if it would be empty.
fn header_octets(tables: Tables, concatenation: usize) -> usize {
    const SHIFT_OCTETS: usize = 3;
    let shifts = usize::from(tables.locking.is_some()) + usize::from(tables.single.is_some());
    match shifts * SHIFT_OCTETS + concatenation {
        0 => 0,
        elements => 1 + elements,
    }
}

/// The septets or octets of one character, which no cut may separate.
#[derive(Clone, Copy, Debug)]
struct Unit {
    bytes: [u8; 4],
    length: usize,
}

impl Unit {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

impl From<Code> for Unit {
    fn from(code: Code) -> Self {
        match code {
            Code::Plain(septet) => Self { bytes: [septet, 0, 0, 0], length: 1 },
            Code::Escaped(septet) => Self { bytes: [ESCAPE, septet, 0, 0], length: 2 },
        }
    }
}

impl From<char> for Unit {
    fn from(character: char) -> Self {
        let mut unit = Self { bytes: [0; 4], length: character.len_utf16() * 2 };
        for (place, octet) in unit.bytes.iter_mut().zip(ucs2::encode(character)) {
            *place = octet;
        }
        unit
    }
}

/// One part of at most `alone`, or as many of at most `concatenated` as it takes.
fn cut(units: &[Unit], alone: usize, concatenated: usize) -> Vec<Vec<u8>> {
    let whole: usize = units.iter().map(|unit| unit.length).sum();
    let capacity = if whole <= alone { alone } else { concatenated };
    let mut parts = Vec::new();
    let mut part = Vec::with_capacity(capacity);
    for unit in units {
        if part.len() + unit.length > capacity {
            parts.push(std::mem::replace(&mut part, Vec::with_capacity(capacity)));
        }
        part.extend(unit.bytes());
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Reference = Reference::Narrow(7);
    const WIDE: Reference = Reference::Wide(0x1234);

    fn lengths(segments: &[Segment]) -> Vec<usize> {
        let length = |segment: &Segment| match &segment.user_data.payload {
            Payload::Septets(septets) => septets.len(),
            Payload::Octets(octets) => octets.len() / 2,
        };
        segments.iter().map(length).collect()
    }

    fn elements(segment: &Segment) -> &[InformationElement] {
        segment.user_data.header.as_ref().map_or(&[], |header| &header.elements)
    }

    #[test]
    fn segments_are_filled_to_the_standards_lengths() {
        for (text, reference, expected) in [
            (String::new(), NARROW, vec![0]),
            ("x".repeat(160), NARROW, vec![160]),
            ("x".repeat(161), NARROW, vec![153, 8]),
            ("x".repeat(306), NARROW, vec![153, 153]),
            ("x".repeat(307), NARROW, vec![153, 153, 1]),
            ("x".repeat(161), WIDE, vec![152, 9]),
            ("€".repeat(80), NARROW, vec![160]),
            ("€".repeat(81), NARROW, vec![152, 10]), // never half an escape pair
            ("€".repeat(81), WIDE, vec![152, 10]),
            ("ő".repeat(70), NARROW, vec![70]),
            ("ő".repeat(71), NARROW, vec![67, 4]),
            ("ő".repeat(71), WIDE, vec![66, 5]),
            ("😀".repeat(35), NARROW, vec![70]),
            ("😀".repeat(36), NARROW, vec![66, 6]), // never half a surrogate pair
            ("😀".repeat(36), WIDE, vec![66, 6]),
        ] {
            let segments = segment(&text, reference, None).unwrap();
            assert_eq!(lengths(&segments), expected, "{text} {reference:?}");
        }
    }

    #[test]
    fn several_segments_are_numbered_and_one_is_not() {
        assert_eq!(segment("hi", NARROW, None).unwrap()[0].user_data.header, None);
        for (reference, number, wide) in [(NARROW, 7, false), (WIDE, 0x1234, true)] {
            let segments = segment(&"x".repeat(400), reference, None).unwrap();
            for (sequence, segment) in (1..).zip(&segments) {
                let expected = InformationElement::Concatenation { reference: number, wide, total: 3, sequence };
                assert_eq!(elements(segment), [expected]);
            }
        }
    }

    #[test]
    fn a_class_is_told_in_either_alphabet() {
        for (text, scheme) in [("hi", 0x10), ("сейчас", 0x18)] {
            let segments = segment(text, NARROW, Some(MessageClass::Zero)).unwrap();
            assert_eq!(segments[0].data_coding, DataCodingScheme(scheme));
        }
    }

    #[test]
    fn two_hundred_and_fifty_five_segments_are_the_most() {
        assert_eq!(segment(&"x".repeat(255 * 153), NARROW, None).unwrap().len(), 255);
        let error = segment(&"x".repeat(255 * 153 + 1), NARROW, None).unwrap_err();
        assert_eq!(error, SegmentError::TooLong { parts: 256 });
    }

    #[test]
    fn national_tables_are_used_only_where_they_save_a_segment() {
        use InformationElement::{NationalLockingShift, NationalSingleShift};
        let few = "ğ".to_owned() + &"x".repeat(69);
        let some = "ğ".to_owned() + &"x".repeat(153); // 155 septets, single shift
        let many = "ğ".repeat(100); // 200 septets with single shift, 100 with locking shift
        let hindi = "\u{91c}\u{902}\u{958}".repeat(30); // U+0958 is in the single shift table only
        for (text, expected) in [
            (few.as_str(), None),
            (some.as_str(), Some(vec![NationalSingleShift(Language::Turkish)])),
            (many.as_str(), Some(vec![NationalLockingShift(Language::Turkish)])),
            (hindi.as_str(), Some(vec![NationalSingleShift(Language::Hindi), NationalLockingShift(Language::Hindi)])),
        ] {
            let segments = segment(text, NARROW, None).unwrap();
            assert_eq!(segments.len(), 1, "{text}");
            let alphabet = if expected.is_some() { Alphabet::Gsm7 } else { Alphabet::Ucs2 };
            assert_eq!(segments[0].data_coding.alphabet(), alphabet, "{text}");
            assert_eq!(elements(&segments[0]), expected.unwrap_or_default(), "{text}");
            assert_eq!(segments[0].user_data.text(segments[0].data_coding), text);

            let without = segment_with(text, NARROW, None, &Alphabets::NONE).unwrap();
            assert_eq!(without[0].data_coding.alphabet(), Alphabet::Ucs2, "{text}");
        }
    }

    /// Receivers that do not know a table show wrong letters: where UCS-2 takes no more segments, it is taken.
    #[test]
    fn national_tables_that_save_nothing_are_not_used() {
        let single_shift = Alphabets { single_shift: vec![Language::Turkish], locking_shift: vec![] };
        for (count, segments, alphabet) in [(70, 1, Alphabet::Ucs2), (71, 1, Alphabet::Gsm7), (100, 2, Alphabet::Ucs2)]
        {
            let found = segment_with(&"ğ".repeat(count), NARROW, None, &single_shift).unwrap();
            assert_eq!((found.len(), found[0].data_coding.alphabet()), (segments, alphabet), "{count}");
        }
    }

    /// Spanish has a single shift table and no other (TS 23.038 A.1): its locking shift element would say nothing.
    #[test]
    fn spanish_is_sent_without_a_locking_shift() {
        let text = "á".repeat(71);
        for (locking_shift, single_shift, expected) in [
            (
                vec![Language::Spanish],
                vec![Language::Spanish],
                Some(InformationElement::NationalSingleShift(Language::Spanish)),
            ),
            (vec![Language::Spanish], vec![], None),
        ] {
            let segments = segment_with(&text, NARROW, None, &Alphabets { single_shift, locking_shift }).unwrap();
            assert_eq!(segments.len(), if expected.is_some() { 1 } else { 2 });
            if let Some(expected) = expected {
                assert_eq!(elements(&segments[0]), [expected]);
            }
        }
    }

    #[test]
    fn national_segments_leave_room_for_their_elements() {
        let text = "ğ".to_owned() + &"x".repeat(400);
        for (reference, first) in [(NARROW, 149), (WIDE, 148)] {
            assert_eq!(lengths(&segment(&text, reference, None).unwrap())[0], first);
        }
    }
}
