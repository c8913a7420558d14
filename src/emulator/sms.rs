//! Commands of messages: memories, indications, listing, sending (TS 27.005).

use std::time::Duration;

use super::{
    modem::{Event, Modem, Stored, Taken},
    network::Item,
};

/// How long an acknowledgement is awaited.
const ACKNOWLEDGE: Duration = Duration::from_secs(15);

impl Modem {
    /// Takes an item from the network.
    pub fn deliver(&mut self, now: Duration, item: Item) -> Taken {
        let [_, mt, _, ds, _] = self.settings.indications;
        let route = if item.report { ds } else { mt };
        let direct = if item.report { route == 1 } else { route >= 2 };
        if direct {
            if self.awaiting.is_some() {
                return Taken::Full(item);
            }
            let head = if item.report { "+CDS: " } else { "+CMT: ," };
            self.notice(now, &format!("{head}{}\r\n{}", item.pdu.tpdu_octets, item.pdu.hex));
            if self.settings.phase == 0 {
                return Taken::Done(item);
            }
            self.awaiting = Some((item, now + ACKNOWLEDGE));
            return Taken::Awaited;
        }
        if item.report && route == 0 {
            return Taken::Done(item);
        }
        let memory = self.settings.memories.last().cloned().unwrap_or_default();
        let capacity = self.capacity(&memory);
        let slots = self.storage.entry(memory.clone()).or_default();
        let Some(index) = (1..=capacity).find(|index| !slots.contains_key(index)) else {
            return Taken::Full(item);
        };
        slots.insert(index, Stored { item: item.clone(), read: false });
        if self.faults.drop_notices > 0 {
            self.faults.drop_notices -= 1;
        } else if item.report {
            self.notice(now, &format!("+CDSI: \"{memory}\",{index}"));
        } else if route == 1 {
            self.notice(now, &format!("+CMTI: \"{memory}\",{index}"));
        }
        Taken::Done(item)
    }

    /// The network's answer to [`Event::Submit`].
    pub fn submitted(&mut self, due: Duration, result: Result<u8, u16>) {
        if self.faults.hang.take().is_some() {
            return;
        }
        match result {
            Ok(reference) => {
                self.balance -= 9;
                self.answer(due, &[format!("+CMGS: {reference}")], "OK");
            }
            Err(code) => self.message_error(due, code),
        }
    }

    pub(super) fn payload(&mut self, now: Duration, octets: usize, pdu: String) {
        let service_centre = pdu.get(..2).and_then(|head| usize::from_str_radix(head, 16).ok()).unwrap_or_default();
        if let Some((code, count)) = self.faults.cms.filter(|(_, count)| *count > 0) {
            self.faults.cms = Some((code, count - 1));
            self.message_error(now, code);
        } else if !self.registered() {
            self.message_error(now, 331);
        } else if pdu.len() != 2 * (octets + service_centre + 1) {
            self.message_error(now, 304);
        } else if self.faults.hang == Some(false) {
            self.faults.hang = None;
        } else {
            self.events.push_back(Event::Submit(pdu));
        }
    }

    /// Whether the command was one of messages; it is answered then.
    pub(super) fn sms_command(&mut self, now: Duration, name: &str, argument: Option<&str>) -> bool {
        const NAMES: [&str; 10] =
            ["+CSCA", "+CSMS", "+CMGF", "+CPMS", "+CNMI", "+CNMA", "+CMGL", "+CMGR", "+CMGD", "+CMGS"];
        if !NAMES.contains(&name.trim_end_matches('?')) {
            return false;
        }
        if !self.unlocked {
            self.message_error(now, 311);
            return true;
        }
        if let ("+CMGS", Some(octets)) = (name, argument) {
            if self.faults.no_prompt > 0 {
                self.faults.no_prompt -= 1;
            } else if let Ok(octets) = octets.parse() {
                self.prompt = Some(octets);
                self.emit(now, self.personality.prompt.as_bytes().to_vec());
            } else {
                self.message_error(now, 304);
            }
            return true;
        }
        match self.message(name, argument) {
            Ok(lines) => self.answer(now, &lines, "OK"),
            Err(code) => self.message_error(now, code),
        }
        true
    }

    fn message(&mut self, name: &str, argument: Option<&str>) -> Result<Vec<String>, u16> {
        let memory = self.settings.memories.first().cloned().unwrap_or_default();
        match (name, argument) {
            ("+CSCA?", _) => Ok(vec!["+CSCA: \"+491710760000\",145".to_owned()]),
            ("+CSMS?", _) => Ok(vec![format!("+CSMS: {},1,1,1", self.settings.phase)]),
            ("+CSMS", Some(phase)) => {
                self.settings.phase = phase.parse().map_err(|_| 302_u16)?;
                Ok(vec!["+CSMS: 1,1,1".to_owned()])
            }
            ("+CMGF", Some(mode)) => {
                self.settings.text_mode = mode == "1";
                Ok(Vec::new())
            }
            ("+CMGF?", _) => Ok(vec![format!("+CMGF: {}", u8::from(self.settings.text_mode))]),
            ("+CPMS", Some("?")) => {
                let list = if self.personality.modem_slots > 0 { "\"SM\",\"ME\"" } else { "\"SM\"" };
                Ok(vec![format!("+CPMS: ({list}),({list}),({list})")])
            }
            ("+CPMS", Some(wanted)) => {
                for (slot, memory) in wanted.split(',').enumerate() {
                    let memory = memory.trim_matches('"');
                    if self.capacity(memory) == 0 {
                        return Err(302);
                    }
                    if let Some(chosen) = self.settings.memories.get_mut(slot) {
                        memory.clone_into(chosen);
                    }
                }
                Ok(vec![format!("+CPMS: {}", self.usage(false))])
            }
            ("+CPMS?", _) => Ok(vec![format!("+CPMS: {}", self.usage(true))]),
            ("+CNMI", Some(wanted)) => {
                let mut fields = [0_u8; 5];
                for (slot, value) in fields.iter_mut().zip(wanted.split(',')) {
                    *slot = value.parse().map_err(|_| 302_u16)?;
                }
                if fields[3] == 1 && !self.personality.direct_reports {
                    return Err(302);
                }
                self.settings.indications = fields;
                Ok(Vec::new())
            }
            ("+CNMA", _) => {
                let (item, _) = self.awaiting.take().ok_or(340_u16)?;
                self.events.push_back(Event::Acknowledged(item));
                Ok(Vec::new())
            }
            ("+CMGL", wanted) => {
                let wanted = wanted.unwrap_or("0");
                let mut lines = Vec::new();
                for (index, stored) in self.storage.entry(memory).or_default() {
                    let state = u8::from(stored.read);
                    if wanted == "4" || wanted == state.to_string() {
                        lines.push(format!("+CMGL: {index},{state},,{}", stored.item.pdu.tpdu_octets));
                        lines.push(stored.item.pdu.hex.clone());
                        stored.read = true;
                    }
                }
                Ok(lines)
            }
            ("+CMGR", Some(index)) => {
                let index: usize = index.parse().map_err(|_| 321_u16)?;
                let stored = self.storage.entry(memory).or_default().get_mut(&index).ok_or(321_u16)?;
                let state = u8::from(std::mem::replace(&mut stored.read, true));
                Ok(vec![format!("+CMGR: {state},,{}", stored.item.pdu.tpdu_octets), stored.item.pdu.hex.clone()])
            }
            ("+CMGD", Some(index)) => {
                let index: usize = index.split(',').next().unwrap_or_default().parse().map_err(|_| 321_u16)?;
                if let Some(stored) = self.storage.entry(memory).or_default().remove(&index) {
                    self.events.push_back(Event::Deleted(stored.item.id));
                }
                Ok(Vec::new())
            }
            _ => Err(302),
        }
    }

    fn message_error(&mut self, now: Duration, code: u16) {
        let result = if self.settings.errors == 0 { "ERROR".to_owned() } else { format!("+CMS ERROR: {code}") };
        self.answer(now, &[], &result);
    }

    fn capacity(&self, memory: &str) -> usize {
        let own = match memory {
            "SM" => self.personality.sim_slots,
            "ME" => self.personality.modem_slots,
            _ => 0,
        };
        self.faults.slots.map_or(own, |limit| own.min(limit))
    }

    fn usage(&self, named: bool) -> String {
        let one = |memory: &String| {
            let used = self.storage.get(memory).map_or(0, |slots| slots.len());
            let name = if named { format!("\"{memory}\",") } else { String::new() };
            format!("{name}{used},{}", self.capacity(memory))
        };
        self.settings.memories.iter().map(one).collect::<Vec<_>>().join(",")
    }
}
