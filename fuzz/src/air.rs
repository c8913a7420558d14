//! TPDUs through the encoder and back (TS 23.040 9.2), and what their user data may be read as.

use smsgate::tpdu::{
    Address, AddressValue, DataCodingScheme, DecodeError, Deliver, EncodeError, EncodedPdu, Incoming, Part,
    ServiceCentreTimestamp, Submit, UserData, decode_incoming_with_length, decode_submit, encode_incoming,
    encode_submit, join,
};

/// Octets of a service centre address, of the fields of a status report and of the user data: all at their longest.
const LONGEST: usize = 12 + 34 + 141;

/// What is read of a PDU is what is written of it and read again. `None` if there are values that no PDU can carry.
pub fn incoming(service_centre: Option<Address>, incoming: Incoming) -> Option<EncodedPdu> {
    let address = match &incoming {
        Incoming::Deliver(deliver) => &deliver.originating_address,
        Incoming::StatusReport(report) => &report.recipient,
    };
    let encoded = sound(encode_incoming(service_centre.as_ref(), &incoming), &service_centre, address)?;
    let again = decode_incoming_with_length(&encoded.hex, encoded.tpdu_octets);
    assert_eq!(again, Ok((service_centre, incoming)), "written as {}", encoded.hex);
    Some(encoded)
}

/// The same for SMS-SUBMIT.
pub fn submit(service_centre: Option<Address>, submit: Submit) -> Option<EncodedPdu> {
    let written = encode_submit(service_centre.as_ref(), &submit);
    let encoded = sound(written, &service_centre, &submit.destination)?;
    assert_eq!(decode_submit(&encoded.hex), Ok((service_centre, submit)), "written as {}", encoded.hex);
    Some(encoded)
}

/// What was decoded can be encoded, but for lengths: decoders are lenient with these.
fn sound(
    encoded: Result<EncodedPdu, EncodeError>,
    service_centre: &Option<Address>,
    address: &Address,
) -> Option<EncodedPdu> {
    let lengths = || {
        service_centre.iter().chain([address]).map(|address| match &address.value {
            AddressValue::Digits(text) => (text.chars().count(), 20),
            AddressValue::Alphanumeric(text) => (text.chars().count(), 5),
        })
    };
    match encoded {
        Ok(encoded) => {
            assert!(encoded.hex.len() / 2 <= LONGEST, "{} octets", encoded.hex.len() / 2);
            return Some(encoded);
        }
        Err(EncodeError::AddressEmpty) => assert!(lengths().any(|(length, _)| length == 0)),
        // A name of escaped letters is full with five.
        Err(EncodeError::AddressTooLong) => assert!(lengths().any(|(length, most)| length > most)),
        Err(EncodeError::UserDataTooLong { octets }) => assert!(octets > 140),
        Err(error) => panic!("what was read cannot be written: {error}"),
    }
    None
}

/// An error names a field of the standard, and an octet that is there or the one behind the last.
pub fn error(error: DecodeError, octets: &[u8]) {
    assert!(error.offset <= octets.len(), "{error}");
    assert!(error.field == "SCA" || error.field.starts_with("TP"), "{error}");
}

/// User data is read as a text of bounded length, and joins as the segment it says it is.
pub fn user_data(user_data: &UserData, data_coding: DataCodingScheme) {
    let text = user_data.text(data_coding);
    // A mark with all octets that TP-UDL can tell, in hex, is the longest.
    assert!(text.chars().count() <= 2 * 255 + 60, "{} characters", text.chars().count());
    let Some(concatenation) = user_data.concatenation() else { return };
    assert!((1..=concatenation.total).contains(&concatenation.sequence));
    let part = Part { sequence: concatenation.sequence, total: concatenation.total, data_coding, user_data };
    let joined = join(&[part, part], concatenation.total);
    assert_eq!(joined.missing.len(), usize::from(concatenation.total) - 1);
    assert!(joined.conflicting.is_empty(), "a repeat is no conflict");
}

/// A message that carries `user_data`, from nobody in particular.
pub fn deliver(user_data: UserData, data_coding: DataCodingScheme) -> Deliver {
    Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: Address::number("+41791234567").expect("a number"),
        protocol_identifier: 0,
        data_coding,
        service_centre_timestamp: ServiceCentreTimestamp::from_octets([0; 7]),
        user_data,
    }
}
