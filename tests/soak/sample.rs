//! What the daemon holds at a moment, taken every ten seconds and written down at once: what is there is there even if
//! the run is broken off.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use super::rig::{Api, Rig, TOKEN, holdings};

/// What is the case while a sample is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Everything is up and nobody has written yet.
    Before,
    Traffic,
    /// Nobody writes any more.
    After,
}

/// A moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub phase: Phase,
    /// Since the first sample.
    pub seconds: f64,
    pub resident_kib: u64,
    pub proportional_kib: u64,
    pub descriptors: usize,
    pub threads: usize,
    pub database: u64,
    pub wal: u64,
    /// Seconds of a processor since the start.
    pub processor: f64,
    /// Octets written to the disk since the start.
    pub written: u64,
    /// Texts so far.
    pub received: usize,
    pub sent: usize,
    /// How long a `get_health_state` took with a connection of its own; none if it was not answered.
    pub call_ms: Option<f64>,
}

/// One of a sample's figures.
pub type Figure = fn(&Sample) -> f64;

const COLUMNS: &str = "phase,seconds,rss_kib,pss_kib,descriptors,threads,database_bytes,wal_bytes,cpu_seconds,\
                       written_bytes,received,sent,health_call_ms";

impl Sample {
    fn row(&self) -> String {
        let mut row = String::new();
        let _ = write!(
            row,
            "{:?},{:.1},{},{},{},{},{},{},{:.2},{},{},{},",
            self.phase,
            self.seconds,
            self.resident_kib,
            self.proportional_kib,
            self.descriptors,
            self.threads,
            self.database,
            self.wal,
            self.processor,
            self.written,
            self.received,
            self.sent,
        );
        if let Some(call) = self.call_ms {
            let _ = write!(row, "{call:.1}");
        }
        row
    }
}

/// Takes samples of one daemon.
pub struct Recorder {
    pid: u32,
    database: PathBuf,
    api: Api,
    began: Instant,
    file: File,
    pub samples: Vec<Sample>,
}

impl Recorder {
    pub fn start(rig: &Rig, csv: &Path) -> Self {
        let mut file = File::create(csv).unwrap();
        writeln!(file, "{COLUMNS}").unwrap();
        let api = Api::new(&rig.site, TOKEN);
        let (pid, database) = (rig.pid(), rig.site.store());
        Self { pid, database, api, began: Instant::now(), file, samples: Vec::new() }
    }

    /// One more, with so many texts so far. Whether there is still a daemon.
    pub fn take(&mut self, phase: Phase, (received, sent): (usize, usize)) -> bool {
        // Gone, if it cannot be read; a process of which nobody has taken the exit code yet has no memory.
        let (Some(proportional_kib), Some(written), Some(processor)) =
            (holdings::proportional(self.pid), holdings::written(self.pid), holdings::processor_time(self.pid))
        else {
            return false;
        };
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        // Before the call, which holds a descriptor itself.
        let mut sample = Sample {
            phase,
            seconds: self.began.elapsed().as_secs_f64(),
            resident_kib: holdings::resident(self.pid),
            proportional_kib,
            descriptors: holdings::descriptors(self.pid),
            threads: holdings::threads(self.pid),
            database: size(&self.database),
            wal: size(&self.database.with_extension("db-wal")),
            processor,
            written,
            received,
            sent,
            call_ms: None,
        };
        let asked = Instant::now();
        sample.call_ms = self.api.ping().ok().map(|()| asked.elapsed().as_secs_f64() * 1e3);
        writeln!(self.file, "{}", sample.row()).unwrap();
        self.samples.push(sample);
        true
    }
}
