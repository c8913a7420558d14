//! What goes over a slot's line, for whoever listens. Until somebody does, it takes no memory.
//!
//! Nothing is redacted here: the octets hold PINs and texts. Whoever listens passes them through
//! [`trace::Recorder`](crate::trace::Recorder) and keeps nothing else.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tokio::{sync::broadcast, time::Instant};

use crate::model::SlotId;

/// Chunks kept for a listener that is slow; the oldest go first, and it is told how many.
const BACKLOG: usize = 1024;

/// Something that went over the line.
#[derive(Clone)]
pub struct Passed {
    /// When.
    pub at: Instant,
    /// What.
    pub what: Traffic,
}

/// What can be seen of a line.
#[derive(Clone)]
pub enum Traffic {
    /// Octets to the modem, written at once.
    Sent(Arc<[u8]>),
    /// Octets from the modem.
    Received(Arc<[u8]>),
    /// The port was closed.
    Closed,
}

impl fmt::Debug for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Traffic::Sent(octets) => write!(f, "Sent({} octets)", octets.len()),
            Traffic::Received(octets) => write!(f, "Received({} octets)", octets.len()),
            Traffic::Closed => f.write_str("Closed"),
        }
    }
}

/// What a slot's links speak into: made for the first listener, since its backlog takes memory from the start.
type Line = Arc<OnceLock<broadcast::Sender<Passed>>>;

/// The taps of all slots. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Taps(Arc<Mutex<BTreeMap<SlotId, Line>>>);

impl Taps {
    /// Listens to a slot's line from now on, whichever port it is.
    #[must_use]
    pub fn listen(&self, slot: &SlotId) -> broadcast::Receiver<Passed> {
        self.line(slot).get_or_init(|| broadcast::Sender::new(BACKLOG)).subscribe()
    }

    /// The end that a link speaks into.
    pub(super) fn of(&self, slot: &SlotId) -> Tap {
        Tap(self.line(slot))
    }

    fn line(&self, slot: &SlotId) -> Line {
        // The map is never half changed, so that a panic elsewhere does no harm.
        let mut taps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(taps.entry(slot.clone()).or_default())
    }
}

/// One open port's tap; tells when the port is closed.
#[derive(Debug)]
pub(super) struct Tap(Line);

impl Tap {
    pub(super) fn sent(&self, octets: &[u8]) {
        self.pass(|| Traffic::Sent(octets.into()));
    }

    pub(super) fn received(&self, octets: &[u8]) {
        self.pass(|| Traffic::Received(octets.into()));
    }

    fn pass(&self, what: impl FnOnce() -> Traffic) {
        if let Some(sender) = self.0.get().filter(|sender| sender.receiver_count() > 0) {
            // Fails only if the last listener has just gone.
            let _ = sender.send(Passed { at: Instant::now(), what: what() });
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.pass(|| Traffic::Closed);
    }
}
