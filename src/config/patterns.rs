//! Patterns for balances, each compiled once, however many SIMs have it: compiled it takes some 90 KiB.

use std::collections::BTreeMap;

use regex::Regex;

use super::values::Problem;

/// Those compiled so far, by what they say.
#[derive(Default)]
pub(super) struct Patterns(BTreeMap<String, Regex>);

impl Patterns {
    /// The pattern `text`, which has to have a group.
    pub(super) fn compiled(&mut self, text: &str) -> Result<Regex, Problem> {
        if let Some(known) = self.0.get(text) {
            return Ok(known.clone());
        }
        let pattern = compile(text)?;
        self.0.insert(text.to_owned(), pattern.clone());
        Ok(pattern)
    }
}

fn compile(text: &str) -> Result<Regex, Problem> {
    let remedy = "look-around, back references and \\Z are not supported, nor is an omitted lower bound as in {,3}";
    let pattern = Regex::new(text).map_err(|error| {
        let cause = error.to_string();
        let cause = cause.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Problem::new(format!("is not a pattern: {cause}"), remedy)
    })?;
    if pattern.captures_len() < 2 {
        return Err(Problem::new("has no group", "put the part that is the amount in ( )"));
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_compiled_once() {
        let mut patterns = Patterns::default();
        let [first, again, other] = [r"(\d+)", r"(\d+)", r"([\d,]+)"].map(|text| patterns.compiled(text).unwrap());
        // Clones have their text in common.
        assert_eq!(first.as_str().as_ptr(), again.as_str().as_ptr());
        assert_eq!(other.as_str(), r"([\d,]+)");
    }
}
