//! What crosses the line, in figures: TPDUs (TS 23.040) to values and back, texts to segments, the AT dialogue (TS 27.005)
//! by octets.
//!
//! `cargo bench --bench codec`; the figures are kept in `target/criterion`.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "a plain program")]
#![allow(clippy::wildcard_enum_match_arm, reason = "whatever else comes is a mistake of this program")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smsgate::{
    at::{Channel, Command, Event, PduHex},
    tpdu::{
        Address, DataCodingScheme, Deliver, EncodedPdu, Incoming, Reference, ServiceCentreTimestamp, Status,
        StatusReport, Submit, UserData, decode_incoming, decode_submit, encode_incoming, encode_submit, segment,
    },
};

/// As many characters as one segment holds in the GSM 7 bit default alphabet.
const SEPTETS: usize = 160;
/// As many as one holds in UCS-2.
const UCS2: usize = 70;

criterion_group! {
    name = codec;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = decode, encode, segments, dialogue
}
criterion_main!(codec);

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, incoming) in incoming() {
        let pdu = encode_incoming(Some(&number("+491710760000")), &incoming).unwrap();
        group.throughput(octets_of(&pdu));
        group.bench_function(name, |bencher| bencher.iter(|| decode_incoming(black_box(&pdu.hex)).unwrap()));
    }
    for (name, submit) in submits() {
        let pdu = encode_submit(None, &submit).unwrap();
        group.throughput(octets_of(&pdu));
        group.bench_function(name, |bencher| bencher.iter(|| decode_submit(black_box(&pdu.hex)).unwrap()));
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for (name, incoming) in incoming() {
        group.throughput(octets_of(&encode_incoming(None, &incoming).unwrap()));
        group.bench_function(name, |bencher| bencher.iter(|| encode_incoming(None, black_box(&incoming)).unwrap()));
    }
    for (name, submit) in submits() {
        group.throughput(octets_of(&encode_submit(None, &submit).unwrap()));
        group.bench_function(name, |bencher| bencher.iter(|| encode_submit(None, black_box(&submit)).unwrap()));
    }
}

/// Texts as long as ten segments: of the default alphabet, of UCS-2, and one for which each national table is tried.
fn segments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment");
    for (name, alphabet, length) in
        [("GSM 7 bit", LATIN, 1530), ("UCS-2", CYRILLIC, 670), ("national tables", TURKISH, 1490)]
    {
        let text = text_of(alphabet, length);
        assert_eq!(cut(&text).len(), 10, "{name}");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| cut(black_box(&text))));
    }
}

/// One SMS in, announced, read and deleted; a listing of ten; one out. Time per octet that the modem sends.
fn dialogue(criterion: &mut Criterion) {
    let steps = steps();
    let octets: usize = steps.iter().flat_map(|step| &step.replies).map(Vec::len).sum();
    let mut group = criterion.benchmark_group("AT channel");
    group.throughput(Throughput::Bytes(octets as u64));
    for chunk in [1, 512] {
        assert_eq!(play(&steps, chunk), Outcome { completed: 5, notices: 1 }, "chunks of {chunk}");
        group.bench_function(format!("chunks of {chunk}"), |bencher| bencher.iter(|| play(black_box(&steps), chunk)));
    }
}

/// What a dialogue comes to.
#[derive(Debug, Default, Eq, PartialEq)]
struct Outcome {
    completed: usize,
    notices: usize,
}

/// A command, if we speak first, and what the modem says: each reply waits for what we send after the one before.
struct Step {
    command: Option<Command>,
    replies: Vec<Vec<u8>>,
}

fn steps() -> Vec<Step> {
    let [(_, deliver), ..] = incoming();
    let [(_, submit), ..] = submits();
    let received = encode_incoming(Some(&number("+491710760000")), &deliver).unwrap();
    let sent = encode_submit(None, &submit).unwrap();
    let line = |text: &str| vec![text.as_bytes().to_vec()];
    let (length, hex) = (received.tpdu_octets, &received.hex);
    let listed: String = (1..=10).map(|index| format!("\r\n+CMGL: {index},1,,{length}\r\n{hex}")).collect();
    let submission = Command::submit(PduHex::new(&sent.hex).unwrap(), sent.tpdu_octets);
    vec![
        Step { command: None, replies: line("\r\n+CMTI: \"SM\",3\r\n") },
        Step {
            command: Some(Command::read(3)),
            replies: line(&format!("\r\n+CMGR: 0,,{length}\r\n{hex}\r\n\r\nOK\r\n")),
        },
        Step { command: Some(Command::delete(3)), replies: line("\r\nOK\r\n") },
        Step { command: Some(Command::list()), replies: line(&format!("{listed}\r\n\r\nOK\r\n")) },
        Step { command: Some(Command::signal()), replies: line("\r\n+CSQ: 21,99\r\n\r\nOK\r\n") },
        Step { command: Some(submission), replies: [line("\r\n> "), line("\r\n+CMGS: 17\r\n\r\nOK\r\n")].concat() },
    ]
}

fn play(steps: &[Step], chunk: usize) -> Outcome {
    let (mut channel, mut outcome, now) = (Channel::new(), Outcome::default(), Instant::now());
    for step in steps {
        if let Some(command) = &step.command {
            channel.submit(now, command.clone()).unwrap();
        }
        for reply in &step.replies {
            while channel.poll_transmit().is_some() {}
            for octets in reply.chunks(chunk) {
                channel.handle_input(now, octets);
                while let Some(event) = channel.poll_event() {
                    match event {
                        Event::Completed { result: Ok(_), .. } => outcome.completed += 1,
                        Event::Unsolicited(_) => outcome.notices += 1,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
    outcome
}

const LATIN: &str = "The quick brown fox jumps over 13 lazy dogs, Grüße! ";
const CYRILLIC: &str = "Съешь же ещё этих мягких французских булок, да выпей чаю. ";
const TURKISH: &str = "Pijamalı hasta yağız şoföre çabucak güvendi. ";

fn text_of(alphabet: &str, length: usize) -> String {
    alphabet.chars().cycle().take(length).collect()
}

fn cut(text: &str) -> Vec<smsgate::tpdu::Segment> {
    segment(text, Reference::Narrow(7), None).unwrap()
}

fn number(text: &str) -> Address {
    Address::number(text).unwrap()
}

fn octets_of(pdu: &EncodedPdu) -> Throughput {
    Throughput::Bytes(pdu.hex.len() as u64 / 2)
}

/// User data of one full segment.
fn full(alphabet: &str, length: usize) -> (DataCodingScheme, UserData) {
    let mut segments = cut(&text_of(alphabet, length));
    assert_eq!(segments.len(), 1);
    let segment = segments.remove(0);
    (segment.data_coding, segment.user_data)
}

fn incoming() -> [(&'static str, Incoming); 3] {
    let received = ServiceCentreTimestamp::from_timestamp("2026-02-03T04:05:06Z".parse().unwrap(), 4);
    let deliver = |alphabet, length| {
        let (data_coding, user_data) = full(alphabet, length);
        Incoming::Deliver(Deliver {
            more_messages: false,
            loop_prevention: false,
            reply_path: false,
            status_report: false,
            originating_address: number("+4915112345678"),
            protocol_identifier: 0,
            data_coding,
            service_centre_timestamp: received,
            user_data,
        })
    };
    let report = Incoming::StatusReport(StatusReport {
        more_messages: false,
        loop_prevention: false,
        qualifier: false,
        message_reference: 17,
        recipient: number("+4915112345678"),
        service_centre_timestamp: received,
        discharge_time: received,
        status: Status(0),
        protocol_identifier: None,
        data_coding: None,
        user_data: None,
    });
    [
        ("deliver, GSM 7 bit", deliver(LATIN, SEPTETS)),
        ("deliver, UCS-2", deliver(CYRILLIC, UCS2)),
        ("status report", report),
    ]
}

fn submits() -> [(&'static str, Submit); 2] {
    let submit = |alphabet, length| {
        let (data_coding, user_data) = full(alphabet, length);
        Submit {
            reject_duplicates: false,
            reply_path: false,
            status_report_request: true,
            message_reference: 0,
            destination: number("+4915112345678"),
            protocol_identifier: 0,
            data_coding,
            validity: None,
            user_data,
        }
    };
    [("submit, GSM 7 bit", submit(LATIN, SEPTETS)), ("submit, UCS-2", submit(CYRILLIC, UCS2))]
}
