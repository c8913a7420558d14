//! TP-UDL and TP-UD: header and text of a TPDU (TS 23.040 9.2.3.16, 9.2.3.24).

use super::{
    alphabet,
    cursor::Cursor,
    dcs::{Alphabet, DataCodingScheme},
    error::{DecodeError, EncodeError},
    gsm7,
    udh::{Concatenation, UserDataHeader},
};

/// Header and text.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct UserData {
    /// TP-UDH, if TP-UDHI says there is one.
    pub header: Option<UserDataHeader>,
    /// What follows it.
    pub payload: Payload,
}

/// User data behind the header.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Payload {
    /// Septets, one an octet, under [`Alphabet::Gsm7`].
    Septets(Vec<u8>),
    /// Octets, under the other alphabets.
    Octets(Vec<u8>),
}

impl UserData {
    /// The text.
    #[must_use]
    pub fn text(&self, data_coding: DataCodingScheme) -> String {
        let _ = data_coding;
        todo!()
    }

    /// Which segment of which message.
    #[must_use]
    pub fn concatenation(&self) -> Option<Concatenation> {
        todo!()
    }
}
