//! What is the case with a modem, whatever it says of itself: for tests that hold a gateway's words against it.

use std::time::Duration;

use super::modem::Modem;

/// The state of a SIM.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SimTruth {
    /// Not inserted.
    Absent,
    /// It waits for its PIN.
    PinWanted,
    /// It waits for its PUK.
    PukWanted,
    /// In use.
    Unlocked,
}

/// A memory and its places.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemoryTruth {
    /// `SM` or `ME`.
    pub name: &'static str,
    /// Places taken.
    pub used: usize,
    /// Places in all.
    pub total: usize,
}

/// What is the case with a modem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Truth {
    /// It is on the bus.
    pub plugged: bool,
    /// It answers nothing.
    pub silent: bool,
    /// Its SIM.
    pub sim: SimTruth,
    /// Registration as `+CREG` numbers it.
    pub registration: u8,
    /// Signal as `+CSQ` numbers it.
    pub signal: u8,
    /// The network answers USSD, if late.
    pub ussd: bool,
    /// What is left on the account, in cents.
    pub balance: i64,
    /// The memories for messages.
    pub memories: Vec<MemoryTruth>,
}

impl Modem {
    /// What is the case now.
    #[must_use]
    pub fn truth(&self, now: Duration) -> Truth {
        let sim = match (self.sim.present, self.sim.unlocked, self.sim.tries) {
            (false, _, _) => SimTruth::Absent,
            (true, true, _) => SimTruth::Unlocked,
            (true, false, 0) => SimTruth::PukWanted,
            (true, false, _) => SimTruth::PinWanted,
        };
        let memories = ["SM", "ME"]
            .into_iter()
            .map(|name| MemoryTruth { name, used: self.used(name), total: self.capacity(name) })
            .filter(|memory| memory.total > 0)
            .collect();
        Truth {
            plugged: self.plugged,
            silent: self.silent(now),
            sim,
            registration: self.registration,
            signal: self.signal,
            ussd: self.faults.ussd_delay < Duration::MAX,
            balance: self.sim.balance,
            memories,
        }
    }
}
