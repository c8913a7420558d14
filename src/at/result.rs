//! Final results: how an answer ends (V.250 5.7.1, TS 27.007 9.2, TS 27.005 3.2.5).

use super::{
    cause::{CmeError, CmsError},
    fields::after,
};
use crate::model::{Classified, ErrorClass};

/// A line that ends an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FinalResult {
    /// `OK`.
    Ok,
    /// `ERROR`.
    Error,
    /// `NO CARRIER`, `NO DIALTONE`, `BUSY`, `NO ANSWER`: only dialling should end so.
    NoCarrier,
    /// `+CME ERROR: n`.
    Cme(CmeError),
    /// `+CMS ERROR: n`.
    Cms(CmsError),
    /// `COMMAND NOT SUPPORT` of Huawei and ZTE.
    NotSupported,
    /// `TOO MANY PARAMETERS` of Huawei.
    TooManyParameters,
}

impl FinalResult {
    /// Reads a line; `None` if it ends nothing.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        match line {
            "OK" => Some(Self::Ok),
            "ERROR" => Some(Self::Error),
            "NO CARRIER" | "NO DIALTONE" | "NO DIAL TONE" | "BUSY" | "NO ANSWER" => Some(Self::NoCarrier),
            "COMMAND NOT SUPPORT" | "COMMAND NOT SUPPORTED" => Some(Self::NotSupported),
            "TOO MANY PARAMETERS" => Some(Self::TooManyParameters),
            line => after(line, "+CME ERROR:")
                .map(|cause| Self::Cme(CmeError::parse(cause)))
                .or_else(|| after(line, "+CMS ERROR:").map(|cause| Self::Cms(CmsError::parse(cause)))),
        }
    }
}

/// Why a command gave no answer to use.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// The port was closed while the command ran.
    #[error("the port was closed")]
    Closed {
        /// The PDU had been handed over: it may have left.
        after_payload: bool,
    },
    /// `+CME ERROR`.
    #[error("{0}")]
    Cme(CmeError),
    /// `+CMS ERROR`.
    #[error("{0}")]
    Cms(CmsError),
    /// `ERROR` without a cause.
    #[error("ERROR without a cause")]
    Error,
    /// `NO CARRIER` and its like.
    #[error("NO CARRIER")]
    NoCarrier,
    /// `OK` came where the prompt for the PDU was due: the modem took the command for something else.
    #[error("no prompt")]
    NoPrompt,
    /// The modem does not know the command.
    #[error("command not supported")]
    NotSupported,
    /// No final result in time.
    #[error("no answer in time")]
    TimedOut {
        /// The PDU had been handed over: it may have left.
        after_payload: bool,
    },
    /// The modem does not know a parameter.
    #[error("too many parameters")]
    TooManyParameters,
}

impl CommandError {
    /// The PDU had been handed over and nothing is known since: it may have left. Otherwise it has not.
    #[must_use]
    pub const fn after_payload(&self) -> bool {
        matches!(self, Self::TimedOut { after_payload: true } | Self::Closed { after_payload: true })
    }

    /// The modem or its SIM is still starting: the same command may work in a moment.
    #[must_use]
    pub const fn is_starting(&self) -> bool {
        match self {
            Self::Cme(cause) => cause.is_starting(),
            Self::Cms(cause) => cause.is_starting(),
            Self::Closed { .. }
            | Self::Error
            | Self::NoCarrier
            | Self::NoPrompt
            | Self::NotSupported
            | Self::TimedOut { .. }
            | Self::TooManyParameters => false,
        }
    }

    /// The error a final result stands for; `None` for `OK`.
    #[must_use]
    pub fn of(result: FinalResult) -> Option<Self> {
        match result {
            FinalResult::Ok => None,
            FinalResult::Error => Some(Self::Error),
            FinalResult::NoCarrier => Some(Self::NoCarrier),
            FinalResult::Cme(cause) => Some(Self::Cme(cause)),
            FinalResult::Cms(cause) => Some(Self::Cms(cause)),
            FinalResult::NotSupported => Some(Self::NotSupported),
            FinalResult::TooManyParameters => Some(Self::TooManyParameters),
        }
    }
}

impl Classified for CommandError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Cme(cause) => cause.class(),
            Self::Cms(cause) => cause.class(),
            Self::Closed { .. } | Self::Error | Self::NoCarrier | Self::NoPrompt | Self::TimedOut { .. } => {
                ErrorClass::Transient
            }
            Self::NotSupported | Self::TooManyParameters => ErrorClass::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_end_an_answer() {
        for (line, result) in [
            ("OK", Some(FinalResult::Ok)),
            ("ERROR", Some(FinalResult::Error)),
            ("+CME ERROR: 10", Some(FinalResult::Cme(CmeError::Code(10)))),
            ("+CME ERROR:SIM busy", Some(FinalResult::Cme(CmeError::Code(14)))),
            ("+CMS ERROR: 500", Some(FinalResult::Cms(CmsError::Code(500)))),
            ("COMMAND NOT SUPPORT", Some(FinalResult::NotSupported)),
            ("TOO MANY PARAMETERS", Some(FinalResult::TooManyParameters)),
            ("NO CARRIER", Some(FinalResult::NoCarrier)),
            ("OKAY", None),
            ("+CSQ: 1,99", None),
        ] {
            assert_eq!(FinalResult::parse(line), result, "{line}");
        }
    }

    #[test]
    fn only_silence_after_the_pdu_leaves_the_outcome_open() {
        assert!(CommandError::TimedOut { after_payload: true }.after_payload());
        assert!(!CommandError::TimedOut { after_payload: false }.after_payload());
        assert!(!CommandError::Cms(CmsError::Code(500)).after_payload());
    }

    #[test]
    fn what_another_try_is_worth() {
        use ErrorClass::{Misconfigured, Permanent, Transient};
        for (error, class, starting) in [
            (CommandError::Cme(CmeError::SIM_BUSY), Transient, true),
            (CommandError::Cme(CmeError::SIM_NOT_INSERTED), Misconfigured, false),
            (CommandError::Cms(CmsError::Code(314)), Transient, true),
            (CommandError::Cms(CmsError::Code(1)), Permanent, false),
            (CommandError::Error, Transient, false),
            (CommandError::NoCarrier, Transient, false),
            (CommandError::NoPrompt, Transient, false),
            (CommandError::TimedOut { after_payload: false }, Transient, false),
            (CommandError::Closed { after_payload: true }, Transient, false),
            (CommandError::NotSupported, Permanent, false),
            (CommandError::TooManyParameters, Permanent, false),
        ] {
            assert_eq!((error.class(), error.is_starting()), (class, starting), "{error}");
        }
    }

    #[test]
    fn every_final_result_but_ok_is_an_error() {
        for (result, error) in [
            (FinalResult::Ok, None),
            (FinalResult::Error, Some(CommandError::Error)),
            (FinalResult::NoCarrier, Some(CommandError::NoCarrier)),
            (FinalResult::Cme(CmeError::SIM_BUSY), Some(CommandError::Cme(CmeError::SIM_BUSY))),
            (FinalResult::Cms(CmsError::Code(38)), Some(CommandError::Cms(CmsError::Code(38)))),
            (FinalResult::NotSupported, Some(CommandError::NotSupported)),
            (FinalResult::TooManyParameters, Some(CommandError::TooManyParameters)),
        ] {
            assert_eq!(CommandError::of(result.clone()), error, "{result:?}");
        }
    }
}
