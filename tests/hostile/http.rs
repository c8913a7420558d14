//! S6: HTTP that smuggles, stacks, chops and lies about lengths. Each attack has one answer or none, the connection ends
//! where what follows cannot be trusted, and no octet of an attack is taken for a call.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    peer::{Target, post, request},
    rig::{Rig, TOKEN},
};

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 6, 1);
/// The recipient that only smuggled calls have.
const SMUGGLED: &str = "+4915550000001";

/// Octets on a connection, and what has to come back.
struct Attack {
    name: &'static str,
    octets: Vec<u8>,
    /// Status codes of the answers, in order; what the server says before it hangs up.
    answers: &'static [u16],
}

fn attacks() -> Vec<Attack> {
    let smuggled = request("send_sms", &[TOKEN, "", SMUGGLED, "smuggled"]);
    let ping = request("ping", &[]);
    let body = ping.split_once("\r\n\r\n").unwrap().1.to_owned();
    let with = |headers: &str, rest: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{rest}").into_bytes();
    let length = body.len();
    let attack = |name, octets: Vec<u8>, answers| Attack { name, octets, answers };
    vec![
        attack(
            "both lengths, chunked last",
            with(
                &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
                &format!("0\r\n\r\n{smuggled}"),
            ),
            &[400],
        ),
        attack(
            "both lengths, chunked first",
            with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &format!("0\r\n\r\n{smuggled}")),
            &[400],
        ),
        attack("an obfuscated encoding", with("Transfer-Encoding: xchunked\r\n", &smuggled), &[400]),
        attack(
            "an encoding with a tab",
            with("Transfer-Encoding:\tchunked\r\nContent-Length: 0\r\n", &smuggled),
            &[400],
        ),
        attack(
            "an encoding twice",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &smuggled),
            &[400],
        ),
        attack("two lengths", with(&format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), &smuggled), &[400]),
        attack("a list of lengths", with(&format!("Content-Length: {length}, 0\r\n"), &smuggled), &[400]),
        attack("a negative length", with("Content-Length: -1\r\n", &smuggled), &[400]),
        attack("a length with a sign", with("Content-Length: +5\r\n", &smuggled), &[400]),
        attack("a length beyond 64 bits", with("Content-Length: 99999999999999999999\r\n", &smuggled), &[400]),
        attack("a length beyond the limit", with("Content-Length: 262145\r\n", &smuggled), &[413]),
        attack("no length at all", with("", &smuggled), &[200, 200]),
        attack("a blank before the colon", with("Content-Length : 5\r\n", &smuggled), &[400]),
        attack("a folded header", with("X: a\r\n b\r\nContent-Length: 0\r\n", &smuggled), &[400]),
        attack("a bare CR in a header", with("X: a\rContent-Length: 9\r\n", &smuggled), &[400]),
        attack("NUL in a header", with("X: a\0b\r\n", &smuggled), &[400]),
        attack("a header without a colon", with("nonsense\r\n", &smuggled), &[400]),
        attack("200 headers", with(&"X: a\r\n".repeat(200), &smuggled), &[431]),
        attack("a header of 9 KiB", with(&format!("X: {}\r\n", "a".repeat(9 << 10)), &smuggled), &[431]),
        attack("a path of 9 KiB", format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(9 << 10)).into_bytes(), &[431]),
        attack("endless chunks", with("Transfer-Encoding: chunked\r\n", &"1\r\na\r\n".repeat(20_000)), &[400]),
        attack("a chunk that lies", with("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), &[400]),
        attack(
            "chunk extensions",
            with("Transfer-Encoding: chunked\r\n", &format!("1;{}\r\n", "x".repeat(50_000))),
            &[400],
        ),
        attack("another method", ping.replacen("POST", "GET", 1).into_bytes(), &[405]),
        attack("a tunnel", b"CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), &[405]),
        attack("an upgrade", with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", ""), &[200]),
        attack("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[]),
        attack("HTTP/0.9", b"GET /\r\n".to_vec(), &[400]),
        attack("noise", (0..=255_u8).cycle().take(3000).collect(), &[400]),
        attack("a length too small, the rest noise", with("Content-Length: 3\r\n", &body), &[200, 400]),
        attack("forty pings at once", ping.repeat(40).into_bytes(), &[200; 40]),
        attack("a bad document, then a ping", (post("<a>") + &ping).into_bytes(), &[200, 200]),
    ]
}

#[test]
fn s06_http_that_lies() {
    let rig = Rig::start(1);
    let target = Target::of(&rig.site);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut faults = Vec::new();
    for attack in attacks() {
        let heard = runtime.block_on(octets_back(&target, &attack.octets));
        let codes: Vec<u16> = heard
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| answer.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default())
            .collect();
        if codes != attack.answers {
            faults.push(format!("{}: {codes:?} instead of {:?}: {heard:.300}", attack.name, attack.answers));
        }
        runtime.block_on(target.timed(SOURCE, "ping", &[])).expect("a ping afterwards");
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // The one call without a length was no smuggled one: it stood on its own after an empty request.
    let sent: Vec<_> = rig.network.events("submitted");
    assert!(sent.len() <= 1, "{sent:?}");
}

/// All that comes back until the other end hangs up, or 2 s nothing comes.
async fn octets_back(target: &Target, octets: &[u8]) -> String {
    let stream = target.tls(SOURCE).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sending = async {
        // The other end may have heard enough.
        let _ = writer.write_all(octets).await;
        let _ = writer.flush().await;
    };
    let hearing = async {
        let mut heard = Vec::new();
        while let Ok(Ok(1..)) = timeout(Duration::from_secs(2), reader.read_buf(&mut heard)).await {}
        String::from_utf8_lossy(&heard).into_owned()
    };
    tokio::join!(sending, hearing).1
}
