//! Several SMS of one sender to one SIM as one Internet message (S15): what a flood makes of a mail each.
//!
//! Pure. Which messages go together is the store's decision and never changes, so each retry makes the same octets under
//! the Message-ID of the first. Each message stands in there as it would in a mail of its own.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::compose::{ComposeError, Contents, LABEL_WIDTH, Letter, Letterhead, assemble, one_line, stamp};
use crate::model::InboundMessage;

/// Writes the mail about `first` and those that came after it, in their order.
///
/// # Errors
/// [`ComposeError`] where an address of the configuration is unusable; never because of what the SMS contain.
pub fn compose(first: &InboundMessage, more: &[InboundMessage], head: Letterhead<'_>) -> Result<Letter, ComposeError> {
    let ids: Vec<String> = all(first, more).map(|message| message.id.to_string()).collect();
    assemble(
        head,
        Contents {
            of: first,
            ids: ids.join(" "),
            date: last(first, more).received_at,
            subject: subject(first, more),
            body: body(first, more, head.zone),
        },
    )
}

/// The subject line, before RFC 2047.
#[must_use]
pub fn subject(first: &InboundMessage, more: &[InboundMessage]) -> String {
    format!("{} {}", more.len() + 1, super::compose::subject(first))
}

/// The body, with LF between lines, as the recipient's program shows it.
#[must_use]
pub fn body(first: &InboundMessage, more: &[InboundMessage], zone: &TimeZone) -> String {
    let count = more.len() + 1;
    let mut body = String::new();
    for (label, value) in [
        ("SMS in this mail", count.to_string()),
        ("Sender", one_line(&first.sender)),
        ("Recipient", one_line(&first.recipient)),
        ("First created", stamp(first.received_at, zone.clone())),
        ("Last created", stamp(last(first, more).received_at, zone.clone())),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(body, "{label:<LABEL_WIDTH$}: {value}");
    }
    body.push_str("Many came from this sender at once, so these share a mail.\n");
    for (number, message) in (1_usize..).zip(all(first, more)) {
        let _ = write!(body, "\n[{number} of {count}]\n{}", super::compose::body(message, zone));
    }
    body
}

fn all<'a>(first: &'a InboundMessage, more: &'a [InboundMessage]) -> impl Iterator<Item = &'a InboundMessage> {
    std::iter::once(first).chain(more)
}

fn last<'a>(first: &'a InboundMessage, more: &'a [InboundMessage]) -> &'a InboundMessage {
    more.last().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, MessageOrigin, SlotId};

    fn message(number: u32, text: &str) -> InboundMessage {
        InboundMessage {
            sequence: number.into(),
            id: MessageId::parse(&format!("c2d03f33-9dbb-4a26-98c0-{number:012}")).unwrap(),
            slot: SlotId::new("00"),
            recipient: "+491760000000".into(),
            sender: "+491709999999".into(),
            text: text.into(),
            network: "Vodafone.de".into(),
            sent_at: Some("2026-11-20T22:21:49Z".parse().unwrap()),
            sent_offset: 3600,
            received_at: format!("2026-11-20T22:21:{:02}Z", number % 60).parse().unwrap(),
            flash: false,
            parts_missing: 0,
            undecodable: false,
            completes: None,
            origin: MessageOrigin::Sms,
        }
    }

    fn octets(messages: &[InboundMessage]) -> String {
        let head = Letterhead {
            from: "gateway@example.org",
            to: "mailbox@example.org",
            host: "gw.example.org",
            zone: &TimeZone::UTC,
        };
        let (first, more) = messages.split_first().unwrap();
        compose(first, more, head).unwrap().text
    }

    #[test]
    fn two_messages_read_as_they_would_alone() {
        let expected = "From: gateway@example.org\r\n\
            To: mailbox@example.org\r\n\
            Date: Fri, 20 Nov 2026 22:21:09 +0000\r\n\
            Subject: 2 SMS from +491709999999 to +491760000000 via modem [00]\r\n\
            Message-ID: <c2d03f33-9dbb-4a26-98c0-000000000007@gw.example.org>\r\n\
            Auto-Submitted: auto-generated\r\n\
            X-SMSgate-Id: c2d03f33-9dbb-4a26-98c0-000000000007\r\n \
            c2d03f33-9dbb-4a26-98c0-000000000009\r\n\
            X-SMSgate-Modem: 00\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\
            \r\n\
            SMS in this mail  : 2\r\n\
            Sender            : +491709999999\r\n\
            Recipient         : +491760000000\r\n\
            First created     : 2026-11-20 22:21:07  +0000\r\n\
            Last created      : 2026-11-20 22:21:09  +0000\r\n\
            Many came from this sender at once, so these share a mail.\r\n\
            \r\n\
            [1 of 2]\r\n\
            SMS ID            : c2d03f33-9dbb-4a26-98c0-000000000007\r\n\
            Sender            : +491709999999\r\n\
            Recipient         : +491760000000\r\n\
            Message timestamp : 2026-11-20 23:21:49  +0100\r\n\
            Created timestamp : 2026-11-20 22:21:07  +0000\r\n\
            Flash message     : False\r\n\
            Receiving modem   : 00\r\n\
            Receiving network : Vodafone.de\r\n\
            Text              :\r\n\
            \r\n\
            ---------------------------------------------------------\r\n\
            one\r\n\
            ---------------------------------------------------------\r\n\
            \r\n\
            [2 of 2]\r\n\
            SMS ID            : c2d03f33-9dbb-4a26-98c0-000000000009\r\n";
        let mail = octets(&[message(7, "one"), message(9, "two")]);
        assert!(mail.starts_with(expected), "{mail}");
        assert_eq!(mail.matches("\r\none\r\n---").count() + mail.matches("\r\ntwo\r\n---").count(), 2);
    }

    #[test]
    fn a_hundred_are_all_in_it_in_short_lines() {
        let messages: Vec<InboundMessage> = (0..100).map(|n| message(n, &format!("text {n}"))).collect();
        let mail = octets(&messages);
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        let (_, ids) = head.split_once("X-SMSgate-Id: ").unwrap();
        let (ids, _) = ids.split_once("\r\nX-SMSgate-Modem").unwrap();
        assert_eq!(ids.split_whitespace().count(), 100);
        assert!(mail.lines().all(|line| line.len() <= 78));
        let places: Vec<usize> = messages
            .iter()
            .map(|message| {
                let text = format!("\r\n{}\r\n", message.text);
                assert_eq!((ids.matches(&message.id.to_string()).count(), body.matches(&text).count()), (1, 1));
                body.find(&text).unwrap()
            })
            .collect();
        assert!(places.is_sorted(), "in their order");
    }
}
