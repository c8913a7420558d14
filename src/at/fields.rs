//! Parameters of information lines: `+CPMS: "SM",3,20` to `SM`, `3`, `20` (V.250 5.4.2, TS 27.007 4.2).

/// The parameters after `prefix`, or `None` if the line does not start with it. Case matters not.
pub(super) fn after<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let head = line.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| line.get(prefix.len()..).unwrap_or_default().trim())
}

/// Splits at commas outside quotes; blanks and one pair of quotes around each value are cut.
pub(super) fn split(parameters: &str) -> Vec<&str> {
    let mut quoted = false;
    parameters
        .split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .map(unquote)
        .collect()
}

/// Cuts blanks and one pair of quotes.
pub(super) fn unquote(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('"').map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner))
}

/// The parameter at `position` as a number.
pub(super) fn number<T: std::str::FromStr>(fields: &[&str], position: usize) -> Option<T> {
    fields.get(position)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_outside_quotes() {
        assert_eq!(split("0,0,\"T, Mobile\",7"), ["0", "0", "T, Mobile", "7"]);
        assert_eq!(split("\"SM\", 3 ,20"), ["SM", "3", "20"]);
        assert_eq!(split(""), [""]);
        assert_eq!(split("\"open,1"), ["open,1"]);
    }

    #[test]
    fn prefix_in_any_case() {
        assert_eq!(after("+csq: 17,99", "+CSQ:"), Some("17,99"));
        assert_eq!(after("+CS", "+CSQ:"), None);
        assert_eq!(after("+CS\u{fffd}\u{fffd}", "+CSQ:"), None);
    }
}
