//! What messages cost: how many a pool of modems without latency brings in and sends in a second with each of them durable,
//! and what is written to the disk for one, in a burst and at a slow steady rate, its mail included.
//!
//! `cargo bench --bench throughput`; sizes by variables: `SMSGATE_BENCH_MESSAGES` (2000) of a burst in each direction,
//! `SMSGATE_BENCH_RUNS` (5) of them, `SMSGATE_BENCH_STEADY` (1000) messages at `SMSGATE_BENCH_RATE` (5) a second.
//! `SMSGATE_BINARY` names another build of the daemon. Exits 1 if a bar is missed.
//!
//! The daemon, the modems and the mail server are processes of their own. Octets are those that Linux counts for the
//! daemon (`write_bytes` of `/proc/PID/io`): whole pages of its page cache, without what the file system writes for itself.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a plain program")]
#![allow(clippy::print_stderr, reason = "a plain program")]

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::{
    collections::HashMap,
    env, fs,
    io::Write as _,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rig::{
    Rig,
    holdings::{processor_time, written},
    past::Past,
};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};

const MODEMS: usize = 16;
/// Who writes; few enough to come again, too many for a flood.
const SENDERS: usize = 500;
/// Without any progress.
const PATIENCE: Duration = Duration::from_secs(120);
const KIB: f64 = 1024.0;

fn main() -> ExitCode {
    let (messages, runs) = (size("MESSAGES", 2000), size("RUNS", 5));
    let mut report = Report::default();
    let mut rig = Rig::prepare(MODEMS, |_| {});
    let mut bursts = Bursts::default();
    for run in 0..runs {
        let past = Past::new(&rig.site.store());
        for serial in 0..messages {
            past.accept(&format!("out {run}.{serial}"));
        }
        past.close();
        rig.restart();
        rig.until_ready(MODEMS);
        bursts.outgoing(&rig, run, messages);
        bursts.incoming(&rig, run, messages);
        if run + 1 < runs {
            rig.stop();
        }
    }
    println!("{MODEMS} modems without latency, {messages} messages at once, medians of {runs} runs");
    bursts.tell(&mut report);
    steady(&rig, runs, &mut report);
    println!("\nthe disk by itself, beside the store");
    for kib in [4, 16, 64] {
        let rate = appended(rig.folder(), kib);
        report.row(&format!("{kib} KiB appended and synced"), rate, "/s", None);
    }
    books(&rig, runs * messages, &mut report);
    if report.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn size(name: &str, usual: usize) -> usize {
    env::var(format!("SMSGATE_BENCH_{name}")).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Figures of each run.
#[derive(Default)]
struct Bursts {
    sent: Vec<f64>,
    taken: Vec<f64>,
    octets: Vec<f64>,
    daemon: Vec<f64>,
    modems: Vec<f64>,
}

impl Bursts {
    /// What waited in the store when the daemon started. Modems get ready one after the other and run dry so, too: the
    /// middle of the way counts.
    fn outgoing(&mut self, rig: &Rig, run: usize, messages: usize) {
        let mut ledger = Ledger::new(rig);
        let prefix = format!("out {run}.");
        let mut times = Vec::with_capacity(messages);
        ledger.until(rig, |entry| {
            if entry["event"] == "submitted" && entry["text"].as_str().is_some_and(|text| text.starts_with(&prefix)) {
                times.push(entry["us"].as_u64().unwrap());
            }
            times.len() >= messages
        });
        times.sort_unstable();
        let (first, last) = (messages / 10, messages * 9 / 10);
        self.sent.push((last - first) as f64 * 1e6 / (times[last] - times[first]) as f64);
        until_settled(rig);
    }

    /// They wait in the network while the daemon stands still, and are taken when their copy on the SIM is gone.
    fn incoming(&mut self, rig: &Rig, run: usize, messages: usize) {
        let mut ledger = Ledger::new(rig);
        let before = [written(rig.pid()).unwrap() as f64, cpu(rig.pid()), cpu(rig.emulator_pid())];
        rig.signal(Signal::SIGSTOP);
        (0..messages).for_each(|serial| inject(rig, &format!("in {run}"), serial));
        let began = ledger.now();
        let modems = cpu(rig.emulator_pid());
        rig.signal(Signal::SIGCONT);
        let (mut taken, mut last) = (0, began);
        ledger.until(rig, |entry| {
            if ["deleted", "acknowledged"].iter().any(|event| entry["event"] == *event) {
                (taken, last) = (taken + 1, entry["us"].as_u64().unwrap());
            }
            taken >= messages
        });
        self.taken.push(messages as f64 * 1e6 / (last - began) as f64);
        self.modems.push((cpu(rig.emulator_pid()) - modems) / messages as f64 * 1e3);
        until_settled(rig);
        self.octets.push((written(rig.pid()).unwrap() as f64 - before[0]) / messages as f64 / KIB);
        self.daemon.push((cpu(rig.pid()) - before[1]) / messages as f64 * 1e3);
    }

    fn tell(&mut self, report: &mut Report) {
        report.row("sent", median(&mut self.sent), "/s", Some(Bar::AtLeast(800.0)));
        report.row("taken, each committed and off its SIM", median(&mut self.taken), "/s", Some(Bar::AtLeast(1500.0)));
        report.row("written for one of these, with its mail", median(&mut self.octets), "KiB", None);
        report.row("processor time for one, with its mail", median(&mut self.daemon), "ms", None);
        report.row("processor time of the modems for one", median(&mut self.modems), "ms", None);
    }
}

/// One message after the other, as they come on an ordinary day, only closer.
fn steady(rig: &Rig, run: usize, report: &mut Report) {
    let (messages, rate) = (size("STEADY", 1000), size("RATE", 5));
    let pause = Duration::from_secs(1) / u32::try_from(rate).unwrap();
    let idle = {
        let (before, seconds) = (written(rig.pid()).unwrap(), 20);
        thread::sleep(Duration::from_secs(seconds));
        (written(rig.pid()).unwrap() - before) as f64 / seconds as f64
    };
    let first = written(rig.pid()).unwrap();
    let (used, mut before, began) = (cpu(rig.pid()), first, Instant::now());
    let mut octets = Vec::with_capacity(messages);
    for serial in 0..messages {
        inject(rig, &format!("in {run}"), serial);
        thread::sleep((pause * u32::try_from(serial + 1).unwrap()).saturating_sub(began.elapsed()));
        let now = written(rig.pid()).unwrap();
        octets.push((now - before) as f64 / KIB);
        before = now;
    }
    until_settled(rig);
    let mean = (written(rig.pid()).unwrap() - first) as f64 / messages as f64;
    println!("\n{messages} messages in, {rate} a second");
    report.row("written for one, with its mail: median", median(&mut octets), "KiB", Some(Bar::AtMost(30.0)));
    report.row("written for one, with its mail: mean", mean / KIB, "KiB", Some(Bar::AtMost(30.0)));
    report.row("processor time for one", (cpu(rig.pid()) - used) / messages as f64 * 1e3, "ms", None);
    report.row("written while nothing happens", idle * 86_400.0 / KIB / KIB, "MiB a day", None);
    report.row("a year of 2,200 a day", mean * 2200.0 * 365.0 / KIB / KIB / KIB, "GiB", None);
}

/// Everything injected is in the store once and was mailed once; everything accepted was submitted once.
fn books(rig: &Rig, sent: usize, report: &mut Report) {
    let store = open(rig);
    let mut faults = [0_i64; 2];
    let mut count = |held: HashMap<String, i64>, wanted: i64| {
        faults[0] += wanted - i64::try_from(held.len()).unwrap();
        faults[1] += held.values().map(|times| times - 1).sum::<i64>();
    };
    let wanted = i64::try_from(sent + size("STEADY", 1000)).unwrap();
    count(counted(texts(&store)), wanted);
    count(counted(rig.mails().iter().flat_map(rig::Mail::ids)), wanted);
    let out = rig.network.events("submitted").into_iter().map(|entry| entry["text"].as_str().unwrap().to_owned());
    count(counted(out.filter(|text| text.starts_with("out "))), i64::try_from(sent).unwrap());
    println!("\nthe books of the network, the store and the mailbox");
    report.row("lost", faults[0] as f64, "", Some(Bar::AtMost(0.0)));
    report.row("doubled", faults[1] as f64, "", Some(Bar::AtMost(0.0)));
}

fn texts(store: &Connection) -> Vec<String> {
    let mut query = store.prepare("SELECT text FROM message WHERE text LIKE 'in %'").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn counted(texts: impl IntoIterator<Item = String>) -> HashMap<String, i64> {
    let mut counts = HashMap::new();
    texts.into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
    counts
}

fn inject(rig: &Rig, what: &str, serial: usize) {
    let text = format!("{what}.{serial}: a text as long as those that an alarm sends, with a place and a time in it");
    let from = format!("+4915100{:04}", serial % SENDERS);
    rig.network.inject(rig.site.number(serial % MODEMS), &from, &text);
}

/// Until nothing waits for its mail or its modem.
fn until_settled(rig: &Rig) {
    let store = open(rig);
    let waiting = || -> i64 {
        let query = "SELECT (SELECT count(*) FROM spool) + (SELECT count(*) FROM outbox WHERE next_run IS NOT NULL)";
        store.query_row(query, [], |row| row.get(0)).unwrap()
    };
    let (mut least, mut since) = (i64::MAX, Instant::now());
    loop {
        let left = waiting();
        if left == 0 {
            break;
        }
        if left < least {
            (least, since) = (left, Instant::now());
        }
        assert!(since.elapsed() < PATIENCE, "{left} wait; the daemon says\n{}", rig.log());
        thread::sleep(Duration::from_millis(100));
    }
    // What is noted later, and reports.
    thread::sleep(Duration::from_millis(1500));
}

fn open(rig: &Rig) -> Connection {
    let store = Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(5)).unwrap();
    store
}

/// The network's, from now on.
struct Ledger {
    network: rig::Network,
    since: u64,
}

impl Ledger {
    fn new(rig: &Rig) -> Self {
        let network = rig.network_again();
        // Of an earlier run there may be many entries; those of this one begin with the daemon's start.
        Self { since: 0, network }
    }

    fn now(&mut self) -> u64 {
        let stats = self.network.ask(&json!({ "do": "stats" }));
        self.since = stats["entries"].as_u64().unwrap();
        stats["us"].as_u64().unwrap()
    }

    /// Reads on until `done` says so of an entry.
    fn until(&mut self, rig: &Rig, mut done: impl FnMut(&Json) -> bool) {
        let mut progress = Instant::now();
        loop {
            let entries: Vec<Json> =
                serde_json::from_value(self.network.ask(&json!({ "do": "ledger", "since": self.since }))).unwrap();
            for entry in &entries {
                self.since = entry["sequence"].as_u64().unwrap();
                progress = Instant::now();
                if done(entry) {
                    return;
                }
            }
            assert!(progress.elapsed() < PATIENCE, "nothing happens any more; the daemon says\n{}", rig.log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Writes of so many KiB, each synced, in a second.
fn appended(folder: &Path, kib: usize) -> f64 {
    let path = folder.join("state/probe");
    let mut file = fs::File::options().create(true).append(true).open(&path).unwrap();
    let (octets, began, mut writes) = (vec![0x5a; kib * 1024], Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&octets).unwrap();
        file.sync_data().unwrap();
        writes += 1;
    }
    let rate = f64::from(writes) / began.elapsed().as_secs_f64();
    fs::remove_file(path).unwrap();
    rate
}

fn cpu(pid: u32) -> f64 {
    processor_time(pid).unwrap()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[derive(Clone, Copy)]
enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Default)]
struct Report {
    missed: bool,
}

impl Report {
    fn row(&mut self, name: &str, value: f64, unit: &str, bar: Option<Bar>) {
        let verdict = bar.map_or(String::new(), |bar| {
            let (is_met, words, bar) = match bar {
                Bar::AtLeast(bar) => (value >= bar, "at least", bar),
                Bar::AtMost(bar) => (value <= bar, "at most", bar),
            };
            self.missed |= !is_met;
            format!("  {words} {bar}: {}", if is_met { "ok" } else { "MISSED" })
        });
        println!("  {name:<46} {value:>9.2} {unit}{verdict}");
    }
}
