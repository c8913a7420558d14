//! TPDUs of TS 23.040 with the alphabets of TS 23.038: octets to values and back.
//!
//! Works both ways for every TPDU, so that the emulator speaks with the same codec as the gateway. Pure: no I/O, no
//! clock, and no panic whatever the octets.
//!
//! Decoders are lenient where the standard or the field asks for it (a message lost is worse than a field misread) and
//! say so at the function; everything else that does not fit is a [`DecodeError`] naming field and octet.

mod address;
mod cursor;
mod data;
mod dcs;
mod deliver;
mod error;
mod flags;
pub mod gsm7;
pub mod hex;
mod national;
mod pdu;
mod protocol_identifier;
mod reassemble;
mod segment;
mod status;
mod status_report;
mod submit;
mod timestamp;
mod ucs2;
mod udh;
mod userdata;
mod validity;
mod waiting;

pub use address::{Address, AddressValue, NumberingPlan, TypeOfNumber};
pub use dcs::{Alphabet, DataCodingScheme, MessageClass, MessageWaiting, WaitingKind};
pub use deliver::Deliver;
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use national::Language;
pub use pdu::{
    EncodedPdu, Incoming, decode_incoming, decode_incoming_with_length, decode_submit, encode_incoming, encode_submit,
};
pub use protocol_identifier::ProtocolIdentifier;
pub use reassemble::{Joined, Part, join};
pub use segment::{Alphabets, Reference, Segment, SegmentError, segment, segment_with};
pub use status::{Status, StatusClass};
pub use status_report::StatusReport;
pub use submit::Submit;
pub use timestamp::ServiceCentreTimestamp;
pub use udh::{Concatenation, InformationElement, UserDataHeader};
pub use userdata::{Payload, UserData};
pub use validity::ValidityPeriod;
pub use waiting::{WaitingIndication, WaitingIndications};
