//! Figures of the whole gateway, with the daemon as a process of its own and modems on ptys: what it takes when nothing
//! happens, and how long a message takes from the modem's notice to a client.
//!
//! `cargo bench --bench gateway`; `SMSGATE_BENCH_SECONDS` (60) is how long idleness is watched. Exits 1 if a bar is missed.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a plain program")]

#[path = "../../tests/rig/mod.rs"]
mod rig;

use std::{
    env, fs,
    io::Write as _,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use rig::{Api, Rig};

/// Modems that idle.
const IDLE_MODEMS: usize = 16;
/// Messages whose way is timed.
const MESSAGES: usize = 200;
/// Bytes that one message adds to the write-ahead log, about.
const APPENDED: usize = 16 * 1024;
/// Ticks of a second in /proc, on every Linux since 2.6.
const USER_HZ: u64 = 100;

fn main() -> ExitCode {
    let mut report = Report::default();
    idle(&mut report);
    latency(&mut report);
    if report.missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Memory and processor time of a daemon with nothing to do.
fn idle(report: &mut Report) {
    let seconds: u64 = env::var("SMSGATE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let rig = Rig::start(IDLE_MODEMS);
    rig.until_ready(IDLE_MODEMS);
    // Bring-up and the client's own calls are over by then.
    thread::sleep(Duration::from_secs(2));
    let pid = rig.pid();
    let before = processor_time(pid);
    let began = Instant::now();
    thread::sleep(Duration::from_secs(seconds));
    let share = (processor_time(pid) - before).as_secs_f64() / began.elapsed().as_secs_f64();
    println!("{IDLE_MODEMS} modems, {seconds} s with nothing to do");
    report.row("resident (VmRSS)", memory(pid, "status", "VmRSS:"), "MiB", Some(16.0));
    report.row("resident, shared pages by share (PSS)", memory(pid, "smaps_rollup", "Pss:"), "MiB", None);
    report.row("of it private and dirty", memory(pid, "smaps_rollup", "Private_Dirty:"), "MiB", None);
    report.row("processor", share * 100.0, "%", Some(0.5));
}

/// From `+CMTI` to a client that has the text.
fn latency(report: &mut Report) {
    let rig = Rig::start(4);
    rig.until_ready(4);
    let api = rig.api();
    let mut disk = Vec::new();
    let mut polls = Vec::new();
    let mut waits = Vec::new();
    let probe = rig.folder().join("state/probe");
    let mut file = fs::File::options().create(true).append(true).open(probe).unwrap();
    for serial in 0..MESSAGES {
        disk.push(timed(|| {
            file.write_all(&[0x5a; APPENDED]).unwrap();
            file.sync_data().unwrap();
        }));
        let number = rig.site.number(serial % 4);
        let text = format!("polled {serial}");
        polls.push(timed(|| {
            rig.network.inject(number, "+4915112345678", &text);
            while !api.get_sms(number).iter().any(|sms| sms.text == text) {}
        }));
    }
    let mut last = api.get_sms("").last().unwrap().id.clone();
    for serial in 0..MESSAGES {
        let number = rig.site.number(serial % 4).to_owned();
        let (took, id) = waited(&rig, &number, serial, &last);
        waits.push(took);
        last = id;
    }
    println!("\n{MESSAGES} messages, one at a time, from the injection (the modem's notice follows at once)");
    report.rows("get_sms in a loop, a connection each", &mut polls, Some(25.0));
    report.rows("wait_sms, called before", &mut waits, Some(25.0));
    report.rows(&format!("{} KiB appended and synced beside the store", APPENDED / 1024), &mut disk, None);
    let mut calls: Vec<Duration> = (0..MESSAGES).map(|_| timed(|| drop(api.health()))).collect();
    report.rows("a call with its TLS handshake", &mut calls, None);
}

/// One message through a long poll that waits already; returns its id, too.
fn waited(rig: &Rig, number: &str, serial: usize, after: &str) -> (Duration, String) {
    thread::scope(|scope| {
        let poll = scope.spawn(|| {
            let found = Api::new(&rig.site, rig::TOKEN).wait_sms("", 30, after);
            (Instant::now(), found.last().unwrap().id.clone())
        });
        // Long enough for the call to be there; a call that came later would only make the figure worse.
        thread::sleep(Duration::from_millis(60));
        let began = Instant::now();
        rig.network.inject(number, "+4915112345678", &format!("waited for {serial}"));
        let (ended, id) = poll.join().unwrap();
        (ended.duration_since(began), id)
    })
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// A figure of `/proc/PID/FILE` in MiB.
fn memory(pid: u32, file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// User and system time so far.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold blanks; state is the first field after it, utime and stime the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / USER_HZ)
}

#[derive(Default)]
struct Report {
    missed: bool,
}

impl Report {
    fn row(&mut self, name: &str, value: f64, unit: &str, bar: Option<f64>) {
        let verdict = bar.map_or(String::new(), |bar| {
            let word = if value <= bar { "ok" } else { "MISSED" };
            format!("  at most {bar}: {word}")
        });
        self.missed |= bar.is_some_and(|bar| value > bar);
        println!("  {name:<46} {value:>9.2} {unit}{verdict}");
    }

    fn rows(&mut self, name: &str, times: &mut [Duration], bar: Option<f64>) {
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
        self.row(&format!("{name}: median"), at(50), "ms", bar);
        self.row(&format!("{name}: p99"), at(99), "ms", None);
    }
}
