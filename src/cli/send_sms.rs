//! `send-sms`: hands a message to the gateway and watches what becomes of it.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::json;

use super::{
    client::{Client, ClientError},
    columns::shortened,
    exit::{Exit, Failure},
    json,
    look::{self, Look},
    stats,
};
use crate::{
    model::{OutgoingState, printable},
    rpc::wire::{Fault, Value},
};

/// How often the gateway is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// Flags of `send-sms`.
#[derive(Args, Clone, Debug)]
pub(super) struct SendSmsArgs {
    /// The recipient
    #[arg(long, value_name = "NUMBER")]
    pub(super) to: String,
    /// The text to send
    #[arg(long, value_name = "TEXT")]
    pub(super) text: String,
    /// Send as a flash message, shown at once and not stored by most phones
    #[arg(long)]
    pub(super) flash: bool,
    /// Do not wait for delivery; print the SMS id and end
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Wait at most this long for delivery [default: until its fate is known]
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    pub(super) timeout: Option<u64>,
    /// Print JSON: an object with `sms_id` and, after waiting, all that `get_message` tells
    #[arg(long)]
    pub(super) json: bool,
}

/// Sends the message; waits for the recipient's report unless told not to.
///
/// # Errors
/// [`Failure`]; a message that was not delivered is one.
pub(super) fn run(
    client: &Client,
    sender: Option<&str>,
    args: &SendSmsArgs,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if !args.json {
        let waiting = if args.no_wait { "" } else { " and waiting for a response" };
        writeln!(out, "+ Sending SMS{waiting} ...")?;
        out.flush()?;
    }
    let arguments = [
        Value::string(sender.unwrap_or_default()),
        Value::string(&args.to),
        Value::string(&args.text),
        Value::Boolean(args.flash),
    ];
    let answer = client.call("send_sms", &arguments)?;
    let id = stats::text_of(&answer);
    if args.no_wait {
        if args.json {
            writeln!(out, "{}", json::line(&json!({ "sms_id": id })))?;
        } else {
            writeln!(out, "+ SMS was accepted, its id is {id}.")?;
        }
        return Ok(());
    }
    // A line can be rewritten where there is a cursor to move.
    let width = Look::of_stdout().width.filter(|_| look::has_cursor());
    let mut progress = Progress { wanted: !args.json, width, last: String::new(), drawn: false };
    let end = watch(client, &id, args.timeout.map(Duration::from_secs), &mut progress, out);
    progress.finish(out)?;
    let fate = end?;
    if args.json {
        writeln!(out, "{}", json::line(&fate.json(&id)))?;
    } else if fate.state == OutgoingState::Delivered {
        writeln!(out, "+ SMS was delivered.")?;
    }
    fate.judge(&id)
}

/// What is known of the message.
struct Fate {
    state: OutgoingState,
    /// The struct of `get_message`; `None` from a gateway that has no such method.
    message: Option<Value>,
}

impl Fate {
    fn is_final(&self) -> bool {
        match self.state {
            OutgoingState::Queued | OutgoingState::Routed | OutgoingState::Sending | OutgoingState::Sent => false,
            OutgoingState::Delivered | OutgoingState::Undelivered | OutgoingState::Expired | OutgoingState::Failed => {
                true
            }
            OutgoingState::Unknown => !self.text("done_at").is_empty(),
        }
    }

    fn text(&self, member: &str) -> String {
        self.message.as_ref().map(|message| stats::text(message, member)).unwrap_or_default()
    }

    fn json(&self, id: &str) -> serde_json::Value {
        self.message.as_ref().map_or_else(|| json!({ "sms_id": id, "state": self.state }), json::from_value)
    }

    fn judge(&self, id: &str) -> Result<(), Failure> {
        if self.state == OutgoingState::Delivered {
            return Ok(());
        }
        let cause = self.text("cause");
        let because = if cause.is_empty() { String::new() } else { format!(" ({cause})") };
        let what = match self.state {
            OutgoingState::Expired => "expired before it was delivered",
            OutgoingState::Unknown => "may or may not have been sent: the modem fell silent",
            OutgoingState::Failed => "could not be sent",
            OutgoingState::Undelivered => "was sent but not delivered",
            OutgoingState::Queued
            | OutgoingState::Routed
            | OutgoingState::Sending
            | OutgoingState::Sent
            | OutgoingState::Delivered => "is still under way",
        };
        Err(Failure::new(Exit::Negative, format!("SMS {id} {what}{because}")))
    }
}

fn watch(
    client: &Client,
    id: &str,
    limit: Option<Duration>,
    progress: &mut Progress,
    out: &mut impl Write,
) -> Result<Fate, Failure> {
    let start = Instant::now();
    let mut old_gateway = false;
    loop {
        let fate = match ask(client, id, &mut old_gateway) {
            Err(ClientError::Interrupted) => return Err(left(id)),
            other => other?,
        };
        if fate.is_final() {
            return Ok(fate);
        }
        progress.show(&fate, start.elapsed(), out)?;
        if limit.is_some_and(|limit| start.elapsed() + INTERVAL > limit) {
            let line = format!(
                "SMS {id} is {} after {} s; it goes on without this program",
                fate.state,
                start.elapsed().as_secs()
            );
            return Err(Failure::new(Exit::Temporary, line));
        }
        if client.pause(INTERVAL).is_err() {
            return Err(left(id));
        }
    }
}

fn left(id: &str) -> Failure {
    Failure::new(Exit::Interrupted, format!("stopped waiting; SMS {id} goes on without this program"))
}

/// Asks for the whole truth, or for the yes or no that upstream's gateway has.
fn ask(client: &Client, id: &str, old_gateway: &mut bool) -> Result<Fate, ClientError> {
    if !*old_gateway {
        match client.call("get_message", &[Value::string(id)]) {
            Err(ClientError::Fault(Fault { code: 8001, .. })) => *old_gateway = true,
            other => {
                let message = other?;
                let state = OutgoingState::parse(&stats::text(&message, "state")).unwrap_or(OutgoingState::Unknown);
                return Ok(Fate { state, message: Some(message) });
            }
        }
    }
    let delivered = client.call("get_delivery_status", &[Value::string(id)])?.as_bool().unwrap_or(false);
    let state = if delivered { OutgoingState::Delivered } else { OutgoingState::Queued };
    Ok(Fate { state, message: None })
}

/// The waiting line: rewritten in place on a terminal, one line per change elsewhere.
struct Progress {
    wanted: bool,
    /// Columns of the terminal; `None` = there is none.
    width: Option<usize>,
    last: String,
    drawn: bool,
}

impl Progress {
    fn show(&mut self, fate: &Fate, waited: Duration, out: &mut impl Write) -> Result<(), Failure> {
        if !self.wanted {
            return Ok(());
        }
        let mut state = String::from("Waiting for delivery ...");
        if fate.message.is_some() {
            state += &format!(" {}", fate.state);
            let parts = fate.text("parts");
            if !matches!(parts.as_str(), "" | "0" | "1") {
                state += &format!(
                    ", {} of {parts} parts sent, {} delivered",
                    fate.text("parts_sent"),
                    fate.text("parts_delivered")
                );
            }
            let modem = fate.text("modem");
            if !modem.is_empty() {
                state += &format!(", modem {modem}");
            }
            let cause = fate.text("cause");
            if !cause.is_empty() {
                state += &format!(" ({cause})");
            }
        }
        let state = printable(&state);
        if let Some(width) = self.width {
            let line = shortened(&format!("  {state} {} s", waited.as_secs()), width.saturating_sub(1));
            // Carriage return, text, erase to the end of the line: no cursor state to restore.
            write!(out, "\r{line}\u{1b}[K")?;
            out.flush()?;
            self.drawn = true;
        } else if state != self.last {
            writeln!(out, "  {state}")?;
            out.flush()?;
        }
        self.last = state;
        Ok(())
    }

    fn finish(&mut self, out: &mut impl Write) -> Result<(), Failure> {
        if self.drawn {
            write!(out, "\r\u{1b}[K")?;
            out.flush()?;
            self.drawn = false;
        }
        Ok(())
    }
}
