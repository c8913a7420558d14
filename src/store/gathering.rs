//! Digests on disk: mails of the spool that carry several messages of a flood (S15).
//!
//! Which message goes into which digest is written in the transaction that stores the message. `spool.digest` names the
//! digest by its first message, whose row stands for the whole mail; the others never fall due by themselves. A digest
//! has a row in `gathering` as long as more may join it, and is due only after that row is gone: what was offered to a
//! mail server once has the same messages each time, and what the server took is exactly what leaves the spool.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Store, StoreError,
    flood::{Gathering, Place, WINDOW, place},
    inbox::Draft,
    schema::IN_HAND,
    writer::Work,
};
use crate::model::RunTime;

impl Store {
    /// So many SMS of one sender to one SIM within a minute get a mail each, those that follow go as digests; 0 (also
    /// before this was ever called) = always a mail each.
    pub fn set_flood_limit(&self, limit: u32) {
        self.inner.signals.flood_limit.store(limit, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Puts the mail about the message with this number into the spool: `earlier` is what [`earlier`] found before it came.
pub(super) fn spool(work: &mut Work<'_>, sequence: i64, draft: &Draft<'_>, earlier: u32) -> Result<(), StoreError> {
    let open = if is_plain(draft) { open_digest(work.connection, draft)? } else { None };
    let limit = if is_plain(draft) { work.flood_limit } else { 0 };
    let gathering = open.as_ref().map(|open| &open.gathering);
    let text = draft.text.len();
    let place = place(limit, earlier, gathering, text, work.now);
    let (digest, gathering) = match (place, open) {
        (Place::Gathered, Some(open)) => (open.first, open.gathering.with(text, work.now)),
        (place, open) => {
            if let Some(open) = open {
                close(work, open.first)?;
            }
            if place == Place::Alone {
                return add(work, sequence, work.now.0, None);
            }
            work.effects.mail = true;
            (sequence, Gathering::begun(text, work.now))
        }
    };
    add(work, sequence, IN_HAND, Some(digest))?;
    work.connection
        .prepare_cached(
            "INSERT INTO gathering (slot, sender, digest, opened_run, ripe_run, messages, octets)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (slot, sender) DO UPDATE SET ripe_run = ?5, messages = ?6, octets = ?7",
        )?
        .execute(params![
            draft.slot,
            draft.sender,
            digest,
            gathering.opened.0,
            gathering.ripe.0,
            gathering.messages,
            i64::try_from(gathering.octets).unwrap_or(i64::MAX)
        ])?;
    if gathering.is_full() {
        close(work, digest)?;
    }
    Ok(())
}

/// How many messages like this one came lately from its sender to its SIM, if that matters.
pub(super) fn earlier(work: &mut Work<'_>, draft: &Draft<'_>) -> Result<u32, StoreError> {
    if work.flood_limit == 0 || !work.options.mail || !is_plain(draft) {
        return Ok(0);
    }
    work.recall.arrivals(work.connection, draft.slot, draft.sender, work.now.before(WINDOW))
}

/// Whether a digest has waited long enough.
pub(super) fn is_ripe(connection: &Connection, now: RunTime) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM gathering WHERE ripe_run <= ?1")?.exists([now.0])?)
}

/// When the next digest has waited long enough, if one is being gathered.
pub(super) fn next_ripe(connection: &Connection) -> Result<Option<RunTime>, StoreError> {
    let next: Option<i64> =
        connection.prepare_cached("SELECT min(ripe_run) FROM gathering")?.query_row([], |row| row.get(0))?;
    Ok(next.map(RunTime))
}

/// Closes the digests that have waited long enough: from now on they are mails like others.
pub(super) fn close_ripe(work: &mut Work<'_>) -> Result<(), StoreError> {
    let ripe: Vec<i64> = work
        .connection
        .prepare_cached("SELECT digest FROM gathering WHERE ripe_run <= ?1")?
        .query_map([work.now.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    ripe.into_iter().try_for_each(|digest| close(work, digest))
}

/// Makes sense of rows whose fellows a damaged disk has taken: what belongs to no digest goes by itself, a digest that
/// nobody gathers is closed.
pub(super) fn recover(work: &mut Work<'_>) -> Result<(), StoreError> {
    work.connection.execute(
        "UPDATE spool SET digest = NULL, next_run = ?1
         WHERE digest IS NOT NULL AND digest <> message AND NOT EXISTS
             (SELECT 1 FROM spool AS f JOIN message AS fm ON fm.sequence = f.message
                  JOIN message AS m ON m.sequence = spool.message
              WHERE f.message = spool.digest AND f.digest = f.message
                AND fm.slot = m.slot AND fm.sender = m.sender)",
        [work.now.0],
    )?;
    work.connection.execute(
        "DELETE FROM gathering WHERE digest NOT IN (SELECT message FROM spool WHERE digest = message AND next_run = ?1)",
        [IN_HAND],
    )?;
    work.connection.execute(
        "UPDATE spool SET next_run = ?1
         WHERE next_run = ?2 AND ifnull(digest, message) = message AND message NOT IN (SELECT digest FROM gathering)",
        params![work.now.0, IN_HAND],
    )?;
    Ok(())
}

/// Only what an ordinary SMS is can be one of many: whatever needs attention has a mail of its own.
pub(super) const fn is_plain(draft: &Draft<'_>) -> bool {
    !draft.flash && draft.parts_missing == 0 && !draft.undecodable && draft.completes.is_none()
}

struct Open {
    first: i64,
    gathering: Gathering,
}

fn open_digest(connection: &Connection, draft: &Draft<'_>) -> Result<Option<Open>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT * FROM gathering WHERE slot = ?1 AND sender = ?2")?
        .query_row(params![draft.slot, draft.sender], |row| {
            let octets: i64 = row.get("octets")?;
            let gathering = Gathering {
                opened: RunTime(row.get("opened_run")?),
                ripe: RunTime(row.get("ripe_run")?),
                messages: row.get("messages")?,
                octets: u64::try_from(octets).unwrap_or(u64::MAX),
            };
            Ok(Open { first: row.get("digest")?, gathering })
        })
        .optional()?)
}

fn add(work: &mut Work<'_>, sequence: i64, next: i64, digest: Option<i64>) -> Result<(), StoreError> {
    work.connection
        .prepare_cached("INSERT INTO spool (message, spooled_run, next_run, digest) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![sequence, work.now.0, next, digest])?;
    work.effects.mail |= digest.is_none();
    Ok(())
}

fn close(work: &mut Work<'_>, digest: i64) -> Result<(), StoreError> {
    work.connection.prepare_cached("DELETE FROM gathering WHERE digest = ?1")?.execute([digest])?;
    work.connection
        .prepare_cached("UPDATE spool SET next_run = ?2 WHERE message = ?1 AND next_run = ?3")?
        .execute(params![digest, work.now.0, IN_HAND])?;
    work.effects.mail = true;
    Ok(())
}
