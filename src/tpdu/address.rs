//! Addresses in TPDUs: TP-OA, TP-DA, TP-RA (TS 23.040 9.1.2.5) and the service centre address before a TPDU.
//!
//! Does not know which numbers are plausible: any type of number, any semi-octet.

use std::fmt;

use super::{
    cursor::Cursor,
    error::{DecodeError, DecodeErrorKind, EncodeError},
    gsm7,
};

/// Most semi-octets an address may have (TS 23.040 9.1.2.5).
const MAX_SEMI_OCTETS: usize = 20;

/// The semi-octets in the order of their values; 0xf is the filler (TS 23.040 9.1.2.3).
const SEMI_OCTETS: &[char; 15] = &['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'a', 'b', 'c'];

/// An address: a number or a name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Address {
    /// Type of number.
    pub type_of_number: TypeOfNumber,
    /// Numbering plan identification.
    pub numbering_plan: NumberingPlan,
    /// What it says.
    pub value: AddressValue,
}

/// What an address says.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum AddressValue {
    /// `0` to `9`, `*`, `#`, `a`, `b`, `c`.
    Digits(String),
    /// Letters of the GSM 7 bit default alphabet; only with [`TypeOfNumber::Alphanumeric`].
    Alphanumeric(String),
}

/// Type of number, bits 6 to 4 of the type-of-address octet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TypeOfNumber {
    /// 000: not known to the network, e.g. as dialled; short codes.
    Unknown,
    /// 001: with the country code.
    International,
    /// 010: without the country code.
    National,
    /// 011: for use within the network.
    NetworkSpecific,
    /// 100: within an area.
    Subscriber,
    /// 101: a name.
    Alphanumeric,
    /// 110: abbreviated.
    Abbreviated,
    /// 111.
    Reserved,
}

/// Numbering plan identification, bits 3 to 0 of the type-of-address octet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum NumberingPlan {
    /// 0000.
    Unknown,
    /// 0001: ISDN/telephone (E.164, E.163).
    Isdn,
    /// 0011: data (X.121).
    Data,
    /// 0100: telex.
    Telex,
    /// 1000: national.
    National,
    /// 1001: private.
    Private,
    /// 1010: ERMES.
    Ermes,
    /// Any other value: specific to a service centre, or reserved.
    Other(u8),
}

impl Address {
    /// An address of digits: international in the ISDN plan behind a `+`, else of unknown type (short codes, numbers
    /// as dialled).
    ///
    /// # Errors
    /// [`EncodeError`] if it is empty, has more than 20 digits, or anything but `0`-`9`, `*`, `#`, `a`, `b`, `c`.
    pub fn number(text: &str) -> Result<Self, EncodeError> {
        let (type_of_number, digits) = match text.strip_prefix('+') {
            Some(digits) => (TypeOfNumber::International, digits),
            None => (TypeOfNumber::Unknown, text),
        };
        let value = AddressValue::Digits(digits.to_owned());
        let address = Self { type_of_number, numbering_plan: NumberingPlan::Isdn, value };
        address.encode_value().map(|_| address)
    }

    /// An address of letters.
    ///
    /// # Errors
    /// [`EncodeError`] if it is empty, longer than 11 septets, or not in the GSM 7 bit default alphabet.
    pub fn alphanumeric(text: &str) -> Result<Self, EncodeError> {
        let address = Self {
            type_of_number: TypeOfNumber::Alphanumeric,
            numbering_plan: NumberingPlan::Unknown,
            value: AddressValue::Alphanumeric(text.to_owned()),
        };
        address.encode_value().map(|_| address)
    }

    /// Reads TP-OA, TP-DA or TP-RA: length in semi-octets, type of address, semi-octets.
    pub(super) fn decode(cursor: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let semi_octets = usize::from(cursor.octet(field)?);
        let type_of_address = cursor.octet(field)?;
        let octets = cursor.take(field, semi_octets.div_ceil(2))?;
        Ok(Self::from_parts(type_of_address, octets, semi_octets))
    }

    /// Reads the service centre address (TS 24.011 8.2.5.1): length in octets, of the type of address and the digits.
    pub(super) fn decode_service_centre(cursor: &mut Cursor<'_>) -> Result<Option<Self>, DecodeError> {
        const FIELD: &str = "SCA";
        let offset = cursor.offset();
        let length = usize::from(cursor.octet(FIELD)?);
        let Some(octets) = length.checked_sub(1) else { return Ok(None) };
        if octets > MAX_SEMI_OCTETS.div_ceil(2) {
            return Err(DecodeError { field: FIELD, offset, kind: DecodeErrorKind::Length(length) });
        }
        let type_of_address = cursor.octet(FIELD)?;
        let octets = cursor.take(FIELD, octets)?;
        // Its length is in octets: seven septets of a name look like eight, of which the last is an @.
        let is_name = TypeOfNumber::from_bits(type_of_address >> 4) == TypeOfNumber::Alphanumeric;
        let padded = is_name && matches!(octets, [_, _, _, _, _, _, 0 | 1]);
        Ok(Some(Self::from_parts(type_of_address, octets, octets.len() * 2 - usize::from(padded))))
    }

    /// Appends TP-OA, TP-DA or TP-RA.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (semi_octets, octets) = self.encode_value()?;
        out.extend([semi_octets, self.type_of_address()]);
        out.extend(octets);
        Ok(())
    }

    /// Appends a service centre address; none is a length of zero: the modem takes the SIM's.
    pub(super) fn encode_service_centre(address: Option<&Self>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(address) = address else {
            out.push(0);
            return Ok(());
        };
        let (_, octets) = address.encode_value()?;
        out.extend([u8::try_from(octets.len() + 1).unwrap_or(u8::MAX), address.type_of_address()]);
        out.extend(octets);
        Ok(())
    }

    fn from_parts(type_of_address: u8, octets: &[u8], semi_octets: usize) -> Self {
        let type_of_number = TypeOfNumber::from_bits(type_of_address >> 4);
        let value = if type_of_number == TypeOfNumber::Alphanumeric {
            AddressValue::Alphanumeric(gsm7::decode(&gsm7::unpack(octets, semi_octets * 4 / 7)))
        } else {
            let nibbles = octets.iter().flat_map(|octet| [octet & 0x0f, octet >> 4]).take(semi_octets);
            // Some service centres count the filler: it ends the number wherever it comes.
            AddressValue::Digits(nibbles.map_while(|n| SEMI_OCTETS.get(usize::from(n))).collect())
        };
        Self { type_of_number, numbering_plan: NumberingPlan::from_bits(type_of_address), value }
    }

    fn type_of_address(&self) -> u8 {
        0x80 + (self.type_of_number.bits() << 4) + self.numbering_plan.bits()
    }

    /// Useful semi-octets and the octets they fill.
    fn encode_value(&self) -> Result<(u8, Vec<u8>), EncodeError> {
        let (semi_octets, octets) = match &self.value {
            AddressValue::Digits(digits) => {
                let nibbles = digits.chars().map(semi_octet).collect::<Result<Vec<u8>, _>>()?;
                (nibbles.len(), nibbles.chunks(2).map(swapped).collect())
            }
            AddressValue::Alphanumeric(name) => {
                let septets = gsm7::encode(name).map_err(EncodeError::AddressCharacter)?;
                ((septets.len() * 7).div_ceil(4), gsm7::pack(&septets))
            }
        };
        match semi_octets {
            0 => Err(EncodeError::AddressEmpty),
            // Up to 20: fits any octet.
            1..=MAX_SEMI_OCTETS => Ok((u8::try_from(semi_octets).unwrap_or(u8::MAX), octets)),
            _ => Err(EncodeError::AddressTooLong),
        }
    }
}

impl fmt::Display for Address {
    /// `+` and digits for an international number, digits alone for others, and a name as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            AddressValue::Digits(digits) if self.type_of_number == TypeOfNumber::International => {
                f.pad(&format!("+{digits}"))
            }
            AddressValue::Digits(text) | AddressValue::Alphanumeric(text) => f.pad(text),
        }
    }
}

impl TypeOfNumber {
    fn from_bits(bits: u8) -> Self {
        match bits & 0x07 {
            0 => Self::Unknown,
            1 => Self::International,
            2 => Self::National,
            3 => Self::NetworkSpecific,
            4 => Self::Subscriber,
            5 => Self::Alphanumeric,
            6 => Self::Abbreviated,
            _ => Self::Reserved,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::International => 1,
            Self::National => 2,
            Self::NetworkSpecific => 3,
            Self::Subscriber => 4,
            Self::Alphanumeric => 5,
            Self::Abbreviated => 6,
            Self::Reserved => 7,
        }
    }
}

impl NumberingPlan {
    fn from_bits(bits: u8) -> Self {
        match bits & 0x0f {
            0 => Self::Unknown,
            1 => Self::Isdn,
            3 => Self::Data,
            4 => Self::Telex,
            8 => Self::National,
            9 => Self::Private,
            10 => Self::Ermes,
            other => Self::Other(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Isdn => 1,
            Self::Data => 3,
            Self::Telex => 4,
            Self::National => 8,
            Self::Private => 9,
            Self::Ermes => 10,
            Self::Other(bits) => bits & 0x0f,
        }
    }
}

fn semi_octet(digit: char) -> Result<u8, EncodeError> {
    SEMI_OCTETS
        .iter()
        .position(|&c| c == digit)
        .and_then(|position| u8::try_from(position).ok())
        .ok_or(EncodeError::AddressCharacter(digit))
}

/// First semi-octet in the low half; a missing second one is the filler.
fn swapped(pair: &[u8]) -> u8 {
    let low = pair.first().copied().unwrap_or(0x0f);
    let high = pair.get(1).copied().unwrap_or(0x0f);
    (high << 4) + low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(address: &Address) -> Vec<u8> {
        let mut out = vec![];
        address.encode(&mut out).unwrap();
        out
    }

    fn name(text: &str) -> Address {
        Address::alphanumeric(text).unwrap()
    }

    #[test]
    fn addresses_go_both_ways() {
        for (address, expected) in [
            (Address::number("+27829135934").unwrap(), vec![0x0b, 0x91, 0x72, 0x28, 0x19, 0x53, 0x39, 0xf4]),
            (Address::number("50131").unwrap(), vec![0x05, 0x81, 0x05, 0x31, 0xf1]),
            (Address::number("*#abc1").unwrap(), vec![0x06, 0x81, 0xba, 0xdc, 0x1e]),
            (name("abc"), vec![0x06, 0xd0, 0x61, 0xf1, 0x18]),
            (name("message"), vec![0x0d, 0xd0, 0xed, 0xf2, 0x7c, 0x1e, 0x3e, 0x97, 0x01]),
            (name("FRANCOIS"), vec![0x0e, 0xd0, 0x46, 0x69, 0xd0, 0x39, 0x7c, 0x26, 0xa7]),
            // 6 characters, 11 septets
            (name("a[]{}€"), vec![0x14, 0xd0, 0xe1, 0x0d, 0x6f, 0xe3, 0xdb, 0xa0, 0x36, 0xa9, 0x4d, 0x19]),
        ] {
            assert_eq!(octets(&address), expected, "{address}");
            assert_eq!(Address::decode(&mut Cursor::new(&expected), "TP-OA"), Ok(address));
        }
    }

    #[test]
    fn names_of_every_length_keep_their_letters() {
        for length in 1..=11 {
            let address = name(&"@".repeat(length));
            assert_eq!(Address::decode(&mut Cursor::new(&octets(&address)), "TP-OA"), Ok(address));
        }
    }

    #[test]
    fn names_of_service_centres_keep_their_letters_too() {
        for length in 1..=11 {
            for letter in ["a", "é"] {
                let address = name(&letter.repeat(length));
                let mut octets = vec![];
                Address::encode_service_centre(Some(&address), &mut octets).unwrap();
                assert_eq!(Address::decode_service_centre(&mut Cursor::new(&octets)), Ok(Some(address)));
            }
        }
    }

    #[test]
    fn what_fits_no_address_is_refused() {
        use EncodeError::{AddressCharacter, AddressEmpty, AddressTooLong};
        for (text, error) in [
            ("", AddressEmpty),
            ("+", AddressEmpty),
            ("123456789012345678901", AddressTooLong),
            ("+49 1", AddressCharacter(' ')),
            ("1\r", AddressCharacter('\r')),
            ("12A", AddressCharacter('A')),
            ("1+2", AddressCharacter('+')),
        ] {
            assert_eq!(Address::number(text), Err(error), "{text:?}");
        }
        for (text, error) in [("", AddressEmpty), ("twelve chars", AddressTooLong), ("кто", AddressCharacter('к'))]
        {
            assert_eq!(Address::alphanumeric(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn shown_as_people_write_them() {
        let other = |type_of_number| Address { type_of_number, ..Address::number("123").unwrap() };
        for (address, text) in [
            (other(TypeOfNumber::International), "+123"),
            (other(TypeOfNumber::Unknown), "123"),
            (other(TypeOfNumber::National), "123"),
            (other(TypeOfNumber::Subscriber), "123"),
            (name("Bank"), "Bank"),
        ] {
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn service_centre_lengths_count_octets() {
        for (octets, expected) in [
            (&[0x00][..], Ok(None)),
            (&[0x01, 0x91], Ok(Some("+"))),
            (&[0x06, 0x91, 0x89, 0x67, 0x45, 0x23, 0x01], Ok(Some("+9876543210"))),
            (&[0x06, 0x91, 0x89, 0x67, 0x45, 0x23, 0xf1], Ok(Some("+987654321"))),
            (&[0x0d, 0x91], Err(DecodeErrorKind::Length(13))),
            (&[0x02, 0x91], Err(DecodeErrorKind::Truncated { needed: 1, left: 0 })),
            (&[], Err(DecodeErrorKind::Truncated { needed: 1, left: 0 })),
        ] {
            let decoded = Address::decode_service_centre(&mut Cursor::new(octets));
            let shown = decoded.map(|address| address.map(|address| address.to_string())).map_err(|error| error.kind);
            assert_eq!(shown, expected.map(|text| text.map(str::to_owned)), "{octets:02x?}");
        }
    }
}
