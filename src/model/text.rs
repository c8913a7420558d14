//! Making foreign text safe to show.

/// Replaces what could disturb a terminal, a log line or a mail header ([`disturbs`]) by `�`; tabs become blanks.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = |c| match c {
        '\t' => ' ',
        c if disturbs(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Whether a character does something else than to stand there: C0 and C1 controls (ESC, CR, LF, ...), bidirectional marks
/// and overrides, and line and paragraph separators.
#[must_use]
pub fn disturbs(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || c.is_control()
}
