//! The AT dialogue over a real stream: drives [`Channel`] with bytes and time.

use std::{collections::VecDeque, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, trace};

use super::{chatter::Chatter, port::Stream, tap::Tap};
use crate::at::{Busy, Channel, Command, CommandError, CommandId, Event, Response, Urc};

/// Notices kept while nobody asks for them. Older ones go, since what they announce is found by the next sweep; what was
/// handed over goes last, since it lies nowhere else.
const URC_BACKLOG: usize = 512;
/// Octets read at a time.
const READ_SIZE: usize = 2048;
/// How long a port may refuse to take what is written: a serial driver with a hung device blocks for ever.
const WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Why an exchange gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The modem answered with an error, or not in time.
    #[error(transparent)]
    Command(CommandError),
    /// The port is gone, or the modem no longer follows the dialogue. What was under way when it happened is in the
    /// error: the outcome of a submission may be open.
    #[error("{cause}")]
    Lost {
        /// What happened.
        cause: String,
        /// A PDU had been handed over.
        after_payload: bool,
    },
}

/// One open port with its dialogue.
pub(super) struct Link {
    stream: Box<dyn Stream>,
    channel: Channel,
    urcs: VecDeque<Urc>,
    unresponsive: bool,
    /// The port takes nothing any more.
    stuck: bool,
    chatter: Chatter,
    /// The modem says too much to be of use.
    babbling: bool,
    tap: Option<Tap>,
}

impl Link {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            channel: Channel::new(),
            urcs: VecDeque::new(),
            unresponsive: false,
            stuck: false,
            chatter: Chatter::default(),
            babbling: false,
            tap: None,
        }
    }

    /// The same link, telling what passes.
    pub(super) fn tapped(mut self, tap: Tap) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Runs one command. Notices that come meanwhile are kept for [`next_urc`](Self::next_urc).
    ///
    /// Not cancel-safe: an exchange that is dropped half-way leaves its answer to the next one, so callers finish it.
    pub(super) async fn execute(&mut self, command: Command) -> Result<Response, LinkError> {
        let name = command.name().to_owned();
        let id = loop {
            match self.channel.submit(now(), command.clone()) {
                Ok(id) => break id,
                Err(Busy::Resynchronising) => {
                    self.advance().await.map_err(before_payload)?;
                    self.drain_events(None);
                }
                Err(busy @ (Busy::InFlight | Busy::Unresponsive)) => return Err(before_payload(busy.to_string())),
            }
        };
        let result = self.await_completion(id).await;
        match &result {
            Ok(_) => trace!(command = %name, "done"),
            Err(error) => debug!(command = %name, %error, "failed"),
        }
        result
    }

    /// The next notice, waiting for it. Cancel-safe.
    pub(super) async fn next_urc(&mut self) -> Result<Urc, LinkError> {
        loop {
            if let Some(urc) = self.urcs.pop_front() {
                return Ok(urc);
            }
            self.advance().await.map_err(before_payload)?;
            self.drain_events(None);
        }
    }

    /// The modem is silent, its port stuck, or what comes from it is noise; as opposed to gone.
    pub(super) const fn is_hung(&self) -> bool {
        self.unresponsive || self.stuck || self.babbling
    }

    /// A notice that is there already.
    pub(super) fn buffered_urc(&mut self) -> Option<Urc> {
        self.urcs.pop_front()
    }

    async fn await_completion(&mut self, id: CommandId) -> Result<Response, LinkError> {
        loop {
            if let Some(result) = self.drain_events(Some(id)) {
                return result.map_err(LinkError::Command);
            }
            if let Err(cause) = self.advance().await {
                // The channel knows whether the payload had gone out.
                self.channel.close();
                let after_payload = match self.drain_events(Some(id)) {
                    Some(Ok(response)) => return Ok(response),
                    Some(Err(error)) => error.after_payload(),
                    None => false,
                };
                return Err(LinkError::Lost { cause, after_payload });
            }
        }
    }

    /// Writes what is due, then waits for bytes or for the channel's timer, whichever comes first.
    async fn advance(&mut self) -> Result<(), String> {
        while let Some(transmit) = self.channel.poll_transmit() {
            match timeout(WRITE_TIMEOUT, self.stream.write_all(&transmit.bytes)).await {
                Ok(Ok(())) => self.tap.iter().for_each(|tap| tap.sent(&transmit.bytes)),
                Ok(Err(error)) => return Err(format!("cannot write to the port: {error}")),
                Err(_) => {
                    self.stuck = true;
                    return Err("the port takes no more data".to_owned());
                }
            }
        }
        if self.unresponsive {
            return Err("the modem does not answer".to_owned());
        }
        if self.babbling {
            return Err("more than 1,000 notices a second without being asked".to_owned());
        }
        let mut buffer = [0_u8; READ_SIZE];
        let deadline = self.channel.poll_timeout();
        let timer = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = self.stream.read(&mut buffer) => match read {
                Ok(0) => return Err("the port was closed".to_owned()),
                Ok(octets) => {
                    let octets = buffer.get(..octets).unwrap_or_default();
                    self.tap.iter().for_each(|tap| tap.received(octets));
                    self.channel.handle_input(now(), octets);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("cannot read from the port: {error}")),
            },
            () = timer => self.channel.handle_timeout(now()),
        }
        Ok(())
    }

    /// Takes the channel's events; returns the result of command `id` if it has completed.
    fn drain_events(&mut self, id: Option<CommandId>) -> Option<Result<Response, CommandError>> {
        let mut completed = None;
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Completed { id: done, result } if Some(done) == id => completed = Some(result),
                Event::Completed { .. } => {}
                Event::Unsolicited(urc) => {
                    self.babbling |= self.chatter.is_too_much(now());
                    if self.urcs.len() == URC_BACKLOG {
                        let only_announces = |urc: &Urc| !matches!(urc, Urc::Cmt { .. } | Urc::Cds { .. });
                        let oldest = self.urcs.iter().position(only_announces).unwrap_or(0);
                        self.urcs.remove(oldest);
                    }
                    self.urcs.push_back(urc);
                }
                Event::Unresponsive => self.unresponsive = true,
                Event::Overflow => {
                    self.babbling |= self.chatter.is_too_much(now());
                    debug!("a line was too long");
                }
                Event::OutOfSync | Event::Resynchronised => debug!(?event, "dialogue disturbed"),
            }
        }
        completed
    }
}

/// The runtime's clock, in the channel's terms.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn before_payload(cause: String) -> LinkError {
    LinkError::Lost { cause, after_payload: false }
}
