//! SMS-SUBMIT: what we give to the service centre (TS 23.040 9.2.2.2).

use super::{
    address::Address,
    cursor::Cursor,
    dcs::DataCodingScheme,
    error::{DecodeError, EncodeError},
    timestamp::ServiceCentreTimestamp,
    userdata::UserData,
    validity::ValidityPeriod,
};

/// SMS-SUBMIT.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Submit {
    /// The service centre is to drop it if it has one with the same reference and destination (TP-RD).
    pub reject_duplicates: bool,
    /// The reply path is asked for (TP-RP).
    pub reply_path: bool,
    /// A status report is asked for (TP-SRR).
    pub status_report_request: bool,
    /// TP-MR.
    pub message_reference: u8,
    /// TP-DA.
    pub destination: Address,
    /// TP-PID.
    pub protocol_identifier: u8,
    /// TP-DCS.
    pub data_coding: DataCodingScheme,
    /// TP-VP.
    pub validity: Option<ValidityPeriod>,
    /// TP-UD.
    pub user_data: UserData,
}
