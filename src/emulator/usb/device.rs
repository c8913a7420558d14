//! A USB device while it is plugged: answers requests, keeps reads until there is something to read. Sans-IO.
//!
//! A read without data stays unanswered, however long that takes: an idle device costs nothing. What a modem says while
//! nobody reads waits, up to a limit, as in a device's own memory, and is thrown away when the terminal goes (DTR).

use std::collections::VecDeque;

use super::{
    descriptor::{CONFIGURATION, descriptor, endpoints, interfaces},
    ftdi,
    kinds::{Framing, Interface, Kind, Role},
    packet::{Reply, Request, Setup, Status},
    secondary::Secondary,
    storage::Storage,
};

/// Reads of one endpoint that may wait; a driver has some few.
const MOST_READS: usize = 64;
/// Octets that wait for a reader; what comes then is lost.
const MOST_WAITING: usize = 16 * 1024;

/// What the modems behind the device have to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// Bytes from the terminal.
    Input {
        /// Which of the device's modems.
        modem: usize,
        bytes: Vec<u8>,
    },
    /// The terminal has closed the port.
    Closed {
        /// Which of the device's modems.
        modem: usize,
    },
}

/// A device.
#[derive(Debug)]
pub(super) struct Device {
    kind: &'static Kind,
    configuration: u8,
    functions: Vec<Function>,
    replies: Vec<(u64, Reply)>,
    events: VecDeque<Event>,
}

/// An interface at work.
#[derive(Debug)]
struct Function {
    interface: &'static Interface,
    behind: Behind,
    /// Ids of reads, their lengths and streams.
    reads: VecDeque<(u64, u32, u32)>,
    waiting: VecDeque<u8>,
    /// The terminal has said that it is there (DTR).
    terminal: bool,
}

#[derive(Debug)]
enum Behind {
    Modem(usize),
    Secondary(Secondary),
    Silence,
    Storage(Storage),
}

impl Device {
    pub(super) fn new(kind: &'static Kind) -> Self {
        let mut modems = 0..;
        let functions = kind.interfaces.iter().map(|interface| Function {
            interface,
            behind: match interface.role {
                Role::Modem => Behind::Modem(modems.next().unwrap_or_default()),
                Role::Secondary => Behind::Secondary(Secondary::default()),
                Role::Silent => Behind::Silence,
                Role::Storage => Behind::Storage(Storage::default()),
            },
            reads: VecDeque::new(),
            waiting: VecDeque::new(),
            terminal: false,
        });
        let functions = functions.collect();
        Self { kind, configuration: 0, functions, replies: Vec::new(), events: VecDeque::new() }
    }

    /// What it says when it is plugged.
    pub(super) fn connect(&mut self) {
        self.describe();
        let Kind { vendor, product, version, .. } = *self.kind;
        self.reply(0, Reply::Connect { class: [0, 0, 0], vendor, product, version });
    }

    /// What it says when it is unplugged.
    pub(super) fn disconnect(&mut self) {
        self.restart();
        self.reply(0, Reply::Disconnect);
    }

    /// A request of the machine.
    pub(super) fn handle(&mut self, id: u64, request: Request) {
        let refused = Status::Invalid;
        match request {
            Request::Reset => {
                self.configuration = 0;
                self.restart();
            }
            Request::SetConfiguration(value) => self.configure(id, value),
            Request::GetConfiguration => {
                self.reply(id, Reply::ConfigurationStatus { status: Status::Success, value: self.configuration });
            }
            Request::SetAlternate { interface, setting } => {
                let known = setting == 0 && self.functions.len() > usize::from(interface);
                let status = if known { Status::Success } else { Status::Stall };
                if known {
                    self.describe();
                }
                self.reply(id, Reply::AlternateStatus { status, interface, setting });
            }
            Request::GetAlternate { interface } => {
                let known = self.functions.len() > usize::from(interface);
                let status = if known { Status::Success } else { Status::Stall };
                self.reply(id, Reply::AlternateStatus { status, interface, setting: 0 });
            }
            Request::StartIso { endpoint } | Request::StopIso { endpoint } => {
                self.reply(id, Reply::IsoStatus { status: refused, endpoint });
            }
            Request::StartInterrupt { endpoint } => {
                let known = self.functions.iter().any(|one| one.interface.interrupt_in == Some(endpoint));
                let status = if known && self.configured() { Status::Success } else { refused };
                self.reply(id, Reply::InterruptStatus { status, endpoint });
            }
            Request::StopInterrupt { endpoint } => {
                self.reply(id, Reply::InterruptStatus { status: Status::Success, endpoint });
            }
            Request::AllocateStreams { endpoints, count } => {
                self.reply(id, Reply::StreamsStatus { status: refused, endpoints, count });
            }
            Request::StartBulkReceiving { stream, endpoint } => {
                self.reply(id, Reply::BulkReceivingStatus { status: refused, stream, endpoint });
            }
            Request::Cancel => self.cancel(id),
            Request::Control { setup, data } => self.control(id, setup, &data),
            Request::Bulk { endpoint, length, stream, data } if endpoint & 0x80 != 0 && data.is_empty() => {
                self.read(id, endpoint, length, stream);
            }
            Request::Bulk { endpoint, stream, data, .. } => self.write(id, endpoint, stream, &data),
            Request::Interrupt { endpoint, length, .. } => {
                self.reply(id, Reply::Interrupt { endpoint, status: refused, length, data: Vec::new() });
            }
            // The greeting is over, and whoever rejected the device does not hear it any more.
            Request::Hello(_) | Request::Rejected | Request::Unanswered(_) => {}
        }
    }

    /// Bytes that a modem says.
    pub(super) fn transmit(&mut self, modem: usize, bytes: &[u8]) {
        let function = self.functions.iter_mut().find(|one| matches!(one.behind, Behind::Modem(at) if at == modem));
        if let Some(function) = function {
            function.say(bytes);
        }
        self.serve_reads();
    }

    /// Packets for the machine.
    pub(super) fn take_replies(&mut self) -> Vec<(u64, Reply)> {
        std::mem::take(&mut self.replies)
    }

    /// What the modems have to know.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    const fn configured(&self) -> bool {
        self.configuration == CONFIGURATION
    }

    fn reply(&mut self, id: u64, reply: Reply) {
        self.replies.push((id, reply));
    }

    /// Tells of endpoints, then of interfaces.
    fn describe(&mut self) {
        self.reply(0, Reply::Endpoints(endpoints(self.kind)));
        self.reply(0, Reply::Interfaces(interfaces(self.kind)));
    }

    fn configure(&mut self, id: u64, value: u8) {
        let known = value == 0 || value == CONFIGURATION;
        if known {
            self.restart();
            self.configuration = value;
            self.describe();
        }
        let status = if known { Status::Success } else { Status::Stall };
        self.reply(id, Reply::ConfigurationStatus { status, value: self.configuration });
    }

    /// Ends what is under way; who was at a port is gone.
    fn restart(&mut self) {
        for at in 0..self.functions.len() {
            self.terminal(at, false);
            let Some(function) = self.functions.get_mut(at) else { continue };
            let endpoint = function.interface.bulk_in;
            if let Behind::Storage(storage) = &mut function.behind {
                storage.reset();
            }
            for (id, _, stream) in std::mem::take(&mut function.reads) {
                self.replies.push((id, cancelled(endpoint, stream)));
            }
        }
    }

    fn cancel(&mut self, id: u64) {
        for function in &mut self.functions {
            if let Some(at) = function.reads.iter().position(|(read, ..)| *read == id)
                && let Some((_, _, stream)) = function.reads.remove(at)
            {
                self.replies.push((id, cancelled(function.interface.bulk_in, stream)));
            }
        }
    }

    fn read(&mut self, id: u64, endpoint: u8, length: u32, stream: u32) {
        let configured = self.configured();
        match self.functions.iter_mut().find(|one| one.interface.bulk_in == endpoint) {
            Some(function) if configured && function.reads.len() < MOST_READS => {
                function.reads.push_back((id, length, stream));
                self.serve_reads();
            }
            _ => {
                let status = Status::Invalid;
                self.reply(id, Reply::Bulk { endpoint, status, length: 0, stream, data: Vec::new() });
            }
        }
    }

    fn write(&mut self, id: u64, endpoint: u8, stream: u32, data: &[u8]) {
        let configured = self.configured();
        let found = self.functions.iter_mut().find(|one| configured && one.interface.bulk_out == endpoint);
        let status = if found.is_some() { Status::Success } else { Status::Invalid };
        if let Some(function) = found {
            match &mut function.behind {
                Behind::Modem(modem) if !data.is_empty() => {
                    self.events.push_back(Event::Input { modem: *modem, bytes: data.to_vec() });
                }
                Behind::Secondary(port) => {
                    let answer = port.take(data);
                    function.say(&answer);
                }
                Behind::Storage(storage) => storage.take(data),
                Behind::Modem(_) | Behind::Silence => {}
            }
        }
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.reply(id, Reply::Bulk { endpoint, status, length, stream, data: Vec::new() });
        self.serve_reads();
    }

    fn serve_reads(&mut self) {
        for function in &mut self.functions {
            while let Some((id, length, stream)) = function.reads.front().copied() {
                let Some(data) = function.transfer(self.kind.framing, length) else { break };
                function.reads.pop_front();
                let endpoint = function.interface.bulk_in;
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                self.replies.push((id, Reply::Bulk { endpoint, status: Status::Success, length, stream, data }));
            }
        }
    }

    fn control(&mut self, id: u64, setup: Setup, data: &[u8]) {
        let answer = self.answer(setup);
        let status = if answer.is_some() { Status::Success } else { Status::Stall };
        let mut answer = answer.unwrap_or_default();
        answer.truncate(usize::from(setup.length));
        let moved = if setup.reads() { answer.len() } else { data.len() };
        let length = u16::try_from(moved).unwrap_or(setup.length);
        self.reply(id, Reply::Control { setup, status, length, data: answer });
        self.serve_reads();
    }

    /// Data of a control transfer, empty where it only tells; none if the device does not know it.
    fn answer(&mut self, setup: Setup) -> Option<Vec<u8>> {
        match setup.kind & 0x60 {
            STANDARD => self.standard(setup),
            CLASS => self.class(setup),
            VENDOR if self.kind.framing == Framing::Ftdi => self.vendor(setup),
            _ => None,
        }
    }

    /// USB 2.0 9.4, without those that have packets of their own.
    fn standard(&self, setup: Setup) -> Option<Vec<u8>> {
        const GET_STATUS: u8 = 0;
        const CLEAR_FEATURE: u8 = 1;
        const SET_FEATURE: u8 = 3;
        const GET_DESCRIPTOR: u8 = 6;
        match (setup.reads(), setup.request) {
            (true, GET_STATUS) => Some(vec![0, 0]),
            (false, CLEAR_FEATURE | SET_FEATURE) => Some(Vec::new()),
            (true, GET_DESCRIPTOR) if setup.kind == 0x80 => descriptor(self.kind, setup.value),
            _ => None,
        }
    }

    /// Those that drivers of modems borrow from CDC (PSTN 6.3), and those of bulk-only storage (3.1, 3.2).
    fn class(&mut self, setup: Setup) -> Option<Vec<u8>> {
        const SET_LINE_CODING: u8 = 0x20;
        const SET_CONTROL_LINE_STATE: u8 = 0x22;
        const GET_MAX_LUN: u8 = 0xfe;
        const STORAGE_RESET: u8 = 0xff;
        let at = usize::from(setup.index & 0xff);
        let function = self.functions.get_mut(at)?;
        match (&mut function.behind, setup.reads(), setup.request) {
            (Behind::Storage(_), true, GET_MAX_LUN) => Some(vec![0]),
            (Behind::Storage(storage), false, STORAGE_RESET) => {
                storage.reset();
                Some(Vec::new())
            }
            (Behind::Storage(_), ..) => None,
            (_, false, SET_LINE_CODING) => Some(Vec::new()),
            (_, false, SET_CONTROL_LINE_STATE) => {
                self.terminal(at, setup.value & 1 != 0);
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn vendor(&mut self, setup: Setup) -> Option<Vec<u8>> {
        match ftdi::asked(setup) {
            ftdi::Asked::Data(data) => Some(data),
            ftdi::Asked::Discard { channel } => {
                self.functions.get_mut(channel)?.waiting.clear();
                Some(Vec::new())
            }
            ftdi::Asked::Terminal { channel, ready } => {
                self.functions.get(channel)?;
                self.terminal(channel, ready);
                Some(Vec::new())
            }
            ftdi::Asked::Setting => Some(Vec::new()),
            ftdi::Asked::Unknown => None,
        }
    }

    fn terminal(&mut self, at: usize, ready: bool) {
        let Some(function) = self.functions.get_mut(at) else { return };
        if std::mem::replace(&mut function.terminal, ready) && !ready {
            function.waiting.clear();
            if let Behind::Modem(modem) = function.behind {
                self.events.push_back(Event::Closed { modem });
            }
        }
    }
}

/// `bmRequestType`, bits 5 and 6.
const STANDARD: u8 = 0x00;
const CLASS: u8 = 0x20;
const VENDOR: u8 = 0x40;

impl Function {
    /// Bytes for whoever reads.
    fn say(&mut self, bytes: &[u8]) {
        let room = MOST_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(bytes.iter().take(room));
    }

    /// The next transfer to the machine of at most that length; none if there is nothing to say.
    fn transfer(&mut self, framing: Framing, length: u32) -> Option<Vec<u8>> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match (&mut self.behind, framing) {
            (Behind::Storage(storage), _) => storage.give(length),
            (_, Framing::Ftdi) => ftdi::frame(&mut self.waiting, length),
            (_, Framing::Plain) if self.waiting.is_empty() => None,
            (_, Framing::Plain) => Some(self.waiting.drain(..length.min(self.waiting.len())).collect()),
        }
    }
}

const fn cancelled(endpoint: u8, stream: u32) -> Reply {
    Reply::Bulk { endpoint, status: Status::Cancelled, length: 0, stream, data: Vec::new() }
}
