//! Plays a recorded session: each request gets its recorded answer, notices come at their places. Sans-IO.
//!
//! Requests are compared as they would look in a trace, so that another PIN, number or text of the same shape finds its
//! answer. A request out of turn (a poll that was earlier then than now) is answered as it was before, and moves nothing.

use std::{collections::VecDeque, fs, io, path::Path, time::Duration};

use crate::{
    at::FinalResult,
    trace::{Line, Redactor, parse},
};

/// Longest line or payload; more is cut off.
const LONGEST: usize = 2048;
/// How many recorded requests may be left out before a request is taken for one out of turn.
const WINDOW: usize = 8;
const CTRL_Z: u8 = 0x1a;
const ESC: u8 = 0x1b;
/// Commands with parameters that differ from session to session.
const PERSONAL: &[&str] = &["AT+CPIN=", "AT+CUSD=1", "AT+CMGS=", "ATD"];

/// A modem that says what another once said.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What came before the first request.
    opening: Vec<Spoken>,
    exchanges: Vec<Exchange>,
    next: usize,
    typed: Vec<u8>,
    output: VecDeque<(Duration, Vec<u8>)>,
}

/// A line of the modem, and when it came, counted from the request.
#[derive(Clone, Debug)]
struct Spoken {
    after: Duration,
    octets: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Exchange {
    request: Request,
    reply: Vec<Spoken>,
}

/// A request, in two degrees of likeness.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Request {
    exact: String,
    name: String,
}

impl Replay {
    /// Reads a transcript from a file.
    ///
    /// # Errors
    /// What the system says, or the first line that is none of a transcript.
    pub fn load(path: &Path) -> io::Result<Self> {
        let named = |what: String| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|error| io::Error::new(error.kind(), named(error.to_string())))?;
        let lines =
            parse(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, named(error.to_string())))?;
        Ok(Self::new(&lines))
    }

    /// Plays these lines.
    #[must_use]
    pub fn new(lines: &[Line]) -> Self {
        let mut opening = Vec::new();
        let mut exchanges: Vec<Exchange> = Vec::new();
        let mut passed = Duration::ZERO;
        for line in lines {
            match line {
                Line::Sent(octets) => {
                    exchanges.push(Exchange { request: Request::of(octets), reply: Vec::new() });
                    passed = Duration::ZERO;
                }
                Line::Received(octets) => {
                    let reply = exchanges.last_mut().map_or(&mut opening, |exchange| &mut exchange.reply);
                    let spoken = octets.split_inclusive(|octet| *octet == b'\n');
                    reply.extend(spoken.map(|octets| Spoken { after: passed, octets: octets.to_vec() }));
                }
                Line::Passes(time) => passed = passed.saturating_add(*time),
                Line::Expected(_) | Line::Hangup | Line::Synchronise | Line::Remark(_) => {}
            }
        }
        let mut replay = Self { opening, exchanges, next: 0, typed: Vec::new(), output: VecDeque::new() };
        replay.output = replay.opening.iter().map(|spoken| (spoken.after, spoken.octets.clone())).collect();
        replay
    }

    /// Bytes from the terminal.
    pub fn handle_input(&mut self, now: Duration, octets: &[u8]) {
        for &octet in octets {
            match octet {
                ESC => {
                    self.typed.clear();
                    self.request(now, &[ESC]);
                }
                b'\r' | CTRL_Z => {
                    self.typed.push(octet);
                    let request = std::mem::take(&mut self.typed);
                    self.request(now, &request);
                }
                b'\n' => {}
                _ if self.typed.len() < LONGEST => self.typed.push(octet),
                _ => {}
            }
        }
    }

    /// Bytes for the terminal that are due.
    pub fn poll_output(&mut self, now: Duration) -> Vec<u8> {
        let mut due = Vec::new();
        while self.output.front().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.output.pop_front().into_iter().flat_map(|(_, octets)| octets));
        }
        due
    }

    /// When [`Self::poll_output`] has something more.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.output.front().map(|(due, _)| *due)
    }

    fn request(&mut self, now: Duration, octets: &[u8]) {
        let request = Request::of(octets);
        match self.find(&request) {
            Some(found) if found >= self.next => {
                // What was still to come before this request comes now.
                self.output.iter_mut().for_each(|(due, _)| *due = now);
                for skipped in self.exchanges.iter().take(found).skip(self.next) {
                    let notices = skipped.reply.iter().skip(skipped.answer());
                    self.output.extend(notices.map(|spoken| (now, spoken.octets.clone())));
                }
                self.next = found + 1;
                self.speak(now, found, usize::MAX);
            }
            Some(found) => {
                let answer = self.exchanges.get(found).map_or(0, Exchange::answer);
                self.speak(now, found, answer);
            }
            None => {
                if let Some(answer) = request.usual_answer() {
                    self.output.push_front((now, answer.to_vec()));
                }
            }
        }
    }

    /// Puts the first lines of a recorded reply among what is due.
    fn speak(&mut self, now: Duration, exchange: usize, lines: usize) {
        let Some(exchange) = self.exchanges.get(exchange) else { return };
        for spoken in exchange.reply.iter().take(lines) {
            let due = now.saturating_add(spoken.after);
            let place = self.output.partition_point(|(other, _)| *other <= due);
            self.output.insert(place, (due, spoken.octets.clone()));
        }
    }

    /// The recorded request that is meant: soon, or earlier, or later.
    fn find(&self, request: &Request) -> Option<usize> {
        let (before, after) = self.exchanges.split_at_checked(self.next)?;
        let (soon, later) = after.split_at_checked(WINDOW).unwrap_or((after, &[]));
        let exact = |exchange: &Exchange| exchange.request.exact == request.exact;
        let name = |exchange: &Exchange| exchange.request.name == request.name;
        let at = |offset: usize| move |position: usize| position + offset;
        let first = |exchanges: &[Exchange], offset| {
            exchanges.iter().position(exact).or_else(|| exchanges.iter().position(name)).map(at(offset))
        };
        first(soon, self.next)
            .or_else(|| before.iter().rposition(exact))
            .or_else(|| before.iter().rposition(name))
            .or_else(|| first(later, self.next + WINDOW))
    }
}

impl Exchange {
    /// How many lines of the reply are the answer: up to the final result or the prompt.
    fn answer(&self) -> usize {
        let ends = |spoken: &Spoken| {
            let text = String::from_utf8_lossy(&spoken.octets);
            text.starts_with("> ") || FinalResult::parse(text.trim()).is_some()
        };
        self.reply.iter().position(ends).map_or(self.reply.len(), |last| last + 1)
    }
}

impl Request {
    fn of(octets: &[u8]) -> Self {
        if octets.ends_with(&[CTRL_Z]) {
            let exact = String::from_utf8_lossy(&Redactor::default().sent(octets)).into_owned();
            return Self { exact, name: "payload".to_owned() };
        }
        let exact = String::from_utf8_lossy(&Redactor::default().sent(octets)).trim().to_ascii_uppercase();
        let personal = PERSONAL.iter().find(|name| exact.starts_with(**name));
        let name = personal.map_or_else(|| exact.clone(), |name| (*name).to_owned());
        Self { exact, name }
    }

    /// What is said to a request that the recorded session does not have.
    fn usual_answer(&self) -> Option<&'static [u8]> {
        match self.name.as_str() {
            "payload" => Some(b"\r\n+CMS ERROR: 500\r\n"),
            "AT" | "ATE0" => Some(b"\r\nOK\r\n"),
            name if name.starts_with("AT") => Some(b"\r\nERROR\r\n"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "< \\r\\n\n< RDY\\r\\n\n\
        > AT+CSQ\\r\n@ +5ms\n< \\r\\n\n< +CSQ: 17,99\\r\\n\n< \\r\\n\n< OK\\r\\n\n@ +1000ms\n< \\r\\n\n< +CMTI: \"SM\",3\\r\\n\n\
        > AT+CMGR=3\\r\n< \\r\\n\n< OK\\r\\n\n\
        > AT+CPIN=\"0000\"\\r\n< \\r\\n\n< OK\\r\\n\n\
        > AT+CMGS=14\\r\n< \\r\\n\n< >\\x20\n\
        > 0001000B91000000000001000004F0783C1E\\x1a\n< \\r\\n\n< +CMGS: 7\\r\\n\n< \\r\\n\n< OK\\r\\n\n\
        > AT+CSQ\\r\n< \\r\\n\n< +CSQ: 9,99\\r\\n\n< \\r\\n\n< OK\\r\\n\n";

    fn replay() -> Replay {
        Replay::new(&parse(SESSION).unwrap())
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn said(replay: &mut Replay, now: u64, typed: &str) -> String {
        replay.handle_input(ms(now), typed.as_bytes());
        String::from_utf8(replay.poll_output(ms(now))).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn pauses_longer_than_time_itself_are_survived() {
        let text = format!("> AT\\r\n{}< OK\\r\n", "@ +18446744073709551615ms\n".repeat(1001));
        let mut replay = Replay::new(&parse(&text).unwrap());
        replay.handle_input(ms(1), b"AT\r");
        assert_eq!(replay.poll_timeout(), Some(Duration::MAX));
    }

    #[test]
    fn answers_and_notices_come_as_they_were_recorded() {
        let mut replay = replay();
        assert_eq!(said(&mut replay, 0, ""), "|RDY|");
        assert_eq!(said(&mut replay, 10, "AT+CSQ\r"), "");
        assert_eq!(replay.poll_timeout(), Some(ms(15)));
        assert_eq!(said(&mut replay, 15, ""), "|+CSQ: 17,99||OK|");
        assert_eq!(replay.poll_timeout(), Some(ms(1015)));
        assert_eq!(said(&mut replay, 1015, ""), "|+CMTI: \"SM\",3|");
        assert_eq!(said(&mut replay, 1016, "AT+CMGR=3\r"), "|OK|");
        assert_eq!(said(&mut replay, 1017, "AT+CPIN=\"4711\"\r"), "|OK|");
        assert_eq!(said(&mut replay, 1018, "AT+CMGS=14\r"), "|> ");
        assert_eq!(said(&mut replay, 1019, "0001000B914915112345F6000004D4F29C0E\x1a"), "|+CMGS: 7||OK|");
        assert_eq!(said(&mut replay, 1020, "AT+CSQ\r"), "|+CSQ: 9,99||OK|");
        assert_eq!(said(&mut replay, 1021, "AT+CSQ\r"), "|+CSQ: 9,99||OK|");
    }

    #[test]
    fn a_request_that_comes_early_brings_what_was_due_before_it() {
        let mut replay = replay();
        assert_eq!(said(&mut replay, 10, "AT+CSQ\r"), "|RDY|");
        assert_eq!(said(&mut replay, 20, "AT+CMGR=3\r"), "|+CSQ: 17,99||OK||+CMTI: \"SM\",3||OK|");
        let mut replay = self::replay();
        // The notice behind the answer that nobody asked for comes all the same.
        assert_eq!(said(&mut replay, 10, "AT+CMGR=3\r"), "|RDY||+CMTI: \"SM\",3||OK|");
        assert_eq!(said(&mut replay, 20, "AT+CMGD=3\r"), "|ERROR|");
        assert_eq!(said(&mut replay, 30, "AT\r"), "|OK|");
        assert_eq!(said(&mut replay, 40, "\x1b"), "");
    }

    #[test]
    fn a_poll_out_of_turn_moves_nothing() {
        let mut replay = replay();
        said(&mut replay, 0, "AT+CSQ\r");
        said(&mut replay, 5, "");
        replay.next = 2;
        replay.exchanges.truncate(5);
        assert_eq!(said(&mut replay, 100, "AT+CSQ\r"), "");
        assert_eq!(said(&mut replay, 105, ""), "|+CSQ: 17,99||OK|");
        assert_eq!(said(&mut replay, 106, "AT+CPIN=\"12345678\"\r"), "|+CMTI: \"SM\",3||OK|");
    }

    #[test]
    fn a_file_that_is_no_transcript_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.at");
        assert!(Replay::load(&path).unwrap_err().to_string().contains("x.at"));
        fs::write(&path, "> AT\nnonsense\n").unwrap();
        assert!(Replay::load(&path).unwrap_err().to_string().contains("line 2"));
    }
}
