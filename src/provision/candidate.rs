//! What a new generation would be: the files given now over those in force, judged together, as the daemon would.
//!
//! All or nothing: one bad file, and none is taken.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    cards,
    finding::Finding,
    identity, keys,
    media::{ACCEPT_FILE, CERTIFICATE_FILE, KEY_FILE, KEYS_FILE, MAIL_CA_FILE, NETWORK_FILE, SYSLOG_CA_FILE},
    network::{self, Network},
    owned::{self, Owned},
    tokens::{self, Made, Mint},
};
use crate::{
    config::{self, Config, Severity, Source},
    config_files::{GATEWAY_FILE, SIMS_FILE},
};

/// `sim-cards.conf` of a box that was given none.
const NO_SIMS: &str = "# No SIM card is configured yet. The box writes what it found to sim-cards.conf.suggested.\n";
/// Below it the daemon, which is not root, may not listen.
const LEAST_PORT: u16 = 1024;
/// Multicast DNS (RFC 6762).
const MDNS_PORT: u16 = 5353;

/// Most slots: more modems than can be plugged into a box. Each new one takes a bcrypt hash, and the start waits for it.
const MOST_SLOTS: usize = 128;

/// Files by name.
pub type Files = BTreeMap<String, String>;

/// Where things are on the box.
#[derive(Clone, Debug)]
pub struct Layout {
    /// `/data`.
    pub data: String,
}

/// A set of files that the daemon can run with.
pub struct Accepted {
    /// Every file of the generation.
    pub files: Files,
    /// What they say.
    pub config: Config,
    /// What `network.conf` says.
    pub network: Network,
    /// What the operator should know.
    pub remarks: Vec<Finding>,
    /// Tokens made for it.
    pub made: Vec<Made>,
    /// Slots whose SIM card is to be accepted, if that was asked for.
    pub cards: Option<Vec<String>>,
}

/// Why there is no new generation.
#[derive(Debug)]
pub enum Refusal {
    /// The files.
    Bad(Vec<Finding>),
    /// No random numbers.
    Tokens(String),
}

/// What judging needs from outside.
pub struct World<'a> {
    /// Where things are.
    pub layout: &'a Layout,
    /// Not later than it is.
    pub now: Timestamp,
    /// Knows the tz database.
    pub is_zone: &'a dyn Fn(&str) -> bool,
}

/// Judges `given` over `current`. What neither has gets what a new box has.
///
/// # Errors
/// [`Refusal`] with everything that is wrong.
pub fn judge(given: &Files, current: &Files, world: &World<'_>, mint: Mint<'_>) -> Result<Accepted, Refusal> {
    let mut files = current.clone();
    let lasting = given.iter().filter(|(name, _)| *name != ACCEPT_FILE);
    files.extend(lasting.map(|(name, text)| (name.clone(), text.clone())));
    let mut made = Vec::new();
    if !files.contains_key(GATEWAY_FILE) {
        let first = tokens::first_gateway(mint, &mut made).map_err(Refusal::Tokens)?;
        files.insert(GATEWAY_FILE.to_owned(), first);
    }
    files.entry(SIMS_FILE.to_owned()).or_insert_with(|| NO_SIMS.to_owned());

    let mut problems = Vec::new();
    let network = match files.get(NETWORK_FILE) {
        Some(text) => network::read(NETWORK_FILE, text, world.is_zone).unwrap_or_else(|found| {
            problems.extend(found);
            Network::default()
        }),
        None => Network::default(),
    };
    if let Some(text) = files.get(KEYS_FILE) {
        let (keys, found) = keys::check(KEYS_FILE, text);
        if keys == 0 && found.is_empty() {
            // That is how SSH is switched off: its service asks whether the file is there.
            files.remove(KEYS_FILE);
        }
        problems.extend(found);
    }
    problems.extend(check_tls(&files, given, world.now));
    for name in [MAIL_CA_FILE, SYSLOG_CA_FILE] {
        problems.extend(files.get(name).and_then(|text| identity::check_authorities(name, text)));
    }

    let text = |name: &str| files.get(name).cloned().unwrap_or_default();
    let sims = text(SIMS_FILE);
    let gateway = owned::set(GATEWAY_FILE, &text(GATEWAY_FILE), &box_keys(&files, world.layout));
    let loaded = load(&gateway.text, &sims);
    let mut remarks = if given.contains_key(GATEWAY_FILE) { gateway.remarks.clone() } else { Vec::new() };
    for diagnostic in &loaded.1 {
        let mut finding = Finding::of(diagnostic);
        if finding.file == GATEWAY_FILE {
            finding.line = finding.line.map(|line| gateway.original_line(line));
        }
        if diagnostic.severity == Severity::Error {
            problems.push(finding);
        } else if given.contains_key(&finding.file) {
            remarks.push(finding);
        }
    }
    let mut cards = None;
    if let Some(config) = &loaded.0 {
        match given.get(ACCEPT_FILE).map(|text| cards::read(text, &config.slots)).transpose() {
            Ok(named) => cards = named,
            Err(found) => problems.extend(found),
        }
        problems.extend(check_for_box(config, &files, &gateway));
        if given.contains_key(SIMS_FILE) && problems.is_empty() {
            remarks.extend(unstable_ports(config, &sims));
            if tokens::is_ours(&gateway.text) {
                remarks.extend(slots_without_token(config, &sims));
            }
        }
    }
    let (Some(config), true) = (loaded.0, problems.is_empty()) else { return Err(Refusal::Bad(problems)) };

    let slots: Vec<&str> = config.slots.iter().map(|slot| slot.id.as_str()).collect();
    let with_tokens = tokens::for_slots(gateway.text, &slots, mint, &mut made).map_err(Refusal::Tokens)?;
    let (config, _) = load(&with_tokens, &sims);
    let Some(config) = config else {
        let finding = Finding::of_file(GATEWAY_FILE, "cannot be given tokens for the slots", "put a new one there");
        return Err(Refusal::Bad(vec![finding]));
    };
    files.insert(GATEWAY_FILE.to_owned(), with_tokens);
    Ok(Accepted { files, config, network, remarks, made, cards })
}

fn load(gateway: &str, sims: &str) -> (Option<Config>, Vec<config::Diagnostic>) {
    config::load(Source { name: GATEWAY_FILE, text: gateway }, Source { name: SIMS_FILE, text: sims })
}

/// The keys that are the box's business.
fn box_keys(files: &Files, layout: &Layout) -> Vec<Owned> {
    let data = &layout.data;
    let (certificate, key) = if files.contains_key(CERTIFICATE_FILE) {
        (format!("{data}/config/current/{CERTIFICATE_FILE}"), format!("{data}/config/current/{KEY_FILE}"))
    } else {
        (format!("{data}/tls/server.pem"), format!("{data}/tls/server.key"))
    };
    let mut keys = vec![
        ("server", "host", "::".to_owned()),
        ("server", "certificate", certificate),
        ("server", "key", key),
        ("modempool", "serial_ports_hint_file", format!("{data}/state/gateway/ports.hints")),
        ("store", "path", format!("{data}/store/smsgate.db")),
    ];
    if files.contains_key(MAIL_CA_FILE) {
        keys.push(("mail", "ca", format!("{data}/config/current/{MAIL_CA_FILE}")));
    }
    keys.into_iter().map(|(section, key, value)| Owned { section, key, value }).collect()
}

fn check_tls(files: &Files, given: &Files, now: Timestamp) -> Vec<Finding> {
    match (files.get(CERTIFICATE_FILE), files.get(KEY_FILE)) {
        (Some(chain), Some(key)) => {
            // One that ended since it was accepted must not keep other files out.
            let is_new = given.contains_key(CERTIFICATE_FILE) || given.contains_key(KEY_FILE);
            if is_new { identity::check_pair(CERTIFICATE_FILE, chain, KEY_FILE, key, now) } else { Vec::new() }
        }
        (Some(_), None) => {
            vec![Finding::of_file(CERTIFICATE_FILE, format!("comes without {KEY_FILE}"), "put both there")]
        }
        (None, Some(_)) => {
            vec![Finding::of_file(KEY_FILE, format!("comes without {CERTIFICATE_FILE}"), "put both there")]
        }
        (None, None) => Vec::new(),
    }
}

/// What the daemon would accept, but not on this box.
fn check_for_box(config: &Config, files: &Files, gateway: &owned::Edited) -> Vec<Finding> {
    let mut problems = Vec::new();
    let mut report = |section: &str, key: &str, message: String, remedy: &str| {
        let source = Source { name: GATEWAY_FILE, text: &gateway.text };
        let line = config::place_of(source, section, key).map(|place| gateway.original_line(place.line));
        let finding = Finding::of_file(GATEWAY_FILE, message, remedy);
        problems.push(Finding { line, ..finding });
    };
    let port = config.gateway.server.port;
    if port < LEAST_PORT || port == MDNS_PORT {
        let remedy = "write a port from 1024 on, such as 7000, but not 5353";
        report("server", "port", format!("`port` is {port}, which the gateway may not use on this box"), remedy);
    }
    let mail = &config.gateway.mail;
    if mail.enabled && mail.ca.is_some() && !files.contains_key(MAIL_CA_FILE) {
        let remedy = "put the certificates to trust here as mail-ca.pem, or remove the line";
        report("mail", "ca", "`ca` names a file this box does not have".to_owned(), remedy);
    }
    let slots = config.slots.len();
    if slots > MOST_SLOTS {
        let message = format!("has {slots} slots, {MOST_SLOTS} are allowed");
        problems.push(Finding::of_file(SIMS_FILE, message, "keep those whose modems are plugged into this box"));
    }
    problems
}

/// No key of `smsgate.conf` can name them.
fn slots_without_token(config: &Config, sims: &str) -> Vec<Finding> {
    let source = Source { name: SIMS_FILE, text: sims };
    let nameless = config.slots.iter().filter(|slot| !tokens::can_be_named(slot.id.as_str()));
    let remarks = nameless.map(|slot| {
        let line = config::place_of(source, slot.id.as_str(), "port").map(|place| place.line);
        let message = format!("`[{}]` gets no token, since its name has a `=` or a `:`", slot.id);
        Finding { line, ..Finding::of_file(SIMS_FILE, message, "give it a name without these") }
    });
    remarks.collect()
}

/// Names by number change with the order in which the kernel finds the modems.
fn unstable_ports(config: &Config, sims: &str) -> Vec<Finding> {
    let source = Source { name: SIMS_FILE, text: sims };
    let by_number = |port: &str| port.starts_with("/dev/tty");
    let unstable = config.slots.iter().filter(|slot| by_number(&slot.port) && !slot.port_is_glob());
    let remarks = unstable.map(|slot| {
        let line = config::place_of(source, slot.id.as_str(), "port").map(|place| place.line);
        let message = format!(
            "`[{}]` is bound to {}, a name that another modem may have after the next start",
            slot.id, slot.port
        );
        let remedy = "write `port = /dev/sms/*` and `imei = ...`";
        Finding { line, ..Finding::of_file(SIMS_FILE, message, remedy) }
    });
    remarks.collect()
}

#[cfg(test)]
mod tests;
