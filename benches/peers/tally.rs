//! Which texts came, how often, and which did not. Texts carry their serial number; nothing else tells them apart.

use std::collections::BTreeMap;

/// Characters of a text: most people write about so much.
const LENGTH: usize = 100;
/// What it is filled up with.
const FILLING: &str = "the quick brown fox jumps over the lazy dog and runs on; ";

/// A text that occurs once; `kind` is one word.
pub fn text(kind: &str, serial: usize) -> String {
    let head = format!("{kind} {serial} ");
    let filling = FILLING.chars().cycle().take(LENGTH - head.len());
    head.chars().chain(filling).collect::<String>().trim_end().to_owned()
}

/// The serial number of a text of this kind.
pub fn serial(kind: &str, text: &str) -> Option<usize> {
    let mut words = text.split_whitespace();
    if words.next() != Some(kind) {
        return None;
    }
    words.next()?.parse().ok()
}

/// How often each of a number of texts came.
#[derive(Debug)]
pub struct Tally {
    kind: &'static str,
    expected: usize,
    came: BTreeMap<usize, usize>,
}

impl Tally {
    /// Of the serials below `expected`.
    pub fn new(kind: &'static str, expected: usize) -> Self {
        Self { kind, expected, came: BTreeMap::new() }
    }

    /// Counts a text; its serial if it is the first of it.
    pub fn count(&mut self, text: &str) -> Option<usize> {
        let serial = serial(self.kind, text).filter(|serial| *serial < self.expected)?;
        let times = self.came.entry(serial).or_default();
        *times += 1;
        (*times == 1).then_some(serial)
    }

    /// How many came at least once.
    pub fn came(&self) -> usize {
        self.came.len()
    }

    pub fn missing(&self) -> usize {
        self.expected - self.came()
    }

    pub fn is_complete(&self) -> bool {
        self.missing() == 0
    }

    /// How many came again, each time counted.
    pub fn doubled(&self) -> usize {
        self.came.values().map(|times| times - 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_carry_their_serial() {
        for number in [0, 7, 1999, 123_456] {
            let text = text("in", number);
            assert!(text.len() <= LENGTH && text.len() > LENGTH - 3, "{text}");
            assert_eq!(serial("in", &text), Some(number));
            assert_eq!(serial("out", &text), None);
        }
        for other in ["", "in", "in x", "something in 5"] {
            assert_eq!(serial("in", other), None, "{other}");
        }
    }

    #[test]
    fn what_came_is_counted() {
        let mut tally = Tally::new("in", 4);
        let firsts: Vec<_> = [0, 2, 2, 2, 3, 9].map(|number| tally.count(&text("in", number))).to_vec();
        assert_eq!(firsts, [Some(0), Some(2), None, None, Some(3), None]);
        assert_eq!(tally.count("Your balance is low"), None);
        assert_eq!((tally.came(), tally.missing(), tally.doubled(), tally.is_complete()), (3, 1, 2, false));
        tally.count(&text("in", 1));
        assert!(tally.is_complete());
    }
}
