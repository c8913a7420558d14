//! How far the parts of one outgoing message are, taken together.

use rusqlite::Connection;

use super::{StoreError, rows::count};
use crate::model::OutgoingState;

/// How many parts stand where.
#[derive(Debug, Default)]
pub(super) struct Tally {
    waiting: usize,
    pub(super) unknown: usize,
    sent: usize,
    delivered: usize,
    undelivered: usize,
    expired: usize,
}

impl Tally {
    /// Counts the parts of one message.
    pub(super) fn of(connection: &Connection, sequence: i64) -> Result<Self, StoreError> {
        let mut tally = Self::default();
        let mut statement = connection
            .prepare_cached("SELECT state, count(*) FROM outbox_segment WHERE message = ?1 GROUP BY state")?;
        let mut rows = statement.query([sequence])?;
        while let Some(row) = rows.next()? {
            let state: String = row.get(0)?;
            let count = count(row, 1)?;
            match state.as_str() {
                "sent" => tally.sent = count,
                "delivered" => tally.delivered = count,
                "undelivered" => tally.undelivered = count,
                "expired" => tally.expired = count,
                "unknown" => tally.unknown = count,
                _ => tally.waiting += count,
            }
        }
        Ok(tally)
    }

    /// Whether the network took every part.
    pub(super) const fn all_left(&self) -> bool {
        self.waiting == 0 && self.unknown == 0 && self.sent + self.delivered + self.undelivered + self.expired > 0
    }

    /// The state of a message whose parts have all left.
    pub(super) const fn outcome(&self) -> OutgoingState {
        if self.undelivered > 0 {
            OutgoingState::Undelivered
        } else if self.expired > 0 {
            OutgoingState::Expired
        } else if self.sent > 0 {
            OutgoingState::Sent
        } else {
            OutgoingState::Delivered
        }
    }
}
