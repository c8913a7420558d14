//! Rig C: the power goes at any point of a recording, with any share of what was not synced.

use std::{fs, path::Path, thread, time::Duration};

use rusqlite::Connection;
use smsgate::{
    emulator::Dice,
    store::{Options, Store},
};

use super::{
    audit,
    boot::Ground,
    disk::{Cut, Disk, Image, Op},
    recording::Recording,
    series::Series,
    witness::Account,
};

/// Points without a word from outside; a tenth of what a release is measured by.
const POINTS: u64 = 1000;
/// Points of one recording.
const POINTS_EACH: u64 = 2500;
const WORKERS: usize = 2;
/// Longest time, in microseconds, from a new hint file in its place to it being there for ever.
const SETTLED: u64 = 1_000_000;
/// Of so many points one starts the real daemon too.
const BOOTS: u64 = 20;

#[test]
fn whatever_was_promised_is_kept_over_any_power_cut() {
    let series = Series::new('C', POINTS);
    let mut failures = Vec::new();
    let recordings = series.points.div_ceil(POINTS_EACH);
    for number in 0..recordings {
        let range = number * POINTS_EACH..((number + 1) * POINTS_EACH).min(series.points);
        let points: Vec<u64> = match series.only {
            Some(point) => vec![point],
            None => range.collect(),
        };
        let recording = match &series.recording {
            Some(folder) => Recording::load(folder),
            None => Recording::make(&series.folder(number), series.seed.wrapping_add(number)),
        };
        let failed = cut_at(&series, &recording, &points);
        if failed.is_empty() && series.recording.is_none() {
            fs::remove_dir_all(&recording.folder).unwrap();
        }
        failures.extend(failed);
        if series.only.is_some() {
            break;
        }
    }
    let shown = failures.len().min(20);
    assert!(failures.is_empty(), "{} points failed\n{}", failures.len(), failures[..shown].join("\n"));
}

/// One power cut.
struct Point {
    number: u64,
    /// Operations that were done before it.
    done: usize,
    cut: Cut,
}

impl Point {
    /// A third anywhere; a third where something other than the database changes, which is seldom; a third just after
    /// somebody outside came to rely on something.
    fn drawn(number: u64, dice: &mut Dice, recording: &Recording, account: &Account) -> Self {
        let anywhere = |dice: &mut Dice| below(dice, recording.steps.len() + 1);
        let done = match dice.below(3) {
            0 => anywhere(dice),
            1 => {
                let seldom: Vec<usize> =
                    (0..recording.steps.len()).filter(|at| is_seldom(&recording.steps[*at].op)).collect();
                seldom[below(dice, seldom.len())] + 1
            }
            _ => {
                let moment = *account.moments.iter().nth(below(dice, account.moments.len())).unwrap();
                recording.steps.iter().position(|step| step.begun > moment).unwrap_or(recording.steps.len())
            }
        };
        Self { number, done, cut: Cut::drawn(dice) }
    }
}

pub fn below(dice: &mut Dice, bound: usize) -> usize {
    usize::try_from(dice.below(bound as u64)).unwrap()
}

fn is_seldom(op: &Op) -> bool {
    matches!(op, Op::Create { .. } | Op::Resize { .. } | Op::SyncFolder { .. } | Op::Rename { .. } | Op::Remove { .. })
}

/// What is wrong, a line a point.
fn cut_at(series: &Series, recording: &Recording, points: &[u64]) -> Vec<String> {
    let began = std::time::Instant::now();
    let account = recording.witness.account();
    let draw = |number: &u64| Point::drawn(*number, &mut series.dice(*number), recording, &account);
    let mut points: Vec<Point> = points.iter().map(draw).collect();
    points.sort_by_key(|point| point.done);
    let folder = recording.folder.display().to_string();
    let share = points.len().div_ceil(WORKERS).max(1);
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = points
            .chunks(share)
            .map(|points| scope.spawn(|| work(series, recording, &account, points, &folder)))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    eprintln!(
        "{} operations, {} events; {} points in {:.1?}, {} failed",
        recording.steps.len(),
        recording.witness.events.len(),
        points.len(),
        began.elapsed(),
        failures.len()
    );
    failures
}

fn work(series: &Series, recording: &Recording, account: &Account, points: &[Point], folder: &str) -> Vec<String> {
    let place = tempfile::tempdir_in(memory()).unwrap();
    let (mut disk, mut done, mut hints) = (Disk::default(), 0, Hints::default());
    let mut failures = Vec::new();
    let mut ground = None;
    for point in points {
        for step in &recording.steps[done..point.done] {
            disk.apply(&step.op);
            hints.look(&disk, step.begun);
        }
        done = point.done;
        let image = disk.after(&point.cut);
        let mut faults = hints.faults(&image, recording.moment(done));
        faults.extend(store_faults(place.path(), &image, account, recording.moment(done)));
        if point.number % BOOTS == 0 || points.len() == 1 {
            let ground = ground.get_or_insert_with(Ground::new);
            faults.extend(ground.boot(&image, account, recording.moment(done)));
        }
        if !faults.is_empty() {
            let last = recording.steps[..done].last().map(|step| brief(&step.op)).unwrap_or_default();
            let shown = faults[..faults.len().min(3)].join("; ");
            let again = series.again(point.number, Some(folder));
            failures.push(format!(
                "{again}\n    after {done} ({last}), {:?}: {} faults: {shown}",
                point.cut,
                faults.len()
            ));
        }
    }
    failures
}

/// A folder in memory, if the system has one: nothing here needs a disk.
pub fn memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

/// Opens the store that the cut left, as a starting daemon does, and holds it against what was seen.
pub fn store_faults(place: &Path, image: &Image, account: &Account, at: u64) -> Vec<String> {
    let state = place.join("state");
    let _ = fs::remove_dir_all(&state);
    fs::create_dir_all(&state).unwrap();
    for (path, content) in image {
        fs::write(place.join(path), content).unwrap();
    }
    let path = state.join("smsgate.db");
    let options = Options { mail: true, retention: Duration::from_secs(86_400), queue_limit: 100_000 };
    let store = match Store::open(&path, options) {
        Ok(store) => store,
        Err(error) => return vec![format!("the store does not open: {error}")],
    };
    if store.damage().is_some() {
        return vec!["the store was damaged".to_owned()];
    }
    drop(store);
    audit::faults(&Connection::open(&path).unwrap(), account, at)
}

/// What the hint file has held: how many lines since when.
#[derive(Default)]
struct Hints(Vec<(u64, usize)>);

impl Hints {
    fn look(&mut self, disk: &Disk, at: u64) {
        let count = disk.visible("hints").map_or(0, |content| lines(&content));
        if self.0.last().is_none_or(|(_, last)| *last < count) {
            self.0.push((at, count));
        }
    }

    /// The file is whole, and has whatever was in it for a while: the daemon believed it saved and went on.
    fn faults(&self, image: &Image, at: u64) -> Vec<String> {
        let settled = self.0.iter().filter(|(since, _)| since + SETTLED < at);
        let known = settled.map(|(_, count)| *count).max().unwrap_or_default();
        let content = image.get("hints").map(Vec::as_slice).unwrap_or_default();
        let whole = content.is_empty() || content.ends_with(b"\n");
        let sound =
            whole && std::str::from_utf8(content).is_ok_and(|text| text.lines().all(|line| line.contains(" /")));
        let mut faults = Vec::new();
        if !sound {
            faults.push(format!("the hint file is torn: {:?}", String::from_utf8_lossy(content)));
        }
        if lines(content) < known {
            faults.push(format!("the hint file has forgotten modems: {} of {known} are left", lines(content)));
        }
        faults
    }
}

fn lines(content: &[u8]) -> usize {
    content.iter().filter(|octet| **octet == b'\n').count()
}

fn brief(op: &Op) -> String {
    if let Op::Write { node, at, octets } = op {
        return format!("write of {} octets at {at} of file {node}", octets.len());
    }
    format!("{op:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found two seconds after two versions were written in this way, at some cut.
    fn found(version: impl Fn(usize, &[u8]) -> Vec<Op>) -> bool {
        let lines: [&[u8]; 2] = [b"490154203230001 /dev/a\n", b"490154203230001 /dev/a\n490154203230002 /dev/b\n"];
        let (mut disk, mut hints) = (Disk::default(), Hints::default());
        for (at, content) in (0_u64..).zip(lines) {
            for op in version(usize::try_from(at).unwrap() + 1, content) {
                disk.apply(&op);
                hints.look(&disk, at * 100);
            }
        }
        (0..100).any(|seed| {
            let image = disk.after(&Cut::drawn(&mut Dice::new(seed)));
            !hints.faults(&image, 2 * SETTLED).is_empty()
        })
    }

    fn create(path: &str, node: usize) -> Op {
        Op::Create { path: path.to_owned(), node }
    }

    fn write(node: usize, content: &[u8]) -> Op {
        Op::Write { node, at: 0, octets: content.into() }
    }

    fn renamed() -> [Op; 2] {
        let rename = Op::Rename { from: "hints.new".to_owned(), to: "hints".to_owned() };
        [rename, Op::SyncFolder { path: String::new() }]
    }

    #[test]
    fn a_hint_file_that_is_not_replaced_as_a_whole_is_noticed() {
        let replaced = |node: usize, content: &[u8]| {
            let new = [create("hints.new", node), write(node, content), Op::Sync { node }];
            new.into_iter().chain(renamed()).collect()
        };
        let not_synced = |node: usize, content: &[u8]| {
            let new = [create("hints.new", node), write(node, content)];
            new.into_iter().chain(renamed()).collect()
        };
        let in_place = |version: usize, content: &[u8]| {
            let begin = if version == 1 { create("hints", 1) } else { Op::Resize { node: 1, length: 0 } };
            vec![begin, write(1, content)]
        };
        let no_folder = |node: usize, content: &[u8]| {
            let [rename, _] = renamed();
            vec![create("hints.new", node), write(node, content), Op::Sync { node }, rename]
        };
        assert!(!found(replaced));
        assert!(found(not_synced) && found(in_place) && found(no_folder));
    }
}
