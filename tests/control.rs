//! The control socket of the real daemon: swapped SIM cards, live traces, and who may ask.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use nix::unistd::geteuid;
use rig::Rig;
use serde_json::json;
use smsgate::trace::{Line, parse};

/// `nobody`, who may nothing.
const NOBODY: u32 = 65534;

fn smsgate(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.args(arguments).arg("--config").arg(rig.site.config_folder()).env_clear();
    command
}

fn run(rig: &Rig, arguments: &[&str]) -> Output {
    smsgate(rig, arguments).output().unwrap()
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn socket(rig: &Rig) -> PathBuf {
    rig.site.store().with_file_name("control.sock")
}

/// The health of a slot becomes this.
fn until_health(rig: &Rig, slot: &str, level: &str, words: &str) {
    let api = rig.api();
    rig.until(&format!("{slot} is {level}: {words}"), || {
        api.stat(slot, "health_state_short") == level && api.stat(slot, "health_state_message").contains(words)
    });
}

/// How often the log tells of a swap as such, not as the reason for a change of health.
fn notices(rig: &Rig) -> usize {
    rig.log().lines().filter(|line| line.contains("another card is in the slot") && !line.contains("reason=")).count()
}

#[test]
fn a_swapped_card_is_a_warning_until_it_is_accepted_or_back() {
    let mut rig = Rig::start(2);
    rig.until_ready(2);
    let listed = shown(&run(&rig, &["sim", "list"]));
    assert!(listed.contains("00    ...000000   ...000000") && !listed.contains("another"), "{listed}");

    rig.network.fault(0, json!({ "fault": "sim_card", "serial": 77 }));
    let told =
        "SIM: another card is in the slot (ICCID ...000077, known is ...000000), confirm with `smsgate sim accept 00`";
    until_health(&rig, "00", "WARNING", told);
    assert_eq!(rig.api().health().0, "WARNING");
    assert_eq!(notices(&rig), 1, "{}", rig.log());
    // SMS work goes on meanwhile.
    rig.network.inject(rig.site.number(0), "+491511111111", "still here");
    rig.until("the message", || rig.api().get_sms(rig.site.number(0)).iter().any(|sms| sms.text == "still here"));

    rig.kill();
    rig.restart();
    until_health(&rig, "00", "WARNING", told);
    assert_eq!(notices(&rig), 0, "it is no news any more: {}", rig.log());
    assert!(shown(&run(&rig, &["sim", "list"])).contains("...000000   ...000077   another card"));

    let accepted = run(&rig, &["sim", "accept", "00"]);
    assert!(accepted.status.success(), "{}", shown(&accepted));
    assert!(shown(&accepted).contains("...000077 is the known one of slot 00 now"), "{}", shown(&accepted));
    until_health(&rig, "00", "OK", "");
    rig.kill();
    rig.restart();
    until_health(&rig, "00", "OK", "");

    // Two known cards change places; one of them comes back by itself.
    rig.network.fault(0, json!({ "fault": "sim_card", "serial": 1 }));
    rig.network.fault(1, json!({ "fault": "sim_card", "serial": 77 }));
    until_health(
        &rig,
        "00",
        "WARNING",
        "SIM: the card of slot 01 is in the slot (ICCID ...000001, known is ...000077)",
    );
    // This model says nothing when it starts anew.
    assert!(run(&rig, &["trace", "01", "--seconds", "1", "--restart"]).status.success());
    until_health(&rig, "01", "WARNING", "SIM: the card of slot 00 is in the slot");
    rig.network.fault(0, json!({ "fault": "sim_card", "serial": 77 }));
    until_health(&rig, "00", "OK", "");
    until_health(&rig, "01", "WARNING", "known is ...000001");

    let unknown = run(&rig, &["sim", "accept", "07"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(shown(&unknown).contains("there is no slot `07`; there are: 00, 01"), "{}", shown(&unknown));
}

#[test]
fn a_card_of_a_modem_that_is_away_cannot_be_accepted() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    rig.network.fault(0, json!({ "fault": "unplug" }));
    until_health(&rig, "00", "CRITICAL", "");
    let refused = run(&rig, &["sim", "accept", "00"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(shown(&refused).contains("slot 00: the modem is not initialised"), "{}", shown(&refused));
    // A trace of nothing says so.
    let traced = run(&rig, &["trace", "00", "--seconds", "1"]);
    assert!(shown(&traced).contains("# no port was found for this slot"), "{}", shown(&traced));
}

#[test]
fn a_live_line_is_recorded_without_secrets() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    let file = rig.folder().join("trace.at");
    let arguments = ["trace", "00", "--seconds", "8", "--restart", "--output", file.to_str().unwrap()];
    let mut trace = smsgate(&rig, &arguments).stderr(Stdio::piped()).spawn().unwrap();
    let recorded = || fs::read_to_string(&file).unwrap_or_default();
    rig.until("bring-up is recorded", || recorded().contains("> AT+CNMI="));
    rig.network.inject(rig.site.number(0), "+491529384756", "token q8Zr4Lp2Wv");
    rig.until("the message", || rig.api().get_sms("").len() == 1);
    rig.until("it is recorded", || recorded().contains("> AT+CMGD="));
    assert!(trace.wait().unwrap().success());
    let text = recorded();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(text.starts_with("# smsgate "), "{text}");
    let lines = parse(&text).unwrap();
    let first = lines.iter().find(|line| matches!(line, Line::Sent(_)));
    assert_eq!(first, Some(&Line::Sent(b"AT\r".to_vec())), "it begins with the new session: {text}");
    for secret in ["491529384756", "942519384756", "19259483", "1700000", "token"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // An emulator that plays it back looks like that modem.
    let imei = text.lines().skip_while(|line| !line.contains("AT+CGSN")).find(|line| line.contains("0000000000"));
    assert!(imei.is_some(), "{text}");

    let unknown = run(&rig, &["trace", "07", "--seconds", "1"]);
    assert!(shown(&unknown).contains("there is no slot `07`"), "{}", shown(&unknown));
    let long = run(&rig, &["trace", "00", "--seconds", "9999"]);
    assert_eq!(long.status.code(), Some(64), "{}", shown(&long));
}

#[test]
fn a_port_is_surveyed_without_a_daemon_and_plays_back() {
    let rig = Rig::prepare(1, |_| {});
    let port = rig.folder().join("dev/modem-00");
    rig.network.fault(0, json!({ "fault": "pin_required", "pin": "4711" }));
    let survey = |port: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
        command.args(["trace", "--port", port.to_str().unwrap()]).output().unwrap()
    };
    let output = survey(&port);
    assert!(output.status.success(), "{}", shown(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("# modem: Quectel_Ltd Quectel_M35") && text.contains("> AT+CLAC"), "{text}");
    assert!(!text.contains("AT+CPIN="), "{text}");
    assert!(text.contains("# bring-up ended early"), "{text}");

    let file = rig.folder().join("survey.at");
    fs::write(&file, &text).unwrap();
    let folder = rig.folder().join("played");
    let mut emulator = Command::new(env!("CARGO_BIN_EXE_smsgate"))
        .args(["emulate", "--modems", "0", "--quiet", "--dir", folder.to_str().unwrap()])
        .args(["--trace", file.to_str().unwrap()])
        .spawn()
        .unwrap();
    let played = folder.join("trace-00");
    rig.until("the link", || played.exists());
    let again = survey(&played);
    emulator.kill().unwrap();
    emulator.wait().unwrap();
    let untimed =
        |text: &str| text.lines().filter(|line| !line.starts_with('@')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(untimed(&String::from_utf8(again.stdout).unwrap()), untimed(&text));

    let missing = survey(&rig.folder().join("dev/none"));
    assert_eq!(missing.status.code(), Some(69));
    assert!(shown(&missing).contains("cannot open"), "{}", shown(&missing));
}

#[test]
fn who_may_not_ask_is_told_why() {
    let mut rig = Rig::start(1);
    let path = socket(&rig);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);

    if geteuid().is_root() {
        let state = path.parent().unwrap();
        let as_nobody = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
            command.args(["sim", "list", "--state", state.to_str().unwrap()]).uid(NOBODY).output().unwrap()
        };
        let denied = as_nobody();
        assert_eq!(denied.status.code(), Some(77), "{}", shown(&denied));
        assert!(shown(&denied).contains("run this as root"), "{}", shown(&denied));
        // Somebody has opened the door: the daemon looks who it is.
        for folder in [rig.folder(), state] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let refused = as_nobody();
        assert_eq!(refused.status.code(), Some(1), "{}", shown(&refused));
        assert!(shown(&refused).contains("only root and the user the daemon runs as"), "{}", shown(&refused));
    }

    // Killed, it leaves its socket behind; the next one takes its place, and takes it away when it stops.
    rig.kill();
    assert!(path.exists());
    let down = run(&rig, &["sim", "accept", "00"]);
    assert_eq!(down.status.code(), Some(69));
    assert!(shown(&down).contains("the gateway is not running") && shown(&down).contains("systemctl start"));
    rig.restart();
    assert!(run(&rig, &["sim", "list"]).status.success());
    rig.stop();
    assert!(!path.exists());
    assert_eq!(run(&rig, &["sim", "list"]).status.code(), Some(69));
}
