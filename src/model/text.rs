//! Making foreign text safe to show.

/// Replaces what could disturb a terminal, a log line or a mail header: C0 and C1 controls (ESC, CR, LF, ...),
/// bidirectional marks and overrides, and line and paragraph separators each become one `�`; tabs become blanks.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                char::REPLACEMENT_CHARACTER
            }
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}
