//! The gateway under test: its files, the real daemon in this process, and a client that asks it over TLS.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::SecretString;
use smsgate::{
    cli::client::{Client, ClientError, Endpoint},
    config_files::load_folder,
    daemon::{Daemon, Surroundings},
    model::{HealthLevel, SlotId},
    rpc::wire::Value,
};

use super::{
    mailbox::Mailbox,
    modems::{MODELS, Pool},
    plan,
    time::DayClock,
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Real time: only a hung daemon takes so long.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the gateway says of one modem.
#[derive(Clone, Debug)]
pub struct Told {
    pub level: HealthLevel,
    pub reasons: Vec<String>,
    /// Every member, as text.
    pub members: BTreeMap<String, String>,
}

/// A running gateway.
pub struct Site {
    pub daemon: Daemon,
    client: Arc<Client>,
    store: PathBuf,
}

impl Site {
    /// Writes the files into `folder` and starts the daemon with the devices of `folder/dev`.
    pub async fn start(folder: &Path, pool: &Pool, mailbox: &Mailbox, clock: Arc<DayClock>, self_test: &str) -> Self {
        write(folder, pool, mailbox, self_test);
        let loaded = load_folder(folder).unwrap();
        let complaints: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        let config = loaded.config.unwrap_or_else(|| panic!("{complaints:?}"));
        assert!(complaints.is_empty(), "{complaints:?}");
        let surroundings = Surroundings { clock, opener: Arc::new(pool.clone()), sysfs: pool.sysfs(), appliance: None };
        let daemon = Daemon::start_in(config, surroundings).await.unwrap();
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: daemon.local_addr().port(),
            ca: Some(folder.join("ca.pem")),
        };
        let client = tokio::task::spawn_blocking(move || Client::new(endpoint, SecretString::from(TOKEN), DEADLINE));
        let client = Arc::new(client.await.unwrap().unwrap());
        Self { daemon, client, store: folder.join("state/smsgate.db") }
    }

    /// The database file.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// A call over TLS. Time stands still meanwhile, since it runs on a blocking thread.
    pub async fn call(&self, method: &'static str, arguments: Vec<Value>) -> Result<Value, ClientError> {
        let client = Arc::clone(&self.client);
        tokio::task::spawn_blocking(move || client.call(method, &arguments)).await.unwrap()
    }

    /// Stops the daemon.
    pub async fn stop(self) {
        self.daemon.stop().await;
        // The client has a runtime of its own, which does not end inside another.
        let client = self.client;
        tokio::task::spawn_blocking(move || drop(client)).await.unwrap();
    }

    /// Sends a message; its id.
    pub async fn send(&self, to: &str, text: &str, flash: bool) -> Result<String, ClientError> {
        let arguments = vec![Value::string(""), Value::string(to), Value::string(text), Value::Boolean(flash)];
        self.call("send_sms", arguments).await.map(|id| text_of(&id))
    }

    /// `get_sms` of all slots: recipient and text.
    pub async fn messages(&self) -> Vec<String> {
        let answer = self.call("get_sms", vec![Value::string("")]).await.unwrap();
        let described = |message: &Value| {
            let members = message.as_struct().unwrap();
            let member = |wanted: &str| text_of(&members.iter().find(|(name, _)| name == wanted).unwrap().1);
            format!("{} {}", member("recipient"), member("text"))
        };
        answer.as_array().unwrap().iter().map(described).collect()
    }

    /// The operator accepts the card in a slot.
    pub async fn accept_card(&self, modem: usize) {
        self.daemon.pool().accept_card(&SlotId::new(&format!("{modem:02}"))).await.expect("a card to accept");
    }

    /// `get_health_state`: level and message.
    pub async fn health(&self) -> (HealthLevel, String) {
        let answer = self.call("get_health_state", Vec::new()).await.unwrap();
        let pair = answer.as_array().unwrap();
        (level_of(&text_of(&pair[0])), text_of(&pair[1]))
    }

    /// `get_stats`, by modem.
    pub async fn stats(&self) -> Vec<Told> {
        let answer = self.call("get_stats", Vec::new()).await.unwrap();
        let slots = answer.as_array().unwrap()[1].clone();
        slots.as_struct().unwrap().iter().map(|(_, slot)| told(slot)).collect()
    }
}

fn told(slot: &Value) -> Told {
    let members: BTreeMap<String, String> =
        slot.as_struct().unwrap().iter().map(|(name, value)| (name.clone(), text_of(value))).collect();
    Told {
        level: level_of(&members["health_state_short"]),
        reasons: reasons(&members["health_state_message"]),
        members,
    }
}

/// The reasons of one modem in a message.
fn reasons(message: &str) -> Vec<String> {
    message.split("; ").filter(|reason| !reason.is_empty()).map(str::to_owned).collect()
}

fn level_of(word: &str) -> HealthLevel {
    let levels = [HealthLevel::Ok, HealthLevel::Warning, HealthLevel::Critical];
    levels.into_iter().find(|level| level.as_str() == word).unwrap_or_else(|| panic!("no level: {word}"))
}

fn text_of(value: &Value) -> String {
    let number = || value.as_number().map(|number| number.text().to_owned());
    value.as_str().map(str::to_owned).or_else(number).unwrap_or_else(|| format!("{value:?}"))
}

fn write(folder: &Path, pool: &Pool, mailbox: &Mailbox, self_test: &str) {
    let root = folder.display();
    let token = hash(TOKEN);
    let reading: String = (0..MODELS.len()).map(|slot| format!("token_{slot:02}_get_sms = {token}\n")).collect();
    let gateway = format!(
        "[mail]\nserver = 127.0.0.1\nport = {}\nsecurity = tls\nuser = gateway@example.org\npassword = secret\n\
         recipient = mailbox@example.org\nca = {root}/ca.pem\nhealth_check_interval = {}\n\
         [server]\nhost = 127.0.0.1\nport = 0\ncertificate = {root}/chain.pem\nkey = {root}/key.pem\n\
         [api]\nenable_send_sms = True\ntoken_send_sms = {token}\ntoken_get_health_state = {token}\n\
         token_get_stats = {token}\nqueue_limit = 100000\n{reading}\
         [modempool]\nsms_self_test_interval = {self_test}\nserial_ports_hint_file = {root}/hints\n\
         [store]\npath = {root}/state/smsgate.db\nretention = 7 d\n",
        mailbox.address.port(),
        plan::MAIL_CHECK.as_secs(),
    );
    private_file(&folder.join("smsgate.conf"), &gateway);
    let slots: String = (0..MODELS.len())
        .map(|slot| {
            format!(
                "[{slot:02}]\nport = {root}/dev/ttyUSB*\nimei = {}\nphone_number = {}\nprefixes = {}\n\
                 costs_per_sms = {}\nhealth_check_interval = {}\n{}",
                pool.imei(slot),
                pool.number(slot),
                plan::prefixes(slot),
                if slot == plan::BACKUP { "0.20" } else { "0.09" },
                plan::HEALTH_CHECK.as_secs(),
                plan::BALANCE,
            )
        })
        .collect();
    private_file(&folder.join("sim-cards.conf"), &slots);
}

/// A certificate for this machine, as `smsgate cert` makes it.
pub fn issue_certificate(folder: &Path) {
    let today = jiff::Zoned::now().date();
    let issued = smsgate::tls::issue(&["localhost".to_owned()], &[IpAddr::from([127, 0, 0, 1])], today, 2).unwrap();
    for (name, text) in [("ca.pem", &issued.ca), ("chain.pem", &issued.chain), ("key.pem", &issued.key)] {
        private_file(&folder.join(name), text);
    }
}

fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn hash(token: &str) -> String {
    let sum = digest(&SHA256, token.as_bytes());
    let digits: String = sum.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{digits}")
}
