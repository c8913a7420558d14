//! TP-PID: what a message is for (TS 23.040 9.2.3.9). Says what the octet means; what to do with such a message is not
//! decided here.

use std::fmt;

/// TP-PID, as the octet it is; what it says is asked of it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ProtocolIdentifier(pub u8);

impl ProtocolIdentifier {
    /// Short message type 0: acknowledged whatever room there is, shown to nobody, kept nowhere a phone would keep it.
    pub const TYPE_0: Self = Self(0x40);
    /// For the application on the SIM card; a terminal sees it only where the card cannot take it.
    pub const SIM_DATA_DOWNLOAD: Self = Self(0x7f);

    /// Number of the replace short message type, 1 to 7: a phone, or the modem itself, puts it in the place of an older
    /// message of the same number from the same sender.
    #[must_use]
    pub const fn replace_type(self) -> Option<u8> {
        match self.0 {
            0x41..=0x47 => Some(self.0 & 0x07),
            _ => None,
        }
    }
}

impl fmt::Display for ProtocolIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x00 => f.write_str("plain short message"),
            protocol @ 0x01..=0x1f => write!(f, "between two terminals by protocol {protocol}"),
            0x20..=0x3f => write!(f, "interworking with {}", telematic_device(self.0 & 0x1f)),
            0x40 => f.write_str("short message type 0 (silent)"),
            0x41..=0x47 => write!(f, "replace short message type {}", self.0 & 0x07),
            0x48 => f.write_str("device triggering"),
            0x5e => f.write_str("enhanced message service (obsolete)"),
            0x5f => f.write_str("return call message"),
            0x7c => f.write_str("ANSI-136 R-DATA"),
            0x7d => f.write_str("data download to the mobile equipment"),
            0x7e => f.write_str("depersonalisation of the mobile equipment"),
            0x7f => f.write_str("data download to the SIM"),
            0xc0..=0xff => f.write_str("specific to the service centre"),
            _ => f.write_str("reserved"),
        }
    }
}

/// Bits 4 to 0 of 001xxxxx.
const fn telematic_device(bits: u8) -> &'static str {
    match bits {
        0x00 => "a device of a type known to the service centre",
        0x01 => "telex",
        0x02 => "fax of group 3",
        0x03 => "fax of group 4",
        0x04 => "voice telephony",
        0x05 => "ERMES",
        0x06 => "a national paging system",
        0x07 => "videotex",
        0x08..=0x0c => "teletex",
        0x0d => "UCI",
        0x10 => "a message handling facility",
        0x11 => "X.400",
        0x12 => "Internet mail",
        0x18..=0x1e => "a device specific to the service centre",
        0x1f => "a mobile station",
        _ => "a reserved device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_in_words() {
        for (octet, words) in [
            (0x00, "plain short message"),
            (0x01, "between two terminals by protocol 1"),
            (0x1f, "between two terminals by protocol 31"),
            (0x40, "short message type 0 (silent)"),
            (0x43, "replace short message type 3"),
            (0x48, "device triggering"),
            (0x49, "reserved"),
            (0x5e, "enhanced message service (obsolete)"),
            (0x5f, "return call message"),
            (0x7b, "reserved"),
            (0x7c, "ANSI-136 R-DATA"),
            (0x7d, "data download to the mobile equipment"),
            (0x7e, "depersonalisation of the mobile equipment"),
            (0x7f, "data download to the SIM"),
            (0x80, "reserved"),
            (0xbf, "reserved"),
            (0xc0, "specific to the service centre"),
            (0xff, "specific to the service centre"),
        ] {
            assert_eq!(ProtocolIdentifier(octet).to_string(), words, "{octet:#04x}");
        }
    }

    /// Every value of the five bits of 9.2.3.9, 001xxxxx.
    #[test]
    fn telematic_devices() {
        for (bits, device) in [
            (0x00..=0x00, "a device of a type known to the service centre"),
            (0x01..=0x01, "telex"),
            (0x02..=0x02, "fax of group 3"),
            (0x03..=0x03, "fax of group 4"),
            (0x04..=0x04, "voice telephony"),
            (0x05..=0x05, "ERMES"),
            (0x06..=0x06, "a national paging system"),
            (0x07..=0x07, "videotex"),
            (0x08..=0x0c, "teletex"),
            (0x0d..=0x0d, "UCI"),
            (0x0e..=0x0f, "a reserved device"),
            (0x10..=0x10, "a message handling facility"),
            (0x11..=0x11, "X.400"),
            (0x12..=0x12, "Internet mail"),
            (0x13..=0x17, "a reserved device"),
            (0x18..=0x1e, "a device specific to the service centre"),
            (0x1f..=0x1f, "a mobile station"),
        ] {
            for bits in bits {
                let words = ProtocolIdentifier(0x20 + bits).to_string();
                assert_eq!(words, format!("interworking with {device}"), "{bits:#04x}");
            }
        }
    }

    #[test]
    fn seven_types_replace() {
        let replacing: Vec<u8> = (0..=u8::MAX).filter_map(|octet| ProtocolIdentifier(octet).replace_type()).collect();
        assert_eq!(replacing, [1, 2, 3, 4, 5, 6, 7]);
    }
}
