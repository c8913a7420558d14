//! Shares of the wire's limit: how near the gateway comes to what a serial line of 115,200 baud can carry, with the daemon
//! and the paced emulator as processes of their own.
//!
//! The floor is the cheapest dialogue that TS 27.005 allows a modem in PDU mode. In, with `+CNMI=2,1`: the notice
//! (`+CMTI`), the message's part of a `+CMGL` (without the command and its final result, which many messages share), its
//! `+CMGD` and the `OK` to that. Out: `+CMGS`, the prompt, the PDU with Ctrl-Z, `+CMGS: n` and `OK`. All its octets are
//! counted one after the other, both ways, at ten bits each: a modem that is asked before it has answered may lose the
//! question. The floor's rate is the baud rate over ten times the floor. The time is that of all messages, from the
//! first in the network's queue to the last deletion or submission.
//!
//! `cargo bench --bench wire`; `SMSGATE_WIRE_MESSAGES` (400) is a run's messages a modem, `SMSGATE_WIRE_RUNS` (5) how
//! often each case is run, `SMSGATE_WIRE_MODEMS` (`1,4,16,64`) the pools. Exits 1 if a bar is missed.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a plain program")]

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::{
    collections::BTreeMap,
    env, fs,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rig::{Api, Rig};
use serde_json::{Value as Json, json};

const BAUD: u32 = 115_200;
const OCTETS_PER_SECOND: f64 = BAUD as f64 / 10.0;
/// One family for all: its SIM holds 50 messages, and it has no memory of its own.
const FAMILY: &str = "quectel-m35";
const TEXT: &str = "Temperature in cabinet 7 is 41 degrees, limit 38 [";
/// What a share of the floor has to be (in), and the rate of a pool of that of one modem times its size.
const SHARE: f64 = 0.90;
const LINEAR: f64 = 0.97;
/// So much of a core is a full one: from there on the processor is the limit and not the line.
const FULL: f64 = 0.90;
/// Messages whose way is timed.
const TIMED: usize = 40;
/// Longest run.
const PATIENCE: Duration = Duration::from_secs(600);
/// Ticks of a second in /proc, on every Linux since 2.6.
const USER_HZ: f64 = 100.0;

fn main() -> ExitCode {
    let messages = setting("SMSGATE_WIRE_MESSAGES", 400);
    let runs = setting("SMSGATE_WIRE_RUNS", 5);
    let pools = env::var("SMSGATE_WIRE_MODEMS").unwrap_or_else(|_| "1,4,16,64".to_owned());
    let pools: Vec<usize> = pools.split(',').map(|count| count.trim().parse().unwrap()).collect();
    let mut missed = Vec::new();

    println!("in: one modem, half of {messages} messages at once, half at the floor's rate; medians of {runs}");
    let one = median_of(runs, || inbound(1, messages, true));
    one.print();
    judge(&mut missed, "in, one modem: share of the floor's rate", one.share(), SHARE);

    println!("\nin: {} messages a modem at once", messages / 4);
    let mut single = None;
    for modems in pools {
        let pool = median_of(runs, || inbound(modems, messages / 4, false));
        pool.print();
        let single = *single.get_or_insert(pool.rate / modems as f64);
        let linear = pool.rate / (single * modems as f64);
        let full = pool.daemon >= FULL || pool.daemon + pool.emulator >= FULL * cores();
        let verdict = if full { "; a core is full, so this is no limit of the line" } else { "" };
        println!("    {linear:.3} of {modems} times the rate of one{verdict}");
        if !full {
            judge(&mut missed, &format!("in, {modems} modems: of so many times one"), linear, LINEAR);
        }
    }

    println!("\nout: one modem, {} messages that wait, the network takes no time", messages / 4);
    median_of(runs, || outbound(messages / 4)).print();

    for modems in [1, 16] {
        latency(modems);
    }
    for reason in &missed {
        println!("MISSED: {reason}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one run showed.
#[derive(Clone, Debug)]
struct Run {
    modems: usize,
    /// Messages a second, of all modems.
    rate: f64,
    /// Octets a message, each way.
    to_modem: f64,
    to_terminal: f64,
    /// Octets a message of the cheapest dialogue.
    floor: f64,
    /// Cores' worth of processor time.
    daemon: f64,
    emulator: f64,
    /// Processor time of the daemon a message.
    cost: Duration,
}

impl Run {
    fn floor_rate(&self) -> f64 {
        OCTETS_PER_SECOND / self.floor * self.modems as f64
    }

    fn share(&self) -> f64 {
        self.rate / self.floor_rate()
    }

    fn print(&self) {
        let octets = self.to_modem + self.to_terminal;
        println!(
            "  {:>2} modems: {:>7.1} SMS/s, {:.3} of the floor's {:.1}; octets a message: {:.1} to the modem, {:.1} from it, \
             floor {:.1}, share {:.3}; lines busy {:.3}; daemon {:.2} cores, {} us a message, emulator {:.2} cores",
            self.modems,
            self.rate,
            self.share(),
            self.floor_rate(),
            self.to_modem,
            self.to_terminal,
            self.floor,
            self.floor / octets,
            self.rate * octets / OCTETS_PER_SECOND / self.modems as f64,
            self.daemon,
            self.cost.as_micros(),
            self.emulator,
        );
    }
}

fn inbound(modems: usize, messages: usize, stream: bool) -> Run {
    let rig = start(modems);
    let before = Figures::of(&rig);
    let at_once = if stream { messages / 2 } else { messages };
    for serial in 0..at_once {
        for modem in 0..modems {
            inject(&rig, modem, serial);
        }
    }
    if stream {
        // The floor of these messages is about 220 octets: a little faster than the line, so that some always wait.
        let pause = Duration::from_secs_f64(210.0 / OCTETS_PER_SECOND);
        for serial in at_once..messages {
            inject(&rig, 0, serial);
            thread::sleep(pause);
        }
    }
    until(|| {
        let stats = rig.network.ask(&json!({ "do": "stats" }));
        let stored = |modem: &Json| modem["stored"].as_u64().unwrap();
        stats["waiting"] == 0 && stats["modems"].as_array().unwrap().iter().map(stored).sum::<u64>() == 0
    });
    let after = Figures::of(&rig);
    let ledger = rig.network.ledger();
    let floors = ledger.iter().filter(|entry| entry["event"] == "queued").map(|entry| {
        let hex = entry["pdu"].as_str().unwrap();
        // Indexes of two digits and lengths of two to three are the rule.
        ["\r\n+CMTI: \"SM\",11\r\n", "\r\n+CMGL: 11,0,,99\r\n", hex, "AT+CMGD=11\r", "\r\nOK\r\n"]
            .map(str::len)
            .iter()
            .sum()
    });
    run(&ledger, "deleted", modems, messages, floors.collect(), &before, &after)
}

fn outbound(messages: usize) -> Run {
    let rig = start(1);
    let before = Figures::of(&rig);
    thread::scope(|scope| {
        for thread in 0..4 {
            let site = &rig.site;
            scope.spawn(move || {
                let api = Api::new(site, rig::TOKEN);
                for serial in (0..messages).filter(|serial| serial % 4 == thread) {
                    api.send("", &format!("+49155{serial:08}"), &text(serial)).unwrap();
                }
            });
        }
    });
    until(|| rig.network.events("submitted").len() >= messages);
    let after = Figures::of(&rig);
    let ledger = rig.network.ledger();
    let floors = ledger.iter().filter(|entry| entry["event"] == "submitted").map(|entry| {
        let hex = entry["pdu"].as_str().unwrap();
        ["AT+CMGS=99\r", "\r\n> ", hex, "\x1a", "\r\n+CMGS: 111\r\n", "\r\nOK\r\n"].map(str::len).iter().sum()
    });
    run(&ledger, "submitted", 1, messages, floors.collect(), &before, &after)
}

fn run(
    ledger: &[Json],
    end: &str,
    modems: usize,
    messages: usize,
    floors: Vec<usize>,
    before: &Figures,
    after: &Figures,
) -> Run {
    let times =
        |event: &str| ledger.iter().filter(move |entry| entry["event"] == event).map(|entry| entry["us"].as_u64());
    let ends: Vec<u64> = times(end).flatten().collect();
    assert_eq!(ends.len(), modems * messages, "every message once");
    let first = if end == "deleted" { times("queued").flatten().min() } else { ends.first().copied() };
    let seconds = (ends.last().unwrap() - first.unwrap()) as f64 / 1e6;
    let count = ends.len() as f64;
    let elapsed = (after.at - before.at).as_secs_f64();
    Run {
        modems,
        rate: count / seconds,
        to_modem: (after.to_modem - before.to_modem) as f64 / count,
        to_terminal: (after.to_terminal - before.to_terminal) as f64 / count,
        floor: floors.iter().sum::<usize>() as f64 / floors.len() as f64,
        daemon: (after.daemon - before.daemon) / elapsed,
        emulator: (after.emulator - before.emulator) / elapsed,
        cost: Duration::from_secs_f64((after.daemon - before.daemon) / count),
    }
}

/// From the injection, which the modem's notice follows at once, to a client that waits for it.
fn latency(modems: usize) {
    let rig = start(modems);
    let (found, seen) = mpsc::channel();
    let api = Api::new(&rig.site, rig::TOKEN);
    let rounds = (TIMED / modems).max(3);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut last = String::new();
            let mut left = rounds * modems;
            while left > 0 {
                for sms in api.wait_sms("", 30, &last) {
                    left -= 1;
                    last.clone_from(&sms.id);
                    found.send((sms.text, Instant::now())).unwrap();
                }
            }
        });
        let mut ways = Vec::new();
        for round in 0..rounds {
            // Long enough for the call to be there; a call that came later would only make the figure worse.
            thread::sleep(Duration::from_millis(60));
            let mut begun = BTreeMap::new();
            for modem in 0..modems {
                begun.insert(text(round * modems + modem), Instant::now());
                inject(&rig, modem, round * modems + modem);
            }
            for _ in 0..modems {
                let (text, at) = seen.recv().unwrap();
                ways.push(at.duration_since(begun[&text]));
            }
        }
        ways.sort();
        let at = |percent: usize| ways[(ways.len() * percent / 100).min(ways.len() - 1)].as_secs_f64() * 1e3;
        println!(
            "\nfrom the notice to a client, {modems} modems at once: median {:.1} ms, p99 {:.1} ms",
            at(50),
            at(99)
        );
    });
}

fn start(modems: usize) -> Rig {
    let rig = Rig::prepare(modems, |site| {
        site.emulator = ["--baud", &BAUD.to_string(), "--personality", FAMILY].map(str::to_owned).to_vec();
    })
    .run();
    rig.until_ready(modems);
    // The sweep after the start is over by then.
    thread::sleep(Duration::from_secs(1));
    rig
}

/// Each from a sender of its own: none is a flood.
fn inject(rig: &Rig, modem: usize, serial: usize) {
    rig.network.inject(rig.site.number(modem), &format!("+49151{serial:08}"), &text(serial));
}

fn text(serial: usize) -> String {
    format!("{TEXT}{serial:05}]")
}

/// Counters at one moment.
struct Figures {
    at: Instant,
    to_modem: u64,
    to_terminal: u64,
    daemon: f64,
    emulator: f64,
}

impl Figures {
    fn of(rig: &Rig) -> Self {
        let stats = rig.network.ask(&json!({ "do": "stats" }));
        let sum =
            |name: &str| stats["modems"].as_array().unwrap().iter().map(|modem| modem[name].as_u64().unwrap()).sum();
        Self {
            at: Instant::now(),
            to_modem: sum("octets_to_modem"),
            to_terminal: sum("octets_to_terminal"),
            daemon: processor_time(rig.pid()),
            emulator: processor_time(rig.emulator_pid()),
        }
    }
}

/// The run with the median rate.
fn median_of(runs: usize, run: impl Fn() -> Run) -> Run {
    let mut all: Vec<Run> = (0..runs.max(1)).map(|_| run()).collect();
    all.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    all[all.len() / 2].clone()
}

fn judge(missed: &mut Vec<String>, what: &str, value: f64, bar: f64) {
    if value < bar {
        missed.push(format!("{what} is {value:.3}, not {bar}"));
    }
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn setting(name: &str, otherwise: usize) -> usize {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn cores() -> f64 {
    thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// User and system time so far, in seconds.
fn processor_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold blanks; state is the first field after it, utime and stime the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / USER_HZ
}
