//! Rig F: modems fall silent, forget themselves, leave the bus in the middle of a command and come back as another tty,
//! lose octets, notices and the network, all in the middle of traffic. Afterwards everything comes to rest and nothing is
//! missing (D1, D5, D12, D13, D25).
//!
//! Every fault ends, but for modems that hang until somebody does something about it. Those stay within what the recovery
//! ladder can bear, which is documented: three tries of a rung an hour, then a modem is given up for twenty minutes. One
//! modem of each site never hangs: that one has to find a text whose notice was lost as soon as D5 promises.
//! Texts that the network delivers twice are `inbound.rs`' business: whether two are one is decided there.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};
use smsgate::emulator::Dice;

use super::{
    crash::below,
    rest,
    rig::{
        Rig, becomes,
        books::{states, texts},
    },
    series::Series,
    site::{self, MODEMS, SOUGHT, Traffic},
    witness::{Offset, Witness},
};

/// Points without a word from outside; a fifth of what a release is measured by.
const POINTS: u64 = 100;
/// Faults of one site. They are over within half a minute, which is before the third try of a message: none is refused a
/// fourth time, after which it would wait for ten minutes.
const POINTS_EACH: u64 = 50;
/// Sites at a time. Most of their time they wait.
const WORKERS: usize = 4;
/// Longest pause between the beginnings of two faults, in milliseconds.
const PAUSE: u64 = 500;
/// Hangs of one modem: each may need the ladder's two rungs, and each rung is tried three times an hour.
const HANGS: u32 = 2;
/// The kinds of faults; the first [`HANGING`] may need the ladder.
const KINDS: usize = 17;
const HANGING: usize = 4;
/// What a text that nobody announced may take until it is in the store (D5).
const UNANNOUNCED: Duration = Duration::from_secs(90);

/// How long an answer to a text is awaited, by the most patient family.
const SUBMISSION: u64 = 130;
/// How long a modem that let an answer pass is asked whether it is still there.
const RESYNCHRONISATION: u64 = 38;
/// Both rungs as slow as they get with [`HANGS`] climbs, each with a bring-up in vain: 2 and 10 s of pause, 30 s for the
/// answer to the restart, 5 s until the modem may be back.
const CLIMB: u64 = 2 + 60 + 10 + 30 + 5 + 60;
/// How long a report may settle a doubtful part.
const DOUBT: u64 = 60;
/// The pause after a third refusal.
const REFUSED: u64 = 120;
/// The longest way: a message doubtful at a modem that then turns out to hang, and refused once more.
const PATIENCE: Duration = Duration::from_secs(SUBMISSION + RESYNCHRONISATION + CLIMB + DOUBT + REFUSED);

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
fn work(series: &Series, number: u64) -> Vec<String> {
    let points = number * POINTS_EACH..((number + 1) * POINTS_EACH).min(series.points);
    let mut rig = site::prepare("").run();
    site::set_conditions(&rig);
    rig.until_ready(MODEMS);
    let offset = Offset::measure(&rig.network);
    let traffic = Traffic::new(2);
    let steady = below(&mut series.dice(u64::MAX - number), MODEMS);
    let mut told = Vec::new();
    traffic.during(&mut rig, series.seed ^ number, |rig| {
        let mut pasts = [Past::default(); MODEMS];
        pasts[steady].hangs = HANGS;
        for point in points.clone() {
            let mut dice = series.dice(point);
            let modem = below(&mut dice, MODEMS);
            let steps = drawn(&mut dice, modem, point, &mut pasts[modem]);
            told.push(format!("{point}: modem {modem} {}", steps[0]));
            for step in steps {
                rig.network.fault(modem, step);
                thread::sleep(Duration::from_millis(dice.below(PAUSE)));
            }
        }
    });
    let over = Instant::now();
    let unannounced = last_texts(&rig);
    let mut faults: Vec<String> = rest::until_rest(&rig, &rig.site.store(), PATIENCE)
        .into_iter()
        .map(|what| format!("not at rest: {what}"))
        .collect();
    faults.extend(not_ready(&rig));
    let rested = over.elapsed();
    faults.extend(late(&rig, unannounced[steady]));
    let log = rig.log();
    faults.extend(log.lines().filter(|line| line.contains("panicked")).map(str::to_owned));
    let cut = log.lines().filter(|line| line.contains("whether the message left") && line.contains("port")).count();
    faults.extend(judge(&mut rig, traffic, offset));
    let books = open(&rig);
    eprintln!(
        "site {number}: {} faults; {} texts came in, out: {}; {cut} submissions cut in two; at rest after {rested:.0?}",
        points.end - points.start,
        texts(&books, "SELECT CAST(count(*) AS TEXT) FROM message")[0],
        states(&books).join(", "),
    );
    if faults.is_empty() {
        return Vec::new();
    }
    let folder = series.folder(number);
    std::fs::write(folder.join("log"), log).unwrap();
    std::fs::copy(rig.site.store(), folder.join("smsgate.db")).unwrap();
    let ledger: Vec<String> = rig.network.ledger().iter().map(Json::to_string).collect();
    std::fs::write(folder.join("ledger"), ledger.join("\n")).unwrap();
    faults.truncate(10);
    let command = format!("make fault RIG=F SEED={} POINTS={}", series.seed, series.points);
    let (faults, told) = (faults.join("\n    "), told.join("\n    "));
    vec![format!("{command}\n    site {number}, its books in {}: {faults}\n    {told}", folder.display())]
}

/// What waits for its moment comes no more. Then each modem gets a text, and keeps that to itself: nothing but a look into
/// its memory can find it. Their ids.
fn last_texts(rig: &Rig) -> [u64; MODEMS] {
    std::array::from_fn(|modem| {
        rig.network.fault(modem, json!({ "fault": "disarm" }));
        rig.network.fault(modem, json!({ "fault": "drop_notices", "count": 1 }));
        let ids = rig.network.inject(rig.site.number(modem), "+4915199999999", &format!("in the dark {modem}"));
        ids[0].as_u64().unwrap()
    })
}

fn not_ready(rig: &Rig) -> Vec<String> {
    let api = rig.api();
    let status = |slot: &String| format!("{} {}", api.stat(slot, "health_state_short"), api.stat(slot, "status"));
    becomes(Duration::from_secs(60), || api.slots().iter().all(|slot| status(slot) == "OK Ready."));
    let open = api.slots().into_iter().filter(|slot| status(slot) != "OK Ready.");
    open.map(|slot| format!("modem {slot} is not ready again: {}", status(&slot))).collect()
}

/// The text that nobody announced was found in time.
fn late(rig: &Rig, id: u64) -> Option<String> {
    let of = |events: &[&str]| {
        let ledger = rig.network.ledger();
        let entry =
            ledger.iter().find(|entry| entry["id"] == id && events.iter().any(|event| entry["event"] == *event));
        entry.map(|entry| Duration::from_micros(entry["us"].as_u64().unwrap()))
    };
    let took = of(&["deleted", "acknowledged"])? - of(&["queued"])?;
    (took > UNANNOUNCED).then(|| format!("text {id}, unannounced, was found after {took:.0?}"))
}

fn judge(rig: &mut Rig, traffic: Traffic, offset: Offset) -> Vec<String> {
    let (code, _) = rig.stop();
    let mut witness = Witness { numbers: site::numbers(rig), events: traffic.events.into_inner().unwrap() };
    witness.add_ledger(rig.network.ledger(), offset);
    witness.add_mails(&rig.mails());
    let mut faults = rest::missing(&rig.site.store(), &witness.account(), &["unknown"]);
    faults.extend((code != Some(0)).then(|| format!("it stopped with {code:?}")));
    faults.extend(unexplained(&open(rig)));
    faults
}

/// Messages that ended without having left, and not because a modem fell silent after as many tries as their policy has.
fn unexplained(store: &Connection) -> Vec<String> {
    let query = "SELECT o.state || ' ' || substr(o.text, 1, 20) || ': ' || o.cause FROM outbox AS o
         WHERE o.state IN ('failed', 'expired') OR o.state = 'unknown' AND NOT EXISTS (
             SELECT 1 FROM outbox_segment AS s WHERE s.message = o.sequence AND s.state = 'unknown' AND s.doubtful = 1
                 AND s.submissions >= CASE o.policy WHEN 'once' THEN 1 ELSE 2 END)";
    texts(store, query).into_iter().map(|what| format!("ended for no reason: {what:.120}")).collect()
}

fn open(rig: &Rig) -> Connection {
    Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// What was done to a modem so far.
#[derive(Clone, Copy, Default)]
struct Past {
    hangs: u32,
    /// It has come back under another name. If it hangs before it has told its IMEI there, nobody knows whose it is, and
    /// what nobody knows is not restarted: the ladder cannot help, only somebody who pulls it out.
    moved: bool,
}

/// What is done to the modem, one after the other; the last of it ends what the first began.
fn drawn(dice: &mut Dice, modem: usize, point: u64, past: &mut Past) -> Vec<Json> {
    let mut kind = below(dice, KINDS);
    if kind < HANGING {
        past.hangs += 1;
        if past.hangs > HANGS {
            // Another kind in its place.
            kind = HANGING + below(dice, KINDS - HANGING);
        }
    }
    let switched =
        |fault: &str, flag: &str| vec![json!({ "fault": fault, flag: true }), json!({ "fault": fault, flag: false })];
    match kind {
        0 => vec![json!({ "fault": "silence", "seconds": 1 + dice.below(4) })],
        1 => {
            let cure = one_of(dice, &["close", "reopen", "restart"]);
            vec![json!({ "fault": "hang", "until": if past.moved && cure == "restart" { "reopen" } else { cure } })]
        }
        2 => vec![json!({ "fault": "hang_after_payload", "submitted": dice.below(2) == 0 })],
        3 => vec![json!({ "fault": "no_prompt", "count": 1 })],
        4 => vec![json!({ "fault": "garbage", "count": 1 + dice.below(200) })],
        5 => switched("byte_by_byte", "on"),
        6 => vec![json!({ "fault": "cms_error", "code": one_of(dice, &[41, 42, 331, 500]), "count": 1 })],
        7 => vec![json!({ "fault": "late", "seconds": 0.5 + dice.below(3) as f64 })],
        8 => switched("interleave", "on"),
        9 => vec![json!({ "fault": "drop_notices", "count": 1 + dice.below(5) })],
        10 => vec![json!({ "fault": "lose_notices", "percent": 30 }), json!({ "fault": "lose_notices", "percent": 0 })],
        11 => vec![json!({ "fault": "limit_memory", "slots": 1 }), json!({ "fault": "limit_memory", "slots": null })],
        12 | 13 => {
            past.moved |= modem < SOUGHT;
            unplugged(dice, modem, point)
        }
        14 => vec![json!({ "fault": "reboot" })],
        15 => {
            let state = one_of(dice, &[0, 2, 3]);
            vec![json!({ "fault": "registration", "state": state }), json!({ "fault": "registration", "state": 1 })]
        }
        _ => switched("sim_absent", "absent"),
    }
}

/// Goes while it owes an answer, or in the middle of whatever it does; comes back as another tty, and under another name if
/// it is sought by its IMEI.
fn unplugged(dice: &mut Dice, modem: usize, point: u64) -> Vec<Json> {
    let link = if modem < SOUGHT { format!("modem-{modem:02}-{point}") } else { format!("modem-{modem:02}") };
    let owing = (dice.below(2) == 0).then(|| json!({ "fault": "late", "seconds": 1 }));
    let steps = [json!({ "fault": "unplug" }), json!({ "fault": "replug", "link": link })];
    owing.into_iter().chain(steps).collect()
}

fn one_of<T: Copy>(dice: &mut Dice, these: &[T]) -> T {
    these[below(dice, these.len())]
}
