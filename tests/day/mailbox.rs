//! A mail server (RFC 5321 as far as the gateway uses it) over real sockets and TLS, in the day's time, that is down
//! when it is told to be.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

use super::time::Pacing;

/// How the server is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// It takes mails.
    Up,
    /// Nobody listens.
    Refused,
    /// It answers 421 and closes.
    Overloaded,
    /// It takes each mail and closes before it says so.
    Forgetful,
}

/// One mail, as far as the gateway's promises go.
#[derive(Clone, Debug)]
pub struct Mail {
    /// When it was taken.
    pub at: Instant,
    /// `X-SMSgate-Id`.
    pub id: String,
    /// `Message-ID`.
    pub message_id: String,
}

/// The server, which ends with its runtime.
#[derive(Debug)]
pub struct Mailbox {
    pub address: SocketAddr,
    service: watch::Sender<Service>,
    seen: Arc<Seen>,
}

/// What the server has seen.
#[derive(Debug, Default)]
struct Seen {
    mails: Mutex<Vec<Mail>>,
    /// When somebody was told that it is too busy.
    turned_away: Mutex<Vec<Instant>>,
}

impl Mailbox {
    /// A server with the certificate and key of `folder`.
    pub async fn start(folder: &Path, pacing: Arc<Pacing>) -> Self {
        let chain = CertificateDer::pem_file_iter(folder.join("chain.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (service, told) = watch::channel(Service::Up);
        let seen: Arc<Seen> = Arc::default();
        tokio::spawn(serve(listener, address, acceptor, told, Arc::clone(&seen), pacing));
        Self { address, service, seen }
    }

    pub fn set(&self, service: Service) {
        self.service.send_replace(service);
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.seen.mails.lock().unwrap().clone()
    }

    /// When somebody was told that the server is too busy.
    pub fn turned_away(&self) -> Vec<Instant> {
        self.seen.turned_away.lock().unwrap().clone()
    }
}

async fn serve(
    first: TcpListener,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    mut service: watch::Receiver<Service>,
    seen: Arc<Seen>,
    pacing: Arc<Pacing>,
) {
    let mut listener = Some(first);
    loop {
        let now = *service.borrow_and_update();
        match (now, &listener) {
            (Service::Refused, _) => {
                listener = None;
                if service.changed().await.is_err() {
                    return;
                }
            }
            (_, None) => listener = Some(TcpListener::bind(address).await.unwrap()),
            (_, Some(open)) => tokio::select! {
                accepted = open.accept() => {
                    let (stream, _) = accepted.unwrap();
                    pacing.sockets.fetch_add(1, Ordering::Relaxed);
                    let (acceptor, seen, pacing) = (acceptor.clone(), Arc::clone(&seen), Arc::clone(&pacing));
                    let mut service = service.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            // A broken connection is the client's business.
                            _ = converse(stream, acceptor, now, &seen) => {}
                            _ = service.changed() => {}
                        }
                        pacing.sockets.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                changed = service.changed() => if changed.is_err() { return },
            },
        }
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, service: Service, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(acceptor.accept(stream).await?);
    if service == Service::Overloaded {
        seen.turned_away.lock().unwrap().push(Instant::now());
        stream.write_all(b"421 mail.example.org too busy\r\n").await?;
        return stream.shutdown().await;
    }
    stream.write_all(b"220 mail.example.org ESMTP\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => b"250-mail.example.org\r\n250 AUTH PLAIN\r\n",
            "AUTH" => b"235 2.7.0 welcome\r\n",
            "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 2.1.0 OK\r\n",
            "DATA" => {
                stream.write_all(b"354 go ahead\r\n").await?;
                let mail = receive(&mut stream).await?;
                seen.mails.lock().unwrap().push(mail);
                if service == Service::Forgetful {
                    return Ok(());
                }
                b"250 2.0.0 taken\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 2.0.0 bye\r\n").await?;
                return stream.shutdown().await;
            }
            _ => b"500 5.5.1 what?\r\n",
        };
        stream.write_all(reply).await?;
    }
}

async fn receive(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> io::Result<Mail> {
    let mut headers = BTreeMap::new();
    let (mut line, mut in_headers) = (Vec::new(), true);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text == "." {
            let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
            return Ok(Mail { at: Instant::now(), id: header("x-smsgate-id"), message_id: header("message-id") });
        }
        in_headers &= !text.is_empty();
        if in_headers && let Some((name, value)) = text.split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
}
