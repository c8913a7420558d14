//! Where this gateway answers otherwise than the one it takes the place of, on purpose: one ruling each. The table in
//! `docs/api.md` has the same names.

use smsgate::rpc::wire::Value;

use super::{
    answers::value_line,
    calls::{Arg, Call, Frame, METHODS, Place},
};

/// A ruling.
pub struct Ruling {
    pub name: &'static str,
    /// What it follows: a chapter of the manual, or a row of `docs/proof.md`.
    pub follows: &'static str,
    /// Whether it is for this call, what the old gateway said, and what ours says.
    pub settles: fn(&Call, &str, &Answer) -> bool,
}

/// What was said.
pub struct Answer {
    pub line: String,
    pub value: Option<Value>,
}

const ERROR: &str = r#"fault 8002 "error""#;
const UNREADABLE: &str = r#"fault 8002 "Can't deserialize input""#;
const INVALID_TOKEN: &str = r#"fault 401 "Invalid API token.""#;
const NO_MODEM: &str = r#"["ERROR","Modem could not be identified for phone number "#;
const NO_USSD: &str = r#"["ERROR","Failed to send USSD code."#;

/// The first one that settles a difference is the one that is counted: those about documents come before those about
/// arguments.
pub const RULINGS: &[Ruling] = &[
    Ruling {
        name: "not a call",
        follows: "S4",
        settles: |call, _, ours| matches!(call.frame, Frame::Response | Frame::OtherRoot) && ours.line == UNREADABLE,
    },
    Ruling {
        name: "no declarations",
        follows: "S4",
        settles: |call, _, ours| {
            matches!(call.frame, Frame::DocumentType | Frame::Instruction) && ours.line == UNREADABLE
        },
    },
    Ruling {
        name: "names of methods",
        follows: "Faults",
        settles: |call, theirs, ours| {
            let legal = |c: char| c.is_ascii_alphanumeric() || "_.:/".contains(c);
            let illegal = call.method.is_empty() || !call.method.chars().all(legal);
            illegal && theirs.starts_with("fault 8001 ") && ours.line == UNREADABLE
        },
    },
    Ruling {
        name: "no nil",
        follows: "S4",
        settles: |call, _, ours| any(call, &|arg| *arg == Arg::Nil) && ours.line == UNREADABLE,
    },
    Ruling {
        name: "nothing but values",
        follows: "S4",
        settles: |call, _, ours| {
            let foreign = |arg: &Arg| matches!(arg, Arg::Foreign(_) | Arg::Typed("i16", _));
            any(call, &foreign) && ours.line == UNREADABLE
        },
    },
    Ruling {
        name: "depth",
        follows: "S4",
        settles: |call, _, ours| call.args.iter().any(|arg| depth(arg) >= 12) && ours.line == UNREADABLE,
    },
    Ruling {
        name: "a member twice",
        follows: "S4",
        settles: |call, _, ours| {
            let twice = |arg: &Arg| matches!(arg, Arg::Struct(members) if matches!(&members[..], [a, b] if a.0 == b.0));
            any(call, &twice) && ours.line == UNREADABLE
        },
    },
    Ruling {
        name: "spelling of values",
        follows: "S5",
        settles: |call, _, ours| any(call, &misspelt) && ours.line == UNREADABLE,
    },
    Ruling {
        name: "booleans in words",
        follows: "S5",
        settles: |call, theirs, ours| {
            let word = |arg: &Arg| matches!(arg, Arg::Typed("boolean", text) if text != "0" && text != "1");
            any(call, &word) && theirs == UNREADABLE && ours.line != UNREADABLE
        },
    },
    Ruling {
        name: "blanks around the name",
        follows: "Faults",
        settles: |call, theirs, ours| {
            call.frame == Frame::Blanks && theirs.starts_with("fault 8001 ") && !ours.line.starts_with("fault 8001 ")
        },
    },
    Ruling {
        name: "new methods",
        follows: "API",
        settles: |call, theirs, ours| {
            let new = call.method.starts_with("system.") || call.method == "get_message" || call.method == "wait_sms";
            (new || call.method.starts_with("ussd_"))
                && theirs.starts_with("fault 8001 ")
                && !ours.line.starts_with("fault 8001 ")
        },
    },
    Ruling {
        name: "names with a dot",
        follows: "Faults",
        settles: |call, theirs, ours| {
            theirs.starts_with(r#"fault 8001 "no such subHandler "#)
                && ours.line == format!("fault 8001 \"procedure {} not found\"", call.method)
        },
    },
    Ruling {
        name: "four arguments",
        follows: "send_sms",
        settles: |call, theirs, ours| {
            call.method == "send_sms" && call.args.len() == 4 && theirs == ERROR && ours.line != ERROR
        },
    },
    Ruling {
        name: "tokens nobody has",
        follows: "S1",
        settles: |call, theirs, ours| {
            let odd =
                matches!(call.args.first(), Some(Arg::Text(token)) if token.len() > 72) || is_number(&call.args[0]);
            odd && theirs == ERROR && ours.line == INVALID_TOKEN
        },
    },
    Ruling {
        name: "the token comes first",
        follows: "get_sms",
        settles: |call, theirs, ours| call.method == "get_sms" && theirs == "[]" && ours.line == INVALID_TOKEN,
    },
    Ruling {
        name: "types are kept to",
        follows: "S5",
        // After the token, as it was: a stranger hears of nothing else.
        settles: |call, theirs, ours| {
            ours.line == ERROR && theirs != INVALID_TOKEN && places(call).any(|(place, arg)| !fits(place, arg))
        },
    },
    Ruling {
        name: "numbers as text",
        follows: "S5",
        settles: |call, theirs, ours| {
            let numbers = places(call).any(|(place, arg)| place != Place::Flash && is_number(arg));
            numbers && theirs == ERROR && ours.line != ERROR && ours.line != UNREADABLE
        },
    },
    Ruling {
        name: "SMS with their text",
        follows: "get_sms",
        settles: |call, theirs, ours| {
            let sms = ours.value.as_ref().and_then(Value::as_array).unwrap_or_default();
            let whole = sms.iter().all(|sms| sms.as_struct().is_some_and(|members| members.len() == 13));
            call.method == "get_sms" && theirs == "[id,id]" && sms.len() == 2 && whole
        },
    },
    Ruling {
        name: "no SMS yet",
        follows: "get_sms",
        settles: |call, theirs, ours| {
            let elsewhere = is_spelt(call, Place::Number, "+491760000001") || is_spelt(call, Place::Number, "");
            call.method == "get_sms" && elsewhere && theirs == ERROR && ours.line.starts_with('[')
        },
    },
    Ruling {
        name: "what the token may read",
        follows: "get_sms",
        settles: |call, theirs, ours| {
            let all = is_spelt(call, Place::Number, "");
            call.method == "get_sms" && all && theirs == INVALID_TOKEN && ours.line.starts_with('[')
        },
    },
    Ruling {
        name: "numbers with blanks",
        follows: "send_sms",
        settles: |call, theirs, ours| {
            is_spelt(call, Place::Number, "+49 176 0000000")
                && (theirs == "[]" || theirs.starts_with(NO_MODEM))
                && !ours.line.contains("Modem could not")
                && ours.line != "[]"
        },
    },
    Ruling {
        name: "no phone number",
        follows: "Faults",
        settles: |call, theirs, ours| match call.method.as_str() {
            "get_sms" => theirs == "[]" && ours.line == r#"fault 400 "Invalid phone number format.""#,
            "send_ussd" => {
                (theirs.starts_with(NO_MODEM) || is_spelt(call, Place::Number, "") && theirs == ERROR)
                    && ours.line == r#"fault 400 "Invalid sender format.""#
            }
            _ => false,
        },
    },
    Ruling {
        name: "foreign digits",
        follows: "send_sms",
        settles: |call, theirs, ours| {
            let foreign = |text: &str| text.starts_with('+') && text.chars().any(|c| c.is_numeric() && !c.is_ascii());
            call.method == "send_sms"
                && places(call).any(|(_, arg)| text_of(arg).is_some_and(foreign))
                && (theirs == "id" || theirs.starts_with("fault 400 "))
                && ours.line.starts_with("fault 400 \"Invalid ")
        },
    },
    Ruling {
        name: "twenty digits",
        follows: "send_sms",
        settles: |call, theirs, ours| {
            let long = |text: &str| text.bytes().filter(u8::is_ascii_digit).count() > 20;
            call.method == "send_sms"
                && places(call).any(|(_, arg)| text_of(arg).is_some_and(long))
                && (theirs == "id" || theirs.starts_with("fault 400 "))
                && ours.line.starts_with("fault 400 \"Invalid ")
        },
    },
    Ruling {
        name: "255 parts",
        follows: "Limits",
        settles: |call, theirs, ours| {
            call.method == "send_sms"
                && theirs == "id"
                && ours.line.starts_with(r#"fault 400 "The message is too long"#)
        },
    },
    Ruling {
        name: "USSD codes",
        follows: "S9",
        settles: |call, theirs, ours| {
            call.method == "send_ussd"
                && (theirs.starts_with(NO_USSD) || theirs.starts_with(NO_MODEM))
                && ours.line.starts_with(r#"fault 400 "Invalid USSD code"#)
        },
    },
    Ruling {
        name: "why USSD failed",
        follows: "send_ussd",
        settles: |call, theirs, ours| {
            call.method == "send_ussd"
                && theirs == format!("{NO_USSD}\"]")
                && ours.line.starts_with(r#"["ERROR","Failed to send USSD code: "#)
        },
    },
    Ruling {
        name: "what XML cannot carry",
        follows: "get_sms",
        settles: |_, theirs, ours| {
            theirs.strip_prefix("unreadable: ").is_some_and(|said| said.replace(r"\\x0c", "") == ours.line)
        },
    },
    Ruling {
        name: "new members",
        follows: "get_stats",
        settles: |call, theirs, ours| {
            call.method == "get_stats"
                && ours.value.as_ref().is_some_and(|value| value_line(&without_new(value)) == theirs)
        },
    },
];

/// The members that the old gateway's statistics have.
const MEMBERS: [&str; 15] = [
    "phone_number",
    "current_network",
    "current_signal",
    "port",
    "status",
    "balance",
    "currency",
    "sent",
    "received",
    "health_state_short",
    "health_state_message",
    "init_counter",
    "last_init",
    "last_received",
    "last_sent",
];

/// Statistics without what is new in them.
fn without_new(stats: &Value) -> Value {
    let modem = |modem: &Value| {
        let old = |(name, _): &&(String, Value)| MEMBERS.contains(&name.as_str());
        Value::Struct(modem.as_struct().unwrap_or_default().iter().filter(old).cloned().collect())
    };
    match stats.as_array() {
        Some([level, Value::Struct(modems)]) => {
            let modems = modems.iter().map(|(name, members)| (name.clone(), modem(members)));
            Value::Array(vec![level.clone(), Value::Struct(modems.collect())])
        }
        _ => stats.clone(),
    }
}

/// The arguments with what they are for; none if there is a wrong number of them.
fn places(call: &Call) -> impl Iterator<Item = (Place, &Arg)> {
    let (_, places) = METHODS.iter().find(|(name, _)| *name == call.method).copied().unwrap_or(("", &[]));
    let right = call.args.len() == places.len() || call.method == "send_sms" && call.args.len() == 4;
    places.iter().copied().zip(&call.args).filter(move |_| right)
}

/// Whether an argument is what its place wants, leniently.
fn fits(place: Place, arg: &Arg) -> bool {
    match (place, arg) {
        (Place::Flash, Arg::Text(text) | Arg::Bare(text)) => {
            matches!(text.trim().to_lowercase().as_str(), "" | "0" | "1" | "true" | "false")
        }
        (Place::Flash, Arg::Typed("boolean", _)) => true,
        (Place::Flash, Arg::Typed(_, text)) => is_number(arg) && matches!(text.trim().parse(), Ok(0.0 | 1.0)),
        (_, arg) => text_of(arg).is_some() || is_number(arg),
    }
}

fn is_spelt(call: &Call, place: Place, as_text: &str) -> bool {
    places(call).any(|(for_what, arg)| for_what == place && text_of(arg) == Some(as_text))
}

fn text_of(arg: &Arg) -> Option<&str> {
    match arg {
        Arg::Text(text) | Arg::Bare(text) | Arg::Typed("string", text) => Some(text),
        Arg::Typed(..) | Arg::Nil | Arg::Array(_) | Arg::Struct(_) | Arg::Foreign(_) => None,
    }
}

fn is_number(arg: &Arg) -> bool {
    matches!(arg, Arg::Typed("int" | "i4" | "i8" | "double", _))
}

/// A text that is no value of its type, as XML-RPC spells them.
fn misspelt(arg: &Arg) -> bool {
    let Arg::Typed(element, text) = arg else { return false };
    match *element {
        "int" | "i4" | "i8" => text.trim().parse::<i64>().is_err(),
        "double" => !text.trim().parse::<f64>().is_ok_and(f64::is_finite),
        "boolean" => !matches!(text.trim(), "0" | "1" | "true" | "false"),
        "dateTime.iso8601" => !text.starts_with("2026"),
        "base64" => !matches!(text.as_str(), "" | "Zm9v" | "Zm9v\nYmFy"),
        _ => false,
    }
}

/// Whether any argument is so, or any value in one.
fn any(call: &Call, is_so: &dyn Fn(&Arg) -> bool) -> bool {
    fn within(arg: &Arg, is_so: &dyn Fn(&Arg) -> bool) -> bool {
        is_so(arg)
            || match arg {
                Arg::Array(elements) => elements.iter().any(|element| within(element, is_so)),
                Arg::Struct(members) => members.iter().any(|(_, member)| within(member, is_so)),
                Arg::Text(_) | Arg::Bare(_) | Arg::Typed(..) | Arg::Nil | Arg::Foreign(_) => false,
            }
    }
    call.args.iter().any(|arg| within(arg, is_so))
}

fn depth(arg: &Arg) -> usize {
    match arg {
        Arg::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Arg::Struct(members) => 1 + members.iter().map(|(_, member)| depth(member)).max().unwrap_or(0),
        Arg::Text(_) | Arg::Bare(_) | Arg::Typed(..) | Arg::Nil | Arg::Foreign(_) => 0,
    }
}
