//! PDUs as modems take and print them: service centre address, then TPDU, in hex (TS 27.005 3.1).

use super::{
    address::Address,
    cursor::Cursor,
    deliver::{self, Deliver},
    error::{DecodeError, DecodeErrorKind, EncodeError},
    hex,
    status_report::{self, StatusReport},
    submit::{self, Submit},
};

/// A TPDU on its way to us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Incoming {
    /// A message.
    Deliver(Deliver),
    /// A report on one of ours.
    StatusReport(StatusReport),
}

/// A PDU ready for the modem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EncodedPdu {
    /// Service centre address and TPDU in upper case hex.
    pub hex: String,
    /// Octets of the TPDU without the service centre address: the number in `AT+CMGS`, `+CMGR:`, `+CMT:`.
    pub tpdu_octets: usize,
}

/// Reads what `+CMGR`, `+CMGL`, `+CMT` and `+CDS` print. A TPDU of the reserved message type is read as SMS-DELIVER
/// (TS 23.040 9.2.3.1). Octets behind the TPDU are ignored; user data cut short is taken as it is. Offsets in errors
/// count from the first octet, the service centre address included.
///
/// # Errors
/// [`DecodeError`] naming the field and its octet.
pub fn decode_incoming(hex: &str) -> Result<(Option<Address>, Incoming), DecodeError> {
    decode_incoming_octets(&hex::decode(hex)?)
}

/// Reads what [`decode_incoming`] reads, and checks it against the length the modem printed before it, which is that of
/// the TPDU alone. Octets that are as many as the TPDU alone are read as one without service centre address: some
/// modems leave it out.
///
/// # Errors
/// [`DecodeError`]; of kind [`DecodeErrorKind::Announced`] where octets got lost on the line: worth reading again, and
/// where it stays so worth a [`decode_incoming`].
pub fn decode_incoming_with_length(hex: &str, tpdu_octets: usize) -> Result<(Option<Address>, Incoming), DecodeError> {
    let octets = hex::decode(hex)?;
    let service_centre = octets.first().map_or(0, |&length| usize::from(length) + 1);
    if octets.len() == service_centre + tpdu_octets {
        return decode_incoming_octets(&octets);
    }
    if octets.len() == tpdu_octets {
        return decode_incoming_tpdu(&mut Cursor::new(&octets)).map(|incoming| (None, incoming));
    }
    let found = octets.len().saturating_sub(service_centre);
    let kind = DecodeErrorKind::Announced { announced: tpdu_octets, found };
    Err(DecodeError { field: "TPDU", offset: service_centre, kind })
}

/// Reads what `AT+CMGS` takes.
///
/// # Errors
/// [`DecodeError`] naming the field and its octet.
pub fn decode_submit(hex: &str) -> Result<(Option<Address>, Submit), DecodeError> {
    let octets = hex::decode(hex)?;
    let mut cursor = Cursor::new(&octets);
    let service_centre = Address::decode_service_centre(&mut cursor)?;
    let offset = cursor.offset();
    let first = cursor.octet(MESSAGE_TYPE)?;
    match first & MESSAGE_TYPE_MASK {
        submit::MESSAGE_TYPE => Ok((service_centre, Submit::decode(first, &mut cursor)?)),
        other => Err(unexpected(other, offset)),
    }
}

/// Writes what a modem prints.
///
/// # Errors
/// [`EncodeError`] if a value does not fit its field.
pub fn encode_incoming(smsc: Option<&Address>, pdu: &Incoming) -> Result<EncodedPdu, EncodeError> {
    encode(smsc, |out| match pdu {
        Incoming::Deliver(deliver) => deliver.encode(out),
        Incoming::StatusReport(report) => report.encode(out),
    })
}

/// Writes what `AT+CMGS` takes. Without `smsc` the modem takes the SIM's service centre.
///
/// # Errors
/// [`EncodeError`] if a value does not fit its field.
pub fn encode_submit(smsc: Option<&Address>, submit: &Submit) -> Result<EncodedPdu, EncodeError> {
    encode(smsc, |out| submit.encode(out))
}

const MESSAGE_TYPE: &str = "TP-MTI";
const MESSAGE_TYPE_MASK: u8 = 0b11;

/// TP-MTI 11 (TS 23.040 9.2.3.1).
const RESERVED_MESSAGE_TYPE: u8 = 0b11;

fn decode_incoming_octets(octets: &[u8]) -> Result<(Option<Address>, Incoming), DecodeError> {
    let mut cursor = Cursor::new(octets);
    let service_centre = Address::decode_service_centre(&mut cursor)?;
    Ok((service_centre, decode_incoming_tpdu(&mut cursor)?))
}

fn decode_incoming_tpdu(cursor: &mut Cursor<'_>) -> Result<Incoming, DecodeError> {
    let offset = cursor.offset();
    let first = cursor.octet(MESSAGE_TYPE)?;
    match first & MESSAGE_TYPE_MASK {
        deliver::MESSAGE_TYPE | RESERVED_MESSAGE_TYPE => Deliver::decode(first, cursor).map(Incoming::Deliver),
        status_report::MESSAGE_TYPE => StatusReport::decode(first, cursor).map(Incoming::StatusReport),
        other => Err(unexpected(other, offset)),
    }
}

fn unexpected(message_type: u8, offset: usize) -> DecodeError {
    DecodeError { field: MESSAGE_TYPE, offset, kind: DecodeErrorKind::MessageType(message_type) }
}

fn encode(
    smsc: Option<&Address>,
    tpdu: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<EncodedPdu, EncodeError> {
    let mut octets = Vec::new();
    Address::encode_service_centre(smsc, &mut octets)?;
    let service_centre = octets.len();
    tpdu(&mut octets)?;
    Ok(EncodedPdu { hex: hex::encode(&octets), tpdu_octets: octets.len() - service_centre })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVER: &str = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
    const REPORT: &str = "0791538375000075061805810531F1019082416500400190824165004000";
    const SUBMIT: &str = "07914346466554F601000B914316565811F9000004E8373B0C";

    #[test]
    fn blanks_and_case_do_not_matter() {
        let (_, plain) = decode_incoming(DELIVER).unwrap();
        let (_, other) = decode_incoming(&format!(" {}\r\n", DELIVER.to_lowercase())).unwrap();
        assert_eq!(plain, other);
    }

    #[test]
    fn octets_behind_the_user_data_are_ignored() {
        let (_, plain) = decode_incoming(DELIVER).unwrap();
        let (_, longer) = decode_incoming(&format!("{DELIVER}FFFF")).unwrap();
        assert_eq!(plain, longer);
    }

    #[test]
    fn announced_lengths_are_checked() {
        let (service_centre, whole) = decode_incoming_with_length(DELIVER, 30).unwrap();
        assert_eq!(service_centre.unwrap().to_string(), "+31624000000");
        let (service_centre, bare) = decode_incoming_with_length(&DELIVER[16..], 30).unwrap();
        assert_eq!((service_centre, bare), (None, whole));
        for lost in [2, 4, 20] {
            let error = decode_incoming_with_length(&DELIVER[..DELIVER.len() - lost], 30).unwrap_err();
            let kind = DecodeErrorKind::Announced { announced: 30, found: 30 - lost / 2 };
            assert_eq!(error, DecodeError { field: "TPDU", offset: 8, kind });
        }
        assert!(decode_incoming_with_length("", 1).is_err());
    }

    #[test]
    fn every_cut_names_a_field() {
        // Octets up to TP-UDL or TP-ST: from there on what came is taken.
        for (hex, needed) in [(DELIVER, 27), (REPORT, 30), (SUBMIT, 21)] {
            for kept in 0..hex.len() / 2 {
                let cut = &hex[..kept * 2];
                let error = match hex {
                    SUBMIT => decode_submit(cut).err(),
                    _ => decode_incoming(cut).err(),
                };
                assert_eq!(error.is_some(), kept < needed, "{hex} {kept}");
                if let Some(error) = error {
                    assert!(error.offset <= kept, "{error}");
                    assert!(error.field == "SCA" || error.field.starts_with("TP-"), "{error}");
                }
            }
        }
    }

    #[test]
    fn other_message_types_are_told() {
        let error = decode_incoming(SUBMIT).unwrap_err();
        assert_eq!(error.to_string(), "TP-MTI at octet 8: message type 1 is not expected here");
        assert_eq!(decode_submit(DELIVER).unwrap_err().kind, DecodeErrorKind::MessageType(0));
        assert_eq!(decode_submit(REPORT).unwrap_err().kind, DecodeErrorKind::MessageType(2));
    }

    #[test]
    fn the_reserved_message_type_is_a_deliver() {
        let mut hex = DELIVER.to_owned();
        hex.replace_range(16..18, "07");
        assert_eq!(decode_incoming(&hex).unwrap().1, decode_incoming(DELIVER).unwrap().1);
    }

    #[test]
    fn optional_fields_of_a_report_may_be_missing_in_spite_of_their_indicator() {
        let (_, plain) = decode_incoming(REPORT).unwrap();
        for tail in ["00", "01", "FF", "8080", "04"] {
            assert_eq!(decode_incoming(&format!("{REPORT}{tail}")).unwrap().1, plain, "{tail}");
        }
    }
}
