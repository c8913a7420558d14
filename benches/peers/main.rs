//! This daemon beside gammu-smsd and smstools on the same emulated modems: what a user gains or loses who picks ours.
//!
//! `make bench-peers`, or `cargo bench --bench peers` where the peers are installed. Sizes by variables of the environment
//! ([`plan`]): MODEMS, RUNS, SMS, PROBES, IDLE, PATIENCE, CASES, LINE, PEERS. Run k of each gateway comes before run k + 1
//! of any, so that a busy moment of the machine meets all. Results go to target/bench-peers as Markdown and CSV, after each
//! run anew. All traffic is by ptys and loopback.

#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::print_stderr, reason = "a plain program")]
#![allow(clippy::indexing_slicing, reason = "a plain program")]
#![allow(unused_imports, dead_code, reason = "the tests of the pure parts run in tests/peers.rs")]

mod api;
mod cell;
mod figure;
mod gammu;
mod gateway;
mod numbers;
mod ours;
mod plan;
mod pool;
mod program;
mod smstools;
mod table;
mod tally;
mod usage;
mod visit;
mod watch;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    thread,
};

use nix::sys::signal::{SigSet, Signal};

use gateway::{CONTESTANTS, Contestant};
use plan::Plan;
use table::{Finding, Table};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let plan = Plan::read(|name| env::var(name).ok())?;
    let wanted = |one: &&Contestant| plan.wants(one.name, one.settings);
    let contestants: Vec<Contestant> = CONTESTANTS.iter().filter(wanted).copied().collect();
    if contestants.len() == 1 && !plan.gateways.is_empty() {
        let names: Vec<String> = CONTESTANTS[1..].iter().map(|one| format!("{}-{}", one.name, one.settings)).collect();
        return Err(format!("PEERS: none of these; choose from {}", names.join(", ")));
    }
    // Orphans of what is started here become children of this process, which can end them.
    nix::sys::prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-peers");
    let sites = folder.join("sites");
    // What a run that was ended has left.
    let _ = fs::remove_dir_all(&sites);
    fs::create_dir_all(&sites).map_err(|error| format!("{}: {error}", sites.display()))?;
    end_at_signals()?;
    let head = head(&plan, &contestants);
    println!("{head}");
    let mut report = Report { folder, head, table: Table::new(contestants.iter().map(Contestant::title).collect()) };
    for line in &plan.lines {
        for modems in &plan.modems {
            let pool = format!("{line}, {modems} modem{}", if *modems == 1 { "" } else { "s" });
            for run in 0..plan.runs {
                for (column, contestant) in contestants.iter().enumerate() {
                    eprintln!("{pool}: run {} of {}: {}", run + 1, plan.runs, contestant.title());
                    // On the disk that holds target/: a folder in memory would write nothing.
                    let site = tempfile::tempdir_in(&sites).map_err(|error| error.to_string())?;
                    for (figure, outcome) in visit::visit(&plan, *contestant, *modems, line, site.path()) {
                        report.table.add(Finding { pool: pool.clone(), column, run: run + 1, figure, outcome });
                    }
                    report.write()?;
                }
            }
            println!("{}", report.table.markdown(&pool));
        }
    }
    println!("{}", report.worse());
    println!("{}", report.folder.join("report.md").display());
    Ok(())
}

/// Takes all children along when somebody ends this: threads and children begin after this.
fn end_at_signals() -> Result<(), String> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().map_err(|error| error.to_string())?;
    thread::spawn(move || {
        if let Ok(signal) = signals.wait() {
            eprintln!("ended by {signal}");
            program::kill_all();
            process::exit(128 + signal as i32);
        }
    });
    Ok(())
}

struct Report {
    folder: PathBuf,
    head: String,
    table: Table,
}

impl Report {
    fn write(&self) -> Result<(), String> {
        let tables: Vec<String> = self.table.pools().into_iter().map(|pool| self.table.markdown(pool)).collect();
        let text = format!("{}\n{}\n{}", self.head, tables.join("\n"), self.worse());
        let files = [("report.md", text), ("runs.csv", self.table.csv())];
        files.into_iter().try_for_each(|(name, text)| {
            fs::write(self.folder.join(name), text).map_err(|error| format!("{name}: {error}"))
        })
    }

    fn worse(&self) -> String {
        let lines = self.table.worse();
        if lines.is_empty() {
            return "No peer is better in any cell.\n".to_owned();
        }
        let list: String = lines.iter().map(|line| format!("- {line}\n")).collect();
        format!("Where a peer is better:\n\n{list}")
    }
}

/// What was measured, on what, with which settings, and what the figures mean.
fn head(plan: &Plan, contestants: &[Contestant]) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let load: String = read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ");
    let processors = thread::available_parallelism().map_or(0, usize::from);
    let hours = plan.longest(contestants.len()).as_secs_f64() / 3600.0;
    let mut text = format!(
        "# Gateways on the same emulated modems\n\nLinux {}, {processors} processors, load {load} at the start; binary {}.\n\
         Medians of {} runs, the gateways in turn; {} SMS in a burst, {} timed one by one, {} s of idleness; a case may take \
         {} s ({:.1} h in all at most).\n\n",
        read("/proc/sys/kernel/osrelease"),
        pool::binary().display(),
        plan.runs,
        plan.messages,
        plan.probes,
        plan.idle.as_secs(),
        plan.patience.as_secs(),
        hours,
    );
    for line in &plan.lines {
        text.push_str(&format!("- Line {line}: {}\n", pool::description(line)));
    }
    for contestant in contestants {
        text.push_str(&format!("- {} ({}): {}\n", contestant.title(), contestant.version(), contestant.described()));
    }
    text.push_str(NOTES);
    text
}

/// What the figures mean.
const NOTES: &str = "
A number in parentheses says how many times better ours is; **bold**: the peer is better. A case that was not done in
time shows how far it came, and its ratio is a lower bound. Start to ready: until an SMS that waited in each modem is
visible. Visible: an answer of wait_sms, a row of inbox (gammu-smsd), a file in incoming/ (smstools). Notice to visible
counts from the moment the SMS is given to the network; the modem's notice follows at once. Lost: gone from modem and
network without becoming visible; for those out nobody can tell a lost one from one that still waits, so that only the
time shows them. Doubled: visible twice, or taken twice by the service centre (its ledger). Processor and memory: all
processes of a gateway, ended children too. Written: write_bytes of /proc/PID/io, which counts pages that got dirty: not
the file system's journal and tables; a page dirtied twice before it is written counts once, and a file that is deleted
before counts although it was never written.
";
