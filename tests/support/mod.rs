//! A gateway without hardware for tests: a real server with a fresh certificate over a real store, and modems that are
//! nothing but a mailbox.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use smsgate::{
    config::{self, Api, Config, SimEncoding, Slot, Source},
    model::{Health, ModemSnapshot, Msisdn, Prefix, ResendPolicy, SendLimits, SlotId, UssdStep},
    modem::{Request, UssdAsk, UssdError},
    pool::{Pool, SlotHandle},
    rpc::{Backends, Limits, Methods, Server},
    store::{Committed, NewSegment, Options, SegmentContent, SegmentKey, Store},
    tls,
};
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Number of the SIM in slot `00`.
pub(crate) const NUMBER_00: &str = "+491760000000";
/// Number of the SIM in slot `01`.
pub(crate) const NUMBER_01: &str = "+491760000001";

/// A running gateway; it stops when dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) store: Store,
    pub(crate) ca: PathBuf,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<()>,
    pub(crate) reloader: tls::Reloader,
    pub(crate) methods: Methods,
    modems: Vec<(watch::Sender<ModemSnapshot>, JoinHandle<()>)>,
    /// Another configuration for the methods.
    pub(crate) configure: watch::Sender<Arc<Config>>,
    folder: TempDir,
    arrived: std::cell::Cell<u16>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default(), |_| {}).await
    }

    /// With room for `queue_limit` waiting messages.
    pub(crate) async fn start_with_queue(queue_limit: usize) -> Self {
        Self::start_with(Limits::default(), |api| api.queue_limit = queue_limit).await
    }

    pub(crate) async fn start_with(limits: Limits, adapt: impl FnOnce(&mut Api)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let reloader = certificate(folder.path());
        let mut api = api();
        adapt(&mut api);
        let options = Options { mail: false, retention: Duration::from_secs(86_400), queue_limit: api.queue_limit };
        let store = Store::open(&folder.path().join("smsgate.db"), options).expect("a store");
        let (mut handles, mut modems) = (BTreeMap::new(), Vec::new());
        let slots = vec![slot("00", NUMBER_00), slot("01", NUMBER_01)];
        for slot in &slots {
            let (handle, snapshot, task) = modem(slot);
            handles.insert(slot.id.clone(), handle);
            modems.push((snapshot, task));
        }
        let (health, seen) = watch::channel(Health::ok());
        let (configure, config) = watch::channel(Arc::new(config(api, slots)));
        let backends = Backends {
            config,
            store: store.clone(),
            pool: Pool::new(handles),
            health: seen,
            parts_of: |text| u32::try_from(text.chars().count().div_ceil(67)).ok().filter(|parts| *parts <= 255),
        };
        let methods = Methods::start(backends).expect("the token checker");
        let server =
            Server::bind("localhost", 0, reloader.subscribe(), methods.clone(), limits).await.expect("a free port");
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let server = tokio::spawn(server.run(stop.clone()));
        let ca = folder.path().join("ca.pem");
        let arrived = std::cell::Cell::new(0);
        Self { address, store, ca, health, stop, server, reloader, methods, modems, folder, arrived, configure }
    }

    /// Lets a message arrive in slot `00`.
    pub(crate) async fn receive(&self, text: &str) {
        let index = self.arrived.get() + 1;
        self.arrived.set(index);
        let segment = NewSegment {
            key: SegmentKey {
                slot: SlotId::new("00"),
                sim: "8949".into(),
                memory: "SM".into(),
                index: Some(index),
                pdu: format!("00{index:04X}"),
            },
            recipient: NUMBER_00.into(),
            sender: "+491709999999".into(),
            network: "Vodafone.de".into(),
            sent_at: Some(Timestamp::now()),
            sent_offset: 3600,
            received_at: Timestamp::now(),
            flash: false,
            content: SegmentContent::Whole { text: text.into() },
        };
        let committed = self.store.commit_segment(segment, |_, _| String::new()).await.expect("a commit");
        assert!(matches!(committed, Committed::Stored { message: Some(_) }), "{committed:?}");
    }

    /// The folder of the certificate and the store.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the certificate on disk by a new one, under a new CA.
    pub(crate) fn renew_certificate(&self) {
        write_certificate(self.folder.path());
    }

    /// Takes the certificate on disk into use.
    pub(crate) fn reload_certificate(&self) {
        let folder = self.folder.path();
        self.reloader.reload(&folder.join("chain.pem"), &folder.join("key.pem"), &[]).expect("a certificate");
    }

    /// A client program that knows where the gateway is and what to trust.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SMSGATE_URL", format!("https://localhost:{}/RPC2", self.address.port()));
        command.env("SMSGATE_CA", &self.ca).env("SSL_CERT_FILE", &self.ca);
        command.env("PERL_LWP_SSL_CA_FILE", &self.ca);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"));
        command
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.cancel();
        self.modems.iter().for_each(|(_, task)| task.abort());
    }
}

/// The least configuration with mail, but for these two.
fn config(api: Api, slots: Vec<Slot>) -> Config {
    let text = "[mail]\nserver=s\nuser=u@s\npassword=p\nrecipient=r@s\n[server]\ncertificate=c\nkey=k\n";
    let (config, found) =
        config::load(Source { name: "smsgate.conf", text }, Source { name: "sim-cards.conf", text: "" });
    let mut config = config.unwrap_or_else(|| panic!("{found:?}"));
    config.gateway.api = api;
    config.slots = slots;
    config
}

fn certificate(folder: &Path) -> tls::Reloader {
    write_certificate(folder);
    tls::Reloader::load(&folder.join("chain.pem"), &folder.join("key.pem"), &[]).expect("a certificate").0
}

fn write_certificate(folder: &Path) {
    let today = jiff::Zoned::now().date();
    let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    let issued = tls::issue(&["localhost".to_owned()], &loopback, today, 30).expect("a certificate");
    for (name, text) in [("ca.pem", issued.ca), ("chain.pem", issued.chain), ("key.pem", issued.key)] {
        std::fs::write(folder.join(name), text).expect("a writable folder");
    }
}

/// Tokens are named after what they open.
fn api() -> Api {
    let hash = |token: &str| vec![bcrypt::hash(token, 4).expect("a hash")];
    Api {
        enable_send_sms: true,
        enable_send_ussd: true,
        token_send_sms: hash("tok-send"),
        token_send_ussd: hash("tok-ussd"),
        token_get_health_state: hash("tok-health"),
        token_get_stats: hash("tok-stats"),
        token_get_sms: BTreeMap::from([
            (SlotId::new("00"), [hash("tok-00"), hash("tok-all")].concat()),
            (SlotId::new("01"), [hash("tok-01"), hash("tok-all")].concat()),
        ]),
        resend_policy: ResendPolicy::Alarm,
        once_tokens: vec![],
        alarm_tokens: vec![],
        get_sms_window: Duration::from_secs(3600),
        message_lifetime: Duration::from_secs(86_400),
        allow_short_codes: false,
        repost_window: Duration::from_secs(5),
        queue_limit: 10_000,
        token_limits: SendLimits::default(),
    }
}

fn slot(name: &str, number: &str) -> Slot {
    Slot {
        id: SlotId::new(name),
        enabled: true,
        port: "/dev/null".into(),
        baud: 115_200,
        pin: None,
        wait_for_start: Duration::from_secs(60),
        wait_for_delivery: false,
        phone_number: Some(Msisdn::parse(number).expect("a number")),
        provider: "Test".into(),
        ussd_account_balance: None,
        ussd_allowed: None,
        forward_ussd: false,
        ussd_account_balance_regexp: regex::Regex::new(r"(\d+[\,\.]\d\d)").expect("a pattern"),
        currency: "EUR".into(),
        account_balance_warning_micros: 5_000_000,
        account_balance_critical_micros: 1_000_000,
        prefixes: vec![Prefix::parse("+").expect("a prefix")],
        denied_prefixes: Vec::new(),
        limits: SendLimits::default(),
        costs_per_sms_micros: 90_000,
        health_check_interval: Duration::from_secs(600),
        imei: None,
        encoding: SimEncoding::Gsm,
        email_address: None,
    }
}

fn modem(slot: &Slot) -> (SlotHandle, watch::Sender<ModemSnapshot>, JoinHandle<()>) {
    let number = slot.phone_number.as_ref().map_or("", Msisdn::as_str);
    let mut snapshot = ModemSnapshot::absent(slot.id.clone(), true, number);
    snapshot.port = format!("/dev/ttyUSB{}", slot.id.as_str().trim_start_matches('0').len());
    snapshot.network = "Vodafone.de".into();
    snapshot.status = "Ready.".into();
    snapshot.signal = 21;
    snapshot.ready = true;
    snapshot.init_counter = 1;
    snapshot.last_init = Some(Timestamp::now());
    let (sender, snapshot) = watch::channel(snapshot);
    let (requests, mut mailbox) = mpsc::channel(4);
    let task = tokio::spawn(async move {
        while let Some(request) = mailbox.recv().await {
            if let Request::Ussd { ask, reply } = request {
                let answer = match ask {
                    UssdAsk::Once(code) if code == "*100#" => Ok("Ihr Guthaben beträgt: 12,34 EUR\u{c}".to_owned()),
                    UssdAsk::Once(code) if code == "*101#" => Ok("Tarif: Klassik".to_owned()),
                    UssdAsk::Once(_) | UssdAsk::Open(_) | UssdAsk::Answer { .. } | UssdAsk::Close(_) => {
                        Err(UssdError::Failed("unknown code".to_owned()))
                    }
                };
                drop(reply.send(answer.map(|text| UssdStep { session: None, text })));
            }
        }
    });
    (SlotHandle { snapshot, requests }, sender, task)
}

/// Runs a client to its end without holding up the runtime. A program that is not installed fails the test.
pub(crate) async fn run(mut command: Command, package: &str) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let package = package.to_owned();
    tokio::task::spawn_blocking(move || {
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => panic!("{program}: {error}; the tests need the Debian package {package}"),
        };
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} (Debian: {package}) says: {text}");
        text
    })
    .await
    .expect("the client ends")
}
