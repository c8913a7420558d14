//! XML-RPC documents from anybody: a call or an answer that is read is in the bounds of its limits, and reads the same
//! after it was written; smaller limits only refuse more; and whatever text is put into an answer, clients can read it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::rpc::wire::{
    Call, Fault, Limits, NumberKind, Value, parse_call, parse_response, write_call, write_fault, write_response,
};

/// Reached by what a fuzzer writes.
const SMALL: Limits = Limits { depth: 9, elements: 24, text: 48, body: 1024 };

fuzz_target!(|document: &[u8]| {
    let call = parse_call(document, Limits::REQUEST);
    if let Ok(call) = &call {
        assert!(!call.method.is_empty() && call.method.len() <= 255 && call.method.is_ascii());
        let mut elements = 0;
        call.params.iter().for_each(|value| bounded(value, 4, Limits::REQUEST, &mut elements));
        let written = Call { method: call.method.clone(), params: call.params.iter().map(as_written).collect() };
        if call.params.iter().all(has_distinct_members) {
            assert_eq!(parse_call(write_call(call).as_bytes(), Limits::RESPONSE), Ok(written));
        }
    }
    match parse_call(document, SMALL) {
        Ok(small) => {
            let mut elements = 0;
            small.params.iter().for_each(|value| bounded(value, 4, SMALL, &mut elements));
            assert_eq!(Ok(small), call);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }

    match parse_response(document, Limits::REQUEST) {
        Ok(Ok(value)) if has_distinct_members(&value) => {
            let again = parse_response(write_response(&value).as_bytes(), Limits::RESPONSE);
            assert_eq!(again, Ok(Ok(as_written(&value))));
        }
        Ok(Err(fault)) => {
            let written = Fault { code: fault.code, message: clean(&fault.message) };
            assert_eq!(parse_response(write_fault(&fault).as_bytes(), Limits::RESPONSE), Ok(Err(written)));
        }
        Ok(Ok(_)) | Err(_) => {}
    }

    let text = String::from_utf8_lossy(document);
    let answer = write_response(&Value::string(text.as_ref()));
    assert_eq!(parse_response(answer.as_bytes(), Limits::RESPONSE), Ok(Ok(Value::string(clean(&text)))));
});

/// `depth` elements are open around it.
fn bounded(value: &Value, depth: usize, limits: Limits, elements: &mut usize) {
    *elements += 1;
    assert!(depth <= limits.depth && *elements <= limits.elements);
    match value {
        Value::Array(values) => values.iter().for_each(|value| bounded(value, depth + 3, limits, elements)),
        Value::Base64(octets) => assert!(octets.len() <= limits.text),
        Value::String(text) => assert!(text.len() <= limits.text),
        Value::Number(number) => assert!(number.text().len() <= limits.text && number.to_f64().is_finite()),
        Value::Struct(members) => {
            for (name, value) in members {
                assert!(name.len() <= limits.text);
                bounded(value, depth + 3, limits, elements);
            }
        }
        Value::Boolean(_) | Value::DateTime(_) => {}
    }
}

/// Controls are left out of what is written: no client could read the answer otherwise, or a terminal would obey it.
fn clean(text: &str) -> String {
    let stays = |c: &char| matches!(c, '\t' | '\n' | '\r') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
    text.chars().filter(stays).collect()
}

fn as_written(value: &Value) -> Value {
    match value {
        Value::Array(values) => Value::Array(values.iter().map(as_written).collect()),
        Value::String(text) => Value::String(clean(text)),
        Value::Struct(members) => {
            Value::Struct(members.iter().map(|(name, value)| (clean(name), as_written(value))).collect())
        }
        // Wider integers than 32 bits are no XML-RPC.
        Value::Number(number) if number.kind() == NumberKind::Int => {
            if number.to_i64().is_some_and(|value| i32::try_from(value).is_ok()) {
                value.clone()
            } else {
                let double = format!(
                    "<methodResponse><params><param><value><double>{}</double></value></param></params></methodResponse>",
                    number.text()
                );
                parse_response(double.as_bytes(), Limits::RESPONSE).expect("a double").expect("no fault")
            }
        }
        Value::Number(_) | Value::Base64(_) | Value::Boolean(_) | Value::DateTime(_) => value.clone(),
    }
}

/// Names of members that differ by more than controls.
fn has_distinct_members(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().all(has_distinct_members),
        Value::Struct(members) => {
            let distinct = |(place, (name, _)): (usize, &(String, Value))| {
                members.iter().take(place).all(|(earlier, _)| clean(earlier) != clean(name))
            };
            members.iter().enumerate().all(distinct) && members.iter().all(|(_, value)| has_distinct_members(value))
        }
        Value::Base64(_) | Value::Boolean(_) | Value::DateTime(_) | Value::Number(_) | Value::String(_) => true,
    }
}
