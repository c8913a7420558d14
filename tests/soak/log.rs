//! What the daemon's log says that it must not say. Pure: lines in, faults and counts out.

use std::collections::BTreeMap;

/// An error that is right: the mail server is away at times, and this is how it is told.
const MAIL: [&str; 2] = [" smsgate::mail::mailer: mail server ", "; next try in "];
/// How many kinds of lines are shown.
const SHOWN: usize = 25;

/// Panics, and errors that nothing explains.
pub fn faults(log: &str) -> Vec<String> {
    let unexplained = |line: &&str| is_of(line, "ERROR") && !MAIL.iter().all(|piece| line.contains(piece));
    let panics = log.lines().filter(|line| line.contains("panicked"));
    panics.chain(log.lines().filter(unexplained)).map(|line| format!("the daemon says: {line:.300}")).collect()
}

/// Warnings and errors by kind, the most frequent first.
pub fn kinds(log: &str) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in log.lines().filter(|line| is_of(line, "ERROR") || is_of(line, "WARN")) {
        *counts.entry(kind(line)).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(SHOWN).map(|(kind, count)| format!("{count:>6} {kind}")).collect()
}

fn is_of(line: &str, level: &str) -> bool {
    line.split_whitespace().nth(1) == Some(level)
}

/// Without the time, and with all numbers and ids alike.
fn kind(line: &str) -> String {
    let words = line.split_whitespace().skip(1).map(|word| match word.split_once('=') {
        Some((name, _)) if name.ends_with("id") || name == "token" => format!("{name}=#"),
        _ => numbers_alike(word),
    });
    words.collect::<Vec<_>>().join(" ").chars().take(150).collect()
}

fn numbers_alike(word: &str) -> String {
    let mut kind = String::new();
    for letter in word.chars() {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if letter != '#' || !kind.ends_with('#') {
            kind.push(letter);
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-11-21T23:00:00.1Z  INFO smsgate: up\n\
                       2026-11-21T23:00:01.1Z  WARN smsgate::modem: slot 03: no answer\n\
                       2026-11-21T23:00:02.1Z  WARN smsgate::modem: slot 11: no answer\n\
                       2026-11-21T23:00:03.1Z ERROR smsgate::store: it is full\n\
                       2026-11-21T23:00:03.2Z ERROR smsgate::mail::mailer: mail server mx:25: busy; next try in 8 s\n\
                       2026-11-21T23:00:03.3Z  WARN smsgate::rpc::auth: wrong API token peer=127.0.0.1 token=ab12\n\
                       thread 'main' panicked at src/main.rs:3\n";

    #[test]
    fn errors_and_panics_are_faults_and_warnings_are_counted() {
        assert_eq!(faults(LOG).len(), 2);
        let kinds = kinds(LOG);
        assert_eq!(kinds[0], "     2 WARN smsgate::modem: slot #: no answer");
        assert!(kinds.contains(&"     1 WARN smsgate::rpc::auth: wrong API token peer=#.#.#.# token=#".to_owned()));
    }
}
