//! What is known of one SIM's account, and what of it is worth a warning.

use crate::model::HealthLevel;

/// Checks in a row that may fail before it is said.
const MOST_FAILURES: u32 = 2;
/// Days left under which it is said.
const FEW_DAYS: f64 = 14.0;

/// The account of the SIM in a slot whose balance is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// The last balance that could be read; unknown is not zero.
    pub reading: Option<Reading>,
    /// Checks in a row that failed since.
    pub failures: u32,
    /// Why the last one failed.
    pub cause: String,
    /// `currency` of the slot.
    pub currency: String,
    /// `account_balance_warning`, in millionths.
    pub warning_micros: i64,
    /// `account_balance_critical`, in millionths.
    pub critical_micros: i64,
}

/// A balance that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// In millionths.
    pub micros: i64,
    /// When it was read, in words, if that is too long ago to go unsaid.
    pub as_of: Option<String>,
    /// Days it lasts, where that is known.
    pub days_left: Option<f64>,
}

impl Account {
    /// The findings, each with its level. Thresholds of zero are off.
    #[must_use]
    pub fn findings(&self) -> Vec<(HealthLevel, String)> {
        let mut findings = Vec::new();
        if let Some(reading) = &self.reading {
            findings.extend(self.threshold(reading));
            if let Some(days) = reading.days_left.filter(|days| *days < FEW_DAYS) {
                findings
                    .push((HealthLevel::Warning, format!("Balance: lasts {} at the current spend", in_words(days))));
            }
        }
        if self.failures > MOST_FAILURES {
            findings.push((HealthLevel::Warning, format!("Balance: cannot be read: {}", self.cause)));
        }
        findings
    }

    fn threshold(&self, reading: &Reading) -> Option<(HealthLevel, String)> {
        let reached = [
            (HealthLevel::Critical, "critical", self.critical_micros),
            (HealthLevel::Warning, "warning", self.warning_micros),
        ];
        let (level, name, limit) = reached.into_iter().find(|(_, _, limit)| *limit != 0 && reading.micros < *limit)?;
        let (currency, as_of) = (&self.currency, reading.as_of.as_deref());
        let age = as_of.map(|at| format!(" (last read {at})")).unwrap_or_default();
        let (amount, limit) = (written(reading.micros), written(limit));
        let text = format!("Balance: {amount} {currency}{age}, below the {name} threshold of {limit} {currency}");
        Some((level, text))
    }
}

/// Two places after the point, as money is written; cut, so that what is below a threshold never looks like it.
fn written(micros: i64) -> String {
    let cents = micros.div_euclid(10_000);
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Whole days, cut.
fn in_words(days: f64) -> String {
    if days < 1.0 {
        return "less than a day".to_owned();
    }
    let plural = if days < 2.0 { "" } else { "s" };
    format!("about {:.0} day{plural}", days.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(cents: i64) -> Account {
        Account {
            reading: Some(Reading { micros: cents * 10_000, ..Reading::default() }),
            currency: "EUR".into(),
            warning_micros: 10_000_000,
            critical_micros: 5_000_000,
            ..Account::default()
        }
    }

    #[test]
    fn findings_of_an_account() {
        use HealthLevel::{Critical, Warning};
        type Change = fn(&mut Account);
        type Findings = &'static [(HealthLevel, &'static str)];
        let cases: [(&str, i64, Change, Findings); 12] = [
            ("enough", 1000, |_| {}, &[]),
            ("below warning", 999, |_| {}, &[(Warning, "Balance: 9.99 EUR, below the warning threshold of 10.00 EUR")]),
            (
                "below critical",
                420,
                |_| {},
                &[(Critical, "Balance: 4.20 EUR, below the critical threshold of 5.00 EUR")],
            ),
            ("at critical", 500, |_| {}, &[(Warning, "Balance: 5.00 EUR, below the warning threshold of 10.00 EUR")]),
            ("in debt", -5, |_| {}, &[(Critical, "Balance: -0.05 EUR, below the critical threshold of 5.00 EUR")]),
            ("thresholds off", 0, |a| (a.warning_micros, a.critical_micros) = (0, 0), &[]),
            ("unknown is not zero", 0, |a| a.reading = None, &[]),
            ("failed twice", 1000, |a| a.failures = 2, &[]),
            (
                "failed three times",
                1000,
                |a| (a.failures, a.cause) = (3, "busy".into()),
                &[(Warning, "Balance: cannot be read: busy")],
            ),
            (
                "never read",
                0,
                |a| (a.reading, a.failures, a.cause) = (None, 3, "busy".into()),
                &[(Warning, "Balance: cannot be read: busy")],
            ),
            (
                "an old value still counts",
                420,
                |a| a.reading.as_mut().unwrap().as_of = Some("2026-11-20 22:46".into()),
                &[(
                    Critical,
                    "Balance: 4.20 EUR (last read 2026-11-20 22:46), below the critical threshold of 5.00 EUR",
                )],
            ),
            (
                "few days",
                2000,
                |a| a.reading.as_mut().unwrap().days_left = Some(9.7),
                &[(Warning, "Balance: lasts about 9 days at the current spend")],
            ),
        ];
        for (name, cents, change, expected) in cases {
            let mut account = account(cents);
            change(&mut account);
            let findings = account.findings();
            let findings: Vec<(HealthLevel, &str)> =
                findings.iter().map(|(level, text)| (*level, text.as_str())).collect();
            assert_eq!(findings, expected, "{name}");
        }
    }

    #[test]
    fn days_in_words() {
        for (days, words) in
            [(0.3, "less than a day"), (1.9, "about 1 day"), (2.0, "about 2 days"), (13.9, "about 13 days")]
        {
            assert_eq!(in_words(days), words);
        }
        assert_eq!(written(4_999_999), "4.99");
    }
}
