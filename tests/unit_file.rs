//! The unit that is shipped for systemd: without a mistake, and hardened as far as serial ports and a network allow.
//!
//! `systemd-analyze` judges the file; nothing is started, so that this runs where systemd does not.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test program: a panic is its answer")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// Most that `systemd-analyze security` may find, in tenths.
const BAR: u32 = 13;

/// The unit as it would be installed, but with the binary that was built with this test.
struct Installed {
    folder: TempDir,
}

impl Installed {
    fn new(drop_in: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unit = fs::read_to_string(shipped("smsgate.service")).unwrap();
        assert!(unit.contains("ExecStart=/usr/bin/smsgate run "));
        let unit = unit.replace("/usr/bin/smsgate", env!("CARGO_BIN_EXE_smsgate"));
        fs::write(folder.path().join("smsgate.service"), unit).unwrap();
        if let Some(name) = drop_in {
            let drop_ins = folder.path().join("smsgate.service.d");
            fs::create_dir(&drop_ins).unwrap();
            fs::copy(shipped(name), drop_ins.join("10.conf")).unwrap();
        }
        Self { folder }
    }

    fn analyze(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("systemd-analyze");
        command.args(arguments).arg(self.folder.path().join("smsgate.service"));
        command.output().expect("systemd-analyze is missing: run scripts/setup")
    }

    /// The exposure in tenths.
    fn exposure(&self) -> u32 {
        let output = self.analyze(&["security", "--offline=true", "--no-pager"]);
        let text = said(&output);
        let last = text.lines().rfind(|line| line.contains("Overall exposure level")).expect(&text).to_owned();
        let number = last.split(": ").nth(1).unwrap().split(' ').next().unwrap();
        let (whole, tenth) = number.split_once('.').unwrap();
        whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap()
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/systemd").join(name)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    for drop_in in [None, Some("smsgate-usb-reset.conf")] {
        let output = Installed::new(drop_in).analyze(&["verify", "--man=no"]);
        let about_us: String = said(&output).lines().filter(|line| line.contains("smsgate")).collect();
        assert!(output.status.success() && about_us.is_empty(), "{drop_in:?}: {}", said(&output));
    }
}

#[test]
fn a_mistake_in_the_unit_would_be_found() {
    let installed = Installed::new(None);
    let path = installed.folder.path().join("smsgate.service");
    let unit = fs::read_to_string(&path).unwrap();
    fs::write(&path, unit.replace("ProtectHome=yes", "ProtectHome=perhaps\nProtektHome=yes")).unwrap();
    let output = said(&installed.analyze(&["verify", "--man=no"]));
    assert!(output.contains("protect home") && output.contains("ProtektHome"), "{output}");
}

#[test]
fn the_unit_is_hardened_and_the_drop_in_costs_little() {
    let exposure = Installed::new(None).exposure();
    assert!(exposure <= BAR, "exposure {exposure} tenths, {BAR} are allowed");
    let bare = Installed::new(None);
    fs::write(bare.folder.path().join("smsgate.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    assert!(bare.exposure() > 90, "a unit without hardening is told from ours");
}

/// What the daemon does and a zealous hardening would forbid.
#[test]
fn the_unit_leaves_what_the_daemon_needs() {
    let unit = fs::read_to_string(shipped("smsgate.service")).unwrap();
    let values = |key: &str| -> Vec<&str> {
        let lines = unit.lines().filter_map(|line| line.split_once('='));
        lines.filter(|(name, _)| *name == key).flat_map(|(_, value)| value.split_whitespace()).collect()
    };
    assert_eq!(values("Type"), ["notify"]);
    assert_eq!(values("RestartPreventExitStatus"), ["78"]);
    assert_eq!(values("SupplementaryGroups"), ["dialout"]);
    assert_eq!(values("RestrictAddressFamilies"), ["AF_UNIX", "AF_INET", "AF_INET6"]);
    assert_eq!(values("DeviceAllow"), ["char-ttyUSB", "rw", "char-ttyACM", "rw"]);
    assert_eq!(values("PrivateDevices"), Vec::<&str>::new(), "it would hide the modems");
    assert_eq!(values("PrivateNetwork"), Vec::<&str>::new());
    assert_eq!(values("StateDirectory"), ["smsgate"]);
    for call in ["seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"] {
        assert!(values("SystemCallFilter").contains(&call), "{call}");
    }
}

/// The daemon's own list is the tighter one: whatever is on it passes the unit's filter too.
#[test]
fn the_unit_lets_pass_what_the_daemon_allows_itself() {
    let unit = fs::read_to_string(shipped("smsgate.service")).unwrap();
    let (mut passes, mut refused) = (calls_of("@default"), BTreeSet::new());
    for list in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (kind, list) = list.strip_prefix('~').map_or((&mut passes, list), |list| (&mut refused, list));
        for name in list.split_whitespace() {
            if name.starts_with('@') { kind.extend(calls_of(name)) } else { _ = kind.insert(name.to_owned()) }
        }
    }
    // SQLite asks for it as root only, and does without.
    let mut missing: BTreeSet<String> = own_calls();
    assert!(missing.len() > 100, "the list was not found");
    missing.retain(|call| !passes.contains(call) || refused.contains(call));
    assert_eq!(missing.into_iter().collect::<Vec<_>>(), ["fchown"]);
}

/// The names in the daemon's list, from its source.
fn own_calls() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sandbox");
    let mut names = BTreeSet::new();
    for file in ["calls.rs", "rules.rs"] {
        let text = fs::read_to_string(source.join(file)).unwrap();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            names.extend(word.strip_prefix("SYS_").map(str::to_owned));
        }
    }
    // Not allowed, but answered as an old kernel would.
    for young in ["clone3", "openat2", "close_range"] {
        names.remove(young);
    }
    names
}

/// What a set of systemd's holds, sets in it resolved.
fn calls_of(set: &str) -> BTreeSet<String> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", set]).output().unwrap();
    assert!(output.status.success(), "{set}: {}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().skip(1).map(str::trim).filter(|name| !name.is_empty() && !name.starts_with('#'));
    names
        .flat_map(|name| if name.starts_with('@') { calls_of(name) } else { BTreeSet::from([name.to_owned()]) })
        .collect()
}
