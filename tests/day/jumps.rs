//! Rig T: the same gateway while the wall clock jumps (durability D17): ten years on, ten back, to 1970, by an hour, a
//! second, some minutes, or slowly away, also while the gateway is down.
//!
//! `SMSGATE_FAULT_SEED` chooses the jumps and the traffic, `SMSGATE_FAULT_POINTS` (100) is how many jumps there are;
//! `make fault RIG=T SEED= POINTS=` sets both. How long the run is follows from the number. Times in UTC know no daylight
//! saving; the hours on and back stand for a clock that is set as if they did. What must not depend on the jumps is
//! judged by `books`, `watch` and `punctual`.

use std::{collections::BTreeMap, env, path::Path, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use smsgate::{
    emulator::{Dice, Fault, Happening as Event},
    store::ClockSource as _,
};
use tokio::time::{Instant, sleep_until};

use super::{
    MINUTE, REST, ROUND, SHOWN, books, folder, log,
    mailbox::Mailbox,
    modems::{MODELS, Pool},
    perform, plan,
    punctual::{self, SelfTests},
    rest, show,
    site::{self, Site},
    time::{self, DayClock, Pacing},
    watch::{self, Watch},
};

/// How many jumps without a word from outside.
const POINTS: u64 = 100;
/// Before the first jump: each SIM has had its first self-test, which needs a clock that was set.
const CALM: Duration = Duration::from_secs(20 * 60);
/// After the last jump.
const EVENING: Duration = Duration::from_secs(30 * 60);
/// In cents. Thresholds are not passed, and at what is spent in the whole run as if on one day it would still last more
/// than the fourteen days from which on it is told: whatever the calendar says, nothing is.
const ACCOUNT: i64 = 100_000;
const TEN_YEARS: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// What happens to the clock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    /// Ten years ahead of the right time.
    YearsOn,
    /// Ten years behind it.
    YearsBack,
    /// It was never set.
    Unset,
    /// The time server sets it right.
    Right,
    HourOn,
    HourBack,
    /// A second comes twice.
    LeapSecond,
    /// A time server corrects minutes.
    Step,
    /// It goes wrong slowly.
    Drift,
    /// Ten seconds before the day ends.
    Midnight,
}

const KINDS: [Kind; 10] = [
    Kind::YearsOn,
    Kind::YearsBack,
    Kind::Unset,
    Kind::Right,
    Kind::HourOn,
    Kind::HourBack,
    Kind::LeapSecond,
    Kind::Step,
    Kind::Drift,
    Kind::Midnight,
];

/// What happens to the gateway meanwhile.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Around {
    Running,
    /// The daemon is stopped, the clock jumps, the daemon is started.
    Restart,
    /// The machine too.
    Reboot,
}

/// A jump and when it happens.
#[derive(Clone, Copy, Debug)]
struct Jump {
    at: Duration,
    kind: Kind,
    around: Around,
    /// For kinds with an extent: how far, between -1 and 1.
    extent: f64,
}

#[test]
fn whatever_the_clock_shows_nothing_is_lost_doubled_or_early() {
    let seed = match env::var("SMSGATE_FAULT_SEED") {
        Ok(seed) if seed.is_empty() => Timestamp::now().as_millisecond().unsigned_abs() % 1_000_000,
        Ok(seed) => seed.parse().expect("a number in SMSGATE_FAULT_SEED"),
        Err(_) => 1,
    };
    let points = env::var("SMSGATE_FAULT_POINTS").ok().and_then(|points| points.parse().ok()).unwrap_or(POINTS);
    let again = format!("make fault RIG=T SEED={seed} POINTS={points}");
    show(&again);
    smsgate::tls::install_provider();
    let folder = folder();
    let pacing = Arc::new(Pacing::default());
    let runtime = time::runtime(&pacing);
    let began = std::time::Instant::now();
    let (faults, summary) = runtime.block_on(pass(folder.path(), seed, points, &pacing));
    show(&format!("{summary}in {:.1?}", began.elapsed()));
    let shown = &faults[..faults.len().min(SHOWN)];
    assert!(faults.is_empty(), "again with `{again}`: {} faults\n{}", faults.len(), shown.join("\n"));
}

/// A tenth of the jumps happens while the gateway is down; half of the times the clock is right soon after.
fn draw(seed: u64, points: u64) -> Vec<Jump> {
    let mut dice = Dice::new(seed ^ 0x7469_6d65);
    let (mut at, mut jumps) = (CALM, Vec::<Jump>::new());
    for _ in 0..points {
        let around = match dice.below(20) {
            0 => Around::Restart,
            1 => Around::Reboot,
            _ => Around::Running,
        };
        let after_start = jumps.last().is_some_and(|last| last.around != Around::Running);
        let kind = match (after_start && dice.below(2) == 0, around) {
            (true, _) => Kind::Right,
            // A clock that nothing feeds while the machine is off.
            (false, Around::Reboot) if dice.below(2) == 0 => Kind::Unset,
            _ => KINDS[dice.below(KINDS.len() as u64) as usize],
        };
        // Away from the full minutes, at which health is looked at.
        let second = Duration::from_secs(5 + dice.below(31));
        let extent = dice.below(2001) as f64 / 1000.0 - 1.0;
        jumps.push(Jump { at: at + second, kind, around, extent });
        at += MINUTE * (1 + dice.below(2) as u32);
    }
    jumps
}

fn set(clock: &DayClock, jump: &Jump) {
    let (right, shown) = (clock.right(), clock.wall());
    let (to, fast) = match jump.kind {
        Kind::YearsOn => (right + TEN_YEARS, 0),
        Kind::YearsBack => (right - TEN_YEARS, 0),
        Kind::Unset => (Timestamp::from_second(10).unwrap(), 0),
        Kind::Right => (right, 0),
        Kind::HourOn => (shown + SignedDuration::from_hours(1), 0),
        Kind::HourBack => (shown - SignedDuration::from_hours(1), 0),
        Kind::LeapSecond => (shown - SignedDuration::from_secs(1), 0),
        Kind::Step => (shown + SignedDuration::from_secs((jump.extent * 600.0) as i64), 0),
        Kind::Drift => (shown, (jump.extent * 50_000.0) as i64),
        Kind::Midnight => {
            let today = shown.to_zoned(jiff::tz::TimeZone::system());
            (today.tomorrow().unwrap().start_of_day().unwrap().timestamp() - SignedDuration::from_secs(10), 0)
        }
    };
    clock.set(to, fast);
}

/// The run, its faults, and a table of what it was.
async fn pass(folder: &Path, seed: u64, points: u64, pacing: &Arc<Pacing>) -> (Vec<String>, String) {
    let epoch = plan::EPOCH.parse().unwrap();
    let clock = Arc::new(DayClock::new(epoch));
    log::start(&clock);
    site::issue_certificate(folder);
    let pool = Pool::new(folder, epoch, seed);
    pool.set_conditions(plan::conditions());
    for modem in 0..MODELS.len() {
        pool.fault(modem, Fault::Balance { cents: ACCOUNT });
    }
    let mailbox = Mailbox::start(folder, Arc::clone(pacing)).await;
    let interval = if seed % 2 == 1 { "daily" } else { "monthly" };
    let mut site = Site::start(folder, &pool, &mailbox, Arc::clone(&clock), interval).await;
    pacing.watch(site.daemon.store());

    let numbers: Vec<String> = (0..MODELS.len()).map(|modem| pool.number(modem)).collect();
    let jumps = draw(seed, points);
    let end = jumps.last().map_or(CALM, |last| last.at) + EVENING;
    let plan = plan::traffic(seed, &numbers, end);
    let (start, mut watch) = (Instant::now(), Watch::new(&pool));
    let (mut sent, mut starts, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let (mut coming, mut jumping) = (plan.iter().peekable(), jumps.iter().peekable());
    for minute in 1_u32.. {
        let until = MINUTE * minute;
        loop {
            let next = coming.peek().map_or(Duration::MAX, |one| one.at);
            let jump = jumping.peek().map_or(Duration::MAX, |one| one.at);
            if next.min(jump) > until {
                break;
            }
            sleep_until(start + next.min(jump)).await;
            if next <= jump {
                let happening = coming.next().unwrap();
                perform(&happening.act, &pool, &mailbox, &site, &mut sent).await;
                watch.observe(start.elapsed(), &happening.act, &pool);
                continue;
            }
            let jump = jumping.next().unwrap();
            if jump.around == Around::Running {
                set(&clock, jump);
            } else {
                site.stop().await;
                if jump.around == Around::Reboot {
                    clock.reboot();
                }
                set(&clock, jump);
                starts.push(Instant::now());
                site = Site::start(folder, &pool, &mailbox, Arc::clone(&clock), interval).await;
                pacing.watch(site.daemon.store());
                watch.gateway_restarted(start.elapsed(), &pool);
            }
            let now = start.elapsed();
            let wrong = punctual::window(&plan, now, site.messages().await);
            faults.extend(wrong.into_iter().map(|wrong| format!("{} {jump:?}: {wrong}", watch::clock(now))));
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
    if let Err(unrest) = rest(&pool, &site).await {
        faults.push(format!("not at rest after {REST:?}: {unrest:?}"));
    }
    let last = start.elapsed();
    watch.look_at_rungs(last, &site);
    faults.extend(watch.faults());
    faults.extend(watch.rungs.faults(&plan));
    let (mails, stats, ledger) = (mailbox.mails(), site.stats().await, pool.ledger());
    let books = books::Books { plan: &plan, sent: &sent, pool: &pool, mails: &mails, store: site.store() };
    faults.extend(books.faults());
    faults.extend(books.counters(&stats, &watch.rungs));
    let (in_hand, doubled) = punctual::once(&plan, &ledger, &mails, start, &starts);
    faults.extend(doubled);
    let (tries, late) = punctual::sending(&plan, &ledger, pool.number(plan::REFUSED).as_str(), start, &starts);
    faults.extend(late);
    let (turned_away, late) = punctual::mailing(&plan, &mailbox.turned_away(), start, &starts);
    faults.extend(late);
    let tests = SelfTests::read(site.store());
    faults.extend(tests.faults(interval == "daily", last));

    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for jump in &jumps {
        *kinds.entry(jump.kind).or_default() += 1;
    }
    let reboots = jumps.iter().filter(|jump| jump.around == Around::Reboot).count();
    let submitted = ledger.iter().filter(|entry| matches!(entry.what, Event::Submitted { .. })).count();
    let summary = format!(
        "{}{}{points} jumps in {}: {kinds:?}\n{} starts of the gateway, {reboots} of them of the machine\n\
         {submitted} submissions, {tries} tries after refusals and {turned_away} of a busy mail server in time\n\
         {in_hand} doubled that were in hand at a stop of gateway, modem or mail server\n\
         {} {interval} self-tests\n",
        books.summary(),
        watch.summary(),
        watch::clock(last),
        starts.len(),
        tests.count(),
    );
    site.stop().await;
    (faults, summary)
}
