//! The router against a slow model that was written from the manual alone: it strikes SIMs off a list, rule by rule.

use proptest::prelude::*;
use smsgate::{
    model::{HealthLevel, Prefix, Recipient, SlotId},
    router::{LeastCost, NoRoute, Reason, RoutingModel as _, Sim},
};

#[derive(Debug, PartialEq)]
enum Outcome {
    Slot(String),
    Never,
    NotNow,
    AtLimit,
}

/// The manual's rules, one after the other.
fn model(sims: &[Sim], recipient: &str, sender: &str) -> Outcome {
    let begins = |prefix: &Prefix| {
        let prefix: Vec<char> = prefix.as_str().chars().collect();
        recipient.chars().take(prefix.len()).collect::<Vec<_>>() == prefix
    };
    let works = |sim: &&Sim| sim.ready && sim.health != HealthLevel::Critical;
    let can_send = |sim: &&Sim| works(sim) && sim.has_room;
    let sims: Vec<&Sim> = sims.iter().filter(|sim| !sim.denied.iter().any(begins)).collect();
    let mut left: Vec<&Sim> =
        sims.iter().copied().filter(|sim| sim.number == sender && !sender.is_empty()).filter(can_send).collect();
    if left.is_empty() {
        left = sims.iter().copied().filter(|sim| sim.prefixes.iter().any(begins)).collect();
        if left.is_empty() {
            return Outcome::Never;
        }
        left.retain(works);
        if left.is_empty() {
            return Outcome::NotNow;
        }
        left.retain(can_send);
        if left.is_empty() {
            return Outcome::AtLimit;
        }
        if left.iter().any(|sim| sim.health == HealthLevel::Ok) {
            left.retain(|sim| sim.health == HealthLevel::Ok);
        }
        let lowest = left.iter().map(|sim| sim.cost_micros).min();
        left.retain(|sim| Some(sim.cost_micros) == lowest);
        let freest = left.iter().map(|sim| sim.waiting).min();
        left.retain(|sim| Some(sim.waiting) == freest);
        let fewest = left.iter().map(|sim| sim.sent_today).min();
        left.retain(|sim| Some(sim.sent_today) == fewest);
    } else if left.iter().any(|sim| sim.health == HealthLevel::Ok) {
        left.retain(|sim| sim.health == HealthLevel::Ok);
    }
    let mut names: Vec<_> = left.iter().map(|sim| sim.slot.to_string()).collect();
    names.sort();
    Outcome::Slot(names.remove(0))
}

fn number() -> impl Strategy<Value = String> {
    "[+]?[12]{1,4}"
}

fn sim() -> impl Strategy<Value = Sim> {
    let health = prop_oneof![Just(HealthLevel::Ok), Just(HealthLevel::Warning), Just(HealthLevel::Critical)];
    let prefixes = prop::collection::vec(prop_oneof!["[+]?[12]{1,3}", Just("+".to_owned())], 0..4);
    let own_number = prop_oneof![Just(String::new()), "[+][12]"];
    let denied = prop::collection::vec("[+]?[12]{1,3}", 0..2);
    let states = (health, prop::bool::weighted(0.8), prop::bool::weighted(0.8));
    (own_number, prefixes, denied, 0..3i64, states, 0..3u64, 0..3u64).prop_map(
        |(number, prefixes, denied, cost_micros, (health, ready, has_room), waiting, sent_today)| Sim {
            slot: SlotId::new(""),
            number,
            prefixes: prefixes.iter().filter_map(|prefix| Prefix::parse(prefix).ok()).collect(),
            denied: denied.iter().filter_map(|prefix| Prefix::parse(prefix).ok()).collect(),
            cost_micros,
            health,
            ready,
            waiting,
            has_room,
            sent_today,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_router_follows_the_manual(
        sims in prop::collection::vec(sim(), 0..7),
        order in Just(["d", "b", "a", "g", "c", "f", "e"]).prop_shuffle(),
        recipient in number(),
        sender in prop_oneof![Just(String::new()), "[+][12]"],
    ) {
        let named = |(sim, name): (Sim, &str)| Sim { slot: SlotId::new(name), ..sim };
        let sims: Vec<Sim> = sims.into_iter().zip(order).map(named).collect();
        let parsed = Recipient::parse(&recipient, true).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let result = LeastCost.choose(&sims, &parsed, &sender);
        let outcome = match &result {
            Ok(choice) => Outcome::Slot(choice.slot.to_string()),
            Err(NoRoute::Denied { .. } | NoRoute::NoPrefix { .. }) => Outcome::Never,
            Err(NoRoute::AtLimit { .. }) => Outcome::AtLimit,
            Err(NoRoute::NoneHealthy { .. }) => Outcome::NotNow,
        };
        prop_assert_eq!(outcome, model(&sims, &recipient, &sender));

        // The explanation tells of each SIM, and agrees with the choice.
        let explanation = result.as_ref().map_or_else(NoRoute::explanation, |choice| &choice.explanation);
        prop_assert!(explanation.iter().map(|verdict| &verdict.slot).eq(sims.iter().map(|sim| &sim.slot)));
        let chosen = explanation.iter().filter(|v| matches!(v.reason, Reason::Chosen | Reason::ChosenAsSender));
        prop_assert!(chosen.map(|verdict| &verdict.slot).eq(result.as_ref().ok().map(|choice| &choice.slot)));
    }
}
