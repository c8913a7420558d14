//! What one peer may cost: slow and silent connections, too many of them, wrong tokens, and calls posted twice.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail, its helpers too"
)]

mod support;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::pki_types::ServerName;
use smsgate::{
    model::SendLimits,
    rpc::{
        Caller, Connection, Limits, Server,
        wire::{Call, Fault, Value, parse_response, write_call},
    },
    tls,
};
use support::{Gateway, run};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const SHORT: Duration = Duration::from_millis(400);
/// Far more than any of the limits of these tests, far less than any of the product's that must not be the cause.
const LONG: Duration = Duration::from_secs(4);

fn limits() -> Limits {
    Limits { handshake: SHORT, header: SHORT, body: SHORT, idle: SHORT, ..Limits::default() }
}

async fn connect(gateway: &Gateway) -> std::io::Result<TlsStream<TcpStream>> {
    connect_from(Ipv4Addr::LOCALHOST, gateway.address, &gateway.ca).await
}

async fn connect_from(source: Ipv4Addr, to: SocketAddr, ca: &Path) -> std::io::Result<TlsStream<TcpStream>> {
    let config = tls::client_config(Some(ca)).expect("a CA");
    let name = ServerName::try_from("localhost").expect("a name");
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    TlsConnector::from(Arc::new(config)).connect(name, socket.connect(to).await?).await
}

/// Calls get_stats and returns the fault's code, or 0.
async fn stats(stream: &mut TlsStream<TcpStream>, token: &str) -> i32 {
    let call = Call { method: "get_stats".into(), params: vec![Value::string(token)] };
    stream.write_all(request(&write_call(&call)).as_bytes()).await.unwrap();
    let (_, body) = answer(stream).await.unwrap();
    let answer = parse_response(&body, smsgate::rpc::wire::Limits::RESPONSE).unwrap();
    answer.err().map_or(0, |fault| fault.code)
}

fn request(call: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{call}", call.len())
}

fn ping() -> String {
    request(&write_call(&Call { method: "ping".into(), params: vec![] }))
}

/// One HTTP answer with its body.
async fn answer(stream: &mut TlsStream<TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if read.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return Ok((head.clone(), read[end + 4..].to_vec()));
            }
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// How long the peer takes to end the connection.
async fn ended(mut stream: impl AsyncReadExt + Unpin) -> Duration {
    let start = Instant::now();
    let mut rest = Vec::new();
    drop(tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await.expect("the server ends it"));
    start.elapsed()
}

async fn assert_alive(gateway: &Gateway) {
    let mut stream = connect(gateway).await.expect("a connection");
    stream.write_all(ping().as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.unwrap().0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn silent_peers_are_dropped() {
    let gateway = Gateway::start_with(limits(), |_| {}).await;
    let before_tls = TcpStream::connect(gateway.address).await.unwrap();
    let before_request = connect(&gateway).await.unwrap();
    let mut after_answer = connect(&gateway).await.unwrap();
    after_answer.write_all(ping().as_bytes()).await.unwrap();
    answer(&mut after_answer).await.unwrap();
    assert_alive(&gateway).await;
    tokio::join!(ended(before_tls), ended(before_request), ended(after_answer));
    assert_alive(&gateway).await;
}

#[tokio::test]
async fn a_header_that_trickles_is_cut() {
    let gateway = Gateway::start_with(limits(), |_| {}).await;
    let (mut reader, mut writer) = tokio::io::split(connect(&gateway).await.unwrap());
    let trickle = tokio::spawn(async move {
        for octet in b"POST / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a')) {
            if writer.write_all(&[*octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    ended(&mut reader).await;
    trickle.abort();
}

#[tokio::test]
async fn a_body_that_trickles_is_cut() {
    let gateway = Gateway::start_with(limits(), |_| {}).await;
    let mut stream = connect(&gateway).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n<").await.unwrap();
    let (head, _) = tokio::time::timeout(LONG, answer(&mut stream)).await.expect("an answer").unwrap();
    assert!(head.starts_with("http/1.1 408"), "{head}");
    ended(stream).await;
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_turn() {
    let gateway = Gateway::start().await;
    let mut stream = connect(&gateway).await.unwrap();
    for _ in 0..3 {
        stream.write_all(ping().as_bytes()).await.unwrap();
        assert!(answer(&mut stream).await.unwrap().0.starts_with("http/1.1 200"));
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_end_at_once() {
    let gateway = Gateway::start_with(Limits { connections: 3, ..Limits::default() }, |_| {}).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&gateway).await.unwrap());
    }
    assert!(connect(&gateway).await.is_err());
    drop(held.pop());
    let freed = async {
        while connect(&gateway).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, freed).await.expect("a place");
}

#[tokio::test]
async fn localhost_is_both_loopback_addresses() {
    let gateway = Gateway::start().await;
    let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let over_ipv6 = TcpStream::connect((Ipv6Addr::LOCALHOST, gateway.address.port())).await;
    assert!(gateway.address.is_ipv4());
    assert_eq!(over_ipv6.is_ok(), has_ipv6);
}

#[tokio::test]
async fn every_address_is_listened_on_if_so_configured() {
    let gateway = Gateway::start().await;
    let (tls, methods) = (gateway.reloader.subscribe(), gateway.methods.clone());
    let server = Server::bind("0.0.0.0", 0, tls, methods, Limits::default()).await.unwrap();
    // All of 127.0.0.0/8 is this machine, and only the first address of it is `localhost`.
    for last in [1, 2] {
        let address = (Ipv4Addr::new(127, 0, 0, last), server.local_addr().port());
        assert!(TcpStream::connect(address).await.is_ok(), "{address:?}");
    }
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), gateway.address.port())).await.is_err());
}

#[tokio::test]
async fn plain_http_is_no_way_in() {
    let gateway = Gateway::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(ping().as_bytes()).await.unwrap();
    let mut read = Vec::new();
    drop(stream.read_to_end(&mut read).await);
    assert!(!read.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&read));
}

#[tokio::test]
async fn wrong_tokens_make_their_sender_wait() {
    let gateway = Gateway::start().await;
    let mut stream = connect(&gateway).await.unwrap();
    let mut codes = Vec::new();
    for token in ["tok-stats", "a", "b", "c", "", &"d".repeat(73), "e", "tok-stats"] {
        codes.push(stats(&mut stream, token).await);
    }
    assert_eq!(codes, [0, 401, 401, 401, 401, 401, 429, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_wrong_tokens_locks_out_nobody_else() {
    let gateway = Gateway::start_with(Limits::default(), |api| {
        api.token_get_stats = vec![bcrypt::hash("tok-stats", 10).unwrap(), bcrypt::hash("tok-other", 10).unwrap()];
    })
    .await;
    let mut known = connect(&gateway).await.unwrap();
    assert_eq!(stats(&mut known, "tok-stats").await, 0);
    let (address, ca) = (gateway.address, gateway.ca.clone());
    let mut flood = JoinSet::new();
    for host in 2..10_u8 {
        let ca = ca.clone();
        flood.spawn(async move {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, host), address, &ca).await.unwrap();
            let mut codes = BTreeSet::new();
            for number in 0..100 {
                codes.insert(stats(&mut stream, &format!("wrong-{host}-{number}")).await);
            }
            codes
        });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let start = Instant::now();
        assert_eq!(stats(&mut known, "tok-stats").await, 0);
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "a known token waited {slowest:?}");
    let mut clean = connect_from(Ipv4Addr::new(127, 0, 1, 1), address, &ca).await.unwrap();
    let first_time = async {
        while stats(&mut clean, "tok-other").await == 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, first_time).await.expect("a good token from a clean address gets through");
    for codes in flood.join_all().await {
        assert!(codes.contains(&429) && !codes.contains(&0), "{codes:?}");
    }
}

fn send(text: &str) -> Call {
    let params = ["tok-send", "", "+491701234567", text].map(Value::string);
    Call { method: "send_sms".into(), params: params.into() }
}

#[tokio::test]
async fn a_call_is_a_repost_only_if_the_first_connection_is_gone() {
    let gateway = Gateway::start().await;
    let open = || {
        let (connection, lifeline) = Connection::open(Ipv4Addr::LOCALHOST.into());
        (Caller { connection, stopping: gateway.stop.clone() }, lifeline)
    };
    let (one, one_lives) = open();
    let (two, _two_lives) = open();
    let first = gateway.methods.call(&one, send("a")).await.unwrap();
    let second = gateway.methods.call(&one, send("a")).await.unwrap();
    let third = gateway.methods.call(&two, send("a")).await.unwrap();
    let lost = gateway.methods.call(&one, send("b")).await.unwrap();
    drop(one_lives);
    let again = gateway.methods.call(&two, send("b")).await.unwrap();
    let once_more = gateway.methods.call(&two, send("b")).await.unwrap();
    assert_eq!(lost, again);
    assert_eq!(gateway.store.outbox_waiting().await.unwrap(), 5);
    let distinct = [&first, &second, &third, &lost, &once_more]
        .iter()
        .map(|id| format!("{id:?}"))
        .collect::<std::collections::HashSet<_>>();
    assert_eq!(distinct.len(), 5);
}

#[tokio::test]
async fn a_full_queue_gives_no_id() {
    let gateway = Gateway::start_with_queue(2).await;
    let (connection, _lives) = Connection::open(Ipv4Addr::LOCALHOST.into());
    let caller = Caller { connection, stopping: gateway.stop.clone() };
    for text in ["a", "b"] {
        assert!(gateway.methods.call(&caller, send(text)).await.is_ok());
    }
    let full = Fault { code: 503, message: "The queue is full: 2 messages are waiting.".into() };
    assert_eq!(gateway.methods.call(&caller, send("c")).await, Err(full));
    let long = Fault { code: 400, message: "The message is too long: it would need more than 255 parts.".into() };
    assert_eq!(gateway.methods.call(&caller, send(&"x".repeat(20_000))).await, Err(long));
}

#[tokio::test]
async fn a_token_at_its_limit_hears_which_it_is_and_when_to_come_again() {
    let gateway = Gateway::start_with(Limits::default(), |api| {
        api.token_send_sms.push(bcrypt::hash("tok-other", 4).unwrap());
        api.token_limits = SendLimits { parts_per_minute: Some(3), parts_per_day: None, micros_per_day: None };
    })
    .await;
    let (connection, _lives) = Connection::open(Ipv4Addr::LOCALHOST.into());
    let caller = Caller { connection, stopping: gateway.stop.clone() };
    let long = Fault {
        code: 400,
        message: "The message is too long: it would need 4 parts, more than this token may send.".into(),
    };
    assert_eq!(gateway.methods.call(&caller, send(&"x".repeat(260))).await, Err(long));
    assert!(gateway.methods.call(&caller, send(&"x".repeat(100))).await.is_ok(), "two parts");
    let refused = gateway.methods.call(&caller, send(&"y".repeat(100))).await.unwrap_err();
    assert_eq!(refused.code, 429);
    let rest = refused.message.strip_prefix("This token has reached its limit of 3 parts per minute. Try again in ");
    let seconds: u32 = rest.and_then(|rest| rest.strip_suffix(" s.")).unwrap().parse().unwrap();
    assert!((55..=65).contains(&seconds), "{seconds}");
    assert!(gateway.methods.call(&caller, send("z")).await.is_ok(), "there is room for one part");
    assert_eq!(gateway.methods.call(&caller, send("z")).await.unwrap_err().code, 429);
    let mut other = send("from another token");
    other.params[0] = Value::string("tok-other");
    assert!(gateway.methods.call(&caller, other).await.is_ok());
    assert_eq!(gateway.store.outbox_waiting().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pythons_own_repost_sends_once() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client("python3");
    client.arg("repost.py");
    run(client, "python3").await;
    assert_eq!(gateway.store.outbox_waiting().await.unwrap(), 50);
}
