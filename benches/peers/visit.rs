//! One run of one gateway on one pool: starts both, does the cases, and ends both.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    cell::Outcome,
    figure::Figure,
    gateway::{Contestant, Gateway, Outgoing, Pace},
    numbers::{median, percentile},
    plan::Plan,
    pool::Pool,
    tally::{Tally, text},
    usage::{Usage, memory},
};

/// After the start, until nothing of it is left.
const SETTLE: Duration = Duration::from_secs(3);
/// Between two messages that are timed: no multiple or part of the whole seconds in which others poll.
const PROBE_PAUSE: Duration = Duration::from_millis(237);
/// After the last message, for those that come again.
const GRACE: Duration = Duration::from_secs(1);
/// Between two looks in a burst.
const LOOK: Duration = Duration::from_millis(20);

/// What one run found.
pub type Findings = Vec<(Figure, Outcome)>;

/// All cases of the plan.
pub fn visit(plan: &Plan, contestant: Contestant, modems: usize, line: &str, folder: &Path) -> Findings {
    let mut findings = Vec::new();
    let fresh = |name: &str| Site::start(plan, contestant, modems, line, &folder.join(name));
    if ["start", "idle", "latency", "in"].iter().any(|case| plan.has(case)) {
        let cases = [
            ("start", [Figure::Start].as_slice()),
            ("idle", &[Figure::IdleProcessor, Figure::IdleMemory]),
            ("latency", &[Figure::LatencyMedian, Figure::LatencyTail]),
            ("in", &IN),
        ];
        let mut site = fresh("in");
        for (case, figures) in cases {
            if plan.has(case) {
                findings.extend(all_or_why(figures, &mut site, |site| match case {
                    "start" => Ok(site.started()),
                    "idle" => Ok(site.idle()),
                    "latency" => site.latency(),
                    _ => site.burst_in(),
                }));
            }
        }
    }
    if plan.has("out") {
        findings.extend(all_or_why(&OUT, &mut fresh("out"), Site::burst_out));
    }
    findings
}

const IN: [Figure; 6] =
    [Figure::InTime, Figure::InRate, Figure::InLost, Figure::InDoubled, Figure::InProcessor, Figure::InWritten];
const OUT: [Figure; 6] =
    [Figure::OutTime, Figure::OutRate, Figure::OutLost, Figure::OutDoubled, Figure::OutProcessor, Figure::OutWritten];

/// The findings of a case; each of its figures with the reason if there are none.
fn all_or_why<T>(
    figures: &[Figure],
    site: &mut Result<T, String>,
    case: impl FnOnce(&mut T) -> Result<Findings, String>,
) -> Findings {
    let found = match site {
        Ok(site) => case(site),
        Err(why) => Err(why.clone()),
    };
    found.unwrap_or_else(|why| figures.iter().map(|figure| (*figure, Outcome::Unable(why.clone()))).collect())
}

/// A pool and a gateway that has begun to serve it.
struct Site<'a> {
    plan: &'a Plan,
    // Before the pool: nobody shall see the modems vanish.
    gateway: Box<dyn Gateway>,
    pool: Pool,
    started: Outcome,
}

impl<'a> Site<'a> {
    /// Starts both, and waits until a message that waited in each modem is visible.
    fn start(plan: &'a Plan, contestant: Contestant, modems: usize, line: &str, folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut pool = Pool::start(folder, modems, line)?;
        let mut gateway = contestant.prepare(folder, &pool)?;
        pool.bring("start", 0..modems)?;
        let began = Instant::now();
        gateway.launch()?;
        let mut tally = Tally::new("start", modems);
        let last = collect(gateway.as_mut(), &mut tally, began + plan.patience, |_, _| ())?;
        let started = match last {
            Some(last) if tally.is_complete() => Outcome::Value((last - began).as_secs_f64()),
            Some(_) => {
                Outcome::Partial(plan.patience.as_secs_f64(), format!("not done: {} of {modems} modems", tally.came()))
            }
            None => return Err(format!("not ready in {} s", plan.patience.as_secs())),
        };
        Ok(Self { plan, gateway, pool, started })
    }

    fn started(&self) -> Findings {
        vec![(Figure::Start, self.started.clone())]
    }

    fn idle(&mut self) -> Findings {
        self.gateway.pace(Pace::Never);
        thread::sleep(SETTLE);
        let roots = self.gateway.processes();
        let (before, began) = (Usage::of(&roots), Instant::now());
        thread::sleep(self.plan.idle);
        let used = Usage::of(&roots).since(&before);
        let share = used.processor.as_secs_f64() / began.elapsed().as_secs_f64();
        vec![
            (Figure::IdleProcessor, Outcome::Value(share * 100.0)),
            (Figure::IdleMemory, Outcome::Value(memory(&roots) as f64 / f64::from(1 << 20))),
        ]
    }

    /// Messages one by one, each modem in turn, whether those before have become visible or not.
    fn latency(&mut self) -> Result<Findings, String> {
        self.gateway.pace(Pace::Each);
        let mut tally = Tally::new("probe", self.plan.probes);
        let mut began = Vec::new();
        let mut took = Vec::new();
        let mut note = |began: &[Instant], serial: usize, at: Instant| {
            took.push(at.saturating_duration_since(began[serial]).as_secs_f64() * 1000.0);
        };
        for serial in 0..self.plan.probes {
            began.push(Instant::now());
            self.pool.bring("probe", serial..serial + 1)?;
            let next = Instant::now() + PROBE_PAUSE;
            while Instant::now() < next {
                for (at, text) in self.gateway.visible(next.saturating_duration_since(Instant::now()))? {
                    if let Some(serial) = tally.count(&text) {
                        note(&began, serial, at);
                    }
                }
            }
        }
        let deadline = Instant::now() + self.plan.patience;
        collect(self.gateway.as_mut(), &mut tally, deadline, |serial, at| note(&began, serial, at))?;
        let outcome = |value: Option<f64>| match value {
            None => Outcome::Unable(format!("nothing visible in {} s", self.plan.patience.as_secs())),
            Some(value) if tally.is_complete() => Outcome::Value(value),
            Some(value) => Outcome::Partial(value, format!("{} of {} only", tally.came(), self.plan.probes)),
        };
        Ok(vec![(Figure::LatencyMedian, outcome(median(&took))), (Figure::LatencyTail, outcome(percentile(&took, 99)))])
    }

    /// All at once from outside, spread evenly.
    fn burst_in(&mut self) -> Result<Findings, String> {
        self.gateway.pace(Pace::Together);
        let count = self.plan.messages;
        let mut tally = Tally::new("in", count);
        let roots = self.gateway.processes();
        let (before, began) = (Usage::of(&roots), Instant::now());
        self.pool.bring("in", 0..count)?;
        let last = collect(self.gateway.as_mut(), &mut tally, began + self.plan.patience, |_, _| ())?;
        let used = Usage::of(&roots).since(&before);
        let lost = if tally.is_complete() { 0 } else { tally.missing().saturating_sub(self.pool.left()?) };
        let grace = Instant::now() + GRACE;
        while Instant::now() < grace {
            for (_, text) in self.gateway.visible(LOOK)? {
                tally.count(&text);
            }
        }
        let took = last.filter(|_| tally.is_complete()).map(|last| last - began);
        Ok(burst(IN, &tally, took, Some(lost), used, self.plan.patience))
    }

    /// All at once to outside, spread evenly; the ledger of the service centre judges.
    fn burst_out(&mut self) -> Result<Findings, String> {
        self.gateway.pace(Pace::Never);
        thread::sleep(SETTLE);
        let count = self.plan.messages;
        let messages: Vec<Outgoing> = (0..count)
            .map(|serial| Outgoing {
                modem: serial % self.pool.modems(),
                to: format!("+49155{serial:08}"),
                text: text("out", serial),
            })
            .collect();
        let mut tally = Tally::new("out", count);
        self.pool.submitted()?;
        let roots = self.gateway.processes();
        let (before, began) = (Usage::of(&roots), Instant::now());
        self.gateway.send(&messages)?;
        let mut last = None;
        while !tally.is_complete() && began.elapsed() < self.plan.patience {
            thread::sleep(LOOK);
            let texts = self.pool.submitted()?;
            if texts.into_iter().filter_map(|text| tally.count(&text)).count() > 0 {
                last = Some(Instant::now());
            }
        }
        let used = Usage::of(&roots).since(&before);
        thread::sleep(GRACE);
        for text in self.pool.submitted()? {
            tally.count(&text);
        }
        let took = last.filter(|_| tally.is_complete()).map(|last| last - began);
        // What was not sent may be in a queue still: nobody can tell from outside.
        let lost = took.map(|_| 0);
        Ok(burst(OUT, &tally, took, lost, used, self.plan.patience))
    }
}

/// Looks until all have come or it is time; when the last of them came.
fn collect(
    gateway: &mut dyn Gateway,
    tally: &mut Tally,
    deadline: Instant,
    mut note: impl FnMut(usize, Instant),
) -> Result<Option<Instant>, String> {
    let mut last = None;
    while !tally.is_complete() && Instant::now() < deadline {
        for (at, text) in gateway.visible(LOOK)? {
            if let Some(serial) = tally.count(&text) {
                note(serial, at);
                last = Some(at);
            }
        }
    }
    Ok(last)
}

/// The figures of a burst, in the order of `IN` and `OUT`.
fn burst(
    figures: [Figure; 6],
    tally: &Tally,
    took: Option<Duration>,
    lost: Option<usize>,
    used: Usage,
    patience: Duration,
) -> Findings {
    let came = tally.came();
    let total = came + tally.missing();
    let seconds = took.unwrap_or(patience).as_secs_f64();
    let (each, share) = (came as f64, used.processor.as_secs_f64() * 1000.0);
    let outcome = |value: f64| match took {
        Some(_) => Outcome::Value(value),
        None => Outcome::Partial(value, format!("{came} of {total} in {} s", patience.as_secs())),
    };
    let per_message = |value: f64| match came {
        0 => Outcome::Unable(format!("none of {total} in {} s", patience.as_secs())),
        _ => Outcome::Value(value / each),
    };
    let outcomes = [
        outcome(seconds),
        outcome(each / seconds),
        lost.map_or_else(|| Outcome::Unable("lost or still waiting".to_owned()), |lost| Outcome::Value(lost as f64)),
        Outcome::Value(tally.doubled() as f64),
        per_message(share),
        per_message(used.written as f64 / 1024.0),
    ];
    figures.into_iter().zip(outcomes).collect()
}
