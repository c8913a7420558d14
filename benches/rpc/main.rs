//! What a call of the interface costs: authenticated `get_sms` over TLS connections that stay open, with the daemon as a
//! process of its own on one core and its clients on another; how long answers take at half of the load it must bear;
//! and what a client pays that connects for each call.
//!
//! Beside it, in turn with it: a server of the same libraries that does nothing but answer ([`floor`]), and `ping`. Rates
//! are judged by the daemon's processor time, which is the same as calls per second where a core has nothing else to do,
//! and does not move where it has.
//!
//! `cargo bench --bench rpc`. `SMSGATE_BENCH_SECONDS` (2) is the length of a run, `SMSGATE_BENCH_RUNS` (5) how many of
//! each case the medians are of, `SMSGATE_BENCH_CONNECTIONS` (8) how many connections there are. Exits 1 if a bar is
//! missed.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a plain program"
)]

mod client;
mod floor;
mod load;
mod process;
#[path = "../../tests/rig/mod.rs"]
mod rig;

use std::{env, fs, process::ExitCode, time::Duration};

use client::Target;
use floor::Floor;
use load::{Run, closed, open, reconnecting};
use rig::{Rig, TOKEN, hash};
use smsgate::rpc::wire::{Call, Value, write_call};

/// Cores of the daemon and of its clients.
const DAEMON: usize = 0;
const CLIENTS: usize = 1;
/// Calls per second and core.
const BAR: f64 = 8000.0;
/// Longest time for all but one answer in a hundred at half of that, in milliseconds.
const LATENCY: f64 = 5.0;
/// bcrypt's cost in tokens that upstream made.
const COST: u32 = 10;
/// Messages of each SIM. The first three are asked for; the fourth is there since few pools have less.
const MESSAGES: [usize; 4] = [0, 10, 100, 0];

fn main() -> ExitCode {
    if let Some(folder) = env::var_os(floor::VARIABLE) {
        return floor::serve(folder.as_ref());
    }
    let sizes = Sizes::read();
    let rig = site();
    let floor = Floor::start(&rig);
    process::pin(CLIENTS);
    let daemon = |name: &str, call: &Call, bar: bool| Case {
        name: name.to_owned(),
        bar,
        target: Target::new(rig.site.port, &rig.site.ca(), &write_call(call)),
        pid: rig.pid(),
    };
    let mut cases = vec![
        Case {
            name: "TLS and HTTP alone".to_owned(),
            bar: false,
            target: Target::new(floor.port, &rig.site.ca(), &write_call(&ping())),
            pid: floor.pid(),
        },
        daemon("ping", &ping(), false),
    ];
    for (sim, messages) in MESSAGES.iter().enumerate().take(3) {
        cases.push(daemon(&format!("get_sms, {messages} messages"), &get_sms(rig.site.number(sim)), *messages <= 10));
    }
    let mut report = Report::default();
    report.saturated(&cases, &sizes);
    report.half_load(&cases, &sizes);
    report.reconnecting(&cases[2], &sizes);
    if report.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The daemon on its core, its SIMs with their messages, and a token that it knows by bcrypt hashes.
fn site() -> Rig {
    let mut rig = Rig::prepare(MESSAGES.len(), |_| {});
    let file = rig.site.config_folder().join("smsgate.conf");
    let mut text = fs::read_to_string(&file).unwrap();
    for slot in 0..MESSAGES.len() {
        let key = format!("token_{slot:02}_get_sms = ");
        let hashed = bcrypt::hash(TOKEN, COST).unwrap();
        text = text.replace(&format!("{key}{}", hash(TOKEN)), &format!("{key}{hashed}"));
    }
    fs::write(&file, text).unwrap();
    rig.under = ["taskset", "-c", &DAEMON.to_string()].map(str::to_owned).into();
    let rig = rig.run();
    rig.until_ready(MESSAGES.len());
    let api = rig.api();
    for (sim, messages) in MESSAGES.into_iter().enumerate() {
        let number = rig.site.number(sim);
        for serial in 0..messages {
            let sender = format!("+49151{:08}", serial * 7919);
            let text =
                format!("Alarm {serial:03}: the pump in <shaft 7> & the one beside it stand still since 04:17 UTC.");
            rig.network.inject(number, &sender, &text);
        }
        rig.until("the messages are there", || api.get_sms(number).len() == messages);
    }
    rig
}

fn ping() -> Call {
    Call { method: "ping".to_owned(), params: Vec::new() }
}

fn get_sms(number: &str) -> Call {
    Call { method: "get_sms".to_owned(), params: vec![Value::string(TOKEN), Value::string(number)] }
}

/// How much is measured.
struct Sizes {
    run: Duration,
    runs: usize,
    connections: usize,
}

impl Sizes {
    fn read() -> Self {
        let number = |name: &str, usual: usize| {
            env::var(name).ok().and_then(|text| text.parse().ok()).filter(|number| *number > 0).unwrap_or(usual)
        };
        Self {
            run: Duration::from_secs(number("SMSGATE_BENCH_SECONDS", 2) as u64),
            runs: number("SMSGATE_BENCH_RUNS", 5),
            connections: number("SMSGATE_BENCH_CONNECTIONS", 8),
        }
    }
}

/// One kind of call on one server.
struct Case {
    name: String,
    /// Whether it has to reach the bars.
    bar: bool,
    target: Target,
    pid: u32,
}

#[derive(Default)]
struct Report {
    missed: bool,
}

impl Report {
    /// As many calls as go through.
    fn saturated(&mut self, cases: &[Case], sizes: &Sizes) {
        let Sizes { run, runs, connections } = *sizes;
        println!(
            "{connections} connections that always ask: medians of {runs} runs of {run:?}, least and most in brackets"
        );
        let rounds = rounds(cases, runs, |case| closed(&case.target, connections, run, case.pid));
        for (case, rounds) in cases.iter().zip(rounds) {
            self.rates(case, &rounds, case.bar.then_some(BAR));
        }
    }

    /// A connection for each call.
    fn reconnecting(&mut self, case: &Case, sizes: &Sizes) {
        let Sizes { run, runs, .. } = *sizes;
        println!("\na connection for each call ({}), 4 clients", case.name);
        for (name, resumes) in [("whole handshakes", false), ("resumed sessions", true)] {
            let case = Case { name: name.to_owned(), bar: false, target: case.target.clone(), pid: case.pid };
            let rounds: Vec<Run> = (0..runs).map(|_| reconnecting(&case.target, 4, run, case.pid, resumes)).collect();
            self.rates(&case, &rounds, None);
        }
    }

    fn rates(&mut self, case: &Case, rounds: &[Run], bar: Option<f64>) {
        let spread = |figure: fn(&Run) -> f64| Spread::of(rounds.iter().map(figure).collect());
        let (per_core, cost) = (spread(Run::calls_per_core_second), spread(Run::microseconds));
        let (wall, clients) = (spread(Run::calls_per_second), spread(Run::client_microseconds));
        let share = spread(Run::share).median;
        let verdict = self.verdict(per_core.median >= bar.unwrap_or_default(), bar, "at least", "calls/s");
        println!(
            "  {:<22} {per_core:>9.0} calls per s of its core, {cost:.1} us each; {wall:.0} calls/s by the clock with \
             {share:.0} % of the core, clients {:.1} us{verdict}",
            case.name, clients.median
        );
    }

    /// Half of the load of the bar, whatever the answers take: the times are from when a call was due.
    fn half_load(&mut self, cases: &[Case], sizes: &Sizes) {
        let Sizes { run, runs, connections } = *sizes;
        let rate = BAR / 2.0;
        println!(
            "\n{rate} calls/s over {connections} connections: milliseconds from when a call was due to its answer"
        );
        let rounds = rounds(cases, runs, |case| open(&case.target, connections, run, rate, case.pid));
        let floor = Spread::of(rounds[0].iter().map(|run| run.milliseconds(0.99)).collect()).median;
        for (case, rounds) in cases.iter().zip(rounds) {
            let at = |share: f64| Spread::of(rounds.iter().map(|run| run.milliseconds(share)).collect());
            let (median, tail, cost) = (at(0.5), at(0.99), Spread::of(rounds.iter().map(Run::microseconds).collect()));
            let bar = case.bar.then_some(LATENCY);
            let verdict = self.verdict(tail.median <= bar.unwrap_or(f64::MAX), bar, "at most", "ms");
            println!("  {:<22} p50 {median:.2}, p99 {tail:.2}; {cost:.1} us of its core each{verdict}", case.name);
        }
        if floor > LATENCY {
            println!("  TLS and HTTP alone took as long: others have the cores, and this says nothing of the daemon");
        }
    }

    fn verdict(&mut self, reached: bool, bar: Option<f64>, relation: &str, unit: &str) -> String {
        self.missed |= !reached;
        let word = if reached { "ok" } else { "MISSED" };
        bar.map_or(String::new(), |bar| format!("  {relation} {bar} {unit}: {word}"))
    }
}

/// Runs of each case, the cases in turn: what else the machine does meets all of them alike.
fn rounds(cases: &[Case], runs: usize, mut measure: impl FnMut(&Case) -> Run) -> Vec<Vec<Run>> {
    let mut rounds: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (case, rounds) in cases.iter().zip(&mut rounds) {
            rounds.push(measure(case));
        }
    }
    rounds
}

/// The middle of several runs, and how far they were apart.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self { least: figures[0], median: figures[figures.len() / 2], most: figures[figures.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (width, places) = (f.width().unwrap_or(0), f.precision().unwrap_or(0));
        write!(f, "{:>width$.places$} [{:.places$} {:.places$}]", self.median, self.least, self.most)
    }
}
