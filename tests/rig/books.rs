//! What the network's ledger and the gateway's database must agree on, whatever happened to the gateway in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use smsgate::tpdu::{Reference, decode_submit, segment};

use super::{Mail, network::Network, traffic::Sent};

/// Every PDU the network delivered to these numbers, those of the slots in turn, is in the store as often as it was
/// delivered, be it readable or not, and every text once.
pub fn check_arrivals(
    numbers: &[String],
    store: &Connection,
    ledger: &[Json],
    injected: &[(usize, String)],
) -> Vec<String> {
    let slot_of = |number: &str| numbers.iter().position(|own| own == number).unwrap();
    let mut delivered: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry["event"] == "queued" && entry["report"].is_null()) {
        let key = (slot_of(entry["number"].as_str().unwrap()), entry["pdu"].as_str().unwrap().to_owned());
        *delivered.entry(key).or_default() += 1;
    }
    let mut held: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for row in texts(store, "SELECT slot || ' ' || pdu FROM segment WHERE kind != 'report' AND repeats IS NULL") {
        let (slot, pdu) = row.split_once(' ').unwrap();
        *held.entry((slot.parse().unwrap(), pdu.to_owned())).or_default() += 1;
    }
    let mut faults = differences("PDU", &delivered, &held);
    if !faults.is_empty() {
        // Where each of them was taken from.
        let places = "SELECT slot || ' ' || pdu || ': ' || sim || ' ' || memory || ' ' || ifnull(storage_index, '-')
             || ', deleted ' || ifnull(deleted_run, '-') || ', received ' || received_run
             FROM segment WHERE kind != 'report' AND repeats IS NULL ORDER BY id";
        let unlike = |pdu: &str| faults.iter().any(|fault| fault.contains(pdu));
        let rows = texts(store, places);
        let told: Vec<String> =
            rows.into_iter().filter(|row| row.split([' ', ':']).nth(1).is_some_and(unlike)).collect();
        faults.extend(told);
    }
    let mut messages: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for row in texts(store, "SELECT slot || ' ' || text FROM message WHERE text LIKE 'in %'") {
        let (slot, text) = row.split_once(' ').unwrap();
        *messages.entry((slot.parse().unwrap(), text.to_owned())).or_default() += 1;
    }
    let wanted = injected.iter().map(|one| (one.clone(), 1)).collect();
    faults.extend(differences("text", &wanted, &messages));
    faults
}

fn differences(
    what: &str,
    wanted: &BTreeMap<(usize, String), usize>,
    held: &BTreeMap<(usize, String), usize>,
) -> Vec<String> {
    let keys: BTreeSet<_> = wanted.keys().chain(held.keys()).collect();
    let count = |map: &BTreeMap<(usize, String), usize>, key| map.get(key).copied().unwrap_or_default();
    let differing = keys.into_iter().filter(|key| count(wanted, key) != count(held, key));
    differing
        .map(|key| format!("{what} {key:?}: {} in the network, {} in the store", count(wanted, key), count(held, key)))
        .collect()
}

/// Every message is mailed, under one Message-ID, which others have only if each mail of that name is about all of them.
pub fn check_mails(mails: &[Mail], store: &Connection) -> Vec<String> {
    let mut mailed: HashMap<String, BTreeSet<String>> = HashMap::new();
    let mut contents: HashMap<String, BTreeSet<Vec<String>>> = HashMap::new();
    for mail in mails {
        for id in mail.ids() {
            mailed.entry(id).or_default().insert(mail.header("Message-ID"));
        }
        contents.entry(mail.header("Message-ID")).or_default().insert(mail.ids());
    }
    let ids: BTreeSet<String> = texts(store, "SELECT id FROM message").into_iter().collect();
    eprintln!(
        "{} messages in the store, {} mails, {} of them repeats",
        ids.len(),
        mails.len(),
        mails.len() - contents.len()
    );
    let missing = ids.iter().filter(|id| !mailed.contains_key(*id)).map(|id| format!("message {id} was never mailed"));
    let several = mailed.iter().filter(|(_, names)| names.len() != 1 || names.contains(""));
    let mut faults: Vec<String> =
        missing.chain(several.map(|(id, names)| format!("{id} has names {names:?}"))).collect();
    if contents.values().any(|contents| contents.len() != 1) {
        faults.push("mails about different messages share a Message-ID".to_owned());
    }
    faults
}

/// A row of the outbox.
struct Row {
    id: String,
    state: String,
    /// By part: submissions begun.
    begun: Vec<usize>,
}

/// Every accepted message was submitted within the bounds of its policy, part by part.
pub fn check_departures(store: &Connection, ledger: &[Json], sent: &[Sent]) -> Vec<String> {
    let mut submitted: HashMap<&str, Vec<&str>> = HashMap::new();
    for entry in ledger.iter().filter(|entry| entry["event"] == "submitted") {
        submitted.entry(entry["text"].as_str().unwrap()).or_default().push(entry["pdu"].as_str().unwrap());
    }
    let rows = outbox(store);
    let (mut faults, mut twice_hit, mut repeats) = (Vec::new(), 0, 0);
    for one in sent {
        let parts: Vec<String> = segment(&one.text, Reference::Narrow(0), None)
            .unwrap()
            .iter()
            .map(|part| part.user_data.text(part.data_coding))
            .collect();
        let counts: Vec<usize> = parts.iter().map(|part| submitted.get(part.as_str()).map_or(0, Vec::len)).collect();
        repeats += counts.iter().filter(|count| **count > 1).count();
        let Some(row) = rows.get(&one.text) else {
            if one.id.is_some() || counts.iter().any(|count| *count > 0) {
                faults.push(format!("{one:?} is not in the store, submitted {counts:?}"));
            }
            continue;
        };
        if one.id.as_ref().is_some_and(|id| *id != row.id) {
            faults.push(format!("{one:?} has another id: {}", row.id));
        }
        let most = if one.once { 1 } else { 2 };
        // Interrupted at both of its submissions, a message ends as unknown and its sender is told so: neither bound
        // could be kept for certain by going on.
        let given_up = row.state == "unknown";
        twice_hit += usize::from(given_up && !one.once);
        let least = usize::from(!given_up);
        if counts.iter().any(|count| !(least..=most).contains(count)) {
            faults.push(format!("{one:?} is {}, submitted {counts:?}", row.state));
        }
        if counts.iter().zip(&row.begun).any(|(count, begun)| count > begun) {
            faults.push(format!("{one:?}: a part left again, {counts:?} although begun {:?}", row.begun));
        }
        let references: BTreeSet<_> = parts
            .iter()
            .flat_map(|part| submitted.get(part.as_str()).into_iter().flatten())
            .map(|pdu| set_of(pdu))
            .collect();
        if references.len() > 1 {
            faults.push(format!("{one:?}: parts of several sets {references:?}"));
        }
        if !matches!(row.state.as_str(), "sent" | "delivered" | "unknown") {
            faults.push(format!("{one:?} ended as {}", row.state));
        }
    }
    eprintln!("{repeats} parts submitted twice; {twice_hit} messages interrupted at both submissions");
    // Rare by nature; many of them would mean that the second chance is wasted.
    if twice_hit * 20 > sent.len() {
        faults.push(format!("{twice_hit} of {} messages were given up", sent.len()));
    }
    faults
}

/// Reference, and number of parts, of a concatenated message.
fn set_of(pdu: &str) -> Option<(u16, u8)> {
    let (_, submit) = decode_submit(pdu).unwrap();
    let part = submit.user_data.header.as_ref()?.concatenation()?;
    Some((part.reference, part.total))
}

fn outbox(store: &Connection) -> HashMap<String, Row> {
    let mut query = store
        .prepare("SELECT o.text, o.id, o.state, s.submissions FROM outbox o LEFT JOIN outbox_segment s ON s.message = o.sequence ORDER BY o.sequence, s.number")
        .unwrap();
    let mut found: HashMap<String, Row> = HashMap::new();
    let mut rows = query.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (text, id, state) = (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        let begun: Option<usize> = row.get::<_, Option<i64>>(3).unwrap().map(|count| usize::try_from(count).unwrap());
        found.entry(text).or_insert_with(|| Row { id, state, begun: Vec::new() }).begun.extend(begun);
    }
    found
}

/// Texts that the network has handed over and nobody has taken: they are on a SIM.
pub fn on_sims(ledger: &[Json]) -> Vec<u64> {
    let ids = |kind: &str| -> BTreeSet<u64> {
        ledger.iter().filter(|entry| entry["event"] == kind).map(|entry| entry["id"].as_u64().unwrap()).collect()
    };
    let taken: BTreeSet<u64> = ["deleted", "acknowledged", "handed_over"].into_iter().flat_map(ids).collect();
    let texts = ledger.iter().filter(|entry| entry["event"] == "queued" && entry["report"].is_null());
    texts.map(|entry| entry["id"].as_u64().unwrap()).filter(|id| !taken.contains(id)).collect()
}

/// What still has to happen before nothing is under way any more.
pub fn unrest(network: &Network, store: &Connection) -> Vec<String> {
    let mut found = texts(store, "SELECT state || ' ' || text || ' ' || cause FROM outbox WHERE next_run IS NOT NULL");
    found.extend(texts(store, "SELECT 'mail ' || error FROM spool"));
    let waiting = network.ask(&json!({ "do": "stats" }))["waiting"].as_u64().unwrap();
    found.extend((waiting > 0).then(|| format!("{waiting} wait in the network")));
    if found.is_empty() {
        found.extend(on_sims(&network.ledger()).iter().map(|id| format!("{id} is on a SIM")));
    }
    found
}

/// The outbox in figures.
pub fn states(store: &Connection) -> Vec<String> {
    texts(store, "SELECT state || ' ' || count(*) FROM outbox GROUP BY state")
}

/// A column of text.
pub fn texts(store: &Connection, query: &str) -> Vec<String> {
    let mut query = store.prepare(query).unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
