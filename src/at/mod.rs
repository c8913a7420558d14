//! The AT dialogue of TS 27.005 and TS 27.007 (over V.250): bytes in, typed answers and notices out.
//!
//! [`Channel`] is a state machine without I/O: whoever owns the port feeds it bytes and time and writes what it wants
//! written. [`Command`] has one constructor per command, so no caller's string reaches a command line unchecked.
//! [`Profile`] holds what differs between modem families. What a PDU says is [`crate::tpdu`]'s business, what a USSD
//! text says is [`crate::ussd`]'s.

mod cause;
mod channel;
mod claim;
mod command;
mod fields;
mod framer;
mod profile;
mod response;
mod result;
mod urc;
mod ussd_request;

pub use cause::{CmeError, CmsError};
pub use channel::{Busy, Channel, CommandId, Event, Transmit};
pub use command::{Accept, Charset, Command, Indication, Memory, PduHex, PinReject, SimPin};
pub use framer::{Framer, Item, MAX_LINE, MAX_REPLY};
pub use profile::{Family, PinCounterQuery, Profile, UssdStyle};
pub use response::{
    InfoLine, ListedPdu, MemoryUse, PinCounters, PinState, Registration, RegistrationState, Response, SignalQuality,
};
pub use result::{CommandError, FinalResult};
pub use urc::{Cusd, Urc};
pub use ussd_request::{UssdAnswer, UssdAnswerError, UssdCode, UssdCodeError, UssdRequest};
