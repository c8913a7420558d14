//! A test SMS that a SIM sent to itself, as it stands on record.

use std::time::Duration;

use jiff::{Timestamp, civil::Date};

use super::{MessageId, OutgoingState, RunTime};

/// When a test was started, by every clock there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SelfTestStart {
    /// The local day it counts for.
    pub day: Date,
    /// The wall clock.
    pub wall: Timestamp,
    /// Running time.
    pub run: RunTime,
    /// The machine has not been restarted since.
    pub same_boot: bool,
}

/// A self-test and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SelfTest {
    /// Grows with each test, over all slots.
    pub sequence: i64,
    /// The outgoing message it is.
    pub message: MessageId,
    /// When it was started.
    pub start: SelfTestStart,
    /// Where its message stands; `None` once that is forgotten.
    pub state: Option<OutgoingState>,
    /// Why its message stands there; may be empty.
    pub cause: String,
    /// When the network took it.
    pub sent_at: Option<Timestamp>,
    /// Its return.
    pub back: Option<SelfTestReturn>,
}

/// The return of a self-test.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SelfTestReturn {
    /// Arrival by the wall clock.
    pub wall: Timestamp,
    /// Arrival by running time.
    pub run: RunTime,
    /// From the last hand-over to the modem until arrival.
    pub round_trip: Duration,
}
