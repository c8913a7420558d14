//! SMS-STATUS-REPORT: what became of a message (TS 23.040 9.2.2.3).

use super::{
    address::Address,
    cursor::Cursor,
    dcs::DataCodingScheme,
    error::{DecodeError, EncodeError},
    flags,
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

/// TP-MTI from the service centre.
pub(super) const MESSAGE_TYPE: u8 = 0b10;

const NO_MORE_MESSAGES: u8 = 0x04;
const LOOP_PREVENTION: u8 = 0x08;
const QUALIFIER: u8 = 0x20;
const HEADER: u8 = 0x40;

/// TP-PI (9.2.3.27).
const HAS_PROTOCOL_IDENTIFIER: u8 = 0x01;
const HAS_DATA_CODING: u8 = 0x02;
const HAS_USER_DATA: u8 = 0x04;
const EXTENDED: u8 = 0x80;

impl StatusReport {
    /// Reads what follows the first octet. What TP-PI announces and the octets do not have is taken as not announced:
    /// some service centres end with a TP-PI of their own making, and all that matters was before it.
    pub(super) fn decode(first: u8, cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let mut report = Self {
            more_messages: first & NO_MORE_MESSAGES == 0,
            loop_prevention: first & LOOP_PREVENTION != 0,
            qualifier: first & QUALIFIER != 0,
            message_reference: cursor.octet("TP-MR")?,
            recipient: Address::decode(cursor, "TP-RA")?,
            service_centre_timestamp: ServiceCentreTimestamp::from_octets(cursor.array("TP-SCTS")?),
            discharge_time: ServiceCentreTimestamp::from_octets(cursor.array("TP-DT")?),
            status: Status(cursor.octet("TP-ST")?),
            protocol_identifier: None,
            data_coding: None,
            user_data: None,
        };
        // Stops at the first field that is not there.
        let _ = report.decode_optional(first & HEADER != 0, cursor);
        Ok(report)
    }

    fn decode_optional(&mut self, has_header: bool, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        const INDICATOR: &str = "TP-PI";
        let indicator = cursor.octet(INDICATOR)?;
        let mut extension = indicator;
        while extension & EXTENDED != 0 {
            extension = cursor.octet(INDICATOR)?;
        }
        if indicator & HAS_PROTOCOL_IDENTIFIER != 0 {
            self.protocol_identifier = Some(cursor.octet("TP-PID")?);
        }
        if indicator & HAS_DATA_CODING != 0 {
            self.data_coding = Some(DataCodingScheme(cursor.octet("TP-DCS")?));
        }
        if indicator & HAS_USER_DATA != 0 {
            self.user_data = Some(UserData::decode(cursor, has_header, self.data_coding.unwrap_or_default())?);
        }
        Ok(())
    }

    /// Appends the TPDU.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let has_header = self.user_data.as_ref().is_some_and(|data| data.header.is_some());
        let flags = [
            (!self.more_messages, NO_MORE_MESSAGES),
            (self.loop_prevention, LOOP_PREVENTION),
            (self.qualifier, QUALIFIER),
            (has_header, HEADER),
        ];
        out.push(flags::octet(MESSAGE_TYPE, flags));
        out.push(self.message_reference);
        self.recipient.encode(out)?;
        out.extend(self.service_centre_timestamp.octets());
        out.extend(self.discharge_time.octets());
        out.push(self.status.0);

        let optional = [
            (self.protocol_identifier.is_some(), HAS_PROTOCOL_IDENTIFIER),
            (self.data_coding.is_some(), HAS_DATA_CODING),
            (self.user_data.is_some(), HAS_USER_DATA),
        ];
        let indicator = flags::octet(0, optional);
        if indicator != 0 {
            out.push(indicator);
            out.extend(self.protocol_identifier);
            out.extend(self.data_coding.map(|scheme| scheme.0));
        }
        self.user_data.as_ref().map_or(Ok(()), |data| data.encode(self.data_coding.unwrap_or_default(), out))
    }
}
