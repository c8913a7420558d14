//! Commands that need no gateway.

use std::os::unix::fs::PermissionsExt;

use crate::{linked, run, smsgate};

#[test]
fn every_command_has_help() {
    let ran = run(smsgate().arg("--help"));
    assert_eq!(ran.code, 0, "{ran:?}");
    let commands = ran.out.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for command in [
        "run",
        "emulate",
        "check-config",
        "token",
        "cert",
        "decode",
        "demo",
        "send-sms",
        "get-sms",
        "send-ussd",
        "stats",
        "shell",
        "completions",
    ] {
        assert!(names.contains(&command), "{command} is not in {names:?}");
    }
    for name in names.into_iter().filter(|name| *name != "help") {
        let ran = run(smsgate().args([name, "--help"]));
        assert!(ran.code == 0 && ran.out.contains("Usage: smsgate"), "{name}: {ran:?}");
    }
}

#[test]
fn links_are_the_tools_of_their_names() {
    for (link, flags) in [
        ("smsgate-client", vec!["--sender", "--host", "--port", "--ca", "--api-token", "send-sms", "shell"]),
        ("check_smsgate", vec!["--host", "--port", "--ca", "--api-token"]),
        ("munin_smsgate", vec!["smsgate_cafile"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ran = run(linked(link, folder.path()).arg("--help"));
        assert_eq!(ran.code, 0, "{ran:?}");
        for flag in flags {
            assert!(ran.out.contains(flag), "{link}: {flag} is not in {}", ran.out);
        }
        assert!(!ran.out.contains("check-config"), "{link}: {}", ran.out);
    }
}

#[test]
fn arguments_that_make_no_sense_are_usage_errors() {
    for arguments in [
        vec![],
        vec!["fly"],
        vec!["send-sms"],
        vec!["send-sms", "--to", "+49", "--text", "x", "--no-wait", "--timeout", "3"],
        vec!["decode", "--kind", "none"],
        vec!["stats", "--port", "70000"],
    ] {
        let ran = run(smsgate().args(&arguments));
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("Usage:") || ran.err.contains("--help"), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn decode_shows_a_deliver() {
    let pdu = "07911326040000F0040B911346610089F60000208062917314800CC8F71D14969741F977FD07";
    let expected = "\
SCA      +31624000000
TP-MTI   SMS-DELIVER
TP-MMS   no
TP-LP    no
TP-RP    no
TP-SRI   no
TP-OA    +31641600986 (International, Isdn)
TP-PID   0x00, plain short message
TP-DCS   0x00, Gsm7
TP-SCTS  2002-08-26T19:37:41+02:00
TP-UDL   12 septets, header not counted
TP-UD    How are you?
";
    let ran = run(smsgate().args(["decode", pdu]));
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{ran:?}");
    let alone = run(smsgate().args(["decode", &pdu[16..]]));
    assert_eq!(alone.out, expected.split_once('\n').unwrap().1, "without service centre address");
    assert_eq!(run(smsgate().args(["decode", "--no-sca", &pdu[16..]])).out, alone.out);
    let blanks = run(smsgate().args(["decode", &pdu[..20], &pdu[20..]]));
    assert_eq!(blanks.out, expected);
}

#[test]
fn decode_says_what_a_message_is_for_and_what_waits() {
    let pdu = |protocol: &str, scheme: &str, header: bool, data: &str| {
        let first = if header { "44" } else { "04" };
        format!("00{first}0B911346610089F6{protocol}{scheme}20806291731408{data}")
    };
    for (pdu, lines) in [
        (pdu("40", "00", false, "00"), vec!["TP-PID   0x40, short message type 0 (silent)"]),
        (pdu("43", "00", false, "00"), vec!["TP-PID   0x43, replace short message type 3"]),
        (pdu("5F", "00", false, "00"), vec!["TP-PID   0x5f, return call message"]),
        (
            pdu("7F", "F6", false, "020001"),
            vec!["TP-PID   0x7f, data download to the SIM", "TP-UD    [8 bit data: 0001]"],
        ),
        (
            pdu("00", "C8", false, "00"),
            vec!["TP-DCS   0xc8, Gsm7, says that voice mail waits", "waiting  voice mail: waiting; may be thrown away"],
        ),
        (pdu("00", "D1", false, "00"), vec!["TP-DCS   0xd1, Gsm7, says that no fax waits"]),
        (pdu("00", "04", true, "050401028203"), vec!["waiting  mail: 3 waiting; to be kept"]),
        (pdu("00", "04", true, "0A09230700049121430300"), vec!["waiting  voice mail: 3 waiting; may be thrown away"]),
    ] {
        let ran = run(smsgate().args(["decode", &pdu]));
        assert_eq!(ran.code, 0, "{ran:?}");
        for line in lines {
            assert!(ran.out.lines().any(|shown| shown == line), "{line} is not in\n{}", ran.out);
        }
    }
    let ran = run(smsgate().args(["decode", "--json", &pdu("00", "C8", false, "00")]));
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["message_waiting"], "voice mail: waiting; may be thrown away");
    assert_eq!(json["protocol_identifier"], 0);
}

#[test]
fn decode_reads_lines_and_prints_json() {
    let lines = "0001000B919471214365F700080400680069\n\n00062A0B919471214365F7621120221900806211202219108000\n";
    let ran = run(smsgate().args(["decode", "--json"]).write_stdin(lines));
    assert_eq!(ran.code, 0, "{ran:?}");
    let json: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.len(), 2);
    assert_eq!((json[0]["type"].as_str(), json[0]["text"].as_str()), (Some("SMS-SUBMIT"), Some("hi")));
    assert_eq!(json[0]["destination"]["text"], "+49171234567");
    assert_eq!(
        (json[1]["type"].as_str(), json[1]["message_reference"].as_i64()),
        (Some("SMS-STATUS-REPORT"), Some(42))
    );
    assert_eq!(json[1]["status"]["class"], "Delivered");
}

#[test]
fn decode_points_at_what_is_wrong() {
    let ran = run(smsgate().args(["decode", "07911326040000F0040B9113466100"]));
    assert_eq!((ran.code, ran.out.as_str()), (65, ""), "{ran:?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(lines[0].starts_with("smsgate: TP-OA at octet "), "{ran:?}");
    assert_eq!(lines[1].trim(), "07911326040000F0040B9113466100");
    assert!(lines[2].trim() == "^^", "{ran:?}");
    let octet: usize = lines[0].split("octet ").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
    assert_eq!(lines[2].find('^').unwrap(), 2 + 2 * octet);

    let both = run(smsgate().arg("decode").write_stdin("zz\n0001000B919471214365F700080400680069\n"));
    assert_eq!(both.code, 65);
    assert!(both.out.contains("SMS-SUBMIT") && both.err.contains("hexadecimal"), "{both:?}");
    assert_eq!(run(smsgate().arg("decode").write_stdin("\n")).code, 64);
}

#[test]
fn tokens_fit_their_hashes() {
    let made = run(smsgate().args(["token", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    let (token, hash) = (json["token"].as_str().unwrap(), json["hash"].as_str().unwrap());
    assert_eq!((token.len(), hash.starts_with("$2b$10$")), (30, true), "{made:?}");
    assert!(bcrypt::verify(token, hash).unwrap());

    let read = run(smsgate().args(["token", "--hash"]).write_stdin("my own token\n"));
    assert!(bcrypt::verify("my own token", read.out.trim()).unwrap(), "{read:?}");
    assert_eq!(run(smsgate().args(["token", "--hash"]).write_stdin("x".repeat(73))).code, 65);
    assert_eq!(run(smsgate().args(["token", "--hash"]).write_stdin("")).code, 65);

    let text = run(smsgate().args(["token", "--sha256"])).out;
    assert!(text.contains("Hash:  sha256:") && text.contains("smsgate.conf"), "{text}");
}

#[test]
fn certificates_are_made_once_and_keys_stay_private() {
    let folder = tempfile::tempdir().unwrap();
    let cert = || run(smsgate().args(["cert", "gateway.example.org", "192.0.2.7", "--out"]).arg(folder.path()));
    let ran = cert();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("gateway.example.org") && ran.out.contains("192.0.2.7"), "{ran:?}");
    let mode = |name| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("key.pem"), mode("cert.pem"), mode("ca.pem")), (0o600, 0o644, 0o644));
    let key = std::fs::read(folder.path().join("key.pem")).unwrap();
    assert_eq!(cert().code, 73);
    assert_eq!(std::fs::read(folder.path().join("key.pem")).unwrap(), key);
    let forced = run(smsgate().args(["cert", "--force", "--out"]).arg(folder.path()));
    assert_eq!(forced.code, 0, "{forced:?}");
    assert_ne!(std::fs::read(folder.path().join("key.pem")).unwrap(), key);
}

const GATEWAY: &str = "[mail]\nenabled = False\n\n[server]\ncertificate = cert.pem\nkey = key.pem\n\n[api]\n";
const SLOTS: &str = "[00]\nport = /dev/ttyUSB0\nphone_number = +491760000000\nprefixes = +\ncosts_per_sms = 0.09\n";

fn check_config(gateway: &str, slots: &str) -> crate::Ran {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("smsgate.conf", gateway), ("sim-cards.conf", slots)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(run(smsgate().args(["cert", "--out"]).arg(folder.path())).code, 0);
    run(smsgate().args(["check-config", "--config"]).arg(folder.path()))
}

#[test]
fn a_good_configuration_is_summed_up() {
    let ran = check_config(GATEWAY, SLOTS);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(
        ran.out.ends_with("no errors, no warnings; 1 slot (1 enabled), API on localhost:7000, no mail\n"),
        "{ran:?}"
    );
}

#[test]
fn a_bad_configuration_is_shown_with_its_lines() {
    let ran = check_config(&GATEWAY.replace("enabled = False", "enabled = perhaps"), &SLOTS.replace("costs", "cost"));
    assert_eq!(ran.code, 78, "{ran:?}");
    for part in ["smsgate.conf:2", "perhaps", "^^^", "sim-cards.conf:5", "costs_per_sms"] {
        assert!(ran.out.contains(part), "{part:?} is not in\n{}", ran.out);
    }
    assert!(ran.err.contains("error"), "{ran:?}");
    let nowhere = run(smsgate().args(["check-config", "--config", "/nowhere"]));
    assert!(nowhere.code == 78 && nowhere.err.contains("/nowhere"), "{nowhere:?}");
}

#[test]
fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(smsgate().args(["completions", shell]));
        assert!(ran.code == 0 && ran.out.contains("check-config"), "{shell}: {ran:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let script = format!("{} completions bash | head -n 1", env!("CARGO_BIN_EXE_smsgate"));
    let output =
        std::process::Command::new("bash").args(["-c", &format!("set -o pipefail; {script}")]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
