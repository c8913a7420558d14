//! The demo's mail server: takes mail over implicit TLS and keeps it (RFC 5321, RFC 8314 3.3).
//!
//! It listens on loopback, asks for a login like a provider would, and speaks just the verbs a submission client needs.
//! It relays nothing. Other clients than our own mailer may deliver to it.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::mime;

/// Longest command line, CR LF included (RFC 5321 4.5.3.1.4), with room for a long AUTH argument.
const LONGEST_LINE: u64 = 4096;
/// Largest mail taken.
const LARGEST_MAIL: u64 = 1 << 20;
/// Mails kept; older ones make room.
const KEPT: usize = 1000;
/// The line around the text of an SMS in our mails.
const RULE: &str = "\n---------------------------------------------------------\n";

/// A received mail, headers and body as sent.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedMail {
    /// The octets between DATA and the final dot, dots unstuffed, UTF-8.
    pub(crate) content: String,
    /// When its last line came.
    pub(crate) received: Instant,
}

impl ReceivedMail {
    /// The value of a header field, unfolded but not decoded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let head = self.content.split("\r\n\r\n").next()?;
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// The text of the SMS that the mail is about: what stands between its two rules.
    pub(crate) fn sms_text(&self) -> Option<String> {
        let (_, body) = self.content.split_once("\r\n\r\n")?;
        let encoding = self.header("Content-Transfer-Encoding").unwrap_or_default();
        let body = mime::decode(&encoding, body)?;
        let (_, text) = body.split_once(RULE)?;
        text.rsplit_once(RULE).map(|(text, _)| text.to_owned())
    }
}

/// The running server's mails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<ReceivedMail>,
    count: usize,
}

impl Mailbox {
    /// Starts the server on a free loopback port.
    pub(crate) async fn start(tls: Arc<rustls::ServerConfig>) -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mailbox = Self::default();
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

    /// The latest mails, newest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<ReceivedMail> {
        self.lock().mails.iter().rev().take(most).cloned().collect()
    }

    /// Mails so far.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    async fn serve(&self, stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(acceptor.accept(stream).await?);
        stream.write_all(b"220 localhost demo mailbox ESMTP\r\n").await?;
        stream.flush().await?;
        let mut known = false;
        loop {
            let Some(line) = read_line(&mut stream).await? else { return Ok(()) };
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer: &[u8] = match verb.as_str() {
                "EHLO" => b"250-localhost\r\n250-AUTH PLAIN LOGIN\r\n250-8BITMIME\r\n250 SIZE 1048576\r\n",
                "MAIL" | "RCPT" | "DATA" if !known => b"530 5.7.0 log in first\r\n",
                "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 OK\r\n",
                "AUTH" => {
                    log_in(&line, &mut stream).await?;
                    known = true;
                    b"235 welcome\r\n"
                }
                "DATA" => {
                    stream.write_all(b"354 go ahead\r\n").await?;
                    stream.flush().await?;
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

    fn keep(&self, content: String) {
        let mut kept = self.lock();
        if kept.mails.len() == KEPT {
            kept.mails.pop_front();
        }
        kept.mails.push_back(ReceivedMail { content, received: Instant::now() });
        kept.count += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any login will do: the box is on loopback and holds demo mail only.
async fn log_in<S>(line: &str, stream: &mut S) -> io::Result<()>
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

/// A line without its end; `None` if the client is gone or the line is too long.
async fn read_line<S: AsyncBufReadExt + Unpin>(stream: &mut S) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    Ok(line.ends_with(b"\n").then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// Reads up to the line with the single dot, taking the stuffed dots away (RFC 5321 4.5.2).
async fn read_data<S: AsyncBufReadExt + Unpin>(stream: &mut S) -> io::Result<Option<String>> {
    let mut stream = stream.take(LARGEST_MAIL);
    let mut content = Vec::new();
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        if line == b".\r\n" {
            return Ok(Some(String::from_utf8_lossy(&content).into_owned()));
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, process::Command};

    use tempfile::TempDir;

    use super::*;
    use crate::tls;

    async fn mailbox() -> (TempDir, Mailbox, SocketAddr) {
        let folder = tempfile::tempdir().unwrap();
        let issued = tls::issue(&["localhost".to_owned()], &[], jiff::Zoned::now().date(), 1).unwrap();
        for (name, text) in [("ca.pem", issued.ca), ("cert.pem", issued.chain), ("key.pem", issued.key)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let at = |name: &str| folder.path().join(name);
        let (certificate, _) = tls::Reloader::load(&at("cert.pem"), &at("key.pem"), &[]).unwrap();
        let config = Arc::clone(&certificate.subscribe().borrow());
        let (mailbox, address) = Mailbox::start(config).await.unwrap();
        (folder, mailbox, address)
    }

    async fn python(script: &str, ca: &Path, address: SocketAddr) -> String {
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(ca).arg(address.port().to_string());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    #[tokio::test]
    async fn another_client_delivers_dots_and_all() {
        let (folder, mailbox, address) = mailbox().await;
        let script = r#"
import smtplib, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
with smtplib.SMTP_SSL("localhost", int(sys.argv[2]), context=context) as client:
    client.login("gateway@example.org", "secret")
    for number in range(2):
        client.sendmail("a@example.org", ["b@example.org"], "Subject: long\r\n enough\r\n\r\n.dot\r\n..\r\n%d\r\n" % number)
"#;
        assert_eq!(python(script, &folder.path().join("ca.pem"), address).await, "");
        assert_eq!(mailbox.count(), 2);
        let [second, first] = <[_; 2]>::try_from(mailbox.latest(9)).unwrap();
        assert!(first.content.ends_with("\r\n\r\n.dot\r\n..\r\n0\r\n"), "{first:?}");
        assert!(second.content.ends_with("..\r\n1\r\n"), "{second:?}");
        assert_eq!(first.header("subject").as_deref(), Some("long enough"));
    }

    #[tokio::test]
    async fn nothing_is_taken_without_a_login() {
        let (folder, mailbox, address) = mailbox().await;
        let script = r#"
import smtplib, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
with smtplib.SMTP_SSL("localhost", int(sys.argv[2]), context=context) as client:
    print(client.mail("a@example.org")[0], client.docmd("BDAT 1 LAST")[0])
"#;
        assert_eq!(python(script, &folder.path().join("ca.pem"), address).await, "530 502\n");
        assert_eq!(mailbox.count(), 0);
    }

    #[test]
    fn the_text_of_an_sms_is_found_in_its_mail() {
        let rule = "-".repeat(57);
        let content = format!("X-A: b\r\n\r\nText              :\r\n\r\n{rule}\r\none\r\n\r\ntwo\r\n{rule}\r\n");
        let mail = ReceivedMail { content, received: Instant::now() };
        assert_eq!(mail.sms_text().as_deref(), Some("one\n\ntwo"));
    }
}
