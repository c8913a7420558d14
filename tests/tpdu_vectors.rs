//! PDUs of known fields (`tests/vectors/*.txt`), read and written (TS 23.040, TS 23.038).

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "the functions beside the tests are tests too")]

use std::{collections::HashSet, fmt::Write as _};

use jiff::tz::{Offset, TimeZone};
use smsgate::tpdu::{
    Address, Alphabet, DataCodingScheme, Incoming, InformationElement, Payload, ServiceCentreTimestamp, UserData,
    ValidityPeriod, decode_incoming, decode_incoming_with_length, decode_submit, encode_incoming, encode_submit, hex,
};

const CANONICAL: [(&str, &str); 4] = [
    ("deliver.txt", include_str!("vectors/deliver.txt")),
    ("deliver_computed.txt", include_str!("vectors/deliver_computed.txt")),
    ("submit.txt", include_str!("vectors/submit.txt")),
    ("status_report.txt", include_str!("vectors/status_report.txt")),
];

const ANOMALIES: (&str, &str) = ("anomalies.txt", include_str!("vectors/anomalies.txt"));

/// A block of a vector file.
struct Vector {
    place: String,
    direction: String,
    pdu: String,
    /// The lines below the PDU.
    fields: String,
}

#[test]
fn every_field_of_every_vector_is_read() {
    let vectors: Vec<Vector> = CANONICAL.into_iter().chain([ANOMALIES]).flat_map(vectors).collect();
    assert!(vectors.len() >= 100, "only {} vectors", vectors.len());
    let mut seen = HashSet::new();
    for vector in &vectors {
        assert!(seen.insert(&vector.pdu), "{}: twice", vector.place);
        assert_eq!(fields(vector), vector.fields, "{}", vector.place);
    }
}

#[test]
fn every_vector_comes_out_again_when_encoded() {
    for vector in CANONICAL.into_iter().flat_map(vectors) {
        let encoded = if vector.direction == "submit" {
            let (smsc, submit) = decode_submit(&vector.pdu).unwrap();
            encode_submit(smsc.as_ref(), &submit)
        } else {
            let (smsc, incoming) = decode_incoming(&vector.pdu).unwrap();
            encode_incoming(smsc.as_ref(), &incoming)
        };
        assert_eq!(encoded.unwrap().hex, vector.pdu, "{}", vector.place);
    }
}

#[test]
fn every_incoming_vector_has_the_length_its_header_would_announce() {
    for vector in CANONICAL.into_iter().flat_map(vectors).filter(|vector| vector.direction != "submit") {
        let octets = tpdu_octets(&vector.pdu);
        assert!(decode_incoming_with_length(&vector.pdu, octets).is_ok(), "{}", vector.place);
        for wrong in [octets - 1, octets + 1] {
            // A TPDU without service centre address is one octet shorter than with an empty one.
            if vector.pdu.starts_with("00") && wrong > octets {
                continue;
            }
            assert!(decode_incoming_with_length(&vector.pdu, wrong).is_err(), "{}", vector.place);
        }
    }
}

fn vectors((file, text): (&str, &str)) -> Vec<Vector> {
    let blocks = text.split("\n\n").skip(1);
    blocks
        .map(|block| {
            let mut lines = block.lines();
            let origin = lines.next().unwrap().trim_start_matches("# ");
            let (direction, pdu) = lines.next().unwrap().split_once(" = ").unwrap();
            let fields = lines.fold(String::new(), |fields, line| fields + line + "\n");
            Vector { place: format!("{file}: {origin}"), direction: direction.into(), pdu: pdu.into(), fields }
        })
        .collect()
}

fn tpdu_octets(pdu: &str) -> usize {
    let service_centre = usize::from(hex::decode(&pdu[..2]).unwrap()[0]);
    pdu.len() / 2 - 1 - service_centre
}

/// The fields as a vector file has them.
fn fields(vector: &Vector) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| writeln!(out, "{name} = {value}").unwrap();
    let dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let service_centre = |smsc: Option<Address>| dash(smsc.map(|address| address.to_string()));
    if vector.direction == "submit" {
        let (smsc, submit) = decode_submit(&vector.pdu).unwrap();
        line("service centre", &service_centre(smsc));
        line("octets", &tpdu_octets(&vector.pdu));
        line(
            "flags",
            &flags(&[
                (submit.reject_duplicates, "reject duplicates"),
                (submit.status_report_request, "status report request"),
                (submit.reply_path, "reply path"),
            ]),
        );
        line("reference", &submit.message_reference);
        line("to", &submit.destination);
        line("type of number", &format!("{:?}", submit.destination.type_of_number));
        line("protocol", &submit.protocol_identifier);
        line("data coding", &format!("{:#04x}", submit.data_coding.0));
        line("validity", &dash(submit.validity.map(validity)));
        line("header", &header(&submit.user_data));
        line("text", &text(&submit.user_data, submit.data_coding));
        return out;
    }
    match decode_incoming(&vector.pdu).unwrap() {
        (smsc, Incoming::Deliver(deliver)) => {
            assert_eq!(vector.direction, "deliver", "{}", vector.place);
            line("service centre", &service_centre(smsc));
            line("octets", &tpdu_octets(&vector.pdu));
            line(
                "flags",
                &flags(&[
                    (deliver.more_messages, "more messages"),
                    (deliver.loop_prevention, "loop prevention"),
                    (deliver.status_report, "status report"),
                    (deliver.reply_path, "reply path"),
                ]),
            );
            line("from", &deliver.originating_address);
            line("type of number", &format!("{:?}", deliver.originating_address.type_of_number));
            line("protocol", &deliver.protocol_identifier);
            line("data coding", &format!("{:#04x}", deliver.data_coding.0));
            line("sent", &time(deliver.service_centre_timestamp));
            line("header", &header(&deliver.user_data));
            line("text", &text(&deliver.user_data, deliver.data_coding));
        }
        (smsc, Incoming::StatusReport(report)) => {
            assert_eq!(vector.direction, "report", "{}", vector.place);
            line("service centre", &service_centre(smsc));
            line("octets", &tpdu_octets(&vector.pdu));
            line(
                "flags",
                &flags(&[
                    (report.more_messages, "more messages"),
                    (report.loop_prevention, "loop prevention"),
                    (report.qualifier, "qualifier"),
                ]),
            );
            line("reference", &report.message_reference);
            line("recipient", &report.recipient);
            line("type of number", &format!("{:?}", report.recipient.type_of_number));
            line("sent", &time(report.service_centre_timestamp));
            line("discharged", &time(report.discharge_time));
            line("status", &format!("{:#04x}", report.status.0));
            line("protocol", &dash(report.protocol_identifier.map(|octet| octet.to_string())));
            line("data coding", &dash(report.data_coding.map(|scheme| format!("{:#04x}", scheme.0))));
            line("header", &dash(report.user_data.as_ref().map(header)));
            let scheme = report.data_coding.unwrap_or_default();
            line("text", &dash(report.user_data.as_ref().map(|data| text(data, scheme))));
        }
    }
    out
}

fn flags(flags: &[(bool, &str)]) -> String {
    let set: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    if set.is_empty() { "-".into() } else { set.join(", ") }
}

fn time(time: ServiceCentreTimestamp) -> String {
    let offset = TimeZone::fixed(Offset::from_seconds(time.offset_seconds()).unwrap());
    time.to_timestamp()
        .map_or_else(|| "-".into(), |moment| moment.to_zoned(offset).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

fn validity(period: ValidityPeriod) -> String {
    match period {
        ValidityPeriod::Relative(value) => format!("relative {value}"),
        ValidityPeriod::Absolute(until) => format!("until {}", time(until)),
        ValidityPeriod::Enhanced(octets) => format!("enhanced {}", hex::encode(&octets)),
    }
}

fn header(data: &UserData) -> String {
    let Some(header) = &data.header else { return "-".into() };
    let width = |wide| if wide { 16 } else { 8 };
    let element = |element: &InformationElement| match element {
        InformationElement::Concatenation { reference, wide, total, sequence } => {
            format!("concatenation {} {reference} {sequence}/{total}", width(*wide))
        }
        InformationElement::Ports { destination, source, wide } => {
            format!("ports {} {destination} {source}", width(*wide))
        }
        InformationElement::NationalSingleShift(language) => format!("single {language:?}"),
        InformationElement::NationalLockingShift(language) => format!("locking {language:?}"),
        InformationElement::Other { id, data } => format!("other {id:#04x} {}", hex::encode(data)),
        InformationElement::Malformed(octets) => format!("malformed {}", hex::encode(octets)),
    };
    header.elements.iter().map(element).collect::<Vec<_>>().join(", ")
}

/// Text in quotes; 8 bit data in hex.
fn text(data: &UserData, scheme: DataCodingScheme) -> String {
    match &data.payload {
        Payload::Octets(octets) if scheme.alphabet() == Alphabet::Octets => hex::encode(octets),
        Payload::Octets(_) | Payload::Septets(_) => {
            let text = data.text(scheme).replace('\\', "\\\\").replace('"', "\\\"");
            format!("\"{}\"", text.replace('\n', "\\n").replace('\r', "\\r"))
        }
    }
}
