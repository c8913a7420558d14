//! Processor time of the daemon for one SMS, with one modem and with many: what grows with the pool would show.
//!
//! What comes in is read, committed, deleted and mailed; what goes out is accepted over a kept connection, sent, and its
//! delivery report matched. The modems answer at once. Their process is another one, so their work is not counted.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{keep_alive::KeepAlive, process::processor_time, report::Report, rig::Rig};

const POOLS: [usize; 3] = [1, 16, 64];
const IN: usize = 960;
const OUT: usize = 480;
/// How many times the cost with one modem it may be with 64.
const GROWTH: f64 = 1.2;

pub(super) fn measure(report: &mut Report) {
    println!("\nprocessor time for one SMS, of {IN} in and {OUT} out");
    let costs = POOLS.map(|modems| {
        let rig = Rig::start(modems);
        rig.until_ready(modems);
        let costs = [("in, with its mail", received(&rig, modems)), ("out, with its report", sent(&rig))];
        for (name, cost) in costs {
            report.row(&format!("{name}: {modems} modems, processor"), cost.processor, "ms", None);
            report.row(&format!("{name}: {modems} modems, took"), cost.took, "ms", None);
        }
        costs
    });
    for (few, many) in costs[0].iter().zip(&costs[2]) {
        report.row(&format!("{}: 64 modems to 1", few.0), many.1.processor / few.1.processor, "times", Some(GROWTH));
    }
}

/// For one SMS, in milliseconds.
#[derive(Clone, Copy)]
struct Cost {
    processor: f64,
    took: f64,
}

fn cost(rig: &Rig, messages: usize, work: impl FnOnce()) -> Cost {
    let (before, began) = (processor_time(rig.pid()), Instant::now());
    work();
    let each = |time: Duration| time.as_secs_f64() * 1000.0 / messages as f64;
    Cost { processor: each(processor_time(rig.pid()) - before), took: each(began.elapsed()) }
}

/// From another sender each, so that none floods a SIM and gets a digest.
fn received(rig: &Rig, modems: usize) -> Cost {
    let mails = rig.folder().join("mails");
    cost(rig, IN, || {
        for serial in 0..IN {
            let sender = format!("+49151{serial:08}");
            rig.network.inject(rig.site.number(serial % modems), &sender, "Your code is 123456, for five minutes.");
        }
        rig.until("every SMS is mailed", || {
            fs::read(&mails).unwrap().iter().filter(|octet| **octet == b'\n').count() >= IN
        });
        rig.until("the SIMs are empty", || settled(rig));
    })
}

fn sent(rig: &Rig) -> Cost {
    let mut client = KeepAlive::connect(&rig.site).unwrap();
    let mut seen = rig.network.ledger().len();
    let mut submitted = 0;
    cost(rig, OUT, || {
        for serial in 0..OUT {
            let text = format!("Your code is {serial}, for five minutes.");
            client.call("send_sms", &["", &format!("+49151{serial:08}"), &text]);
        }
        rig.until("every SMS has left", || {
            let news = rig.network.ask(&json!({ "do": "ledger", "since": seen }));
            let news = news.as_array().unwrap();
            seen += news.len();
            submitted += news.iter().filter(|entry| entry["event"] == "submitted").count();
            submitted >= OUT
        });
        rig.until("the reports are fetched", || settled(rig));
    })
}

/// Nothing waits in the network, nothing on a SIM.
fn settled(rig: &Rig) -> bool {
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    stats["waiting"] == 0 && stats["modems"].as_array().unwrap().iter().all(|modem| modem["stored"] == 0)
}
