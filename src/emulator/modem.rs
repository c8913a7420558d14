//! A modem made of code: bytes in, answers out, time told. What the commands do is in `commands`, `sim`, `sms`, `ussd`.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    faults::Pending,
    network::{Item, Place},
    personality::Personality,
};

/// Longest line or PDU; more is cut off.
const LONGEST: usize = 2048;
/// Between two bytes of a modem that hands them out one by one.
const BYTE: Duration = Duration::from_millis(1);
/// How long a notice waits for a listing it could fall into.
const INTERLEAVE: Duration = Duration::from_millis(300);

/// What a modem tells the network.
#[derive(Debug)]
pub enum Event {
    /// A message is sent; answer with [`Modem::submitted`].
    Submit(String),
    /// A message was not sent.
    SubmitFailed(u16),
    /// An item was acknowledged.
    Acknowledged(Item),
    /// An item was not acknowledged in time.
    Refused(Item),
    /// A stored item was deleted.
    Deleted {
        /// The item.
        item: Item,
        /// Where it was.
        memory: String,
        /// Where it was.
        index: usize,
    },
}

/// What became of an item.
#[derive(Debug)]
pub enum Taken {
    /// Stored, or printed where no acknowledgement is asked.
    Done(Item, Place),
    /// Printed; the acknowledgement is awaited.
    Awaited(Item, Place),
    /// A report that nobody wants.
    Discarded(Item),
    /// No room now.
    Full(Item),
}

/// Bytes for the terminal.
#[derive(Debug, Default)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The item they tell of.
    pub announces: Option<u64>,
}

/// An unsolicited line, and the item it tells of.
type Announcement = (String, Option<u64>);

/// What a terminal sets and a restart forgets.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) echo: bool,
    pub(super) errors: u8,
    pub(super) text_mode: bool,
    pub(super) indications: [u8; 5],
    pub(super) phase: u8,
    pub(super) creg: u8,
    pub(super) ussd_notices: bool,
    /// `^USSDMODE=0` was given.
    pub(super) ussd_as_text: bool,
    pub(super) charset: String,
    pub(super) memories: [String; 3],
}

impl Settings {
    fn fresh() -> Self {
        Self {
            echo: true,
            errors: 0,
            text_mode: false,
            indications: [0; 5],
            phase: 0,
            creg: 0,
            ussd_notices: false,
            ussd_as_text: false,
            charset: "GSM".to_owned(),
            memories: ["SM", "SM", "SM"].map(str::to_owned),
        }
    }
}

/// The SIM card: what survives every restart of the modem.
#[derive(Debug)]
pub(super) struct Sim {
    pub(super) present: bool,
    pub(super) pin: Option<String>,
    pub(super) tries: u8,
    pub(super) unlocked: bool,
    pub(super) balance: i64,
    /// Makes its IMSI and ICCID.
    pub(super) serial: u64,
}

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) item: Item,
    pub(super) read: bool,
}

/// A modem.
#[derive(Debug)]
pub struct Modem {
    /// Its model.
    pub personality: &'static Personality,
    /// The number of its SIM.
    pub number: String,
    pub(super) imei: String,
    pub(super) serial: u64,
    pub(super) settings: Settings,
    /// How often each command was given to it.
    pub(super) commands: BTreeMap<String, u64>,
    pub(super) storage: BTreeMap<String, BTreeMap<usize, Stored>>,
    pub(super) sim: Sim,
    pub(super) registration: u8,
    pub(super) signal: u8,
    pub(super) menu: bool,
    pub(super) faults: Pending,
    pub(super) plugged: bool,
    /// How often it came back to the bus.
    pub(super) plugs: u64,
    pub(super) link: String,
    /// How often it was told to restart (`AT+CFUN=1,1`).
    pub(super) resets: u32,
    /// How often it was told a PIN (`AT+CPIN=`).
    pub(super) pin_attempts: u32,
    pub(super) prompt: Option<usize>,
    /// A message is with the network, whose answer is not there yet.
    pub(super) submitting: bool,
    pub(super) awaiting: Option<(Item, Duration)>,
    pub(super) events: VecDeque<Event>,
    /// The item for which it last said that a memory is full.
    pub(super) told_full: Option<u64>,
    /// Notices to print after the answer under way.
    pub(super) afterwards: Vec<String>,
    /// A USSD answer that the network takes its time for.
    pub(super) late_ussd: Option<(Duration, String)>,
    /// An answer that is late.
    busy: Option<(Duration, String)>,
    /// Notices that wait to fall into a listing.
    interleaved: Option<(Duration, Vec<Announcement>)>,
    /// What the terminal wrote while an answer was under way.
    held: VecDeque<u8>,
    line: Vec<u8>,
    output: VecDeque<Piece>,
    next_byte: Duration,
}

impl Modem {
    /// A modem, plugged and registered; `serial` makes its IMEI, IMSI and ICCID.
    #[must_use]
    pub fn new(personality: &'static Personality, number: &str, serial: u64) -> Self {
        let body = format!("{}{:06}", personality.type_allocation, serial % 1_000_000);
        Self {
            personality,
            number: number.to_owned(),
            imei: format!("{body}{}", luhn(&body)),
            serial,
            settings: Settings::fresh(),
            commands: BTreeMap::new(),
            storage: BTreeMap::new(),
            sim: Sim { present: true, pin: None, tries: 3, unlocked: true, balance: 1234, serial },
            registration: 1,
            signal: 20,
            menu: false,
            faults: Pending::default(),
            plugged: true,
            plugs: 0,
            link: format!("modem-{serial:02}"),
            resets: 0,
            pin_attempts: 0,
            prompt: None,
            submitting: false,
            awaiting: None,
            events: VecDeque::new(),
            told_full: None,
            afterwards: Vec::new(),
            late_ussd: None,
            busy: None,
            interleaved: None,
            held: VecDeque::new(),
            line: Vec::new(),
            output: VecDeque::new(),
            next_byte: Duration::ZERO,
        }
    }

    /// Its IMEI.
    #[must_use]
    pub fn imei(&self) -> &str {
        &self.imei
    }

    /// Name of the link to it, if it is plugged.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        self.plugged.then_some(self.link.as_str())
    }

    /// How often it was told to restart.
    #[must_use]
    pub const fn resets(&self) -> u32 {
        self.resets
    }

    /// How often it was told a PIN.
    #[must_use]
    pub const fn pin_attempts(&self) -> u32 {
        self.pin_attempts
    }

    /// Messages and reports in its memories.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.storage.values().map(BTreeMap::len).sum()
    }

    /// In a network.
    #[must_use]
    pub fn registered(&self) -> bool {
        self.plugged && self.sim.present && self.sim.unlocked && matches!(self.registration, 1 | 5)
    }

    /// It owes no answer, no byte, and awaits no acknowledgement.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.output.is_empty()
            && self.busy.is_none()
            && self.interleaved.is_none()
            && !self.submitting
            && self.awaiting.is_none()
    }

    /// Bytes from the terminal.
    pub fn handle_input(&mut self, now: Duration, bytes: &[u8]) {
        if self.plugged && !self.hangs(now, bytes) && !self.silent(now) {
            self.held.extend(bytes);
            self.read_held(now);
        }
    }

    /// The next bytes for the terminal that are due.
    pub fn poll_output(&mut self, now: Duration) -> Option<Piece> {
        let piece = self.output.front_mut()?;
        if !self.faults.byte_by_byte {
            return self.output.pop_front();
        }
        if now < self.next_byte {
            return None;
        }
        self.next_byte = now + BYTE;
        if piece.bytes.len() > 1 {
            return Some(Piece { bytes: piece.bytes.drain(..1).collect(), announces: None });
        }
        self.output.pop_front()
    }

    /// What the network has to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_output`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let output = (self.faults.byte_by_byte && !self.output.is_empty()).then_some(self.next_byte);
        let awaiting = self.awaiting.as_ref().map(|(_, deadline)| *deadline);
        let busy = self.busy.as_ref().map(|(due, _)| *due);
        let interleaved = self.interleaved.as_ref().map(|(due, _)| *due);
        let late_ussd = self.late_ussd.as_ref().map(|(due, _)| *due);
        [output, awaiting, busy, interleaved, late_ussd].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if let Some((item, _)) = self.awaiting.take_if(|(_, deadline)| *deadline <= now) {
            // TS 27.005 3.4.4: a terminal that does not acknowledge gets nothing more until it asks again.
            let [mode, _, bm, _, bfr] = self.settings.indications;
            self.settings.indications = [mode, 0, bm, 0, bfr];
            self.events.push_back(Event::Refused(item));
        }
        if let Some((_, text)) = self.busy.take_if(|(due, _)| *due <= now) {
            self.finish(now, text);
        }
        if let Some((_, line)) = self.late_ussd.take_if(|(due, _)| *due <= now) {
            self.notice(now, &line, None);
        }
        if let Some((_, notices)) = self.interleaved.take_if(|(due, _)| *due <= now) {
            for (line, announces) in notices {
                self.emit(now, line.into_bytes(), announces);
            }
        }
        self.read_held(now);
    }

    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn take_duplicate(&mut self) -> bool {
        std::mem::take(&mut self.faults.duplicate)
    }

    /// Starts anew: settings are lost, memories and SIM stay.
    pub(super) fn boot(&mut self, now: Duration) {
        self.forget();
        self.faults.silent_until = None;
        self.sim.unlocked = self.sim.pin.is_none() && self.sim.tries > 0;
        for line in self.personality.boot {
            if self.sim.present && self.sim.unlocked || !line.ends_with("READY") {
                self.notice(now, line, None);
            }
        }
    }

    /// Leaves the bus: what was not yet written is lost.
    pub(super) fn unplug(&mut self) {
        self.plugged = false;
        self.output.clear();
        self.forget();
    }

    /// An unsolicited line.
    pub(super) fn notice(&mut self, now: Duration, line: &str, announces: Option<u64>) {
        let line = format!("\r\n{line}\r\n");
        if self.faults.interleave {
            let (_, notices) = self.interleaved.get_or_insert_with(|| (now + INTERLEAVE, Vec::new()));
            notices.push((line, announces));
        } else {
            self.emit(now, line.into_bytes(), announces);
        }
    }

    /// Lines, then the final result, after the delay that a fault asks for.
    pub(super) fn answer(&mut self, now: Duration, lines: &[String], result: &str) {
        let delay = self.faults.late.take().unwrap_or_default();
        self.answer_after(now, delay, lines, result);
    }

    pub(super) fn answer_after(&mut self, now: Duration, delay: Duration, lines: &[String], result: &str) {
        let mut text = String::new();
        let mut announced = Vec::new();
        if self.faults.interleave && !lines.is_empty() {
            announced = self.interleaved.take().map(|(_, notices)| notices).unwrap_or_default();
            announced.push((format!("\r\n+CREG: {}\r\n", self.registration), None));
        }
        let mut notices = announced.into_iter();
        for (at, line) in lines.iter().enumerate() {
            if at > 0 && line.starts_with('+') {
                self.interleave(now, &mut text, notices.next());
            }
            text.push_str(&format!("\r\n{line}"));
        }
        if !lines.is_empty() {
            text.push_str("\r\n");
        }
        for notice in notices {
            self.interleave(now, &mut text, Some(notice));
        }
        text.push_str(&format!("\r\n{result}\r\n"));
        if delay.is_zero() {
            self.finish(now, text);
        } else {
            self.busy = Some((now + delay, text));
        }
    }

    pub(super) fn emit(&mut self, now: Duration, bytes: Vec<u8>, announces: Option<u64>) {
        if !self.plugged || self.silent(now) || bytes.is_empty() {
            return;
        }
        match self.output.back_mut() {
            Some(last) if last.announces.is_none() && announces.is_none() => last.bytes.extend(bytes),
            _ => self.output.push_back(Piece { bytes, announces }),
        }
    }

    pub(super) fn read_held(&mut self, now: Duration) {
        while self.busy.is_none() && !self.submitting {
            let Some(byte) = self.held.pop_front() else { return };
            if self.settings.echo && byte != 0x1b {
                self.emit(now, vec![byte], None);
            }
            match (self.prompt, byte) {
                (Some(octets), 0x1a) => {
                    self.prompt = None;
                    let pdu = self.take_line();
                    self.payload(now, octets, pdu);
                }
                (Some(_), 0x1b) => {
                    self.prompt = None;
                    self.line.clear();
                    self.answer(now, &[], "OK");
                }
                (None, b'\r') => {
                    let line = self.take_line();
                    self.command_line(now, &line);
                }
                (None, 0x1b | b'\n') => {}
                (_, 0x08) => drop(self.line.pop()),
                _ if self.line.len() < LONGEST => self.line.push(byte),
                _ => {}
            }
        }
    }

    fn take_line(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim().to_owned()
    }

    fn finish(&mut self, now: Duration, text: String) {
        self.emit(now, text.into_bytes(), None);
        for line in std::mem::take(&mut self.afterwards) {
            match now.checked_add(self.faults.ussd_delay) {
                Some(due) if due == now => self.notice(now, &line, None),
                Some(due) => self.late_ussd = Some((due, line)),
                None => {}
            }
        }
    }

    /// Puts a notice into the middle of an answer: between two of its entries, never into one.
    fn interleave(&mut self, now: Duration, text: &mut String, notice: Option<Announcement>) {
        let Some((line, announces)) = notice else { return };
        text.push_str("\r\n");
        if announces.is_none() {
            text.push_str(&line);
        } else {
            self.emit(now, std::mem::take(text).into_bytes(), None);
            self.emit(now, line.into_bytes(), announces);
        }
    }

    pub(super) fn silent(&self, now: Duration) -> bool {
        self.faults.hung.is_some() || self.faults.silent_until.is_some_and(|until| now < until)
    }

    fn forget(&mut self) {
        self.settings = Settings::fresh();
        self.line.clear();
        self.held.clear();
        self.prompt = None;
        self.menu = false;
        self.submitting = false;
        self.busy = None;
        self.interleaved = None;
        self.afterwards.clear();
        self.late_ussd = None;
        if let Some((item, _)) = self.awaiting.take() {
            self.events.push_back(Event::Refused(item));
        }
    }
}

/// Check digit of an IMEI (TS 23.003 annex B).
fn luhn(digits: &str) -> u32 {
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::luhn;

    #[test]
    fn the_check_digit_of_an_imei() {
        for (body, digit) in [("49015420323751", 8), ("35209900176148", 1), ("00000000000000", 0)] {
            assert_eq!(luhn(body), digit, "{body}");
        }
    }
}
