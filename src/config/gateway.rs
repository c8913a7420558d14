//! `smsgate.conf`, typed.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{
    ciphers,
    fields::{Document, Field, Fields},
    ini::{Ini, Section},
    nearest::nearest,
    values::{self, Problem},
};
use crate::model::{ResendPolicy, SendLimits, SlotId};

/// Everything in `smsgate.conf`.
#[derive(Clone, Debug)]
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
    /// `[seccomp]`.
    pub seccomp: Seccomp,
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
    /// `forward_ussd` (default false): USSD texts that the network sends of its own accord are mailed.
    pub forward_ussd: bool,
    /// `flood_limit` (default 60; 0 = none): SMS of one sender to one SIM within a minute that get a mail each. Those that
    /// follow go as digests.
    pub flood_limit: u32,
}

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address or name to listen on (default `localhost`).
    pub host: String,
    /// TCP port (default 7000; 0 = any free one).
    pub port: u16,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// OpenSSL cipher list as upstream had it; mapped to rustls suites, empty = all that rustls offers.
    pub ciphers: String,
}

/// `[api]`. Token entries are bcrypt hashes, or `sha256:` and the hexadecimal digest of a token made by machine.
#[derive(Clone)]
pub struct Api {
    /// `enable_send_sms` (default false).
    pub enable_send_sms: bool,
    /// `enable_send_ussd` (default false).
    pub enable_send_ussd: bool,
    /// `token_send_sms`.
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
    /// `max_parts_per_minute`, `max_parts_per_day`: what each token may send.
    pub token_limits: SendLimits,
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

/// `[seccomp]`: what becomes of what the daemon has no business doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seccomp {
    /// `enabled = False`: it happens.
    Off,
    /// `mode = log`: it happens, and the kernel notes it.
    Log,
    /// It is refused (the default).
    Enforce,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Database file; `None` = `smsgate.db` in `STATE_DIRECTORY`, else in `/var/lib/smsgate`.
    pub path: Option<PathBuf>,
    /// `retention`: how long texts of finished messages are kept (default 24 h); their metadata is kept 30 days.
    pub retention: Duration,
}

/// The sections of `smsgate.conf`.
const SECTIONS: [&str; 7] = ["api", "logging", "mail", "modempool", "seccomp", "server", "store"];

const DAY: u64 = 86_400;

impl Gateway {
    /// Reads `smsgate.conf`. What is bad is reported and replaced by something of its type.
    pub(super) fn read(document: &mut Document<'_>, ini: &Ini, slots: &[SlotId]) -> Self {
        for section in ini.sections().filter(|section| !SECTIONS.contains(&section.name.as_str())) {
            let remedy = nearest(section.name.trim(), SECTIONS).map_or_else(
                || "it is ignored".to_owned(),
                |known| format!("it is ignored; did you mean `[{known}]`? Blanks and case count here"),
            );
            let message = format!("there is no section `[{}]`", section.name);
            document.report(super::Severity::Warning, Some(section.span.clone()), message, remedy);
        }
        let gateway = Self {
            mail: in_section(document, ini, "mail", Mail::read),
            server: in_section(document, ini, "server", Server::read),
            api: in_section(document, ini, "api", |fields| Api::read(fields, slots)),
            modempool: in_section(document, ini, "modempool", Modempool::read),
            logging: in_section(document, ini, "logging", |fields| Logging {
                level: fields.parsed("level", LogLevel::Info, values::log_level),
            }),
            seccomp: in_section(document, ini, "seccomp", Seccomp::read),
            store: in_section(document, ini, "store", |fields| StoreConfig {
                path: fields.path("path"),
                retention: fields.seconds("retention", DAY, 60),
            }),
        };
        document.check_defaults(ini);
        gateway
    }
}

fn in_section<T>(document: &mut Document<'_>, ini: &Ini, name: &str, read: impl FnOnce(&mut Fields<'_, '_>) -> T) -> T {
    let absent = Section::absent(name);
    let mut fields = Fields::new(document, ini, ini.section(name).unwrap_or(&absent));
    let value = read(&mut fields);
    fields.finish();
    value
}

impl Seccomp {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let enabled = fields.boolean("enabled", true);
        let mode = fields.parsed("mode", Self::Enforce, |text| match text.to_lowercase().as_str() {
            "enforce" => Ok(Self::Enforce),
            "log" => Ok(Self::Log),
            _ => Err(Problem::new("is unknown", "write `enforce` or `log`")),
        });
        if enabled { mode } else { Self::Off }
    }
}

impl Mail {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let enabled = fields.boolean("enabled", true);
        let (server, recipient) = if enabled {
            (fields.required("server", values::line), fields.required("recipient", values::mail_address))
        } else {
            (fields.optional("server", values::line), fields.optional("recipient", values::mail_address))
        };
        let server = server.unwrap_or_default();
        let user = fields.optional("user", values::line).unwrap_or_default();
        let password = if enabled && !user.is_empty() {
            fields.required("password", values::line)
        } else {
            fields.optional("password", values::line)
        };
        let port = port(fields, 465, 1);
        Self {
            enabled,
            from: from_address(fields, enabled, &user, &server),
            security: security(fields, port, &server),
            port,
            server,
            user,
            password: SecretString::from(password.unwrap_or_default()),
            recipient: recipient.unwrap_or_default(),
            ca: fields.path("ca"),
            health_check_interval: fields.seconds("health_check_interval", 600, 1),
            forward_ussd: fields.boolean("forward_ussd", false),
            flood_limit: fields.parsed("flood_limit", 60, |text| {
                Ok(u32::try_from(values::integer(text, 0, 1_000_000)?).unwrap_or(u32::MAX))
            }),
        }
    }
}

fn port(fields: &mut Fields<'_, '_>, default: u16, least: u16) -> u16 {
    fields.parsed("port", default, |text| {
        let port = values::integer(text, u64::from(least), u64::from(u16::MAX))?;
        Ok(u16::try_from(port).unwrap_or(default))
    })
}

fn from_address(fields: &mut Fields<'_, '_>, enabled: bool, user: &str, server: &str) -> Option<String> {
    let from = fields.optional("from", values::mail_address);
    if !enabled || from.is_some() || values::mail_address(user).is_ok() {
        return from;
    }
    let span = fields.key_span("user");
    if user.is_empty() {
        fields.error_at(span, "without `user` there is no address that mails come from", "add `from = address`");
        return None;
    }
    let message = "`user` is not a mail address, so mails come from that name at the mail server";
    fields.warn_at(span, message, "add `from = address` if that is not wanted");
    Some(format!("{user}@{server}"))
}

fn security(fields: &mut Fields<'_, '_>, port: u16, server: &str) -> MailSecurity {
    let usual = if port == 465 { MailSecurity::Tls } else { MailSecurity::StartTls };
    let security = fields.optional("security", |text| match text.to_lowercase().as_str() {
        "tls" => Ok(MailSecurity::Tls),
        "starttls" => Ok(MailSecurity::StartTls),
        "none" if is_loopback(server) => Ok(MailSecurity::None),
        "none" => Err(Problem::new(
            "is `none`, but the server is not on this machine",
            "write `tls` or `starttls`: the password and the messages would be readable on the way",
        )),
        _ => Err(Problem::new("is unknown", "write `tls`, `starttls` or, for a server on this machine, `none`")),
    });
    security.unwrap_or(usual)
}

fn is_loopback(server: &str) -> bool {
    let address = server.trim_start_matches('[').trim_end_matches(']').parse::<core::net::IpAddr>();
    server.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

impl Server {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let path = |text: &str| values::line(text).map(PathBuf::from);
        let ciphers = fields.filled("ciphers");
        if let Some(field) = &ciphers {
            warn_of_ciphers(fields, field);
        }
        Self {
            host: fields.parsed("host", "localhost".to_owned(), |text| match text {
                "" => Err(Problem::new("is empty", "write an address, such as localhost, 0.0.0.0 or ::")),
                _ => values::line(text),
            }),
            port: port(fields, 7000, 0),
            certificate: fields.required("certificate", path).unwrap_or_default(),
            key: fields.required("key", path).unwrap_or_default(),
            ciphers: ciphers.map(|field| field.value).unwrap_or_default(),
        }
    }
}

fn warn_of_ciphers(fields: &mut Fields<'_, '_>, list: &Field) {
    let chosen = ciphers::suites(&list.value);
    if chosen.unknown.is_empty() {
        return;
    }
    // What is masked in the file is not to be named here either.
    let visible = fields.document.place(list.span.clone()).text;
    let names: Vec<_> = chosen.unknown.into_iter().filter(|name| visible.contains(name)).collect();
    let message = format!("`ciphers` has names that are not offered here: {}", names.join(", "));
    let remedy = if chosen.suites.is_empty() {
        "no name is left, so all cipher suites of rustls are offered"
    } else {
        "they are left out"
    };
    fields.warn_at(list.span.clone(), message, remedy);
}

impl Api {
    fn read(fields: &mut Fields<'_, '_>, slots: &[SlotId]) -> Self {
        let api = Self {
            enable_send_sms: fields.boolean("enable_send_sms", false),
            enable_send_ussd: fields.boolean("enable_send_ussd", false),
            token_send_sms: fields.tokens("token_send_sms"),
            token_send_ussd: fields.tokens("token_send_ussd"),
            token_get_health_state: fields.tokens("token_get_health_state"),
            token_get_stats: fields.tokens("token_get_stats"),
            token_get_sms: slot_tokens(fields, slots),
            resend_policy: fields.parsed("resend_policy", ResendPolicy::default(), |text| {
                ResendPolicy::parse(&text.to_lowercase())
                    .ok_or_else(|| Problem::new("is unknown", "write `alarm` or `once`"))
            }),
            once_tokens: fields.tokens("resend_policy_once"),
            alarm_tokens: fields.tokens("resend_policy_alarm"),
            get_sms_window: fields.seconds("get_sms_window", 3600, 1),
            message_lifetime: fields.seconds("message_lifetime", DAY, 60),
            allow_short_codes: fields.boolean("allow_short_codes", false),
            repost_window: fields.seconds("repost_window", 5, 0),
            queue_limit: fields.parsed("queue_limit", 10_000, |text| {
                Ok(usize::try_from(values::integer(text, 1, 1_000_000)?).unwrap_or(usize::MAX))
            }),
            token_limits: SendLimits {
                parts_per_minute: fields.optional("max_parts_per_minute", values::parts),
                parts_per_day: fields.optional("max_parts_per_day", values::parts),
                micros_per_day: None,
            },
        };
        api.check(fields);
        api
    }

    fn check(&self, fields: &mut Fields<'_, '_>) {
        for (enabled, key, tokens, token_key) in [
            (self.enable_send_sms, "enable_send_sms", &self.token_send_sms, "token_send_sms"),
            (self.enable_send_ussd, "enable_send_ussd", &self.token_send_ussd, "token_send_ussd"),
        ] {
            if enabled && tokens.is_empty() {
                let message = format!("`{key}` is on, but nobody can use it: `{token_key}` has no token");
                fields.warn_at(fields.key_span(key), message, "make one with `smsgate token`");
            }
        }
        for (key, tokens) in [("resend_policy_once", &self.once_tokens), ("resend_policy_alarm", &self.alarm_tokens)] {
            if tokens.iter().any(|token| !self.token_send_sms.contains(token)) {
                let message = format!("`{key}` has a hash that is not in `token_send_sms`");
                fields.warn_at(fields.key_span(key), message, "copy the hash from `token_send_sms`");
            }
        }
        if self.once_tokens.iter().any(|token| self.alarm_tokens.contains(token)) {
            let span = fields.key_span("resend_policy_alarm");
            fields.error_at(
                span,
                "a hash is in both `resend_policy_once` and `resend_policy_alarm`",
                "keep one of them",
            );
        }
    }
}

/// How many, not which: a hash can be tried against guesses at leisure.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("enable_send_sms", &self.enable_send_sms)
            .field("enable_send_ussd", &self.enable_send_ussd)
            .field("token_send_sms", &self.token_send_sms.len())
            .field("token_send_ussd", &self.token_send_ussd.len())
            .field("token_get_health_state", &self.token_get_health_state.len())
            .field("token_get_stats", &self.token_get_stats.len())
            .field("token_get_sms", &self.token_get_sms.keys())
            .field("resend_policy", &self.resend_policy)
            .field("once_tokens", &self.once_tokens.len())
            .field("alarm_tokens", &self.alarm_tokens.len())
            .field("get_sms_window", &self.get_sms_window)
            .field("message_lifetime", &self.message_lifetime)
            .field("allow_short_codes", &self.allow_short_codes)
            .field("repost_window", &self.repost_window)
            .field("queue_limit", &self.queue_limit)
            .field("token_limits", &self.token_limits)
            .finish()
    }
}

/// `token_<slot>_get_sms`. Keys have no case, slots have: the key means the one slot that is spelt alike.
fn slot_tokens(fields: &mut Fields<'_, '_>, slots: &[SlotId]) -> BTreeMap<SlotId, Vec<String>> {
    let mut tokens = BTreeMap::new();
    for key in fields.own_keys() {
        let Some(name) = key.strip_prefix("token_").and_then(|rest| rest.strip_suffix("_get_sms")) else { continue };
        let hashes = fields.tokens(key);
        let meant: Vec<_> = slots.iter().filter(|slot| slot.as_str().to_lowercase() == name).collect();
        let span = fields.key_span(key);
        match meant.as_slice() {
            [slot] => {
                tokens.insert((*slot).clone(), hashes);
            }
            [] => {
                let remedy = nearest(name, slots.iter().map(SlotId::as_str)).map_or_else(
                    || "it is ignored".to_owned(),
                    |slot| format!("it is ignored; did you mean `token_{slot}_get_sms`?"),
                );
                fields.warn_at(span, format!("`{key}` is for a slot that is not in the SIM configuration"), remedy);
            }
            [first, second, ..] => {
                let message = format!("`{key}` could be for `[{first}]` or `[{second}]`");
                fields.error_at(span, message, "rename one of the slots: keys have no upper and lower case");
            }
        }
    }
    tokens
}

impl Modempool {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        Self {
            health_check_interval: fields.seconds("health_check_interval", 600, 1),
            sms_self_test_interval: fields.optional("sms_self_test_interval", |text| {
                match text.to_lowercase().as_str() {
                    "daily" => Ok(SelfTestInterval::Daily),
                    "weekly" => Ok(SelfTestInterval::Weekly),
                    "monthly" => Ok(SelfTestInterval::Monthly),
                    _ => Err(Problem::new("is unknown", "write `daily`, `weekly` or `monthly`, or nothing for never")),
                }
            }),
            serial_ports_hint_file: fields.path("serial_ports_hint_file"),
        }
    }
}
