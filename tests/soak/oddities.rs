//! Texts from outside that are not plain: flash, other letters, parts in any order, names for senders, and PDUs that
//! nobody can read.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value as Json, json};
use smsgate::emulator::Dice;

use super::rig::{
    Network,
    traffic::{Said, rest, within},
};

/// Injects one after the other, a pause apart on average; the readable ones are in `said` afterwards, and of the
/// others it is counted how many they were.
pub fn inject(
    said: &Said,
    unreadable: &Mutex<usize>,
    numbers: &[String],
    network: &Network,
    pause: Duration,
    seed: u64,
    over: &AtomicBool,
) {
    let mut dice = Dice::new(seed ^ 0x0dd);
    let pause = u64::try_from(pause.as_millis()).unwrap();
    for serial in 0_u32.. {
        rest(Duration::from_millis(pause / 2 + dice.below(pause)), over);
        if over.load(Ordering::Relaxed) {
            return;
        }
        let modem = within(&mut dice, numbers.len());
        let mut request = json!({ "do": "inject", "to": numbers[modem] });
        if dice.below(6) == 0 {
            request["pdu"] = json!(unreadable_pdu(&mut dice, serial));
            network.ask(&request);
            *unreadable.lock().unwrap() += 1;
            continue;
        }
        let (text, more) = odd_text(&mut dice, serial);
        request["text"] = json!(text);
        request["from"] = json!(if dice.below(3) == 0 { "Bank".to_owned() } else { format!("+49152{serial:08}") });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        network.ask(&request);
        said.injected.lock().unwrap().push((modem, text));
    }
}

/// A text that occurs once, and how it comes.
fn odd_text(dice: &mut Dice, serial: u32) -> (String, Json) {
    let long =
        |word: &str| (0..12).map(|number| format!("in {word} {serial}.{number:02}")).collect::<Vec<_>>().join(" ");
    match dice.below(5) {
        0 => (format!("in flash {serial}"), json!({ "flash": true })),
        1 => (format!("in odd {serial} Привет 😀"), json!({})),
        2 => (format!("in ucs2 {serial}"), json!({ "alphabet": "ucs2" })),
        3 => (long("слово"), json!({ "order": "shuffled", "wide": true })),
        _ => (long("word"), json!({ "order": "shuffled", "duplicate": false })),
    }
}

/// No two are the same, since a modem that shows one again would not differ from a network that sends two.
fn unreadable_pdu(dice: &mut Dice, serial: u32) -> String {
    match dice.below(3) {
        // It ends before the user data that it announces.
        0 => format!("07911326040000F0040B911346610089F60000208062917314 80FF{serial:08X}").replace(' ', ""),
        // An address of 254 digits.
        1 => format!("0004FE91{serial:08X}"),
        // A type of message that no service centre sends.
        _ => format!("0003{serial:08X}{:016X}", dice.roll()),
    }
}
