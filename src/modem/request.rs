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
    /// The operator knows the card that is in the slot.
    AcceptCard {
        /// The end of its ICCID.
        reply: oneshot::Sender<Result<String, AcceptError>>,
    },
    /// Close the port and bring the modem up anew.
    StartAnew {
        /// Answered before the port is closed.
        reply: oneshot::Sender<()>,
    },
}

/// Why a card was not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AcceptError {
    /// Without one, cards are not told apart.
    #[error("the modem does not tell the ICCID of its card, so there is nothing to accept")]
    NoIccid,
    /// No modem, or not initialised: nobody knows which card is in it.
    #[error("the modem is not initialised, so its card is not known; try again when it is (see `smsgate stats`)")]
    NotReady,
    /// The record could not be written.
    #[error("cannot record it: {0}")]
    Store(String),
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
