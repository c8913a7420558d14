//! `get-sms`: the messages that arrived lately, oldest first.

use std::{io::Write, time::Duration};

use clap::Args;

use super::{
    client::{Cause, Client, ClientError},
    exit::Failure,
    json,
    stats::text,
};
use crate::rpc::wire::Value;

/// Longest a call may take: as long as `wait_sms` waits, and a while.
pub(super) const DEADLINE: Duration = Duration::from_secs(75);

/// Flags of `get-sms`.
#[derive(Args, Clone, Debug)]
pub(super) struct GetSmsArgs {
    /// Phone number of one of the SIMs [default: all that the token may read]
    #[arg(long, value_name = "NUMBER", default_value = "", hide_default_value = true)]
    pub(super) number: String,
    /// Only what is newer than this message
    #[arg(long, value_name = "ID", requires = "wait")]
    pub(super) after: Option<String>,
    /// If there is nothing yet, wait this long for it
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(..=60))]
    pub(super) wait: Option<u8>,
    /// Print JSON: an array of objects as the API has them
    #[arg(long)]
    pub(super) json: bool,
}

/// Asks for messages and prints them.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(client: &Client, args: &GetSmsArgs, out: &mut impl Write) -> Result<(), Failure> {
    let number = Value::string(&args.number);
    let answer = match args.wait {
        None => client.call("get_sms", &[number])?,
        Some(seconds) => {
            let after = Value::string(args.after.as_deref().unwrap_or_default());
            client.call("wait_sms", &[number, Value::int(seconds.into()), after])?
        }
    };
    let not_understood = || ClientError::Transport(client.endpoint().clone(), Cause::NotXmlRpc);
    let messages = answer.as_array().ok_or_else(not_understood)?;
    if args.json {
        json::write(out, &json::from_value(&answer))?;
        return Ok(());
    }
    for message in messages {
        let flash = if message.member("flash").and_then(Value::as_bool) == Some(true) { ", flash" } else { "" };
        writeln!(
            out,
            "{}  {} -> {} [{}{flash}]",
            text(message, "created_timestamp_text"),
            text(message, "sender"),
            text(message, "recipient"),
            text(message, "receiving_modem")
        )?;
        for line in message.member("text").and_then(Value::as_str).unwrap_or_default().lines() {
            writeln!(out, "    {}", crate::model::printable(line))?;
        }
    }
    Ok(())
}
