//! Memory and processor time of a daemon with nothing to do.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use super::{
    process::{Sleeps, memory, processor_time, threads},
    report::Report,
    rig::Rig,
};

/// Modems, the most MiB they may take, and the most per cent of a processor.
const POOLS: [(usize, f64, f64); 2] = [(16, 14.0, 0.3), (64, 24.0, 1.0)];

pub(super) fn measure(report: &mut Report) {
    let seconds: u64 = env::var("SMSGATE_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    for (modems, most_memory, most_processor) in POOLS {
        let rig = Rig::start(modems);
        rig.until_ready(modems);
        // Bring-up and the client's own calls are over by then.
        thread::sleep(Duration::from_secs(2));
        let pid = rig.pid();
        let (time, slept, began) = (processor_time(pid), Sleeps::of(pid), Instant::now());
        thread::sleep(Duration::from_secs(seconds));
        let passed = began.elapsed().as_secs_f64();
        let share = (processor_time(pid) - time).as_secs_f64() / passed;
        let woken = Sleeps::of(pid).since(&slept) as f64 / passed;
        println!("\n{modems} modems, {seconds} s with nothing to do");
        report.row("resident (VmRSS)", memory(pid, "status", "VmRSS:"), "MiB", Some(most_memory));
        report.row("of it the program and libraries (RssFile)", memory(pid, "status", "RssFile:"), "MiB", None);
        report.row("resident, shared pages by share (PSS)", memory(pid, "smaps_rollup", "Pss:"), "MiB", None);
        report.row("of it private and dirty", memory(pid, "smaps_rollup", "Private_Dirty:"), "MiB", None);
        report.row("threads", threads(pid) as f64, "", None);
        report.row("processor", share * 100.0, "%", Some(most_processor));
        report.row("woken, all threads together", woken, "times a second", None);
    }
}
