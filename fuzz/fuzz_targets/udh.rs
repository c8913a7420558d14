//! The user data header (TS 23.040 9.2.3.24), in octets without the length before them: what does not fit is kept, so
//! that the octets written are those read; a segment's number is in the bounds of its message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::tpdu::{DataCodingScheme, Incoming, InformationElement, Payload, UserData, UserDataHeader, hex};
use smsgate_fuzz::air;

fuzz_target!(|octets: &[u8]| {
    if octets.len() > 255 {
        return; // more than the octet before them can tell
    }
    let header = UserDataHeader::decode_lossless(octets);
    let malformed = |element: &InformationElement| matches!(element, InformationElement::Malformed(_));
    match UserDataHeader::decode(octets) {
        Ok(strict) => assert_eq!(strict, header),
        Err(error) => {
            air::error(error, octets);
            assert_eq!(header.elements.iter().position(malformed), header.elements.len().checked_sub(1));
            assert_eq!(header.concatenation(), None, "a malformed header says nothing");
        }
    }
    let data_coding = DataCodingScheme::OCTETS;
    let user_data = UserData { header: Some(header), payload: Payload::Octets(Vec::new()) };
    air::user_data(&user_data, data_coding);
    let message = Incoming::Deliver(air::deliver(user_data, data_coding));
    let Some(encoded) = air::incoming(None, message) else {
        assert!(octets.len() > 139);
        return;
    };
    assert!(encoded.hex.ends_with(&hex::encode(octets)));
});
