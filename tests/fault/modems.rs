//! Rig F: modems fall silent, forget themselves, leave the bus, lose octets, notices and the network, in the middle of
//! traffic. At the end everything has come to rest, and nothing is missing.
//!
//! Faults that make a modem start over are few for each, since its ladder has no more than nine tries an hour. Texts that
//! the network delivers twice are `inbound.rs`' business: whether two are one is decided there.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use smsgate::emulator::Dice;

use super::{
    crash::below,
    rest,
    rig::Rig,
    series::Series,
    site::{self, MODEMS, Traffic},
    witness::{Offset, Witness},
};

/// Points without a word from outside; a fifth of what a release is measured by.
const POINTS: u64 = 100;
/// Faults of one site.
const POINTS_EACH: u64 = 50;
/// Sites at a time.
const WORKERS: usize = 2;
/// Longest pause between the beginnings of two faults, in milliseconds.
const PAUSE: u64 = 500;
/// Hangs of one modem.
const HANGS: u32 = 2;

#[test]
fn whatever_modems_do_nothing_is_missing() {
    let series = Series::new('F', POINTS);
    let sites: Vec<u64> = (0..series.points.div_ceil(POINTS_EACH)).collect();
    let began = Instant::now();
    let share = sites.len().div_ceil(WORKERS).max(1);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers = sites.chunks(share).map(|sites| {
            let series = &series;
            scope.spawn(move || sites.iter().flat_map(|site| work(series, *site)).collect::<Vec<String>>())
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    eprintln!("{} faults on {} sites in {:.0?}", series.points, sites.len(), began.elapsed());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One site's life.
fn work(series: &Series, site: u64) -> Vec<String> {
    let points = site * POINTS_EACH..((site + 1) * POINTS_EACH).min(series.points);
    let mut rig = site::prepare("").run();
    site::set_conditions(&rig);
    rig.until_ready(MODEMS);
    let offset = Offset::measure(&rig.network);
    let traffic = Traffic::new(2);
    let mut told = Vec::new();
    traffic.during(&mut rig, series.seed ^ site, |rig| {
        let mut hangs = [0; MODEMS];
        for point in points.clone() {
            let mut dice = series.dice(point);
            let modem = below(&mut dice, MODEMS);
            let (begin, end) = drawn(&mut dice, modem, &mut hangs[modem]);
            told.push(format!("{point}: modem {modem} {begin}"));
            rig.network.fault(modem, begin);
            let pause = Duration::from_millis(dice.below(PAUSE));
            thread::sleep(pause);
            end.into_iter().for_each(|end| rig.network.fault(modem, end));
        }
    });
    let path = rig.site.store();
    let mut faults: Vec<String> =
        rest::until_rest(&rig, &path).into_iter().map(|what| format!("not at rest: {what}")).collect();
    let log = rig.log();
    faults.extend(log.lines().filter(|line| line.contains("panicked")).map(str::to_owned));
    faults.extend(judge(&mut rig, traffic, offset));
    if faults.is_empty() {
        return Vec::new();
    }
    faults.truncate(10);
    let command = format!("make fault RIG=F SEED={} POINTS={}", series.seed, series.points);
    vec![format!("{command}\n    site {site}: {}\n    {}", faults.join("\n    "), told.join("\n    "))]
}

fn judge(rig: &mut Rig, traffic: Traffic, offset: Offset) -> Vec<String> {
    let (code, _) = rig.stop();
    let mut witness = Witness { numbers: site::numbers(rig), events: traffic.events.into_inner().unwrap() };
    witness.add_ledger(rig.network.ledger(), offset);
    witness.add_mails(&rig.mails());
    let mut faults = rest::missing(&rig.site.store(), &witness.account(), &["unknown", "failed"]);
    faults.extend((code != Some(0)).then(|| format!("it stopped with {code:?}")));
    faults
}

/// What begins, and what ends it.
fn drawn(dice: &mut Dice, modem: usize, hangs: &mut u32) -> (Json, Option<Json>) {
    let kind = below(dice, 15);
    if kind < 4 {
        // No more than its ladder can bear; then another kind.
        *hangs += 1;
        if *hangs > HANGS {
            return (json!({ "fault": "garbage", "count": 50 }), None);
        }
    }
    let home = json!({ "fault": "registration", "state": 1 });
    match kind {
        0 => (json!({ "fault": "silence", "seconds": 1.0 + dice.below(4) as f64 }), None),
        1 => (json!({ "fault": "hang", "until": one_of(dice, &["close", "reopen", "restart"]) }), None),
        2 => (json!({ "fault": "hang_after_payload", "submitted": dice.below(2) == 0 }), None),
        3 => (json!({ "fault": "no_prompt", "count": 1 }), None),
        4 => (json!({ "fault": "garbage", "count": 1 + dice.below(200) }), None),
        5 => (json!({ "fault": "byte_by_byte", "on": true }), Some(json!({ "fault": "byte_by_byte", "on": false }))),
        6 => (json!({ "fault": "cms_error", "code": one_of(dice, &[41, 42, 331, 500]), "count": 1 }), None),
        7 => (json!({ "fault": "late", "seconds": 0.5 + dice.below(3) as f64 }), None),
        8 => (json!({ "fault": "interleave", "on": true }), Some(json!({ "fault": "interleave", "on": false }))),
        9 => (json!({ "fault": "drop_notices", "count": 1 + dice.below(5) }), None),
        10 => (json!({ "fault": "limit_memory", "slots": 1 }), Some(json!({ "fault": "limit_memory", "slots": null }))),
        11 => (json!({ "fault": "unplug" }), Some(json!({ "fault": "replug", "link": format!("modem-{modem:02}") }))),
        12 => (json!({ "fault": "reboot" }), None),
        13 => (json!({ "fault": "registration", "state": one_of(dice, &[0, 2, 3]) }), Some(home)),
        _ => {
            (json!({ "fault": "sim_absent", "absent": true }), Some(json!({ "fault": "sim_absent", "absent": false })))
        }
    }
}

fn one_of<T: Copy>(dice: &mut Dice, these: &[T]) -> T {
    these[below(dice, these.len())]
}
