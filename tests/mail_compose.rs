//! Hostile senders and texts: whatever an SMS contains, Python's email package reads one mail with our headers only,
//! the subject and the body we meant.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test helper fails its test")]

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
    mail::{
        compose::{Letter, Letterhead, body, compose, subject},
        digest,
    },
    model::{InboundMessage, MessageId, SlotId},
};

const CASES: usize = 2_000;
/// Fewer, of up to a hundred messages each.
const DIGESTS: usize = CASES / 10;

#[test]
fn hostile_messages_make_one_well_formed_mail_each() {
    let mut runner = runner();
    let mut mails = Vec::new();
    for case in 0..CASES {
        let text = if case == 0 { "x\r\n.\r\n".repeat(200_000) } else { draw(&mut runner) };
        let message = hostile(&mut runner, text);
        let letter = compose(&message, head(&TimeZone::UTC)).unwrap();
        mails.push(case_of(&letter, &[&message], &subject(&message), &body(&message, &TimeZone::UTC)));
    }
    read_by_python(mails);
}

#[test]
fn hostile_messages_make_well_formed_digests() {
    let mut runner = runner();
    let mut mails = Vec::new();
    for case in 0..DIGESTS {
        let count = if case == 0 { 100 } else { 2 + case % 9 };
        let messages: Vec<InboundMessage> = (0..count)
            .map(|_| {
                let text = draw(&mut runner);
                hostile(&mut runner, text)
            })
            .collect();
        let (first, more) = messages.split_first().unwrap();
        let letter = digest::compose(first, more, head(&TimeZone::UTC)).unwrap();
        let (subject, body) = (digest::subject(first, more), digest::body(first, more, &TimeZone::UTC));
        let messages: Vec<&InboundMessage> = messages.iter().collect();
        mails.push(case_of(&letter, &messages, &subject, &body));
    }
    read_by_python(mails);
}

fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

fn head(zone: &TimeZone) -> Letterhead<'_> {
    Letterhead { from: "gateway@example.org", to: "mailbox@example.org", host: "gw.example.org", zone }
}

fn hostile(runner: &mut TestRunner, text: String) -> InboundMessage {
    InboundMessage {
        sequence: 1,
        id: MessageId::parse("c2d03f33-9dbb-4a26-98c0-6ed60b3aa731").unwrap(),
        slot: SlotId::new(&draw(runner)),
        recipient: "+491760000000".into(),
        sender: draw(runner),
        text,
        network: draw(runner),
        sent_at: Some("2026-11-20T22:21:49Z".parse().unwrap()),
        sent_offset: 3600,
        received_at: "2026-11-20T22:21:52Z".parse().unwrap(),
        flash: false,
        parts_missing: 0,
        undecodable: false,
        completes: None,
        origin: smsgate::model::MessageOrigin::Sms,
    }
}

/// What Python is to find.
fn case_of(letter: &Letter, messages: &[&InboundMessage], subject: &str, body: &str) -> String {
    let envelope = (letter.envelope.from().map(ToString::to_string), letter.envelope.to().len());
    assert_eq!(envelope, (Some("gateway@example.org".into()), 1));
    let ids: Vec<String> = messages.iter().map(|message| message.id.to_string()).collect();
    let raw = letter.text.as_str();
    serde_json::json!({ "raw": raw, "subject": subject, "body": body, "headers": 11, "ids": ids }).to_string()
}

fn read_by_python(mails: Vec<String>) {
    let count = mails.len();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/parse.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut input = python.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || input.write_all(mails.join("\n").as_bytes()));
    let output = python.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{count} mails read\n"));
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
