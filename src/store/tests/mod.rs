//! Tests of the store through its handle, with a clock that is moved by hand.

mod balance;
mod damage;
mod durability;
mod flood;
mod inbox;
mod outbox;
mod partial;
mod reports;
mod retention;
mod self_test;
mod space;
mod spending;
mod ussd;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{
    ClockSource, Committed, InboxQuery, NewOutgoing, NewReport, NewSegment, Options, ReportOutcome, Route,
    SegmentContent, SegmentKey, Store, rows::new_message_id,
};
use crate::model::{InboundMessage, MessageId, ResendPolicy, RunTime, SlotId};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
struct HandClock {
    state: Mutex<(String, Duration)>,
}

impl HandClock {
    fn pass(&self, time: Duration) {
        self.state.lock().unwrap().1 += time;
    }

    fn reboot(&self, boot_id: &str) {
        *self.state.lock().unwrap() = (boot_id.to_owned(), Duration::from_secs(1));
    }
}

impl ClockSource for HandClock {
    fn boot_id(&self) -> String {
        self.state.lock().unwrap().0.clone()
    }

    fn boottime(&self) -> Duration {
        self.state.lock().unwrap().1
    }

    fn wall(&self) -> Timestamp {
        wall()
    }
}

/// A store in a folder of its own, which can be opened again.
struct Bench {
    folder: TempDir,
    clock: Arc<HandClock>,
    options: Options,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        Self::with(Options { mail: true, retention: DAY, queue_limit: 10_000 })
    }

    fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock { state: Mutex::new(("boot-1".to_owned(), Duration::from_secs(100))) });
        let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options.clone(), clock.clone()).unwrap();
        Self { folder, clock, options, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("smsgate.db")
    }

    /// As after a crash: no close, then opened again.
    fn reopen(self) -> Self {
        self.reopen_after(Duration::ZERO)
    }

    fn reopen_after(self, down: Duration) -> Self {
        let Self { folder, clock, options, store } = self;
        drop(store);
        clock.pass(down);
        let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options.clone(), clock.clone()).unwrap();
        Self { folder, clock, options, store }
    }

    async fn visible(&self) -> Vec<InboundMessage> {
        let query = InboxQuery { slots: vec![slot()], since: RunTime(0), after: None, limit: 100_000 };
        self.store.inbox(query).await.unwrap()
    }

    async fn receive(&self, segment: NewSegment) -> Committed {
        self.store.commit_segment(segment, join).await.unwrap()
    }

    async fn send(&self, recipient: &str, policy: ResendPolicy) -> MessageId {
        let message = outgoing(recipient, policy);
        let id = message.id;
        self.store.enqueue(message).await.unwrap();
        id
    }

    /// Sends all parts of a new message; their references start with `reference`.
    async fn sent(&self, recipient: &str, parts: u16, reference: u8) -> MessageId {
        let id = self.send(recipient, ResendPolicy::Alarm).await;
        self.store.routed(id, route(parts)).await.unwrap();
        for part in 0..parts {
            self.store.part_begins(id, part).await.unwrap();
            let reference = reference.wrapping_add(u8::try_from(part).unwrap());
            self.store.part_sent(id, part, reference, None).await.unwrap();
        }
        id
    }
}

fn wall() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn slot() -> SlotId {
    SlotId::new("modem1")
}

fn key(index: Option<u16>, pdu: &str) -> SegmentKey {
    let memory = if index.is_some() { "SM" } else { "" };
    SegmentKey { slot: slot(), sim: "8949".to_owned(), memory: memory.to_owned(), index, pdu: pdu.to_owned() }
}

fn segment(index: Option<u16>, pdu: &str, content: SegmentContent) -> NewSegment {
    NewSegment {
        key: key(index, pdu),
        recipient: "+491700000001".to_owned(),
        sender: "+491760000000".to_owned(),
        network: "Net".to_owned(),
        sent_at: Some(wall()),
        sent_offset: 3600,
        received_at: wall(),
        flash: false,
        content,
    }
}

fn whole(index: u16, pdu: &str) -> NewSegment {
    segment(Some(index), pdu, SegmentContent::Whole { text: format!("text of {pdu}") })
}

fn part(index: u16, pdu: &str, total: u8, sequence: u8) -> NewSegment {
    segment(Some(index), pdu, SegmentContent::Part { reference: 7, wide: false, total, sequence })
}

/// Shows what it was given.
fn join(total: u8, parts: &[(u8, &str)]) -> String {
    let shown: Vec<String> = parts.iter().map(|(sequence, pdu)| format!("{sequence}={pdu}")).collect();
    format!("{}/{total}", shown.join(","))
}

fn outgoing(recipient: &str, policy: ResendPolicy) -> NewOutgoing {
    NewOutgoing {
        id: new_message_id(),
        sender: None,
        recipient: recipient.to_owned(),
        text: "hello".to_owned(),
        flash: false,
        policy,
        queued_at: wall(),
        lifetime: DAY,
    }
}

fn route(parts: u16) -> Route {
    Route {
        slot: slot(),
        sim: "8949".to_owned(),
        number: "+491700000001".to_owned(),
        parts,
        reference: (parts > 1).then_some(9),
        cost_micros: 90_000,
        currency: "EUR".to_owned(),
    }
}

fn report(reference: u8, recipient: &str, outcome: ReportOutcome, pdu: &str) -> NewReport {
    NewReport {
        key: key(None, pdu),
        reference,
        recipient: recipient.to_owned(),
        status: 0,
        outcome,
        text: "status in words".to_owned(),
        received_at: wall(),
    }
}
