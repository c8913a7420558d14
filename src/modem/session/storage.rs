//! What came in: committed first, deleted or acknowledged after.

use tokio::time::{Duration, Instant};
use tracing::{debug, info, warn};

use super::{super::intake::commit, End, Session};
use crate::{
    at::{Command, Memory},
    store::{SegmentKey, StoreError},
};

/// How soon the memories are swept again after the store refused something.
const BLOCKED_INTERVAL: Duration = Duration::from_secs(5);
/// `<stat>` 0 and 1 are received messages; 2 and 3 are drafts and copies of sent ones (TS 27.005 3.1).
const RECEIVED_READ: u8 = 1;

impl Session<'_> {
    /// `+CMT`, `+CDS`: commit, then confirm. Without a commit there is no `+CNMA`, and the network sends it again.
    pub(super) async fn take_handed_over(&mut self, pdu: &str) -> Result<(), End> {
        match commit(self.context, &self.receiver, "", None, pdu).await {
            Ok(key) => {
                self.unblock();
                if self.equipment.acknowledges {
                    // A modem that waited too long has given up on the confirmation; it will hand over again.
                    if self.command(Command::acknowledge()).await?.is_err() {
                        return Ok(());
                    }
                }
                self.forget_copy(key).await;
            }
            Err(error) => self.block(&error),
        }
        Ok(())
    }

    /// Reads one announced message, commits it, deletes it.
    pub(super) async fn fetch(&mut self, memory: Memory, index: u16) -> Result<(), End> {
        if !self.select(memory).await? {
            self.work.sweep = true;
            return Ok(());
        }
        let response = match self.command(Command::read(index)).await? {
            Ok(response) => response,
            Err(error) => {
                debug!(modem = %self.context.slot.id, %error, "announced message cannot be read, sweeping");
                self.work.sweep = true;
                return Ok(());
            }
        };
        match response.listed().first() {
            Some(listed) => self.keep(memory, index, &listed.pdu).await,
            // Some modems announce one memory and mean another.
            None => {
                self.work.sweep = true;
                Ok(())
            }
        }
    }

    /// Lists every memory and takes all it holds, oldest index first.
    pub(super) async fn sweep(&mut self) -> Result<(), End> {
        let mut storage = Vec::new();
        for memory in self.equipment.memories.clone() {
            self.selected = None;
            if !self.select(memory).await? {
                continue;
            }
            let usage = match self.command(Command::memory_use()).await? {
                Ok(response) => response.memory_use().into_iter().next(),
                Err(_) => None,
            };
            if usage.as_ref().is_some_and(|usage| usage.used == 0) {
                self.listed(memory, Vec::new()).await;
                storage.extend(usage);
                continue;
            }
            let Ok(response) = self.command(Command::list()).await? else {
                storage.extend(usage);
                continue;
            };
            let received: Vec<(u16, String)> = response
                .listed()
                .into_iter()
                .filter(|entry| entry.status <= RECEIVED_READ)
                .filter_map(|entry| entry.index.map(|index| (index, entry.pdu)))
                .collect();
            if !response.truncated {
                self.listed(memory, received.iter().map(|(index, _)| *index).collect()).await;
            }
            for (index, pdu) in received {
                self.keep(memory, index, &pdu).await?;
            }
            let after = match self.command(Command::memory_use()).await? {
                Ok(response) => response.memory_use().into_iter().next(),
                Err(_) => usage,
            };
            storage.extend(after);
            if response.truncated {
                self.work.sweep = true;
            }
        }
        self.seen.storage = storage;
        self.publish();
        Ok(())
    }

    /// Commits a stored message and deletes the SIM's copy, whose bytes were read in this very session.
    async fn keep(&mut self, memory: Memory, index: u16, pdu: &str) -> Result<(), End> {
        match commit(self.context, &self.receiver, memory.as_str(), Some(index), pdu).await {
            Ok(key) => {
                self.unblock();
                match self.command(Command::delete(index)).await? {
                    Ok(_) => self.forget_copy(key).await,
                    Err(error) => {
                        warn!(modem = %self.context.slot.id, index, %error, "a saved message cannot be deleted from the SIM");
                    }
                }
            }
            Err(error) => self.block(&error),
        }
        Ok(())
    }

    async fn forget_copy(&self, key: SegmentKey) {
        if let Err(error) = self.context.store.segment_deleted(key).await {
            // Harmless: the next sweep of this memory tells the store the same.
            debug!(modem = %self.context.slot.id, %error, "cannot record a deletion");
        }
    }

    async fn listed(&self, memory: Memory, present: Vec<u16>) {
        if let Err(error) = self.context.store.storage_listed(&self.receiver.sim, memory.as_str(), present).await {
            debug!(modem = %self.context.slot.id, %error, "cannot record a listing");
        }
    }

    /// The store refused: nothing is deleted, and the memories are swept again soon.
    fn block(&mut self, error: &StoreError) {
        if !self.seen.intake_blocked {
            warn!(modem = %self.context.slot.id, %error, "received messages cannot be saved and stay on the SIM");
        }
        self.seen.intake_blocked = true;
        self.next_poll = self.next_poll.min(Instant::now() + BLOCKED_INTERVAL);
        self.publish();
    }

    fn unblock(&mut self) {
        if self.seen.intake_blocked {
            info!(modem = %self.context.slot.id, "received messages can be saved again");
            self.seen.intake_blocked = false;
            self.publish();
        }
    }

    /// Makes `memory` the one to read from and delete in.
    async fn select(&mut self, memory: Memory) -> Result<bool, End> {
        if self.selected == Some(memory) {
            return Ok(true);
        }
        let receive = self.equipment.selected_memory.unwrap_or(memory);
        match self.command(Command::select_memories(memory, receive, receive)).await? {
            Ok(_) => {
                self.selected = Some(memory);
                Ok(true)
            }
            Err(error) => {
                debug!(modem = %self.context.slot.id, memory = memory.as_str(), %error, "memory cannot be selected");
                self.selected = None;
                Ok(false)
            }
        }
    }
}
