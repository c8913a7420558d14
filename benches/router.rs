//! How long it takes to choose one SIM of 64.
//!
//! `cargo bench --bench router`; the figures are kept in `target/criterion`.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, reason = "a plain program")]

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smsgate::{
    model::{HealthLevel, Prefix, Recipient, SlotId},
    router::{LeastCost, RoutingModel as _, Sim},
};

const SIMS: usize = 64;
/// Prefixes of each SIM where they are many.
const PREFIXES: usize = 40;

criterion_group! {
    name = router;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = choose
}
criterion_main!(router);

fn choose(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router, 64 SIMs");
    group.throughput(Throughput::Elements(SIMS as u64));
    let everywhere = sims(|_| vec![prefix("+")]);
    let plans = sims(|sim| (0..PREFIXES).map(|country| prefix(&format!("+{}", 100 + sim + country))).collect());
    let recipient = Recipient::parse("+14015112345678", false).unwrap();
    for (name, sims) in [("one prefix each", &everywhere), ("40 prefixes each", &plans)] {
        assert!(LeastCost.choose(sims, &recipient, "").is_ok(), "{name}");
        group.bench_function(name, |bencher| bencher.iter(|| LeastCost.choose(black_box(sims), &recipient, "")));
    }
    let sender = &everywhere.last().unwrap().number;
    group.bench_function("the last one is the sender", |bencher| {
        bencher.iter(|| LeastCost.choose(black_box(&everywhere), &recipient, sender));
    });
    let nowhere = Recipient::parse("+99915112345678", false).unwrap();
    assert!(LeastCost.choose(&plans, &nowhere, "").is_err());
    group.bench_function("no route", |bencher| bencher.iter(|| LeastCost.choose(black_box(&plans), &nowhere, "")));
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

/// All healthy, with prices and loads that make each of them compare.
fn sims(prefixes: impl Fn(usize) -> Vec<Prefix>) -> Vec<Sim> {
    let sim = |sim: usize| Sim {
        slot: SlotId::new(&format!("{sim:02}")),
        number: format!("+491700000{sim:03}"),
        prefixes: prefixes(sim),
        denied: vec![prefix("+900")],
        cost_micros: 90_000 - (sim as i64 % 4) * 10_000,
        health: HealthLevel::Ok,
        ready: true,
        waiting: sim as u64 % 3,
        has_room: true,
        sent_today: sim as u64 * 7 % 11,
    };
    (0..SIMS).map(sim).collect()
}
