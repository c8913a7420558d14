//! The health of one modem, judged from what was last seen of it. Pure: it looks at values, never at a modem.

use crate::{
    at::{MemoryUse, RegistrationState},
    balance::Account,
    model::{Health, HealthLevel},
};

/// What was seen of an initialised modem.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// CSQ 0..=31, 99 = unknown.
    pub signal: u8,
    /// Registration.
    pub registration: RegistrationState,
    /// Subscription identity, empty if unreadable.
    pub imsi: String,
    /// Service centre, empty if none is set.
    pub smsc: String,
    /// The memories after the last sweep.
    pub storage: Vec<MemoryUse>,
    /// The store could not take something the SIM holds.
    pub intake_blocked: bool,
    /// What is wrong with the self-test SMS, if anything ([`verdict`](crate::self_test::verdict)).
    pub self_test: Option<String>,
    /// The SIM's account, where its balance is asked for.
    pub account: Option<Account>,
    /// What is to be said of a card that is not the known one.
    pub sim_swap: Option<String>,
}

/// Judges an observation: each finding names its check.
#[must_use]
pub fn judge(seen: &Observation) -> Health {
    let mut health = Health::ok();
    if seen.imsi.is_empty() {
        health.add(HealthLevel::Critical, "SIM: no IMSI could be read");
    }
    if let Some(notice) = &seen.sim_swap {
        health.add(HealthLevel::Warning, notice.as_str());
    }
    if seen.smsc.is_empty() {
        health.add(HealthLevel::Critical, "SMSC: no service centre number is set on the SIM");
    }
    match seen.signal {
        0 | 1 => health.add(HealthLevel::Critical, format!("Signal: none (CSQ {})", seen.signal)),
        2..=5 => health.add(HealthLevel::Warning, format!("Signal: weak (CSQ {})", seen.signal)),
        6..=31 => {}
        _ => health.add(HealthLevel::Warning, "Signal: unknown"),
    }
    match seen.registration {
        RegistrationState::Home => {}
        RegistrationState::Roaming => health.add(HealthLevel::Warning, "Network: roaming"),
        RegistrationState::Searching => health.add(HealthLevel::Critical, "Network: not registered, searching"),
        RegistrationState::Denied => health.add(HealthLevel::Critical, "Network: registration denied"),
        RegistrationState::Off | RegistrationState::Unknown => {
            health.add(HealthLevel::Critical, "Network: not registered");
        }
    }
    for storage in &seen.storage {
        if let Some(level) = fullness(storage) {
            let MemoryUse { name, used, total } = storage;
            health.add(level, format!("Storage: {used} of {total} places in {name} are taken"));
        }
    }
    if seen.intake_blocked {
        health.add(HealthLevel::Critical, "Store: received SMS cannot be saved and stay on the SIM");
    }
    if let Some(finding) = &seen.self_test {
        health.add(HealthLevel::Warning, finding.as_str());
    }
    for (level, finding) in seen.account.iter().flat_map(Account::findings) {
        health.add(level, finding);
    }
    health
}

/// The memory with the least room left, by its share of taken places.
#[must_use]
pub fn fullest(memories: &[MemoryUse]) -> Option<&MemoryUse> {
    let share = |memory: &MemoryUse| u32::from(memory.used) * 10_000 / u32::from(memory.total.max(1));
    memories.iter().max_by_key(|memory| share(memory))
}

/// Over half is a warning, over four fifths critical.
fn fullness(storage: &MemoryUse) -> Option<HealthLevel> {
    let (used, total) = (u32::from(storage.used) * 100, u32::from(storage.total.max(1)));
    if used > total * 80 {
        Some(HealthLevel::Critical)
    } else if used > total * 50 {
        Some(HealthLevel::Warning)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::Reading;

    fn well() -> Observation {
        Observation {
            signal: 20,
            registration: RegistrationState::Home,
            imsi: "262011234567890".into(),
            smsc: "+491710760000".into(),
            storage: vec![MemoryUse { name: "SM".into(), used: 10, total: 20 }],
            intake_blocked: false,
            self_test: None,
            account: None,
            sim_swap: None,
        }
    }

    #[test]
    fn each_check_names_itself() {
        type Change = fn(&mut Observation);
        let cases: [(&str, Change, HealthLevel, &str); 20] = [
            ("all well", |_| {}, HealthLevel::Ok, ""),
            ("no signal", |o| o.signal = 1, HealthLevel::Critical, "Signal"),
            ("weak signal", |o| o.signal = 5, HealthLevel::Warning, "Signal"),
            ("fair signal", |o| o.signal = 6, HealthLevel::Ok, ""),
            ("unknown signal", |o| o.signal = 99, HealthLevel::Warning, "Signal"),
            ("no IMSI", |o| o.imsi.clear(), HealthLevel::Critical, "SIM"),
            ("no SMSC", |o| o.smsc.clear(), HealthLevel::Critical, "SMSC"),
            ("swapped", |o| o.sim_swap = Some("SIM: another".into()), HealthLevel::Warning, "SIM: another"),
            ("roaming", |o| o.registration = RegistrationState::Roaming, HealthLevel::Warning, "Network"),
            ("denied", |o| o.registration = RegistrationState::Denied, HealthLevel::Critical, "Network"),
            ("searching", |o| o.registration = RegistrationState::Searching, HealthLevel::Critical, "Network"),
            ("radio off", |o| o.registration = RegistrationState::Off, HealthLevel::Critical, "Network"),
            ("CSQ 2", |o| o.signal = 2, HealthLevel::Warning, "Signal"),
            ("half full", |o| o.storage[0].used = 10, HealthLevel::Ok, ""),
            (
                "a little over four fifths",
                |o| o.storage = vec![MemoryUse { name: "SM".into(), used: 161, total: 200 }],
                HealthLevel::Critical,
                "Storage",
            ),
            ("over half full", |o| o.storage[0].used = 11, HealthLevel::Warning, "Storage"),
            ("nearly full", |o| o.storage[0].used = 17, HealthLevel::Critical, "Storage"),
            ("self-test", |o| o.self_test = Some("Self-test: lost".into()), HealthLevel::Warning, "Self-test"),
            (
                "low balance",
                |o| {
                    let reading = Some(Reading { micros: 1, ..Reading::default() });
                    o.account = Some(Account { reading, critical_micros: 2, ..Account::default() });
                },
                HealthLevel::Critical,
                "Balance",
            ),
            ("store blocked", |o| o.intake_blocked = true, HealthLevel::Critical, "Store"),
        ];
        for (name, change, level, word) in cases {
            let mut seen = well();
            change(&mut seen);
            let health = judge(&seen);
            assert_eq!(health.level, level, "{name}");
            assert!(health.message().starts_with(word), "{name}: {}", health.message());
        }
    }

    #[test]
    fn a_memory_without_places_is_not_full() {
        let mut seen = well();
        seen.storage = vec![MemoryUse { name: "ME".into(), used: 0, total: 0 }];
        assert_eq!(judge(&seen).level, HealthLevel::Ok);
    }
}
