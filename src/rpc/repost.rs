//! Recognises a call that a client posted once more because its connection broke before the answer came.
//!
//! Python's `xmlrpc.client` does that by itself. The same call within the window on another connection, while the one
//! that carried the first is gone, is the same message; anything else is a new one. The time is handed in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{connection::Connection, wire::Fault};
use crate::model::MessageId;

/// What became of accepting a message; `None` while it is under way.
pub(crate) type Outcome = watch::Receiver<Option<Result<(), Fault>>>;

/// A call as far as it has to be the same: a keyed digest, since it holds a token and a text.
pub(crate) type CallDigest = [u8; 32];

/// The calls of the last few seconds.
#[derive(Debug, Default)]
pub(crate) struct Reposts {
    recent: Mutex<HashMap<CallDigest, Recent>>,
}

#[derive(Debug)]
struct Recent {
    id: MessageId,
    connection: Connection,
    at: Instant,
    outcome: Outcome,
}

impl Reposts {
    /// The other connection that carried the same call within `window`, if there is one and it seems to be alive.
    ///
    /// Its end may have arrived and not yet been read: a caller should give it a moment before asking
    /// [`first_of`](Self::first_of).
    pub(crate) fn rival(
        &self,
        window: Duration,
        call: &CallDigest,
        connection: &Connection,
        now: Instant,
    ) -> Option<Connection> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = recent.get(call).filter(|entry| now.saturating_duration_since(entry.at) <= window)?;
        let rival = !earlier.connection.is(connection) && earlier.connection.is_alive();
        rival.then(|| earlier.connection.clone())
    }

    /// The message this call is about if it is a repost; else `id` is remembered with `outcome`. With a window of zero
    /// nothing is ever a repost.
    pub(crate) fn first_of(
        &self,
        window: Duration,
        call: CallDigest,
        connection: &Connection,
        now: Instant,
        id: MessageId,
        outcome: &Outcome,
    ) -> Option<(MessageId, Outcome)> {
        if window.is_zero() {
            return None;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, entry| now.saturating_duration_since(entry.at) <= window);
        if let Some(earlier) = recent.get_mut(&call)
            && !earlier.connection.is(connection)
            && !earlier.connection.is_alive()
        {
            // From now on the repost is what a further call is measured against.
            earlier.connection = connection.clone();
            return Some((earlier.id, earlier.outcome.clone()));
        }
        recent.insert(call, Recent { id, connection: connection.clone(), at: now, outcome: outcome.clone() });
        None
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const CALL: CallDigest = [7; 32];
    const PEER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn id(number: u128) -> MessageId {
        MessageId::from_uuid(Uuid::from_u128(number))
    }

    /// Reposts with their window.
    type Bench = (Reposts, Duration);

    fn first(
        (reposts, window): &Bench,
        call: CallDigest,
        on: &Connection,
        at: Instant,
        number: u128,
    ) -> Option<MessageId> {
        let (_, outcome) = watch::channel(None);
        reposts.first_of(*window, call, on, at, id(number), &outcome).map(|(id, _)| id)
    }

    #[test]
    fn only_on_another_connection_while_the_first_is_gone() {
        let (reposts, now) = ((Reposts::default(), Duration::from_secs(5)), Instant::now());
        let (one, alive) = Connection::open(PEER);
        let (two, _two_alive) = Connection::open(PEER);
        assert_eq!(first(&reposts, CALL, &one, now, 1), None);
        assert_eq!(first(&reposts, CALL, &one, now, 2), None, "same connection");
        assert_eq!(first(&reposts, CALL, &two, now, 3), None, "the first still lives");
        assert_eq!(first(&reposts, CALL, &one, now, 4), None);
        drop(alive);
        assert_eq!(first(&reposts, [8; 32], &two, now, 5), None, "another call");
        assert_eq!(first(&reposts, CALL, &two, now, 6), Some(id(4)));
        assert_eq!(first(&reposts, CALL, &two, now, 7), None, "same connection as the repost");
    }

    #[test]
    fn only_within_the_window() {
        for (window, later, expected) in [(5, 5, Some(id(1))), (5, 6, None), (0, 0, None)] {
            let (reposts, now) = ((Reposts::default(), Duration::from_secs(window)), Instant::now());
            let (one, alive) = Connection::open(PEER);
            assert_eq!(first(&reposts, CALL, &one, now, 1), None);
            drop(alive);
            let (two, _alive) = Connection::open(PEER);
            let again = first(&reposts, CALL, &two, now + Duration::from_secs(later), 2);
            assert_eq!(again, expected, "{window} {later}");
        }
    }
}
