//! The network and its service centre: queues for every subscriber, TP-MR, reports, the ledger (TS 23.040 3).
//!
//! Sans-IO: time is told. Knows nothing of AT.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::faults::Dice;
use crate::tpdu::{
    Address, Deliver, EncodedPdu, Incoming, ServiceCentreTimestamp, Status, StatusReport, Submit, decode_submit,
    encode_incoming,
};

/// How the service centre treats messages; everything at once and delivered unless told otherwise.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conditions {
    /// Seconds a modem waits for the answer to a send.
    pub submit_latency: f64,
    /// Seconds from a send to its report, for recipients outside.
    pub report_delay: f64,
    /// Up to this many seconds more, by chance: reports get out of order.
    pub report_jitter: f64,
    /// Reports lost, of 100.
    pub report_loss: u8,
    /// TP-ST for outside numbers beginning so; 0 for all others.
    pub outcomes: BTreeMap<String, u8>,
}

/// An entry of the ledger.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub sequence: u64,
    /// Seconds since the start.
    pub at: f64,
    /// The subscriber.
    pub number: String,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened to a message.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// It waits for the subscriber.
    Queued {
        /// Identifies it.
        id: u64,
        /// Service centre address and TPDU in hex.
        pdu: String,
        /// Its text; none for a report.
        text: Option<String>,
    },
    /// It reached the modem.
    Delivered {
        /// Identifies it.
        id: u64,
    },
    /// The terminal acknowledged it with `+CNMA`.
    Acknowledged {
        /// Identifies it.
        id: u64,
    },
    /// It was not acknowledged in time and will come again.
    Refused {
        /// Identifies it.
        id: u64,
    },
    /// The terminal deleted it.
    Deleted {
        /// Identifies it.
        id: u64,
    },
    /// The modem sent a message.
    Submitted {
        /// TP-MR.
        reference: u8,
        /// TP-DA.
        to: String,
        /// Service centre address and TPDU in hex.
        pdu: String,
        /// The text of this segment.
        text: String,
    },
    /// The report on a send was lost on purpose.
    ReportLost {
        /// TP-MR.
        reference: u8,
    },
}

/// A PDU on its way to a subscriber.
#[derive(Clone, Debug)]
pub struct Item {
    /// Identifies it.
    pub id: u64,
    /// As a modem prints it.
    pub pdu: EncodedPdu,
    /// A report, not a message.
    pub report: bool,
    due: Duration,
    reports_to: Option<(String, StatusReport)>,
}

/// The network.
#[derive(Debug)]
pub struct Network {
    /// How messages are treated.
    pub conditions: Conditions,
    epoch: Timestamp,
    queues: BTreeMap<String, VecDeque<Item>>,
    references: BTreeMap<String, u8>,
    ledger: Vec<Entry>,
    last_id: u64,
    dice: Dice,
}

impl Network {
    /// A network without subscribers; `epoch` is the wall clock at time 0.
    #[must_use]
    pub fn new(epoch: Timestamp, seed: u64) -> Self {
        Self {
            conditions: Conditions::default(),
            epoch,
            queues: BTreeMap::new(),
            references: BTreeMap::new(),
            ledger: Vec::new(),
            last_id: 0,
            dice: Dice::new(seed),
        }
    }

    /// Adds a subscriber.
    pub fn subscribe(&mut self, number: &str) {
        self.queues.entry(number.to_owned()).or_default();
    }

    /// Everything that happened.
    #[must_use]
    pub fn ledger(&self) -> &[Entry] {
        &self.ledger
    }

    /// Messages that wait for a subscriber.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues.values().map(VecDeque::len).sum()
    }

    /// The wall clock, as the service centre stamps it.
    #[must_use]
    pub fn stamp(&self, now: Duration) -> ServiceCentreTimestamp {
        let wall = jiff::SignedDuration::try_from(now).ok().and_then(|now| self.epoch.checked_add(now).ok());
        ServiceCentreTimestamp::from_timestamp(wall.unwrap_or(self.epoch), 0)
    }

    /// Takes a PDU for a subscriber from outside.
    pub fn enqueue(&mut self, now: Duration, to: &str, pdu: EncodedPdu, text: Option<String>, report: bool) -> u64 {
        self.push(now, now, to, pdu, text, report, None)
    }

    /// Takes a message that a modem sends: its TP-MR, or the `+CMS ERROR` code.
    ///
    /// # Errors
    /// 304 for a PDU that cannot be read.
    pub fn submit(&mut self, now: Duration, from: &str, pdu: &str) -> Result<u8, u16> {
        let (_, submit) = decode_submit(pdu).map_err(|_| 304_u16)?;
        let counter = self.references.entry(from.to_owned()).or_insert(0);
        let reference = *counter;
        *counter = counter.wrapping_add(1);
        let to = submit.destination.to_string();
        let text = submit.user_data.text(submit.data_coding);
        let what = Happening::Submitted { reference, to: to.clone(), pdu: pdu.to_owned(), text: text.clone() };
        self.note(now, from, what);
        let stamp = self.stamp(now);
        let mut report = StatusReport {
            more_messages: false,
            loop_prevention: false,
            qualifier: false,
            message_reference: reference,
            recipient: submit.destination.clone(),
            service_centre_timestamp: stamp,
            discharge_time: stamp,
            status: Status(0),
            protocol_identifier: None,
            data_coding: None,
            user_data: None,
        };
        if self.queues.contains_key(&to) {
            let reports_to = submit.status_report_request.then(|| (from.to_owned(), report));
            let pdu = delivery(from, submit, stamp).ok_or(304_u16)?;
            self.push(now, now, &to, pdu, Some(text), false, reports_to);
        } else if submit.status_report_request {
            let outcome = self.conditions.outcomes.iter().find(|(prefix, _)| to.starts_with(prefix.as_str()));
            report.status = Status(outcome.map_or(0, |(_, status)| *status));
            self.report(now, from, report);
        }
        Ok(reference)
    }

    /// The next PDU that is due for a subscriber, taken out of its queue.
    pub fn take(&mut self, now: Duration, number: &str) -> Option<Item> {
        let queue = self.queues.get_mut(number)?;
        let position = queue.iter().position(|item| item.due <= now)?;
        queue.remove(position)
    }

    /// Puts an item back: the modem had no room or did not acknowledge.
    pub fn put_back(&mut self, now: Duration, number: &str, item: Item, refused: bool) {
        if refused {
            self.note(now, number, Happening::Refused { id: item.id });
        }
        self.queues.entry(number.to_owned()).or_default().push_front(item);
    }

    /// An item has reached its modem for good: its sender may get the report.
    pub fn delivered(&mut self, now: Duration, number: &str, item: &Item) {
        self.note(now, number, Happening::Delivered { id: item.id });
        if let Some((sender, report)) = &item.reports_to {
            let stamp = self.stamp(now);
            self.report(now, sender, StatusReport { discharge_time: stamp, ..report.clone() });
        }
    }

    /// Writes into the ledger.
    pub fn note(&mut self, now: Duration, number: &str, what: Happening) {
        let sequence = self.ledger.len() as u64 + 1;
        self.ledger.push(Entry { sequence, at: now.as_secs_f64(), number: number.to_owned(), what });
    }

    /// When the next queued item that is not yet due becomes due.
    #[must_use]
    pub fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        self.queues.values().flatten().map(|item| item.due).filter(|due| *due > now).min()
    }

    fn report(&mut self, now: Duration, sender: &str, report: StatusReport) {
        let reference = report.message_reference;
        if self.dice.below(100) < u64::from(self.conditions.report_loss) {
            self.note(now, sender, Happening::ReportLost { reference });
            return;
        }
        let jitter = seconds(self.conditions.report_jitter).as_millis();
        let chance = Duration::from_millis(self.dice.below(u64::try_from(jitter).unwrap_or(u64::MAX)));
        let due = now + seconds(self.conditions.report_delay) + chance;
        if let Ok(pdu) = encode_incoming(None, &Incoming::StatusReport(report)) {
            self.push(now, due, sender, pdu, None, true, None);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an item, named at both of its callers")]
    fn push(
        &mut self,
        now: Duration,
        due: Duration,
        to: &str,
        pdu: EncodedPdu,
        text: Option<String>,
        report: bool,
        reports_to: Option<(String, StatusReport)>,
    ) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.note(now, to, Happening::Queued { id, pdu: pdu.hex.clone(), text });
        let item = Item { id, pdu, report, due, reports_to };
        self.queues.entry(to.to_owned()).or_default().push_back(item);
        id
    }
}

/// Seconds from a number a person wrote; 0 for one without sense.
pub(super) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or(Duration::ZERO)
}

fn delivery(from: &str, submit: Submit, stamp: ServiceCentreTimestamp) -> Option<EncodedPdu> {
    let deliver = Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: Address::number(from).ok()?,
        protocol_identifier: submit.protocol_identifier,
        data_coding: submit.data_coding,
        service_centre_timestamp: stamp,
        user_data: submit.user_data,
    };
    encode_incoming(None, &Incoming::Deliver(deliver)).ok()
}
