//! The rules of ARCHITECTURE.md that a compiler does not check: pure rooms, layers, file length, opening comments.
//!
//! Source text is judged, not meaning: comments and string literals are blanked first, and what follows a file's
//! `#[cfg(test)] mod tests` is left alone (as are files named `tests.rs`), since tests may use whatever they like.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test program: a panic is its answer")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Longest a source file may be.
const MAX_LINES: usize = 600;

/// What pure rooms must not name, and why.
const IMPURE: [(&str, &str); 8] = [
    ("tokio", "a pure room is called, it does not run"),
    ("std::fs", "files are read by whoever calls"),
    ("std::net", "bytes come in as arguments"),
    ("std::thread", "a pure room is called, it does not run"),
    ("std::process", "a pure room has no world around it"),
    ("std::env", "a pure room has no world around it"),
    ("now()", "time is an argument, so that tests and replays decide it"),
    ("spawn(", "a pure room is called, it does not run"),
];

/// Rooms and single files that take values and return values. Those not there yet are looked at once they are.
const PURE: &[&str] = &[
    "model",
    "tpdu",
    "at",
    "ussd",
    "balance",
    "trace",
    "router",
    "self_test",
    "config",
    "control/protocol",
    "modem/backoff",
    "modem/bringup",
    "modem/chatter",
    "modem/health",
    "modem/inbound",
    "modem/sought",
    "modem/sim_card",
    "modem/ladder",
    "mail/compose",
    "mail/digest",
    "pool_health",
    "rpc/wire",
    "sandbox/plan",
    "sandbox/rules",
    "store/flood",
    "dispatch/backoff",
    "emulator/line",
    "emulator/usb/descriptor",
    "emulator/usb/device",
    "emulator/usb/fields",
    "emulator/usb/ftdi",
    "emulator/usb/kinds",
    "emulator/usb/packet",
    "emulator/usb/redir",
    "emulator/usb/secondary",
    "emulator/usb/storage",
    "provision/candidate",
    "provision/cards",
    "provision/finding",
    "provision/firewall",
    "provision/identity",
    "provision/keys",
    "provision/media",
    "provision/network",
    "provision/networkd",
    "provision/owned",
    "provision/result",
    "provision/suggested",
    "provision/syslog",
    "provision/tokens",
    "cli/perfdata",
    "cli/report",
];

/// A room, the rooms it may name, and why it needs more than its layer suggests.
struct Layer {
    room: &'static str,
    may_name: &'static [&'static str],
    reason: &'static str,
}

const LAYERS: &[Layer] = &[
    Layer { room: "model", may_name: &[], reason: "the nouns stand below everything" },
    Layer { room: "tpdu", may_name: &["model"], reason: "a codec knows octets and nouns" },
    Layer { room: "at", may_name: &["model", "tpdu"], reason: "+CMGS carries TPDUs, +CUSD packed septets" },
    Layer {
        room: "ussd",
        may_name: &["model", "tpdu", "at"],
        reason: "it reads what +CUSD brought; text uses the alphabets of TS 23.038",
    },
    Layer { room: "balance", may_name: &["model"], reason: "amounts and days to findings" },
    Layer {
        room: "trace",
        may_name: &["model", "tpdu", "at"],
        reason: "it must know a line to know what of it may stay",
    },
    Layer { room: "router", may_name: &["model", "config"], reason: "a decision over values" },
    Layer { room: "self_test", may_name: &["model", "config"], reason: "decisions over values" },
    Layer { room: "config", may_name: &["model"], reason: "text to nouns" },
    Layer {
        room: "config_files",
        may_name: &["model", "config"],
        reason: "it reads the files that config understands",
    },
    Layer { room: "store", may_name: &["model"], reason: "one file, and nothing but the nouns in it" },
    Layer {
        room: "modem",
        may_name: &["model", "tpdu", "at", "ussd", "balance", "self_test", "config", "store", "emulator", "pool"],
        reason: "`port = virtual:...` opens the emulator; the pool is told of each slot's handle",
    },
    Layer { room: "pool", may_name: &["model", "config", "modem"], reason: "it holds the modems" },
    Layer { room: "pool_health", may_name: &["model"], reason: "a judgement over snapshots" },
    Layer {
        room: "dispatch",
        may_name: &["model", "tpdu", "router", "config", "store", "pool", "modem"],
        reason: "of the modem it may name the answer types of a submission",
    },
    Layer {
        room: "control",
        may_name: &["model", "store", "pool", "modem", "trace"],
        reason: "of the modem it may name the taps and the answer types; what was tapped leaves as a trace",
    },
    Layer {
        room: "rpc",
        may_name: &["model", "balance", "config", "store", "pool", "tls"],
        reason: "it asks the pool, never a modem",
    },
    Layer { room: "mail", may_name: &["model", "config", "store", "tls"], reason: "it knows texts, not modems" },
    Layer {
        room: "provision",
        may_name: &["model", "config", "config_files", "control", "modem", "tls"],
        reason: "it judges files as the daemon does, and asks modems that no slot has who they are",
    },
    Layer {
        room: "emulator",
        may_name: &["model", "tpdu", "at", "ussd", "trace"],
        reason: "it plays traces back, and it shares the codec, so that both directions are tested",
    },
    Layer { room: "sandbox", may_name: &["config"], reason: "what is granted follows from the configuration" },
    Layer { room: "tls", may_name: &["model", "config"], reason: "set-up of one library" },
    Layer { room: "telemetry", may_name: &["model", "config"], reason: "set-up of one library" },
];

/// Rooms on top, which may name everything: they wire.
const TOP: [&str; 4] = ["daemon", "cli", "demo", "main"];

/// Single names that a room may use although the room they live in is closed to it.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("rpc", "modem::UssdError", "the pool's answer to a USSD code; the type lives beside the request")];

/// One rule broken at one place.
#[derive(Debug, Eq, PartialEq)]
struct Violation {
    file: String,
    line: usize,
    what: String,
}

fn judge(rule: &str, check: impl Fn(&str, &str) -> Vec<Violation>) {
    let mut found = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        found.extend(check(&path.to_string_lossy(), &text));
    }
    let list: String = found.iter().map(|v| format!("\n  {}:{}: {}", v.file, v.line, v.what)).collect();
    assert!(found.is_empty(), "{rule}:{list}");
}

#[test]
fn pure_rooms_touch_no_outside() {
    judge("pure rooms take bytes, values and time, and return values", impurities);
}

#[test]
fn rooms_name_only_rooms_below() {
    judge("a room names the rooms its row in LAYERS lists", climbing);
}

#[test]
fn files_are_short() {
    judge("a file has one noun and at most 600 lines", |file, text| {
        let lines = text.lines().count();
        let what = format!("{lines} lines, {MAX_LINES} are allowed: split it by noun");
        (lines > MAX_LINES).then(|| Violation { file: file.to_owned(), line: lines, what }).into_iter().collect()
    });
}

#[test]
fn files_say_what_they_are_for() {
    judge("a file opens with `//!`: duty, clause, what it leaves to others", |file, text| {
        let what = "does not open with `//! ...`".to_owned();
        let opens = text.strip_prefix("//!").is_some_and(|rest| rest.lines().next().unwrap_or("").trim().len() > 10);
        (!opens).then(|| Violation { file: file.to_owned(), line: 1, what }).into_iter().collect()
    });
}

#[test]
fn no_unsafe_anywhere() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""), "the manifest forbids unsafe code");
    judge("unsafe code is forbidden, and so is asking to allow it", |file, text| {
        words(&code(text), "unsafe").into_iter().map(|line| violation(file, line, "unsafe".to_owned())).collect()
    });
}

#[test]
fn every_room_has_a_row() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|layer| layer.room).chain(TOP).chain(["lib"]).collect();
    for path in sources().iter().filter(|path| path.starts_with("src")) {
        let room = room_of(&path.to_string_lossy()).unwrap();
        assert!(known.contains(room.as_str()), "src/{room} is in no row of LAYERS: say which rooms it may name");
    }
    for layer in LAYERS {
        assert!(!layer.reason.is_empty(), "{} has no reason", layer.room);
    }
}

#[test]
fn the_rules_can_fail() {
    let bad = "//! x\nuse tokio::sync::mpsc;\nlet t = Timestamp::now();\n// std::fs\nlet s = \"std::net\";\n";
    let lines: Vec<usize> = impurities("src/tpdu/a.rs", bad).into_iter().map(|v| v.line).collect();
    assert_eq!(lines, [2, 3], "comments and strings do not count");
    assert_eq!(impurities("src/store/a.rs", bad), []);
    assert_eq!(impurities("src/tpdu.rs", "mod a;\n#[cfg(test)]\nmod tests { use std::fs; }"), []);

    for (file, text, expected) in [
        ("src/store/a.rs", "use crate::{model::X, tpdu::{Y, z::W}};", vec!["tpdu::Y", "tpdu::z::W"]),
        ("src/store/tests.rs", "use crate::tpdu::Y;", vec![]),
        ("src/store/a.rs", "use crate::model::X;\nuse crate::store::{Y};", vec![]),
        ("src/mail/a.rs", "fn f(x: crate::modem::Request) {}", vec!["modem"]),
        ("src/rpc/a.rs", "use crate::modem::UssdError;", vec![]),
        ("src/rpc/a.rs", "use crate::modem::Request;", vec!["modem"]),
        ("src/rpc/a.rs", "use crate::{modem::{UssdError, Request}, pool::Pool};", vec!["modem"]),
        ("src/pool.rs", "use super::store::X;", vec!["store"]),
        ("src/daemon.rs", "use crate::{store::X, modem, rpc};", vec![]),
    ] {
        let named: Vec<String> = climbing(file, text).into_iter().map(|v| v.what).collect();
        assert_eq!(named.len(), expected.len(), "{text}: {named:?}");
        for (what, room) in named.iter().zip(expected) {
            assert!(what.contains(&format!("crate::{room}")), "{text}: {what}");
        }
    }
}

fn impurities(file: &str, text: &str) -> Vec<Violation> {
    let inside = |room: &&str| {
        let path = file.strip_prefix("src/").unwrap_or("");
        path.strip_prefix(*room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    };
    if !PURE.iter().any(inside) {
        return Vec::new();
    }
    if is_test(file) {
        return Vec::new();
    }
    let code = code(text);
    let mut found = Vec::new();
    for (word, reason) in IMPURE {
        found.extend(words(&code, word).into_iter().map(|line| violation(file, line, format!("{word}: {reason}"))));
    }
    found.sort_by_key(|v| v.line);
    found
}

fn climbing(file: &str, text: &str) -> Vec<Violation> {
    let Some(room) = room_of(file) else { return Vec::new() };
    let Some(layer) = LAYERS.iter().find(|layer| layer.room == room) else { return Vec::new() };
    if is_test(file) {
        return Vec::new();
    }
    let code = code(text);
    let mut found = Vec::new();
    for (line, path) in crate_paths(&code, file) {
        let named = path.split("::").next().unwrap_or("").to_owned();
        let is_room = LAYERS.iter().any(|l| l.room == named) || TOP.contains(&named.as_str());
        let allowed = named == room || layer.may_name.contains(&named.as_str());
        let excepted = EXCEPTIONS.iter().any(|(who, what, _)| *who == room && *what == path);
        if is_room && !allowed && !excepted {
            found.push(violation(file, line, format!("{room} names crate::{path} ({})", layer.reason)));
        }
    }
    found
}

/// Every path below `crate::` that the code names, braces resolved, with its line. In a file directly under `src`,
/// `super::` is `crate::` too.
fn crate_paths(code: &str, file: &str) -> Vec<(usize, String)> {
    let mut roots = vec!["crate::"];
    if file.matches('/').count() == 1 {
        roots.push("super::");
    }
    let mut paths = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(root) {
            let line = code[..at].matches('\n').count() + 1;
            let mut leaves = Vec::new();
            expand("", &code[at + root.len()..], &mut leaves);
            paths.extend(leaves.into_iter().map(|path| (line, path)));
        }
    }
    paths
}

/// Reads one `use` tree: `a::b`, `{a, b::c}`, `a::{b, c}`; returns what follows it.
fn expand<'a>(prefix: &str, text: &'a str, leaves: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return rest;
            }
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            if let Some(after) = rest.strip_prefix(',') {
                rest = after;
                continue;
            }
            let before = rest.len();
            rest = expand(prefix, rest, leaves);
            if rest.len() == before {
                rest = rest.get(1..).unwrap_or("");
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(below) => expand(&path, below, leaves),
        None if name.is_empty() => rest,
        None => {
            leaves.push(path);
            rest
        }
    }
}

/// The lines on which `word` stands by itself.
fn words(code: &str, word: &str) -> Vec<usize> {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut lines = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let alone = line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back().is_some_and(part_of_name);
            let after = word.ends_with(part_of_name) && line[at + word.len()..].starts_with(part_of_name);
            !before && !after
        });
        if alone {
            lines.push(number + 1);
        }
    }
    lines
}

/// The source with comments and literals blanked, line numbers kept, without the tests at its end.
fn code(text: &str) -> String {
    let text = text.find("#[cfg(test)]\nmod tests").map_or(text, |at| &text[..at]);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let rest = &text[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            rest[hashes + 2..].find(&close).map_or(rest.len(), |end| end + hashes + 2 + close.len())
        } else if c == '"' {
            plain_string(rest)
        } else if c == '\'' {
            char_literal(rest)
        } else {
            0
        };
        if skip == 0 {
            out.push(c);
            continue;
        }
        out.extend(rest[..skip].chars().filter(|c| *c == '\n'));
        out.push(' ');
        while chars.peek().is_some_and(|(next, _)| *next < at + skip) {
            chars.next();
        }
    }
    out
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('r')?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    body[hashes..].starts_with('"').then_some(hashes)
}

fn plain_string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of a character literal, or 0 for a lifetime.
fn char_literal(rest: &str) -> usize {
    let inner = &rest[1..];
    if let Some(escaped) = inner.strip_prefix('\\') {
        return escaped.char_indices().skip(1).find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 3);
    }
    let Some(c) = inner.chars().next() else { return 0 };
    if inner[c.len_utf8()..].starts_with('\'') { c.len_utf8() + 2 } else { 0 }
}

fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

fn room_of(file: &str) -> Option<String> {
    let path = file.strip_prefix("src/")?;
    path.split('/').next().map(|room| room.trim_end_matches(".rs").to_owned())
}

fn violation(file: &str, line: usize, what: String) -> Violation {
    Violation { file: file.to_owned(), line, what }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust source of the package, relative to its root.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches"].iter().map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 10, "the sources were not found");
    found.sort();
    found
}
