//! The small scripts, and what shellcheck thinks of all of them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    disk::{GPT, Machine, SNUG},
    overlaid, project,
};

/// Longest a script may be.
const MAX_LINES: usize = 150;

fn machine() -> Machine {
    let machine = Machine::new(GPT, SNUG);
    machine.set("log", "");
    machine
}

#[test]
fn shellcheck_finds_nothing_and_every_script_is_looked_at() {
    let files: Vec<_> = overlaid().into_iter().filter(|path| path.starts_with("usr/lib/smsgate")).collect();
    let shell = |text: &str| text.starts_with("#!/bin/sh\n") || text.starts_with("# shellcheck shell=sh");
    let mut seen = BTreeSet::new();
    let mut sourced = BTreeSet::new();
    for file in &files {
        let path = project("overlay").join(file);
        let text = fs::read_to_string(&path).unwrap();
        if !shell(&text) {
            assert!(file.ends_with("nftables.default"), "{}: what is it?", file.display());
            continue;
        }
        assert!(text.lines().count() <= MAX_LINES, "{}: {} lines", file.display(), text.lines().count());
        seen.insert(file.file_name().unwrap().to_string_lossy().into_owned());
        if !text.starts_with("#!") {
            continue;
        }
        // Files that are sourced are looked at where they are sourced.
        for line in text.lines() {
            sourced.extend(line.strip_prefix(". \"${0%/*}/").map(|rest| rest.trim_end_matches('"').to_owned()));
        }
        sourced.insert(file.file_name().unwrap().to_string_lossy().into_owned());
        let output = Command::new("shellcheck").args(["-x", "-a", "-s", "sh"]).arg(&path).output();
        let output = output.expect("shellcheck is missing: run scripts/setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        // The images' shell; the tests here run on dash.
        let output = Command::new("busybox").args(["sh", "-n"]).arg(&path).output();
        let output = output.expect("busybox is missing: run scripts/setup");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(seen.len() > 8, "{seen:?}");
    assert_eq!(seen, sourced, "a file that no script sources is not looked at");
}

#[test]
fn the_rendered_packet_filter_comes_first_and_the_images_own_if_it_is_refused() {
    for (rendered, loads, warning) in [(Some("fine"), 1, false), (Some("nonsense"), 2, true), (None, 1, false)] {
        let machine = machine();
        if let Some(text) = rendered {
            machine.set("run/smsgate/nftables.conf", text);
        }
        machine.run("firewall", &[]);
        assert_eq!(machine.ran("nft"), loads, "{rendered:?}");
        assert_eq!(machine.path("run/smsgate/warnings.d/firewall").exists(), warning, "{rendered:?}");
        let own = machine.text("log").unwrap().contains("nftables.default");
        assert_eq!(own, rendered != Some("fine"), "{rendered:?}");
    }
}

/// What `rescue.env` holds, and the port that is open where the rendered packet filter is refused.
#[test]
fn the_images_own_packet_filter_opens_the_configured_port() {
    for (env, port) in [
        (Some("SMSGATE_PORT=7443\n"), 7443),
        (Some("SMSGATE_PORT=1\n"), 1),
        (Some("SMSGATE_PORT=65535\n"), 65535),
        (Some("# what the gateway has\nSMSGATE_PORT=8000"), 8000),
        (Some("SMSGATE_PORT=7000\n"), 7000),
        (Some("SMSGATE_PORT=65536\n"), 7000),
        (Some("SMSGATE_PORT=0\n"), 7000),
        (Some("SMSGATE_PORT=\n"), 7000),
        (Some("SMSGATE_PORT=443, 22\n"), 7000),
        (Some("SMSGATE_PORT=1/;s/drop/accept/\n"), 7000),
        (Some("SMSGATE_PORT=8000\nSMSGATE_PORT=9000\n"), 7000),
        (Some("SMSGATE_PORT=99999999999999999999\n"), 7000),
        (None, 7000),
    ] {
        for rendered in [Some("nonsense"), None] {
            let machine = machine();
            if let Some(text) = rendered {
                machine.set("run/smsgate/nftables.conf", text);
            }
            if let Some(env) = env {
                machine.set("run/smsgate/rescue.env", env);
            }
            let said = machine.run("firewall", &[]);
            assert!(!said.contains("Illegal"), "{said}");
            let log = machine.text("log").unwrap();
            let loaded = Path::new(log.lines().rfind(|line| line.starts_with("nft -f ")).unwrap().split_at(7).1);
            let (rules, image) = (fs::read_to_string(loaded).unwrap(), fs::read_to_string(own_rules()).unwrap());
            let wanted = format!("        tcp dport {port} ct state new jump api");
            let differ: Vec<_> = rules.lines().zip(image.lines()).filter(|(rule, own)| rule != own).collect();
            assert!(rules.lines().any(|line| line == wanted), "{env:?}:\n{rules}");
            assert_eq!((rules.lines().count(), differ.len()), (image.lines().count(), usize::from(port != 7000)));
            assert_eq!(machine.ran("nft"), 1 + usize::from(rendered.is_some()), "{env:?}");
            judged_by_nft(loaded);
        }
    }
}

/// Without room for the copy, or where it is refused, the image's own file is loaded as it is.
#[test]
fn the_images_own_packet_filter_does_not_depend_on_its_copy() {
    for is_folder in [true, false] {
        let machine = machine();
        machine.set("run/smsgate/rescue.env", "SMSGATE_PORT=7443\n");
        if is_folder {
            fs::create_dir(machine.path("run/smsgate/nftables.fallback")).unwrap();
        } else {
            machine.set("refused", "nftables.fallback");
        }
        machine.run("firewall", &[]);
        let log = machine.text("log").unwrap();
        assert!(log.lines().last().unwrap().ends_with("/nftables.default"), "{log}");
        assert!(!machine.path("run/smsgate/warnings.d/firewall").exists());
    }
}

/// The kernel's own judgement, in a network of its own.
#[test]
fn the_packet_filter_is_one_that_nft_takes() {
    judged_by_nft(&own_rules());
    let text = fs::read_to_string(own_rules()).unwrap();
    for line in [
        "type filter hook input priority filter; policy drop;",
        "tcp dport 7000 ct state new jump api",
        "update @pace4 { ip saddr limit rate over 20/second burst 20 packets } drop",
        "add @open6 { ip6 saddr ct count over 64 } drop",
    ] {
        assert!(text.lines().any(|found| found.trim() == line), "{line}");
    }
    assert_eq!(text.matches("policy drop;").count(), 2);
}

fn own_rules() -> PathBuf {
    project("overlay/usr/lib/smsgate/nftables.default")
}

fn judged_by_nft(rules: &Path) {
    let mut check = Command::new("unshare");
    let output = check.args(["--map-root-user", "--net", "nft", "--check", "--file"]).arg(rules).output();
    let output = output.expect("unshare is missing");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_watchdog_that_is_not_armed_is_a_warning() {
    for (state, warning) in [(Some("active\n"), false), (Some("inactive\n"), true), (None, true)] {
        let machine = machine();
        if let Some(state) = state {
            machine.set("sys/class/watchdog/watchdog0/state", state);
        }
        machine.run("watchdog-check", &["1"]);
        assert_eq!(machine.path("run/smsgate/warnings.d/watchdog").exists(), warning, "{state:?}");
    }
}

/// How the gateway ended each time, and what the box says of it.
#[test]
fn what_a_restart_does_not_help_leads_to_rescue() {
    let config = "the gateway refused its configuration";
    let store = "cannot open the store; a restart of the box tries again";
    for (ends, reason) in [
        (&["78"][..], Some(config)),
        (&["1", "TERM", "69"], None),
        (&["74", "74"], None),
        (&["74", "74", "74"], Some(store)),
        (&["74", "74", "1", "74", "74"], None),
        (&["74", "78"], Some(config)),
    ] {
        let machine = machine();
        machine.set("run/smsgate/disk", "");
        for end in ends {
            machine.start("stopped", &[], &[("EXIT_STATUS", end)], -1);
        }
        let told = machine.rescue();
        assert_eq!(told.is_some(), reason.is_some(), "{ends:?}");
        let starts = "systemctl start --no-block smsgate-rescue.service smsgate-tell.service\n";
        assert_eq!(machine.text("log").unwrap().contains(starts), told.is_some(), "{ends:?}");
        if let (Some(told), Some(reason)) = (told, reason) {
            assert!(told.starts_with(reason), "{told}");
            machine.run("tell", &[]);
            assert_eq!(machine.text("card/rescue.txt"), Some(told), "the operator finds it on the card");
            assert!(!machine.path("run/sgconfig").exists(), "SGCONFIG is left mounted");
        }
    }
}

#[test]
fn provisioning_is_told_of_rescue_and_gives_the_box_its_name() {
    let machine = Machine::new(GPT, SNUG);
    machine.set("run/smsgate/hostname", "gateway-7\n");
    machine.set("run/smsgate/timezone", "Europe/Vienna\n");
    machine.set("proc/sys/kernel/hostname", "");
    machine.run("provision", &[]);
    let log = machine.text("log").unwrap();
    assert!(log.contains("smsgate provision apply\n"), "{log}");
    assert_eq!(machine.text("proc/sys/kernel/hostname").as_deref(), Some("gateway-7\n"));
    let zone = fs::read_link(machine.path("run/smsgate/localtime")).unwrap();
    assert_eq!(zone.to_str(), Some("/usr/share/zoneinfo/Europe/Vienna"));
    assert!(!machine.path("run/sgconfig").exists(), "SGCONFIG is not left mounted");

    machine.set("run/smsgate/rescue", "no /data\n");
    machine.run("provision", &[]);
    assert!(machine.text("log").unwrap().contains("smsgate provision apply --rescue\n"));
    assert_eq!(machine.text("card/rescue.txt").as_deref(), Some("no /data\n"), "the operator finds it on the card");
    fs::remove_file(machine.path("run/smsgate/rescue")).unwrap();
    machine.run("provision", &[]);
    assert!(!machine.path("card/rescue.txt").exists(), "it goes with its reason");
}
