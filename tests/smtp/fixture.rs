//! The SMTP server as a child process, a spool in memory, and a mailer between the two.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use smsgate::{
    config::{Mail, MailSecurity},
    mail::{Mailer, Pace, Settings, Spool, TimeLimits},
    model::{Health, InboundMessage, MessageId, RunTime, SlotId},
    store::{MailBacklog, MailJob, StoreError},
};
use tempfile::TempDir;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `tests/smtp/server.py` while it runs.
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    port: u16,
    security: MailSecurity,
    login: bool,
}

impl Server {
    pub(crate) fn start(security: MailSecurity, login: bool) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        fs::write(at("cert.pem"), certificate.pem()).unwrap();
        fs::write(at("key.pem"), key.serialize_pem()).unwrap();
        fs::write(at("faults"), "").unwrap();
        fs::write(at("mails"), "").unwrap();

        let python = root.join("target/venv/bin/python3");
        assert!(python.exists(), "aiosmtpd is missing: run scripts/setup");
        let word = match security {
            MailSecurity::Tls => "tls",
            MailSecurity::StartTls => "starttls",
            MailSecurity::None => "none",
        };
        let mut command = Command::new(python);
        command.arg(root.join("tests/smtp/server.py")).args(["--security", word]);
        command.arg("--out").arg(at("mails")).arg("--faults").arg(at("faults"));
        command.arg("--cert").arg(at("cert.pem")).arg("--key").arg(at("key.pem"));
        if login {
            command.args(["--user", "gateway@example.org", "--password", "secret"]);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the server prints its port");
        Self { child, folder, port, security, login }
    }

    /// Misbehaves from now on; an empty text ends that.
    pub(crate) fn fault(&self, fault: &str) {
        let (next, faults) = (self.folder.path().join("next"), self.folder.path().join("faults"));
        fs::write(&next, fault).unwrap();
        fs::rename(next, faults).unwrap();
    }

    pub(crate) fn mails(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.folder.path().join("mails")).unwrap();
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Until the server has that many mails, whether it said so or not.
    pub(crate) async fn until_mails(&self, count: usize) {
        let arrived = async {
            while self.mails().len() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("mails arrive");
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Settings that reach `server`.
pub(crate) fn settings(server: &Server) -> Settings {
    let user = if server.login { "gateway@example.org" } else { "" };
    Settings {
        mail: Mail {
            enabled: true,
            server: "127.0.0.1".into(),
            port: server.port,
            user: user.into(),
            password: "secret".to_owned().into(),
            recipient: "mailbox@example.org".into(),
            from: Some("gateway@example.org".into()),
            security: server.security,
            ca: Some(server.folder.path().join("cert.pem")),
            health_check_interval: Duration::from_secs(600),
            forward_ussd: false,
            flood_limit: 60,
        },
        addresses: BTreeMap::new(),
        host: "gw.test".into(),
        zone: TimeZone::UTC,
    }
}

pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn message(n: u32, slot: &str) -> InboundMessage {
    InboundMessage {
        sequence: n.into(),
        id: MessageId::parse(&format!("00000000-0000-7000-8000-{n:012}")).unwrap(),
        slot: SlotId::new(slot),
        recipient: "+491760000000".into(),
        sender: "+491709999999".into(),
        text: format!("text {n}"),
        network: "Vodafone.de".into(),
        sent_at: None,
        sent_offset: 0,
        received_at: "2026-11-20T22:21:52Z".parse().unwrap(),
        flash: false,
        parts_missing: 0,
        undecodable: false,
        completes: None,
        origin: smsgate::model::MessageOrigin::Sms,
    }
}

/// A spool that lives as long as the test.
#[derive(Clone)]
pub(crate) struct MemorySpool(Arc<Inner>);

struct Inner {
    start: Instant,
    rows: Mutex<Vec<Row>>,
    wakeup: Arc<Notify>,
    changed: Notify,
    reads: watch::Sender<usize>,
    /// Writes that fail from now on.
    failing: AtomicUsize,
}

struct Row {
    job: MailJob,
    due: RunTime,
    state: &'static str,
}

impl MemorySpool {
    fn new() -> Self {
        Self(Arc::new(Inner {
            start: Instant::now(),
            rows: Mutex::new(Vec::new()),
            wakeup: Arc::new(Notify::new()),
            changed: Notify::new(),
            reads: watch::channel(0).0,
            failing: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn add(&self, message: InboundMessage) {
        let spooled = self.now();
        let job = MailJob { message, more: Vec::new(), attempts: 0, spooled };
        self.0.rows.lock().unwrap().push(Row { job, due: spooled, state: "waiting" });
        self.0.wakeup.notify_one();
    }

    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.0.rows.lock().unwrap().iter().map(|row| row.state).collect()
    }

    pub(crate) fn count(&self, state: &str) -> usize {
        self.states().into_iter().filter(|known| *known == state).count()
    }

    /// The next so many writes fail, while reading goes on.
    pub(crate) fn fail_writes(&self, count: usize) {
        self.0.failing.store(count, Ordering::Relaxed);
    }

    /// Until the mailer has read a job off the spool.
    pub(crate) async fn until_read(&self) {
        let mut reads = self.0.reads.subscribe();
        tokio::time::timeout(PATIENCE, reads.wait_for(|jobs| *jobs > 0)).await.unwrap().unwrap();
    }

    fn update(&self, id: MessageId, change: impl FnOnce(&mut Row)) -> Result<(), StoreError> {
        let less = |left: usize| left.checked_sub(1);
        if self.0.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Err(StoreError::Sqlite("disk full".to_owned()));
        }
        let mut rows = self.0.rows.lock().unwrap();
        let row = rows.iter_mut().find(|row| row.job.message.id == id).ok_or(StoreError::NoSuchMessage(id))?;
        assert_eq!(row.state, "waiting", "a mail is settled once");
        change(row);
        drop(rows);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl Spool for MemorySpool {
    fn now(&self) -> RunTime {
        RunTime::default().after(self.0.start.elapsed())
    }
    fn wakeup(&self) -> Arc<Notify> {
        self.0.wakeup.clone()
    }
    async fn due(&self, limit: usize) -> Result<Vec<MailJob>, StoreError> {
        let now = self.now();
        let rows = self.0.rows.lock().unwrap();
        let due = rows.iter().filter(|row| row.state == "waiting" && row.due <= now);
        let jobs: Vec<_> = due.take(limit).map(|row| row.job.clone()).collect();
        self.0.reads.send_modify(|reads| *reads += jobs.len());
        Ok(jobs)
    }
    async fn next_due(&self) -> Result<Option<RunTime>, StoreError> {
        let rows = self.0.rows.lock().unwrap();
        Ok(rows.iter().filter(|row| row.state == "waiting").map(|row| row.due).min())
    }
    async fn sent(&self, id: MessageId) -> Result<(), StoreError> {
        self.update(id, |row| row.state = "sent")
    }
    async fn deferred(&self, id: MessageId, _error: &str, retry_at: RunTime) -> Result<(), StoreError> {
        self.update(id, |row| {
            row.due = retry_at;
            row.job.attempts += 1;
        })
    }
    async fn dead(&self, id: MessageId, _error: &str) -> Result<(), StoreError> {
        self.update(id, |row| row.state = "dead")
    }
    async fn backlog(&self) -> Result<MailBacklog, StoreError> {
        let dead = self.count("dead");
        Ok(MailBacklog { waiting: self.count("waiting"), dead, dead_messages: dead })
    }
}

/// Hardly any patience.
pub(crate) fn pace() -> Pace {
    Pace {
        limits: TimeLimits {
            connect: Duration::from_millis(700),
            command: Duration::from_millis(400),
            text: Duration::from_millis(400),
        },
        retry: vec![Duration::from_millis(50)],
        linger: Duration::from_millis(50),
        ..Pace::default()
    }
}

/// A mailer at work.
pub(crate) struct Client {
    pub(crate) spool: MemorySpool,
    pub(crate) health: watch::Receiver<Health>,
    settings: watch::Sender<Arc<Settings>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Client {
    pub(crate) fn start(settings: Settings) -> Self {
        Self::with(settings, |_| {})
    }

    pub(crate) fn with(settings: Settings, adjust: impl FnOnce(&mut Pace)) -> Self {
        let mut pace = pace();
        adjust(&mut pace);
        let spool = MemorySpool::new();
        let stop = CancellationToken::new();
        let (sender, receiver) = watch::channel(Arc::new(settings));
        let (mailer, health) = Mailer::new(spool.clone(), receiver, pace, stop.clone());
        let task = tokio::spawn(mailer.run());
        Self { spool, health, settings: sender, stop, task }
    }

    pub(crate) fn reload(&self, settings: Settings) {
        self.settings.send(Arc::new(settings)).unwrap();
    }

    pub(crate) async fn until_sent(&self, count: usize) {
        let sent = async {
            while self.spool.count("sent") < count {
                self.spool.0.changed.notified().await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, sent).await;
        assert!(done.is_ok(), "{:?}, health {:?}", self.spool.states(), self.health.borrow());
    }

    pub(crate) async fn until_health(&self, wanted: impl Fn(&Health) -> bool) {
        let mut health = self.health.clone();
        let done = tokio::time::timeout(PATIENCE, health.wait_for(|health| wanted(health))).await.map(|_| ());
        assert!(done.is_ok(), "{:?}, health {:?}", self.spool.states(), self.health.borrow());
    }

    /// Stops the mailer; it must end quickly.
    pub(crate) async fn stop(mut self) -> MemorySpool {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), &mut self.task).await.expect("ends within 5 s").unwrap();
        self.spool.clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}
