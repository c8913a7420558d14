//! The balance of each slot's SIM: the last good one, and the last one of each local day.
//!
//! A balance belongs to a SIM: another card in the slot begins with nothing known. What days it goes into is decided by
//! the wall clock, since it is days that are shown; how many are kept is counted, so that a clock that jumps forgets
//! nothing: days to come are passed over while they are to come, since it may be today's clock that is wrong.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    rows::{micros, slot},
    writer::Work,
};
use crate::model::{BalanceDay, SlotId};

/// Days kept for each slot, and as many that a wrong clock has put into the future.
const DAYS_KEPT: i64 = 60;

impl Store {
    /// A balance was read of this SIM, now.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn balance_read(&self, slot: &SlotId, sim: &str, balance_micros: i64) -> Result<(), StoreError> {
        let (slot, sim) = (slot.clone(), sim.to_owned());
        self.write(move |work| read(work, &slot, &sim, balance_micros)).await
    }

    /// The balances up to today of the SIM that each slot's last balance was read of, oldest day first.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn balance_history(&self) -> Result<BTreeMap<SlotId, Vec<BalanceDay>>, StoreError> {
        let today = local_day(self.wall());
        self.read(move |connection| history(connection, &today)).await
    }
}

fn read(work: &mut Work<'_>, slot: &SlotId, sim: &str, balance: i64) -> Result<(), StoreError> {
    let day = local_day(work.wall);
    work.connection
        .prepare_cached(
            "INSERT INTO sim (slot, balance_micros, balance_at, balance_sim) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (slot) DO UPDATE SET balance_micros = ?2, balance_at = ?3, balance_sim = ?4",
        )?
        .execute(params![slot.as_str(), balance, micros(work.wall), sim])?;
    work.connection
        .prepare_cached(
            "INSERT INTO balance_day (slot, sim, day, balance_micros) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (slot, sim, day) DO UPDATE SET balance_micros = ?4",
        )?
        .execute(params![slot.as_str(), sim, day, balance])?;
    work.connection
        .prepare_cached(
            "DELETE FROM balance_day WHERE slot = ?1
               AND day NOT IN
                 (SELECT DISTINCT day FROM balance_day WHERE slot = ?1 AND day <= ?2 ORDER BY day DESC LIMIT ?3)
               AND day NOT IN
                 (SELECT DISTINCT day FROM balance_day WHERE slot = ?1 AND day > ?2 ORDER BY day DESC LIMIT ?3)",
        )?
        .execute(params![slot.as_str(), day, DAYS_KEPT])?;
    Ok(())
}

/// As it is written in the table: text that sorts by time.
fn local_day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).date().to_string()
}

fn history(connection: &Connection, today: &str) -> Result<BTreeMap<SlotId, Vec<BalanceDay>>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.slot, d.day, d.balance_micros FROM balance_day AS d JOIN sim AS s ON s.slot = d.slot
         WHERE d.sim = s.balance_sim AND d.day <= ?1 ORDER BY d.slot, d.day",
    )?;
    let mut days: BTreeMap<SlotId, Vec<BalanceDay>> = BTreeMap::new();
    let rows = statement.query_map([today], |row| {
        let day: String = row.get("day")?;
        Ok((slot(row, "slot")?, day, row.get("balance_micros")?))
    })?;
    for row in rows {
        let (slot, day, micros) = row?;
        // Nothing but a date gets in; a row that holds something else counts for nothing.
        if let Ok(day) = day.parse() {
            days.entry(slot).or_default().push(BalanceDay { day, micros });
        }
    }
    Ok(days)
}
