//! What is kept about each slot's SIM: counters, last balance, and which PINs were tried (D23).

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rusqlite::{Connection, params};

use super::{
    SimFacts, StoreError,
    rows::{micros, optional_timestamp, slot},
    writer::Work,
};
use crate::model::SlotId;

pub(super) fn facts(connection: &Connection) -> Result<BTreeMap<SlotId, SimFacts>, StoreError> {
    let facts = connection
        .prepare_cached("SELECT * FROM sim")?
        .query_map([], |row| {
            let facts = SimFacts {
                sent: counter(row.get("sent")?),
                received: counter(row.get("received")?),
                last_sent: optional_timestamp(row, "last_sent")?,
                last_received: optional_timestamp(row, "last_received")?,
                balance_micros: row.get("balance_micros")?,
                balance_at: optional_timestamp(row, "balance_at")?,
                balance_sim: row.get("balance_sim")?,
            };
            Ok((slot(row, "slot")?, facts))
        })?
        .collect::<Result<_, _>>()?;
    Ok(facts)
}

/// Counts a message that the network took whole, now.
pub(super) fn count_sent(work: &Work<'_>, slot: &str) -> Result<(), StoreError> {
    work.connection
        .prepare_cached(
            "INSERT INTO sim (slot, sent, last_sent) VALUES (?1, 1, ?2)
             ON CONFLICT (slot) DO UPDATE SET sent = sent + 1, last_sent = ?2",
        )?
        .execute(params![slot, micros(work.wall)])?;
    let day = work.wall.to_zoned(TimeZone::system()).date();
    work.connection
        .prepare_cached(
            "INSERT INTO sent_daily (day, slot, messages) VALUES (?1, ?2, 1)
             ON CONFLICT (day, slot) DO UPDATE SET messages = messages + 1",
        )?
        .execute(params![day.to_string(), slot])?;
    Ok(())
}

pub(super) fn sent_on_day(connection: &Connection, day: Date) -> Result<BTreeMap<SlotId, u32>, StoreError> {
    let counts = connection
        .prepare_cached("SELECT slot, messages FROM sent_daily WHERE day = ?1")?
        .query_map([day.to_string()], |row| Ok((slot(row, "slot")?, row.get("messages")?)))?
        .collect::<Result<_, _>>()?;
    Ok(counts)
}

pub(super) fn pin_may_try(connection: &Connection, sim: &str, digest: &[u8]) -> Result<bool, StoreError> {
    let open = connection
        .prepare_cached("SELECT 1 FROM pin_attempt WHERE sim = ?1 AND digest = ?2 AND accepted = 0")?
        .exists(params![sim, digest])?;
    Ok(!open)
}

pub(super) fn pin_attempted(work: &mut Work<'_>, sim: &str, digest: &[u8], at: Timestamp) -> Result<(), StoreError> {
    work.connection.execute(
        "INSERT INTO pin_attempt (sim, digest, attempted_at, accepted) VALUES (?1, ?2, ?3, 0)
         ON CONFLICT (sim, digest) DO UPDATE SET attempted_at = ?3, accepted = 0",
        params![sim, digest, micros(at)],
    )?;
    Ok(())
}

pub(super) fn pin_accepted(work: &mut Work<'_>, sim: &str, digest: &[u8]) -> Result<(), StoreError> {
    work.connection
        .execute("UPDATE pin_attempt SET accepted = 1 WHERE sim = ?1 AND digest = ?2", params![sim, digest])?;
    Ok(())
}

pub(super) fn pin_forgotten(work: &mut Work<'_>, sim: &str) -> Result<(), StoreError> {
    work.connection.execute("DELETE FROM pin_attempt WHERE sim = ?1", [sim])?;
    Ok(())
}

fn counter(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}
