//! What the system's own daemons read, judged by their own programs where those are there.

use std::{fs, process::Command};

use crate::folders::{Folders, GATEWAY, KEY, succeeded};

const NETWORK: &str = "[network]\naddress = 192.0.2.7/24 2001:db8::7/64\ngateway = 192.0.2.1\nvlan = 42\n[time]\n\
                       ntp = ntp.example.org\n[access]\nallow_from = 192.0.2.0/24 192.0.2.7 0.0.0.0/0\n[syslog]\n\
                       server = 192.0.2.9\n";

/// nftables asks the kernel even where it only checks: one of its own, so that anybody may.
fn check_rules(folders: &Folders) {
    let rules = folders.at("run/smsgate/nftables.conf");
    let mut check = Command::new("unshare");
    let checked = check.args(["--map-root-user", "--net", "/usr/sbin/nft", "-c", "-f"]).arg(rules).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_port_is_open_and_announced() {
    let folders = Folders::booted();
    check_rules(&folders);
    assert_eq!(folders.read("run/smsgate/rescue.env"), "SMSGATE_PORT=7000\n");
    assert!(folders.read("run/systemd/dnssd/smsgate.dnssd").ends_with("Port=7000\n"));
    assert!(!folders.read("run/smsgate/nftables.conf").contains("{ 22,"));
    folders.put("network.conf", NETWORK);
    folders.put("authorized_keys", KEY);
    folders.put("smsgate.conf", GATEWAY.replace("port = 7000", "port = 7443"));
    folders.apply();
    check_rules(&folders);
    assert!(folders.read("run/smsgate/nftables.conf").contains("tcp dport { 22, 7443 }"));
    assert_eq!(folders.read("run/smsgate/rescue.env"), "SMSGATE_PORT=7443\n");
    assert!(folders.read("run/systemd/dnssd/smsgate.dnssd").ends_with("Port=7443\n"));
}

#[test]
fn what_is_no_longer_wanted_is_no_longer_rendered() {
    let folders = Folders::booted();
    folders.put("network.conf", NETWORK);
    folders.put("authorized_keys", KEY);
    folders.apply();
    let optional =
        ["systemd/network/10-lan.netdev", "systemd/timesyncd.conf.d/60-network.conf", "smsgate/rsyslog.conf"];
    optional.iter().for_each(|path| assert!(folders.at("run").join(path).exists(), "{path}"));
    let names = folders.read("data/tls/server.names");
    assert!(names.contains("192.0.2.7\n") && names.contains("2001:db8::7\n"), "{names}");
    folders.put("network.conf", "[network]\n");
    folders.put("authorized_keys", "# nobody\n");
    folders.apply();
    optional.iter().for_each(|path| assert!(!folders.at("run").join(path).exists(), "{path}"));
    assert!(!folders.at("data/config/current/authorized_keys").exists());
    assert!(!folders.read("run/smsgate/nftables.conf").contains("{ 22,"));
}

#[test]
fn rescue_renders_dhcp_and_touches_nothing_else() {
    let folders = Folders::new();
    folders.put("network.conf", NETWORK);
    let before = (folders.snapshot("media"), folders.snapshot("data"));
    succeeded(&folders.command("apply").arg("--rescue").output().unwrap());
    assert!(before == (folders.snapshot("media"), folders.snapshot("data")));
    assert!(folders.read("run/systemd/network/10-lan.network").contains("DHCP=yes"));
    check_rules(&folders);
}

#[test]
fn a_data_folder_that_cannot_be_written_ends_in_rescue_with_the_reason() {
    let folders = Folders::new();
    fs::write(folders.at("data/config"), "in the way").unwrap();
    let output = folders.command("apply").output().unwrap();
    assert_eq!(output.status.code(), Some(73), "{output:?}");
    let reason = folders.read("run/smsgate/rescue");
    assert!(reason.starts_with("there is no configuration: ") && reason.lines().count() == 1, "{reason}");
    assert!(folders.read("run/systemd/network/10-lan.network").contains("DHCP=yes"));
}

#[test]
fn what_fails_later_leaves_the_network_of_the_configuration_in_force() {
    let folders = Folders::booted();
    folders.put("network.conf", NETWORK);
    folders.apply();
    fs::remove_dir_all(folders.at("run/systemd")).unwrap();
    // Nothing can be written there any more, whoever asks.
    fs::remove_file(folders.at("data/state/provision.json")).unwrap();
    fs::create_dir_all(folders.at("data/state/provision.json/in the way")).unwrap();
    let output = folders.command("apply").output().unwrap();
    assert_eq!(output.status.code(), Some(73), "{output:?}");
    assert!(folders.read("run/systemd/network/11-lan-vlan.network").contains("192.0.2.7/24"));
    assert!(folders.read("run/smsgate/warnings.d/provision").starts_with("provisioning failed: "));
    assert!(!folders.at("run/smsgate/rescue").exists());
}
