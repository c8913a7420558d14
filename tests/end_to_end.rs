//! The real daemon as a child process: modems on ptys, a mail server, XML-RPC over TLS.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rig::{PATIENCE, Rig, becomes};
use serde_json::json;

const OUTSIDE: &str = "+4915550000";

#[test]
fn messages_come_in_by_every_way_and_go_on_as_mail() {
    let rig = Rig::start(4);
    let api = rig.api();
    rig.until_ready(4);
    let number = |modem: usize| rig.site.number(modem).to_owned();
    let long = (0..45).map(|word| format!("word{word:03}")).collect::<Vec<_>>().join(" ");
    let inject = |modem: usize, from: &str, text: &str, more: serde_json::Value| {
        let mut request = json!({ "do": "inject", "to": number(modem), "from": from, "text": text });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rig.network.ask(&request)
    };
    inject(0, "+491511111111", "plain", json!({}));
    assert!(inject(1, "+491511111112", &long, json!({ "reversed": true })).as_array().unwrap().len() > 2);
    inject(2, "+491511111113", "grüße 🦀🎉", json!({}));
    inject(3, "Bank", "code 123456", json!({}));
    inject(0, "+491511111114", "now", json!({ "flash": true }));
    rig.network.ask(&json!({ "do": "inject_pdu", "to": number(1), "pdu": "0044FFFF" }));

    rig.until("six messages", || api.get_sms("").len() == 6);
    let seen = api.get_sms("");
    let with_text =
        |text: &str| seen.iter().find(|sms| sms.text == text).unwrap_or_else(|| panic!("{text} in {seen:?}"));
    assert_eq!(with_text("plain").sender, "+491511111111");
    assert_eq!(with_text("plain").recipient, number(0));
    assert_eq!((with_text(&long).modem.as_str(), with_text(&long).parts_missing), ("01", 0));
    assert_eq!(with_text("grüße 🦀🎉").modem, "02");
    assert_eq!(with_text("code 123456").sender, "Bank");
    assert!(with_text("now").flash && !with_text("plain").flash);
    let raw = seen.iter().find(|sms| sms.undecodable).unwrap();
    assert!(raw.text.contains("0044FFFF"), "{raw:?}");

    rig.until("six mails", || rig.mails().len() == 6);
    for sms in &seen {
        let mails = rig.mails();
        let mail = mails.iter().find(|mail| mail.header("X-SMSgate-Id") == sms.id).unwrap();
        assert_eq!(mail.to, "mailbox@example.org");
        assert!(mail.header("Subject").contains(&format!("via modem [{}]", sms.modem)), "{}", mail.raw);
    }

    // A long poll that begins before the message ends with it, not with its own time.
    let last = seen.last().unwrap().id.clone();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let poll = scope.spawn(|| rig.api().wait_sms("", 30, &last));
        // Whether the poll is there already does not matter to the outcome.
        rig.network.inject(&number(3), "+491511111115", "late");
        let late = poll.join().unwrap();
        assert_eq!(late.iter().map(|sms| sms.text.as_str()).collect::<Vec<_>>(), ["late"]);
    });
    assert!(began.elapsed() < Duration::from_secs(10));
    // Nothing stays on the SIMs.
    rig.until("the SIMs are empty", || {
        rig.network.events("deleted").len() + rig.network.events("acknowledged").len() >= 9
    });
}

#[test]
fn messages_go_out_and_their_reports_come_back() {
    let mut rig = Rig::start(4);
    let api = rig.api();
    rig.until_ready(4);
    let long = "a text that is longer than one message ".repeat(8);
    let single = api.send("", OUTSIDE, "single").unwrap();
    let forced = api.send(rig.site.number(2), OUTSIDE, "from the third").unwrap();
    let multi = api.send("", OUTSIDE, &long).unwrap();
    let emoji = api.send("", OUTSIDE, "🦀").unwrap();
    let flash = api.send_flash(OUTSIDE, "flash");
    // What one modem sends to another comes in again.
    let within = api.send(rig.site.number(0), rig.site.number(1), "to a neighbour").unwrap();
    let all = [&single, &forced, &multi, &emoji, &flash, &within];
    for id in all {
        rig.until(&format!("{id} is delivered"), || api.delivered(id));
        assert_eq!(api.outgoing(id, "state"), "delivered");
        assert_eq!(api.outgoing(id, "parts_delivered"), api.outgoing(id, "parts"));
    }
    assert_eq!(api.outgoing(&multi, "parts"), "3");
    assert_eq!(api.outgoing(&forced, "modem"), "02");
    let submitted = rig.network.submitted_to(OUTSIDE);
    assert_eq!(submitted.len(), 7, "{submitted:?}");
    let text_of = |text: &str| submitted.iter().find(|entry| entry["text"] == text).unwrap();
    assert_eq!(text_of("from the third")["number"], rig.site.number(2));
    let flash = text_of("flash")["pdu"].as_str().unwrap();
    let (_, flash) = smsgate::tpdu::decode_submit(flash).unwrap();
    assert!(flash.data_coding.is_flash());
    rig.until("the neighbour has it", || {
        api.get_sms(rig.site.number(1)).iter().any(|sms| sms.text == "to a neighbour")
    });

    // What was known before the power went is known after it.
    rig.kill();
    rig.restart();
    for id in all {
        assert!(rig.api().delivered(id), "{id} is delivered after a restart");
    }
    // A number that nobody's phone answers.
    rig.network.ask(&json!({ "do": "conditions", "set": { "outcomes": { "+4915559": 0x41 } } }));
    rig.until_ready(4);
    let undelivered = api.send("", "+49155590000", "nobody").unwrap();
    rig.until("undelivered", || api.outgoing(&undelivered, "state") == "undelivered");
    assert!(!api.delivered(&undelivered));

    let (code, took) = rig.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn messages_take_another_way_when_their_modem_is_gone() {
    let mut rig = Rig::prepare(3, |site| site.sims[0].set("costs_per_sms", "0.01"));
    // What the SIM holds before the daemon is there is imported.
    rig.network.ask(&json!({ "do": "inject", "to": rig.site.number(2), "from": "+491512", "text": "early bird" }));
    rig.restart();
    let api = rig.api();
    rig.until_ready(3);
    rig.until("the import", || api.get_sms(rig.site.number(2)).iter().any(|sms| sms.text == "early bird"));

    let cheapest = api.send("", OUTSIDE, "one").unwrap();
    rig.until("one", || api.delivered(&cheapest));
    assert_eq!(api.outgoing(&cheapest, "modem"), "00");
    rig.network.fault(0, json!({ "fault": "registration", "state": 3 }));
    rig.until("the loss is noticed", || api.stat("00", "health_state_short") == "CRITICAL");
    let rerouted = api.send("", OUTSIDE, "two").unwrap();
    rig.until("two", || api.delivered(&rerouted));
    assert_ne!(api.outgoing(&rerouted, "modem"), "00");

    rig.network.fault(1, json!({ "fault": "unplug" }));
    rig.until("it is missed", || api.stat("01", "health_state_short") == "CRITICAL");
    let third = api.send(rig.site.number(1), OUTSIDE, "three").unwrap();
    rig.until("three", || api.delivered(&third));
    assert_eq!(api.outgoing(&third, "modem"), "02");
    rig.network.fault(1, json!({ "fault": "replug", "link": null }));
    rig.network.fault(0, json!({ "fault": "registration", "state": 1 }));
    rig.until_ready(3);
    let back = api.send("", OUTSIDE, "four").unwrap();
    rig.until("four", || api.delivered(&back));
    assert_eq!(api.outgoing(&back, "modem"), "00");
}

#[test]
fn modems_are_known_by_their_imei_whatever_their_port_is_called() {
    let mut rig = Rig::prepare(2, |_| {});
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let pattern = rig.folder().join("dev/modem-*").display().to_string();
    for modem in 0..2 {
        rig.site.sims[modem].set("port", &pattern);
        rig.site.sims[modem].set("imei", stats["modems"][modem]["imei"].as_str().unwrap());
    }
    rig.site.write();
    rig.restart();
    let api = rig.api();
    rig.until_ready(2);
    assert!(api.stat("01", "port").ends_with("modem-01"));
    assert_eq!(api.stat("01", "imei"), stats["modems"][1]["imei"].as_str().unwrap());
    rig.network.fault(1, json!({ "fault": "unplug" }));
    rig.until("it is missed", || api.stat("01", "health_state_short") == "CRITICAL");
    rig.network.fault(1, json!({ "fault": "replug", "link": "modem-09" }));
    rig.until("it is found again", || api.stat("01", "port").ends_with("modem-09"));
    rig.until_ready(2);
    rig.network.inject(rig.site.number(1), "+491512", "at the new place");
    rig.until("a message there", || api.get_sms("").iter().any(|sms| sms.modem == "01"));
}

#[test]
fn a_pin_is_entered_and_ussd_codes_are_answered() {
    let mut rig = Rig::prepare(4, |site| site.sims[0].set("pin", "4711"));
    rig.network.fault(0, json!({ "fault": "pin_required", "pin": "4711" }));
    rig.restart();
    let api = rig.api();
    rig.until_ready(4);
    for modem in 0..4 {
        let (state, text) = api.ussd(rig.site.number(modem), "*100#");
        assert_eq!((state.as_str(), text.as_str()), ("OK", "Ihr Guthaben beträgt: 12,34 EUR"), "modem {modem}");
    }
    let (state, text) = api.ussd(rig.site.number(1), "*999#");
    assert_eq!(state, "ERROR", "{text}");
    // Two at once on one SIM: the second is turned away, or waits, but nothing hangs and nothing is mixed up.
    rig.network.fault(1, json!({ "fault": "late", "seconds": 1.0 }));
    let number = rig.site.number(1);
    let answers = std::thread::scope(|scope| {
        let calls = [0, 1].map(|_| scope.spawn(|| rig.api().ussd(number, "*100#")));
        calls.map(|call| call.join().unwrap())
    });
    assert!(answers.iter().any(|(state, text)| state == "OK" && text.contains("12,34")), "{answers:?}");
    assert!(answers.iter().all(|(state, text)| state == "OK" || text.contains("busy")), "{answers:?}");
}

#[test]
fn a_modem_that_says_nothing_holds_up_nobody() {
    let mut rig = Rig::prepare(3, |_| {});
    rig.network.fault(0, json!({ "fault": "silence", "seconds": null }));
    let began = Instant::now();
    rig.restart();
    let api = rig.api();
    rig.until_ready(2);
    let id = api.send("", OUTSIDE, "past the dead").unwrap();
    rig.until("delivery", || api.delivered(&id));
    rig.network.inject(rig.site.number(1), "+491512", "in");
    rig.until("arrival", || api.get_sms("").len() == 1);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(api.stat("00", "health_state_short"), "CRITICAL");
    let (_, took) = rig.stop();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_new_certificate_is_taken_up_and_a_second_daemon_turned_away() {
    let rig = Rig::start(1);
    let mut second = rig.another_daemon();
    assert_eq!(second.wait(PATIENCE), Some(69));
    let words = second.log();
    assert!(words.contains("in use") || words.contains("another"), "{words}");

    assert!(rig.api().ping().is_ok());
    rig.site.issue_certificate();
    let with_new_ca = rig.api();
    assert!(with_new_ca.ping().is_err(), "the old certificate is not under the new CA");
    rig.signal(Signal::SIGHUP);
    assert!(becomes(PATIENCE, || with_new_ca.ping().is_ok()), "{}", rig.log());
}

#[test]
fn python_sends_and_reads_with_its_standard_library() {
    let rig = Rig::start(2);
    rig.until_ready(2);
    let script = "
import os, ssl, time, xmlrpc.client
gate = xmlrpc.client.ServerProxy(os.environ['URL'], context=ssl.create_default_context(cafile=os.environ['CA']))
token, here, there = os.environ['TOKEN'], os.environ['HERE'], os.environ['THERE']
assert gate.ping() == 'OK'
sms_id = gate.send_sms(token, here, there, 'from python')
for _ in range(300):
    if gate.get_delivery_status(token, sms_id):
        break
    time.sleep(0.1)
assert gate.get_delivery_status(token, sms_id) is True
assert gate.get_message(token, sms_id)['state'] == 'delivered'
after = ''
while not any(sms['text'] == 'from python' and sms['sender'] == here for sms in gate.wait_sms(token, there, 20, after)):
    pass
print(gate.get_health_state(token)[0])
";
    let output = std::process::Command::new("python3")
        .args(["-c", script])
        .env("URL", format!("https://localhost:{}/", rig.site.port))
        .env("CA", rig.site.ca())
        .env("TOKEN", rig::TOKEN)
        .env("HERE", rig.site.number(0))
        .env("THERE", rig.site.number(1))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "OK");
}
