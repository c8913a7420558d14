//! What is kept about the recovery of modems: how often each rung was tried, how often it cured, and when lately.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    rows::{micros, slot},
    writer::Work,
};
use crate::model::{RunTime, Rung, SlotId};

/// How long single tries are kept; the ladder looks back no further.
const KEPT: Duration = Duration::from_secs(3600);

/// How often a slot's modem was brought back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recoveries {
    /// By any rung.
    pub cured: u64,
    /// The rung that did it last.
    pub last: Option<Rung>,
}

impl Store {
    /// A rung is about to be tried: durable before it is, so that a daemon that dies over it has counted it.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn recovery_tried(&self, slot: &SlotId, rung: Rung) -> Result<(), StoreError> {
        let slot = slot.clone();
        self.write(move |work| tried(work, &slot, rung)).await
    }

    /// The modem works again after this rung.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn recovery_cured(&self, slot: &SlotId, rung: Rung) -> Result<(), StoreError> {
        let slot = slot.clone();
        self.write(move |work| cured(work, &slot, rung)).await
    }

    /// Tries of a slot within the last hour, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn recovery_tries(&self, slot: &SlotId) -> Result<Vec<(Rung, RunTime)>, StoreError> {
        let (slot, since) = (slot.clone(), self.now().before(KEPT));
        self.read(move |connection| tries(connection, &slot, since)).await
    }

    /// Recoveries of every slot that had any.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn recoveries(&self) -> Result<BTreeMap<SlotId, Recoveries>, StoreError> {
        self.read(recoveries).await
    }
}

fn tried(work: &mut Work<'_>, slot: &SlotId, rung: Rung) -> Result<(), StoreError> {
    work.connection.execute(
        "INSERT INTO recovery (slot, rung, tried, last_tried_at) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (slot, rung) DO UPDATE SET tried = tried + 1, last_tried_at = ?3",
        params![slot.as_str(), rung.as_str(), micros(work.wall)],
    )?;
    work.connection.execute("DELETE FROM recovery_try WHERE tried_run < ?1", [work.now.before(KEPT).0])?;
    work.connection.execute(
        "INSERT INTO recovery_try (slot, rung, tried_run) VALUES (?1, ?2, ?3)",
        params![slot.as_str(), rung.as_str(), work.now.0],
    )?;
    Ok(())
}

fn cured(work: &mut Work<'_>, slot: &SlotId, rung: Rung) -> Result<(), StoreError> {
    work.connection.execute(
        "INSERT INTO recovery (slot, rung, cured, last_cured_at) VALUES (?1, ?2, 1, ?3)
         ON CONFLICT (slot, rung) DO UPDATE SET cured = cured + 1, last_cured_at = ?3",
        params![slot.as_str(), rung.as_str(), micros(work.wall)],
    )?;
    Ok(())
}

fn tries(connection: &Connection, slot: &SlotId, since: RunTime) -> Result<Vec<(Rung, RunTime)>, StoreError> {
    let rows = connection
        .prepare_cached("SELECT rung, tried_run FROM recovery_try WHERE slot = ?1 AND tried_run >= ?2 ORDER BY id")?
        .query_map(params![slot.as_str(), since.0], |row| Ok((row.get::<_, String>(0)?, RunTime(row.get(1)?))))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(|(rung, at)| Some((Rung::parse(&rung)?, at))).collect())
}

fn recoveries(connection: &Connection) -> Result<BTreeMap<SlotId, Recoveries>, StoreError> {
    let mut found: BTreeMap<SlotId, Recoveries> = BTreeMap::new();
    let mut statement =
        connection.prepare_cached("SELECT slot, rung, cured FROM recovery WHERE cured > 0 ORDER BY last_cured_at")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entry = found.entry(slot(row, "slot")?).or_default();
        entry.cured += u64::try_from(row.get::<_, i64>("cured")?).unwrap_or(0);
        entry.last = Rung::parse(&row.get::<_, String>("rung")?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn tries_and_cures_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smsgate.db");
        let options = || Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
        let (one, other) = (SlotId::new("00"), SlotId::new("01"));
        let store = Store::open(&path, options()).unwrap();
        for rung in [Rung::Reopen, Rung::Reset, Rung::Reset] {
            store.recovery_tried(&one, rung).await.unwrap();
        }
        store.recovery_tried(&other, Rung::Reopen).await.unwrap();
        for rung in [Rung::Reset, Rung::Reauthorise, Rung::Reset] {
            store.recovery_cured(&one, rung).await.unwrap();
        }
        store.close().await;
        drop(store);
        let store = Store::open(&path, options()).unwrap();
        let tries = store.recovery_tries(&one).await.unwrap();
        assert_eq!(tries.iter().map(|(rung, _)| *rung).collect::<Vec<_>>(), [Rung::Reopen, Rung::Reset, Rung::Reset]);
        assert!(tries.iter().all(|(_, at)| *at <= store.now()), "{tries:?}");
        let recoveries = store.recoveries().await.unwrap();
        assert_eq!(recoveries.get(&one), Some(&Recoveries { cured: 3, last: Some(Rung::Reset) }));
        assert_eq!(recoveries.get(&other), None);
    }
}
