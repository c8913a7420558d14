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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::MIGRATIONS;

    fn store() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|step| connection.execute_batch(step).unwrap());
        connection
    }

    fn add(connection: &Connection, number: i64, sender: &str, arrived: i64, flash: bool) {
        connection
            .execute(
                "INSERT INTO message (id, slot, recipient, sender, text, network, sent_offset, received_at, arrived_run,
                     flash, parts_missing, undecodable)
                 VALUES (?1, '00', '', ?2, '', '', 0, 0, ?3, ?4, 0, 0)",
                rusqlite::params![format!("id {number}"), sender, arrived, flash],
            )
            .unwrap();
    }

    #[test]
    fn arrivals_are_read_once_and_counted_on() {
        let (connection, mut recall) = (store(), Recall::default());
        for (number, (sender, arrived, flash)) in
            [("a", 10, false), ("a", 20, false), ("b", 21, false), ("a", 22, true), ("a", 23, false)].iter().enumerate()
        {
            add(&connection, i64::try_from(number).unwrap(), sender, *arrived, *flash);
        }
        let count = |recall: &mut Recall, slot: &str, sender: &str, since: i64| {
            recall.arrivals(&connection, slot, sender, RunTime(since)).unwrap()
        };
        assert_eq!(count(&mut recall, "00", "a", 10), 2, "neither the one of then nor the flash");
        assert_eq!((count(&mut recall, "00", "b", 10), count(&mut recall, "01", "a", 10)), (1, 0));
        recall.arrived("00", "a", RunTime(30));
        assert_eq!(count(&mut recall, "00", "a", 19), 3);
        assert_eq!(count(&mut recall, "00", "a", 23), 1);
        assert_eq!(count(&mut recall, "00", "a", 30), 0);
    }

    #[test]
    fn what_is_undone_is_not_counted() {
        let (connection, mut recall) = (store(), Recall::default());
        add(&connection, 0, "a", 10, false);
        assert_eq!(recall.arrivals(&connection, "00", "a", RunTime(0)).unwrap(), 1);
        recall.begin();
        recall.arrived("00", "a", RunTime(11));
        recall.lies_on_sim(7);
        recall.undo();
        assert_eq!(recall.arrivals(&connection, "00", "a", RunTime(0)).unwrap(), 1);
        assert!(recall.on_sims(&connection).unwrap().is_empty());
        // One that noted nothing costs nothing: the table is not read again.
        recall.begin();
        recall.undo();
        add(&connection, 1, "a", 12, false);
        assert_eq!(recall.arrivals(&connection, "00", "a", RunTime(0)).unwrap(), 1);
    }

    #[test]
    fn segments_on_sims_come_and_go() {
        let (connection, mut recall) = (store(), Recall::default());
        for (index, deleted) in [(Some(1), None), (Some(2), Some(5)), (None, None), (Some(4), None)] {
            connection
                .execute(
                    "INSERT INTO segment (slot, sim, memory, storage_index, pdu, digest, kind, received_at, received_run,
                         deleted_run)
                     VALUES ('00', '89', 'SM', ?1, '', x'', 'whole', 0, 0, ?2)",
                    [index, deleted],
                )
                .unwrap();
        }
        let known = |recall: &mut Recall| recall.on_sims(&connection).unwrap().iter().copied().collect::<Vec<_>>();
        assert_eq!(known(&mut recall), [1, 4]);
        recall.lies_on_sim(9);
        recall.left_sim(&[4, 5]);
        assert_eq!(known(&mut recall), [1, 9]);
    }
}
