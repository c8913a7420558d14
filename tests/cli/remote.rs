//! Commands that ask a gateway: the client, the Icinga check, the Munin plugin.

use std::net::TcpListener;

use assert_cmd::Command;
use smsgate::rpc::wire::{Call, Fault, Value};

use crate::{
    gateway::{Gateway, fault, pair},
    linked, run, smsgate,
};

const TOKEN: &str = "secret-token";

fn to(gateway: &Gateway, command: &mut Command) -> Command {
    command.arg("--port").arg(gateway.port.to_string()).arg("--ca").arg(&gateway.ca).env("SMSGATE_APITOKEN", TOKEN);
    std::mem::replace(command, Command::new("true"))
}

fn modem(balance: Value) -> Value {
    let string = |name: &str, text: &str| (name.to_owned(), Value::string(text));
    Value::Struct(vec![
        string("phone_number", "+491760000000"),
        string("current_network", "Vodafone.de"),
        ("current_signal".into(), Value::int(-71)),
        string("port", "/dev/ttyUSB0"),
        string("status", "Ready."),
        ("balance".into(), balance),
        string("currency", "EUR"),
        ("sent".into(), Value::int(2)),
        ("received".into(), Value::int(7)),
        string("health_state_short", "OK"),
        string("health_state_message", "\u{202e}odd"),
        ("init_counter".into(), Value::int(1)),
        string("last_init", "2026-11-20 22:46"),
        string("last_received", ""),
        string("last_sent", ""),
        ("of_a_later_gateway".into(), Value::int(3)),
    ])
}

fn two_modems(call: &Call) -> Result<Value, Fault> {
    if call.params.first().and_then(Value::as_str) != Some(TOKEN) {
        return Err(fault(401, "Invalid API token."));
    }
    let modems = vec![("00".into(), modem(Value::double(12.34))), ("roof-1".into(), modem(Value::string("")))];
    Ok(Value::Array(vec![Value::string("OK"), Value::Struct(modems)]))
}

#[test]
fn stats_are_upstreams_table() {
    let gateway = Gateway::start(two_modems);
    let ran = run(&mut to(&gateway, smsgate().arg("stats")));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let expected = "\
+ Get status ...
#       Port          Phone number    dB  Network        Balance  #Snt  Last sent  #Rcv  Last recv  #Init  \
Last init         Health  Health state message  Status  Recovered
00      /dev/ttyUSB0  +491760000000  -71  Vodafone.de  EUR 12.34     2                7                 1  \
2026-11-20 22:46  OK      \u{fffd}odd                  Ready.
roof-1  /dev/ttyUSB0  +491760000000  -71  Vodafone.de                2                7                 1  \
2026-11-20 22:46  OK      \u{fffd}odd                  Ready.
";
    assert_eq!(ran.out, expected);
}

#[test]
fn stats_as_json() {
    let gateway = Gateway::start(two_modems);
    let ran = run(&mut to(&gateway, smsgate().args(["stats", "--json"])));
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["00"]["balance"], 12.34);
    assert_eq!(json["roof-1"]["balance"], "");
    assert_eq!(json["00"]["current_signal"], -71);
    // Every member the gateway has, those of later gateways too, and in the same order each time.
    let Value::Struct(members) = modem(Value::double(12.34)) else { panic!("a modem is a struct") };
    let told = json["00"].as_object().unwrap();
    assert!(members.iter().all(|(name, _)| told.contains_key(name)) && told.len() == members.len(), "{told:?}");
    assert!(told.keys().is_sorted(), "{told:?}");
    assert_eq!(run(&mut to(&gateway, smsgate().args(["stats", "--json"]))).out, ran.out);
}

#[test]
fn the_client_takes_flags_before_and_after_its_command() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(|_| Ok(pair("OK", "Guthaben: 12,34 EUR\nMen\u{202e}2J")));
    let mut command = to(&gateway, &mut linked("smsgate-client", folder.path()));
    let ran = run(command.args(["--sender", "+4911", "send-ussd", "--code", "*100#"]));
    let expected = "+ Sending USSD message and waiting for a response ...\n\
                    + USSD response: Guthaben: 12,34 EUR\n  Men\u{fffd}2J\n";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{ran:?}");
    assert_eq!(gateway.calls.lock().unwrap()[0].params[1..], [Value::string("+4911"), Value::string("*100#")]);

    let ran = run(&mut to(&gateway, smsgate().args(["send-ussd", "--sender", "+4911", "--code", "*100#", "--json"])));
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1), "{ran:?}");
}

#[test]
fn a_refused_ussd_code_is_a_failure() {
    let gateway = Gateway::start(|_| Ok(pair("ERROR", "Failed to send USSD code.")));
    let ran = run(&mut to(&gateway, smsgate().args(["send-ussd", "--sender", "+4911", "--code", "1"])));
    assert_eq!((ran.code, ran.err.as_str()), (1, "smsgate: no USSD response: Failed to send USSD code.\n"));
    let ran = run(&mut to(&gateway, smsgate().args(["send-ussd", "--code", "1"])));
    assert_eq!(ran.code, 64, "{ran:?}");
}

#[test]
fn the_shell_answers_menus() {
    let step = |session: &str, text: &str| {
        Ok(Value::Struct(vec![
            ("session".to_owned(), Value::string(session)),
            ("open".to_owned(), Value::Boolean(!session.is_empty())),
            ("text".to_owned(), Value::string(text)),
        ]))
    };
    let gateway = Gateway::start(move |call| match call.method.as_str() {
        "get_stats" => two_modems(call),
        "ussd_open" => step("s1", "1 Balance\n2 Number"),
        "ussd_answer" if call.params[2] == Value::string("1") => step("s1", "0 Back"),
        "ussd_answer" => Err(fault(503, "Failed to send USSD code: network time out.")),
        "ussd_close" => step("", ""),
        other => Err(fault(8001, &format!("procedure {other} not found"))),
    });
    let mut shell = to(&gateway, smsgate().args(["shell", "--sender", "+4911"]));
    let ran = run(shell.env("HOME", "/nonexistent").write_stdin("ussd\n\n*101#\n1\n\nussd\n\n*101#\n7\nexit\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    for part in [
        "+ USSD response: 1 Balance\n  2 Number\n",
        "+ USSD response: 0 Back\n",
        "- no USSD response: Failed to send USSD code: network time out.\n",
    ] {
        assert!(ran.out.contains(part), "{part:?} is not in {}", ran.out);
    }
    let methods = ["get_stats", "ussd_open", "ussd_answer", "ussd_close", "ussd_open", "ussd_answer"];
    assert_eq!(gateway.methods(), methods);
    assert_eq!(gateway.calls.lock().unwrap()[2].params[1..], [Value::string("s1"), Value::string("1")]);
}

fn message(state: &str, cause: &str) -> Value {
    let string = |name: &str, text: &str| (name.to_owned(), Value::string(text));
    Value::Struct(vec![
        string("sms_id", "id-1"),
        string("state", state),
        string("modem", "00"),
        string("cause", cause),
        ("parts".into(), Value::int(3)),
        ("parts_sent".into(), Value::int(2)),
        ("parts_delivered".into(), Value::int(0)),
    ])
}

/// A gateway that takes one SMS, whose fate runs through `states`.
fn fate(states: &'static [(&'static str, &'static str)]) -> Gateway {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Gateway::start(move |call| match call.method.as_str() {
        "send_sms" => Ok(Value::string("id-1")),
        "get_message" => {
            let at = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(states.len() - 1);
            Ok(message(states[at].0, states[at].1))
        }
        other => Err(fault(8001, &format!("procedure {other} not found"))),
    })
}

const SEND: [&str; 5] = ["send-sms", "--to", "+4917", "--text", "hä"];

#[test]
fn send_sms_waits_and_tells_each_state() {
    let gateway = fate(&[("queued", ""), ("sending", ""), ("delivered", "")]);
    let ran = run(&mut to(&gateway, smsgate().args(SEND).args(["--sender", "+49"])));
    let expected = "\
+ Sending SMS and waiting for a response ...
  Waiting for delivery ... queued, 2 of 3 parts sent, 0 delivered, modem 00
  Waiting for delivery ... sending, 2 of 3 parts sent, 0 delivered, modem 00
+ SMS was delivered.
";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{ran:?}");
    let calls = gateway.calls.lock().unwrap();
    let arguments = ["secret-token", "+49", "+4917", "hä"].map(Value::string);
    assert_eq!(calls[0].params[..4], arguments);
    assert_eq!(calls[0].params[4], Value::Boolean(false));
}

#[test]
fn send_sms_ends_by_what_became_of_it() {
    for (states, code, text) in [
        (&[("failed", "no route")][..], 1, "SMS id-1 could not be sent (no route)"),
        (&[("undelivered", "")], 1, "SMS id-1 was sent but not delivered"),
        (&[("expired", "")], 1, "SMS id-1 expired before it was delivered"),
        (&[("sent", "")], 75, "SMS id-1 is sent after 0 s; it goes on without this program"),
    ] {
        let ran = run(&mut to(&fate(states), smsgate().args(SEND).args(["--timeout", "0"])));
        assert_eq!((ran.code, ran.err), (code, format!("smsgate: {text}\n")));
    }
}

#[test]
fn send_sms_without_waiting_and_as_json() {
    let gateway = fate(&[("delivered", "")]);
    let ran = run(&mut to(&gateway, smsgate().args(SEND).arg("--no-wait").arg("--flash")));
    assert_eq!((ran.code, ran.out.as_str()), (0, "+ Sending SMS ...\n+ SMS was accepted, its id is id-1.\n"));
    assert_eq!(gateway.methods(), ["send_sms"]);
    assert_eq!(gateway.calls.lock().unwrap()[0].params[4], Value::Boolean(true));
    let ran = run(&mut to(&gateway, smsgate().args(SEND).arg("--json")));
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((json["state"].as_str(), json["parts"].as_i64()), (Some("delivered"), Some(3)));
}

#[test]
fn send_sms_works_with_a_gateway_that_knows_yes_and_no_only() {
    let gateway = Gateway::start(|call| match call.method.as_str() {
        "send_sms" => Ok(Value::string("id-1")),
        "get_delivery_status" => Ok(Value::Boolean(true)),
        other => Err(fault(8001, &format!("procedure {other} not found"))),
    });
    let ran = run(&mut to(&gateway, smsgate().args(SEND)));
    assert_eq!((ran.code, ran.out.ends_with("+ SMS was delivered.\n")), (0, true), "{ran:?}");
}

#[test]
fn the_shell_obeys_and_forgets_what_was_sent() {
    let gateway = Gateway::start(|call| match call.method.as_str() {
        "get_stats" => two_modems(call),
        "send_ussd" => Ok(pair("OK", "12,34 EUR")),
        "send_sms" => Err(fault(400, "Invalid recipient format.")),
        other => Err(fault(8001, &format!("procedure {other} not found"))),
    });
    let state = tempfile::tempdir().unwrap();
    let mut shell = to(&gateway, smsgate().args(["shell", "--sender", "+4911"]));
    shell.env("XDG_STATE_HOME", state.path());
    let ran = run(shell.write_stdin("ussd\n\n*100#\nsms\n\nx\nsecret text\nn\nfly\n\nexit\nstatus\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    for part in
        ["+ USSD response: 12,34 EUR", "- Invalid recipient format. (fault 400)", "No such command", "loop-status"]
    {
        assert!(ran.out.contains(part), "{part:?} is not in {}", ran.out);
    }
    assert_eq!(gateway.methods(), ["get_stats", "ussd_open", "send_ussd", "send_sms", "get_stats"]);
    assert_eq!(gateway.calls.lock().unwrap()[1].params[1], Value::string("+4911"));
    let history = std::fs::read_to_string(state.path().join("smsgate/history")).unwrap();
    assert_eq!(history, "ussd\nsms\nfly\n");
}

#[test]
fn ctrl_c_names_the_sms_and_stops() {
    let gateway = fate(&[("sent", "")]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.args(SEND).arg("--ca").arg(&gateway.ca).args(["--port", &gateway.port.to_string()]);
    command.env("SMSGATE_APITOKEN", TOKEN).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !gateway.methods().contains(&"get_message".to_owned()) {
        assert!(std::time::Instant::now() < deadline, "the client never asked for the message");
        std::thread::yield_now();
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(err, "smsgate: stopped waiting; SMS id-1 goes on without this program\n");
}

#[test]
fn errors_name_host_cause_and_remedy() {
    let gateway = Gateway::start(two_modems);
    let closed = TcpListener::bind(("localhost", 0)).unwrap().local_addr().unwrap().port().to_string();
    let port = gateway.port.to_string();
    let ca = gateway.ca.to_str().unwrap();
    let foreign = Gateway::start(two_modems);
    let foreign_ca = foreign.ca.to_str().unwrap();
    for (arguments, token, code, parts) in [
        (vec!["--ca", ca, "--port", &port], Some("wrong"), 77, vec!["Invalid API token.", "401", "SMSGATE_APITOKEN"]),
        (vec!["--ca", ca, "--port", &closed], Some("x"), 69, vec![closed.as_str(), "refused", "--port"]),
        (vec!["--ca", foreign_ca, "--port", &port], Some("x"), 69, vec!["localhost:", "trusted", "--ca"]),
        (
            vec!["--ca", ca, "--port", &port, "--host", "127.0.0.1"],
            Some("x"),
            69,
            vec!["127.0.0.1", "not for the name"],
        ),
        (vec!["--ca", "/nowhere/ca.pem", "--port", &port], Some("x"), 66, vec!["/nowhere/ca.pem"]),
        (vec!["--ca", ca, "--port", &port], None, 64, vec!["no API token", "SMSGATE_APITOKEN"]),
        (vec!["--ca", ca, "--port", "no"], Some("x"), 64, vec!["--port"]),
    ] {
        let mut command = smsgate();
        command.arg("stats").args(&arguments);
        if let Some(token) = token {
            command.env("SMSGATE_APITOKEN", token);
        }
        let ran = run(&mut command);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{part:?} is not in {:?}", ran.err);
        }
    }
}

#[test]
fn the_variable_wins_over_the_flag_and_a_file_will_do() {
    let gateway = Gateway::start(two_modems);
    let ran = run(&mut to(&gateway, smsgate().args(["stats", "--json", "--api-token", "wrong"])));
    assert_eq!(ran.code, 0, "{ran:?}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let mut command =
        to(&gateway, smsgate().args(["stats", "--json", "--api-token-file"]).arg(folder.path().join("token")));
    let ran = run(command.env_remove("SMSGATE_APITOKEN"));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_check_speaks_icingas_language() {
    for (level, reasons, code, line) in [
        ("OK", "", 0, "OK | time="),
        ("WARNING", "[00] weak signal", 1, "WARNING [00] weak signal | time="),
        ("CRITICAL", "a|b\n\u{202e}", 2, "CRITICAL a/b\u{fffd}\u{fffd} | time="),
        ("CRITICAL", "00: silent", 2, "CRITICAL 00: silent | time="),
        ("ODD", "", 3, "UNKNOWN the answer is not understood | time="),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start(move |_| Ok(pair(level, reasons)));
        let ran = run(&mut to(&gateway, &mut linked("check_smsgate", folder.path())));
        assert_eq!((ran.code, ran.out.lines().count()), (code, 1), "{ran:?}");
        assert!(ran.out.starts_with(line), "{ran:?}");
    }
}

#[test]
fn statistics_are_asked_for_only_with_their_token() {
    let answer = |call: &Call| match call.method.as_str() {
        "get_health_state" => Ok(pair("WARNING", "a; b")),
        _ => two_modems(call),
    };
    let stats = ["get_health_state", "get_stats"];
    for (token, methods, label, detail) in [
        ("", &stats[..1], "time=", "a\nb\n"),
        (TOKEN, &stats[..], "modems=2;;;0;2 ", "00 OK: Ready., +491760000000"),
        ("wrong", &stats[..], "time=", "a\nb\nno statistics: Invalid API token."),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::start(answer);
        let mut check = to(&gateway, &mut linked("check_smsgate", folder.path()));
        let ran = run(check.env("SMSGATE_STATS_TOKEN", token));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.out.starts_with(&format!("WARNING a; b | {label}")), "{ran:?}");
        assert!(ran.out.split_once('\n').unwrap().1.starts_with(detail), "{ran:?}");
        assert_eq!(gateway.methods(), methods);
    }
}

#[test]
fn the_certificate_is_checked_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(|_| Err(fault(401, "")));
    let (port, ca) = (gateway.port.to_string(), gateway.ca.to_str().unwrap().to_owned());
    let link = linked("check_smsgate", folder.path()).get_program().to_owned();
    let certificate = |more: &[&str]| {
        let mut check = Command::new(&link);
        check.env_clear().args(["--certificate", "--port", &port, "--ca", &ca]).args(more);
        run(&mut check)
    };
    for (more, code, words) in [
        (&[][..], 2, "CRITICAL the certificate is valid for "),
        (&["--critical", "0"], 1, "WARNING the certificate is valid for "),
        (&["--critical", "0", "--warning", "1"], 0, "OK the certificate is valid for "),
        (&["--host", "127.0.0.1"], 3, "UNKNOWN the certificate of 127.0.0.1:"),
    ] {
        let ran = certificate(more);
        assert_eq!((ran.code, ran.out.starts_with(words)), (code, true), "{ran:?}");
    }
    assert!(gateway.methods().is_empty());
}

#[test]
fn the_check_never_leaves_the_four_codes() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind(("localhost", 0)).unwrap().local_addr().unwrap().port().to_string();
    let mut check = linked("check_smsgate", folder.path());
    let ran = run(check.args(["--port", &closed, "--api-token", "x", "--ca", "/dev/null"]));
    assert_eq!(ran.code, 3, "{ran:?}");

    let gateway = Gateway::start(|_| Err(fault(401, "Invalid API token.")));
    let ca = gateway.ca.to_str().unwrap();
    let ran = run(linked("check_smsgate.py", folder.path()).args(["--port", &closed, "--api-token", "x", "--ca", ca]));
    let words = format!("UNKNOWN Connection to localhost:{closed} refused. |");
    assert_eq!((ran.code, ran.out.starts_with(&words)), (3, true), "{ran:?}");
    let mut check = linked("check_smsgate.sh", folder.path());
    let ran = run(check.args(["--port", &closed, "--api-token", "x", "--ca", ca, "--refused", "critical"]));
    assert_eq!((ran.code, ran.out.starts_with(&words.replace("UNKNOWN", "CRITICAL"))), (2, true), "{ran:?}");

    let port = gateway.port.to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut check = linked("check_smsgate", folder.path());
    let ran = run(check.args(["--port", &port, "--api-token", "x", "--ca", ca]));
    assert!(ran.code == 3 && ran.out.starts_with("UNKNOWN Invalid API token. (fault 401)"), "{ran:?}");
    let folder = tempfile::tempdir().unwrap();
    let ran = run(linked("check_smsgate", folder.path()).arg("--nonsense"));
    assert!(ran.code == 3 && ran.out.starts_with("UNKNOWN the arguments") && ran.err.contains("--nonsense"), "{ran:?}");
}

#[test]
fn munin_gets_upstreams_graphs() {
    let gateway = Gateway::start(two_modems);
    let munin = |argument: Option<&str>, capability: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = linked("munin_smsgate", folder.path());
        command.env("smsgate_port", gateway.port.to_string()).env("smsgate_cafile", &gateway.ca);
        command.env("MUNIN_CAP_DIRTYCONFIG", capability);
        run(command.env("smsgate_api_token", TOKEN).args(argument))
    };
    let values = munin(None, "");
    let expected = "\
multigraph smsgate_sent_00\nsent_00.value 2\n\nmultigraph smsgate_sent_roof_1\nsent_roof_1.value 2\n\n\
multigraph smsgate_recv_00\nrecv_00.value 7\n\nmultigraph smsgate_recv_roof_1\nrecv_roof_1.value 7\n\n\
multigraph smsgate_balance_00\nbalance_00.value 12.34\n\nmultigraph smsgate_balance_roof_1\nbalance_roof_1.value U\n\n\
multigraph smsgate_signal_00\nsignal_00.value -71\n\nmultigraph smsgate_signal_roof_1\nsignal_roof_1.value -71\n\n\
multigraph smsgate_health_00\nhealth_00.value 0\n\nmultigraph smsgate_health_roof_1\nhealth_roof_1.value 0\n\n";
    assert_eq!((values.code, values.out.as_str()), (0, expected));
    let config = munin(Some("config"), "").out;
    let first = "\
multigraph smsgate_sent_00
graph_title SMSGate - Sent via modem 00
graph_args --base 1000 -l 0
graph_vlabel sent
graph_scale no
graph_category smsgate
sent_00.label sent via 00
sent_00.info SMS sent via modem 00.
sent_00.type DERIVE
sent_00.min 0

";
    assert!(config.starts_with(first), "{config}");
    assert!(config.contains("graph_vlabel EUR") && config.contains("balance_roof_1.type GAUGE"), "{config}");
    assert!(!config.contains(".value "), "{config}");
    assert_eq!(munin(Some("autoconf"), "").out, "yes\n");
    // Values along with the configuration, from one call.
    let calls = gateway.methods().len();
    let dirty = munin(Some("config"), "1").out;
    assert!(dirty.contains("sent_00.min 0\nsent_00.value 2\n\n"), "{dirty}");
    assert_eq!(gateway.methods().len(), calls + 1);
    let odd = munin(Some("suggest"), "");
    assert_eq!((odd.code, odd.out.as_str(), odd.err.lines().count()), (64, "", 1), "{odd:?}");
    // What is missing is named as a node's files have it.
    for (variable, value) in [("smsgate_api_token", ""), ("smsgate_port", "x")] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = linked("munin_smsgate", folder.path());
        let ran = run(command.env("smsgate_api_token", "x").env(variable, value));
        assert!(ran.code == 64 && ran.err.contains(&format!("env.{variable}")), "{ran:?}");
        assert!(ran.err.contains("plugin-conf.d"), "{ran:?}");
    }
}
