//! Fillers for numbers: the same number is always replaced by the same filler of its length.
//!
//! Fillers of 15 digits are valid IMEIs (TS 23.003 annex B), so that a trace in which a modem is known by its IMEI still
//! plays.

use std::collections::BTreeMap;

/// Digits of an IMEI.
const IMEI: usize = 15;
/// Numbers kept apart; all further ones share a filler.
const MOST: usize = 4096;

/// The numbers of one trace and their fillers.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    fillers: BTreeMap<String, String>,
    /// Fillers given out, by length.
    given: BTreeMap<usize, u64>,
}

impl Numbers {
    /// The filler for these digits (or `*`, `#`, `a`, `b`, `c` of an address): digits, as many.
    pub(super) fn filler(&mut self, digits: &str) -> String {
        if let Some(filler) = self.fillers.get(digits) {
            return filler.clone();
        }
        let length = digits.chars().count();
        if self.fillers.len() >= MOST {
            return "0".repeat(length);
        }
        let given = self.given.entry(length).or_default();
        *given += 1;
        let filler = if length == IMEI {
            let body = counted(*given, IMEI - 1);
            format!("{body}{}", check_digit(&body))
        } else {
            counted(*given, length)
        };
        self.fillers.insert(digits.to_owned(), filler.clone());
        filler
    }

    /// Replaces every run of at least `shortest` digits.
    pub(super) fn mask_runs(&mut self, text: &str, shortest: usize) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
            let (run, after) = from.split_at(end);
            masked.push_str(before);
            if run.len() >= shortest {
                masked.push_str(&self.filler(run));
            } else {
                masked.push_str(run);
            }
            rest = after;
        }
        masked.push_str(rest);
        masked
    }
}

/// The last `length` digits of a count, with zeros before them.
fn counted(count: u64, length: usize) -> String {
    let text = format!("{count:0length$}");
    text.get(text.len().saturating_sub(length)..).unwrap_or_default().to_owned()
}

/// Luhn's, as IMEIs have it.
fn check_digit(body: &str) -> u32 {
    let sum: u32 = body
        .chars()
        .rev()
        .filter_map(|digit| digit.to_digit(10))
        .enumerate()
        .map(|(position, digit)| if position % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Imei;

    #[test]
    fn the_same_number_has_the_same_filler() {
        let mut numbers = Numbers::default();
        let first = numbers.filler("4915112345678");
        assert_eq!(first, "0000000000001");
        assert_eq!(numbers.filler("4915112345679"), "0000000000002");
        assert_eq!(numbers.filler("4915112345678"), first);
        assert_eq!(numbers.filler("22922"), "00001");
    }

    #[test]
    fn an_imei_stays_one() {
        let mut numbers = Numbers::default();
        for imei in ["490154203237518", "352099001761481"] {
            let filler = numbers.filler(imei);
            assert_ne!(filler, imei);
            assert!(Imei::parse(&filler).is_some(), "{filler}");
        }
    }

    #[test]
    fn short_runs_stay() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.mask_runs("+CSQ: 17,99", 4), "+CSQ: 17,99");
        assert_eq!(numbers.mask_runs("a 1234 b 12345F", 5), "a 1234 b 00001F");
        assert_eq!(numbers.mask_runs("98765", 4), "00002");
        assert_eq!(numbers.mask_runs("", 4), "");
    }
}
