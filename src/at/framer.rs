//! Bytes to lines and prompts.
//!
//! Modems end lines with CR LF, CR alone or CR CR LF, in any chopping, and put NUL and line noise between. A line is
//! handed on as the octets it had: what they mean depends on the line (a USSD text may hold raw septets). The prompt of
//! `+CMGS` is `> ` without a line end (TS 27.005 3.5.1). Nothing here grows with the input.

use std::mem;

/// Longest line kept, in octets. A longer one is dropped whole.
pub const MAX_LINE: usize = 2048;
/// Longest answer kept, in octets of all its lines.
pub const MAX_REPLY: usize = 64 * 1024;

/// What the framer found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// A line without its end; may be empty.
    Line(Vec<u8>),
    /// `> ` at the start of a line.
    Prompt,
    /// A line longer than [`MAX_LINE`] was dropped.
    Overflow,
}

/// Cuts a byte stream into [`Item`]s.
#[derive(Debug, Default)]
pub struct Framer {
    line: Vec<u8>,
    after_cr: bool,
    dropping: bool,
}

impl Framer {
    /// A framer at the start of a line.
    #[must_use]
    pub const fn new() -> Self {
        Self { line: Vec::new(), after_cr: false, dropping: false }
    }

    /// Takes one octet. With `prompts` off, `> ` is text like any other (inside a USSD text).
    pub fn push(&mut self, octet: u8, prompts: bool) -> Option<Item> {
        let after_cr = mem::replace(&mut self.after_cr, octet == b'\r');
        match octet {
            b'\n' if after_cr => None,
            b'\r' | b'\n' => {
                let line = mem::take(&mut self.line);
                if mem::replace(&mut self.dropping, false) { Some(Item::Overflow) } else { Some(Item::Line(line)) }
            }
            b' ' if prompts && self.at_prompt() => {
                self.line.clear();
                Some(Item::Prompt)
            }
            _ if self.dropping => None,
            _ if self.line.len() >= MAX_LINE => {
                self.dropping = true;
                self.line = Vec::new();
                None
            }
            octet => {
                self.line.push(octet);
                None
            }
        }
    }

    /// Octets held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.line.len()
    }

    /// `>` and nothing else but control octets so far. Of a line being dropped nothing is held.
    fn at_prompt(&self) -> bool {
        self.line.len() < 16 && self.line.iter().filter(|octet| !octet.is_ascii_control()).eq(std::iter::once(&b'>'))
    }
}

/// A line as text: control octets dropped, invalid UTF-8 replaced, blanks around it cut.
#[must_use]
pub(super) fn text(line: &[u8]) -> String {
    let visible: Vec<u8> = line.iter().copied().filter(|octet| !octet.is_ascii_control()).collect();
    String::from_utf8_lossy(&visible).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(input: &[u8]) -> Vec<Item> {
        let mut framer = Framer::new();
        input.iter().filter_map(|octet| framer.push(*octet, true)).filter(|item| *item != Item::Line(vec![])).collect()
    }

    fn line(text: &[u8]) -> Item {
        Item::Line(text.to_vec())
    }

    #[test]
    fn line_ends_of_every_kind() {
        for input in ["\r\nOK\r\n", "OK\r", "OK\n", "\r\r\nOK\r\r\n", "\n\rOK\n\r"] {
            assert_eq!(items(input.as_bytes()), [line(b"OK")], "{input:?}");
        }
    }

    #[test]
    fn an_empty_line_inside_a_text_is_kept() {
        let mut framer = Framer::new();
        let found: Vec<Item> = b"a\n\nb\r\n\r\n".iter().filter_map(|octet| framer.push(*octet, true)).collect();
        assert_eq!(found, [line(b"a"), line(b""), line(b"b"), line(b"")]);
    }

    #[test]
    fn prompt_with_and_without_line_end() {
        assert_eq!(items(b"\r\n> "), [Item::Prompt]);
        assert_eq!(items(b"> "), [Item::Prompt]);
        assert_eq!(items(b"\0> "), [Item::Prompt]);
        assert_eq!(items(b"AT+CMGS=1\r> \r\nOK\r\n"), [line(b"AT+CMGS=1"), Item::Prompt, line(b"OK")]);
        assert_eq!(items(b">x > \r\n"), [line(b">x > ")]);
    }

    /// TS 27.005 3.5.1: a greater-than sign and a blank. Noise of up to 14 octets before them is passed over.
    #[test]
    fn noise_before_a_prompt_is_bounded() {
        for (noise, text, prompts, found) in [
            (0, "> ", true, true),
            (14, "> ", true, true),
            (15, "> ", true, false),
            (20, "> ", true, false),
            (0, "> ", false, false), // inside a USSD text
            (0, " ", true, false),
            (0, ">> ", true, false),
            (0, "x ", true, false),
        ] {
            let mut framer = Framer::new();
            let octets = std::iter::repeat_n(0, noise).chain(text.bytes());
            let items: Vec<Item> = octets.filter_map(|octet| framer.push(octet, prompts)).collect();
            assert_eq!(items, if found { vec![Item::Prompt] } else { vec![] }, "{noise} {text:?} {prompts}");
            assert_eq!(framer.held(), if found { 0 } else { noise + text.len() }, "{noise} {text:?}");
        }
    }

    #[test]
    fn the_longest_line_is_kept_whole_and_one_octet_more_drops_it() {
        for (octets, item) in [(MAX_LINE, line(&[b'x'; MAX_LINE])), (MAX_LINE + 1, Item::Overflow)] {
            let mut framer = Framer::new();
            assert!((0..octets).all(|_| framer.push(b'x', true).is_none()));
            assert_eq!(framer.push(b'\r', true), Some(item));
        }
    }

    #[test]
    fn nothing_of_a_line_too_long_is_held_and_no_prompt_is_seen_in_it() {
        let mut framer = Framer::new();
        assert!((0..=MAX_LINE).all(|_| framer.push(b'x', true).is_none()));
        for octet in *b"> and more" {
            assert_eq!((framer.push(octet, true), framer.held()), (None, 0));
        }
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let mut framer = Framer::new();
        for _ in 0..100_000 {
            assert_eq!(framer.push(b'x', true), None);
            assert!(framer.held() <= MAX_LINE);
        }
        assert_eq!(framer.push(b'\n', true), Some(Item::Overflow));
        assert_eq!(framer.push(b'A', true), None);
        assert_eq!(framer.push(b'\n', true), Some(line(b"A")));
    }

    #[test]
    fn text_drops_noise() {
        assert_eq!(text(b"\0\x07 OK \x1a"), "OK");
        assert_eq!(text(b"+X: \xff"), "+X: \u{fffd}");
    }
}
