//! Whatever octets a modem sends: no panic, bounded buffers, and the same events however the input is chopped.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use smsgate::at::{Accept, Channel, Command, Event, Framer, MAX_LINE, MAX_REPLY, PduHex, SimPin};

fn commands() -> impl Strategy<Value = Option<Command>> {
    prop_oneof![
        Just(None),
        Just(Some(Command::signal())),
        Just(Some(Command::list())),
        Just(Some(Command::imsi())),
        Just(Some(Command::registration())),
        Just(Some(Command::submit(PduHex::new("0011000000").expect("hex"), 4))),
    ]
}

/// Pieces a modem might send, in any order, with noise between.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static [u8]> = vec![
        b"\r\n",
        b"\r",
        b"\n",
        b"OK\r\n",
        b"ERROR\r\n",
        b"> ",
        b">",
        b"+CSQ: 17,99\r\n",
        b"+CMGL: 1,1,,3\r\n",
        b"00112233\r\n",
        b"+CMT: ,3\r\n",
        b"+CMT: \"+49\",,\"x\"\r\n",
        b"+CDS: 3\r\n",
        b"+CUSD: 0,\"a\r\n",
        b"b\",15\r\n",
        b"+CUSD: 2\r\n",
        b"+CMTI: \"SM\",1\r\n",
        b"+CREG: 1\r\n",
        b"+CREG: 0,1\r\n",
        b"+CMS ERROR: 38\r\n",
        b"+CMGS: 5\r\n",
        b"RDY\r\n",
        b"AT+CSQ\r",
        b"262021234567890\r\n",
        b"\0",
        b"\"",
        b"+CBM: 88\r\n",
        b"\xff\xfe",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn run(command: Option<&Command>, input: &[u8], cuts: &[bool]) -> (Vec<Event>, Vec<Vec<u8>>) {
    let now = Instant::now();
    let mut channel = Channel::new();
    if let Some(command) = command {
        channel.submit(now, command.clone()).expect("idle");
    }
    let mut start = 0;
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for end in 1..=input.len() {
        if end == input.len() || cuts.get(end % cuts.len().max(1)).copied().unwrap_or(false) {
            channel.handle_input(now, &input[start..end]);
            start = end;
            events.extend(std::iter::from_fn(|| channel.poll_event()));
            sent.extend(std::iter::from_fn(|| channel.poll_transmit()).map(|transmit| transmit.bytes));
        }
    }
    (events, sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn chopping_changes_nothing(command in commands(), input in pieces(), cuts in prop::collection::vec(any::<bool>(), 1..64)) {
        let whole = run(command.as_ref(), &input, &[false]);
        prop_assert_eq!(&whole, &run(command.as_ref(), &input, &[true]));
        prop_assert_eq!(&whole, &run(command.as_ref(), &input, &cuts));
    }

    #[test]
    fn any_octets_are_survived(command in commands(), input in prop::collection::vec(any::<u8>(), 0..4000)) {
        run(command.as_ref(), &input, &[true, false, false]);
    }

    #[test]
    fn a_dialogue_always_ends(command in commands(), input in pieces()) {
        let mut now = Instant::now();
        let mut channel = Channel::new();
        let submitted = command.is_some();
        if let Some(command) = command {
            channel.submit(now, command).expect("idle");
        }
        channel.handle_input(now, &input);
        let mut steps = 0;
        while let Some(due) = channel.poll_timeout() {
            prop_assert!(due >= now, "a timer never lies in the past once it was served");
            now = due;
            channel.handle_timeout(now);
            while channel.poll_transmit().is_some() {}
            steps += 1;
            prop_assert!(steps < 200);
        }
        let ends = std::iter::from_fn(|| channel.poll_event()).filter(|e| matches!(e, Event::Completed { .. })).count();
        prop_assert_eq!(ends, usize::from(submitted));
    }
}

#[test]
fn a_line_without_end_is_dropped_and_told() {
    let (now, mut channel, mut framer) = (Instant::now(), Channel::new(), Framer::new());
    for _ in 0..200 {
        channel.handle_input(now, &[b'x'; 1000]);
        for _ in 0..1000 {
            framer.push(b'x', true);
        }
        assert!(framer.held() <= MAX_LINE);
    }
    assert_eq!(channel.poll_event(), None);
    channel.handle_input(now, b"\r\n+CMTI: \"SM\",1\r\n");
    assert_eq!(channel.poll_event(), Some(Event::Overflow));
    assert!(matches!(channel.poll_event(), Some(Event::Unsolicited(_))));
}

#[test]
fn a_dialogue_shows_neither_pin_nor_message() {
    let (now, pdu) = (Instant::now(), "0011000B914316565811F90000AA04E8373B0C");
    let pin = SimPin::new(&"23427391".to_owned().into()).expect("a PIN");
    let payload = PduHex::new(pdu).expect("hex");
    for (command, secret) in [(Command::enter_pin(&pin), "23427391"), (Command::submit(payload, 18), pdu)] {
        let mut channel = Channel::new();
        channel.submit(now, command).expect("idle");
        channel.handle_input(now, b"\r\n> ");
        assert!(!format!("{channel:?}").contains(secret));
        while channel.poll_transmit().is_some() {}
        assert!(!format!("{channel:?}").contains(secret));
    }
}

#[test]
fn an_endless_answer_is_cut_and_told_once() {
    let (now, mut channel) = (Instant::now(), Channel::new());
    assert_eq!(Command::list().accept(), Accept::PduListing("+CMGL:"));
    channel.submit(now, Command::list()).expect("idle");
    let pdu = "00".repeat(150);
    for index in 0..1000 {
        channel.handle_input(now, format!("+CMGL: {index},1,,149\r\n{pdu}\r\n").as_bytes());
    }
    channel.handle_input(now, b"\r\nOK\r\n");
    assert_eq!(channel.poll_event(), Some(Event::Overflow));
    let Some(Event::Completed { result: Ok(response), .. }) = channel.poll_event() else { panic!("not completed") };
    let octets: usize = response.lines.iter().map(|l| l.text.len() + l.pdu.as_ref().map_or(0, String::len)).sum();
    assert!(response.truncated && octets <= MAX_REPLY && response.lines.len() > 100);
    assert!(response.lines.iter().all(|line| line.pdu.is_some()), "no head without its PDU");
}

#[test]
fn a_dead_modem_is_given_up_in_bounded_time() {
    let start = Instant::now();
    let (mut now, mut channel) = (start, Channel::new());
    channel.submit(now, Command::attention()).expect("idle");
    let mut last = None;
    while let Some(due) = channel.poll_timeout() {
        now = due;
        channel.handle_timeout(now);
        while let Some(event) = channel.poll_event() {
            last = Some(event);
        }
    }
    assert_eq!(last, Some(Event::Unresponsive));
    assert!(now - start < Duration::from_secs(60));
}
