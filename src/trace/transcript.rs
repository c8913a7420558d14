//! The transcript format: an AT session as text, one step a line.
//!
//! `>` what we send, `<` what the modem sends, `@ +200ms` time passes, `=` the event expected next, `!hangup` the port
//! goes away, `!synchronise` we start a synchronisation, `#` a remark. Escapes: `\r \n \\ \xNN`.

use std::time::Duration;

/// One step of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Line {
    /// Octets that went to the modem, written at once.
    Sent(Vec<u8>),
    /// Octets that came from the modem.
    Received(Vec<u8>),
    /// Time passes.
    Passes(Duration),
    /// What the dialogue should make of what came before; only in transcripts written by hand.
    Expected(String),
    /// The port goes away.
    Hangup,
    /// A synchronisation is started.
    Synchronise,
    /// For people.
    Remark(String),
}

/// A line that is none of a transcript.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {number}: cannot read `{text}`: expected `>`, `<`, `@ +NNNms`, `=`, `#`, `!hangup` or `!synchronise`")]
pub struct TranscriptError {
    /// Which, from 1.
    pub number: usize,
    /// What it says.
    pub text: String,
}

/// Reads a transcript. Empty lines mean nothing, nor do CRs at the end of one; octets received line after line are one
/// piece.
///
/// # Errors
/// [`TranscriptError`] at the first line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Line>, TranscriptError> {
    let mut lines = Vec::new();
    for (position, raw) in text.split('\n').enumerate() {
        let raw = raw.trim_end_matches('\r');
        if raw.is_empty() {
            continue;
        }
        let read = read(raw).ok_or_else(|| TranscriptError { number: position + 1, text: raw.to_owned() })?;
        match (read, lines.last_mut()) {
            (Line::Received(more), Some(Line::Received(octets))) => octets.extend(more),
            (line, _) => lines.push(line),
        }
    }
    Ok(lines)
}

/// Writes a step as a line, without its end.
#[must_use]
pub fn write(line: &Line) -> String {
    match line {
        Line::Sent(octets) => format!("> {}", escape(octets)),
        Line::Received(octets) => format!("< {}", escape(octets)),
        Line::Passes(time) => format!("@ +{}ms", time.as_millis()),
        Line::Expected(event) => format!("= {event}"),
        Line::Hangup => "!hangup".to_owned(),
        Line::Synchronise => "!synchronise".to_owned(),
        Line::Remark(text) => format!("# {text}"),
    }
}

fn read(raw: &str) -> Option<Line> {
    let (kind, rest) = raw.split_at_checked(1)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    Some(match kind {
        "#" => Line::Remark(rest.to_owned()),
        ">" => Line::Sent(unescape(rest)?),
        "<" => Line::Received(unescape(rest)?),
        "@" => {
            let millis = rest.strip_prefix('+')?.strip_suffix("ms")?.parse().ok()?;
            Line::Passes(Duration::from_millis(millis))
        }
        "=" => Line::Expected(rest.to_owned()),
        "!" if rest == "hangup" => Line::Hangup,
        "!" if rest == "synchronise" => Line::Synchronise,
        _ => return None,
    })
}

fn escape(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() + 8);
    let last = octets.len().saturating_sub(1);
    for (position, &octet) in octets.iter().enumerate() {
        match octet {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            // A blank at the end of a line does not survive every editor.
            b' ' if position == last => text.push_str("\\x20"),
            b' '..=b'~' => text.push(char::from(octet)),
            other => text.push_str(&format!("\\x{other:02x}")),
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            octets.push(first);
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        rest = after;
        octets.push(match escaped {
            b'r' => b'\r',
            b'n' => b'\n',
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        for (line, written) in [
            (Line::Sent(b"AT+CSQ\r".to_vec()), "> AT+CSQ\\r"),
            (Line::Received(b"\r\n> ".to_vec()), "< \\r\\n>\\x20"),
            (Line::Received(b"a\\b\x00\xff".to_vec()), "< a\\\\b\\x00\\xff"),
            (Line::Passes(Duration::from_millis(40)), "@ +40ms"),
            (Line::Expected("completed".to_owned()), "= completed"),
            (Line::Hangup, "!hangup"),
            (Line::Synchronise, "!synchronise"),
            (Line::Remark("why".to_owned()), "# why"),
        ] {
            assert_eq!(write(&line), written);
            assert_eq!(parse(written), Ok(vec![line]), "{written}");
        }
    }

    #[test]
    fn octets_received_line_after_line_are_one_piece() {
        let expected = vec![Line::Received(b"ab".to_vec()), Line::Sent(b"c".to_vec()), Line::Sent(b"d".to_vec())];
        assert_eq!(parse("< a\n\n< b\n> c\n> d\n"), Ok(expected));
    }

    #[test]
    fn carriage_returns_at_the_end_of_a_line_mean_nothing() {
        let lines = parse("# a\r\r\n\r\r\n= b\rc\r\n> AT\r\n").unwrap();
        let expected = [Line::Remark("a".to_owned()), Line::Expected("b\rc".to_owned()), Line::Sent(b"AT".to_vec())];
        assert_eq!(lines, expected);
        let written: Vec<String> = lines.iter().map(write).collect();
        assert_eq!(parse(&written.join("\r\n")), Ok(lines));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        for text in ["nonsense", "@ 40ms", "@ +xms", "> \\q", "> \\x1", "!bang", "é"] {
            let error = parse(&format!("# first\n{text}")).unwrap_err();
            assert_eq!((error.number, error.text.as_str()), (2, text));
        }
    }
}
