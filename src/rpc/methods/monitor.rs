//! What monitoring reads: statistics and health. All of it is cached; a poll never touches a modem.

use jiff::{Timestamp, tz::TimeZone};

use super::{
    super::{
        value::Arguments,
        wire::{Fault, Value},
    },
    Caller, Context, int, store_fault, structure, token, units,
};
use crate::{
    balance,
    config::Slot,
    model::{BalanceDay, ModemSnapshot, Rung, SelfTestReturn},
    store::{Recoveries, SimFacts},
};

/// `get_health_state(token)`.
pub(super) async fn health_state(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let token = token(&mut Arguments::new(params, 1, 1)?)?;
    context.authorise(caller, &token, &context.config.gateway.api.token_get_health_state).await?;
    let health = context.backends.health.borrow().clone();
    Ok(Value::Array(vec![Value::string(health.level.as_str()), Value::String(health.message())]))
}

/// `get_stats(token)`.
pub(super) async fn stats(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let token = token(&mut Arguments::new(params, 1, 1)?)?;
    context.authorise(caller, &token, &context.config.gateway.api.token_get_stats).await?;
    let facts = context.backends.store.sim_facts().await.map_err(|error| store_fault(&error))?;
    let tests = context.backends.store.self_tests().await.map_err(|error| store_fault(&error))?;
    let history = context.backends.store.balance_history().await.map_err(|error| store_fault(&error))?;
    let recoveries = context.backends.store.recoveries().await.map_err(|error| store_fault(&error))?;
    let zone = TimeZone::system();
    let modems = context.backends.pool.snapshots().into_iter().map(|modem| {
        let slot = context.config.slots.iter().find(|slot| slot.id == modem.slot);
        let currency = slot.map_or("", |slot| slot.currency.as_str());
        let back = tests.get(&modem.slot).and_then(|tests| tests.iter().rev().find_map(|test| test.back));
        let recoveries = recoveries.get(&modem.slot).copied().unwrap_or_default();
        let (facts, history) = (facts.get(&modem.slot), history.get(&modem.slot));
        let mut members = describe(&modem, facts, history, recoveries, currency, &zone);
        if let (Value::Struct(members), Some(slot)) = (&mut members, slot) {
            members.extend(thresholds(slot));
            members.extend(self_test(back, &zone));
        }
        (modem.slot.to_string(), members)
    });
    Ok(Value::Array(vec![Value::string("OK"), Value::Struct(modems.collect())]))
}

/// The members upstream has, then our own.
fn describe(
    modem: &ModemSnapshot,
    facts: Option<&SimFacts>,
    history: Option<&Vec<BalanceDay>>,
    recoveries: Recoveries,
    currency: &str,
    zone: &TimeZone,
) -> Value {
    let facts = facts.cloned().unwrap_or_default();
    // While the card is not known, the last balance of the slot is the best there is.
    let own = modem.iccid.is_empty() || facts.balance_sim.as_deref() == Some(modem.sim_identity().as_str());
    let number = |number: Option<f64>| number.map_or_else(|| Value::string(""), Value::double);
    let days_left = history.filter(|_| own).and_then(|days| balance::days_left(days));
    let local = |time| local(time, zone);
    structure([
        ("phone_number", Value::string(modem.phone_number.as_str())),
        ("current_network", Value::string(modem.network.as_str())),
        ("current_signal", Value::int(modem.signal_dbm())),
        ("port", Value::string(modem.port.as_str())),
        ("status", Value::string(modem.status.as_str())),
        ("balance", facts.balance_micros.filter(|_| own).map_or_else(|| Value::string(""), units)),
        ("balance_at", local(facts.balance_at.filter(|_| own))),
        ("balance_days_left", number(days_left.map(|days| (days * 10.0).round() / 10.0))),
        ("currency", Value::string(currency)),
        ("sent", int(facts.sent)),
        ("received", int(facts.received)),
        ("health_state_short", Value::string(modem.health.level.as_str())),
        ("health_state_message", Value::String(modem.health.message())),
        ("init_counter", int(modem.init_counter)),
        ("last_init", local(modem.last_init)),
        ("last_received", local(facts.last_received)),
        ("last_sent", local(facts.last_sent)),
        ("model", Value::string(modem.model.as_str())),
        ("imei", Value::string(modem.imei.as_str())),
        ("iccid", Value::string(modem.iccid.as_str())),
        ("storage_used", int(modem.storage.0)),
        ("storage_total", int(modem.storage.1)),
        ("recoveries", int(recoveries.cured)),
        ("recovered_by", Value::string(recoveries.last.map_or("", Rung::as_str))),
    ])
}

/// When the last self-test SMS came back, and how many seconds it was under way.
fn self_test(back: Option<SelfTestReturn>, zone: &TimeZone) -> [(String, Value); 2] {
    let round_trip = back.map_or_else(|| Value::string(""), |back| Value::double(back.round_trip.as_secs_f64()));
    [
        ("self_test_last".to_owned(), local(back.map(|back| back.wall), zone)),
        ("self_test_round_trip".to_owned(), round_trip),
    ]
}

fn local(time: Option<Timestamp>, zone: &TimeZone) -> Value {
    let text = time.map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
    Value::String(text.unwrap_or_default())
}

/// The balances below which health turns bad, for what draws them.
fn thresholds(slot: &Slot) -> [(String, Value); 2] {
    [
        ("balance_warning", slot.account_balance_warning_micros),
        ("balance_critical", slot.account_balance_critical_micros),
    ]
    .map(|(name, micros)| (name.to_owned(), units(micros)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{RunTime, SlotId};

    fn modem(name: &str, port: &str) -> ModemSnapshot {
        let mut modem = ModemSnapshot::absent(SlotId::new(name), true, "+491760000000");
        modem.port = port.to_owned();
        modem
    }

    #[test]
    fn statistics_have_upstreams_members_and_types() {
        let mut seen = modem("00", "/dev/ttyUSB0");
        seen.signal = 21;
        seen.storage = (3, 20);
        seen.last_init = Some("2026-11-20T22:19:05Z".parse().unwrap());
        let facts = SimFacts {
            sent: 3,
            received: u64::MAX,
            balance_micros: Some(12_340_000),
            balance_at: Some("2026-11-20T22:20:05Z".parse().unwrap()),
            balance_sim: Some("8949020000".into()),
            ..SimFacts::default()
        };
        let day = |day: &str, micros| BalanceDay { day: day.parse().unwrap(), micros };
        let days = vec![day("2026-11-19", 15_000_000), day("2026-11-20", 12_340_000)];
        let recoveries = Recoveries { cured: 2, last: Some(Rung::Reset) };
        let value = describe(&seen, Some(&facts), Some(&days), recoveries, "EUR", &TimeZone::UTC);
        for (name, expected) in [
            ("phone_number", Value::string("+491760000000")),
            ("current_network", Value::string("")),
            ("current_signal", Value::int(-71)),
            ("port", Value::string("/dev/ttyUSB0")),
            ("status", Value::string("")),
            ("balance", Value::double(12.34)),
            ("balance_at", Value::string("2026-11-20 22:20")),
            ("balance_days_left", Value::double(4.6)),
            ("currency", Value::string("EUR")),
            ("sent", Value::int(3)),
            ("received", Value::int(i32::MAX)),
            ("health_state_short", Value::string("OK")),
            ("health_state_message", Value::string("")),
            ("init_counter", Value::int(0)),
            ("last_init", Value::string("2026-11-20 22:19")),
            ("last_received", Value::string("")),
            ("last_sent", Value::string("")),
            ("model", Value::string("")),
            ("imei", Value::string("")),
            ("iccid", Value::string("")),
            ("storage_used", Value::int(3)),
            ("storage_total", Value::int(20)),
            ("recoveries", Value::int(2)),
            ("recovered_by", Value::string("reset")),
        ] {
            assert_eq!(value.member(name), Some(&expected), "{name}");
        }
        let back = SelfTestReturn {
            wall: "2026-11-20T00:00:59Z".parse().unwrap(),
            run: RunTime(0),
            round_trip: Duration::from_millis(4250),
        };
        let tested = self_test(Some(back), &TimeZone::UTC).map(|(_, value)| value);
        assert_eq!(tested, [Value::string("2026-11-20 00:00"), Value::double(4.25)]);
        assert_eq!(self_test(None, &TimeZone::UTC).map(|(_, value)| value), [Value::string(""), Value::string("")]);
        seen.iccid = "8949020001".into();
        let other_card = describe(&seen, Some(&facts), Some(&days), recoveries, "EUR", &TimeZone::UTC);
        for name in ["balance", "balance_at", "balance_days_left"] {
            assert_eq!(other_card.member(name), Some(&Value::string("")), "{name} of another card");
        }
        let unknown = describe(&seen, None, None, Recoveries::default(), "EUR", &TimeZone::UTC);
        for member in ["balance", "recovered_by"] {
            assert_eq!(unknown.member(member), Some(&Value::string("")));
        }
    }
}
