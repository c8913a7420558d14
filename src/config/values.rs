//! The syntax of single values: numbers, times, amounts, token hashes.
//!
//! Where upstream let Python read a value, what Python accepts is accepted. No message repeats the value: it may be a
//! secret, and the place is shown anyway.

use std::time::Duration;

use super::LogLevel;

const SHA256_PREFIX: &str = "sha256:";

/// What is wrong with a value, and what would be right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}

/// Text of one line. A value that goes on over several lines is most often a line indented by accident.
pub(super) fn line(text: &str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) {
        return Err(Problem::new("has more than one line", "do not indent the line below it"));
    }
    Ok(text.to_owned())
}

/// `1 yes true on`, `0 no false off`, in any case.
pub(super) fn boolean(text: &str) -> Result<bool, Problem> {
    match text.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(true),
        "0" | "no" | "false" | "off" => Ok(false),
        _ => {
            Err(Problem::new("is neither true nor false", "write True or False (1, yes, on, 0, no, off mean the same)"))
        }
    }
}

/// A whole number as Python's `int` reads it, within bounds.
pub(super) fn integer(text: &str, least: u64, most: u64) -> Result<u64, Problem> {
    let remedy = || format!("write a whole number from {least} to {most}");
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = ungrouped(digits).filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    let Some(digits) = digits else {
        return Err(Problem::new("is not a whole number", remedy()));
    };
    let number = digits.parse::<u64>().ok().filter(|number| !negative || *number == 0);
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| Problem::new("is out of range", remedy()))
}

/// The most parts of SMS in some time.
pub(super) fn parts(text: &str) -> Result<u32, Problem> {
    Ok(u32::try_from(integer(text, 1, 1_000_000)?).unwrap_or(u32::MAX))
}

/// Seconds, or a number with one of the units s, min, h, d.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, Problem> {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds_per_unit = match text.strip_prefix(number).unwrap_or_default() {
        "" | "s" => 1,
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(Problem::new("has an unknown unit of time", "write seconds, or a number and s, min, h or d")),
    };
    let most_of_unit = (most.as_secs() / seconds_per_unit).max(1);
    let seconds = integer(number, least.as_secs().div_ceil(seconds_per_unit), most_of_unit)?;
    Ok(Duration::from_secs(seconds * seconds_per_unit))
}

/// An amount of money as Python's `float` reads it, but finite and not negative, in millionths (rounded).
pub(super) fn micros(text: &str) -> Result<i64, Problem> {
    let remedy = "write an amount such as 0.09, with a point";
    let not_a_number = || Problem::new("is not an amount", remedy);
    let text = text.trim();
    if text.contains(',') {
        return Err(Problem::new("has a comma where a point is needed", remedy));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["nan", "inf", "infinity"].contains(&unsigned.to_lowercase().as_str()) {
        return Err(Problem::new("is not a finite amount", remedy));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let exponent = ungrouped(exponent).ok_or_else(not_a_number)?;
            (mantissa, exponent.parse::<i32>().map_err(|_| not_a_number())?)
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = ungrouped(whole).ok_or_else(not_a_number)?;
    let fraction = ungrouped(fraction).ok_or_else(not_a_number)?;
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let scale = exponent.saturating_sub(i32::try_from(fraction.len()).unwrap_or(i32::MAX)).saturating_add(6);
    let amount = scaled(&digits, scale).ok_or_else(|| Problem::new("is too large an amount", remedy))?;
    if text.starts_with('-') && amount != 0 {
        return Err(Problem::new("is negative", remedy));
    }
    Ok(amount)
}

/// Python's five level names, its two aliases too, in any case.
pub(super) fn log_level(text: &str) -> Result<LogLevel, Problem> {
    match text.to_lowercase().as_str() {
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warning" | "warn" => Ok(LogLevel::Warning),
        "error" => Ok(LogLevel::Error),
        "critical" | "fatal" => Ok(LogLevel::Critical),
        _ => Err(Problem::new("is not a log level", "write DEBUG, INFO, WARNING, ERROR or CRITICAL")),
    }
}

/// An address for mail: one `@`, nothing that could end a header or an SMTP command.
pub(super) fn mail_address(text: &str) -> Result<String, Problem> {
    let parts = text.rsplit_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>,;\"()".contains(c));
    if parts.is_none() || !clean {
        return Err(Problem::new("is not a mail address", "write one address such as mailbox@example.org"));
    }
    Ok(text.to_owned())
}

/// One entry of a token option: a bcrypt hash, or `sha256:` and 64 hexadecimal digits (given back in lower case).
pub(super) fn token_hash(text: &str) -> Result<String, Problem> {
    let remedy = "make one with `smsgate token`; more than one are separated by blanks";
    if let Some(digest) = text.strip_prefix(SHA256_PREFIX) {
        if digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(text.to_ascii_lowercase());
        }
        return Err(Problem::new("has a SHA-256 digest that is not 64 hexadecimal digits", remedy));
    }
    let rest = ["$2a$", "$2b$", "$2y$"].into_iter().find_map(|version| text.strip_prefix(version));
    let Some(rest) = rest else {
        return Err(Problem::new("has an entry that is not the hash of a token", remedy));
    };
    let cost = rest.split_once('$').filter(|(cost, _)| cost.len() == 2 && cost.bytes().all(|b| b.is_ascii_digit()));
    let cost_is_valid = cost.and_then(|(cost, _)| cost.parse::<u8>().ok()).is_some_and(|cost| (4..=31).contains(&cost));
    if !cost_is_valid {
        return Err(Problem::new("has a bcrypt hash whose cost is not 04 to 31", remedy));
    }
    let body = cost.map(|(_, body)| body).unwrap_or_default();
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    if body.len() != 53 || !body.bytes().all(alphabet) {
        return Err(Problem::new("has a bcrypt hash that is cut off or damaged", remedy));
    }
    Ok(text.to_owned())
}

/// Without the underscores that Python allows between digits; `None` if one is elsewhere.
fn ungrouped(digits: &str) -> Option<String> {
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!misplaced).then(|| digits.replace('_', ""))
}

/// `digits` times ten to the power of `scale`, rounded.
fn scaled(digits: &str, scale: i32) -> Option<i64> {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    if let Ok(zeros) = usize::try_from(scale) {
        let zeros = (zeros <= 19).then_some(zeros)?;
        return format!("{digits}{}", "0".repeat(zeros)).parse().ok();
    }
    let dropped = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(kept) = digits.len().checked_sub(dropped) else { return Some(0) };
    let (kept, rest) = digits.split_at_checked(kept)?;
    let kept: i64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    kept.checked_add(i64::from(rest.starts_with(['5', '6', '7', '8', '9'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_python_reads_them() {
        for (text, expected) in [
            ("7", Some(7)),
            (" +7 ", Some(7)),
            ("1_0", Some(10)),
            ("-0", Some(0)),
            ("007", Some(7)),
            ("100", Some(100)),
        ] {
            assert_eq!(integer(text, 0, 100).ok(), expected, "{text:?}");
        }
        for text in ["", "+", "-1", "_1", "1_", "1__0", "0x1", "1.0", "101", "99999999999999999999", "\u{663}"] {
            assert!(integer(text, 0, 100).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_have_units() {
        let day = Duration::from_secs(86_400);
        for (text, seconds) in [("90", 90), ("90s", 90), ("2 min", 120), ("24h", 86_400), ("1d", 86_400)] {
            assert_eq!(duration(text, Duration::ZERO, day).ok(), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "25h", "2d", "1 week", "1.5h", "-1"] {
            assert!(duration(text, Duration::ZERO, day).is_err(), "{text}");
        }
        assert!(duration("0", Duration::from_secs(1), day).is_err());
    }

    #[test]
    fn amounts_are_exact_and_finite() {
        for (text, expected) in [
            ("0.09", 90_000),
            ("10.00", 10_000_000),
            ("5", 5_000_000),
            (".5", 500_000),
            ("5.", 5_000_000),
            ("9e-2", 90_000),
            ("1_0E1", 100_000_000),
            ("0.0000015", 2),
            ("0.0000004", 0),
            ("-0", 0),
            ("0e99", 0),
            ("1e-99", 0),
        ] {
            assert_eq!(micros(text), Ok(expected), "{text}");
        }
        for text in ["", ".", "nan", "-inf", "Infinity", "1e99", "-1", "0,09", "1 EUR", "1e", "_1", "++1", "1.-1"] {
            assert!(micros(text).is_err(), "{text}");
        }
    }

    #[test]
    fn token_hashes_are_checked_for_form() {
        let body = "A".repeat(53);
        for version in ["2a", "2b", "2y"] {
            assert!(token_hash(&format!("${version}$10${body}")).is_ok());
        }
        let digest = format!("sha256:{}", "aB".repeat(32));
        assert_eq!(token_hash(&digest), Ok(digest.to_lowercase()));
        for text in [
            "plaintoken".to_owned(),
            format!("$2x$10${body}"),
            format!("$2b$03${body}"),
            format!("$2b$32${body}"),
            format!("$2b$+4${body}"),
            format!("$2b$10${body}A"),
            format!("$2b$10${}", "!".repeat(53)),
            format!("sha256:{}", "g".repeat(64)),
        ] {
            let problem = token_hash(&text).unwrap_err();
            assert!(!format!("{problem:?}").contains(&text), "{text}");
        }
    }

    #[test]
    fn mail_addresses_cannot_carry_more_than_an_address() {
        assert!(mail_address("a@b").is_ok());
        for text in ["", "a", "@b", "a@", "a@b, c@d", "a@b\r\nRCPT", "<a@b>"] {
            assert!(mail_address(text).is_err(), "{text:?}");
        }
    }
}
