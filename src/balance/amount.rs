//! An amount of money as networks write it: with a comma or a point, thousands set apart, a sign before or after.

use std::ops::Range;

use regex::Regex;

/// Millionths in one unit.
const MILLION: i64 = 1_000_000;

/// Why a text gave no amount.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AmountError {
    /// The pattern is not in the text.
    #[error("`ussd_account_balance_regexp` does not match the network's answer")]
    NoMatch,
    /// What the pattern's group holds is no amount.
    #[error("what `ussd_account_balance_regexp` finds in the network's answer is no amount")]
    NotAnAmount,
}

/// Finds the amount in a text, in millionths: what the first group of `pattern` holds.
///
/// A minus sign right before the group counts, since the default pattern takes digits only; and where the group is a
/// piece of a number with thousands set apart (the default pattern finds `1.23` in `1.234,56`), the whole number does.
///
/// # Errors
/// [`AmountError`], which never holds the text.
pub fn find(text: &str, pattern: &Regex) -> Result<i64, AmountError> {
    let found = pattern.captures(text).and_then(|captures| captures.get(1)).ok_or(AmountError::NoMatch)?;
    let whole = grouped(text, &found.range()).unwrap_or_else(|| found.range());
    let micros = text.get(whole.clone()).and_then(amount).ok_or(AmountError::NotAnAmount)?;
    let before = text.get(..whole.start).unwrap_or_default();
    Ok(if micros > 0 && is_negated(before) { -micros } else { micros })
}

/// Reads an amount, in millionths. `None` if it is none, or too large.
///
/// The last comma or point parts off the fraction, unless it is the only kind there and what follows it has three
/// digits: `1.234` are thousands, `1.23` and `1.2345` are not. Of `0.123` the point cannot be one of thousands.
#[must_use]
pub fn amount(text: &str) -> Option<i64> {
    let text = text.trim();
    let negative = text.starts_with(is_minus) || text.ends_with(is_minus);
    let unsigned = text.trim_start_matches(|c| is_minus(c) || c == '+').trim_end_matches(is_minus);
    let bare: String =
        unsigned.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\'' | '’')).collect();
    if bare.is_empty() || !bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')) {
        return None;
    }
    let (whole, fraction) = parted(&bare);
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let units: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut parts: i64 = 0;
    for place in 0..6 {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
        parts = parts * 10 + digit;
    }
    let micros = units.checked_mul(MILLION)?.checked_add(parts)?;
    Some(if negative { -micros } else { micros })
}

/// The number with thousands set apart and two decimals that holds the place `found` and more.
fn grouped(text: &str, found: &Range<usize>) -> Option<Range<usize>> {
    let numbers = Regex::new(r"\d{1,3}(?:[ \u{a0}\u{2009}\u{202f}'’.,]\d{3})+[.,]\d\d\b").ok()?;
    numbers.find_iter(text).map(|number| number.range()).find(|number| {
        let digit_before =
            text.get(..number.start).is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()));
        !digit_before && number.start <= found.start && found.end <= number.end
    })
}

/// The part before the decimal sign, with separators, and the digits after it.
fn parted(bare: &str) -> (&str, &str) {
    let Some(last) = bare.rfind(['.', ',']) else { return (bare, "") };
    let (whole, fraction) = (bare.get(..last).unwrap_or_default(), bare.get(last + 1..).unwrap_or_default());
    let sign = bare.get(last..=last).unwrap_or_default();
    let repeated = whole.contains(sign);
    let other = whole.contains(['.', ',']) && !repeated;
    let leading_zero = whole.is_empty() || whole == "0";
    let thousands = repeated || (!other && fraction.len() == 3 && !leading_zero && whole.len() <= 3);
    if thousands { (bare, "") } else { (whole, fraction) }
}

const fn is_minus(c: char) -> bool {
    matches!(c, '-' | '\u{2212}' | '\u{2013}')
}

/// The text ends in a minus sign that belongs to what follows: not in a hyphen after a word, as in `EUR-12`.
fn is_negated(before: &str) -> bool {
    let Some(rest) = before.strip_suffix(is_minus) else { return false };
    rest.chars().last().is_none_or(|c| c.is_whitespace() || matches!(c, ':' | '=' | '('))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_every_spelling() {
        for (text, expected) in [
            ("12,34", Some(12_340_000)),
            ("12.34", Some(12_340_000)),
            ("0.00", Some(0)),
            ("0,05", Some(50_000)),
            ("5", Some(5_000_000)),
            ("1.234,56", Some(1_234_560_000)),
            ("1,234.56", Some(1_234_560_000)),
            ("1 234,56", Some(1_234_560_000)),
            ("1\u{a0}234,56", Some(1_234_560_000)),
            ("1'234.56", Some(1_234_560_000)),
            ("1.234.567", Some(1_234_567_000_000)),
            ("1,234,567.89", Some(1_234_567_890_000)),
            ("1.234", Some(1_234_000_000)),
            ("0.123", Some(123_000)),
            ("12.3456", Some(12_345_600)),
            ("1234.567", Some(1_234_567_000)),
            (".50", Some(500_000)),
            ("-3,20", Some(-3_200_000)),
            ("\u{2212}3.20", Some(-3_200_000)),
            ("3,20-", Some(-3_200_000)),
            ("+3.20", Some(3_200_000)),
            (" 7.10 ", Some(7_100_000)),
            ("12.", Some(12_000_000)),
            ("1.2345678", Some(1_234_567)),
            ("", None),
            ("-", None),
            (".", None),
            ("EUR", None),
            ("1e5", None),
            ("٣", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(amount(text), expected, "{text:?}");
        }
    }

    #[test]
    fn amounts_in_texts() {
        let default = Regex::new(r"(\d+[\,\.]\d\d)").unwrap();
        let wide = Regex::new(r"(?i)guthaben[^\d-]*(-?[\d.,]+\d)").unwrap();
        for (pattern, text, expected) in [
            (&default, "Ihr Guthaben beträgt: 12,34 EUR", Ok(12_340_000)),
            (&default, "Balance: -12.34", Ok(-12_340_000)),
            (&default, "EUR-12.34", Ok(12_340_000)),
            (&default, "Guthaben 1.234,56 EUR", Ok(1_234_560_000)),
            (&default, "Solde : 1\u{202f}234,56 €", Ok(1_234_560_000)),
            (&default, "Solde : -1 234,56 €", Ok(-1_234_560_000)),
            (&default, "CHF 1'234'567.80", Ok(1_234_567_800_000)),
            (&default, "12.345 KWD", Ok(12_340_000)),
            (&default, "on 20.11.2026: 5.10", Ok(20_110_000)),
            (&wide, "Guthaben: 1.234,56 EUR.", Ok(1_234_560_000)),
            (&wide, "Guthaben -0,40", Ok(-400_000)),
            (&default, "Try again later", Err(AmountError::NoMatch)),
            (&default, "", Err(AmountError::NoMatch)),
        ] {
            assert_eq!(find(text, pattern), expected, "{text}");
        }
        let words = Regex::new("(balance)").unwrap();
        assert_eq!(find("your balance", &words), Err(AmountError::NotAnAmount));
    }
}
