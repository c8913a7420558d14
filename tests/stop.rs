//! SIGTERM at random moments under traffic both ways (D27): it ends within five seconds with code 0, and whatever it
//! leaves is taken up by the next start; afterwards the network's own ledger says what must be there.
//!
//! `SMSGATE_STOP_ROUNDS` (20; the full size is 200) and `SMSGATE_STOP_SEED` (the clock's, it is printed) choose how often
//! and when. A round begins when the daemon says that it is up: before that, a stop is a start that did not happen.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(clippy::print_stderr, reason = "what the rounds were is worth knowing")]

mod rig;

use std::{
    env,
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use rig::{
    Api, ONCE_TOKEN, Rig, Site, TOKEN, becomes,
    books::{check_arrivals, check_departures, check_mails, states, texts, unrest},
    traffic::{Said, Stop},
};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use smsgate::emulator::Dice;

const MODEMS: usize = 8;
/// The latest moment of a stop, in milliseconds from the moment when the daemon is up.
const LONGEST_ROUND: u64 = 900;
/// How long a stop may take.
const BAR: Duration = Duration::from_secs(5);
/// How long everything may take to come to rest: what a stop kept from leaving is tried again after 5 s, then after 30 s.
const REST: Duration = Duration::from_secs(240);

#[test]
fn a_stop_takes_five_seconds_at_most_and_leaves_nothing_undone() {
    let rounds: u32 = setting("SMSGATE_STOP_ROUNDS").unwrap_or(20);
    let seed = setting("SMSGATE_STOP_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
    eprintln!("SMSGATE_STOP_SEED={seed} SMSGATE_STOP_ROUNDS={rounds}");
    let mut rig = Rig::prepare(MODEMS, |site| site.api = "queue_limit = 100000\nget_sms_window = 86400\n".to_owned());
    // Every stop comes in the midst of submissions.
    let conditions = json!({ "submit_latency": 0.25, "report_delay": 0.05, "report_jitter": 0.3, "report_loss": 20 });
    rig.network.ask(&json!({ "do": "conditions", "set": conditions }));
    let began = Instant::now();
    let (said, over) = (Said::default(), AtomicBool::new(false));
    let numbers: Vec<String> = (0..MODEMS).map(|modem| rig.site.number(modem).to_owned()).collect();
    let mut lengths = Vec::new();
    let mut faults = Vec::new();
    thread::scope(|scope| {
        let (network, said, numbers, over) = (rig.network_again(), &said, &numbers, &over);
        scope.spawn(move || said.inject(numbers, &network, seed, &(20..120), over));
        for (once, token, pause) in [(false, TOKEN, 100), (true, ONCE_TOKEN, 400)] {
            let api = Api::new(&rig.site, token);
            scope.spawn(move || {
                said.send(numbers, once, seed, pause, over, |to, text| api.send("", to, text).ok());
            });
        }
        let stop = Stop(over);
        let mut dice = Dice::new(seed);
        for round in 0..rounds {
            rig.launch();
            rig.until("it is up", || rig.log().contains("smsgate is up"));
            let moment = Duration::from_millis(dice.below(LONGEST_ROUND));
            thread::sleep(moment);
            let daemon_says = rig.log();
            let (code, length) = rig.stop();
            lengths.push(length);
            if code != Some(0) || length > BAR {
                let last: Vec<&str> = daemon_says.lines().rev().take(10).collect();
                faults.push(format!("round {round}, after {moment:?}: code {code:?} after {length:?}\n{last:#?}"));
            }
            faults.extend(daemon_says.contains("panicked").then(|| format!("round {round}: {daemon_says}")));
        }
        drop(stop);
    });
    let traffic = began.elapsed();
    let (injected, sent) = (said.injected.into_inner().unwrap(), said.sent.into_inner().unwrap());
    lengths.sort_unstable();
    eprintln!(
        "a stop took {:.0?} in the middle, {:.0?} at most",
        lengths[lengths.len() / 2],
        lengths[lengths.len() - 1]
    );

    rig.restart();
    let store = open(&rig.site);
    let at_rest = becomes(REST, || is_at_rest(&rig, &store));
    let answered = sent.iter().filter(|one| one.id.is_some()).count();
    eprintln!(
        "{} texts in, {answered} out, {rounds} stops in {traffic:.0?}, rest after {:.0?}: {:?}",
        injected.len(),
        began.elapsed(),
        states(&store)
    );
    assert!(at_rest, "not at rest: {:?}\n{:?}", unrest(&rig.network, &store), rig.api().health());
    let ledger = rig.network.ledger();
    assert_eq!(rig.stop().0, Some(0));
    let store = open(&rig.site);
    faults.extend(check_arrivals(&numbers, &store, &ledger, &injected));
    faults.extend(check_mails(&rig.mails(), &store));
    faults.extend(check_departures(&store, &ledger, &sent));
    // A stop is no power cut: what is under way ends first, and no outcome is left open.
    let doubtful = "SELECT o.text FROM outbox AS o JOIN outbox_segment AS s ON s.message = o.sequence
         WHERE s.doubtful = 1 OR o.state = 'unknown'";
    faults.extend(
        texts(&store, doubtful).into_iter().map(|text| format!("it was unknown whether `{text:.30}` had left")),
    );
    assert!(
        faults.is_empty(),
        "{} faults\n{}\nSMSGATE_STOP_SEED={seed} SMSGATE_STOP_ROUNDS={rounds}",
        faults.len(),
        faults[..faults.len().min(40)].join("\n")
    );
}

fn is_at_rest(rig: &Rig, store: &Connection) -> bool {
    thread::sleep(Duration::from_millis(400));
    unrest(&rig.network, store).is_empty()
}

fn open(site: &Site) -> Connection {
    let store = Connection::open_with_flags(site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
