//! `system.listMethods`, `system.methodHelp`, `system.methodSignature`.

use super::super::{
    fault,
    value::Arguments,
    wire::{Fault, Value},
};

struct Method {
    name: &'static str,
    help: &'static str,
    /// Result type, then argument types, one entry per accepted form.
    signatures: &'static [&'static [&'static str]],
}

const METHODS: &[Method] = &[
    Method {
        name: "get_delivery_status",
        help: "get_delivery_status(token, sms_id): true once the recipient's report says delivered, for every part.",
        signatures: &[&["boolean", "string", "string"]],
    },
    Method {
        name: "get_health_state",
        help: "get_health_state(token): OK, WARNING or CRITICAL, then the reasons.",
        signatures: &[&["array", "string"]],
    },
    Method {
        name: "get_message",
        help: "get_message(token, sms_id): state, parts, times, cause and cost of an outgoing message.",
        signatures: &[&["struct", "string", "string"]],
    },
    Method {
        name: "get_sms",
        help: "get_sms(token, phone_number): the received messages of the last while, oldest first; an empty number \
               means every number the token may read.",
        signatures: &[&["array", "string", "string"]],
    },
    Method {
        name: "get_stats",
        help: "get_stats(token): OK, then a struct with one struct per modem.",
        signatures: &[&["array", "string"]],
    },
    Method { name: "ping", help: "ping(): OK.", signatures: &[&["string"]] },
    Method {
        name: "send_sms",
        help: "send_sms(token, sender, recipient, message, flash = false): accepts a message and returns its id; an \
               empty sender lets the gateway choose the SIM.",
        signatures: &[
            &["string", "string", "string", "string", "string"],
            &["string", "string", "string", "string", "string", "boolean"],
        ],
    },
    Method {
        name: "send_ussd",
        help: "send_ussd(token, sender, ussd_code): OK and the network's reply, or ERROR and the reason.",
        signatures: &[&["array", "string", "string", "string"]],
    },
    Method { name: "system.listMethods", help: "system.listMethods(): all names.", signatures: &[&["array"]] },
    Method {
        name: "system.methodHelp",
        help: "system.methodHelp(name): one sentence about a method.",
        signatures: &[&["string", "string"]],
    },
    Method {
        name: "system.methodSignature",
        help: "system.methodSignature(name): result and argument types of each accepted form.",
        signatures: &[&["array", "string"]],
    },
    Method {
        name: "ussd_answer",
        help: "ussd_answer(token, session, text): answers the menu of an open USSD session; a struct as ussd_open \
               gives it. Fault 400 if the session is over.",
        signatures: &[&["struct", "string", "string", "string"]],
    },
    Method {
        name: "ussd_close",
        help: "ussd_close(token, session): ends a USSD session; one that is over already is no fault.",
        signatures: &[&["struct", "string", "string"]],
    },
    Method {
        name: "ussd_open",
        help: "ussd_open(token, sender, ussd_code): the network's reply as a struct: text, open (whether it waits for \
               an answer), session (what to answer to). A session nobody answers ends after two minutes.",
        signatures: &[&["struct", "string", "string", "string"]],
    },
    Method {
        name: "wait_sms",
        help: "wait_sms(token, phone_number, timeout, after): as get_sms for messages newer than the one with the id \
               `after`, waiting up to timeout seconds (0 to 60) for the first.",
        signatures: &[&["array", "string", "string", "int", "string"]],
    },
];

pub(super) fn names(params: Vec<Value>) -> Result<Value, Fault> {
    Arguments::new(params, 0, 0)?;
    Ok(Value::Array(METHODS.iter().map(|method| Value::string(method.name)).collect()))
}

pub(super) fn help(params: Vec<Value>) -> Result<Value, Fault> {
    find(params).map(|method| Value::string(method.help))
}

pub(super) fn signature(params: Vec<Value>) -> Result<Value, Fault> {
    let types = |form: &&[&str]| Value::Array(form.iter().map(|&name| Value::string(name)).collect());
    find(params).map(|method| Value::Array(method.signatures.iter().map(types).collect()))
}

fn find(params: Vec<Value>) -> Result<&'static Method, Fault> {
    let name = Arguments::new(params, 1, 1)?.text()?;
    METHODS.iter().find(|method| method.name == name).ok_or_else(|| fault::bad_argument("No method of that name."))
}
