//! INI text to sections, keys and values with their places, in the dialect of Python's `configparser` as upstream calls
//! it (`ConfigParser()` with its defaults).
//!
//! Unlike `configparser` it does not stop at the first problem, and it skips a byte order mark. It gives no value a
//! meaning: that is the business of [`Gateway`](super::Gateway) and [`Slot`](super::Slot).

use std::ops::Range;

/// How deep values may refer to values that refer to values.
const DEEPEST_REFERENCE: usize = 10;

/// Octets a value may grow to by its references, and how many of these are followed: ten lines in which each refers
/// eight times to the next make a thousand million.
const LONGEST_VALUE: usize = 64 << 10;
const MOST_REFERENCES: usize = 1024;

/// The section whose values all others inherit.
const DEFAULTS: &str = "DEFAULT";

/// What a file says, before anything is understood.
#[derive(Debug, Default)]
pub struct Ini {
    sections: Vec<Section>,
    defaults: Section,
}

/// One section, as far as it is written in the file: inherited values are not in it.
#[derive(Debug, Default)]
pub struct Section {
    /// Case-sensitive; blanks within the brackets belong to it.
    pub name: String,
    /// Where the name stands.
    pub span: Range<usize>,
    /// In the order of the file.
    pub entries: Vec<Entry>,
    repeats_earlier: bool,
}

/// A key with its value. No `Debug`: the value may be a password.
pub struct Entry {
    /// In lower case.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// As written: lines joined by line feeds, references not yet resolved.
    pub raw: String,
    /// Where the value stands, from its first line to its last; empty if there is none.
    pub span: Range<usize>,
    /// Where the value's first line stands.
    pub first_line: Range<usize>,
}

/// Why `configparser` would refuse the file, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where.
    pub span: Range<usize>,
}

/// What can be wrong with a file as such.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FaultKind {
    /// This section already has this key.
    DuplicateKey {
        /// In lower case.
        key: String,
        /// Where it was given first.
        first: Range<usize>,
    },
    /// This section was already there.
    DuplicateSection {
        /// Its name.
        name: String,
        /// Where it was first.
        first: Range<usize>,
    },
    /// A line begins with `=` or `:`.
    EmptyKey,
    /// A line is neither `key = value` nor a section nor a comment.
    NoDelimiter,
    /// Something stands before the first section. Reported once.
    NoSection,
}

/// Why a value cannot be had.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ReferenceError {
    /// `%` is followed by neither `%` nor `(key)s`.
    Syntax,
    /// References go round in circles, too deep, or are so many that the value would be absurdly long.
    TooDeep,
    /// There is no such key in this section or in `[DEFAULT]`.
    Unknown(String),
}

/// Reads a file.
///
/// After a fault the rest is still read, so that all faults are found at once.
#[must_use]
pub fn read(text: &str) -> (Ini, Vec<Fault>) {
    let mut reader = Reader::default();
    for line in lines(text) {
        reader.line(text, line);
    }
    reader.close_entry();
    (reader.ini, reader.faults)
}

/// White space as Python's `str.strip` sees it: Unicode's, and the four information separators.
#[must_use]
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

impl Ini {
    /// The sections, without `[DEFAULT]` and without those that repeat an earlier one.
    pub fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter(|section| !section.repeats_earlier)
    }

    /// The section with exactly this name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections().find(|section| section.name == name)
    }

    /// `[DEFAULT]`, empty if the file has none.
    #[must_use]
    pub const fn defaults(&self) -> &Section {
        &self.defaults
    }

    /// Every section as written, `[DEFAULT]` and repeated ones too.
    pub fn everything(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().chain([&self.defaults])
    }

    /// The entry for `key` (in lower case) in `section`, or the one it inherits.
    #[must_use]
    pub fn entry<'a>(&'a self, section: &'a Section, key: &str) -> Option<&'a Entry> {
        section.entry(key).or_else(|| self.defaults.entry(key))
    }

    /// The value of `entry` as `section` sees it, with `%(key)s` and `%%` resolved.
    ///
    /// # Errors
    /// [`ReferenceError`] if a reference cannot be resolved.
    pub fn value(&self, section: &Section, entry: &Entry) -> Result<String, ReferenceError> {
        let mut resolved = Resolved::default();
        self.resolve(section, &entry.raw, 1, &mut resolved)?;
        Ok(resolved.value)
    }

    fn resolve(&self, section: &Section, raw: &str, depth: usize, to: &mut Resolved) -> Result<(), ReferenceError> {
        if depth > DEEPEST_REFERENCE {
            return Err(ReferenceError::TooDeep);
        }
        let mut rest = raw;
        while let Some((before, behind)) = rest.split_once('%') {
            to.value.push_str(before);
            if let Some(behind) = behind.strip_prefix('%') {
                to.value.push('%');
                rest = behind;
                continue;
            }
            let (key, behind) = reference(behind).ok_or(ReferenceError::Syntax)?;
            let key = key.to_lowercase();
            let Some(entry) = self.entry(section, &key) else {
                return Err(ReferenceError::Unknown(key));
            };
            to.references += 1;
            if to.references > MOST_REFERENCES || to.value.len() + entry.raw.len() > LONGEST_VALUE {
                return Err(ReferenceError::TooDeep);
            }
            if entry.raw.contains('%') {
                self.resolve(section, &entry.raw, depth + 1, to)?;
            } else {
                to.value.push_str(&entry.raw);
            }
            rest = behind;
        }
        to.value.push_str(rest);
        Ok(())
    }
}

/// A value while its references are followed.
#[derive(Default)]
struct Resolved {
    value: String,
    references: usize,
}

impl Section {
    /// A section that the file does not have: it still inherits.
    pub(super) fn absent(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The entry for `key` (in lower case); of repeated ones, the first.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).field("span", &self.span).finish_non_exhaustive()
    }
}

/// The keys that a raw value refers to, in lower case.
pub(super) fn references(raw: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = raw;
    while let Some((_, behind)) = rest.split_once('%') {
        rest = behind.strip_prefix('%').unwrap_or(behind);
        if let Some((key, behind)) = reference(behind) {
            keys.push(key.to_lowercase());
            rest = behind;
        }
    }
    keys
}

/// Splits `(key)s` off.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (key, behind) = text.strip_prefix('(')?.split_once(')')?;
    let behind = behind.strip_prefix('s')?;
    (!key.is_empty()).then_some((key, behind))
}

/// Where the next entries go.
#[derive(Clone, Copy, Debug, Default)]
enum Current {
    #[default]
    Nowhere,
    Defaults,
    Section(usize),
}

#[derive(Default)]
struct Reader {
    ini: Ini,
    faults: Vec<Fault>,
    current: Current,
    /// The last entry may still grow.
    open: bool,
    /// Characters of indentation of the last line that began something.
    indent: usize,
    /// Something was found before the first section.
    headless: bool,
}

impl Reader {
    fn line(&mut self, text: &str, line: Range<usize>) {
        let content = trim(text, line.clone());
        let words = slice(text, &content);
        if words.starts_with(['#', ';']) {
            return;
        }
        if words.is_empty() {
            if let Some(entry) = self.open_entry() {
                entry.raw.push('\n');
            }
            return;
        }
        let indent = slice(text, &(line.start..content.start)).chars().count();
        if indent > self.indent
            && let Some(entry) = self.open_entry()
        {
            entry.raw.push('\n');
            entry.raw.push_str(words);
            entry.span = if entry.span.is_empty() { content } else { entry.span.start..content.end };
            return;
        }
        self.indent = indent;
        match header(words) {
            Some(name) => self.begin_section(name, content.start + 1..content.start + 1 + name.len()),
            None => self.begin_entry(words, content),
        }
    }

    fn begin_section(&mut self, name: &str, span: Range<usize>) {
        self.close_entry();
        if name == DEFAULTS {
            if self.ini.defaults.name.is_empty() {
                self.ini.defaults.name = DEFAULTS.to_owned();
                self.ini.defaults.span = span;
            }
            self.current = Current::Defaults;
            return;
        }
        let first = self.ini.section(name).map(|section| section.span.clone());
        if let Some(first) = first.clone() {
            let kind = FaultKind::DuplicateSection { name: name.to_owned(), first };
            self.faults.push(Fault { kind, span: span.clone() });
        }
        self.current = Current::Section(self.ini.sections.len());
        let repeats_earlier = first.is_some();
        self.ini.sections.push(Section { name: name.to_owned(), span, entries: Vec::new(), repeats_earlier });
    }

    fn begin_entry(&mut self, words: &str, content: Range<usize>) {
        if matches!(self.current, Current::Nowhere) {
            if !self.headless {
                self.faults.push(Fault { kind: FaultKind::NoSection, span: content });
            }
            self.headless = true;
            return;
        }
        let Some((key, value)) = words.split_once(['=', ':']) else {
            self.faults.push(Fault { kind: FaultKind::NoDelimiter, span: content });
            return;
        };
        let key = key.trim_end_matches(is_blank);
        let value = value.trim_start_matches(is_blank);
        let key_span = content.start..content.start + key.len();
        let span = content.end - value.len()..content.end;
        self.close_entry();
        if key.is_empty() {
            self.faults.push(Fault { kind: FaultKind::EmptyKey, span: content });
            return;
        }
        let key = key.to_lowercase();
        let Some(section) = self.current_section() else { return };
        let first = section.entry(&key).map(|entry| entry.key_span.clone());
        section.entries.push(Entry {
            key: key.clone(),
            key_span: key_span.clone(),
            raw: value.to_owned(),
            first_line: span.clone(),
            span,
        });
        self.open = true;
        if let Some(first) = first {
            self.faults.push(Fault { kind: FaultKind::DuplicateKey { key, first }, span: key_span });
        }
    }

    fn current_section(&mut self) -> Option<&mut Section> {
        match self.current {
            Current::Nowhere => None,
            Current::Defaults => Some(&mut self.ini.defaults),
            Current::Section(index) => self.ini.sections.get_mut(index),
        }
    }

    fn open_entry(&mut self) -> Option<&mut Entry> {
        if self.open { self.current_section()?.entries.last_mut() } else { None }
    }

    /// Empty lines at the end of a value do not belong to it.
    fn close_entry(&mut self) {
        if let Some(entry) = self.open_entry() {
            entry.raw.truncate(entry.raw.trim_end_matches(is_blank).len());
        }
        self.open = false;
    }
}

/// The name in `[name]`; what stands behind the last bracket is ignored.
fn header(words: &str) -> Option<&str> {
    let (name, _) = words.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// The lines of a text with universal line ends, without these, and without a byte order mark.
fn lines(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut position = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    std::iter::from_fn(move || {
        let rest = text.get(position..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let end = rest.get(length..).unwrap_or_default();
        let line = position..position + length;
        position = line.end + if end.starts_with("\r\n") { 2 } else { usize::from(!end.is_empty()) };
        Some(line)
    })
}

fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let line = slice(text, &range);
    let from_start = line.trim_start_matches(is_blank);
    let start = range.end - from_start.len();
    start..start + from_start.trim_end_matches(is_blank).len()
}

fn slice<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String, String)> {
        let (ini, faults) = read(text);
        assert_eq!(faults, [], "{text:?}");
        let entries = |section: &Section| {
            section.entries.iter().map(|e| (section.name.clone(), e.key.clone(), e.raw.clone())).collect::<Vec<_>>()
        };
        ini.sections().flat_map(entries).collect()
    }

    #[test]
    fn values_as_configparser_reads_them() {
        for (text, expected) in [
            ("[a]\nKey = v", vec![("a", "key", "v")]),
            ("[a]\nk:v=w", vec![("a", "k", "v=w")]),
            ("[a]\nk=v ; no comment", vec![("a", "k", "v ; no comment")]),
            ("[a]\nk=\"v\\n\"", vec![("a", "k", "\"v\\n\"")]),
            ("[a]\nk=1\n  2\n# c\n\n  ;d\n 3\n\nl=4", vec![("a", "k", "1\n2\n\n3"), ("a", "l", "4")]),
            ("[a]\nk=\n v", vec![("a", "k", "\nv")]),
            ("[a]\n  k=1\n  l=2", vec![("a", "k", "1"), ("a", "l", "2")]),
            ("[a] trailing\r\nk=v\r\n", vec![("a", "k", "v")]),
            ("[a]b]\rk=v\r", vec![("a]b", "k", "v")]),
            ("\u{feff}[a]\nk=v", vec![("a", "k", "v")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(s, k, v)| (s.into(), k.into(), v.into())).collect();
            assert_eq!(values(text), expected, "{text:?}");
        }
    }

    #[test]
    fn faults_are_all_found() {
        let text = "x\n[a]\nnothing\n= v\nk = 1\nK = 2\n[b]\n[a]\n[]\n";
        let (_, faults) = read(text);
        let found: Vec<_> = faults.iter().map(|fault| &text[fault.span.clone()]).collect();
        assert_eq!(found, ["x", "nothing", "= v", "K", "a", "[]"]);
        assert_eq!(faults[3].kind, FaultKind::DuplicateKey { key: "k".into(), first: 18..19 });
    }

    #[test]
    fn references_follow_section_then_defaults() {
        let text = "[DEFAULT]\nbase=/d\n[a]\np=%(BASE)s/100%%\nq=%(p)s!\nr=%(none)s\ns=50%\nt=%(t)s\n";
        let (ini, faults) = read(text);
        assert_eq!(faults, []);
        let section = ini.section("a").unwrap();
        let value = |key| ini.value(section, ini.entry(section, key).unwrap());
        assert_eq!(value("q").as_deref(), Ok("/d/100%!"));
        assert_eq!(value("base").as_deref(), Ok("/d"));
        assert_eq!(value("r"), Err(ReferenceError::Unknown("none".into())));
        assert_eq!(value("s"), Err(ReferenceError::Syntax));
        assert_eq!(value("t"), Err(ReferenceError::TooDeep));
    }

    #[test]
    fn references_do_not_grow_without_end() {
        let doubling = |last: &str| {
            let lines: String = (0..9).map(|n| format!("k{n} = {}\n", format!("%(k{})s", n + 1).repeat(8))).collect();
            format!("[a]\n{lines}k9 = {last}\n")
        };
        for text in
            [doubling("x"), doubling(""), format!("[a]\nk0 = {}\nx = {}\n", "%(x)s".repeat(9), "y".repeat(8000))]
        {
            let (ini, _) = read(&text);
            let section = ini.section("a").unwrap();
            assert_eq!(ini.value(section, section.entry("k0").unwrap()), Err(ReferenceError::TooDeep));
        }
        let (ini, _) = read(&doubling("x"));
        let section = ini.section("a").unwrap();
        assert_eq!(ini.value(section, section.entry("k7").unwrap()).map(|value| value.len()), Ok(64));
    }

    #[test]
    fn spans_point_at_what_was_written() {
        let text = "[sec tion]\n  key  =  first\n   second  \n";
        let (ini, _) = read(text);
        let section = ini.section("sec tion").unwrap();
        let entry = &section.entries[0];
        assert_eq!(&text[section.span.clone()], "sec tion");
        assert_eq!(&text[entry.key_span.clone()], "key");
        assert_eq!(&text[entry.span.clone()], "first\n   second");
        assert_eq!(&text[entry.first_line.clone()], "first");
    }
}
