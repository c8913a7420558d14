//! What `check_smsgate` tells, judged from what the gateway answered. Pure: it looks at values.
//!
//! The lines are those of the plugin interface (Monitoring Plugins Development Guidelines, 2): `LEVEL text | perfdata`, then
//! details a line each.

use clap::ValueEnum;
use jiff::Timestamp;

use super::{
    client::{Cause, ClientError, Endpoint},
    columns::shortened,
    perfdata::{Floor, Perfdata},
    stats,
};
use crate::{model::printable, rpc::wire::Value};

/// Longest text before the bar: what a notification by SMS has room for.
const TEXT_LIMIT: usize = 140;
/// `current_signal` as +CSQ (TS 27.007 8.5) 0 and 31, and where health turns bad: below CSQ 6 and below CSQ 2.
const SIGNAL_BOUNDS: (f64, f64) = (-113.0, -51.0);
const SIGNAL_FLOOR: Floor = Floor { warning: -101.0, critical: -109.0 };

/// What monitoring is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Level {
    #[value(skip)]
    Ok,
    #[value(skip)]
    Warning,
    Critical,
    Unknown,
}

impl Level {
    /// The word at the start of the line.
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The exit code.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn named(word: &str) -> Self {
        [Self::Ok, Self::Warning, Self::Critical]
            .into_iter()
            .find(|level| level.word() == word)
            .unwrap_or(Self::Unknown)
    }
}

/// What is printed.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) level: Level,
    text: String,
    pub(super) perfdata: Perfdata,
    pub(super) details: Vec<String>,
}

impl Report {
    /// One sentence.
    pub(super) fn of(level: Level, text: impl Into<String>) -> Self {
        Self { level, text: text.into(), perfdata: Perfdata::default(), details: Vec::new() }
    }

    /// As the plugin interface has it.
    pub(super) fn lines(&self) -> String {
        let text = plain(&shortened(&self.text, TEXT_LIMIT));
        let gap = if text.is_empty() { "" } else { " " };
        let mut lines = format!("{} {text}{gap}| {}\n", self.level.word(), self.perfdata);
        for detail in &self.details {
            lines += &plain(detail);
            lines.push('\n');
        }
        lines
    }
}

/// Text without what would end it: in the plugin interface the bar does.
fn plain(text: &str) -> String {
    printable(text).replace('|', "/")
}

/// Judges the answer of `get_health_state`.
pub(super) fn healthy(answer: &Value) -> Report {
    let pair = answer.as_array().unwrap_or_default();
    let word = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
    let level = Level::named(word(0));
    if level == Level::Unknown {
        return Report::of(level, "the answer is not understood");
    }
    let message = word(1);
    let findings: Vec<&str> = message.split("; ").collect();
    let mut report = Report::of(level, message);
    if let [first, rest @ ..] = findings.as_slice()
        && !rest.is_empty()
    {
        if message.chars().count() > TEXT_LIMIT {
            let more = format!(" (and {} more)", rest.len());
            report.text = shortened(first, TEXT_LIMIT.saturating_sub(more.len())) + &more;
        }
        report.details = findings.iter().map(|&finding| finding.to_owned()).collect();
    }
    report
}

/// Judges that there is no answer.
pub(super) fn unhealthy(error: &ClientError, refused: Level) -> Report {
    match error {
        // Upstream's words, which sites match on.
        ClientError::Transport(place, Cause::Refused) => {
            Report::of(refused, format!("Connection to {}:{} refused.", place.host, place.port))
        }
        // The usual one was trusted until now.
        ClientError::Transport(place @ Endpoint { ca: Some(_), .. }, Cause::Untrusted) => Report::of(
            Level::Unknown,
            format!(
                "the CA given did not sign the certificate of {place}; an appliance in rescue? see rescue.txt on its SGCONFIG"
            ),
        ),
        ClientError::Transport(..) | ClientError::Fault(_) | ClientError::Interrupted => {
            Report::of(Level::Unknown, error.to_string())
        }
    }
}

/// Counts of modems and what each measures; a line per modem.
pub(super) fn describe(modems: &[(String, Value)], report: &mut Report) {
    let levels: Vec<Level> =
        modems.iter().map(|(_, modem)| Level::named(&stats::text(modem, "health_state_short"))).collect();
    let counted = |level: Level| count(levels.iter().filter(|&&other| other == level).count());
    let all = count(modems.len());
    for (label, number) in [
        ("modems", all),
        ("modems_ok", counted(Level::Ok)),
        ("modems_warning", counted(Level::Warning)),
        ("modems_critical", counted(Level::Critical)),
    ] {
        report.perfdata.gauge(label, number, "", 0.0, all);
    }
    report.details.clear();
    for ((id, modem), level) in modems.iter().zip(levels) {
        let number = |member: &str| stats::number(modem, member);
        let present = !stats::text(modem, "port").is_empty();
        if let Some(signal) = number("current_signal").filter(|_| present) {
            report.perfdata.floored(&format!("{id}_signal"), signal, Some(SIGNAL_FLOOR), Some(SIGNAL_BOUNDS));
        }
        if let Some(balance) = number("balance") {
            let floor = number("balance_warning")
                .zip(number("balance_critical"))
                .map(|(warning, critical)| Floor { warning, critical });
            report.perfdata.floored(&format!("{id}_balance"), balance, floor, None);
        }
        for member in ["sent", "received"] {
            if let Some(count) = number(member) {
                report.perfdata.counter(&format!("{id}_{member}"), count);
            }
        }
        let text = |member: &str| stats::text(modem, member);
        let mut line = format!("{id} {}: {}", level.word(), text("status"));
        for text in ["phone_number", "current_network", "health_state_message"].map(text) {
            if !text.is_empty() {
                line += &format!(", {text}");
            }
        }
        report.details.push(line);
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Judges the age of a certificate by the whole days it has left.
pub(super) fn aged(end: Timestamp, now: Timestamp, warning: u16, critical: u16) -> Report {
    let days = end.as_second().saturating_sub(now.as_second()).div_euclid(86_400);
    let level = match days {
        days if days < i64::from(critical) => Level::Critical,
        days if days < i64::from(warning) => Level::Warning,
        _ => Level::Ok,
    };
    let mut report = Report::of(
        level,
        if end <= now {
            format!("the certificate ended at {end}; clients refuse it until it is renewed")
        } else {
            format!("the certificate is valid for {days} days, until {end}")
        },
    );
    let floor = Floor { warning: warning.into(), critical: critical.into() };
    let shown = i32::try_from(days).unwrap_or(i32::MAX);
    report.perfdata.floored("certificate_days", shown.into(), Some(floor), None);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(level: &str, reasons: &str) -> Value {
        Value::Array(vec![Value::string(level), Value::string(reasons)])
    }

    #[test]
    fn answers_become_levels() {
        for (level, reasons, expected, lines) in [
            ("OK", "", Level::Ok, "OK | \n"),
            ("WARNING", "weak signal", Level::Warning, "WARNING weak signal | \n"),
            ("CRITICAL", "a|b; c", Level::Critical, "CRITICAL a/b; c | \na/b\nc\n"),
            ("FINE", "", Level::Unknown, "UNKNOWN the answer is not understood | \n"),
        ] {
            let report = healthy(&pair(level, reasons));
            assert_eq!((report.level, report.lines().as_str()), (expected, lines), "{level}");
        }
        assert_eq!(healthy(&Value::int(1)).level, Level::Unknown);
    }

    #[test]
    fn a_long_story_has_a_short_first_line() {
        let reasons = format!("00: {}; 01: short; 02: short", "long ".repeat(60));
        let report = healthy(&pair("CRITICAL", &reasons));
        let lines = report.lines();
        let first = lines.lines().next().unwrap();
        assert!(first.chars().count() < TEXT_LIMIT + 20 && first.contains("(and 2 more) |"), "{first}");
        assert_eq!(lines.lines().count(), 4, "{lines}");
    }

    #[test]
    fn days_left_decide_on_a_certificate() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (end, level, days) in [
            ("2026-12-20T12:00:00Z", Level::Ok, 30),
            ("2026-12-15T12:00:00Z", Level::Ok, 25),
            ("2026-12-15T11:59:59Z", Level::Warning, 24),
            ("2026-11-25T12:00:00Z", Level::Warning, 5),
            ("2026-11-25T11:00:00Z", Level::Critical, 4),
            ("2026-11-20T11:00:00Z", Level::Critical, -1),
        ] {
            let report = aged(end.parse().unwrap(), now, 25, 5);
            let perfdata = format!("certificate_days={days};25:;5:");
            assert_eq!((report.level, report.perfdata.to_string()), (level, perfdata), "{end}");
            assert_eq!(report.text.contains("ended"), days < 0, "{}", report.text);
        }
    }

    #[test]
    fn statistics_become_perfdata_and_lines() {
        let string = |name: &str, text: &str| (name.to_owned(), Value::string(text));
        let modem = |port: &str, level: &str, balance: Value| {
            Value::Struct(vec![
                string("port", port),
                ("current_signal".into(), Value::int(-71)),
                ("balance".into(), balance),
                ("balance_warning".into(), Value::double(5.0)),
                ("balance_critical".into(), Value::double(1.0)),
                ("sent".into(), Value::int(3)),
                ("received".into(), Value::int(4)),
                string("health_state_short", level),
                string("health_state_message", if level == "OK" { "" } else { "no answer" }),
                string("status", "Ready."),
            ])
        };
        let modems = [
            ("00".to_owned(), modem("/dev/ttyUSB0", "OK", Value::double(12.3))),
            ("roof 1".to_owned(), modem("", "CRITICAL", Value::string(""))),
        ];
        let mut report = Report::of(Level::Critical, "x");
        describe(&modems, &mut report);
        let expected = "modems=2;;;0;2 modems_ok=1;;;0;2 modems_warning=0;;;0;2 modems_critical=1;;;0;2 \
                        00_signal=-71;-101:;-109:;-113;-51 00_balance=12.3;5:;1: 00_sent=3c;;;0 00_received=4c;;;0 \
                        'roof 1_sent'=3c;;;0 'roof 1_received'=4c;;;0";
        assert_eq!(report.perfdata.to_string(), expected);
        assert_eq!(report.details, ["00 OK: Ready.", "roof 1 CRITICAL: Ready., no answer"]);
    }
}
