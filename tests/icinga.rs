//! Icinga 2 itself watches the gateway and sends its alarms through it, with the objects shipped in `contrib/icinga2`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use std::{fs, net::TcpListener, path::Path};

use nix::sys::signal::Signal;
use rig::{
    Rig, Site, TOKEN,
    icinga::{Checked, Icinga},
};
use serde_json::json;

const OK: i64 = 0;
const WARNING: i64 = 1;
const CRITICAL: i64 = 2;
const UNKNOWN: i64 = 3;

/// The recipient in the shipped example.
const ON_CALL: &str = "+491701234567";

#[test]
fn health_is_told_at_each_step() {
    let mut rig = Rig::prepare(2, often).run();
    rig.until_ready(2);
    let upstream = format!(
        "object Service \"as-upstream\" {{ host_name = \"smsgate\", check_command = \"smsgate\", \
         vars.smsgate_api_token = \"{TOKEN}\", vars.smsgate_refused = \"critical\" }}\n"
    );
    let icinga = Icinga::start(&rig.folder().join("icinga"), &(example(&rig.site) + &upstream));
    let health = |what: &str, wanted: &dyn Fn(&Checked) -> bool| icinga.until("smsgate-health", what, wanted);

    let well = health("OK", &|now| now.state == OK);
    assert_eq!(well.output.lines().next().unwrap().trim_end(), "OK");
    assert!(well.output.contains("\n00 OK: "), "{well:?}");
    for (label, value) in
        [("modems", "2;;;0;2"), ("modems_ok", "2;;;0;2"), ("modems_critical", "0;;;0;2"), ("00_sent", "0c;;;0")]
    {
        assert_eq!(well.value(label), Some(value), "{well:?}");
    }
    assert!(well.value("00_signal").unwrap().ends_with(";-101:;-109:;-113;-51"), "{well:?}");
    assert!(well.value("time").unwrap().ends_with("s;;;0;10"), "{well:?}");
    let plain = icinga.until("as-upstream", "OK", |now| now.state == OK);
    assert_eq!(plain.perfdata.len(), 1, "without a token for statistics: {plain:?}");

    rig.network.fault(1, json!({ "fault": "unplug" }));
    let gone = health("an unplugged modem is CRITICAL", &|now| now.state == CRITICAL);
    assert!(gone.output.starts_with("CRITICAL 01: "), "{gone:?}");
    assert_eq!((gone.value("modems_critical"), gone.value("01_signal")), (Some("1;;;0;2"), None), "{gone:?}");

    rig.network.fault(1, json!({ "fault": "signal", "value": 3 }));
    rig.network.fault(1, json!({ "fault": "replug", "link": null }));
    let weak = health("a weak signal is a WARNING", &|now| now.state == WARNING && now.output.contains("weak"));
    assert!(weak.output.starts_with("WARNING 01: Signal"), "{weak:?}");
    assert!(weak.value("01_signal").unwrap().starts_with("-107;"), "{weak:?}");

    rig.network.fault(1, json!({ "fault": "unplug" }));
    rig.network.fault(1, json!({ "fault": "signal", "value": 20 }));
    rig.network.fault(1, json!({ "fault": "replug", "link": null }));
    health("all is well again", &|now| now.state == OK);

    rig.kill_mail();
    let mail = health("a dead mail server is CRITICAL", &|now| now.state == CRITICAL);
    assert!(mail.output.starts_with("CRITICAL mail server 127.0.0.1:"), "{mail:?}");
    assert_eq!(mail.value("modems_ok"), Some("2;;;0;2"), "{mail:?}");

    rig.stop();
    let stopped = health("a stopped daemon is UNKNOWN", &|now| now.state == UNKNOWN);
    let words = format!("Connection to 127.0.0.1:{} refused.", rig.site.port);
    assert!(stopped.output.starts_with(&format!("UNKNOWN {words}")), "{stopped:?}");
    let stopped = icinga.until("as-upstream", "CRITICAL if so wished", |now| now.state == CRITICAL);
    assert!(stopped.output.starts_with(&format!("CRITICAL {words}")), "{stopped:?}");
}

#[test]
fn a_low_balance_is_told() {
    let rig = Rig::prepare(1, |site| {
        often(site);
        site.sims[0].set("ussd_account_balance", "*100#");
    });
    rig.network.fault(0, json!({ "fault": "balance", "cents": 1234 }));
    let rig = rig.run();
    rig.until_ready(1);
    let icinga = Icinga::start(&rig.folder().join("icinga"), &example(&rig.site));
    let health = |what: &str, wanted: &dyn Fn(&Checked) -> bool| icinga.until("smsgate-health", what, wanted);
    let rich = health("the balance is known", &|now| now.state == OK && now.value("00_balance").is_some());
    assert_eq!(rich.value("00_balance"), Some("12.34;5:;1:"), "{rich:?}");
    rig.network.fault(0, json!({ "fault": "balance", "cents": 499 }));
    let low = health("a low balance is a WARNING", &|now| now.state == WARNING);
    assert_eq!(low.value("00_balance"), Some("4.99;5:;1:"), "{low:?}");
    rig.network.fault(0, json!({ "fault": "balance", "cents": 50 }));
    health("hardly any balance is CRITICAL", &|now| now.state == CRITICAL);
    rig.network.fault(0, json!({ "fault": "balance", "cents": 2000 }));
    health("topped up", &|now| now.state == OK);
}

#[test]
fn what_cannot_be_asked_is_unknown_and_certificates_age() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    // Takes connections, as the backlog of its socket does, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let other_ca = rig.folder().join("other-ca.pem");
    let other = smsgate::tls::issue(&["localhost".to_owned()], &[], jiff::Zoned::now().date(), 2).unwrap();
    fs::write(&other_ca, other.ca).unwrap();
    let service = |name: &str, more: &str| {
        format!(
            "object Service \"{name}\" {{\n host_name = \"smsgate\"\n check_command = \"smsgate\"\n \
             vars.smsgate_api_token = \"{TOKEN}\"\n {more}\n}}\n"
        )
    };
    let objects = example(&rig.site)
        + &service("wrong-token", "vars.smsgate_api_token = \"nobody-knows-this-one\"")
        + &service("other-ca", &format!("vars.smsgate_ca = {other_ca:?}"))
        + &service("other-name", "vars.smsgate_host = \"127.0.0.2\"\n vars.smsgate_port = 1")
        + &service("silent", &format!("vars.smsgate_port = {}", silent.local_addr().unwrap().port()))
        + &service("no-token", "vars.smsgate_api_token = \"\"");
    let icinga = Icinga::start(&rig.folder().join("icinga"), &objects);
    for (service, words) in [
        ("wrong-token", "UNKNOWN Invalid API token. (fault 401)"),
        ("other-ca", "UNKNOWN the CA given did not sign the certificate of 127.0.0.1:"),
        ("other-name", "UNKNOWN Connection to 127.0.0.2:1 refused."),
        ("silent", "UNKNOWN no answer from 127.0.0.1:"),
        ("no-token", "UNKNOWN no API token"),
    ] {
        let checked = icinga.until(service, "a result", |_| true);
        assert_eq!(checked.state, UNKNOWN, "{service}: {checked:?}");
        assert!(checked.output.starts_with(words), "{service}: {checked:?}");
        assert!(checked.value("time").is_some(), "{service}: {checked:?}");
    }

    // Ours and Icinga's own look at the same certificate, which is replaced while the gateway runs.
    for (days, state) in [(0, CRITICAL), (2, CRITICAL), (15, WARNING), (90, OK)] {
        rig.site.issue_certificate_for(days);
        rig.signal(Signal::SIGHUP);
        let left = format!("certificate_days={};", i64::from(days) - 1);
        let renewed = |now: &Checked| now.perfdata.iter().any(|item| item.starts_with(&left));
        let ours = icinga.until("smsgate-certificate", &format!("the one for {days} days"), renewed);
        assert_eq!(ours.state, state, "{ours:?}");
        let theirs = icinga.until("smsgate-certificate-http", "a result", |_| true);
        assert_eq!(theirs.state, state, "{theirs:?}");
        // The days begin and end at midnight, so the last one is never whole.
        assert_eq!(
            ours.value("certificate_days"),
            Some(format!("{};25:;5:", i64::from(days) - 1).as_str()),
            "{ours:?}"
        );
        assert_eq!(ours.output.contains("the certificate ended at"), days == 0, "{ours:?}");
    }
}

#[test]
fn alarms_leave_as_sms() {
    let rig = Rig::start(1);
    rig.until_ready(1);
    let watched = "object Host \"web\" { check_command = \"dummy\", vars.notify_sms = true }\n\
                   object Service \"shop\" { host_name = \"web\", check_command = \"dummy\", vars.dummy_state = 2, \
                   vars.dummy_text = \"Warenkorb läuft über\" }\n";
    let icinga = Icinga::start(&rig.folder().join("icinga"), &(example(&rig.site) + watched));
    icinga.until("shop", "the first result", |now| now.state == CRITICAL);
    let up = json!({
        "type": "Host", "filter": "host.name == \"web\"", "exit_status": 0, "plugin_output": "'up' for $1; all fine",
    });
    icinga.act("process-check-result", &up);
    for (kind, filter) in [("Host", "host.name == \"web\""), ("Service", "service.name == \"shop\"")] {
        let request = json!({ "type": kind, "filter": filter, "author": "test", "comment": "drill", "force": true });
        icinga.act("send-custom-notification", &request);
    }
    let text = |entry: &serde_json::Value| entry["text"].as_str().unwrap_or_default().to_owned();
    let sent = |start: &str| rig.network.submitted_to(ON_CALL).into_iter().find(|entry| text(entry).starts_with(start));
    rig.until("the host's SMS", || sent("CUSTOM web is UP: 'up' for $1; all fine (").is_some());
    rig.until("the service's SMS", || sent("CUSTOM web shop is CRITICAL: Warenkorb läuft über (").is_some());
    let flash = |start: &str| {
        let pdu = sent(start).unwrap()["pdu"].as_str().unwrap().to_owned();
        smsgate::tpdu::decode_submit(&pdu).unwrap().1.data_coding.is_flash()
    };
    assert!(!flash("CUSTOM web is"), "the example's host notification is an ordinary SMS");
    assert!(flash("CUSTOM web shop"), "the example's service notification is a flash SMS");
}

/// Modems and the mail server are looked at every second.
fn often(site: &mut Site) {
    site.api += "[DEFAULT]\nhealth_check_interval = 1\n";
    site.sims.iter_mut().for_each(|sim| sim.set("health_check_interval", "1"));
}

/// The shipped example with the names, ports and tokens of this site.
fn example(site: &Site) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/icinga2/smsgate-services.conf.example");
    let mut text = fs::read_to_string(path).unwrap();
    for (theirs, ours) in [
        ("smsgate.example.org", "127.0.0.1"),
        ("7000", &site.port.to_string()),
        ("/etc/ssl/certs/smsgate-ca.pem", &site.ca().display().to_string()),
        ("TOKEN-FOR-GET-HEALTH-STATE", TOKEN),
        ("TOKEN-FOR-GET-STATS", TOKEN),
        ("TOKEN-FOR-SEND-SMS", TOKEN),
    ] {
        assert!(text.contains(theirs), "the example has no {theirs}");
        text = text.replace(theirs, ours);
    }
    text
}
