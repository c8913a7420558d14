//! Keys of `smsgate.conf` that the box sets itself, whatever the operator's file says: where it listens, its
//! certificate, and where its state is kept. The rest of the file stays as it was written, remarks and all.

use super::finding::Finding;
use crate::config::ini::{self, Entry, Section};

/// A key the box sets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owned {
    /// Section.
    pub section: &'static str,
    /// Key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// A file with keys set.
#[derive(Debug, Eq, PartialEq)]
pub struct Edited {
    /// The text.
    pub text: String,
    /// Where the operator's file said something else.
    pub remarks: Vec<Finding>,
    /// Lines (from 1) of the new text that the old one does not have, in ascending order.
    added: Vec<usize>,
}

impl Edited {
    /// The line of the old text that became `line` of the new; of an added one, the line above it.
    #[must_use]
    pub fn original_line(&self, line: usize) -> usize {
        let added = self.added.iter().filter(|added| **added <= line).count();
        line.saturating_sub(added).max(1)
    }
}

/// Sets keys in `text`, which is `file`.
#[must_use]
pub fn set(file: &str, text: &str, keys: &[Owned]) -> Edited {
    let mut edited = Edited { text: text.to_owned(), remarks: Vec::new(), added: Vec::new() };
    for owned in keys {
        if let Some((line, message)) = edited.set(owned) {
            let line = edited.original_line(line);
            edited.remarks.push(Finding::at(file, line, message, "on this box nothing else works"));
        }
    }
    edited
}

impl Edited {
    /// Sets one key. Where it stood with another value, the line of that and what is to be said about it.
    fn set(&mut self, owned: &Owned) -> Option<(usize, String)> {
        let Owned { section: name, key, value } = owned;
        // `%` begins a reference.
        let line = format!("{key} = {}", value.replace('%', "%%"));
        let (ini, _) = ini::read(&self.text);
        let Some(section) = ini.section(name) else {
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            let first = self.text.lines().count() + 1;
            self.text.push_str(&format!("[{name}]\n{line}\n"));
            self.added.extend([first, first + 1]);
            return None;
        };
        match section.entry(key) {
            Some(entry) if ini.value(section, entry).is_ok_and(|there| there == *value) => None,
            Some(entry) => {
                let at = self.line_of(entry.key_span.start);
                let blank = entry.raw.is_empty();
                self.replace(entry, &line);
                (!blank).then(|| (at, format!("`{key}` is {value} in the box's copy")))
            }
            None => {
                self.insert(section, &line);
                None
            }
        }
    }

    fn line_of(&self, at: usize) -> usize {
        1 + self.text.get(..at).unwrap_or_default().matches('\n').count()
    }

    fn end_of_line(&self, at: usize) -> usize {
        self.text.get(at..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |end| at + end)
    }

    /// Lines that continued the value become remarks, so that the lines below keep their numbers.
    fn replace(&mut self, entry: &Entry, line: &str) {
        let end = self.end_of_line(entry.span.end.max(entry.key_span.end));
        let start = entry.key_span.start;
        let old = self.text.get(start..end).unwrap_or_default();
        let continued = "\n#".repeat(old.matches('\n').count());
        self.text.replace_range(start..end, &format!("{line}{continued}"));
    }

    fn insert(&mut self, section: &Section, line: &str) {
        let end = self.end_of_line(section.span.end);
        let number = self.line_of(section.span.end) + 1;
        let indent = self.indent_behind(end);
        self.text.insert_str(end, &format!("\n{indent}{line}"));
        self.added.iter_mut().filter(|added| **added >= number).for_each(|added| *added += 1);
        self.added.push(number);
        self.added.sort_unstable();
    }

    /// What the next line that says something begins with. With less before it, the inserted line would be continued by
    /// that one.
    fn indent_behind(&self, at: usize) -> String {
        let behind = self.text.get(at..).unwrap_or_default();
        let lines = behind.split('\n').map(|line| (line, line.trim_start_matches(ini::is_blank)));
        let mut saying = lines.filter(|(_, words)| !words.is_empty() && !words.starts_with(['#', ';']));
        let indent = saying.next().and_then(|(line, words)| line.strip_suffix(words));
        indent.unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<Owned> {
        [("server", "host", "::"), ("server", "key", "/data/k%1"), ("store", "path", "/data/s")]
            .into_iter()
            .map(|(section, key, value)| Owned { section, key, value: value.to_owned() })
            .collect()
    }

    #[test]
    fn what_is_there_is_changed_in_its_place_and_what_is_missing_added() {
        let text = "# mine\n[server]\n  # where\nhost = localhost\n   more\nport: 7000\n\n[api]\nx = 1";
        let edited = set("smsgate.conf", text, &keys());
        assert_eq!(
            edited.text,
            "# mine\n[server]\nkey = /data/k%%1\n  # where\nhost = ::\n#\nport: 7000\n\n[api]\nx = 1\n[store]\n\
             path = /data/s\n"
        );
        let told: Vec<String> = edited.remarks.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["smsgate.conf:4: `host` is :: in the box's copy; on this box nothing else works"]);
        let lines: Vec<usize> = [1, 2, 4, 5, 7, 10].map(|line| edited.original_line(line)).to_vec();
        assert_eq!(lines, [1, 2, 3, 4, 6, 9]);
    }

    #[test]
    fn an_indented_section_stays_one() {
        let keys = &keys()[..1];
        for (text, expected) in [
            ("[server]\n  port = 1\n  x = 2\n", "[server]\n  host = ::\n  port = 1\n  x = 2\n"),
            ("[server]\n # a\n\n\tport = 1", "[server]\n\thost = ::\n # a\n\n\tport = 1"),
            ("  [server]\n  [mail]\n  x = 1\n", "  [server]\n  host = ::\n  [mail]\n  x = 1\n"),
            ("[server]\n  host = a\n   b\n  port = 1\n", "[server]\n  host = ::\n#\n  port = 1\n"),
            ("[server]", "[server]\nhost = ::"),
        ] {
            let edited = set("smsgate.conf", text, keys);
            assert_eq!(edited.text, expected);
            let (ini, _) = ini::read(&edited.text);
            let section = ini.section("server").unwrap();
            assert_eq!(ini.value(section, section.entry("host").unwrap()).as_deref(), Ok("::"));
            assert_eq!(section.entry("port").is_some(), text.contains("port"));
        }
    }

    #[test]
    fn added_lines_are_told_as_the_line_above() {
        let edited = set("smsgate.conf", "[server]", &keys()[..1]);
        assert_eq!([1, 2].map(|line| edited.original_line(line)), [1, 1]);
        let edited = set("smsgate.conf", "", &keys()[..1]);
        assert_eq!([1, 2].map(|line| edited.original_line(line)), [1, 1]);
    }

    #[test]
    fn a_second_time_nothing_changes() {
        let once = set("smsgate.conf", "[server]\nhost =\n[store]\npath = /data/s\n", &keys());
        assert_eq!(once.remarks, []);
        let twice = set("smsgate.conf", &once.text, &keys());
        assert_eq!((twice.text, twice.remarks), (once.text, vec![]));
    }

    #[test]
    fn the_daemon_reads_what_was_set() {
        let edited = set("smsgate.conf", "[DEFAULT]\nhost = 192.0.2.7\n[server]\nport = 1\n", &keys());
        let (ini, faults) = ini::read(&edited.text);
        let section = ini.section("server").unwrap();
        assert_eq!(faults, []);
        assert_eq!(ini.value(section, section.entry("key").unwrap()).unwrap(), "/data/k%1");
        assert_eq!(ini.value(section, section.entry("host").unwrap()).unwrap(), "::");
    }
}
