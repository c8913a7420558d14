//! TP-ST: what became of a message, code by code (TS 23.040 9.2.3.15).

/// TP-ST, as the octet it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Status(pub u8);

/// The groups of TP-ST.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum StatusClass {
    /// The service centre is done with it: received, forwarded or replaced.
    Delivered,
    /// A temporary error; the service centre tries on, and another report follows.
    Trying,
    /// A permanent error; the service centre does not try again.
    PermanentFailure,
    /// A temporary error; the service centre does not try again.
    TemporaryFailureFinal,
    /// A code the standard keeps for later, outside of any of the above.
    Reserved,
}

impl Status {
    /// Its group. Codes reserved within a group are of [`StatusClass::Reserved`] where the group is the one of
    /// success, so that nothing counts as delivered that the standard does not say is; elsewhere of their group.
    #[must_use]
    pub fn class(self) -> StatusClass {
        match self.0 {
            0x00..=0x02 | 0x10..=0x1f => StatusClass::Delivered,
            0x20..=0x3f => StatusClass::Trying,
            0x40..=0x5f => StatusClass::PermanentFailure,
            0x60..=0x7f => StatusClass::TemporaryFailureFinal,
            0x03..=0x0f | 0x80..=0xff => StatusClass::Reserved,
        }
    }

    /// Its meaning in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self.0 {
            0x00 => "received by the recipient",
            0x01 => "forwarded to the recipient, no confirmation of delivery possible",
            0x02 => "replaced by the service centre",
            0x03..=0x0f => "completed, reserved code",
            0x10..=0x1f => "completed, code of this service centre's own",
            0x20 => "still trying: congestion",
            0x21 => "still trying: recipient busy",
            0x22 => "still trying: no response from the recipient",
            0x23 => "still trying: service rejected",
            0x24 => "still trying: quality of service not available",
            0x25 => "still trying: error at the recipient",
            0x26..=0x2f => "still trying, reserved code",
            0x30..=0x3f => "still trying, code of this service centre's own",
            0x40 => "failed: remote procedure error",
            0x41 => "failed: incompatible destination",
            0x42 => "failed: connection rejected by the recipient",
            0x43 => "failed: not obtainable",
            0x44 => "failed: quality of service not available",
            0x45 => "failed: no interworking available",
            0x46 => "failed: validity period expired",
            0x47 => "failed: deleted by the sender",
            0x48 => "failed: deleted by the service centre",
            0x49 => "failed: the message does not exist",
            0x4a..=0x4f => "failed, reserved code",
            0x50..=0x5f => "failed, code of this service centre's own",
            0x60 => "given up: congestion",
            0x61 => "given up: recipient busy",
            0x62 => "given up: no response from the recipient",
            0x63 => "given up: service rejected",
            0x64 => "given up: quality of service not available",
            0x65 => "given up: error at the recipient",
            0x66..=0x6f => "given up, reserved code",
            0x70..=0x7f => "given up, code of this service centre's own",
            0x80..=0xff => "reserved code",
        }
    }

    /// The validity period ended first.
    #[must_use]
    pub fn is_expired(self) -> bool {
        self.0 == 0x46
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_at_their_borders() {
        use StatusClass::{Delivered, PermanentFailure, Reserved, TemporaryFailureFinal, Trying};
        for (first, last, class) in [
            (0x00, 0x02, Delivered),
            (0x03, 0x0f, Reserved),
            (0x10, 0x1f, Delivered),
            (0x20, 0x3f, Trying),
            (0x40, 0x5f, PermanentFailure),
            (0x60, 0x7f, TemporaryFailureFinal),
            (0x80, 0xff, Reserved),
        ] {
            for code in first..=last {
                assert_eq!(Status(code).class(), class, "{code:#04x}");
            }
        }
    }

    #[test]
    fn only_one_code_is_expiry() {
        let expired: Vec<u8> = (0..=255).filter(|&code| Status(code).is_expired()).collect();
        assert_eq!(expired, [0x46]);
        assert!(Status(0x46).text().contains("expired"));
    }

    #[test]
    fn texts_tell_the_class() {
        for (codes, start) in [(0x20..=0x3f, "still trying"), (0x40..=0x5f, "failed"), (0x60..=0x7f, "given up")] {
            for code in codes {
                assert!(Status(code).text().starts_with(start), "{code:#04x}");
            }
        }
    }
}
