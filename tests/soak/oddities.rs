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

/// PDUs that were made by hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odd {
    pub readable: usize,
    pub unreadable: usize,
}

impl Odd {
    pub const fn count(self) -> usize {
        self.readable + self.unreadable
    }
}

/// Injects one after the other, a pause apart on average; the texts are in `said` afterwards, and of the PDUs made by hand
/// it is counted how many they were.
pub fn inject(
    said: &Said,
    odd: &Mutex<Odd>,
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
        if dice.below(4) == 0 {
            let (pdu, is_readable) = odd_pdu(&mut dice, serial);
            request["pdu"] = json!(pdu);
            network.ask(&request);
            let mut odd = odd.lock().unwrap();
            odd.readable += usize::from(is_readable);
            odd.unreadable += usize::from(!is_readable);
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

/// A PDU as no service centre makes it, and whether there is something to read in it. No two are the same, since a modem
/// that shows one again would not differ from a network that sends two.
fn odd_pdu(dice: &mut Dice, serial: u32) -> (String, bool) {
    match dice.below(4) {
        // It ends within the user data that it announces.
        0 => (format!("07911326040000F0040B911346610089F6000020806291731480FF{serial:08X}"), true),
        // A reserved type of message, which is to be taken for a deliver.
        1 => (format!("000300810000{:06X}{serial:08X}00", dice.below(1 << 24)), true),
        // It ends within its time.
        2 => (format!("07911326040000F0040B911346610089F60000{serial:08X}"), false),
        // An address of 254 digits.
        _ => (format!("0004FE91{serial:08X}"), false),
    }
}
