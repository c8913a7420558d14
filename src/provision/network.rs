//! `network.conf`: what the box is called, its addresses, its clock, who may reach it and where its log goes.
//!
//! INI in the dialect of the other files. Unlike there, an unknown section or key is an error: whoever mistypes an
//! address here is not to find out by not reaching the box.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{fmt, ops::Range};

use super::finding::Finding;
use crate::config::ini::{self, FaultKind, Ini};

/// The name where none is given.
pub const HOSTNAME: &str = "smsgate";

/// Everything in `network.conf`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Network {
    /// `[network] hostname`.
    pub hostname: String,
    /// Further names and addresses that clients use for the box; for its certificate.
    pub names: Vec<String>,
    /// Its addresses; empty = by DHCP and router advertisement.
    pub addresses: Vec<Subnet>,
    /// Default routers, one of each family at most.
    pub gateways: Vec<IpAddr>,
    /// Name servers beside those of DHCP.
    pub dns: Vec<IpAddr>,
    /// Tag of IEEE 802.1Q, if the LAN comes with one.
    pub vlan: Option<u16>,
    /// `[time] ntp`: servers beside those of DHCP.
    pub ntp: Vec<String>,
    /// `[time] zone`: a name of the tz database.
    pub zone: Option<String>,
    /// `[access] allow_from`: who may connect; empty = private networks.
    pub allow_from: Vec<Subnet>,
    /// `[syslog]`.
    pub syslog: Option<Syslog>,
}

/// Where the log goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Syslog {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Over TLS (RFC 5425).
    pub tls: bool,
}

/// An address and how many of its bits are the network's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Subnet {
    /// The address.
    pub address: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Subnet {
    /// The lowest address of the network.
    #[must_use]
    pub fn network(&self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
            }
        };
        Self { address, prefix: self.prefix }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            hostname: HOSTNAME.to_owned(),
            names: Vec::new(),
            addresses: Vec::new(),
            gateways: Vec::new(),
            dns: Vec::new(),
            vlan: None,
            ntp: Vec::new(),
            zone: None,
            allow_from: Vec::new(),
            syslog: None,
        }
    }
}

/// Sections and their keys.
const KEYS: [(&str, &[&str]); 4] = [
    ("network", &["hostname", "names", "address", "gateway", "dns", "vlan"]),
    ("time", &["ntp", "zone"]),
    ("access", &["allow_from"]),
    ("syslog", &["server", "tls"]),
];

/// Reads `network.conf`. `is_zone` knows the tz database.
///
/// # Errors
/// Every problem, with its line.
pub fn read(file: &str, text: &str, is_zone: impl Fn(&str) -> bool) -> Result<Network, Vec<Finding>> {
    let (ini, faults) = ini::read(text);
    let mut page = Page { file, text, ini: &ini, problems: Vec::new() };
    for fault in faults {
        page.report(&fault.span, fault_text(&fault.kind), "write `key = value` in sections such as `[network]`");
    }
    page.check_names();
    let network = Network {
        hostname: page.one("network", "hostname", hostname).unwrap_or_else(|| HOSTNAME.to_owned()),
        names: page.list("network", "names", name_or_address),
        addresses: page.addresses(),
        gateways: page.list("network", "gateway", address),
        dns: page.list("network", "dns", address),
        vlan: page.one("network", "vlan", vlan),
        ntp: page.list("time", "ntp", name_or_address),
        zone: page.one("time", "zone", |zone| {
            let remedy = "write a name of the tz database, such as Europe/Zurich or UTC";
            if is_zone(zone) { Ok(zone.to_owned()) } else { Err(("is not a time zone this box knows", remedy)) }
        }),
        allow_from: page.list("access", "allow_from", subnet),
        syslog: page.syslog(),
    };
    page.check_routes(&network);
    page.problems.sort_by_key(|problem| problem.line);
    if page.problems.is_empty() { Ok(network) } else { Err(page.problems) }
}

type Complaint = (&'static str, &'static str);

/// The file while it is read.
struct Page<'a> {
    file: &'a str,
    text: &'a str,
    ini: &'a Ini,
    problems: Vec<Finding>,
}

impl Page<'_> {
    fn report(&mut self, span: &Range<usize>, message: impl Into<String>, remedy: &str) {
        let before = self.text.get(..span.start).unwrap_or_default();
        self.problems.push(Finding::at(self.file, 1 + before.matches('\n').count(), message, remedy));
    }

    fn check_names(&mut self) {
        let known: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
        let ini = self.ini;
        for section in ini.sections() {
            let Some((_, keys)) = KEYS.iter().find(|(name, _)| *name == section.name) else {
                let remedy = format!("there are [{}]", known.join("], ["));
                self.report(&section.span, format!("there is no section `[{}]`", section.name), &remedy);
                continue;
            };
            for entry in section.entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
                let message = format!("`[{}]` has no option `{}`", section.name, entry.key);
                self.report(&entry.key_span, message, &format!("there are {}", keys.join(", ")));
            }
        }
        for entry in &ini.defaults().entries {
            self.report(&entry.key_span, "`[DEFAULT]` means nothing in this file", "put the line into its section");
        }
    }

    /// The value and where it stands; none if it is blank.
    fn value(&mut self, section: &str, key: &str) -> Option<(String, Range<usize>)> {
        let ini = self.ini;
        let section = ini.section(section)?;
        let entry = section.entry(key)?;
        let span = if entry.span.is_empty() { entry.key_span.clone() } else { entry.span.clone() };
        match ini.value(section, entry) {
            Ok(value) if value.is_empty() => None,
            Ok(value) => Some((value, span)),
            Err(_) => {
                self.report(&span, format!("`{key}` has a `%`, which nothing here needs"), "take it away");
                None
            }
        }
    }

    fn one<T>(&mut self, section: &str, key: &str, parse: impl Fn(&str) -> Result<T, Complaint>) -> Option<T> {
        let (value, span) = self.value(section, key)?;
        match parse(&value) {
            Ok(value) => Some(value),
            Err((message, remedy)) => {
                self.report(&span, format!("`{key}` {message}"), remedy);
                None
            }
        }
    }

    /// Separated by blanks or commas.
    fn list<T>(&mut self, section: &str, key: &str, parse: impl Fn(&str) -> Result<T, Complaint>) -> Vec<T> {
        let Some((value, span)) = self.value(section, key) else { return Vec::new() };
        let words = value.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        let mut all = Vec::new();
        for word in words {
            match parse(word) {
                Ok(one) => all.push(one),
                Err((message, remedy)) => self.report(&span, format!("`{key}`: `{word}` {message}"), remedy),
            }
        }
        all
    }

    fn addresses(&mut self) -> Vec<Subnet> {
        if self.value("network", "address").is_some_and(|(value, _)| value.eq_ignore_ascii_case("dhcp")) {
            return Vec::new();
        }
        self.list("network", "address", |word| {
            const REMEDY: &str = "write `dhcp`, or addresses with prefix such as 192.0.2.7/24 2001:db8::7/64";
            if !word.contains('/') {
                return Err(("has no prefix", REMEDY));
            }
            let subnet = subnet(word).map_err(|_| ("is no address with prefix", REMEDY))?;
            let alone =
                subnet.address.is_unspecified() || subnet.address.is_multicast() || subnet.address.is_loopback();
            let most = if subnet.address.is_ipv4() { 31 } else { 127 };
            let is_network = subnet.network() == subnet && subnet.prefix < most;
            if alone || is_network { Err(("is not the address of a host", REMEDY)) } else { Ok(subnet) }
        })
    }

    fn syslog(&mut self) -> Option<Syslog> {
        let tls = self.one("syslog", "tls", |text| match text.to_lowercase().as_str() {
            "1" | "yes" | "true" | "on" => Ok(true),
            "0" | "no" | "false" | "off" => Ok(false),
            _ => Err(("is neither true nor false", "write True or False")),
        });
        let tls = tls.unwrap_or(true);
        // RFC 5425 4.1; plain TCP has no number of its own, 514 is what servers use.
        let usual = if tls { 6514 } else { 514 };
        let (host, port) = self.one("syslog", "server", |text| host_and_port(text, usual))?;
        Some(Syslog { host, port, tls })
    }

    /// What no key can see alone.
    fn check_routes(&mut self, network: &Network) {
        if self.ini.section("network").is_none() {
            return;
        }
        let gateway = self.value("network", "gateway");
        let Some((_, span)) = gateway else { return };
        if network.addresses.is_empty() {
            self.report(&span, "`gateway` goes with an address of one's own", "remove it: DHCP names the router");
            return;
        }
        for gateway in &network.gateways {
            let reached = network.addresses.iter().any(|subnet| {
                let there = Subnet { address: *gateway, prefix: subnet.prefix };
                subnet.address.is_ipv4() == gateway.is_ipv4() && there.network() == subnet.network()
            });
            let link_local = matches!(gateway, IpAddr::V6(address) if address.is_unicast_link_local());
            if !reached && !link_local {
                let message = format!("`gateway`: {gateway} is in no network of `address`");
                self.report(&span, message, "write the router's address in this LAN, or mend the prefix");
            }
        }
        for is_v4 in [true, false] {
            if network.gateways.iter().filter(|gateway| gateway.is_ipv4() == is_v4).count() > 1 {
                self.report(&span, "`gateway` has two routers of one family", "keep one");
            }
        }
    }
}

fn fault_text(kind: &FaultKind) -> String {
    match kind {
        FaultKind::DuplicateKey { key, .. } => format!("`{key}` is given twice"),
        FaultKind::DuplicateSection { name, .. } => format!("section `[{name}]` is there twice"),
        FaultKind::EmptyKey => "there is no key before the delimiter".to_owned(),
        FaultKind::NoDelimiter => "this is neither `key = value` nor a section nor a comment".to_owned(),
        FaultKind::NoSection => "this stands before the first section".to_owned(),
    }
}

/// One label (RFC 1123 2.1), and one that means this box everywhere (RFC 6761 6.3).
fn hostname(text: &str) -> Result<String, Complaint> {
    if text.eq_ignore_ascii_case("localhost") {
        return Err(("is a name that every machine has for itself", "write another, such as smsgate"));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(("has digits only, which many programs take for an address", "put a letter into it"));
    }
    if label(text) && text.parse::<IpAddr>().is_err() {
        return Ok(text.to_ascii_lowercase());
    }
    Err(("is not a host name", "write up to 63 letters, digits and hyphens, without a domain"))
}

fn label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn name_or_address(text: &str) -> Result<String, Complaint> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    if text.len() <= 253 && !numeric && text.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(("is neither a name nor an address", "write names such as gateway.example.org, or addresses"))
}

fn address(text: &str) -> Result<IpAddr, Complaint> {
    let remedy = "write addresses such as 192.0.2.1 or 2001:db8::1";
    let address = text.parse::<IpAddr>().map_err(|_| ("is not an address", remedy))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(("is not the address of a host", remedy));
    }
    Ok(address)
}

/// A network, or a single address.
fn subnet(text: &str) -> Result<Subnet, Complaint> {
    const COMPLAINT: Complaint =
        ("is neither a network nor an address", "write them such as 192.168.0.0/16, fd00::/8 or 192.0.2.7");
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address = address.parse::<IpAddr>().map_err(|_| COMPLAINT)?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => most,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| COMPLAINT)?,
        Some(_) => return Err(COMPLAINT),
    };
    if prefix > most { Err(COMPLAINT) } else { Ok(Subnet { address, prefix }) }
}

fn vlan(text: &str) -> Result<u16, Complaint> {
    let id = text.parse().ok().filter(|id| (1..=4094).contains(id));
    id.ok_or(("is not a VLAN", "write its number, 1 to 4094"))
}

/// `host`, `host:port`, `[v6]:port` or a bare v6 address.
fn host_and_port(text: &str, usual: u16) -> Result<(String, u16), Complaint> {
    const COMPLAINT: Complaint = ("is not a server", "write it such as log.example.org or 192.0.2.9:6514");
    let (host, port) = if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(COMPLAINT)?;
        host.parse::<Ipv6Addr>().map_err(|_| COMPLAINT)?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(COMPLAINT)?) })
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let host = name_or_address(host).map_err(|_| COMPLAINT)?;
    let port = port.map_or(Ok(usual), |port| port.parse().ok().filter(|port| *port > 0).ok_or(COMPLAINT))?;
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../conf/network.conf.example");

    fn read(text: &str) -> Result<Network, Vec<String>> {
        super::read("network.conf", text, |zone| zone == "Europe/Zurich")
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_example_says_what_the_defaults_are() {
        assert_eq!(read(EXAMPLE), Ok(Network::default()));
        assert_eq!(read(""), Ok(Network::default()));
    }

    #[test]
    fn every_key_is_read() {
        let network = read(
            "[network]\nhostname = Gate-1\nnames = sms.example.org 192.0.2.9\naddress = 192.0.2.7/24, 2001:db8::7/64\n\
             gateway = 192.0.2.1 fe80::1\ndns = 192.0.2.53\nvlan = 42\n[time]\nntp = ntp.example.org\n\
             zone = Europe/Zurich\n[access]\nallow_from = 192.0.2.0/24 2001:db8::/32 198.51.100.9\n[syslog]\n\
             server = [2001:db8::9]:10514\ntls = no\n",
        )
        .unwrap();
        assert_eq!((network.hostname.as_str(), network.vlan), ("gate-1", Some(42)));
        assert_eq!(network.names, ["sms.example.org", "192.0.2.9"]);
        let text: Vec<String> = network.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["192.0.2.7/24", "2001:db8::7/64"]);
        let text: Vec<String> = network.allow_from.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["192.0.2.0/24", "2001:db8::/32", "198.51.100.9/32"]);
        assert_eq!(network.syslog, Some(Syslog { host: "2001:db8::9".to_owned(), port: 10514, tls: false }));
        assert_eq!((network.gateways.len(), network.dns.len(), network.zone.as_deref()), (2, 1, Some("Europe/Zurich")));
        assert_eq!(read("[syslog]\nserver = log\n").unwrap().syslog.unwrap().port, 6514);
    }

    #[test]
    fn networks_begin_at_their_lowest_address() {
        for (given, lowest) in
            [("192.0.2.7/24", "192.0.2.0/24"), ("10.1.2.3/0", "0.0.0.0/0"), ("2001:db8::7/32", "2001:db8::/32")]
        {
            assert_eq!(subnet(given).unwrap().network().to_string(), lowest);
        }
    }

    #[test]
    fn every_mistake_is_refused_with_its_line_and_a_remedy() {
        for (section, line, complaint) in [
            ("network", "hostname = a.b", "`hostname` is not a host name"),
            ("network", "hostname = -a", "`hostname` is not a host name"),
            ("network", "hostname = ::1", "`hostname` is not a host name"),
            (
                "network",
                "hostname = LocalHost",
                "`hostname` is a name that every machine has for itself; write another",
            ),
            ("network", "hostname = 007", "`hostname` has digits only, which many programs take for an address; put a"),
            ("network", "names = a_b", "`names`: `a_b` is neither a name nor an address"),
            ("network", "names = 192.0.2.300", "is neither a name nor"),
            ("network", "address = 192.0.2.7", "`address`: `192.0.2.7` has no prefix"),
            ("network", "address = 192.0.2.0/24", "is not the address of a host"),
            ("network", "address = 192.0.2.7/33", "is no address with prefix"),
            ("network", "address = dhcp 192.0.2.7/24", "`dhcp` has no prefix"),
            ("network", "gateway = 192.0.2.1", "goes with an address of one's own"),
            ("network", "address = 192.0.2.7/24\ngateway = 192.0.3.1", "192.0.3.1 is in no network of `address`"),
            ("network", "address = 192.0.2.7/24\ngateway = 192.0.2.1 192.0.2.2", "two routers of one family"),
            ("network", "dns = ns.example.org", "`ns.example.org` is not an address"),
            ("network", "vlan = 4095", "`vlan` is not a VLAN"),
            ("network", "adress = dhcp", "has no option `adress`; there are hostname,"),
            ("network", "hostname = 50%", "has a `%`"),
            ("netwrk", "hostname = a", "there is no section `[netwrk]`"),
            ("time", "ntp = a b!", "`b!` is neither a name"),
            ("time", "zone = Mars/Base", "`zone` is not a time zone this box knows"),
            ("access", "allow_from = everybody", "is neither a network nor an address"),
            ("access", "allow_from = 10.0.0.0/+8", "is neither a network nor"),
            ("syslog", "server = log:0", "`server` is not a server"),
            ("syslog", "tls = maybe", "`tls` is neither"),
            ("DEFAULT", "a = 1", "`[DEFAULT]` means nothing"),
            ("network", "hello", "this is neither `key = value`"),
        ] {
            let problems = read(&format!("\n[{section}]\n{line}\n")).unwrap_err();
            assert_eq!(problems.len(), 1, "{line}: {problems:?}");
            assert!(problems[0].contains(complaint) && problems[0].contains("; "), "{line}: {problems:?}");
            let place = if section == "netwrk" { 2 } else { 2 + line.lines().count() };
            assert!(problems[0].starts_with(&format!("network.conf:{place}: ")), "{line}: {problems:?}");
        }
    }
}
