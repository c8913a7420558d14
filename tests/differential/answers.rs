//! What is said to a call, in a form in which two gateways can be compared: ids, times and the detail of what is wrong with a
//! document left out.

use std::fmt::Write as _;

use smsgate::rpc::wire::{Fault, NumberKind, Value};
use uuid::Uuid;

/// What both say where a document cannot be read; the detail behind it is the parser's own.
const UNREADABLE: &str = "Can't deserialize input";

/// A value on one line.
pub fn value_line(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(value_line).collect();
            format!("[{}]", elements.join(","))
        }
        Value::Base64(_) => "base64".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::DateTime(_) => "dateTime".to_owned(),
        Value::Number(number) if number.kind() == NumberKind::Double => format!("double {}", number.text()),
        Value::Number(number) => number.text().to_owned(),
        Value::String(text) => quoted(text),
        Value::Struct(members) => {
            let mut members: Vec<&(String, Value)> = members.iter().collect();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            let mut line = String::from("{");
            for (name, value) in members {
                write!(line, "{name}:{},", value_line(value)).unwrap();
            }
            line + "}"
        }
    }
}

/// A fault on one line.
pub fn fault_line(fault: &Fault) -> String {
    let text = if fault.message.starts_with(UNREADABLE) { UNREADABLE } else { &fault.message };
    format!("fault {} {}", fault.code, quoted(text))
}

fn quoted(text: &str) -> String {
    let is_time = text.len() == 16
        && text
            .bytes()
            .zip("0000-00-00 00:00".bytes())
            .all(|(octet, like)| if like == b'0' { octet.is_ascii_digit() } else { octet == like });
    if text.len() == 36 && Uuid::try_parse(text).is_ok() {
        "id".to_owned()
    } else if is_time {
        "time".to_owned()
    } else {
        serde_json::to_string(text).unwrap()
    }
}

/// What the old gateway said to each call, as it was recorded.
pub struct Recorded {
    /// For each call the digest of its document, and what was said.
    pub answers: Vec<(String, String)>,
}

impl Recorded {
    /// Reads the record: answers that occur, each under a number, then a line for each call.
    pub fn read(text: &str) -> Self {
        let mut said = Vec::new();
        let mut answers = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("= ") {
                Some(answer) => said.push(answer),
                None => {
                    let (digest, number) = line.split_once(' ').expect("a digest and a number");
                    answers.push((digest.to_owned(), said[number.parse::<usize>().unwrap()].to_owned()));
                }
            }
        }
        Self { answers }
    }
}
