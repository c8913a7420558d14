//! How a command ends: exit codes of sysexits.h, and the one line that says why.

use std::{fmt, io, process::ExitCode};

use super::client::ClientError;

/// The exit codes in use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done.
    Ok,
    /// It worked as asked, and the answer is no: an SMS was not delivered, the network refused a USSD code.
    Negative,
    /// `EX_USAGE`: the arguments make no sense.
    Usage,
    /// `EX_DATAERR`: what was read is not what it should be.
    Data,
    /// `EX_NOINPUT`: a file cannot be read.
    NoInput,
    /// `EX_UNAVAILABLE`: the gateway cannot be reached.
    Unavailable,
    /// `EX_OSERR`: the system refuses something basic.
    System,
    /// `EX_CANTCREAT`: a file cannot be written.
    CannotCreate,
    /// `EX_IOERR`: the output cannot be written.
    Output,
    /// `EX_TEMPFAIL`: not now, perhaps later.
    Temporary,
    /// `EX_PROTOCOL`: the other side does not speak our language.
    Protocol,
    /// `EX_NOPERM`: the token does not allow it.
    NoPermission,
    /// `EX_CONFIG`: the configuration has errors.
    Configuration,
    /// Ended by Ctrl-C, as shells count it.
    Interrupted,
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Negative => 1,
            Self::Usage => 64,
            Self::Data => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::System => 71,
            Self::CannotCreate => 73,
            Self::Output => 74,
            Self::Temporary => 75,
            Self::Protocol => 76,
            Self::NoPermission => 77,
            Self::Configuration => 78,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// Our own finding, in one line.
    Told(Exit, String),
    /// The gateway could not be asked, or answered with a fault.
    Client(ClientError),
    /// Writing to the terminal or pipe failed.
    Output(io::Error),
}

impl Failure {
    /// A finding with its exit code.
    pub fn new(exit: Exit, line: impl Into<String>) -> Self {
        Self::Told(exit, line.into())
    }

    /// The code to end with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Told(exit, _) => *exit,
            Self::Client(error) => error.exit(),
            // `smsgate stats | head -1` is no error.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
            Self::Output(_) => Exit::Output,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(_, line) => f.write_str(line),
            Self::Client(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Output(error.into())
    }
}
