//! Plays `tests/transcripts/*.at` against [`Channel`]: as written, cut at every octet, octet by octet, and cut at random.
//!
//! The format is that of [`smsgate::trace`]; `=` lines are the events expected.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

mod dialogue;

use std::{collections::VecDeque, fs, path::Path, time::Instant};

use dialogue::transmitted;
use smsgate::{
    at::{Channel, Event},
    trace::{Line, parse},
};

#[test]
fn transcripts_give_their_events_however_the_input_is_chopped() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    assert!(files.len() >= 6, "one transcript per family at least");
    for file in files {
        let name = file.file_name().expect("name").to_string_lossy().into_owned();
        let lines = parse(&fs::read_to_string(&file).expect("text")).unwrap_or_else(|error| panic!("{name}: {error}"));
        let octets: usize =
            lines.iter().map(|line| if let Line::Received(bytes) = line { bytes.len() } else { 0 }).sum();
        play(&format!("{name} whole"), &lines, |_| false);
        play(&format!("{name} octet by octet"), &lines, |_| true);
        for cut in 1..octets {
            play(&format!("{name} cut at {cut}"), &lines, |position| position == cut);
        }
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..50 {
            let salt = xorshift(&mut seed);
            play(&format!("{name} random {round}"), &lines, |position| {
                let mut mixed = salt ^ (position as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
                xorshift(&mut mixed).is_multiple_of(5)
            });
        }
    }
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// `cut(n)`: the input is cut before its octet n.
fn play(what: &str, lines: &[Line], cut: impl Fn(usize) -> bool) {
    let mut channel = Channel::new();
    let mut now = Instant::now();
    let mut events = VecDeque::new();
    let mut position = 0;
    for (number, line) in lines.iter().enumerate() {
        let place = format!("{what}, step {number}: {line:?}");
        match line {
            Line::Sent(bytes) => {
                let sent = transmitted(&mut channel, now, bytes, &lines[number..]);
                assert_eq!(String::from_utf8_lossy(&sent), String::from_utf8_lossy(bytes), "{place}");
            }
            Line::Received(bytes) => {
                let mut start = 0;
                for end in 1..=bytes.len() {
                    position += 1;
                    if end == bytes.len() || cut(position) {
                        channel.handle_input(now, &bytes[start..end]);
                        start = end;
                        while let Some(event) = channel.poll_event() {
                            events.push_back(event);
                        }
                    }
                }
            }
            Line::Passes(time) => {
                let end = now + *time;
                while let Some(due) = channel.poll_timeout().filter(|due| *due <= end) {
                    now = now.max(due);
                    channel.handle_timeout(now);
                }
                now = end;
            }
            Line::Remark(_) => {}
            Line::Hangup => channel.close(),
            Line::Synchronise => channel.synchronise(now),
            Line::Expected(expected) => {
                let event = events.pop_front().map(|event| shown(&event));
                assert_eq!(event.as_deref(), Some(expected.as_str()), "{place}");
            }
        }
        while let Some(event) = channel.poll_event() {
            events.push_back(event);
        }
    }
    assert!(events.is_empty(), "{what}: unexpected {events:?}");
    assert_eq!(channel.poll_transmit(), None, "{what}");
}

fn shown(event: &Event) -> String {
    match event {
        Event::Completed { result: Ok(response), .. } => {
            let lines = response.lines.iter().map(|line| match &line.pdu {
                Some(pdu) => format!("{} / {pdu}", line.text),
                None => line.text.clone(),
            });
            format!("completed {}", lines.collect::<Vec<_>>().join(" | ")).trim_end().to_owned()
        }
        Event::Completed { result: Err(error), .. } => format!("failed {error:?}"),
        Event::Unsolicited(smsgate::at::Urc::Cusd(cusd)) => {
            let text = cusd.text.as_deref().map(String::from_utf8_lossy);
            format!("unsolicited Cusd {} {text:?} {:?}", cusd.status, cusd.dcs)
        }
        Event::Unsolicited(urc) => format!("unsolicited {urc:?}"),
        Event::OutOfSync => "out-of-sync".to_owned(),
        Event::Resynchronised => "resynchronised".to_owned(),
        Event::Unresponsive => "unresponsive".to_owned(),
        Event::Overflow => "overflow".to_owned(),
    }
}
