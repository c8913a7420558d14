//! The client side of the API: XML-RPC over HTTPS, one connection per call, one line per error.
//!
//! Blocking for its callers: a call runs a small runtime of its own until the answer, the deadline or Ctrl-C. What the
//! methods mean is decided elsewhere.

use std::{fmt, io, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig, pki_types::ServerName};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::Mutex,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::exit::Exit;
use crate::{
    model::printable,
    rpc::wire::{self, Call, Fault, Limits, Value},
    tls,
};

/// Longest until TCP and TLS stand.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Where the gateway is.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name or address, as given.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The only CA to trust; `None` = those of the system.
    pub ca: Option<PathBuf>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = printable(&self.host);
        if self.host.contains(':') { write!(f, "[{host}]:{}", self.port) } else { write!(f, "{host}:{}", self.port) }
    }
}

/// Why there is no result.
#[derive(Debug)]
pub enum ClientError {
    /// The gateway answered with a fault.
    Fault(Fault),
    /// Ctrl-C.
    Interrupted,
    /// There was no usable answer from this place.
    Transport(Endpoint, Cause),
}

/// What went wrong between here and the gateway.
#[derive(Debug)]
pub enum Cause {
    /// The CA file or the system's certificates cannot be used.
    Authorities(String),
    /// No such host.
    Unresolved(io::Error),
    /// Nobody listens there.
    Refused,
    /// No connection for another reason.
    Unreachable(io::Error),
    /// The certificate is not signed by somebody trusted here.
    Untrusted,
    /// The certificate is for other names.
    WrongName,
    /// The certificate's time is over or has not come.
    NotValidNow,
    /// No agreement on TLS for another reason.
    Tls(io::Error),
    /// Nothing came in time.
    TimedOut(Duration),
    /// The connection broke while the call was under way.
    Broken(String),
    /// An HTTP status that is no XML-RPC answer.
    Status(StatusCode),
    /// A body that is no XML-RPC answer, or not the one the method has.
    NotXmlRpc,
    /// No runtime, no signals: the system is in a bad way.
    System(io::Error),
}

impl ClientError {
    /// The exit code that fits.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Fault(Fault { code: 401 | 405, .. }) => Exit::NoPermission,
            Self::Fault(Fault { code: 429 | 503, .. }) | Self::Transport(_, Cause::TimedOut(_)) => Exit::Temporary,
            Self::Fault(Fault { code: 400, .. }) => Exit::Usage,
            Self::Fault(_) | Self::Transport(_, Cause::Status(_) | Cause::NotXmlRpc) => Exit::Protocol,
            Self::Interrupted => Exit::Interrupted,
            Self::Transport(_, Cause::Authorities(_)) => Exit::NoInput,
            Self::Transport(_, Cause::System(_)) => Exit::System,
            Self::Transport(..) => Exit::Unavailable,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => {
                write!(f, "{} (fault {})", printable(&fault.message), fault.code)?;
                f.write_str(match fault.code {
                    401 => "; check SMSGATE_APITOKEN: each function can have a token of its own",
                    405 => "; it is switched on in section [api] of smsgate.conf",
                    8001 => "; this gateway is older than this client",
                    _ => "",
                })
            }
            Self::Interrupted => f.write_str("interrupted"),
            Self::Transport(place, cause) => cause.describe(place, f),
        }
    }
}

impl Cause {
    fn describe(&self, place: &Endpoint, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = printable(&place.host);
        match self {
            Self::Authorities(why) => f.write_str(&printable(why)),
            Self::Unresolved(error) => write!(f, "cannot find host {host}: {error}; check --host"),
            Self::Refused => {
                write!(f, "connection to {place} refused; is smsgate running there? check --host and --port")
            }
            Self::Unreachable(error) => write!(f, "cannot reach {place}: {error}"),
            Self::Untrusted => {
                write!(f, "the certificate of {place} is not signed by a trusted CA; name the file of its CA with --ca")
            }
            Self::WrongName => write!(
                f,
                "the certificate of {place} is not for the name {host}; use a name that is in it as --host, or make one \
                 with `smsgate cert {host}`"
            ),
            Self::NotValidNow => write!(
                f,
                "the certificate of {place} is expired or not valid yet; renew it, or check the clocks of both hosts"
            ),
            Self::Tls(error) => write!(f, "no TLS with {place}: {error}; is this the port of the API?"),
            Self::TimedOut(after) => write!(f, "no answer from {place} within {} s", after.as_secs()),
            Self::Broken(why) => write!(f, "the connection to {place} broke: {why}"),
            Self::Status(status) => write!(f, "{place} answered HTTP {status}; is this the port of the API?"),
            Self::NotXmlRpc => write!(f, "the answer of {place} is not understood; is this the port of the API?"),
            Self::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}

/// Calls methods of one gateway with one token.
pub struct Client {
    endpoint: Endpoint,
    token: SecretString,
    deadline: Duration,
    runtime: Runtime,
    /// One for all calls: a Ctrl-C between two of them must not be lost.
    interrupts: Mutex<Signal>,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// Prepares calls; nothing is sent yet.
    ///
    /// # Errors
    /// The certificates to trust cannot be read.
    pub fn new(endpoint: Endpoint, token: SecretString, deadline: Duration) -> Result<Self, ClientError> {
        match tls::client_config(endpoint.ca.as_deref()) {
            Ok(config) => Self::with_tls(endpoint, token, deadline, config),
            Err(error) => Err(ClientError::Transport(endpoint, Cause::Authorities(error.to_string()))),
        }
    }

    /// As [`Client::new`], with another idea of whom to trust than the endpoint's.
    pub(super) fn with_tls(
        endpoint: Endpoint,
        token: SecretString,
        deadline: Duration,
        tls: ClientConfig,
    ) -> Result<Self, ClientError> {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Err(ClientError::Transport(endpoint, Cause::System(error))),
        };
        let interrupts = {
            let _context = runtime.enter();
            match signal(SignalKind::interrupt()) {
                Ok(interrupts) => Mutex::new(interrupts),
                Err(error) => return Err(ClientError::Transport(endpoint, Cause::System(error))),
            }
        };
        Ok(Self { endpoint, token, deadline, runtime, interrupts, tls: Arc::new(tls) })
    }

    /// Where calls go.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Calls a method; the token goes before the other arguments.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, ClientError> {
        self.until_interrupted(self.ask(method, arguments))
    }

    /// The same for those who wait for other things too, within [`run`](Self::run).
    pub(super) async fn ask(&self, method: &str, arguments: &[Value]) -> Result<Value, ClientError> {
        let mut params = vec![Value::string(self.token.expose_secret())];
        params.extend_from_slice(arguments);
        let body = wire::write_call(&Call { method: method.to_owned(), params });
        match timeout(self.deadline, self.post(body)).await {
            Ok(result) => result,
            Err(_) => Err(self.transport(Cause::TimedOut(self.deadline))),
        }
    }

    /// Runs something of the caller's that makes calls among other things. Ctrl-C is its business, see
    /// [`interrupted`](Self::interrupted).
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Ends at Ctrl-C, also at one since the last call.
    pub(super) async fn interrupted(&self) {
        self.interrupts.lock().await.recv().await;
    }

    /// Forgets a Ctrl-C that came too late for what it was meant for.
    pub(super) fn forget_interrupts(&self) {
        self.runtime.block_on(async {
            // Once round the loop, so that a signal of the past is seen as one.
            tokio::task::yield_now().await;
            tokio::select! {
                biased;
                () = self.interrupted() => {}
                () = std::future::ready(()) => {}
            }
        });
    }

    /// Connects, agrees on TLS and hangs up.
    pub(super) fn handshake(&self) -> Result<(), ClientError> {
        self.until_interrupted(async {
            match timeout(self.deadline, self.connect()).await {
                Ok(connected) => connected.map(drop).map_err(|cause| self.transport(cause)),
                Err(_) => Err(self.transport(Cause::TimedOut(self.deadline))),
            }
        })
    }

    /// Ends without waiting for a look-up of the host's name that may still be under way.
    pub(super) fn abandon(self) {
        self.runtime.shutdown_background();
    }

    /// Waits.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`] at Ctrl-C.
    pub fn pause(&self, duration: Duration) -> Result<(), ClientError> {
        self.until_interrupted(async {
            tokio::time::sleep(duration).await;
            Ok(())
        })
    }

    fn until_interrupted<T>(&self, work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        self.runtime.block_on(async {
            tokio::select! {
                result = work => result,
                () = self.interrupted() => Err(ClientError::Interrupted),
            }
        })
    }

    async fn post(&self, body: String) -> Result<Value, ClientError> {
        let document = self.exchange(body).await.map_err(|cause| self.transport(cause))?;
        match wire::parse_response(&document, Limits::RESPONSE) {
            Ok(result) => result.map_err(ClientError::Fault),
            Err(_) => Err(self.transport(Cause::NotXmlRpc)),
        }
    }

    async fn exchange(&self, body: String) -> Result<Bytes, Cause> {
        let stream = match timeout(CONNECT_DEADLINE, self.connect()).await {
            Ok(connected) => connected?,
            Err(_) => return Err(Cause::TimedOut(CONNECT_DEADLINE)),
        };
        let broken = |error: hyper::Error| Cause::Broken(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = tokio::spawn(connection);
        let request = Request::post("/RPC2")
            .header(header::HOST, self.endpoint.to_string())
            .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header(header::USER_AGENT, concat!("smsgate/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Cause::Broken(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), Limits::RESPONSE.body).collect().await;
        driver.abort();
        if status != StatusCode::OK {
            return Err(Cause::Status(status));
        }
        body.map(http_body_util::Collected::to_bytes).map_err(|error| Cause::Broken(error.to_string()))
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Cause> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let addresses: Vec<_> =
            tokio::net::lookup_host((host.as_str(), *port)).await.map_err(Cause::Unresolved)?.collect();
        let tcp = TcpStream::connect(&*addresses).await.map_err(|error| {
            if error.kind() == io::ErrorKind::ConnectionRefused { Cause::Refused } else { Cause::Unreachable(error) }
        })?;
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(host.clone()).map_err(|_| Cause::WrongName)?,
        };
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await.map_err(tls_cause)
    }

    fn transport(&self, cause: Cause) -> ClientError {
        ClientError::Transport(self.endpoint.clone(), cause)
    }
}

fn tls_cause(error: io::Error) -> Cause {
    use CertificateError as Certificate;
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(certificate)) = found else { return Cause::Tls(error) };
    if matches!(certificate, Certificate::UnknownIssuer | Certificate::BadSignature) {
        Cause::Untrusted
    } else if matches!(certificate, Certificate::NotValidForName | Certificate::NotValidForNameContext { .. }) {
        Cause::WrongName
    } else if matches!(
        certificate,
        Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. }
    ) {
        Cause::NotValidNow
    } else {
        Cause::Tls(error)
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::{Signal::SIGINT, raise};

    use super::*;

    #[test]
    fn a_ctrl_c_that_comes_with_the_answer_ends_the_next_call_and_none_after_it() {
        tls::install_provider();
        let endpoint = Endpoint { host: "localhost".to_owned(), port: 1, ca: None };
        let trust = tls::client_config(None).unwrap();
        let client = Client::with_tls(endpoint, SecretString::default(), Duration::from_secs(1), trust).unwrap();
        // Which of two things that are ready is taken is left to chance: more than once both ways.
        for round in 0..24 {
            let answered = client.until_interrupted(async {
                let mut seen = signal(SignalKind::interrupt()).unwrap();
                raise(SIGINT).unwrap();
                seen.recv().await;
                Ok(())
            });
            let ended = match answered {
                Ok(()) => client.pause(Duration::from_millis(200)),
                interrupted => interrupted,
            };
            assert!(matches!(ended, Err(ClientError::Interrupted)), "round {round}: it was lost");
            assert!(client.pause(Duration::from_millis(1)).is_ok(), "round {round}: it was seen twice");
            raise(SIGINT).unwrap();
            client.forget_interrupts();
            assert!(client.pause(Duration::from_millis(1)).is_ok(), "round {round}: it was not forgotten");
        }
    }
}
