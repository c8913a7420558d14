//! Messages at the modem's side: memories, indications, listing, sending (TS 27.005). PDU mode only.

use std::time::Duration;

use super::{
    commands::{Done, Failure, NOTHING, one, parse},
    ledger::Notice,
    modem::{Event, Modem, Stored, Taken},
    network::{Item, Place},
};
use crate::tpdu::MessageClass;

/// How long an acknowledgement is awaited.
const ACKNOWLEDGE: Duration = Duration::from_secs(15);
/// A draft as it is listed: "Hi" to +491701234567.
const DRAFT: &str = "0011000C9194711032547600000002C834";
/// What a message costs, in cents.
const PRICE: i64 = 9;
/// `+CMS ERROR`: parameter not supported, and index not valid.
const NOT_ALLOWED: Failure = Failure::Cms(302);
const NO_INDEX: Failure = Failure::Cms(321);

impl Modem {
    /// Takes an item from the network, and tells the terminal as `+CNMI` says (TS 27.005 3.4.1).
    pub fn deliver(&mut self, now: Duration, item: Item) -> Taken {
        if self.awaiting.is_some() {
            return Taken::Full(item);
        }
        let [_, mt, _, ds, _] = self.settings.indications;
        let flash = item.class == Some(MessageClass::Zero) && self.personality.prints_flash;
        match (item.report.is_some(), mt, ds) {
            (true, _, 0) => Taken::Discarded(item),
            (true, _, 1) => self.print(now, item, Notice::Cds),
            (true, _, _) => self.store(now, item, Notice::Cdsi),
            (false, 0, _) => self.store(now, item, Notice::None),
            (false, 1, _) if flash => self.print(now, item, Notice::Cmt),
            (false, 1, _) => self.store(now, item, Notice::Cmti),
            (false, _, _) if item.class == Some(MessageClass::Two) => self.store(now, item, Notice::Cmti),
            (false, _, _) => self.print(now, item, Notice::Cmt),
        }
    }

    /// The network's answer to [`Event::Submit`].
    pub fn submitted(&mut self, now: Duration, latency: Duration, result: Result<u8, u16>) {
        // After a restart in between nobody waits any more.
        if !std::mem::take(&mut self.submitting) {
            return;
        }
        if self.faults.hang.take().is_none() {
            let latency = latency.max(self.faults.late.take().unwrap_or_default());
            match result {
                Ok(reference) => {
                    self.sim.balance -= PRICE;
                    self.answer_after(now, latency, &[format!("+CMGS: {reference}")], "OK");
                }
                Err(code) => self.fail(now, Failure::Cms(code)),
            }
        }
        self.read_held(now);
    }

    /// The PDU that followed a prompt.
    pub(super) fn payload(&mut self, now: Duration, octets: usize, pdu: String) {
        let service_centre = pdu.get(..2).and_then(|head| usize::from_str_radix(head, 16).ok()).unwrap_or_default();
        let code = if let Some((code, count)) = self.faults.cms.filter(|(_, count)| *count > 0) {
            self.faults.cms = Some((code, count - 1));
            code
        } else if !self.registered() {
            331
        } else if pdu.len() != 2 * (octets + service_centre + 1) {
            304
        } else if self.faults.hang == Some(false) {
            self.faults.hang = None;
            return;
        } else {
            self.submitting = true;
            self.events.push_back(Event::Submit(pdu));
            return;
        };
        self.events.push_back(Event::SubmitFailed(code));
        self.fail(now, Failure::Cms(code));
    }

    pub(super) fn sms_command(&mut self, now: Duration, name: &str, argument: Option<&str>) -> Result<Done, Failure> {
        match (self.sim.present, self.sim.unlocked) {
            (false, _) => return Err(Failure::Cms(310)),
            (true, false) => return Err(Failure::Cms(if self.sim.tries == 0 { 316 } else { 311 })),
            (true, true) => {}
        }
        match (name, argument) {
            ("+CSCA?", _) => one("+CSCA: \"+491710760000\",145"),
            ("+CSCA", Some(_)) => NOTHING,
            ("+CSMS", Some("?")) => one("+CSMS: (0,1)"),
            ("+CSMS?", _) => one(format!("+CSMS: {},1,1,1", self.settings.phase)),
            ("+CSMS", Some(phase)) => {
                self.settings.phase = parse(phase, NOT_ALLOWED)?;
                one("+CSMS: 1,1,1")
            }
            ("+CMGF", Some("?")) => one("+CMGF: (0,1)"),
            ("+CMGF?", _) => one(format!("+CMGF: {}", u8::from(self.settings.text_mode))),
            ("+CMGF", Some(mode)) => {
                self.settings.text_mode = mode == "1";
                NOTHING
            }
            ("+CPMS", Some("?")) => one(self.memory_names()),
            ("+CPMS?", _) => one(format!("+CPMS: {}", self.usage(true))),
            ("+CPMS", Some(wanted)) => self.select_memories(wanted),
            ("+CNMI", Some("?")) => {
                let ds = if self.personality.direct_reports { "0-2" } else { "0,2" };
                one(format!("+CNMI: (0-2),(0-3),(0),({ds}),(0,1)"))
            }
            ("+CNMI?", _) => {
                one(format!("+CNMI: {}", self.settings.indications.map(|field| field.to_string()).join(",")))
            }
            ("+CNMI", Some(wanted)) => self.set_indications(wanted),
            ("+CNMA", Some("2")) => {
                let (item, _) = self.awaiting.take().ok_or(Failure::Cms(340))?;
                self.events.push_back(Event::Refused(item));
                NOTHING
            }
            ("+CNMA", _) => {
                let (item, _) = self.awaiting.take().ok_or(Failure::Cms(340))?;
                self.events.push_back(Event::Acknowledged(item));
                NOTHING
            }
            ("+CMGL" | "+CMGR" | "+CMGS", _) if self.settings.text_mode => Err(Failure::Cms(303)),
            ("+CMGL", Some("?")) => one("+CMGL: (0-4)"),
            ("+CMGL", wanted) => Ok(Done::Lines(self.list(wanted.unwrap_or("0")))),
            ("+CMGR", Some(index)) => self.read(parse(index, NO_INDEX)?),
            ("+CMGD", Some("?")) => one(format!("+CMGD: (1-{}),(0-4)", self.capacity(&self.memory()))),
            ("+CMGD", Some(wanted)) => self.delete(wanted),
            ("+CMGS", Some("?")) => NOTHING,
            ("+CMGS", Some(octets)) => {
                if self.faults.no_prompt > 0 {
                    self.faults.no_prompt -= 1;
                } else {
                    self.prompt = Some(parse(octets, Failure::Cms(304))?);
                    self.emit(now, self.personality.prompt.as_bytes().to_vec(), None);
                }
                Ok(Done::Later)
            }
            _ => Err(NOT_ALLOWED),
        }
    }

    fn print(&mut self, now: Duration, item: Item, notice: Notice) -> Taken {
        let head = if notice == Notice::Cds { "+CDS: " } else { "+CMT: ," };
        self.notice(now, &format!("{head}{}\r\n{}", item.pdu.tpdu_octets, item.pdu.hex), Some(item.id));
        let place = Place { notice, slot: None };
        if self.settings.phase == 0 {
            return Taken::Done(item, place);
        }
        self.awaiting = Some((item.clone(), now + ACKNOWLEDGE));
        Taken::Awaited(item, place)
    }

    fn store(&mut self, now: Duration, item: Item, notice: Notice) -> Taken {
        let in_reports = item.report.is_some() && self.personality.report_slots > 0;
        let [_, _, receiving] = &self.settings.memories;
        let memory = if in_reports { "SR".to_owned() } else { receiving.clone() };
        let capacity = self.capacity(&memory) - self.drafts(&memory);
        let slots = self.storage.entry(memory.clone()).or_default();
        let Some(index) = (1..=capacity).find(|index| !slots.contains_key(index)) else {
            if item.attempts == 0 && self.told_full != Some(item.id) {
                self.told_full = Some(item.id);
                if let Some(line) = self.personality.memory_full {
                    self.notice(now, &line.replace("{}", &memory), None);
                }
            }
            return Taken::Full(item);
        };
        slots.insert(index, Stored { item: item.clone(), read: false });
        let name = match notice {
            Notice::Cdsi => Some("+CDSI"),
            Notice::Cmti => Some("+CMTI"),
            Notice::Cmt | Notice::Cds | Notice::None => None,
        };
        let mut place = Place { notice, slot: Some((memory.clone(), index)) };
        if let Some(name) = name {
            if self.faults.loses_notice() {
                place.notice = Notice::None;
            } else {
                self.notice(now, &format!("{name}: \"{memory}\",{index}"), Some(item.id));
            }
        }
        Taken::Done(item, place)
    }

    /// Puts an item into a place of a memory without a word; none if that is taken or not there.
    pub(super) fn lay(&mut self, memory: &str, index: usize, item: Item) -> Option<Place> {
        let capacity = self.capacity(memory);
        let slots = self.storage.entry(memory.to_owned()).or_default();
        if !(1..=capacity).contains(&index) || slots.contains_key(&index) {
            return None;
        }
        slots.insert(index, Stored { item, read: false });
        Some(Place { notice: Notice::None, slot: Some((memory.to_owned(), index)) })
    }

    fn select_memories(&mut self, wanted: &str) -> Result<Done, Failure> {
        for (slot, memory) in wanted.split(',').enumerate() {
            let memory = memory.trim().trim_matches('"');
            if self.capacity(memory) == 0 || (slot > 0 && memory == "SR") {
                return Err(NOT_ALLOWED);
            }
            if let Some(chosen) = self.settings.memories.get_mut(slot) {
                memory.clone_into(chosen);
            }
        }
        one(format!("+CPMS: {}", self.usage(false)))
    }

    fn set_indications(&mut self, wanted: &str) -> Result<Done, Failure> {
        let mut fields = [0_u8; 5];
        for (slot, value) in fields.iter_mut().zip(wanted.split(',')) {
            *slot = parse(value, NOT_ALLOWED)?;
        }
        let [_, mt, _, ds, _] = fields;
        if mt > 3 || ds > 2 || (ds == 1 && !self.personality.direct_reports) {
            return Err(NOT_ALLOWED);
        }
        self.settings.indications = fields;
        NOTHING
    }

    fn list(&mut self, wanted: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let memory = self.memory();
        for (index, stored) in self.storage.entry(memory).or_default() {
            let state = u8::from(stored.read);
            if wanted == "4" || wanted == state.to_string() {
                lines.push(format!("+CMGL: {index},{state},,{}", stored.item.pdu.tpdu_octets));
                lines.push(stored.item.pdu.hex.clone());
                stored.read = true;
            }
        }
        // Drafts lie in the last places.
        if matches!(wanted, "2" | "4") {
            let memory = self.memory();
            let places = self.capacity(&memory);
            for index in places - self.drafts(&memory)..places {
                lines.push(format!("+CMGL: {},2,,{}", index + 1, DRAFT.len() / 2 - 1));
                lines.push(DRAFT.to_owned());
            }
        }
        lines
    }

    fn read(&mut self, index: usize) -> Result<Done, Failure> {
        let memory = self.memory();
        let stored = self.storage.entry(memory).or_default().get_mut(&index).ok_or(NO_INDEX)?;
        let state = u8::from(std::mem::replace(&mut stored.read, true));
        Ok(Done::Lines(vec![format!("+CMGR: {state},,{}", stored.item.pdu.tpdu_octets), stored.item.pdu.hex.clone()]))
    }

    /// An index, and perhaps a flag: 1 to 3 what is read, 4 everything.
    fn delete(&mut self, wanted: &str) -> Result<Done, Failure> {
        let (index, flag) = wanted.split_once(',').unwrap_or((wanted, "0"));
        let index: usize = parse(index, NO_INDEX)?;
        let flag: u8 = parse(flag, NOT_ALLOWED)?;
        let memory = self.memory();
        if flag == 0 && !(1..=self.capacity(&memory)).contains(&index) {
            return Err(NO_INDEX);
        }
        let slots = self.storage.entry(memory.clone()).or_default();
        let doomed = |at: &usize, stored: &Stored| match flag {
            0 => *at == index,
            1..=3 => stored.read,
            _ => true,
        };
        let doomed: Vec<usize> = slots.iter().filter(|(at, stored)| doomed(at, stored)).map(|(at, _)| *at).collect();
        for index in doomed {
            if let Some(stored) = slots.remove(&index) {
                self.events.push_back(Event::Deleted { item: stored.item, memory: memory.clone(), index });
            }
        }
        NOTHING
    }

    /// The memory that is read and deleted from.
    fn memory(&self) -> String {
        self.settings.memories.first().cloned().unwrap_or_default()
    }

    /// Places taken in a memory.
    pub(super) fn used(&self, memory: &str) -> usize {
        self.storage.get(memory).map_or(0, |slots| slots.len()) + self.drafts(memory)
    }

    fn drafts(&self, memory: &str) -> usize {
        if memory == "SM" { self.faults.drafts.min(self.capacity(memory)) } else { 0 }
    }

    /// Places in a memory.
    pub(super) fn capacity(&self, memory: &str) -> usize {
        let own = match memory {
            "SM" => self.personality.sim_slots,
            "ME" => self.personality.modem_slots,
            "SR" => self.personality.report_slots,
            _ => 0,
        };
        self.faults.slots.map_or(own, |limit| own.min(limit))
    }

    fn memory_names(&self) -> String {
        let mut names = vec!["\"SM\""];
        if self.personality.modem_slots > 0 {
            names.push("\"ME\"");
        }
        let writing = names.join(",");
        if self.personality.report_slots > 0 {
            names.push("\"SR\"");
        }
        format!("+CPMS: ({}),({writing}),({writing})", names.join(","))
    }

    fn usage(&self, named: bool) -> String {
        let one = |memory: &String| {
            let used = self.used(memory);
            let name = if named { format!("\"{memory}\",") } else { String::new() };
            format!("{name}{used},{}", self.capacity(memory))
        };
        self.settings.memories.iter().map(one).collect::<Vec<_>>().join(",")
    }
}
