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

/// Waits; what still has to happen when patience has run out.
pub fn until_rest(rig: &Rig, path: &Path, patience: Duration) -> Vec<String> {
    let store = open(path);
    let mut open = Vec::new();
    becomes(patience, || {
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
    faults.extend(arrivals(&store, account));
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

/// PDUs that the network had for us and the store has not, and messages with mails of several names.
pub fn arrivals(store: &Connection, account: &Account) -> Vec<String> {
    let originals = "SELECT slot || ' ' || pdu FROM segment WHERE repeats IS NULL AND kind != 'report'";
    let held: BTreeSet<String> = texts(store, originals).into_iter().collect();
    let keys = account.incoming.values().filter(|incoming| !incoming.is_report);
    let keys = keys.map(|incoming| format!("{:02} {}", incoming.slot, incoming.pdu));
    let missing = keys.filter(|key| !held.contains(key)).map(|key| format!("PDU {key} never came in"));
    let renamed = account.mailed.iter().filter_map(|(id, mails)| {
        let names: BTreeSet<&str> = mails.iter().map(|(_, name)| name.as_str()).collect();
        (names.len() != 1).then(|| format!("mails about {id} have the names {names:?}"))
    });
    missing.chain(renamed).collect()
}

fn open(path: &Path) -> Connection {
    let store = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}
