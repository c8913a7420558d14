//! Many more messages than the limits let go, with SIGKILLs in between; afterwards the network's own ledger says how many
//! parts each SIM has sent, and when (S10).
//!
//! `SMSGATE_CAPS_SCALE=10` is the full size: 1,000 answered calls and 50 kills; by default it is a tenth of that.
//! `SMSGATE_CAPS_SEED` (the clock's, it is printed) chooses when. The emulator is another process and survives. Each
//! submission takes 50 ms, so that nearly every kill comes between an intent and its outcome.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(clippy::print_stderr, reason = "what the rounds were is worth knowing")]

mod rig;

use std::{
    collections::BTreeMap,
    env,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use rig::{Api, ONCE_TOKEN, Rig, TOKEN, books::texts};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use smsgate::{
    cli::client::ClientError,
    emulator::Dice,
    tpdu::{Reference, segment},
};

/// A part whose outcome a kill left open is sent once more after a minute.
const RESENDS: Duration = Duration::from_secs(66);
/// How much later than its intent a part may reach the network, on a busy machine.
const DELAY_US: u64 = 4_000_000;
const MINUTE_US: u64 = 60_000_000;

/// What the clients heard.
#[derive(Debug, Default)]
struct Heard {
    /// Id and text.
    accepted: Vec<(String, String)>,
    /// Texts of calls that a kill cut off.
    unanswered: Vec<String>,
    refused: Vec<String>,
    exceptions: Vec<String>,
}

#[test]
fn s10_no_more_leaves_than_the_limits_allow_however_often_the_power_goes() {
    let scale: usize = setting("SMSGATE_CAPS_SCALE").unwrap_or(1);
    let seed = setting("SMSGATE_CAPS_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
    let (calls, kills, token_parts) = (100 * scale, 5 * scale, 45 * scale);
    eprintln!("SMSGATE_CAPS_SEED={seed} SMSGATE_CAPS_SCALE={scale}: {calls} answered calls, {kills} kills");
    let (daily, minutely, both) = (30 * scale, 3 * scale, (2 * scale, 4 * scale));
    let mut rig = Rig::prepare(4, |site| {
        site.api = format!("max_parts_per_day = {token_parts}\nrepost_window = 0\n");
        site.sims[0].set("max_parts_per_day", daily.to_string());
        // At 0.09 for a part: the same number of parts, and a bit of money that is enough for none.
        let cents = 9 * daily + 5;
        site.sims[1].set("max_costs_per_day", format!("{}.{:02}", cents / 100, cents % 100));
        site.sims[2].set("max_parts_per_minute", minutely.to_string());
        site.sims[3].set("max_parts_per_minute", both.0.to_string());
        site.sims[3].set("max_parts_per_day", both.1.to_string());
    });
    rig.network.ask(&json!({ "do": "conditions", "set": { "submit_latency": 0.05 } }));

    let began = Instant::now();
    let heard = Mutex::new(Heard::default());
    thread::scope(|scope| {
        for (token, kind) in [(TOKEN, "alarm"), (ONCE_TOKEN, "once")] {
            let (api, heard) = (Api::new(&rig.site, token), &heard);
            scope.spawn(move || send(&api, kind, calls / 2, heard));
        }
        let mut dice = Dice::new(seed);
        for _ in 0..kills {
            rig.launch();
            thread::sleep(Duration::from_millis(300 + dice.below(1000)));
            rig.kill();
        }
        rig.restart();
    });
    let heard = heard.into_inner().unwrap();
    let traffic = began.elapsed();
    thread::sleep(RESENDS);
    let store = Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let under_way = "SELECT id FROM outbox WHERE state IN ('routed', 'sending')";
    rig.until("nothing is in a modem's hands", || texts(&store, under_way).is_empty());

    let second = rig.site.number(2).to_owned();
    rig.until("the SIM of a limited minute goes on", || {
        rig.network.events("submitted").iter().filter(|entry| entry["number"] == second).count() > minutely
    });

    let mut faults = heard.exceptions.clone();
    // The SIMs, by what the network saw.
    let mut submitted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut by_text: BTreeMap<String, usize> = BTreeMap::new();
    for entry in rig.network.events("submitted") {
        let number = entry["number"].as_str().unwrap().to_owned();
        submitted.entry(number).or_default().push(entry["us"].as_u64().unwrap());
        *by_text.entry(entry["text"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let of = |sim: usize| submitted.get(rig.site.number(sim)).cloned().unwrap_or_default();
    for (sim, most) in [(0, daily), (1, daily), (3, both.1)] {
        let sent = of(sim).len();
        eprintln!("SIM {sim}: {sent} parts of {most} in the day");
        faults.extend((sent > most).then(|| format!("SIM {sim} sent {sent} parts, not {most}")));
        // A kill wastes one part at most.
        faults.extend((sent + kills + 1 < most).then(|| format!("SIM {sim} sent only {sent} parts of {most}")));
    }
    for (sim, most) in [(2, minutely), (3, both.0)] {
        let times = of(sim);
        let fullest = times
            .iter()
            .map(|first| times.iter().filter(|at| (*first..first + MINUTE_US - DELAY_US).contains(at)).count())
            .max()
            .unwrap_or(0);
        eprintln!("SIM {sim}: {} parts, {fullest} of {most} in the fullest minute", times.len());
        faults.extend((fullest > most).then(|| format!("SIM {sim} sent {fullest} parts in a minute, not {most}")));
    }
    // The tokens, by what was accepted, heard or not.
    let rows: BTreeMap<String, (String, String)> =
        texts(&store, "SELECT text || '|' || state || '|' || cause FROM outbox")
            .iter()
            .map(|row| {
                let mut fields = row.split('|').map(str::to_owned);
                (fields.next().unwrap(), (fields.next().unwrap(), fields.next().unwrap()))
            })
            .collect();
    for kind in ["alarm", "once"] {
        let parts: usize = rows.keys().filter(|text| text.starts_with(kind)).map(|text| parts(text).len()).sum();
        eprintln!("token {kind}: {parts} parts of {token_parts}");
        faults.extend((parts > token_parts).then(|| format!("token {kind}: {parts} parts accepted")));
        faults.extend((parts + 1 < token_parts).then(|| format!("token {kind}: only {parts} parts accepted")));
    }
    faults.extend(check_refusals(&heard, token_parts));
    faults.extend(check_rows(&heard, &rows, &by_text));
    let states = texts(&store, "SELECT state || ' ' || count(*) FROM outbox GROUP BY state");
    eprintln!(
        "{} accepted, {} refused, {} cut off, {kills} kills in {traffic:.0?}: {states:?}",
        heard.accepted.len(),
        heard.refused.len(),
        heard.unanswered.len(),
    );

    // What people are told.
    let api = rig.api();
    rig.until("the limits are in the health", || {
        let (level, message) = api.health();
        let named = ["00: Limit: ", "01: Limit: costs of ", "03: Limit: ", "Token 1 of token_send_sms: Limit: "];
        level == "WARNING" && named.iter().all(|words| message.contains(words))
    });
    let waiting = heard.accepted.iter().find(|(_, text)| rows.get(text).is_some_and(|row| row.0 == "queued"));
    let cause = api.outgoing(&waiting.expect("one that waits").0, "cause");
    assert!(cause.contains("limit"), "{cause}");
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    assert_eq!(rig.stop().0, Some(0));
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

/// Sends until so many calls were answered. One in ten needs two parts.
fn send(api: &Api, kind: &str, calls: usize, heard: &Mutex<Heard>) {
    let (mut answered, mut serial) = (0, 0);
    while answered < calls {
        serial += 1;
        let text = match serial % 10 {
            0 => (0..30).map(|word| format!("{kind} {serial}.{word:02}")).collect::<Vec<_>>().join(" "),
            _ => format!("{kind} {serial}"),
        };
        let said = api.send("", "+491550000001", &text);
        let mut heard = heard.lock().unwrap();
        match said {
            Ok(id) => heard.accepted.push((id, text)),
            Err(ClientError::Fault(fault)) if fault.code == 429 => heard.refused.push(fault.message),
            Err(ClientError::Fault(fault)) => heard.exceptions.push(format!("fault {}: {}", fault.code, fault.message)),
            Err(_) => {
                heard.unanswered.push(text);
                drop(heard);
                thread::sleep(Duration::from_millis(40));
                continue;
            }
        }
        drop(heard);
        answered += 1;
        thread::sleep(Duration::from_millis(30));
    }
}

fn check_refusals(heard: &Heard, token_parts: usize) -> Vec<String> {
    let start = format!("This token has reached its limit of {token_parts} parts per day. Try again in ");
    let is_clear = |text: &&String| {
        let seconds = text.strip_prefix(&start).and_then(|rest| rest.strip_suffix(" s."));
        !seconds.is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| (80_000..=87_000).contains(&seconds)))
    };
    let unclear = heard.refused.iter().filter(is_clear).map(|text| format!("a refusal says {text:?}"));
    unclear.chain(heard.refused.is_empty().then(|| "no call was refused".to_owned())).collect()
}

/// Nothing that was accepted is lost, nothing has ended for a limit, and nothing left that is not on record.
fn check_rows(
    heard: &Heard,
    rows: &BTreeMap<String, (String, String)>,
    submitted: &BTreeMap<String, usize>,
) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, text) in &heard.accepted {
        let Some((state, cause)) = rows.get(text) else {
            faults.push(format!("{id} is not in the store"));
            continue;
        };
        let counts: Vec<usize> = parts(text).iter().map(|part| submitted.get(part).copied().unwrap_or(0)).collect();
        let most = if text.starts_with("once") { 1 } else { 2 };
        let is_right = match state.as_str() {
            "sent" | "delivered" => counts.iter().all(|count| (1..=most).contains(count)),
            "queued" => counts.contains(&0) && counts.iter().all(|count| *count <= most) && cause.contains("limit"),
            "unknown" => counts.iter().all(|count| *count <= most),
            _ => false,
        };
        faults.extend((!is_right).then(|| format!("{id} is {state} ({cause:?}), submitted {counts:?}")));
    }
    let known: Vec<String> = rows.keys().flat_map(|text| parts(text)).collect();
    let strange = submitted.keys().filter(|part| !known.contains(part));
    faults.extend(strange.map(|part| format!("{part:?} left and is not in the store")));
    faults
}

/// The texts of its segments.
fn parts(text: &str) -> Vec<String> {
    let segments = segment(text, Reference::Narrow(0), None).unwrap();
    segments.iter().map(|part| part.user_data.text(part.data_coding)).collect()
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
