//! The daemon as a child process, given another configuration by SIGHUP.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
};

use nix::{
    sys::signal::Signal,
    time::{ClockId, clock_gettime},
};
use rig::{Api, Mail, ONCE_TOKEN, Rig, TOKEN};
use serde_json::json;
use smsgate::rpc::wire::Value;

const OUTSIDE: &str = "+4915550000";
const TAKEN: &str = "configuration reloaded";
const REFUSED: &str = "the configuration was not reloaded";
/// What bring-up begins with, whatever the family.
const BRING_UP: [&str; 6] = ["Z", "E0", "+CFUN", "+CFUN?", "+CPIN", "+CPIN?"];

/// Changes the text of a configuration file.
fn edit(rig: &Rig, file: &str, change: impl FnOnce(String) -> String) {
    let path = rig.site.config_folder().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "nothing was changed");
    fs::write(path, changed).unwrap();
}

/// SIGHUP, and until the daemon says how it went.
#[track_caller]
fn reload(rig: &Rig, word: &str) {
    let count = || rig.log().matches(word).count();
    let before = count();
    rig.signal(Signal::SIGHUP);
    rig.until(word, || count() > before);
}

/// How often each command of bring-up was given to each modem.
fn bring_ups(rig: &Rig) -> Vec<BTreeMap<String, u64>> {
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let modems = stats["modems"].as_array().unwrap().iter();
    let commands = modems.map(|modem| serde_json::from_value(modem["commands"].clone()).unwrap());
    let of_bring_up = |all: BTreeMap<String, u64>| {
        all.into_iter().filter(|(name, _)| BRING_UP.contains(&name.as_str())).collect::<BTreeMap<_, _>>()
    };
    let counts: Vec<_> = commands.map(of_bring_up).collect();
    assert!(counts.iter().all(|counts| counts.values().sum::<u64>() > 0), "{counts:?}");
    counts
}

#[test]
fn a_revoked_token_is_refused_at_once_and_a_new_one_is_taken() {
    let mut rig = Rig::start(1);
    rig.until_ready(1);
    let (old, new) = (rig.api(), Api::new(&rig.site, ONCE_TOKEN));
    // Good, and remembered as good.
    assert!(old.call("get_stats", &[]).is_ok() && old.call("get_stats", &[]).is_ok());
    assert!(new.call("get_stats", &[]).is_err());
    let text = fs::read_to_string(rig.site.config_folder().join("smsgate.conf")).unwrap();
    let value_of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    let once = value_of("resend_policy_once = ");
    edit(&rig, "smsgate.conf", |text| {
        let line = format!("token_get_stats = {}", value_of("token_get_stats = "));
        let readers = format!("token_00_get_sms = {}", value_of("token_00_get_sms = "));
        text.replace(&line, &format!("token_get_stats = {once}"))
            .replace(&readers, &format!("token_00_get_sms = {once}"))
            .replace("enable_send_ussd = True", "enable_send_ussd = False")
    });
    reload(&rig, TAKEN);
    rig.network.inject(rig.site.number(0), "+491512", "for the new reader");
    assert!(old.call("get_stats", &[]).unwrap_err().to_string().contains("token"));
    assert!(new.call("get_stats", &[]).is_ok());
    rig.until("the message", || new.get_sms("").len() == 1);
    assert!(old.call("get_sms", &[Value::string("")]).is_err());
    let number = Value::string(rig.site.number(0));
    let refused = old.call("send_ussd", &[number, Value::string("*100#")]);
    assert!(refused.is_err(), "{refused:?}");
    assert!(!rig.log().contains(&once[7..]), "a hash is in the log");
    assert_eq!(rig.stop().0, Some(0));
}

#[test]
fn a_configuration_with_errors_changes_nothing_but_the_certificate_is_renewed() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    let before = bring_ups(&rig);
    edit(&rig, "smsgate.conf", |text| text.replace("enable_send_sms = True", "enable_send_sms = False"));
    edit(&rig, "sim-cards.conf", |text| text.replace("prefixes = +", "prefixes = abc"));
    rig.site.issue_certificate();
    let renewed = rig.api();
    assert!(renewed.ping().is_err());
    reload(&rig, REFUSED);
    assert!(renewed.ping().is_ok());
    let line = rig.log().lines().find(|line| line.contains("`prefixes`")).unwrap().to_owned();
    assert!(line.contains("ERROR") && line.contains("sim-cards.conf:5: ") && line.contains("; "), "{line}");
    let id = renewed.send("", OUTSIDE, "still allowed").unwrap();
    rig.until("delivery", || renewed.delivered(&id));
    // Files that others may read are refused as at the start.
    let file = rig.site.config_folder().join("sim-cards.conf");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    reload(&rig, REFUSED);
    assert!(rig.log().contains("run `chmod o-r "), "{}", rig.log());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    edit(&rig, "sim-cards.conf", |text| text.replace("prefixes = abc", "prefixes = +"));
    reload(&rig, TAKEN);
    assert!(renewed.send("", OUTSIDE, "not allowed any more").is_err());
    // What only a restart can change is named, each time, and the listener stays where it is.
    edit(&rig, "smsgate.conf", |text| {
        text.replace(&format!("port = {}\ncertificate", rig.site.port), "port = 1\ncertificate")
    });
    for _ in 0..2 {
        let warnings = rig.log().matches("key=[server] port").count();
        reload(&rig, TAKEN);
        assert_eq!(rig.log().matches("key=[server] port").count(), warnings + 1);
    }
    assert!(renewed.ping().is_ok());
    assert_eq!(bring_ups(&rig), before);
    assert_eq!(renewed.stat("00", "init_counter"), "1");
}

#[test]
fn a_slot_comes_and_another_one_goes_with_its_messages_taking_another_way() {
    let mut rig = Rig::prepare(3, |site| {
        site.sims[0].set("costs_per_sms", "0.01");
    });
    let third = rig.site.sims.pop().unwrap();
    rig.site.write();
    rig.restart();
    rig.until_ready(2);
    let api = rig.api();
    assert_eq!(api.slots(), ["00", "01"]);
    rig.site.sims.push(third);
    rig.site.write();
    reload(&rig, TAKEN);
    rig.until("the new slot is ready", || api.stat("02", "status") == "Ready.");
    let before = bring_ups(&rig);

    rig.network.ask(&json!({ "do": "conditions", "set": { "submit_latency": 1.0 } }));
    let ids: Vec<_> = (0..6).map(|n| api.send("", OUTSIDE, &format!("message {n}")).unwrap()).collect();
    rig.until("the first is on its way", || api.outgoing(&ids[0], "modem") == "00");
    edit(&rig, "sim-cards.conf", |text| text[text.find("[01]").unwrap()..].to_owned());
    reload(&rig, TAKEN);
    assert_eq!(api.slots(), ["01", "02"]);
    rig.until("all are delivered", || ids.iter().all(|id| api.delivered(id)));
    let elsewhere = ids.iter().filter(|id| api.outgoing(id, "modem") != "00").count();
    assert!(elsewhere >= 4, "{elsewhere} of 6 took another way");
    assert_eq!(rig.network.submitted_to(OUTSIDE).len(), 6, "one submission each");
    assert_eq!(bring_ups(&rig), before);
    assert_eq!((api.stat("01", "init_counter"), api.stat("02", "init_counter")), ("1".into(), "1".into()));

    // Switched off, it stays to be seen; switched on, it is brought up again.
    edit(&rig, "sim-cards.conf", |text| format!("{text}enabled = no\n"));
    reload(&rig, TAKEN);
    assert_eq!(api.stat("02", "status"), "Disabled.");
    edit(&rig, "sim-cards.conf", |text| text.replace("enabled = no", "enabled = yes"));
    reload(&rig, TAKEN);
    rig.until("it is back", || api.stat("02", "status") == "Ready.");
    let after = bring_ups(&rig);
    assert_eq!(after[1], before[1], "the other one heard nothing of it");
    assert_ne!(after[2], before[2]);
}

#[test]
fn prices_and_prefixes_change_routes_and_no_modem_notices() {
    let rig = Rig::prepare(2, |site| site.sims[0].set("costs_per_sms", "0.01")).run();
    rig.until_ready(2);
    let api = rig.api();
    let by = |text: &str| {
        let id = api.send("", OUTSIDE, text).unwrap();
        rig.until(text, || api.delivered(&id));
        api.outgoing(&id, "modem")
    };
    assert_eq!(by("cheap"), "00");
    let before = bring_ups(&rig);
    edit(&rig, "sim-cards.conf", |text| text.replace("costs_per_sms = 0.01", "costs_per_sms = 0.5"));
    reload(&rig, TAKEN);
    assert_eq!(by("dear"), "01");
    edit(&rig, "sim-cards.conf", |text| {
        text.replacen("prefixes = +", "prefixes = +49", 2).replacen("prefixes = +49", "prefixes = +41", 1)
    });
    edit(&rig, "sim-cards.conf", |text| text.replace("costs_per_sms = 0.5", "costs_per_sms = 0.01"));
    reload(&rig, TAKEN);
    assert_eq!(by("not for 00"), "01");
    assert!(rig.log().contains("slot goes on with another prefixes, costs_per_sms modem=00"), "{}", rig.log());
    assert_eq!(bring_ups(&rig), before);
    assert_eq!((api.stat("00", "init_counter"), api.stat("01", "init_counter")), ("1".into(), "1".into()));
}

#[test]
fn mail_follows_its_server_and_its_switch() {
    let mut rig = Rig::prepare(1, |_| {});
    // The same port, since the sandbox lets the mailer connect to no other one; nobody listens at that address.
    edit(&rig, "smsgate.conf", |text| text.replace("server = 127.0.0.1\n", "server = 127.0.0.2\n"));
    rig.restart();
    rig.until_ready(1);
    let api = rig.api();
    let inject = |text: &str| rig.network.inject(rig.site.number(0), "+491512", text);
    inject("while the server is elsewhere");
    rig.until("the server is missed", || rig.log().contains("connecting failed"));
    edit(&rig, "smsgate.conf", |text| text.replace("server = 127.0.0.2\n", "server = 127.0.0.1\n"));
    reload(&rig, TAKEN);
    rig.until("the mail", || rig.mails().len() == 1);
    rig.until("mail is well", || api.health().0 == "OK");

    edit(&rig, "smsgate.conf", |text| text.replace("[mail]\nenabled = True", "[mail]\nenabled = False"));
    reload(&rig, TAKEN);
    inject("while mail is off");
    rig.until("it is there", || api.get_sms("").len() == 2);
    edit(&rig, "smsgate.conf", |text| text.replace("[mail]\nenabled = False", "[mail]\nenabled = True"));
    edit(&rig, "sim-cards.conf", |text| format!("{text}email_address = another@example.org\n"));
    reload(&rig, TAKEN);
    inject("while mail is on");
    rig.until("the next mail", || rig.mails().len() == 2);
    let last = rig.mails().pop().unwrap();
    assert_eq!(last.to, "another@example.org");
    assert!(last.raw.contains("while mail is on"), "{}", last.raw);
}

#[test]
fn the_flood_limit_follows() {
    let mut rig = Rig::prepare(1, |site| site.mail.push_str("flood_limit = 1\n"));
    rig.restart();
    rig.until_ready(1);
    let api = rig.api();
    let inject = |text: &str| rig.network.inject(rig.site.number(0), "+491512", text);
    for number in 0..4 {
        inject(&format!("one of many {number}"));
    }
    rig.until("all of them", || api.get_sms("").len() == 4);
    edit(&rig, "smsgate.conf", |text| text.replace("flood_limit = 1\n", "flood_limit = 0\n"));
    reload(&rig, TAKEN);
    // It does not wait, and what waited goes before it.
    inject("by itself");
    rig.until("three mails", || rig.mails().len() == 3);
    let ids: Vec<String> = api.get_sms("").into_iter().map(|sms| sms.id).collect();
    let mailed: Vec<Vec<String>> = rig.mails().iter().map(Mail::ids).collect();
    assert_eq!(mailed, [&ids[..1], &ids[1..4], &ids[4..]]);
}

#[test]
fn the_log_level_and_the_queue_limit_follow() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    let api = rig.api();
    let debug_lines = || rig.log().matches(" DEBUG ").count();
    assert_eq!(debug_lines(), 0);
    edit(&rig, "smsgate.conf", |text| text.replace("level = INFO", "level = DEBUG"));
    edit(&rig, "sim-cards.conf", |text| text.replace("prefixes = +", "prefixes = +49"));
    reload(&rig, TAKEN);
    rig.network.fault(0, json!({ "fault": "registration", "state": 3 }));
    rig.until("no network", || api.stat("00", "health_state_short") == "CRITICAL");
    let waits = |text: &str| api.send("", "+4915", text);
    waits("one").unwrap();
    rig.until("details", || rig.log().contains("no SIM can take it now"));
    edit(&rig, "smsgate.conf", |text| {
        text.replace("level = DEBUG", "level = INFO").replace("[modempool]", "queue_limit = 2\n[modempool]")
    });
    reload(&rig, TAKEN);
    let before = debug_lines();
    waits("two").unwrap();
    assert!(waits("three").unwrap_err().to_string().contains("queue is full"));
    assert_eq!(debug_lines(), before);
}

#[test]
fn systemd_is_told_when_a_reload_begins_and_ends() {
    let mut rig = Rig::prepare(1, |_| {});
    let path = rig.folder().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(rig::PATIENCE)).unwrap();
    rig.environment = vec![("NOTIFY_SOCKET", path.display().to_string())];
    rig.restart();
    let next = || {
        let mut buffer = [0; 4096];
        let octets = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..octets].to_vec()).unwrap()
    };
    let micros = || {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
        now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000
    };
    assert_eq!(next().lines().next(), Some("READY=1"));
    for good in [true, false] {
        if !good {
            edit(&rig, "sim-cards.conf", |text| text.replace("prefixes = +", "prefixes = abc"));
        }
        let before = micros();
        rig.signal(Signal::SIGHUP);
        let begun = next();
        assert_eq!(begun.lines().next(), Some("RELOADING=1"));
        let told: i64 = begun.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap().parse().unwrap();
        assert!((before..=micros()).contains(&told), "{told}");
        let ended = next();
        assert_eq!(ended.lines().next(), Some("READY=1"));
        assert_eq!(ended.contains("has errors"), !good, "{ended}");
    }
}

#[test]
fn twenty_reloads_under_traffic_lose_nothing_and_double_nothing() {
    const ROUNDS: usize = 20;
    let rig = Rig::start(3);
    rig.until_ready(3);
    let api = rig.api();
    let before = bring_ups(&rig);
    let (mut sent, mut arrived) = (Vec::new(), Vec::new());
    let whole = fs::read_to_string(rig.site.config_folder().join("sim-cards.conf")).unwrap();
    for round in 0..ROUNDS {
        for part in 0..3 {
            let text = format!("out {round}-{part}");
            sent.push((api.send("", OUTSIDE, &text).unwrap(), text));
            let text = format!("in {round}-{part}");
            rig.network.inject(rig.site.number(part), "+491512", &text);
            arrived.push(text);
        }
        // Prices go round; the third slot is away in every fourth round, and on another baud rate in others.
        let sims = whole.replacen("0.09", &format!("0.{:02}", 5 + round % 7), 1);
        let third = sims.find("[02]").unwrap();
        let sims = match round % 4 {
            1 => sims[..third].to_owned(),
            3 => format!("{sims}baud = 9600\n"),
            _ => sims,
        };
        fs::write(rig.site.config_folder().join("sim-cards.conf"), sims).unwrap();
        reload(&rig, TAKEN);
    }
    fs::write(rig.site.config_folder().join("sim-cards.conf"), whole).unwrap();
    reload(&rig, TAKEN);
    rig.until("all went out", || sent.iter().all(|(id, _)| api.outgoing(id, "state") == "delivered"));
    let mut submitted: Vec<_> =
        rig.network.submitted_to(OUTSIDE).iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect();
    let mut wanted: Vec<_> = sent.into_iter().map(|(_, text)| text).collect();
    submitted.sort();
    wanted.sort();
    assert_eq!(submitted, wanted);
    rig.until("all came in", || api.get_sms("").len() >= arrived.len());
    let mut read: Vec<_> = api.get_sms("").into_iter().map(|sms| sms.text).collect();
    read.sort();
    arrived.sort();
    assert_eq!(read, arrived);
    let after = bring_ups(&rig);
    assert_eq!(after[..2], before[..2], "a healthy modem was set up anew");
    assert_ne!(after[2], before[2]);
    assert_eq!((api.stat("00", "init_counter"), api.stat("01", "init_counter")), ("1".into(), "1".into()));
    assert_eq!(rig.site.sims.len(), 3);
    assert!(!rig.log().contains(TOKEN));
}
