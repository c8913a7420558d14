//! Asks a running daemon over its control socket.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::protocol::{Answer, Request};

/// How long an answer may take: the modem may be in the middle of a submission.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No such socket, or nobody behind it.
    #[error(
        "the gateway is not running (nobody listens at {path}): start it, e.g. `systemctl start smsgate`, or name its \
         state folder with --state"
    )]
    NotRunning {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The system lets this user not connect.
    #[error("no permission for {path}: run this as root, or as the user the gateway runs as")]
    Permission {
        /// The socket.
        path: PathBuf,
    },
    /// Anything else.
    #[error("the control socket {path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`ClientError`], which says what to do.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|source| failure(path, source))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|source| failure(path, source))?;
        Ok(Self { stream: BufReader::new(stream), path: path.to_owned() })
    }

    /// Asks, and takes the first answer.
    ///
    /// # Errors
    /// [`ClientError`]; an answer that says no is [`ClientError::Refused`].
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        let line = serde_json::to_string(request).map_err(|error| failure(&self.path, error.into()))? + "\n";
        // A daemon that turns us away has its reason in the answer, which is there although nobody reads the request.
        let written = self.stream.get_mut().write_all(line.as_bytes());
        match self.further() {
            Err(ClientError::Io { path, source }) => {
                Err(ClientError::Io { path, source: written.err().unwrap_or(source) })
            }
            answer => answer,
        }
    }

    /// How long the next answer may take; a trace of a silent line has none for long.
    ///
    /// # Errors
    /// [`ClientError`] if the system refuses.
    pub fn patience(&self, time: Duration) -> Result<(), ClientError> {
        self.stream.get_ref().set_read_timeout(Some(time + PATIENCE)).map_err(|source| failure(&self.path, source))
    }

    /// A further answer, of a request that has several.
    ///
    /// # Errors
    /// [`ClientError`], as above.
    pub fn further(&mut self) -> Result<Answer, ClientError> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Err(failure(&self.path, io::Error::new(io::ErrorKind::UnexpectedEof, "the gateway has gone"))),
            Ok(_) => match serde_json::from_str(&line) {
                Ok(Answer::Error { text }) => Err(ClientError::Refused(text)),
                Ok(answer) => Ok(answer),
                Err(error) => Err(failure(&self.path, error.into())),
            },
            Err(error) => Err(failure(&self.path, error)),
        }
    }
}

fn failure(path: &Path, source: io::Error) -> ClientError {
    let path = path.to_owned();
    let kind = source.kind();
    if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
        ClientError::NotRunning { path }
    } else if kind == io::ErrorKind::PermissionDenied {
        ClientError::Permission { path }
    } else {
        ClientError::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_does_not_run_is_called_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let told = Client::connect(&path).unwrap_err().to_string();
        assert!(told.contains("not running") && told.contains("control.sock"), "{told}");
        // What a killed daemon left.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(matches!(Client::connect(&path), Err(ClientError::NotRunning { .. })));
        let denied = failure(&path, io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(denied.contains("root"), "{denied}");
    }
}
