//! SMS-SUBMIT: what we give to the service centre (TS 23.040 9.2.2.2).

use super::{
    address::Address,
    cursor::Cursor,
    dcs::DataCodingScheme,
    error::{DecodeError, EncodeError},
    flags,
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

/// TP-MTI to the service centre.
pub(super) const MESSAGE_TYPE: u8 = 0b01;

const REJECT_DUPLICATES: u8 = 0x04;
const VALIDITY_FORMAT: u8 = 0x18;
const ENHANCED: u8 = 0x08;
const RELATIVE: u8 = 0x10;
const ABSOLUTE: u8 = 0x18;
const STATUS_REPORT_REQUEST: u8 = 0x20;
const HEADER: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

impl Submit {
    /// Reads what follows the first octet.
    pub(super) fn decode(first: u8, cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        const VALIDITY: &str = "TP-VP";
        let message_reference = cursor.octet("TP-MR")?;
        let destination = Address::decode(cursor, "TP-DA")?;
        let protocol_identifier = cursor.octet("TP-PID")?;
        let data_coding = DataCodingScheme(cursor.octet("TP-DCS")?);
        let validity = match first & VALIDITY_FORMAT {
            RELATIVE => Some(ValidityPeriod::Relative(cursor.octet(VALIDITY)?)),
            ENHANCED => Some(ValidityPeriod::Enhanced(cursor.array(VALIDITY)?)),
            ABSOLUTE => Some(ValidityPeriod::Absolute(ServiceCentreTimestamp::from_octets(cursor.array(VALIDITY)?))),
            _ => None,
        };
        let user_data = UserData::decode(cursor, first & HEADER != 0, data_coding)?;
        Ok(Self {
            reject_duplicates: first & REJECT_DUPLICATES != 0,
            reply_path: first & REPLY_PATH != 0,
            status_report_request: first & STATUS_REPORT_REQUEST != 0,
            message_reference,
            destination,
            protocol_identifier,
            data_coding,
            validity,
            user_data,
        })
    }

    /// Appends the TPDU.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let format = match self.validity {
            None => 0,
            Some(ValidityPeriod::Relative(_)) => RELATIVE,
            Some(ValidityPeriod::Absolute(_)) => ABSOLUTE,
            Some(ValidityPeriod::Enhanced(_)) => ENHANCED,
        };
        let flags = [
            (self.reject_duplicates, REJECT_DUPLICATES),
            (self.status_report_request, STATUS_REPORT_REQUEST),
            (self.user_data.header.is_some(), HEADER),
            (self.reply_path, REPLY_PATH),
        ];
        out.push(flags::octet(MESSAGE_TYPE + format, flags));
        out.push(self.message_reference);
        self.destination.encode(out)?;
        out.extend([self.protocol_identifier, self.data_coding.0]);
        match self.validity {
            None => {}
            Some(ValidityPeriod::Relative(value)) => out.push(value),
            Some(ValidityPeriod::Absolute(time)) => out.extend(time.octets()),
            Some(ValidityPeriod::Enhanced(octets)) => out.extend(octets),
        }
        self.user_data.encode(self.data_coding, out)
    }
}
