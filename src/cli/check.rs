//! `check_smsgate`: the gateway's health for Icinga and Nagios (their plugin interface: one line, exit code 0 to 3).

use std::{
    io::Write,
    time::{Duration, Instant},
};

use super::{
    client::{Cause, Client, ClientError},
    connection::Connection,
    exit::Failure,
};
use crate::{model::printable, rpc::wire::Value};

/// Longest the check may take, as monitoring hosts expect.
const DEADLINE: Duration = Duration::from_secs(10);

/// What monitoring is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    fn named(word: &str) -> Self {
        [Self::Ok, Self::Warning, Self::Critical]
            .into_iter()
            .find(|level| level.word() == word)
            .unwrap_or(Self::Unknown)
    }
}

/// The exit code for arguments that make no sense.
pub(super) const USAGE_CODE: u8 = Level::Unknown.code();

/// Prints the line and returns the exit code.
pub(super) fn run(connection: &Connection, out: &mut impl Write) -> u8 {
    let start = Instant::now();
    let (level, mut line) = match connection.client(DEADLINE) {
        Ok(client) => match client.call("get_health_state", &[]) {
            Ok(answer) => healthy(&answer),
            Err(error) => unhealthy(&client, &error),
        },
        Err(Failure::Client(error)) => (Level::Unknown, error.to_string()),
        Err(other) => (Level::Unknown, other.to_string()),
    };
    // The bar ends the text in the plugin interface.
    line = printable(&line).replace('|', "/");
    let seconds = start.elapsed().as_secs_f64();
    match writeln!(out, "{} {line}| time={seconds:.3}s;;;0;{}", level.word(), DEADLINE.as_secs()) {
        Ok(()) => level.code(),
        Err(_) => Level::Unknown.code(),
    }
}

fn healthy(answer: &Value) -> (Level, String) {
    let pair = answer.as_array().unwrap_or_default();
    let word = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
    let level = Level::named(word(0));
    match (level, word(1)) {
        (Level::Unknown, _) => (level, "the answer is not understood ".to_owned()),
        (_, "") => (level, String::new()),
        (_, reasons) => (level, format!("{reasons} ")),
    }
}

fn unhealthy(client: &Client, error: &ClientError) -> (Level, String) {
    let place = client.endpoint();
    match error {
        // Upstream's words, which sites match on.
        ClientError::Transport(_, Cause::Refused) => {
            (Level::Critical, format!("Connection to {}:{} refused. ", place.host, place.port))
        }
        ClientError::Transport(_, Cause::TimedOut(_) | Cause::Authorities(_) | Cause::System(_))
        | ClientError::Fault(_)
        | ClientError::Interrupted => (Level::Unknown, format!("{error} ")),
        ClientError::Transport(..) => (Level::Critical, format!("{error} ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_levels() {
        for (level, reasons, expected) in [
            ("OK", "", (Level::Ok, "")),
            ("WARNING", "weak signal", (Level::Warning, "weak signal ")),
            ("CRITICAL", "a; b", (Level::Critical, "a; b ")),
            ("FINE", "", (Level::Unknown, "the answer is not understood ")),
        ] {
            let answer = Value::Array(vec![Value::string(level), Value::string(reasons)]);
            assert_eq!(healthy(&answer), (expected.0, expected.1.to_owned()), "{level}");
        }
        assert_eq!(healthy(&Value::int(1)).0, Level::Unknown);
    }
}
