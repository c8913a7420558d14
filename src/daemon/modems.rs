//! The modem tasks, one a slot: started, given another configuration, ended, each without the others noticing.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{Mutex, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::supervise::supervise;
use crate::{
    config::{Config, Difference, SelfTestInterval, Slot, SlotChange},
    model::SlotId,
    modem::{Connector, ModemTask},
    pool::{Pool, SlotHandle},
    store::Store,
};

/// What starts and ends modem tasks.
#[derive(Debug)]
pub(super) struct Modems {
    pool: Pool,
    store: Store,
    connector: Connector,
    self_test: watch::Sender<Option<SelfTestInterval>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    running: BTreeMap<SlotId, Running>,
    /// Tasks that were told to end and may still be at it: a successor waits for them.
    ending: BTreeMap<SlotId, CancellationToken>,
}

#[derive(Debug)]
struct Running {
    slot: watch::Sender<Arc<Slot>>,
    stop: CancellationToken,
    /// Cancelled once the task has let go of its port.
    ended: CancellationToken,
}

impl Modems {
    /// No modems yet. The tasks to come live until `cancel`.
    pub(super) fn new(
        store: &Store,
        connector: Connector,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
        self_test: Option<SelfTestInterval>,
    ) -> Self {
        Self {
            pool: Pool::default(),
            store: store.clone(),
            connector,
            self_test: watch::Sender::new(self_test),
            tasks: tasks.clone(),
            cancel: cancel.clone(),
            running: BTreeMap::new(),
            ending: BTreeMap::new(),
        }
    }

    /// The modems, for those who ask them for something.
    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Starts the task of a slot that has none.
    pub(super) fn start(&mut self, slot: &Slot) {
        let id = slot.id.clone();
        let (sender, receiver) = watch::channel(Arc::new(slot.clone()));
        let (task, snapshot, requests) =
            ModemTask::new(receiver, self.store.clone(), self.connector.clone(), self.self_test.subscribe());
        self.pool.put(id.clone(), SlotHandle { snapshot, requests });
        let (stop, ended) = (self.cancel.child_token(), CancellationToken::new());
        let predecessor = self.ending.remove(&id);
        let task = Arc::new(Mutex::new(task));
        let (running, ends) = (stop.clone(), Arc::new(ended.clone().drop_guard()));
        supervise(&self.tasks, &stop, id.to_string(), move || {
            let (task, running, ends) = (Arc::clone(&task), running.clone(), Arc::clone(&ends));
            let predecessor = predecessor.clone();
            async move {
                if let Some(predecessor) = predecessor {
                    predecessor.cancelled().await;
                }
                task.lock().await.run(running).await;
                drop(ends);
            }
        });
        self.running.insert(id, Running { slot: sender, stop, ended });
    }

    /// Does what `difference` says of slots; `config` is the new one.
    pub(super) fn apply(&mut self, difference: &Difference, config: &Config) {
        let slots = &config.slots;
        self.self_test.send_replace(config.gateway.modempool.sms_self_test_interval);
        self.ending.retain(|_, ended| !ended.is_cancelled());
        for (id, change) in &difference.slots {
            let slot = slots.iter().find(|slot| slot.id == *id);
            match change {
                SlotChange::Adapted(_) => {
                    if let (Some(running), Some(slot)) = (self.running.get(id), slot) {
                        running.slot.send_replace(Arc::new(slot.clone()));
                    }
                }
                SlotChange::Removed => {
                    self.pool.remove(id);
                    self.end(id);
                }
                SlotChange::Added | SlotChange::Restarted(_) => {
                    self.end(id);
                    slot.into_iter().for_each(|slot| self.start(slot));
                }
            }
        }
    }

    /// The command in flight is finished; what waits for the modem is turned away.
    fn end(&mut self, id: &SlotId) {
        if let Some(running) = self.running.remove(id) {
            running.stop.cancel();
            self.ending.insert(id.clone(), running.ended);
        }
    }
}
