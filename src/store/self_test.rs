//! The record of self-tests: started in one transaction with the message that is sent, returned in one with the segment
//! that came in (D17).
//!
//! A crash leaves neither a test without a message nor a message without its test. From then on the outbox's states hold:
//! what was queued goes out after the restart, what was in the modem's hands is *unknown* and, being `once`, is not sent
//! again; if it left, its return says so. When to test is not decided here.

use std::{collections::BTreeMap, time::Duration};

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    NewOutgoing, Store, StoreError, outbox,
    rows::{message_id, micros, optional_timestamp, outgoing_state, slot, timestamp},
    writer::Work,
};
use crate::model::{MessageId, OutgoingState, RunTime, SelfTest, SelfTestReturn, SelfTestStart, SlotId};

/// Tests kept per slot. One that comes back after as many later ones is an ordinary message.
const KEPT: i64 = 5;

/// A self-test, to be started.
#[derive(Clone, Debug)]
pub struct NewSelfTest {
    /// The SIM it is of, through which it has to leave.
    pub slot: SlotId,
    /// What it is known by when it comes back.
    pub token: String,
    /// The local day it counts for.
    pub day: Date,
    /// The slot's latest test when this one was decided on. If there is another by now, this one is not started.
    pub after: Option<i64>,
    /// What is sent.
    pub message: NewOutgoing,
}

impl Store {
    /// Queues a self-test's message and records the test, both or neither. Whether it was started: not if another one
    /// was meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn start_self_test(&self, test: NewSelfTest) -> Result<bool, StoreError> {
        let boot_id = self.inner.clock.boot_id().to_owned();
        self.write(move |work| start(work, &test, &boot_id)).await
    }

    /// The latest tests of every slot, oldest first, and the last that came back however many followed.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn self_tests(&self) -> Result<BTreeMap<SlotId, Vec<SelfTest>>, StoreError> {
        let boot_id = self.inner.clock.boot_id().to_owned();
        self.read(move |connection| read_all(connection, None, &boot_id)).await
    }

    /// As [`self_tests`](Self::self_tests), of one slot.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn self_tests_of(&self, slot: &SlotId) -> Result<Vec<SelfTest>, StoreError> {
        let (slot, boot_id) = (slot.clone(), self.inner.clock.boot_id().to_owned());
        self.read(move |connection| Ok(read_all(connection, Some(&slot), &boot_id)?.remove(&slot).unwrap_or_default()))
            .await
    }
}

/// The test of this slot with this token.
pub(super) fn issued(connection: &Connection, slot: &str, token: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT sequence FROM self_test WHERE slot = ?1 AND token = ?2")?
        .query_row([slot, token], |row| row.get(0))
        .optional()?)
}

/// A test came back. The first time counts; the trip began when the modem was last given the message.
pub(super) fn returned(work: &mut Work<'_>, sequence: i64) -> Result<(), StoreError> {
    work.connection
        .prepare_cached(
            "UPDATE self_test SET returned_at = ?2, returned_run = ?3, round_trip_ms = ?3 - ifnull(
                 (SELECT max(p.submitted_run) FROM outbox AS o JOIN outbox_segment AS p ON p.message = o.sequence
                  WHERE o.id = self_test.message), started_run)
             WHERE sequence = ?1 AND returned_at IS NULL",
        )?
        .execute(params![sequence, micros(work.wall), work.now.0])?;
    Ok(())
}

fn start(work: &mut Work<'_>, test: &NewSelfTest, boot_id: &str) -> Result<bool, StoreError> {
    let slot = test.slot.as_str();
    let latest: Option<i64> = work
        .connection
        .prepare_cached("SELECT max(sequence) FROM self_test WHERE slot = ?1")?
        .query_row([slot], |row| row.get(0))?;
    if latest != test.after {
        return Ok(false);
    }
    outbox::accept(work, &test.message)?;
    let message = test.message.id.to_string();
    work.connection
        .prepare_cached("UPDATE outbox SET purpose = 'self-test', slot = ?2 WHERE id = ?1")?
        .execute(params![message, slot])?;
    work.connection
        .prepare_cached(
            "INSERT INTO self_test (slot, token, message, day, boot_id, started_at, started_run)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![slot, test.token, message, test.day.to_string(), boot_id, micros(work.wall), work.now.0])?;
    work.connection
        .prepare_cached(
            "DELETE FROM self_test WHERE slot = ?1
               AND sequence NOT IN (SELECT sequence FROM self_test WHERE slot = ?1 ORDER BY sequence DESC LIMIT ?2)
               AND sequence IS NOT (SELECT max(sequence) FROM self_test WHERE slot = ?1 AND returned_at IS NOT NULL)",
        )?
        .execute(params![slot, KEPT])?;
    Ok(true)
}

fn read_all(
    connection: &Connection,
    of: Option<&SlotId>,
    boot_id: &str,
) -> Result<BTreeMap<SlotId, Vec<SelfTest>>, StoreError> {
    let mut tests: BTreeMap<SlotId, Vec<SelfTest>> = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT t.*, o.state, ifnull(o.cause, '') AS cause, o.sent_at
         FROM self_test AS t LEFT JOIN outbox AS o ON o.id = t.message
         WHERE ?1 IS NULL OR t.slot = ?1 ORDER BY t.sequence",
    )?;
    let mut rows = statement.query([of.map(SlotId::as_str)])?;
    while let Some(row) = rows.next()? {
        tests.entry(slot(row, "slot")?).or_default().push(read(row, boot_id)?);
    }
    Ok(tests)
}

fn read(row: &Row<'_>, boot_id: &str) -> rusqlite::Result<SelfTest> {
    let (day, boot): (String, String) = (row.get("day")?, row.get("boot_id")?);
    let start = SelfTestStart {
        // A day that cannot be read counts as long past: at worst one more test is sent.
        day: day.parse().unwrap_or(Date::MIN),
        wall: timestamp(row, "started_at")?,
        run: RunTime(row.get("started_run")?),
        same_boot: !boot.is_empty() && boot == boot_id,
    };
    let state: Option<String> = row.get("state")?;
    let state: Option<OutgoingState> = state.map(|_| outgoing_state(row, "state")).transpose()?;
    let round_trip: Option<i64> = row.get("round_trip_ms")?;
    let run: Option<i64> = row.get("returned_run")?;
    let back = optional_timestamp(row, "returned_at")?.zip(run).map(|(wall, run)| SelfTestReturn {
        wall,
        run: RunTime(run),
        round_trip: Duration::from_millis(u64::try_from(round_trip.unwrap_or(0)).unwrap_or(0)),
    });
    let message: MessageId = message_id(row, "message")?;
    Ok(SelfTest {
        sequence: row.get("sequence")?,
        message,
        start,
        state,
        cause: row.get("cause")?,
        sent_at: optional_timestamp(row, "sent_at")?,
        back,
    })
}
