//! What a run is asked to do: seed, number of points, or one point alone.

use std::{env, fs, path::PathBuf};

use smsgate::emulator::Dice;

/// A run of a rig.
#[derive(Debug)]
pub struct Series {
    rig: char,
    pub seed: u64,
    pub points: u64,
    /// This point alone.
    pub only: Option<u64>,
    /// A recording of an earlier run.
    pub recording: Option<PathBuf>,
}

impl Series {
    /// `points`: how many without a word from outside.
    pub fn new(rig: char, points: u64) -> Self {
        let millis = jiff::Timestamp::now().as_millisecond().unsigned_abs();
        let series = Self {
            rig,
            seed: setting("SMSGATE_FAULT_SEED").unwrap_or(millis % 1_000_000),
            points: setting("SMSGATE_FAULT_POINTS").unwrap_or(points),
            only: setting("SMSGATE_FAULT_POINT"),
            recording: env::var_os("SMSGATE_FAULT_RECORDING").filter(|path| !path.is_empty()).map(PathBuf::from),
        };
        eprintln!("rig {rig}: SEED={} POINTS={}", series.seed, series.points);
        series
    }

    /// The dice of a point: the same whatever was drawn before.
    pub fn dice(&self, point: u64) -> Dice {
        Dice::new(Dice::new(self.seed).roll() ^ point.wrapping_mul(0x9e37_79b9))
    }

    /// How to run a point again.
    pub fn again(&self, point: u64, recording: Option<&str>) -> String {
        let recording = recording.map(|path| format!(" RECORDING={path}")).unwrap_or_default();
        format!("make fault RIG={} SEED={} POINT={point}{recording}", self.rig, self.seed)
    }

    /// A folder for what is worth keeping if something fails.
    pub fn folder(&self, number: u64) -> PathBuf {
        let name = format!("target/fault/{}-{}-{number}", self.rig, self.seed);
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
