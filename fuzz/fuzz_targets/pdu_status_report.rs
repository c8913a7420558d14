//! SMS-STATUS-REPORT as a modem prints it (TS 23.040 9.2.2.3), in octets: what is read can be written and reads the
//! same again, errors name a field and an octet, each status has words.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use smsgate::tpdu::{Incoming, decode_incoming, decode_incoming_with_length, hex};
use smsgate_fuzz::air;

fuzz_target!(|octets: &[u8]| -> Corpus {
    let text = hex::encode(octets);
    let bare = decode_incoming_with_length(&text, octets.len());
    for decoded in [decode_incoming(&text), bare] {
        match decoded {
            Ok((_, Incoming::Deliver(_))) => return Corpus::Reject,
            Ok((service_centre, Incoming::StatusReport(report))) => {
                assert!(!report.status.text().is_empty());
                let time = report.discharge_time;
                assert!(time.to_timestamp().is_none() || time.offset_seconds().abs() <= 79 * 900);
                if let Some(user_data) = &report.user_data {
                    air::user_data(user_data, report.data_coding.unwrap_or_default());
                }
                air::incoming(service_centre, Incoming::StatusReport(report));
            }
            Err(error) => air::error(error, octets),
        }
    }
    Corpus::Keep
});
