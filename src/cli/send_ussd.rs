//! `send-ussd`: one code to the network of one SIM, and its answer.

use std::{io::Write, time::Duration};

use clap::Args;
use serde_json::json;

use super::{
    client::{Cause, Client, ClientError},
    exit::{Exit, Failure},
};
use crate::{model::printable, rpc::wire::Value};

/// Longest a call may take: networks let users wait.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// Flags of `send-ussd`.
#[derive(Args, Clone, Debug)]
pub(super) struct SendUssdArgs {
    /// The USSD code to send
    #[arg(long, value_name = "CODE")]
    pub(super) code: String,
    /// Print JSON: an object with `status` and `response`
    #[arg(long)]
    pub(super) json: bool,
}

/// Sends the code and prints the answer.
///
/// # Errors
/// [`Failure`]; the network's refusal is one.
pub(super) fn run(
    client: &Client,
    sender: Option<&str>,
    args: &SendUssdArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let sender = sender.filter(|sender| !sender.is_empty()).ok_or_else(|| {
        Failure::new(Exit::Usage, "which SIM? Give its phone number with --sender; `stats` lists them")
    })?;
    if !args.json {
        writeln!(out, "+ Sending USSD message and waiting for a response ...")?;
        out.flush()?;
    }
    let answer = client.call("send_ussd", &[Value::string(sender), Value::string(&args.code)])?;
    let pair = answer.as_array().unwrap_or_default();
    let word = |at: usize| pair.get(at).and_then(Value::as_str);
    let (Some(status), Some(response)) = (word(0), word(1)) else {
        return Err(ClientError::Transport(client.endpoint().clone(), Cause::NotXmlRpc).into());
    };
    if args.json {
        writeln!(out, "{}", json!({ "status": status, "response": response }))?;
    }
    if status != "OK" {
        return Err(Failure::new(Exit::Negative, format!("no USSD response: {}", printable(response))));
    }
    if !args.json {
        // Menus have lines; everything else that moves a cursor is taken out.
        let lines: Vec<String> = response.lines().map(printable).collect();
        writeln!(out, "+ USSD response: {}", lines.join("\n  "))?;
    }
    Ok(())
}
