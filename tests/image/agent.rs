//! Commands inside the box, run as root by the test image's agent over a virtio-serial port.
//!
//! A line with a number and a command goes in, a line with the number, the exit status and the output comes back; command
//! and output in base64. The box takes the line when it is ready for it, which is early in its boot.

use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// What came of a command.
#[derive(Debug)]
pub struct Output {
    pub status: i32,
    /// Standard output and error.
    pub text: String,
}

pub struct Agent {
    stream: BufReader<UnixStream>,
    number: u32,
}

impl Agent {
    /// # Errors
    /// QEMU has no such socket yet, or no more.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self { stream: BufReader::new(UnixStream::connect(socket)?), number: 0 })
    }

    /// Runs a command of the shell.
    ///
    /// # Errors
    /// The box does not answer in time, or is gone.
    pub fn run(&mut self, command: &str, patience: Duration) -> io::Result<Output> {
        self.number += 1;
        let deadline = Instant::now() + patience;
        writeln!(self.stream.get_mut(), "{} {}", self.number, encode(command.as_bytes()))?;
        let mut line = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.get_ref().set_read_timeout(Some(left))?;
            match self.stream.read_until(b'\n', &mut line) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) if line.ends_with(b"\n") => {}
                Ok(_) => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
            // An answer that nobody waited for any more may come first.
            if let Some(output) = answer(&line, self.number) {
                return Ok(output);
            }
            line.clear();
        }
    }
}

/// The output in a line of the agent's, if it is about this number.
fn answer(line: &[u8], number: u32) -> Option<Output> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    if words.next()?.parse() != Ok(number) {
        return None;
    }
    let status = words.next()?.parse().ok()?;
    let text = decode(words.next().unwrap_or_default())?;
    Some(Output { status, text: String::from_utf8_lossy(&text).into_owned() })
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64, RFC 4648 section 4.
fn encode(octets: &[u8]) -> String {
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (at, octet)| bits | u32::from(*octet) << (16 - 8 * at));
        for digit in 0..4 {
            let value = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap();
            text.push(if digit > group.len() { '=' } else { DIGITS[value].into() });
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter(|digit| *digit != b'=') {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(octets)
}

#[test]
fn answers_are_told_apart_and_decoded() {
    for text in ["", "a", "ab", "abc", "uname -a\n", "\u{fc}\u{20ac}"] {
        assert_eq!(decode(&encode(text.as_bytes())).unwrap(), text.as_bytes());
    }
    assert_eq!(encode(b"ls /\n"), "bHMgLwo=");
    assert!(answer(b"1 0 YQ==\n", 2).is_none());
    let output = answer(b"2 3 YQ==\n", 2).unwrap();
    assert_eq!((output.status, output.text.as_str()), (3, "a"));
}
