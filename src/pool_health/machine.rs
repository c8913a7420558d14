//! What the machine under the gateway adds to its health: the medium the store is on, and what the other services of an
//! appliance have to say. Pure: it judges what was seen.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::model::{Health, HealthLevel, Space};

const MIB: u64 = 1024 * 1024;
/// Less than this share and this much is free: in per cent and in octets. People hear of it before [`Space`] does
/// anything about it.
const SCARCE: (u64, u64) = (20, 1024 * MIB);
/// Likewise, and soon nothing can be saved any more.
const EXHAUSTED: (u64, u64) = (10, 256 * MIB);

/// What was last seen of the machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MachineCondition {
    /// Whether the machine is there for nothing but the gateway, with SGCONFIG and services of its own.
    pub appliance: bool,
    /// What those services have to say, a line each.
    pub warnings: Vec<String>,
    /// Where the store is.
    pub medium: Option<Medium>,
    /// The wall clock, if it stands before the day this appliance's software was put together.
    pub early: Option<Timestamp>,
}

/// A file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Medium {
    /// A folder on it.
    pub folder: PathBuf,
    /// Octets that may be used by us.
    pub free: u64,
    /// Octets in all.
    pub total: u64,
    /// Nothing can be written.
    pub read_only: bool,
    /// Errors that ext4 has noted in it; 0 where that is not known.
    pub errors: u64,
}

/// Judges the machine.
pub(super) fn judge(machine: &MachineCondition) -> Health {
    let mut health = Health::ok();
    if let Some(medium) = &machine.medium {
        of_medium(medium, &mut health);
    }
    if let Some(time) = machine.early {
        let reason =
            format!("Clock: it stands at {time}, before this software was made. Is a time server within reach?");
        health.add(HealthLevel::Warning, reason);
    }
    for warning in &machine.warnings {
        health.add(HealthLevel::Warning, format!("Appliance: {warning}"));
    }
    health
}

fn of_medium(medium: &Medium, health: &mut Health) {
    let folder = medium.folder.display();
    if medium.read_only {
        let reason = format!("Disk: the file system of {folder} can only be read. The kernel's log says why");
        health.add(HealthLevel::Critical, reason);
    }
    let below = |(share, least): (u64, u64)| {
        medium.free < least && medium.free.saturating_mul(100) < medium.total.saturating_mul(share)
    };
    let effect = match Space::of(medium.free, medium.total) {
        Space::Enough => "",
        Space::Low => ", texts of finished messages are forgotten early. Make room",
        Space::NearlyFull => ", no new message is accepted to be sent. Make room",
    };
    let (free, total) = (medium.free / MIB, medium.total / MIB);
    let free = format!("{free} of {total} MiB are free on the file system of {folder}{effect}");
    if below(EXHAUSTED) {
        health.add(HealthLevel::Critical, format!("Disk: {free}"));
    } else if below(SCARCE) {
        health.add(HealthLevel::Warning, format!("Disk: {free}"));
    }
    if medium.errors > 0 {
        let reason = format!(
            "Disk: the file system of {folder} has had {} errors. Save its content and replace the medium",
            medium.errors
        );
        health.add(HealthLevel::Warning, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(free: u64, total: u64) -> Medium {
        Medium { folder: "/data/store".into(), free: free * MIB, total: total * MIB, read_only: false, errors: 0 }
    }

    fn of(medium: Medium) -> Health {
        judge(&MachineCondition { medium: Some(medium), ..MachineCondition::default() })
    }

    #[test]
    fn a_medium_is_judged_by_share_and_amount() {
        for (free, total, level) in [
            (500, 1000, HealthLevel::Ok),
            (200, 1000, HealthLevel::Ok),
            (199, 1000, HealthLevel::Warning),
            (100, 1000, HealthLevel::Warning),
            (99, 1000, HealthLevel::Critical),
            (0, 1000, HealthLevel::Critical),
            // A tenth of a large disk is plenty.
            (2_000, 30_000, HealthLevel::Ok),
            (1_000, 30_000, HealthLevel::Warning),
            (300, 30_000, HealthLevel::Warning),
            (200, 30_000, HealthLevel::Critical),
            (0, 0, HealthLevel::Ok),
        ] {
            let health = of(medium(free, total));
            assert_eq!(health.level, level, "{free} of {total}: {}", health.message());
        }
    }

    #[test]
    fn what_a_lack_of_room_does_is_said() {
        for (free, level, effect) in [
            (900, HealthLevel::Warning, ""),
            (257, HealthLevel::Warning, ""),
            (100, HealthLevel::Critical, ", texts of finished messages are forgotten early. Make room"),
            (63, HealthLevel::Critical, ", no new message is accepted to be sent. Make room"),
        ] {
            let health = of(medium(free, 9000));
            let said = format!("Disk: {free} of 9000 MiB are free on the file system of /data/store{effect}");
            assert_eq!((health.level, health.message()), (level, said));
        }
    }

    #[test]
    fn one_that_cannot_be_written_or_has_had_errors_is_named() {
        let health = of(Medium { read_only: true, ..medium(500, 1000) });
        assert_eq!(health.level, HealthLevel::Critical);
        assert!(health.message().contains("/data/store can only be read"), "{}", health.message());
        let health = of(Medium { errors: 3, ..medium(500, 1000) });
        assert_eq!(health.level, HealthLevel::Warning);
        assert!(health.message().contains("has had 3 errors"), "{}", health.message());
    }

    #[test]
    fn what_other_services_say_is_a_warning_each() {
        let warnings = vec!["SGCONFIG is missing".to_owned(), "the watchdog is not armed".to_owned()];
        let early = Some("1970-01-01T00:00:07Z".parse().unwrap());
        let health = judge(&MachineCondition { warnings, early, ..MachineCondition::default() });
        assert_eq!((health.level, health.reasons.len()), (HealthLevel::Warning, 3));
        for words in ["Appliance: SGCONFIG is missing", "Appliance: the watchdog", "Clock: it stands at 1970-01-01"] {
            assert!(health.message().contains(words), "{}", health.message());
        }
        assert_eq!(judge(&MachineCondition::default()), Health::ok());
    }
}
