//! A wrong PIN is tried once: over restarts, and over SIGKILLs around the moment of the attempt (D23).
//!
//! The daemon is a child process, the SIM lives in another one and counts what it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test program")]

mod rig;

use std::{
    thread,
    time::{Duration, Instant},
};

use rig::Rig;
use serde_json::json;
use smsgate::emulator::Dice;

/// SIMs with a wrong PIN, each of which has to survive.
const SIMS: usize = 4;
const KILLS: u64 = 20;
const RESTARTS: usize = 100;
/// Longest from the start of the daemon to the first kills; the PIN is sent some hundredths of a second after the start, later
/// on a busy machine, so later kills may take longer.
const SPAN: u64 = 300;

fn with_locked_sims(sims: usize, fault: &serde_json::Value) -> Rig {
    let rig = Rig::prepare(sims, |site| {
        for sim in &mut site.sims {
            sim.set("pin", "9999");
        }
    });
    (0..sims).for_each(|modem| rig.network.fault(modem, fault.clone()));
    rig
}

/// How often each SIM was told a PIN.
fn attempts(rig: &Rig) -> Vec<u64> {
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    stats["modems"].as_array().unwrap().iter().map(|modem| modem["pin_attempts"].as_u64().unwrap()).collect()
}

fn until_all_say(rig: &Rig, words: &[&str]) {
    let api = rig.api();
    rig.until("the reason in the health of each modem", || {
        (0..rig.site.sims.len()).all(|slot| {
            let message = api.stat(&format!("{slot:02}"), "health_state_message");
            words.iter().any(|word| message.contains(word))
        })
    });
}

#[test]
fn a_wrong_pin_is_tried_once_over_kills_and_restarts() {
    let mut rig = with_locked_sims(SIMS, &json!({ "fault": "pin_required", "pin": "1234" }));
    let mut dice = Dice::new(7);
    let mut first_seen = None;
    for kill in 0..KILLS {
        rig.launch();
        thread::sleep(Duration::from_millis(20 + dice.below(SPAN * (1 + kill / 4))));
        rig.kill();
        let seen = attempts(&rig);
        assert!(seen.iter().all(|attempts| *attempts <= 1), "after kill {kill}: {seen:?}");
        if first_seen.is_none() && seen.contains(&1) {
            first_seen = Some(kill);
        }
    }
    rig.restart();
    until_all_say(&rig, &["tried before and not accepted", "incorrect SIM PIN"]);
    let seen = attempts(&rig);
    // A kill between the record and the PIN spares the SIM even that one.
    assert!(seen.iter().all(|attempts| *attempts <= 1), "{seen:?}");
    assert!(first_seen.is_some(), "no kill came after the attempt");
    rig.stop();

    let began = Instant::now();
    for _ in 0..RESTARTS {
        rig.restart();
        until_all_say(&rig, &["tried before and not accepted"]);
        rig.stop();
    }
    assert_eq!(attempts(&rig), seen, "after {RESTARTS} restarts in {:?}", began.elapsed());
}

#[test]
fn a_wrong_pin_is_tried_exactly_once_and_the_sim_keeps_its_other_tries() {
    let mut rig = with_locked_sims(1, &json!({ "fault": "pin_required", "pin": "1234" }));
    rig.restart();
    until_all_say(&rig, &["tried before and not accepted", "incorrect SIM PIN"]);
    rig.kill();
    rig.restart();
    until_all_say(&rig, &["tried before and not accepted"]);
    assert_eq!(attempts(&rig), [1]);
    assert_eq!(rig.api().stat("00", "status"), "Error: Incorrect SIM PIN.");
    let (level, message) = rig.api().health();
    assert!(level == "CRITICAL" && message.contains("00: SIM: the configured PIN was tried before"), "{message}");
}

#[test]
fn a_sim_that_wants_its_puk_is_told_no_pin_and_says_what_to_do() {
    let mut rig = with_locked_sims(1, &json!({ "fault": "puk_required" }));
    rig.restart();
    until_all_say(&rig, &["SIM: blocked, PUK required"]);
    rig.kill();
    rig.restart();
    until_all_say(&rig, &["enter the PUK"]);
    assert_eq!(attempts(&rig), [0]);
    assert_eq!(rig.api().stat("00", "status"), "Error: SIM PUK required.");
}
