//! Balances and USSD sessions with the real daemon: modems on ptys, a mail server, the API and the command line.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]

mod rig;

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use rig::{Api, Rig, TOKEN, text_of};
use serde_json::json;
use smsgate::{cli::client::ClientError, rpc::wire::Value};

/// What one of the methods of a session answers: session, whether it is open, text.
fn step(api: &Api, method: &str, arguments: [&str; 2]) -> Result<(String, bool, String), String> {
    let arguments: Vec<Value> = arguments.into_iter().filter(|text| *text != "-").map(Value::string).collect();
    match api.call(method, &arguments) {
        Ok(step) => {
            let text = |name| text_of(step.member(name).unwrap());
            Ok((text("session"), step.member("open").unwrap().as_bool().unwrap(), text("text")))
        }
        Err(ClientError::Fault(fault)) => Err(format!("{} {}", fault.code, fault.message)),
        Err(error) => panic!("{method}: {error}"),
    }
}

#[test]
fn a_balance_falls_through_its_thresholds_and_outlives_a_restart() {
    let mut rig = Rig::prepare(2, |site| {
        let sim = &mut site.sims[0];
        for (key, value) in [
            ("ussd_account_balance", "*100#"),
            ("account_balance_warning", "10"),
            ("account_balance_critical", "5"),
            ("health_check_interval", "1"),
        ] {
            sim.set(key, value);
        }
    });
    rig.restart();
    let api = rig.api();
    rig.until_ready(2);
    let set = |cents: i64| rig.network.fault(0, json!({ "fault": "balance", "cents": cents }));
    rig.until("a balance", || api.stat("00", "balance") == "12.34");
    assert_eq!(api.stat("01", "balance"), "", "it is not asked for");
    rig.until("health", || api.health().0 == "OK");
    assert_eq!(api.stat("00", "balance_at").len(), "2026-11-20 22:46".len());
    assert_eq!(api.stat("00", "balance_days_left"), "", "one day says nothing");
    set(999);
    let warning = "00: Balance: 9.99 EUR, below the warning threshold of 10.00 EUR";
    rig.until("WARNING", || api.health() == ("WARNING".to_owned(), warning.to_owned()));
    set(420);
    let critical = "Balance: 4.20 EUR, below the critical threshold of 5.00 EUR";
    rig.until("CRITICAL", || api.stat("00", "health_state_message") == critical);
    assert_eq!((api.stat("00", "balance").as_str(), api.health().0.as_str()), ("4.2", "CRITICAL"));

    // The network says nothing more, and SMS come in all the same.
    rig.network.fault(0, json!({ "fault": "ussd_delay", "seconds": null }));
    rig.kill();
    rig.restart();
    let api = rig.api();
    assert_eq!(api.stat("00", "balance"), "4.2");
    rig.until("CRITICAL again", || api.stat("00", "health_state_message").starts_with("Balance: 4.20 EUR"));
    rig.network.inject(rig.site.number(0), "+491512", "meanwhile");
    rig.until("the message", || api.get_sms("").iter().any(|sms| sms.text == "meanwhile"));
}

#[test]
fn menus_are_walked_through_on_every_family() {
    let rig = Rig::start(4);
    let api = rig.api();
    rig.until_ready(4);
    for modem in 0..4 {
        let number = rig.site.number(modem);
        let (session, open, text) = step(&api, "ussd_open", [number, "*101#"]).unwrap();
        assert!(open, "modem {modem}");
        assert_eq!(text, "1 Guthaben\n2 Rufnummer\n9 Ende", "modem {modem}");
        let busy = api.ussd(number, "*100#");
        assert!(busy.0 == "ERROR" && busy.1.contains("busy"), "{busy:?}");
        for hostile in ["1\"", "1\r", "1;+CFUN=0", "\u{1a}", "**21*+4917#", ""] {
            let refused = step(&api, "ussd_answer", [&session, hostile]).unwrap_err();
            assert!(refused.starts_with("400 "), "{hostile:?}: {refused}");
        }
        let (same, open, text) = step(&api, "ussd_answer", [&session, "0"]).unwrap_or_default();
        assert!(open && same == session || text == "Ende", "modem {modem}: {text}");
        if open {
            let (_, open, text) = step(&api, "ussd_answer", [&session, "2"]).unwrap();
            assert_eq!((open, text), (false, format!("Ihre Rufnummer: {number}")), "modem {modem}");
        }
        let over = step(&api, "ussd_answer", [&session, "2"]).unwrap_err();
        assert!(over.starts_with("400 ") && over.contains("over"), "{over}");
        assert_eq!(step(&api, "ussd_close", [&session, "-"]).unwrap(), (String::new(), false, String::new()));
        assert_eq!(api.ussd(number, "*100#").0, "OK", "modem {modem}");
    }
    let number = rig.site.number(0);
    for code in ["**21*+491700000000#", "*#06#", "##002#"] {
        let (state, why) = api.ussd(number, code);
        assert!(state == "ERROR" && why.contains("ussd_allowed"), "{code}: {why}");
    }
    assert!(step(&api, "ussd_open", [number, "**04*1*2*2#"]).unwrap_err().starts_with("400 "));
    assert!(step(&api, "ussd_open", ["+4911", "*100#"]).unwrap_err().contains("could not be identified"));
    assert!(step(&api, "ussd_close", ["nonsense", "-"]).unwrap_err().starts_with("400 "));
}

#[test]
fn what_the_network_says_by_itself_is_mailed_and_no_sms() {
    let mut rig = Rig::prepare(1, |site| site.mail.push_str("forward_ussd = True\n"));
    rig.restart();
    rig.until_ready(1);
    let text = "Ihr Guthaben ist bald aufgebraucht";
    rig.network.ask(&json!({ "do": "ussd", "modem": 0, "text": text, "answer_wanted": true }));
    rig.until("a mail", || rig.mails().len() == 1);
    let mail = rig.mails().remove(0);
    let subject = format!("USSD from the network to {} via modem [00]", rig.site.number(0));
    assert_eq!(mail.header("Subject"), subject, "{}", mail.raw);
    assert!(mail.raw.contains(text), "{}", mail.raw);
    assert!(rig.api().get_sms("").is_empty());
    assert!(!rig.log().contains(text), "no text in the log");
    // The session it left open is closed: the next code is no answer in it.
    rig.until("a code runs", || rig.api().ussd(rig.site.number(0), "*100#").0 == "OK");
}

#[test]
fn a_person_answers_a_menu_at_a_terminal() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    let command = || {
        let mut command = Command::new(rig::binary());
        command.args(["send-ussd", "--host", "127.0.0.1", "--port", &rig.site.port.to_string(), "--ca"]);
        command.arg(rig.site.ca()).args(["--sender", rig.site.number(0), "--code", "*101#"]);
        command.env_clear().env("SMSGATE_APITOKEN", TOKEN).env("TERM", "dumb");
        command
    };
    let pty = nix::pty::openpty(None, None).unwrap();
    let (mut person, slave) = (File::from(pty.master), File::from(pty.slave));
    let mut child = command();
    child.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
    let mut running = child.spawn().unwrap();
    drop(child);
    let mut screen = String::new();
    let mut answers = vec!["2\r", "\r"].into_iter();
    let mut buffer = [0; 1024];
    let mut asked = 0;
    // Reading ends with an error when the other side is closed.
    while let Ok(count @ 1..) = person.read(&mut buffer) {
        screen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if screen.matches("+ Answer (empty line ends): ").count() > asked {
            asked += 1;
            person.write_all(answers.next().unwrap().as_bytes()).unwrap();
        }
    }
    assert!(running.wait().unwrap().success(), "{screen}");
    let screen = screen.replace('\r', "");
    assert!(screen.contains("+ USSD response: 1 Guthaben\n  2 Rufnummer\n  9 Ende\n"), "{screen}");
    assert!(screen.contains(&format!("+ USSD response: Ihre Rufnummer: {}\n", rig.site.number(0))), "{screen}");
    assert_eq!(asked, 1, "{screen}");

    // Without a terminal it is one text, and the session is closed.
    let once = command().stdin(Stdio::null()).output().unwrap();
    let expected = "+ Sending USSD message and waiting for a response ...\n\
                    + USSD response: 1 Guthaben\n  2 Rufnummer\n  9 Ende\n";
    assert_eq!(String::from_utf8_lossy(&once.stdout), expected);
    rig.until("the next code", || rig.api().ussd(rig.site.number(0), "*100#").0 == "OK");
}
