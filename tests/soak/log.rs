//! What the daemon's log says that it must not say. Pure: lines in, faults and counts out.

use std::collections::BTreeMap;

/// Errors that are right, by what they say: what goes wrong with the modems and the mail server is told as such.
const EXPECTED: [&str; 0] = [];
/// How many kinds of lines are shown.
const SHOWN: usize = 25;

/// Panics, and errors that nothing explains.
pub fn faults(log: &str) -> Vec<String> {
    let unexplained = |line: &&str| is_of(line, "ERROR") && !EXPECTED.iter().any(|what| line.contains(what));
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

/// Without the time, and with all numbers alike.
fn kind(line: &str) -> String {
    let mut kind = String::new();
    for letter in line.split_once('Z').map_or(line, |(_, rest)| rest).trim().chars() {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if letter != '#' || !kind.ends_with('#') {
            kind.push(letter);
        }
    }
    kind.chars().take(150).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-11-21T23:00:00.1Z  INFO smsgate: up\n\
                       2026-11-21T23:00:01.1Z  WARN smsgate::modem: slot 03: no answer\n\
                       2026-11-21T23:00:02.1Z  WARN smsgate::modem: slot 11: no answer\n\
                       2026-11-21T23:00:03.1Z ERROR smsgate::store: it is full\n\
                       thread 'main' panicked at src/main.rs:3\n";

    #[test]
    fn errors_and_panics_are_faults_and_warnings_are_counted() {
        assert_eq!(faults(LOG).len(), 2);
        assert_eq!(kinds(LOG)[0], "     2 WARN smsgate::modem: slot #: no answer");
    }
}
