//! What can be wrong with octets (TS 23.040 9.2) and with values that are to become octets.

/// Octets that are no TPDU: which field, where, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} at octet {offset}: {kind}")]
pub struct DecodeError {
    /// The standard's name of the field (`TP-OA`, `TP-UDH`, `SCA`, ...).
    pub field: &'static str,
    /// Offset of the field's first octet, from the first octet of the decoded whole.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// The octets end inside the field.
    #[error("needs {needed} octets, {left} are left")]
    Truncated {
        /// Octets the field has.
        needed: usize,
        /// Octets there are.
        left: usize,
    },
    /// Not a hexadecimal digit, or half an octet.
    #[error("not hexadecimal")]
    NotHex,
    /// The TP-MTI is another TPDU's.
    #[error("message type {0} is not expected here")]
    MessageType(u8),
    /// A length beyond what the field may have.
    #[error("a length of {0} is more than the field can have")]
    Length(usize),
    /// The octets are more or fewer than the modem announced.
    #[error("{announced} octets were announced, {found} came")]
    Announced {
        /// Octets announced.
        announced: usize,
        /// Octets found.
        found: usize,
    },
}

/// A value that no TPDU can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// An address without digits or letters.
    #[error("the address is empty")]
    AddressEmpty,
    /// More than 20 semi-octets (TS 23.040 9.1.2.5).
    #[error("the address is too long: 20 digits or 11 letters are the most")]
    AddressTooLong,
    /// Not a semi-octet digit, or not in the GSM 7 bit default alphabet.
    #[error("an address cannot contain {0:?}")]
    AddressCharacter(char),
    /// An information element or header with more octets than its length can tell.
    #[error("the user data header is too long")]
    HeaderTooLong,
    /// More than 140 octets (TS 23.040 9.2.3.16).
    #[error("the user data has {octets} octets, 140 are the most")]
    UserDataTooLong {
        /// Octets it would take.
        octets: usize,
    },
    /// A septet above 0x7f.
    #[error("{0:#04x} is no septet")]
    NotASeptet(u8),
    /// Septets under a data coding scheme of octets, or the other way round.
    #[error("the user data is not in the alphabet its data coding scheme tells")]
    AlphabetMismatch,
}
