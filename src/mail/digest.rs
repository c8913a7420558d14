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
pub fn compose(
    first: &InboundMessage,
    more: &[InboundMessage],
    head: Letterhead<'_>,
) -> Result<Letter, ComposeError> {
    let ids: Vec<String> = all(first, more).map(|message| message.id.to_string()).collect();
    assemble(head, Contents {
        of: first,
        ids: ids.join(" "),
        date: last(first, more).received_at,
        subject: subject(first, more),
        body: body(first, more, head.zone),
    })
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
