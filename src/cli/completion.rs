//! What Tab completes in the shell: one of the words that make sense at the present question.

use rustyline::{Context, Helper, completion::Completer, highlight::Highlighter, hint::Hinter, validate::Validator};

/// The words, set anew for each question.
#[derive(Debug, Default)]
pub(super) struct Completion {
    /// What an answer may be.
    pub(super) words: Vec<String>,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, self.matching(line.get(..position).unwrap_or_default())))
    }
}

impl Completion {
    /// The words that begin like this. An answer is one word, so it is completed from its beginning.
    fn matching(&self, start: &str) -> Vec<String> {
        let start = start.trim_start();
        self.words.iter().filter(|word| word.starts_with(start)).cloned().collect()
    }
}

impl Helper for Completion {}
impl Highlighter for Completion {}
impl Validator for Completion {}
impl Hinter for Completion {
    type Hint = String;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_begin_alike() {
        let completion = Completion { words: ["sms", "status", "ussd", "+4911", "+4912"].map(String::from).to_vec() };
        for (start, expected) in [
            ("", &["sms", "status", "ussd", "+4911", "+4912"][..]),
            ("s", &["sms", "status"]),
            (" st", &["status"]),
            ("+491", &["+4911", "+4912"]),
            ("x", &[]),
        ] {
            assert_eq!(completion.matching(start), expected, "{start:?}");
        }
    }
}
