//! USSD texts that the network sent of its own accord: kept as messages of origin `ussd`, for the mail only.
//!
//! The message and its mail land in one transaction. `get_sms` never sees them, and they count as no received SMS.

use rusqlite::{ToSql, params};

use super::{
    Store, StoreError,
    inbox::insert_message,
    rows::{micros, new_message_id},
    seal,
    writer::Work,
};
use crate::model::{MessageId, SlotId};

/// A text to be mailed.
#[derive(Clone, Debug)]
pub struct NewUssd {
    /// The slot it came in on.
    pub slot: SlotId,
    /// Our number, as configured; empty if none is.
    pub recipient: String,
    /// The network the modem was on.
    pub network: String,
    /// The text.
    pub text: String,
}

impl Store {
    /// Keeps a text for the mailer, durably. `None` where there is no mail: then nothing is kept.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn commit_ussd(&self, ussd: NewUssd) -> Result<Option<MessageId>, StoreError> {
        self.write(move |work| commit(work, &ussd)).await
    }
}

fn commit(work: &mut Work<'_>, ussd: &NewUssd) -> Result<Option<MessageId>, StoreError> {
    if !work.options.mail {
        return Ok(None);
    }
    let id = new_message_id();
    // USSD has no originator: the network itself speaks.
    let (nobody, none) = ("", None::<i64>);
    let values: [&dyn ToSql; seal::MESSAGE.len()] = [
        &id.to_string(),
        &ussd.slot.as_str(),
        &ussd.recipient,
        &nobody,
        &ussd.text,
        &ussd.network,
        &none,
        &0,
        &micros(work.wall),
        &work.now.0,
        &false,
        &0,
        &false,
        &none,
    ];
    insert_message(work.connection, &values, "ussd")?;
    work.connection
        .prepare_cached("INSERT INTO spool (message, spooled_run, next_run) VALUES (?1, ?2, ?2)")?
        .execute(params![work.connection.last_insert_rowid(), work.now.0])?;
    work.effects.mail = true;
    Ok(Some(id))
}
