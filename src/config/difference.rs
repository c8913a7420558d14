//! What differs between two configurations: key by key, slot by slot, in words that hold no value.
//!
//! It says also what a change asks for: nothing but reading it, a slot that starts anew, or a restart of the gateway.
//! Carrying that out is the daemon's business.

use std::{collections::BTreeMap, fmt};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Api, Config, Gateway, Logging, Mail, Modempool, Seccomp, Server, Slot, StoreConfig};
use crate::model::SlotId;

/// The way from one configuration to another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Difference {
    /// Keys of `smsgate.conf` whose value is another, in the order of the manual.
    pub keys: Vec<Key>,
    /// Slots that differ; the others are the same in every key.
    pub slots: BTreeMap<SlotId, SlotChange>,
}

/// A key of `smsgate.conf`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// Without brackets.
    pub section: &'static str,
    /// The key.
    pub key: String,
}

/// What becomes of a slot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SlotChange {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// Its modem has to be opened anew, since one of these keys says which modem it is or how it is set up. All keys that
    /// differ.
    Restarted(Vec<&'static str>),
    /// These keys differ, and whoever reads them next has the new value: the modem notices nothing.
    Adapted(Vec<&'static str>),
}

impl Difference {
    /// Compares.
    #[must_use]
    pub fn between(old: &Config, new: &Config) -> Self {
        Self { keys: gateway(&old.gateway, &new.gateway), slots: slots(&old.slots, &new.slots) }
    }

    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.slots.is_empty()
    }

    /// Puts the old values of those keys back into `new` that only a restart gives effect to: what is published is what is
    /// in force, and the next comparison names them again.
    pub fn keep_what_needs_a_restart(&self, old: &Config, new: &mut Config) {
        let (old, new) = (&old.gateway, &mut new.gateway);
        old.server.host.clone_into(&mut new.server.host);
        new.server.port = old.server.port;
        new.store.path.clone_from(&old.store.path);
        new.seccomp = old.seccomp;
        new.modempool.serial_ports_hint_file.clone_from(&old.modempool.serial_ports_hint_file);
    }

    /// Whether a key of this section differs.
    #[must_use]
    pub fn touches(&self, section: &str) -> bool {
        self.keys.iter().any(|key| key.section == section)
    }

    /// Whether the mailer has something to learn: its section, or where a slot's mails go.
    #[must_use]
    pub fn touches_mail(&self) -> bool {
        let addressed = |change: &SlotChange| match change {
            SlotChange::Added | SlotChange::Removed => true,
            SlotChange::Restarted(keys) | SlotChange::Adapted(keys) => keys.contains(&"email_address"),
        };
        self.touches("mail") || self.slots.values().any(addressed)
    }

    /// Whether the ports to look for modems on may be others.
    #[must_use]
    pub fn touches_ports(&self) -> bool {
        self.slots.values().any(|change| !matches!(change, SlotChange::Adapted(_)))
    }
}

impl Key {
    /// Whether only a restart of the gateway gives effect to it: its value is used once, at the start.
    #[must_use]
    pub fn needs_restart(&self) -> bool {
        matches!(
            (self.section, self.key.as_str()),
            ("server", "host" | "port")
                | ("store", "path")
                | ("seccomp", "enabled" | "mode")
                | ("modempool", "serial_ports_hint_file")
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.section, self.key)
    }
}

impl fmt::Display for SlotChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => f.write_str("added"),
            Self::Removed => f.write_str("removed"),
            Self::Restarted(keys) => write!(f, "started anew for its {}", keys.join(", ")),
            Self::Adapted(keys) => write!(f, "goes on with another {}", keys.join(", ")),
        }
    }
}

// Each structure is taken apart by name: a field that is added and not compared does not compile.

fn gateway(old: &Gateway, new: &Gateway) -> Vec<Key> {
    let Gateway { mail, server, api, modempool, logging, seccomp, store } = old;
    let Logging { level } = logging;
    let StoreConfig { path, retention } = store;
    let mut keys = Vec::new();
    let mut section = |section: &'static str, found: Vec<(String, bool)>| {
        keys.extend(found.into_iter().filter(|(_, same)| !same).map(|(key, _)| Key { section, key }));
    };
    section("mail", named(mail_keys(mail, &new.mail)));
    section("server", named(server_keys(server, &new.server)));
    section("api", api_keys(api, &new.api));
    section("modempool", named(modempool_keys(modempool, &new.modempool)));
    section("logging", named([("level", *level == new.logging.level)]));
    let switched = (*seccomp == Seccomp::Off) != (new.seccomp == Seccomp::Off);
    section("seccomp", named([("enabled", !switched), ("mode", switched || *seccomp == new.seccomp)]));
    section("store", named([("path", *path == new.store.path), ("retention", *retention == new.store.retention)]));
    keys
}

fn named<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<(String, bool)> {
    keys.into_iter().map(|(key, same)| (key.to_owned(), same)).collect()
}

fn mail_keys(old: &Mail, new: &Mail) -> [(&'static str, bool); 12] {
    let Mail {
        enabled,
        server,
        port,
        user,
        password,
        recipient,
        from,
        security,
        ca,
        health_check_interval,
        forward_ussd,
        flood_limit,
    } = old;
    [
        ("enabled", *enabled == new.enabled),
        ("server", *server == new.server),
        ("port", *port == new.port),
        ("user", *user == new.user),
        ("password", is_same_secret(password, &new.password)),
        ("recipient", *recipient == new.recipient),
        ("from", *from == new.from),
        ("security", *security == new.security),
        ("ca", *ca == new.ca),
        ("forward_ussd", *forward_ussd == new.forward_ussd),
        ("flood_limit", *flood_limit == new.flood_limit),
        ("health_check_interval", *health_check_interval == new.health_check_interval),
    ]
}

fn server_keys(old: &Server, new: &Server) -> [(&'static str, bool); 5] {
    let Server { host, port, certificate, key, ciphers } = old;
    [
        ("host", *host == new.host),
        ("port", *port == new.port),
        ("certificate", *certificate == new.certificate),
        ("key", *key == new.key),
        ("ciphers", *ciphers == new.ciphers),
    ]
}

fn api_keys(old: &Api, new: &Api) -> Vec<(String, bool)> {
    let Api {
        enable_send_sms,
        enable_send_ussd,
        token_send_sms,
        token_send_ussd,
        token_get_health_state,
        token_get_stats,
        token_get_sms,
        resend_policy,
        once_tokens,
        alarm_tokens,
        get_sms_window,
        message_lifetime,
        allow_short_codes,
        repost_window,
        queue_limit,
        token_limits,
    } = old;
    let mut keys = named([
        ("enable_send_sms", *enable_send_sms == new.enable_send_sms),
        ("enable_send_ussd", *enable_send_ussd == new.enable_send_ussd),
        ("token_send_sms", *token_send_sms == new.token_send_sms),
        ("token_send_ussd", *token_send_ussd == new.token_send_ussd),
        ("token_get_health_state", *token_get_health_state == new.token_get_health_state),
        ("token_get_stats", *token_get_stats == new.token_get_stats),
        ("resend_policy", *resend_policy == new.resend_policy),
        ("resend_policy_once", *once_tokens == new.once_tokens),
        ("resend_policy_alarm", *alarm_tokens == new.alarm_tokens),
        ("get_sms_window", *get_sms_window == new.get_sms_window),
        ("message_lifetime", *message_lifetime == new.message_lifetime),
        ("allow_short_codes", *allow_short_codes == new.allow_short_codes),
        ("repost_window", *repost_window == new.repost_window),
        ("queue_limit", *queue_limit == new.queue_limit),
        ("max_parts_per_minute", token_limits.parts_per_minute == new.token_limits.parts_per_minute),
        ("max_parts_per_day", token_limits.parts_per_day == new.token_limits.parts_per_day),
    ]);
    let added = new.token_get_sms.keys().filter(|slot| !token_get_sms.contains_key(*slot));
    for slot in token_get_sms.keys().chain(added) {
        keys.push((format!("token_{slot}_get_sms"), token_get_sms.get(slot) == new.token_get_sms.get(slot)));
    }
    keys
}

fn modempool_keys(old: &Modempool, new: &Modempool) -> [(&'static str, bool); 3] {
    let Modempool { health_check_interval, sms_self_test_interval, serial_ports_hint_file } = old;
    [
        ("health_check_interval", *health_check_interval == new.health_check_interval),
        ("sms_self_test_interval", *sms_self_test_interval == new.sms_self_test_interval),
        ("serial_ports_hint_file", *serial_ports_hint_file == new.serial_ports_hint_file),
    ]
}

fn slots(old: &[Slot], new: &[Slot]) -> BTreeMap<SlotId, SlotChange> {
    let of = |slots: &[Slot], id: &SlotId| slots.iter().any(|slot| slot.id == *id);
    let mut changes: BTreeMap<_, _> =
        old.iter().filter(|slot| !of(new, &slot.id)).map(|slot| (slot.id.clone(), SlotChange::Removed)).collect();
    for slot in new {
        let change = match old.iter().find(|before| before.id == slot.id) {
            Some(before) => changed(before, slot),
            None => Some(SlotChange::Added),
        };
        changes.extend(change.map(|change| (slot.id.clone(), change)));
    }
    changes
}

fn changed(old: &Slot, new: &Slot) -> Option<SlotChange> {
    let Slot {
        id: _,
        enabled,
        port,
        baud,
        pin,
        wait_for_start,
        wait_for_delivery,
        phone_number,
        provider,
        ussd_account_balance,
        ussd_account_balance_regexp,
        currency,
        account_balance_warning_micros,
        account_balance_critical_micros,
        prefixes,
        denied_prefixes,
        limits,
        costs_per_sms_micros,
        health_check_interval,
        imei,
        encoding,
        email_address,
        forward_ussd,
        ussd_allowed,
    } = old;
    let same_pin = match (pin, &new.pin) {
        (Some(pin), Some(other)) => is_same_secret(pin, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    let hard = [
        ("enabled", *enabled == new.enabled),
        ("port", *port == new.port),
        ("baud", *baud == new.baud),
        ("pin", same_pin),
        // What comes in is filed under it from the start of a session on.
        ("phone_number", *phone_number == new.phone_number),
        ("imei", *imei == new.imei),
        ("encoding", *encoding == new.encoding),
    ];
    let pattern = ussd_account_balance_regexp.as_str() == new.ussd_account_balance_regexp.as_str();
    let soft = [
        ("wait_for_start", *wait_for_start == new.wait_for_start),
        ("wait_for_delivery", *wait_for_delivery == new.wait_for_delivery),
        ("provider", *provider == new.provider),
        ("ussd_account_balance", *ussd_account_balance == new.ussd_account_balance),
        ("ussd_account_balance_regexp", pattern),
        ("currency", *currency == new.currency),
        ("account_balance_warning", *account_balance_warning_micros == new.account_balance_warning_micros),
        ("account_balance_critical", *account_balance_critical_micros == new.account_balance_critical_micros),
        ("prefixes", *prefixes == new.prefixes),
        ("denied_prefixes", *denied_prefixes == new.denied_prefixes),
        ("max_parts_per_minute", limits.parts_per_minute == new.limits.parts_per_minute),
        ("max_parts_per_day", limits.parts_per_day == new.limits.parts_per_day),
        ("max_costs_per_day", limits.micros_per_day == new.limits.micros_per_day),
        ("costs_per_sms", *costs_per_sms_micros == new.costs_per_sms_micros),
        ("health_check_interval", *health_check_interval == new.health_check_interval),
        ("email_address", *email_address == new.email_address),
        ("forward_ussd", *forward_ussd == new.forward_ussd),
        ("ussd_allowed", *ussd_allowed == new.ussd_allowed),
    ];
    let others = |keys: &[(&'static str, bool)]| -> Vec<_> {
        keys.iter().filter(|(_, same)| !same).map(|(key, _)| *key).collect()
    };
    let (mut hard, soft) = (others(&hard), others(&soft));
    if !hard.is_empty() {
        hard.extend(soft);
        return Some(SlotChange::Restarted(hard));
    }
    (!soft.is_empty()).then_some(SlotChange::Adapted(soft))
}

fn is_same_secret(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    const GATEWAY: &str = "[mail]\nserver=a\nuser=u@a\npassword=first\nrecipient=r@a\n[server]\ncertificate=c\nkey=k\n";
    const SIMS: &str = "[00]\nport=/dev/a\ncosts_per_sms=0.1\npin=1234\n[01]\nport=/dev/b\ncosts_per_sms=0.1\n";
    const HASH: &str = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn load(gateway: &str, sims: &str) -> Config {
        let (config, found) = config::load(Source { name: "g", text: gateway }, Source { name: "s", text: sims });
        config.unwrap_or_else(|| panic!("{found:?}"))
    }

    /// What differs once `line` is put into a section of `smsgate.conf`.
    fn with(section: &str, line: &str) -> Vec<String> {
        let head = format!("[{section}]\n");
        let changed = match GATEWAY.split_once(&head) {
            Some((before, behind)) => {
                let key = line.split('=').next().unwrap_or_default();
                let (inside, rest) = behind
                    .split_once("[server]\n")
                    .map_or((behind, String::new()), |(inside, rest)| (inside, format!("[server]\n{rest}")));
                let kept: String = inside
                    .lines()
                    .filter(|old| old.split('=').next() != Some(key))
                    .map(|old| format!("{old}\n"))
                    .collect();
                format!("{before}{head}{line}\n{kept}{rest}")
            }
            None => format!("{GATEWAY}{head}{line}\n"),
        };
        let difference = Difference::between(&load(GATEWAY, SIMS), &load(&changed, SIMS));
        assert_eq!(difference.slots, BTreeMap::new());
        difference.keys.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_same_is_no_difference() {
        let difference = Difference::between(&load(GATEWAY, SIMS), &load(GATEWAY, SIMS));
        assert!(difference.is_empty(), "{difference:?}");
        assert!(!difference.touches_mail() && !difference.touches_ports());
    }

    #[test]
    fn each_key_of_the_gateway_is_noticed() {
        for (section, line) in [
            ("mail", "server=b"),
            ("mail", "port=587\nsecurity=tls"),
            ("mail", "user=v@a"),
            ("mail", "password=second"),
            ("mail", "recipient=s@a"),
            ("mail", "from=f@a"),
            ("mail", "security=starttls"),
            ("mail", "ca=file"),
            ("mail", "health_check_interval=7"),
            ("mail", "flood_limit=0"),
            ("mail", "enabled=no"),
            ("server", "host=::1"),
            ("server", "port=7001"),
            ("server", "certificate=d"),
            ("server", "key=d"),
            ("server", "ciphers=ECDHE-RSA-AES128-GCM-SHA256"),
            ("api", "enable_send_sms=yes"),
            ("api", "enable_send_ussd=yes"),
            ("api", "token_send_ussd=HASH"),
            ("api", "token_get_health_state=HASH"),
            ("api", "token_get_stats=HASH"),
            ("api", "token_01_get_sms=HASH"),
            ("api", "resend_policy=once"),
            ("api", "get_sms_window=60"),
            ("api", "message_lifetime=60"),
            ("api", "allow_short_codes=yes"),
            ("api", "repost_window=0"),
            ("api", "queue_limit=7"),
            ("api", "max_parts_per_minute=7"),
            ("api", "max_parts_per_day=7"),
            ("modempool", "health_check_interval=7"),
            ("modempool", "sms_self_test_interval=daily"),
            ("modempool", "serial_ports_hint_file=/h"),
            ("logging", "level=DEBUG"),
            ("seccomp", "enabled=no"),
            ("seccomp", "mode=log"),
            ("store", "path=/s"),
            ("store", "retention=600"),
        ] {
            let key = line.split('=').next().unwrap();
            assert_eq!(with(section, &line.replace("HASH", HASH)), [format!("[{section}] {key}")], "{line}");
        }
        let forwarded = GATEWAY.replace("[server]", "forward_ussd=yes\n[server]");
        let difference = Difference::between(&load(GATEWAY, SIMS), &load(&forwarded, SIMS));
        assert_eq!(difference.keys.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[mail] forward_ussd"]);
        // It is the modems' sessions that have to know.
        assert!(difference.slots.values().all(|change| *change == SlotChange::Adapted(vec!["forward_ussd"])));
        let policies = format!("token_send_sms={HASH}\nresend_policy_once={HASH}");
        assert_eq!(with("api", &policies), ["[api] token_send_sms", "[api] resend_policy_once"]);
    }

    #[test]
    fn few_keys_need_a_restart() {
        for (section, key, expected) in [
            ("server", "host", true),
            ("server", "port", true),
            ("server", "certificate", false),
            ("store", "path", true),
            ("store", "retention", false),
            ("seccomp", "enabled", true),
            ("mail", "enabled", false),
            ("mail", "port", false),
            ("modempool", "serial_ports_hint_file", true),
            ("modempool", "health_check_interval", false),
        ] {
            assert_eq!(Key { section, key: key.to_owned() }.needs_restart(), expected, "{section} {key}");
        }
    }

    #[test]
    fn what_a_change_of_a_slot_asks_for() {
        use SlotChange::{Adapted, Restarted};
        for (line, change) in [
            ("enabled=no", Restarted(vec!["enabled"])),
            ("baud=9600", Restarted(vec!["baud"])),
            ("phone_number=+491", Restarted(vec!["phone_number"])),
            ("imei=490154203237518", Restarted(vec!["imei"])),
            ("encoding=UCS2", Restarted(vec!["encoding"])),
            ("pin=4711", Restarted(vec!["pin"])),
            ("currency=CHF\nbaud=9600", Restarted(vec!["baud", "currency"])),
            ("wait_for_start=7", Adapted(vec!["wait_for_start"])),
            ("wait_for_delivery=yes", Adapted(vec!["wait_for_delivery"])),
            ("provider=P", Adapted(vec!["provider"])),
            ("ussd_account_balance=*100#", Adapted(vec!["ussd_account_balance"])),
            ("ussd_account_balance_regexp=(x)", Adapted(vec!["ussd_account_balance_regexp"])),
            ("currency=CHF", Adapted(vec!["currency"])),
            ("account_balance_warning=9", Adapted(vec!["account_balance_warning"])),
            ("account_balance_critical=2", Adapted(vec!["account_balance_critical"])),
            ("prefixes=+49", Adapted(vec!["prefixes"])),
            ("denied_prefixes=+49", Adapted(vec!["denied_prefixes"])),
            ("max_parts_per_minute=7", Adapted(vec!["max_parts_per_minute"])),
            ("max_parts_per_day=7", Adapted(vec!["max_parts_per_day"])),
            ("max_costs_per_day=7", Adapted(vec!["max_costs_per_day"])),
            ("health_check_interval=7", Adapted(vec!["health_check_interval"])),
            ("email_address=a@b", Adapted(vec!["email_address"])),
            ("ussd_allowed=*100#", Adapted(vec!["ussd_allowed"])),
        ] {
            let difference = Difference::between(&load(GATEWAY, SIMS), &load(GATEWAY, &format!("{SIMS}{line}\n")));
            assert_eq!(difference.slots, [(SlotId::new("01"), change)].into(), "{line}");
            assert_eq!(difference.keys, []);
        }
        for (from, to, change) in [
            ("port=/dev/b", "port=/dev/c", Restarted(vec!["port"])),
            ("a\ncosts_per_sms=0.1", "a\ncosts_per_sms=0.2", Adapted(vec!["costs_per_sms"])),
            ("pin=1234", "pin=1235", Restarted(vec!["pin"])),
            ("pin=1234", "pin=", Restarted(vec!["pin"])),
        ] {
            let difference = Difference::between(&load(GATEWAY, SIMS), &load(GATEWAY, &SIMS.replace(from, to)));
            assert_eq!(difference.slots.values().collect::<Vec<_>>(), [&change], "{to}");
        }
    }

    #[test]
    fn slots_come_and_go_and_the_words_hold_no_secret() {
        let new = "[01]\nport=/dev/b\ncosts_per_sms=0.1\nemail_address=a@b\n[02]\nport=/dev/c\ncosts_per_sms=0.1\n";
        let moved = GATEWAY.replace("first", "second");
        let difference = Difference::between(&load(GATEWAY, SIMS), &load(&moved, new));
        let words: Vec<_> = difference.slots.iter().map(|(slot, change)| format!("{slot} {change}")).collect();
        assert_eq!(words, ["00 removed", "01 goes on with another email_address", "02 added"]);
        assert!(difference.touches_mail() && difference.touches_ports() && difference.touches("mail"));
        let all = format!("{difference:?}");
        assert!(!all.contains("second") && !all.contains("first") && !all.contains("1234"), "{all}");
        // Order means nothing.
        let (first, second) = SIMS.split_once("[01]").unwrap();
        let turned = format!("[01]{second}{first}");
        assert!(Difference::between(&load(GATEWAY, SIMS), &load(GATEWAY, &turned)).is_empty());
    }
}
