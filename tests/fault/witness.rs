//! What the world outside saw of the daemon, and when: the network's ledger, the ids that callers got, the mails that
//! were taken, the messages that readers were shown. Kept as JSON beside a recording.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use smsgate::tpdu::{Reference, segment};

use super::rig::{Mail, Network};

/// Something that was seen, in microseconds of the wall clock.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Event {
    /// The earliest moment at which it can have happened.
    pub since: u64,
    /// The latest.
    pub by: u64,
    pub what: What,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum What {
    /// An entry of the network's ledger.
    Network(Json),
    /// A caller asked for a message to be sent, and perhaps got its id.
    Asked { id: Option<String>, text: String, once: bool },
    /// The mail server took the mail about a message.
    Mailed { id: String, name: String },
    /// A reader was shown a message.
    Seen { id: String },
}

/// Everything that was seen.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Witness {
    /// The numbers of the slots, in turn.
    pub numbers: Vec<String>,
    pub events: Vec<Event>,
}

/// The wall clock.
pub fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// By how much the emulator's time is behind the wall clock: at least and at most.
#[derive(Clone, Copy, Debug)]
pub struct Offset(u64, u64);

impl Offset {
    /// Asks until it is known well.
    pub fn measure(network: &Network) -> Self {
        let mut offset = Self(0, u64::MAX);
        for _ in 0..40 {
            let before = now();
            let us = network.ask(&json!({ "do": "stats" }))["us"].as_u64().unwrap();
            offset = Self(offset.0.max(before - us), offset.1.min(now() - us));
        }
        offset
    }

    /// The wall clock may have been adjusted between the two.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.max(other.1))
    }
}

impl Witness {
    /// Adds the ledger of an emulator.
    pub fn add_ledger(&mut self, ledger: Vec<Json>, offset: Offset) {
        for entry in ledger {
            let us = entry["us"].as_u64().unwrap();
            self.events.push(Event { since: offset.0 + us, by: offset.1 + us, what: What::Network(entry) });
        }
    }

    /// Adds mails.
    pub fn add_mails(&mut self, mails: &[Mail]) {
        for mail in mails {
            for id in mail.ids() {
                let what = What::Mailed { id, name: mail.header("Message-ID") };
                self.events.push(Event { since: mail.at, by: mail.at, what });
            }
        }
    }

    /// The same, put together by what it is about.
    pub fn account(&self) -> Account {
        let mut account = Account { numbers: self.numbers.clone(), ..Account::default() };
        self.events.iter().for_each(|event| account.enter(event));
        account
    }
}

/// A PDU on its way to a SIM.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The slot's place.
    pub slot: usize,
    pub pdu: String,
    pub is_report: bool,
    pub is_copy: bool,
    pub queued_since: u64,
    /// When and where it came to lie in a memory, if it did.
    pub lies: Option<(u64, String, usize)>,
    /// When it was deleted or acknowledged for certain.
    pub gone_by: Option<u64>,
}

/// A message from outside.
#[derive(Clone, Debug)]
pub struct Injected {
    pub slot: usize,
    pub text: String,
    pub ids: Vec<u64>,
}

/// A message of a caller.
#[derive(Clone, Debug)]
pub struct Asked {
    pub text: String,
    pub once: bool,
    pub parts: Vec<String>,
    /// Its id, and when the caller had it.
    pub answered: Option<(String, u64)>,
}

/// [`Witness`], put together by what it is about.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub numbers: Vec<String>,
    pub incoming: BTreeMap<u64, Incoming>,
    pub injected: Vec<Injected>,
    pub asked: Vec<Asked>,
    /// By text of a part: when it was submitted (earliest, latest).
    pub submitted: BTreeMap<String, Vec<(u64, u64)>>,
    /// By message: when it was mailed, and under which name.
    pub mailed: BTreeMap<String, Vec<(u64, String)>>,
    /// By message: when a reader had it.
    pub seen: BTreeMap<String, u64>,
    /// Every latest moment at which somebody outside came to rely on something.
    pub moments: BTreeSet<u64>,
}

impl Account {
    /// What was the case at a moment: what came later has not happened.
    pub fn until(&self, at: u64) -> Self {
        let mut then = Self { numbers: self.numbers.clone(), ..Self::default() };
        for (id, incoming) in self.incoming.iter().filter(|(_, incoming)| incoming.queued_since <= at) {
            let lies = incoming.lies.clone().filter(|(by, ..)| *by < at);
            let gone_by = incoming.gone_by.filter(|by| *by < at);
            then.incoming.insert(*id, Incoming { lies, gone_by, ..incoming.clone() });
        }
        let whole = |injected: &&Injected| injected.ids.iter().all(|id| then.incoming.contains_key(id));
        then.injected = self.injected.iter().filter(whole).cloned().collect();
        let asked =
            |asked: &Asked| Asked { answered: asked.answered.clone().filter(|(_, by)| *by < at), ..asked.clone() };
        then.asked = self.asked.iter().map(asked).collect();
        for (text, times) in &self.submitted {
            let times = times.iter().copied().filter(|(since, _)| *since <= at).collect();
            then.submitted.insert(text.clone(), times);
        }
        for (id, mails) in &self.mailed {
            let mails: Vec<_> = mails.iter().filter(|(since, _)| *since <= at).cloned().collect();
            if !mails.is_empty() {
                then.mailed.insert(id.clone(), mails);
            }
        }
        then.seen = self.seen.iter().filter(|(_, by)| **by < at).map(|(id, by)| (id.clone(), *by)).collect();
        then
    }

    /// One more event, in the order of the ledger.
    pub fn enter(&mut self, event: &Event) {
        match &event.what {
            What::Network(entry) => self.enter_entry(event, entry),
            What::Asked { id, text, once } => {
                let parts = segment(text, Reference::Narrow(0), None).unwrap();
                let parts = parts.iter().map(|part| part.user_data.text(part.data_coding)).collect();
                let answered = id.clone().map(|id| (id, event.by));
                self.moments.extend(answered.iter().map(|(_, by)| *by));
                self.asked.push(Asked { text: text.clone(), once: *once, parts, answered });
            }
            What::Mailed { id, name } => {
                self.moments.insert(event.by);
                self.mailed.entry(id.clone()).or_default().push((event.by, name.clone()));
            }
            What::Seen { id } => {
                self.moments.insert(event.by);
                let first = self.seen.entry(id.clone()).or_insert(event.by);
                *first = event.by.min(*first);
            }
        }
    }

    fn enter_entry(&mut self, event: &Event, entry: &Json) {
        let slot = self.numbers.iter().position(|number| entry["number"] == **number);
        let id = || entry["id"].as_u64().unwrap();
        match (entry["event"].as_str().unwrap(), slot) {
            ("queued", Some(slot)) => {
                let incoming = Incoming {
                    slot,
                    pdu: entry["pdu"].as_str().unwrap().to_owned(),
                    is_report: entry["report"].is_object(),
                    is_copy: entry["copy_of"].is_u64(),
                    queued_since: event.since,
                    lies: None,
                    gone_by: None,
                };
                self.incoming.insert(id(), incoming);
            }
            ("delivered", Some(_)) => {
                if let Some(memory) = entry["memory"].as_str() {
                    let index = usize::try_from(entry["index"].as_u64().unwrap()).unwrap();
                    self.incoming.get_mut(&id()).unwrap().lies = Some((event.by, memory.to_owned(), index));
                }
            }
            ("deleted" | "acknowledged", Some(_)) => {
                self.moments.insert(event.by);
                self.incoming.get_mut(&id()).unwrap().gone_by = Some(event.by);
            }
            ("injected", Some(slot)) => {
                let ids = serde_json::from_value(entry["ids"].clone()).unwrap();
                self.injected.push(Injected { slot, text: entry["text"].as_str().unwrap().to_owned(), ids });
            }
            ("submitted", _) => {
                self.moments.insert(event.by);
                let text = entry["text"].as_str().unwrap().to_owned();
                self.submitted.entry(text).or_default().push((event.since, event.by));
            }
            _ => {}
        }
    }
}
