//! The queue of outgoing messages and their states (D10, D12-D14, D16).
//!
//! `outbox.next_run` drives everything: NULL once a message needs nothing more, [`IN_HAND`] while a dispatcher works on
//! it, else the run time at which it falls due. The intent to submit is on disk before the modem sees a part, so after
//! a crash every part in `sending` is one whose outcome nobody knows.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::{
    NewOutgoing, OutboxJob, OutboxPart, PartState, Route, StoreError, reports,
    rows::{
        count, message_id, micros, optional_slot, optional_timestamp, outgoing_state, part_state, policy, timestamp,
    },
    schema::IN_HAND,
    seal, sims, spending,
    tally::Tally,
    writer::Work,
};
use crate::model::{MessageId, Msisdn, OutgoingMessage, OutgoingState, ResendPolicy, RunTime, Space};

/// Why a message that is not what was accepted goes nowhere.
pub(super) const DAMAGED: &str = "the message was damaged on the disk of the gateway";
/// How long a report may still settle a part whose outcome a crash left open, before it is submitted again.
const CRASH_RESOLVE: Duration = Duration::from_secs(60);

pub(super) fn enqueue(work: &mut Work<'_>, message: &NewOutgoing) -> Result<(), StoreError> {
    let limit = work.options.queue_limit;
    if waiting(work.connection)? >= limit {
        return Err(StoreError::Full { limit });
    }
    if work.shortage.space == Space::NearlyFull {
        return Err(StoreError::NoSpace);
    }
    accept(work, message)
}

/// Queues a message, however many wait and however little room is left.
pub(super) fn accept(work: &mut Work<'_>, message: &NewOutgoing) -> Result<(), StoreError> {
    let expires = work.now.after(message.lifetime);
    // Counted per recipient, whose phone joins by it, and drawn now: messages handed out together must differ too.
    let reference: u16 = work
        .connection
        .prepare_cached(
            "INSERT INTO recipient (number, reference, used_run) VALUES (?1, 0, ?2)
             ON CONFLICT (number) DO UPDATE SET reference = (reference + 1) % 65536, used_run = ?2
             RETURNING reference",
        )?
        .query_row(params![message.recipient, work.now.0], |row| row.get(0))?;
    // Accepting the same id again is the same acceptance.
    let values: [&dyn ToSql; seal::OUTGOING.len()] = [
        &message.id.to_string(),
        &message.sender.as_ref().map(Msisdn::as_str),
        &message.recipient,
        &message.text,
        &message.flash,
        &message.policy.as_str(),
        &micros(message.queued_at),
        &work.now.0,
        &expires.0,
    ];
    let seal = seal::of(&values)?;
    let all: Vec<&dyn ToSql> = values.into_iter().chain([&reference as &dyn ToSql, &seal]).collect();
    work.connection
        .prepare_cached(
            "INSERT INTO outbox (id, asked_sender, recipient, text, flash, policy, state, queued_at, accepted_run,
                 expires_run, next_run, offered_reference, seal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7, ?8, ?9, ?8, ?10, ?11) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(all.as_slice())?;
    work.effects.outbox = true;
    Ok(())
}

/// Self-tests are not counted: they wait beside the queue, neither filling it nor kept out by it.
pub(super) fn waiting(connection: &Connection) -> Result<usize, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM outbox WHERE next_run IS NOT NULL)
                 - (SELECT count(*) FROM self_test AS t CROSS JOIN outbox AS o ON o.id = t.message
                    WHERE o.next_run IS NOT NULL)",
        )?
        .query_row([], |row| count(row, 0))?)
}

/// Jobs that are due and that no dispatcher holds. They are held by the caller from now on.
pub(super) fn due(work: &mut Work<'_>, limit: usize) -> Result<Vec<OutboxJob>, StoreError> {
    let (mut jobs, mut damaged) = (Vec::new(), Vec::new());
    // Only the jobs handed out are read whole: a long queue of long texts is not sorted at every look.
    let mut whole = work.connection.prepare_cached("SELECT * FROM outbox WHERE sequence = ?1")?;
    let mut statement =
        work.connection.prepare_cached("SELECT sequence, id FROM outbox WHERE next_run <= ?1 ORDER BY sequence")?;
    let mut rows = statement.query([work.now.0])?;
    while jobs.len() < limit {
        let Some(row) = rows.next()? else { break };
        let id = message_id(row, "id")?;
        if !work.claims.is_held(id) {
            let sequence: i64 = row.get("sequence")?;
            let mut found = whole.query([sequence])?;
            match found.next()? {
                Some(row) if seal::holds(row, &seal::OUTGOING)? => jobs.push(job(work.connection, row, work.now)?),
                Some(_) => damaged.push(id),
                None => {}
            }
            work.claims.take(id);
        }
    }
    drop(rows);
    drop((statement, whole));
    for id in damaged {
        let message = Message::find(work.connection, id)?;
        end(work, &message, OutgoingState::Failed, DAMAGED)?;
    }
    Ok(jobs)
}

pub(super) fn next_due(work: &Work<'_>) -> Result<Option<RunTime>, StoreError> {
    let mut statement = work
        .connection
        .prepare_cached("SELECT id, next_run FROM outbox WHERE next_run < ?1 ORDER BY next_run LIMIT ?2")?;
    let most = i64::try_from(work.claims.count()).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query([IN_HAND, most])?;
    while let Some(row) = rows.next()? {
        if !work.claims.is_held(message_id(row, "id")?) {
            return Ok(Some(RunTime(row.get("next_run")?)));
        }
    }
    Ok(None)
}

pub(super) fn routed(work: &mut Work<'_>, id: MessageId, route: &Route) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    if Tally::of(work.connection, message.sequence)?.all_left() {
        return Err(StoreError::PartLeft { id, part: 0 });
    }
    work.connection
        .prepare_cached(
            "UPDATE outbox SET state = 'routed', next_run = ?2, slot = ?3, sim = ?4, number = ?5,
                 parts = CASE WHEN parts = 0 THEN ?6 ELSE parts END, reference = ifnull(reference, ?7),
                 price_micros = ?8, currency = ?9
             WHERE sequence = ?1",
        )?
        .execute(params![
            message.sequence,
            IN_HAND,
            route.slot.as_str(),
            route.sim,
            route.number,
            route.parts,
            route.reference,
            route.cost_micros,
            route.currency
        ])?;
    if message.parts == 0 {
        let mut insert =
            work.connection.prepare_cached("INSERT INTO outbox_segment (message, number) VALUES (?1, ?2)")?;
        for number in 0..route.parts {
            insert.execute(params![message.sequence, number])?;
        }
    }
    Ok(())
}

pub(super) fn part_begins(work: &mut Work<'_>, id: MessageId, part: u16) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    begin(work, &message, part)
}

pub(super) fn part_sent(
    work: &mut Work<'_>,
    id: MessageId,
    part: u16,
    reference: u8,
    next: Option<u16>,
) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    // A report may have said more already: then only the reference is news.
    let rows = work
        .connection
        .prepare_cached(
            "UPDATE outbox_segment SET reference = ?3,
                 state = CASE WHEN state IN ('pending', 'sending', 'unknown') THEN 'sent' ELSE state END
             WHERE message = ?1 AND number = ?2",
        )?
        .execute(params![message.sequence, part, reference])?;
    if rows == 0 {
        return Err(StoreError::NoSuchMessage(id));
    }
    reports::early_reports(work, message.sequence, part)?;
    settle(work, message.sequence)?;
    next.map_or(Ok(()), |number| begin(work, &message, number))
}

pub(super) fn part_refused(
    work: &mut Work<'_>,
    id: MessageId,
    part: u16,
    cause: &str,
    retry_at: Option<RunTime>,
) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    work.connection
        .prepare_cached(
            "UPDATE outbox_segment SET state = 'pending' WHERE message = ?1 AND number = ?2 AND state = 'sending'",
        )?
        .execute(params![message.sequence, part])?;
    match retry_at {
        Some(at) => {
            work.connection
                .prepare_cached("UPDATE outbox SET failures = failures + 1 WHERE sequence = ?1")?
                .execute([message.sequence])?;
            requeue(work, &message, cause, at)
        }
        None => end(work, &message, OutgoingState::Failed, cause),
    }
}

pub(super) fn part_unknown(
    work: &mut Work<'_>,
    id: MessageId,
    part: u16,
    cause: &str,
    resolve_at: Option<RunTime>,
) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    lose_sight(work, &message, part, cause, resolve_at)
}

pub(super) fn deferred(work: &mut Work<'_>, id: MessageId, cause: &str, retry_at: RunTime) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    requeue(work, &message, cause, retry_at)
}

/// As [`deferred`], for many at once. One that is not there any more is nobody's concern.
pub(super) fn set_aside(
    work: &mut Work<'_>,
    ids: &[MessageId],
    cause: &str,
    retry_at: RunTime,
) -> Result<(), StoreError> {
    for id in ids {
        match deferred(work, *id, cause, retry_at) {
            Ok(()) | Err(StoreError::NoSuchMessage(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What was set aside falls due now.
pub(super) fn taken_up(work: &mut Work<'_>, ids: &[MessageId]) -> Result<(), StoreError> {
    let mut update = work
        .connection
        .prepare_cached("UPDATE outbox SET next_run = ?2 WHERE id = ?1 AND next_run > ?2 AND next_run < ?3")?;
    for id in ids {
        update.execute(params![id.to_string(), work.now.0, IN_HAND])?;
    }
    work.effects.outbox = true;
    Ok(())
}

pub(super) fn ended(work: &mut Work<'_>, id: MessageId, state: OutgoingState, cause: &str) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    end(work, &message, state, cause)
}

/// What a crash or a lost dispatcher left half done: open intents become unknown, the rest is queued again.
pub(super) fn recover(work: &mut Work<'_>) -> Result<(), StoreError> {
    work.claims.release_all();
    let halfway: Vec<MessageId> = work
        .connection
        .prepare_cached("SELECT id FROM outbox WHERE next_run = ?1 ORDER BY sequence")?
        .query_map([IN_HAND], |row| message_id(row, "id"))?
        .collect::<Result<_, _>>()?;
    for id in halfway {
        abandoned(work, id)?;
    }
    // What never failed waits for a SIM or for its turn, and the dispatcher that would have called it up is gone.
    work.connection.execute(
        "UPDATE outbox SET next_run = ?1 WHERE state = 'queued' AND failures = 0 AND next_run > ?1",
        [work.now.0],
    )?;
    work.effects.outbox = true;
    Ok(())
}

/// As [`recover`], for one message. A part that was refused for certain may have used up any number of submissions; only
/// one that may have left counts against the second.
pub(super) fn abandoned(work: &mut Work<'_>, id: MessageId) -> Result<(), StoreError> {
    let message = Message::find(work.connection, id)?;
    let open: Vec<(u16, bool)> = work
        .connection
        .prepare_cached(
            "SELECT number, doubtful FROM outbox_segment WHERE message = ?1 AND state = 'sending' ORDER BY number",
        )?
        .query_map([message.sequence], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (number, doubtful) in &open {
        let again = message.policy == ResendPolicy::Alarm && !doubtful;
        let resolve_at = again.then(|| work.now.after(CRASH_RESOLVE));
        lose_sight(work, &message, *number, "the gateway stopped while the message was being sent", resolve_at)?;
    }
    if open.is_empty() { requeue(work, &message, "", work.now) } else { Ok(()) }
}

/// Draws the message's state from its parts, after one of them changed.
pub(super) fn settle(work: &mut Work<'_>, sequence: i64) -> Result<(), StoreError> {
    let parts = Tally::of(work.connection, sequence)?;
    let (state, due): (OutgoingState, bool) = work
        .connection
        .prepare_cached("SELECT state, next_run IS NOT NULL FROM outbox WHERE sequence = ?1")?
        .query_row([sequence], |row| Ok((outgoing_state(row, "state")?, row.get(1)?)))?;
    work.effects.outbox = true;
    if !parts.all_left() {
        // A report settled the open part while the message waited to resolve it: go on with the rest at once.
        if due && state == OutgoingState::Unknown && parts.unknown == 0 {
            work.connection
                .prepare_cached("UPDATE outbox SET state = 'queued', next_run = ?2, cause = '' WHERE sequence = ?1")?
                .execute(params![sequence, work.now.0])?;
        }
        return Ok(());
    }
    let next = parts.outcome();
    mark_left(work, sequence)?;
    if state != next || due {
        let done = next != OutgoingState::Sent;
        work.connection
            .prepare_cached(
                "UPDATE outbox SET state = ?2, next_run = NULL,
                     cause = CASE WHEN ?2 IN ('sent', 'delivered') THEN '' ELSE cause END,
                     done_at = CASE WHEN ?3 THEN ?4 END, done_run = CASE WHEN ?3 THEN ?5 END
                 WHERE sequence = ?1",
            )?
            .execute(params![sequence, next.as_str(), done, micros(work.wall), work.now.0])?;
    }
    let id = work
        .connection
        .prepare_cached("SELECT id FROM outbox WHERE sequence = ?1")?
        .query_row([sequence], |row| message_id(row, "id"))?;
    work.claims.release(id);
    Ok(())
}

pub(super) fn outgoing(connection: &Connection, id: MessageId) -> Result<Option<OutgoingMessage>, StoreError> {
    let found = connection
        .prepare_cached(&format!("{SELECT_OUTGOING} WHERE o.id = ?1"))?
        .query_row([id.to_string()], outgoing_message)
        .optional()?;
    Ok(found)
}

/// The latest `limit` messages, newest first.
pub(super) fn latest(connection: &Connection, limit: usize) -> Result<Vec<OutgoingMessage>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&format!("{SELECT_OUTGOING} ORDER BY o.sequence DESC LIMIT ?1"))?;
    let found = statement.query_map([limit], outgoing_message)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// A message and how many of its parts went and arrived.
const SELECT_OUTGOING: &str = "SELECT o.*, (SELECT count(*) FROM outbox_segment WHERE message = o.sequence
         AND state IN ('sent', 'delivered', 'undelivered', 'expired')) AS parts_sent,
     (SELECT count(*) FROM outbox_segment WHERE message = o.sequence AND state = 'delivered') AS parts_delivered
 FROM outbox AS o";

fn outgoing_message(row: &Row<'_>) -> rusqlite::Result<OutgoingMessage> {
    Ok(OutgoingMessage {
        id: message_id(row, "id")?,
        state: outgoing_state(row, "state")?,
        recipient: row.get("recipient")?,
        sender: row.get("number")?,
        slot: optional_slot(row, "slot")?,
        text: row.get("text")?,
        flash: row.get("flash")?,
        parts: row.get("parts")?,
        parts_sent: row.get("parts_sent")?,
        parts_delivered: row.get("parts_delivered")?,
        cause: row.get("cause")?,
        queued_at: timestamp(row, "queued_at")?,
        sent_at: optional_timestamp(row, "sent_at")?,
        done_at: optional_timestamp(row, "done_at")?,
        cost_micros: row.get("cost_micros")?,
        currency: row.get("currency")?,
        tries: row.get("tries")?,
    })
}

struct Message {
    id: MessageId,
    sequence: i64,
    parts: u16,
    policy: ResendPolicy,
    expires: RunTime,
}

impl Message {
    fn find(connection: &Connection, id: MessageId) -> Result<Self, StoreError> {
        connection
            .prepare_cached("SELECT sequence, parts, policy, expires_run FROM outbox WHERE id = ?1")?
            .query_row([id.to_string()], |row| {
                Ok(Self {
                    id,
                    sequence: row.get("sequence")?,
                    parts: row.get("parts")?,
                    policy: policy(row, "policy")?,
                    expires: RunTime(row.get("expires_run")?),
                })
            })
            .optional()?
            .ok_or(StoreError::NoSuchMessage(id))
    }
}

fn job(connection: &Connection, row: &Row<'_>, now: RunTime) -> Result<OutboxJob, StoreError> {
    let sequence: i64 = row.get("sequence")?;
    let parts: Vec<OutboxPart> = connection
        .prepare_cached(
            "SELECT number, state, submissions, doubtful FROM outbox_segment WHERE message = ?1 ORDER BY number",
        )?
        .query_map([sequence], |part| {
            Ok(OutboxPart {
                number: part.get("number")?,
                state: part_state(part, "state")?,
                submissions: part.get("submissions")?,
                doubtful: part.get("doubtful")?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let left =
        |part: &OutboxPart| matches!(part.state, PartState::Sent | PartState::Delivered | PartState::Undelivered);
    let begun = parts.iter().any(left);
    let is_self_test = row.get_ref("purpose")?.as_str().is_ok_and(|purpose| purpose == "self-test");
    let sender: Option<String> = row.get("asked_sender")?;
    let expires = RunTime(row.get("expires_run")?);
    Ok(OutboxJob {
        id: message_id(row, "id")?,
        sender: sender.and_then(|number| Msisdn::parse(&number).ok()),
        recipient: row.get("recipient")?,
        text: row.get("text")?,
        flash: row.get("flash")?,
        policy: policy(row, "policy")?,
        state: outgoing_state(row, "state")?,
        lifetime_over: expires <= now,
        expires,
        cause: row.get("cause")?,
        failures: row.get("failures")?,
        pinned: if begun || is_self_test { optional_slot(row, "slot")? } else { None },
        reference: row.get("reference")?,
        next_reference: row.get("offered_reference")?,
        lifetime: expires.since(now),
        parts,
    })
}

/// Writes the intent to submit a part, and counts it where the slot has limits. One that is in `sending` already was begun
/// with the part before it.
fn begin(work: &mut Work<'_>, message: &Message, part: u16) -> Result<(), StoreError> {
    let state = work
        .connection
        .prepare_cached("SELECT state FROM outbox_segment WHERE message = ?1 AND number = ?2")?
        .query_row(params![message.sequence, part], |row| part_state(row, "state"))
        .optional()?
        .ok_or(StoreError::NoSuchMessage(message.id))?;
    match state {
        PartState::Sending => return Ok(()),
        PartState::Pending | PartState::Unknown => {}
        PartState::Sent | PartState::Delivered | PartState::Undelivered => {
            return Err(StoreError::PartLeft { id: message.id, part });
        }
    }
    spending::part_leaves(work, message.sequence)?;
    work.connection
        .prepare_cached(
            "UPDATE outbox_segment SET state = 'sending', submissions = submissions + 1, submitted_run = ?3,
                 (slot, sim) = (SELECT slot, sim FROM outbox WHERE sequence = ?1)
             WHERE message = ?1 AND number = ?2",
        )?
        .execute(params![message.sequence, part, work.now.0])?;
    work.connection
        .prepare_cached(
            "UPDATE outbox SET state = 'sending', next_run = ?2, tries = tries + 1,
                 cost_micros = cost_micros + price_micros
             WHERE sequence = ?1",
        )?
        .execute(params![message.sequence, IN_HAND])?;
    Ok(())
}

fn lose_sight(
    work: &mut Work<'_>,
    message: &Message,
    part: u16,
    cause: &str,
    resolve_at: Option<RunTime>,
) -> Result<(), StoreError> {
    work.connection
        .prepare_cached(
            "UPDATE outbox_segment SET state = 'unknown', doubtful = 1
             WHERE message = ?1 AND number = ?2 AND state IN ('pending', 'sending', 'unknown')",
        )?
        .execute(params![message.sequence, part])?;
    work.connection
        .prepare_cached(
            "UPDATE outbox SET state = 'unknown', cause = ?2, next_run = ?3,
                 done_at = CASE WHEN ?3 IS NULL THEN ?4 END, done_run = CASE WHEN ?3 IS NULL THEN ?5 END
             WHERE sequence = ?1",
        )?
        .execute(params![message.sequence, cause, resolve_at.map(|at| at.0), micros(work.wall), work.now.0])?;
    work.claims.release(message.id);
    work.effects.outbox = true;
    reports::reports_for_unknown(work, message.sequence, part)?;
    settle(work, message.sequence)
}

/// Back to the queue, unless nothing is left to send. Falls due at the end of its lifetime at the latest.
fn requeue(work: &mut Work<'_>, message: &Message, cause: &str, at: RunTime) -> Result<(), StoreError> {
    let parts = Tally::of(work.connection, message.sequence)?;
    if parts.all_left() {
        return settle(work, message.sequence);
    }
    work.connection
        .prepare_cached("UPDATE outbox SET state = ?2, cause = ?3, next_run = ?4 WHERE sequence = ?1")?
        .execute(params![
            message.sequence,
            if parts.unknown > 0 { "unknown" } else { "queued" },
            cause,
            at.min(message.expires.max(work.now)).0
        ])?;
    work.claims.release(message.id);
    work.effects.outbox = true;
    Ok(())
}

fn end(work: &mut Work<'_>, message: &Message, state: OutgoingState, cause: &str) -> Result<(), StoreError> {
    if Tally::of(work.connection, message.sequence)?.all_left() {
        return settle(work, message.sequence);
    }
    // If an earlier submission may have left, "failed" or "expired" would claim too much.
    let state = if is_doubtful(work, message)? { OutgoingState::Unknown } else { state };
    work.connection
        .prepare_cached(
            "UPDATE outbox SET state = ?2, cause = ?3, next_run = NULL, done_at = ?4, done_run = ?5 WHERE sequence = ?1",
        )?
        .execute(params![message.sequence, state.as_str(), cause, micros(work.wall), work.now.0])?;
    work.claims.release(message.id);
    work.effects.outbox = true;
    Ok(())
}

/// Whether a part that is still open was handed over once without an answer.
fn is_doubtful(work: &Work<'_>, message: &Message) -> Result<bool, StoreError> {
    Ok(work
        .connection
        .prepare_cached(
            "SELECT 1 FROM outbox_segment
             WHERE message = ?1 AND doubtful = 1 AND state IN ('pending', 'sending', 'unknown')",
        )?
        .exists([message.sequence])?)
}

/// Counts the message as sent, the first time all its parts have left.
fn mark_left(work: &mut Work<'_>, sequence: i64) -> Result<(), StoreError> {
    let slot: Option<Option<String>> = work
        .connection
        .prepare_cached(
            "UPDATE outbox SET sent_at = ?2, sent_run = ?3 WHERE sequence = ?1 AND sent_at IS NULL RETURNING slot",
        )?
        .query_row(params![sequence, micros(work.wall), work.now.0], |row| row.get(0))
        .optional()?;
    slot.flatten().map_or(Ok(()), |slot| sims::count_sent(work, &slot))
}
