//! What a run was, as text and as a picture.

use std::{fmt::Write as _, time::Duration};

use super::{
    Plan,
    clients::Seen,
    faults::Counts,
    judge,
    plot::{self, Line, Panel},
    sample::{Figure, Phase, Sample},
};

const MIB: f64 = 1024.0 * 1024.0;
/// Over so many samples the use of the processor is averaged.
const WINDOW: usize = 6;

/// All figures of a run.
#[derive(Debug)]
pub struct Figures {
    plan: Plan,
    pub samples: Vec<Sample>,
    pub received: usize,
    pub sent: usize,
    pub modem_faults: Counts,
    pub mail_faults: Counts,
    pub reloads: usize,
    /// By client.
    pub calls: Vec<(&'static str, usize)>,
    pub complaints: Vec<String>,
    pub monitoring: Seen,
    /// How long it took to come to rest.
    pub rest: Duration,
    /// Warnings and errors of the log.
    pub kinds: Vec<String>,
    /// The outbox.
    pub states: Vec<String>,
    /// The database.
    pub tables: Vec<String>,
}

impl Figures {
    pub fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            samples: Vec::new(),
            received: 0,
            sent: 0,
            modem_faults: Counts::new(),
            mail_faults: Counts::new(),
            reloads: 0,
            calls: Vec::new(),
            complaints: Vec::new(),
            monitoring: Seen::default(),
            rest: Duration::ZERO,
            kinds: Vec::new(),
            states: Vec::new(),
            tables: Vec::new(),
        }
    }

    pub fn summary(&self, faults: &[String]) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<22} {value}");
        };
        let plan = &self.plan;
        row("traffic", format!("{} min, SEED={}", plan.minutes, plan.seed));
        row("texts", format!("{} in, {} out: {}", self.received, self.sent, self.states.join(", ")));
        row("faults of modems", listed(&self.modem_faults));
        row("faults of the mail", listed(&self.mail_faults));
        row("reloads", self.reloads.to_string());
        let calls: Vec<String> = self.calls.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        row("calls", calls.join(", "));
        let [good, warned, critical] = self.monitoring.levels;
        let slowest = self.monitoring.rounds.iter().max().copied().unwrap_or_default();
        let rounds = self.monitoring.rounds.len();
        let levels = format!("{good} OK, {warned} WARNING, {critical} CRITICAL");
        row("monitoring", format!("{rounds} rounds, the slowest {slowest:.1?}; check_smsgate: {levels}"));
        row("at rest after", format!("{:.0?}", self.rest));
        for (name, unit, figure) in ROWS {
            let of = |quarter| judge::median(judge::quarter(&self.samples, quarter).iter().map(figure));
            let most = self.samples.iter().map(figure).fold(0.0, f64::max);
            if let (Some(early), Some(late)) = (of(2), of(4)) {
                let medians =
                    format!("median of quarter 2: {early:.1}, of quarter 4: {late:.1}, most {most:.1} {unit}");
                row(name, medians);
            }
        }
        for (name, phase) in [("held at rest, before", Phase::Before), ("held at rest, after", Phase::After)] {
            let least = |figure| judge::least(&self.samples, phase, figure).unwrap_or_default();
            let (descriptors, threads) = (least(judge::descriptors), least(judge::threads));
            row(name, format!("{descriptors} descriptors, {threads} threads, {:.1} MiB resident", least(RESIDENT)));
        }
        if let Some(octets) = judge::octets_per_text(&self.samples) {
            row("database", format!("{octets:.0} octets for each text"));
        }
        if let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) {
            let (seconds, used) = (last.seconds - first.seconds, last.processor - first.processor);
            row("processor", format!("{used:.0} s in {seconds:.0} s: {:.1} % of one", 100.0 * used / seconds));
            row("written to disk", format!("{:.1} MiB", (last.written - first.written) as f64 / MIB));
        }
        let mut calls: Vec<f64> = self.samples.iter().filter_map(|one| one.call_ms).collect();
        calls.sort_unstable_by(f64::total_cmp);
        let high = calls.get((calls.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
        let median = judge::median(calls.into_iter()).unwrap_or_default();
        row("a call with new TLS", format!("median {median:.0} ms, p99 {high:.0} ms"));
        text += &format!("tables: {}\n", self.tables.join(", "));
        text += &format!("warnings and errors by kind:\n{}\n", self.kinds.join("\n"));
        text += &format!("{} faults\n", faults.len());
        faults.iter().for_each(|fault| text += &format!("  {fault:.400}\n"));
        text
    }

    pub fn picture(&self) -> String {
        let minutes = |one: &Sample| one.seconds / 60.0;
        let line = |name, figure: Figure| Line {
            name,
            points: self.samples.iter().map(|one| (minutes(one), figure(one))).collect(),
        };
        let panel = |title, unit, lines| Panel { title, unit, lines, limit: None };
        let first = self.samples.first().map_or(0, |one| one.written);
        let written = |one: &Sample| (minutes(one), (one.written - first) as f64 / MIB);
        let written = Line { name: "written", points: self.samples.iter().map(written).collect() };
        let used = |pair: &[Sample]| {
            let (from, to) = (&pair[0], &pair[WINDOW]);
            (minutes(to), 100.0 * (to.processor - from.processor) / (to.seconds - from.seconds))
        };
        let processor = Line { name: "used", points: self.samples.windows(WINDOW + 1).map(used).collect() };
        let answered = self.samples.iter().filter_map(|one| Some((minutes(one), one.call_ms?)));
        let call = Line { name: "call", points: answered.collect() };
        let panels = [
            panel("Memory", "MiB", vec![line("resident", RESIDENT), line("proportional (PSS)", PROPORTIONAL)]),
            panel(
                "Open descriptors and threads",
                "count",
                vec![line("descriptors", judge::descriptors), line("threads", judge::threads)],
            ),
            panel("Database", "MiB", vec![line("database", DATABASE)]),
            Panel { limit: Some((4.0, "a checkpoint is due")), ..panel("WAL", "MiB", vec![line("WAL", WAL)]) },
            panel(
                "Texts so far",
                "count",
                vec![line("received", |one| one.received as f64), line("sent", |one| one.sent as f64)],
            ),
            panel("Written to disk so far", "MiB", vec![written]),
            panel("Processor, mean of a minute", "% of one core", vec![processor]),
            panel("get_health_state with a new TLS connection", "ms", vec![call]),
        ];
        let traffic = judge::traffic(&self.samples);
        let during = traffic.first().zip(traffic.last()).map_or((0.0, 0.0), |(from, to)| (minutes(from), minutes(to)));
        let faults: usize = self.modem_faults.values().chain(self.mail_faults.values()).sum();
        let notes = format!(
            "{} modems, {} texts in and {} out, {faults} faults of modems and mail server, {} reloads, 4 clients of the \
             API and one with wrong tokens, monitoring every minute. Grey: no traffic.",
            super::MODEMS,
            self.received,
            self.sent,
            self.reloads
        );
        let title = format!("smsgate: traffic with faults for {} min", self.plan.minutes);
        plot::picture(&title, &notes, &panels, during)
    }
}

const RESIDENT: Figure = |one| one.resident_kib as f64 / 1024.0;
const PROPORTIONAL: Figure = |one| one.proportional_kib as f64 / 1024.0;
const DATABASE: Figure = |one| one.database as f64 / MIB;
const WAL: Figure = |one| one.wal as f64 / MIB;
/// What the summary has of each quarter.
const ROWS: [(&str, &str, Figure); 6] = [
    ("resident", "MiB", RESIDENT),
    ("PSS", "MiB", PROPORTIONAL),
    ("descriptors", "", judge::descriptors),
    ("threads", "", judge::threads),
    ("database file", "MiB", DATABASE),
    ("WAL", "MiB", WAL),
];

fn listed(counts: &Counts) -> String {
    let total: usize = counts.values().sum();
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!("{total}: {}", each.join(", "))
}
