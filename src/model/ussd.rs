//! USSD as its users see it: the name of a menu session, and what the network said in one step of it (TS 22.090).

use std::fmt;

use uuid::Uuid;

use super::SlotId;

/// Names one open menu session: which slot it runs on, and which of that slot's sessions it is. Opaque to clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UssdSession {
    slot: SlotId,
    number: Uuid,
}

impl UssdSession {
    /// Names a session. The number is made at the edge, since making one reads the clock.
    #[must_use]
    pub const fn new(slot: SlotId, number: Uuid) -> Self {
        Self { slot, number }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, slot) = text.trim().split_once('.')?;
        Some(Self { slot: SlotId::new(slot), number: Uuid::try_parse(number).ok()? })
    }

    /// The slot it runs on.
    #[must_use]
    pub const fn slot(&self) -> &SlotId {
        &self.slot
    }
}

impl fmt::Display for UssdSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number.hyphenated(), self.slot)
    }
}

/// What the network said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UssdStep {
    /// The network waits for an answer in this session; `None` if it is over.
    pub session: Option<UssdSession>,
    /// The text.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_come_back() {
        for slot in ["00", "roof.left", "Dach links"] {
            let session = UssdSession::new(SlotId::new(slot), Uuid::from_u128(7));
            assert_eq!(UssdSession::parse(&session.to_string()), Some(session), "{slot}");
        }
        for wrong in ["", "00", "x.00", "."] {
            assert_eq!(UssdSession::parse(wrong), None, "{wrong:?}");
        }
    }
}
