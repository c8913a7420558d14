//! One thing to tell the operator about one of his files: where, what, and what to do about it.
//!
//! The text goes to `result.txt`, which lies on a card that anybody may read: no value that may be a secret is in it.

use std::fmt;

use crate::{config::Diagnostic, model::printable};

/// Most findings that are told: whoever put the wrong file there need not read of each of its lines.
const MOST: usize = 40;

/// A problem or a remark.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The file's name on the media.
    pub file: String,
    /// From 1; `None` if it is about the file as a whole.
    pub line: Option<usize>,
    /// What is the matter.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

impl Finding {
    /// About a file as a whole.
    pub fn of_file(file: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, message: message.into(), remedy: remedy.into() }
    }

    /// About one line.
    pub fn at(file: &str, line: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::of_file(file, message, remedy) }
    }

    /// What the daemon's own reader found.
    #[must_use]
    pub fn of(diagnostic: &Diagnostic) -> Self {
        Self {
            file: diagnostic.file.clone(),
            line: diagnostic.place.as_ref().map(|place| place.line),
            message: diagnostic.message.clone(),
            remedy: diagnostic.remedy.clone(),
        }
    }
}

/// What is told of `findings`, a line each.
#[must_use]
pub fn told(findings: &[Finding]) -> Vec<String> {
    let mut lines: Vec<String> = findings.iter().take(MOST).map(ToString::to_string).collect();
    if findings.len() > MOST {
        lines.push(format!("and {} more", findings.len() - MOST));
    }
    lines
}

/// `smsgate.conf:12: message; remedy`, on one line whatever a file's name holds.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", printable(&self.message))?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", printable(&self.remedy))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_findings_the_first_are_told() {
        let findings: Vec<Finding> = (1..=50).map(|line| Finding::at("a", line, "bad", "mend it")).collect();
        let lines = told(&findings);
        assert_eq!((lines.len(), lines[39].as_str(), lines[40].as_str()), (41, "a:40: bad; mend it", "and 10 more"));
        assert_eq!(told(&findings[..40]).len(), 40);
    }
}
