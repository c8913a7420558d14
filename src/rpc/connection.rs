//! One client connection as methods see it: who is at the other end, and whether it is still there.

use std::net::IpAddr;

use tokio_util::sync::{CancellationToken, DropGuard};

/// A handle on a connection. Clones stand for the same connection.
#[derive(Clone, Debug)]
pub struct Connection {
    peer: IpAddr,
    gone: CancellationToken,
}

/// Held by whoever serves a connection; dropping it says that the connection is gone.
#[derive(Debug)]
pub struct Lifeline {
    _guard: DropGuard,
}

impl Connection {
    /// A connection that was just made, and the guard that ends it when dropped.
    #[must_use]
    pub fn open(peer: IpAddr) -> (Self, Lifeline) {
        let gone = CancellationToken::new();
        (Self { peer, gone: gone.clone() }, Lifeline { _guard: gone.drop_guard() })
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether it is still there.
    pub(crate) fn is_alive(&self) -> bool {
        !self.gone.is_cancelled()
    }

    /// Returns when it is gone.
    pub(crate) async fn gone(&self) {
        self.gone.cancelled().await;
    }

    /// Whether both handles stand for the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.gone == other.gone
    }
}
