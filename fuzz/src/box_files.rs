//! What the appliance makes of a [`Network`]: files of other programs, in which no value may begin a line of its own.

use smsgate::provision::{firewall, identity, network::Network, networkd, syslog};

use crate::page;

/// Everything that is rendered.
pub fn rendered(network: &Network) {
    for (path, text) in networkd::render(network) {
        let Some(text) = text else { continue };
        let plain = path.ends_with("hostname") || path.ends_with("timezone");
        assert!(!plain || text.lines().count() == 1, "{path}: {text}");
        for line in text.lines().filter(|_| !plain) {
            page::one_line(line);
            let known = line.is_empty()
                || line.starts_with('[') && line.ends_with(']')
                || SETTINGS.iter().any(|name| line.strip_prefix(name).is_some_and(|value| value.starts_with('=')));
            assert!(known, "{path}: {line}");
        }
    }
    for ssh in [true, false] {
        let rules = firewall::render(7000, ssh, &network.allow_from);
        let sets: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("elements = ")).collect();
        assert!((1..=2).contains(&sets.len()), "{rules}");
        for set in sets {
            let harmless = |c: char| c.is_ascii_hexdigit() || "{}.:/-, ".contains(c);
            assert!(set.chars().all(harmless), "{set}");
        }
        let bare = firewall::render(7000, ssh, &[]);
        assert!(rules.lines().count().abs_diff(bare.lines().count()) <= 1, "{rules}");
    }
    if let Some(server) = &network.syslog {
        for ca in [None, Some("/ca.pem")] {
            let text = syslog::render(server, ca);
            assert!(text.matches('"').count().is_multiple_of(2) && text.matches("action(").count() == 1, "{text}");
            assert!(text.lines().count() <= 3, "{text}");
        }
    }
    let subjects = identity::subjects(network);
    for (place, subject) in subjects.iter().enumerate() {
        assert!(!subjects[..place].contains(subject), "twice: {subject}");
        assert!(subject.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c)), "{subject}");
    }
}

/// Settings of systemd that are written.
const SETTINGS: [&str; 25] = [
    "Address",
    "ClientIdentifier",
    "DHCP",
    "DNS",
    "DUIDType",
    "Driver",
    "Gateway",
    "IPv6AcceptRA",
    "IPv6PrivacyExtensions",
    "Id",
    "Kind",
    "LLMNR",
    "LinkLocalAddressing",
    "MulticastDNS",
    "NTP",
    "Name",
    "Port",
    "RequiredForOnline",
    "Type",
    "UseDNS",
    "UseHostname",
    "UseNTP",
    "UseTimezone",
    "VLAN",
    "WaitOnline",
];

/// `network.conf` that says the same.
pub fn network_conf(network: &Network) -> String {
    let Network { hostname, names, addresses, gateways, dns, vlan, ntp, zone, allow_from, syslog } = network;
    let mut text = format!("[network]\nhostname = {hostname}\n");
    let mut line = |key: &str, values: Vec<String>| {
        if !values.is_empty() {
            text.push_str(&format!("{key} = {}\n", values.join(" ")));
        }
    };
    line("names", names.clone());
    line("address", addresses.iter().map(ToString::to_string).collect());
    line("gateway", gateways.iter().map(ToString::to_string).collect());
    line("dns", dns.iter().map(ToString::to_string).collect());
    line("vlan", vlan.iter().map(ToString::to_string).collect());
    line("[time]\nntp", ntp.clone());
    if let Some(zone) = zone {
        text.push_str(&format!("{}zone = {zone}\n", if ntp.is_empty() { "[time]\n" } else { "" }));
    }
    let allowed: Vec<String> = allow_from.iter().map(ToString::to_string).collect();
    text.push_str(&format!("[access]\nallow_from = {}\n", allowed.join(", ")));
    if let Some(server) = syslog {
        let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
        text.push_str(&format!("[syslog]\nserver = {host}:{}\ntls = {}\n", server.port, server.tls));
    }
    text
}
