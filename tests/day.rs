//! Twenty-four hours of a gateway in minutes: eight modems that hang, leave and come back under other names, SIMs that
//! fill, a mail server that is down for six hours, and traffic all day.
//!
//! The daemon is the real one with all its parts, in this process, on a clock that moves on as soon as nothing is left
//! to do (see `time`). Each minute its health is held against what is the case; at the end, what it has against the
//! network's own ledger. `SMSGATE_DAY_SEED` (1) chooses the day, so that a fault is one of the change under test; for
//! a day nobody has seen, take `$RANDOM`. `SMSGATE_DAY_HOURS` (24) is how much of it is played, `SMSGATE_DAY_LOG` a
//! file for the daemon's log in the day's time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]
#![allow(clippy::wildcard_enum_match_arm, reason = "the ledger has more kinds of entries than a test asks for")]

#[path = "day/books.rs"]
mod books;
#[path = "day/judge.rs"]
mod judge;
#[path = "day/jumps.rs"]
mod jumps;
#[path = "day/log.rs"]
mod log;
#[path = "day/mailbox.rs"]
mod mailbox;
#[path = "day/modems.rs"]
mod modems;
#[path = "day/plan.rs"]
mod plan;
#[path = "day/punctual.rs"]
mod punctual;
#[path = "day/rungs.rs"]
mod rungs;
#[path = "day/site.rs"]
mod site;
#[path = "day/time.rs"]
mod time;
#[path = "day/watch.rs"]
mod watch;

use std::{env, io::Write as _, path::Path, sync::Arc, time::Duration};

use mailbox::Mailbox;
use modems::{MODELS, Pool};
use plan::{Act, Happening};
use site::Site;
use smsgate::emulator::Fault;
use time::{DayClock, Pacing};
use tokio::time::{Instant, sleep, sleep_until};
use watch::Watch;

/// How often it is looked at what is the case.
const ROUND: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);
/// How long after the day everything may take to come to rest: the last step of the pauses between tries is an hour.
const REST: Duration = Duration::from_secs(2 * 3600);
/// How many faults are shown.
const SHOWN: usize = 40;

#[test]
fn a_day_passes_and_nothing_is_lost_or_told_wrongly() {
    let seed = setting("SMSGATE_DAY_SEED").unwrap_or(1);
    let hours = setting("SMSGATE_DAY_HOURS").unwrap_or(24);
    show(&format!("SMSGATE_DAY_SEED={seed} SMSGATE_DAY_HOURS={hours}"));
    smsgate::tls::install_provider();
    let folder = folder();
    let pacing = Arc::new(Pacing::default());
    let runtime = time::runtime(&pacing);
    let began = std::time::Instant::now();
    let (faults, summary) = runtime.block_on(pass(folder.path(), seed, hours, &pacing));
    let took = began.elapsed();
    let speed = hours as f64 * 3600.0 / took.as_secs_f64();
    show(&format!("{summary}{hours} hours in {took:.1?}: {speed:.0} times faster"));
    let shown = &faults[..faults.len().min(SHOWN)];
    assert!(faults.is_empty(), "seed {seed}: {} faults\n{}", faults.len(), shown.join("\n"));
}

/// The disk is not what is tested here: in memory a commit costs nothing.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(if memory.is_dir() { memory.to_owned() } else { env::temp_dir() }).unwrap()
}

/// Also where the test passes: what the macros print is then thrown away.
fn show(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The day, its faults, and a table of what it was.
async fn pass(folder: &Path, seed: u64, hours: u64, pacing: &Arc<Pacing>) -> (Vec<String>, String) {
    let epoch = plan::EPOCH.parse().unwrap();
    let clock = Arc::new(DayClock::new(epoch));
    log::start(&clock);
    site::issue_certificate(folder);
    let pool = Pool::new(folder, epoch, seed);
    pool.set_conditions(plan::conditions());
    for (modem, cents) in plan::ACCOUNTS.into_iter().enumerate() {
        pool.fault(modem, Fault::Balance { cents });
    }
    let mailbox = Mailbox::start(folder, Arc::clone(pacing)).await;
    let site = Site::start(folder, &pool, &mailbox, Arc::clone(&clock), plan::SELF_TEST).await;
    pacing.watch(site.daemon.store());

    let numbers: Vec<String> = (0..MODELS.len()).map(|modem| pool.number(modem)).collect();
    let end = plan::DAY.min(Duration::from_secs(hours * 3600));
    let plan: Vec<Happening> = plan::day(seed, &numbers, end);
    let (start, mut watch) = (Instant::now(), Watch::new(&pool));
    let mut sent = Vec::new();
    let mut coming = plan.iter().peekable();
    for minute in 1_u32.. {
        let until = MINUTE * minute;
        while let Some(happening) = coming.next_if(|one| one.at <= until) {
            sleep_until(start + happening.at).await;
            perform(&happening.act, &pool, &mailbox, &site, &mut sent).await;
            watch.observe(start.elapsed(), &happening.act, &pool);
        }
        if until > end {
            break;
        }
        while start.elapsed() < until {
            sleep_until((Instant::now() + ROUND).min(start + until)).await;
            watch.note(start.elapsed(), &pool);
        }
        watch.look(start.elapsed(), &pool, &site).await;
    }
    let rested = rest(&pool, &site).await;
    let mut faults = watch.faults();
    if let Err(unrest) = rested {
        faults.push(format!("not at rest after {REST:?}: {unrest:?}"));
    }
    watch.look_at_rungs(start.elapsed(), &site);
    faults.extend(watch.rungs.faults(&plan));
    let (mails, stats) = (mailbox.mails(), site.stats().await);
    let books = books::Books { plan: &plan, sent: &sent, pool: &pool, mails: &mails, store: site.store() };
    faults.extend(books.faults());
    faults.extend(books.counters(&stats, &watch.rungs));
    faults.extend(books.self_tests());
    let summary = format!("{}{}{}", books.summary(), watch.summary(), watch.rungs.summary());
    site.stop().await;
    (faults, summary)
}

async fn perform(act: &Act, pool: &Pool, mailbox: &Mailbox, site: &Site, sent: &mut Vec<books::Sent>) {
    match act {
        Act::Arrival(injection) => pool.inject(injection),
        Act::Repeat { to, text } => pool.repeat(to, text),
        Act::Send { to, text, flash } => {
            let id = site.send(to, text, *flash).await.unwrap_or_else(|error| panic!("send_sms: {error}"));
            sent.push(books::Sent { id, text: text.clone() });
        }
        Act::Plug { modem, name } => pool.plug(*modem, name),
        Act::Unplug { modem } => pool.unplug(*modem),
        Act::Fault { modem, fault } => pool.fault(*modem, fault.clone()),
        Act::Mail(service) => mailbox.set(*service),
        Act::Accept { modem } => site.accept_card(*modem).await,
    }
}

/// Waits until nothing is under way any more.
async fn rest(pool: &Pool, site: &Site) -> Result<(), Vec<String>> {
    let deadline = Instant::now() + REST;
    loop {
        let unrest = books::unrest(pool, site.store());
        if unrest.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(unrest);
        }
        sleep(MINUTE).await;
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
