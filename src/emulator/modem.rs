//! A modem made of code: lines in, answers out, time told. Device and SIM commands are in `commands`, messages in `sms`.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{
    faults::{Fault, Pending},
    network::{Item, seconds},
    personality::Personality,
};

/// What a modem tells the network.
#[derive(Debug)]
pub enum Event {
    /// A message is sent; answer with [`Modem::submitted`].
    Submit(String),
    /// An item was acknowledged.
    Acknowledged(Item),
    /// An item was not acknowledged in time.
    Refused(Item),
    /// A stored item was deleted.
    Deleted(u64),
}

/// Where an item went.
#[derive(Debug)]
pub enum Taken {
    /// Stored, or printed where no acknowledgement is asked.
    Done(Item),
    /// Printed; the acknowledgement is awaited.
    Awaited,
    /// No room.
    Full(Item),
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) echo: bool,
    pub(super) errors: u8,
    pub(super) text_mode: bool,
    pub(super) indications: [u8; 5],
    pub(super) phase: u8,
    pub(super) creg: u8,
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
            charset: "GSM".to_owned(),
            memories: ["SM", "SM", "SM"].map(str::to_owned),
        }
    }
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
    pub(super) storage: BTreeMap<String, BTreeMap<usize, Stored>>,
    pub(super) pin: Option<String>,
    pub(super) pin_tries: u8,
    pub(super) unlocked: bool,
    pub(super) registration: u8,
    pub(super) signal: u8,
    pub(super) balance: i64,
    pub(super) menu: bool,
    pub(super) faults: Pending,
    pub(super) plugged: bool,
    pub(super) link: String,
    pub(super) prompt: Option<usize>,
    pub(super) awaiting: Option<(Item, Duration)>,
    pub(super) events: VecDeque<Event>,
    line: Vec<u8>,
    output: VecDeque<(Duration, Vec<u8>)>,
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
            storage: BTreeMap::new(),
            pin: None,
            pin_tries: 3,
            unlocked: true,
            registration: 1,
            signal: 20,
            balance: 1234,
            menu: false,
            faults: Pending::default(),
            plugged: true,
            link: format!("modem-{serial:02}"),
            prompt: None,
            awaiting: None,
            events: VecDeque::new(),
            line: Vec::new(),
            output: VecDeque::new(),
        }
    }

    /// Its IMEI.
    #[must_use]
    pub fn imei(&self) -> &str {
        &self.imei
    }

    /// Bytes from the terminal.
    pub fn handle_input(&mut self, now: Duration, bytes: &[u8]) {
        if !self.plugged || self.silent(now) {
            return;
        }
        for &byte in bytes {
            if self.prompt.is_some() {
                self.payload_byte(now, byte);
                continue;
            }
            if self.settings.echo {
                self.emit(now, vec![byte]);
            }
            match byte {
                b'\r' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim().to_owned();
                    self.command_line(now, &line);
                }
                0x1b | b'\n' => {}
                0x08 => drop(self.line.pop()),
                _ if self.line.len() < 2048 => self.line.push(byte),
                _ => {}
            }
        }
    }

    /// The next bytes for the terminal that are due.
    pub fn poll_output(&mut self, now: Duration) -> Option<Vec<u8>> {
        let (due, bytes) = self.output.front_mut()?;
        if *due > now {
            return None;
        }
        if self.faults.byte_by_byte && bytes.len() > 1 {
            return Some(bytes.drain(..1).collect());
        }
        self.output.pop_front().map(|(_, bytes)| bytes)
    }

    /// What the network has to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_output`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let output = self.output.front().map(|(due, _)| *due);
        output.into_iter().chain(self.awaiting.as_ref().map(|(_, deadline)| *deadline)).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if let Some((item, _)) = self.awaiting.take_if(|(_, deadline)| *deadline <= now) {
            // TS 27.005 3.4.4: a terminal that does not acknowledge gets nothing more until it asks again.
            let [mode, _, bm, _, bfr] = self.settings.indications;
            self.settings.indications = [mode, 0, bm, 0, bfr];
            self.events.push_back(Event::Refused(item));
        }
    }

    /// Starts a fault. Those of links and duplicates show at the network and the port.
    pub fn start_fault(&mut self, now: Duration, fault: Fault) {
        match fault {
            Fault::Silence { seconds: length } => {
                self.faults.silent_until = Some(length.map_or(Duration::MAX, |length| now + seconds(length)));
            }
            Fault::Garbage { count } => self.emit(now, (0..count).map(|at| 0x80 | (at % 127) as u8).collect()),
            Fault::ByteByByte { on } => self.faults.byte_by_byte = on,
            Fault::CmsError { code, count } => self.faults.cms = Some((code, count)),
            Fault::NoPrompt { count } => self.faults.no_prompt = count,
            Fault::HangAfterPayload { submitted } => self.faults.hang = Some(submitted),
            Fault::Late { seconds: length } => self.faults.late = Some(seconds(length)),
            Fault::Interleave { on } => self.faults.interleave = on,
            Fault::DropNotices { count } => self.faults.drop_notices = count,
            Fault::Duplicate => self.faults.duplicate = true,
            Fault::LimitMemory { slots } => self.faults.slots = slots,
            Fault::Unplug => {
                self.plugged = false;
                self.forget();
            }
            Fault::Replug { link } => {
                self.link = link.unwrap_or_else(|| std::mem::take(&mut self.link));
                self.plugged = true;
                self.boot(now);
            }
            Fault::Reboot => self.boot(now),
            Fault::Registration { state } => {
                self.registration = state;
                if self.settings.creg > 0 {
                    self.notice(now, &format!("+CREG: {state}"));
                }
            }
            Fault::Signal { value } => self.signal = value,
            Fault::PinRequired { pin } => {
                self.pin = Some(pin);
                self.unlocked = false;
            }
            Fault::Balance { cents } => self.balance = cents,
        }
    }

    pub(super) fn boot(&mut self, now: Duration) {
        self.forget();
        self.faults.silent_until = None;
        self.unlocked = self.pin.is_none();
        for line in self.personality.boot {
            if self.unlocked || !line.ends_with("READY") {
                self.notice(now, line);
            }
        }
    }

    pub(super) fn registered(&self) -> bool {
        self.plugged && self.unlocked && matches!(self.registration, 1 | 5)
    }

    /// An unsolicited line.
    pub(super) fn notice(&mut self, now: Duration, line: &str) {
        self.emit(now, format!("\r\n{line}\r\n").into_bytes());
    }

    /// Lines, then the final result.
    pub(super) fn answer(&mut self, now: Duration, lines: &[String], result: &str) {
        let mut text = String::new();
        for line in lines {
            text.push_str(&format!("\r\n{line}"));
            if self.faults.interleave {
                text.push_str(&format!("\r\n\r\n+CREG: {}\r\n", self.registration));
            }
        }
        if !lines.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str(&format!("\r\n{result}\r\n"));
        let late = self.faults.late.take().unwrap_or_default();
        self.emit(now + late, text.into_bytes());
    }

    pub(super) fn emit(&mut self, due: Duration, bytes: Vec<u8>) {
        if !self.plugged || self.silent(due) || bytes.is_empty() {
            return;
        }
        // Output keeps its order: nothing overtakes an answer that is late.
        let due = self.output.back().map_or(due, |(last, _)| due.max(*last));
        self.output.push_back((due, bytes));
    }

    fn silent(&self, now: Duration) -> bool {
        self.faults.silent_until.is_some_and(|until| now < until)
    }

    fn forget(&mut self) {
        self.settings = Settings::fresh();
        self.output.clear();
        self.line.clear();
        self.prompt = None;
        if let Some((item, _)) = self.awaiting.take() {
            self.events.push_back(Event::Refused(item));
        }
    }

    fn payload_byte(&mut self, now: Duration, byte: u8) {
        match byte {
            0x1a => {
                let payload = String::from_utf8_lossy(&std::mem::take(&mut self.line)).trim().to_owned();
                let octets = self.prompt.take().unwrap_or_default();
                self.payload(now, octets, payload);
            }
            0x1b => {
                self.line.clear();
                self.prompt = None;
                self.answer(now, &[], "OK");
            }
            _ if self.line.len() < 2048 => self.line.push(byte),
            _ => {}
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
