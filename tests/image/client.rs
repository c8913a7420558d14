//! A client of the box's API that knows the box by a name of its certificate, not by the address of the forwarded port.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use smsgate::rpc::wire::{self, Call, Fault, Limits, Value};

/// Longest call, unless the client says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer of the API's: no connection, no trust, no XML-RPC.
#[derive(Debug)]
pub struct NoAnswer(pub String);

/// The box as a client outside sees it.
#[derive(Clone, Debug)]
pub struct Client {
    pub port: u16,
    /// The only CA to trust, PEM.
    pub ca: PathBuf,
    /// Name in the certificate.
    pub name: String,
    /// Longest wait for the next octets of an answer.
    pub patience: Duration,
}

impl Client {
    /// # Errors
    /// No answer. A fault is one.
    pub fn call(&self, method: &str, arguments: &[Value]) -> Result<Result<Value, Fault>, NoAnswer> {
        let body = wire::write_call(&Call { method: method.to_owned(), params: arguments.to_vec() });
        let answer = self.post(&body).map_err(|error| NoAnswer(error.to_string()))?;
        let Some(start) = answer.windows(4).position(|octets| octets == b"\r\n\r\n") else {
            return Err(NoAnswer(String::from_utf8_lossy(&answer).into_owned()));
        };
        wire::parse_response(&answer[start + 4..], Limits::RESPONSE)
            .map_err(|error| NoAnswer(format!("{error:?}: {}", String::from_utf8_lossy(&answer))))
    }

    /// Whether `ping` is answered as it should be.
    ///
    /// # Errors
    /// What else came.
    pub fn ping(&self) -> Result<(), NoAnswer> {
        match self.call("ping", &[])? {
            Ok(answer) if answer.as_str() == Some("OK") => Ok(()),
            other => Err(NoAnswer(format!("{other:?}"))),
        }
    }

    /// SHA-256 of the certificate that the box shows, as browsers write it.
    ///
    /// # Errors
    /// No connection, no trust.
    pub fn fingerprint(&self) -> Result<String, Box<dyn std::error::Error>> {
        let mut stream = self.connect()?;
        stream.conn.complete_io(&mut stream.sock)?;
        let certificates = stream.conn.peer_certificates().ok_or("no certificate")?;
        let sum = digest(&SHA256, certificates.first().ok_or("no certificate")?);
        Ok(sum.as_ref().iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":"))
    }

    fn connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>, Box<dyn std::error::Error>> {
        smsgate::tls::install_provider();
        let config = Arc::new(smsgate::tls::client_config(Some(&self.ca))?);
        let socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(self.patience))?;
        let connection = ClientConnection::new(config, ServerName::try_from(self.name.clone())?)?;
        Ok(StreamOwned::new(connection, socket))
    }

    fn post(&self, body: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let mut stream = self.connect()?;
        let (host, length) = (&self.name, body.len());
        write!(
            stream,
            "POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml; charset=utf-8\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}
