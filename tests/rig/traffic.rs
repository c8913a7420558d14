//! Texts both ways, at a pace, until somebody says that it is over; what was said is kept for the books.

use std::{
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use smsgate::emulator::Dice;

use super::Network;

/// A message of ours and what the client heard.
#[derive(Clone, Debug)]
pub struct Sent {
    /// None: the call was not answered.
    pub id: Option<String>,
    pub text: String,
    pub once: bool,
}

/// What was said so far.
#[derive(Debug, Default)]
pub struct Said {
    /// Modem and text.
    pub injected: Mutex<Vec<(usize, String)>>,
    pub sent: Mutex<Vec<Sent>>,
}

impl Said {
    /// Texts from outside to these numbers, each with a sender of its own. `pause`: milliseconds between two.
    pub fn inject(&self, numbers: &[String], network: &Network, seed: u64, pause: &Range<u64>, over: &AtomicBool) {
        let first = self.injected.lock().unwrap().len();
        let mut dice = Dice::new(seed ^ 1);
        for serial in first.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let modem = within(&mut dice, numbers.len());
            let long = dice.below(6) == 0;
            let text = text_that_occurs_once("in", serial, long);
            let request = json!({
                "do": "inject", "to": numbers[modem], "from": format!("+49151{serial:08}"), "text": text,
                "reversed": dice.below(2) == 0,
            });
            network.ask(&request);
            self.injected.lock().unwrap().push((modem, text));
            rest(Duration::from_millis(pause.start + dice.below(pause.end - pause.start)), over);
        }
    }

    /// Texts to outside and to neighbours in the pool. `call` is given recipient and text, and answers with the id.
    /// `pause`: milliseconds between two at most.
    pub fn send(
        &self,
        numbers: &[String],
        once: bool,
        seed: u64,
        pause: u64,
        over: &AtomicBool,
        call: impl Fn(&str, &str) -> Option<String>,
    ) {
        let first = self.sent.lock().unwrap().iter().filter(|sent| sent.once == once).count();
        let mut dice = Dice::new(seed ^ if once { 2 } else { 3 });
        for serial in first.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let to = match dice.below(4) {
                0 => numbers[within(&mut dice, numbers.len())].clone(),
                _ => format!("+49155{:08}", dice.below(50)),
            };
            let text = text_that_occurs_once(if once { "once" } else { "out" }, serial, dice.below(6) == 0);
            let id = call(&to, &text);
            let answered = id.is_some();
            self.sent.lock().unwrap().push(Sent { id, text, once });
            // While nobody listens a try costs nothing and shows nothing.
            rest(Duration::from_millis(if answered { dice.below(pause) } else { 40 }), over);
        }
    }
}

/// Waits, unless it is over.
pub fn rest(length: Duration, over: &AtomicBool) {
    let until = Instant::now() + length;
    while !over.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(200)));
    }
}

/// Says that it is over when it goes, also in a panic.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An index below a count.
pub fn within(dice: &mut Dice, count: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(count).unwrap())).unwrap()
}

/// All parts of it occur once too.
fn text_that_occurs_once(kind: &str, serial: usize, long: bool) -> String {
    match long {
        false => format!("{kind} {serial}"),
        true => (0..30).map(|word| format!("{kind} {serial}.{word:02}")).collect::<Vec<_>>().join(" "),
    }
}
