//! A terminal with a program in it: a pty whose other side is drawn onto a grid as a terminal would.
//!
//! Known are the control sequences that the program and its line editor use (ECMA-48, xterm); one that is not known fails
//! the test, so that nothing goes by unseen.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::AsFd as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::Pid,
};
use unicode_width::UnicodeWidthChar as _;

/// Longest anything may take; only failures wait that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program at a terminal.
pub struct Pty {
    child: Child,
    master: File,
    terminal: File,
    name: PathBuf,
    seen: Arc<Mutex<Seen>>,
}

/// What the program wrote, as octets and as a picture.
pub struct Seen {
    pub raw: Vec<u8>,
    pub screen: Screen,
}

impl Pty {
    /// Starts the program in a session of its own, with this terminal.
    pub fn start(program: &Command, (columns, rows): (usize, usize)) -> Self {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = PathBuf::from(ptsname_r(&master).unwrap());
        let terminal = File::options().read(true).write(true).open(&name).unwrap();
        let master = File::from(master.as_fd().try_clone_to_owned().unwrap());
        let seen = Arc::new(Mutex::new(Seen { raw: Vec::new(), screen: Screen::new(columns, rows) }));
        let mut reader = master.try_clone().unwrap();
        let into = Arc::clone(&seen);
        thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut octets) {
                let mut seen = into.lock().unwrap();
                seen.raw.extend_from_slice(&octets[..length]);
                seen.screen.draw(&octets[..length]);
            }
        });
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        command.env_clear().env("TERM", "xterm-256color").env("TZ", "UTC");
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        for stream in [Command::stdin, Command::stdout, Command::stderr] {
            stream(&mut command, Stdio::from(terminal.try_clone().unwrap()));
        }
        set_size(&name, columns, rows);
        Self { child: command.spawn().unwrap(), master, terminal, name, seen }
    }

    pub fn keys(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).unwrap();
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Octets written so far.
    pub fn written(&self) -> usize {
        self.seen().raw.len()
    }

    /// What was written after so many octets.
    pub fn since(&self, written: usize) -> String {
        String::from_utf8_lossy(&self.seen().raw[written..]).into_owned()
    }

    /// Waits until the picture is as it should be.
    #[track_caller]
    pub fn until(&self, what: &str, condition: impl Fn(&Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.seen().screen) {
            assert!(Instant::now() < deadline, "not in time: {what}\n{}", self.seen().screen.text());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Another size of the window, as a terminal tells it.
    pub fn resize(&self, columns: usize, rows: usize) {
        self.seen().screen.resize(columns, rows);
        set_size(&self.name, columns, rows);
    }

    /// The settings of the line.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end; the exit code, -1 for a signal.
    #[track_caller]
    pub fn ended(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.seen().screen.text());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &PathBuf, columns: usize, rows: usize) {
    let (columns, rows) = (columns.to_string(), rows.to_string());
    let set = Command::new("stty").arg("-F").arg(terminal).args(["cols", &columns, "rows", &rows]).status().unwrap();
    assert!(set.success());
}

/// What a person sees.
#[derive(Clone, Debug)]
pub struct Screen {
    pub columns: usize,
    pub rows: usize,
    grid: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// The screen behind the alternate one, with its cursor.
    behind: Option<(Vec<Vec<char>>, usize, usize)>,
    pub cursor_shown: bool,
    pub wrapping: bool,
    /// The sequence or character under way.
    pending: Vec<u8>,
}

impl Screen {
    pub fn new(columns: usize, rows: usize) -> Self {
        let grid = vec![vec![' '; columns]; rows];
        let (row, column, pending) = (0, 0, Vec::new());
        Self { columns, rows, grid, row, column, behind: None, cursor_shown: true, wrapping: true, pending }
    }

    pub fn is_alternate(&self) -> bool {
        self.behind.is_some()
    }

    pub fn line(&self, row: usize) -> String {
        self.grid[row].iter().filter(|c| **c != '\0').collect::<String>().trim_end().to_owned()
    }

    /// What stands at a place; the second half of a wide character is `\0`.
    pub fn at(&self, row: usize, column: usize) -> char {
        self.grid[row][column]
    }

    pub fn lines(&self) -> Vec<String> {
        (0..self.rows).map(|row| self.line(row)).collect()
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }

    /// The line that the cursor is in.
    pub fn present(&self) -> String {
        self.line(self.row)
    }

    /// As xterm does: what is in the upper left corner stays.
    fn resize(&mut self, columns: usize, rows: usize) {
        (self.columns, self.rows) = (columns, rows);
        for grid in [Some(&mut self.grid), self.behind.as_mut().map(|(grid, ..)| grid)].into_iter().flatten() {
            grid.resize(rows, Vec::new());
            grid.iter_mut().for_each(|line| line.resize(columns, ' '));
        }
        self.row = self.row.min(rows - 1);
        self.column = self.column.min(columns);
    }

    fn draw(&mut self, octets: &[u8]) {
        for octet in octets {
            self.pending.push(*octet);
            let complete = match self.pending.as_slice() {
                [0x1b] | [0x1b, b'['] => false,
                [0x1b, b'[', .., last] => (0x40..0x7f).contains(last),
                other => std::str::from_utf8(other).is_ok(),
            };
            if complete {
                let unit = String::from_utf8(std::mem::take(&mut self.pending)).unwrap();
                self.obey(&unit);
            }
        }
    }

    fn obey(&mut self, unit: &str) {
        let Some(sequence) = unit.strip_prefix("\x1b[") else { return self.put(unit.chars().next().unwrap()) };
        let (parameters, function) = sequence.split_at(sequence.len() - 1);
        let number = |at: usize| parameters.split(';').nth(at).and_then(|number| number.parse().ok());
        let count = number(0).unwrap_or(1).max(1);
        match function {
            "H" => (self.row, self.column) = (self.at_row(count), number(1).unwrap_or(1) - 1),
            "A" => self.row = self.row.saturating_sub(count),
            "B" => self.row = self.at_row(self.row + count + 1),
            "C" => self.column = (self.column + count).min(self.columns - 1),
            "D" => self.column = self.column.saturating_sub(count),
            "G" => self.column = count - 1,
            "K" => self.erase_line(number(0).unwrap_or(0)),
            "J" => match number(0).unwrap_or(0) {
                0 => {
                    self.erase_line(0);
                    (self.row + 1..self.rows).for_each(|row| self.grid[row].fill(' '));
                }
                2 => self.grid.iter_mut().for_each(|line| line.fill(' ')),
                _ => panic!("unknown: {unit:?}"),
            },
            "m" => {}
            "h" | "l" => self.switch(parameters, function == "h"),
            _ => panic!("unknown: {unit:?}"),
        }
    }

    fn at_row(&self, number: usize) -> usize {
        (number - 1).min(self.rows - 1)
    }

    fn switch(&mut self, mode: &str, on: bool) {
        match (mode, on) {
            ("?7", on) => self.wrapping = on,
            ("?25", on) => self.cursor_shown = on,
            ("?1049", true) => {
                let blank = vec![vec![' '; self.columns]; self.rows];
                let behind = std::mem::replace(&mut self.grid, blank);
                self.behind = Some((behind, self.row, self.column));
            }
            ("?1049", false) => (self.grid, self.row, self.column) = self.behind.take().expect("an alternate screen"),
            // Frames and bracketed paste look like nothing.
            ("?2026" | "?2004", _) => {}
            _ => panic!("unknown mode {mode}"),
        }
    }

    fn erase_line(&mut self, what: usize) {
        let column = self.column.min(self.columns - 1);
        let line = &mut self.grid[self.row];
        match what {
            0 => line[column..].fill(' '),
            1 => line[..=column].fill(' '),
            _ => line.fill(' '),
        }
    }

    fn put(&mut self, c: char) {
        match c {
            '\r' => self.column = 0,
            '\n' => self.feed(),
            '\x08' => self.column = self.column.saturating_sub(1),
            '\x07' => {}
            c => {
                let width = c.width().unwrap_or_else(|| panic!("a control character: {c:?}"));
                if width == 0 {
                    return;
                }
                if self.column + width > self.columns {
                    if self.wrapping {
                        self.column = 0;
                        self.feed();
                    } else {
                        self.column = self.columns - width;
                    }
                }
                self.grid[self.row][self.column] = c;
                if width == 2 {
                    self.grid[self.row][self.column + 1] = '\0';
                }
                self.column += width;
            }
        }
    }

    fn feed(&mut self) {
        if self.row + 1 < self.rows {
            self.row += 1;
        } else {
            self.grid.remove(0);
            self.grid.push(vec![' '; self.columns]);
        }
    }
}
