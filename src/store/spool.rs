//! The mail spool (D18): one row per message until the server took its mail, or for 30 days after it was given up.
//!
//! A mail is known by its message; a digest, which has several (see [`super::gathering`]), by the first of them.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{MailBacklog, MailJob, StoreError, gathering, inbox::inbound, rows::count, schema::IN_HAND, writer::Work};
use crate::model::{InboundMessage, MessageId, RunTime};

pub(super) fn due(connection: &Connection, now: RunTime, limit: usize) -> Result<Vec<MailJob>, StoreError> {
    // The spool is looked through, in its order, and only for what is found there comes the message: CROSS says so.
    let mut statement = connection.prepare_cached(
        "SELECT m.*, s.attempts, s.spooled_run, s.digest FROM spool AS s CROSS JOIN message AS m ON m.sequence = s.message
         WHERE s.died_run IS NULL AND s.next_run <= ?1 ORDER BY s.message LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![now.0, limit])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let digest: Option<i64> = row.get("digest")?;
        jobs.push(MailJob {
            message: inbound(row)?,
            more: digest.map_or_else(|| Ok(Vec::new()), |digest| others(connection, digest))?,
            attempts: row.get("attempts")?,
            spooled: RunTime(row.get("spooled_run")?),
        });
    }
    Ok(jobs)
}

pub(super) fn next_due(connection: &Connection) -> Result<Option<RunTime>, StoreError> {
    let next: Option<i64> = connection
        .prepare_cached("SELECT min(next_run) FROM spool WHERE died_run IS NULL AND next_run < ?1")?
        .query_row([IN_HAND], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(next.map(RunTime).into_iter().chain(gathering::next_ripe(connection)?).min())
}

pub(super) fn backlog(connection: &Connection) -> Result<MailBacklog, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE died_run IS NULL),
                 count(died_run) FILTER (WHERE ifnull(digest, message) = message), count(died_run) FROM spool",
        )?
        .query_row([], |row| {
            Ok(MailBacklog { waiting: count(row, 0)?, dead: count(row, 1)?, dead_messages: count(row, 2)? })
        })?)
}

pub(super) fn sent(work: &mut Work<'_>, id: MessageId) -> Result<(), StoreError> {
    let rows =
        work.connection.prepare_cached(&format!("DELETE FROM spool WHERE {OF_MAIL}"))?.execute([id.to_string()])?;
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
        .prepare_cached(&format!(
            "UPDATE spool SET attempts = attempts + 1, died_run = ?2, error = ?3 WHERE {OF_MAIL}"
        ))?
        .execute(params![id.to_string(), work.now.0, error])?;
    must_exist(id, rows)
}

/// As a condition on a row of `spool`: it belongs to the mail known by this message.
const OF_MAIL: &str = "message IN
    (SELECT sequence FROM message WHERE id = ?1
     UNION ALL
     SELECT s.message FROM spool AS s JOIN message AS m ON m.id = ?1 WHERE s.digest = m.sequence)";

/// What a digest has beside its first message.
fn others(connection: &Connection, digest: i64) -> Result<Vec<InboundMessage>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT m.* FROM spool AS s JOIN message AS m ON m.sequence = s.message
         WHERE s.digest = ?1 AND s.message <> ?1 ORDER BY s.message",
    )?;
    Ok(statement.query_map([digest], inbound)?.collect::<Result<_, _>>()?)
}

const fn must_exist(id: MessageId, rows: usize) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NoSuchMessage(id)) } else { Ok(()) }
}
