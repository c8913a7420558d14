//! Keys of a live view, one by one as they are typed.
//!
//! Octets are read only when they are asked for: what is typed after the key that ends a view waits in the terminal for
//! the prompt, and no thread stays behind in a read. Cursor keys come as sequences (ECMA-48 5.4, xterm).

use std::{
    io::{IsTerminal as _, Stdin, stdin},
    mem,
};

use nix::errno::Errno;
use tokio::io::unix::AsyncFd;

/// Longest sequence that is waited for; no key has one so long.
const LONGEST: usize = 16;
const ESCAPE: u8 = 0x1b;

/// The terminal's keys. The terminal must hand them over at once (see [`Terminal`](super::terminal::Terminal)).
#[derive(Debug)]
pub(crate) struct Keyboard(Option<AsyncFd<Stdin>>);

impl Keyboard {
    /// Standard input, if it is a terminal. Must be called within a runtime.
    #[expect(deprecated, reason = "its successor is unsafe; standard input keeps its descriptor, as that one demands")]
    pub(crate) fn open() -> Self {
        let input = stdin();
        Self(input.is_terminal().then(|| AsyncFd::new(input).ok()).flatten())
    }

    /// The next octet; `None` once the terminal is gone. Waits for ever where there is no terminal.
    pub(crate) async fn octet(&mut self) -> Option<u8> {
        let Some(input) = &self.0 else { return std::future::pending().await };
        loop {
            let mut ready = input.readable().await.ok()?;
            let mut octet = [0];
            match nix::unistd::read(input.get_ref(), &mut octet) {
                Ok(0) if ready.ready().is_read_closed() => return None,
                // Nothing there, as the terminal says it while it does not wait.
                Ok(0) | Err(Errno::EAGAIN) => ready.clear_ready(),
                Ok(_) => return octet.first().copied(),
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// Leave.
    Quit,
    /// Draw everything again.
    Redraw,
    /// Show other rows.
    Scroll(Scroll),
}

/// Where to go in a table that is longer than the window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scroll {
    /// So many rows down.
    Lines(isize),
    /// So many windows down.
    Pages(isize),
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
}

/// Octets to keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys(Vec<u8>);

impl Keys {
    /// Takes an octet; a key, if it ends one that means something.
    pub(super) fn push(&mut self, octet: u8) -> Option<Key> {
        // A control character is a key of its own, wherever it comes.
        if octet < 0x20 {
            self.0.clear();
        }
        self.0.push(octet);
        let complete = match self.0.as_slice() {
            [ESCAPE] | [ESCAPE, b'[' | b'O'] => false,
            [ESCAPE, b'[', .., last] => (0x40..0x7f).contains(last) || self.0.len() >= LONGEST,
            _ => true,
        };
        if complete { key(&mem::take(&mut self.0)) } else { None }
    }
}

fn key(octets: &[u8]) -> Option<Key> {
    Some(match octets {
        // q, Ctrl-C, Ctrl-D; with Alt or after a lone Escape too
        [b'q' | b'Q' | 3 | 4] | [ESCAPE, b'q' | b'Q'] => Key::Quit,
        // Ctrl-L
        [12] => Key::Redraw,
        b"k" | b"\x1b[A" | b"\x1bOA" => Key::Scroll(Scroll::Lines(-1)),
        b"j" | b"\x1b[B" | b"\x1bOB" | b"\r" | b"\n" => Key::Scroll(Scroll::Lines(1)),
        b"b" | b"\x1b[5~" => Key::Scroll(Scroll::Pages(-1)),
        b" " | b"\x1b[6~" => Key::Scroll(Scroll::Pages(1)),
        b"g" | b"\x1b[H" | b"\x1bOH" | b"\x1b[1~" | b"\x1b[7~" => Key::Scroll(Scroll::Top),
        b"G" | b"\x1b[F" | b"\x1bOF" | b"\x1b[4~" | b"\x1b[8~" => Key::Scroll(Scroll::Bottom),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(octets: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        octets.iter().filter_map(|octet| keys.push(*octet)).collect()
    }

    #[test]
    fn keys_and_sequences() {
        use Scroll::{Bottom, Lines, Pages, Top};
        for (octets, expected) in [
            (&b"q"[..], &[Key::Quit][..]),
            (b"\x03", &[Key::Quit]),
            (b"\x04", &[Key::Quit]),
            (b"\x0c", &[Key::Redraw]),
            (b"\x1b[A\x1bOB", &[Key::Scroll(Lines(-1)), Key::Scroll(Lines(1))]),
            (b"\x1b[5~ ", &[Key::Scroll(Pages(-1)), Key::Scroll(Pages(1))]),
            (b"\x1b[HG", &[Key::Scroll(Top), Key::Scroll(Bottom)]),
            (b"jjk", &[Key::Scroll(Lines(1)), Key::Scroll(Lines(1)), Key::Scroll(Lines(-1))]),
            (b"x\x1b[15~\x1b[1;5C", &[]),
            (b"\x1b", &[]),
            (b"\x1b\x1bq", &[Key::Quit]),
            (b"\x1b[1\x03", &[Key::Quit]),
            (b"", &[]),
        ] {
            assert_eq!(keys(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn a_sequence_without_end_does_not_swallow_what_comes_later() {
        let mut octets = b"\x1b[".to_vec();
        octets.resize(LONGEST, b'1');
        octets.push(b'q');
        assert_eq!(keys(&octets), [Key::Quit]);
    }
}
