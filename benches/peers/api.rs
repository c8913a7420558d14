//! A client of our API that keeps its connection, as a program that has much to ask does.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use smsgate::{
    rpc::wire::{Call, Limits, Value, parse_response, write_call},
    tls,
};

/// Opens everything.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Longest that an answer may take: a long poll and some.
const DEADLINE: Duration = Duration::from_secs(45);

pub struct Api(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Api {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens, or there is no TLS.
    pub fn connect(port: u16, ca: &Path) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(DEADLINE)).map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let config = tls::client_config(Some(ca)).map_err(|error| error.to_string())?;
        let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        Ok(Self(BufReader::new(StreamOwned::new(session, stream))))
    }

    /// Calls a method with the token before the other arguments.
    ///
    /// # Errors
    /// A fault, or no answer.
    pub fn call(&mut self, method: &str, arguments: &[Value]) -> Result<Value, String> {
        let params = std::iter::once(Value::string(TOKEN)).chain(arguments.iter().cloned()).collect();
        let body = write_call(&Call { method: method.to_owned(), params });
        let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length:";
        let request = format!("{head} {}\r\n\r\n{body}", body.len());
        self.0.get_mut().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let answer = self.read().map_err(|error| format!("{method}: {error}"))?;
        match parse_response(&answer, Limits::RESPONSE) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(format!("{method}: {} (fault {})", fault.message, fault.code)),
            Err(error) => Err(format!("{method}: {error}")),
        }
    }

    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }
}
