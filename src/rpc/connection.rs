//! One client connection as methods see it: who is at the other end, and whether it is still there.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A handle on a connection. Clones stand for the same connection.
#[derive(Clone, Debug)]
pub struct Connection {
    peer: IpAddr,
    alive: Arc<AtomicBool>,
}

impl Connection {
    /// A connection that was just made, and the guard that ends it when dropped.
    #[must_use]
    pub fn open(peer: IpAddr) -> (Self, Lifeline) {
        let alive = Arc::new(AtomicBool::new(true));
        (Self { peer, alive: Arc::clone(&alive) }, Lifeline { alive })
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Whether it is still there.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Whether both handles stand for the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.alive, &other.alive)
    }
}

/// Held by whoever serves a connection.
#[derive(Debug)]
pub struct Lifeline {
    alive: Arc<AtomicBool>,
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Release);
    }
}
