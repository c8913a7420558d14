//! How long texts take from the network until the modem is told to forget them, which is after their commit: by the
//! network's own ledger and clock.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value as Json, json};

use super::{figures::Times, rig::Network};

/// The ledger, read piece by piece.
pub struct Passages {
    network: Network,
    since: u64,
    /// Entries of kind `queued`, by which the books are checked.
    pub queued: Vec<Json>,
    under_way: HashMap<u64, u64>,
    /// When it was queued, when its copy on the SIM was gone: microseconds since the emulator's start.
    taken: Vec<(u64, u64)>,
}

impl Passages {
    pub fn of(network: Network) -> Self {
        Self { network, since: 0, queued: Vec::new(), under_way: HashMap::new(), taken: Vec::new() }
    }

    /// Reads what has happened since the last time.
    pub fn read(&mut self) {
        let entries: Vec<Json> =
            serde_json::from_value(self.network.ask(&json!({ "do": "ledger", "since": self.since }))).unwrap();
        for entry in entries {
            self.since = entry["sequence"].as_u64().unwrap();
            let us = entry["us"].as_u64().unwrap();
            match entry["event"].as_str().unwrap() {
                "queued" => {
                    self.under_way.insert(entry["id"].as_u64().unwrap(), us);
                    self.queued.push(entry);
                }
                "deleted" | "acknowledged" => {
                    let queued = self.under_way.remove(&entry["id"].as_u64().unwrap());
                    self.taken.extend(queued.map(|queued| (queued, us)));
                }
                _ => {}
            }
        }
    }

    /// How many the gateway has taken.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// How many it has not.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// The network's time.
    pub fn now(&self) -> u64 {
        self.network.ask(&json!({ "do": "stats" }))["us"].as_u64().unwrap()
    }

    /// How long those took that came to the network from `since` until before `until`.
    pub fn times(&self, since: u64, until: u64) -> Times {
        let within = self.taken.iter().filter(|(queued, _)| (since..until).contains(queued));
        within.map(|(queued, taken)| Duration::from_micros(taken - queued)).collect()
    }

    /// From the first of these until the last of them was taken.
    pub fn span(&self, since: u64, until: u64) -> Duration {
        let within = || self.taken.iter().filter(|(queued, _)| (since..until).contains(queued));
        let first = within().map(|(queued, _)| *queued).min().unwrap();
        let last = within().map(|(_, taken)| *taken).max().unwrap();
        Duration::from_micros(last - first)
    }
}
