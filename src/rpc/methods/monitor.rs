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
    model::{Health, HealthLevel, ModemSnapshot, SelfTestReturn},
    store::SimFacts,
};

/// `get_health_state(token)`.
pub(super) async fn health_state(context: &Context, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let token = token(&mut Arguments::new(params, 1, 1)?)?;
    context.authorise(caller, &token, &context.backends.api.token_get_health_state).await?;
    let mut health = pool_health(&context.backends.pool.snapshots());
    if let Some(mail) = &context.backends.mail_health {
        health.merge(mail.borrow().clone());
    }
    Ok(Value::Array(vec![Value::string(health.level.as_str()), Value::String(health.message())]))
}

/// `get_stats(token)`.
pub(super) async fn stats(context: &Context, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let token = token(&mut Arguments::new(params, 1, 1)?)?;
    context.authorise(caller, &token, &context.backends.api.token_get_stats).await?;
    let facts = context.backends.store.sim_facts().await.map_err(|error| store_fault(&error))?;
    let tests = context.backends.store.self_tests().await.map_err(|error| store_fault(&error))?;
    let zone = TimeZone::system();
    let modems = context.backends.pool.snapshots().into_iter().map(|modem| {
        let slot = context.backends.slots.iter().find(|slot| slot.id == modem.slot);
        let currency = slot.map_or("", |slot| slot.currency.as_str());
        let back = tests.get(&modem.slot).and_then(|tests| tests.iter().rev().find_map(|test| test.back));
        let seen = describe(&modem, facts.get(&modem.slot), currency, &zone);
        (modem.slot.to_string(), with_self_test(seen, back, &zone))
    });
    Ok(Value::Array(vec![Value::string("OK"), Value::Struct(modems.collect())]))
}

fn describe(modem: &ModemSnapshot, facts: Option<&SimFacts>, currency: &str, zone: &TimeZone) -> Value {
    let facts = facts.cloned().unwrap_or_default();
    let local = |time| local(time, zone);
    structure([
        ("phone_number", Value::string(modem.phone_number.as_str())),
        ("current_network", Value::string(modem.network.as_str())),
        ("current_signal", Value::int(modem.signal_dbm())),
        ("port", Value::string(modem.port.as_str())),
        ("status", Value::string(modem.status.as_str())),
        ("balance", facts.balance_micros.map_or_else(|| Value::string(""), units)),
        ("currency", Value::string(currency)),
        ("sent", int(facts.sent)),
        ("received", int(facts.received)),
        ("health_state_short", Value::string(modem.health.level.as_str())),
        ("health_state_message", Value::String(modem.health.message())),
        ("init_counter", int(modem.init_counter)),
        ("last_init", local(modem.last_init)),
        ("last_received", local(facts.last_received)),
        ("last_sent", local(facts.last_sent)),
    ])
}

/// Adds when the last self-test SMS came back, and how many seconds it was under way.
fn with_self_test(seen: Value, back: Option<SelfTestReturn>, zone: &TimeZone) -> Value {
    let Value::Struct(mut members) = seen else { return seen };
    let round_trip = back.map_or_else(|| Value::string(""), |back| Value::double(back.round_trip.as_secs_f64()));
    members.push(("self_test_last".to_owned(), local(back.map(|back| back.wall), zone)));
    members.push(("self_test_round_trip".to_owned(), round_trip));
    Value::Struct(members)
}

fn local(time: Option<Timestamp>, zone: &TimeZone) -> Value {
    let text = time.map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
    Value::String(text.unwrap_or_default())
}

/// Health of the whole pool; modems that are switched off do not count.
fn pool_health(modems: &[ModemSnapshot]) -> Health {
    let mut health = Health::ok();
    let enabled: Vec<_> = modems.iter().filter(|modem| modem.enabled).collect();
    if enabled.is_empty() {
        health.add(HealthLevel::Critical, "Pool: no modem is configured");
    } else if enabled.iter().all(|modem| modem.port.is_empty()) {
        health.add(HealthLevel::Critical, "Pool: no modem was found");
    }
    for modem in enabled {
        let reasons = modem.health.reasons.iter().map(|reason| format!("{}: {reason}", modem.slot)).collect();
        health.merge(Health { level: modem.health.level, reasons });
    }
    health
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
        seen.last_init = Some("2026-11-20T22:19:05Z".parse().unwrap());
        let facts = SimFacts { sent: 3, received: u64::MAX, balance_micros: Some(12_340_000), ..SimFacts::default() };
        let value = describe(&seen, Some(&facts), "EUR", &TimeZone::UTC);
        for (name, expected) in [
            ("phone_number", Value::string("+491760000000")),
            ("current_network", Value::string("")),
            ("current_signal", Value::int(-71)),
            ("port", Value::string("/dev/ttyUSB0")),
            ("status", Value::string("")),
            ("balance", Value::double(12.34)),
            ("currency", Value::string("EUR")),
            ("sent", Value::int(3)),
            ("received", Value::int(i32::MAX)),
            ("health_state_short", Value::string("OK")),
            ("health_state_message", Value::string("")),
            ("init_counter", Value::int(0)),
            ("last_init", Value::string("2026-11-20 22:19")),
            ("last_received", Value::string("")),
            ("last_sent", Value::string("")),
        ] {
            assert_eq!(value.member(name), Some(&expected), "{name}");
        }
        let back = SelfTestReturn {
            wall: "2026-11-20T00:00:59Z".parse().unwrap(),
            run: RunTime(0),
            round_trip: Duration::from_millis(4250),
        };
        let tested = with_self_test(value, Some(back), &TimeZone::UTC);
        assert_eq!(tested.member("self_test_last"), Some(&Value::string("2026-11-20 00:00")));
        assert_eq!(tested.member("self_test_round_trip"), Some(&Value::double(4.25)));
        assert_eq!(tested.member("sent"), Some(&Value::int(3)));
        let unknown = describe(&seen, None, "EUR", &TimeZone::UTC);
        let unknown = with_self_test(unknown, None, &TimeZone::UTC);
        assert_eq!(unknown.member("self_test_last"), Some(&Value::string("")));
        assert_eq!(unknown.member("self_test_round_trip"), Some(&Value::string("")));
        assert_eq!(unknown.member("balance"), Some(&Value::string("")));
    }

    #[test]
    fn health_of_the_pool() {
        let mut off = modem("off", "");
        off.enabled = false;
        off.health = Health::of(HealthLevel::Critical, "never seen");
        let mut weak = modem("01", "/dev/ttyUSB1");
        weak.health = Health::of(HealthLevel::Warning, "Signal: weak");
        for (modems, level, message) in [
            (vec![], HealthLevel::Critical, "Pool: no modem is configured"),
            (vec![off.clone()], HealthLevel::Critical, "Pool: no modem is configured"),
            (vec![modem("00", "")], HealthLevel::Critical, "Pool: no modem was found"),
            (vec![modem("00", "/dev/ttyUSB0"), off], HealthLevel::Ok, ""),
            (vec![modem("00", ""), weak], HealthLevel::Warning, "01: Signal: weak"),
        ] {
            let health = pool_health(&modems);
            assert_eq!((health.level, health.message().as_str()), (level, message));
        }
    }
}
