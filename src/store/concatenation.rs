//! Sets of concatenated segments (TS 23.040 9.2.3.24.1): who belongs together, when a set is whole, when it is given
//! up waiting for (D7, D8).
//!
//! The parts' texts are none of its business: the joiner makes one text of their PDUs.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::{
    Committed, Joiner, NewSegment, StoreError,
    inbox::{Draft, REPEAT_WINDOW, add_message},
    rows::{micros, optional_message_id, optional_timestamp, timestamp},
    writer::Work,
};
use crate::model::MessageId;

/// A set this old takes no further part.
pub(super) const OPEN_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a part's header says.
pub(super) struct Place {
    pub(super) reference: u16,
    pub(super) wide: bool,
    pub(super) total: u8,
    pub(super) sequence: u8,
}

/// Files the part whose segment is `row`, and adds the message if that made its set whole.
pub(super) fn add_part(
    work: &mut Work<'_>,
    segment: &NewSegment,
    place: &Place,
    row: i64,
    digest: &[u8],
    join: Joiner,
) -> Result<Committed, StoreError> {
    let set = match choose(work, segment, place, digest)? {
        Choice::Copy => return Ok(Committed::Stored { message: None }),
        Choice::CopyOf(message) => return Ok(Committed::Repeat { of: Some(message) }),
        Choice::Set(id) => {
            work.connection
                .prepare_cached("UPDATE concatenation SET received_at = ?2 WHERE id = ?1")?
                .execute(params![id, micros(segment.received_at)])?;
            id
        }
        Choice::New => open_set(work, segment, place)?,
    };
    work.connection
        .prepare_cached(
            "INSERT INTO concatenation_part (concatenation, sequence, segment, digest) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![set, place.sequence, row, digest])?;
    work.connection
        .prepare_cached("UPDATE segment SET concatenation = ?2 WHERE id = ?1")?
        .execute(params![row, set])?;

    let parts = parts_of(work, set)?;
    if parts.len() < usize::from(place.total) {
        return Ok(Committed::Stored { message: None });
    }
    let set = load(work, set)?;
    let text = join_parts(join, place.total, &parts);
    let id = add_message(work, &set.draft(&text, 0, set.partial))?;
    work.connection
        .prepare_cached("UPDATE concatenation SET message = ?2, completed_run = ?3 WHERE id = ?1")?
        .execute(params![set.id, id.to_string(), work.now.0])?;
    Ok(Committed::Stored { message: Some(id) })
}

/// As a condition on a row of `concatenation`: parts came after it was shown with gaps, and it never became whole.
pub(super) const OWES_LATE_PARTS: &str = "(concatenation.message IS NULL AND concatenation.partial IS NOT NULL
     AND (SELECT count(*) FROM concatenation_part AS p WHERE p.concatenation = concatenation.id)
         > concatenation.total
           - ifnull((SELECT m.parts_missing FROM message AS m WHERE m.id = concatenation.partial), 0))";

/// Delivers every set that has waited for `age` and was not delivered yet, with its gaps marked. One that is given up
/// after that, and has parts nobody has seen, is delivered once more.
pub(super) fn deliver_partials(work: &mut Work<'_>, age: Duration, join: Joiner) -> Result<Vec<MessageId>, StoreError> {
    let ripe: Vec<i64> = work
        .connection
        .prepare_cached(
            "SELECT id FROM concatenation WHERE message IS NULL AND partial IS NULL AND opened_run <= ?1 ORDER BY id",
        )?
        .query_map([work.now.before(age).0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let given_up: Vec<i64> = work
        .connection
        .prepare_cached(&format!(
            "SELECT id FROM concatenation WHERE opened_run <= ?1 AND {OWES_LATE_PARTS} ORDER BY id"
        ))?
        .query_map([work.now.before(OPEN_FOR).0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delivered = Vec::with_capacity(ripe.len() + given_up.len());
    for id in ripe {
        let message = show_with_gaps(work, &load(work, id)?, join)?;
        work.connection
            .prepare_cached("UPDATE concatenation SET partial = ?2 WHERE id = ?1")?
            .execute(params![id, message.to_string()])?;
        delivered.push(message);
    }
    for id in given_up {
        let message = show_with_gaps(work, &load(work, id)?, join)?;
        work.connection
            .prepare_cached("UPDATE concatenation SET message = ?2, completed_run = ?3 WHERE id = ?1")?
            .execute(params![id, message.to_string(), work.now.0])?;
        delivered.push(message);
    }
    Ok(delivered)
}

fn show_with_gaps(work: &mut Work<'_>, set: &Set, join: Joiner) -> Result<MessageId, StoreError> {
    let parts = parts_of(work, set.id)?;
    let text = format!("[{} of {} parts] {}", parts.len(), set.total, join_parts(join, set.total, &parts));
    let missing = usize::from(set.total).saturating_sub(parts.len());
    let missing = u16::try_from(missing).unwrap_or(u16::MAX);
    add_message(work, &set.draft(&text, missing, set.partial))
}

enum Choice {
    /// The same bytes are in an open set.
    Copy,
    /// The same bytes made up a message lately.
    CopyOf(MessageId),
    /// The part belongs into this set.
    Set(i64),
    New,
}

struct Candidate {
    id: i64,
    sent_at: Option<i64>,
    message: Option<MessageId>,
    /// Whether the set has this sequence, and if so, with the same bytes.
    occupied: Option<bool>,
}

/// Looks for the set of a part. A set that has other bytes under that sequence is another message's (a reference comes
/// round again after 256 messages); among several the one whose service centre time is nearest wins, then the newest.
fn choose(work: &Work<'_>, segment: &NewSegment, place: &Place, digest: &[u8]) -> Result<Choice, StoreError> {
    let mut statement = work.connection.prepare_cached(
        "SELECT c.id, c.sent_at, c.message, p.digest = ?6 AS occupied
         FROM concatenation AS c
         LEFT JOIN concatenation_part AS p ON p.concatenation = c.id AND p.sequence = ?5
         WHERE (c.sim = ?1 OR c.slot = ?10) AND c.sender = ?2 AND c.reference = ?3 AND c.wide = ?4 AND c.total = ?7
           AND CASE WHEN c.message IS NULL THEN c.opened_run > ?8 ELSE c.completed_run > ?9 END
         ORDER BY c.id DESC",
    )?;
    let candidates: Vec<Candidate> = statement
        .query_map(
            params![
                segment.key.sim,
                segment.sender,
                place.reference,
                place.wide,
                place.sequence,
                digest,
                place.total,
                work.now.before(OPEN_FOR).0,
                work.now.before(REPEAT_WINDOW).0,
                segment.key.slot.as_str()
            ],
            |row| {
                Ok(Candidate {
                    id: row.get("id")?,
                    sent_at: row.get("sent_at")?,
                    message: optional_message_id(row, "message")?,
                    occupied: row.get("occupied")?,
                })
            },
        )?
        .collect::<Result<_, _>>()?;
    if let Some(copy) = candidates.iter().find(|candidate| candidate.occupied == Some(true)) {
        return Ok(copy.message.map_or(Choice::Copy, Choice::CopyOf));
    }
    let distance = |candidate: &Candidate| match (segment.sent_at.map(micros), candidate.sent_at) {
        (Some(ours), Some(theirs)) => ours.abs_diff(theirs),
        _ => u64::MAX,
    };
    let free = candidates
        .iter()
        .filter(|candidate| candidate.message.is_none() && candidate.occupied.is_none())
        .min_by_key(|candidate| distance(candidate));
    Ok(free.map_or(Choice::New, |candidate| Choice::Set(candidate.id)))
}

fn open_set(work: &Work<'_>, segment: &NewSegment, place: &Place) -> Result<i64, StoreError> {
    work.connection
        .prepare_cached(
            "INSERT INTO concatenation (sim, slot, sender, reference, wide, total, opened_run, recipient, network,
                 sent_at, sent_offset, received_at, flash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            segment.key.sim,
            segment.key.slot.as_str(),
            segment.sender,
            place.reference,
            place.wide,
            place.total,
            work.now.0,
            segment.recipient,
            segment.network,
            segment.sent_at.map(micros),
            segment.sent_offset,
            micros(segment.received_at),
            segment.flash
        ])?;
    Ok(work.connection.last_insert_rowid())
}

struct Set {
    id: i64,
    slot: String,
    sender: String,
    total: u8,
    recipient: String,
    network: String,
    sent_at: Option<Timestamp>,
    sent_offset: i32,
    received_at: Timestamp,
    flash: bool,
    partial: Option<MessageId>,
}

impl Set {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            slot: row.get("slot")?,
            sender: row.get("sender")?,
            total: row.get("total")?,
            recipient: row.get("recipient")?,
            network: row.get("network")?,
            sent_at: optional_timestamp(row, "sent_at")?,
            sent_offset: row.get("sent_offset")?,
            received_at: timestamp(row, "received_at")?,
            flash: row.get("flash")?,
            partial: optional_message_id(row, "partial")?,
        })
    }

    fn draft<'a>(&'a self, text: &'a str, parts_missing: u16, completes: Option<MessageId>) -> Draft<'a> {
        Draft {
            slot: &self.slot,
            recipient: &self.recipient,
            sender: &self.sender,
            text,
            network: &self.network,
            sent_at: self.sent_at,
            sent_offset: self.sent_offset,
            received_at: self.received_at,
            flash: self.flash,
            parts_missing,
            undecodable: false,
            completes,
        }
    }
}

fn load(work: &Work<'_>, id: i64) -> Result<Set, StoreError> {
    Ok(work.connection.prepare_cached("SELECT * FROM concatenation WHERE id = ?1")?.query_row([id], Set::from_row)?)
}

fn parts_of(work: &Work<'_>, set: i64) -> Result<Vec<(u8, String)>, StoreError> {
    let parts = work
        .connection
        .prepare_cached(
            "SELECT p.sequence, s.pdu FROM concatenation_part AS p JOIN segment AS s ON s.id = p.segment
             WHERE p.concatenation = ?1 ORDER BY p.sequence",
        )?
        .query_map([set], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok(parts)
}

fn join_parts(join: Joiner, total: u8, parts: &[(u8, String)]) -> String {
    let borrowed: Vec<(u8, &str)> = parts.iter().map(|(sequence, pdu)| (*sequence, pdu.as_str())).collect();
    join(total, &borrowed)
}
