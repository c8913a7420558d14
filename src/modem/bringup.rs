//! Bring-up: from a port that was just opened to a modem that may send and receive. Pure: answers in, next step out.
//!
//! The order protects the SIM: its state is asked before anything that needs it, its serial number is read before a PIN
//! is tried (attempts are recorded by it), and a PIN is tried once, never with fewer than two tries left (D23). Nothing
//! here is written to the modem's flash and no message is deleted. Reading what the memories hold is the actor's, and so
//! is waiting for a network: what the SIM holds can be read without one.

use std::{collections::VecDeque, time::Duration};

use crate::{
    at::{
        Charset, CmeError, Command, CommandError, Indication, Memory, MemoryUse, PinState, Profile, RegistrationState,
        Response, SimPin,
    },
    model::{Classified, ErrorClass, Imei},
};

/// Pause before asking again.
const PAUSE: Duration = Duration::from_secs(1);
/// Fewest tries left with which a PIN may be tried.
const MIN_TRIES: u8 = 2;

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SIM's PIN, if it has one.
    pub pin: Option<SimPin>,
    /// Character set for USSD.
    pub charset: Charset,
    /// How long the modem and the SIM may take altogether.
    pub wait_for_start: Duration,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Run this command and call [`Bringup::next`] with its result.
    Send(Command),
    /// Call [`Bringup::next`] with `None` after this time.
    Wait(Duration),
    /// As [`Step::Send`], but first make sure that this PIN was never rejected by this SIM, and record the attempt
    /// durably. If either fails, give up instead.
    PinAttempt {
        /// The SIM; `None` if the modem does not tell before the PIN is entered.
        iccid: Option<String>,
        /// The command with the PIN.
        command: Command,
    },
    /// Ready.
    Done(Box<Capabilities>),
    /// Not to be brought up now.
    Fail(BringupError),
}

/// What was learnt on the way.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Habits of the family.
    pub profile: Profile,
    /// `+CGMI`.
    pub manufacturer: String,
    /// `+CGMM`.
    pub model: String,
    /// `+CGMR`.
    pub revision: String,
    /// `+CGSN`.
    pub imei: Option<Imei>,
    /// Serial number of the SIM.
    pub iccid: Option<String>,
    /// `+CIMI`.
    pub imsi: Option<String>,
    /// A PIN was entered in this bring-up, and taken.
    pub pin_entered: bool,
    /// `+CSCA`.
    pub service_centre: Option<String>,
    /// `+CSMS=1` holds: what is handed over (`+CMT`, `+CDS`) must be confirmed with `+CNMA`.
    pub acknowledges: bool,
    /// The setting of `+CNMI` the modem took; `None`: nothing is announced, only polling finds messages.
    pub indication: Option<Indication>,
    /// Memories that can be swept, the selected one first.
    pub memories: Vec<Memory>,
    /// The memory selected for reading, writing and receiving; `None` if the modem let none be selected.
    pub selected_memory: Option<Memory>,
    /// How full the memories were when selected.
    pub memory_use: Vec<MemoryUse>,
    /// Character set the modem took.
    pub charset: Charset,
    /// Where it is registered.
    pub registration: RegistrationState,
    /// Operator's name.
    pub network: String,
    /// Raw `+CSQ` value, 99 unknown.
    pub signal: u8,
    /// Optional commands that failed, with their errors.
    pub notes: Vec<Note>,
}

/// An optional command that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The command, without secrets.
    pub command: String,
    /// Why.
    pub error: CommandError,
}

/// Why a modem could not be brought up.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BringupError {
    /// The port was closed.
    #[error("Modem: the port was closed")]
    Closed,
    /// PDU mode is a must.
    #[error("Modem: it refuses PDU mode: {0}")]
    NoPduMode(CommandError),
    /// The SIM wants a PIN and none is configured.
    #[error("SIM: SIM PIN required, set `pin` in sim-cards.conf")]
    PinMissing,
    /// The PIN was tried, once, and not taken.
    #[error("SIM: incorrect SIM PIN ({0}), it is not tried again. Correct `pin` in sim-cards.conf")]
    PinRejected(CommandError),
    /// The PIN was not tried: a mistake would bring the SIM too near to its lock.
    #[error("SIM: PIN not tried, only {0} left. Enter it in a phone, which brings the tries back")]
    TooFewTries(u8),
    /// The SIM is locked until a person enters the PUK.
    #[error(
        "SIM: blocked, PUK required, no PIN is sent. Put the SIM into a phone, enter the PUK and a new PIN, and set that as \
         `pin` in sim-cards.conf"
    )]
    PukRequired,
    /// No answer to `AT`.
    #[error("Modem: no answer")]
    Silent,
    /// Another lock, in the modem's words.
    #[error("SIM: the SIM or modem is locked: {0}")]
    SimLocked(String),
    /// No SIM.
    #[error("SIM: SIM not inserted")]
    SimMissing,
    /// The SIM did not become ready in time.
    #[error("SIM: it does not become ready")]
    SimNotReady,
}

impl Classified for BringupError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Closed | Self::NoPduMode(_) | Self::Silent | Self::SimNotReady => ErrorClass::Transient,
            Self::PinMissing
            | Self::PinRejected(_)
            | Self::TooFewTries(_)
            | Self::PukRequired
            | Self::SimLocked(_)
            | Self::SimMissing => ErrorClass::Misconfigured,
        }
    }
}

/// Steps in their order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Attention,
    EchoOff,
    NumericErrors,
    Manufacturer,
    Model,
    Revision,
    Imei,
    Functionality,
    RadioOn,
    Sim,
    Iccid,
    PinCounters,
    EnterPin,
    SimAfterPin,
    IccidAfterPin,
    Extra,
    Charset,
    PduMode,
    ServiceCentre,
    MessageService,
    MessageServiceOld,
    SendBack,
    Memories,
    SelectMemory,
    Indications,
    AnnounceRegistration,
    LongNames,
    Registration,
    LteRegistration,
    Operator,
    Signal,
    Imsi,
    Done,
}

/// The machine. One per opened port.
#[derive(Debug)]
pub struct Bringup {
    settings: Settings,
    stage: Stage,
    /// Alternatives of this stage still to try, the one in flight first.
    candidates: VecDeque<Command>,
    /// Position of the first candidate in its list.
    position: usize,
    in_flight: bool,
    pin_wanted: bool,
    /// There is a memory for status reports alone.
    reports_apart: bool,
    found: Capabilities,
}

impl Bringup {
    /// A machine for a port just opened.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let profile = Profile::of(crate::at::Family::Generic);
        let charset = settings.charset;
        let mut machine = Self {
            settings,
            stage: Stage::Attention,
            candidates: VecDeque::new(),
            position: 0,
            in_flight: false,
            pin_wanted: false,
            reports_apart: false,
            found: Capabilities {
                memories: profile.memories.to_vec(),
                profile,
                manufacturer: String::new(),
                model: String::new(),
                revision: String::new(),
                imei: None,
                iccid: None,
                imsi: None,
                pin_entered: false,
                service_centre: None,
                acknowledges: false,
                indication: None,
                selected_memory: None,
                memory_use: Vec::new(),
                charset,
                registration: RegistrationState::Unknown,
                network: String::new(),
                signal: 99,
                notes: Vec::new(),
            },
        };
        machine.enter(Stage::Attention);
        machine
    }

    /// What was learnt so far, for whoever shows the modem's state meanwhile.
    #[must_use]
    pub const fn found(&self) -> &Capabilities {
        &self.found
    }

    /// The next step. `elapsed` is the time since the port was opened, `last` the result of the command asked for last;
    /// `None` at first and after a wait.
    pub fn next(&mut self, elapsed: Duration, last: Option<&Result<Response, CommandError>>) -> Step {
        if let Some(result) = last.filter(|_| self.in_flight) {
            self.in_flight = false;
            match self.digest(elapsed, result) {
                Ok(Next::Again) => return Step::Wait(PAUSE),
                Ok(Next::Go(stage)) => self.enter(stage),
                Ok(Next::Alternative) => {
                    self.candidates.pop_front();
                    self.position += 1;
                    if self.candidates.is_empty() {
                        self.enter(self.stage.following());
                    }
                }
                Err(error) => return Step::Fail(error),
            }
        }
        self.step()
    }

    fn step(&mut self) -> Step {
        loop {
            if self.stage == Stage::Done {
                return Step::Done(Box::new(self.found.clone()));
            }
            if self.stage == Stage::EnterPin && self.candidates.is_empty() && self.pin_wanted {
                return Step::Fail(BringupError::PinMissing);
            }
            if let Some(command) = self.candidates.front().cloned() {
                self.in_flight = true;
                let pin = self.stage == Stage::EnterPin;
                let iccid = || self.found.iccid.clone();
                return if pin { Step::PinAttempt { iccid: iccid(), command } } else { Step::Send(command) };
            }
            self.enter(self.stage.following());
        }
    }

    /// Enters a stage: its candidates, none if there is nothing to do in it.
    fn enter(&mut self, stage: Stage) {
        let profile = &self.found.profile;
        self.stage = stage;
        self.position = 0;
        self.candidates = match stage {
            Stage::Attention => vec![Command::attention()],
            Stage::EchoOff => vec![Command::echo_off()],
            Stage::NumericErrors => vec![Command::numeric_errors()],
            Stage::Manufacturer => vec![Command::manufacturer()],
            Stage::Model => vec![Command::model()],
            Stage::Revision => vec![Command::revision()],
            Stage::Imei => vec![Command::imei()],
            Stage::Functionality => vec![Command::functionality()],
            Stage::RadioOn => vec![Command::full_functionality()],
            Stage::Sim => vec![Command::pin_state()],
            Stage::Iccid => profile.iccid_commands(),
            Stage::PinCounters if self.pin_wanted => profile.pin_counters.iter().map(|query| query.command()).collect(),
            Stage::EnterPin if self.pin_wanted => self.settings.pin.iter().map(Command::enter_pin).collect(),
            Stage::SimAfterPin if self.pin_wanted => vec![Command::pin_state()],
            Stage::IccidAfterPin if self.found.iccid.is_none() && self.pin_wanted => profile.iccid_commands(),
            Stage::PinCounters | Stage::EnterPin | Stage::SimAfterPin | Stage::IccidAfterPin | Stage::Done => {
                Vec::new()
            }
            Stage::Extra => profile.extra.iter().map(|line| Command::extra(line)).collect(),
            Stage::Charset => vec![Command::charset(self.settings.charset)],
            Stage::PduMode => vec![Command::pdu_mode()],
            Stage::ServiceCentre => vec![Command::service_centre()],
            Stage::MessageService => vec![Command::message_service(true)],
            Stage::MessageServiceOld => vec![Command::message_service(false)],
            // What a predecessor that died left unacknowledged. Left alone, the modem gives up waiting some seconds from
            // now and stops announcing anything (TS 27.005 3.4.4).
            Stage::SendBack if self.found.acknowledges => vec![Command::send_back()],
            Stage::SendBack => Vec::new(),
            Stage::Memories => vec![Command::memories()],
            Stage::SelectMemory => {
                self.found.memories.iter().map(|memory| Command::select_memories(*memory, *memory, *memory)).collect()
            }
            Stage::Indications => profile.indications.iter().map(|setting| Command::indications(*setting)).collect(),
            Stage::AnnounceRegistration => vec![Command::announce_registration()],
            Stage::LongNames => vec![Command::long_operator_names()],
            Stage::Registration => vec![Command::registration()],
            Stage::LteRegistration => vec![Command::lte_registration()],
            Stage::Operator => vec![Command::operator()],
            Stage::Signal => vec![Command::signal()],
            Stage::Imsi => vec![Command::imsi()],
        }
        .into();
    }

    /// Learns from the result of the command in flight.
    fn digest(&mut self, elapsed: Duration, result: &Result<Response, CommandError>) -> Result<Next, BringupError> {
        let in_time = elapsed < self.settings.wait_for_start;
        match result {
            Err(CommandError::Closed { .. }) => Err(BringupError::Closed),
            Err(error) if self.stage == Stage::EnterPin => Err(BringupError::PinRejected(error.clone())),
            Err(error) if error.is_starting() && in_time => Ok(Next::Again),
            Err(error) => self.failed(in_time, error),
            Ok(response) => self.answered(in_time, response),
        }
    }

    fn failed(&mut self, in_time: bool, error: &CommandError) -> Result<Next, BringupError> {
        let stage = self.stage;
        if matches!(stage, Stage::Sim | Stage::SimAfterPin) && *error == CommandError::Cme(CmeError::SIM_NOT_INSERTED) {
            return Err(BringupError::SimMissing);
        }
        if stage == Stage::PduMode {
            return Err(BringupError::NoPduMode(error.clone()));
        }
        // Nothing to send back is the rule. LTE registration: not every modem knows it; +CREG? has the word then.
        if matches!(stage, Stage::SendBack | Stage::LteRegistration) {
            return Ok(Next::Alternative);
        }
        if matches!(stage, Stage::Attention | Stage::Sim | Stage::SimAfterPin) {
            let late = if stage == Stage::Attention { BringupError::Silent } else { BringupError::SimNotReady };
            return if in_time { Ok(Next::Again) } else { Err(late) };
        }
        if stage == Stage::Charset {
            self.found.charset = Charset::Gsm;
        }
        Ok(self.note(error))
    }

    fn note(&mut self, error: &CommandError) -> Next {
        if let Some(command) = self.candidates.front() {
            self.found.notes.push(Note { command: command.name().to_owned(), error: error.clone() });
        }
        Next::Alternative
    }

    fn answered(&mut self, in_time: bool, response: &Response) -> Result<Next, BringupError> {
        let value = || response.value().unwrap_or_default().to_owned();
        let following = Ok(Next::Go(self.stage.following()));
        match self.stage {
            Stage::Manufacturer => self.found.manufacturer = value(),
            Stage::Model => {
                self.found.model = value();
                self.found.profile = Profile::detect(&self.found.manufacturer, &self.found.model);
                self.found.memories = self.found.profile.memories.to_vec();
            }
            Stage::Revision => self.found.revision = value(),
            Stage::Imei => self.found.imei = response.imei(),
            Stage::Functionality if response.functionality() == Some(1) => return Ok(Next::Go(Stage::Sim)),
            Stage::Sim | Stage::SimAfterPin => return self.sim(in_time, response),
            Stage::Iccid | Stage::IccidAfterPin => {
                self.found.iccid = response.iccid();
                return Ok(if self.found.iccid.is_some() {
                    Next::Go(self.stage.following())
                } else {
                    Next::Alternative
                });
            }
            Stage::PinCounters => {
                let Some(counters) = response.pin_counters() else { return Ok(Next::Alternative) };
                if counters.pin < MIN_TRIES {
                    return Err(BringupError::TooFewTries(counters.pin));
                }
            }
            Stage::EnterPin => self.found.pin_entered = true,
            // Each line counts, not only the first one taken.
            Stage::Extra => return Ok(Next::Alternative),
            Stage::ServiceCentre => self.found.service_centre = response.service_centre(),
            Stage::MessageService => {
                self.found.acknowledges = true;
                return Ok(Next::Go(Stage::SendBack));
            }
            Stage::Memories => {
                let readable = response.readable_memories();
                if !readable.is_empty() {
                    self.found.memories.retain(|memory| readable.contains(memory));
                }
                self.reports_apart = readable.contains(&Memory::Sr);
            }
            Stage::SelectMemory => {
                self.found.selected_memory = self.found.memories.get(self.position).copied();
                let refused = self.position.min(self.found.memories.len());
                self.found.memories.rotate_left(refused);
                if self.reports_apart {
                    // A report whose +CDSI was lost lies there until it is swept, and some modems have room for few.
                    self.found.memories.push(Memory::Sr);
                }
                self.found.memory_use = response.memory_use();
            }
            Stage::Indications => self.found.indication = self.found.profile.indications.get(self.position).copied(),
            Stage::Registration => {
                return Ok(match self.registered(response) {
                    true => Next::Go(Stage::Operator),
                    false => Next::Go(Stage::LteRegistration),
                });
            }
            Stage::LteRegistration => {
                let before = self.found.registration;
                if !self.registered(response) {
                    // "Denied" of one says more than "unknown" of the other.
                    self.found.registration = before;
                }
            }
            Stage::Operator => self.found.network = response.operator().unwrap_or_default(),
            Stage::Signal => self.found.signal = response.signal().map_or(99, |signal| signal.strength),
            Stage::Imsi => self.found.imsi = response.imsi(),
            Stage::Attention
            | Stage::EchoOff
            | Stage::NumericErrors
            | Stage::Functionality
            | Stage::RadioOn
            | Stage::Charset
            | Stage::PduMode
            | Stage::MessageServiceOld
            | Stage::SendBack
            | Stage::AnnounceRegistration
            | Stage::LongNames
            | Stage::Done => {}
        }
        following
    }

    fn sim(&mut self, in_time: bool, response: &Response) -> Result<Next, BringupError> {
        match response.pin_state() {
            Some(PinState::Ready) => Ok(Next::Go(self.stage.following())),
            Some(PinState::SimPin) if self.stage == Stage::Sim => {
                self.pin_wanted = true;
                Ok(Next::Go(Stage::Iccid))
            }
            Some(PinState::SimPuk) => Err(BringupError::PukRequired),
            Some(PinState::NotInserted) => Err(BringupError::SimMissing),
            Some(PinState::Other(words)) => Err(BringupError::SimLocked(words)),
            // After the PIN was taken the state may lag behind; it is never entered again.
            Some(PinState::NotReady | PinState::SimPin) | None if in_time => Ok(Next::Again),
            Some(PinState::NotReady | PinState::SimPin) | None => Err(BringupError::SimNotReady),
        }
    }

    fn registered(&mut self, response: &Response) -> bool {
        self.found.registration = response.registration().map_or(RegistrationState::Unknown, |answer| answer.state);
        self.found.registration.is_registered()
    }
}

/// What a result leads to.
enum Next {
    /// Pause, then the same again.
    Again,
    /// The next candidate, or the next stage if there is none.
    Alternative,
    /// That stage.
    Go(Stage),
}

impl Stage {
    const ORDER: [Self; 33] = [
        Self::Attention,
        Self::EchoOff,
        Self::NumericErrors,
        Self::Manufacturer,
        Self::Model,
        Self::Revision,
        Self::Imei,
        Self::Functionality,
        Self::RadioOn,
        Self::Sim,
        Self::Iccid,
        Self::PinCounters,
        Self::EnterPin,
        Self::SimAfterPin,
        Self::IccidAfterPin,
        Self::Extra,
        Self::Charset,
        Self::PduMode,
        Self::ServiceCentre,
        Self::MessageService,
        Self::MessageServiceOld,
        Self::SendBack,
        Self::Memories,
        Self::SelectMemory,
        Self::Indications,
        Self::AnnounceRegistration,
        Self::LongNames,
        Self::Registration,
        Self::LteRegistration,
        Self::Operator,
        Self::Signal,
        Self::Imsi,
        Self::Done,
    ];

    fn following(self) -> Self {
        let next = Self::ORDER.iter().position(|stage| *stage == self).and_then(|place| Self::ORDER.get(place + 1));
        next.copied().unwrap_or(Self::Done)
    }
}

#[cfg(test)]
mod tests;
