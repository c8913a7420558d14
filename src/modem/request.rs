//! What others may ask of a modem.

use tokio::sync::oneshot;

use crate::model::{UssdSession, UssdStep};

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
    /// Take a step in a USSD dialogue.
    Ussd {
        /// Which.
        ask: UssdAsk,
        /// What the network said.
        reply: UssdReply,
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

/// Where the outcome of a USSD step goes.
pub type UssdReply = oneshot::Sender<Result<UssdStep, UssdError>>;

/// A step in a USSD dialogue.
#[derive(Clone, Debug)]
pub enum UssdAsk {
    /// Run a code and close the session, whatever the network waits for.
    Once(String),
    /// Run a code; a session the network leaves open stays so.
    Open(String),
    /// Answer the network.
    Answer {
        /// Which session.
        session: UssdSession,
        /// The answer, not checked yet.
        text: String,
    },
    /// End a session.
    Close(UssdSession),
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
    /// Somebody else's dialogue is under way.
    #[error("the modem is busy with another USSD session")]
    Occupied,
    /// No modem, or not ready.
    #[error("the modem is not ready")]
    NotReady,
    /// The configuration forbids it, or the modem could not carry it.
    #[error("{0}")]
    Refused(String),
    /// There is no such session any more.
    #[error("the USSD session is over ({0})")]
    Over(String),
}
