//! The terminal while a live view has it: alternate screen, keys one by one, redrawing what changed.
//!
//! Control sequences are those of ECMA-48 and xterm. However a view ends, dropping [`Terminal`] puts everything back.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};

/// Alternate screen, no cursor, no wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// Takes all that back.
pub(super) const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Shows a frame at once where the terminal can (DEC private mode 2026); others ignore it.
const BEGIN_FRAME: &str = "\x1b[?2026h";
const END_FRAME: &str = "\x1b[?2026l";

/// Whether a view has the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether a view has the terminal, so that [`LEAVE`] is needed before anything else is shown.
pub(super) fn is_taken() -> bool {
    TAKEN.load(Ordering::Relaxed)
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// A terminal in use.
pub(crate) struct Terminal<'a, W: Write> {
    out: &'a mut W,
    before: Option<Termios>,
    shown: Vec<String>,
    size: Option<Size>,
}

impl<'a, W: Write> Terminal<'a, W> {
    /// Takes the terminal over.
    pub(crate) fn enter(out: &'a mut W) -> io::Result<Self> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut keys = before.clone();
            // Ctrl-C and Ctrl-Z come as keys: a program that is stopped would leave the screen as it is.
            keys.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
            // A read returns what is there, if anything; the keyboard knows when to read.
            for wait in [SpecialCharacterIndices::VMIN, SpecialCharacterIndices::VTIME] {
                if let Some(wait) = keys.control_chars.get_mut(wait as usize) {
                    *wait = 0;
                }
            }
            termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &keys)?;
        }
        let terminal = Self { out, before, shown: Vec::new(), size: None };
        TAKEN.store(true, Ordering::Relaxed);
        terminal.out.write_all(ENTER.as_bytes())?;
        terminal.out.flush()?;
        Ok(terminal)
    }

    /// Draws everything at the next [`show`](Self::show), whatever somebody else wrote in between.
    pub(crate) fn forget(&mut self) {
        self.size = None;
    }

    /// Shows the rows; those that look as before are left alone.
    pub(crate) fn show(&mut self, size: Size, rows: Vec<Row>) -> io::Result<()> {
        let mut frame = String::new();
        if self.size != Some(size) {
            self.size = Some(size);
            self.shown.clear();
            frame.push_str("\x1b[2J");
        }
        let count = rows.len().max(self.shown.len());
        let mut rows: Vec<Row> = rows;
        rows.resize(count, Row::Text(String::new()));
        let texts: Vec<String> = rows.iter().map(Row::key).collect();
        let changed = |index: &usize| self.shown.get(*index) != texts.get(*index);
        let changed: Vec<usize> = (0..count.min(size.rows)).filter(changed).collect();
        // All are emptied first: a text that wraps fills rows below its own.
        frame.extend(changed.iter().map(|index| format!("\x1b[{};1H\x1b[2K", index + 1)));
        for (index, row) in changed.iter().filter_map(|index| rows.get(*index).map(|row| (index, row))) {
            match row {
                Row::Text(text) if text.is_empty() => {}
                Row::Text(text) => frame.push_str(&format!("\x1b[{};1H{text}\x1b[0m", index + 1)),
                // The terminal wraps this one itself, so that it is copied as one line.
                Row::Wrapping(text) => frame.push_str(&format!("\x1b[{};1H\x1b[?7h{text}\x1b[?7l", index + 1)),
                Row::Wrapped(_) => {}
            }
        }
        self.shown = texts;
        if frame.is_empty() {
            return Ok(());
        }
        write!(self.out, "{BEGIN_FRAME}{frame}{END_FRAME}")?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Terminal<'_, W> {
    fn drop(&mut self) {
        let _ = self.out.write_all(LEAVE.as_bytes());
        let _ = self.out.flush();
        TAKEN.store(false, Ordering::Relaxed);
        if let Some(before) = &self.before {
            let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }
}

/// A row of the screen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Row {
    /// Text that fits.
    Text(String),
    /// Text that the terminal wraps into the rows below.
    Wrapping(String),
    /// One of those; with the text, so that a change of it shows.
    Wrapped(String),
}

impl Row {
    fn key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Wrapping(text) => format!("W{text}"),
            Self::Wrapped(text) => format!("w{text}"),
        }
    }
}

/// The window's size; 80 by 24 where the terminal does not say.
pub(crate) fn size() -> Size {
    // The line editor knows how to ask for it.
    let asked = rustyline::DefaultEditor::new().ok().and_then(|mut editor| editor.dimensions());
    let (columns, rows) = asked.unwrap_or((80, 24));
    // A serial line knows no size: the editor then takes 80 columns and rows without end.
    let rows = if rows == u16::MAX { 24 } else { rows };
    Size { columns: usize::from(columns).max(1), rows: usize::from(rows).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 20, rows: 8 };

    fn text(text: &str) -> Row {
        Row::Text(text.to_owned())
    }

    #[test]
    fn only_what_changed_is_drawn_and_the_terminal_is_put_back() {
        let mut out = Vec::new();
        let mut terminal = Terminal { out: &mut out, before: None, shown: Vec::new(), size: None };
        terminal.show(SIZE, vec![text("one"), text("two")]).unwrap();
        terminal.out.clear();
        terminal.show(SIZE, vec![text("one"), text("2")]).unwrap();
        assert_eq!(
            String::from_utf8(terminal.out.clone()).unwrap(),
            format!("{BEGIN_FRAME}\x1b[2;1H\x1b[2K\x1b[2;1H2\x1b[0m{END_FRAME}")
        );
        terminal.out.clear();
        terminal.show(SIZE, vec![text("one"), text("2")]).unwrap();
        assert!(terminal.out.is_empty());
        terminal.show(SIZE, vec![text("one")]).unwrap();
        assert!(String::from_utf8_lossy(terminal.out).contains("\x1b[2;1H\x1b[2K"), "a row that is gone is cleared");
        terminal.out.clear();
        terminal.show(Size { columns: 30, ..SIZE }, vec![text("one")]).unwrap();
        let drawn = String::from_utf8_lossy(terminal.out).into_owned();
        assert!(drawn.contains("\x1b[2J") && drawn.contains("\x1b[1;1Hone"), "another size: all anew");
        drop(terminal);
        assert!(String::from_utf8(out).unwrap().ends_with(LEAVE));
    }
}
