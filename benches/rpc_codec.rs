//! XML-RPC without its sockets: documents read and written, and what it costs to check a token.
//!
//! A check is measured from the one door it has, a call: `ping` needs no token, so the difference to it is the check.
//! `cargo bench --bench rpc_codec`; the figures are kept in `target/criterion`.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, reason = "a plain program")]
#![allow(clippy::panic, reason = "a plain program")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::{
    cell::Cell,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smsgate::rpc::{
    Caller, Connection, Limits as ServerLimits,
    wire::{Call, Fault, Limits, Value, parse_call, parse_response, write_call, write_fault, write_response},
};
use support::Gateway;
use tokio_util::sync::CancellationToken;

/// Opens get_health_state.
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

criterion_group! {
    name = rpc;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = parse, write, tokens
}
criterion_main!(rpc);

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("XML-RPC parse");
    for (name, call) in calls() {
        let document = write_call(&call);
        group.throughput(Throughput::Bytes(document.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| parse_call(black_box(document.as_bytes()), Limits::REQUEST).unwrap());
        });
    }
    let document = write_response(&inbox(100));
    group.throughput(Throughput::Bytes(document.len() as u64));
    group.bench_function("answer with 100 messages", |bencher| {
        bencher.iter(|| parse_response(black_box(document.as_bytes()), Limits::RESPONSE).unwrap());
    });
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("XML-RPC answer");
    for (name, value) in [("OK", Value::string("OK")), ("1 message", inbox(1)), ("100 messages", inbox(100))] {
        group.throughput(Throughput::Bytes(write_response(&value).len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| write_response(black_box(&value))));
    }
    let fault = Fault { code: 3, message: "no route: no prefix of any SIM begins this number".to_owned() };
    group.throughput(Throughput::Bytes(write_fault(&fault).len() as u64));
    group.bench_function("fault", |bencher| bencher.iter(|| write_fault(black_box(&fault))));
}

/// Each wrong token comes from another address: one that goes on failing is made to wait, and costs nothing.
fn tokens(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(Gateway::start_with(ServerLimits::default(), |api| {
        api.token_get_health_state = vec![hash(TOKEN)];
    }));
    let call = |peer: u32, method: &str, token: &str| {
        let (connection, _lifeline) = Connection::open(IpAddr::V4(Ipv4Addr::from_bits(peer)));
        let caller = Caller { connection, stopping: CancellationToken::new() };
        let params = if token.is_empty() { Vec::new() } else { vec![Value::string(token)] };
        runtime.block_on(gateway.methods.call(&caller, Call { method: method.to_owned(), params }))
    };
    let (home, stranger) = (0x7f00_0001, Cell::new(0x0a00_0000));
    let next = || stranger.replace(stranger.get() + 1);
    assert!(call(home, "ping", "").is_ok());
    assert!(call(home, "get_health_state", TOKEN).is_ok());
    assert!(call(next(), "get_health_state", "0123456789abcdef0123456789abcdee").is_err());

    let mut group = criterion.benchmark_group("call");
    group.throughput(Throughput::Elements(1));
    group.bench_function("ping: no token", |bencher| bencher.iter(|| call(home, "ping", "")));
    group.bench_function("get_health_state: hit", |bencher| bencher.iter(|| call(home, "get_health_state", TOKEN)));
    group.bench_function("get_health_state: miss", |bencher| {
        bencher.iter(|| call(next(), "get_health_state", "0123456789abcdef0123456789abcdee"));
    });
}

fn calls() -> Vec<(&'static str, Call)> {
    let call = |method: &str, params: &[&str]| {
        let params = params.iter().map(|text| Value::string(*text)).collect();
        Call { method: method.to_owned(), params }
    };
    let long = "Съешь же ещё этих мягких французских булок. ".repeat(20);
    vec![
        ("ping", call("ping", &[])),
        ("get_sms", call("get_sms", &[TOKEN, "+491700000000"])),
        ("send_sms, long", call("send_sms", &[TOKEN, "", "+4915112345678", &long])),
    ]
}

/// As `get_sms` answers, by its members.
fn inbox(messages: usize) -> Value {
    let message = |serial: usize| {
        let texts = [
            ("sms_id", format!("0198a3c4-5d6e-7f80-9123-{serial:012}")),
            ("recipient", "+491700000000".to_owned()),
            ("text", "Your code is 123456 & it <ends> in five minutes. ".repeat(3)),
            ("sender", "+4915112345678".to_owned()),
            ("receiving_modem", "00".to_owned()),
            ("receiving_network", "Vodafone.de".to_owned()),
            ("timestamp_text", "2026-02-03T05:05:06+01:00".to_owned()),
            ("created_timestamp_text", "2026-02-03T05:05:08+01:00".to_owned()),
        ];
        let mut members: Vec<(String, Value)> =
            texts.into_iter().map(|(name, text)| (name.to_owned(), Value::string(text))).collect();
        members.push(("flash".to_owned(), Value::Boolean(false)));
        members.push(("undecodable".to_owned(), Value::Boolean(false)));
        members.push(("parts_missing".to_owned(), Value::int(0)));
        for name in ["timestamp", "created_timestamp"] {
            members.push((name.to_owned(), Value::DateTime(jiff::civil::date(2026, 2, 3).at(4, 5, 6, 0))));
        }
        Value::Struct(members)
    };
    Value::Array((0..messages).map(message).collect())
}

/// As the configuration has a token that needs no stretching.
fn hash(token: &str) -> String {
    let digits: String =
        digest(&SHA256, token.as_bytes()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{digits}")
}
