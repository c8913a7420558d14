//! XML-RPC values as JSON, for `--json`.

use serde_json::{Map, Number, Value as Json};

use crate::rpc::wire::{NumberKind, Value};

/// The same value in JSON. Octets become the hex digits of them, times RFC 3339 in UTC.
#[must_use]
pub(super) fn from_value(value: &Value) -> Json {
    match value {
        Value::Array(elements) => elements.iter().map(from_value).collect(),
        Value::Base64(octets) => octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>().into(),
        Value::Boolean(value) => (*value).into(),
        Value::DateTime(time) => format!("{time}Z").into(),
        Value::Number(number) => match number.kind() {
            NumberKind::Int => number.to_i64().map_or(Json::Null, Json::from),
            NumberKind::Double => Number::from_f64(number.to_f64()).map_or(Json::Null, Json::Number),
        },
        Value::String(text) => text.as_str().into(),
        Value::Struct(members) => {
            members.iter().map(|(name, value)| (name.clone(), from_value(value))).collect::<Map<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_has_a_json_form() {
        let value = Value::Struct(vec![
            ("a".into(), Value::Array(vec![Value::int(-7), Value::double(1.5), Value::Boolean(true)])),
            ("b".into(), Value::Base64(vec![0, 255])),
            ("c".into(), Value::string("x\u{1b}")),
            ("d".into(), Value::DateTime(jiff::civil::date(2026, 11, 20).at(22, 19, 1, 0))),
        ]);
        assert_eq!(
            from_value(&value),
            json!({"a": [-7, 1.5, true], "b": "00ff", "c": "x\u{1b}", "d": "2026-11-20T22:19:01Z"})
        );
    }
}
