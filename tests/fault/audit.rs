//! Holds a store against what the world outside had seen up to a moment. Every rule is about promises kept, not about
//! work done: it holds at each moment, however much is still on its way.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::witness::Account;

/// The stamp of an outgoing message that a dispatcher holds; nobody does after a start.
const IN_HAND: i64 = i64::MAX;

/// What is wrong with a store that has just been opened after a cut at this moment; nothing, if all is well.
pub fn faults(store: &Connection, account: &Account, at: u64) -> Vec<String> {
    let rows = Rows::read(store);
    let mut faults = Vec::new();
    check_arrivals(&rows, account, at, &mut faults);
    check_mails(&rows, account, at, &mut faults);
    check_departures(&rows, account, at, &mut faults);
    faults
}

struct Segment {
    slot: String,
    pdu: String,
    is_report: bool,
    is_repeat: bool,
}

struct Outgoing {
    id: String,
    state: String,
    next_run: Option<i64>,
    parts: Vec<(String, u32)>,
}

struct Rows {
    segments: Vec<Segment>,
    /// Id, slot, text and whether its mail waits.
    messages: Vec<(String, String, String, bool)>,
    /// By text.
    outbox: BTreeMap<String, Outgoing>,
    doubles: Vec<String>,
    dead_mails: u32,
}

impl Rows {
    fn read(store: &Connection) -> Self {
        let segments = all(store, "SELECT slot, pdu, kind, repeats IS NOT NULL FROM segment", |row| {
            let kind: String = row.get(2)?;
            Ok(Segment { slot: row.get(0)?, pdu: row.get(1)?, is_report: kind == "report", is_repeat: row.get(3)? })
        });
        let messages = "SELECT m.id, m.slot, m.text, s.message IS NOT NULL
             FROM message AS m LEFT JOIN spool AS s ON s.message = m.sequence";
        let messages = all(store, messages, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let mut outbox = BTreeMap::new();
        let mut doubles = Vec::new();
        let mut texts = BTreeMap::new();
        for (sequence, text, outgoing) in all(store, "SELECT sequence, text, id, state, next_run FROM outbox", |row| {
            let outgoing = Outgoing { id: row.get(2)?, state: row.get(3)?, next_run: row.get(4)?, parts: Vec::new() };
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, outgoing))
        }) {
            texts.insert(sequence, text.clone());
            if outbox.insert(text.clone(), outgoing).is_some() {
                doubles.push(text);
            }
        }
        let parts = "SELECT message, state, submissions FROM outbox_segment ORDER BY message, number";
        for (message, part) in
            all(store, parts, |row| Ok((row.get::<_, i64>(0)?, (row.get::<_, String>(1)?, row.get::<_, u32>(2)?))))
        {
            let outgoing = texts.get(&message).and_then(|text| outbox.get_mut(text));
            outgoing.expect("a part belongs to a message").parts.push(part);
        }
        let dead_mails = all(store, "SELECT count(*) FROM spool WHERE died_run IS NOT NULL", |row| row.get(0))[0];
        Self { segments, messages, outbox, doubles, dead_mails }
    }
}

fn all<T>(store: &Connection, query: &str, read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let mut query = store.prepare_cached(query).unwrap();
    query.query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn slot_name(slot: usize) -> String {
    format!("{slot:02}")
}

/// What left a SIM is in the store; nothing is there that never came; a text whose parts are all there is there once.
fn check_arrivals(rows: &Rows, account: &Account, at: u64, faults: &mut Vec<String>) {
    let mut held: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for segment in &rows.segments {
        let (all, originals) = held.entry((&segment.slot, &segment.pdu)).or_default();
        *all += 1;
        *originals += usize::from(!segment.is_repeat && !segment.is_report);
    }
    let names: Vec<String> = (0..account.numbers.len()).map(slot_name).collect();
    let mut came: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for incoming in account.incoming.values() {
        let (gone, queued) = came.entry((&names[incoming.slot], &incoming.pdu)).or_default();
        *gone += usize::from(incoming.gone_by.is_some_and(|by| by < at));
        *queued += usize::from(incoming.queued_since <= at && !incoming.is_copy);
    }
    for ((slot, pdu), (gone, queued)) in &came {
        let (all, originals) = held.get(&(*slot, *pdu)).copied().unwrap_or_default();
        if all < *gone {
            faults.push(format!("lost: {gone} of PDU {pdu} are gone from the SIM of {slot}, {all} in the store"));
        }
        if originals > *queued {
            faults.push(format!("doubled: PDU {pdu} came {queued} times to {slot}, {originals} in the store"));
        }
    }
    for key in held.keys().filter(|key| !came.contains_key(*key)) {
        faults.push(format!("invented: PDU {key:?}"));
    }
    let mut texts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (_, slot, text, _) in &rows.messages {
        *texts.entry((slot, text)).or_default() += 1;
    }
    for injected in &account.injected {
        let slot = &names[injected.slot];
        let pdus = injected.ids.iter().filter_map(|id| account.incoming.get(id));
        let whole = pdus.clone().all(|one| held.contains_key(&(slot.as_str(), one.pdu.as_str())));
        let count = texts.get(&(slot, &injected.text)).copied().unwrap_or_default();
        if count != usize::from(whole) {
            faults.push(format!("text `{:.20}` of {slot} is there {count} times, whole: {whole}", injected.text));
        }
    }
}

/// A message without a mail that waits has been mailed; what was mailed or shown to a reader is there.
fn check_mails(rows: &Rows, account: &Account, at: u64, faults: &mut Vec<String>) {
    let ids: BTreeSet<&str> = rows.messages.iter().map(|(id, ..)| id.as_str()).collect();
    for (id, _, text, waits) in &rows.messages {
        let mailed = account.mailed.get(id).is_some_and(|mails| mails.iter().any(|(since, _)| *since <= at));
        if !waits && !mailed {
            faults.push(format!("the mail about {id} (`{text:.20}`) is lost"));
        }
    }
    for (id, mails) in &account.mailed {
        if mails.iter().any(|(by, _)| *by < at) && !ids.contains(id.as_str()) {
            faults.push(format!("message {id} was mailed and is lost"));
        }
    }
    for (id, _) in account.seen.iter().filter(|(id, by)| **by < at && !ids.contains(id.as_str())) {
        faults.push(format!("message {id} was shown to a reader and is lost"));
    }
    if rows.dead_mails > 0 {
        faults.push(format!("{} mails were given up", rows.dead_mails));
    }
}

/// Whoever got an id finds his message; no part left without its intent on record, and none is thought sent that never
/// left; nothing is stuck.
fn check_departures(rows: &Rows, account: &Account, at: u64, faults: &mut Vec<String>) {
    faults.extend(rows.doubles.iter().map(|text| format!("`{text:.20}` was accepted twice")));
    let mut unasked: BTreeSet<&str> = rows.outbox.keys().map(String::as_str).collect();
    for asked in &account.asked {
        unasked.remove(asked.text.as_str());
        let row = rows.outbox.get(&asked.text);
        if let Some((id, by)) = &asked.answered
            && *by < at
            && row.is_none_or(|row| row.id != *id)
        {
            faults.push(format!("message {id} (`{:.20}`) was accepted and is lost", asked.text));
        }
        for (number, part) in asked.parts.iter().enumerate() {
            let submitted = account.submitted.get(part).map(Vec::as_slice).unwrap_or_default();
            let left = submitted.iter().filter(|(_, by)| *by < at).count();
            let may_have_left = submitted.iter().filter(|(since, _)| *since <= at).count();
            let (state, begun) = row
                .and_then(|row| row.parts.get(number))
                .map_or(("none", 0), |(state, begun)| (state.as_str(), *begun as usize));
            if begun < left {
                faults.push(format!("part {number} of `{:.20}` left {left} times, on record {begun}", asked.text));
            }
            if may_have_left > if asked.once { 1 } else { 2 } {
                faults.push(format!("part {number} of `{:.20}` left {may_have_left} times", asked.text));
            }
            if matches!(state, "sent" | "delivered" | "undelivered") && may_have_left == 0 {
                faults.push(format!("part {number} of `{:.20}` is {state} and never left", asked.text));
            }
        }
    }
    faults.extend(unasked.iter().map(|text| format!("nobody asked for `{text:.20}`")));
    for (text, row) in &rows.outbox {
        let ended = !matches!(row.state.as_str(), "queued" | "routed" | "sending");
        if row.next_run == Some(IN_HAND) || (row.next_run.is_none() && !ended) {
            faults.push(format!("`{text:.20}` is stuck in {}, next {:?}", row.state, row.next_run));
        }
    }
}
