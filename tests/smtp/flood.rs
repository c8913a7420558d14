//! A flood of SMS on its way to a mail server: the store that gathers it, the mailer, and a server that fails at times.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use smsgate::{
    config::MailSecurity,
    mail::{Mailer, Pace, Settings, TimeLimits},
    model::{Health, HealthLevel, SlotId},
    store::{ClockSource, Committed, NewSegment, Options, SegmentContent, SegmentKey, Store},
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::fixture::{PATIENCE, Server, pace, settings};

const NOISY: &str = "+491511111111";
/// A digest goes when its sender has been quiet for so long.
const PAUSE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_flood_makes_sixty_mails_and_a_few_digests() {
    let server = Server::start(MailSecurity::Tls, true);
    let gateway = Gateway::start(settings(&server), 60);
    for number in 0..300 {
        gateway.receive(number, NOISY).await;
        match number {
            100 => drop(gateway.receive(1000, "+491522222222").await),
            200 => drop(gateway.receive(1001, "+491533333333").await),
            _ => {}
        }
    }
    // 60 and 2 by themselves, and two that are full.
    server.until_mails(64).await;
    gateway.pass(PAUSE);
    server.until_mails(65).await;
    gateway.until_empty().await;
    let mails = Letter::all(&server);
    assert_eq!(mails.len(), 65);
    let sizes: Vec<usize> = mails.iter().map(|mail| mail.numbers.len()).collect();
    assert_eq!(sizes.iter().filter(|size| **size == 1).count(), 62);
    assert_eq!(sizes.iter().filter(|size| **size > 1).collect::<Vec<_>>(), [&100, &100, &40]);
    let texts: Vec<u32> = mails.iter().flat_map(|mail| mail.numbers.clone()).collect();
    assert_eq!(texts.len(), 302, "each text once");
    let noisy: Vec<u32> = texts.iter().copied().filter(|number| *number < 1000).collect();
    assert_eq!(noisy, (0..300).collect::<Vec<_>>(), "in their order");
    assert_eq!(texts.into_iter().collect::<BTreeSet<_>>(), (0..300).chain([1000, 1001]).collect());
    assert_eq!(mails.iter().flat_map(|mail| &mail.ids).collect::<BTreeSet<_>>().len(), 302);
    for mail in mails.iter().filter(|mail| mail.numbers.len() > 1) {
        assert!(mail.raw.contains(&format!("Subject: {} SMS from {NOISY} to", mail.numbers.len())), "{}", mail.raw);
    }
    let last = server.mails().pop().unwrap();
    assert_eq!(last["commands"], serde_json::json!({ "MAIL": 65, "RCPT": 65, "DATA": 65 }));
    assert_eq!(gateway.health.borrow().level, HealthLevel::Ok);
}

#[tokio::test]
async fn without_a_limit_a_flood_makes_a_mail_each() {
    let server = Server::start(MailSecurity::None, false);
    let gateway = Gateway::start(settings(&server), 0);
    for number in 0..80 {
        gateway.receive(number, NOISY).await;
    }
    server.until_mails(80).await;
    assert!(Letter::all(&server).iter().all(|mail| mail.numbers.len() == 1));
}

#[tokio::test]
async fn a_lost_acknowledgement_repeats_a_digest_over_a_crash() {
    let server = Server::start(MailSecurity::Tls, true);
    let gateway = Gateway::start(settings(&server), 1);
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(gateway.receive(number, NOISY).await);
    }
    server.until_mails(1).await;
    gateway.until_waiting(4).await;
    server.fault("DOT lose");
    gateway.pass(PAUSE);
    server.until_mails(2).await;
    gateway.until_health(|health| health.level == HealthLevel::Critical).await;
    let gateway = gateway.crash(settings(&server)).await;
    server.fault("");
    // What comes meanwhile is in another mail.
    gateway.receive(5, NOISY).await;
    gateway.pass(Duration::from_secs(1));
    gateway.until_waiting(1).await;
    gateway.pass(PAUSE);
    gateway.until_empty().await;
    let mails = Letter::all(&server);
    let (digests, others): (Vec<_>, Vec<_>) = mails.iter().partition(|mail| mail.numbers.len() > 1);
    assert!(digests.len() >= 2, "the server took it before the connection broke");
    for digest in &digests {
        assert_eq!((&digest.raw, digest.numbers.as_slice()), (&digests[0].raw, [1, 2, 3, 4].as_slice()));
    }
    assert!(digests[0].raw.contains(&format!("Message-ID: <{}@gw.test>\r\n", ids[1])));
    assert_eq!(digests[0].ids, ids[1..]);
    assert_eq!(others.iter().flat_map(|mail| mail.numbers.clone()).collect::<Vec<_>>(), [0, 5]);
}

#[tokio::test]
async fn a_digest_refused_for_good_costs_only_its_own_messages() {
    let server = Server::start(MailSecurity::Tls, true);
    let gateway = Gateway::start(settings(&server), 1);
    for number in 0..5 {
        gateway.receive(number, NOISY).await;
    }
    server.until_mails(1).await;
    gateway.until_waiting(4).await;
    server.fault("DOT reply 552 too much of it");
    gateway.pass(PAUSE);
    gateway.until_health(|health| health.message().contains("a mail with 4 messages was given up")).await;
    server.fault("");
    gateway.receive(1000, "+491522222222").await;
    server.until_mails(2).await;
    gateway.until_empty().await;
    let said = "1 mails with 4 messages could not be delivered and were given up";
    gateway.until_health(|health| health.level == HealthLevel::Critical && health.message().contains(said)).await;
    assert_eq!(Letter::all(&server)[1].numbers, [1000]);
}

/// A store and a mailer, in a time of their own.
struct Gateway {
    folder: TempDir,
    clock: Arc<HandClock>,
    limit: u32,
    store: Store,
    health: watch::Receiver<Health>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// The mailer notices when they are gone.
    _settings: watch::Sender<Arc<Settings>>,
}

impl Gateway {
    fn start(settings: Settings, limit: u32) -> Self {
        Self::open(TempDir::new().unwrap(), Arc::default(), settings, limit)
    }

    fn open(folder: TempDir, clock: Arc<HandClock>, settings: Settings, limit: u32) -> Self {
        let options = Options { mail: true, retention: Duration::from_secs(86_400), queue_limit: 10 };
        let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options, clock.clone()).unwrap();
        store.set_flood_limit(limit);
        let stop = CancellationToken::new();
        let (sender, receiver) = watch::channel(Arc::new(settings));
        // What the server takes without saying so is counted here: it has all the time it needs.
        let pace = Pace { limits: TimeLimits::default(), ..pace() };
        let (mailer, health) = Mailer::new(store.clone(), receiver, pace, stop.clone());
        let task = tokio::spawn(mailer.run());
        Self { folder, clock, limit, store, health, stop, task, _settings: sender }
    }

    /// The store is opened again as it is, by a mailer that knows nothing.
    async fn crash(self, settings: Settings) -> Self {
        self.task.abort();
        let _ = self.task.await;
        drop((self.store, self.stop));
        Self::open(self.folder, self.clock, settings, self.limit)
    }

    async fn receive(&self, number: u32, sender: &str) -> String {
        let segment = NewSegment {
            key: SegmentKey {
                slot: SlotId::new("00"),
                sim: "8949".into(),
                memory: "SM".into(),
                index: Some(u16::try_from(number).unwrap()),
                pdu: format!("{number:08X}"),
            },
            recipient: "+491760000000".into(),
            sender: sender.into(),
            network: "Net".into(),
            sent_at: None,
            sent_offset: 0,
            received_at: self.store.wall(),
            flash: false,
            content: SegmentContent::Whole { text: format!("text {number}") },
        };
        let committed = self.store.commit_segment(segment, |_, _| String::new()).await.unwrap();
        let message = if let Committed::Stored { message } = committed { message } else { None };
        message.expect("a new message").to_string()
    }

    /// Moves the time, and the mailer looks.
    fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
        self.store.mail_wakeup().notify_one();
    }

    async fn until_empty(&self) {
        self.until_waiting(0).await;
    }

    async fn until_waiting(&self, count: usize) {
        let waiting = async {
            while self.store.mail_backlog().await.unwrap().waiting != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(done.is_ok(), "{:?}, health {:?}", self.store.mail_backlog().await, self.health.borrow());
    }

    async fn until_health(&self, wanted: impl Fn(&Health) -> bool) {
        let mut health = self.health.clone();
        let done = tokio::time::timeout(PATIENCE, health.wait_for(|health| wanted(health))).await.map(|_| ());
        assert!(done.is_ok(), "health {:?}", self.health.borrow());
    }
}

/// Stands still until it is moved.
#[derive(Debug)]
struct HandClock(Mutex<Duration>);

impl Default for HandClock {
    fn default() -> Self {
        Self(Mutex::new(Duration::from_secs(100)))
    }
}

impl ClockSource for HandClock {
    fn boot_id(&self) -> String {
        "boot".into()
    }
    fn boottime(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    fn wall(&self) -> Timestamp {
        "2026-11-20T22:21:52Z".parse().unwrap()
    }
}

/// A mail that the server took.
struct Letter {
    raw: String,
    ids: Vec<String>,
    /// Those of the texts in it.
    numbers: Vec<u32>,
}

impl Letter {
    fn all(server: &Server) -> Vec<Self> {
        server.mails().iter().map(|mail| Self::read(mail["raw"].as_str().unwrap())).collect()
    }

    fn read(raw: &str) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\n ", " ");
        let ids = head.lines().find_map(|line| line.strip_prefix("X-SMSgate-Id: ")).unwrap();
        let numbers = body.lines().filter_map(|line| line.strip_prefix("text ")?.parse().ok()).collect();
        Self { raw: raw.to_owned(), ids: ids.split_whitespace().map(str::to_owned).collect(), numbers }
    }
}
