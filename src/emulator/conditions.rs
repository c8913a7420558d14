//! How the service centre treats messages, as the control socket sets it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// How the service centre treats messages; everything at once and delivered unless told otherwise.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Seconds a modem waits for the answer to a send.
    pub submit_latency: f64,
    /// Seconds until a message is delivered.
    pub delivery_delay: f64,
    /// Up to this many seconds more, by chance: messages get out of order.
    pub delivery_jitter: f64,
    /// Messages delivered twice, of 100 PDUs.
    pub duplicates: u8,
    /// Seconds from delivery to report.
    pub report_delay: f64,
    /// Up to this many seconds more, by chance: reports get out of order.
    pub report_jitter: f64,
    /// Reports lost, of 100.
    pub report_loss: u8,
    /// Seconds until something that was not acknowledged comes again.
    pub retry: f64,
    /// What becomes of messages to outside numbers that begin so; the longest beginning counts.
    pub outcomes: BTreeMap<String, Outcome>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            submit_latency: 0.0,
            delivery_delay: 0.0,
            delivery_jitter: 0.0,
            duplicates: 0,
            report_delay: 0.0,
            report_jitter: 0.0,
            report_loss: 0,
            retry: 5.0,
            outcomes: BTreeMap::new(),
        }
    }
}

impl Conditions {
    /// What becomes of a message to an outside number.
    #[must_use]
    pub fn outcome(&self, to: &str) -> Outcome {
        self.outcomes
            .iter()
            .filter(|(beginning, _)| to.starts_with(beginning.as_str()))
            .max_by_key(|(beginning, _)| beginning.len())
            .map_or(Outcome::Delivered, |(_, outcome)| *outcome)
    }
}

/// What becomes of a message (TP-ST, TS 23.040 9.2.3.15).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 0x00.
    Delivered,
    /// 0x41: incompatible destination.
    Undelivered,
    /// 0x46: validity period expired.
    Expired,
    /// 0x20 (congestion, still trying), later 0x00.
    TryingThenDelivered,
    /// No report ever.
    Silent,
    /// Any TP-ST, as a bare number.
    #[serde(untagged)]
    Status(u8),
}

impl Outcome {
    /// The reports it gives, in order.
    #[must_use]
    pub fn statuses(self) -> Vec<u8> {
        match self {
            Self::Delivered => vec![0x00],
            Self::Undelivered => vec![0x41],
            Self::Expired => vec![0x46],
            Self::TryingThenDelivered => vec![0x20, 0x00],
            Self::Silent => Vec::new(),
            Self::Status(status) => vec![status],
        }
    }
}

/// Seconds from a number a person wrote; 0 for one without sense.
pub(super) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_decides() {
        let conditions: Conditions =
            serde_json::from_str(r#"{"outcomes":{"+49":"expired","+4915":"trying_then_delivered","+43":99}}"#).unwrap();
        let table = [("+49170", vec![0x46]), ("+49151", vec![0x20, 0x00]), ("+431", vec![99]), ("+441", vec![0x00])];
        for (to, statuses) in table {
            assert_eq!(conditions.outcome(to).statuses(), statuses, "{to}");
        }
    }

    #[test]
    fn seconds_without_sense_are_none() {
        for (value, millis) in [(0.25, 250), (-1.0, 0), (f64::NAN, 0), (f64::INFINITY, 0)] {
            assert_eq!(seconds(value).as_millis(), millis, "{value}");
        }
    }
}
