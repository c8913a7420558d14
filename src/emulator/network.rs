//! The network and its service centre: a queue for every subscriber, TP-MR, reports (TS 23.040 clause 3).
//!
//! Sans-IO: time is told. Knows nothing of AT.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use super::{
    conditions::{Conditions, seconds},
    faults::Dice,
    ledger::{Concatenated, Entry, Happening, Ledger, Notice, ReportOn},
};
use crate::tpdu::{
    Address, Deliver, EncodedPdu, Incoming, MessageClass, ServiceCentreTimestamp, Status, StatusReport, Submit,
    decode_submit, encode_incoming,
};

/// A PDU on its way to a subscriber.
#[derive(Clone, Debug)]
pub struct Item {
    /// Identifies it.
    pub id: u64,
    /// The message it belongs to.
    pub message: u64,
    /// Which segment of the message, from 1, of how many.
    pub part: (u8, u8),
    /// As a modem prints it.
    pub pdu: EncodedPdu,
    /// Its text; none for a report, or a PDU made elsewhere.
    pub text: Option<String>,
    /// Class of a message, if it has one.
    pub class: Option<MessageClass>,
    /// For a report: on which send.
    pub report: Option<ReportOn>,
    /// How often it came already.
    pub attempts: u32,
    /// A second copy of another.
    pub copy: bool,
    /// To whom its delivery is reported.
    reports_to: Option<(String, u64, StatusReport)>,
}

/// What a PDU from outside is: as a modem prints it, its class, its text.
type Content = (EncodedPdu, Option<MessageClass>, Option<String>);

impl Item {
    fn from_outside(message: u64, part: (u8, u8), (pdu, class, text): Content) -> Self {
        Self { id: 0, message, part, pdu, text, class, report: None, attempts: 0, copy: false, reports_to: None }
    }
}

/// Where an item went inside a modem.
#[derive(Clone, Debug)]
pub struct Place {
    /// How the terminal is told.
    pub notice: Notice,
    /// Memory and index, if it is stored.
    pub slot: Option<(String, usize)>,
}

#[derive(Debug, Default)]
struct Subscriber {
    ready: VecDeque<Item>,
    delayed: BTreeMap<(Duration, u64), Item>,
    reference: u8,
}

/// Segments of a message that is not complete, by sender, recipient, reference and total.
type Halves = BTreeMap<(String, String, u16, u8), BTreeMap<u8, (u64, String)>>;

/// The network.
#[derive(Debug)]
pub struct Network {
    /// How messages are treated.
    pub conditions: Conditions,
    epoch: Timestamp,
    subscribers: BTreeMap<String, Subscriber>,
    halves: Halves,
    ledger: Ledger,
    last_id: u64,
    last_message: u64,
    dice: Dice,
    touched: Vec<String>,
}

impl Network {
    /// A network without subscribers; `epoch` is the wall clock at time 0.
    #[must_use]
    pub fn new(epoch: Timestamp, seed: u64) -> Self {
        Self {
            conditions: Conditions::default(),
            epoch,
            subscribers: BTreeMap::new(),
            halves: BTreeMap::new(),
            ledger: Ledger::default(),
            last_id: 0,
            last_message: 0,
            dice: Dice::new(seed),
            touched: Vec::new(),
        }
    }

    /// Adds a subscriber.
    pub fn subscribe(&mut self, number: &str) {
        self.subscribers.entry(number.to_owned()).or_default();
    }

    /// Whether the number is one of the network's own.
    #[must_use]
    pub fn has(&self, number: &str) -> bool {
        self.subscribers.contains_key(number)
    }

    /// Everything that happened.
    #[must_use]
    pub fn ledger(&self) -> &[Entry] {
        self.ledger.entries()
    }

    /// PDUs that wait for a subscriber.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.subscribers.values().map(|one| one.ready.len() + one.delayed.len()).sum()
    }

    /// The wall clock, as the service centre stamps it.
    #[must_use]
    pub fn stamp(&self, now: Duration) -> ServiceCentreTimestamp {
        let wall = jiff::SignedDuration::try_from(now).ok().and_then(|now| self.epoch.checked_add(now).ok());
        ServiceCentreTimestamp::from_timestamp(wall.unwrap_or(self.epoch), 0)
    }

    /// The number of a new message.
    pub const fn open_message(&mut self) -> u64 {
        self.last_message += 1;
        self.last_message
    }

    /// Takes a PDU for a subscriber from outside; its id.
    pub fn enqueue(&mut self, now: Duration, to: &str, message: u64, part: (u8, u8), content: Content) -> u64 {
        let item = Item::from_outside(message, part, content);
        let due = now + self.delivery_delay();
        self.push(now, due, to, item, None)
    }

    /// A PDU for a subscriber from outside that waits for nobody: whoever asked has it.
    pub(super) fn outside(&mut self, now: Duration, to: &str, message: u64, part: (u8, u8), content: Content) -> Item {
        let item = Item::from_outside(message, part, content);
        self.numbered(now, to, item, None)
    }

    /// Queues a second copy of an item, with an id of its own and without a report to the sender.
    pub fn copy(&mut self, now: Duration, to: &str, item: &Item) -> u64 {
        let copy = Item { attempts: 0, copy: true, reports_to: None, ..item.clone() };
        self.push(now, now, to, copy, Some(item.id))
    }

    /// Takes a message that a modem sends: its TP-MR, or the `+CMS ERROR` code.
    ///
    /// # Errors
    /// 304 for a PDU that cannot be read.
    pub fn submit(&mut self, now: Duration, from: &str, pdu: &str) -> Result<u8, u16> {
        let (_, submit) = decode_submit(pdu).map_err(|_| 304_u16)?;
        let stamp = self.stamp(now);
        let to = submit.destination.to_string();
        let text = submit.user_data.text(submit.data_coding);
        let concatenation = submit.user_data.concatenation().map(|it| Concatenated {
            reference: it.reference,
            total: it.total,
            sequence: it.sequence,
        });
        let delivery = delivery(from, &submit, stamp).ok_or(304_u16)?;
        let message = self.open_message();
        let reference = self.next_reference(from);
        let what = Happening::Submitted {
            message,
            reference,
            to: to.clone(),
            pdu: pdu.to_owned(),
            text: text.clone(),
            concatenation: concatenation.clone(),
            report_requested: submit.status_report_request,
        };
        self.note(now, from, what);
        self.complete(now, from, &to, message, concatenation.as_ref(), text.clone());
        let report = submit.status_report_request.then(|| accepted(&submit, reference, stamp));
        if self.has(&to) {
            let class = submit.data_coding.class();
            let part = concatenation.map_or((1, 1), |it| (it.sequence, it.total));
            let reports_to = report.map(|report| (from.to_owned(), message, report));
            let item = Item {
                id: 0,
                message,
                part,
                pdu: delivery,
                text: Some(text),
                class,
                report: None,
                attempts: 0,
                copy: false,
                reports_to,
            };
            let due = now + self.delivery_delay();
            self.push(now, due, &to, item, None);
        } else if let Some(report) = report {
            let mut due = now + seconds(self.conditions.submit_latency);
            for status in self.conditions.outcome(&to).statuses() {
                due = self.report(now, due, from, message, StatusReport { status: Status(status), ..report.clone() });
            }
        }
        Ok(reference)
    }

    /// The next PDU that is due for a subscriber, taken out of its queue.
    pub fn take(&mut self, now: Duration, number: &str) -> Option<Item> {
        let subscriber = self.subscribers.get_mut(number)?;
        while let Some(first) = subscriber.delayed.first_entry().filter(|first| first.key().0 <= now) {
            subscriber.ready.push_back(first.remove());
        }
        subscriber.ready.pop_front()
    }

    /// Puts an item back for which the modem had no room now.
    pub fn put_back(&mut self, number: &str, item: Item) {
        if let Some(subscriber) = self.subscribers.get_mut(number) {
            subscriber.ready.push_front(item);
        }
    }

    /// Puts an item back that was not acknowledged; it comes again after a while.
    pub fn refused(&mut self, now: Duration, number: &str, item: Item) {
        self.note(now, number, Happening::Refused { id: item.id });
        let due = now + seconds(self.conditions.retry);
        if let Some(subscriber) = self.subscribers.get_mut(number) {
            subscriber.delayed.insert((due, item.id), Item { attempts: item.attempts + 1, ..item });
        }
        self.touched.push(number.to_owned());
    }

    /// An item has reached its modem.
    pub fn delivered(&mut self, now: Duration, number: &str, item: &Item, place: Place) {
        let (memory, index) = place.slot.unzip();
        let what = Happening::Delivered {
            id: item.id,
            message: item.message,
            part: item.part.0,
            attempt: item.attempts + 1,
            notice: place.notice,
            memory,
            index,
        };
        self.note(now, number, what);
    }

    /// An item is with its recipient for good: its sender may get the report.
    pub fn received(&mut self, now: Duration, item: &Item) {
        if let Some((sender, message, report)) = &item.reports_to {
            let stamp = self.stamp(now);
            let due = now + seconds(self.conditions.submit_latency);
            self.report(now, due, sender, *message, StatusReport { discharge_time: stamp, ..report.clone() });
        }
    }

    /// Whether chance wants the next PDU to come twice.
    pub fn wants_copy(&mut self) -> bool {
        self.dice.below(100) < u64::from(self.conditions.duplicates)
    }

    /// Writes into the ledger.
    pub fn note(&mut self, now: Duration, number: &str, what: Happening) {
        self.ledger.note(now, number, what);
    }

    /// When the subscriber's next item that is held back becomes due.
    #[must_use]
    pub fn poll_timeout(&self, number: &str) -> Option<Duration> {
        self.subscribers.get(number)?.delayed.first_key_value().map(|((due, _), _)| *due)
    }

    /// Subscribers whose queue has grown since the last call.
    pub(super) fn take_touched(&mut self) -> Vec<String> {
        std::mem::take(&mut self.touched)
    }

    pub(super) const fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    fn next_reference(&mut self, from: &str) -> u8 {
        let Some(subscriber) = self.subscribers.get_mut(from) else { return 0 };
        let reference = subscriber.reference;
        subscriber.reference = reference.wrapping_add(1);
        reference
    }

    /// Queues the report on a send, unless chance loses it; when it is due.
    fn report(&mut self, now: Duration, due: Duration, sender: &str, message: u64, report: StatusReport) -> Duration {
        let due = due + seconds(self.conditions.report_delay) + self.chance(self.conditions.report_jitter);
        let on = ReportOn { message, reference: report.message_reference, status: report.status.0 };
        if self.dice.below(100) < u64::from(self.conditions.report_loss) {
            self.note(now, sender, Happening::ReportLost { report: on });
        } else if let Ok(pdu) = encode_incoming(None, &Incoming::StatusReport(report)) {
            let item = Item {
                id: 0,
                message,
                part: (1, 1),
                pdu,
                text: None,
                class: None,
                report: Some(on),
                attempts: 0,
                copy: false,
                reports_to: None,
            };
            self.push(now, due, sender, item, None);
        }
        due
    }

    fn delivery_delay(&mut self) -> Duration {
        seconds(self.conditions.delivery_delay) + self.chance(self.conditions.delivery_jitter)
    }

    fn chance(&mut self, most: f64) -> Duration {
        let most = u64::try_from(seconds(most).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.dice.below(most))
    }

    fn push(&mut self, now: Duration, due: Duration, to: &str, item: Item, copy_of: Option<u64>) -> u64 {
        let item = self.numbered(now, to, item, copy_of);
        let id = item.id;
        if let Some(subscriber) = self.subscribers.get_mut(to) {
            if due <= now {
                subscriber.ready.push_back(item);
            } else {
                subscriber.delayed.insert((due, id), item);
            }
            self.touched.push(to.to_owned());
        }
        id
    }

    /// Gives an item its number and writes it into the ledger.
    fn numbered(&mut self, now: Duration, to: &str, item: Item, copy_of: Option<u64>) -> Item {
        self.last_id += 1;
        let id = self.last_id;
        let item = Item { id, ..item };
        let (part, parts) = item.part;
        let what = Happening::Queued {
            id,
            message: item.message,
            part,
            parts,
            pdu: item.pdu.hex.clone(),
            text: item.text.clone(),
            report: item.report.clone(),
            copy_of,
        };
        self.note(now, to, what);
        item
    }

    /// Notes a message of which all segments are there.
    fn complete(
        &mut self,
        now: Duration,
        from: &str,
        to: &str,
        message: u64,
        part: Option<&Concatenated>,
        text: String,
    ) {
        let Some(part) = part.filter(|part| part.total > 1) else {
            self.note(now, to, Happening::Completed { from: from.to_owned(), text, messages: vec![message] });
            return;
        };
        let key = (from.to_owned(), to.to_owned(), part.reference, part.total);
        let halves = self.halves.entry(key.clone()).or_default();
        halves.insert(part.sequence, (message, text));
        if halves.len() == usize::from(part.total) {
            let halves = self.halves.remove(&key).unwrap_or_default();
            let (messages, texts): (Vec<u64>, Vec<String>) = halves.into_values().unzip();
            self.note(now, to, Happening::Completed { from: from.to_owned(), text: texts.concat(), messages });
        }
    }
}

/// The report on a message just accepted, were it delivered at once.
fn accepted(submit: &Submit, reference: u8, stamp: ServiceCentreTimestamp) -> StatusReport {
    StatusReport {
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
    }
}

fn delivery(from: &str, submit: &Submit, stamp: ServiceCentreTimestamp) -> Option<EncodedPdu> {
    let deliver = Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: Address::number(from).ok()?,
        protocol_identifier: submit.protocol_identifier,
        data_coding: submit.data_coding,
        service_centre_timestamp: stamp,
        user_data: submit.user_data.clone(),
    };
    encode_incoming(None, &Incoming::Deliver(deliver)).ok()
}
