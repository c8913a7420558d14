//! A client with a good token that asks all the time while something else goes on, and how long it waits.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, time::sleep};

use super::{
    figures::Times,
    peer::{Peer, Target, answer, request},
    rig::TOKEN,
};

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 15, 1);
/// Between two calls of `ping`.
const PAUSE: Duration = Duration::from_millis(20);

/// What it met.
#[derive(Debug, Default)]
pub struct Heard {
    pub pings: Times,
    /// `get_sms` for one number.
    pub readings: Times,
    /// Octets of the longest answer.
    pub longest: usize,
}

/// Calls `ping` again and again and `get_sms` now and then, over one connection.
pub fn call(target: &Target, number: &str, between_readings: Duration, mut over: impl FnMut() -> bool) -> Heard {
    let mut heard = Heard::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut peer = target.peer(SOURCE).await.unwrap();
        // The first call has its token checked.
        answered(&mut peer, "get_sms", &[TOKEN, number]).await;
        let mut next_reading = Instant::now();
        while !over() {
            heard.pings.push(answered(&mut peer, "ping", &[]).await.0);
            if Instant::now() >= next_reading {
                let (took, octets) = answered(&mut peer, "get_sms", &[TOKEN, number]).await;
                heard.readings.push(took);
                heard.longest = heard.longest.max(octets);
                next_reading = Instant::now() + between_readings;
            }
            sleep(PAUSE).await;
        }
    });
    heard
}

/// Until the last octet is here, which is not read any further: it is the daemon that is timed. And how many they are.
async fn answered(peer: &mut Peer, method: &str, arguments: &[&str]) -> (Duration, usize) {
    let began = Instant::now();
    peer.stream.write_all(request(method, arguments).as_bytes()).await.unwrap();
    let (head, body) = answer(&mut peer.stream).await.unwrap();
    let took = began.elapsed();
    let beginning = String::from_utf8_lossy(&body[..body.len().min(300)]);
    assert!(head.starts_with("http/1.1 200") && !beginning.contains("<fault>"), "{method}: {head} {beginning}");
    (took, body.len())
}
