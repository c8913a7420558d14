//! What a method makes of its arguments: strict types, and the lenient readings clients that guess types depend on.
//!
//! Text may come as a string or as any number (Perl and Ruby turn digits into numbers); truth may come as a boolean, as
//! the number 0 or 1, or as the text `0`, `1`, `true`, `false`; a whole number may come as text. Nothing else is
//! converted. A wrong count or type is one fault, whose text is upstream's.

use super::{
    fault,
    wire::{Fault, Value},
};

/// The arguments of one call, taken from the front.
pub(crate) struct Arguments {
    rest: std::vec::IntoIter<Value>,
}

impl Arguments {
    /// Takes the arguments of a method that wants between `least` and `most` of them.
    pub(crate) fn new(params: Vec<Value>, least: usize, most: usize) -> Result<Self, Fault> {
        if (least..=most).contains(&params.len()) {
            Ok(Self { rest: params.into_iter() })
        } else {
            Err(fault::signature())
        }
    }

    /// The next argument as text.
    pub(crate) fn text(&mut self) -> Result<String, Fault> {
        self.rest.next().and_then(text).ok_or_else(fault::signature)
    }

    /// The next argument as a truth value; false if there is none.
    pub(crate) fn flag(&mut self) -> Result<bool, Fault> {
        self.rest.next().map_or(Some(false), |value| flag(&value)).ok_or_else(fault::signature)
    }

    /// The next argument as a whole number.
    pub(crate) fn whole(&mut self) -> Result<i64, Fault> {
        self.rest.next().and_then(|value| whole(&value)).ok_or_else(fault::signature)
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) if number.text().contains(['e', 'E', '.']) => {
            Some(number.to_i64().map_or_else(|| number.text().to_owned(), |whole| whole.to_string()))
        }
        Value::Number(number) => Some(number.text().to_owned()),
        Value::Array(_) | Value::Base64(_) | Value::Boolean(_) | Value::DateTime(_) | Value::Struct(_) => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Number(number) => match number.to_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim() {
            "" | "0" => Some(false),
            "1" => Some(true),
            text if text.eq_ignore_ascii_case("false") => Some(false),
            text if text.eq_ignore_ascii_case("true") => Some(true),
            _ => None,
        },
        Value::Array(_) | Value::Base64(_) | Value::DateTime(_) | Value::Struct(_) => None,
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.to_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Array(_) | Value::Base64(_) | Value::Boolean(_) | Value::DateTime(_) | Value::Struct(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coercions() {
        let yes = Value::Boolean(true);
        for (value, as_text, as_flag, as_whole) in [
            (Value::string("12"), Some("12"), None, Some(12)),
            (Value::string("1"), Some("1"), Some(true), Some(1)),
            (Value::string(""), Some(""), Some(false), None),
            (Value::string("True"), Some("True"), Some(true), None),
            (Value::int(0), Some("0"), Some(false), Some(0)),
            (Value::int(2), Some("2"), None, Some(2)),
            (Value::double(1.0), Some("1"), Some(true), Some(1)),
            (Value::double(1.5), Some("1.5"), None, None),
            (Value::double(491_701_234_567.0), Some("491701234567"), None, Some(491_701_234_567)),
            (yes, None, Some(true), None),
            (Value::Array(vec![]), None, None, None),
            (Value::Struct(vec![]), None, None, None),
            (Value::Base64(vec![]), None, None, None),
        ] {
            assert_eq!(flag(&value), as_flag, "{value:?}");
            assert_eq!(whole(&value), as_whole, "{value:?}");
            assert_eq!(text(value.clone()).as_deref(), as_text, "{value:?}");
        }
    }

    #[test]
    fn a_wrong_count_is_upstreams_error() {
        for count in [0, 1, 4] {
            let fault = Arguments::new(vec![Value::string("a"); count], 2, 3).err();
            assert_eq!(fault, Some(Fault { code: 8002, message: "error".into() }), "{count}");
        }
        assert!(Arguments::new(vec![Value::string("a"); 3], 2, 3).is_ok());
    }
}
