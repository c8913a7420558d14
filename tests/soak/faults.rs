//! What goes wrong while it runs: with modems, with the mail server, with the configuration. All of it from one seed, and
//! all of it over at the end.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::{Value as Json, json};
use smsgate::emulator::Dice;

use super::rig::{
    Network, Rig,
    traffic::{rest, within},
};

/// How long it is left in peace before something else happens to a modem, in seconds.
const QUIET: u64 = 60;

/// What happened how often, by name.
pub type Counts = BTreeMap<&'static str, usize>;

/// Something that happens later, and to which modem.
struct Later {
    at: Instant,
    modem: usize,
    what: Json,
}

/// Faults of modems, one every so often.
pub struct ModemFaults<'a> {
    pub network: &'a Network,
    /// How many modems there are; those before `sought` are found under any name.
    pub modems: usize,
    pub sought: usize,
    pub pause: Duration,
    dice: Dice,
    later: Vec<Later>,
    /// Until when nothing more happens to a modem.
    busy: Vec<Instant>,
    replugs: usize,
    counts: Counts,
}

impl<'a> ModemFaults<'a> {
    pub fn new(network: &'a Network, (modems, sought): (usize, usize), pause: Duration, seed: u64) -> Self {
        let (dice, busy) = (Dice::new(seed ^ 0xfa), vec![Instant::now(); modems]);
        Self { network, modems, sought, pause, dice, later: Vec::new(), busy, replugs: 0, counts: Counts::new() }
    }

    /// Until it is over; then every modem is as it should be.
    pub fn play(mut self, over: &AtomicBool) -> Counts {
        let mut next = Instant::now() + self.pause;
        while !over.load(Ordering::Relaxed) {
            self.perform(Instant::now());
            if Instant::now() >= next {
                self.begin();
                let pause = u64::try_from(self.pause.as_millis()).unwrap();
                next = Instant::now() + Duration::from_millis(pause / 2 + self.dice.below(pause));
            }
            rest(Duration::from_millis(200), over);
        }
        self.later.iter_mut().for_each(|one| one.at = Instant::now());
        self.perform(Instant::now());
        for modem in 0..self.modems {
            for what in [
                json!({ "fault": "registration", "state": 1 }),
                json!({ "fault": "signal", "value": 20 }),
                json!({ "fault": "lose_notices", "percent": 0 }),
                json!({ "fault": "interleave", "on": false }),
                json!({ "fault": "byte_by_byte", "on": false }),
                json!({ "fault": "drafts", "count": 0 }),
            ] {
                self.network.fault(modem, what);
            }
        }
        self.counts
    }

    fn perform(&mut self, now: Instant) {
        let (due, later): (Vec<Later>, _) = std::mem::take(&mut self.later).into_iter().partition(|one| one.at <= now);
        self.later = later;
        for one in due {
            self.network.fault(one.modem, one.what);
        }
    }

    /// Something goes wrong with a modem that is well.
    fn begin(&mut self) {
        let now = Instant::now();
        let free: Vec<usize> = (0..self.modems).filter(|modem| self.busy[*modem] <= now).collect();
        if free.is_empty() {
            return;
        }
        let modem = free[within(&mut self.dice, free.len())];
        let (name, what, cure) = self.drawn(modem);
        *self.counts.entry(name).or_default() += 1;
        self.network.fault(modem, what);
        let mut lasting = Duration::ZERO;
        if let Some((seconds, what)) = cure {
            lasting = Duration::from_secs(seconds);
            self.later.push(Later { at: now + lasting, modem, what });
        }
        self.busy[modem] = now + lasting + Duration::from_secs(QUIET);
    }

    /// A fault by name, what starts it, and after how many seconds what ends it.
    fn drawn(&mut self, modem: usize) -> (&'static str, Json, Option<(u64, Json)>) {
        let fault = |name: &str| json!({ "fault": name });
        let lasting = 20 + self.dice.below(160);
        match self.dice.below(20) {
            0..=2 => ("unplugged", fault("unplug"), Some((3 + lasting / 2, self.replug(modem)))),
            3 => ("pulled for a moment", self.replug(modem), None),
            4..=5 => ("silent", json!({ "fault": "silence", "seconds": 5 + lasting / 2 }), None),
            6..=7 => {
                let until = ["close", "reopen", "restart"][within(&mut self.dice, 3)];
                ("hung", json!({ "fault": "hang", "until": until }), None)
            }
            8 => (
                "hung until pulled",
                json!({ "fault": "hang", "until": "replug" }),
                Some((lasting, self.replug(modem))),
            ),
            9 => ("started anew", fault("reboot"), None),
            10 => ("lost a few notices", json!({ "fault": "drop_notices", "count": 3 }), None),
            11 => {
                let end = json!({ "fault": "lose_notices", "percent": 0 });
                ("lost half of the notices", json!({ "fault": "lose_notices", "percent": 50 }), Some((lasting, end)))
            }
            12 => ("printed garbage", json!({ "fault": "garbage", "count": 20 + self.dice.below(2000) }), None),
            13..=14 => {
                let state = [0, 2, 3][within(&mut self.dice, 3)];
                let end = json!({ "fault": "registration", "state": 1 });
                ("lost its network", json!({ "fault": "registration", "state": state }), Some((lasting, end)))
            }
            15 => {
                let end = json!({ "fault": "drafts", "count": 0 });
                ("had its SIM filled", json!({ "fault": "drafts", "count": 50 }), Some((lasting, end)))
            }
            16 => ("refused a message", json!({ "fault": "cms_error", "code": 38, "count": 1 }), None),
            17 => ("gave no prompt", json!({ "fault": "no_prompt", "count": 1 }), None),
            18 => {
                let submitted = self.dice.below(2) == 0;
                ("fell silent over a send", json!({ "fault": "hang_after_payload", "submitted": submitted }), None)
            }
            _ => {
                let (name, what) = [("spoke in single octets", "byte_by_byte"), ("mixed its lines", "interleave")]
                    [within(&mut self.dice, 2)];
                let end = json!({ "fault": what, "on": false });
                (name, json!({ "fault": what, "on": true }), Some((lasting, end)))
            }
        }
    }

    /// It comes back, where possible under a name that nobody has had.
    fn replug(&mut self, modem: usize) -> Json {
        self.replugs += 1;
        let link = (modem < self.sought).then(|| format!("modem-{}", 1000 + self.replugs));
        json!({ "fault": "replug", "link": link })
    }
}

/// What the mail server does instead of its work; none of it makes a mail undeliverable.
const OUTAGES: [(&str, &str); 6] = [
    ("refused everybody", "GREETING reply 421 4.3.2 busy\n"),
    ("hung up", "GREETING drop\n"),
    ("fell silent", "DATA hang\n"),
    ("took mails and hung up", "DOT lose\n"),
    ("knew nobody", "AUTH reply 454 4.7.0 try later\n"),
    ("was slow", "ALL slow\n"),
];

/// One outage after the other, each a quarter of the time.
pub fn disturb_mail(file: &Path, period: Duration, over: &AtomicBool) -> Counts {
    let mut counts = Counts::new();
    for (name, lines) in OUTAGES.iter().cycle() {
        rest(period * 3 / 4, over);
        if over.load(Ordering::Relaxed) {
            return counts;
        }
        *counts.entry(*name).or_default() += 1;
        write_whole(file, lines);
        rest(period / 4, over);
        write_whole(file, "");
    }
    counts
}

/// The server reads it at any moment.
fn write_whole(file: &Path, lines: &str) {
    let next = file.with_extension("next");
    fs::write(&next, lines).unwrap();
    fs::rename(next, file).unwrap();
}

/// The configuration is changed and read anew; how often.
pub fn reload(rig: &Rig, period: Duration, over: &AtomicBool) -> usize {
    for count in 0.. {
        rest(period, over);
        if over.load(Ordering::Relaxed) {
            return count;
        }
        reload_once(rig, count);
    }
    unreachable!("the count has no end")
}

/// Changes the configuration, to one thing for even counts and another for odd ones, and has it read.
pub fn reload_once(rig: &Rig, count: usize) {
    let mut site = rig.site.clone();
    site.api += &format!("get_sms_window = {}\n", [1800, 3600][count % 2]);
    site.write();
    rig.signal(Signal::SIGHUP);
}
