//! The self-test SMS of the real daemon on virtual modems: out, back, seen by monitoring only, once, whatever dies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use rig::Rig;
use serde_json::json;

/// Two SIMs, of which the first may send to Austria only and is the dearer one.
fn rig(interval: &str) -> Rig {
    Rig::prepare(2, |site| {
        interval.clone_into(&mut site.self_test);
        site.sims[0].set("prefixes", "+43");
        site.sims[0].set("costs_per_sms", "0.50");
    })
}

#[test]
fn it_goes_out_once_through_its_own_sim_and_comes_back_to_nobodys_mailbox() {
    let mut rig = rig("daily").run();
    rig.until_ready(2);
    let api = rig.api();
    assert!(api.stat("01", "self_test_last").is_empty());
    rig.until("the round trip", || !api.stat("00", "self_test_round_trip").is_empty());
    let trip: f64 = api.stat("00", "self_test_round_trip").parse().unwrap();
    assert!((0.0..60.0).contains(&trip), "{trip}");
    assert_eq!(api.stat("00", "self_test_last").len(), "2026-11-21 00:00".len());
    let own = rig.site.number(0).to_owned();
    let sent = rig.network.submitted_to(&own);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["number"], own.as_str());
    let text = sent[0]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("SMSgate self-test "), "{text}");
    rig.until("it is counted as sent", || api.stat("00", "sent") == "1");
    assert_eq!(api.stat("00", "received"), "0");

    // Behind a message that comes after it, nothing of it is to be seen.
    rig.network.inject(&own, "+491511111111", "after it");
    rig.network.inject(&own, "+491511111111", &text);
    rig.until("two messages", || api.get_sms("").len() == 2);
    rig.until("two mails", || rig.mails().len() == 2);
    let texts: Vec<String> = api.get_sms("").into_iter().map(|sms| sms.text).collect();
    assert_eq!(texts, ["after it", &text], "a stranger's copy is an ordinary message");
    assert_eq!(api.stat("00", "health_state_short"), "OK");

    // The same day after a power cut.
    rig.kill();
    rig.restart();
    rig.until_ready(2);
    rig.network.inject(&own, "+491511111111", "after the cut");
    rig.until("three messages", || rig.api().get_sms("").len() == 3);
    assert_eq!(rig.network.submitted_to(&own).len(), 1);
    assert!(!rig.api().stat("00", "self_test_last").is_empty());
    assert_eq!(rig.stop().0, Some(0));
}

/// The power goes while the test is on its way: it is not sent again, and its return is still known for what it is.
#[test]
fn a_power_cut_while_it_is_under_way_neither_repeats_nor_shows_it() {
    let mut rig = rig("monthly");
    rig.network.ask(&json!({ "do": "conditions", "set": { "delivery_delay": 3.0 } }));
    rig.launch();
    let own = rig.site.number(0).to_owned();
    rig.until("the test has left", || rig.network.submitted_to(&own).len() == 1);
    rig.kill();
    rig.restart();
    rig.until_ready(2);
    let api = rig.api();
    rig.until("the return", || !api.stat("00", "self_test_last").is_empty());
    assert_eq!(api.get_sms("").len(), 0);
    assert_eq!(rig.network.submitted_to(&own).len(), 1);
    assert_eq!(rig.mails().len(), 0);
}

#[test]
fn without_an_interval_there_is_none() {
    let rig = rig("").run();
    rig.until_ready(2);
    let own = rig.site.number(0).to_owned();
    rig.network.inject(&own, "+491511111111", "hello");
    rig.until("a message", || rig.api().get_sms("").len() == 1);
    assert!(rig.network.submitted_to(&own).is_empty());
    assert!(rig.api().stat("00", "self_test_last").is_empty());
}
