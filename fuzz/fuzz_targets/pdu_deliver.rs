//! SMS-DELIVER as a modem prints it (TS 23.040 9.2.2.1), in octets: what is read can be written and reads the same
//! again, errors name a field and an octet, texts and segment numbers stay in bounds.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use smsgate::tpdu::{Incoming, decode_incoming, decode_incoming_with_length, hex};
use smsgate_fuzz::air;

fuzz_target!(|octets: &[u8]| -> Corpus {
    let text = hex::encode(octets);
    let bare = decode_incoming_with_length(&text, octets.len());
    for decoded in [decode_incoming(&text), bare] {
        match decoded {
            Ok((_, Incoming::StatusReport(_))) => return Corpus::Reject,
            Ok((service_centre, Incoming::Deliver(deliver))) => {
                let time = deliver.service_centre_timestamp;
                assert!(time.to_timestamp().is_none() || time.offset_seconds().abs() <= 79 * 900);
                air::user_data(&deliver.user_data, deliver.data_coding);
                air::incoming(service_centre, Incoming::Deliver(deliver));
            }
            Err(error) => air::error(error, octets),
        }
    }
    Corpus::Keep
});
