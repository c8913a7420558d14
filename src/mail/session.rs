//! One SMTP connection (RFC 5321): opening it safely, and handing over one mail at a time, each step with a time limit.
//!
//! What a refusal means is decided here ([`Refusal`]); when to try again is [`super::mailer`]'s business.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
    path::Path,
    time::Duration,
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt, Rset},
        extension::{ClientId, Extension, MailParameter},
        response::Response,
    },
};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::compose::Letter;
use crate::{
    config::{self, MailSecurity},
    model::printable,
};

/// How long each step may take. RFC 5321 4.5.3.2 gives the least a client should grant.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// Name lookup, TCP, TLS, greeting and EHLO; also STARTTLS with all that follows.
    pub connect: Duration,
    /// One command: AUTH, MAIL, RCPT, DATA, RSET, QUIT.
    pub command: Duration,
    /// The text and the answer to its final dot.
    pub text: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(120), command: Duration::from_secs(300), text: Duration::from_secs(600) }
    }
}

/// A step of the dialogue, for messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Connect,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Text,
    Reset,
}

impl Step {
    const fn words(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Text => "the end of the text",
            Self::Reset => "RSET",
        }
    }
}

/// Why the server does not serve at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// `security = none` towards another machine.
    #[error("refusing to speak to {server} without TLS: `security = none` is for servers on this machine only")]
    Unprotected {
        /// As configured.
        server: String,
    },
    /// The server (or somebody in between) does not offer STARTTLS.
    #[error("the server does not offer STARTTLS, refusing to go on without TLS")]
    NoStartTls,
    /// The file of `[mail] ca` cannot be used.
    #[error("cannot read certificates from {path}: {reason}")]
    Authorities {
        /// As configured.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer to {} within {} s", step.words(), limit.as_secs_f32())]
    Silent {
        /// Where it hung.
        step: Step,
        /// How long was waited.
        limit: Duration,
    },
    /// The server refused, or the connection broke.
    #[error("{} failed: {words}", step.words())]
    Failed {
        /// Where.
        step: Step,
        /// The words of the server, of TLS or of the system; safe to print.
        words: String,
    },
}

/// What became of one mail that was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The server will never take this mail (5xx about its recipient or text).
    #[error("{0}")]
    Permanent(String),
    /// Not now (4xx); other mails may pass.
    #[error("{0}")]
    Transient(String),
    /// The connection or the whole service is unusable.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A connection that is ready for mails.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    limits: TimeLimits,
    carried: usize,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("carried", &self.carried).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects, secures the connection as configured and logs in if there is an account.
    ///
    /// # Errors
    /// [`SessionError`]; no credentials were sent unless the connection was as safe as the configuration asks.
    pub(super) async fn open(mail: &config::Mail, host: &str, limits: TimeLimits) -> Result<Self, SessionError> {
        if mail.security == MailSecurity::None && !is_loopback(&mail.server) {
            return Err(SessionError::Unprotected { server: printable(&mail.server) });
        }
        let hello = ClientId::Domain(host.to_owned());
        let tls = match mail.security {
            MailSecurity::None => None,
            MailSecurity::Tls | MailSecurity::StartTls => Some(tls_parameters(mail).await?),
        };
        let (implicit, upgrade) = match mail.security {
            MailSecurity::StartTls => (None, tls),
            MailSecurity::Tls | MailSecurity::None => (tls, None),
        };
        let server = (mail.server.as_str(), mail.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(limits.connect), &hello, implicit, None);
        let mut connection = within(Step::Connect, limits.connect, connecting).await?.map_err(failed(Step::Connect))?;
        if let Some(tls) = upgrade {
            if !connection.can_starttls() {
                return Err(SessionError::NoStartTls);
            }
            within(Step::StartTls, limits.connect, connection.starttls(tls, &hello))
                .await?
                .map_err(failed(Step::StartTls))?;
        }
        if !mail.user.is_empty() {
            let account = Credentials::new(mail.user.clone(), mail.password.expose_secret().to_owned());
            let login = connection.auth(DEFAULT_MECHANISMS, &account);
            let reply = within(Step::Auth, limits.command, login).await?.map_err(failed(Step::Auth))?;
            expect(Step::Auth, &reply)?;
        }
        Ok(Self { connection, limits, carried: 0 })
    }

    /// Mails taken over this connection.
    #[must_use]
    pub(super) fn carried(&self) -> usize {
        self.carried
    }

    /// Hands over one mail. After `Ok` the server has taken responsibility for it; after
    /// [`Refusal::Session`] the connection must be dropped.
    ///
    /// A recipient that is refused for good does not keep the others of the same mail from getting it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) async fn deliver(&mut self, letter: &Letter) -> Result<(), Refusal> {
        let outcome = self.transact(letter).await;
        match &outcome {
            Ok(()) => self.carried += 1,
            Err(Refusal::Permanent(_) | Refusal::Transient(_)) => {
                self.command(Step::Reset, Rset).await.map_err(|error| error.into_session(Step::Reset))?;
            }
            Err(Refusal::Session(_)) => {}
        }
        outcome
    }

    /// Says goodbye; a failure to do so does not matter any more.
    pub(super) async fn quit(mut self, limit: Duration) {
        let _ = timeout(limit, self.connection.quit()).await;
    }

    async fn transact(&mut self, letter: &Letter) -> Result<(), Refusal> {
        // A refused sender is a matter of the account, not of this mail: dead letters would empty the whole spool.
        let mail = Mail::new(letter.envelope.from().cloned(), self.parameters(&letter.envelope));
        self.command(Step::Mail, mail).await.map_err(|error| error.sender_refused())?;

        let mut accepted = 0_usize;
        let mut refused = None;
        for recipient in letter.envelope.to() {
            match self.command(Step::Rcpt, Rcpt::new(recipient.clone(), Vec::new())).await {
                Ok(()) => accepted += 1,
                Err(error) => match error.refusal(Step::Rcpt) {
                    permanent @ Refusal::Permanent(_) => refused = Some(permanent),
                    other @ (Refusal::Transient(_) | Refusal::Session(_)) => return Err(other),
                },
            }
        }
        match (accepted, refused) {
            (0, Some(refusal)) => return Err(refusal),
            (_, Some(refusal)) => tracing::warn!("a mail goes to some of its recipients only: {refusal}"),
            (_, None) => {}
        }

        self.command(Step::Data, Data).await.map_err(|error| error.refusal(Step::Data))?;
        let reply = within(Step::Text, self.limits.text, self.connection.command(Text(&letter.text))).await?;
        let reply = reply.map_err(|error| StepError::Smtp(error).refusal(Step::Text))?;
        Ok(expect(Step::Text, &reply)?)
    }

    fn parameters(&self, envelope: &Envelope) -> Vec<MailParameter> {
        let offered = self.connection.server_info().supports_feature(Extension::SmtpUtfEight);
        let ascii =
            envelope.from().into_iter().chain(envelope.to()).all(|address| AsRef::<str>::as_ref(address).is_ascii());
        if offered && !ascii { vec![MailParameter::SmtpUtfEight] } else { Vec::new() }
    }

    async fn command(&mut self, step: Step, command: impl fmt::Display) -> Result<(), StepError> {
        let reply = within(step, self.limits.command, self.connection.command(command)).await;
        let reply = reply.map_err(StepError::Session)?.map_err(StepError::Smtp)?;
        expect(step, &reply).map_err(StepError::Session)
    }
}

/// A mail as it goes over the line: a dot at the beginning of a line is doubled, and one alone ends it (RFC 5321 4.5.2).
///
/// Both in one piece. lettre writes the end by itself, and so small a segment waits until the server has acknowledged
/// those before it (RFC 896), which it puts off for a while (RFC 1122 4.2.3.2): 40 ms a mail.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.split_inclusive("\r\n") {
            if line.starts_with('.') {
                f.write_char('.')?;
            }
            f.write_str(line)?;
        }
        f.write_str(if self.0.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" })
    }
}

/// How one command failed, before it is known what that means.
enum StepError {
    Session(SessionError),
    Smtp(Error),
}

impl StepError {
    fn into_session(self, step: Step) -> SessionError {
        match self {
            Self::Session(error) => error,
            Self::Smtp(error) => failed(step)(error),
        }
    }

    fn refusal(self, step: Step) -> Refusal {
        match self {
            Self::Smtp(error) if !concerns_everybody(&error) && error.is_permanent() => {
                Refusal::Permanent(failed(step)(error).to_string())
            }
            Self::Smtp(error) if !concerns_everybody(&error) && error.is_transient() => {
                Refusal::Transient(failed(step)(error).to_string())
            }
            other @ (Self::Session(_) | Self::Smtp(_)) => Refusal::Session(other.into_session(step)),
        }
    }

    fn sender_refused(self) -> Refusal {
        match self.refusal(Step::Mail) {
            Refusal::Permanent(words) => Refusal::Session(SessionError::Failed { step: Step::Mail, words }),
            other @ (Refusal::Transient(_) | Refusal::Session(_)) => other,
        }
    }
}

/// 421: the server closes (RFC 5321 3.8). 530, 534, 535, 538: it wants another login (RFC 4954 6).
fn concerns_everybody(error: &Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 421 | 530 | 534 | 535 | 538))
}

/// Only the reply that belongs to the step is taken for success. Somebody who slips replies in before STARTTLS would
/// otherwise have every later reply taken for the one before it, and a mail counted as taken that was not.
fn expect(step: Step, reply: &Response) -> Result<(), SessionError> {
    let belongs = match step {
        Step::Auth => reply.has_code(235),
        Step::Data => reply.has_code(354),
        Step::Rcpt => reply.has_code(250) || reply.has_code(251),
        Step::Connect | Step::StartTls | Step::Mail | Step::Text | Step::Reset => reply.has_code(250),
    };
    if belongs {
        return Ok(());
    }
    let words: Vec<&str> = reply.message().collect();
    let words = format!("unexpected reply {} {}", reply.code(), words.join(" "));
    Err(SessionError::Failed { step, words: printable(&words) })
}

async fn within<T>(step: Step, limit: Duration, work: impl Future<Output = T>) -> Result<T, SessionError> {
    timeout(limit, work).await.map_err(|_| SessionError::Silent { step, limit })
}

fn failed(step: Step) -> impl Fn(Error) -> SessionError {
    move |error| SessionError::Failed { step, words: printable(&error.to_string()) }
}

fn is_loopback(server: &str) -> bool {
    server.eq_ignore_ascii_case("localhost") || server.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn tls_parameters(mail: &config::Mail) -> Result<TlsParameters, SessionError> {
    let (server, ca) = (mail.server.clone(), mail.ca.clone());
    // The system's store is a folder of files to read and parse: not on the runtime's threads.
    let reading = tokio::task::spawn_blocking(move || read_authorities(server, ca.as_deref()));
    reading.await.unwrap_or_else(|error| Err(SessionError::Failed { step: Step::Connect, words: error.to_string() }))
}

fn read_authorities(server: String, ca: Option<&Path>) -> Result<TlsParameters, SessionError> {
    let mut builder = TlsParameters::builder(server);
    if let Some(path) = ca {
        let unusable =
            |reason: String| SessionError::Authorities { path: path.display().to_string(), reason: printable(&reason) };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(failed(Step::Connect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for (server, expected) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("localhost.example.org", false),
            ("10.0.0.1", false),
            ("127.0.0.1.example.org", false),
        ] {
            assert_eq!(is_loopback(server), expected, "{server}");
        }
    }

    #[test]
    fn no_line_of_a_mail_ends_it() {
        for (text, sent) in [
            ("a\r\nb\r\n", "a\r\nb\r\n.\r\n"),
            ("a\r\nb", "a\r\nb\r\n.\r\n"),
            ("", "\r\n.\r\n"),
            (".\r\n", "..\r\n.\r\n"),
            ("a\r\n.\r\n..b\r\n", "a\r\n..\r\n...b\r\n.\r\n"),
            ("a\r\n.", "a\r\n..\r\n.\r\n"),
        ] {
            assert_eq!(Text(text).to_string(), sent, "{text:?}");
        }
    }
}
