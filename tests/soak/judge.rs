//! Whether what the daemon holds has grown where it must not. Pure: samples in, faults out.

use super::sample::{Figure, Phase, Sample};

const MIB: f64 = 1024.0 * 1024.0;
/// How much more memory the last quarter may have than the second, beside a mebibyte.
const MEMORY: f64 = 1.08;
/// A checkpoint is due at 4 MiB; a transaction that has begun is still written, and a reader may hold it off a while.
const WAL: u64 = 6 * 1024 * 1024;
/// Octets of the database for a text: two or three PDUs, the text, its mail's state, and all indices.
const PER_TEXT: f64 = 3.0 * 1024.0;

/// The median of one figure.
pub fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// The samples of a quarter of the traffic, from 1.
pub fn quarter(samples: &[Sample], number: usize) -> &[Sample] {
    let traffic = traffic(samples);
    let edge = |quarter: usize| traffic.len() * quarter / 4;
    &traffic[edge(number - 1)..edge(number)]
}

/// Those while there was traffic.
pub fn traffic(samples: &[Sample]) -> &[Sample] {
    let first = samples.iter().position(|one| one.phase == Phase::Traffic).unwrap_or(samples.len());
    let last = samples.iter().rposition(|one| one.phase == Phase::Traffic).map_or(first, |last| last + 1);
    &samples[first..last]
}

/// Octets by which the database has grown for each text between the second quarter and the last; none without texts.
pub fn octets_per_text(samples: &[Sample]) -> Option<f64> {
    let between = |figure: Figure| {
        let of = |number| median(quarter(samples, number).iter().map(figure));
        Some(of(4)? - of(2)?)
    };
    let texts = between(|one| (one.received + one.sent) as f64)?;
    (texts > 0.0).then_some(between(|one| one.database as f64)? / texts)
}

/// The least of a figure in a phase: work that a clock started comes and goes at rest too.
pub fn least(samples: &[Sample], phase: Phase, figure: Figure) -> Option<f64> {
    samples.iter().filter(|one| one.phase == phase).map(figure).min_by(f64::total_cmp)
}

pub fn descriptors(sample: &Sample) -> f64 {
    sample.descriptors as f64
}

pub fn threads(sample: &Sample) -> f64 {
    sample.threads as f64
}

/// What has grown.
pub fn faults(samples: &[Sample]) -> Vec<String> {
    let mut faults = Vec::new();
    let memories: [(&str, Figure); 2] = [
        ("resident memory", |one| one.resident_kib as f64 * 1024.0),
        ("proportional memory", |one| one.proportional_kib as f64 * 1024.0),
    ];
    for (name, figure) in memories {
        let of = |number| median(quarter(samples, number).iter().map(figure));
        let (Some(early), Some(late)) = (of(2), of(4)) else {
            faults.push("too few samples".to_owned());
            return faults;
        };
        if late > early * MEMORY + MIB {
            faults.push(format!("{name}: from {:.1} to {:.1} MiB", early / MIB, late / MIB));
        }
    }
    for (name, figure) in [("descriptors", descriptors as Figure), ("threads", threads)] {
        match (least(samples, Phase::Before, figure), least(samples, Phase::After, figure)) {
            (Some(before), Some(after)) if after > before => {
                faults.push(format!("{name} at rest: {before} before, {after} after"));
            }
            (Some(_), Some(_)) => {}
            (_, _) => faults.push(format!("{name}: no sample at rest")),
        }
    }
    let wal = samples.iter().map(|one| one.wal).max().unwrap_or_default();
    if wal > WAL {
        faults.push(format!("the WAL had {:.1} MiB", wal as f64 / MIB));
    }
    match octets_per_text(samples) {
        Some(octets) if octets <= PER_TEXT => {}
        Some(octets) => faults.push(format!("the database grew by {octets:.0} octets for each text")),
        None => faults.push("no texts".to_owned()),
    }
    let unanswered = samples.iter().filter(|one| one.call_ms.is_none()).count();
    if unanswered > 0 {
        faults.push(format!("{unanswered} health calls were not answered"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run in which nothing grows but the database, by 2,000 octets a text.
    fn run() -> Vec<Sample> {
        let sample = |(number, phase): (usize, Phase)| Sample {
            phase,
            seconds: number as f64 * 10.0,
            resident_kib: 20_000 + (number as u64 * 37) % 200,
            proportional_kib: 18_000,
            descriptors: if phase == Phase::Traffic { 90 } else { 70 },
            threads: 8,
            database: 100_000 + number as u64 * 10_000,
            wal: 4_000_000,
            processor: number as f64,
            written: 0,
            received: number * 4,
            sent: number,
            call_ms: Some(10.0),
        };
        let phases = [(Phase::Before, 3), (Phase::Traffic, 100), (Phase::After, 5)];
        phases.into_iter().flat_map(|(phase, count)| vec![phase; count]).enumerate().map(sample).collect()
    }

    #[test]
    fn a_run_without_growth_has_no_faults() {
        assert_eq!(faults(&run()), Vec::<String>::new());
        assert_eq!(quarter(&run(), 4).len(), 25);
        assert_eq!(octets_per_text(&run()), Some(2000.0));
    }

    #[test]
    fn each_growth_is_a_fault_of_its_own() {
        type Change = fn(usize, &mut Sample);
        let changes: [(&str, Change); 7] = [
            ("resident memory", |number, one| one.resident_kib += number as u64 * 60),
            ("proportional memory", |number, one| one.proportional_kib += number as u64 * 60),
            ("descriptors at rest", |number, one| one.descriptors += number / 20),
            ("threads at rest", |number, one| one.threads += number / 20),
            ("the WAL", |number, one| one.wal += number as u64 * 40_000),
            ("the database", |number, one| one.database += number as u64 * 20_000),
            ("1 health calls", |number, one| one.call_ms = one.call_ms.filter(|_| number != 50)),
        ];
        for (expected, change) in changes {
            let mut samples = run();
            samples.iter_mut().enumerate().for_each(|(number, one)| change(number, one));
            let found = faults(&samples);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
        let mut samples = run();
        samples.iter_mut().for_each(|one| one.phase = Phase::Traffic);
        assert_eq!(faults(&samples), ["descriptors: no sample at rest", "threads: no sample at rest"]);
    }
}
