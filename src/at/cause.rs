//! Causes of failure: `+CME ERROR` (TS 27.007 9.2) and `+CMS ERROR` (TS 27.005 3.2.5), number to words to class.
//!
//! Values 1 to 127 of `+CMS ERROR` are RP causes (TS 24.011 annex E), 128 to 255 are TP-FCS (TS 23.040 9.2.3.22). The
//! class is about another try of the same request: congestion passes, an unassigned number stays unassigned, a missing
//! PIN needs a person.

use std::fmt;

use crate::model::{
    Classified,
    ErrorClass::{self, Misconfigured, Permanent, Transient},
};

/// A `+CME ERROR`: the modem's or SIM's own trouble.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CmeError {
    /// A number, or words that stand for one.
    Code(u16),
    /// Words in no table, as the modem wrote them (at most 100 characters).
    Verbose(String),
}

/// A `+CMS ERROR`: trouble with a message, the modem's or the network's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CmsError {
    /// A number, or words that stand for one.
    Code(u16),
    /// Words in no table, as the modem wrote them (at most 100 characters).
    Verbose(String),
}

impl CmeError {
    /// SIM busy (14): try the same again in a moment.
    pub const SIM_BUSY: Self = Self::Code(14);
    /// No SIM (10).
    pub const SIM_NOT_INSERTED: Self = Self::Code(10);

    /// Reads what follows `+CME ERROR:`.
    #[must_use]
    pub fn parse(cause: &str) -> Self {
        match lookup(CME, cause) {
            Ok(code) => Self::Code(code),
            Err(words) => Self::Verbose(words),
        }
    }

    /// The SIM or the modem is still starting: 14 (SIM busy) and 515 (initialisation in progress).
    #[must_use]
    pub const fn is_starting(&self) -> bool {
        matches!(self, Self::Code(14 | 515))
    }
}

impl CmsError {
    /// Reads what follows `+CMS ERROR:`.
    #[must_use]
    pub fn parse(cause: &str) -> Self {
        match lookup(CMS, cause) {
            Ok(code) => Self::Code(code),
            Err(words) => Self::Verbose(words),
        }
    }

    /// The SIM is still starting: 314 (SIM busy).
    #[must_use]
    pub const fn is_starting(&self) -> bool {
        matches!(self, Self::Code(314))
    }
}

impl Classified for CmeError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Code(code) => entry(CME, *code).map_or(Transient, |(class, _)| class),
            Self::Verbose(_) => Transient,
        }
    }
}

impl Classified for CmsError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Code(code) => entry(CMS, *code).map_or(Transient, |(class, _)| class),
            Self::Verbose(_) => Transient,
        }
    }
}

impl fmt::Display for CmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "+CME ERROR {code} ({})", entry(CME, *code).map_or("no such cause", |e| e.1)),
            Self::Verbose(words) => write!(f, "+CME ERROR ({words})"),
        }
    }
}

impl fmt::Display for CmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "+CMS ERROR {code} ({})", entry(CMS, *code).map_or("no such cause", |e| e.1)),
            Self::Verbose(words) => write!(f, "+CMS ERROR ({words})"),
        }
    }
}

fn entry(table: &[(u16, ErrorClass, &'static str)], code: u16) -> Option<(ErrorClass, &'static str)> {
    table.iter().find(|row| row.0 == code).map(|row| (row.1, row.2))
}

/// The number, or the number of the words, or the words cut to a bearable length.
fn lookup(table: &[(u16, ErrorClass, &str)], cause: &str) -> Result<u16, String> {
    if let Ok(code) = cause.trim().parse() {
        return Ok(code);
    }
    let wanted = letters(cause);
    match table.iter().find(|row| letters(row.2) == wanted) {
        Some(row) => Ok(row.0),
        None => Err(crate::model::printable(cause.trim()).chars().take(100).collect()),
    }
}

/// Modems write `SIM busy`, `(U)SIM busy`, `SIM_BUSY`: only letters and digits count, and a `(U)` does not.
fn letters(words: &str) -> String {
    words.to_ascii_lowercase().replace("(u)", "").chars().filter(char::is_ascii_alphanumeric).collect()
}

/// TS 27.007 9.2.1 to 9.2.3.
const CME: &[(u16, ErrorClass, &str)] = &[
    (0, Transient, "phone failure"),
    (1, Transient, "no connection to phone"),
    (2, Transient, "phone adaptor link reserved"),
    (3, Permanent, "operation not allowed"),
    (4, Permanent, "operation not supported"),
    (5, Misconfigured, "PH-SIM PIN required"),
    (6, Misconfigured, "PH-FSIM PIN required"),
    (7, Misconfigured, "PH-FSIM PUK required"),
    (10, Misconfigured, "SIM not inserted"),
    (11, Misconfigured, "SIM PIN required"),
    (12, Misconfigured, "SIM PUK required"),
    (13, Misconfigured, "SIM failure"),
    (14, Transient, "SIM busy"),
    (15, Misconfigured, "SIM wrong"),
    (16, Misconfigured, "incorrect password"),
    (17, Misconfigured, "SIM PIN2 required"),
    (18, Misconfigured, "SIM PUK2 required"),
    (20, Transient, "memory full"),
    (21, Permanent, "invalid index"),
    (22, Permanent, "not found"),
    (23, Transient, "memory failure"),
    (24, Permanent, "text string too long"),
    (25, Permanent, "invalid characters in text string"),
    (26, Permanent, "dial string too long"),
    (27, Permanent, "invalid characters in dial string"),
    (30, Transient, "no network service"),
    (31, Transient, "network timeout"),
    (32, Misconfigured, "network not allowed - emergency calls only"),
    (40, Misconfigured, "network personalization PIN required"),
    (41, Misconfigured, "network personalization PUK required"),
    (42, Misconfigured, "network subset personalization PIN required"),
    (43, Misconfigured, "network subset personalization PUK required"),
    (44, Misconfigured, "service provider personalization PIN required"),
    (45, Misconfigured, "service provider personalization PUK required"),
    (46, Misconfigured, "corporate personalization PIN required"),
    (47, Misconfigured, "corporate personalization PUK required"),
    (48, Misconfigured, "hidden key required"),
    (49, Permanent, "EAP method not supported"),
    (50, Permanent, "incorrect parameters"),
    (51, Transient, "command implemented but currently disabled"),
    (52, Permanent, "command aborted by user"),
    (53, Transient, "not attached to network due to MT functionality restrictions"),
    (54, Transient, "modem not allowed - MT restricted to emergency calls only"),
    (55, Permanent, "operation not allowed because of MT functionality restrictions"),
    (56, Permanent, "fixed dial number only allowed - called number is not a fixed dial number"),
    (57, Transient, "temporarily out of service due to other MT usage"),
    (58, Permanent, "language/alphabet not supported"),
    (59, Permanent, "unexpected data value"),
    (60, Transient, "system failure"),
    (61, Transient, "data missing"),
    (62, Permanent, "call barred"),
    (63, Transient, "message waiting indication subscription failure"),
    (100, Transient, "unknown"),
    (103, Misconfigured, "illegal MS"),
    (106, Misconfigured, "illegal ME"),
    (107, Misconfigured, "GPRS services not allowed"),
    (111, Misconfigured, "PLMN not allowed"),
    (112, Misconfigured, "location area not allowed"),
    (113, Misconfigured, "roaming not allowed in this location area"),
    (126, Permanent, "operation temporary not allowed"),
    (132, Permanent, "service option not supported"),
    (133, Permanent, "requested service option not subscribed"),
    (134, Transient, "service option temporarily out of order"),
    (148, Transient, "unspecified GPRS error"),
    (149, Misconfigured, "PDP authentication failure"),
    (150, Permanent, "invalid mobile class"),
    (515, Transient, "initialisation in progress"),
];

/// TS 27.005 3.2.5, TS 24.011 annex E, TS 23.040 9.2.3.22.
const CMS: &[(u16, ErrorClass, &str)] = &[
    (1, Permanent, "unassigned (unallocated) number"),
    (8, Permanent, "operator determined barring"),
    (10, Permanent, "call barred"),
    (17, Transient, "network failure"),
    (21, Permanent, "short message transfer rejected"),
    (22, Transient, "congestion"),
    (27, Permanent, "destination out of service"),
    (28, Permanent, "unidentified subscriber"),
    (29, Permanent, "facility rejected"),
    (30, Permanent, "unknown subscriber"),
    (38, Transient, "network out of order"),
    (41, Transient, "temporary failure"),
    (42, Transient, "congestion"),
    (47, Transient, "resources unavailable, unspecified"),
    (50, Permanent, "requested facility not subscribed"),
    (69, Permanent, "requested facility not implemented"),
    (81, Permanent, "invalid short message transfer reference value"),
    (95, Permanent, "invalid message, unspecified"),
    (96, Permanent, "invalid mandatory information"),
    (97, Permanent, "message type non-existent or not implemented"),
    (98, Permanent, "message not compatible with short message protocol state"),
    (99, Permanent, "information element non-existent or not implemented"),
    (111, Transient, "protocol error, unspecified"),
    (127, Transient, "interworking, unspecified"),
    (128, Permanent, "telematic interworking not supported"),
    (129, Permanent, "short message type 0 not supported"),
    (130, Permanent, "cannot replace short message"),
    (143, Permanent, "unspecified TP-PID error"),
    (144, Permanent, "data coding scheme (alphabet) not supported"),
    (145, Permanent, "message class not supported"),
    (159, Permanent, "unspecified TP-DCS error"),
    (160, Transient, "command cannot be actioned"),
    (161, Permanent, "command unsupported"),
    (175, Transient, "unspecified TP-Command error"),
    (176, Permanent, "TPDU not supported"),
    (192, Transient, "SC busy"),
    (193, Misconfigured, "no SC subscription"),
    (194, Transient, "SC system failure"),
    (195, Permanent, "invalid SME address"),
    (196, Permanent, "destination SME barred"),
    (197, Permanent, "SM rejected - duplicate SM"),
    (198, Permanent, "TP-VPF not supported"),
    (199, Permanent, "TP-VP not supported"),
    (208, Transient, "(U)SIM SMS storage full"),
    (209, Permanent, "no SMS storage capability in (U)SIM"),
    (210, Transient, "error in MS"),
    (211, Transient, "memory capacity exceeded"),
    (212, Transient, "(U)SIM application toolkit busy"),
    (213, Transient, "(U)SIM data download error"),
    (255, Transient, "unspecified error cause"),
    (300, Transient, "ME failure"),
    (301, Transient, "SMS service of ME reserved"),
    (302, Permanent, "operation not allowed"),
    (303, Permanent, "operation not supported"),
    (304, Permanent, "invalid PDU mode parameter"),
    (305, Permanent, "invalid text mode parameter"),
    (310, Misconfigured, "(U)SIM not inserted"),
    (311, Misconfigured, "(U)SIM PIN required"),
    (312, Misconfigured, "PH-(U)SIM PIN required"),
    (313, Misconfigured, "(U)SIM failure"),
    (314, Transient, "(U)SIM busy"),
    (315, Misconfigured, "(U)SIM wrong"),
    (316, Misconfigured, "(U)SIM PUK required"),
    (317, Misconfigured, "(U)SIM PIN2 required"),
    (318, Misconfigured, "(U)SIM PUK2 required"),
    (320, Transient, "memory failure"),
    (321, Permanent, "invalid memory index"),
    (322, Transient, "memory full"),
    (330, Misconfigured, "SMSC address unknown"),
    (331, Transient, "no network service"),
    (332, Transient, "network timeout"),
    (340, Permanent, "no +CNMA acknowledgement expected"),
    (500, Transient, "unknown error"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_mean_the_same() {
        for (cause, code) in [("14", 14), ("SIM busy", 14), ("sim_busy", 14), ("SIM PIN required", 11), ("999", 999)] {
            assert_eq!(CmeError::parse(cause), CmeError::Code(code), "{cause}");
        }
        for (cause, code) in [(" 38", 38), ("SIM not inserted", 310), ("unknown error", 500), ("Memory Full", 322)] {
            assert_eq!(CmsError::parse(cause), CmsError::Code(code), "{cause}");
        }
        assert_eq!(CmeError::parse("no luck\x1b"), CmeError::Verbose("no luck\u{fffd}".to_owned()));
    }

    #[test]
    fn classes_of_the_causes_people_meet() {
        for (code, class) in [
            (1, Permanent),
            (8, Permanent),
            (10, Permanent),
            (21, Permanent),
            (28, Permanent),
            (38, Transient),
            (41, Transient),
            (42, Transient),
            (47, Transient),
            (50, Permanent),
            (69, Permanent),
            (304, Permanent),
            (310, Misconfigured),
            (311, Misconfigured),
            (314, Transient),
            (322, Transient),
            (330, Misconfigured),
            (331, Transient),
            (332, Transient),
            (500, Transient),
            (777, Transient),
        ] {
            assert_eq!(CmsError::Code(code).class(), class, "{code}");
        }
        assert_eq!(CmeError::Code(10).class(), Misconfigured);
        assert_eq!(CmeError::Code(515).class(), Transient);
    }

    #[test]
    fn what_passes_while_a_modem_starts() {
        for (code, starting) in [(10, false), (14, true), (314, false), (515, true)] {
            assert_eq!(CmeError::Code(code).is_starting(), starting, "{code}");
        }
        for (code, starting) in [(14, false), (310, false), (314, true), (515, false)] {
            assert_eq!(CmsError::Code(code).is_starting(), starting, "{code}");
        }
        assert!(!CmeError::Verbose("SIM busy?".to_owned()).is_starting());
    }

    #[test]
    fn tables_are_sorted_and_without_repeats() {
        for table in [CME, CMS] {
            assert!(table.iter().zip(table.iter().skip(1)).all(|(a, b)| a.0 < b.0));
        }
    }

    #[test]
    fn words_for_the_log() {
        assert_eq!(CmsError::Code(38).to_string(), "+CMS ERROR 38 (network out of order)");
        assert_eq!(CmeError::Code(600).to_string(), "+CME ERROR 600 (no such cause)");
    }
}
