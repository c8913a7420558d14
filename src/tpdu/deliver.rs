//! SMS-DELIVER: what the service centre brings (TS 23.040 9.2.2.1).

use super::{
    address::Address,
    cursor::Cursor,
    dcs::DataCodingScheme,
    error::{DecodeError, EncodeError},
    flags,
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

/// TP-MTI from the service centre.
pub(super) const MESSAGE_TYPE: u8 = 0b00;

const NO_MORE_MESSAGES: u8 = 0x04;
const LOOP_PREVENTION: u8 = 0x08;
const STATUS_REPORT: u8 = 0x20;
const HEADER: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

impl Deliver {
    /// Reads what follows the first octet.
    pub(super) fn decode(first: u8, cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let originating_address = Address::decode(cursor, "TP-OA")?;
        let protocol_identifier = cursor.octet("TP-PID")?;
        let data_coding = DataCodingScheme(cursor.octet("TP-DCS")?);
        let service_centre_timestamp = ServiceCentreTimestamp::from_octets(cursor.array("TP-SCTS")?);
        let user_data = UserData::decode(cursor, first & HEADER != 0, data_coding)?;
        Ok(Self {
            more_messages: first & NO_MORE_MESSAGES == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            reply_path: first & REPLY_PATH != 0,
            status_report: first & STATUS_REPORT != 0,
            originating_address,
            protocol_identifier,
            data_coding,
            service_centre_timestamp,
            user_data,
        })
    }

    /// Appends the TPDU.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let flags = [
            (!self.more_messages, NO_MORE_MESSAGES),
            (self.loop_prevention, LOOP_PREVENTION),
            (self.status_report, STATUS_REPORT),
            (self.user_data.header.is_some(), HEADER),
            (self.reply_path, REPLY_PATH),
        ];
        out.push(flags::octet(MESSAGE_TYPE, flags));
        self.originating_address.encode(out)?;
        out.extend([self.protocol_identifier, self.data_coding.0]);
        out.extend(self.service_centre_timestamp.octets());
        self.user_data.encode(self.data_coding, out)
    }
}
