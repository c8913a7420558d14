//! D19: a mail server that is dead in any way holds up nothing else: texts are committed and clients answered as if it
//! were well. Once it is, every text is mailed.

use std::{
    ops::RangeFrom,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rusqlite::{Connection, OpenFlags};

use super::{
    callers::{Heard, call},
    figures::Times,
    passage::Passages,
    peer::Target,
    post::{Office, Trouble},
    rig::{PATIENCE, Rig, becomes, books::texts, traffic::Stop},
    scale::{figure, is_full},
};

const MODEMS: usize = 16;
/// Each modem gets a text in this time.
const ROUND: Duration = Duration::from_secs(1);
const STORE_BAR: Duration = Duration::from_millis(250);
const API_BAR: Duration = Duration::from_millis(100);
const TROUBLES: [Trouble; 9] = [
    Trouble::Silent("TLS"),
    Trouble::Silent("GREETING"),
    Trouble::Silent("EHLO"),
    Trouble::Silent("AUTH"),
    Trouble::Silent("MAIL"),
    Trouble::Silent("RCPT"),
    Trouble::Silent("DATA"),
    Trouble::Silent("DOT"),
    Trouble::Slow,
];

#[test]
fn d19_a_dead_mail_server_holds_up_nothing_else() {
    let length = Duration::from_millis(figure("DEAD_MAIL_MS", 500, 20_000));
    let mut office = None;
    let mut rig = Rig::prepare(MODEMS, |site| {
        site.mail_port = office.insert(Office::open(&site.config_folder())).port;
    });
    let office = office.unwrap();
    rig.restart();
    rig.until_ready(MODEMS);
    let (network, api) = (rig.network_again(), rig.api());
    let mut turns = 1000..;
    let numbers: Vec<String> = rig.site.sims.iter().map(|sim| sim.number.clone()).collect();
    let target = Target::of(&rig.site);
    let mut passages = Passages::of(rig.network_again());
    let (over, injected) = (AtomicBool::new(false), Mutex::new(0));
    let mut watch = |length: Duration, what: &str| {
        let since = passages.now();
        let end = Instant::now() + length;
        let heard = call(&target, &numbers[0], Duration::from_millis(100), || Instant::now() >= end);
        let until = passages.now();
        passages.read();
        // What came last may be under way still.
        super::rig::until("the texts are off the SIMs", || {
            passages.read();
            passages.under_way() == 0
        });
        let times = passages.times(since, until);
        eprintln!("{}", times.row(&format!("{what}: a text")));
        eprintln!("{}", heard.pings.row(&format!("{what}: ping")));
        (times, heard)
    };
    thread::scope(|scope| {
        let stop = Stop(&over);
        scope.spawn(|| {
            let began = Instant::now();
            for (serial, number) in (1..).zip(numbers.iter().cycle()) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                network.inject(number, &format!("+49152{serial:08}"), &format!("in {serial}"));
                *injected.lock().unwrap() = serial;
                let due = ROUND * serial / u32::try_from(MODEMS).unwrap();
                thread::sleep(due.saturating_sub(began.elapsed()));
            }
        });
        let before = watch(length * 2, "a mail server that is well");
        let mut under: Vec<(Times, Heard)> = Vec::new();
        for trouble in TROUBLES.into_iter().chain([Trouble::Refuses]) {
            office.suffer(trouble);
            let is_met = || match trouble {
                Trouble::Refuses => api.health().1.contains("refused"),
                Trouble::None | Trouble::Silent(_) | Trouble::Slow => office.met() > 0,
            };
            until_tried(&mut rig, &mut turns, &format!("{trouble:?} is met"), is_met);
            under.push(watch(length, &format!("{trouble:?}")));
        }
        judge(&before, under);
        drop(stop);
    });
    office.suffer(Trouble::None);
    let mailed = office.post().ids().len();
    until_tried(&mut rig, &mut turns, "it is well again", || office.post().ids().len() > mailed);
    let wanted = usize::try_from(*injected.lock().unwrap()).unwrap();
    // The mail that a server died of waits half a minute for its next chance: too long at the small size.
    let most_waiting = if is_full() { 0 } else { TROUBLES.len() };
    // A mail takes a twentieth of a second.
    let patience = PATIENCE + Duration::from_millis(100) * u32::try_from(wanted).unwrap();
    let store = Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let all = becomes(patience, || {
        let waiting = texts(&store, "SELECT m.id FROM spool s JOIN message m ON m.sequence = s.message");
        let post = office.post();
        let mut known = post.ids();
        let mailed = known.len();
        known.extend(waiting.iter().map(String::as_str));
        known.len() == wanted && wanted - mailed <= most_waiting
    });
    let post = office.post();
    eprintln!("{wanted} texts, {} mails for {} of them", post.mails.len(), post.ids().len());
    assert!(all, "not each text is mailed");
    assert!(post.faults.is_empty(), "{:#?}", post.faults);
}

/// The mailer waits for a while after a failure, unless it hears of new settings in that time. The failure may come
/// after them, and so it is told again.
fn until_tried(rig: &mut Rig, turns: &mut RangeFrom<usize>, what: &str, mut condition: impl FnMut() -> bool) {
    for turn in turns.take(usize::try_from(PATIENCE.as_secs()).unwrap()) {
        rig.site.mail = format!("health_check_interval = {turn}\n");
        rig.site.write();
        rig.signal(Signal::SIGHUP);
        if becomes(Duration::from_secs(1), &mut condition) {
            return;
        }
    }
    panic!("not within {PATIENCE:?}: {what}");
}

/// All troubles together, against the time when there was none.
fn judge((before, heard_before): &(Times, Heard), under: Vec<(Times, Heard)>) {
    let (mut texts, mut pings, mut readings) = (Times::default(), Times::default(), Times::default());
    for (times, heard) in under {
        texts.extend(times);
        pings.extend(heard.pings);
        readings.extend(heard.readings);
    }
    for (what, times, before, bar) in [
        ("from the network until off the SIM", &texts, before, STORE_BAR),
        ("ping", &pings, &heard_before.pings, API_BAR),
        ("get_sms", &readings, &heard_before.readings, API_BAR),
    ] {
        let ratio = times.percentile(50).as_secs_f64() / before.percentile(50).as_secs_f64();
        eprintln!("{what}: the median is {ratio:.2} times what it was");
        times.assert_p99(what, bar, before, 8, Duration::from_secs(2));
    }
}
