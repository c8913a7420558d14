//! Recorded sessions: a transcript that is read is written and read the same; an error names its line. What is recorded
//! of it does not depend on how the octets were chopped, is a transcript, and has no PIN. Playing it back ends.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use smsgate::{
    emulator::Replay,
    trace::{Line, Recorder, parse, write},
};
use smsgate_fuzz::cuts;

fuzz_target!(|text: &str| {
    let lines = match parse(text) {
        Ok(lines) => lines,
        Err(error) => {
            let line = text.split('\n').nth(error.number - 1);
            assert_eq!(line.map(|line| line.trim_end_matches('\r')), Some(error.text.as_str()));
            return;
        }
    };
    assert_eq!(parse(&written(&lines)), Ok(lines.clone()));

    let recorded = recorded(&lines, cuts::whole);
    assert_eq!(recorded, self::recorded(&lines, cuts::single));
    assert_eq!(recorded, self::recorded(&lines, cuts::chopped));
    let joined = parse(&written(&recorded)).expect("a transcript");
    assert_eq!(parse(&written(&joined)), Ok(joined));
    let sent = |lines: &[Line]| lines.iter().filter(|line| matches!(line, Line::Sent(_))).count();
    assert_eq!(sent(&recorded), sent(&lines));
    for line in &recorded {
        if let Line::Sent(octets) = line {
            no_pin(octets);
        }
    }
    played(&lines);
});

fn written(lines: &[Line]) -> String {
    lines.iter().map(write).collect::<Vec<_>>().join("\n")
}

fn recorded<'a, Cuts: Iterator<Item = &'a [u8]>>(lines: &'a [Line], cut: fn(&'a [u8]) -> Cuts) -> Vec<Line> {
    let mut recorder = Recorder::default();
    let mut at = Duration::ZERO;
    let mut recorded = Vec::new();
    for line in lines {
        match line {
            Line::Sent(octets) => recorded.extend(recorder.sent(at, octets)),
            Line::Received(octets) => {
                for piece in cut(octets) {
                    recorded.extend(recorder.received(at, piece));
                }
            }
            Line::Passes(time) => at = at.saturating_add(*time),
            Line::Expected(_) | Line::Hangup | Line::Synchronise | Line::Remark(_) => {}
        }
    }
    recorded.extend(recorder.finish(at));
    recorded
}

/// Behind `AT+CPIN=`, digits are zeros.
fn no_pin(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets).to_ascii_uppercase();
    if let Some(pin) = text.strip_prefix("AT+CPIN=") {
        assert!(!pin.contains(|c: char| matches!(c, '1'..='9')), "{text}");
    }
}

/// Its own requests, in their order, and all the time there is.
fn played(lines: &[Line]) {
    let mut replay = Replay::new(lines);
    let mut now = Duration::ZERO;
    let mut heard = 0;
    let mut requests = 1;
    for line in lines {
        if let Line::Sent(octets) = line {
            replay.handle_input(now, octets);
            requests += octets.iter().filter(|octet| matches!(octet, b'\r' | 0x1a | 0x1b)).count();
        }
        heard += replay.poll_output(now).len();
        while let Some(due) = replay.poll_timeout() {
            assert!(due > now, "what is due is given out");
            now = due;
            heard += replay.poll_output(now).len();
        }
    }
    let answers: usize =
        lines.iter().map(|line| if let Line::Received(octets) = line { octets.len() } else { 0 }).sum();
    assert!(heard <= (answers + 64) * requests * 2, "{heard} octets of {answers} recorded");
}
