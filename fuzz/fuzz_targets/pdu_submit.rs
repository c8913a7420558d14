//! SMS-SUBMIT as `AT+CMGS` takes it (TS 23.040 9.2.2.2), in octets: what is read can be written and reads the same
//! again, and is the payload of a command; errors name a field and an octet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::{
    at::PduHex,
    tpdu::{decode_submit, hex},
};
use smsgate_fuzz::air;

fuzz_target!(|octets: &[u8]| {
    match decode_submit(&hex::encode(octets)) {
        Ok((service_centre, submit)) => {
            let _ = submit.validity.and_then(|validity| validity.duration());
            air::user_data(&submit.user_data, submit.data_coding);
            if let Some(encoded) = air::submit(service_centre, submit) {
                assert!(PduHex::new(&encoded.hex).is_some(), "no payload: {}", encoded.hex);
            }
        }
        Err(error) => air::error(error, octets),
    }
});
