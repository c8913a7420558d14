//! SIGKILL at random moments under traffic both ways; afterwards the network's own ledger says what must be there.
//!
//! The emulator is another process and survives. `SMSGATE_KILL_ROUNDS` (100) and `SMSGATE_KILL_SEED` (the clock's, it is
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
/// The latest moment of a kill after the start. Modems are up after a tenth of a second.
const LONGEST_ROUND: u64 = 1900;
/// How long everything may take to come to rest: a doubtful part waits a minute before it is sent again.
const REST: Duration = Duration::from_secs(240);

#[test]
fn nothing_is_lost_or_doubled_however_often_the_power_goes() {
    let rounds: u32 = setting("SMSGATE_KILL_ROUNDS").unwrap_or(100);
    let seed = setting("SMSGATE_KILL_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
    eprintln!("SMSGATE_KILL_SEED={seed} SMSGATE_KILL_ROUNDS={rounds}");
    let mut rig = Rig::prepare(MODEMS, |site| site.api = "queue_limit = 100000\nget_sms_window = 86400\n".to_owned());
    // Sends take so long that many are cut off; reports come before and after, in any order, and some never.
    let conditions = json!({ "submit_latency": 0.15, "report_delay": 0.05, "report_jitter": 0.3, "report_loss": 20 });
    rig.network.ask(&json!({ "do": "conditions", "set": conditions }));
    let began = Instant::now();
    let (said, over) = (Said::default(), AtomicBool::new(false));
    let numbers: Vec<String> = (0..MODEMS).map(|modem| rig.site.number(modem).to_owned()).collect();
    thread::scope(|scope| {
        let (network, said, numbers, over) = (rig.network_again(), &said, &numbers, &over);
        scope.spawn(move || said.inject(numbers, &network, seed, &(40..200), over));
        for (once, token, pause) in [(false, TOKEN, 200), (true, ONCE_TOKEN, 600)] {
            let api = Api::new(&rig.site, token);
            scope.spawn(move || {
                said.send(numbers, once, seed, pause, over, |to, text| api.send("", to, text).ok());
            });
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
    let (injected, sent) = (said.injected.into_inner().unwrap(), said.sent.into_inner().unwrap());

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
    let (unrest, health, log) = (unrest(&rig.network, &store), rig.api().health(), rig.log());
    let last: Vec<&str> = log.lines().rev().take(60).collect();
    assert!(at_rest, "not at rest: {unrest:?}\n{health:?}\n{recoveries:?}\n{last:#?}");
    eprintln!("{recoveries:?}");
    let ledger = rig.network.ledger();
    let (code, _) = rig.stop();
    assert_eq!(code, Some(0));
    let store = open(&rig.site);
    let mut faults = check_arrivals(&numbers, &store, &ledger, &injected);
    faults.extend(check_mails(&rig.mails(), &store));
    faults.extend(check_departures(&store, &ledger, &sent));
    assert!(
        faults.is_empty(),
        "{} faults\n{}\nmake fault RIG=K SEED={seed} POINTS={rounds}",
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
