//! `contrib/libvirt/smsgate-usb` against a folder that looks like sysfs and a `virsh` that writes down what it is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Says that the guest runs; attaches everything but device 66; writes down each call with the file it names.
const VIRSH: &str = r#"#!/bin/sh
case $1 in
    domstate) cat "$BENCH/guest"; exit 0 ;;
    *) { echo "$1 $2"; cat "$3"; } >>"$BENCH/calls" ;;
esac
grep -q "device='66'" "$3" && exit 1
exit 0
"#;

const SYSTEMD_RUN: &str = r#"#!/bin/sh
echo "systemd-run $*" >>"$BENCH/calls"
"#;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "devices", "state"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        for (name, text) in [("virsh", VIRSH), ("systemd-run", SYSTEMD_RUN)] {
            let path = bench.path("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(bench.path("conf"), "GUEST=vm\nPORTS=\"1-11 2-1.4\"\n").unwrap();
        fs::write(bench.path("guest"), "running\n\n").unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plug(&self, port: &str, class: &str, number: u8) {
        let device = self.path("devices").join(port);
        fs::create_dir_all(&device).unwrap();
        for (name, value) in [
            ("bDeviceClass", class.to_owned()),
            ("busnum", port[..1].to_owned()),
            ("devnum", number.to_string()),
            ("idVendor", "1e0e".to_owned()),
            ("idProduct", "9001".to_owned()),
            ("product", "SIM7600E".to_owned()),
        ] {
            fs::write(device.join(name), value + "\n").unwrap();
        }
    }

    fn unplug(&self, port: &str) {
        fs::remove_dir_all(self.path("devices").join(port)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/libvirt/smsgate-usb");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        Command::new(script)
            .args(arguments)
            .env("PATH", path)
            .env("BENCH", self.folder.path())
            .env("SMSGATE_USB_CONF", self.path("conf"))
            .env("SMSGATE_USB_DEVICES", self.path("devices"))
            .env("SMSGATE_USB_STATE", self.path("state"))
            .output()
            .unwrap()
    }

    /// What virsh was told since the last look: the verb and the numbers of the device.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        let mut told: Vec<String> = Vec::new();
        for line in calls.lines() {
            if let Some(numbers) = line.trim().strip_prefix("<source><address ") {
                let numbers = numbers.trim_end_matches("/></source>");
                told.last_mut().unwrap().push_str(&format!(" {numbers}"));
            } else if !line.trim().starts_with('<') && !line.trim().starts_with("</") {
                told.push(line.to_owned());
            }
        }
        told
    }

    fn succeeds(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        self.calls()
    }
}

#[test]
fn devices_at_the_named_ports_go_to_the_guest() {
    let bench = Bench::new();
    bench.plug("1-11", "09", 4);
    bench.plug("1-11.2", "00", 7);
    bench.plug("1-112", "00", 8);
    bench.plug("2-1.4", "ef", 9);
    assert_eq!(bench.succeeds(&["add", "1-11.2"]), ["attach-device vm bus='1' device='7'"]);
    assert!(bench.succeeds(&["add", "1-11"]).is_empty(), "a hub stays with the host");
    assert!(bench.succeeds(&["add", "1-112"]).is_empty(), "another port that is spelt alike");
    assert!(bench.succeeds(&["add", "1-11.2"]).is_empty(), "it is attached already");
    assert_eq!(bench.succeeds(&["sync"]), ["attach-device vm bus='2' device='9'"]);
}

#[test]
fn a_device_that_comes_back_under_another_number_is_exchanged() {
    let bench = Bench::new();
    bench.plug("1-11.2", "00", 7);
    bench.succeeds(&["add", "1-11.2"]);
    bench.unplug("1-11.2");
    assert_eq!(bench.succeeds(&["remove", "1-11.2"]), ["detach-device vm bus='1' device='7'"]);
    bench.plug("1-11.2", "00", 12);
    assert_eq!(bench.succeeds(&["add", "1-11.2"]), ["attach-device vm bus='1' device='12'"]);
    bench.plug("1-11.2", "00", 13);
    assert_eq!(
        bench.succeeds(&["sync"]),
        ["detach-device vm bus='1' device='12'", "attach-device vm bus='1' device='13'"],
        "its removal was missed"
    );
    bench.unplug("1-11.2");
    assert_eq!(bench.succeeds(&["sync"]), ["detach-device vm bus='1' device='13'"]);
}

#[test]
fn nothing_is_done_while_the_guest_is_off_and_its_start_attaches_everything() {
    let bench = Bench::new();
    bench.plug("1-11.2", "00", 7);
    fs::write(bench.path("guest"), "shut off\n").unwrap();
    assert!(bench.succeeds(&["add", "1-11.2"]).is_empty());
    let calls = bench.succeeds(&["vm", "started", "begin", "-"]);
    assert!(calls.len() == 1 && calls[0].starts_with("systemd-run") && calls[0].ends_with("sync"), "{calls:?}");
    assert!(bench.succeeds(&["other", "started", "begin", "-"]).is_empty(), "the hook of another guest");
}

#[test]
fn one_that_cannot_be_attached_is_told_and_tried_again() {
    let bench = Bench::new();
    bench.plug("1-11.1", "00", 66);
    bench.plug("1-11.2", "00", 7);
    for round in 0..2 {
        let output = bench.run(&["sync"]);
        assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("cannot attach 1-11.1"));
        assert_eq!(bench.calls().len(), 2 - round, "the other one is attached once");
    }
}

#[test]
fn mistakes_are_named() {
    let bench = Bench::new();
    for (arguments, conf, word) in [
        (&["frobnicate"][..], "GUEST=vm\nPORTS=1-11\n", "write add PORT"),
        (&["add"], "GUEST=vm\nPORTS=1-11\n", "the port is missing"),
        (&["sync"], "PORTS=1-11\n", "GUEST"),
        (&["sync"], "GUEST=vm\n", "PORTS"),
    ] {
        fs::write(bench.path("conf"), conf).unwrap();
        let output = bench.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(word), "{arguments:?}: {said}");
    }
    fs::remove_file(bench.path("conf")).unwrap();
    let output = bench.run(&["sync"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read"));
}

#[test]
fn the_list_shows_what_goes_to_the_guest() {
    let bench = Bench::new();
    bench.plug("1-11.2", "00", 7);
    bench.plug("1-3", "00", 8);
    let output = bench.run(&["list"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("* 1-11.2") && said.contains("  1-3 ") && said.contains("1e0e:9001"), "{said}");
}
