//! The udev rules against the table of devices beside them: udev itself is shown each device in a made-up `/sys`, and what
//! it makes of every port is compared with the device's row. No hardware, and nothing of the machine's own udev.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test program: a panic is its answer"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]

mod table;
mod testbed;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use regex::Regex;
use table::{Device, Interface, Kind};
use testbed::{Seen, Testbed, Udevadm};

const RULES: &str = "udev/70-smsgate-modems.rules";

fn rules() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES)).unwrap()
}

/// The number of the group that the rules give ports to.
fn dialout() -> String {
    let groups = fs::read_to_string("/etc/group").unwrap();
    let line = groups.lines().find(|line| line.starts_with("dialout:")).unwrap();
    line.split(':').nth(2).unwrap().to_owned()
}

#[test]
fn the_rules_are_without_a_mistake() {
    let udevadm = Udevadm::fetched();
    udevadm.verify(&rules()).unwrap();
    // And it would be seen.
    udevadm.verify(&rules().replacen("ACTION==", "ACTOIN==", 1)).unwrap_err();
    udevadm.verify(&rules().replacen("LABEL=\"smsgate_end\"", "", 1)).unwrap_err();
}

#[test]
fn every_device_of_the_table_gets_what_its_row_says() {
    let devices = table::read();
    assert!(devices.len() > 40, "{} devices: is the table still read?", devices.len());
    let mut testbed = Testbed::default();
    let plugged: Vec<_> = devices.iter().map(|device| (device, testbed.plug(device))).collect();
    let seen = testbed.run(&Udevadm::fetched());

    let mut links = BTreeMap::new();
    for (device, socket) in &plugged {
        judge_whole(device, &seen[&socket.path]);
        for (interface, tty) in &socket.ports {
            let what = format!("{} {} at {}", device.name, device.id, socket.port);
            let here = judge_port(&what, device, interface, &seen[tty], &socket.link(interface));
            if let Some(other) = here.and_then(|link| links.insert(link, what.clone())) {
                assert_eq!(other, what, "two ports with one name");
            }
        }
    }
    let ports: usize = devices.iter().map(|device| device.interfaces.iter().filter(|i| i.at).count()).sum();
    assert_eq!(links.len(), ports, "as many names as AT ports");
}

fn judge_whole(device: &Device, seen: &Seen) {
    let modem = device.kind != Kind::Bridge;
    let what = format!("{} {}", device.name, device.id);
    assert_eq!(seen.property("ID_MM_DEVICE_IGNORE"), modem.then_some("1"), "{what}: is it ModemManager's?");
    assert_eq!(seen.power_control.trim(), "on", "{what} may fall asleep");
    assert_eq!(seen.property("SYSTEMD_WANTS"), None, "{what}");
}

fn judge_port(what: &str, device: &Device, interface: &Interface, seen: &Seen, link: &str) -> Option<String> {
    let what = format!("{what}, interface {:02} ({})", interface.number, interface.role);
    // A port is a unit, which others may wait for, and starts nothing.
    assert!(seen.property("TAGS").unwrap().contains(":systemd:"), "{what}");
    assert_eq!(seen.property("SYSTEMD_WANTS"), None, "{what}");
    let links = seen.links();
    let ours: Vec<_> = links.iter().filter(|link| link.starts_with("/dev/sms/")).collect();
    if !interface.at {
        assert!(ours.is_empty(), "{what} of {} has the name {ours:?}", device.id);
        assert_eq!(seen.property("ID_MM_PORT_IGNORE"), None, "{what}");
        return None;
    }
    assert_eq!(ours, [link], "{what}");
    assert_eq!(seen.property("ID_MM_PORT_IGNORE"), Some("1"), "{what}");
    assert_eq!(seen.group.as_deref(), Some(dialout().as_str()), "{what}: its group");
    assert_eq!(seen.mode.as_deref(), Some("0660"), "{what}: its mode");
    Some(link.to_owned())
}

#[test]
fn a_name_belongs_to_the_place_and_not_to_the_order() {
    let modem = table::read().into_iter().find(|device| device.id == "1e0e:9001").unwrap();
    let names = |testbed: &Testbed, sockets: &[testbed::Socket]| -> Vec<Vec<String>> {
        let seen = testbed.run(&Udevadm::fetched());
        let ours = |tty: &String| seen[tty].links().into_iter().filter(|link| link.starts_with("/dev/sms/"));
        sockets.iter().map(|socket| socket.ports.iter().flat_map(|(_, tty)| ours(tty)).collect()).collect()
    };
    let mut one_way = Testbed::default();
    let ports = ["1.4", "1.2.3"];
    let first: Vec<_> = ports.iter().map(|port| one_way.plug_at(&modem, port)).collect();
    let mut other_way = Testbed::default();
    let mut second: Vec<_> = ports.iter().rev().map(|port| other_way.plug_at(&modem, port)).collect();
    second.reverse();

    // The same serial number in both, and the kernel's names are swapped.
    assert_ne!(first[0].ports[0].1.rsplit('/').next(), second[0].ports[0].1.rsplit('/').next());
    let expected = [["/dev/sms/pci-0000_00_14_0-usb-0_1_4_1_2-p0"], ["/dev/sms/pci-0000_00_14_0-usb-0_1_2_3_1_2-p0"]];
    assert_eq!(names(&one_way, &first), expected);
    assert_eq!(names(&other_way, &second), expected);
}

#[test]
fn what_is_no_modem_of_ours_is_left_alone() {
    let stranger = |id: &str, driver: &str, interfaces: &str| {
        Device::parse(&["stranger", id, "-", interfaces, driver, "-", "a test"], Kind::Modem).remove(0)
    };
    let mut testbed = Testbed::default();
    let foreign = [
        testbed.plug(&stranger("2341:0043", "cdc_acm", "00 board")),
        testbed.plug(&stranger("1a86:55d3", "cdc_acm", "00 unknown bridge of a known maker")),
    ];
    // Of a maker of modems: kept from others, but without a name.
    let unknown = [
        testbed.plug(&stranger("1e0e:9003", "option", "00 unknown, 01 unknown, 02 unknown, 03 unknown")),
        testbed.plug(&stranger("12d1:1506", "option", "00 ff/ff/ff unknown, 02 ff/ff/ff unknown, 03 ff/01/03 unknown")),
    ];
    let seen = testbed.run(&Udevadm::fetched());
    for socket in foreign.iter().chain(&unknown) {
        for (interface, tty) in &socket.ports {
            assert!(!seen[tty].links().iter().any(|link| link.starts_with("/dev/sms/")), "{interface:?}");
            assert_eq!(seen[tty].property("ID_MM_PORT_IGNORE"), None);
        }
    }
    assert!(foreign.iter().all(|socket| seen[&socket.path].property("ID_MM_DEVICE_IGNORE").is_none()));
    assert!(unknown.iter().all(|socket| seen[&socket.path].property("ID_MM_DEVICE_IGNORE") == Some("1")));
}

#[test]
fn every_id_of_the_rules_has_a_row() {
    let known: BTreeSet<_> =
        table::read().into_iter().filter(|d| d.interfaces.iter().any(|i| i.at)).map(|d| d.id).collect();
    let pair = Regex::new(r#"ENV\{ID_VENDOR_ID\}=="([^"]*)", ENV\{ID_MODEL_ID\}=="([^"]*)""#).unwrap();
    let text = rules();
    let mut found = 0;
    for line in text.lines().filter(|line| line.contains("ENV{ID_MODEL_ID}")) {
        let pair = pair.captures(line).unwrap();
        for product in pair[2].split('|') {
            let id = format!("{}:{product}", &pair[1]);
            assert!(known.contains(&id), "{id} is in the rules, and in no row of udev/devices.md that has an AT port");
            found += 1;
        }
    }
    assert!(found > 20, "{found} ids: are the rules still written so?");
}
