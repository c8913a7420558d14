//! What SIMs and tokens have sent lately, where that is limited (S10).
//!
//! A part counts in the transaction that makes the intent to submit it durable, so a crash can forget no submission; one
//! that is tried again counts again, since the earlier one may have left. A token's message counts in the transaction
//! that accepts it. What is not limited is not counted: a limit that is new begins at zero.
//!
//! One row per SIM or token and step of a window, and none for steps that count no longer.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{NewOutgoing, Store, StoreError, outbox, writer::Work};
use crate::model::{MessageId, RunTime, SendLimits, SlotId, Spending, Spent, Window};

/// What each slot may send; a slot that is not here may send whatever it can.
pub type SlotLimits = BTreeMap<SlotId, SendLimits>;

/// What a message takes of what its token may send.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Whose it is: a name for the token that does not tell the token.
    pub party: String,
    /// What that token may send.
    pub limits: SendLimits,
    /// What the message takes.
    pub parts: u32,
}

impl Store {
    /// From now on no intent is written that goes beyond these. A slot that is not named has no limit.
    pub fn set_limits(&self, limits: SlotLimits) {
        let limits = limits.into_iter().filter(|(_, limits)| !limits.is_none()).collect();
        self.inner.limits.send_replace(Arc::new(limits));
    }

    /// As [`enqueue`](Self::enqueue), if the token has room for it.
    ///
    /// # Errors
    /// [`StoreError::LimitReached`] if it has not; else as there.
    pub async fn enqueue_within(&self, message: NewOutgoing, allowance: Allowance) -> Result<(), StoreError> {
        self.write(move |work| {
            spend(work, &allowance.party, &allowance.limits, allowance.parts, 0)?;
            outbox::enqueue(work, &message)
        })
        .await
    }

    /// What these slots have sent lately.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn slot_spending(&self, slots: Vec<SlotId>) -> Result<BTreeMap<SlotId, Spending>, StoreError> {
        let now = self.now();
        self.read(move |connection| {
            slots
                .into_iter()
                .map(|slot| {
                    let spending = spending_of(connection, &party_of(&slot), now)?;
                    Ok((slot, spending))
                })
                .collect()
        })
        .await
    }

    /// What a token has sent lately.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn token_spending(&self, party: String) -> Result<Spending, StoreError> {
        let now = self.now();
        self.read(move |connection| spending_of(connection, &party, now)).await
    }

    /// Says of messages that are waiting what they wait for.
    ///
    /// # Errors
    /// [`StoreError`] if the store failed.
    pub async fn waits_for(&self, messages: Vec<MessageId>, cause: &'static str) -> Result<(), StoreError> {
        self.write(move |work| {
            let mut update =
                work.connection.prepare_cached("UPDATE outbox SET cause = ?2 WHERE id = ?1 AND state = 'queued'")?;
            for id in &messages {
                update.execute(params![id.to_string(), cause])?;
            }
            Ok(())
        })
        .await
    }
}

/// Counts a part of this message against the limits of the slot that it was routed to.
///
/// # Errors
/// [`StoreError::LimitReached`]: it must not be submitted now.
pub(super) fn part_leaves(work: &Work<'_>, sequence: i64) -> Result<(), StoreError> {
    if work.limits.is_empty() {
        return Ok(());
    }
    let route: Option<(Option<String>, i64)> = work
        .connection
        .prepare_cached("SELECT slot, price_micros FROM outbox WHERE sequence = ?1")?
        .query_row([sequence], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((Some(slot), price)) = route else { return Ok(()) };
    let slot = SlotId::new(&slot);
    match work.limits.get(&slot) {
        Some(limits) => spend(work, &party_of(&slot), limits, 1, price),
        None => Ok(()),
    }
}

/// Forgets the steps of those who have not sent since.
pub(super) fn forget(work: &Work<'_>) -> Result<(), StoreError> {
    let mut delete = work.connection.prepare_cached("DELETE FROM spending WHERE width = ?1 AND step < ?2")?;
    for window in Window::ALL {
        delete.execute([window.step_ms(), window.oldest(work.now)])?;
    }
    Ok(())
}

/// A token's name never begins like this.
fn party_of(slot: &SlotId) -> String {
    format!("sim {slot}")
}

fn spend(work: &Work<'_>, party: &str, limits: &SendLimits, parts: u32, price: i64) -> Result<(), StoreError> {
    let spending = spending_of(work.connection, party, work.now)?;
    if let Some(reached) = limits.reached(&spending, parts, price, work.now) {
        return Err(StoreError::LimitReached(reached));
    }
    let mut delete =
        work.connection.prepare_cached("DELETE FROM spending WHERE party = ?1 AND width = ?2 AND step < ?3")?;
    let mut count = work.connection.prepare_cached(
        "INSERT INTO spending (party, width, step, parts, micros) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (party, width, step) DO UPDATE SET parts = parts + ?4, micros = micros + ?5",
    )?;
    let micros = price.saturating_mul(i64::from(parts));
    for window in Window::ALL.into_iter().filter(|window| limits.counts(*window)) {
        delete.execute(params![party, window.step_ms(), window.oldest(work.now)])?;
        count.execute(params![party, window.step_ms(), window.step(work.now), parts, micros])?;
    }
    Ok(())
}

fn spending_of(connection: &Connection, party: &str, now: RunTime) -> Result<Spending, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT step, parts, micros FROM spending WHERE party = ?1 AND width = ?2 AND step >= ?3 ORDER BY step",
    )?;
    let mut steps = |window: Window| -> Result<Vec<Spent>, StoreError> {
        let rows = statement.query_map(params![party, window.step_ms(), window.oldest(now)], |row| {
            Ok(Spent { step: row.get(0)?, parts: row.get(1)?, micros: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    Ok(Spending { minute: steps(Window::Minute)?, day: steps(Window::Day)? })
}
