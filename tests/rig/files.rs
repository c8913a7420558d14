//! What lies in the folder: certificate, configuration, store.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

/// Opens everything.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Sends messages that must not be sent twice.
pub const ONCE_TOKEN: &str = "fedcba9876543210fedcba9876543210";

/// One slot as sim-cards.conf has it.
#[derive(Clone)]
pub struct Sim {
    pub number: String,
    /// Options beside `phone_number`.
    pub options: BTreeMap<String, String>,
}

impl Sim {
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.options.insert(key.to_owned(), value.into());
    }
}

/// What the configuration files say.
#[derive(Clone)]
pub struct Site {
    root: PathBuf,
    pub port: u16,
    pub mail_port: u16,
    pub sims: Vec<Sim>,
    /// More lines for `[mail]`.
    pub mail: String,
    /// More lines for `[api]`.
    pub api: String,
    /// `sms_self_test_interval`.
    pub self_test: String,
    /// `retention`, if it is not the usual one.
    pub retention: String,
    /// Arguments of the emulator beside its own.
    pub emulator: Vec<String>,
}

impl Site {
    pub fn new(root: &Path, modems: usize) -> Self {
        let root = root.to_owned();
        let sims = (0..modems)
            .map(|modem| Sim {
                number: format!("+491700000{modem:03}"),
                options: BTreeMap::from([
                    ("port".to_owned(), root.join(format!("dev/modem-{modem:02}")).display().to_string()),
                    ("prefixes".to_owned(), "+".to_owned()),
                    ("costs_per_sms".to_owned(), "0.09".to_owned()),
                ]),
            })
            .collect();
        fs::create_dir_all(root.join("dev")).unwrap();
        fs::create_dir_all(root.join("conf")).unwrap();
        let (mail, api, self_test, retention) = <(String, String, String, String)>::default();
        Self { root, port: lasting_port(), mail_port: 0, sims, mail, api, self_test, retention, emulator: Vec::new() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn config_folder(&self) -> PathBuf {
        self.root.join("conf")
    }

    pub fn ca(&self) -> PathBuf {
        self.root.join("conf/ca.pem")
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("state/smsgate.db")
    }

    /// The number of a modem's SIM.
    pub fn number(&self, modem: usize) -> &str {
        &self.sims[modem].number
    }

    /// A certificate for this machine, in place of one that may be there.
    pub fn issue_certificate(&self) {
        self.issue_certificate_for(2);
    }

    /// As [`Site::issue_certificate`], with days to go.
    pub fn issue_certificate_for(&self, days: u16) {
        let today = jiff::Zoned::now().date();
        let addresses = [IpAddr::from([127, 0, 0, 1])];
        let issued = smsgate::tls::issue(&["localhost".to_owned()], &addresses, today, days).unwrap();
        for (name, text) in [("ca.pem", &issued.ca), ("chain.pem", &issued.chain), ("key.pem", &issued.key)] {
            private_file(&self.config_folder().join(name), text);
        }
    }

    /// Writes both configuration files.
    pub fn write(&self) {
        let (root, folder) = (self.root.display(), self.config_folder());
        let slots: String =
            (0..self.sims.len()).map(|slot| format!("token_{slot:02}_get_sms = {}\n", hash(TOKEN))).collect();
        let (token, both, once) = (hash(TOKEN), format!("{} {}", hash(TOKEN), hash(ONCE_TOKEN)), hash(ONCE_TOKEN));
        let gateway = format!(
            "[mail]\nenabled = True\nserver = 127.0.0.1\nport = {}\nsecurity = tls\nuser = gateway@example.org\n\
             password = secret\nrecipient = mailbox@example.org\nca = {root}/conf/ca.pem\n{}\
             [server]\nhost = 127.0.0.1\nport = {}\ncertificate = {root}/conf/chain.pem\nkey = {root}/conf/key.pem\n\
             [api]\nenable_send_sms = True\nenable_send_ussd = True\ntoken_send_sms = {both}\ntoken_send_ussd = {token}\n\
             token_get_health_state = {token}\ntoken_get_stats = {token}\nresend_policy_once = {once}\n{slots}{}\
             [modempool]\nsms_self_test_interval = {}\nserial_ports_hint_file = {root}/hints\n\
             [logging]\nlevel = INFO\n[store]\npath = {}\n{}",
            self.mail_port,
            self.mail,
            self.port,
            self.api,
            self.self_test,
            self.store().display(),
            if self.retention.is_empty() { String::new() } else { format!("retention = {}\n", self.retention) },
        );
        private_file(&folder.join("smsgate.conf"), &gateway);
        let mut sims = String::new();
        for (slot, sim) in self.sims.iter().enumerate() {
            sims.push_str(&format!("[{slot:02}]\nphone_number = {}\n", sim.number));
            sim.options.iter().for_each(|(key, value)| sims.push_str(&format!("{key} = {value}\n")));
        }
        private_file(&folder.join("sim-cards.conf"), &sims);
    }
}

fn private_file(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(next, path).unwrap();
}

/// As the configuration has a token.
pub fn hash(token: &str) -> String {
    let sum = digest(&SHA256, token.as_bytes());
    let digits: String = sum.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{digits}")
}

/// A free port below those that outgoing connections get, so that nobody takes it while the daemon is down.
pub fn lasting_port() -> u16 {
    let seed = std::process::id() ^ u32::from(fastrand());
    (0..5000)
        .map(|step| 20_000 + u16::try_from((seed + step) % 10_000).unwrap())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Differs between tests of one process.
fn fastrand() -> u16 {
    uuid::Uuid::now_v7().as_bytes()[14..].iter().fold(0, |sum, octet| sum << 8 | u16::from(*octet))
}
