//! Slots (a section of `sim-cards.conf`) and what is seen of the modem in one.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use super::Health;

/// The name of a slot: its section in `sim-cards.conf`. Case-sensitive, cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SlotId(Arc<str>);

impl SlotId {
    /// Names a slot.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for SlotId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What was last seen of a slot's modem. Live observations only: never written to disk.
#[derive(Clone, Debug, PartialEq)]
pub struct ModemSnapshot {
    /// Which slot.
    pub slot: SlotId,
    /// Switched on in the configuration.
    pub enabled: bool,
    /// The SIM's number as configured; empty if none is.
    pub phone_number: String,
    /// Registered network, or empty.
    pub network: String,
    /// Raw CSQ value 0..=31, 99 = unknown (TS 27.007 8.5).
    pub signal: u8,
    /// Device path, or empty while none is found.
    pub port: String,
    /// One short sentence: `Ready.`, `Try finding port.`, ...
    pub status: String,
    /// May be given an SMS to send: initialised, registered, SIM accepted.
    pub ready: bool,
    /// Health with its reasons, cached; a poll never touches the modem.
    pub health: Health,
    /// How often the modem was initialised since the daemon started.
    pub init_counter: u32,
    /// When it was last initialised.
    pub last_init: Option<Timestamp>,
    /// Equipment identity, once read.
    pub imei: String,
    /// Subscription identity, once read.
    pub imsi: String,
    /// SIM card serial number, once read.
    pub iccid: String,
    /// Service centre address, once read.
    pub smsc: String,
    /// Manufacturer and model, once read.
    pub model: String,
    /// Places taken and places in all, of the memory with the least room left; zero before the first look.
    pub storage: (u16, u16),
}

impl ModemSnapshot {
    /// A slot of which nothing is known yet.
    #[must_use]
    pub fn absent(slot: SlotId, enabled: bool, phone_number: &str) -> Self {
        Self {
            slot,
            enabled,
            phone_number: phone_number.to_owned(),
            network: String::new(),
            signal: 99,
            port: String::new(),
            status: String::new(),
            ready: false,
            health: Health::ok(),
            init_counter: 0,
            last_init: None,
            imei: String::new(),
            imsi: String::new(),
            iccid: String::new(),
            smsc: String::new(),
            model: String::new(),
            storage: (0, 0),
        }
    }

    /// What stands for the SIM where rows are keyed by it: its ICCID, else its IMSI, else the slot's name.
    #[must_use]
    pub fn sim_identity(&self) -> String {
        [self.iccid.as_str(), self.imsi.as_str(), self.slot.as_str()]
            .into_iter()
            .find(|identity| !identity.is_empty())
            .unwrap_or_default()
            .to_owned()
    }

    /// Received signal strength in dBm as `get_stats` gives it: 0, 1 and unknown are -113, 31 is -51.
    #[must_use]
    pub fn signal_dbm(&self) -> i32 {
        match self.signal {
            2..=31 => -113 + 2 * i32::from(self.signal),
            _ => -113,
        }
    }
}
