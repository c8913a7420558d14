//! Received segments and the messages they become (D1, D4, D6-D9).
//!
//! A segment is known by its bytes: the digest of the PDU on that SIM. Where it lies and whether its delete was
//! confirmed tell a crash between commit and delete, a repeat by the network, and two equal messages apart.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::{
    Committed, InboxQuery, Joiner, NewSegment, SegmentContent, SegmentKey, StoreError,
    concatenation::{self, Place},
    gathering,
    recent::Arrived,
    rows::{
        digest_of, message_id, micros, new_message_id, optional_message_id, optional_timestamp, origin, slot, timestamp,
    },
    seal, self_test,
    writer::Work,
};
use crate::model::{InboundMessage, MessageId, RunTime};

/// In place of a text that is not what was written.
pub(super) const DAMAGED: &str = "This message was damaged on the disk of the gateway: nothing of it is certain.";
/// The same TPDU within this time of its confirmed delete is a repeat by the network.
pub(super) const REPEAT_WINDOW: Duration = Duration::from_secs(24 * 3600);

pub(super) fn commit_segment(work: &mut Work<'_>, segment: &NewSegment, join: Joiner) -> Result<Committed, StoreError> {
    let digest = digest_of(&segment.key.pdu);
    if is_held(work.connection, &segment.key, &digest)? {
        return Ok(Committed::AlreadyHeld);
    }
    let slot_name = segment.key.slot.as_str();
    let returned = if let SegmentContent::SelfTest { token, .. } = &segment.content {
        self_test::issued(work.connection, slot_name, token)?
    } else {
        None
    };
    let kind = match segment.content {
        _ if returned.is_some() => "discard",
        SegmentContent::Whole { .. } | SegmentContent::SelfTest { .. } => "whole",
        SegmentContent::Part { .. } => "part",
        SegmentContent::Undecodable { .. } => "undecodable",
        SegmentContent::Discard => "discard",
    };
    let stored = StoredSegment { key: &segment.key, digest: &digest, kind };
    if let Some(original) = deleted_lately(work, &segment.key, &digest)? {
        let of = original.message;
        insert_segment(work, &stored, segment.received_at, Some(original.id))?;
        return Ok(Committed::Repeat { of });
    }
    let row = insert_segment(work, &stored, segment.received_at, None)?;
    if let Some(test) = returned {
        self_test::returned(work, test)?;
        return Ok(Committed::SelfTest);
    }
    let message = match &segment.content {
        SegmentContent::Discard => None,
        SegmentContent::Whole { text } | SegmentContent::SelfTest { text, .. } => {
            Some(add_message(work, &Draft::of(segment, text))?)
        }
        SegmentContent::Undecodable { text } => {
            Some(add_message(work, &Draft { undecodable: true, ..Draft::of(segment, text) })?)
        }
        SegmentContent::Part { reference, wide, total, sequence } => {
            if *sequence == 0 || sequence > total {
                // No set can ever hold it; shown on its own rather than never (TS 23.040 9.2.3.24.1 lets us ignore the
                // element).
                let text = join(1, &[(1, &segment.key.pdu)]);
                Some(add_message(work, &Draft::of(segment, &text))?)
            } else {
                let place = Place { reference: *reference, wide: *wide, total: *total, sequence: *sequence };
                return concatenation::add_part(work, segment, &place, row, &digest, join);
            }
        }
    };
    if let Some(id) = message {
        remember_message(work.connection, row, id)?;
    }
    Ok(Committed::Stored { message })
}

/// Marks the segment or report with these bytes at this place as deleted.
pub(super) fn segment_deleted(work: &mut Work<'_>, key: &SegmentKey, at: RunTime) -> Result<(), StoreError> {
    let deleted: Vec<i64> = work
        .connection
        .prepare_cached(
            "UPDATE segment SET deleted_run = ?1
             WHERE digest = ?2 AND (sim = ?3 OR slot = ?4) AND memory = ?5 AND storage_index IS ?6
               AND deleted_run IS NULL
             RETURNING id",
        )?
        .query_map(params![at.0, digest_of(&key.pdu), key.sim, key.slot.as_str(), key.memory, key.index], |row| {
            row.get(0)
        })?
        .collect::<Result<_, _>>()?;
    work.recall.left_sim(&deleted);
    Ok(())
}

/// Marks what is thought to lie in this memory but was not listed as deleted.
pub(super) fn storage_listed(work: &mut Work<'_>, sim: &str, memory: &str, present: &[u16]) -> Result<(), StoreError> {
    let held = work.recall.on_sims(work.connection)?;
    if held.is_empty() {
        return Ok(());
    }
    let (held, listed) = (serde_json::json!(held).to_string(), serde_json::json!(present).to_string());
    let deleted: Vec<i64> = work
        .connection
        .prepare_cached(
            "UPDATE segment SET deleted_run = ?1
             WHERE id IN (SELECT value FROM json_each(?5)) AND sim = ?2 AND memory = ?3
               AND deleted_run IS NULL AND storage_index IS NOT NULL
               AND storage_index NOT IN (SELECT value FROM json_each(?4))
             RETURNING id",
        )?
        .query_map(params![work.now.0, sim, memory, listed, held], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    work.recall.left_sim(&deleted);
    Ok(())
}

pub(super) fn read(connection: &Connection, query: &InboxQuery) -> Result<Vec<InboundMessage>, StoreError> {
    let after: i64 = match query.after {
        Some(id) => connection
            .prepare_cached("SELECT sequence FROM message WHERE id = ?1")?
            .query_row([id.to_string()], |row| row.get(0))
            .optional()?
            .unwrap_or(0),
        None => 0,
    };
    let slots: Vec<&str> = query.slots.iter().map(|slot| slot.as_str()).collect();
    let mut statement = connection.prepare_cached(
        "SELECT * FROM message
         WHERE arrived_run >= ?1 AND sequence > ?2 AND blanked = 0 AND origin = 'sms'
           AND slot IN (SELECT value FROM json_each(?3))
         ORDER BY sequence LIMIT ?4",
    )?;
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let found = statement
        .query_map(params![query.since.0, after, serde_json::json!(slots).to_string(), limit], inbound)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// At most `limit` visible messages of all slots that arrived `since`, oldest first.
pub(super) fn read_window(connection: &Connection, since: RunTime, limit: usize) -> Result<Vec<Arrived>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM message WHERE arrived_run >= ?1 AND blanked = 0 AND origin = 'sms' ORDER BY sequence LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let arrived = |row: &Row<'_>| Ok((RunTime(row.get("arrived_run")?), Arc::new(inbound(row)?)));
    let found = statement.query_map(params![since.0, limit], arrived)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Reads a row that has all columns of `message`. One that is not what was sealed says so in place of its text.
pub(super) fn inbound(row: &Row<'_>) -> rusqlite::Result<InboundMessage> {
    let is_sound = seal::holds(row, &seal::MESSAGE)?;
    Ok(InboundMessage {
        sequence: row.get("sequence")?,
        id: message_id(row, "id")?,
        slot: slot(row, "slot")?,
        recipient: row.get("recipient")?,
        sender: row.get("sender")?,
        text: if is_sound { row.get("text")? } else { DAMAGED.to_owned() },
        network: row.get("network")?,
        sent_at: optional_timestamp(row, "sent_at")?,
        sent_offset: row.get("sent_offset")?,
        received_at: timestamp(row, "received_at")?,
        flash: row.get("flash")?,
        parts_missing: row.get("parts_missing")?,
        undecodable: row.get::<_, bool>("undecodable")? || !is_sound,
        completes: optional_message_id(row, "completes")?,
        origin: origin(row, "origin")?,
    })
}

/// The highest sequence ever given out.
pub(super) fn last_sequence(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'message'", [], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// A segment or report as its row begins.
pub(super) struct StoredSegment<'a> {
    pub(super) key: &'a SegmentKey,
    pub(super) digest: &'a [u8],
    pub(super) kind: &'a str,
}

pub(super) fn insert_segment(
    work: &mut Work<'_>,
    segment: &StoredSegment<'_>,
    received_at: Timestamp,
    repeats: Option<i64>,
) -> Result<i64, StoreError> {
    let key = segment.key;
    work.connection
        .prepare_cached(
            "INSERT INTO segment (slot, sim, memory, storage_index, pdu, digest, kind, received_at, received_run, repeats)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            key.slot.as_str(),
            key.sim,
            key.memory,
            key.index,
            key.pdu,
            segment.digest,
            segment.kind,
            micros(received_at),
            work.now.0,
            repeats
        ])?;
    let row = work.connection.last_insert_rowid();
    if key.index.is_some() {
        work.recall.lies_on_sim(row);
    }
    Ok(row)
}

pub(super) fn remember_message(connection: &Connection, segment: i64, id: MessageId) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE segment SET message = ?2 WHERE id = ?1")?
        .execute(params![segment, id.to_string()])?;
    Ok(())
}

/// A message about to be added.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    pub(super) slot: &'a str,
    pub(super) recipient: &'a str,
    pub(super) sender: &'a str,
    pub(super) text: &'a str,
    pub(super) network: &'a str,
    pub(super) sent_at: Option<Timestamp>,
    pub(super) sent_offset: i32,
    pub(super) received_at: Timestamp,
    pub(super) flash: bool,
    pub(super) parts_missing: u16,
    pub(super) undecodable: bool,
    pub(super) completes: Option<MessageId>,
}

impl<'a> Draft<'a> {
    fn of(segment: &'a NewSegment, text: &'a str) -> Self {
        Self {
            slot: segment.key.slot.as_str(),
            recipient: &segment.recipient,
            sender: &segment.sender,
            text,
            network: &segment.network,
            sent_at: segment.sent_at,
            sent_offset: segment.sent_offset,
            received_at: segment.received_at,
            flash: segment.flash,
            parts_missing: 0,
            undecodable: false,
            completes: None,
        }
    }
}

/// Adds a visible message, its mail and its count, in the caller's transaction.
pub(super) fn add_message(work: &mut Work<'_>, draft: &Draft<'_>) -> Result<MessageId, StoreError> {
    let earlier = gathering::earlier(work, draft)?;
    let id = new_message_id();
    let values: [&dyn ToSql; seal::MESSAGE.len()] = [
        &id.to_string(),
        &draft.slot,
        &draft.recipient,
        &draft.sender,
        &draft.text,
        &draft.network,
        &draft.sent_at.map(micros),
        &draft.sent_offset,
        &micros(draft.received_at),
        &work.now.0,
        &draft.flash,
        &draft.parts_missing,
        &draft.undecodable,
        &draft.completes.map(|id| id.to_string()),
    ];
    insert_message(work.connection, &values, "sms")?;
    let sequence = work.connection.last_insert_rowid();
    if gathering::is_plain(draft) {
        work.recall.arrived(draft.slot, draft.sender, work.now);
    }
    if work.options.mail {
        gathering::spool(work, sequence, draft, earlier)?;
    }
    if draft.completes.is_none() {
        work.connection
            .prepare_cached(
                "INSERT INTO sim (slot, received, last_received) VALUES (?1, 1, ?2)
                 ON CONFLICT (slot) DO UPDATE SET received = received + 1, last_received = ?2",
            )?
            .execute(params![draft.slot, micros(draft.received_at)])?;
    }
    work.effects.arrival = Some(sequence);
    Ok(id)
}

/// Inserts a row of `message`, sealed: what [`seal::MESSAGE`] names, in its order.
pub(super) fn insert_message(
    connection: &Connection,
    values: &[&dyn ToSql; seal::MESSAGE.len()],
    origin: &str,
) -> Result<(), StoreError> {
    let seal = seal::of(values)?;
    let all: Vec<&dyn ToSql> = values.iter().copied().chain([&origin as &dyn ToSql, &seal]).collect();
    connection
        .prepare_cached(
            "INSERT INTO message (id, slot, recipient, sender, text, network, sent_at, sent_offset, received_at,
                 arrived_run, flash, parts_missing, undecodable, completes, origin, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(all.as_slice())?;
    Ok(())
}

fn is_held(connection: &Connection, key: &SegmentKey, digest: &[u8]) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM segment
             WHERE digest = ?1 AND (sim = ?2 OR slot = ?3) AND memory = ?4 AND storage_index IS ?5
               AND deleted_run IS NULL",
        )?
        .exists(params![digest, key.sim, key.slot.as_str(), key.memory, key.index])?)
}

struct Original {
    id: i64,
    message: Option<MessageId>,
}

/// The first segment with these bytes whose delete was confirmed within the repeat window, or that came directly then: a
/// network that misses the confirmation sends it again, perhaps to the SIM this time.
fn deleted_lately(work: &Work<'_>, key: &SegmentKey, digest: &[u8]) -> Result<Option<Original>, StoreError> {
    let since: RunTime = work.now.before(REPEAT_WINDOW);
    let found = work
        .connection
        .prepare_cached(
            "SELECT first.id, first.message
             FROM segment AS seen JOIN segment AS first ON first.id = ifnull(seen.repeats, seen.id)
             WHERE seen.digest = ?1 AND (seen.sim = ?2 OR seen.slot = ?3)
               AND (seen.deleted_run > ?4 OR (seen.storage_index IS NULL AND seen.received_run > ?4))
             ORDER BY first.id LIMIT 1",
        )?
        .query_row(params![digest, key.sim, key.slot.as_str(), since.0], |row| {
            Ok(Original { id: row.get("id")?, message: optional_message_id(row, "message")? })
        })
        .optional()?;
    Ok(found)
}
