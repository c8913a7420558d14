//! One section, read key by key: asks for values, collects problems, and knows at the end which keys nobody asked for.

use std::{collections::BTreeSet, ops::Range, path::PathBuf, time::Duration};

use super::{
    diagnostic::{Diagnostic, Place, Severity, Source},
    ini::{self, Entry, FaultKind, Ini, ReferenceError, Section},
    mask::{is_harmless, mask},
    nearest::nearest,
    values::{self, Problem},
};

/// A file being read, with the problems found so far.
pub(super) struct Document<'a> {
    source: Source<'a>,
    masked: String,
    asked: BTreeSet<String>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'a> Document<'a> {
    /// Opens a file; what is wrong with it as INI text is reported.
    pub(super) fn new(source: Source<'a>) -> (Self, Ini) {
        let (ini, faults) = ini::read(source.text);
        let masked = mask(source.text);
        let mut document = Self { source, masked, asked: BTreeSet::new(), diagnostics: Vec::new() };
        for fault in faults {
            let line_of = |span: &Range<usize>| document.place(span.clone()).line;
            let (message, remedy) = match &fault.kind {
                FaultKind::DuplicateKey { key, first } => {
                    (format!("`{key}` is already given in line {}", line_of(first)), "keep one of the two".to_owned())
                }
                FaultKind::DuplicateSection { name, first } => {
                    (format!("section `[{name}]` is already in line {}", line_of(first)), "join the two".to_owned())
                }
                FaultKind::EmptyKey => {
                    ("there is no key before the delimiter".to_owned(), "write `key = value`".to_owned())
                }
                FaultKind::NoDelimiter => (
                    "this is neither `key = value` nor a section nor a comment".to_owned(),
                    "write `key = value`, begin the line with `#`, or indent it if it continues the value above"
                        .to_owned(),
                ),
                FaultKind::NoSection => (
                    "this stands before the first section".to_owned(),
                    "begin with a section such as `[mail]`".to_owned(),
                ),
            };
            document.report(Severity::Error, Some(fault.span), message, remedy);
        }
        (document, ini)
    }

    pub(super) fn report(
        &mut self,
        severity: Severity,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = span.map(|span| self.place(span));
        let file = self.source.name.to_owned();
        self.diagnostics.push(Diagnostic { severity, file, place, message: message.into(), remedy: remedy.into() });
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place::new(self.source.text, &self.masked, span)
    }

    /// Warns about keys in `[DEFAULT]` that no section asked for and no value refers to.
    pub(super) fn check_defaults(&mut self, ini: &Ini) {
        let asked = std::mem::take(&mut self.asked);
        warn_of_unknown(self, ini, ini.defaults(), &asked);
    }
}

/// One section of a [`Document`].
pub(super) struct Fields<'d, 's> {
    pub(super) document: &'d mut Document<'s>,
    ini: &'d Ini,
    section: &'d Section,
    asked: BTreeSet<String>,
}

/// A value and where it stands. No `Debug`: the value may be a password.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) value: String,
    pub(super) span: Range<usize>,
}

impl<'d, 's> Fields<'d, 's> {
    pub(super) const fn new(document: &'d mut Document<'s>, ini: &'d Ini, section: &'d Section) -> Self {
        Self { document, ini, section, asked: BTreeSet::new() }
    }

    /// The value; `None` if there is none, or if it cannot be had, which is then reported.
    pub(super) fn field(&mut self, key: &str) -> Option<Field> {
        self.asked.insert(key.to_owned());
        let entry = self.ini.entry(self.section, key)?;
        match self.ini.value(self.section, entry) {
            Ok(value) => Some(Field { value, span: span_of(entry) }),
            Err(error) => {
                let (message, remedy) = match error {
                    ReferenceError::Syntax => (
                        format!("`{key}` has a `%` that begins no reference"),
                        "double it (`%%`) if a percent sign is meant".to_owned(),
                    ),
                    ReferenceError::TooDeep => {
                        (format!("`{key}` refers to itself, or to too much"), "write the value out".to_owned())
                    }
                    ReferenceError::Unknown(name) => {
                        let name = if is_harmless(key) { format!("`{name}`") } else { "a key".to_owned() };
                        (
                            format!("`{key}` refers to {name} that is neither in this section nor in `[DEFAULT]`"),
                            "double the `%` (`%%`) if a percent sign is meant".to_owned(),
                        )
                    }
                };
                self.error_at(span_of(entry), message, remedy);
                None
            }
        }
    }

    /// Like [`field`](Self::field); a blank value is none.
    pub(super) fn filled(&mut self, key: &str) -> Option<Field> {
        self.field(key).filter(|field| !field.value.is_empty())
    }

    /// Reads a value with `parse`; missing gives `default`, and so does a bad one, which is reported.
    pub(super) fn parsed<T>(&mut self, key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, Problem>) -> T {
        match self.field(key) {
            Some(field) => self.understood(key, &field, parse).unwrap_or(default),
            None => default,
        }
    }

    /// Reads a value with `parse`; missing and blank give `None`, and so does a bad one, which is reported.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        let field = self.filled(key)?;
        self.understood(key, &field, parse)
    }

    /// Reads a value that must be there and not blank.
    pub(super) fn required<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        if self.ini.entry(self.section, key).is_none() {
            self.asked.insert(key.to_owned());
            let section = &self.section.name;
            let message = format!("`[{section}]` has no `{key}`");
            let span = (!self.section.span.is_empty()).then(|| self.section.span.clone());
            self.document.report(Severity::Error, span, message, format!("add a line `{key} = ...`"));
            return None;
        }
        let field = self.field(key)?;
        if field.value.is_empty() {
            self.error_at(field.span, format!("`{key}` is empty"), "write its value");
            return None;
        }
        self.understood(key, &field, parse)
    }

    /// Reports what `parse` does not like.
    pub(super) fn understood<T>(
        &mut self,
        key: &str,
        field: &Field,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        match parse(&field.value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.error_at(field.span.clone(), format!("`{key}` {}", problem.message), problem.remedy);
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.parsed(key, default, values::boolean)
    }

    /// Seconds, from `least` to ten years.
    pub(super) fn seconds(&mut self, key: &str, default: u64, least: u64) -> Duration {
        const TEN_YEARS: Duration = Duration::from_secs(3650 * 86_400);
        let parse = |text: &str| values::duration(text, Duration::from_secs(least), TEN_YEARS);
        self.parsed(key, Duration::from_secs(default), parse)
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional(key, values::line).map(PathBuf::from)
    }

    /// The hashes of a token option.
    pub(super) fn tokens(&mut self, key: &str) -> Vec<String> {
        let Some(field) = self.field(key) else { return Vec::new() };
        field
            .value
            .split_whitespace()
            .filter_map(|entry| {
                let entry = Field { value: entry.to_owned(), span: field.span.clone() };
                self.understood(key, &entry, values::token_hash)
            })
            .collect()
    }

    /// The section's own keys, not the inherited ones.
    pub(super) fn own_keys(&self) -> impl Iterator<Item = &'d str> + use<'d> {
        self.section.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Where the key stands, or else the section's name.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.ini.entry(self.section, key).map_or_else(|| self.section.span.clone(), |entry| entry.key_span.clone())
    }

    pub(super) fn error_at(&mut self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        self.document.report(Severity::Error, Some(span), message, remedy);
    }

    pub(super) fn warn_at(&mut self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        self.document.report(Severity::Warning, Some(span), message, remedy);
    }

    /// Warns about the keys that nobody asked for.
    pub(super) fn finish(self) {
        warn_of_unknown(self.document, self.ini, self.section, &self.asked);
        self.document.asked.extend(self.asked);
    }
}

/// The value's place, or the key's if the value is empty.
fn span_of(entry: &Entry) -> Range<usize> {
    if entry.span.is_empty() { entry.key_span.clone() } else { entry.span.clone() }
}

fn warn_of_unknown(document: &mut Document<'_>, ini: &Ini, section: &Section, asked: &BTreeSet<String>) {
    let referred: BTreeSet<String> =
        ini.everything().flat_map(|section| &section.entries).flat_map(|entry| ini::references(&entry.raw)).collect();
    for entry in &section.entries {
        if asked.contains(&entry.key) || referred.contains(&entry.key) {
            continue;
        }
        let remedy = nearest(&entry.key, asked.iter().map(String::as_str))
            .map_or_else(|| "it is ignored".to_owned(), |known| format!("it is ignored; did you mean `{known}`?"));
        let message = format!("`[{}]` has no option `{}`", section.name, entry.key);
        document.report(Severity::Warning, Some(entry.key_span.clone()), message, remedy);
    }
}
