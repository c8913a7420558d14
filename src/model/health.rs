//! Health: a level and the reasons for it.

use std::fmt;

use serde::Serialize;

/// How bad it is. The order is the order of badness.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthLevel {
    /// Nothing to do.
    #[default]
    Ok,
    /// Works, but somebody should look.
    Warning,
    /// Does not work.
    Critical,
}

impl HealthLevel {
    /// The word used on the wire: `OK`, `WARNING` or `CRITICAL`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

impl fmt::Display for HealthLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A level with its reasons, worst level wins when merged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// The worst level of all findings.
    pub level: HealthLevel,
    /// One sentence per finding, in the order found. Empty when all is well.
    pub reasons: Vec<String>,
}

impl Health {
    /// A healthy state.
    #[must_use]
    pub fn ok() -> Self {
        Self::default()
    }

    /// A state with one finding.
    #[must_use]
    pub fn of(level: HealthLevel, reason: impl Into<String>) -> Self {
        Self { level, reasons: vec![one_reason(reason.into())] }
    }

    /// Adds a finding.
    pub fn add(&mut self, level: HealthLevel, reason: impl Into<String>) {
        self.level = self.level.max(level);
        self.reasons.push(one_reason(reason.into()));
    }

    /// Adds all findings of `other`.
    pub fn merge(&mut self, other: Self) {
        self.level = self.level.max(other.level);
        self.reasons.extend(other.reasons);
    }

    /// Whether it says something else than `before`, and not the same with other figures: a signal that wavers between CSQ 3
    /// and 4 is no news each minute.
    #[must_use]
    pub fn is_news_after(&self, before: &Self) -> bool {
        let words = |reason: &String| reason.replace(|c: char| c.is_ascii_digit(), "");
        self.level != before.level || !self.reasons.iter().map(words).eq(before.reasons.iter().map(words))
    }

    /// The reasons as clients get them: joined by `; `, empty when fine.
    #[must_use]
    pub fn message(&self) -> String {
        self.reasons.join(BETWEEN)
    }
}

/// What stands between two reasons, and in none: clients take the message apart by it.
const BETWEEN: &str = "; ";

/// Reasons quote what modems, networks and mail servers say.
fn one_reason(reason: String) -> String {
    if reason.contains(BETWEEN) { reason.replace(BETWEEN, ", ") } else { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_can_be_taken_apart_whatever_the_reasons_quote() {
        let mut health = Health::of(HealthLevel::Warning, "Mail: the mail server says: 4.7.0 try later; greylisted");
        health.add(HealthLevel::Critical, "Modem: it restarted by itself (a; b; c)");
        let message = health.message();
        let pieces: Vec<&str> = message.split("; ").collect();
        assert_eq!(pieces, health.reasons);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces.first(), Some(&"Mail: the mail server says: 4.7.0 try later, greylisted"));
    }

    #[test]
    fn other_figures_are_no_news() {
        use HealthLevel::{Critical, Warning};
        let weak = Health::of(Warning, "Signal: weak (CSQ 4)");
        for (after, news) in [
            (Health::of(Warning, "Signal: weak (CSQ 3)"), false),
            (Health::of(Warning, "Signal: weak (CSQ 13)"), false),
            (Health::of(Critical, "Signal: weak (CSQ 4)"), true),
            (Health::of(Warning, "Network: roaming"), true),
            (Health { level: Warning, reasons: vec!["Signal: weak (CSQ 4)".into(), "Network: roaming".into()] }, true),
            (Health::ok(), true),
        ] {
            assert_eq!(after.is_news_after(&weak), news, "{}", after.message());
        }
    }
}
