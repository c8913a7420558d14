//! What came in: committed first, deleted or acknowledged after.
//!
//! The line should not idle over a commit: what one listing brought is committed together, and that a copy is gone is told
//! to the store without waiting for it.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};
use tracing::{debug, info, warn};

use super::{
    super::{
        inbound::may_be_replaced,
        intake::{Taken, commit},
    },
    End, MOST_HELD_BACK, Session,
    begun::Begun,
};
use crate::{
    at::{Command, ListedPdu, Memory, Response, Urc},
    store::{SegmentKey, StoreError},
};

/// How soon the memories are swept again after the store refused something.
const BLOCKED_INTERVAL: Duration = Duration::from_secs(5);
/// Commits of one listing that are under way at once. They share a flush to the disk, and the mailbox of the store has room
/// for those of every modem.
const SIDE_BY_SIDE: usize = 8;
/// `<stat>` 0 and 1 are received messages; 2 and 3 are drafts and copies of sent ones (TS 27.005 3.1).
const RECEIVED_READ: u8 = 1;

impl Session<'_> {
    /// `+CMT`, `+CDS`: commit, then confirm. Without a commit there is no `+CNMA`, and the network sends it again.
    ///
    /// A confirmation is for the last one handed over: while more wait, those before it are past confirming, and the
    /// last one is not committed yet.
    pub(super) async fn take_handed_over(&mut self, pdu: String) -> Result<(), End> {
        match commit(self.context, &self.receiver, "", None, &pdu).await {
            Ok(Taken { key, self_test }) => {
                self.unblock();
                self.note_self_test(self_test).await;
                if self.equipment.acknowledges {
                    while let Some(urc) = self.link.buffered_urc() {
                        self.note(urc)?;
                    }
                    if !self.work.handed_over.is_empty() {
                        return Ok(());
                    }
                    // A modem that waited too long has given up on the confirmation; it will hand over again.
                    if self.command(Command::acknowledge()).await?.is_err() {
                        return Ok(());
                    }
                }
                self.forget_copy(key);
            }
            Err(error) => {
                self.block(&error);
                if !self.equipment.acknowledges && self.work.held_back.len() < MOST_HELD_BACK {
                    self.work.held_back.push_back(pdu);
                }
            }
        }
        Ok(())
    }

    /// Commits what was handed over and not looked at before the session ended: it lies nowhere else.
    pub(super) async fn save_handed_over(&mut self) {
        let mut waiting = std::mem::take(&mut self.work.handed_over);
        waiting.append(&mut self.work.held_back);
        while let Some(urc) = self.link.buffered_urc() {
            if let Urc::Cmt { pdu, .. } | Urc::Cds { pdu, .. } = urc {
                waiting.push_back(pdu);
            }
        }
        for pdu in waiting {
            if let Err(error) = commit(self.context, &self.receiver, "", None, &pdu).await {
                warn!(modem = %self.context.slot().id, %error, "a message that was handed over cannot be saved");
            }
        }
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
                debug!(modem = %self.context.slot().id, %error, "announced message cannot be read, sweeping");
                self.work.sweep = true;
                return Ok(());
            }
        };
        let Some(listed) = response.listed().into_iter().next() else {
            // Some modems announce one memory and mean another.
            self.work.sweep = true;
            return Ok(());
        };
        if let Some(pdu) = self.reliable(index, listed).await?
            && let Some(key) = self.save(memory, index, &pdu).await
        {
            self.delete(index, key).await?;
        }
        Ok(())
    }

    /// Whether a sweep looks into this memory.
    pub(super) fn sweeps(&self, memory: Memory) -> bool {
        self.equipment.memories.contains(&memory)
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
            let Emptied { deleted, .. } = self.empty(memory, &response).await?;
            let after = match self.command(Command::memory_use()).await? {
                Ok(response) => response.memory_use().into_iter().next(),
                Err(_) => usage,
            };
            storage.extend(after);
            // What cannot be deleted would be listed again and again; the next poll is soon enough for that.
            if response.truncated && deleted {
                self.work.sweep = true;
            }
        }
        self.seen.storage = storage;
        self.publish();
        Ok(())
    }

    /// Lists one memory because several messages were announced in it, and takes all it holds. Nothing else is asked: how
    /// full it is matters only if something stays there, or much was there when it was last looked at.
    pub(super) async fn take_announced(&mut self, memory: Memory) -> Result<(), End> {
        if !self.select(memory).await? {
            self.work.sweep = true;
            return Ok(());
        }
        let Ok(response) = self.command(Command::list()).await? else {
            self.work.sweep = true;
            return Ok(());
        };
        let Emptied { deleted, stays } = self.empty(memory, &response).await?;
        if response.truncated && deleted {
            self.work.sweep = true;
        } else if stays || self.seen.storage.iter().any(|usage| usage.used * 2 > usage.total) {
            self.look_at_use().await?;
        }
        Ok(())
    }

    /// Takes everything received that a listing shows.
    async fn empty(&mut self, memory: Memory, response: &Response) -> Result<Emptied, End> {
        let received: Vec<(u16, ListedPdu)> = response
            .listed()
            .into_iter()
            .filter(|entry| entry.status <= RECEIVED_READ)
            .filter_map(|entry| entry.index.map(|index| (index, entry)))
            .collect();
        if !response.truncated {
            self.listed(memory, received.iter().map(|(index, _)| *index).collect()).await;
        }
        let count = received.len();
        let mut pdus = Vec::with_capacity(count);
        for (index, entry) in received {
            if let Some(pdu) = self.reliable(index, entry).await? {
                pdus.push((index, pdu));
            }
        }
        // All are committed before the first is deleted: two equal ones are two messages, and no repeats.
        let mut gone = 0;
        for (index, key) in self.save_all(memory, &pdus).await {
            gone += usize::from(self.delete(index, key).await?);
        }
        Ok(Emptied { deleted: gone > 0, stays: gone < count })
    }

    /// Commits what was listed, in its order. Those that the store has.
    async fn save_all(&mut self, memory: Memory, pdus: &[(u16, String)]) -> Vec<(u16, SegmentKey)> {
        let (context, receiver) = (self.context, &self.receiver);
        let mut results = Vec::with_capacity(pdus.len());
        let mut under_way: VecDeque<(u16, Begun<'_, _>)> = VecDeque::with_capacity(SIDE_BY_SIDE);
        for (index, pdu) in pdus {
            if under_way.len() == SIDE_BY_SIDE
                && let Some((index, begun)) = under_way.pop_front()
            {
                let result: Result<Taken, StoreError> = begun.answer().await;
                let failed = result.is_err();
                results.push((index, result));
                if failed {
                    break;
                }
            }
            let call = commit(context, receiver, memory.as_str(), Some(*index), pdu);
            under_way.push_back((*index, Begun::new(call).await));
        }
        for (index, begun) in under_way {
            results.push((index, begun.answer().await));
        }
        // A refusal has the last word: what stays on the SIM is to be looked at again soon.
        results.sort_by_key(|(_, result)| result.is_err());
        let mut saved = Vec::with_capacity(results.len());
        for (index, result) in results {
            saved.extend(self.saved(result).await.map(|key| (index, key)));
        }
        saved
    }

    /// Asks how full the selected memory is.
    async fn look_at_use(&mut self) -> Result<(), End> {
        let Ok(response) = self.command(Command::memory_use()).await? else { return Ok(()) };
        let Some(usage) = response.memory_use().into_iter().next() else { return Ok(()) };
        if let Some(known) = self.seen.storage.iter_mut().find(|known| known.name == usage.name) {
            *known = usage;
            self.publish();
        }
        Ok(())
    }

    /// The PDU of an entry; `None` if it cannot be had. One that came without its text, or with less of it than announced,
    /// lost octets on the line and is read again: deleting it would lose the message.
    async fn reliable(&mut self, index: u16, entry: ListedPdu) -> Result<Option<String>, End> {
        if is_whole(&entry) {
            return Ok(Some(entry.pdu));
        }
        if let Ok(response) = self.command(Command::read(index)).await?
            && let Some(again) = response.listed().into_iter().next()
            && (is_whole(&again) || (!again.pdu.is_empty() && again.pdu == entry.pdu))
        {
            return Ok(Some(again.pdu));
        }
        warn!(modem = %self.context.slot().id, index, "a message on the SIM cannot be read and stays there");
        Ok(None)
    }

    /// Commits a stored message; `None` if the store cannot.
    async fn save(&mut self, memory: Memory, index: u16, pdu: &str) -> Option<SegmentKey> {
        let result = commit(self.context, &self.receiver, memory.as_str(), Some(index), pdu).await;
        self.saved(result).await
    }

    /// What a commit means for the copy on the SIM and for health.
    async fn saved(&mut self, result: Result<Taken, StoreError>) -> Option<SegmentKey> {
        match result {
            Ok(Taken { key, self_test }) => {
                self.unblock();
                self.note_self_test(self_test).await;
                Some(key)
            }
            Err(error) => {
                self.block(&error);
                None
            }
        }
    }

    /// Deletes the SIM's copy of a committed message. Whether it is gone.
    ///
    /// One of a replace type is looked at once more before: a newer one may have come into its place, which the next
    /// poll takes. Not sooner, since a modem may print it differently each time.
    async fn delete(&mut self, index: u16, key: SegmentKey) -> Result<bool, End> {
        if may_be_replaced(&key.pdu) && !self.is_still_there(index, &key).await? {
            debug!(modem = %self.context.slot().id, index, "another message may have replaced a saved one on the SIM");
            return Ok(false);
        }
        match self.command(Command::delete(index)).await? {
            Ok(_) => {
                self.forget_copy(key);
                Ok(true)
            }
            Err(error) => {
                warn!(modem = %self.context.slot().id, index, %error, "a saved message cannot be deleted from the SIM");
                Ok(false)
            }
        }
    }

    async fn is_still_there(&mut self, index: u16, key: &SegmentKey) -> Result<bool, End> {
        let Ok(response) = self.command(Command::read(index)).await? else { return Ok(false) };
        let found = response.listed().into_iter().next();
        Ok(found.is_some_and(|found| found.pdu.eq_ignore_ascii_case(&key.pdu)))
    }

    /// Tells the store that a copy is gone. Nothing waits for it: what comes into the same place is committed after it, and
    /// a record that a crash takes is made good by the next sweep.
    fn forget_copy(&self, key: SegmentKey) {
        if let Err(error) = self.context.store.segment_deleted(key) {
            debug!(modem = %self.context.slot().id, %error, "cannot record a deletion");
        }
    }

    /// Tells the store what a memory holds. Nothing waits for it: what is listed is committed after it.
    async fn listed(&self, memory: Memory, present: Vec<u16>) {
        let call = self.context.store.storage_listed(&self.receiver.sim, memory.as_str(), present);
        if let Begun::Answered(Err(error)) = Begun::new(call).await {
            debug!(modem = %self.context.slot().id, %error, "cannot record a listing");
        }
    }

    /// One that came back takes its warning away at once.
    async fn note_self_test(&mut self, came_back: bool) {
        if came_back {
            self.look_at_self_test().await;
            self.publish();
        }
    }

    /// The store refused: nothing is deleted, and the memories are swept again soon.
    fn block(&mut self, error: &StoreError) {
        if !self.seen.intake_blocked {
            warn!(modem = %self.context.slot().id, %error, "received messages cannot be saved and stay on the SIM");
        }
        self.seen.intake_blocked = true;
        self.next_poll = self.next_poll.min(Instant::now() + BLOCKED_INTERVAL);
        self.publish();
    }

    fn unblock(&mut self) {
        if self.seen.intake_blocked {
            info!(modem = %self.context.slot().id, "received messages can be saved again");
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
                debug!(modem = %self.context.slot().id, memory = memory.as_str(), %error, "memory cannot be selected");
                self.selected = None;
                Ok(false)
            }
        }
    }
}

/// What became of a listing.
struct Emptied {
    /// Something was deleted.
    deleted: bool,
    /// Something of it is still there.
    stays: bool,
}

/// Whether the PDU has the announced length. It counts the TPDU, before which the service centre's address stands.
fn is_whole(entry: &ListedPdu) -> bool {
    let octets = entry.pdu.len() / 2;
    let centre = entry.pdu.get(..2).and_then(|length| usize::from_str_radix(length, 16).ok());
    match (entry.tpdu_octets, centre) {
        (Some(announced), Some(centre)) => octets == announced + centre + 1 || octets == announced,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}
