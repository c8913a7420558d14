//! A daemon that is ended again and again under traffic both ways; afterwards everything comes to rest, and the network's
//! own ledger says what must be there. The emulator is another process and survives.

use std::{
    env,
    ops::Range,
    str::FromStr,
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use smsgate::emulator::Dice;

use super::{
    Api, ONCE_TOKEN, Rig, TOKEN, becomes,
    books::{check_arrivals, check_departures, check_mails, states, texts, unrest},
    traffic::{Said, Stop},
};

const MODEMS: usize = 8;
/// How long everything may take to come to rest: a doubtful part waits a minute before it is sent again.
const REST: Duration = Duration::from_secs(240);

/// How busy it is, in milliseconds.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Between two texts from outside.
    pub incoming: Range<u64>,
    /// Between two messages of ours at most, and of those that may be submitted once.
    pub outgoing: [u64; 2],
    /// What a submission takes.
    pub submission: u64,
}

/// What a test of this kind goes through.
pub struct Ordeal {
    pub rig: Rig,
    said: Said,
    numbers: Vec<String>,
    /// The command that repeats it.
    again: String,
    rounds: u32,
    seed: u64,
    began: Instant,
}

impl Ordeal {
    /// `SMSGATE_{name}_ROUNDS`, or so many, and `SMSGATE_{name}_SEED`, or the clock's, choose how often and when.
    pub fn prepare(name: &str, rounds: u32) -> Self {
        let rounds = setting(&format!("SMSGATE_{name}_ROUNDS")).unwrap_or(rounds);
        let seed = setting(&format!("SMSGATE_{name}_SEED"))
            .unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
        let test = name.to_lowercase();
        let again = format!("SMSGATE_{name}_SEED={seed} SMSGATE_{name}_ROUNDS={rounds} cargo test --test {test}");
        eprintln!("{again}");
        let rig = Rig::prepare(MODEMS, |site| site.api = "queue_limit = 100000\nget_sms_window = 86400\n".to_owned());
        let numbers = (0..MODEMS).map(|modem| rig.site.number(modem).to_owned()).collect();
        Self { rig, said: Said::default(), numbers, again, rounds, seed, began: Instant::now() }
    }

    /// Traffic goes on, also while there is no daemon: the network keeps what comes in, and a `send_sms` that was not
    /// answered may or may not have been accepted. `round` starts a daemon and ends it.
    pub fn goes_on(&mut self, pace: &Pace, mut round: impl FnMut(&mut Rig, &mut Dice, u32)) {
        // Reports come before and after the answers, in any order, and some never.
        let conditions = json!({
            "submit_latency": Duration::from_millis(pace.submission).as_secs_f64(),
            "report_delay": 0.05, "report_jitter": 0.3, "report_loss": 20,
        });
        self.rig.network.ask(&json!({ "do": "conditions", "set": conditions }));
        self.began = Instant::now();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (network, said, numbers, over) = (self.rig.network_again(), &self.said, &self.numbers, &over);
            let (seed, incoming) = (self.seed, pace.incoming.clone());
            scope.spawn(move || said.inject(numbers, &network, seed, &incoming, over));
            for ((once, token), pause) in [(false, TOKEN), (true, ONCE_TOKEN)].into_iter().zip(pace.outgoing) {
                let api = Api::new(&self.rig.site, token);
                scope.spawn(move || {
                    said.send(numbers, once, seed, pause, over, |to, text| api.send("", to, text).ok());
                });
            }
            let stop = Stop(over);
            let mut dice = Dice::new(seed);
            (0..self.rounds).for_each(|number| round(&mut self.rig, &mut dice, number));
            drop(stop);
        });
    }

    /// Starts the daemon a last time, and looks at the books when nothing moves any more. The faults found before go with
    /// those that are found now; `more` reads the store for others.
    pub fn judge(mut self, mut faults: Vec<String>, more: impl FnOnce(&Connection) -> Vec<String>) {
        let traffic = self.began.elapsed();
        let (injected, sent) = (self.said.injected.into_inner().unwrap(), self.said.sent.into_inner().unwrap());
        self.rig.restart();
        let store = open(&self.rig);
        let at_rest = becomes(REST, || {
            thread::sleep(Duration::from_millis(400));
            unrest(&self.rig.network, &store).is_empty()
        });
        let answered = sent.iter().filter(|one| one.id.is_some()).count();
        eprintln!(
            "{} texts in, {answered} out, {} rounds in {traffic:.0?}, rest after {:.0?}: {:?}",
            injected.len(),
            self.rounds,
            self.began.elapsed(),
            states(&store)
        );
        let recoveries =
            texts(&store, "SELECT slot || ' ' || rung || ' tried ' || tried || ', cured ' || cured FROM recovery");
        let (unrest, health, log) = (unrest(&self.rig.network, &store), self.rig.api().health(), self.rig.log());
        let last: Vec<&str> = log.lines().rev().take(60).collect();
        assert!(at_rest, "not at rest: {unrest:?}\n{health:?}\n{recoveries:?}\n{last:#?}");
        let ledger = self.rig.network.ledger();
        assert_eq!(self.rig.stop().0, Some(0));
        let store = open(&self.rig);
        faults.extend(check_arrivals(&self.numbers, &store, &ledger, &injected));
        faults.extend(check_mails(&self.rig.mails(), &store));
        faults.extend(check_departures(&store, &ledger, &sent));
        faults.extend(more(&store));
        assert!(
            faults.is_empty(),
            "{} faults\n{}\n{}",
            faults.len(),
            faults[..faults.len().min(40)].join("\n"),
            self.again
        );
    }
}

fn open(rig: &Rig) -> Connection {
    let store = Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
