//! Unsolicited result codes: what a modem says without being asked (TS 27.005 3.4.1, TS 27.007 7).
//!
//! Reads whole notices. Putting a notice of several lines together (a PDU in the next line, a USSD text with line
//! breaks) is [`claim`](super::claim)'s business.

use super::{
    command::Memory,
    fields::{after, number, split, unquote},
    response::{PinState, RegistrationState},
};

/// A notice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Urc {
    /// `+CDS`: a status report, handed over. Confirm with `+CNMA` where `+CSMS=1` holds.
    Cds {
        /// Length of the TPDU as announced.
        tpdu_octets: Option<usize>,
        /// Service centre address and TPDU in hex.
        pdu: String,
    },
    /// `+CDSI`: a status report was stored.
    Cdsi {
        /// The memory as named; some modems name the wrong one.
        memory: Option<Memory>,
        /// Where.
        index: u16,
    },
    /// `+CMT`: a message, handed over. Confirm with `+CNMA` where `+CSMS=1` holds.
    Cmt {
        /// Length of the TPDU as announced.
        tpdu_octets: Option<usize>,
        /// Service centre address and TPDU in hex.
        pdu: String,
    },
    /// `+CMTI`: a message was stored.
    Cmti {
        /// The memory as named; some modems name the wrong one.
        memory: Option<Memory>,
        /// Where.
        index: u16,
    },
    /// `+CUSD`: the network's answer, or the end of a session.
    Cusd(Cusd),
    /// Known and of no interest here: `^RSSI`, `^BOOT`, `+CBM`, ...
    Ignored(String),
    /// `+CPIN`: the SIM's state changed.
    Pin(PinState),
    /// `+CREG`, `+CGREG`, `+CEREG`: the registration changed.
    Registration(RegistrationState),
    /// The modem has started anew: all settings are gone.
    Restarted(String),
    /// `RING`, `+CRING`: somebody calls.
    Ring,
    /// `^SMMEMFULL`, `+SMS FULL` and their like: no room for messages.
    MemoryFull(String),
    /// Anything else.
    Unknown(String),
}

/// `+CUSD: <m>[,<str>,<dcs>]` (TS 27.007 7.15).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cusd {
    /// `<m>`, 0 to 5.
    pub status: u8,
    /// `<str>` in the octets the modem used: [`crate::ussd::decode`] reads them.
    pub text: Option<Vec<u8>>,
    /// `<dcs>`: the cell broadcast data coding scheme.
    pub dcs: Option<u8>,
}

/// Notices of no interest here.
const IGNORED: &[&str] = &[
    "^RSSI:",
    "^MODE:",
    "^SRVST:",
    "^BOOT:",
    "^DSFLOWRPT:",
    "^STIN:",
    "^HCSQ:",
    "^LWURC:",
    "^CSNR:",
    "^NWTIME:",
    "^CONN:",
    "^CEND:",
    "^ORIG:",
    "^CONF:",
    "^THERM:",
    "^ANLEVEL:",
    "^LTERSRP:",
    "^CERSSI:",
    "^SIMHOTPLUG",
    "^HRSSILVL",
    "+ZUSIMR:",
    "+ZDONR:",
    "+ZPASR:",
    "+ZPSTM:",
    "+ZEND",
    "+ZUSTAT",
    "+CTZV:",
    "+CTZE:",
    "+CTZDST:",
    "*PSUTTZ:",
    "DST:",
    "+CIEV:",
    "+QIND:",
    "+QUSIM:",
    "+QNTP",
    "+CGEV:",
    "+CLIP:",
    "+CCWA:",
    "+CSSI:",
    "+CSSU:",
    "+COLP:",
    "+CNAP:",
    "+UUSTS:",
    "*EMRDY",
    "+CREC:",
    "+STIN:",
    "VOICE CALL:",
    "MISSED_CALL:",
    "+CPSI:",
    "+CBM:",
    "PSUTTZ",
    "NITZ",
    "+CUSATS:",
    "+CUSATP",
    "+CUSATEND",
];

/// Notices of a modem that has just started.
const BOOTED: &[&str] =
    &["RDY", "^SYSSTART", "+QSYSSTART", "START", "STARTING", "NORMAL POWER DOWN", "POWERED DOWN", "APP RDY"];
/// What it says some seconds later, one after the other.
const PARTS_READY: &[&str] = &["SMS READY", "SMS DONE", "CALL READY", "PB DONE", "+PBREADY", "^SIMST:", "+SIM READY"];

/// Notices of a full memory.
const MEMORY_FULL: &[&str] = &["^SMMEMFULL", "+SMS FULL", "SMS FULL", "+SMSFULL", "+ZSMSFULL", "^SMGO:"];
/// Notices about indicators, of which `smsfull` is one (TS 27.007 8.9); some modems name it, in quotes or without.
const INDICATORS: &[&str] = &["+QIND:", "+CIEV:"];

impl Urc {
    /// Reads a notice of one line; `None` if the line is no known notice.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        if let Some(stored) = after(line, "+CMTI:") {
            return Some(
                stored_at(stored)
                    .map_or_else(|| Self::Unknown(line.to_owned()), |(memory, index)| Self::Cmti { memory, index }),
            );
        }
        if let Some(stored) = after(line, "+CDSI:") {
            return Some(
                stored_at(stored)
                    .map_or_else(|| Self::Unknown(line.to_owned()), |(memory, index)| Self::Cdsi { memory, index }),
            );
        }
        for prefix in ["+CREG:", "+CGREG:", "+CEREG:"] {
            if let Some(parameters) = after(line, prefix) {
                let state = number(&split(parameters), 0).map(RegistrationState::of);
                return Some(state.map_or_else(|| Self::Unknown(line.to_owned()), Self::Registration));
            }
        }
        if let Some(state) = after(line, "+CPIN:") {
            return Some(Self::Pin(PinState::parse(unquote(state))));
        }
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| after(line, prefix).is_some());
        if starts(MEMORY_FULL) || (starts(INDICATORS) && tells_of_full_memory(line)) {
            Some(Self::MemoryFull(line.to_owned()))
        } else if BOOTED.iter().chain(PARTS_READY).any(|word| is_restart(line, word)) {
            Some(Self::Restarted(line.to_owned()))
        } else if line == "RING" || starts(&["+CRING:"]) {
            Some(Self::Ring)
        } else if starts(IGNORED) {
            Some(Self::Ignored(line.to_owned()))
        } else {
            None
        }
    }

    /// The modem starts anew now: what it was told before is never answered.
    #[must_use]
    pub fn is_boot(&self) -> bool {
        matches!(self, Self::Restarted(line) if BOOTED.iter().any(|word| is_restart(line, word)))
    }
}

/// A word that ends in `:` takes parameters, any other stands alone.
fn is_restart(line: &str, word: &str) -> bool {
    if word.ends_with(':') { after(line, word).is_some() } else { line.eq_ignore_ascii_case(word) }
}

/// The indicator named `smsfull`, unless its value is 0: room again.
fn tells_of_full_memory(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.contains("smsfull") && !line.trim_end().ends_with(",0")
}

fn stored_at(parameters: &str) -> Option<(Option<Memory>, u16)> {
    let fields = split(parameters);
    Some((Memory::parse(fields.first()?), number(&fields, 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_one_line() {
        for (line, urc) in [
            ("+CMTI: \"SM\",3", Some(Urc::Cmti { memory: Some(Memory::Sm), index: 3 })),
            ("+CMTI: \"XX\",3", Some(Urc::Cmti { memory: None, index: 3 })),
            ("+CDSI: \"SR\", 0", Some(Urc::Cdsi { memory: Some(Memory::Sr), index: 0 })),
            ("+CREG: 5,\"00C3\",\"1A\",7", Some(Urc::Registration(RegistrationState::Roaming))),
            ("+CPIN: READY", Some(Urc::Pin(PinState::Ready))),
            ("RDY", Some(Urc::Restarted("RDY".to_owned()))),
            ("SMS Ready", Some(Urc::Restarted("SMS Ready".to_owned()))),
            ("^SIMST:1", Some(Urc::Restarted("^SIMST:1".to_owned()))),
            ("^SYSSTART", Some(Urc::Restarted("^SYSSTART".to_owned()))),
            ("RING", Some(Urc::Ring)),
            ("+CRING: VOICE", Some(Urc::Ring)),
            ("^RSSI:19", Some(Urc::Ignored("^RSSI:19".to_owned()))),
            ("^SMMEMFULL:\"SM\"", Some(Urc::MemoryFull("^SMMEMFULL:\"SM\"".to_owned()))),
            ("+QIND: \"smsfull\",\"ME\"", Some(Urc::MemoryFull("+QIND: \"smsfull\",\"ME\"".to_owned()))),
            ("+CIEV: SMSFULL,1", Some(Urc::MemoryFull("+CIEV: SMSFULL,1".to_owned()))),
            ("+CIEV: \"smsfull\",0", Some(Urc::Ignored("+CIEV: \"smsfull\",0".to_owned()))),
            ("+CIEV: 5,1", Some(Urc::Ignored("+CIEV: 5,1".to_owned()))),
            ("^SMGO: 2", Some(Urc::MemoryFull("^SMGO: 2".to_owned()))),
            ("+CMTI: nonsense", Some(Urc::Unknown("+CMTI: nonsense".to_owned()))),
            ("SIMCOM_SIM7600E", None),
            ("861536030196001", None),
        ] {
            assert_eq!(Urc::parse(line), urc, "{line}");
        }
    }

    /// Of the notices of a start only the first say that all commands before them are forgotten.
    #[test]
    fn a_start_has_one_beginning() {
        for (line, boot) in
            [("RDY", true), ("^SYSSTART", true), ("SMS Ready", false), ("^SIMST:1", false), ("RING", false)]
        {
            assert_eq!(Urc::parse(line).map(|urc| urc.is_boot()), Some(boot), "{line}");
        }
    }
}
