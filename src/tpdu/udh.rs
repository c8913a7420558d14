//! TP-UDH: the user data header and its information elements (TS 23.040 9.2.3.24).

use super::{
    cursor::Cursor,
    error::{DecodeError, DecodeErrorKind, EncodeError},
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

impl UserDataHeader {
    /// Which segment of which message.
    #[must_use]
    pub fn concatenation(&self) -> Option<Concatenation> {
        todo!()
    }
}
