//! Who may have a connection when there are not enough for all.
//!
//! A peer has its share at most. Where every place is taken, a newcomer gets the place of somebody who gets nowhere with
//! it: not one whose call is being worked on, and only of a peer that holds more than the newcomer's does. So peers that
//! hold connections for nothing, however many they are, hold them from each other.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::Limits;

/// All places.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// In the order in which they were taken.
    by_number: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    progress: Arc<Progress>,
    lost: CancellationToken,
}

/// How far the holder of a place has got.
#[derive(Debug)]
pub(super) struct Progress(AtomicU8);

/// No whole request came.
const NOTHING: u8 = 0;
/// The last request was answered.
const ANSWERED: u8 = 1;
/// A call is being worked on.
const WORKING: u8 = 2;

impl Default for Progress {
    fn default() -> Self {
        Self(AtomicU8::new(NOTHING))
    }
}

impl Progress {
    /// A whole request came; its answer is there when the guard is dropped.
    pub(super) fn working(self: &Arc<Self>) -> Working {
        self.0.store(WORKING, Ordering::Relaxed);
        Working(Arc::clone(self))
    }
}

/// A call under way.
pub(super) struct Working(Arc<Progress>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.store(ANSWERED, Ordering::Relaxed);
    }
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    /// Tells the others how useful the place is.
    pub(super) progress: Arc<Progress>,
    /// Cancelled when somebody else got the place.
    pub(super) lost: CancellationToken,
}

impl Place {
    /// A place for a connection of `peer`, if it may have one.
    pub(super) fn take(places: &Arc<Places>, peer: IpAddr, limits: &Limits) -> Option<Self> {
        let mut taken = places.lock();
        let share = if peer.is_loopback() { limits.connections } else { limits.per_peer };
        if taken.held_by(peer) >= share {
            return None;
        }
        if taken.by_number.len() >= limits.connections {
            let number = taken.worst(peer)?;
            taken.by_number.remove(&number)?.lost.cancel();
        }
        let (progress, lost) = (Arc::default(), CancellationToken::new());
        let number = taken.next;
        taken.next += 1;
        taken.by_number.insert(number, Entry { peer, progress: Arc::clone(&progress), lost: lost.clone() });
        Some(Self { places: Arc::clone(places), number, progress, lost })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().by_number.remove(&self.number);
    }
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn held_by(&self, peer: IpAddr) -> usize {
        self.by_number.values().filter(|entry| entry.peer == peer).count()
    }

    /// The place to give to a newcomer: rather one without any request than one between two, rather of a peer with many,
    /// rather an old one.
    fn worst(&self, newcomer: IpAddr) -> Option<u64> {
        let least = self.held_by(newcomer);
        let candidates = self.by_number.iter().filter_map(|(number, entry)| {
            let progress = entry.progress.0.load(Ordering::Relaxed);
            let held = self.held_by(entry.peer);
            (progress != WORKING && held > least).then_some((progress, Reverse(held), *number))
        });
        candidates.min().map(|(_, _, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last))
    }

    fn limits() -> Limits {
        Limits { connections: 4, per_peer: 3, ..Limits::default() }
    }

    #[test]
    fn a_share_each_and_no_more_than_there_are() {
        let places = Arc::new(Places::default());
        let take = |last| Place::take(&places, peer(last), &limits());
        let held: Vec<_> = (0..3).map(|_| take(1).unwrap()).collect();
        assert!(take(1).is_none());
        let other = take(2).unwrap();
        drop(held);
        drop(other);
        assert!(places.lock().by_number.is_empty());
    }

    #[test]
    fn a_newcomer_gets_the_place_of_who_gets_nowhere_and_has_more() {
        let places = Arc::new(Places::default());
        let take = |last| Place::take(&places, peer(last), &limits());
        let (first, second, third) = (take(1).unwrap(), take(1).unwrap(), take(1).unwrap());
        let fourth = take(2).unwrap();
        drop(first.progress.working());
        let working = second.progress.working();
        let fifth = take(3).unwrap();
        assert!(third.lost.is_cancelled(), "no request came from it");
        let sixth = take(4).unwrap();
        assert!(fourth.lost.is_cancelled(), "the oldest of those from which no request came");
        let seventh = take(4).unwrap();
        assert!(first.lost.is_cancelled(), "it rests between two requests, but its peer has more than the newcomer's");
        assert!(take(4).is_none(), "nobody has more than the newcomer's");
        assert!(![&second, &fifth, &sixth, &seventh].iter().any(|place| place.lost.is_cancelled()));
        drop(working);
    }

    #[test]
    fn who_is_being_served_keeps_its_place() {
        let places = Arc::new(Places::default());
        let held: Vec<_> = (0..4).map(|last| Place::take(&places, peer(last), &limits()).unwrap()).collect();
        let working: Vec<_> = held.iter().map(|place| place.progress.working()).collect();
        assert!(Place::take(&places, peer(9), &limits()).is_none());
        drop(working);
        assert!(Place::take(&places, peer(9), &limits()).is_some());
    }
}
