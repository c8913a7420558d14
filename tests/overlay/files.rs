//! The files of the overlay as such: kinds, modes, what must not be among them, and what the box's settings promise.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{overlaid, project, values};

fn text(path: &str) -> String {
    fs::read_to_string(project("overlay").join(path)).unwrap()
}

#[test]
fn modes_are_plain_and_scripts_can_be_run() {
    for path in overlaid() {
        let full = project("overlay").join(&path);
        if full.is_symlink() {
            continue;
        }
        let mode = full.metadata().unwrap().permissions().mode() & 0o7777;
        let script = fs::read_to_string(&full).unwrap().starts_with("#!/bin/sh\n");
        assert_eq!(mode & 0o7000, 0, "{}: setuid, setgid or sticky", path.display());
        assert_eq!(mode & 0o111 != 0, script, "{}: {mode:o}", path.display());
    }
}

/// Both roots have /bin, /sbin and /lib as links into /usr: a folder of that name would take the link's place.
#[test]
fn everything_is_below_etc_usr_and_data() {
    for path in overlaid() {
        let top = path.iter().next().unwrap().to_string_lossy().into_owned();
        assert!(["data", "etc", "usr"].contains(&top.as_str()), "{}", path.display());
    }
    for path in ["etc/passwd", "etc/shadow", "etc/group"] {
        assert!(!project("overlay").join(path).exists(), "{path} is the image's own");
    }
}

#[test]
fn nobody_logs_in_and_nothing_waits_for_a_network() {
    for unit in [
        "getty@.service",
        "serial-getty@.service",
        "console-getty.service",
        "container-getty@.service",
        "autovt@.service",
        "debug-shell.service",
        "ctrl-alt-del.target",
        "systemd-networkd-wait-online.service",
        "systemd-networkd-wait-online@.service",
        "systemd-time-wait-sync.service",
        "ModemManager.service",
    ] {
        let link = fs::read_link(project("overlay/etc/systemd/system").join(unit)).unwrap();
        assert_eq!(link.to_str(), Some("/dev/null"), "{unit}");
    }
}

/// An id of its own in the image would be the same on every box; without the file systemd could not show one.
#[test]
fn the_image_brings_no_machine_id() {
    assert_eq!(text("etc/machine-id"), "");
    assert_eq!(text("usr/lib/clock-epoch"), "", "its date says something, not its content");
}

#[test]
fn accounts_have_the_numbers_that_data_knows_them_by() {
    let accounts = text("etc/sysusers.d/smsgate.conf");
    for line in ["u smsgate 650 ", "u maint 651 ", "m smsgate dialout"] {
        assert!(accounts.lines().any(|found| found.starts_with(line)), "{line}");
    }
}

#[test]
fn settings_say_what_was_promised() {
    for (file, key, value) in [
        ("journald.conf.d/50-smsgate.conf", "Storage", "volatile"),
        ("journald.conf.d/50-smsgate.conf", "RuntimeMaxUse", "32M"),
        ("system.conf.d/50-smsgate.conf", "RuntimeWatchdogSec", "15s"),
        ("system.conf.d/50-smsgate.conf", "RebootWatchdogSec", "2min"),
        ("system.conf.d/50-smsgate.conf", "DefaultLimitCORE", "0"),
        ("coredump.conf.d/50-smsgate.conf", "Storage", "none"),
        ("timesyncd.conf.d/50-smsgate.conf", "SaveIntervalSec", "1h"),
        ("resolved.conf.d/50-smsgate.conf", "MulticastDNS", "yes"),
        ("resolved.conf.d/50-smsgate.conf", "LLMNR", "no"),
        ("resolved.conf.d/50-smsgate.conf", "DNSStubListener", "no"),
        ("dnssd/smsgate.dnssd", "Type", "_smsgate._tcp"),
        ("dnssd/smsgate.dnssd", "Port", "7000"),
        ("network/80-lan.network", "DHCP", "yes"),
        ("network/80-lan.network", "ClientIdentifier", "mac"),
        ("network/80-lan.network", "MulticastDNS", "yes"),
        ("network/80-lan.network", "LLMNR", "no"),
    ] {
        assert_eq!(values(&text(&format!("usr/lib/systemd/{file}")), key), [value], "{file}: {key}");
    }
    let kernel = text("usr/lib/sysctl.d/90-smsgate.conf");
    for line in [
        "kernel.panic = 10",
        "kernel.core_pattern = |/bin/false",
        "net.ipv4.ip_forward = 0",
        "-net.ipv6.conf.all.forwarding = 0",
    ] {
        assert!(kernel.lines().any(|found| found == line), "{line}");
    }
}
