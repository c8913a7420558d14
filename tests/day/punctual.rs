//! What happens at its time, whatever the wall clock shows: the window of `get_sms`, tries after failures, self-tests.
//! Pure but for the reading of the store.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    time::Duration,
};

use smsgate::emulator::{Entry, Happening as Event};
use tokio::time::Instant;

use super::{
    books::{open, texts},
    mailbox::{Mail, Service},
    modems::MODELS,
    plan::{self, Act, Happening},
};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// `get_sms_window`.
const WINDOW: Duration = seconds(3600);
/// From a text's writing until it is in the store: a modem may be away, then has to come up, is polled each minute; and
/// while the machine is off running time stands still.
const ON_ITS_WAY: Duration = seconds(plan::AWAY.as_secs() + 5 * 60);
/// The first pauses of the outbox after a refusal.
const SENDING: [Duration; 3] = [seconds(5), seconds(30), seconds(120)];
/// The pauses of the mailer after a failure of the server.
const MAILING: [Duration; 6] = [seconds(30), seconds(60), seconds(120), seconds(300), seconds(600), seconds(1800)];
/// How much later than its time a message may be tried: the modem may be asked something else, and the network takes its
/// time.
const BUSY: Duration = seconds(60);
/// The same if the gateway was started in between: modems have to come up.
const COMING_UP: Duration = seconds(180);
/// How much later than its time a mail server is tried.
const LATE: Duration = seconds(5);
/// How long something may be in the gateway's hands.
const IN_HAND: Duration = seconds(10);
/// How exactly times are seen.
const SEEN: Duration = seconds(1);
const DAY: Duration = seconds(24 * 3600);
const MONTH: Duration = seconds(31 * 24 * 3600);
/// When the first self-test of the last SIM has begun at the latest.
const FIRST: Duration = seconds(20 * 60);
/// Without a self-test for so long beyond a day: the clock may be two hours off and is believed, the SIM's turn is a
/// quarter of an hour late, its modem away.
const STARVED: Duration = seconds(26 * 3600 + 15 * 60 + plan::AWAY.as_secs() + 10 * 60);

/// What is wrong with what `get_sms` shows now: all of an hour of running time and nothing older.
pub fn window(plan: &[Happening], now: Duration, shown: Vec<String>) -> Vec<String> {
    let shown: HashSet<String> = shown.into_iter().collect();
    let mut wrong = Vec::new();
    for happening in plan.iter().filter(|one| one.at <= now) {
        let Act::Arrival(injection) = &happening.act else { continue };
        let (age, is_shown) = (now - happening.at, shown.contains(&format!("{} {}", injection.to, injection.text)));
        if !is_shown && (ON_ITS_WAY..WINDOW).contains(&age) {
            wrong.push(format!("`{:.20}`, {age:?} old, is not shown", injection.text));
        }
        if is_shown && age > WINDOW + ON_ITS_WAY {
            wrong.push(format!("`{:.20}`, {age:?} old, is shown", injection.text));
        }
    }
    wrong
}

/// What was sent or mailed twice. It may be only what was in hand when the gateway was stopped, the modem left the bus or
/// the mail server broke its connections off (durability D13, D18); how often that was, and what else there is.
pub fn once(
    plan: &[Happening],
    ledger: &[Entry],
    mails: &[Mail],
    start: Instant,
    starts: &[Instant],
) -> (usize, Vec<String>) {
    let stops: Vec<Duration> = starts.iter().map(|at| at.duration_since(start)).collect();
    let breaks = plan.iter().filter(|one| matches!(one.act, Act::Mail(_))).map(|one| one.at);
    let breaks: Vec<Duration> = breaks.chain(stops.iter().copied()).collect();
    let absences = plan.iter().filter(|one| matches!(one.act, Act::Unplug { .. })).map(|one| one.at);
    let absences: Vec<Duration> = absences.chain(stops).collect();
    let mut times: HashMap<String, (Vec<Duration>, &[Duration])> = HashMap::new();
    for entry in ledger {
        if let Event::Submitted { to, text, .. } = &entry.what {
            let what = format!("`{text:.30}` to {to} was submitted");
            times.entry(what).or_insert((Vec::new(), &absences)).0.push(Duration::from_micros(entry.us));
        }
    }
    for mail in mails {
        let what = format!("message {} was mailed", mail.id);
        times.entry(what).or_insert((Vec::new(), &breaks)).0.push(mail.at.duration_since(start));
    }
    let (mut in_hand, mut faults) = (0, Vec::new());
    for (what, (times, cuts)) in times.into_iter().filter(|(_, (times, _))| times.len() > 1) {
        let was_cut = |at: &Duration| cuts.iter().any(|cut| (*at..=*at + IN_HAND).contains(cut));
        match times.as_slice() {
            [first, _] if was_cut(first) => in_hand += 1,
            _ => faults.push(format!("{what} at {times:?}")),
        }
    }
    (in_hand, faults)
}

/// How many tries followed refusals, and which of them came at a wrong time.
pub fn sending(
    plan: &[Happening],
    ledger: &[Entry],
    number: &str,
    start: Instant,
    starts: &[Instant],
) -> (usize, Vec<String>) {
    let (mut tries, mut faults) = (0, Vec::new());
    for happening in plan {
        let Act::Send { text: wanted, .. } = &happening.act else { continue };
        if !wanted.starts_with(plan::TRIED_AGAIN) {
            continue;
        }
        let mut times = Vec::new();
        for entry in ledger.iter().filter(|entry| entry.number == number) {
            let at = Duration::from_micros(entry.us);
            match &entry.what {
                _ if at < happening.at => {}
                Event::SubmitFailed { .. } => times.push(at),
                Event::Submitted { text, .. } if text == wanted => {
                    times.push(at);
                    break;
                }
                // A self-test that came in between was refused in its place.
                Event::Submitted { .. } => {
                    times.clear();
                    break;
                }
                _ => {}
            }
        }
        if times.is_empty() {
            continue;
        }
        if times.len() != SENDING.len() + 1 {
            faults.push(format!("`{wanted}` was tried at {times:?}"));
            continue;
        }
        for (pair, pause) in times.windows(2).zip(SENDING) {
            tries += 1;
            let was_started = starts.iter().any(|at| (pair[0]..pair[1]).contains(&at.duration_since(start)));
            let late = if was_started { COMING_UP } else { BUSY };
            faults.extend(misjudged(pair[0], pair[1], pause, late).map(|wrong| format!("`{wanted}`: {wrong}")));
        }
    }
    if tries == 0 {
        faults.push("nothing was tried again".to_owned());
    }
    (tries, faults)
}

/// How often a busy mail server was tried again, and which of that came at a wrong time. A start tries it at once.
pub fn mailing(
    plan: &[Happening],
    turned_away: &[Instant],
    start: Instant,
    starts: &[Instant],
) -> (usize, Vec<String>) {
    let (mut tries, mut faults, mut failures) = (0, Vec::new(), 0);
    let outages = || plan.iter().filter(|one| matches!(one.act, Act::Mail(Service::Overloaded))).map(|one| one.at);
    let times: Vec<Duration> = turned_away.iter().map(|at| at.duration_since(start)).collect();
    for pair in times.windows(2) {
        let within = |at: Duration| pair[0] < at && at <= pair[1];
        let at_once = |at: Duration| at == pair[0] && pair[1] - at < SEEN;
        let was_started = starts.iter().map(|at| at.duration_since(start)).any(|at| within(at) || at_once(at));
        let was_up = plan.iter().any(|one| matches!(one.act, Act::Mail(Service::Up)) && within(one.at));
        if was_started || was_up {
            failures = 0;
            continue;
        }
        // A connection that was broken off when the outage began was the first failure, which the server has not counted.
        let broken_off =
            |outage: Duration| (MAILING[0] - SEEN..MAILING[0] + LATE).contains(&pair[0].saturating_sub(outage));
        if failures == 0 && outages().any(broken_off) && pair[1] - pair[0] + SEEN >= MAILING[1] {
            failures = 1;
        }
        tries += 1;
        let pause = MAILING[failures.min(MAILING.len() - 1)];
        failures += 1;
        faults.extend(misjudged(pair[0], pair[1], pause, LATE).map(|wrong| format!("mail: {wrong}")));
    }
    if tries == 0 {
        faults.push("a busy mail server was never tried again".to_owned());
    }
    (tries, faults)
}

fn misjudged(from: Duration, to: Duration, pause: Duration, late: Duration) -> Option<String> {
    let waited = to - from;
    (waited + SEEN < pause || waited > pause + late)
        .then(|| format!("at {from:?} it waited {waited:?}, right is {pause:?}"))
}

/// The self-tests on record.
pub struct SelfTests {
    tests: BTreeMap<String, Vec<SelfTest>>,
    /// Those in the outbox.
    messages: usize,
}

#[derive(Clone)]
struct SelfTest {
    day: String,
    boot: String,
    /// By the wall clock, in microseconds.
    wall: i64,
    /// In running time.
    run: Duration,
    is_back: bool,
}

impl SelfTests {
    pub fn read(store: &Path) -> Self {
        let store = open(store);
        let rows = texts(
            &store,
            "SELECT slot || '|' || day || '|' || boot_id || '|' || started_at || '|' || started_run || '|' ||
             (returned_at IS NOT NULL) FROM self_test ORDER BY sequence",
        );
        let mut tests: BTreeMap<String, Vec<SelfTest>> = BTreeMap::new();
        for row in rows {
            let parts: Vec<&str> = row.split('|').collect();
            tests.entry(parts[0].to_owned()).or_default().push(SelfTest {
                day: parts[1].to_owned(),
                boot: parts[2].to_owned(),
                wall: parts[3].parse().unwrap(),
                run: Duration::from_millis(parts[4].parse().unwrap()),
                is_back: parts[5] == "1",
            });
        }
        let messages = texts(&store, "SELECT id FROM outbox WHERE purpose = 'self-test'").len();
        Self { tests, messages }
    }

    pub fn count(&self) -> usize {
        self.tests.values().map(Vec::len).sum()
    }

    /// What is against the rule (`self_test::schedule`): the first one soon after the start, the next one after half an
    /// interval and in a later period, or after a whole interval; half an interval by running time, or, over a reboot, by
    /// the wall clock, which is all that is known of the time that the machine was off.
    pub fn faults(&self, daily: bool, last: Duration) -> Vec<String> {
        let interval = if daily { DAY } else { MONTH };
        let mut faults = Vec::new();
        if self.tests.len() != MODELS.len() || self.messages != self.count() {
            faults.push(format!(
                "self-tests of {} SIMs, {} on record, {} messages",
                self.tests.len(),
                self.count(),
                self.messages
            ));
        }
        for (slot, tests) in &self.tests {
            if tests[0].run > FIRST {
                faults.push(format!("SIM {slot}: its first self-test came after {:?}", tests[0].run));
            }
            if let Some(test) = tests.iter().find(|test| !test.is_back) {
                faults.push(format!("SIM {slot}: the self-test at {:?} has not come back", test.run));
            }
            for (one, next) in tests.iter().zip(tests.iter().skip(1)) {
                let ran = next.run - one.run;
                let by_wall = Duration::from_micros(u64::try_from(next.wall - one.wall).unwrap_or_default());
                let passed = if one.boot == next.boot { ran } else { by_wall };
                let is_later = if daily { next.day > one.day } else { next.day[..7] > one.day[..7] };
                if ran < interval && (passed < interval / 2 || !is_later) {
                    faults.push(format!("SIM {slot}: self-tests for {} and {}, {ran:?} apart", one.day, next.day));
                }
            }
            let ends = tests.iter().skip(1).map(|test| test.run).chain([last]);
            let starved = tests.iter().zip(ends).find(|(test, end)| daily && *end > test.run + STARVED);
            faults.extend(starved.map(|(test, _)| format!("SIM {slot}: no self-test after {:?}", test.run)));
        }
        faults
    }
}

#[test]
fn self_tests_at_a_wrong_time_are_noticed() {
    let hour = seconds(3600);
    let test = |day: &str, boot: &str, wall: u64, run: u64| SelfTest {
        day: day.to_owned(),
        boot: boot.to_owned(),
        wall: i64::try_from((hour * u32::try_from(wall).unwrap()).as_micros()).unwrap(),
        run: hour * u32::try_from(run).unwrap(),
        is_back: true,
    };
    for (name, next, right) in [
        ("the next day", test("2026-11-21", "a", 120, 20), true),
        ("the next day, and soon", test("2026-11-21", "a", 105, 5), false),
        ("the same day, after a clock was set back", test("2026-11-20", "a", 100, 20), false),
        ("after a whole day, whatever the clock shows", test("2026-11-20", "a", 0, 24), true),
        ("the clock was set ahead", test("2036-11-20", "a", 90_000, 5), false),
        ("a reboot with the clock set ahead", test("2036-11-20", "b", 90_000, 5), true),
        ("a reboot with the clock set back", test("2016-11-20", "b", 0, 5), false),
    ] {
        let both = || vec![test("2026-11-20", "a", 100, 0), next.clone()];
        let tests: BTreeMap<String, Vec<SelfTest>> = (0..8).map(|slot| (format!("{slot:02}"), both())).collect();
        let tests = SelfTests { messages: 16, tests };
        let faults = tests.faults(true, hour * 25);
        assert_eq!(faults.is_empty(), right, "{name}: {faults:?}");
    }
}
