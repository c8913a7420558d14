//! A client of the control socket, for tests, benchmarks and the demo. The protocol is described at [`Request`].

use std::{io, path::Path, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{
    conditions::Conditions,
    control::{Request, Stats},
    faults::Fault,
    inject::Injection,
    ledger::Entry,
};

/// A connection to the control socket of `smsgate emulate`.
#[derive(Debug)]
pub struct ControlClient(BufReader<UnixStream>);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket failed.
    #[error("the control socket: {0}")]
    Io(#[from] io::Error),
    /// The emulator is gone.
    #[error("the emulator has closed the control socket")]
    Closed,
    /// The emulator did not take the request.
    #[error("{0}")]
    Refused(String),
    /// No answer of this protocol.
    #[error("an answer that cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Answer<T> {
    error: Option<String>,
    ok: Option<T>,
}

impl ControlClient {
    /// Connects.
    ///
    /// # Errors
    /// There is no such socket, or nobody listens.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(UnixStream::connect(path).await?)))
    }

    /// Sends a message to a modem from outside; the ids of its PDUs in the order in which they come.
    ///
    /// # Errors
    /// [`ControlError`]; refused if no modem has the number, or it cannot be encoded.
    pub async fn inject(&mut self, injection: Injection) -> Result<Vec<u64>, ControlError> {
        self.value(&Request::Inject(injection)).await
    }

    /// Starts a fault.
    ///
    /// # Errors
    /// [`ControlError`]; refused if there is no such modem.
    pub async fn fault(&mut self, modem: usize, what: Fault) -> Result<(), ControlError> {
        self.ask::<()>(&Request::Fault { modem, what }).await.map(drop)
    }

    /// Sets how the service centre treats messages.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn conditions(&mut self, set: Conditions) -> Result<(), ControlError> {
        self.ask::<()>(&Request::Conditions { set }).await.map(drop)
    }

    /// Lets the network send a USSD text.
    ///
    /// # Errors
    /// [`ControlError`]; refused if there is no such modem.
    pub async fn ussd(&mut self, modem: usize, text: &str, answer_wanted: bool) -> Result<(), ControlError> {
        self.ask::<()>(&Request::Ussd { modem, text: text.to_owned(), answer_wanted }).await.map(drop)
    }

    /// The entries of the ledger after number `since`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn ledger(&mut self, since: u64) -> Result<Vec<Entry>, ControlError> {
        self.value(&Request::Ledger { since }).await
    }

    /// The modems and what waits.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn stats(&mut self) -> Result<Stats, ControlError> {
        self.value(&Request::Stats).await
    }

    /// Waits until the network has delivered everything and no modem owes anything; false if that took too long.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn wait_idle(&mut self, at_most: Duration) -> Result<bool, ControlError> {
        self.value(&Request::WaitIdle { seconds: at_most.as_secs_f64() }).await
    }

    async fn value<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, ControlError> {
        self.ask(request).await?.ok_or(ControlError::Closed)
    }

    async fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<Option<T>, ControlError> {
        let line = serde_json::to_string(request)?;
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await?;
        let mut reply = String::new();
        if self.0.read_line(&mut reply).await? == 0 {
            return Err(ControlError::Closed);
        }
        let answer: Answer<T> = serde_json::from_str(&reply)?;
        match answer.error {
            Some(error) => Err(ControlError::Refused(error)),
            None => Ok(answer.ok),
        }
    }
}
