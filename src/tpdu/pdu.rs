//! PDUs as modems take and print them: service centre address, then TPDU, in hex (TS 27.005 3.1, 4.).

use super::{
    address::Address,
    deliver::Deliver,
    error::{DecodeError, EncodeError},
    status_report::StatusReport,
    submit::Submit,
};

/// A TPDU on its way to us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Incoming {
    /// A message.
    Deliver(Deliver),
    /// A report on one of ours.
    StatusReport(StatusReport),
}

/// A PDU ready for the modem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EncodedPdu {
    /// Service centre address and TPDU in upper case hex.
    pub hex: String,
    /// Octets of the TPDU without the service centre address: the number in `AT+CMGS`, `+CMGR:`, `+CMT:`.
    pub tpdu_octets: usize,
}

/// Decodes
///
/// # Errors
/// [`DecodeError`].
pub fn decode_incoming(hex: &str) -> Result<(Option<Address>, Incoming), DecodeError> {
    let _ = hex;
    todo!()
}
/// Decodes
///
/// # Errors
/// [`DecodeError`].
pub fn decode_incoming_with_length(hex: &str, tpdu_octets: usize) -> Result<(Option<Address>, Incoming), DecodeError> {
    let _ = (hex, tpdu_octets);
    todo!()
}
/// Decodes
///
/// # Errors
/// [`DecodeError`].
pub fn decode_submit(hex: &str) -> Result<(Option<Address>, Submit), DecodeError> {
    let _ = hex;
    todo!()
}
/// Encodes
///
/// # Errors
/// [`EncodeError`].
pub fn encode_incoming(smsc: Option<&Address>, pdu: &Incoming) -> Result<EncodedPdu, EncodeError> {
    let _ = (smsc, pdu);
    todo!()
}
/// Encodes
///
/// # Errors
/// [`EncodeError`].
pub fn encode_submit(smsc: Option<&Address>, submit: &Submit) -> Result<EncodedPdu, EncodeError> {
    let _ = (smsc, submit);
    todo!()
}
