//! USSD texts that the network sent of its own accord: kept as messages of origin `ussd`, for the mail only.
//!
//! The message and its mail land in one transaction. `get_sms` never sees them, and they count as no received SMS.

use rusqlite::params;

use super::{
    Store, StoreError,
    rows::{micros, new_message_id},
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
    work.connection
        .prepare_cached(
            "INSERT INTO message (id, slot, recipient, sender, text, network, sent_offset, received_at, arrived_run,
                 flash, parts_missing, undecodable, origin)
             VALUES (?1, ?2, ?3, '', ?4, ?5, 0, ?6, ?7, 0, 0, 0, 'ussd')",
        )?
        .execute(params![
            id.to_string(),
            ussd.slot.as_str(),
            ussd.recipient,
            ussd.text,
            ussd.network,
            micros(work.wall),
            work.now.0
        ])?;
    work.connection
        .prepare_cached("INSERT INTO spool (message, spooled_run, next_run) VALUES (?1, ?2, ?2)")?
        .execute(params![work.connection.last_insert_rowid(), work.now.0])?;
    work.effects.mail = true;
    Ok(Some(id))
}
