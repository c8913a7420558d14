//! The life of one slot: find the port, open it, bring the modem up, serve, and start over after any fault.

use std::{future::Future, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    Request, SubmitError, UssdError,
    backoff::Backoff,
    link::Link,
    session::{End, Session},
};
use crate::{
    config::Slot,
    model::{Health, HealthLevel, ModemSnapshot},
    store::Store,
};

/// A session that lasted this long counts as one that worked.
const WORKED: Duration = Duration::from_secs(120);

/// What every part of a slot's life needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) slot: Arc<Slot>,
    pub(super) store: Store,
    pub(super) snapshot: watch::Sender<ModemSnapshot>,
}

impl Context {
    /// Changes the published snapshot; readers are woken only if something is different.
    pub(super) fn publish(&self, change: impl FnOnce(&mut ModemSnapshot)) {
        self.snapshot.send_if_modified(|seen| {
            let before = seen.clone();
            change(seen);
            *seen != before
        });
    }

    pub(super) fn status(&self, status: &str) {
        self.publish(|seen| status.clone_into(&mut seen.status));
    }

    /// The modem cannot be used, and why.
    pub(super) fn down(&self, status: &str, health: Health) {
        let before = self.snapshot.borrow().health.clone();
        if before != health {
            warn!(modem = %self.slot.id, level = %health.level, reason = %health.message(), "modem is down");
        }
        self.publish(|seen| {
            status.clone_into(&mut seen.status);
            seen.ready = false;
            seen.health = health;
        });
    }
}
