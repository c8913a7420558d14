//! SMS-STATUS-REPORT: what became of a message (TS 23.040 9.2.2.3).

use super::{
    address::Address,
    cursor::Cursor,
    dcs::DataCodingScheme,
    error::{DecodeError, EncodeError},
    status::Status,
    timestamp::ServiceCentreTimestamp,
    userdata::UserData,
};

/// SMS-STATUS-REPORT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusReport {
    /// More messages wait at the service centre (TP-MMS 0).
    pub more_messages: bool,
    /// Forwarded once already (TP-LP).
    pub loop_prevention: bool,
    /// The answer to an SMS-COMMAND, not to an SMS-SUBMIT (TP-SRQ).
    pub qualifier: bool,
    /// TP-MR of the message reported on.
    pub message_reference: u8,
    /// TP-RA: whom that message was for.
    pub recipient: Address,
    /// TP-SCTS: when the service centre had received that message.
    pub service_centre_timestamp: ServiceCentreTimestamp,
    /// TP-DT: when the last attempt was, or the message was dropped.
    pub discharge_time: ServiceCentreTimestamp,
    /// TP-ST.
    pub status: Status,
    /// TP-PID, if TP-PI says there is one.
    pub protocol_identifier: Option<u8>,
    /// TP-DCS, if TP-PI says there is one.
    pub data_coding: Option<DataCodingScheme>,
    /// TP-UD, if TP-PI says there is one.
    pub user_data: Option<UserData>,
}
