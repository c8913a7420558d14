//! S12: the screen of `loop-status` with hostile texts in every cell, on a terminal that is drawn: rows and columns stay
//! where they are, and nothing gets to the terminal but text and the sequences that the screen is made with.

use std::{
    collections::BTreeSet,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    output::{Gateway, is_harmful, statistics},
    pty::{Pty, Screen},
    rig::{binary, until},
    scale::figure,
    strings::hostile,
};

const MODEMS: usize = 40;
const WINDOW: (usize, usize) = (230, 50);
/// Above the table: what is seen in all, a blank row, the titles.
const HEAD: usize = 3;

#[test]
fn s12_the_screen_of_loop_status_stays_whole() {
    let folder = tempfile::tempdir().unwrap();
    let payloads: Vec<String> = hostile(figure("PAYLOADS", 200, 200), 12).collect();
    let serial = AtomicUsize::new(0);
    let next = move || payloads[serial.fetch_add(1, Ordering::Relaxed) % payloads.len()].clone();
    let plain = watched(folder.path(), || "plain".to_owned(), |_| {});
    let attacked = watched(folder.path(), next, |screen| {
        for number in 0..MODEMS {
            let line = screen.line(HEAD + number);
            assert!(line.starts_with(&format!("{number:02}")), "row {number}:\n{}", screen.text());
        }
        assert!(screen.line(0).starts_with(&format!("{MODEMS} modems:")), "{}", screen.text());
        assert!(screen.line(HEAD - 1).starts_with("# "), "{}", screen.text());
        assert!(screen.line(WINDOW.1 - 1).starts_with("q: leave"), "{}", screen.text());
        assert!(screen.is_alternate() && !screen.cursor_shown && !screen.wrapping);
    });
    assert!(attacked.is_subset(&plain), "sequences of somebody else's: {:?}", attacked.difference(&plain));
}

/// Watches some looks, and leaves; the kinds of sequences that were written.
fn watched(
    folder: &std::path::Path,
    filling: impl Fn() -> String + Send + Sync + 'static,
    check: impl Fn(&Screen),
) -> BTreeSet<String> {
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let gateway = Gateway::start_saying(folder, move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        statistics(MODEMS, &filling)
    });
    let mut shell = Command::new(binary());
    shell.args(["shell", "--host", "localhost", "--port", &gateway.port.to_string(), "--ca"]).arg(&gateway.ca);
    shell.env("SMSGATE_APITOKEN", "token").env("NO_COLOR", "1").env("XDG_STATE_HOME", folder);
    let mut pty = Pty::start(&shell, WINDOW);
    let is_asking = |screen: &Screen| screen.present().starts_with("+ Command (") && screen.present().ends_with("):");
    pty.until("the prompt", is_asking);
    let begin = pty.written();
    pty.keys("loop-status\r");
    for look in 1..=usize::try_from(figure("LOOKS", 2, 6)).unwrap() {
        pty.until("the table", |screen| screen.contains(" modems:"));
        // When it asks again, what it was told before is on the screen.
        until("the next look", || looks.load(Ordering::Relaxed) > look);
        check(&pty.seen().screen);
    }
    pty.keys("q");
    pty.until("the prompt", |screen| !screen.is_alternate() && screen.cursor_shown && is_asking(screen));
    let written = pty.since(begin);
    pty.keys("\x04");
    assert_eq!(pty.ended(), 0);
    sequences_of(&written)
}

/// The control sequences in what was written, with `0` for each number; everything else has to be text.
fn sequences_of(written: &str) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\x1b[") {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c)).expect("the end of a sequence") + 1;
            let parameters = sequence[..end].split(|c: char| c.is_ascii_digit()).filter(|part| !part.is_empty());
            kinds.insert(parameters.collect::<Vec<_>>().join("0"));
            rest = &sequence[end..];
            continue;
        }
        // The line discipline writes a line feed as two octets.
        assert!(c == '\r' || !is_harmful(c), "{c:?} before {:?}", rest.chars().take(40).collect::<String>());
        rest = &rest[c.len_utf8()..];
    }
    kinds
}
