//! A recording: the daemon under strace with traffic both ways, over three lives, and what was seen from outside.
//!
//! Kept as strace wrote it, so that a point that failed can be looked at again. At the end of each life the model of the
//! disk must hold, octet for octet, what the real folder holds: nothing was missed.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    disk::{Disk, Image},
    rig::Rig,
    site::{self, Tracer, Traffic},
    strace::{CALLS, Reader, Step},
    witness::{Offset, Witness, now},
};

/// How long each of the two lives with traffic lasts.
const LIFE: Duration = Duration::from_secs(5);
/// From the end of the traffic to that of the life.
const REST: Duration = Duration::from_millis(1500);

/// What was recorded.
pub struct Recording {
    pub folder: PathBuf,
    pub steps: Vec<Step>,
    pub witness: Witness,
    /// When it was over.
    pub ended: u64,
}

#[derive(Deserialize, Serialize)]
struct Header {
    root: String,
    traces: Vec<String>,
    ended: u64,
    witness: Witness,
}

impl Recording {
    /// Makes one into a folder.
    pub fn make(folder: &Path, seed: u64) -> Self {
        let mut rig = site::prepare("");
        site::set_conditions(&rig);
        let root = fs::canonicalize(rig.folder()).unwrap();
        let mut reader = Reader::new(root.to_str().unwrap());
        let mut traces = Vec::new();
        let offset = Offset::measure(&rig.network);
        let traffic = Traffic::new(1);
        for life in 0..3 {
            let file = folder.join(format!("trace-{life}"));
            let calls = format!("trace={CALLS}");
            rig.under = site::strace(&file, &["--seccomp-bpf".to_owned(), "-e".to_owned(), calls]);
            rig.restart();
            let tracer = Tracer::of(rig.pid()).expect("strace traces");
            match life {
                0 => traffic.during(&mut rig, seed, |rig| {
                    thread::sleep(LIFE);
                    assert_eq!(rig.stop().0, Some(0));
                }),
                1 => {
                    traffic.during(&mut rig, seed ^ 1, |_| thread::sleep(LIFE));
                    thread::sleep(REST);
                    tracer.kill(&mut rig);
                }
                _ => {
                    thread::sleep(REST);
                    assert_eq!(rig.stop().0, Some(0));
                }
            }
            tracer.wait();
            reader.read(&fs::read_to_string(&file).unwrap());
            traces.push(file.file_name().unwrap().to_str().unwrap().to_owned());
            assert!(reader.strange.is_empty(), "{:#?}", reader.strange);
            assert_eq!(difference(&replayed(&reader.steps), &actual(&rig)), None, "the recording is not complete");
        }
        let mut witness = Witness { numbers: site::numbers(&rig), events: traffic.events.into_inner().unwrap() };
        witness.add_ledger(rig.network.ledger(), offset.or(Offset::measure(&rig.network)));
        witness.add_mails(&rig.mails());
        let header = Header { root: root.to_str().unwrap().to_owned(), traces, ended: now(), witness };
        fs::write(folder.join("recording.json"), serde_json::to_vec(&header).unwrap()).unwrap();
        Self { folder: folder.to_owned(), steps: reader.steps, witness: header.witness, ended: header.ended }
    }

    /// Reads one from a folder.
    pub fn load(folder: &Path) -> Self {
        let header: Header = serde_json::from_slice(&fs::read(folder.join("recording.json")).unwrap()).unwrap();
        let mut reader = Reader::new(&header.root);
        for trace in &header.traces {
            reader.read(&fs::read_to_string(folder.join(trace)).unwrap());
        }
        Self { folder: folder.to_owned(), steps: reader.steps, witness: header.witness, ended: header.ended }
    }

    /// When the operation of this number began; the end, for the one after the last.
    pub fn moment(&self, step: usize) -> u64 {
        self.steps.get(step).map_or(self.ended, |step| step.begun)
    }
}

fn replayed(steps: &[Step]) -> Image {
    let mut disk = Disk::default();
    steps.iter().for_each(|step| disk.apply(&step.op));
    disk.now()
}

/// The files that are really there.
pub fn actual(rig: &Rig) -> Image {
    let root = rig.folder();
    let state = fs::read_dir(root.join("state")).unwrap().map(|entry| entry.unwrap().path());
    let files = state.chain(["hints", "hints.new"].map(|name| root.join(name))).filter(|path| path.is_file());
    let files = files.filter(|path| !path.to_string_lossy().ends_with("-shm"));
    files
        .map(|path| (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// Where the model and the real folder differ.
pub fn difference(model: &Image, real: &Image) -> Option<String> {
    if !model.keys().eq(real.keys()) {
        return Some(format!("names {:?}, really {:?}", model.keys(), real.keys()));
    }
    let differs = |(path, content): (&String, &Vec<u8>)| {
        let at = model[path].iter().zip(content).position(|(one, other)| one != other);
        let lengths = (model[path].len(), content.len());
        (at.is_some() || lengths.0 != lengths.1).then(|| format!("{path} at {at:?}, lengths {lengths:?}"))
    };
    real.iter().find_map(differs)
}
