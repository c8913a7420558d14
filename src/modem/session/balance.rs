//! The balance check: when the SIM's account is asked for, and what comes of the answer.
//!
//! It runs when nothing else wants the modem's USSD, and its failures stay here: they never end a session. Reading the
//! amount and judging it is [`crate::balance`]'s part.

use jiff::{Timestamp, tz::TimeZone};
use tokio::time::{Duration, Instant};
use tracing::{debug, info, warn};

use super::{super::UssdError, End, Session};
use crate::{
    balance::{self, Account, Reading},
    config::Slot,
};

/// How soon after the start the balance is asked for.
const FIRST: Duration = Duration::from_secs(3);
/// How long to wait where the modem has no time for it.
const POSTPONED: Duration = Duration::from_secs(30);

/// When the balance is asked for next; `None` where the slot has no code for it.
pub(super) fn first_check(slot: &Slot) -> Option<Instant> {
    slot.ussd_account_balance.as_ref().map(|_| Instant::now() + FIRST.min(slot.health_check_interval))
}

impl Session<'_> {
    /// Puts what the store knows of the account of this SIM into view. A balance of another SIM is none of this one.
    pub(super) async fn recall_balance(&mut self) {
        let slot = self.context.slot();
        let before = self.seen.account.take().unwrap_or_default();
        if slot.ussd_account_balance.is_none() {
            return;
        }
        let mut account = Account {
            currency: slot.currency.clone(),
            warning_micros: slot.account_balance_warning_micros,
            critical_micros: slot.account_balance_critical_micros,
            ..before
        };
        match self.reading().await {
            Ok(reading) => account.reading = reading,
            Err(error) => warn!(modem = %slot.id, %error, "the last balance cannot be read from the store"),
        }
        self.seen.account = Some(account);
    }

    /// The slot's code, pattern or thresholds may be others now. The balance is asked for anew, as after the start.
    pub(super) async fn replan_balance(&mut self) {
        self.next_balance = first_check(&self.context.slot());
        self.recall_balance().await;
    }

    async fn reading(&self) -> Result<Option<Reading>, crate::store::StoreError> {
        let (slot, store) = (self.context.slot(), &self.context.store);
        let facts = store.sim_facts().await?.remove(&slot.id).unwrap_or_default();
        let ours = facts.balance_sim.as_deref() == Some(self.receiver.sim.as_str());
        let (true, Some(micros), Some(at)) = (ours, facts.balance_micros, facts.balance_at) else { return Ok(None) };
        let days = store.balance_history().await?.remove(&slot.id).unwrap_or_default();
        let as_of = is_old(at, store.wall(), slot.health_check_interval).then(|| in_words(at));
        Ok(Some(Reading { micros, as_of, days_left: balance::days_left(&days) }))
    }

    /// Asks the network for the balance.
    pub(super) async fn check_balance(&mut self) -> Result<(), End> {
        let Some(code) = self.context.slot().ussd_account_balance.clone() else {
            self.next_balance = None;
            return Ok(());
        };
        self.next_balance = Some(Instant::now() + self.context.slot().health_check_interval);
        if !self.begin_balance(&code).await? {
            self.next_balance = Some(Instant::now() + POSTPONED);
        }
        Ok(())
    }

    /// What the network answered, or why it did not.
    pub(super) async fn take_balance(&mut self, outcome: Result<String, UssdError>) {
        let slot = self.context.slot();
        if slot.ussd_account_balance.is_none() {
            // The configuration lost interest while the network was asked.
            return;
        }
        let found = match outcome {
            Ok(text) => balance::find(&text, &slot.ussd_account_balance_regexp).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let kept = match found {
            Ok(micros) => {
                let kept = self.context.store.balance_read(&slot.id, &self.receiver.sim, micros).await;
                kept.map_err(|error| error.to_string())
            }
            Err(cause) => Err(cause),
        };
        let modem = slot.id.clone();
        let account = self.seen.account.get_or_insert_default();
        match kept {
            Ok(()) => {
                if account.failures > 0 {
                    info!(%modem, "the balance can be read again");
                }
                (account.failures, account.cause) = (0, String::new());
            }
            Err(cause) => {
                debug!(%modem, %cause, "the balance cannot be read");
                account.failures = account.failures.saturating_add(1);
                account.cause = cause;
            }
        }
        self.recall_balance().await;
        self.publish();
    }
}

/// Older than two checks: the next one has failed, too.
fn is_old(at: Timestamp, now: Timestamp, interval: Duration) -> bool {
    let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
    age > interval.saturating_mul(2)
}

fn in_words(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
