//! Modems and network together: carries what one says to the other until both are quiet. Sans-IO.
//!
//! Only what something happened to is looked at: a call costs no more with a hundred quiet modems than with one.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    time::Duration,
};

use super::{
    conditions::seconds,
    faults::Fault,
    ledger::Happening,
    line::{Line, Octets},
    modem::{Event, Modem, Taken},
    network::{Item, Network},
};

/// Modems in a network.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub network: Network,
    modems: Vec<Modem>,
    /// One a modem.
    lines: Vec<Line>,
    /// Pace of the lines; 0: they take no time.
    baud: u32,
    numbers: HashMap<String, usize>,
    /// Modems that are behind one plug.
    bundles: Vec<Range<usize>>,
    /// Modems to look at.
    pending: BTreeSet<usize>,
    /// Modems looked at since [`Self::take_woken`].
    woken: BTreeSet<usize>,
}

impl World {
    /// A world without modems.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self {
            network,
            modems: Vec::new(),
            lines: Vec::new(),
            baud: 0,
            numbers: HashMap::new(),
            bundles: Vec::new(),
            pending: BTreeSet::new(),
            woken: BTreeSet::new(),
        }
    }

    /// Adds a modem; its index.
    pub fn add(&mut self, modem: Modem) -> usize {
        let index = self.modems.len();
        self.network.subscribe(&modem.number);
        self.numbers.insert(modem.number.clone(), index);
        self.modems.push(modem);
        self.lines.push(Line::default());
        index
    }

    /// These modems are behind one plug: what unplugs one unplugs all.
    pub fn bundle(&mut self, modems: Range<usize>) {
        self.bundles.push(modems);
    }

    /// A modem.
    #[must_use]
    pub fn modem(&self, index: usize) -> Option<&Modem> {
        self.modems.get(index)
    }

    /// All modems.
    #[must_use]
    pub fn modems(&self) -> &[Modem] {
        &self.modems
    }

    /// Paces all lines from now on, both ways; 0: they take no time.
    pub const fn set_baud(&mut self, baud: u32) {
        self.baud = baud;
    }

    /// What has crossed a modem's line.
    #[must_use]
    pub fn octets(&self, index: usize) -> Octets {
        self.lines.get(index).map(Line::octets).unwrap_or_default()
    }

    /// Bytes from a terminal.
    pub fn handle_input(&mut self, now: Duration, index: usize, bytes: &[u8]) {
        if let Some(line) = self.lines.get_mut(index) {
            line.to_modem.push(self.baud, now, bytes, None);
        }
        self.cross(now, index);
    }

    /// The terminal has closed the port.
    pub fn closed(&mut self, now: Duration, index: usize) {
        self.cross(now, index);
        if let Some(line) = self.lines.get_mut(index) {
            line.cut();
        }
        self.act(now, index, |modem| modem.closed(now));
    }

    /// Starts a fault; false if there is no such modem.
    pub fn start_fault(&mut self, now: Duration, index: usize, fault: Fault) -> bool {
        let plug = matches!(fault, Fault::Unplug | Fault::Replug { .. });
        let bundle = self.bundles.iter().find(|bundle| plug && bundle.contains(&index)).cloned();
        let mut modems = bundle.unwrap_or(index..index.saturating_add(1));
        if plug {
            self.lines.get_mut(modems.clone()).unwrap_or_default().iter_mut().for_each(Line::cut);
        }
        modems.all(|index| self.act(now, index, |modem| modem.start_fault(now, fault.clone())).is_some())
    }

    /// Lays an item into a place of a modem's memory; false if that is taken or not there.
    ///
    /// # Errors
    /// No modem has the number.
    pub(super) fn lay(
        &mut self,
        now: Duration,
        to: &str,
        memory: &str,
        index: usize,
        item: Item,
    ) -> Result<bool, String> {
        let modem = self.numbers.get(to).and_then(|modem| self.modems.get_mut(*modem));
        let modem = modem.ok_or_else(|| format!("field `to`: no modem has the number `{to}`"))?;
        let laid = modem.lay(memory, index, item.clone());
        if let Some(place) = laid {
            self.network.delivered(now, to, &item, place);
            return Ok(true);
        }
        Ok(false)
    }

    /// The network sends a USSD text of its own; false if there is no such modem.
    pub fn send_ussd(&mut self, now: Duration, index: usize, text: &str, answer_wanted: bool) -> bool {
        self.act(now, index, |modem| modem.ussd_from_network(now, text, answer_wanted)).is_some()
    }

    /// All bytes for a terminal that are due.
    pub fn poll_output(&mut self, now: Duration, index: usize) -> Vec<u8> {
        self.print(now, now, index);
        let (Some(line), Some(modem)) = (self.lines.get_mut(index), self.modems.get(index)) else { return Vec::new() };
        let arrived = line.to_terminal.take(self.baud, now);
        for id in arrived.announced {
            self.network.note(now, &modem.number, Happening::Announced { id });
        }
        arrived.octets
    }

    /// When [`Self::handle_timeout`] has something to do for this modem.
    #[must_use]
    pub fn poll_timeout(&self, index: usize) -> Option<Duration> {
        let modem = self.modems.get(index)?;
        let queue = modem.registered().then(|| self.network.poll_timeout(&modem.number)).flatten();
        let line = self.lines.get(index).and_then(|line| line.due(self.baud));
        modem.poll_timeout().into_iter().chain(queue).chain(line).min()
    }

    /// Time has passed for a modem.
    pub fn handle_timeout(&mut self, now: Duration, index: usize) {
        self.cross(now, index);
        self.act(now, index, |_| ());
    }

    /// Nothing is under way: no queue holds anything, no modem owes an answer or a byte.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.network.waiting() == 0 && self.modems.iter().all(Modem::is_idle) && self.lines.iter().all(Line::is_idle)
    }

    /// Carries everything that is due at the modems something happened to.
    pub fn settle(&mut self, now: Duration) {
        loop {
            let touched = self.network.take_touched();
            self.pending.extend(touched.iter().filter_map(|number| self.numbers.get(number)));
            let Some(index) = self.pending.pop_first() else { return };
            self.woken.insert(index);
            if let Some(modem) = self.modems.get_mut(index) {
                settle(&mut self.network, modem, now);
            }
        }
    }

    /// Modems that may have something new to write since the last call.
    pub(super) fn take_woken(&mut self) -> BTreeSet<usize> {
        std::mem::take(&mut self.woken)
    }

    /// Hands the modem what has come to its end of the line. It answers at the moment when that came, even if nobody
    /// looked until now.
    fn cross(&mut self, now: Duration, index: usize) {
        self.print(now, now, index);
        let Some(line) = self.lines.get_mut(index) else { return };
        let arrived = line.to_modem.take(self.baud, now);
        if !arrived.octets.is_empty() {
            self.act(now, index, |modem| modem.handle_input(now, &arrived.octets));
            self.print(now, arrived.at, index);
        }
    }

    /// Puts on the line what the modem says, at `at`.
    fn print(&mut self, now: Duration, at: Duration, index: usize) {
        let (Some(line), Some(modem)) = (self.lines.get_mut(index), self.modems.get_mut(index)) else { return };
        while let Some(piece) = modem.poll_output(now) {
            line.to_terminal.push(self.baud, at, &piece.bytes, piece.announces);
        }
    }

    fn act<T>(&mut self, now: Duration, index: usize, act: impl FnOnce(&mut Modem) -> T) -> Option<T> {
        let result = act(self.modems.get_mut(index)?);
        self.pending.insert(index);
        self.settle(now);
        Some(result)
    }
}

fn settle(network: &mut Network, modem: &mut Modem, now: Duration) {
    modem.handle_timeout(now);
    loop {
        while let Some(event) = modem.poll_event() {
            handle(network, modem, now, event);
        }
        let delivered = modem.registered() && deliver(network, modem, now);
        if !delivered && !modem.has_events() {
            return;
        }
    }
}

/// Hands the next PDU to the modem; false if there is none, or no room.
fn deliver(network: &mut Network, modem: &mut Modem, now: Duration) -> bool {
    let number = modem.number.clone();
    let Some(item) = network.take(now, &number) else { return false };
    let done = match modem.deliver(now, item) {
        Taken::Done(item, place) => {
            let is_stored = place.slot.is_some();
            network.delivered(now, &number, &item, place);
            if !is_stored {
                network.note(now, &number, Happening::HandedOver { id: item.id });
            }
            network.received(now, &item);
            item
        }
        Taken::Awaited(item, place) => {
            network.delivered(now, &number, &item, place);
            item
        }
        Taken::Discarded(item) => {
            network.note(now, &number, Happening::Discarded { id: item.id });
            item
        }
        Taken::Full(item) => {
            network.put_back(&number, item);
            return false;
        }
    };
    let message = done.report.is_none() && !done.copy && done.attempts == 0;
    if message && (modem.take_duplicate() || network.wants_copy()) {
        network.copy(now, &number, &done);
    }
    true
}

fn handle(network: &mut Network, modem: &mut Modem, now: Duration, event: Event) {
    let number = modem.number.clone();
    match event {
        Event::Submit(pdu) => {
            let result = network.submit(now, &number, &pdu);
            if let Err(code) = result {
                network.note(now, &number, Happening::SubmitFailed { code });
            }
            let latency = seconds(network.conditions.submit_latency);
            modem.submitted(now, latency, result);
        }
        Event::SubmitFailed(code) => network.note(now, &number, Happening::SubmitFailed { code }),
        Event::Acknowledged(item) => {
            network.note(now, &number, Happening::Acknowledged { id: item.id });
            network.received(now, &item);
        }
        Event::Refused(item) => network.refused(now, &number, item),
        Event::Deleted { item, memory, index } => {
            let (id, message, part) = (item.id, item.message, item.part.0);
            network.note(now, &number, Happening::Deleted { id, message, part, memory, index });
        }
    }
}
