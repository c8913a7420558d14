//! `smsgate.conf`, typed.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::model::{ResendPolicy, SlotId};

/// Everything in `smsgate.conf`.
#[derive(Debug)]
pub struct Gateway {
    /// `[mail]`.
    pub mail: Mail,
    /// `[server]`.
    pub server: Server,
    /// `[api]`.
    pub api: Api,
    /// `[modempool]`.
    pub modempool: Modempool,
    /// `[logging]`.
    pub logging: Logging,
    /// `[seccomp] enabled` (default true).
    pub seccomp: bool,
    /// `[store]`.
    pub store: StoreConfig,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MailSecurity {
    /// TLS from the first octet (RFC 8314 3.3); the default on port 465.
    Tls,
    /// STARTTLS is required (RFC 3207); the default on other ports.
    StartTls,
    /// No TLS; accepted for loopback servers only.
    None,
}

/// `[mail]`.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Switched on (default true).
    pub enabled: bool,
    /// Host name or address.
    pub server: String,
    /// TCP port (default 465).
    pub port: u16,
    /// Account, and From address unless `from` is given. Empty = no login.
    pub user: String,
    /// The account's password.
    pub password: SecretString,
    /// Where mails go unless the SIM names its own address.
    pub recipient: String,
    /// From address, if not `user`.
    pub from: Option<String>,
    /// Protection of the connection.
    pub security: MailSecurity,
    /// Certificates to trust instead of the system's store (PEM).
    pub ca: Option<PathBuf>,
    /// How often the server is tried when idle (default 600 s).
    pub health_check_interval: Duration,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address or name to listen on (default `localhost`).
    pub host: String,
    /// TCP port (default 7000).
    pub port: u16,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// OpenSSL cipher list as upstream had it; mapped to rustls suites, empty = all that rustls offers.
    pub ciphers: String,
}

/// `[api]`. Token entries are bcrypt hashes.
#[derive(Clone, Debug)]
pub struct Api {
    /// `enable_send_sms` (default false).
    pub enable_send_sms: bool,
    /// `enable_send_ussd` (default false).
    pub enable_send_ussd: bool,
    /// `token_send_sms`; hashes with `policy_send_sms_...` handled in `policies`.
    pub token_send_sms: Vec<String>,
    /// `token_send_ussd`.
    pub token_send_ussd: Vec<String>,
    /// `token_get_health_state`.
    pub token_get_health_state: Vec<String>,
    /// `token_get_stats`.
    pub token_get_stats: Vec<String>,
    /// `token_<slot>_get_sms`, by slot.
    pub token_get_sms: BTreeMap<SlotId, Vec<String>>,
    /// `resend_policy` (default `alarm`): what becomes of a message of unknown outcome.
    pub resend_policy: ResendPolicy,
    /// `resend_policy_once`: hashes of those `token_send_sms` tokens whose messages follow `once` instead.
    pub once_tokens: Vec<String>,
    /// `resend_policy_alarm`: hashes of those whose messages follow `alarm` although the default is `once`.
    pub alarm_tokens: Vec<String>,
    /// `get_sms_window` (default 3600 s).
    pub get_sms_window: Duration,
    /// `message_lifetime` (default 24 h).
    pub message_lifetime: Duration,
    /// `allow_short_codes` (default false).
    pub allow_short_codes: bool,
    /// `repost_window` (default 5 s; 0 = off).
    pub repost_window: Duration,
    /// `queue_limit`: most messages waiting to be sent before send_sms answers 503 (default 10000).
    pub queue_limit: usize,
}

/// How often each SIM sends itself a test SMS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SelfTestInterval {
    /// Once a day.
    Daily,
    /// On Mondays.
    Weekly,
    /// On the first of the month.
    Monthly,
}

/// `[modempool]`.
#[derive(Clone, Debug)]
pub struct Modempool {
    /// How often the pool's health is looked at (default 600 s).
    pub health_check_interval: Duration,
    /// Self-test SMS; `None` = never.
    pub sms_self_test_interval: Option<SelfTestInterval>,
    /// Where the last port of each IMEI is kept; `None` = not kept.
    pub serial_ports_hint_file: Option<PathBuf>,
}

/// Upstream's five level names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

/// `[logging]`.
#[derive(Clone, Debug)]
pub struct Logging {
    /// Least severe level that is logged (default INFO).
    pub level: LogLevel,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Database file; `None` = `smsgate.db` in `STATE_DIRECTORY`, else in `/var/lib/smsgate`.
    pub path: Option<PathBuf>,
    /// `retention`: how long texts of finished messages are kept (default 24 h); their metadata is kept 30 days.
    pub retention: Duration,
}
