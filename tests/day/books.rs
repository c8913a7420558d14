//! The accounts at the end: what the gateway has and did, against the network's ledger and the mailbox.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use smsgate::{
    emulator::{Entry, Happening as Event},
    tpdu::{Reference, segment},
};

use super::{
    mailbox::Mail,
    modems::{MODELS, Pool},
    plan::{Act, Happening},
    rungs::Rungs,
    site::Told,
};

/// A message that the gateway has accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: String,
    pub text: String,
}

/// Everything that is held against each other.
pub struct Books<'a> {
    pub plan: &'a [Happening],
    pub sent: &'a [Sent],
    pub pool: &'a Pool,
    pub mails: &'a [Mail],
    pub store: &'a Path,
}

/// What still has to happen before the accounts can be closed.
pub fn unrest(pool: &Pool, store: &Path) -> Vec<String> {
    let store = open(store);
    let mut found = texts(&store, "SELECT state || ' ' || text || ' ' || cause FROM outbox WHERE next_run IS NOT NULL");
    found.extend(texts(&store, "SELECT 'mail ' || error FROM spool"));
    let under_way = pool.under_way();
    found.extend((under_way > 0).then(|| format!("{under_way} are in the network or on a SIM")));
    found
}

impl Books<'_> {
    /// What does not agree.
    pub fn faults(&self) -> Vec<String> {
        let store = open(self.store);
        let ledger = self.pool.ledger();
        let mut faults = self.arrivals(&store);
        faults.extend(self.mails(&store));
        faults.extend(self.departures(&store, &ledger));
        faults
    }

    /// What is counted of each SIM agrees with what was done with it.
    pub fn counters(&self, stats: &[Told], rungs: &Rungs) -> Vec<String> {
        let store = open(self.store);
        let mut faults = Vec::new();
        let count = |query: &str| -> u64 { texts(&store, query)[0].parse().unwrap() };
        for (slot, told) in stats.iter().enumerate() {
            let number = self.pool.number(slot);
            let written = |one: &&Happening| matches!(&one.act, Act::Arrival(injection) if injection.to == number);
            let written = self.plan.iter().filter(written).count() as u64;
            let of = format!("FROM outbox WHERE slot = '{slot:02}' AND state IN ('sent', 'delivered', 'undelivered')");
            let sent = count(&format!("SELECT count(*) || '' {of}"));
            let (cured, last) = rungs.cured(slot);
            for (name, right) in [
                ("received", written.to_string()),
                ("sent", sent.to_string()),
                ("recoveries", cured.to_string()),
                ("recovered_by", last),
            ] {
                if told.members[name] != right {
                    faults.push(format!("modem {slot}: `{name}` is {}, right is {right}", told.members[name]));
                }
            }
        }
        faults
    }

    /// Each SIM has written to itself once on each local day, and it came back.
    pub fn self_tests(&self) -> Vec<String> {
        self_tests(&open(self.store))
    }

    /// What the day was.
    pub fn summary(&self) -> String {
        let store = open(self.store);
        let ledger = self.pool.ledger();
        let count = |is: fn(&Event) -> bool| ledger.iter().filter(|entry| is(&entry.what)).count();
        let mut table = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(table, "{name:<20} {value}");
        };
        row("SMS in", format!("{:>8} texts", texts(&store, "SELECT id FROM message").len()));
        row("SMS out", format!("{:>8} texts: {}", self.sent.len(), texts(&store, STATES).join(", ")));
        row("submissions", format!("{:>8}", count(|it| matches!(it, Event::Submitted { .. }))));
        row("reports lost", format!("{:>8}", count(|it| matches!(it, Event::ReportLost { .. }))));
        row("reports thrown away", format!("{:>8}", count(|it| matches!(it, Event::Discarded { .. }))));
        let repeats = texts(&store, "SELECT id || '' FROM segment WHERE kind != 'report' AND repeats IS NOT NULL");
        row("repeats recognised", format!("{:>8}", repeats.len()));
        row("mails", format!("{:>8}", self.mails.len()));
        let acts = |is: fn(&Act) -> bool| self.plan.iter().filter(|one| is(&one.act)).count();
        row("unplugged", format!("{:>8} times", acts(|act| matches!(act, Act::Unplug { .. }))));
        row("other faults", format!("{:>8}", acts(|act| matches!(act, Act::Fault { .. }))));
        table
    }

    /// Every text that somebody wrote is in the store once.
    fn arrivals(&self, store: &Connection) -> Vec<String> {
        let mut held: HashMap<String, usize> = HashMap::new();
        for text in texts(store, "SELECT recipient || ' ' || text FROM message") {
            *held.entry(text).or_default() += 1;
        }
        let mut faults = Vec::new();
        for happening in self.plan {
            let Act::Arrival(injection) = &happening.act else { continue };
            let count = held.remove(&format!("{} {}", injection.to, injection.text)).unwrap_or_default();
            if count != 1 {
                faults.push(format!("`{:.40}` to {} is in the store {count} times", injection.text, injection.to));
            }
        }
        faults.extend(held.into_keys().map(|text| format!("`{text:.60}` is in the store and nobody wrote it")));
        faults
    }

    /// Every message was mailed, under one Message-ID of its own.
    fn mails(&self, store: &Connection) -> Vec<String> {
        let mut mailed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for mail in self.mails {
            mailed.entry(&mail.id).or_default().insert(&mail.message_id);
        }
        let ids = texts(store, "SELECT id FROM message");
        let held: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let missing = ids.iter().filter(|id| !mailed.contains_key(id.as_str()));
        let mut faults: Vec<String> = missing.map(|id| format!("message {id} was never mailed")).collect();
        let nobodys = mailed.keys().filter(|id| !held.contains(*id));
        faults.extend(nobodys.map(|id| format!("a mail is of the message {id}, which is not held")));
        let several = mailed.iter().filter(|(_, names)| names.len() != 1 || names.contains(""));
        faults.extend(several.map(|(id, names)| format!("mails of {id} have names {names:?}")));
        let names: BTreeSet<&str> = mailed.values().flatten().copied().collect();
        if names.len() != mailed.len() {
            faults.push("two messages share a Message-ID".to_owned());
        }
        faults
    }

    /// Every accepted message came to an end, and the network has seen what that end says.
    fn departures(&self, store: &Connection, ledger: &[Entry]) -> Vec<String> {
        let mut submitted: HashMap<&str, Vec<u64>> = HashMap::new();
        let mut reports: HashMap<u64, (u64, u8)> = HashMap::new();
        let (mut shown, mut thrown_away) = (BTreeSet::new(), BTreeSet::new());
        for entry in ledger {
            match &entry.what {
                Event::Submitted { text, message, .. } => submitted.entry(text).or_default().push(*message),
                Event::Queued { id, report: Some(report), .. } => {
                    reports.insert(*id, (report.message, report.status));
                }
                Event::Delivered { id, .. } => {
                    shown.insert(*id);
                }
                // A modem that has just started by itself does so until it is told to hand reports over.
                Event::Discarded { id } => {
                    thrown_away.insert(*id);
                }
                _ => {}
            }
        }
        // What the gateway may know, and what it must know. A report that was shown, not confirmed, and thrown away the
        // next time is neither for certain.
        let (mut may_know, mut must_know) = (HashMap::new(), BTreeSet::new());
        for (id, (message, status)) in reports {
            if shown.contains(&id) {
                may_know.insert(message, status);
                if !thrown_away.contains(&id) {
                    must_know.insert(message);
                }
            }
        }
        let states: HashMap<String, String> = texts(store, "SELECT id || ' ' || state FROM outbox")
            .into_iter()
            .filter_map(|row| row.split_once(' ').map(|(id, state)| (id.to_owned(), state.to_owned())))
            .collect();
        let mut faults = Vec::new();
        for one in self.sent {
            let state = states.get(&one.id).map_or("missing", String::as_str);
            let parts = segment(&one.text, Reference::Narrow(0), None).unwrap();
            let parts: Vec<&[u64]> = parts
                .iter()
                .map(|part| part.user_data.text(part.data_coding))
                .map(|text| submitted.get(text.as_str()).map_or(&[][..], Vec::as_slice))
                .collect();
            let counts: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            let all = |good: fn(u8) -> bool| {
                parts.iter().all(|part| part.iter().any(|message| may_know.get(message).copied().is_some_and(good)))
            };
            let agrees = match state {
                "delivered" => all(|status| status == 0),
                "undelivered" => all(|_| true) && !all(|status| status == 0),
                // Nothing more is to be expected: a report was lost.
                "sent" => parts.iter().any(|part| part.iter().all(|message| !must_know.contains(message))),
                "unknown" => true,
                _ => false,
            };
            let least = usize::from(state != "unknown");
            if !agrees || counts.iter().any(|count| !(least..=2).contains(count)) {
                faults.push(format!("`{:.30}` ended as {state}, submitted {counts:?} times", one.text));
            }
        }
        faults
    }
}

fn self_tests(store: &Connection) -> Vec<String> {
    let rows =
        "SELECT slot || ' ' || day || ' ' || count(*) || ' ' || count(returned_at) FROM self_test GROUP BY slot, day";
    let rows: BTreeSet<String> = texts(store, rows).into_iter().collect();
    let days = texts(store, "SELECT DISTINCT day FROM self_test");
    let slots = (0..MODELS.len()).flat_map(|slot| days.iter().map(move |day| format!("{slot:02} {day} 1 1")));
    let expected: BTreeSet<String> = slots.collect();
    let mut faults = Vec::new();
    if rows != expected || !(1..=2).contains(&days.len()) {
        faults.push(format!("self-tests by slot, day, how many, how many back: {rows:?}"));
    }
    let messages = texts(store, "SELECT id FROM outbox WHERE purpose = 'self-test'").len();
    if messages != expected.len() {
        faults.push(format!("{messages} self-tests are in the outbox, right is {}", expected.len()));
    }
    faults
}

const STATES: &str = "SELECT count(*) || ' ' || state FROM outbox GROUP BY state";

pub fn open(store: &Path) -> Connection {
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

pub fn texts(store: &Connection, query: &str) -> Vec<String> {
    let mut query = store.prepare(query).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
