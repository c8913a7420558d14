//! How much room text takes on a terminal: columns, not characters (Unicode Annex 11).
//!
//! Widths are those of single characters added up, as terminals count that know no sequences. What makes terminals
//! disagree, joiners and variation selectors, is taken out of cells.

use unicode_width::UnicodeWidthChar;

use crate::model::printable;

/// Columns of a text without control characters.
#[must_use]
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// The text, or as much of it as fits into so many columns with an ellipsis.
#[must_use]
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(1);
    let fits = |c: &char| {
        let columns = columns_of(*c);
        let fits = columns <= left;
        left = left.saturating_sub(columns);
        fits
    };
    let mut short: String = text.chars().take_while(fits).collect();
    if limit > 0 {
        short.push('…');
    }
    short
}

/// The same, keeping the end of the text.
#[must_use]
pub(crate) fn shortened_front(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut short = String::from(if limit > 0 { "…" } else { "" });
    let skipped = text.char_indices().map(|(at, _)| text.get(at..).unwrap_or_default());
    short.push_str(skipped.skip(1).find(|rest| width(rest) < limit.max(1)).unwrap_or_default());
    short
}

/// The text followed by blanks, or behind them, until it is so wide.
#[must_use]
pub(crate) fn padded(text: &str, columns: usize, right: bool) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(text)));
    if right { blanks + text } else { text.to_owned() + &blanks }
}

/// Foreign text that no terminal minds, of a width on which all agree.
#[must_use]
pub(crate) fn cell(text: &str) -> String {
    let mut cell = printable(text);
    cell.retain(|c| {
        !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
            && !matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
    });
    cell
}

fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_columns() {
        for (text, columns) in
            [("", 0), ("abc", 3), ("Äther", 5), ("a\u{308}", 1), ("中国移动", 8), ("שלום", 4), ("📶", 2), ("ｱ", 1)]
        {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[test]
    fn cut_at_a_column_never_in_a_character() {
        for (text, limit, expected) in [
            ("Vodafone", 8, "Vodafone"),
            ("Vodafone", 7, "Vodafo…"),
            ("中国移动", 8, "中国移动"),
            ("中国移动", 7, "中国移…"),
            ("中国移动", 6, "中国…"),
            ("a\u{308}bc", 2, "a\u{308}…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ] {
            let short = shortened(text, limit);
            assert_eq!(short, expected, "{text:?} in {limit}");
            assert!(width(&short) <= limit);
        }
    }

    #[test]
    fn cut_in_front() {
        for (limit, expected) in [(9, "/dev/中12"), (8, "…ev/中12"), (5, "…中12"), (4, "…12"), (1, "…"), (0, "")]
        {
            assert_eq!(shortened_front("/dev/中12", limit), expected, "{limit}");
        }
    }

    #[test]
    fn padding_counts_columns() {
        assert_eq!(padded("中", 4, false), "中  ");
        assert_eq!(padded("-71", 5, true), "  -71");
        assert_eq!(padded("long", 2, true), "long");
    }

    #[test]
    fn cells_hold_nothing_that_moves_a_cursor_or_has_a_width_of_its_own() {
        assert_eq!(cell("a\u{1b}[2Jb\nc\u{202e}d\u{61c}e"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d\u{fffd}e");
        assert_eq!(cell("👩\u{200d}👩 ❤\u{fe0f}\u{feff}"), "👩👩 ❤");
        assert_eq!(cell("\u{2028}"), "\u{fffd}");
    }
}
