//! Strings from outside on their way into AT commands: PINs, PDUs, USSD codes, answers to menus, names of memories.
//!
//! Whatever is accepted is one command line: printable ASCII up to a single CR, quotes in pairs, and outside of these `AT`
//! only at the start and no semicolon anywhere; a payload is hex up to a single Ctrl-Z. What is secret is in no `Debug`.

#![no_main]

use std::{sync::LazyLock, time::Instant};

use libfuzzer_sys::fuzz_target;
use smsgate::at::{Channel, Charset, Command, Memory, PduHex, SimPin, UssdAnswer, UssdCode, UssdRequest, UssdStyle};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|text: &str| {
    if let Ok(pin) = SimPin::new(&text.to_owned().into()) {
        assert!((4..=8).contains(&text.len()));
        one_line(Command::enter_pin(&pin), text);
    }
    if let Some(pdu) = PduHex::new(text) {
        one_line(Command::submit(pdu, text.len() / 2), text);
    }
    if let Some(memory) = Memory::parse(text) {
        one_line(Command::select_memories(memory, Memory::Me, Memory::Sr), "");
    }
    for charset in [Charset::Gsm, Charset::Ucs2] {
        for style in [UssdStyle::Charset, UssdStyle::Packed] {
            if let Ok(code) = UssdCode::parse(text) {
                assert!((1..=182).contains(&text.len()));
                one_line(Command::ussd(&UssdRequest::encode(&code, charset, style)), text);
            }
            if let Ok(answer) = UssdAnswer::parse(text) {
                one_line(Command::ussd(&UssdRequest::answer(&answer, charset, style)), text);
            }
        }
    }
});

fn one_line(command: Command, secret: &str) {
    // Words, and a few digits, may be there by chance.
    let digits = secret.bytes().filter(u8::is_ascii_digit).count();
    let told = |shown: String| digits >= 6 && shown.contains(secret);
    assert!(!told(format!("{command:?}")), "in the command");
    assert!(command.payload().is_some() || !told(command.name().to_owned()), "in its name");

    let mut channel = Channel::new();
    let payload = command.payload().cloned();
    channel.submit(*START, command).expect("idle");
    let line = channel.poll_transmit().expect("a line");
    assert!(payload.is_some() || !told(format!("{line:?}")), "in what is sent");
    let text = std::str::from_utf8(&line.bytes).expect("ASCII");
    let text = text.strip_suffix('\r').expect("ends with CR");
    assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')), "{text:?}");
    let unquoted: String = text.split('"').step_by(2).collect();
    assert!(unquoted.starts_with("AT") && unquoted.matches("AT").count() == 1 && !text.contains(';'), "{text:?}");
    assert!(text.matches('"').count().is_multiple_of(2), "{text:?}");
    assert_eq!(channel.poll_transmit(), None);

    if let Some(payload) = payload {
        channel.handle_input(*START, b"\r\n> ");
        let sent = channel.poll_transmit().expect("a payload");
        assert!(!told(format!("{sent:?}")), "in what is sent");
        let hex = sent.bytes.strip_suffix(&[0x1a]).expect("ends with Ctrl-Z");
        assert!(hex.iter().all(u8::is_ascii_hexdigit) && hex == payload.as_str().as_bytes());
        assert_eq!(channel.poll_transmit(), None);
    }
    let in_the_time = format!("{:?}", *START).contains(secret);
    assert!(in_the_time || !told(format!("{channel:?}")), "in the dialogue");
}
