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
    model::{ModemSnapshot, Rung},
    store::{Recoveries, SimFacts},
};

/// `get_health_state(token)`.
pub(super) async fn health_state(context: &Context, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let token = token(&mut Arguments::new(params, 1, 1)?)?;
    context.authorise(caller, &token, &context.backends.api.token_get_health_state).await?;
    let health = context.backends.health.borrow().clone();
    Ok(Value::Array(vec![Value::string(health.level.as_str()), Value::String(health.message())]))
}

/// `get_stats(token)`.
pub(super) async fn stats(context: &Context, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let token = token(&mut Arguments::new(params, 1, 1)?)?;
    context.authorise(caller, &token, &context.backends.api.token_get_stats).await?;
    let facts = context.backends.store.sim_facts().await.map_err(|error| store_fault(&error))?;
    let recoveries = context.backends.store.recoveries().await.map_err(|error| store_fault(&error))?;
    let zone = TimeZone::system();
    let modems = context.backends.pool.snapshots().into_iter().map(|modem| {
        let slot = context.backends.slots.iter().find(|slot| slot.id == modem.slot);
        let currency = slot.map_or("", |slot| slot.currency.as_str());
        let recoveries = recoveries.get(&modem.slot).copied().unwrap_or_default();
        (modem.slot.to_string(), describe(&modem, facts.get(&modem.slot), recoveries, currency, &zone))
    });
    Ok(Value::Array(vec![Value::string("OK"), Value::Struct(modems.collect())]))
}

/// The members upstream has, then our own.
fn describe(
    modem: &ModemSnapshot,
    facts: Option<&SimFacts>,
    recoveries: Recoveries,
    currency: &str,
    zone: &TimeZone,
) -> Value {
    let facts = facts.cloned().unwrap_or_default();
    let local = |time: Option<Timestamp>| {
        let text = time.map(|time| time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string());
        Value::String(text.unwrap_or_default())
    };
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
        ("model", Value::string(modem.model.as_str())),
        ("imei", Value::string(modem.imei.as_str())),
        ("iccid", Value::string(modem.iccid.as_str())),
        ("storage_used", int(modem.storage.0)),
        ("storage_total", int(modem.storage.1)),
        ("recoveries", int(recoveries.cured)),
        ("recovered_by", Value::string(recoveries.last.map_or("", Rung::as_str))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotId;

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
        let facts = SimFacts { sent: 3, received: u64::MAX, balance_micros: Some(12_340_000), ..SimFacts::default() };
        let recoveries = Recoveries { cured: 2, last: Some(Rung::Reset) };
        let value = describe(&seen, Some(&facts), recoveries, "EUR", &TimeZone::UTC);
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
        let unknown = describe(&seen, None, Recoveries::default(), "EUR", &TimeZone::UTC);
        for member in ["balance", "recovered_by"] {
            assert_eq!(unknown.member(member), Some(&Value::string("")));
        }
    }
}
