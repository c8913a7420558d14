//! The search for ports: the task that looks for modems, and the watch over the folders where devices come and go.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use super::{StartError, Surroundings, supervise::essential};
use crate::{
    config::{Gateway, Slot},
    emulator::VirtualPool,
    modem::{Connector, discovery::Discovery, hints::Hints, hotplug::Hotplug},
};

/// Virtual modems behave the same at each start.
const VIRTUAL_SEED: u64 = 1;

/// The running search.
#[derive(Debug)]
pub(super) struct Ports {
    connector: Connector,
    changes: watch::Sender<u64>,
    /// Ends the watch over the folders of the present slots.
    watching: CancellationToken,
    tasks: TaskTracker,
    cancel: CancellationToken,
    fallen: CancellationToken,
}

impl Ports {
    /// Starts the search for the modems of `slots`.
    ///
    /// # Errors
    /// [`StartError::Hotplug`].
    pub(super) fn start(
        gateway: &Gateway,
        slots: &[Slot],
        surroundings: &Surroundings,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
        fallen: &CancellationToken,
    ) -> Result<Self, StartError> {
        let hotplug = Hotplug::new(ports_of(slots)).map_err(StartError::Hotplug)?;
        let (changes, seen) = watch::channel(0);
        let hints = Hints::load(gateway.modempool.serial_ports_hint_file.as_deref());
        let (discovery, seeker) = Discovery::new(slots, hints, seen, Arc::clone(&surroundings.opener));
        let seeking = cancel.clone();
        essential(tasks, fallen, "discovery", async move {
            tokio::select! {
                () = seeking.cancelled() => {}
                () = seeker.run() => {}
            }
        });
        let virtual_pool = VirtualPool::new(surroundings.clock.wall(), VIRTUAL_SEED);
        let ports = Self {
            connector: Connector::new(discovery, Arc::new(virtual_pool))
                .with_opener(&surroundings.opener)
                .with_sysfs(&surroundings.sysfs),
            changes,
            watching: cancel.child_token(),
            tasks: tasks.clone(),
            cancel: cancel.clone(),
            fallen: fallen.clone(),
        };
        ports.watch(hotplug);
        Ok(ports)
    }

    /// What opens ports.
    pub(super) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Searches for the modems of these slots from now on.
    pub(super) async fn set_slots(&mut self, slots: &[Slot]) {
        self.connector.set_slots(slots).await;
        match Hotplug::new(ports_of(slots)) {
            Ok(hotplug) => {
                let before = std::mem::replace(&mut self.watching, self.cancel.child_token());
                self.watch(hotplug);
                before.cancel();
                // What changed between the two.
                self.changes.send_modify(|count| *count = count.wrapping_add(1));
            }
            Err(error) => warn!(%error, "devices that come and go in new folders are noticed late"),
        }
    }

    fn watch(&self, hotplug: Hotplug) {
        let (watching, changes) = (self.watching.clone(), self.changes.clone());
        essential(&self.tasks, &self.fallen, "hotplug", async move {
            tokio::select! {
                () = watching.cancelled() => {}
                Err(error) = hotplug.run(changes) => warn!(%error, "devices that come and go are no longer noticed"),
            }
        });
    }
}

fn ports_of(slots: &[Slot]) -> impl Iterator<Item = &str> {
    slots.iter().map(|slot| slot.port.as_str())
}
