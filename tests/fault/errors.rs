//! Rig E: the n-th call that changes the state folder fails, once, for a while, or until the end of the daemon's life.
//!
//! One site lives through all rounds, each a life of the daemon under strace, which lets the drawn call fail; traffic
//! goes on. After each life the books are audited three times: as the folder is, as a power cut would have left it then,
//! and as one would have left it at moments after the first failure. For the latter two, what a failed fsync was to
//! save is gone, whatever later ones said. At the end, without faults, everything comes to rest.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use smsgate::emulator::Dice;

use super::{
    crash::{below, store_faults},
    disk::{Cut, Disk, Share},
    recording::{actual, difference},
    rig::{Rig, becomes},
    series::Series,
    site::{self, Tracer, Traffic},
    strace::{CALLS, Reader, Step},
    witness::{Account, Offset, Witness},
};

/// Points without a word from outside; a fifth of what a release is measured by.
const POINTS: u64 = 100;
/// Sites at a time.
const WORKERS: usize = 2;
/// How long the daemon lives in a round.
const LIFE: Duration = Duration::from_millis(1000);
/// How long it may take until the health tells of a fault that stays, counted from the first failure.
const NOTICE: Duration = Duration::from_secs(3);
/// How long it is asked for that.
const ASKED: Duration = Duration::from_secs(7);
/// Power cuts after the first failure of a round.
const CUTS: usize = 4;
/// A doubtful part waits a minute before it is sent again, and the modem before for its answer.
const PATIENCE: Duration = Duration::from_secs(200);
/// What a daemon ends with that cannot use its store.
const UNUSABLE: i32 = 74;

/// No call of its own: files may not grow beyond so many octets, so that a write is done in part and the next refused.
const SHORT: &str = "short writes";

/// A call, how it may fail, and how far into a life it comes at most.
const FAULTS: [(&str, &[&str], u64); 6] = [
    ("pwrite64", &["ENOSPC", "EIO", "EDQUOT"], 400),
    ("fsync,fdatasync", &["EIO", "ENOSPC", "EDQUOT"], 80),
    ("openat", &["ENOSPC", "EIO", "EROFS", "EMFILE"], 12),
    ("ftruncate", &["EIO", "EROFS", "ENOSPC"], 4),
    ("rename,unlink", &["EIO", "EROFS", "ENOSPC"], 4),
    (SHORT, &["EFBIG"], 700_000),
];

#[test]
fn whatever_call_fails_the_books_balance() {
    let series = Series::new('E', POINTS);
    let points: Vec<u64> = series.only.map_or_else(|| (0..series.points).collect(), |point| vec![point]);
    let began = Instant::now();
    let share = points.len().div_ceil(WORKERS).max(1);
    let results: Vec<(u64, Vec<String>)> = thread::scope(|scope| {
        let shares = (0..).zip(points.chunks(share));
        let workers: Vec<_> = shares
            .map(|(number, points)| {
                scope.spawn({
                    let series = &series;
                    move || work(series, &series.folder(number), points)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let injected: u64 = results.iter().map(|(injected, _)| injected).sum();
    let failures: Vec<String> = results.into_iter().flat_map(|(_, failures)| failures).collect();
    eprintln!("{} rounds, {injected} with a failure, in {:.0?}", points.len(), began.elapsed());
    let shown = failures.len().min(20);
    assert!(failures.is_empty(), "{} points failed\n{}", failures.len(), failures[..shown].join("\n"));
}

/// Rounds of one site. How many came to a failure, and what is wrong.
fn work(series: &Series, folder: &Path, points: &[u64]) -> (u64, Vec<String>) {
    let mut bench = Bench::new(folder);
    let (mut failures, mut injected) = (Vec::new(), 0);
    for point in points {
        let (fault, hit, faults) = bench.round(series, *point);
        injected += u64::from(hit);
        if !faults.is_empty() {
            let shown = faults[..faults.len().min(4)].join("\n    ");
            failures.push(format!("{}\n    {fault}\n    {shown}", series.again(*point, None)));
        }
    }
    let rest = if series.only.is_some() { Vec::new() } else { bench.rest() };
    if !rest.is_empty() {
        failures.push(format!(
            "after points {points:?} of SEED={}\n    {}",
            series.seed,
            rest[..rest.len().min(8)].join("\n    ")
        ));
    }
    if failures.is_empty() {
        fs::remove_dir_all(folder).unwrap();
    }
    (injected, failures)
}

/// What strace is told to let fail.
#[derive(Debug)]
struct Fault {
    calls: &'static str,
    error: &'static str,
    first: u64,
    /// None: until the end.
    last: Option<u64>,
    /// The life ends with a kill.
    killed: bool,
}

impl Fault {
    fn drawn(dice: &mut Dice) -> Self {
        // Writes and flushes are where promises are made.
        let kind = [0, 0, 0, 1, 1, 1, 2, 3, 4, 5][below(dice, 10)];
        let (calls, errors, most) = FAULTS[kind];
        let error = errors[below(dice, errors.len())];
        let first = 1 + dice.below(most);
        let last = match dice.below(3) {
            0 => Some(first),
            1 => Some(first + dice.below(30)),
            _ => None,
        };
        Self { calls, error, first, last, killed: dice.below(2) == 0 }
    }

    fn options(&self, rig: &Rig) -> Vec<String> {
        let when = self.last.map_or_else(|| format!("{}+", self.first), |last| format!("{}..{last}", self.first));
        let mut options = vec!["--seccomp-bpf".to_owned(), "-e".to_owned(), format!("trace={CALLS}")];
        if self.calls != SHORT {
            options.extend(["-e".to_owned(), format!("inject={}:error={}:when={when}", self.calls, self.error)]);
        }
        let root = rig.folder().display();
        let files = ["", "-wal", "-shm", ".lock", ".ballast"].map(|end| format!("{root}/state/smsgate.db{end}"));
        let others = ["/state", "/hints", "/hints.new", ""].map(|end| format!("{root}{end}"));
        options.extend(files.into_iter().chain(others).flat_map(|path| ["-P".to_owned(), path]));
        if self.calls == SHORT {
            let limit = format!("--fsize={}", self.first);
            let words = [site::program("env"), "--ignore-signal=XFSZ".to_owned(), site::program("prlimit"), limit];
            options.extend(words);
        }
        options
    }

    /// Nothing can be saved from some moment on.
    fn blocks(&self) -> bool {
        self.last.is_none() && (self.calls == "pwrite64" || self.calls.starts_with("fsync"))
    }
}

struct Bench<'a> {
    rig: Rig,
    offset: Offset,
    traffic: Traffic,
    account: Account,
    /// Entries of the ledger and mails that the account has already.
    entered: (u64, usize),
    folder: &'a Path,
}

impl<'a> Bench<'a> {
    fn new(folder: &'a Path) -> Self {
        let rig = site::prepare("health_check_interval = 1\n");
        site::set_conditions(&rig);
        let offset = Offset::measure(&rig.network);
        let account = Account { numbers: site::numbers(&rig), ..Account::default() };
        Self { rig, offset, traffic: Traffic::new(2), account, entered: (0, 0), folder }
    }

    /// One life. The fault, whether it came to that, and what is wrong.
    fn round(&mut self, series: &Series, point: u64) -> (String, bool, Vec<String>) {
        let mut dice = series.dice(point);
        let fault = Fault::drawn(&mut dice);
        let told = format!("{fault:?}");
        let root = fs::canonicalize(self.rig.folder()).unwrap();
        let before = actual(&self.rig);
        let (mut disk, names) = Disk::holding(&before);
        let mut reader = Reader::knowing(root.to_str().unwrap(), names);
        let file = self.folder.join("trace");
        self.rig.under = site::strace(&file, &fault.options(&self.rig));
        let life = self.live(&fault, dice.roll());
        reader.read(&fs::read_to_string(&file).unwrap());
        let mut faults = life.faults;
        faults.extend(reader.strange.iter().map(|line| format!("not understood: {line}")));
        if let Some(first) = reader.injected.first().filter(|_| fault.blocks())
            && life.asked_until > first.begun + u64::try_from(NOTICE.as_micros()).unwrap()
            && !life.critical
        {
            faults.push("nothing could be saved, and the health did not say so".to_owned());
        }
        self.enter();
        let place = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap());
        let mut audit = |what: &str, image, at| {
            let found = store_faults(place.path(), &image, &self.account, at);
            faults.extend(found.into_iter().map(|fault| format!("{what}: {fault}")));
        };
        audit("as it is", actual(&self.rig), u64::MAX);
        let cuts = cuts(&mut dice, &reader.steps, reader.injected.first().map(|failed| failed.begun));
        for (number, step) in reader.steps.iter().enumerate() {
            for cut in cuts.iter().filter(|(at, _)| *at == number).map(|(_, cut)| cut) {
                audit(&format!("cut before step {number}, {cut:?}"), disk.after(cut), step.begun);
            }
            disk.apply(&step.op);
        }
        let lost = Cut { octets: Share::Nothing, names: Share::Nothing, torn: false, seed: 0 };
        audit("cut at the end", disk.after(&lost), u64::MAX);
        if !fault.killed
            && let Some(difference) = difference(&disk.now(), &actual(&self.rig))
        {
            faults.push(format!("the recording is not complete: {difference}"));
        }
        if !faults.is_empty() {
            fs::copy(&file, self.folder.join(format!("trace-{point}"))).unwrap();
        }
        (told, !reader.injected.is_empty(), faults)
    }

    fn live(&mut self, fault: &Fault, seed: u64) -> Life {
        let mut life = Life { faults: Vec::new(), critical: false, asked_until: 0 };
        self.rig.launch();
        let mut tracer = None;
        becomes(Duration::from_secs(5), || {
            tracer = Tracer::of(self.rig.pid());
            tracer.is_some() || self.rig.ended().is_some()
        });
        self.traffic.during(&mut self.rig, seed, |rig| {
            thread::sleep(LIFE);
            // Before it is up a SIGTERM just ends it; where others have the processors that may be later than it lives.
            becomes(PATIENCE, || rig.log().contains("smsgate is up") || rig.ended().is_some());
            if fault.blocks() {
                let api = rig.api();
                becomes(ASKED, || {
                    thread::sleep(Duration::from_millis(50));
                    let health = api.try_health();
                    life.critical = health.is_some_and(|(level, text)| level == "CRITICAL" && text.contains("Store:"));
                    life.critical || rig.ended().is_some()
                });
            }
            life.asked_until = super::witness::now();
            let log = rig.log();
            if log.contains("panicked") {
                life.faults.push(format!("a panic: {}", log.lines().find(|line| line.contains("panicked")).unwrap()));
            }
            match rig.ended() {
                // It cannot start, says so, and whoever started it tries again.
                Some(UNUSABLE) if !log.contains("smsgate is up") => rig.forget(),
                Some(code) => {
                    life.faults.push(format!("it ended by itself with {code}: {:?}", log.lines().last()));
                    rig.forget();
                }
                None if fault.killed => match tracer {
                    Some(tracer) => tracer.kill(rig),
                    None => rig.kill(),
                },
                None => {
                    let (code, _) = rig.stop();
                    if code != Some(0) {
                        life.faults.push(format!("it stopped with {code:?}"));
                    }
                }
            }
        });
        tracer.iter().for_each(|tracer| tracer.wait());
        life
    }

    /// Enters everything that was seen since the last time.
    fn enter(&mut self) {
        let (entries, mails) = self.entered;
        let mut seen = Witness::default();
        let ledger = self.rig.network.ask(&json!({ "do": "ledger", "since": entries }));
        let ledger: Vec<Json> = serde_json::from_value(ledger).unwrap();
        let taken = self.rig.mails();
        self.entered = (entries + ledger.len() as u64, taken.len());
        seen.add_ledger(ledger, self.offset);
        seen.add_mails(&taken[mails..]);
        seen.events.append(&mut self.traffic.events.lock().unwrap());
        seen.events.iter().for_each(|event| self.account.enter(event));
    }

    /// Without faults everything comes to rest, and nothing is missing.
    fn rest(&mut self) -> Vec<String> {
        self.rig.under.clear();
        self.rig.restart();
        let path = self.rig.site.store();
        let rest = super::rest::until_rest(&self.rig, &path, PATIENCE);
        let (code, _) = self.rig.stop();
        let mut faults: Vec<String> = rest.into_iter().map(|what| format!("not at rest: {what}")).collect();
        faults.extend((code != Some(0)).then(|| format!("it stopped with {code:?}")));
        self.enter();
        faults.extend(super::rest::missing(&path, &self.account, &["unknown"]));
        faults
    }
}

/// How a life went.
struct Life {
    faults: Vec<String>,
    /// The health told of the store.
    critical: bool,
    /// Until when it was asked.
    asked_until: u64,
}

/// Before which steps the power goes, and how.
fn cuts(dice: &mut Dice, steps: &[Step], failed: Option<u64>) -> Vec<(usize, Cut)> {
    let Some(failed) = failed else { return Vec::new() };
    let first = steps.iter().position(|step| step.begun >= failed).unwrap_or(steps.len());
    let open = steps.len() - first;
    if open == 0 {
        return Vec::new();
    }
    // Those soon after the failure are worth most.
    let soon = open.min(60);
    let draw = |number| {
        let step = first + if number % 2 == 0 { below(dice, soon) } else { below(dice, open) };
        (step, Cut::drawn(dice))
    };
    (0..CUTS).map(draw).collect()
}
