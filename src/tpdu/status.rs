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
    /// Its group.
    #[must_use]
    pub fn class(self) -> StatusClass {
        todo!()
    }

    /// Its meaning in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        todo!()
    }

    /// The validity period ended first.
    #[must_use]
    pub fn is_expired(self) -> bool {
        self.0 == 0x46
    }
}
