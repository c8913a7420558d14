//! SIGKILL at random moments under traffic both ways; afterwards the network's own ledger says what must be there.
//!
//! The emulator is another process and survives. `SMSGATE_KILL_ROUNDS` (200) and `SMSGATE_KILL_SEED` (the clock's, it is
//! printed) choose how often and when. Traffic goes on while the daemon is down: the network keeps what comes in, and a
//! `send_sms` that was not answered may or may not have been accepted.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(clippy::print_stderr, reason = "what the rounds were is worth knowing")]

mod rig;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rig::{Api, ONCE_TOKEN, Rig, Site, TOKEN, becomes};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};
use smsgate::{
    emulator::Dice,
    tpdu::{Reference, decode_submit, segment},
};

const MODEMS: usize = 8;
/// The latest moment of a kill after the start. Modems are up after a tenth of a second.
const LONGEST_ROUND: u64 = 1900;
/// How long everything may take to come to rest: a doubtful part waits a minute before it is sent again.
const REST: Duration = Duration::from_secs(240);

/// A message of ours and what the client heard.
#[derive(Clone, Debug)]
struct Sent {
    /// None: the call was not answered.
    id: Option<String>,
    text: String,
    once: bool,
}

#[test]
fn nothing_is_lost_or_doubled_however_often_the_power_goes() {
    let rounds: u32 = setting("SMSGATE_KILL_ROUNDS").unwrap_or(200);
    let seed = setting("SMSGATE_KILL_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
    eprintln!("SMSGATE_KILL_SEED={seed} SMSGATE_KILL_ROUNDS={rounds}");
    let mut rig = Rig::prepare(MODEMS, |site| site.api = "queue_limit = 100000\nget_sms_window = 86400\n".to_owned());
    // Sends take so long that many are cut off; reports come before and after, in any order, and some never.
    let conditions = json!({ "submit_latency": 0.15, "report_delay": 0.05, "report_jitter": 0.3, "report_loss": 20 });
    rig.network.ask(&json!({ "do": "conditions", "set": conditions }));
    let began = Instant::now();
    let (injected, sent, over) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        let (site, network) = (Site::clone(&rig.site), rig.network_again());
        let (injected, sent, over) = (&injected, &sent, &over);
        scope.spawn(move || inject(&site, &network, seed, injected, over));
        for once in [false, true] {
            let site = Site::clone(&rig.site);
            scope.spawn(move || send(&site, seed, once, sent, over));
        }
        let stop = Stop(over);
        let mut dice = Dice::new(seed);
        for _ in 0..rounds {
            rig.launch();
            thread::sleep(Duration::from_millis(dice.below(LONGEST_ROUND)));
            rig.kill();
        }
        drop(stop);
    });
    let traffic = began.elapsed();
    let injected: Vec<(usize, String)> = injected.into_inner().unwrap();
    let sent: Vec<Sent> = sent.into_inner().unwrap();

    rig.restart();
    let store = open(&rig.site);
    let at_rest = becomes(REST, || is_at_rest(&rig, &store));
    let table = states(&store);
    eprintln!(
        "{} texts in, {} out, {rounds} kills in {traffic:.0?}, rest after {:.0?}: {table:?}",
        injected.len(),
        sent.len(),
        began.elapsed()
    );
    let recoveries =
        texts(&store, "SELECT slot || ' ' || rung || ' tried ' || tried || ', cured ' || cured FROM recovery");
    let (unrest, health, log) = (unrest(&rig, &store), rig.api().health(), rig.log());
    let last: Vec<&str> = log.lines().rev().take(60).collect();
    assert!(at_rest, "not at rest: {unrest:?}\n{health:?}\n{recoveries:?}\n{last:#?}");
    eprintln!("{recoveries:?}");
    let ledger = rig.network.ledger();
    let (code, _) = rig.stop();
    assert_eq!(code, Some(0));
    let store = open(&rig.site);
    let mut faults = check_arrivals(&rig, &store, &ledger, &injected);
    faults.extend(check_mails(&rig, &store));
    faults.extend(check_departures(&store, &ledger, &sent));
    assert!(faults.is_empty(), "seed {seed}: {} faults\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
}

/// Ends the traffic, also when a round panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Texts from outside, each with a sender of its own.
fn inject(site: &Site, network: &rig::Network, seed: u64, injected: &Mutex<Vec<(usize, String)>>, over: &AtomicBool) {
    let mut dice = Dice::new(seed ^ 1);
    for serial in 0_u32.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let modem = usize::try_from(dice.below(8)).unwrap();
        let long = dice.below(6) == 0;
        let text = text_of("in", serial, long);
        let request = json!({
            "do": "inject", "to": site.number(modem), "from": format!("+49151{serial:08}"), "text": text,
            "reversed": dice.below(2) == 0,
        });
        network.ask(&request);
        injected.lock().unwrap().push((modem, text));
        thread::sleep(Duration::from_millis(40 + dice.below(160)));
    }
}

/// Texts to outside and to neighbours in the pool.
fn send(site: &Site, seed: u64, once: bool, sent: &Mutex<Vec<Sent>>, over: &AtomicBool) {
    let mut dice = Dice::new(seed ^ if once { 2 } else { 3 });
    let api = Api::new(site, if once { ONCE_TOKEN } else { TOKEN });
    for serial in 0_u32.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let to = match dice.below(4) {
            0 => site.number(usize::try_from(dice.below(8)).unwrap()).to_owned(),
            _ => format!("+49155{:08}", dice.below(50)),
        };
        let text = text_of(if once { "once" } else { "out" }, serial, dice.below(6) == 0);
        let id = api.send("", &to, &text).ok();
        let (answered, pause) = (id.is_some(), if once { 600 } else { 200 });
        sent.lock().unwrap().push(Sent { id, text, once });
        // While nobody listens a try costs nothing and shows nothing.
        thread::sleep(Duration::from_millis(if answered { dice.below(pause) } else { 40 }));
    }
}

/// A text that occurs once, all parts of which occur once.
fn text_of(kind: &str, serial: u32, long: bool) -> String {
    match long {
        false => format!("{kind} {serial}"),
        true => (0..30).map(|word| format!("{kind} {serial}.{word:02}")).collect::<Vec<_>>().join(" "),
    }
}

fn is_at_rest(rig: &Rig, store: &Connection) -> bool {
    thread::sleep(Duration::from_millis(400));
    unrest(rig, store).is_empty()
}

/// What still has to happen.
fn unrest(rig: &Rig, store: &Connection) -> Vec<String> {
    let mut found = texts(store, "SELECT state || ' ' || text || ' ' || cause FROM outbox WHERE next_run IS NOT NULL");
    found.extend(texts(store, "SELECT 'mail ' || error FROM spool"));
    let waiting = rig.network.ask(&json!({ "do": "stats" }))["waiting"].as_u64().unwrap();
    found.extend((waiting > 0).then(|| format!("{waiting} wait in the network")));
    if found.is_empty() {
        let ids = |ledger: &[Json], kind: &str| -> BTreeSet<u64> {
            ledger.iter().filter(|entry| entry["event"] == kind).map(|entry| entry["id"].as_u64().unwrap()).collect()
        };
        let ledger = rig.network.ledger();
        let taken: BTreeSet<u64> = &ids(&ledger, "deleted") | &ids(&ledger, "acknowledged");
        let texts: BTreeSet<u64> = ledger
            .iter()
            .filter(|entry| entry["event"] == "queued" && entry["text"].is_string())
            .map(|entry| entry["id"].as_u64().unwrap())
            .collect();
        found.extend(texts.difference(&taken).map(|id| format!("{id} is on a SIM")));
    }
    found
}

/// Every PDU the network delivered is in the store as often as it was delivered, and every text once.
fn check_arrivals(rig: &Rig, store: &Connection, ledger: &[Json], injected: &[(usize, String)]) -> Vec<String> {
    let slot_of = |number: &str| (0..MODEMS).find(|modem| rig.site.number(*modem) == number).unwrap();
    let mut delivered: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry["event"] == "queued" && entry["text"].is_string()) {
        let key = (slot_of(entry["number"].as_str().unwrap()), entry["pdu"].as_str().unwrap().to_owned());
        *delivered.entry(key).or_default() += 1;
    }
    let mut held: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for row in texts(store, "SELECT slot || ' ' || pdu FROM segment WHERE kind != 'report' AND repeats IS NULL") {
        let (slot, pdu) = row.split_once(' ').unwrap();
        *held.entry((slot.parse().unwrap(), pdu.to_owned())).or_default() += 1;
    }
    let mut faults = differences("PDU", &delivered, &held);
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

/// Every message is mailed, with one Message-ID of its own.
fn check_mails(rig: &Rig, store: &Connection) -> Vec<String> {
    let mut mailed: HashMap<String, BTreeSet<String>> = HashMap::new();
    let mails = rig.mails();
    for mail in &mails {
        mailed.entry(mail.header("X-SMSgate-Id")).or_default().insert(mail.header("Message-ID"));
    }
    let ids: BTreeSet<String> = texts(store, "SELECT id FROM message").into_iter().collect();
    eprintln!(
        "{} messages in the store, {} mails, {} of them repeats",
        ids.len(),
        mails.len(),
        mails.len() - mailed.len()
    );
    let missing = ids.iter().filter(|id| !mailed.contains_key(*id)).map(|id| format!("message {id} was never mailed"));
    let several = mailed.iter().filter(|(_, names)| names.len() != 1 || names.contains(""));
    let mut faults: Vec<String> =
        missing.chain(several.map(|(id, names)| format!("{id} has names {names:?}"))).collect();
    let names: BTreeSet<&String> = mailed.values().flatten().collect();
    if names.len() != mailed.len() {
        faults.push("two messages share a Message-ID".to_owned());
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
fn check_departures(store: &Connection, ledger: &[Json], sent: &[Sent]) -> Vec<String> {
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

fn states(store: &Connection) -> Vec<String> {
    texts(store, "SELECT state || ' ' || count(*) FROM outbox GROUP BY state")
}

fn texts(store: &Connection, query: &str) -> Vec<String> {
    let mut query = store.prepare(query).unwrap();
    let rows = query.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn open(site: &Site) -> Connection {
    let store = Connection::open_with_flags(site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
