//! Configuration: INI text to typed values plus every problem found, each with its place.
//!
//! Reading files is the business of [`config_files`](crate::config_files); here text comes in.

pub mod ciphers;
mod diagnostic;
mod difference;
mod fields;
mod gateway;
pub mod ini;
mod mask;
mod nearest;
mod patterns;
mod sims;
mod values;

use fields::Document;
use ini::Ini;

pub use diagnostic::{Diagnostic, Place, Severity, Source, render};
pub use difference::{Difference, Key, SlotChange};
pub use gateway::{
    Api, Gateway, LogLevel, Logging, Mail, MailSecurity, Modempool, Seccomp, SelfTestInterval, Server, StoreConfig,
};
pub use sims::{SimEncoding, Slot};

/// Both files, understood.
#[derive(Clone, Debug)]
pub struct Config {
    /// `smsgate.conf`.
    pub gateway: Gateway,
    /// `sim-cards.conf`, in the order of the file.
    pub slots: Vec<Slot>,
}

/// Understands both files. There is a configuration unless a diagnostic is an error; the diagnostics are in the order
/// of the files' lines.
#[must_use]
pub fn load(gateway: Source<'_>, sims: Source<'_>) -> (Option<Config>, Vec<Diagnostic>) {
    let (mut sims, sims_ini) = Document::new(sims);
    let mut slots = Slot::read_all(&mut sims, &sims_ini);
    let names: Vec<_> = slots.iter().map(|slot| slot.id.clone()).collect();
    let (mut document, ini) = Document::new(gateway);
    let gateway = Gateway::read(&mut document, &ini, &names);
    let forward_ussd = gateway.mail.enabled && gateway.mail.forward_ussd;
    slots.iter_mut().for_each(|slot| slot.forward_ussd = forward_ussd);

    if gateway.modempool.sms_self_test_interval.is_some() {
        warn_of_untested(&mut sims, &sims_ini, &slots);
    }

    let mut diagnostics = Vec::new();
    for mut found in [document.diagnostics, sims.diagnostics] {
        found.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| place.span.start));
        diagnostics.append(&mut found);
    }
    let usable = diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error);
    (usable.then_some(Config { gateway, slots }), diagnostics)
}

/// A SIM whose number is not known cannot write to itself.
fn warn_of_untested(sims: &mut Document<'_>, ini: &Ini, slots: &[Slot]) {
    for slot in slots.iter().filter(|slot| slot.enabled && slot.phone_number.is_none()) {
        let message = format!("`[{}]` sends no self-test SMS, since it has no `phone_number`", slot.id);
        let place = ini.section(slot.id.as_str()).map(|section| section.span.clone());
        sims.report(Severity::Warning, place, message, "add the SIM's number, or leave `sms_self_test_interval` empty");
    }
}

/// Where the value of `key` stands in `[section]`; where the section stands if it has no such key.
#[must_use]
pub fn place_of(source: Source<'_>, section: &str, key: &str) -> Option<Place> {
    let (ini, _) = ini::read(source.text);
    let section = ini.section(section)?;
    let span = ini.entry(section, key).map_or(&section.span, |entry| &entry.span);
    Some(Place::new(source.text, &mask::mask(source.text), span.clone()))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::model::ResendPolicy;

    const GATEWAY: &str = include_str!("../../conf/smsgate.conf.example");
    const SIMS: &str = include_str!("../../conf/sim-cards.conf.example");
    const LEAST_GATEWAY: &str = "[mail]\nenabled = no\n[server]\ncertificate = c\nkey = k\n";
    const LEAST_SLOT: &str = "[00]\nport = /dev/ttyUSB0\ncosts_per_sms = 0.09\n";
    const HASH: &str = "$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

    fn load(gateway: &str, sims: &str) -> (Option<Config>, Vec<String>) {
        let gateway = Source { name: "smsgate.conf", text: gateway };
        let sims = Source { name: "sim-cards.conf", text: sims };
        let (config, diagnostics) = super::load(gateway, sims);
        (config, diagnostics.iter().map(ToString::to_string).collect())
    }

    /// What is wrong if `line` is put into the section of a working file; the file's name is left out.
    fn complaints(section: &str, lines: &str) -> Vec<String> {
        let gateway = match LEAST_GATEWAY.split_once(&format!("[{section}]\n")) {
            Some((before, behind)) => format!("{before}[{section}]\n{lines}\n{behind}"),
            None => format!("{LEAST_GATEWAY}[{section}]\n{lines}\n"),
        };
        load(&gateway, LEAST_SLOT).1
    }

    #[test]
    fn a_slot_without_a_number_cannot_test_itself() {
        let with = |interval: &str| {
            load(&format!("{LEAST_GATEWAY}[modempool]\nsms_self_test_interval = {interval}\n"), LEAST_SLOT)
        };
        let (config, diagnostics) = with("daily");
        assert!(config.is_some());
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
        assert!(diagnostics[0].starts_with("sim-cards.conf:1: `[00]` sends no self-test SMS"), "{diagnostics:?}");
        assert_eq!(with("").1, Vec::<String>::new());
        let off = LEAST_SLOT.replace("[00]\n", "[01]\nenabled = no\n[00]\nphone_number = +491\n");
        let gateway = format!("{LEAST_GATEWAY}[modempool]\nsms_self_test_interval = monthly\n");
        assert_eq!(load(&gateway, &off).1, Vec::<String>::new());
    }

    #[test]
    fn our_examples_load_without_a_word() {
        let (config, diagnostics) = load(GATEWAY, SIMS);
        assert_eq!(diagnostics, Vec::<String>::new());
        assert!(config.is_some());
    }

    /// The traps of the files that upstream ships: no `enable_send_...`, values indented by chance, tokens for slots
    /// that are not there, an IMEI and a number with letters in place of digits.
    #[test]
    fn files_made_like_upstreams_examples_load() {
        let gateway = format!(
            "[mail]\n#enabled = True\nserver = mail.example.org\nport = 465\nuser = a@example.org\npassword = p\n\
             recipient = b@example.org\nhealth_check_interval = 600\n\n[server]\nhost = localhost\nport = 7000\n\
             certificate = cert.pem\nkey = key.pem\n\n[api]\ntoken_send_sms =   {HASH}\ntoken_send_ussd =  {HASH}\n\
             token_get_health_state = {HASH}\ntoken_get_stats =  {HASH}\ntoken_00_get_sms = {HASH}\n\
             token_01_get_sms = {HASH}\n\n[modempool]\n# remark\nhealth_check_interval = 3600\n\n\
             sms_self_test_interval = monthly\nserial_ports_hint_file = /var/cache/smsgate/hints\n\n\
             [logging]\nlevel = info\n\n[seccomp]\nenabled = False\n"
        );
        let sims = "[00]\n\nenabled = True\nport=/dev/ttyUSB1\nphone_number = +491762xxxxxxx\nprovider = P\npin = 2342\n\
                    ussd_account_balance = *101#\nussd_account_balance_regexp = betr\u{e4}gt: ([\\d+\\,]+)\n\
                    currency = EUR\naccount_balance_warning = 10.00\naccount_balance_critical = 5.00\n\
                    prefixes = +49176 +49\ncosts_per_sms = 0.09\nhealth_check_interval = 600\nimei = 35972xxxxxxxxxx\n\
                    encoding = UCS2\n#email_address = foo@example.com\n";
        let (config, diagnostics) = load(&gateway, sims);
        assert_eq!(diagnostics.len(), 3, "{diagnostics:#?}");
        for (diagnostic, start) in diagnostics.iter().zip([
            "smsgate.conf:22: `token_01_get_sms` is for a slot that is not in",
            "sim-cards.conf:5: `phone_number` has letters",
            "sim-cards.conf:16: `imei` is not",
        ]) {
            assert!(diagnostic.starts_with(start), "{diagnostic}");
        }
        let config = config.unwrap();
        assert!(!config.gateway.api.enable_send_sms && config.gateway.seccomp == Seccomp::Off);
        assert_eq!(config.gateway.modempool.health_check_interval, Duration::from_secs(3600));
        let slot = &config.slots[0];
        assert_eq!(slot.pin.as_ref().map(|pin| pin.expose_secret()), Some("2342"));
        assert_eq!(slot.costs_per_sms_micros, 90_000);
        assert_eq!(slot.account_balance_warning_micros, 10_000_000);
        assert_eq!(slot.encoding, SimEncoding::Ucs2);
        assert_eq!(slot.ussd_account_balance_regexp.captures("x betr\u{e4}gt: 12,34").unwrap()[1].to_owned(), "12,34");
        assert_eq!(slot.prefixes.iter().map(|prefix| prefix.as_str()).collect::<Vec<_>>(), ["+49176", "+49"]);
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let gateway = "[mail]\nserver=s\nuser=u@s\npassword=p\nrecipient=r@s\n[server]\ncertificate=c\nkey=k\n";
        let (config, diagnostics) = load(gateway, LEAST_SLOT);
        assert_eq!(diagnostics, Vec::<String>::new());
        let Config { gateway, slots } = config.unwrap();
        let seconds = Duration::from_secs;
        let Gateway { mail, server, api, modempool, logging, seccomp, store } = gateway;
        assert!(mail.enabled && mail.from.is_none() && mail.ca.is_none() && mail.flood_limit == 60);
        assert_eq!((mail.port, mail.security, mail.health_check_interval), (465, MailSecurity::Tls, seconds(600)));
        assert_eq!((server.host.as_str(), server.port, server.ciphers.as_str()), ("localhost", 7000, ""));
        assert!(!api.enable_send_sms && !api.enable_send_ussd && !api.allow_short_codes);
        assert!(api.token_send_sms.is_empty() && api.token_get_sms.is_empty() && api.once_tokens.is_empty());
        assert_eq!((api.resend_policy, api.queue_limit), (ResendPolicy::Alarm, 10_000));
        assert_eq!(
            (api.get_sms_window, api.message_lifetime, api.repost_window),
            (seconds(3600), seconds(86_400), seconds(5))
        );
        assert_eq!((modempool.health_check_interval, modempool.sms_self_test_interval), (seconds(600), None));
        assert_eq!((modempool.serial_ports_hint_file, logging.level), (None, LogLevel::Info));
        assert!(seccomp == Seccomp::Enforce && store.path.is_none());
        assert_eq!(store.retention, seconds(86_400));
        let slot = &slots[0];
        assert!(slot.enabled && !slot.wait_for_delivery && slot.pin.is_none() && slot.phone_number.is_none());
        assert_eq!((slot.baud, slot.wait_for_start, slot.health_check_interval), (115_200, seconds(60), seconds(600)));
        assert_eq!(slot.ussd_account_balance_regexp.as_str(), r"(\d+[\,\.]\d\d)");
        assert_eq!((slot.account_balance_warning_micros, slot.account_balance_critical_micros), (5_000_000, 1_000_000));
        assert_eq!((slot.currency.as_str(), slot.encoding), ("EUR", SimEncoding::Gsm));
        assert!(slot.limits.is_none() && slot.denied_prefixes.is_empty() && api.token_limits.is_none());
        assert!(slot.prefixes.is_empty() && slot.imei.is_none() && slot.email_address.is_none());
    }

    #[test]
    fn blank_values_that_upstream_tripped_over_mean_nothing() {
        let sims = format!("{LEAST_SLOT}pin =\nphone_number =\nussd_account_balance =\nimei =\nprefixes =\n");
        assert_eq!(load(LEAST_GATEWAY, &sims).1, Vec::<String>::new());
        assert_eq!(complaints("modempool", "sms_self_test_interval =\nserial_ports_hint_file ="), Vec::<String>::new());
        assert_eq!(complaints("api", "token_send_sms ="), Vec::<String>::new());
    }

    #[test]
    fn every_bad_value_of_the_gateway_is_refused_with_a_remedy() {
        for (section, line, complaint) in [
            ("mail", "recipient = nobody", "`recipient` is not a mail address; write one address"),
            ("mail", "from = a@b, c@d", "`from` is not a mail address"),
            ("mail", "port = 0", "`port` is out of range; write a whole number from 1 to 65535"),
            ("mail", "port = smtp", "`port` is not a whole number"),
            ("mail", "security = ssl", "`security` is unknown; write `tls`"),
            ("mail", "server = mail.example.org\nsecurity = none", "`security` is `none`, but the server is not on"),
            ("mail", "health_check_interval = 0", "`health_check_interval` is out of range"),
            ("mail", "flood_limit = -1", "`flood_limit` is out of range"),
            ("mail", "flood_limit = none", "`flood_limit` is not a whole number"),
            ("mail", "password = 50%", "`password` has a `%` that begins no reference; double it"),
            ("server", "port = 65536", "`port` is out of range; write a whole number from 0 to 65535"),
            ("server", "host =", "`host` is empty"),
            ("api", "enable_send_sms = ja", "`enable_send_sms` is neither true nor false"),
            ("api", "enable_send_ussd =", "`enable_send_ussd` is neither true nor false"),
            ("api", "token_send_sms = secret", "`token_send_sms` has an entry that is not the hash of a token"),
            ("api", "token_send_ussd = secret", "`token_send_ussd` has an entry"),
            ("api", "token_get_stats = secret", "`token_get_stats` has an entry"),
            ("api", "token_get_health_state = secret", "`token_get_health_state` has an entry"),
            ("api", "token_00_get_sms = secret", "`token_00_get_sms` has an entry"),
            ("api", "resend_policy_once = secret", "`resend_policy_once` has an entry"),
            ("api", "resend_policy_alarm = secret", "`resend_policy_alarm` has an entry"),
            ("api", "resend_policy = twice", "`resend_policy` is unknown; write `alarm` or `once`"),
            ("api", "get_sms_window = 1 week", "`get_sms_window` has an unknown unit"),
            ("api", "message_lifetime = 0", "`message_lifetime` is out of range"),
            ("api", "allow_short_codes = 2", "`allow_short_codes` is neither"),
            ("api", "repost_window = -1", "`repost_window` is out of range"),
            ("api", "max_parts_per_minute = 0", "`max_parts_per_minute` is out of range"),
            ("api", "max_parts_per_day = many", "`max_parts_per_day` is not a whole number"),
            ("api", "queue_limit = 0", "`queue_limit` is out of range"),
            ("modempool", "sms_self_test_interval = yearly", "`sms_self_test_interval` is unknown"),
            (
                "modempool",
                "health_check_interval = x",
                "`health_check_interval` has an unknown unit of time; write seconds",
            ),
            ("logging", "level = loud", "`level` is not a log level; write DEBUG"),
            ("seccomp", "enabled = maybe", "`enabled` is neither"),
            ("seccomp", "mode = loud", "`mode` is unknown"),
            ("store", "retention = 1", "`retention` is out of range"),
        ] {
            let found = complaints(section, line);
            assert_eq!(found.len(), 1, "{line}: {found:#?}");
            assert!(found[0].contains(complaint), "{line}: {found:#?}");
            assert!(found[0].contains("; "), "no remedy: {found:#?}");
            assert!(!found[0].contains("secret"), "{found:#?}");
        }
    }

    #[test]
    fn every_bad_value_of_a_slot_is_refused_with_a_remedy() {
        for (line, complaint) in [
            ("enabled = perhaps", "`enabled` is neither"),
            ("baud = fast", "`baud` is not a whole number"),
            ("pin = 12a4", "`pin` is not a PIN; write 4 to 8 digits"),
            ("wait_for_start = -1", "`wait_for_start` is out of range"),
            ("wait_for_delivery = x", "`wait_for_delivery` is neither"),
            ("phone_number = 0176", "`phone_number` is bad"),
            ("ussd_account_balance = *100#;+CFUN=0", "`ussd_account_balance` is not a USSD code"),
            (
                "ussd_account_balance = **21*+491700000000#",
                "`ussd_account_balance` is not sent: this code would change",
            ),
            ("ussd_account_balance = *#06#", "`ussd_account_balance` is not sent: this code reads the modem's IMEI"),
            ("ussd_allowed = *100#, rm", "`ussd_allowed` has an entry that is not a USSD code"),
            ("ussd_account_balance_regexp = (\\d", "`ussd_account_balance_regexp` is not a pattern: unclosed group"),
            ("ussd_account_balance_regexp = (?<=x)(1)", "`ussd_account_balance_regexp` is not a pattern: look-around"),
            ("ussd_account_balance_regexp = \\d+", "`ussd_account_balance_regexp` has no group"),
            ("account_balance_warning = nan", "`account_balance_warning` is not a finite amount"),
            ("account_balance_critical = 0,5", "`account_balance_critical` has a comma"),
            ("account_balance_critical = 6", "`account_balance_critical` is above"),
            ("prefixes = +49 abc", "`prefixes` has an entry that begins no phone number"),
            ("denied_prefixes = 0900x", "`denied_prefixes` has an entry that begins no phone number"),
            ("max_parts_per_minute = 0", "`max_parts_per_minute` is out of range; write a whole number from 1"),
            ("max_parts_per_day = -1", "`max_parts_per_day` is out of range"),
            ("max_costs_per_day = 0,50", "`max_costs_per_day` has a comma"),
            ("max_costs_per_day = 0.08", "`max_costs_per_day` is less than one SMS costs"),
            ("health_check_interval = inf", "`health_check_interval` has an unknown unit"),
            ("encoding = UTF-8", "`encoding` is unknown; write GSM or UCS2"),
            ("email_address = x", "`email_address` is not a mail address"),
        ] {
            let (config, found) = load(LEAST_GATEWAY, &format!("{LEAST_SLOT}{line}\n"));
            assert!(config.is_none(), "{line}");
            assert_eq!(found.len(), 1, "{line}: {found:#?}");
            assert!(found[0].starts_with(&format!("sim-cards.conf:4: {complaint}")), "{line}: {found:#?}");
            assert!(!found[0].contains("12a4"), "{found:#?}");
        }
    }

    #[test]
    fn what_has_to_be_there_is_missed_all_at_once() {
        let (config, found) = load("[mail]\nuser = u\n", "[00]\n");
        assert!(config.is_none());
        for missing in [
            "`[mail]` has no `server`",
            "no `recipient`",
            "no `password`",
            "`[server]` has no `certificate`",
            "no `key`",
        ] {
            assert!(found.iter().any(|line| line.contains(missing)), "{missing}: {found:#?}");
        }
        assert!(found.iter().any(|line| line.starts_with("sim-cards.conf:1: `[00]` has no `port`")), "{found:#?}");
        assert!(found.iter().any(|line| line.contains("`[00]` has no `costs_per_sms`; add a line")), "{found:#?}");
    }

    #[test]
    fn unknown_names_are_warned_about_with_the_nearest() {
        let gateway = format!("{LEAST_GATEWAY}pasword = x\n[Mail]\n[loging]\nlevel = DEBUG\n");
        let (config, found) = load(&gateway, LEAST_SLOT);
        assert!(config.is_some());
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].contains("`[server]` has no option `pasword`; it is ignored"), "{found:#?}");
        assert!(found[1].contains("did you mean `[mail]`"), "{found:#?}");
        assert!(found[2].contains("did you mean `[logging]`"), "{found:#?}");
        let found = complaints("logging", "levle = DEBUG");
        assert!(found[0].contains("did you mean `level`?"), "{found:#?}");
        let (_, found) = load(
            LEAST_GATEWAY,
            &format!("[DEFAULT]\nport_base = /dev\nbuad = 1\n{LEAST_SLOT}provider = %(port_base)s"),
        );
        assert_eq!(found, ["sim-cards.conf:3: `[DEFAULT]` has no option `buad`; it is ignored; did you mean `baud`?"]);
    }

    #[test]
    fn tokens_find_their_slot_whatever_its_case() {
        let gateway = format!("{LEAST_GATEWAY}[api]\ntoken_sim-a_get_sms = {HASH} {HASH}\n");
        let slot = |name: &str, port: u8| format!("[{name}]\nport = /dev/tty{port}\ncosts_per_sms = 1\n");
        let (config, found) = load(&gateway, &slot("SIM-A", 0));
        assert_eq!(found, Vec::<String>::new());
        let tokens = config.unwrap().gateway.api.token_get_sms;
        assert_eq!(
            tokens.iter().map(|(slot, hashes)| (slot.as_str(), hashes.len())).collect::<Vec<_>>(),
            [("SIM-A", 2)]
        );
        let (config, found) = load(&gateway, &(slot("SIM-A", 0) + &slot("Sim-a", 1)));
        assert!(config.is_none() && found[0].contains("could be for `[SIM-A]` or `[Sim-a]`"), "{found:#?}");
        let (config, found) = load(&gateway, &slot("SIM-B", 0));
        assert!(config.is_some() && found[0].contains("did you mean `token_SIM-B_get_sms`"), "{found:#?}");
    }

    #[test]
    fn slots_must_not_share_what_is_unique() {
        let slot = |name: &str, lines: &str| format!("[{name}]\ncosts_per_sms = 1\n{lines}\n");
        let glob = "port = /dev/ttyUSB*";
        let imei = |last: u8| format!("{glob}\nimei = 49015420323751{last}");
        for (first, second, complaint) in [
            ("port = /dev/a".to_owned(), "port = /dev/a".to_owned(), Some("another slot has the same port")),
            ("port = /dev/a".to_owned(), "port = /dev/a\nenabled = no".to_owned(), None),
            ("port = virtual:generic".to_owned(), "port = virtual:generic".to_owned(), None),
            (imei(1), imei(2), None),
            (imei(1), imei(1), Some("slot `[a]` has the same IMEI")),
            (imei(1), glob.to_owned(), Some("`[b]` shares the pattern of its port, but has no IMEI")),
            (glob.to_owned(), "port = /dev/b".to_owned(), None),
            (imei(1), format!("{glob}\nimei = 4901542032375x"), Some("`imei` is not 14 to 17 digits")),
        ] {
            let (_, found) = load(LEAST_GATEWAY, &(slot("a", &first) + &slot("b", &second)));
            match complaint {
                Some(complaint) => assert!(found.iter().any(|line| line.contains(complaint)), "{second}: {found:#?}"),
                None => assert_eq!(found, Vec::<String>::new(), "{second}"),
            }
        }
    }

    #[test]
    fn resend_policies_of_tokens_are_checked() {
        let other = HASH.replace("$10$", "$11$");
        let line = format!("token_send_sms = {HASH}\nresend_policy_once = {HASH}\nresend_policy_alarm = {HASH}");
        assert!(complaints("api", &line)[0].contains("in both"), "{:?}", complaints("api", &line));
        let line = format!("token_send_sms = {HASH}\nresend_policy_once = {other}");
        assert!(complaints("api", &line)[0].contains("not in `token_send_sms`"), "{:?}", complaints("api", &line));
    }

    #[test]
    fn mails_come_from_somewhere() {
        let mail = "[mail]\nserver = s.example.org\nrecipient = r@s\n";
        let with = |lines: &str| load(&format!("{mail}{lines}[server]\ncertificate=c\nkey=k\n"), LEAST_SLOT);
        let (config, found) = with("user = gateway\npassword = p\n");
        assert_eq!(config.unwrap().gateway.mail.from.as_deref(), Some("gateway@s.example.org"));
        assert_eq!(found.len(), 1, "{found:#?}");
        let (config, found) = with("port = 25\n");
        assert!(config.is_none() && found[0].contains("no address that mails come from"), "{found:#?}");
        let (config, found) = with("port = 25\nfrom = g@s\n");
        assert_eq!(config.unwrap().gateway.mail.security, MailSecurity::StartTls, "{found:#?}");
    }

    #[test]
    fn no_secret_is_shown_whatever_is_wrong() {
        let gateway = format!(
            "[mail]\npassword = canary%\npasswrd = canary\nuser = x@s\n  canary\nserver = s\nrecipient = r@s\n\
             [api]\ntoken_send_sms = canary\ntoken_send_sms = $2b$99$canary\npassword canary\n\
             token_xx_get_sms = %(canary)s\n[server]\nciphers = AES\n  canary\n{LEAST_GATEWAY}"
        );
        let sims = "[00]\npin = canary\nport = %(pin)s\ncosts_per_sms = %(pin)s\nbaud = %(pin)s\nencoding = %(pin)s\n";
        let sources = [Source { name: "smsgate.conf", text: &gateway }, Source { name: "sim-cards.conf", text: sims }];
        let (config, diagnostics) = super::load(sources[0], sources[1]);
        assert!(config.is_none());
        assert!(diagnostics.len() >= 15, "{diagnostics:#?}");
        let shown = format!("{diagnostics:?}{}", render(&diagnostics, &sources, true));
        assert!(!shown.contains("canary"), "{shown}");
        let (config, _) =
            load(&format!("{LEAST_GATEWAY}[api]\ntoken_send_sms = {HASH}\n"), &format!("{LEAST_SLOT}pin = 4711\n"));
        let shown = format!("{:?}", config.unwrap());
        assert!(!shown.contains("4711") && !shown.contains(HASH), "{shown}");
    }

    #[test]
    fn problems_are_shown_with_their_line_and_a_caret() {
        let text = "[mail]\nenabled = no\n[server]\ncertificate = c\nkey = k\n[logging]\n\tlevel = l\u{e4}ut\n";
        let sources = [Source { name: "smsgate.conf", text }, Source { name: "sim-cards.conf", text: LEAST_SLOT }];
        let (_, diagnostics) = super::load(sources[0], sources[1]);
        let place = diagnostics[0].place.as_ref().unwrap();
        assert_eq!((place.line, place.column, place.text.as_str()), (7, 10, "l\u{e4}ut"));
        let expected = "\
error: `level` is not a log level
 --> smsgate.conf:7:10
  |
7 |     level = l\u{e4}ut
  |             ^^^^
  |
  = help: write DEBUG, INFO, WARNING, ERROR or CRITICAL
";
        assert_eq!(render(&diagnostics, &sources, false), expected);
        let (_, diagnostics) = super::load(sources[0], Source { name: "sim-cards.conf", text: "" });
        assert!(render(&diagnostics, &sources, false).contains("warning: sim-cards.conf: no SIM is enabled"));
    }

    #[test]
    fn values_shown_to_people_are_those_of_known_options() {
        let (_, _) = load(GATEWAY, SIMS);
        for (name, text) in [("smsgate.conf", GATEWAY), ("sim-cards.conf", SIMS)] {
            let uncommented = text
                .replace("\n#", "\n")
                .lines()
                .filter(|l| l.contains('=') && !l.starts_with(' '))
                .map(|l| format!("{l}\n"))
                .collect::<String>();
            let (ini, _) = ini::read(&format!("[x]\n{uncommented}"));
            for entry in &ini.section("x").unwrap().entries {
                let secret = ["password", "pin", "resend_policy_once", "resend_policy_alarm"]
                    .contains(&entry.key.as_str())
                    || entry.key.starts_with("token_");
                assert_ne!(mask::is_harmless(&entry.key), secret, "{name}: {}", entry.key);
            }
        }
    }

    #[test]
    fn ussd_codes_are_refused_by_what_they_do_and_by_the_list() {
        for (lines, refused, sent) in [
            ("", vec!["**21*1#", "##002#", "*#06#", "**04*1*2*2#"], vec!["*100#", "*#21#", "1"]),
            ("ussd_allowed =\nussd_account_balance = *100#\n", vec!["*101#", "*#21#"], vec!["*100#"]),
            ("ussd_allowed = *101#, **21*1#\n", vec!["*100#", "**21*2#", "#21#"], vec!["*101#", "**21*1#"]),
        ] {
            let (config, diagnostics) = load(LEAST_GATEWAY, &format!("{LEAST_SLOT}{lines}"));
            let slot = config.unwrap_or_else(|| panic!("{diagnostics:?}")).slots.remove(0);
            for (code, passes) in refused.iter().map(|code| (code, false)).chain(sent.iter().map(|code| (code, true))) {
                assert_eq!(slot.ussd_refusal(code).is_none(), passes, "{lines}: {code}");
            }
        }
        // Named deliberately, so it may be asked for.
        let sims = format!("{LEAST_SLOT}ussd_account_balance = *43#\nussd_allowed = *43#\n");
        assert!(load(LEAST_GATEWAY, &sims).0.is_some());
    }

    #[test]
    fn paths_are_kept_as_written() {
        let (config, _) = load(LEAST_GATEWAY, LEAST_SLOT);
        assert_eq!(config.unwrap().gateway.server.certificate, Path::new("c"));
    }
}
