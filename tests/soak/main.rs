//! Hours of a busy pool: sixteen modems of all kinds with traffic both ways, faults of modems and of the mail server,
//! reloads, monitoring and four clients of the API. Afterwards nothing is lost, doubled or stuck, and nothing has grown.
//!
//! `SMSGATE_SOAK_MINUTES` (10) is how long the traffic lasts, `SMSGATE_SOAK_SEED` (the clock's, it is printed) what goes
//! wrong, `SMSGATE_SOAK_IN` (2000) and `SMSGATE_SOAK_OUT` (200) how many texts an hour, `SMSGATE_SOAK_FAULT` (20) how
//! many seconds between two faults of modems. In target/soak are then a sample for every ten seconds (samples.csv), a
//! picture of them (soak.svg), a summary (summary.txt) and the daemon's log (daemon.log). `make soak MINUTES=120` runs it
//! with a release build.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(clippy::print_stderr, reason = "what the run was is worth knowing")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]

mod clients;
mod faults;
mod judge;
mod log;
mod oddities;
mod plot;
mod report;
#[path = "../rig/mod.rs"]
mod rig;
mod sample;

use std::{
    env, fs,
    path::Path,
    sync::{Mutex, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use clients::{Clients, Seen};
use faults::ModemFaults;
use oddities::Odd;
use report::Figures;
use rig::{
    Api, ONCE_TOKEN, Rig, Site, TOKEN,
    books::{check_arrivals, check_departures, check_mails, states, texts, unrest},
    traffic::{Said, Stop},
};
use rusqlite::{Connection, OpenFlags};
use sample::{Phase, Recorder};
use serde_json::json;

const MODEMS: usize = 16;
/// Of them, so many are found by their IMEI, under whatever name they come back.
const SOUGHT: usize = 10;
/// Of the texts that come in, so many of a hundred are plain.
const PLAIN: f64 = 85.0;
/// Between two samples.
const PERIOD: Duration = Duration::from_secs(10);
/// How long it rests before the traffic.
const BEFORE: Duration = Duration::from_secs(30);
/// How many times the configuration is read before anything is measured.
const RELOADS: usize = 10;
/// How long everything may take to come to rest: a modem that was given up is looked at again when a rung of its ladder may
/// be tried again, within the hour.
const REST: Duration = Duration::from_secs(65 * 60);
/// How long connections and threads that nobody needs any more may stay.
const LINGER: Duration = Duration::from_secs(150);
/// How many faults are shown.
const SHOWN: usize = 60;

/// What is wanted of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub minutes: u64,
    pub seed: u64,
    /// Texts an hour.
    pub incoming: f64,
    pub outgoing: f64,
    /// Between two faults of modems.
    pub fault: Duration,
}

impl Plan {
    fn from_environment() -> Self {
        let seed = || jiff::Timestamp::now().as_millisecond().unsigned_abs();
        Self {
            minutes: setting("MINUTES").unwrap_or(10),
            seed: setting("SEED").unwrap_or_else(seed),
            incoming: setting("IN").unwrap_or(2000.0),
            outgoing: setting("OUT").unwrap_or(200.0),
            fault: Duration::from_secs_f64(setting("FAULT").unwrap_or(20.0)),
        }
    }

    fn traffic(&self) -> Duration {
        Duration::from_secs(60 * self.minutes)
    }

    /// What happens now and then happens several times in short runs too.
    fn now_and_then(&self, most: u64) -> Duration {
        Duration::from_secs((self.minutes * 60 / 6).clamp(40, most))
    }
}

/// A variable of the run; an empty one is as good as none, since `make` sets all of them.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = env::var(format!("SMSGATE_SOAK_{name}")).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("SMSGATE_SOAK_{name}=`{text}` is no number")))
}

#[test]
fn hours_pass_and_nothing_is_lost_or_grows() {
    let plan = Plan::from_environment();
    eprintln!("{plan:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/soak");
    fs::create_dir_all(&folder).unwrap();
    let (figures, mut faults) = run(&plan, &folder);
    fs::write(folder.join("soak.svg"), figures.picture()).unwrap();
    faults.extend(judge::faults(&figures.samples));
    let summary = figures.summary(&faults);
    fs::write(folder.join("summary.txt"), &summary).unwrap();
    eprintln!("{summary}");
    let shown = faults[..faults.len().min(SHOWN)].join("\n");
    assert!(faults.is_empty(), "{} faults; SEED={}\n{shown}", faults.len(), plan.seed);
}

/// The whole run; what it was, and what went wrong other than growth.
fn run(plan: &Plan, folder: &Path) -> (Figures, Vec<String>) {
    let mut rig = prepare(plan);
    rig.restart();
    rig.until_ready(MODEMS);
    let mut figures = Figures::new(plan);
    let mut recorder = Recorder::start(&rig, &folder.join("samples.csv"));
    warm_up(&rig);
    record(&mut recorder, Phase::Before, BEFORE, || (0, 0));
    let (said, odd) = (Said::default(), Mutex::new(Odd::default()));
    let alive = traffic(plan, &rig, &mut recorder, &said, &odd, &mut figures);
    let counts =
        || (said.injected.lock().unwrap().len() + odd.lock().unwrap().count(), said.sent.lock().unwrap().len());
    let mut faults = std::mem::take(&mut figures.complaints);
    if alive {
        faults.extend(come_to_rest(&rig, &mut recorder, counts, &mut figures));
    }
    (figures.received, figures.sent) = counts();
    figures.samples = std::mem::take(&mut recorder.samples);

    let (network, daemon_log) = (rig.network.ledger(), rig.log());
    fs::write(folder.join("daemon.log"), &daemon_log).unwrap();
    faults.extend(log::faults(&daemon_log));
    figures.kinds = log::kinds(&daemon_log);
    if let Some(code) = rig.ended() {
        faults.push(format!("the daemon ended with {code}"));
        rig.forget();
    } else {
        let (code, took) = rig.stop();
        faults.extend((code != Some(0)).then(|| format!("SIGTERM: it ended with {code:?} after {took:?}")));
    }
    let store = open(&rig.site);
    let (injected, sent) = (said.injected.into_inner().unwrap(), said.sent.into_inner().unwrap());
    faults.extend(check_arrivals(&numbers(&rig), &store, &network, &injected));
    faults.extend(check_mails(&rig.mails(), &store));
    faults.extend(check_departures(&store, &network, &sent));
    let told = texts(&store, "SELECT id FROM message WHERE undecodable").len();
    let unread = odd.into_inner().unwrap().unreadable;
    faults.extend((told != unread).then(|| format!("{unread} PDUs nobody can read came, {told} are told")));
    faults.extend(sent.iter().filter(|one| one.id.is_none()).map(|one| format!("{one:?} was not answered")));
    figures.states = states(&store);
    figures.tables = tables(&store);
    (figures, faults)
}

fn prepare(plan: &Plan) -> Rig {
    let mut rig = Rig::prepare(MODEMS, |site| {
        site.api = "queue_limit = 100000\n".to_owned();
        // So that all of it is there when the books are balanced.
        site.retention = format!("{} s", (24 * 60 + plan.minutes) * 60);
    });
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let pattern = rig.folder().join("dev/modem-*").display().to_string();
    for modem in 0..SOUGHT {
        rig.site.sims[modem].set("imei", stats["modems"][modem]["imei"].as_str().unwrap());
        rig.site.sims[modem].set("port", pattern.clone());
    }
    rig.site.write();
    let conditions = json!({
        "submit_latency": 1.5, "delivery_delay": 0.5, "delivery_jitter": 3, "report_delay": 2, "report_jitter": 10,
        "report_loss": 2,
    });
    rig.network.ask(&json!({ "do": "conditions", "set": conditions }));
    rig
}

/// What is only made when it is first needed, such as connections to the database, is made now. The first reloads take
/// memory that the allocator keeps for those after them.
fn warm_up(rig: &Rig) {
    for count in 0..RELOADS {
        faults::reload_once(rig, count);
        rig.until("the configuration is read", || rig.log().matches("configuration reloaded").count() > count);
    }
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let api = rig.api();
                (0..5).for_each(|_| drop((api.get_sms(""), api.slots())));
            });
        }
    });
}

fn numbers(rig: &Rig) -> Vec<String> {
    (0..MODEMS).map(|modem| rig.site.number(modem).to_owned()).collect()
}

/// Whether the daemon is still there afterwards.
fn traffic(
    plan: &Plan,
    rig: &Rig,
    recorder: &mut Recorder,
    said: &Said,
    odd: &Mutex<Odd>,
    figures: &mut Figures,
) -> bool {
    let (over, seen, numbers) = (AtomicBool::new(false), Mutex::new(Seen::default()), numbers(rig));
    let (over, numbers, seed) = (&over, &numbers, plan.seed);
    let networks = [rig.network_again(), rig.network_again(), rig.network_again()];
    let [plain, strange, faulty] = &networks;
    let every = |an_hour: f64| Duration::from_secs_f64(3600.0 / an_hour);
    let clients = Clients::start(rig);
    let alive = thread::scope(|scope| {
        let pause = u64::try_from(every(plan.incoming * PLAIN / 100.0).as_millis()).unwrap().max(2);
        scope.spawn(move || said.inject(numbers, plain, seed, &(pause / 2..pause * 3 / 2), over));
        let pause = every(plan.incoming * (100.0 - PLAIN) / 100.0);
        scope.spawn(move || oddities::inject(said, odd, numbers, strange, pause, seed, over));
        for (once, token, share) in [(false, TOKEN, 0.75), (true, ONCE_TOKEN, 0.25)] {
            let api = Api::new(&rig.site, token);
            // Half of the longest pause, on average.
            let longest = u64::try_from(2 * every(plan.outgoing * share).as_millis()).unwrap();
            scope.spawn(move || {
                said.send(numbers, once, seed, longest, over, |to, text| api.send("", to, text).ok());
            });
        }
        scope.spawn(|| clients::monitor(rig, over, &seen));
        let modems = ModemFaults::new(faulty, (MODEMS, SOUGHT), plan.fault, seed);
        let modems = scope.spawn(move || modems.play(over));
        let mail = scope.spawn(|| faults::disturb_mail(&rig.folder().join("faults"), plan.now_and_then(1200), over));
        let reloads = scope.spawn(|| faults::reload(rig, plan.now_and_then(600), over));
        let stop = Stop(over);
        let alive = record(recorder, Phase::Traffic, plan.traffic(), || {
            (said.injected.lock().unwrap().len() + odd.lock().unwrap().count(), said.sent.lock().unwrap().len())
        });
        drop(stop);
        figures.modem_faults = modems.join().unwrap();
        figures.mail_faults = mail.join().unwrap();
        figures.reloads = reloads.join().unwrap();
        alive
    });
    let (calls, complaints) = clients.end();
    figures.calls = calls;
    figures.complaints.extend(complaints);
    let mut seen = seen.into_inner().unwrap();
    figures.complaints.append(&mut seen.complaints);
    figures.monitoring = seen;
    alive
}

/// Takes samples for so long; whether the daemon is still there.
fn record(recorder: &mut Recorder, phase: Phase, length: Duration, counts: impl Fn() -> (usize, usize)) -> bool {
    let began = Instant::now();
    let mut next = began + PERIOD;
    while next <= began + length {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if !recorder.take(phase, counts()) {
            return false;
        }
        next += PERIOD;
    }
    true
}

/// Until nothing is under way, all modems are well and nothing is held any more that was not held before.
fn come_to_rest(
    rig: &Rig,
    recorder: &mut Recorder,
    counts: impl Fn() -> (usize, usize),
    figures: &mut Figures,
) -> Vec<String> {
    let store = open(&rig.site);
    let began = Instant::now();
    let open = || {
        let mut open = unrest(&rig.network, &store);
        let (level, message) = rig.api().try_health().unwrap_or_default();
        open.extend((level != "OK").then(|| format!("the health is {level:?}: {message}")));
        open
    };
    let mut left = open();
    while !left.is_empty() {
        if began.elapsed() > REST || !record(recorder, Phase::After, PERIOD, &counts) {
            left.truncate(SHOWN);
            return left.into_iter().map(|what| format!("not at rest after {REST:?}: {what}")).collect();
        }
        left = open();
        eprintln!("{:.0?} after the traffic: {:.200?}", began.elapsed(), left.first());
    }
    figures.rest = began.elapsed();
    let quiet = Instant::now();
    while record(recorder, Phase::After, PERIOD, &counts) && quiet.elapsed() < LINGER {
        let samples = &recorder.samples;
        let is_back =
            |figure| judge::least(samples, Phase::After, figure) <= judge::least(samples, Phase::Before, figure);
        if is_back(judge::descriptors) && is_back(judge::threads) {
            break;
        }
    }
    Vec::new()
}

fn open(site: &Site) -> Connection {
    let store = Connection::open_with_flags(site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

/// What fills the database: each table and index with its octets, and the pages that are free.
fn tables(store: &Connection) -> Vec<String> {
    let sizes = "SELECT name || ' ' || (sum(pgsize) / 1024) || ' KiB' FROM dbstat GROUP BY name HAVING sum(pgsize) > 8192 \
                 ORDER BY sum(pgsize) DESC";
    let mut tables = texts(store, sizes);
    tables.push(format!("free {} pages", texts(store, "SELECT freelist_count || '' FROM pragma_freelist_count()")[0]));
    tables
}
