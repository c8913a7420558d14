//! Commands of the SIM: PIN, PUK, tries left, identities (TS 27.007 8.3, 5.6; the tries are each maker's own).

use super::{
    commands::{Done, Failure, NOTHING, one},
    modem::Modem,
};

/// Tries of the PUK. The emulator never locks a SIM for good.
const PUK_TRIES: u8 = 10;

impl Modem {
    /// None if it is no command of the SIM.
    pub(super) fn sim_command(&mut self, name: &str, argument: Option<&str>) -> Option<Result<Done, Failure>> {
        let (iccid_command, iccid_prefix) = self.personality.iccid;
        let counter = self.personality.pin_counter;
        let known = matches!(name, "+CPIN" | "+CPIN?" | "+CLCK" | "+CIMI" | "+CNUM");
        if !(known || name == counter || name == iccid_command) {
            return None;
        }
        if !self.sim.present {
            return Some(Err(Failure::Cme(10)));
        }
        Some(match (name, argument) {
            _ if name == iccid_command => one(format!("{iccid_prefix}894900000000{:07}", self.sim.serial)),
            _ if name == counter => self.tries_left(),
            ("+CPIN", Some("?")) => NOTHING,
            ("+CPIN", Some(codes)) => self.enter(codes),
            ("+CPIN?", _) => one(format!("+CPIN: {}", self.pin_state())),
            ("+CLCK", _) => one(format!("+CLCK: {}", u8::from(self.sim.pin.is_some()))),
            _ if !self.sim.unlocked => Err(Failure::Cme(self.lock())),
            ("+CNUM", _) => one(format!("+CNUM: ,\"{}\",145", self.number)),
            _ => one(format!("26201{:010}", self.sim.serial)),
        })
    }

    /// `+CME ERROR` of a locked SIM.
    pub(super) const fn lock(&self) -> u16 {
        if self.sim.tries == 0 { 12 } else { 11 }
    }

    fn pin_state(&self) -> &'static str {
        match (self.sim.unlocked, self.sim.tries) {
            (true, _) => "READY",
            (false, 0) => "SIM PUK",
            (false, _) => "SIM PIN",
        }
    }

    fn tries_left(&self) -> Result<Done, Failure> {
        let tries = self.sim.tries;
        let state = self.pin_state();
        let line = match self.personality.pin_counter {
            "+QPINC" => format!("+QPINC: \"SC\",{tries},{PUK_TRIES}"),
            "+ZPINPUK?" => format!("+ZPINPUK: {tries},{PUK_TRIES}"),
            "^CPIN?" if state == "READY" => format!("^CPIN: READY,,{PUK_TRIES},{tries},{PUK_TRIES},3"),
            "^CPIN?" => format!("^CPIN: {state},{tries},{PUK_TRIES},{tries},{PUK_TRIES},3"),
            "+SPIC" => format!("+SPIC: {tries},{PUK_TRIES},3,{PUK_TRIES}"),
            "+QTRPIN" => format!("+QTRPIN: {tries},3,{PUK_TRIES},{PUK_TRIES}"),
            _ => {
                let pin = format!("+CPINR: SIM PIN,{tries},3");
                return Ok(Done::Lines(vec![pin, format!("+CPINR: SIM PUK,{PUK_TRIES},10")]));
            }
        };
        one(line)
    }

    /// A PIN, or a PUK and a new PIN. Any PUK of eight digits will do.
    fn enter(&mut self, codes: &str) -> Result<Done, Failure> {
        self.pin_attempts += 1;
        let mut codes = codes.split(',').map(|code| code.trim().trim_matches('"'));
        let (first, new) = (codes.next().unwrap_or_default(), codes.next());
        match (self.sim.unlocked, self.sim.tries, new) {
            (true, _, _) => Err(Failure::Cme(3)),
            (false, 0, Some(new)) if first.len() == 8 => {
                self.sim.pin = Some(new.to_owned());
                self.unlock()
            }
            (false, 0, Some(_)) => Err(Failure::Cme(16)),
            (false, 0, None) => Err(Failure::Cme(12)),
            _ if self.sim.pin.as_deref() == Some(first) => self.unlock(),
            _ => {
                self.sim.tries -= 1;
                Err(Failure::Cme(16))
            }
        }
    }

    fn unlock(&mut self) -> Result<Done, Failure> {
        self.sim.unlocked = true;
        self.sim.tries = 3;
        NOTHING
    }
}
