//! What the store does when its file system runs low (D20). It is told so: the daemon looks at the file system.

use std::time::Duration;

use tokio::sync::watch;

use super::Store;
use crate::model::Space;

/// How short of room the store is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shortage {
    /// What is left.
    pub space: Space,
    /// Texts younger than this are not forgotten early: somebody may still come for them.
    pub keep: Duration,
}

impl Store {
    /// Works by this from the next operation on: [`retain`](Self::retain) forgets texts early while room is low,
    /// [`enqueue`](Self::enqueue) refuses while there is hardly any. Whether what is left is another step than before.
    pub fn set_shortage(&self, shortage: Shortage) -> bool {
        let mut is_another = false;
        self.inner.shortage.send_if_modified(|held| {
            is_another = held.space != shortage.space;
            *held = shortage;
            is_another
        });
        is_another
    }

    /// The last that was said about it; changed when what is left is another step.
    #[must_use]
    pub fn shortage(&self) -> watch::Receiver<Shortage> {
        self.inner.shortage.subscribe()
    }
}
