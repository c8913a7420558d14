//! `stats`: what the modems are doing, as a table (`table`) or as JSON with everything the gateway tells.

use std::io::Write;

use clap::Args;

use super::{
    client::{Cause, Client, ClientError},
    exit::Failure,
    json,
    look::Look,
    table::Table,
};
use crate::{model::printable, rpc::wire::Value};

/// Flags of `stats`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct StatsArgs {
    /// Print JSON: an object per modem, by its identifier
    #[arg(long)]
    pub(super) json: bool,
}

/// Asks for the statistics and prints them.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(client: &Client, args: &StatsArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.json {
        let modems = fetch(client)?;
        let object: serde_json::Map<_, _> =
            modems.iter().map(|(id, members)| (id.clone(), json::from_value(members))).collect();
        json::write(out, &object.into())?;
    } else {
        writeln!(out, "+ Get status ...")?;
        out.flush()?;
        let modems = fetch(client)?;
        write!(out, "{}", Table::of(&modems, Look::of_stdout()))?;
    }
    Ok(())
}

/// Asks for the statistics: each modem's identifier and its members.
///
/// # Errors
/// [`ClientError`]; an answer of another shape is one too.
pub(super) fn fetch(client: &Client) -> Result<Vec<(String, Value)>, ClientError> {
    modems_of(client, &client.call("get_stats", &[])?)
}

/// The modems in an answer to `get_stats`.
///
/// # Errors
/// [`ClientError`] if the answer has another shape.
pub(super) fn modems_of(client: &Client, answer: &Value) -> Result<Vec<(String, Value)>, ClientError> {
    let modems = answer.as_array().and_then(|pair| pair.get(1)).and_then(Value::as_struct);
    modems.map(<[_]>::to_vec).ok_or_else(|| ClientError::Transport(client.endpoint().clone(), Cause::NotXmlRpc))
}

/// A member of a modem's struct as text that no terminal minds.
#[must_use]
pub(super) fn text(modem: &Value, member: &str) -> String {
    modem.member(member).map(text_of).unwrap_or_default()
}

/// A simple value as text that no terminal minds; empty for arrays and structs.
#[must_use]
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Number(number) => number.text().to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::DateTime(time) => time.to_string(),
        Value::Array(_) | Value::Base64(_) | Value::Struct(_) => String::new(),
    }
}

/// A member of a modem's struct as a number; `None` if it is none, as an unknown balance.
#[must_use]
pub(super) fn number(modem: &Value, member: &str) -> Option<f64> {
    match modem.member(member)? {
        Value::Number(number) => Some(number.to_f64()),
        Value::Array(_)
        | Value::Base64(_)
        | Value::Boolean(_)
        | Value::DateTime(_)
        | Value::String(_)
        | Value::Struct(_) => None,
    }
}
