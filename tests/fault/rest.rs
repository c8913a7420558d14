//! What must be true once nothing fails any more and everything has come to rest.

use std::{collections::BTreeSet, path::Path, thread, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{
    audit,
    rig::{
        Rig, becomes,
        books::{texts, unrest},
    },
    witness::Account,
};

/// A doubtful part waits a minute before it is sent again.
const PATIENCE: Duration = Duration::from_secs(200);

/// Waits; what still has to happen when patience has run out.
pub fn until_rest(rig: &Rig, path: &Path) -> Vec<String> {
    let store = open(path);
    let mut open = Vec::new();
    becomes(PATIENCE, || {
        thread::sleep(Duration::from_millis(300));
        open = unrest(&rig.network, &store);
        open.is_empty()
    });
    open.truncate(10);
    open
}

/// What should have come or gone, and has not. `ended`: states in which a message may have ended without having left.
pub fn missing(path: &Path, account: &Account, ended: &[&str]) -> Vec<String> {
    let store = open(path);
    let mut faults = audit::faults(&store, account, u64::MAX);
    let held: BTreeSet<String> = texts(&store, "SELECT slot || ' ' || pdu FROM segment").into_iter().collect();
    for incoming in account.incoming.values().filter(|incoming| !incoming.is_report) {
        let key = format!("{:02} {}", incoming.slot, incoming.pdu);
        if !held.contains(&key) {
            faults.push(format!("PDU {key} was delivered and never came into the store"));
        }
    }
    for (id, mails) in &account.mailed {
        let names: BTreeSet<&str> = mails.iter().map(|(_, name)| name.as_str()).collect();
        if names.len() != 1 {
            faults.push(format!("mails about {id} have the names {names:?}"));
        }
    }
    let states: Vec<String> = ended.iter().map(|state| format!("'{state}'")).collect();
    let given_up = format!("SELECT text FROM outbox WHERE state IN ({})", states.join(", "));
    let given_up: BTreeSet<String> = texts(&store, &given_up).into_iter().collect();
    let accepted = account.asked.iter().filter(|asked| asked.answered.is_some() && !given_up.contains(&asked.text));
    for asked in accepted {
        if let Some(part) = asked.parts.iter().find(|part| !account.submitted.contains_key(*part)) {
            faults.push(format!("`{part:.30}` was accepted and never left"));
        }
    }
    faults
}

fn open(path: &Path) -> Connection {
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}
