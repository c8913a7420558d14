//! A client of the API that can be anywhere in 127.0.0.0/8 and says whatever octets it is told to.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};
use smsgate::{
    rpc::wire::{Call, Fault, Limits, Value, parse_response, write_call},
    tls,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::rig::Site;

/// Longest anything may take; only failures wait that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to a daemon.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    trust: Arc<ClientConfig>,
}

impl Target {
    pub fn of(site: &Site) -> Self {
        let trust = Arc::new(tls::client_config(Some(&site.ca())).unwrap());
        Self { address: (Ipv4Addr::LOCALHOST, site.port).into(), trust }
    }

    /// A connection without TLS.
    pub async fn tcp(&self, source: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        // Thousands of connections in a row would use up the ports.
        socket.set_reuseaddr(true)?;
        socket.bind((source, 0).into())?;
        let stream = timeout(PATIENCE, socket.connect(self.address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub async fn tls(&self, source: Ipv4Addr) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        let stream = self.tcp(source).await?;
        timeout(PATIENCE, TlsConnector::from(Arc::clone(&self.trust)).connect(name, stream)).await?
    }

    /// Says hello, hears the whole of what the server has to say, and hangs up.
    pub async fn break_off(&self, mut stream: TcpStream) -> io::Result<()> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.trust), name).map_err(io::Error::other)?;
        let mut hello = Vec::new();
        client.write_tls(&mut hello)?;
        stream.write_all(&hello).await?;
        let mut heard = [0; 4096];
        timeout(PATIENCE, stream.read(&mut heard)).await??;
        Ok(())
    }

    pub async fn peer(&self, source: Ipv4Addr) -> io::Result<Peer> {
        Ok(Peer { stream: self.tls(source).await? })
    }

    /// A call on a connection of its own, as Python's client makes it; how long all of it took.
    pub async fn timed(&self, source: Ipv4Addr, method: &str, arguments: &[&str]) -> io::Result<Duration> {
        let began = Instant::now();
        let answer = self.peer(source).await?.call(method, arguments).await?;
        answer.map_err(|fault| io::Error::other(format!("{method}: {fault:?}")))?;
        Ok(began.elapsed())
    }
}

/// A connection.
pub struct Peer {
    pub stream: TlsStream<TcpStream>,
}

impl Peer {
    pub async fn call(&mut self, method: &str, arguments: &[&str]) -> io::Result<Result<Value, Fault>> {
        self.stream.write_all(request(method, arguments).as_bytes()).await?;
        let (head, body) = timeout(PATIENCE, answer(&mut self.stream)).await??;
        if !head.starts_with("http/1.1 200") {
            return Err(io::Error::other(head));
        }
        parse_response(&body, Limits::RESPONSE).map_err(io::Error::other)
    }

    pub async fn timed(&mut self, method: &str, arguments: &[&str]) -> io::Result<Duration> {
        let began = Instant::now();
        self.call(method, arguments).await?.map_err(|fault| io::Error::other(format!("{method}: {fault:?}")))?;
        Ok(began.elapsed())
    }
}

/// A whole HTTP request.
pub fn request(method: &str, arguments: &[&str]) -> String {
    let params = arguments.iter().map(|text| Value::string(*text)).collect();
    post(&write_call(&Call { method: method.to_owned(), params }))
}

/// A document as a request.
pub fn post(document: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{document}", document.len())
}

/// One HTTP answer: its head in small letters, and its body.
pub async fn answer(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return Ok((head, read[end + 4..].to_vec()));
            }
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
