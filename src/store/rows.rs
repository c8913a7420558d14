//! How identifiers, times and enumerations of the model are written in columns and read back.

use aws_lc_rs::digest;
use jiff::Timestamp;
use rusqlite::{Row, types::Type};
use uuid::Uuid;

use super::{PartState, StoreError};
use crate::model::{MessageId, MessageOrigin, OutgoingState, ResendPolicy, SlotId};

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.to_string())
    }
}

/// Identifiers are made here, at the edge: version 7 reads the clock.
pub(super) fn new_message_id() -> MessageId {
    MessageId::from_uuid(Uuid::now_v7())
}

pub(super) fn digest_of(pdu: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, pdu.as_bytes()).as_ref().to_vec()
}

pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

pub(super) fn timestamp(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    readable(column, Timestamp::from_microsecond(row.get(column)?).ok())
}

pub(super) fn optional_timestamp(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    let stored: Option<i64> = row.get(column)?;
    stored.map(|value| readable(column, Timestamp::from_microsecond(value).ok())).transpose()
}

pub(super) fn message_id(row: &Row<'_>, column: &str) -> rusqlite::Result<MessageId> {
    let word: String = row.get(column)?;
    readable(column, MessageId::parse(&word))
}

pub(super) fn optional_message_id(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<MessageId>> {
    let word: Option<String> = row.get(column)?;
    word.map(|word| readable(column, MessageId::parse(&word))).transpose()
}

pub(super) fn origin(row: &Row<'_>, column: &str) -> rusqlite::Result<MessageOrigin> {
    let word: String = row.get(column)?;
    readable(column, MessageOrigin::parse(&word))
}

pub(super) fn slot(row: &Row<'_>, column: &str) -> rusqlite::Result<SlotId> {
    let name: String = row.get(column)?;
    Ok(SlotId::new(&name))
}

pub(super) fn optional_slot(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<SlotId>> {
    let name: Option<String> = row.get(column)?;
    Ok(name.map(|name| SlotId::new(&name)))
}

pub(super) fn outgoing_state(row: &Row<'_>, column: &str) -> rusqlite::Result<OutgoingState> {
    let word: String = row.get(column)?;
    readable(column, OutgoingState::parse(&word))
}

pub(super) fn policy(row: &Row<'_>, column: &str) -> rusqlite::Result<ResendPolicy> {
    let word: String = row.get(column)?;
    readable(column, ResendPolicy::parse(&word))
}

/// A part's state; *expired* is kept apart on disk, since it decides how the message ends.
pub(super) fn part_state(row: &Row<'_>, column: &str) -> rusqlite::Result<PartState> {
    let word: String = row.get(column)?;
    let state = match word.as_str() {
        "pending" => Some(PartState::Pending),
        "sending" => Some(PartState::Sending),
        "sent" => Some(PartState::Sent),
        "unknown" => Some(PartState::Unknown),
        "delivered" => Some(PartState::Delivered),
        "undelivered" | "expired" => Some(PartState::Undelivered),
        _ => None,
    };
    readable(column, state)
}

/// A `count(*)`.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    let rows: i64 = row.get(column)?;
    Ok(usize::try_from(rows).unwrap_or(0))
}

fn readable<T>(column: &str, value: Option<T>) -> rusqlite::Result<T> {
    value.ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("unreadable value in {column}").into())
    })
}
