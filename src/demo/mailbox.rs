//! The demo's mail server: takes mail over implicit TLS and keeps it (RFC 5321, RFC 8314 3.3).
//!
//! It listens on loopback, asks for a login like a provider would, and speaks just the verbs a submission client needs.
//! It relays nothing. Other clients than our own mailer may deliver to it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// Longest command line, CR LF included (RFC 5321 4.5.3.1.4), with room for a long AUTH argument.
const LONGEST_LINE: u64 = 4096;
/// Largest mail taken.
const LARGEST_MAIL: usize = 1 << 20;

/// A received mail, headers and body as sent.
#[derive(Clone, Debug)]
pub(super) struct ReceivedMail {
    /// The octets between DATA and the final dot, dots unstuffed, UTF-8.
    pub(super) content: String,
}

impl ReceivedMail {
    /// The value of a header field, unfolded but not decoded.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let head = self.content.split("\r\n\r\n").next()?;
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// The running server's mails.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    mails: Arc<Mutex<Vec<ReceivedMail>>>,
    count: watch::Sender<usize>,
}

impl Mailbox {
    /// Starts the server on a free loopback port.
    pub(super) async fn start(tls: Arc<rustls::ServerConfig>) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mailbox = Self { mails: Arc::default(), count: watch::channel(0).0 };
        let acceptor = TlsAcceptor::from(tls);
        let accepting = mailbox.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (session, acceptor) = (accepting.clone(), acceptor.clone());
                // A client that breaks off is its own business.
                tokio::spawn(async move { session.serve(stream, acceptor).await.ok() });
            }
        });
        Ok((mailbox, address))
    }

    /// Every mail so far, oldest first.
    pub(super) fn mails(&self) -> Vec<ReceivedMail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes with each mail.
    pub(super) fn arrivals(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    async fn serve(&self, stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
        let mut stream = BufReader::new(acceptor.accept(stream).await?);
        stream.write_all(b"220 localhost demo mailbox ESMTP\r\n").await?;
        loop {
            let Some(line) = read_line(&mut stream).await? else { return Ok(()) };
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer: &[u8] = match verb.as_str() {
                "EHLO" => b"250-localhost\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250 SIZE 1048576\r\n",
                "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 OK\r\n",
                "AUTH" => {
                    self.log_in(&line, &mut stream).await?;
                    b"235 welcome\r\n"
                }
                "DATA" => {
                    stream.write_all(b"354 go ahead\r\n").await?;
                    let Some(content) = read_data(&mut stream).await? else { return Ok(()) };
                    self.keep(content);
                    b"250 kept\r\n"
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return stream.shutdown().await;
                }
                _ => b"502 not here\r\n",
            };
            stream.write_all(answer).await?;
            stream.flush().await?;
        }
    }

    /// Any login will do: the box is on loopback and holds demo mail only.
    async fn log_in<S>(&self, line: &str, stream: &mut S) -> io::Result<()>
    where
        S: AsyncBufReadExt + AsyncWriteExt + Unpin,
    {
        let prompts: &[&[u8]] = match line.split_whitespace().count() {
            2 if line.to_ascii_uppercase().ends_with("LOGIN") => &[b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n"],
            2 => &[b"334 \r\n"],
            _ => &[],
        };
        for prompt in prompts {
            stream.write_all(prompt).await?;
            stream.flush().await?;
            read_line(stream).await?;
        }
        Ok(())
    }

    fn keep(&self, content: String) {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        mails.push(ReceivedMail { content });
        self.count.send_replace(mails.len());
    }
}

async fn read_line<S: AsyncBufReadExt + Unpin>(stream: &mut S) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let octets = stream.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    Ok((octets > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// Reads up to the line with the single dot, taking the stuffed dots away (RFC 5321 4.5.2).
async fn read_data<S: AsyncBufReadExt + Unpin>(stream: &mut S) -> io::Result<Option<String>> {
    let mut content = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 || content.len() + line.len() > LARGEST_MAIL {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(String::from_utf8_lossy(&content).into_owned()));
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
