//! Hostile senders and texts: whatever an SMS contains, Python's email package reads one mail with our headers only,
//! the subject and the body we meant.

#![expect(clippy::unwrap_used, reason = "a test helper fails its test")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use jiff::tz::TimeZone;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use smsgate::{
    mail::compose::{Letterhead, body, compose, subject},
    model::{InboundMessage, MessageId, SlotId},
};

const CASES: usize = 2_000;

#[test]
fn hostile_messages_make_one_well_formed_mail_each() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut lines = Vec::new();
    for case in 0..CASES {
        let message = InboundMessage {
            sequence: 1,
            id: MessageId::parse("c2d03f33-9dbb-4a26-98c0-6ed60b3aa731").unwrap(),
            slot: SlotId::new(&draw(&mut runner)),
            recipient: "+491760000000".into(),
            sender: draw(&mut runner),
            text: if case == 0 { "x\r\n.\r\n".repeat(200_000) } else { draw(&mut runner) },
            network: draw(&mut runner),
            sent_at: Some("2026-11-20T22:21:49Z".parse().unwrap()),
            sent_offset: 3600,
            received_at: "2026-11-20T22:21:52Z".parse().unwrap(),
            flash: false,
            parts_missing: 0,
            undecodable: false,
            completes: None,
            origin: smsgate::model::MessageOrigin::Sms,
        };
        let zone = TimeZone::UTC;
        let head =
            Letterhead { from: "gateway@example.org", to: "mailbox@example.org", host: "gw.example.org", zone: &zone };
        let letter = compose(&message, head).unwrap();
        let envelope = (letter.envelope.from().map(ToString::to_string), letter.envelope.to().len());
        assert_eq!(envelope, (Some("gateway@example.org".into()), 1));
        let case = serde_json::json!({
            "raw": String::from_utf8(letter.octets).unwrap(),
            "subject": subject(&message),
            "body": body(&message, &zone),
            "headers": 11,
        });
        lines.push(case.to_string());
    }

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/parse.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut input = python.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || input.write_all(lines.join("\n").as_bytes()));
    let output = python.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{CASES} mails read\n"));
}

/// Pieces that hurt mail software, mixed with any characters at all.
fn draw(runner: &mut TestRunner) -> String {
    let piece = prop_oneof![
        3 => any::<String>(),
        3 => prop::sample::select(vec![
            "\r\n.\r\n", "\n.\n", "\r.\r", "\r\nBcc: victim@example.org\r\n", "\nSubject: other\n\nbody", "\0", "\u{1b}[2J",
            "\u{202e}", "\u{2066}", "=?utf-8?q?x?=", "=?utf-8?b?eA==?=", "   ", "\t", "\u{2028}", "\u{85}", "\u{feff}", ".",
            "From ", "--", "é", "🚀", "=3D", "QUIT\r\n", "MAIL FROM:<>\r\n", "\u{7f}", "(", "\"", "<", "@", ",", ";", "ſ",
        ]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9]{1,200}",
        1 => "( |[a-z]){0,120}",
        1 => "[äöü ]{0,120}",
    ];
    let pieces = prop::collection::vec(piece, 0..8).new_tree(runner).unwrap();
    pieces.current().concat()
}
