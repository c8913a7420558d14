//! What the interface says where no gateway can work: it is there (`ping`), and why it is of no use.
//!
//! Tokens are in the configuration, and that is out of reach: none is known, so any will do for `get_health_state`. What it
//! tells is a sentence about this machine's state, made by the machine; no number, text, token or setting is in it, since
//! nothing was read that has any.

use super::super::{
    fault,
    value::Arguments,
    wire::{Call, Fault, Value},
};
use crate::model::HealthLevel;

/// What to do, for whoever reads a fault or a health state; the reason goes before it.
const REMEDY: &str = "No modem is touched, and SMS wait on the SIM cards: see \"Rescue\" in the manual";

pub(super) fn call(reason: &str, call: Call) -> Result<Value, Fault> {
    match call.method.as_str() {
        "ping" => Arguments::new(call.params, 0, 0).map(|_| Value::string("OK")),
        "get_health_state" => {
            Arguments::new(call.params, 1, 1)?.text()?;
            let message = format!("Rescue: {reason}; {REMEDY}");
            Ok(Value::Array(vec![Value::string(HealthLevel::Critical.as_str()), Value::String(message)]))
        }
        _ => Err(fault::unavailable(format!("The gateway is in rescue: {reason}. {REMEDY}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, params: Vec<Value>) -> Result<Value, Fault> {
        call("no partition DATA", Call { method: method.to_owned(), params })
    }

    #[test]
    fn health_is_told_to_any_token_and_nothing_else_is() {
        assert_eq!(asked("ping", vec![]), Ok(Value::string("OK")));
        for token in ["", "x", "0123456789"] {
            let answer = asked("get_health_state", vec![Value::string(token)]).unwrap();
            let pair = answer.as_array().unwrap();
            assert_eq!(pair[0], Value::string("CRITICAL"));
            assert!(pair[1].as_str().unwrap().starts_with("Rescue: no partition DATA; No modem"), "{pair:?}");
        }
        for method in ["get_stats", "send_sms", "get_sms", "system.listMethods", "nonsense"] {
            let fault = asked(method, vec![Value::string("x")]).unwrap_err();
            assert_eq!(fault.code, 503, "{method}");
            assert!(fault.message.contains("rescue: no partition DATA. No modem"), "{}", fault.message);
        }
        for (method, count) in [("ping", 1), ("get_health_state", 0), ("get_health_state", 2)] {
            assert_eq!(asked(method, vec![Value::string("x"); count]).unwrap_err().code, 8002, "{method} {count}");
        }
    }
}
