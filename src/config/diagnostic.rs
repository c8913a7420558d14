//! Problems in configuration files: what, where, and what to do about it.
//!
//! No value that may be a secret appears in any of them: they quote the masked text of [`super::mask`].

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::mask;
use crate::model::printable;

/// A configuration file in memory.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// How the file is called in diagnostics.
    pub name: &'a str,
    /// What it contains.
    pub text: &'a str,
}

/// Whether the configuration can be used nevertheless.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// It can.
    Warning,
    /// It cannot.
    Error,
}

/// One problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Whether the configuration can be used nevertheless.
    pub severity: Severity,
    /// The file's name as given in its [`Source`].
    pub file: String,
    /// Where in the file; `None` if the problem is that something is not there.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

/// A place in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In octets from the start of the file.
    pub span: Range<usize>,
    /// What stands there; asterisks where it may be a secret.
    pub text: String,
}

impl Place {
    /// The place of a span in `text`, quoting `masked`.
    pub(super) fn new(text: &str, masked: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or_default();
        let line_ends = |s: &str| s.matches('\n').count() + s.matches('\r').count() - s.matches("\r\n").count();
        let start_of_line = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
        Self {
            line: 1 + line_ends(before),
            column: 1 + before.get(start_of_line..).unwrap_or_default().trim_start_matches('\u{feff}').chars().count(),
            text: masked.get(span.clone()).unwrap_or_default().to_owned(),
            span,
        }
    }
}

/// As the daemon logs it: `smsgate.conf:12: message; remedy`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if let Some(place) = &self.place {
            write!(f, ":{}", place.line)?;
        }
        write!(f, ": {}", printable(&self.message))?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", printable(&self.remedy))?;
        }
        Ok(())
    }
}

/// Shows each problem with its line and a caret, in the manner of rustc.
///
/// `sources` are the files the diagnostics are about; a diagnostic about another file is shown without its line.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &[Source<'_>], colour: bool) -> String {
    let masked: Vec<_> = sources.iter().map(|source| (source.name, shown(source.text))).collect();
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut blocks = Vec::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let message = printable(&diagnostic.message);
        let remedy = printable(&diagnostic.remedy);
        let text = masked.iter().find(|(name, _)| *name == diagnostic.file).map(|(_, text)| text.as_str());
        let block = match (&diagnostic.place, text) {
            (Some(place), Some(text)) => {
                let snippet = Snippet::source(text)
                    .path(&diagnostic.file)
                    .annotation(AnnotationKind::Primary.span(place.span.clone()));
                let mut group = level.primary_title(&message).element(snippet);
                if !remedy.is_empty() {
                    group = group.element(Level::HELP.message(&remedy));
                }
                renderer.render(&[group])
            }
            _ => {
                let place = diagnostic.place.as_ref().map(|place| format!(":{}", place.line)).unwrap_or_default();
                let title = format!("{}{place}: {message}", printable(&diagnostic.file));
                let mut group = annotate_snippets::Group::with_title(level.primary_title(&title));
                if !remedy.is_empty() {
                    group = group.element(Level::HELP.message(&remedy));
                }
                renderer.render(&[group])
            }
        };
        blocks.push(block);
    }
    if blocks.is_empty() {
        return String::new();
    }
    blocks.join("\n\n") + "\n"
}

/// The masked text, with control characters that annotate-snippets would misplace made harmless.
fn shown(text: &str) -> String {
    let ends_as_blanks = |c: char| if c == '\r' { ' ' } else { c };
    mask::mask(text).chars().map(ends_as_blanks).collect()
}
