//! The packet filter's rules (nftables): who may reach the box, and how hard he may knock.
//!
//! What is not named is dropped. The limits on new connections are for each source address; they keep one host from
//! taking every place the API has, the API's own limits do the rest.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::Subnet;

/// Private, unique local and link-local networks (RFC 1918, RFC 3927, RFC 4193, RFC 4291 2.5.6).
const PRIVATE: [Subnet; 6] = [
    Subnet { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), prefix: 8 },
    Subnet { address: IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), prefix: 12 },
    Subnet { address: IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), prefix: 16 },
    Subnet { address: IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), prefix: 16 },
    Subnet { address: IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), prefix: 7 },
    Subnet { address: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), prefix: 10 },
];

/// Port of SSH.
const SSH: u16 = 22;

/// The rules. `ssh` if somebody may log in.
#[must_use]
pub fn render(port: u16, ssh: bool, allow_from: &[Subnet]) -> String {
    let allowed = if allow_from.is_empty() { &PRIVATE[..] } else { allow_from };
    let ports = if ssh { format!("{{ {SSH}, {port} }}") } else { port.to_string() };
    let v4 = elements(allowed, IpAddr::is_ipv4);
    let v6 = elements(allowed, IpAddr::is_ipv6);
    // RFC 4890 4.4: without these IPv6 does not work.
    format!(
        "flush ruleset\n\
         table inet smsgate {{\n\
         \tset allowed4 {{\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\tauto-merge\n{v4}\t}}\n\
         \tset allowed6 {{\n\t\ttype ipv6_addr\n\t\tflags interval\n\t\tauto-merge\n{v6}\t}}\n\
         \tset new4 {{\n\t\ttype ipv4_addr\n\t\tsize 4096\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\t}}\n\
         \tset new6 {{\n\t\ttype ipv6_addr\n\t\tsize 4096\n\t\tflags dynamic,timeout\n\t\ttimeout 1m\n\t}}\n\
         \tset open4 {{\n\t\ttype ipv4_addr\n\t\tsize 4096\n\t\tflags dynamic\n\t}}\n\
         \tset open6 {{\n\t\ttype ipv6_addr\n\t\tsize 4096\n\t\tflags dynamic\n\t}}\n\
         \tchain input {{\n\
         \t\ttype filter hook input priority filter; policy drop;\n\
         \t\tiif lo accept\n\
         \t\tct state vmap {{ established : accept, related : accept, invalid : drop }}\n\
         \t\ticmp type {{ destination-unreachable, time-exceeded, parameter-problem }} accept\n\
         \t\ticmp type echo-request limit rate 20/second accept\n\
         \t\ticmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, \
         nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query }} accept\n\
         \t\ticmpv6 type echo-request limit rate 20/second accept\n\
         \t\tudp sport 67 udp dport 68 accept\n\
         \t\tip6 saddr fe80::/10 udp dport 546 accept\n\
         \t\tip daddr 224.0.0.251 udp dport 5353 accept\n\
         \t\tip6 daddr ff02::fb udp dport 5353 accept\n\
         \t\ttcp dport {ports} ct state new jump service\n\
         \t}}\n\
         \tchain service {{\n\
         \t\tip saddr != @allowed4 drop\n\
         \t\tip6 saddr != @allowed6 drop\n\
         \t\tadd @new4 {{ ip saddr limit rate over 20/second burst 20 packets }} drop\n\
         \t\tadd @new6 {{ ip6 saddr limit rate over 20/second burst 20 packets }} drop\n\
         \t\tadd @open4 {{ ip saddr ct count over 64 }} reject with tcp reset\n\
         \t\tadd @open6 {{ ip6 saddr ct count over 64 }} reject with tcp reset\n\
         \t\taccept\n\
         \t}}\n\
         \tchain forward {{\n\
         \t\ttype filter hook forward priority filter; policy drop;\n\
         \t}}\n\
         }}\n"
    )
}

/// The line with a set's elements; an empty set has none.
fn elements(subnets: &[Subnet], family: impl Fn(&IpAddr) -> bool) -> String {
    let of_family: Vec<String> = subnets
        .iter()
        .filter(|subnet| family(&subnet.address))
        .map(|subnet| {
            let Subnet { address, prefix } = subnet.network();
            // A set of intervals does not take 0.0.0.0/0.
            match (address, prefix) {
                (IpAddr::V4(_), 0) => "0.0.0.0-255.255.255.255".to_owned(),
                (IpAddr::V6(_), 0) => "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".to_owned(),
                _ => subnet.network().to_string(),
            }
        })
        .collect();
    if of_family.is_empty() { String::new() } else { format!("\t\telements = {{ {} }}\n", of_family.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_may_connect_unless_others_are_named() {
        let rules = render(7000, false, &[]);
        assert!(rules.contains("elements = { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16 }"), "{rules}");
        assert!(rules.contains("elements = { fc00::/7, fe80::/10 }"), "{rules}");
        assert!(rules.contains("tcp dport 7000 ct state new") && rules.contains("policy drop"), "{rules}");

        let one = Subnet { address: "192.0.2.7".parse().unwrap(), prefix: 24 };
        let rules = render(8000, true, &[one]);
        assert!(rules.contains("elements = { 192.0.2.0/24 }") && !rules.contains("fc00"), "{rules}");
        assert!(rules.contains("tcp dport { 22, 8000 } ct state new"), "{rules}");
    }
}
