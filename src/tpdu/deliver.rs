//! SMS-DELIVER: what the service centre brings (TS 23.040 9.2.2.1).

use super::{
    address::Address,
    cursor::Cursor,
    dcs::DataCodingScheme,
    error::{DecodeError, EncodeError},
    timestamp::ServiceCentreTimestamp,
    userdata::UserData,
};

/// SMS-DELIVER.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deliver {
    /// More messages wait at the service centre (TP-MMS 0).
    pub more_messages: bool,
    /// Forwarded once already: not to be forwarded again (TP-LP).
    pub loop_prevention: bool,
    /// The reply path is asked for (TP-RP).
    pub reply_path: bool,
    /// The sender gets a status report (TP-SRI).
    pub status_report: bool,
    /// TP-OA.
    pub originating_address: Address,
    /// TP-PID.
    pub protocol_identifier: u8,
    /// TP-DCS.
    pub data_coding: DataCodingScheme,
    /// TP-SCTS.
    pub service_centre_timestamp: ServiceCentreTimestamp,
    /// TP-UD.
    pub user_data: UserData,
}
