//! What others may ask of a modem.

use tokio::sync::oneshot;

/// A request in a modem's mailbox. The mailbox is bounded; a full one is an answer.
#[derive(Debug)]
pub enum Request {
    /// Submit one TPDU (`AT+CMGS`).
    Submit {
        /// Service centre address and TPDU in hex.
        hex: String,
        /// Octets of the TPDU without the service centre address.
        tpdu_octets: usize,
        /// More TPDUs of the same message follow (`AT+CMMS=1`).
        more: bool,
        /// TP-MR the network gave.
        reply: oneshot::Sender<Result<u8, SubmitError>>,
    },
    /// Run one USSD dialogue step and close the session.
    Ussd {
        /// `[0-9*#+]{1,182}`, checked by the caller.
        code: String,
        /// The network's text.
        reply: oneshot::Sender<Result<String, UssdError>>,
    },
}

/// Why a TPDU was not, or perhaps not, submitted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubmitError {
    /// Handed over, then silence: it may have left or not.
    #[error("outcome unknown: {cause}")]
    OutcomeUnknown {
        /// What happened.
        cause: String,
    },
    /// Will not work however often it is tried.
    #[error("refused: {cause}")]
    Permanent {
        /// The modem's or network's words.
        cause: String,
    },
    /// Did not leave, may work later or on another SIM.
    #[error("not sent: {cause}")]
    Transient {
        /// What happened.
        cause: String,
    },
}

/// Why a USSD dialogue gave no text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UssdError {
    /// The modem or network refused, or fell silent.
    #[error("{0}")]
    Failed(String),
    /// The modem has no time for it now.
    #[error("the modem is busy")]
    Busy,
    /// No modem, or not ready.
    #[error("the modem is not ready")]
    NotReady,
}
