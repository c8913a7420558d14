//! S7: what TLS the daemon speaks, judged by sslyze against Mozilla's "intermediate" recommendation, and by hand for what
//! a scanner does not try.

use std::{collections::BTreeSet, net::Ipv4Addr, path::Path, process::Command, time::Duration};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{peer::Target, rig::Rig};

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 8, 1);

#[test]
fn s07_tls_policy() {
    let rig = Rig::start(0);
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python3");
    let report = rig.folder().join("sslyze.json");
    let run = Command::new(python)
        .args(["-m", "sslyze", "--mozilla_config", "intermediate", "--early_data", "--json_out"])
        .arg(&report)
        .arg("--certinfo_ca_file")
        .arg(rig.site.ca())
        .arg(format!("127.0.0.1:{}", rig.site.port))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert!(report.exists(), "sslyze did not run; scripts/setup installs it: {said}");
    assert!(run.status.success(), "not what Mozilla calls intermediate:\n{said}");
    let report: Json = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let scans = &report["server_scan_results"][0]["scan_result"];
    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(accepted(scans, version), BTreeSet::new(), "{version}");
    }
    for version in ["tls_1_2", "tls_1_3"] {
        let suites = accepted(scans, version);
        assert!(!suites.is_empty(), "{version} is spoken");
        let aead = |suite: &String| suite.contains("GCM") || suite.contains("CHACHA20");
        assert!(suites.iter().all(aead), "{version}: {suites:?}");
        eprintln!("{version}: {suites:?}");
    }
    for (scan, member, expected) in [
        ("tls_compression", "supports_compression", false),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", false),
        ("session_renegotiation", "supports_secure_renegotiation", true),
        ("heartbleed", "is_vulnerable_to_heartbleed", false),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", false),
        ("tls_1_3_early_data", "supports_early_data", false),
    ] {
        let found = &scans[scan]["result"][member];
        assert!(found.is_boolean(), "{scan}: {}", scans[scan]);
        assert_eq!(found.as_bool(), Some(expected), "{scan} {member}");
    }
}

fn accepted(scans: &Json, version: &str) -> BTreeSet<String> {
    let suites = &scans[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"];
    let suites = suites.as_array().unwrap_or_else(|| panic!("{version} was not tried: {scans:.500}"));
    suites.iter().map(|suite| suite["cipher_suite"]["name"].as_str().unwrap().to_owned()).collect()
}

/// A hello that asks for a version as the highest, with suites of its time; and no TLS at all.
#[test]
fn s07_old_versions_and_plain_http_are_refused() {
    let rig = Rig::start(0);
    let target = Target::of(&rig.site);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (name, octets) in [
        ("SSL 2.0", b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80".to_vec()),
        ("SSL 3.0", hello(0)),
        ("TLS 1.0", hello(1)),
        ("TLS 1.1", hello(2)),
        ("plain HTTP", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("plain HTTP, a GET", b"GET / HTTP/1.0\r\n\r\n".to_vec()),
    ] {
        let heard = runtime.block_on(async {
            let mut stream = target.tcp(SOURCE).await.unwrap();
            stream.write_all(&octets).await.unwrap();
            let mut heard = Vec::new();
            let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut heard)).await;
            assert!(ended.is_ok(), "{name}: the connection stays");
            heard
        });
        // An alert (21) at most, and no more than that.
        assert!(heard.is_empty() || (heard[0] == 21 && heard.len() == 7), "{name}: {heard:02x?}");
    }
    // The same hello with version 1.2 is answered with a handshake: the refusals above are for the version.
    let answered = runtime.block_on(async {
        let mut stream = target.tcp(SOURCE).await.unwrap();
        stream.write_all(&hello(3)).await.unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).await.map(|_| first[0])
    });
    assert_eq!(answered.unwrap(), 22);
}

/// A ClientHello of TLS 1.(minor - 1) with ECDHE suites, old and new, and the extensions that they need (RFC 5246 7.4.1.2).
fn hello(minor: u8) -> Vec<u8> {
    let suites = [0xc0_u8, 0x09, 0xc0, 0x13, 0x00, 0x2f, 0x00, 0x0a, 0xc0, 0x2b, 0xc0, 0x2f];
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // groups: secp256r1
        0, 11, 0, 2, 1, 0, // points: uncompressed
        0, 13, 0, 6, 0, 4, 4, 3, 4, 1, // signatures: ECDSA and RSA with SHA-256
        0, 23, 0, 0, // extended master secret
        0xff, 1, 0, 1, 0, // secure renegotiation
    ];
    let mut body = vec![3, minor];
    body.extend([0x5a; 32]);
    body.extend([0, 0, u8::try_from(suites.len()).unwrap()]);
    body.extend(suites);
    body.extend([1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}
