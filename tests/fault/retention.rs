//! Rig R: the power goes, or the process is killed, while the daemon forgets what is old (D21). It is started on a store
//! that has a month of past and much to forget; every write of it is recorded as in rig C.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use smsgate::store::{Options, Store};

use super::{
    crash::{below, memory},
    disk::{Cut, Disk, Image, Node, Op, Share},
    recording::{actual, difference},
    rig::{books::texts, past::Past},
    series::Series,
    site::{self, Tracer},
    strace::{CALLS, Reader, Step},
};

/// Points without a word from outside.
const POINTS: u64 = 60;
const WORKERS: usize = 2;
/// The largest that the log may get.
const LOG: u64 = 4 << 20;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Older than everything else, and not mailed yet.
const WAITING: usize = 20;
/// Of more than a month ago: some of them are among the newest thousand.
const OLD: usize = 1500;
/// Of the day before yesterday.
const PAST: usize = 300;
/// Of the last hour.
const YOUNG: usize = 200;
/// Sent and delivered more than a month ago.
const DELIVERED: usize = 30;
/// Accepted then, and not sent yet.
const QUEUED: usize = 10;
const NEWEST: usize = 1000;

#[test]
fn what_is_forgotten_was_old_whenever_the_power_goes() {
    let series = Series::new('R', POINTS);
    let began = Instant::now();
    let (start, steps) = record();
    let (recorded, half) = (began.elapsed(), AtomicU64::new(0));
    let failures: Vec<String> = thread::scope(|scope| {
        let mut points: Vec<Point> = match series.only {
            Some(point) => vec![Point::drawn(&series, point, &steps)],
            None => (0..series.points).map(|point| Point::drawn(&series, point, &steps)).collect(),
        };
        points.sort_by_key(|point| point.done);
        let shares: Vec<Vec<Point>> = points.chunks(points.len().div_ceil(WORKERS)).map(<[Point]>::to_vec).collect();
        let (series, start, steps, half) = (&series, &start, &steps, &half);
        let workers: Vec<_> =
            shares.into_iter().map(|share| scope.spawn(move || work(series, start, steps, &share, half))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} points failed\n{}", failures.len(), failures.join("\n"));
    let log = longest_log(&start, &steps);
    let half = half.into_inner();
    eprintln!(
        "{} operations in {recorded:.1?}; {} points, {half} of them between two batches, in {:.1?}; the log had {log} octets at most",
        steps.len(),
        series.points,
        began.elapsed() - recorded
    );
    assert!(half > 0 || series.points < POINTS, "no point was where it matters");
    assert!(log <= LOG, "the log had {log} octets");
}

/// What lay there at the start, and all that the daemon did to it until everything old was forgotten.
fn record() -> (Image, Vec<Step>) {
    let mut rig = site::prepare("");
    make_past(&rig.site.store());
    // A mail that nobody takes keeps its message.
    rig.kill_mail();
    let root = fs::canonicalize(rig.folder()).unwrap();
    let start = actual(&rig);
    let (mut disk, names) = Disk::holding(&start);
    let mut reader = Reader::knowing(root.to_str().unwrap(), names);
    let file = root.join("trace");
    let calls = format!("trace={CALLS}");
    rig.under = site::strace(&file, &["--seccomp-bpf".to_owned(), "-e".to_owned(), calls]);
    rig.restart();
    let tracer = Tracer::of(rig.pid()).expect("strace traces");
    rig.until("it has forgotten", || rig.log().contains("old messages deleted"));
    let store = Connection::open(rig.site.store()).unwrap();
    let left = texts(&store, "SELECT 'x' FROM message").len();
    assert_eq!(left, WAITING + NEWEST, "not all that is old has gone");
    drop(store);
    // Still with its log: an orderly end would do away with it.
    tracer.kill(&mut rig);
    reader.read(&fs::read_to_string(&file).unwrap());
    assert!(reader.strange.is_empty(), "{:#?}", reader.strange);
    reader.steps.iter().for_each(|step| disk.apply(&step.op));
    assert_eq!(difference(&disk.now(), &actual(&rig)), None, "the recording is not complete");
    (start, reader.steps)
}

fn make_past(path: &Path) {
    // In memory, where nothing takes long.
    let place = tempfile::tempdir_in(memory()).unwrap();
    let made = place.path().join("smsgate.db");
    let mut past = Past::new(&made);
    let named = |kind: &'static str, count: usize| (0..count).map(move |number| format!("{kind} {number:0140}"));
    past.receive(named("waiting", WAITING), true);
    past.receive(named("old", OLD), false);
    for (number, text) in (0..).zip(named("delivered", DELIVERED)) {
        past.deliver(&text, [2 * number, 2 * number + 1]);
    }
    for text in named("queued", QUEUED) {
        past.accept(&text);
    }
    past.pass(29 * DAY);
    past.receive(named("past", PAST), false);
    past.pass(2 * DAY);
    past.receive(named("young", YOUNG), false);
    past.pass(HOUR);
    past.close();
    fs::copy(&made, path).unwrap();
}

/// An end.
#[derive(Clone, Debug)]
struct Point {
    number: u64,
    /// Operations that were done before it.
    done: usize,
    cut: Cut,
}

impl Point {
    /// One in four is a kill, which loses nothing that was written. Of the cuts every other one comes just before a sync.
    fn drawn(series: &Series, number: u64, steps: &[Step]) -> Self {
        let mut dice = series.dice(number);
        let anywhere = below(&mut dice, steps.len() + 1);
        let is_sync = |step: &Step| matches!(step.op, Op::Sync { .. });
        let done = match number % 2 {
            0 => anywhere,
            _ => steps[anywhere..].iter().position(is_sync).map_or(steps.len(), |further| anywhere + further),
        };
        let kill = Cut { octets: Share::All, names: Share::All, torn: false, seed: 0 };
        let cut = if number.is_multiple_of(4) { kill } else { Cut::drawn(&mut dice) };
        Self { number, done, cut }
    }
}

/// What is wrong, a line a point.
///
/// `half`: how many had some of what is old and not all.
fn work(series: &Series, start: &Image, steps: &[Step], points: &[Point], half: &AtomicU64) -> Vec<String> {
    let place = tempfile::tempdir_in(memory()).unwrap();
    let (mut disk, _) = Disk::holding(start);
    let (mut done, mut failures) = (0, Vec::new());
    for point in points {
        steps[done..point.done].iter().for_each(|step| disk.apply(&step.op));
        done = point.done;
        let faults = faults_after(place.path(), &disk.after(&point.cut), half);
        if !faults.is_empty() {
            let again = series.again(point.number, None);
            failures.push(format!("{again}\n    after {done}, {:?}: {}", point.cut, faults.join("; ")));
        }
    }
    failures
}

/// Starts on what is left, and goes on forgetting.
fn faults_after(place: &Path, image: &Image, half: &AtomicU64) -> Vec<String> {
    let state = place.join("state");
    let _ = fs::remove_dir_all(&state);
    fs::create_dir_all(&state).unwrap();
    for (path, content) in image {
        fs::write(place.join(path), content).unwrap();
    }
    let path = state.join("smsgate.db");
    let options = Options { mail: true, retention: DAY, queue_limit: 100_000 };
    let store = match Store::open(&path, options) {
        Ok(store) => store,
        Err(error) => return vec![format!("the store does not open: {error}")],
    };
    if store.damage().is_some() {
        return vec!["the store was damaged".to_owned()];
    }
    let connection = Connection::open(&path).unwrap();
    let old = texts(&connection, "SELECT text FROM message WHERE text LIKE 'old %'").len();
    half.fetch_add(u64::from(0 < old && old < OLD), Ordering::Relaxed);
    let mut faults = faults(&connection);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.retain()).unwrap();
    faults.extend(self::faults(&connection).into_iter().map(|fault| format!("once more forgotten: {fault}")));
    let left = texts(&connection, "SELECT id FROM message").len();
    faults.extend((left != WAITING + NEWEST).then(|| format!("{left} messages are left in the end")));
    let old = texts(&connection, "SELECT text FROM message WHERE text LIKE 'old %' OR text LIKE 'past %'").len();
    faults.extend((old > 0).then(|| format!("{old} texts are left in the end")));
    faults
}

/// Whatever has gone by now was old enough to go.
fn faults(store: &Connection) -> Vec<String> {
    let count = |query: &str| texts(store, query).len();
    let of = |kind: &str| {
        format!("SELECT text FROM message WHERE text LIKE '{kind} %' AND length(text) = {}", kind.len() + 141)
    };
    let newest = format!("SELECT id FROM message WHERE sequence > (SELECT max(sequence) FROM message) - {NEWEST}");
    let since = format!("SELECT id FROM message WHERE sequence > {}", WAITING + OLD);
    let delivered = "SELECT o.id FROM outbox AS o JOIN outbox_segment AS s ON s.message = o.sequence
         WHERE o.state = 'delivered' AND s.state = 'delivered' AND s.submissions = 1 AND o.parts = 2";
    let queued = "SELECT id FROM outbox WHERE text LIKE 'queued %'";
    let rows = [
        ("texts that wait to be mailed", count(&of("waiting")), WAITING),
        ("mails that wait", count("SELECT 'x' FROM spool"), WAITING),
        ("young texts", count(&of("young")), YOUNG),
        ("rows of less than a month ago", count(&since), PAST + YOUNG),
        ("of the newest", count(&newest), NEWEST),
        ("parts delivered", count(delivered), 2 * DELIVERED),
        ("queued", count(queued), QUEUED),
    ];
    let mut faults: Vec<String> = rows
        .iter()
        .filter(|(_, there, wanted)| there != wanted)
        .map(|(what, there, wanted)| format!("{what}: {there}, not {wanted}"))
        .collect();
    let young = count("SELECT pdu FROM segment WHERE pdu <> ''");
    faults.extend((young < YOUNG).then(|| format!("{young} PDUs are left")));
    let half = count("SELECT id FROM message WHERE (text = '') <> (blanked = 1)");
    faults.extend((half > 0).then(|| format!("{half} messages are half forgotten")));
    let loose = count("SELECT \"table\" FROM pragma_foreign_key_check");
    faults.extend((loose > 0).then(|| format!("{loose} rows belong to none")));
    faults
}

/// How long the log ever was, as a program that goes on sees it.
fn longest_log(start: &Image, steps: &[Step]) -> u64 {
    let (_, names) = Disk::holding(start);
    let is_log = |path: &str| path.ends_with("-wal");
    let mut logs: Vec<(Node, u64)> =
        names.iter().filter(|(path, _)| is_log(path)).map(|(_, node)| (*node, 0)).collect();
    let mut longest = 0;
    for step in steps {
        if let Op::Create { path, node } = &step.op
            && is_log(path)
        {
            logs.push((*node, 0));
        }
        for (log, length) in &mut logs {
            if let Op::Write { node, at, octets } = &step.op
                && node == log
            {
                *length = (*length).max(at + octets.len() as u64);
            } else if let Op::Resize { node, length: cut } = &step.op
                && node == log
            {
                *length = *cut;
            }
            longest = longest.max(*length);
        }
    }
    longest
}
