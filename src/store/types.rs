//! What goes into the store and what comes out.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;

use crate::model::{
    Classified, ErrorClass, InboundMessage, MessageId, Msisdn, OutgoingState, Reached, ResendPolicy, RunTime, SlotId,
};

/// How a store works; may be changed while it does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Write a mail spool row with each message.
    pub mail: bool,
    /// How long the texts of finished messages are kept.
    pub retention: Duration,
    /// Most outgoing messages waiting at a time.
    pub queue_limit: usize,
}

/// Why the store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite could not open, check or migrate the file.
    #[error("cannot open the store {path}: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The folder cannot be made or the lock file cannot be written.
    #[error("cannot use the folder of the store {path}: {source}")]
    Folder {
        /// The database file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another daemon has it.
    #[error("the store {path} is in use by another smsgate")]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("the store {path} has schema {found}, this version knows up to {known}: install the newer smsgate again")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// `user_version` found.
        found: i64,
        /// Newest schema known here.
        known: i64,
    },
}

/// Why an operation did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many operations wait for the writer.
    #[error("the store is busy")]
    Busy,
    /// The store is shut down.
    #[error("the store is closed")]
    Closed,
    /// As many messages wait as may.
    #[error("{limit} messages are waiting already")]
    Full {
        /// The limit reached.
        limit: usize,
    },
    /// A SIM or a token has sent what it may for now. Nothing was changed.
    #[error("{0}")]
    LimitReached(Reached),
    /// The file system of the store is nearly full: what is left is for what was accepted already and for what comes in.
    #[error("the disk is nearly full")]
    NoSpace,
    /// A row that had to be there is not.
    #[error("no message {0}")]
    NoSuchMessage(MessageId),
    /// The part is with the network already: a report settled it meanwhile. It must not be submitted again.
    #[error("part {part} of message {id} has left already")]
    PartLeft {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u16,
    },
    /// SQLite failed: full disk, I/O error. Nothing was changed.
    #[error("the store failed: {0}")]
    Sqlite(String),
}

impl Classified for StoreError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Busy
            | Self::Closed
            | Self::Full { .. }
            | Self::LimitReached(_)
            | Self::NoSpace
            | Self::PartLeft { .. }
            | Self::Sqlite(_) => ErrorClass::Transient,
            Self::NoSuchMessage(_) => ErrorClass::Permanent,
        }
    }
}

/// Where a segment or report lies on a SIM, and which bytes it has.
///
/// It is the same one if slot or SIM are the same: a modem that does not tell its ICCID once must not make a second
/// message of what is there already.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SegmentKey {
    /// The slot it came in on.
    pub slot: SlotId,
    /// ICCID, or what stands for it (IMSI, else the slot's name) where the modem cannot tell.
    pub sim: String,
    /// `SM`, `ME`, ...; empty for what came directly (`+CMT`, `+CDS`).
    pub memory: String,
    /// Index in that memory; `None` for what came directly.
    pub index: Option<u16>,
    /// The PDU in hex, upper case, service centre address included.
    pub pdu: String,
}

/// A received segment, to be committed.
#[derive(Clone, Debug)]
pub struct NewSegment {
    /// Where it lies.
    pub key: SegmentKey,
    /// Our number; empty if none is configured.
    pub recipient: String,
    /// Originating address as shown to people.
    pub sender: String,
    /// Network the modem is on.
    pub network: String,
    /// Service centre time, if valid.
    pub sent_at: Option<Timestamp>,
    /// Offset of the service centre time in seconds.
    pub sent_offset: i32,
    /// Arrival here.
    pub received_at: Timestamp,
    /// Class 0.
    pub flash: bool,
    /// What it holds.
    pub content: SegmentContent,
}

/// What a segment holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SegmentContent {
    /// A whole message.
    Whole {
        /// Its text.
        text: String,
    },
    /// A part of a concatenated message (TS 23.040 9.2.3.24.1, 9.2.3.24.8).
    Part {
        /// Concatenation reference.
        reference: u16,
        /// 16-bit reference.
        wide: bool,
        /// Parts in all.
        total: u8,
        /// This part, from 1.
        sequence: u8,
    },
    /// Could not be decoded.
    Undecodable {
        /// What people get to read: a notice and the hex.
        text: String,
    },
    /// What this SIM sent to itself to see whether it comes back; an ordinary message unless the token was issued for it.
    SelfTest {
        /// What it is known by.
        token: String,
        /// The whole text.
        text: String,
    },
    /// To be acknowledged and thrown away as the standard says (type 0, TS 23.040 9.2.3.9). Kept raw, not shown.
    Discard,
}

/// Joins the parts of a concatenated message: total, then (sequence, PDU in hex) in ascending order, gaps allowed.
pub type Joiner = fn(u8, &[(u8, &str)]) -> String;

/// What became of a segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Committed {
    /// New; the message it completed, if it did.
    Stored {
        /// A message that is visible from now on.
        message: Option<MessageId>,
    },
    /// A self-test of this slot: kept from users, its return is on record.
    SelfTest,
    /// Held already (a crash came between commit and delete): just delete it.
    AlreadyHeld,
    /// A network repeat of something deleted before: stored, flagged, not shown and not mailed.
    Repeat {
        /// What it repeats, if that is a whole message.
        of: Option<MessageId>,
    },
}

/// Which messages to read.
#[derive(Clone, Debug)]
pub struct InboxQuery {
    /// Slots whose messages may be read.
    pub slots: Vec<SlotId>,
    /// Arrived at or after this run time.
    pub since: RunTime,
    /// Newer than this message; an id no longer known means all in the window.
    pub after: Option<MessageId>,
    /// Most rows to return.
    pub limit: usize,
}

/// A mail to be sent.
#[derive(Clone, Debug)]
pub struct MailJob {
    /// The message it is about; of a digest the first.
    pub message: InboundMessage,
    /// The other messages of a digest, in the order in which they came.
    pub more: Vec<InboundMessage>,
    /// Attempts so far.
    pub attempts: u32,
    /// Run time at which it was spooled.
    pub spooled: RunTime,
}

/// The state of the mail spool.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MailBacklog {
    /// Messages that wait to be mailed.
    pub waiting: usize,
    /// Mails given up.
    pub dead: usize,
    /// Messages in those mails.
    pub dead_messages: usize,
}

/// An outgoing message, to be accepted.
#[derive(Clone, Debug)]
pub struct NewOutgoing {
    /// Its id, made by the caller.
    pub id: MessageId,
    /// A SIM's number the caller asked for; forces that SIM while it is healthy.
    pub sender: Option<Msisdn>,
    /// As dialled.
    pub recipient: String,
    /// The text.
    pub text: String,
    /// Class 0.
    pub flash: bool,
    /// What to do with an unknown outcome.
    pub policy: ResendPolicy,
    /// Wall time of acceptance.
    pub queued_at: Timestamp,
    /// How long it may wait before it ends as expired.
    pub lifetime: Duration,
}

/// Something to do for an outgoing message.
#[derive(Clone, Debug)]
pub struct OutboxJob {
    /// The message.
    pub id: MessageId,
    /// A SIM's number the caller asked for.
    pub sender: Option<Msisdn>,
    /// As dialled.
    pub recipient: String,
    /// The text.
    pub text: String,
    /// Class 0.
    pub flash: bool,
    /// What to do with an unknown outcome.
    pub policy: ResendPolicy,
    /// Where it stands.
    pub state: OutgoingState,
    /// Its lifetime is over.
    pub lifetime_over: bool,
    /// When its lifetime is over.
    pub expires: RunTime,
    /// Why it failed last, or what it waits for.
    pub cause: String,
    /// Failed tries so far, for the back-off.
    pub failures: u32,
    /// The parts, once routed; empty before.
    pub parts: Vec<OutboxPart>,
    /// The slot it has to leave through: the one that took earlier parts, or else the recipient cannot join them; the one a
    /// self-test is of.
    pub pinned: Option<SlotId>,
    /// Concatenation reference of a multi-part message, once routed.
    pub reference: Option<u16>,
    /// The reference to take at the first routing: one more than that of the last message to the same recipient, modulo
    /// 65,536, so that no two messages a phone may still be joining share one. Worked out by the store when the job is
    /// handed out.
    pub next_reference: u16,
    /// What is left of the message's lifetime (from running time); becomes TP-VP.
    pub lifetime: Duration,
}

/// How far one part has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutboxPart {
    /// From 0.
    pub number: u16,
    /// Where it stands.
    pub state: PartState,
    /// Submissions started.
    pub submissions: u32,
    /// An earlier submission may have left.
    pub doubtful: bool,
}

/// States of a part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartState {
    /// Not yet handed to a modem, or refused.
    Pending,
    /// The intent is on disk.
    Sending,
    /// The network took it.
    Sent,
    /// Nobody knows.
    Unknown,
    /// Reported delivered.
    Delivered,
    /// Reported undeliverable or expired.
    Undelivered,
}

/// A routing decision.
#[derive(Clone, Debug)]
pub struct Route {
    /// The chosen slot.
    pub slot: SlotId,
    /// ICCID or what stands for it.
    pub sim: String,
    /// The SIM's number.
    pub number: String,
    /// Segments.
    pub parts: u16,
    /// Concatenation reference for a multi-part message.
    pub reference: Option<u16>,
    /// Price of one submission, in millionths.
    pub cost_micros: i64,
    /// Currency of the price.
    pub currency: String,
}

/// A delivery report, to be committed.
#[derive(Clone, Debug)]
pub struct NewReport {
    /// Where it lies.
    pub key: SegmentKey,
    /// TP-MR.
    pub reference: u8,
    /// TP-RA as shown to people.
    pub recipient: String,
    /// TP-ST.
    pub status: u8,
    /// What the status means for the part.
    pub outcome: ReportOutcome,
    /// TP-ST in words.
    pub text: String,
    /// Arrival here.
    pub received_at: Timestamp,
}

/// What a report says of a part (TS 23.040 9.2.3.15).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportOutcome {
    /// Delivered.
    Delivered,
    /// The service centre is still trying: nothing final.
    Trying,
    /// Permanent failure, or it stopped trying.
    Undelivered,
    /// The validity period ran out.
    Expired,
}

/// Whom a report was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportMatch {
    /// A part of this message.
    Message(MessageId),
    /// More than one open part fits: left alone.
    Ambiguous,
    /// Seen before, byte for byte.
    Duplicate,
    /// None known yet; kept in case the part's reference becomes known.
    Unmatched,
}

/// What is kept about a slot's SIM.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimFacts {
    /// Messages the network accepted.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// When the last one was accepted.
    pub last_sent: Option<Timestamp>,
    /// When the last one arrived.
    pub last_received: Option<Timestamp>,
    /// Last good balance in millionths.
    pub balance_micros: Option<i64>,
    /// When it was read.
    pub balance_at: Option<Timestamp>,
    /// The SIM it was read of ([`ModemSnapshot::sim_identity`](crate::model::ModemSnapshot::sim_identity)).
    pub balance_sim: Option<String>,
}
