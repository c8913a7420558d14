//! Text to segments and back (TS 23.040 9.2.3.24.1, TS 23.038): in GSM 7 bit, with national tables and in UCS-2, each
//! segment fits a TPDU, is a text for itself, and in whatever order they come the text is whole. The first two octets
//! choose reference, class, tables and order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::tpdu::{
    Alphabets, Deliver, Incoming, Language, MessageClass, Part, Reference, SegmentError, decode_incoming, join,
    segment_with,
};
use smsgate_fuzz::air;

fuzz_target!(|input: (u8, u8, &str)| {
    let (choice, order, text) = input;
    let reference = if choice & 1 == 0 { Reference::Narrow(order) } else { Reference::Wide(u16::from(order) << 4) };
    let class = [None, Some(MessageClass::Zero), Some(MessageClass::One), Some(MessageClass::Two)];
    let class = class[usize::from(choice >> 1 & 3)];
    let alphabets = match choice >> 3 & 3 {
        0 => Alphabets::NONE,
        1 => Alphabets { single_shift: vec![Language::Turkish], locking_shift: Vec::new() },
        2 => Alphabets { single_shift: Vec::new(), locking_shift: Language::ALL.to_vec() },
        _ => Alphabets::default(),
    };
    let segments = match segment_with(text, reference, class, &alphabets) {
        Ok(segments) => segments,
        Err(SegmentError::TooLong { parts }) => {
            assert!(parts > 255 && text.len() > 255 * 60);
            return;
        }
    };
    let mut received: Vec<Deliver> = Vec::new();
    let mut alone = String::new();
    for segment in &segments {
        assert_eq!(segment.data_coding.class(), class);
        alone.push_str(&segment.user_data.text(segment.data_coding));
        let message = Incoming::Deliver(air::deliver(segment.user_data.clone(), segment.data_coding));
        let encoded = air::incoming(None, message).expect("a segment fits a TPDU");
        match decode_incoming(&encoded.hex) {
            Ok((None, Incoming::Deliver(deliver))) => received.push(deliver),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(alone, text, "a cut went through a character");
    let total = u8::try_from(segments.len()).expect("255 at most");
    if total == 1 {
        assert_eq!(received[0].user_data.concatenation(), None);
        return;
    }
    let first = usize::from(order) % received.len();
    received.rotate_left(first);
    if order & 1 == 1 {
        received.reverse();
    }
    let parts: Vec<Part<'_>> = received
        .iter()
        .map(|deliver| {
            let concatenation = deliver.user_data.concatenation().expect("one of several");
            Part {
                sequence: concatenation.sequence,
                total: concatenation.total,
                data_coding: deliver.data_coding,
                user_data: &deliver.user_data,
            }
        })
        .collect();
    let joined = join(&parts, total);
    assert_eq!((joined.text.as_str(), joined.missing, joined.conflicting), (text, Vec::new(), Vec::new()));
});
