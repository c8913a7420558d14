//! `send-ussd`: one code to the network of one SIM and its answer; at a terminal, the menus too.

use std::{
    io::{IsTerminal as _, Write, stdin},
    time::Duration,
};

use clap::Args;
use rustyline::DefaultEditor;
use serde_json::json;

use super::{
    client::{Cause, Client, ClientError},
    exit::{Exit, Failure},
    json,
};
use crate::{
    model::printable,
    rpc::wire::{Fault, Value},
};

/// Longest a call may take: networks let users wait.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// What the person is asked while the network waits.
const QUESTION: &str = "+ Answer (empty line ends): ";

/// Flags of `send-ussd`.
#[derive(Args, Clone, Debug)]
pub(super) struct SendUssdArgs {
    /// The USSD code to send
    #[arg(long, value_name = "CODE")]
    pub(super) code: String,
    /// Do not wait for answers to a menu: end the session after its first text
    ///
    /// So it is always where standard input is no terminal, and with --json.
    #[arg(long)]
    pub(super) single: bool,
    /// Print JSON: an object with `status` and `response`
    #[arg(long)]
    pub(super) json: bool,
}

/// Sends the code and prints the answer; at a terminal, lets the person answer menus.
///
/// # Errors
/// [`Failure`]; the network's refusal is one.
pub(super) fn run(
    client: &Client,
    sender: Option<&str>,
    args: &SendUssdArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if args.single || args.json || !stdin().is_terminal() {
        return once(client, sender, args, out);
    }
    let mut editor = DefaultEditor::new()
        .map_err(|error| Failure::new(Exit::System, format!("the terminal cannot be used: {error}; try --single")))?;
    converse(client, sender, args, out, &mut |question| editor.readline(question).ok())
}

/// Sends the code, and answers the network's menus with what `ask` gives: nothing or a blank line ends the session.
///
/// # Errors
/// [`Failure`], as for [`run`].
pub(super) fn converse(
    client: &Client,
    sender: Option<&str>,
    args: &SendUssdArgs,
    out: &mut impl Write,
    ask: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<(), Failure> {
    let number = sim(sender)?;
    announce(out)?;
    let opened = client.call("ussd_open", &[Value::string(number), Value::string(&args.code)]);
    if let Err(ClientError::Fault(Fault { code: 8001, .. })) = opened {
        // Upstream knows no sessions.
        return told_once(client, number, args, out);
    }
    let mut step = opened.map_err(negative)?;
    loop {
        let session = step.member("session").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (Some(text), Some(open)) =
            (step.member("text").and_then(Value::as_str), step.member("open").and_then(Value::as_bool))
        else {
            return Err(ClientError::Transport(client.endpoint().clone(), Cause::NotXmlRpc).into());
        };
        show(text, out)?;
        if !open {
            return Ok(());
        }
        let answer = ask(QUESTION).map(|answer| answer.trim().to_owned()).filter(|answer| !answer.is_empty());
        let Some(answer) = answer else {
            client.call("ussd_close", &[Value::string(session)])?;
            return Ok(());
        };
        step = client.call("ussd_answer", &[Value::string(session), Value::string(answer)]).map_err(negative)?;
    }
}

fn once(client: &Client, sender: Option<&str>, args: &SendUssdArgs, out: &mut impl Write) -> Result<(), Failure> {
    let number = sim(sender)?;
    if !args.json {
        announce(out)?;
    }
    told_once(client, number, args, out)
}

/// The network's answer to one code; the session is closed by the gateway.
fn told_once(client: &Client, number: &str, args: &SendUssdArgs, out: &mut impl Write) -> Result<(), Failure> {
    let answer = client.call("send_ussd", &[Value::string(number), Value::string(&args.code)])?;
    let pair = answer.as_array().unwrap_or_default();
    let word = |at: usize| pair.get(at).and_then(Value::as_str);
    let (Some(status), Some(response)) = (word(0), word(1)) else {
        return Err(ClientError::Transport(client.endpoint().clone(), Cause::NotXmlRpc).into());
    };
    if args.json {
        writeln!(out, "{}", json::line(&json!({ "status": status, "response": response })))?;
    }
    if status != "OK" {
        return Err(no_response(response));
    }
    if !args.json {
        show(response, out)?;
    }
    Ok(())
}

fn sim(sender: Option<&str>) -> Result<&str, Failure> {
    sender
        .filter(|sender| !sender.is_empty())
        .ok_or_else(|| Failure::new(Exit::Usage, "which SIM? Give its phone number with --sender; `stats` lists them"))
}

fn announce(out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "+ Sending USSD message and waiting for a response ...")?;
    Ok(out.flush()?)
}

/// Menus have lines; everything else that moves a cursor is taken out.
fn show(text: &str, out: &mut impl Write) -> Result<(), Failure> {
    let lines: Vec<String> = text.lines().map(printable).collect();
    writeln!(out, "+ USSD response: {}", lines.join("\n  "))?;
    Ok(out.flush()?)
}

/// That the network or the gateway did not want a step is the answer to it, as with `send_ussd`.
fn negative(error: ClientError) -> Failure {
    match error {
        ClientError::Fault(Fault { code: 400 | 503, message }) => no_response(&message),
        error @ (ClientError::Fault(_) | ClientError::Interrupted | ClientError::Transport(..)) => error.into(),
    }
}

fn no_response(why: &str) -> Failure {
    Failure::new(Exit::Negative, format!("no USSD response: {}", printable(why)))
}
