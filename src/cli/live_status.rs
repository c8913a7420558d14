//! `loop-status`: what the modems are doing, on a screen that keeps itself up to date.
//!
//! The picture is made by [`lay_out`], which knows values only; around it a loop waits for the gateway, keys, and another
//! window size. Where the output is no terminal, the table is printed again and again instead.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use jiff::Zoned;
use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use super::{
    client::{Client, ClientError},
    exit::Failure,
    stats::{self, Look},
    terminal::{Row, Size, Terminal, size},
};
use crate::rpc::wire::Value;

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(3);
/// Rows that are not the table's: summary, a blank one, the table's header, and the line of keys.
const FRAME_ROWS: usize = 4;

/// Shows the modems until `q` or Ctrl-C.
///
/// # Errors
/// [`Failure`]: the terminal is gone. A gateway that does not answer is shown, and asked again.
pub(super) fn run(client: &Client, out: &mut impl Write) -> Result<(), Failure> {
    if io::stdout().is_terminal() { Ok(client.run(watch(client, out))?) } else { print(client, out) }
}

/// The screen.
async fn watch(client: &Client, out: &mut impl Write) -> io::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut terminal = Terminal::enter(out)?;
    let mut keys = tokio::io::stdin();
    let mut typing = true;
    let colour = Look::of_stdout().colour;
    let mut picture = Picture::default();
    let mut window = size();
    let mut pause = Duration::ZERO;
    loop {
        let look = look_after(pause, client);
        tokio::pin!(look);
        // Until it is there, keys and window go on.
        loop {
            terminal.show(window, lay_out(&picture, window, colour))?;
            let mut key = [0; 8];
            tokio::select! {
                seen = &mut look => {
                    picture.take(seen, Zoned::now());
                    break;
                }
                _ = resized.recv() => window = size(),
                read = keys.read(&mut key), if typing => match read {
                    Ok(0) | Err(_) => typing = false,
                    Ok(length) => match Key::of(key.get(..length).unwrap_or_default()) {
                        Some(Key::Quit) => return Ok(()),
                        Some(Key::Scroll(scroll)) => picture.scroll(scroll, window),
                        None => {}
                    },
                },
            }
        }
        pause = INTERVAL;
    }
}

/// For a file or a pipe: one table after the other.
fn print(client: &Client, out: &mut impl Write) -> Result<(), Failure> {
    loop {
        match stats::fetch(client) {
            Ok(modems) => writeln!(out, "{}", stats::table(&modems, Look::of_stdout()))?,
            Err(ClientError::Interrupted) => return Ok(()),
            Err(error) => writeln!(out, "- {error}")?,
        }
        out.flush()?;
        if client.pause(INTERVAL).is_err() {
            return Ok(());
        }
    }
}

/// Asks the gateway, after a pause.
async fn look_after(pause: Duration, client: &Client) -> Result<Vec<(String, Value)>, ClientError> {
    sleep(pause).await;
    let answer = client.ask("get_stats", &[]).await?;
    stats::modems_of(client, &answer)
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Key {
    Quit,
    Scroll(Scroll),
}

/// Where to go in a table that is longer than the window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scroll {
    Lines(isize),
    Pages(isize),
    Top,
    Bottom,
}

impl Key {
    /// The key behind the octets of one read: cursor keys come as sequences (ECMA-48 8.3, xterm).
    fn of(octets: &[u8]) -> Option<Self> {
        Some(match octets {
            // q, Q, Ctrl-C, Ctrl-D
            [b'q' | b'Q' | 3 | 4, ..] => Self::Quit,
            b"k" | b"\x1b[A" | b"\x1bOA" => Self::Scroll(Scroll::Lines(-1)),
            b"j" | b"\x1b[B" | b"\x1bOB" | b"\r" | b"\n" => Self::Scroll(Scroll::Lines(1)),
            b"\x1b[5~" | b"b" => Self::Scroll(Scroll::Pages(-1)),
            b"\x1b[6~" | b" " => Self::Scroll(Scroll::Pages(1)),
            b"g" | b"\x1b[H" | b"\x1bOH" | b"\x1b[1~" => Self::Scroll(Scroll::Top),
            b"G" | b"\x1b[F" | b"\x1bOF" | b"\x1b[4~" => Self::Scroll(Scroll::Bottom),
            _ => return None,
        })
    }
}

/// What was seen, and from which modem on it is shown.
#[derive(Clone, Debug, Default)]
struct Picture {
    modems: Vec<(String, Value)>,
    seen_at: Option<Zoned>,
    /// Why the last look failed.
    trouble: Option<String>,
    top: usize,
}

impl Picture {
    /// Takes a look over. After one that failed the modems stay as they were seen last.
    fn take(&mut self, look: Result<Vec<(String, Value)>, ClientError>, now: Zoned) {
        match look {
            Ok(modems) => {
                self.modems = modems;
                self.seen_at = Some(now);
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    fn scroll(&mut self, scroll: Scroll, window: Size) {
        let page = table_rows(window);
        let last = self.last_top(window);
        let moved = |by: isize| self.top.min(last).saturating_add_signed(by).min(last);
        self.top = match scroll {
            Scroll::Lines(by) => moved(by),
            Scroll::Pages(by) => moved(by.saturating_mul(isize::try_from(page).unwrap_or(1))),
            Scroll::Top => 0,
            Scroll::Bottom => last,
        };
    }

    /// The top row at which the last modem is the last row.
    fn last_top(&self, window: Size) -> usize {
        self.modems.len().saturating_sub(table_rows(window))
    }

    fn summary(&self) -> String {
        let health = |level: &str| {
            let short = |modem: &Value| stats::text(modem, "health_state_short") == level;
            self.modems.iter().filter(|(_, modem)| short(modem)).count()
        };
        let (ok, warning, critical) = (health("OK"), health("WARNING"), health("CRITICAL"));
        let count = self.modems.len();
        let noun = if count == 1 { "modem" } else { "modems" };
        format!("{count} {noun}: {ok} OK, {warning} WARNING, {critical} CRITICAL")
    }
}

/// How many modems a window has room for.
const fn table_rows(window: Size) -> usize {
    window.rows.saturating_sub(FRAME_ROWS)
}

/// The rows of the screen: what is seen in all, the table as far as it fits, and what keys do.
fn lay_out(picture: &Picture, window: Size, colour: bool) -> Vec<Row> {
    let cut = |text: String| Row::Text(stats::shortened(&text, window.columns));
    let (summary, time) = match &picture.seen_at {
        Some(time) => (picture.summary(), time.strftime("%H:%M:%S").to_string()),
        None => ("Asking the gateway ...".to_owned(), String::new()),
    };
    let gap = window.columns.saturating_sub(summary.chars().count() + time.chars().count()).max(1);
    let table = stats::lines(&picture.modems, Look { width: Some(window.columns), colour });
    let top = picture.top.min(picture.last_top(window));
    let room = table_rows(window);
    let shown: Vec<Row> = table.rows.into_iter().skip(top).take(room).map(Row::Text).collect();
    let mut foot = match &picture.trouble {
        Some(trouble) => format!("- {trouble}"),
        None if picture.modems.len() > room => {
            format!("{} to {} of {}   arrows, PgUp, PgDn: scroll   ", top + 1, top + shown.len(), picture.modems.len())
        }
        None => String::new(),
    };
    if picture.trouble.is_none() {
        foot += "q: leave";
        if table.hidden > 0 {
            foot += &format!("   ({} columns do not fit)", table.hidden);
        }
    }
    let mut rows = vec![cut(format!("{summary}{:gap$}{time}", "")), Row::Text(String::new())];
    rows.push(Row::Text(if picture.modems.is_empty() { String::new() } else { table.header }));
    let filler = room.saturating_sub(shown.len());
    rows.extend(shown);
    rows.extend(std::iter::repeat_n(Row::Text(String::new()), filler));
    rows.push(cut(foot));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modem(number: usize) -> (String, Value) {
        let level = ["OK", "OK", "WARNING", "CRITICAL"][number % 4];
        let member = |name: &str, value: Value| (name.to_owned(), value);
        let value = Value::Struct(vec![
            member("port", Value::string(format!("/dev/sms/pci-0000_00_14_0-usb-0_1_{number}_1_2"))),
            member("phone_number", Value::string(format!("+4917000000{number:02}"))),
            member("current_signal", Value::int(-113 + i32::try_from(number).unwrap())),
            member("current_network", Value::string("A network with a very long name")),
            member("sent", Value::int(i32::try_from(number * 997).unwrap())),
            member("health_state_short", Value::string(level)),
            member("health_state_message", Value::string("Signal: weak (CSQ 3); Storage: 30 of 50 places are taken")),
            member("status", Value::string("Ready.")),
        ]);
        (format!("{number:02}"), value)
    }

    fn picture(count: usize) -> Picture {
        let mut picture = Picture::default();
        picture.take(Ok((0..count).map(modem).collect()), "2026-11-21T12:40:07[UTC]".parse().unwrap());
        picture
    }

    fn texts(picture: &Picture, window: Size) -> Vec<String> {
        let text = |row| match row {
            Row::Text(text) => text,
            Row::Wrapping(_) | Row::Wrapped(_) => panic!("nothing wraps here"),
        };
        lay_out(picture, window, false).into_iter().map(text).collect()
    }

    #[test]
    fn sixty_four_modems_are_all_reached_by_scrolling_and_every_row_fits() {
        for window in [Size { columns: 80, rows: 24 }, Size { columns: 200, rows: 50 }, Size { columns: 40, rows: 8 }] {
            let mut picture = picture(64);
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..64 {
                let rows = texts(&picture, window);
                assert_eq!(rows.len(), window.rows);
                assert!(rows.iter().all(|row| row.chars().count() <= window.columns), "{rows:#?}");
                let first = |row: &String| row.split_whitespace().next().map(ToOwned::to_owned);
                seen.extend(rows[3..rows.len() - 1].iter().filter_map(first));
                picture.scroll(Scroll::Pages(1), window);
            }
            assert_eq!(seen.len(), 64, "{window:?}");
        }
    }

    #[test]
    fn it_says_what_is_seen_and_where_one_is() {
        let window = Size { columns: 100, rows: 14 };
        let mut picture = picture(16);
        let rows = texts(&picture, window);
        assert!(
            rows[0].starts_with("16 modems: 8 OK, 4 WARNING, 4 CRITICAL") && rows[0].ends_with("12:40:07"),
            "{rows:#?}"
        );
        assert!(rows[13].starts_with("1 to 10 of 16"), "{rows:#?}");
        picture.scroll(Scroll::Bottom, window);
        assert!(texts(&picture, window)[13].starts_with("7 to 16 of 16"));
        picture.scroll(Scroll::Lines(-1), window);
        assert!(texts(&picture, window)[13].starts_with("6 to 15 of 16"));
        assert!(
            texts(&picture, Size { columns: 100, rows: 40 })[39].starts_with("q: leave"),
            "a larger window shows all"
        );
    }

    #[test]
    fn trouble_is_told_and_the_last_picture_kept() {
        let mut picture = picture(2);
        let window = Size { columns: 80, rows: 10 };
        picture.take(Err(ClientError::Interrupted), "2026-11-21T12:41:00[UTC]".parse().unwrap());
        let rows = texts(&picture, window);
        assert!(
            rows[9].starts_with("- interrupted") && rows[0].ends_with("12:40:07") && rows[3].starts_with("00"),
            "{rows:#?}"
        );
        assert!(texts(&Picture::default(), window)[0].starts_with("Asking the gateway"));
    }

    #[test]
    fn keys() {
        for (octets, key) in [
            (&b"q"[..], Some(Key::Quit)),
            (b"\x03", Some(Key::Quit)),
            (b"\x1b[A", Some(Key::Scroll(Scroll::Lines(-1)))),
            (b"\x1b[6~", Some(Key::Scroll(Scroll::Pages(1)))),
            (b"G", Some(Key::Scroll(Scroll::Bottom))),
            (b"\x1b", None),
            (b"x", None),
            (b"", None),
        ] {
            assert_eq!(Key::of(octets), key, "{octets:?}");
        }
    }
}
