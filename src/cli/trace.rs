//! `trace`: records what goes over a modem's line, redacted, for a report that the emulator can play back.
//!
//! With a slot the running daemon is asked, which does the redaction; with `--port` the port is opened here.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use tokio::{runtime::Builder, time::Instant};

use super::{
    exit::{Exit, Failure},
    local::Local,
    sim::unexpected,
};
use crate::{
    control::protocol::{Answer, LONGEST_TRACE, Request},
    modem::{Passed, Survey, Traffic, survey},
    trace::{Line, Recorder, write},
};

/// Flags of `trace`.
#[derive(Args, Clone, Debug)]
pub(super) struct TraceArgs {
    /// The slot of a running gateway, as its section in sim-cards.conf is named
    #[arg(required_unless_present = "port", conflicts_with = "port")]
    pub(super) slot: Option<String>,
    /// Open this port and ask the modem who it is; the gateway must not be using it
    #[arg(long, value_name = "DEVICE")]
    pub(super) port: Option<String>,
    /// Speed of the port
    #[arg(long, default_value_t = 115_200, requires = "port")]
    pub(super) baud: u32,
    /// How long to record
    #[arg(long, default_value_t = 60, value_name = "N", conflicts_with = "port",
          value_parser = clap::value_parser!(u64).range(1..=LONGEST_TRACE))]
    pub(super) seconds: u64,
    /// Bring the modem up anew, so that this is recorded too; it is not ready for some seconds
    #[arg(long, conflicts_with = "port")]
    pub(super) restart: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) local: Local,
}

/// Records until the time is over, or to the end of the questions.
///
/// # Errors
/// [`Failure`] if the daemon is not running or says no, or a port or file cannot be opened.
pub(super) fn run(args: &TraceArgs, out: &mut impl Write) -> Result<(), Failure> {
    match (&args.output, &args.port, &args.slot) {
        (None, Some(port), _) => of_port(port, args.baud, out),
        (None, None, Some(slot)) => of_slot(slot, args, out),
        (Some(path), Some(port), _) => of_port(port, args.baud, &mut create(path)?),
        (Some(path), None, Some(slot)) => of_slot(slot, args, &mut create(path)?),
        (_, None, None) => Err(Failure::new(Exit::Usage, "name a slot, or a port with --port")),
    }
}

fn create(path: &PathBuf) -> Result<impl Write, Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.map_err(|error| Failure::new(Exit::CannotCreate, format!("cannot write {}: {error}", path.display())))
}

fn of_slot(slot: &str, args: &TraceArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut client = args.local.connect()?;
    client.patience(Duration::from_secs(args.seconds))?;
    let request = Request::Trace { slot: slot.to_owned(), seconds: args.seconds, restart: args.restart };
    let mut answer = client.ask(&request)?;
    loop {
        match answer {
            Answer::Line { text } => {
                writeln!(out, "{text}")?;
                // Whoever ends it by Ctrl-C wants what was there.
                out.flush()?;
            }
            Answer::End { .. } => return Ok(()),
            Answer::Accepted { .. } | Answer::Error { .. } | Answer::Modems { .. } | Answer::Sims { .. } => {
                return Err(unexpected(&answer));
            }
        }
        answer = client.further()?;
    }
}

fn of_port(port: &str, baud: u32, out: &mut impl Write) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::System, format!("cannot start: {error}")))?;
    writeln!(out, "# smsgate {}, trace of a port", env!("CARGO_PKG_VERSION"))?;
    let mut scribe = Scribe { recorder: Recorder::default(), began: Instant::now(), out, written: Ok(()) };
    let found = runtime
        .block_on(survey(port, baud, |passed| scribe.take(&passed)))
        .map_err(|error| Failure::new(Exit::Unavailable, format!("cannot open {port}: {error}")))?;
    scribe.written?;
    let Survey { model, fault, .. } = found;
    writeln!(out, "# modem: {}", if model.is_empty() { "did not say who it is" } else { &model })?;
    if let Some(fault) = fault {
        writeln!(out, "# bring-up ended early: {fault}")?;
    }
    Ok(())
}

/// Writes down what passes.
struct Scribe<'a, W> {
    recorder: Recorder,
    began: Instant,
    out: &'a mut W,
    /// The first failure ends the writing.
    written: io::Result<()>,
}

impl<W: Write> Scribe<'_, W> {
    fn take(&mut self, passed: &Passed) {
        let at = passed.at.saturating_duration_since(self.began);
        let lines = match &passed.what {
            Traffic::Sent(octets) => self.recorder.sent(at, octets),
            Traffic::Received(octets) => self.recorder.received(at, octets),
            Traffic::Closed => self.recorder.finish(at),
        };
        if self.written.is_ok() {
            self.written = lines.iter().try_for_each(|line: &Line| writeln!(self.out, "{}", write(line)));
        }
    }
}
