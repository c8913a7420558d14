//! TP-UDL and TP-UD: header and text of a TPDU (TS 23.040 9.2.3.16, 9.2.3.24).

use super::{
    cursor::Cursor,
    data,
    dcs::{Alphabet, DataCodingScheme},
    error::{DecodeError, EncodeError},
    gsm7, ucs2,
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

/// Most octets of user data, the header included (9.2.3.16).
pub(super) const MAX_OCTETS: usize = 140;

impl UserData {
    /// The text. 8 bit data has none the standard knows: what reads as UTF-8 or ISO 8859-1 is text, anything else is
    /// told in hex, as compressed text is. Octets where the scheme tells septets, or the other way round, are read for
    /// what they are.
    #[must_use]
    pub fn text(&self, data_coding: DataCodingScheme) -> String {
        match (&self.payload, data_coding.alphabet()) {
            (Payload::Septets(septets), _) => self.tables().text(septets),
            (Payload::Octets(octets), Alphabet::Ucs2) => ucs2::decode(octets),
            (Payload::Octets(octets), Alphabet::Octets | Alphabet::Gsm7) => {
                data::text(octets, data_coding, self.header.as_ref())
            }
        }
    }

    /// Which segment of which message; `None` if it is whole.
    #[must_use]
    pub fn concatenation(&self) -> Option<Concatenation> {
        self.header.as_ref().and_then(UserDataHeader::concatenation)
    }

    /// The tables its septets are written with.
    pub(super) fn tables(&self) -> gsm7::Tables {
        self.header.as_ref().map(UserDataHeader::tables).unwrap_or_default()
    }

    /// Reads TP-UDL and TP-UD. Fewer octets than TP-UDL tells are taken as they are, more are ignored: what came of a
    /// message is worth more than its error. A header longer than the user data is read as text.
    pub(super) fn decode(
        cursor: &mut Cursor<'_>,
        has_header: bool,
        data_coding: DataCodingScheme,
    ) -> Result<Self, DecodeError> {
        let length = usize::from(cursor.octet("TP-UDL")?);
        let rest = cursor.rest();
        let septets = data_coding.alphabet() == Alphabet::Gsm7;
        let octets = rest.get(..if septets { (length * 7).div_ceil(8) } else { length }).unwrap_or(rest);

        let (header, behind) = if has_header { split_header(octets) } else { (None, octets) };
        let header_octets = octets.len() - behind.len();
        let payload = if septets {
            let header_septets = (header_octets * 8).div_ceil(7);
            let count = length.saturating_sub(header_septets);
            Payload::Septets(gsm7::unpack_behind(fill_bits(header_octets), behind, count))
        } else {
            Payload::Octets(behind.to_vec())
        };
        Ok(Self { header: header.map(UserDataHeader::decode_lossless), payload })
    }

    /// Appends TP-UDL and TP-UD.
    pub(super) fn encode(&self, data_coding: DataCodingScheme, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut octets = self.header.as_ref().map(UserDataHeader::encode).transpose()?.unwrap_or_default();
        let length = match (&self.payload, data_coding.alphabet()) {
            (Payload::Septets(septets), Alphabet::Gsm7) => {
                if let Some(&septet) = septets.iter().find(|&&septet| septet > 0x7f) {
                    return Err(EncodeError::NotASeptet(septet));
                }
                let header_septets = (octets.len() * 8).div_ceil(7);
                octets.extend(gsm7::pack_behind(fill_bits(octets.len()), septets));
                header_septets + septets.len()
            }
            (Payload::Octets(data), Alphabet::Octets | Alphabet::Ucs2) => {
                octets.extend(data);
                octets.len()
            }
            (Payload::Septets(_), Alphabet::Octets | Alphabet::Ucs2) | (Payload::Octets(_), Alphabet::Gsm7) => {
                return Err(EncodeError::AlphabetMismatch);
            }
        };
        let too_long = EncodeError::UserDataTooLong { octets: octets.len() };
        if octets.len() > MAX_OCTETS {
            return Err(too_long);
        }
        out.push(u8::try_from(length).map_err(|_| too_long)?);
        out.extend(octets);
        Ok(())
    }
}

/// The header without its length octet, if it fits, and what is behind it.
fn split_header(octets: &[u8]) -> (Option<&[u8]>, &[u8]) {
    octets
        .split_first()
        .and_then(|(&length, rest)| rest.split_at_checked(usize::from(length)))
        .map_or((None, octets), |(header, behind)| (Some(header), behind))
}

/// Bits between a header and the next place a septet may start at.
fn fill_bits(header_octets: usize) -> u32 {
    match header_octets % 7 {
        0 => 0,
        1 => 6,
        2 => 5,
        3 => 4,
        4 => 3,
        5 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{error::DecodeErrorKind, udh::InformationElement},
        *,
    };

    const GSM7: DataCodingScheme = DataCodingScheme::GSM7;

    fn decode(octets: &[u8], has_header: bool, data_coding: DataCodingScheme) -> UserData {
        UserData::decode(&mut Cursor::new(octets), has_header, data_coding).unwrap()
    }

    fn plain(payload: Payload) -> UserData {
        UserData { header: None, payload }
    }

    #[test]
    fn fill_bits_end_at_a_septet() {
        for octets in 0..200 {
            let fill = fill_bits(octets);
            assert!(fill < 7);
            assert_eq!((octets * 8 + fill as usize) % 7, 0, "{octets}");
        }
    }

    #[test]
    fn any_header_length_goes_both_ways() {
        for length in 0..20 {
            let element = InformationElement::Other { id: 0x70, data: vec![0xff; length] };
            let header = Some(UserDataHeader { elements: vec![element] });
            for count in 0..10 {
                for (payload, scheme) in [
                    (Payload::Septets(vec![0x55; count]), GSM7),
                    (Payload::Octets(vec![0xaa; count]), DataCodingScheme::OCTETS),
                ] {
                    let data = UserData { header: header.clone(), payload };
                    let mut octets = vec![];
                    data.encode(scheme, &mut octets).unwrap();
                    assert_eq!(decode(&octets, true, scheme), data);
                }
            }
        }
    }

    #[test]
    fn short_and_long_user_data_give_what_there_is() {
        for (octets, header, scheme, text) in [
            (&[5, 0x31, 0xd9][..], false, GSM7, "12"),
            (&[2, 0x31, 0xd9, 0xff, 0xff], false, GSM7, "12"),
            (&[4, 0x00, 0x41, 0x00], false, DataCodingScheme::UCS2, "A"),
            (&[2, 0x00, 0x41, 0x00, 0x42], false, DataCodingScheme::UCS2, "A"),
            (&[0], true, GSM7, ""),
            (&[0, 0xff], true, GSM7, ""),
            (&[255], false, GSM7, ""),
        ] {
            assert_eq!(decode(octets, header, scheme).text(scheme), text, "{octets:?}");
        }
        let error = UserData::decode(&mut Cursor::new(&[]), false, GSM7).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated { needed: 1, left: 0 });
    }

    #[test]
    fn a_header_beyond_the_user_data_is_text() {
        let data = decode(&[3, 9, b'a', b'b'], true, DataCodingScheme::OCTETS);
        assert_eq!(data, plain(Payload::Octets(vec![9, b'a', b'b'])));
    }

    #[test]
    fn a_malformed_header_is_kept_and_the_text_behind_it_read() {
        let data = decode(&[6, 2, 0x00, 9, b'a', b'b', b'c'], true, DataCodingScheme::OCTETS);
        let header = UserDataHeader { elements: vec![InformationElement::Malformed(vec![0, 9])] };
        assert_eq!(data, UserData { header: Some(header), payload: Payload::Octets(b"abc".to_vec()) });
    }

    #[test]
    fn eight_bit_text() {
        for (octets, text) in [(&b"Hi there..."[..], "Hi there..."), ("ü".as_bytes(), "ü"), (&[0xfc], "ü")] {
            assert_eq!(plain(Payload::Octets(octets.to_vec())).text(DataCodingScheme::OCTETS), text);
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (payload, scheme, error) in [
            (Payload::Septets(vec![0; 161]), GSM7, EncodeError::UserDataTooLong { octets: 141 }),
            (Payload::Octets(vec![0; 141]), DataCodingScheme::UCS2, EncodeError::UserDataTooLong { octets: 141 }),
            (Payload::Septets(vec![0x80]), GSM7, EncodeError::NotASeptet(0x80)),
            (Payload::Septets(vec![]), DataCodingScheme::UCS2, EncodeError::AlphabetMismatch),
            (Payload::Octets(vec![]), GSM7, EncodeError::AlphabetMismatch),
        ] {
            assert_eq!(plain(payload).encode(scheme, &mut vec![]), Err(error));
        }
        assert_eq!(plain(Payload::Septets(vec![0x7f; 160])).encode(GSM7, &mut vec![]), Ok(()));
    }
}
