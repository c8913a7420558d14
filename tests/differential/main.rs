//! S5: two thousand generated calls, answered as the old gateway answered them, or otherwise by a ruling that is listed.
//!
//! `tests/golden/upstream_calls.txt` has what Pentagrid's SMSgate said to each of them, facts of one run of its own code. The
//! calls come from a seed ([`calls`]); a digest of each ties what was said to it, so that no change of the generator goes
//! unseen. `SMSGATE_DIFFERENTIAL_CALLS` names a file to write the documents to, a JSON string a line, for whoever records
//! them anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail, its helpers too"
)]
#![allow(clippy::print_stderr, reason = "the figures are worth knowing")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]

mod answers;
mod calls;
mod rulings;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeMap, fs, net::Ipv4Addr, sync::Arc, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::ServerName;
use smsgate::{
    rpc::{
        Limits,
        wire::{self, parse_response},
    },
    tls,
};
use support::Gateway;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::{
    answers::{Recorded, fault_line, value_line},
    calls::{Call, LAST_ID},
    rulings::{Answer, RULINGS},
};

const COUNT: usize = 2000;
const SEED: u64 = 5;
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/upstream_calls.txt");

#[tokio::test]
async fn s05_two_thousand_calls_are_answered_as_before_or_by_a_ruling() {
    let calls = calls::calls(COUNT, SEED);
    if let Some(path) = std::env::var_os("SMSGATE_DIFFERENTIAL_CALLS") {
        let line = |call: &Call| serde_json::to_string(&call.document()).unwrap() + "\n";
        fs::write(path, calls.iter().map(line).collect::<String>()).unwrap();
        return;
    }
    let recorded = Recorded::read(&fs::read_to_string(RECORD).unwrap());
    assert_eq!(recorded.answers.len(), COUNT, "calls in {RECORD}");
    for (number, (call, (recorded, _))) in calls.iter().zip(&recorded.answers).enumerate() {
        assert_eq!(*recorded, digest_of(call), "call {number} is not the one that was recorded: {call:?}");
    }

    let gateway = Gateway::start_with(Limits::default(), |api| api.repost_window = Duration::ZERO).await;
    gateway.receive("one").await;
    gateway.receive("two").await;
    let connector = TlsConnector::from(Arc::new(tls::client_config(Some(&gateway.ca)).unwrap()));
    // Several at once, since most of the time goes by with waiting for the one who checks tokens.
    let (one, other) = calls.split_at(COUNT / 2);
    let ((a, b), (c, d)) = (one.split_at(COUNT / 4), other.split_at(COUNT / 4));
    let play = |number, calls| play(&connector, &gateway, number, calls);
    let (a, b, c, d) = tokio::join!(play(1, a), play(2, b), play(3, c), play(4, d));
    let answers: Vec<Answer> = [a, b, c, d].into_iter().flatten().collect();

    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unlisted = Vec::new();
    let mut equal = 0;
    for ((call, answer), (_, theirs)) in calls.iter().zip(&answers).zip(&recorded.answers) {
        if answer.line == *theirs {
            equal += 1;
            continue;
        }
        match RULINGS.iter().find(|ruling| (ruling.settles)(call, theirs, answer)) {
            Some(ruling) => *used.entry(ruling.name).or_default() += 1,
            None => unlisted.push(format!("{call:?}\n  was: {theirs}\n  is:  {}", answer.line)),
        }
    }
    eprintln!("{equal} of {COUNT} answers are the same; by ruling: {used:#?}");
    assert!(unlisted.is_empty(), "{} differences no ruling lists:\n{}", unlisted.len(), unlisted.join("\n"));
    let manual = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).unwrap();
    for ruling in RULINGS {
        let row = format!("| {} |", ruling.name);
        assert!(manual.contains(&row), "docs/api.md has no row about {:?}", ruling.name);
        assert!(used.contains_key(ruling.name), "no call needs the ruling {:?} ({})", ruling.name, ruling.follows);
    }
}

fn digest_of(call: &Call) -> String {
    let sum = digest(&SHA256, call.document().as_bytes());
    sum.as_ref().iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}

/// Sends the calls one after the other, from another address before the one has to wait for its wrong tokens.
async fn play(connector: &TlsConnector, gateway: &Gateway, player: u8, calls: &[Call]) -> Vec<Answer> {
    const WRONG_TOKENS: usize = 4;
    let mut sources = (1..=u8::MAX).map(|peer| Ipv4Addr::new(127, 5, player, peer));
    let mut connection = connect(connector, gateway, sources.next().unwrap()).await;
    let (mut last_id, mut wrong, mut answers) = ("none".to_owned(), 0, Vec::new());
    for call in calls {
        if wrong == WRONG_TOKENS {
            (connection, wrong) = (connect(connector, gateway, sources.next().unwrap()).await, 0);
        }
        let body = post(&mut connection, &call.document().replace(LAST_ID, &last_id)).await;
        let answer = match parse_response(&body, wire::Limits::RESPONSE).unwrap() {
            Ok(value) => Answer { line: value_line(&value), value: Some(value) },
            Err(fault) => {
                wrong += usize::from(fault.code == 401);
                Answer { line: fault_line(&fault), value: None }
            }
        };
        if call.method == "send_sms" && answer.line == "id" {
            last_id = answer.value.as_ref().and_then(wire::Value::as_str).unwrap().to_owned();
        }
        answers.push(answer);
    }
    answers
}

async fn connect(connector: &TlsConnector, gateway: &Gateway, source: Ipv4Addr) -> TlsStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    let stream = socket.connect(gateway.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

/// The body of the answer to a document.
async fn post(connection: &mut TlsStream<TcpStream>, document: &str) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", document.len());
    connection.write_all((head + document).as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            assert!(head.starts_with("http/1.1 200 "), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return read.split_off(end + 4);
            }
        }
        assert!(connection.read_buf(&mut read).await.unwrap() > 0, "it hung up in the midst of {document}");
    }
}
