//! The ledger: what happened to every message and report, in order, for tests to hold against the gateway's store.
//!
//! Only records. A message has an id; each PDU of it on its way into a modem has one of its own (`id` below), and so has
//! a second copy of that PDU.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An entry of the ledger.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// Microseconds since the emulator's start.
    pub us: u64,
    /// The subscriber it happened to.
    pub number: String,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// The control socket sent a message to the subscriber.
    Injected {
        /// The message.
        message: u64,
        /// Its sender.
        from: String,
        /// Its whole text.
        text: String,
        /// Its PDUs in the order in which they come, copies among them.
        ids: Vec<u64>,
    },
    /// A PDU waits for the subscriber.
    Queued {
        /// Identifies the PDU.
        id: u64,
        /// The message.
        message: u64,
        /// Which segment of the message, from 1.
        part: u8,
        /// Of how many.
        parts: u8,
        /// Service centre address and TPDU in hex.
        pdu: String,
        /// The text of this segment; none for a report, or a PDU made elsewhere.
        text: Option<String>,
        /// For a report: on which send.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<ReportOn>,
        /// For a copy: of which PDU.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy_of: Option<u64>,
    },
    /// The modem took the PDU: it is in a memory, or was printed.
    Delivered {
        /// The PDU.
        id: u64,
        /// The message.
        message: u64,
        /// Which segment.
        part: u8,
        /// 1, and more if it came before and was not acknowledged.
        attempt: u32,
        /// How the terminal is told.
        notice: Notice,
        /// Where it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<String>,
        /// Where it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
    },
    /// The line that tells of it was written to the port.
    Announced {
        /// The PDU.
        id: u64,
    },
    /// It was printed and not stored, and the modem confirmed that by itself: service 0 of `+CSMS` (TS 27.005 3.2.1).
    HandedOver {
        /// The PDU.
        id: u64,
    },
    /// The terminal acknowledged it with `+CNMA`.
    Acknowledged {
        /// The PDU.
        id: u64,
    },
    /// It was not acknowledged in time and will come again.
    Refused {
        /// The PDU.
        id: u64,
    },
    /// The terminal deleted it.
    Deleted {
        /// The PDU.
        id: u64,
        /// The message.
        message: u64,
        /// Which segment.
        part: u8,
        /// Where it was.
        memory: String,
        /// Where it was.
        index: usize,
    },
    /// The modem sent a message and the service centre took it.
    Submitted {
        /// The message.
        message: u64,
        /// TP-MR.
        reference: u8,
        /// TP-DA.
        to: String,
        /// Service centre address and TPDU in hex.
        pdu: String,
        /// The text of this segment.
        text: String,
        /// Which segment of what, if of several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concatenation: Option<Concatenated>,
        /// TP-SRR.
        report_requested: bool,
    },
    /// The modem's send failed.
    SubmitFailed {
        /// `+CMS ERROR`.
        code: u16,
    },
    /// All segments of a message from a modem have reached the recipient, who is `number`.
    Completed {
        /// The sender.
        from: String,
        /// The whole text.
        text: String,
        /// The submits it came in, in the order of the text.
        messages: Vec<u64>,
    },
    /// The report on a send was lost on purpose.
    ReportLost {
        /// On which send.
        report: ReportOn,
    },
    /// A report had nowhere to go: the terminal wants none.
    Discarded {
        /// The PDU.
        id: u64,
    },
}

/// The send a report is about, and what it says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReportOn {
    /// The message.
    pub message: u64,
    /// TP-MR.
    pub reference: u8,
    /// TP-ST.
    pub status: u8,
}

/// Which segment of what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Concatenated {
    /// The reference all segments have in common.
    pub reference: u16,
    /// How many segments.
    pub total: u8,
    /// This one, from 1.
    pub sequence: u8,
}

/// How a terminal is told of a PDU (TS 27.005 3.4.1).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// `+CMTI`: a message is in a memory.
    Cmti,
    /// `+CDSI`: a report is in a memory.
    Cdsi,
    /// `+CMT`: the message itself.
    Cmt,
    /// `+CDS`: the report itself.
    Cds,
    /// Not at all.
    None,
}

/// All entries.
#[derive(Debug, Default)]
pub(super) struct Ledger(Vec<Entry>);

impl Ledger {
    pub(super) fn note(&mut self, now: Duration, number: &str, what: Happening) {
        let sequence = self.0.len() as u64 + 1;
        let us = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.0.push(Entry { sequence, us, number: number.to_owned(), what });
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }
}
