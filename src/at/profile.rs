//! What differs between modem families, as data.
//!
//! Chosen from what the modem says of itself (`+CGMI`, `+CGMM`). A profile only says what to try first: bring-up notes
//! what a modem refuses and goes on.

use std::time::Duration;

use super::command::{Command, Indication, Memory};

/// Modem families with known habits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// Nothing known.
    Generic,
    /// Huawei sticks.
    Huawei,
    /// Quectel LTE modules: EC2x, EG2x, EG9x, BG9x.
    QuectelLte,
    /// Quectel 2G modules: M35, M95.
    Quectel2g,
    /// SIMCom: SIM7600E, SIM7000, SIM800.
    Simcom,
    /// ZTE sticks: MF190.
    Zte,
}

/// How a USSD code is written between the quotes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UssdStyle {
    /// As the character set of `+CSCS` says: plain, or UCS2 in hex.
    Charset,
    /// Septets packed, in hex, whatever `+CSCS` says (older Huawei and ZTE without `^USSDMODE=0`).
    Packed,
}

/// How to ask for the tries left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PinCounterQuery {
    /// `+CPINR`.
    Standard,
    /// `^CPIN?`.
    Huawei,
    /// `+QPINC`.
    Quectel,
    /// `+QTRPIN`.
    Quectel2g,
    /// `+SPIC`.
    Simcom,
    /// `+ZPINPUK?`.
    Zte,
}

impl PinCounterQuery {
    /// The command.
    #[must_use]
    pub const fn command(self) -> Command {
        match self {
            Self::Standard => Command::pin_retries(),
            Self::Huawei => Command::pin_retries_huawei(),
            Self::Quectel => Command::pin_retries_quectel(),
            Self::Quectel2g => Command::pin_retries_quectel_2g(),
            Self::Simcom => Command::pin_retries_simcom(),
            Self::Zte => Command::pin_retries_zte(),
        }
    }
}

/// The habits of a family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// Which family.
    pub family: Family,
    /// Initialisation lines of its own; each may fail.
    pub extra: &'static [&'static str],
    /// Settings of `+CNMI` to try, in order.
    pub indications: &'static [Indication],
    /// Memories to read from, in order: each is swept. The first is also the one to receive into.
    pub memories: &'static [Memory],
    /// How to ask for the tries left, in order.
    pub pin_counters: &'static [PinCounterQuery],
    /// How USSD codes are written.
    pub ussd: UssdStyle,
    /// How long the network may take to take a message.
    pub submit_deadline: Duration,
}

const fn indication(mode: u8, ds: u8, bfr: Option<u8>) -> Indication {
    Indication { mode, mt: 1, bm: 0, ds, bfr }
}

/// Reports by +CDS first: then they need no memory and no polling. Some modems want four parameters, some allow only
/// mode 1, some only stored reports, some none at all.
const INDICATIONS: &[Indication] = &[
    indication(2, 1, Some(0)),
    indication(2, 1, None),
    indication(2, 2, Some(0)),
    indication(1, 1, Some(0)),
    indication(1, 2, Some(0)),
    indication(2, 0, Some(0)),
    indication(1, 0, None),
];

/// Huawei refuses `ds` = 1 with mode 2 on some firmware but takes mode 1; `bfr` must be 0.
const INDICATIONS_MODE_1: &[Indication] = &[
    indication(2, 1, Some(0)),
    indication(1, 1, Some(0)),
    indication(1, 2, Some(0)),
    indication(2, 2, Some(0)),
    indication(1, 0, Some(0)),
    indication(1, 0, None),
];

const GENERIC: Profile = Profile {
    family: Family::Generic,
    extra: &[],
    indications: INDICATIONS,
    memories: &[Memory::Sm, Memory::Me],
    pin_counters: &[PinCounterQuery::Standard],
    ussd: UssdStyle::Charset,
    submit_deadline: Duration::from_secs(75),
};

impl Profile {
    /// The profile of a family.
    #[must_use]
    pub const fn of(family: Family) -> Self {
        match family {
            Family::Generic => GENERIC,
            Family::Huawei => Self {
                family,
                // No periodic ^RSSI and ^DSFLOWRPT; USSD as text instead of packed septets.
                extra: &["AT^CURC=0", "AT^USSDMODE=0"],
                indications: INDICATIONS_MODE_1,
                pin_counters: &[PinCounterQuery::Huawei, PinCounterQuery::Standard],
                ..GENERIC
            },
            Family::QuectelLte => Self {
                family,
                memories: &[Memory::Me, Memory::Sm],
                pin_counters: &[PinCounterQuery::Quectel, PinCounterQuery::Standard],
                submit_deadline: Duration::from_secs(130),
                ..GENERIC
            },
            Family::Quectel2g => Self {
                family,
                pin_counters: &[PinCounterQuery::Quectel2g, PinCounterQuery::Standard],
                submit_deadline: Duration::from_secs(130),
                ..GENERIC
            },
            Family::Simcom => Self {
                family,
                memories: &[Memory::Me, Memory::Sm],
                pin_counters: &[PinCounterQuery::Simcom, PinCounterQuery::Standard],
                submit_deadline: Duration::from_secs(90),
                ..GENERIC
            },
            Family::Zte => Self {
                family,
                indications: INDICATIONS_MODE_1,
                pin_counters: &[PinCounterQuery::Zte, PinCounterQuery::Standard],
                ..GENERIC
            },
        }
    }

    /// The profile of a modem by what `+CGMI` and `+CGMM` say.
    #[must_use]
    pub fn detect(manufacturer: &str, model: &str) -> Self {
        let manufacturer = manufacturer.to_ascii_lowercase();
        let model = model.to_ascii_lowercase();
        let family = if manufacturer.contains("quectel") {
            let second_generation = ["m35", "m95", "m10", "m66", "mc60", "m26", "quectel_m"];
            if second_generation.iter().any(|name| model.contains(name)) {
                Family::Quectel2g
            } else {
                Family::QuectelLte
            }
        } else if manufacturer.contains("simcom") || model.contains("sim7") || model.contains("simcom") {
            Family::Simcom
        } else if manufacturer.contains("zte") || model.contains("mf190") {
            Family::Zte
        } else if manufacturer.contains("huawei") {
            Family::Huawei
        } else {
            Family::Generic
        };
        Self::of(family)
    }

    /// Commands for the ICCID, in order.
    #[must_use]
    pub fn iccid_commands(&self) -> Vec<Command> {
        match self.family {
            Family::Generic => vec![Command::iccid()],
            Family::Huawei => vec![Command::iccid_huawei(), Command::iccid()],
            Family::QuectelLte | Family::Quectel2g => vec![Command::iccid_quectel(), Command::iccid()],
            Family::Simcom => vec![Command::iccid_simcom(), Command::iccid()],
            Family::Zte => vec![Command::iccid_zte(), Command::iccid()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_by_their_names() {
        for (manufacturer, model, family) in [
            ("SIMCOM INCORPORATED", "SIMCOM_SIM7600E", Family::Simcom),
            ("Quectel", "EC25", Family::QuectelLte),
            ("Quectel_Ltd", "Quectel_M35", Family::Quectel2g),
            ("ZTE INCORPORATED", "MF190", Family::Zte),
            ("ZTE CORPORATION", "MF190", Family::Zte),
            ("huawei", "E173", Family::Huawei),
            ("Acme", "Modem 3000", Family::Generic),
        ] {
            assert_eq!(Profile::detect(manufacturer, model).family, family, "{manufacturer} {model}");
        }
    }

    #[test]
    fn every_family_stores_messages_and_sweeps_both_memories() {
        for family in
            [Family::Generic, Family::Huawei, Family::QuectelLte, Family::Quectel2g, Family::Simcom, Family::Zte]
        {
            let profile = Profile::of(family);
            assert!(profile.indications.iter().all(|indication| indication.mt == 1 && indication.bm == 0));
            assert!(profile.memories.contains(&Memory::Sm) && profile.memories.contains(&Memory::Me));
            assert!(!profile.iccid_commands().is_empty() && !profile.pin_counters.is_empty());
        }
    }

    /// Modems that hide behind another name, and modules whose family their maker's name does not tell.
    #[test]
    fn a_model_may_tell_what_its_maker_does_not() {
        for (manufacturer, model, family) in [
            ("SIMCOM_Ltd", "7600", Family::Simcom),
            ("Acme", "SIM7600E", Family::Simcom),
            ("Acme", "SIMCOM_7600", Family::Simcom),
            ("Acme", "MF190", Family::Zte),
            ("ZTE", "MF667", Family::Zte),
            ("Quectel", "M95", Family::Quectel2g),
            ("", "", Family::Generic),
        ] {
            assert_eq!(Profile::detect(manufacturer, model).family, family, "{manufacturer} {model}");
        }
    }

    #[test]
    fn habits_of_each_family() {
        use Memory::{Me, Sm};
        let lines = |profile: &Profile| -> Vec<String> {
            profile.pin_counters.iter().map(|query| query.command().text().to_owned()).collect()
        };
        for (family, extra, first_memory, counters, seconds, second_indication) in [
            (Family::Generic, 0, Sm, vec!["AT+CPINR"], 75, indication(2, 1, None)),
            (Family::Huawei, 2, Sm, vec!["AT^CPIN?", "AT+CPINR"], 75, indication(1, 1, Some(0))),
            (Family::QuectelLte, 0, Me, vec!["AT+QPINC=\"SC\"", "AT+CPINR"], 130, indication(2, 1, None)),
            (Family::Quectel2g, 0, Sm, vec!["AT+QTRPIN", "AT+CPINR"], 130, indication(2, 1, None)),
            (Family::Simcom, 0, Me, vec!["AT+SPIC", "AT+CPINR"], 90, indication(2, 1, None)),
            (Family::Zte, 0, Sm, vec!["AT+ZPINPUK?", "AT+CPINR"], 75, indication(1, 1, Some(0))),
        ] {
            let profile = Profile::of(family);
            assert_eq!(profile.extra.len(), extra, "{family:?}");
            assert_eq!(profile.memories.first(), Some(&first_memory), "{family:?}");
            assert_eq!(lines(&profile), counters, "{family:?}");
            assert_eq!(profile.submit_deadline.as_secs(), seconds, "{family:?}");
            assert_eq!(profile.indications.get(1), Some(&second_indication), "{family:?}");
        }
    }
}
