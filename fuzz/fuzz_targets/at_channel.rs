//! The AT dialogue (V.250, TS 27.005, TS 27.007) with a modem that sends what it likes.
//!
//! The events, and what is sent to the modem, are the same however its octets are chopped. Each command ends once, every
//! dialogue in bounded time. No line of more than 2 KiB and no answer of more than 64 KiB is kept. Answers are read in
//! every way there is.
//!
//! The input is what the modem sends. The octet 0xf8 stands for us: what follows it chooses a command, a pause, a
//! synchronisation or the end of the port.

#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use smsgate::at::{
    Channel, Charset, Command, CommandError, Cusd, Event, Framer, MAX_LINE, MAX_REPLY, PduHex, Profile, Response, Urc,
};
use smsgate_fuzz::cuts;

const WE: u8 = 0xf8;

/// One of each way to accept lines.
static COMMANDS: LazyLock<[Command; 12]> = LazyLock::new(|| {
    [
        Command::attention(),
        Command::signal(),
        Command::registration(),
        Command::imsi(),
        Command::imei(),
        Command::manufacturer(),
        Command::pin_state(),
        Command::memories(),
        Command::operator(),
        Command::list(),
        Command::read(7),
        Command::submit(PduHex::new("0011000000").expect("hex"), 4),
    ]
});
/// Instants only come from the clock; the dialogues are told how much later it is.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|input: &[u8]| {
    let whole = dialogue(input, cuts::whole);
    assert_eq!(whole, dialogue(input, cuts::single), "octet by octet is something else");
    assert_eq!(whole, dialogue(input, cuts::chopped), "in pieces is something else");

    let mut framer = Framer::new();
    for octet in input {
        framer.push(*octet, true);
        assert!(framer.held() <= MAX_LINE);
    }
});

/// What a dialogue leaves.
#[derive(Debug, Eq, PartialEq)]
struct Heard {
    events: Vec<Event>,
    sent: Vec<Vec<u8>>,
}

fn dialogue<'a, Cuts: Iterator<Item = &'a [u8]>>(input: &'a [u8], cut: fn(&'a [u8]) -> Cuts) -> Heard {
    let mut channel = Channel::new();
    let mut now = *START;
    let mut heard = Heard { events: Vec::new(), sent: Vec::new() };
    let mut submitted = 0;
    for (number, step) in input.split(|octet| *octet == WE).enumerate() {
        let (action, stream) =
            if number == 0 { (None, step) } else { (step.first(), step.get(1..).unwrap_or_default()) };
        match action {
            None => {}
            Some(0xf0) => channel.synchronise(now),
            Some(0xf1) => channel.close(),
            Some(&pause @ 0x80..) => {
                now += Duration::from_millis(u64::from(pause - 0x80) * 100);
                channel.handle_timeout(now);
            }
            Some(&pick) => {
                let command = COMMANDS[usize::from(pick) % COMMANDS.len()].clone();
                submitted += u32::from(channel.submit(now, command).is_ok());
            }
        }
        for piece in cut(stream) {
            channel.handle_input(now, piece);
            heard.drain(&mut channel);
        }
        heard.drain(&mut channel);
    }
    let mut timers = 0;
    while let Some(due) = channel.poll_timeout() {
        assert!(due >= now || timers == 0, "a timer lies in the past once it was served");
        now = now.max(due);
        channel.handle_timeout(now);
        heard.drain(&mut channel);
        timers += 1;
        assert!(timers < 200, "no end");
    }
    let completed = heard.events.iter().filter(|event| matches!(event, Event::Completed { .. })).count();
    assert_eq!(completed, usize::try_from(submitted).expect("few"), "each command ends once");
    heard
}

impl Heard {
    fn drain(&mut self, channel: &mut Channel) {
        while let Some(transmit) = channel.poll_transmit() {
            self.sent.push(transmit.bytes);
        }
        while let Some(event) = channel.poll_event() {
            match &event {
                Event::Completed { result: Ok(response), .. } => read(response),
                Event::Completed { result: Err(error), .. } => described(error),
                Event::Unsolicited(urc) => bounded(urc),
                Event::OutOfSync | Event::Resynchronised | Event::Unresponsive | Event::Overflow => {}
            }
            self.events.push(event);
        }
    }
}

fn described(error: &CommandError) {
    assert!(!error.to_string().is_empty());
    let _ = error.is_starting();
}

/// Texts are at most three times as long as the line they come from: an octet that is no UTF-8 becomes three.
fn bounded(urc: &Urc) {
    let length = match urc {
        Urc::Cds { pdu, .. } | Urc::Cmt { pdu, .. } => pdu.len(),
        Urc::Cusd(cusd) => {
            for charset in [Charset::Gsm, Charset::Ucs2] {
                assert!(smsgate::ussd::decode(cusd, charset).chars().count() <= octets(cusd));
            }
            // The last line is added to a text that is not yet too long.
            assert!(octets(cusd) <= 2 * MAX_LINE + 1);
            0
        }
        Urc::Ignored(text) | Urc::Restarted(text) | Urc::MemoryFull(text) | Urc::Unknown(text) => text.len(),
        Urc::Cdsi { .. } | Urc::Cmti { .. } | Urc::Pin(_) | Urc::Registration(_) | Urc::Ring => 0,
    };
    assert!(length <= 3 * MAX_LINE, "{length}");
}

fn octets(cusd: &Cusd) -> usize {
    cusd.text.as_ref().map_or(0, Vec::len)
}

/// Every reader of an answer, whatever was asked.
fn read(response: &Response) {
    let kept: usize =
        response.lines.iter().map(|line| line.text.len() + line.pdu.as_ref().map_or(0, String::len)).sum();
    assert!(kept <= MAX_REPLY, "{kept}");
    let _ = (response.functionality(), response.registration(), response.operator(), response.service_centre());
    let _ = (response.memory_use(), response.readable_memories(), response.iccid(), response.imsi(), response.imei());
    let _ = (response.message_reference(), response.pin_state(), response.pin_counters());
    assert!(response.signal().is_none_or(|signal| signal.strength <= 31 || signal.strength == 99));
    assert!(response.listed().len() <= response.lines.len());
    let maker = response.value().unwrap_or_default();
    let _ = Profile::detect(maker, response.lines.first().map_or("", |line| line.text.as_str()));
}
