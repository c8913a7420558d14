//! S15: texts by the thousand, from many senders and in floods of one. All of them are in the store, the daemon does not
//! grow, and its clients are answered meanwhile.
//!
//! The modems are in a process of their own, so the memory that is judged is the daemon's.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::{
    callers::call,
    figures::resident,
    passage::Passages,
    peer::Target,
    rig::{
        Rig,
        books::{check_arrivals, texts},
        holdings::{peak, processor_time},
        traffic::Stop,
    },
    scale::{figure, is_full},
};

const MODEMS: usize = 16;
/// Of so many texts in a row the first ones are a flood: one sender, one modem.
const STRETCH: usize = 500;
const FLOOD: usize = 150;
/// One in so many has three parts.
const LONG: usize = 50;
/// Without any text taken.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn s15_texts_by_the_thousand() {
    let count = usize::try_from(figure("DELUGE", 10_000, 100_000)).unwrap();
    let rate = figure("DELUGE_RATE", 500, 500);
    let burst = usize::try_from(figure("DELUGE_BURST", 1000, 10_000)).unwrap();
    let bar = figure("DELUGE_KIB", 192 * 1024, 192 * 1024);
    let rig = Rig::start(MODEMS);
    rig.until_ready(MODEMS);
    let target = Target::of(&rig.site);
    let mut passages = Passages::of(rig.network_again());
    let quiet = {
        let until = Instant::now() + Duration::from_secs(2);
        call(&target, rig.site.number(0), Duration::from_millis(100), || Instant::now() > until)
    };
    let memory = resident(rig.pid());
    let over = AtomicBool::new(false);
    let (heard, injected) = thread::scope(|scope| {
        let stop = Stop(&over);
        let caller =
            scope.spawn(|| call(&target, rig.site.number(0), Duration::from_secs(1), || over.load(Ordering::Relaxed)));
        let used = processors(&rig);
        let mut injected = pour(&rig, 0..count, Some(rate), &mut passages);
        let offered = passages.now();
        drain(&rig, &mut passages);
        let seconds = passages.span(0, offered).as_secs_f64();
        let per_text = |before: [f64; 2], texts: usize| {
            let now = processors(&rig);
            [0, 1].map(|process: usize| (now[process] - before[process]) / texts as f64 * 1e3)
        };
        let [daemon, network] = per_text(used, count);
        eprintln!("{count} texts offered at {rate}/s, the last of them taken after {seconds:.1} s");
        eprintln!("{}", passages.times(0, offered).row("from the network until off the SIM"));
        eprintln!("processor time for a text: daemon {daemon:.2} ms, modems {network:.2} ms");
        // As fast as the modems' process takes them.
        let (used, began) = (processors(&rig), passages.now());
        injected.extend(pour(&rig, count..count + burst, None, &mut passages));
        drain(&rig, &mut passages);
        let [daemon, network] = per_text(used, burst);
        let seconds = passages.span(began, u64::MAX).as_secs_f64();
        eprintln!("{burst} at once: {:.0} texts/s taken", burst as f64 / seconds);
        eprintln!("processor time for a text: daemon {daemon:.2} ms, modems {network:.2} ms");
        drop(stop);
        (caller.join().unwrap(), injected)
    });
    let peak = peak(rig.pid());
    eprintln!("resident memory {memory} KiB before, {peak} KiB at most");
    for (what, times, before) in [("ping", &heard.pings, &quiet.pings), ("get_sms", &heard.readings, &quiet.readings)] {
        eprintln!("{}", before.row(&format!("{what}, before")));
        eprintln!("{}", times.row(&format!("{what}, meanwhile")));
    }
    eprintln!("the longest answer to get_sms had {} octets", heard.longest);
    let store = Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let numbers: Vec<String> = rig.site.sims.iter().map(|sim| sim.number.clone()).collect();
    let faults = check_arrivals(&numbers, &store, &passages.queued, &injected);
    let shown: Vec<&String> = faults.iter().take(10).collect();
    assert!(faults.is_empty(), "{} faults, such as {shown:#?}", faults.len());
    let held = texts(&store, "SELECT cast(count(*) AS TEXT) FROM message WHERE text LIKE 'in %'");
    assert_eq!(held, [(count + burst).to_string()]);
    assert!(peak <= bar, "{peak} KiB, {bar} are allowed");
    if is_full() {
        assert!(!cfg!(debug_assertions) || std::env::var_os("SMSGATE_BINARY").is_some(), "a release build, please");
    }
}

/// Texts to the modems, so many a second or without a pause; modem and text of each.
fn pour(
    rig: &Rig,
    serials: std::ops::Range<usize>,
    rate: Option<u64>,
    passages: &mut Passages,
) -> Vec<(usize, String)> {
    let began = Instant::now();
    let first = serials.start;
    let mut injected = Vec::with_capacity(serials.len());
    for serial in serials {
        let nth = (serial - first) as u64;
        let place = serial % STRETCH;
        let (modem, from) = match place < FLOOD {
            true => (serial / STRETCH % MODEMS, format!("+4915100{:04}", serial / STRETCH % 10)),
            false => (serial % MODEMS, format!("+491520{serial:07}")),
        };
        let text = match serial % LONG {
            0 => (0..30).map(|word| format!("in {serial}.{word:02}")).collect::<Vec<_>>().join(" "),
            _ => format!("in {serial}: the water is rising"),
        };
        rig.network.ask(&json!({ "do": "inject", "to": rig.site.number(modem), "from": from, "text": text }));
        injected.push((modem, text));
        if nth.is_multiple_of(1000) {
            passages.read();
        }
        if let Some(rate) = rate {
            let due = Duration::from_micros(nth * 1_000_000 / rate);
            thread::sleep(due.saturating_sub(began.elapsed()));
        }
    }
    eprintln!("{:.0} texts/s came", injected.len() as f64 / began.elapsed().as_secs_f64());
    injected
}

/// Until the gateway has taken all.
fn drain(rig: &Rig, passages: &mut Passages) {
    let (mut taken, mut last) = (0, Instant::now());
    loop {
        passages.read();
        if passages.under_way() == 0 {
            return;
        }
        if passages.taken() != taken {
            (taken, last) = (passages.taken(), Instant::now());
        }
        assert!(last.elapsed() < PATIENCE, "{} are not taken; the daemon says\n{}", passages.under_way(), rig.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Seconds used by the daemon, and by the process of the modems.
fn processors(rig: &Rig) -> [f64; 2] {
    [rig.pid(), rig.emulator_pid()].map(|pid| processor_time(pid).unwrap())
}
