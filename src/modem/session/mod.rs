//! An initialised modem at work: notices, requests, polling.
//!
//! One thing at a time goes over the line. What came in is taken first, a request next, a poll last; a USSD dialogue
//! waits for its text without holding up any of them.

mod balance;
mod begun;
mod poll;
mod requests;
mod sim_card;
mod storage;
mod ussd;

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Request,
    bringup::Capabilities,
    health::Observation,
    intake::Receiver,
    ladder::Failure,
    link::{Link, LinkError},
    starting::StartFault,
    task::Context,
};
use crate::at::{Command, CommandError, Cusd, Memory, Response, Urc};

/// How often the memories are swept and announcements set again: what a lost `+CMTI` costs at most. The full check of
/// health comes at the slot's `health_check_interval`.
const POLL_INTERVAL: Duration = Duration::from_secs(60);
/// How often an unregistered modem is asked whether it has found a network.
const SEARCH_INTERVAL: Duration = Duration::from_secs(5);
/// How long after bring-up a starting modem may still say that its parts are ready. Later it means that it started anew.
const SETTLING: Duration = Duration::from_secs(60);
/// Most messages kept that were handed over and that the store cannot take.
const MOST_HELD_BACK: usize = 512;
/// Commands in a row that may time out before the modem counts as hung.
const MOST_TIMEOUTS: u32 = 3;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    /// The daemon stops.
    #[error("stopped")]
    Cancelled,
    /// Somebody asked for it.
    #[error("Modem: it is started anew, as asked")]
    StartAnew,
    /// The modem started anew by itself.
    #[error("Modem: it restarted by itself ({0})")]
    Restarted(String),
    /// Bring-up gave up.
    #[error("{0}")]
    NotStarted(StartFault),
    /// The port is gone.
    #[error("Modem: {0}")]
    Lost(String),
    /// The port is there, and the modem silent.
    #[error("Modem: {0}")]
    Hung(String),
    /// The port cannot be opened.
    #[error("Modem: {0}")]
    NoPort(std::io::Error),
    /// It works but for a network, and that for too long.
    #[error("Network: not registered for {0} minutes, the modem is restarted")]
    Unregistered(u64),
}

impl End {
    /// The status line after this end.
    pub(super) const fn status(&self) -> &'static str {
        match self {
            Self::Cancelled => "Stopped.",
            Self::Restarted(_) | Self::StartAnew => "Try to initialize modem.",
            Self::NotStarted(fault) => fault.status(),
            Self::Lost(_) | Self::Hung(_) => "Timeout.",
            Self::NoPort(_) => "Failed to connect to modem.",
            Self::Unregistered(_) => "Waiting for network.",
        }
    }

    /// The same where the port is still there.
    fn of_hung_modem(self) -> Self {
        if let Self::Lost(cause) = self { Self::Hung(cause) } else { self }
    }

    /// What the recovery ladder makes of it.
    pub(super) fn failure(&self) -> Failure {
        use std::io::ErrorKind::{NotFound, PermissionDenied, ResourceBusy};
        match self {
            Self::Hung(_) => Failure::Hung,
            Self::Unregistered(_) => Failure::Unregistered,
            Self::NotStarted(fault) => fault.failure(),
            Self::NoPort(error) if error.kind() == NotFound => Failure::Away,
            Self::NoPort(error) if matches!(error.kind(), PermissionDenied | ResourceBusy) => Failure::Incurable,
            Self::NoPort(_) => Failure::Hung,
            Self::Restarted(_) => Failure::Restarted,
            Self::Cancelled | Self::Lost(_) | Self::StartAnew => Failure::Away,
        }
    }
}

/// A modem at work.
pub(super) struct Session<'a> {
    context: &'a Context,
    link: Link,
    equipment: Capabilities,
    receiver: Receiver,
    seen: Observation,
    selected: Option<Memory>,
    work: Work,
    ussd: Option<ussd::Dialogue>,
    ended_ussd: Option<ussd::Ended>,
    next_balance: Option<Instant>,
    started: Instant,
    next_poll: Instant,
    next_search: Instant,
    /// When the full check of health is due.
    next_check: Instant,
    /// When a modem that finds no network is restarted, if it may be.
    give_up_network: Option<Instant>,
    patience: Option<Duration>,
    timeouts: u32,
}

/// What came in and waits to be taken.
#[derive(Debug, Default)]
struct Work {
    announced: VecDeque<(Memory, u16)>,
    handed_over: VecDeque<String>,
    /// Handed over by a modem that confirms by itself, and not taken by the store: nobody will send it again.
    held_back: VecDeque<String>,
    sweep: bool,
    /// What the network said by USSD.
    ussd: VecDeque<Cusd>,
}

impl<'a> Session<'a> {
    /// Takes over a modem that bring-up has finished with. The memories are swept first of all. `patience` is how long it
    /// may be without a network, `None` for ever.
    pub(super) fn new(context: &'a Context, link: Link, equipment: Capabilities, patience: Option<Duration>) -> Self {
        let seen = Observation {
            signal: equipment.signal,
            registration: equipment.registration,
            imsi: equipment.imsi.clone().unwrap_or_default(),
            smsc: equipment.service_centre.clone().unwrap_or_default(),
            storage: Vec::new(),
            intake_blocked: false,
            self_test: None,
            account: None,
            sim_swap: None,
        };
        let slot = &context.slot();
        let receiver = Receiver {
            slot: slot.id.clone(),
            number: slot.phone_number.as_ref().map(ToString::to_string).unwrap_or_default(),
            network: equipment.network.clone(),
            sim: context.snapshot.borrow().sim_identity(),
        };
        Self {
            context,
            link,
            equipment,
            receiver,
            seen,
            selected: None,
            work: Work { sweep: true, ..Work::default() },
            ussd: None,
            ended_ussd: None,
            next_balance: balance::first_check(slot),
            started: Instant::now(),
            next_poll: Instant::now() + POLL_INTERVAL,
            next_search: Instant::now() + SEARCH_INTERVAL,
            next_check: Instant::now() + context.slot().health_check_interval,
            give_up_network: patience.map(|patience| Instant::now() + patience),
            patience,
            timeouts: 0,
        }
    }

    /// Serves until the modem or the daemon ends.
    pub(super) async fn serve(&mut self, requests: &mut mpsc::Receiver<Request>, cancel: &CancellationToken) -> End {
        self.look_at_card().await;
        self.look_at_self_test().await;
        self.recall_balance().await;
        self.publish();
        match self.run(requests, cancel).await {
            Ok(end) | Err(end) => {
                let end = if self.link.is_hung() { end.of_hung_modem() } else { end };
                self.lose_ussd(&end);
                self.save_handed_over().await;
                end
            }
        }
    }

    async fn run(&mut self, requests: &mut mpsc::Receiver<Request>, cancel: &CancellationToken) -> Result<End, End> {
        let _ = self.command(Command::ussd_notices()).await?;
        // A generation that came before the session is taken over once more, which changes nothing.
        let mut generations = self.context.slot.clone();
        loop {
            while let Some(urc) = self.link.buffered_urc() {
                self.note(urc)?;
            }
            if cancel.is_cancelled() {
                return Ok(End::Cancelled);
            }
            if self.take_one().await? {
                // A flood of incoming messages must not starve what wants to go out.
                if let Ok(request) = requests.try_recv() {
                    self.handle(request).await?;
                }
                continue;
            }
            let search = (!self.seen.registration.is_registered()).then_some(self.next_search);
            let balance = self.next_balance.filter(|_| self.seen.registration.is_registered());
            let network_deadline = self.network_deadline();
            let ussd_deadline = self.ussd.as_ref().map(|dialogue| dialogue.deadline);
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(End::Cancelled),
                urc = self.link.next_urc() => self.note(urc.map_err(lost)?)?,
                request = requests.recv() => {
                    let Some(request) = request else { return Ok(End::Cancelled) };
                    self.handle(request).await?;
                    // Requests without end must not put off what a lost announcement waits for.
                    if self.next_poll <= Instant::now() {
                        self.poll().await?;
                    }
                }
                Ok(()) = generations.changed() => self.adapt().await,
                () = until(ussd_deadline) => self.abandon_ussd().await?,
                () = sleep_until(self.next_poll) => self.poll().await?,
                () = sleep_until(self.next_check) => self.check().await?,
                () = until(network_deadline) => return Ok(End::Unregistered(self.minutes_of_patience())),
                () = until(search) => self.search().await?,
                () = until(balance) => self.check_balance().await?,
            }
        }
    }

    /// Sorts a notice.
    pub(super) fn note(&mut self, urc: Urc) -> Result<(), End> {
        let booted = urc.is_boot();
        match urc {
            Urc::Cmti { memory, index } | Urc::Cdsi { memory, index } => match memory {
                Some(memory) => self.work.announced.push_back((memory, index)),
                None => self.work.sweep = true,
            },
            Urc::Cmt { pdu, .. } | Urc::Cds { pdu, .. } => self.work.handed_over.push_back(pdu),
            Urc::Cusd(cusd) => self.note_ussd(cusd),
            Urc::MemoryFull(line) => {
                warn!(modem = %self.context.slot().id, %line, "the modem has no room for messages");
                self.work.sweep = true;
            }
            Urc::Registration(state) => {
                if state.is_registered() && !self.seen.registration.is_registered() {
                    // The network's name is news too.
                    self.next_check = Instant::now();
                }
                self.registration_is(state);
                self.publish();
            }
            Urc::Restarted(line) if !booted && self.started.elapsed() < SETTLING => {
                debug!(modem = %self.context.slot().id, %line, "the modem has finished starting");
            }
            Urc::Restarted(line) => return Err(End::Restarted(line)),
            Urc::Pin(state) => {
                debug!(modem = %self.context.slot().id, ?state, "SIM state");
                self.next_check = Instant::now();
            }
            Urc::Ring | Urc::Ignored(_) | Urc::Unknown(_) => {}
        }
        Ok(())
    }

    /// Takes one piece of what came in. `false` when nothing waits.
    async fn take_one(&mut self) -> Result<bool, End> {
        if let Some(pdu) = self.work.handed_over.pop_front() {
            self.take_handed_over(pdu).await?;
        } else if self.work.sweep {
            self.work.sweep = false;
            self.announced_in_sweep();
            self.sweep().await?;
        } else if self.work.announced.iter().filter(|(memory, _)| self.sweeps(*memory)).count() > 1 {
            // Several are listed together: that takes the fewest octets, and two equal ones that are there at once are two
            // messages, while one that comes after the other was deleted is a repeat.
            for memory in self.announced_in_sweep() {
                self.take_announced(memory).await?;
            }
        } else if let Some((memory, index)) = self.work.announced.pop_front() {
            self.fetch(memory, index).await?;
        } else if let Some(cusd) = self.work.ussd.pop_front() {
            self.take_ussd(&cusd).await?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Strikes off what a sweep finds; the memories that it is announced in.
    fn announced_in_sweep(&mut self) -> Vec<Memory> {
        let memories = self.equipment.memories.clone();
        let announced = std::mem::take(&mut self.work.announced);
        let (swept, rest) = announced.into_iter().partition(|(memory, _)| memories.contains(memory));
        let swept: VecDeque<_> = swept;
        self.work.announced = rest;
        memories.into_iter().filter(|memory| swept.iter().any(|(announced, _)| announced == memory)).collect()
    }

    /// Runs a command. The outer error ends the session, the inner one is the modem's answer.
    async fn command(&mut self, command: Command) -> Result<Result<Response, CommandError>, End> {
        match self.link.execute(command).await {
            Ok(response) => {
                self.timeouts = 0;
                Ok(Ok(response))
            }
            Err(LinkError::Command(error)) => {
                if matches!(error, CommandError::TimedOut { .. }) {
                    self.timeouts += 1;
                    if self.timeouts >= MOST_TIMEOUTS {
                        return Err(End::Hung("no answer".to_owned()));
                    }
                } else {
                    self.timeouts = 0;
                }
                Ok(Err(error))
            }
            Err(error @ LinkError::Lost { .. }) => Err(lost(error)),
        }
    }
}

fn lost(error: LinkError) -> End {
    End::Lost(error.to_string())
}

/// Sleeps until `deadline`, for ever without one.
async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
