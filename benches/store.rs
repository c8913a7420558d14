//! What it takes to have a received segment on disk: one at a time, and many that share a commit; beside it what the disk
//! takes for a bare append of the same run.
//!
//! In a folder below `target`, so on the disk that the checkout is on. `cargo bench --bench store`; the figures are kept
//! in `target/criterion`.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "a plain program")]

use std::{cell::Cell, fs, io::Write as _, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use smsgate::{
    model::SlotId,
    store::{Committed, NewSegment, Options, SegmentContent, SegmentKey, Store},
};
use tokio::{runtime::Runtime, task::JoinSet};

/// Segments under way at once: a pool of 64 modems at its busiest.
const GROUP: usize = 64;
/// What a commit appends to the write-ahead log at least: a few pages.
const APPENDED: usize = 16 * 1024;

criterion_group! {
    name = store;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5));
    targets = commits
}
criterion_main!(store);

fn commits(criterion: &mut Criterion) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("durable");
    group.throughput(Throughput::Elements(1));
    append(&mut group, folder.path());
    for (name, mail) in [("one segment", false), ("one segment, with its mail", true)] {
        let desk = Desk::open(folder.path(), name, mail);
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(desk.one())));
        runtime.block_on(desk.store.close());
    }
    group.throughput(Throughput::Elements(GROUP as u64));
    let desk = Desk::open(folder.path(), "grouped", true);
    group.bench_function("64 segments at once, with their mails", |bencher| bencher.iter(|| desk.group(&runtime)));
    runtime.block_on(desk.store.close());
}

/// The baseline: what no store that keeps its word can be faster than.
fn append(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, folder: &Path) {
    let mut file = fs::File::options().create(true).append(true).open(folder.join("appended")).unwrap();
    group.bench_function("16 KiB appended and synced", |bencher| {
        bencher.iter(|| {
            file.write_all(&[0x5a; APPENDED]).unwrap();
            file.sync_data().unwrap();
        });
    });
}

/// A store, and the number of the segment that comes next.
struct Desk {
    store: Store,
    next: Cell<u32>,
}

impl Desk {
    fn open(folder: &Path, name: &str, mail: bool) -> Self {
        let options = Options { mail, retention: Duration::from_secs(86_400), queue_limit: 10_000 };
        let store = Store::open(&folder.join(name).join("smsgate.db"), options).unwrap();
        Self { store, next: Cell::new(0) }
    }

    async fn one(&self) {
        commit(self.store.clone(), self.segment()).await;
    }

    fn group(&self, runtime: &Runtime) {
        runtime.block_on(async {
            let mut commits = JoinSet::new();
            for _ in 0..GROUP {
                commits.spawn(commit(self.store.clone(), self.segment()));
            }
            commits.join_all().await
        });
    }

    /// Another message each time, on the SIMs in turn.
    fn segment(&self) -> NewSegment {
        let serial = self.next.replace(self.next.get() + 1);
        let (sim, index) = (serial as usize % GROUP, u16::try_from(serial / 64 % 20).unwrap());
        let (text, hex) = ("Your code is 123456. It ends in five minutes.", "5A".repeat(60));
        NewSegment {
            key: SegmentKey {
                slot: SlotId::new(&format!("{sim:02}")),
                sim: format!("8949020000000000{sim:03}"),
                memory: "SM".to_owned(),
                index: Some(index),
                pdu: format!("{hex}{serial:08X}"),
            },
            recipient: format!("+491700000{sim:03}"),
            sender: format!("+49151{serial:08}"),
            network: "Vodafone.de".to_owned(),
            sent_at: Some(Timestamp::now()),
            sent_offset: 3600,
            received_at: Timestamp::now(),
            flash: false,
            content: SegmentContent::Whole { text: text.to_owned() },
        }
    }
}

async fn commit(store: Store, segment: NewSegment) {
    let committed = store.commit_segment(segment, |_, _| String::new()).await.unwrap();
    assert!(matches!(committed, Committed::Stored { message: Some(_) }), "{committed:?}");
}
