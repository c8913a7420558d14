//! Plays `tests/transcripts/*.at` against [`Channel`]: as written, cut at every octet, octet by octet, and cut at random.
//!
//! `>` what we send, `<` what the modem sends, `@ +200ms` time passes, `=` the event expected next, `!hangup` the port
//! goes away, `!synchronise` we start a synchronisation, `#` a remark. Escapes: `\r \n \\ \xNN`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use smsgate::at::{
    Channel, Charset, Command, Event, Indication, Memory, PduHex, Profile, SimPin, UssdCode, UssdRequest, UssdStyle,
};

#[derive(Clone, Debug)]
enum Line {
    Sent(Vec<u8>),
    Received(Vec<u8>),
    Passes(Duration),
    Expected(String),
    Hangup,
    Synchronise,
}

#[test]
fn transcripts_give_their_events_however_the_input_is_chopped() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    assert!(files.len() >= 6, "one transcript per family at least");
    for file in files {
        let name = file.file_name().expect("name").to_string_lossy().into_owned();
        let lines = parse(&name, &fs::read_to_string(&file).expect("text"));
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
                let sent = channel.poll_transmit().unwrap_or_else(|| {
                    let pdu = lines[number..].iter().find_map(|line| match line {
                        Line::Sent(bytes) => bytes.strip_suffix(b"\x1a"),
                        _ => None,
                    });
                    let text = String::from_utf8_lossy(bytes);
                    channel.submit(now, command(text.trim_end_matches('\r'), pdu)).expect(&place);
                    channel.poll_transmit().expect(&place)
                });
                assert_eq!(String::from_utf8_lossy(&sent.bytes), String::from_utf8_lossy(bytes), "{place}");
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

fn command(text: &str, pdu: Option<&[u8]>) -> Command {
    let fixed = [
        Command::attention(),
        Command::echo_off(),
        Command::numeric_errors(),
        Command::functionality(),
        Command::full_functionality(),
        Command::manufacturer(),
        Command::model(),
        Command::revision(),
        Command::imei(),
        Command::pin_state(),
        Command::pin_retries_simcom(),
        Command::imsi(),
        Command::iccid(),
        Command::iccid_quectel(),
        Command::signal(),
        Command::registration(),
        Command::operator(),
        Command::service_centre(),
        Command::pdu_mode(),
        Command::memory_use(),
        Command::acknowledge(),
        Command::list(),
        Command::charset(Charset::Ucs2),
        Command::charset(Charset::Gsm),
        Command::cancel_ussd(),
        Command::select_memories(Memory::Sm, Memory::Sm, Memory::Sm),
        Command::indications(Indication { mode: 2, mt: 1, bm: 0, ds: 1, bfr: Some(0) }),
    ];
    let number = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.parse::<u16>().ok());
    if let Some(octets) = number("AT+CMGS=") {
        let pdu = std::str::from_utf8(pdu.expect("a PDU follows")).expect("hex");
        let deadline = Profile::of(smsgate::at::Family::Generic).submit_deadline;
        return Command::submit(PduHex::new(pdu).expect("hex"), usize::from(octets)).within(deadline);
    }
    if let Some(index) = number("AT+CMGR=") {
        return Command::read(index);
    }
    if let Some(index) = number("AT+CMGD=") {
        return Command::delete(index);
    }
    if let Some(pin) = text.strip_prefix("AT+CPIN=\"").and_then(|rest| rest.strip_suffix('"')) {
        return Command::enter_pin(&SimPin::new(&SecretString::from(pin)).expect("a PIN"));
    }
    if let Some(code) = text.strip_prefix("AT+CUSD=1,\"").and_then(|rest| rest.strip_suffix("\",15")) {
        let code = UssdCode::parse(code).expect("a code");
        return Command::ussd(&UssdRequest::encode(&code, Charset::Gsm, UssdStyle::Charset));
    }
    fixed.into_iter().find(|command| command.text() == text).unwrap_or_else(|| panic!("no constructor for {text:?}"))
}

/// Consecutive `<` lines are one piece of input.
fn parse(name: &str, text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (number, raw) in text.lines().enumerate() {
        let (kind, rest) = raw.split_at_checked(1).unwrap_or((raw, ""));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match (kind, lines.last_mut()) {
            ("", _) | ("#", _) => {}
            (">", _) => lines.push(Line::Sent(unescape(rest))),
            ("<", Some(Line::Received(bytes))) => bytes.extend(unescape(rest)),
            ("<", _) => lines.push(Line::Received(unescape(rest))),
            ("@", _) => {
                let millis = rest.strip_prefix('+').and_then(|rest| rest.strip_suffix("ms")).expect("@ +NNNms");
                lines.push(Line::Passes(Duration::from_millis(millis.parse().expect("a number"))));
            }
            ("=", _) => lines.push(Line::Expected(rest.to_owned())),
            ("!", _) if rest == "hangup" => lines.push(Line::Hangup),
            ("!", _) if rest == "synchronise" => lines.push(Line::Synchronise),
            _ => panic!("{name}:{}: cannot read {raw:?}", number + 1),
        }
    }
    lines
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (taken, octets) = match rest.get(..2) {
            Some("\\r") => (2, vec![b'\r']),
            Some("\\n") => (2, vec![b'\n']),
            Some("\\\\") => (2, vec![b'\\']),
            Some("\\x") => (4, vec![u8::from_str_radix(&rest[2..4], 16).expect("two hex digits")]),
            _ => (c.len_utf8(), c.to_string().into_bytes()),
        };
        bytes.extend(octets);
        rest = &rest[taken..];
    }
    bytes
}
