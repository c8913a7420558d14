//! Messages: what people write. A message may travel as several segments (one TPDU each).

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::SlotId;

/// Identifies a message in either direction. Time-ordered (UUID version 7), opaque to clients.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct MessageId(Uuid);

impl MessageId {
    /// Wraps a UUID made elsewhere: identifiers are made at the edge, since making one reads the clock.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Reads the usual hyphenated form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text.trim()).ok().map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// States of an outgoing message.
///
/// `queued -> routed -> sending -> sent -> delivered | undelivered | expired`, and `failed`, `unknown`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutgoingState {
    /// Accepted and on disk, waiting for a SIM or for the next try.
    Queued,
    /// A SIM was chosen.
    Routed,
    /// At least one part is being handed to the modem.
    Sending,
    /// The network took every part.
    Sent,
    /// The recipient's report says delivered, for every part.
    Delivered,
    /// The network reported a permanent failure to deliver.
    Undelivered,
    /// The validity period or the message lifetime ran out.
    Expired,
    /// Given up before the network took it.
    Failed,
    /// The modem fell silent after a part was handed over: it may or may not have left.
    Unknown,
}

impl OutgoingState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Routed,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Expired,
        Self::Failed,
        Self::Unknown,
    ];

    /// The word used on the wire and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Routed => "routed",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// The state with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for OutgoingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What to do when it is unknown whether a part left (the modem fell silent after the text was handed over).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResendPolicy {
    /// Wait 60 s for a status report, then submit once more with TP-RD set: at most two submissions, never none.
    #[default]
    Alarm,
    /// Never submit twice: at most one submission.
    Once,
}

impl ResendPolicy {
    /// The word used in the configuration and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Once => "once",
        }
    }

    /// The policy with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Alarm, Self::Once].into_iter().find(|policy| policy.as_str() == word)
    }
}

/// What a received message came as.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum MessageOrigin {
    /// SMS.
    #[default]
    Sms,
    /// A USSD text that the network sent of its own accord: mailed, never in `get_sms`.
    Ussd,
}

impl MessageOrigin {
    /// The word used in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Ussd => "ussd",
        }
    }

    /// The origin with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Sms, Self::Ussd].into_iter().find(|origin| origin.as_str() == word)
    }
}

/// A received message, as clients and the mailer see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InboundMessage {
    /// Row order in the store: grows with each message, never reused.
    pub sequence: i64,
    /// The public id.
    pub id: MessageId,
    /// The slot it came in on.
    pub slot: SlotId,
    /// Our number, as configured; empty if none is.
    pub recipient: String,
    /// The originating address: `+` and digits, a short code, or an alphanumeric name.
    pub sender: String,
    /// The text, or a notice with hex when [`undecodable`](Self::undecodable).
    pub text: String,
    /// The network the modem was on.
    pub network: String,
    /// The service centre's time (TP-SCTS) with its zone, if it was valid.
    pub sent_at: Option<Timestamp>,
    /// Offset of the service centre's time from UTC, in seconds.
    pub sent_offset: i32,
    /// Arrival here.
    pub received_at: Timestamp,
    /// Class 0.
    pub flash: bool,
    /// Parts that had not arrived when this was delivered; 0 for a whole message.
    pub parts_missing: u16,
    /// Nothing but the raw PDU could be kept.
    pub undecodable: bool,
    /// The message this one completes, where a partial text had been delivered earlier.
    pub completes: Option<MessageId>,
    /// What it came as.
    pub origin: MessageOrigin,
}

/// The whole truth about one outgoing message (`get_message`).
#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingMessage {
    /// The public id.
    pub id: MessageId,
    /// Where it stands.
    pub state: OutgoingState,
    /// As dialled.
    pub recipient: String,
    /// The number of the SIM that sends or sent it; empty until routed.
    pub sender: String,
    /// The slot that sends or sent it.
    pub slot: Option<SlotId>,
    /// The text.
    pub text: String,
    /// Class 0.
    pub flash: bool,
    /// Segments in all; 0 until first routed.
    pub parts: u16,
    /// Segments the network took.
    pub parts_sent: u16,
    /// Segments reported delivered.
    pub parts_delivered: u16,
    /// Why it is where it is; empty when there is nothing to say.
    pub cause: String,
    /// When it was accepted.
    pub queued_at: Timestamp,
    /// When the network took the last part.
    pub sent_at: Option<Timestamp>,
    /// When it reached a final state.
    pub done_at: Option<Timestamp>,
    /// Cost of all submissions so far, in millionths of the currency unit.
    pub cost_micros: i64,
    /// Currency of `cost_micros`; empty until routed.
    pub currency: String,
    /// Submissions started.
    pub tries: u32,
}
