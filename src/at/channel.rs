//! One AT dialogue as a state machine without I/O.
//!
//! The owner of the port calls [`handle_input`](Channel::handle_input) with what it read and
//! [`handle_timeout`](Channel::handle_timeout) when [`poll_timeout`](Channel::poll_timeout) is due; after either, and
//! after [`submit`](Channel::submit), it drains [`poll_transmit`](Channel::poll_transmit) and
//! [`poll_event`](Channel::poll_event). One command runs at a time. When an answer is late, nothing new starts before
//! the modem has answered a plain `AT` and kept quiet: an answer can never be taken for the next command's.

use std::{
    collections::VecDeque,
    fmt, mem,
    time::{Duration, Instant},
};

use super::{
    claim::{Claimed, Claims},
    command::{Accept, Command},
    fields::after,
    framer::{Framer, Item, MAX_REPLY, text},
    response::{InfoLine, Response},
    result::{CommandError, FinalResult},
    urc::Urc,
};

/// How long the prompt may take.
const PROMPT: Duration = Duration::from_secs(10);
/// How long the result of a submission may take that the modem seems to have forgotten over a start.
const BOOTED: Duration = Duration::from_secs(10);
/// Silence after ESC, so that the modem has left the prompt before it hears the next line.
const GUARD: Duration = Duration::from_millis(500);
/// How long `AT` may take while resynchronising.
const ATTENTION: Duration = Duration::from_secs(2);
/// Silence after which no late answer is to be feared.
const QUIET: Duration = Duration::from_millis(300);
/// Tries to resynchronise.
const TRIES: u8 = 15;
/// Events kept for an owner that does not fetch them.
const MAX_EVENTS: usize = 4096;
const ESC: u8 = 0x1b;
const CTRL_Z: u8 = 0x1a;

/// Identifies a submitted command within its channel.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CommandId(u64);

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Busy {
    /// Another command runs.
    #[error("another command is running")]
    InFlight,
    /// The channel waits for the modem to come to its senses.
    #[error("resynchronising")]
    Resynchronising,
    /// The modem did not answer: open the port anew.
    #[error("the modem does not answer")]
    Unresponsive,
}

/// Octets to write.
#[derive(Clone, Eq, PartialEq)]
pub struct Transmit {
    /// The octets.
    pub bytes: Vec<u8>,
    /// They hold a PIN or a message: keep them out of logs.
    pub secret: bool,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret {
            write!(f, "Transmit({} secret octets)", self.bytes.len())
        } else {
            write!(f, "Transmit({:?})", String::from_utf8_lossy(&self.bytes))
        }
    }
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A command has ended.
    Completed {
        /// Which.
        id: CommandId,
        /// How.
        result: Result<Response, CommandError>,
    },
    /// A notice.
    Unsolicited(Urc),
    /// An answer is overdue; no command is taken until [`Event::Resynchronised`].
    OutOfSync,
    /// Commands are taken again.
    Resynchronised,
    /// The modem does not answer even `AT`: the channel is of no more use.
    Unresponsive,
    /// Something longer than the bounds was dropped.
    Overflow,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Idle,
    /// The line is out, the answer is awaited.
    Reply,
    /// The line of `+CMGS` is out, `> ` is awaited.
    Prompt,
    /// The PDU is out, the final result is awaited.
    Final,
    /// ESC is out, silence.
    Guard,
    /// `AT` is out, any final result is awaited.
    Resync,
    /// `OK` came, now quiet is awaited.
    Settling,
    Dead,
}

#[derive(Debug)]
struct Running {
    id: CommandId,
    command: Command,
    response: Response,
    octets: usize,
}

/// What was sent. It may be a PIN or a message, so `Debug` does not show it.
struct Echo(String);

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Echo({} octets)", self.0.len())
    }
}

/// The dialogue with one modem.
#[derive(Debug)]
pub struct Channel {
    framer: Framer,
    claims: Claims,
    state: State,
    deadline: Option<Instant>,
    running: Option<Running>,
    /// What the modem may send back as echo.
    echo: Option<Echo>,
    /// The last line sent held a secret, and its echo may still come in pieces.
    hide: bool,
    tries: u8,
    next_id: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Default for Channel {
    fn default() -> Self {
        Self::new()
    }
}

impl Channel {
    /// A channel on a port just opened.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            framer: Framer::new(),
            claims: Claims::new(),
            state: State::Idle,
            deadline: None,
            running: None,
            echo: None,
            hide: false,
            tries: 0,
            next_id: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Starts a command.
    ///
    /// # Errors
    /// [`Busy`] while another command runs, and where the modem is out of step or gone.
    pub fn submit(&mut self, now: Instant, command: Command) -> Result<CommandId, Busy> {
        match self.state {
            State::Idle => {}
            State::Reply | State::Prompt | State::Final => return Err(Busy::InFlight),
            State::Guard | State::Resync | State::Settling => return Err(Busy::Resynchronising),
            State::Dead => return Err(Busy::Unresponsive),
        }
        let id = CommandId(self.next_id);
        self.next_id += 1;
        let deadline = if command.payload().is_some() { PROMPT.min(command.deadline()) } else { command.deadline() };
        self.state = if command.payload().is_some() { State::Prompt } else { State::Reply };
        self.deadline = Some(now + deadline);
        self.hide = command.secret();
        self.send_line(command.text(), command.secret());
        self.running = Some(Running { id, command, response: Response::default(), octets: 0 });
        Ok(id)
    }

    /// Starts the synchronisation by hand: on a port just opened, whose modem may sit at a prompt or still be talking.
    /// Ends with [`Event::Resynchronised`] or [`Event::Unresponsive`]. Ignored while a command runs.
    pub fn synchronise(&mut self, now: Instant) {
        if self.running.is_none() {
            self.tries = 0;
            self.escape(now);
        }
    }

    /// Takes what was read from the port.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) {
        for octet in input {
            match self.framer.push(*octet, !self.claims.in_ussd()) {
                Some(Item::Line(line)) => self.handle_line(now, &line),
                Some(Item::Prompt) => self.handle_prompt(now),
                Some(Item::Overflow) => self.handle_overflow(),
                None => {}
            }
        }
    }

    /// Acts on time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(urc) = self.claims.expire(now) {
            self.notify(now, urc);
        }
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.deadline = None;
        match self.state {
            State::Idle | State::Dead => {}
            State::Reply | State::Prompt => self.time_out(now, false),
            State::Final => self.time_out(now, true),
            State::Guard => {
                self.state = State::Resync;
                self.deadline = Some(now + ATTENTION);
                self.send_line("AT", false);
            }
            State::Resync => self.try_again(now),
            State::Settling => {
                self.state = State::Idle;
                self.echo = None;
                self.hide = false;
                self.push(Event::Resynchronised);
            }
        }
    }

    /// The port is gone: ends the running command.
    pub fn close(&mut self) {
        let after_payload = self.state == State::Final;
        self.state = State::Dead;
        self.deadline = None;
        self.transmits.clear();
        if let Some(Running { id, .. }) = self.running.take() {
            self.push(Event::Completed { id, result: Err(CommandError::Closed { after_payload }) });
        }
    }

    /// Octets to write, in order, until `None`.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened, in order, until `None`.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadline, self.claims.timeout()].into_iter().flatten().min()
    }

    fn handle_prompt(&mut self, now: Instant) {
        match self.state {
            State::Prompt => {
                let Some(running) = &self.running else { return };
                let Some(pdu) = running.command.payload() else { return };
                let mut bytes = pdu.as_str().as_bytes().to_vec();
                bytes.push(CTRL_Z);
                self.echo = Some(Echo(pdu.as_str().to_owned()));
                self.transmits.push_back(Transmit { bytes, secret: true });
                self.deadline = Some(now + running.command.deadline());
                self.state = State::Final;
            }
            // A prompt nobody wants any more: what is sent next would become the text of a message.
            State::Idle => {
                self.push(Event::OutOfSync);
                self.tries = 0;
                self.escape(now);
            }
            State::Guard | State::Resync | State::Settling => self.escape(now),
            State::Reply | State::Final | State::Dead => {}
        }
    }

    fn handle_overflow(&mut self) {
        self.claims.close_entry();
        if let Some(running) = &mut self.running {
            running.response.truncated = true;
        }
        self.push(Event::Overflow);
    }

    fn handle_line(&mut self, now: Instant, octets: &[u8]) {
        if self.claims.in_ussd() {
            if let Some(urc) = self.claims.extend_ussd(octets) {
                self.notify(now, urc);
            }
            return;
        }
        let line = text(octets);
        if line.is_empty() || self.is_echo(&line) {
            return;
        }
        if line == ">" && self.state == State::Prompt {
            return self.handle_prompt(now);
        }
        let loose = self.running.as_ref().is_some_and(|running| running.command.accept() == Accept::AnyLine);
        let claimed = self.claims.take(now, &line, loose).or_else(|| self.claims.open(now, octets, &line));
        match claimed {
            Some(Claimed::Notice(urc)) => return self.notify(now, urc),
            Some(Claimed::Entry(pdu)) => return self.add_pdu(pdu),
            Some(Claimed::Swallowed) => return,
            None => {}
        }
        if let Some(result) = FinalResult::parse(&line) {
            return self.handle_final(now, result);
        }
        match self.running.as_ref().map(|running| belongs(&running.command, &line)) {
            Some(Belongs::Line) => self.add_line(line),
            Some(Belongs::Head) => {
                self.claims.open_entry(now, &line);
                self.add_line(line);
            }
            Some(Belongs::No) | None => {
                // An unknown line may be a mangled echo of a PIN.
                let shown = || if self.hide { "(hidden)".to_owned() } else { line.clone() };
                self.notify(now, Urc::parse(&line).unwrap_or_else(|| Urc::Unknown(shown())));
            }
        }
    }

    fn handle_final(&mut self, now: Instant, result: FinalResult) {
        self.claims.close_entry();
        match self.state {
            // Nobody waits for it, so it can shift nothing.
            State::Idle | State::Guard | State::Dead => {}
            State::Reply | State::Final => self.complete(CommandError::of(result).map_or(Ok(()), Err)),
            State::Prompt => self.complete(Err(CommandError::of(result).unwrap_or(CommandError::NoPrompt))),
            State::Resync | State::Settling if result == FinalResult::Ok => {
                self.state = State::Settling;
                self.deadline = Some(now + QUIET);
            }
            State::Resync | State::Settling => {
                self.state = State::Resync;
                self.deadline = Some(now + QUIET);
            }
        }
    }

    fn complete(&mut self, outcome: Result<(), CommandError>) {
        self.state = State::Idle;
        self.deadline = None;
        self.echo = None;
        self.hide = false;
        if let Some(Running { id, response, .. }) = self.running.take() {
            self.push(Event::Completed { id, result: outcome.map(|()| response) });
        }
    }

    fn time_out(&mut self, now: Instant, after_payload: bool) {
        let hide = self.hide;
        self.complete(Err(CommandError::TimedOut { after_payload }));
        self.hide = hide;
        self.claims.close_entry();
        self.push(Event::OutOfSync);
        self.tries = 0;
        self.escape(now);
    }

    /// ESC ends a prompt that may be open, then silence.
    fn escape(&mut self, now: Instant) {
        self.transmits.push_back(Transmit { bytes: vec![ESC], secret: false });
        self.state = State::Guard;
        self.deadline = Some(now + GUARD);
    }

    fn try_again(&mut self, now: Instant) {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= TRIES {
            self.state = State::Dead;
            self.push(Event::Unresponsive);
        } else {
            self.escape(now);
        }
    }

    fn add_line(&mut self, line: String) {
        let Some(running) = &mut self.running else { return };
        running.octets += line.len();
        if running.octets <= MAX_REPLY {
            running.response.lines.push(InfoLine { text: line, pdu: None });
        } else if !mem::replace(&mut running.response.truncated, true) {
            self.push(Event::Overflow);
        }
    }

    fn add_pdu(&mut self, pdu: String) {
        let Some(running) = &mut self.running else { return };
        running.octets += pdu.len();
        if running.octets <= MAX_REPLY {
            if let Some(last) = running.response.lines.last_mut() {
                last.pdu = Some(pdu);
            }
        } else if !mem::replace(&mut running.response.truncated, true) {
            // Its head has no text without it.
            running.response.lines.pop();
            self.push(Event::Overflow);
        }
    }

    /// The line is what was sent, perhaps with noise before it.
    fn is_echo(&mut self, line: &str) -> bool {
        let echoed = self.echo.as_ref().is_some_and(|Echo(sent)| {
            line.eq_ignore_ascii_case(sent) || (sent.len() > 4 && line.ends_with(sent.as_str()))
        });
        // While resynchronising several may be under way.
        if echoed && self.running.is_some() {
            self.echo = None;
        }
        echoed
    }

    fn send_line(&mut self, line: &str, secret: bool) {
        self.echo = Some(Echo(line.to_owned()));
        self.transmits.push_back(Transmit { bytes: format!("{line}\r").into_bytes(), secret });
    }

    fn notify(&mut self, now: Instant, urc: Urc) {
        if self.state == State::Final && urc.is_boot() {
            self.deadline = self.deadline.map(|deadline| deadline.min(now + BOOTED));
        }
        self.push(Event::Unsolicited(urc));
    }

    fn push(&mut self, event: Event) {
        match (self.events.len() < MAX_EVENTS, &event) {
            (false, Event::Unsolicited(_) | Event::Overflow) => {
                if self.events.back() != Some(&Event::Overflow) {
                    self.events.push_back(Event::Overflow);
                }
            }
            _ => self.events.push_back(event),
        }
    }
}

enum Belongs {
    Line,
    /// A line that a PDU follows.
    Head,
    No,
}

fn belongs(command: &Command, line: &str) -> Belongs {
    match command.accept() {
        Accept::Nothing => Belongs::No,
        Accept::PduListing(prefix) if after(line, prefix).is_some() => Belongs::Head,
        Accept::PduListing(_) => Belongs::No,
        Accept::Prefixes(prefixes) => match prefixes.iter().find_map(|prefix| Some((*prefix, after(line, prefix)?))) {
            Some((prefix, parameters)) if !is_change_of_registration(prefix, parameters) => Belongs::Line,
            _ => Belongs::No,
        },
        Accept::AnyLine if Urc::parse(line).is_some() => Belongs::No,
        // `+XYZ: 1` is no manufacturer's name, but `+CGMI: x` and `+ICCID: x` are how some modems answer.
        Accept::AnyLine => match line.strip_prefix(['+', '^', '*', '$']) {
            Some(rest) if line.contains(':') => {
                let name = command.text().trim_start_matches("AT").trim_start_matches(['+', '^']).trim_end_matches('?');
                if rest.starts_with(name) || rest.starts_with("ICCID") { Belongs::Line } else { Belongs::No }
            }
            _ => Belongs::Line,
        },
    }
}

/// `+CREG: 1` and `+CREG: 1,"00C3","1A"` are notices, `+CREG: 0,1` is an answer.
fn is_change_of_registration(prefix: &str, parameters: &str) -> bool {
    let is_state = |field: &str| matches!(field.trim().as_bytes(), [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9']);
    ["+CREG:", "+CGREG:", "+CEREG:"].contains(&prefix) && !parameters.split(',').nth(1).is_some_and(is_state)
}

#[cfg(test)]
mod tests;
