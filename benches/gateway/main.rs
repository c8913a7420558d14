//! Figures of the whole gateway, with the daemon as a process of its own and modems on ptys: how soon it is there, what it
//! takes when nothing happens, what an SMS costs with few modems and with many, and how long it takes from the modem's
//! notice to a client.
//!
//! `cargo bench --bench gateway`; words behind `--` choose among `start`, `idle`, `cost` and `latency`.
//! `SMSGATE_BENCH_SECONDS` (60) is how long idleness is watched, `SMSGATE_BINARY` another binary than the one built along.
//! Exits 1 if a bar is missed.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a plain program")]

#[path = "../../tests/rig/mod.rs"]
mod rig;

mod cost;
mod idle;
mod keep_alive;
mod latency;
mod process;
mod report;
mod start;

use std::{env, process::ExitCode};

use report::Report;

/// Measures something and says so.
type Part = fn(&mut Report);

const PARTS: [(&str, Part); 4] =
    [("start", start::measure), ("idle", idle::measure), ("cost", cost::measure), ("latency", latency::measure)];

fn main() -> ExitCode {
    // Cargo adds options of its own.
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut report = Report::default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure(&mut report);
        }
    }
    if report.missed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
