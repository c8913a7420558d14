//! The health of the whole gateway, judged from what was last seen of its parts. Pure: it looks at snapshots only.

mod machine;

use std::path::PathBuf;

pub use machine::{MachineCondition, Medium};

use crate::model::{Health, HealthLevel, ModemSnapshot};

/// What was last seen of the store.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoreCondition {
    /// Damaged databases that were set aside and still lie there.
    pub set_aside: Vec<PathBuf>,
    /// Why nothing can be committed.
    pub failure: Option<String>,
}

/// What an appliance says that nobody has set up yet.
const NO_SIM_CARDS: &str = "Pool: no SIM cards are configured, see sim-cards.conf.suggested on SGCONFIG";

/// Judges the modems, mail (none if it is switched off), the store and the machine. Modems that are switched off do not
/// count.
#[must_use]
pub fn judge(
    modems: &[ModemSnapshot],
    mail: Option<&Health>,
    store: &StoreCondition,
    machine: &MachineCondition,
) -> Health {
    let mut health = of_modems(modems, machine.appliance);
    if let Some(mail) = mail {
        health.merge(mail.clone());
    }
    if let Some(failure) = &store.failure {
        health.add(HealthLevel::Critical, format!("Store: nothing can be saved ({failure})"));
    }
    for path in &store.set_aside {
        let reason = format!(
            "Store: a damaged database was set aside as {} and what is left of it kept. See the log of that start, then move it away",
            path.display()
        );
        health.add(HealthLevel::Critical, reason);
    }
    health.merge(machine::judge(machine));
    health
}

fn of_modems(modems: &[ModemSnapshot], appliance: bool) -> Health {
    let mut health = Health::ok();
    let enabled: Vec<_> = modems.iter().filter(|modem| modem.enabled).collect();
    if modems.is_empty() && appliance {
        // As it comes out of the box: nothing has failed.
        health.add(HealthLevel::Warning, NO_SIM_CARDS);
    } else if enabled.is_empty() {
        health.add(HealthLevel::Critical, "Pool: no modem is configured");
    } else if enabled.iter().all(|modem| modem.port.is_empty()) {
        health.add(HealthLevel::Critical, "Pool: no modem was found");
    }
    for modem in enabled {
        let reasons = modem.health.reasons.iter().map(|reason| format!("{}: {reason}", modem.slot)).collect();
        health.merge(Health { level: modem.health.level, reasons });
    }
    health
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotId;

    fn modem(name: &str, port: &str) -> ModemSnapshot {
        let mut modem = ModemSnapshot::absent(SlotId::new(name), true, "+491760000000");
        modem.port = port.to_owned();
        modem
    }

    #[test]
    fn modems_that_are_switched_on_count() {
        let mut off = modem("off", "");
        off.enabled = false;
        off.health = Health::of(HealthLevel::Critical, "never seen");
        let mut weak = modem("01", "/dev/ttyUSB1");
        weak.health = Health::of(HealthLevel::Warning, "Signal: weak");
        for (modems, level, message) in [
            (vec![], HealthLevel::Critical, "Pool: no modem is configured"),
            (vec![off.clone()], HealthLevel::Critical, "Pool: no modem is configured"),
            (vec![modem("00", "")], HealthLevel::Critical, "Pool: no modem was found"),
            (vec![modem("00", "/dev/ttyUSB0"), off], HealthLevel::Ok, ""),
            (vec![modem("00", ""), weak], HealthLevel::Warning, "01: Signal: weak"),
        ] {
            let health = judge(&modems, None, &StoreCondition::default(), &MachineCondition::default());
            assert_eq!((health.level, health.message().as_str()), (level, message));
        }
    }

    #[test]
    fn an_appliance_that_nobody_has_set_up_yet_has_not_failed() {
        let appliance = MachineCondition { appliance: true, ..MachineCondition::default() };
        let mut off = modem("off", "");
        off.enabled = false;
        for (modems, level, word) in [
            (vec![], HealthLevel::Warning, "see sim-cards.conf.suggested on SGCONFIG"),
            (vec![off], HealthLevel::Critical, "no modem is configured"),
            (vec![modem("00", "")], HealthLevel::Critical, "no modem was found"),
        ] {
            let health = judge(&modems, None, &StoreCondition::default(), &appliance);
            assert_eq!(health.level, level, "{word}");
            assert!(health.message().contains(word), "{word}: {}", health.message());
        }
    }

    #[test]
    fn mail_and_store_count_too() {
        let modems = [modem("00", "/dev/ttyUSB0")];
        let failed = Health::of(HealthLevel::Critical, "Mail: 535 no");
        let broken = StoreCondition { failure: Some("disk full".into()), ..StoreCondition::default() };
        let aside = StoreCondition { set_aside: vec!["/var/x.damaged-1".into()], failure: None };
        for (mail, store, level, word) in [
            (None, StoreCondition::default(), HealthLevel::Ok, ""),
            (Some(&Health::ok()), StoreCondition::default(), HealthLevel::Ok, ""),
            (Some(&failed), StoreCondition::default(), HealthLevel::Critical, "Mail: 535"),
            (None, broken, HealthLevel::Critical, "disk full"),
            (None, aside, HealthLevel::Critical, "/var/x.damaged-1"),
        ] {
            let health = judge(&modems, mail, &store, &MachineCondition::default());
            assert_eq!(health.level, level, "{word}");
            assert!(health.message().contains(word), "{word}: {}", health.message());
        }
    }
}
