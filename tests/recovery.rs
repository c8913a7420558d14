//! The recovery ladder from the outside: what `get_stats` and `get_health_state` say while a modem hangs and after.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test program")]

mod rig;

use rig::Rig;
use serde_json::json;

#[test]
fn a_modem_that_hangs_is_brought_back_and_the_statistics_say_how() {
    let mut rig = Rig::prepare(3, |site| {
        for sim in &mut site.sims {
            sim.set("wait_for_start", "2");
        }
    });
    rig.network.fault(0, json!({ "fault": "hang", "until": "reopen" }));
    rig.network.fault(1, json!({ "fault": "hang", "until": "restart" }));
    rig.restart();
    let api = rig.api();
    rig.until("the healthy modem is ready", || api.stat("02", "status") == "Ready.");
    rig.until("trouble is told", || api.health().0 == "CRITICAL");
    rig.until("all are well", || api.health() == ("OK".to_owned(), String::new()));
    rig.until("the cures are credited", || api.stat("00", "recoveries") == "1" && api.stat("01", "recoveries") == "1");
    let by: Vec<String> = ["00", "01", "02"].iter().map(|slot| api.stat(slot, "recovered_by")).collect();
    assert_eq!(by, ["reopen", "reset", ""]);
    assert_eq!(api.stat("02", "recoveries"), "0");
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let modems = stats["modems"].as_array().unwrap();
    let resets: Vec<u64> = modems.iter().map(|modem| modem["resets"].as_u64().unwrap()).collect();
    assert_eq!(resets, [0, 1, 0], "AT+CFUN=1,1 goes to the modem that needs it and to no other");
    assert_eq!(api.stat("02", "imei"), modems[2]["imei"].as_str().unwrap());
    for (member, empty) in [("model", ""), ("iccid", ""), ("storage_total", "0")] {
        assert_ne!(api.stat("02", member), empty, "{member}");
    }
}
