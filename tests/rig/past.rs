//! A store with a past: messages that came and went long before the daemon starts on it. Made by the store itself, with a
//! clock that is moved by hand.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use smsgate::{
    model::{MessageId, ResendPolicy, SlotId},
    store::{
        ClockSource, NewOutgoing, NewReport, NewSegment, Options, ReportOutcome, Route, SegmentContent, SegmentKey,
        Store,
    },
};
use tokio::runtime::Runtime;
use uuid::Uuid;

/// Whom everything came from and went to.
const OUTSIDE: &str = "+4915550000";
const SIM: &str = "89490000000000000001";

/// The past, while it is being made.
pub struct Past {
    store: Store,
    clock: Arc<Clock>,
    runtime: Runtime,
    /// TPDUs so far.
    count: u32,
}

impl Past {
    /// Of a store at this path.
    pub fn new(path: &Path) -> Self {
        let clock = Arc::new(Clock(Mutex::new(Duration::from_secs(100))));
        let store = Store::open_with_clock(path, options(false), clock.clone()).unwrap();
        Self { store, clock, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(), count: 0 }
    }

    pub fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    /// Messages with these texts have come in and left their SIM. `mail`: a mail about each waits.
    pub fn receive(&mut self, texts: impl Iterator<Item = String>, mail: bool) {
        self.store.set_options(options(mail));
        for text in texts {
            let segment = NewSegment {
                key: self.key(),
                recipient: String::new(),
                sender: OUTSIDE.to_owned(),
                network: String::new(),
                sent_at: None,
                sent_offset: 0,
                received_at: Timestamp::now(),
                flash: false,
                content: SegmentContent::Whole { text },
            };
            let key = segment.key.clone();
            self.runtime.block_on(self.store.commit_segment(segment, |_, _| String::new())).unwrap();
            self.store.segment_deleted(key).unwrap();
        }
    }

    /// A message has been accepted.
    pub fn accept(&self, text: &str) -> MessageId {
        let message = NewOutgoing {
            id: MessageId::from_uuid(Uuid::now_v7()),
            sender: None,
            recipient: OUTSIDE.to_owned(),
            text: text.to_owned(),
            flash: false,
            policy: ResendPolicy::Alarm,
            queued_at: Timestamp::now(),
            lifetime: Duration::from_secs(100 * 86_400),
        };
        let id = message.id;
        self.runtime.block_on(self.store.enqueue(message)).unwrap();
        id
    }

    /// One of two parts was sent and delivered.
    pub fn deliver(&mut self, text: &str, references: [u8; 2]) {
        let id = self.accept(text);
        let route = Route {
            slot: SlotId::new("00"),
            sim: SIM.to_owned(),
            number: String::new(),
            parts: 2,
            reference: Some(1),
            cost_micros: 90_000,
            currency: "EUR".to_owned(),
        };
        let reports = references.map(|reference| NewReport {
            key: self.key(),
            reference,
            recipient: OUTSIDE.to_owned(),
            status: 0,
            outcome: ReportOutcome::Delivered,
            text: "delivered".to_owned(),
            received_at: Timestamp::now(),
        });
        self.runtime.block_on(async {
            self.store.routed(id, route).await.unwrap();
            for (part, reference) in (0..).zip(references) {
                self.store.part_begins(id, part).await.unwrap();
                self.store.part_sent(id, part, reference, None).await.unwrap();
            }
            for report in reports {
                self.store.commit_report(report).await.unwrap();
            }
        });
    }

    /// The daemon may start.
    pub fn close(self) {
        self.runtime.block_on(async {
            self.store.check().await.unwrap();
            self.store.close().await;
        });
    }

    fn key(&mut self) -> SegmentKey {
        self.count += 1;
        let pdu = format!("{:0300X}", self.count);
        SegmentKey { slot: SlotId::new("00"), sim: SIM.to_owned(), memory: String::new(), index: None, pdu }
    }
}

fn options(mail: bool) -> Options {
    Options { mail, retention: Duration::from_secs(86_400), queue_limit: 100_000 }
}

#[derive(Debug)]
struct Clock(Mutex<Duration>);

impl ClockSource for Clock {
    fn boot_id(&self) -> String {
        "earlier".to_owned()
    }

    fn boottime(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}
