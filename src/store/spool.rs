//! The mail spool (D18): one row per message until the server took it, or for 30 days after it was given up.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{MailBacklog, MailJob, StoreError, inbox::inbound, rows::count, writer::Work};
use crate::model::{MessageId, RunTime};

pub(super) fn due(connection: &Connection, now: RunTime, limit: usize) -> Result<Vec<MailJob>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT m.*, s.attempts, s.spooled_run FROM spool AS s JOIN message AS m ON m.sequence = s.message
         WHERE s.died_run IS NULL AND s.next_run <= ?1 ORDER BY s.message LIMIT ?2",
    )?;
    let jobs = statement
        .query_map(params![now.0, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(MailJob {
                message: inbound(row)?,
                attempts: row.get("attempts")?,
                spooled: RunTime(row.get("spooled_run")?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(jobs)
}

pub(super) fn next_due(connection: &Connection) -> Result<Option<RunTime>, StoreError> {
    let next: Option<i64> = connection
        .prepare_cached("SELECT min(next_run) FROM spool WHERE died_run IS NULL")?
        .query_row([], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(next.map(RunTime))
}

pub(super) fn backlog(connection: &Connection) -> Result<MailBacklog, StoreError> {
    Ok(connection
        .prepare_cached("SELECT count(*) FILTER (WHERE died_run IS NULL), count(died_run) FROM spool")?
        .query_row([], |row| Ok(MailBacklog { waiting: count(row, 0)?, dead: count(row, 1)? }))?)
}

pub(super) fn sent(work: &mut Work<'_>, id: MessageId) -> Result<(), StoreError> {
    let rows = work
        .connection
        .prepare_cached("DELETE FROM spool WHERE message = (SELECT sequence FROM message WHERE id = ?1)")?
        .execute([id.to_string()])?;
    must_exist(id, rows)
}

pub(super) fn deferred(work: &mut Work<'_>, id: MessageId, error: &str, retry_at: RunTime) -> Result<(), StoreError> {
    let rows = work
        .connection
        .prepare_cached(
            "UPDATE spool SET attempts = attempts + 1, next_run = ?2, error = ?3
             WHERE message = (SELECT sequence FROM message WHERE id = ?1) AND died_run IS NULL",
        )?
        .execute(params![id.to_string(), retry_at.0, error])?;
    must_exist(id, rows)
}

pub(super) fn dead(work: &mut Work<'_>, id: MessageId, error: &str) -> Result<(), StoreError> {
    let rows = work
        .connection
        .prepare_cached(
            "UPDATE spool SET attempts = attempts + 1, died_run = ?2, error = ?3
             WHERE message = (SELECT sequence FROM message WHERE id = ?1)",
        )?
        .execute(params![id.to_string(), work.now.0, error])?;
    must_exist(id, rows)
}

const fn must_exist(id: MessageId, rows: usize) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NoSuchMessage(id)) } else { Ok(()) }
}
