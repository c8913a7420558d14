//! XML-RPC values as JSON, for `--json`.

use std::io::{self, Write};

use serde_json::{Map, Number, Value as Json};

use crate::{
    model::disturbs,
    rpc::wire::{NumberKind, Value},
};

/// Writes JSON as people read it, who may have it on a terminal: what would disturb that is escaped, which means the same
/// (RFC 8259 section 7).
///
/// # Errors
/// If nothing can be written.
pub(super) fn write(out: &mut impl Write, json: &Json) -> io::Result<()> {
    writeln!(out, "{}", escaped(&serde_json::to_string_pretty(json)?))
}

/// The same on one line.
#[must_use]
pub(super) fn line(json: &Json) -> String {
    escaped(&json.to_string())
}

/// Outside of strings JSON has no such character but the line feeds of its layout; inside there is none of those.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if disturbs(c) && c != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

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
    fn nothing_disturbs_a_terminal_and_all_is_kept() {
        let json = json!({"a\u{202e}": "\u{9b}2J\u{7f}\u{1b}\n\u{2028}é🚀"});
        let mut out = Vec::new();
        write(&mut out, &json).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "{\n  \"a\\u202e\": \"\\u009b2J\\u007f\\u001b\\n\\u2028é🚀\"\n}\n");
        assert_eq!(line(&json), "{\"a\\u202e\":\"\\u009b2J\\u007f\\u001b\\n\\u2028é🚀\"}");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), json);
    }

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
