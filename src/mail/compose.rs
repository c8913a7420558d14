//! One received SMS as an Internet message (RFC 5322, RFC 2045, RFC 2047), in upstream's layout.
//!
//! Pure: the Date is the arrival, the Message-ID follows from the message's id, so each retry makes the same octets.
//! Nothing a sender can choose reaches the envelope or starts a header; the body is never 8bit. Sending is
//! the session's part.

use std::fmt::Write as _;

use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};
use lettre::{
    Message,
    address::{AddressError, Envelope},
    message::{
        Mailbox, Mailboxes, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue, To},
    },
};

use crate::model::{InboundMessage, MessageId, MessageOrigin};

/// What a mail is made of besides the SMS itself.
#[derive(Clone, Copy, Debug)]
pub struct Letterhead<'a> {
    /// From address.
    pub from: &'a str,
    /// Recipient of this SIM's mails; several are separated by commas.
    pub to: &'a str,
    /// Host name for the Message-ID.
    pub host: &'a str,
    /// Zone of the created timestamp.
    pub zone: &'a TimeZone,
}

/// A mail ready for SMTP.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Sender and recipients for MAIL and RCPT, from the configuration only.
    pub envelope: Envelope,
    /// Header and body: ASCII but for addresses that are not, lines end in CR LF.
    pub text: String,
}

/// Why no mail can be made.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// An address of the configuration is none.
    #[error("`{address}` is no mail address: {reason}")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong with it.
        reason: AddressError,
    },
    /// The message could not be assembled.
    #[error("cannot build the mail: {0}")]
    Build(#[from] lettre::error::Error),
}

/// Writes the mail about `message`.
///
/// # Errors
/// [`ComposeError`] where an address of the configuration is unusable; never because of what the SMS contains.
pub fn compose(message: &InboundMessage, head: Letterhead<'_>) -> Result<Letter, ComposeError> {
    assemble(
        head,
        Contents {
            of: message,
            ids: message.id.to_string(),
            date: message.received_at,
            subject: subject(message),
            body: body(message, head.zone),
        },
    )
}

/// What mails about one and about several messages differ in.
pub(super) struct Contents<'a> {
    /// The message that the mail is known by.
    pub(super) of: &'a InboundMessage,
    /// The ids of all messages in it, with blanks between them.
    pub(super) ids: String,
    /// The Date.
    pub(super) date: Timestamp,
    /// As of [`subject`].
    pub(super) subject: String,
    /// As of [`body`].
    pub(super) body: String,
}

/// Makes a mail of its contents.
pub(super) fn assemble(head: Letterhead<'_>, contents: Contents<'_>) -> Result<Letter, ComposeError> {
    let from: Mailbox = head.from.trim().parse().map_err(|reason| unusable(head.from, reason))?;
    let to: Mailboxes = head.to.trim().parse().map_err(|reason| unusable(head.to, reason))?;
    let Contents { of: message, ids, date, subject, body } = contents;

    let mut builder = Message::builder()
        .from(from)
        .mailbox(To::from(to))
        .date(date.max(Timestamp::UNIX_EPOCH).into())
        .subject(subject)
        .message_id(Some(mail_id(message.id, head.host)));
    if let Some(partial) = message.completes {
        builder = builder.in_reply_to(mail_id(partial, head.host));
    }
    let mail = builder
        .raw_header(header(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated"))
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("X-SMSgate-Id"), ids))
        .raw_header(header(HeaderName::new_from_ascii_str("X-SMSgate-Modem"), message.slot.as_str()))
        .singlepart(body_part(body))?;
    // It is made of strings, so nothing is lost.
    let text = String::from_utf8_lossy(&mail.formatted()).into_owned();
    Ok(Letter { envelope: mail.envelope().clone(), text })
}

/// The subject line, before RFC 2047.
#[must_use]
pub fn subject(message: &InboundMessage) -> String {
    if message.origin == MessageOrigin::Ussd {
        let (to, slot) = (header_text(&message.recipient), header_text(message.slot.as_str()));
        return format!("USSD from the network to {to} via modem [{slot}]");
    }
    format!(
        "SMS from {} to {} via modem [{}]",
        header_text(&message.sender),
        header_text(&message.recipient),
        header_text(message.slot.as_str())
    )
}

/// The body, with LF between lines, as the recipient's program shows it.
#[must_use]
pub fn body(message: &InboundMessage, zone: &TimeZone) -> String {
    let sent = message.sent_at.map_or_else(
        || stamp(message.received_at, zone.clone()),
        |at| stamp(at, Offset::from_seconds(message.sent_offset).map_or(TimeZone::UTC, TimeZone::fixed)),
    );
    let flash = if message.flash { "True" } else { "False" };
    let id = message.id.to_string();
    let mut body = String::new();
    for (label, value) in [
        ("SMS ID", id.as_str()),
        ("Sender", &one_line(&message.sender)),
        ("Recipient", &one_line(&message.recipient)),
        ("Message timestamp", &sent),
        ("Created timestamp", &stamp(message.received_at, zone.clone())),
        ("Flash message", flash),
        ("Receiving modem", &one_line(message.slot.as_str())),
        ("Receiving network", &one_line(&message.network)),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "{label:<LABEL_WIDTH$}: {value}");
    }
    let _ = writeln!(body, "{:<LABEL_WIDTH$}:\n\n{RULE}\n{}\n{RULE}", "Text", newlines(&message.text));
    body
}

/// The Message-ID of the mail about the SMS `id`: the same at each retry.
#[must_use]
pub fn mail_id(id: MessageId, host: &str) -> String {
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
    format!("<{id}@{}>", if host.is_empty() { "localhost" } else { &host })
}

pub(super) const LABEL_WIDTH: usize = 18;
const RULE: &str = "---------------------------------------------------------";
const _: () = assert!(RULE.len() == 57);

/// Longest foreign value in a header, in characters: more than any TP address, short enough for every mail server.
const HEADER_VALUE_MAX: usize = 64;

fn unusable(address: &str, reason: AddressError) -> ComposeError {
    ComposeError::Address { address: one_line(address), reason }
}

fn body_part(body: String) -> SinglePart {
    let encoding =
        if body.is_ascii() { ContentTransferEncoding::QuotedPrintable } else { ContentTransferEncoding::Base64 };
    SinglePart::builder().header(ContentType::TEXT_PLAIN).header(encoding).body(body)
}

fn header(name: HeaderName, value: &str) -> HeaderValue {
    HeaderValue::new(name, header_text(value))
}

/// Foreign text fit for a header: one line, of bounded length, and nothing a reader would take for an encoded word.
fn header_text(text: &str) -> String {
    let line = one_line(text).replace("=?", "= ?");
    if line.chars().count() <= HEADER_VALUE_MAX {
        return line;
    }
    let mut short: String = line.chars().take(HEADER_VALUE_MAX - 1).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// Foreign text as one line: runs of blanks and controls (C0, C1, line and paragraph separators) become one blank,
/// marks that turn the reading direction go, so that a sender can neither start a line nor disguise one.
pub(super) fn one_line(text: &str) -> String {
    let visible = text.chars().filter(|c| !turns_direction(*c));
    let spaced: String =
        visible.map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with every kind of line end as LF (the encoder makes CR LF of it, RFC 2046 4.1.1). Handsets send CR alone.
fn newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

pub(super) fn stamp(at: Timestamp, zone: TimeZone) -> String {
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S  %z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotId;

    fn message() -> InboundMessage {
        InboundMessage {
            sequence: 1,
            id: MessageId::parse("c2d03f33-9dbb-4a26-98c0-6ed60b3aa731").unwrap(),
            slot: SlotId::new("00"),
            recipient: "+491760000000".into(),
            sender: "+491709999999".into(),
            text: "Hallo Welt".into(),
            network: "Vodafone.de".into(),
            sent_at: Some("2026-11-20T22:21:49Z".parse().unwrap()),
            sent_offset: 3600,
            received_at: "2026-11-20T22:21:52Z".parse().unwrap(),
            flash: false,
            parts_missing: 0,
            undecodable: false,
            completes: None,
            origin: MessageOrigin::Sms,
        }
    }

    fn octets(message: &InboundMessage) -> String {
        let head = Letterhead {
            from: "gateway@example.org",
            to: "mailbox@example.org",
            host: "gw.example.org",
            zone: &TimeZone::UTC,
        };
        compose(message, head).unwrap().text
    }

    #[test]
    fn a_plain_message_reads_as_upstream_wrote_it() {
        let expected = "From: gateway@example.org\r\n\
            To: mailbox@example.org\r\n\
            Date: Fri, 20 Nov 2026 22:21:52 +0000\r\n\
            Subject: SMS from +491709999999 to +491760000000 via modem [00]\r\n\
            Message-ID: <c2d03f33-9dbb-4a26-98c0-6ed60b3aa731@gw.example.org>\r\n\
            Auto-Submitted: auto-generated\r\n\
            X-SMSgate-Id: c2d03f33-9dbb-4a26-98c0-6ed60b3aa731\r\n\
            X-SMSgate-Modem: 00\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\
            \r\n\
            SMS ID            : c2d03f33-9dbb-4a26-98c0-6ed60b3aa731\r\n\
            Sender            : +491709999999\r\n\
            Recipient         : +491760000000\r\n\
            Message timestamp : 2026-11-20 23:21:49  +0100\r\n\
            Created timestamp : 2026-11-20 22:21:52  +0000\r\n\
            Flash message     : False\r\n\
            Receiving modem   : 00\r\n\
            Receiving network : Vodafone.de\r\n\
            Text              :\r\n\
            \r\n\
            ---------------------------------------------------------\r\n\
            Hallo Welt\r\n\
            ---------------------------------------------------------\r\n";
        assert_eq!(octets(&message()).trim_end(), expected.trim_end());
    }

    #[test]
    fn text_outside_ascii_travels_as_base64() {
        let mail = octets(&InboundMessage { text: "Grüße 🚀".into(), flash: true, ..message() });
        assert!(mail.contains("Content-Transfer-Encoding: base64\r\n"));
        assert!(mail.is_ascii());
    }

    #[test]
    fn the_rest_of_a_partial_message_answers_it() {
        let partial = MessageId::parse("00000000-0000-7000-8000-000000000001");
        let mail = octets(&InboundMessage { completes: partial, ..message() });
        assert!(mail.contains("\r\nIn-Reply-To: <00000000-0000-7000-8000-000000000001@gw.example.org>\r\n"));
    }

    #[test]
    fn a_sender_cannot_start_a_line() {
        for sender in
            ["a\r\nBcc: x@example.org", "a\nBcc: x@example.org", "a\u{2028}Bcc: x@example.org", "a\u{85}Bcc: x"]
        {
            let hostile = InboundMessage { sender: sender.into(), ..message() };
            assert!(!octets(&hostile).contains("\r\nBcc"), "{sender:?}");
            assert!(!body(&hostile, &TimeZone::UTC).contains("\nBcc"), "{sender:?}");
        }
    }

    #[test]
    fn without_a_service_centre_time_the_arrival_stands_in() {
        let body = body(&InboundMessage { sent_at: None, ..message() }, &TimeZone::UTC);
        assert!(body.contains("Message timestamp : 2026-11-20 22:21:52  +0000\n"));
    }

    #[test]
    fn negative_zones_and_impossible_ones_are_written() {
        for (offset, expected) in [(-12600, "18:51:49  -0330"), (i32::MAX, "22:21:49  +0000")] {
            let body = body(&InboundMessage { sent_offset: offset, ..message() }, &TimeZone::UTC);
            assert!(body.contains(&format!("Message timestamp : 2026-11-20 {expected}\n")), "{offset}: {body}");
        }
    }

    #[test]
    fn host_names_are_reduced_to_what_a_message_id_may_hold() {
        let id = message().id;
        assert_eq!(mail_id(id, "a b>\r\n.c"), format!("<{id}@ab.c>"));
        assert_eq!(mail_id(id, ""), format!("<{id}@localhost>"));
    }
}
