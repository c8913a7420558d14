//! Files for systemd's network and clock daemons, rendered from [`Network`].
//!
//! What holds for every box (mDNS, how often the clock is saved) is in the image's own files, of other names.
//! Whoever has no DHCP gets a link-local address (RFC 3927), so that the box can be found as `NAME.local` even then.
//! Network interfaces that modems bring along are left alone.

use super::network::Network;

/// Drivers of the network side of USB modems: never a LAN.
const MODEM_DRIVERS: &str = "cdc_ether cdc_mbim cdc_ncm huawei_cdc_ncm qmi_wwan rndis_host sierra_net";

/// Every file; `None` means that there must be none.
#[must_use]
pub fn render(network: &Network) -> Vec<(&'static str, Option<String>)> {
    let lan = "systemd/network/10-lan.network";
    let device = "systemd/network/10-lan.netdev";
    let tagged = "systemd/network/11-lan-vlan.network";
    let mut files = match network.vlan {
        None => vec![(lan, Some(addressed(&physical(), network))), (device, None), (tagged, None)],
        Some(id) => vec![
            (lan, Some(format!("{}{}", physical(), carrier(id)))),
            (device, Some(format!("[NetDev]\nName=lan.{id}\nKind=vlan\n\n[VLAN]\nId={id}\n"))),
            (tagged, Some(addressed(&format!("[Match]\nName=lan.{id}\nKind=vlan\n\n"), network))),
        ],
    };
    let clock = (!network.ntp.is_empty()).then(|| format!("[Time]\nNTP={}\n", network.ntp.join(" ")));
    files.push(("systemd/timesyncd.conf.d/60-network.conf", clock));
    files.push(("smsgate/hostname", Some(format!("{}\n", network.hostname))));
    files.push(("smsgate/timezone", Some(format!("{}\n", network.zone.as_deref().unwrap_or("UTC")))));
    files
}

/// What mDNS tells of the gateway (`systemd.dnssd(5)`).
#[must_use]
pub fn announcement(port: u16) -> String {
    format!("[Service]\nName=%H\nType=_smsgate._tcp\nPort={port}\n")
}

fn physical() -> String {
    format!("[Match]\nType=ether\nKind=!*\nDriver=!{MODEM_DRIVERS}\n\n[Link]\nRequiredForOnline=no\n\n")
}

fn carrier(id: u16) -> String {
    format!("[Network]\nVLAN=lan.{id}\nLinkLocalAddressing=no\nDHCP=no\nIPv6AcceptRA=no\nLLMNR=no\n")
}

fn addressed(head: &str, network: &Network) -> String {
    let mut text = format!("{head}[Network]\n");
    let mut line = |key: &str, value: &str| {
        text.push_str(key);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    };
    if network.addresses.is_empty() {
        line("DHCP", "yes");
    } else {
        line("DHCP", "no");
        // Where only one family is given, routers may still advertise the other.
        let v6 = network.addresses.iter().any(|subnet| subnet.address.is_ipv6());
        line("IPv6AcceptRA", if v6 { "no" } else { "yes" });
        network.addresses.iter().for_each(|subnet| line("Address", &subnet.to_string()));
        network.gateways.iter().for_each(|gateway| line("Gateway", &gateway.to_string()));
    }
    network.dns.iter().for_each(|server| line("DNS", &server.to_string()));
    line("LinkLocalAddressing", if network.addresses.is_empty() { "yes" } else { "ipv6" });
    line("MulticastDNS", "yes");
    line("LLMNR", "no");
    line("IPv6PrivacyExtensions", "no");
    text.push_str("\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\nUseTimezone=no\n");
    text.push_str("\n[DHCPv6]\nDUIDType=link-layer\nUseHostname=no\n");
    text
}

#[cfg(test)]
mod tests {
    use super::{super::network, *};

    fn rendered(text: &str) -> Vec<(&'static str, Option<String>)> {
        render(&network::read("network.conf", text, |_| true).unwrap())
    }

    fn file(files: &[(&'static str, Option<String>)], path: &str) -> Option<String> {
        files.iter().find(|(name, _)| *name == path).unwrap().1.clone()
    }

    #[test]
    fn without_a_word_there_is_dhcp_on_every_wire_but_a_modems() {
        let files = rendered("");
        let lan = file(&files, "systemd/network/10-lan.network").unwrap();
        for line in ["DHCP=yes", "Kind=!*", "MulticastDNS=yes", "LLMNR=no", "LinkLocalAddressing=yes"] {
            assert!(lan.lines().any(|there| there == line), "{line} in\n{lan}");
        }
        assert!(lan.contains("Driver=!") && lan.contains("cdc_ether") && !lan.contains("Address=1"), "{lan}");
        assert_eq!(file(&files, "systemd/network/10-lan.netdev"), None);
        assert_eq!(file(&files, "systemd/timesyncd.conf.d/60-network.conf"), None);
        assert_eq!(file(&files, "smsgate/hostname").as_deref(), Some("smsgate\n"));
    }

    #[test]
    fn a_fixed_address_stands_on_the_vlan_if_there_is_one() {
        let text =
            "[network]\naddress = 192.0.2.7/24\ngateway = 192.0.2.1\ndns = 192.0.2.53\nvlan = 42\n[time]\nntp = a b\n";
        let files = rendered(text);
        let lan = file(&files, "systemd/network/10-lan.network").unwrap();
        assert!(lan.contains("\nVLAN=lan.42\n") && !lan.contains("192.0.2.7"), "{lan}");
        assert!(file(&files, "systemd/network/10-lan.netdev").unwrap().contains("\nId=42\n"));
        let tagged = file(&files, "systemd/network/11-lan-vlan.network").unwrap();
        for line in ["Name=lan.42", "DHCP=no", "Address=192.0.2.7/24", "Gateway=192.0.2.1", "DNS=192.0.2.53"] {
            assert!(tagged.lines().any(|there| there == line), "{line} in\n{tagged}");
        }
        assert_eq!(file(&files, "systemd/timesyncd.conf.d/60-network.conf").as_deref(), Some("[Time]\nNTP=a b\n"));
    }
}
