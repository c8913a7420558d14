//! What is forgotten, and when (D16, D20, D21): texts after the configured time, or before it while room is low; facts
//! about messages after 30 days.
//!
//! Early go the texts of messages that are over: mailed, or sent, or failed, and old enough that no reader comes for them.
//! Never that of one that waits for anything, nor the newest. Works in small batches, so that a modem never waits long for the writer. Ages are run time: a clock that jumps
//! forgets nothing.

use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::{params, params_from_iter};

use super::{
    Shortage, StoreError, compaction,
    concatenation::{OPEN_FOR, OWES_LATE_PARTS},
    spending,
    writer::Work,
};
use crate::model::Space;

/// A confirmed delete is remembered this long.
const TOMBSTONE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Facts about a message (not its text) are kept this long.
const METADATA: Duration = Duration::from_secs(30 * 24 * 3600);
const BATCH: usize = 500;
const BATCH_ROWS: i64 = BATCH as i64;
/// This many of the newest messages in each direction stay, however old.
const NEWEST: i64 = 1000;
/// So many days are counted up to today, and so many to come: it may be today's clock that is wrong.
const DAYS_COUNTED: i64 = 60;

/// What one batch did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    /// Rows deleted.
    pub(super) deleted: usize,
    /// Whether there may be more to do.
    pub(super) more: bool,
}

/// One batch of each kind.
pub(super) fn retain(work: &mut Work<'_>) -> Result<Batch, StoreError> {
    let text = work.now.before(work.options.retention).0;
    let early = early(work).map_or(text, |early| early.max(text));
    let open_sets = work.now.before(OPEN_FOR).0;
    let tombstones = work.now.before(TOMBSTONE).0;
    let metadata = work.now.before(METADATA).0;
    let mut batch = Batch::default();

    let blank_segments = BLANK_SEGMENTS.replace(OWES, OWES_LATE_PARTS);
    for (table, statement) in [
        (compaction::MESSAGE, BLANK_MESSAGES),
        (compaction::OUTBOX, BLANK_OUTBOX),
        (compaction::SEGMENT, blank_segments.as_str()),
    ] {
        // In front, the later of both bounds: what is younger is not even looked at. The last one is for segments only.
        let values = [early, text, NEWEST, BATCH_ROWS, open_sets];
        let mut statement = work.connection.prepare_cached(statement)?;
        let taken = statement.parameter_count();
        let rows = statement.query_map(params_from_iter(values.iter().take(taken)), |row| row.get(0))?;
        let blanked: Vec<Option<i64>> = rows.collect::<rusqlite::Result<_>>()?;
        batch.note(false, blanked.len());
        let shorter: Vec<i64> = blanked.into_iter().flatten().collect();
        compaction::write_anew(work.connection, table, &shorter)?;
    }

    let delete_sets = DELETE_SETS.replace(OWES, OWES_LATE_PARTS);
    for (statement, limit) in [
        (DELETE_DEAD_MAIL, metadata),
        (delete_sets.as_str(), tombstones),
        (DELETE_LOST_SEGMENTS, metadata),
        (DELETE_SEGMENTS, tombstones),
    ] {
        batch.note(true, work.connection.prepare_cached(statement)?.execute(params![limit, BATCH_ROWS])?);
    }
    for statement in [DELETE_MESSAGES, DELETE_OUTBOX] {
        let rows = work.connection.prepare_cached(statement)?.execute(params![metadata, BATCH_ROWS, NEWEST])?;
        batch.note(true, rows);
    }
    spending::forget(work)?;
    work.connection.prepare_cached("DELETE FROM recipient WHERE used_run < ?1")?.execute([metadata])?;
    let today = work.wall.to_zoned(TimeZone::system()).date().to_string();
    work.connection
        .prepare_cached(
            "DELETE FROM sent_daily
             WHERE day NOT IN (SELECT DISTINCT day FROM sent_daily WHERE day <= ?1 ORDER BY day DESC LIMIT ?2)
               AND day NOT IN (SELECT DISTINCT day FROM sent_daily WHERE day > ?1 ORDER BY day DESC LIMIT ?2)",
        )?
        .execute(params![today, DAYS_COUNTED])?;
    Ok(batch)
}

/// Texts that are finished before this go early, but for the newest; none where there is room enough.
fn early(work: &Work<'_>) -> Option<i64> {
    let Shortage { space, keep } = work.shortage;
    (space != Space::Enough).then(|| work.now.before(keep).0)
}

impl Batch {
    const fn note(&mut self, deleted: bool, rows: usize) {
        if deleted {
            self.deleted += rows;
        }
        self.more |= rows >= BATCH;
    }
}

/// Stands for [`OWES_LATE_PARTS`].
const OWES: &str = "{owes}";

const BLANK_MESSAGES: &str = "UPDATE message SET text = '', blanked = 1, seal = NULL WHERE sequence IN
    (SELECT sequence FROM message WHERE arrived_run < ?1 AND blanked = 0
       AND (arrived_run < ?2 OR sequence <= (SELECT max(sequence) FROM message) - ?3)
       AND NOT EXISTS (SELECT 1 FROM spool WHERE spool.message = message.sequence) LIMIT ?4)
    RETURNING sequence";

// A report needs no text, so a message that was sent loses it too.
const BLANK_OUTBOX: &str = "UPDATE outbox SET text = '', seal = NULL WHERE sequence IN
    (SELECT sequence FROM outbox WHERE next_run IS NULL AND ifnull(done_run, sent_run) < ?1 AND text <> ''
       AND (ifnull(done_run, sent_run) < ?2 OR sequence <= (SELECT max(sequence) FROM outbox) - ?3) LIMIT ?4)
    RETURNING sequence";

// A report has a row of its own that would go with it, and next to nothing to give.
const BLANK_SEGMENTS: &str = "UPDATE segment SET pdu = '' WHERE id IN
    (SELECT id FROM segment WHERE received_run < ?1 AND pdu <> ''
       AND (received_run < ?2 OR id <= (SELECT max(id) FROM segment) - ?3)
       AND NOT EXISTS (SELECT 1 FROM concatenation
            WHERE concatenation.id = segment.concatenation AND concatenation.message IS NULL
              AND (concatenation.opened_run > ?5 OR concatenation.partial IS NULL OR {owes}))
     LIMIT ?4)
    RETURNING iif(kind = 'report', NULL, id)";

const DELETE_DEAD_MAIL: &str =
    "DELETE FROM spool WHERE message IN (SELECT message FROM spool WHERE died_run < ?1 LIMIT ?2)";

const DELETE_SETS: &str = "DELETE FROM concatenation WHERE id IN
    (SELECT id FROM concatenation WHERE opened_run < ?1 AND (message IS NOT NULL OR partial IS NOT NULL)
       AND NOT {owes} LIMIT ?2)";

// Segments are numbered as they come: looking ends with the first one that is too young to go.
const DELETE_SEGMENTS: &str = "DELETE FROM segment WHERE id IN
    (SELECT id FROM segment WHERE deleted_run < ?1
       AND id < ifnull((SELECT id FROM segment WHERE received_run >= ?1 ORDER BY id LIMIT 1), 9223372036854775807)
       AND NOT EXISTS (SELECT 1 FROM concatenation AS c WHERE c.id = segment.concatenation) LIMIT ?2)";

// Left on a SIM that never came back.
const DELETE_LOST_SEGMENTS: &str = "DELETE FROM segment WHERE id IN
    (SELECT id FROM segment WHERE deleted_run IS NULL AND received_run < ?1
       AND id < ifnull((SELECT id FROM segment WHERE received_run >= ?1 ORDER BY id LIMIT 1), 9223372036854775807)
       AND NOT EXISTS (SELECT 1 FROM concatenation AS c WHERE c.id = segment.concatenation) LIMIT ?2)";

const DELETE_MESSAGES: &str = "DELETE FROM message WHERE sequence IN
    (SELECT sequence FROM message WHERE arrived_run < ?1
       AND NOT EXISTS (SELECT 1 FROM spool WHERE spool.message = message.sequence)
       AND sequence <= (SELECT max(sequence) FROM message) - ?3 LIMIT ?2)";

const DELETE_OUTBOX: &str = "DELETE FROM outbox WHERE sequence IN
    (SELECT sequence FROM outbox WHERE next_run IS NULL AND ifnull(done_run, sent_run) < ?1
       AND sequence <= (SELECT max(sequence) FROM outbox) - ?3 LIMIT ?2)";
