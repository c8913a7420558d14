//! A client that keeps its connection, so that a call's cost is the call's and not the handshake's.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use smsgate::{
    rpc::wire::{Call, Limits, Value, parse_response, write_call},
    tls,
};

use super::rig::{Site, TOKEN};

pub(super) struct KeepAlive(StreamOwned<ClientConnection, TcpStream>);

impl KeepAlive {
    /// Fails while nobody listens.
    pub(super) fn connect(site: &Site) -> io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", site.port))?;
        socket.set_nodelay(true)?;
        let config = Arc::new(tls::client_config(Some(&site.ca())).unwrap());
        let session = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        Ok(Self(StreamOwned::new(session, socket)))
    }

    pub(super) fn ping(&mut self) -> io::Result<()> {
        self.ask("ping", Vec::new()).map(drop)
    }

    /// The answer to a call with the token for everything; it must not be a fault.
    pub(super) fn call(&mut self, method: &str, arguments: &[&str]) -> Value {
        let params = std::iter::once(&TOKEN).chain(arguments).map(|text| Value::string(*text)).collect();
        self.ask(method, params).unwrap()
    }

    fn ask(&mut self, method: &str, params: Vec<Value>) -> io::Result<Value> {
        let call = write_call(&Call { method: method.to_owned(), params });
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", call.len());
        self.0.write_all(format!("{head}{call}").as_bytes())?;
        let body = self.answer()?;
        Ok(parse_response(&body, Limits::RESPONSE).unwrap().unwrap())
    }

    /// The body of one HTTP answer.
    fn answer(&mut self) -> io::Result<Vec<u8>> {
        let (mut read, mut more) = (Vec::new(), [0; 16 * 1024]);
        loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
                    return Ok(read.split_off(end + 4));
                }
            }
            match self.0.read(&mut more)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => read.extend_from_slice(&more[..count]),
            }
        }
    }
}
