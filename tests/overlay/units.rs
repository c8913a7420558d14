//! The units: without a mistake, hardened, enabled by the preset or started by another, and naming only what is there.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{overlaid, project, values};

const UNITS: &str = "usr/lib/systemd/system";

/// Most that `systemd-analyze security` may find, in tenths. What is missing here mounts /data for everybody.
const EXPOSURE: [(&str, u32); 10] = [
    ("smsgate.service", 13),
    ("smsgate-rescue.service", 13),
    ("smsgate-clock.service", 14),
    ("smsgate-watchdog-check.service", 14),
    ("smsgate-syslog.service", 18),
    ("smsgate-tell.service", 25),
    ("smsgate-firewall.service", 27),
    ("smsgate-provision.service", 30),
    ("smsgate-ssh.service", 30),
    ("smsgate-report.service", 36),
];

/// What units start and files name, and the package of Debian and of Buildroot that brings it.
const PROVIDED: [(&str, &str); 4] = [
    ("/usr/bin/smsgate", "smsgate"),
    ("/usr/sbin/rsyslogd", "rsyslog"),
    ("/usr/sbin/nft", "nftables"),
    ("/bin/sh", "busybox"),
];

/// Units that come with the base and that the preset enables.
const OF_THE_BASE: [&str; 4] =
    ["systemd-networkd.service", "systemd-networkd.socket", "systemd-resolved.service", "systemd-timesyncd.service"];

/// The overlay and the gateway's unit laid over the units of this machine's systemd, with stubs for programs.
struct Root {
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let units = root.join(UNITS);
        fs::create_dir_all(&units).unwrap();
        for source in ["/usr/lib/systemd/system", "/lib/systemd/system"] {
            if Path::new(source).join("sysinit.target").exists() {
                copy(Path::new(source), &units);
                break;
            }
        }
        assert!(units.join("sysinit.target").exists(), "systemd's own units are missing: run scripts/setup");
        copy(&project("overlay"), root);
        fs::copy(project("contrib/systemd/smsgate.service"), units.join("smsgate.service")).unwrap();
        for (program, _) in PROVIDED {
            let path = root.join(program.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { folder }
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.folder.path().join(UNITS).join(name)
    }

    /// What systemd says about our units, and whether it takes them.
    fn verify(&self) -> (bool, String) {
        let names = ours();
        let root = format!("--root={}", self.folder.path().display());
        let output = analyze(&["verify", "--man=no", &root], &names);
        let text = said(&output);
        let about_us = |line: &&str| names.iter().any(|name| line.contains(name.as_str())) || line.contains("smsgate");
        (output.status.success(), text.lines().filter(about_us).map(|line| format!("{line}\n")).collect())
    }

    fn exposure(&self, name: &str) -> u32 {
        let path = self.unit(name).to_string_lossy().into_owned();
        let text = said(&analyze(&["security", "--offline=true", "--no-pager"], &[path]));
        let last = text.lines().rfind(|line| line.contains("Overall exposure level")).expect(&text).to_owned();
        let number = last.split(": ").nth(1).unwrap().split(' ').next().unwrap();
        let (whole, tenth) = number.split_once('.').unwrap();
        whole.parse::<u32>().unwrap() * 10 + tenth.parse::<u32>().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_symlink() {
            _ = fs::remove_file(&target);
            symlink(fs::read_link(&source).unwrap(), &target).unwrap();
        } else if source.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&source, &target);
        } else {
            _ = fs::remove_file(&target);
            fs::copy(&source, &target).unwrap();
        }
    }
}

fn analyze(arguments: &[&str], more: &[String]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).args(more).output().expect("systemd-analyze is missing: run scripts/setup")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn is_link(path: &Path) -> bool {
    project("overlay").join(path).is_symlink()
}

/// Names of the units in the overlay, and of the gateway's. Links choose among the base's.
fn ours() -> Vec<String> {
    let files = overlaid();
    let direct = files.iter().filter(|path| path.parent() == Some(Path::new(UNITS)) && !is_link(path));
    let mut names: Vec<String> = direct.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.push("smsgate.service".to_owned());
    assert!(names.len() > 10, "{names:?}");
    names
}

fn text_of(name: &str) -> String {
    let path = if name == "smsgate.service" { "contrib/systemd".into() } else { format!("overlay/{UNITS}") };
    fs::read_to_string(project(&path).join(name)).unwrap()
}

/// The preset's lines without comments, as (verb, unit).
fn preset() -> Vec<(String, String)> {
    let text = fs::read_to_string(project("overlay/usr/lib/systemd/system-preset/50-smsgate.preset")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(verb, unit)| (verb.to_owned(), unit.to_owned())).collect()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let (taken, complaints) = Root::new().verify();
    assert!(taken && complaints.is_empty(), "{complaints}");
}

#[test]
fn a_mistake_would_be_found_in_a_unit_in_a_drop_in_and_in_a_path() {
    for (file, from, to, expected) in [
        ("var.mount", "[Mount]", "[Mount]\nOptionz=ro", "Optionz"),
        ("smsgate.service.d/50-appliance.conf", "Restart=always", "Restart=perhaps", "perhaps"),
        ("smsgate-data.service", "/usr/lib/smsgate/data", "/usr/lib/smsgate/date", "/usr/lib/smsgate/date"),
    ] {
        let root = Root::new();
        let text = fs::read_to_string(root.unit(file)).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(root.unit(file), text.replace(from, to)).unwrap();
        let (_, complaints) = root.verify();
        assert!(complaints.contains(expected), "{file}: {complaints}");
    }
}

#[test]
fn every_service_is_hardened() {
    let root = Root::new();
    for unit in ours().iter().filter(|unit| unit.ends_with(".service") && *unit != "smsgate-data.service") {
        assert!(EXPOSURE.iter().any(|(known, _)| known == unit), "{unit} has no limit here");
    }
    for (unit, most) in EXPOSURE {
        let exposure = root.exposure(unit);
        assert!(exposure <= most, "{unit}: exposure {exposure} tenths, {most} are allowed");
    }
    fs::write(root.unit("smsgate.service.d/50-appliance.conf"), "[Service]\nUser=root\nProtectSystem=no\n").unwrap();
    assert!(root.exposure("smsgate.service") > 13, "drop-ins are looked at");
}

/// What it mounts is for everybody. Newer systemd than that of the test image gives more settings mounts of their own.
#[test]
fn the_unit_that_mounts_data_has_no_mounts_of_its_own() {
    let text = text_of("smsgate-data.service");
    assert_eq!(values(&text, "PrivateMounts"), ["no"]);
    let apart = [
        "Private",
        "Protect",
        "ReadOnly",
        "ReadWrite",
        "Inaccessible",
        "Exec",
        "NoExec",
        "Bind",
        "TemporaryFileSystem",
        "Root",
        "Mount",
        "Dynamic",
        "State",
        "Cache",
        "Logs",
        "NetworkNamespacePath",
    ];
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim_start_matches('#').trim());
    for key in keys.filter(|key| !["PrivateMounts", "ExecStart"].contains(key)) {
        assert!(!apart.iter().any(|start| key.starts_with(start)), "{key} may hide /data from the rest of the box");
    }
}

#[test]
fn the_preset_names_what_is_there_and_nothing_else_is_started() {
    let preset = preset();
    let (last, enabled) = preset.split_last().unwrap();
    assert_eq!((last.0.as_str(), last.1.as_str()), ("disable", "*"));
    let ours = ours();
    let mut started: BTreeSet<String> = BTreeSet::new();
    for (verb, unit) in enabled {
        assert_eq!(verb, "enable", "{unit}");
        assert!(started.insert(unit.clone()), "{unit} is named twice");
        if ours.contains(unit) {
            assert!(
                !values(&text_of(unit), "WantedBy").is_empty(),
                "{unit} has no [Install]: enabling it does nothing"
            );
        } else {
            assert!(OF_THE_BASE.contains(&unit.as_str()), "{unit}: neither ours nor known to come with the base");
        }
    }
    let stopped = fs::read_to_string(project("overlay/usr/lib/smsgate/stopped")).unwrap();
    for unit in &ours {
        let called = ours.iter().any(|other| {
            let text = text_of(other);
            // A path starts the service of its name.
            values(&text, "OnFailure").contains(&unit.as_str())
                || other.strip_suffix(".path") == unit.strip_suffix(".service")
        });
        let called = called || stopped.contains(&format!(" {unit}"));
        assert!(started.contains(unit) || called, "{unit} is in no preset, and nothing starts it");
    }
}

#[test]
fn units_name_files_that_are_there() {
    let provided: Vec<&str> = PROVIDED.iter().map(|(path, _)| *path).collect();
    let mut seen = 0;
    for file in overlaid().iter().filter(|path| path.starts_with(UNITS) && !is_link(path)) {
        let text = fs::read_to_string(project("overlay").join(file)).unwrap();
        let commands = text.lines().filter(|line| line.starts_with("Exec") && !line.starts_with("ExecPaths"));
        for command in commands.filter_map(|line| line.split_once('=')).map(|(_, command)| command) {
            let program = command.trim_start_matches(['-', '+', '@', ':', '!']).split(' ').next().unwrap();
            let shipped = project("overlay").join(program.trim_start_matches('/')).is_file();
            assert!(
                program.is_empty() || shipped || provided.contains(&program),
                "{}: {program} is neither in the overlay nor known to come with a package",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} commands were found");
}

#[test]
fn nothing_waits_for_the_network_or_the_time() {
    for unit in ours() {
        let text = text_of(&unit);
        for key in ["Wants", "Requires", "BindsTo"] {
            let waits = values(&text, key)
                .into_iter()
                .find(|name| name.contains("network-online") || name.contains("time-sync") || name.contains("wait"));
            assert_eq!(waits, None, "{unit}");
        }
    }
}

/// They run as root: what they cannot do without is named, and where they write.
#[test]
fn services_of_root_have_few_capabilities_and_few_folders_to_write_to() {
    let mounts = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_SYS_ADMIN"];
    let cases: [(&str, &[&str], &[&str]); 7] = [
        ("smsgate-provision.service", &mounts, &["-/data", "/run"]),
        ("smsgate-report.service", &mounts, &["/data", "/run"]),
        ("smsgate-tell.service", &["CAP_SYS_ADMIN"], &["/run"]),
        ("smsgate-firewall.service", &["CAP_NET_ADMIN"], &["-/run/smsgate"]),
        ("smsgate-watchdog-check.service", &[], &["-/run/smsgate"]),
        ("smsgate-clock.service", &[], &["-/run/smsgate"]),
        ("smsgate-syslog.service", &[], &["/run/systemd/journal"]),
    ];
    for (unit, capabilities, folders) in cases {
        let text = text_of(unit);
        assert!(text.lines().any(|line| line.starts_with("CapabilityBoundingSet=")), "{unit}");
        assert_eq!(values(&text, "CapabilityBoundingSet"), capabilities, "{unit}");
        assert_eq!(values(&text, "ProtectSystem"), ["strict"], "{unit}");
        assert_eq!(values(&text, "ReadWritePaths"), folders, "{unit}");
    }
    let ssh = text_of("smsgate-ssh.service");
    assert!(values(&ssh, "ConditionPathExists").contains(&"!/run/smsgate/warnings.d/firewall"), "not in the open");
    assert!(values(&ssh, "After").contains(&"smsgate-firewall.service"));
    for unit in ["smsgate-ssh.service", "smsgate-syslog.service"] {
        let hidden = values(&text_of(unit), "InaccessiblePaths").join(" ");
        for path in ["-/data/store", "-/data/tls"] {
            assert!(hidden.split(' ').any(|found| found == path), "{unit}: {path}");
        }
    }
}

#[test]
fn the_gateway_never_gives_up_and_writes_to_its_own_folders_only() {
    let drop_in =
        fs::read_to_string(project("overlay").join(UNITS).join("smsgate.service.d/50-appliance.conf")).unwrap();
    assert_eq!(values(&text_of("smsgate.service"), "StartLimitIntervalSec"), ["0"]);
    assert_eq!(values(&drop_in, "Restart"), ["always"]);
    assert_eq!(values(&drop_in, "ReadWritePaths"), ["/data/store", "/data/state/gateway"]);
    for reset in ["StateDirectory=", "CacheDirectory=", "ConfigurationDirectory="] {
        assert!(drop_in.lines().any(|line| line == reset), "{reset}");
    }
    let rescue = text_of("smsgate-rescue.service");
    assert_eq!(values(&rescue, "PrivateDevices"), ["yes"]);
    assert_eq!(values(&rescue, "DeviceAllow"), Vec::<&str>::new());
    assert_eq!(values(&rescue, "ReadWritePaths"), Vec::<&str>::new());
}
