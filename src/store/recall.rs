//! What the writer knows of its rows by heart, so that no index of them has to be written with each: who wrote within the
//! last minute (S15), and which segments may still lie on a SIM (D4).
//!
//! Both are read from the tables when they are first asked for, and again after something was rolled back that they had
//! noted already. The tables stay the truth; nothing here outlives the writer.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use rusqlite::Connection;

use super::StoreError;
use crate::model::RunTime;

/// Both memories. What is `None` has to be read first.
#[derive(Debug, Default)]
pub(super) struct Recall {
    arrivals: Option<Arrivals>,
    on_sims: Option<BTreeSet<i64>>,
    /// Whether something was noted that a rollback would take back.
    noted: bool,
}

impl Recall {
    /// An operation begins: what was noted before is not its doing.
    pub(super) const fn begin(&mut self) {
        self.noted = false;
    }

    /// What the operation did is undone.
    pub(super) fn undo(&mut self) {
        if self.noted {
            self.forget();
        }
    }

    /// Everything is read anew when it is needed.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// An ordinary message was added.
    pub(super) fn arrived(&mut self, slot: &str, sender: &str, at: RunTime) {
        self.noted = true;
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.add(slot, sender, at);
        }
    }

    /// Ordinary messages of a sender to a slot that came after `since`, which never goes back.
    pub(super) fn arrivals(
        &mut self,
        connection: &Connection,
        slot: &str,
        sender: &str,
        since: RunTime,
    ) -> Result<u32, StoreError> {
        let arrivals = match &mut self.arrivals {
            Some(arrivals) => arrivals,
            unread => unread.insert(Arrivals::read(connection, since)?),
        };
        arrivals.forget_until(since);
        Ok(arrivals.count(slot, sender))
    }

    /// A segment was added that lies on a SIM.
    pub(super) fn lies_on_sim(&mut self, segment: i64) {
        self.noted = true;
        if let Some(on_sims) = &mut self.on_sims {
            on_sims.insert(segment);
        }
    }

    /// These segments are noted as deleted.
    pub(super) fn left_sim(&mut self, segments: &[i64]) {
        self.noted = true;
        if let Some(on_sims) = &mut self.on_sims {
            on_sims.retain(|segment| !segments.contains(segment));
        }
    }

    /// Segments that lie on a SIM as far as is known.
    pub(super) fn on_sims(&mut self, connection: &Connection) -> Result<&BTreeSet<i64>, StoreError> {
        match &mut self.on_sims {
            Some(on_sims) => Ok(on_sims),
            unread => {
                let mut statement = connection
                    .prepare("SELECT id FROM segment WHERE deleted_run IS NULL AND storage_index IS NOT NULL")?;
                let found = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
                Ok(unread.insert(found))
            }
        }
    }
}

/// The latest arrivals in their order, and how many of them are whose.
#[derive(Debug, Default)]
struct Arrivals {
    order: VecDeque<(RunTime, u64)>,
    counts: HashMap<u64, u32>,
    hasher: RandomState,
}

impl Arrivals {
    /// Later messages have later stamps, so reading ends with the first that is too old.
    fn read(connection: &Connection, since: RunTime) -> Result<Self, StoreError> {
        let mut statement = connection.prepare(
            "SELECT slot, sender, arrived_run FROM message
             WHERE flash = 0 AND parts_missing = 0 AND undecodable = 0 AND completes IS NULL AND origin = 'sms'
             ORDER BY sequence DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut found: Vec<(String, String, RunTime)> = Vec::new();
        while let Some(row) = rows.next()? {
            let at = RunTime(row.get(2)?);
            if at <= since {
                break;
            }
            found.push((row.get(0)?, row.get(1)?, at));
        }
        let mut arrivals = Self::default();
        found.iter().rev().for_each(|(slot, sender, at)| arrivals.add(slot, sender, *at));
        Ok(arrivals)
    }

    fn add(&mut self, slot: &str, sender: &str, at: RunTime) {
        let key = self.key(slot, sender);
        self.order.push_back((at, key));
        *self.counts.entry(key).or_default() += 1;
    }

    fn forget_until(&mut self, since: RunTime) {
        while let Some((_, key)) = self.order.front().copied().filter(|(at, _)| *at <= since) {
            self.order.pop_front();
            if let Some(count) = self.counts.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&key);
                }
            }
        }
        if self.order.is_empty() && self.order.capacity() > 1024 {
            // A flood is over.
            self.order = VecDeque::new();
            self.counts = HashMap::new();
        }
    }

    fn count(&self, slot: &str, sender: &str) -> u32 {
        self.counts.get(&self.key(slot, sender)).copied().unwrap_or(0)
    }

    /// Two senders that share one would only share a digest's threshold.
    fn key(&self, slot: &str, sender: &str) -> u64 {
        self.hasher.hash_one((slot, sender))
    }
}
