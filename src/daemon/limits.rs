//! Limits to sending: what the store holds them against, and whose room is used up, for the health.

use std::time::Duration;

use crate::{
    config::{Config, Slot},
    model::{Health, HealthLevel, Reached, RunTime},
    rpc::party_of,
    store::{SlotLimits, Store, StoreError},
};

/// The limits of the slots.
pub(super) fn of_slots(slots: &[Slot]) -> SlotLimits {
    slots.iter().map(|slot| (slot.id.clone(), slot.limits)).collect()
}

/// Whether anything is limited.
pub(super) fn are_there(config: &Config) -> bool {
    !config.gateway.api.token_limits.is_none() || config.slots.iter().any(|slot| !slot.limits.is_none())
}

/// WARNING for each SIM and each token that could not send one part more.
///
/// # Errors
/// [`StoreError`] if the store failed.
pub(super) async fn health(store: &Store, config: &Config) -> Result<Health, StoreError> {
    let mut health = Health::ok();
    let limited: Vec<&Slot> = config.slots.iter().filter(|slot| slot.enabled && !slot.limits.is_none()).collect();
    let spending = store.slot_spending(limited.iter().map(|slot| slot.id.clone()).collect()).await?;
    let now = store.now();
    for slot in limited {
        let spent = spending.get(&slot.id);
        let reached = spent.and_then(|spent| slot.limits.reached(spent, 1, slot.costs_per_sms_micros, now));
        if let Some(reached) = reached {
            health.add(HealthLevel::Warning, sentence(&slot.id.to_string(), &reached, now));
        }
    }
    let api = &config.gateway.api;
    if !api.token_limits.is_none() {
        for (number, hash) in (1..).zip(&api.token_send_sms) {
            let spent = store.token_spending(party_of(hash)).await?;
            if let Some(reached) = api.token_limits.reached(&spent, 1, 0, now) {
                health.add(HealthLevel::Warning, sentence(&format!("Token {number} of token_send_sms"), &reached, now));
            }
        }
    }
    Ok(health)
}

fn sentence(whose: &str, reached: &Reached, now: RunTime) -> String {
    format!("{whose}: Limit: {} reached, room again in {}", reached.limit, rounded(reached.frees.since(now)))
}

/// As people say it.
fn rounded(time: Duration) -> String {
    match time.as_millis().div_ceil(1000) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{
        model::SendLimits,
        modem::sample::{self, HandClock, slot},
        store::{Allowance, NewOutgoing, Options},
    };

    #[test]
    fn times_in_words() {
        for (seconds, words) in [(0, "0 s"), (65, "65 s"), (120, "2 min"), (7199, "120 min"), (86_400, "24 h")] {
            assert_eq!(rounded(Duration::from_secs(seconds)), words);
        }
    }

    #[tokio::test]
    async fn sims_and_tokens_that_stand_at_a_limit_are_named_until_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock::default());
        let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
        let path = folder.path().join("smsgate.db");
        let store = Store::open_with_clock(&path, options, clock.clone()).unwrap();
        let limits = SendLimits { parts_per_minute: Some(2), ..SendLimits::default() };
        let mut config = Config::clone(&sample::config(vec![slot("00", "+"), slot("01", "+")]));
        assert!(!are_there(&config));
        config.gateway.api.token_send_sms = vec!["first".to_owned(), "second".to_owned()];
        config.gateway.api.token_limits = limits;
        config.slots[1].limits = limits;
        store.set_limits(of_slots(&config.slots));
        assert!(are_there(&config));
        for number in 0..2_u128 {
            assert_eq!(health(&store, &config).await.unwrap(), Health::ok());
            let message = NewOutgoing {
                id: crate::model::MessageId::from_uuid(uuid::Uuid::from_u128(number)),
                sender: None,
                recipient: "+491".to_owned(),
                text: "text".to_owned(),
                flash: false,
                policy: crate::model::ResendPolicy::Alarm,
                queued_at: store.wall(),
                lifetime: Duration::from_secs(3600),
            };
            let (id, route) = (message.id, route("01"));
            let allowance = Allowance { party: party_of("second"), limits, parts: 1 };
            store.enqueue_within(message, allowance).await.unwrap();
            store.routed(id, route).await.unwrap();
            store.part_begins(id, 0).await.unwrap();
        }
        let found = health(&store, &config).await.unwrap();
        assert_eq!(found.level, HealthLevel::Warning);
        assert_eq!(
            found.reasons,
            [
                "01: Limit: 2 parts per minute reached, room again in 65 s",
                "Token 2 of token_send_sms: Limit: 2 parts per minute reached, room again in 65 s"
            ]
        );
        clock.pass(Duration::from_secs(65));
        assert_eq!(health(&store, &config).await.unwrap(), Health::ok());
        assert_eq!(store.slot_spending(Vec::new()).await.unwrap(), BTreeMap::new());
    }

    fn route(slot: &str) -> crate::store::Route {
        crate::store::Route {
            slot: crate::model::SlotId::new(slot),
            sim: String::new(),
            number: String::new(),
            parts: 1,
            reference: None,
            cost_micros: 0,
            currency: String::new(),
        }
    }
}
