//! TP-UDH: the user data header and its information elements (TS 23.040 9.2.3.24).

use super::{
    cursor::Cursor,
    error::{DecodeError, EncodeError},
    gsm7::Tables,
    national::Language,
};

/// The elements before the text, in their order.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct UserDataHeader {
    /// The elements.
    pub elements: Vec<InformationElement>,
}

/// One element of a user data header.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum InformationElement {
    /// The message has several segments (9.2.3.24.1, 9.2.3.24.8).
    Concatenation {
        /// The same in all segments of a message.
        reference: u16,
        /// The reference has 16 bits.
        wide: bool,
        /// Number of segments.
        total: u8,
        /// This one's number, from 1.
        sequence: u8,
    },
    /// Application ports (9.2.3.24.3, 9.2.3.24.4).
    Ports {
        /// Port at the receiver.
        destination: u16,
        /// Port at the sender.
        source: u16,
        /// The ports have 16 bits.
        wide: bool,
    },
    /// The table behind the escape septet (9.2.3.24.15).
    NationalSingleShift(Language),
    /// The table in place of the default alphabet (9.2.3.24.16).
    NationalLockingShift(Language),
    /// Any other element, or one of the above with a length or a language that is not theirs: kept as it is.
    Other {
        /// Information element identifier.
        id: u8,
        /// Its octets.
        data: Vec<u8>,
    },
    /// Octets at the end of a header that are no element. With them the standard ignores the whole header; they are
    /// kept to lose nothing.
    Malformed(Vec<u8>),
}

/// Which segment of which message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Concatenation {
    /// The same in all segments of a message.
    pub reference: u16,
    /// The reference has 16 bits.
    pub wide: bool,
    /// Number of segments.
    pub total: u8,
    /// This one's number, from 1 to `total`.
    pub sequence: u8,
}

const FIELD: &str = "TP-UDH";

impl UserDataHeader {
    /// Reads the elements, without the length octet before them (TP-UDHL). Offsets in errors count from there.
    ///
    /// # Errors
    /// [`DecodeError`] at the first element that does not fit.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(octets);
        let mut elements = Vec::new();
        while !cursor.is_empty() {
            elements.push(InformationElement::decode(&mut cursor)?);
        }
        Ok(Self { elements })
    }

    /// Reads the elements; from the first one that does not fit on they become [`InformationElement::Malformed`].
    #[must_use]
    pub fn decode_lossless(octets: &[u8]) -> Self {
        let mut cursor = Cursor::new(octets);
        let mut elements = Vec::new();
        while !cursor.is_empty() {
            let left = cursor;
            let element = InformationElement::decode(&mut cursor)
                .unwrap_or_else(|_| InformationElement::Malformed(left.rest().to_vec()));
            let malformed = matches!(element, InformationElement::Malformed(_));
            elements.push(element);
            if malformed {
                break;
            }
        }
        Self { elements }
    }

    /// Which segment of which message. Among several such elements the last one counts; one that tells no segments, or
    /// a number beyond them, is ignored, as is a header with malformed octets (9.2.3.24, 9.2.3.24.1).
    #[must_use]
    pub fn concatenation(&self) -> Option<Concatenation> {
        self.last(|element| {
            let &InformationElement::Concatenation { reference, wide, total, sequence } = element else { return None };
            (1..=total).contains(&sequence).then_some(Concatenation { reference, wide, total, sequence })
        })
    }

    /// The tables its text is written with.
    pub(super) fn tables(&self) -> Tables {
        let locking = self.last(|element| {
            let &InformationElement::NationalLockingShift(language) = element else { return None };
            Some(language)
        });
        let single = self.last(|element| {
            let &InformationElement::NationalSingleShift(language) = element else { return None };
            Some(language)
        });
        Tables { locking, single }
    }

    /// The octets, with the length octet before them.
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut octets = Vec::new();
        for element in &self.elements {
            element.encode(&mut octets)?;
        }
        let length = u8::try_from(octets.len()).map_err(|_| EncodeError::HeaderTooLong)?;
        octets.insert(0, length);
        Ok(octets)
    }

    pub(super) fn last<T>(&self, pick: impl FnMut(&InformationElement) -> Option<T>) -> Option<T> {
        let malformed = |element: &InformationElement| matches!(element, InformationElement::Malformed(_));
        if self.elements.iter().any(malformed) {
            return None;
        }
        self.elements.iter().rev().find_map(pick)
    }
}

impl InformationElement {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let offset = cursor.offset();
        let truncated = |error: DecodeError| DecodeError { offset, ..error };
        let id = cursor.octet(FIELD).map_err(truncated)?;
        let length = cursor.octet(FIELD).map_err(truncated)?;
        let data = cursor.take(FIELD, usize::from(length)).map_err(truncated)?;
        Ok(Self::from_parts(id, data))
    }

    fn from_parts(id: u8, data: &[u8]) -> Self {
        let language = |language: &u8| Language::from_identifier(*language);
        let known = match (id, data) {
            (0x00, &[reference, total, sequence]) => {
                Some(Self::Concatenation { reference: reference.into(), wide: false, total, sequence })
            }
            (0x08, &[high, low, total, sequence]) => {
                Some(Self::Concatenation { reference: u16::from_be_bytes([high, low]), wide: true, total, sequence })
            }
            (0x04, &[destination, source]) => {
                Some(Self::Ports { destination: destination.into(), source: source.into(), wide: false })
            }
            (0x05, &[high, low, source_high, source_low]) => Some(Self::Ports {
                destination: u16::from_be_bytes([high, low]),
                source: u16::from_be_bytes([source_high, source_low]),
                wide: true,
            }),
            (0x24, [identifier]) => language(identifier).map(Self::NationalSingleShift),
            (0x25, [identifier]) => language(identifier).map(Self::NationalLockingShift),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Other { id, data: data.to_vec() })
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match *self {
            Self::Concatenation { reference, wide: true, total, sequence } => {
                let [high, low] = reference.to_be_bytes();
                out.extend([0x08, 4, high, low, total, sequence]);
            }
            Self::Concatenation { reference, wide: false, total, sequence } => {
                let [_, low] = reference.to_be_bytes();
                out.extend([0x00, 3, low, total, sequence]);
            }
            Self::Ports { destination, source, wide: true } => {
                let ([high, low], [source_high, source_low]) = (destination.to_be_bytes(), source.to_be_bytes());
                out.extend([0x05, 4, high, low, source_high, source_low]);
            }
            Self::Ports { destination, source, wide: false } => {
                let ([_, low], [_, source_low]) = (destination.to_be_bytes(), source.to_be_bytes());
                out.extend([0x04, 2, low, source_low]);
            }
            Self::NationalSingleShift(language) => out.extend([0x24, 1, language.identifier()]),
            Self::NationalLockingShift(language) => out.extend([0x25, 1, language.identifier()]),
            Self::Other { id, ref data } => {
                out.extend([id, u8::try_from(data.len()).map_err(|_| EncodeError::HeaderTooLong)?]);
                out.extend(data);
            }
            Self::Malformed(ref octets) => out.extend(octets),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::error::DecodeErrorKind, *};

    fn concatenation(total: u8, sequence: u8) -> InformationElement {
        InformationElement::Concatenation { reference: 0x19, wide: false, total, sequence }
    }

    #[test]
    fn elements_go_both_ways() {
        use InformationElement::{Concatenation, NationalLockingShift, NationalSingleShift, Other, Ports};
        for (octets, elements) in [
            (vec![0], vec![]),
            (vec![5, 0, 3, 0x19, 2, 1], vec![concatenation(2, 1)]),
            (
                vec![12, 8, 4, 0x9f, 0x8e, 2, 1, 5, 4, 0x0b, 0x84, 0x23, 0xf0],
                vec![
                    Concatenation { reference: 40846, wide: true, total: 2, sequence: 1 },
                    Ports { destination: 2948, source: 9200, wide: true },
                ],
            ),
            (vec![4, 4, 2, 240, 241], vec![Ports { destination: 240, source: 241, wide: false }]),
            (
                vec![6, 0x25, 1, 1, 0x24, 1, 13],
                vec![NationalLockingShift(Language::Turkish), NationalSingleShift(Language::Urdu)],
            ),
            (vec![3, 0x24, 1, 14], vec![Other { id: 0x24, data: vec![14] }]),
            (vec![4, 0x00, 2, 1, 1], vec![Other { id: 0x00, data: vec![1, 1] }]),
            (vec![2, 0x70, 0], vec![Other { id: 0x70, data: vec![] }]),
        ] {
            let header = UserDataHeader { elements };
            assert_eq!(UserDataHeader::decode(&octets[1..]), Ok(header.clone()));
            assert_eq!(UserDataHeader::decode_lossless(&octets[1..]), header);
            assert_eq!(header.encode(), Ok(octets));
        }
    }

    #[test]
    fn malformed_octets_are_named_kept_and_void_the_header() {
        for (octets, offset) in
            [(vec![0, 3, 1, 2, 1, 0x05], 5), (vec![0, 3, 1, 2, 1, 0x05, 4, 1, 2], 5), (vec![0, 9, 1, 2, 1], 0)]
        {
            let error = UserDataHeader::decode(&octets).unwrap_err();
            assert_eq!((error.field, error.offset), ("TP-UDH", offset));
            assert!(matches!(error.kind, DecodeErrorKind::Truncated { .. }));
            let header = UserDataHeader::decode_lossless(&octets);
            assert_eq!(header.elements.last(), Some(&InformationElement::Malformed(octets[offset..].to_vec())));
            assert_eq!(header.concatenation(), None);
            assert_eq!(header.encode().unwrap()[1..], octets);
        }
    }

    #[test]
    fn the_last_sound_concatenation_counts() {
        for (elements, expected) in [
            (vec![concatenation(2, 1)], Some((2, 1))),
            (vec![concatenation(2, 1), concatenation(3, 3)], Some((3, 3))),
            (vec![concatenation(2, 0)], None),
            (vec![concatenation(2, 3)], None),
            (vec![concatenation(0, 0)], None),
            (vec![concatenation(2, 1), concatenation(2, 0)], Some((2, 1))),
            (vec![], None),
        ] {
            let found = UserDataHeader { elements }.concatenation();
            assert_eq!(found.map(|c| (c.total, c.sequence)), expected);
        }
    }

    #[test]
    fn headers_too_long_for_their_length_octet() {
        let other = |length| InformationElement::Other { id: 0x70, data: vec![0; length] };
        for elements in [vec![other(256)], vec![other(254)], vec![other(126), other(126)]] {
            assert_eq!(UserDataHeader { elements }.encode(), Err(EncodeError::HeaderTooLong));
        }
        assert!(UserDataHeader { elements: vec![other(253)] }.encode().is_ok());
    }
}
