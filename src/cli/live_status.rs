//! `loop-status`: what the modems are doing, on a screen that keeps itself up to date.
//!
//! The picture is made by [`lay_out`], which knows values only; around it a loop waits for the gateway, keys, and another
//! window size. Where the output is no terminal, the table is printed again and again instead.

use std::{
    io::{self, IsTerminal as _, Write, stdout},
    time::Duration,
};

use jiff::Zoned;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};

use super::{
    client::{Cause, Client, ClientError},
    columns::{shortened, width},
    exit::Failure,
    keyboard::{Key, Keyboard, Keys, Scroll},
    look::{self, Look},
    stats,
    table::{Table, ink_of},
    terminal::{Row, Size, Terminal, size},
};
use crate::rpc::wire::Value;

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(3);
/// Longest a look may take: a picture that is older must not pass for the truth.
const DEADLINE: Duration = Duration::from_secs(10);

/// Shows the modems until `q` or Ctrl-C.
///
/// # Errors
/// [`Failure`]: the terminal is gone. A gateway that does not answer is shown, and asked again.
pub(super) fn run(client: &Client, out: &mut impl Write) -> Result<(), Failure> {
    if look::has_cursor() { Ok(client.run(watch(client, out))?) } else { print(client, out) }
}

/// The screen.
async fn watch(client: &Client, out: &mut impl Write) -> io::Result<()> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut terminal = Terminal::enter(out)?;
    let mut keyboard = Keyboard::open();
    let mut keys = Keys::default();
    let colour = look::wants_colour();
    let mut picture = Picture::default();
    let mut window = size();
    let mut pause = Duration::ZERO;
    loop {
        let look = look_after(pause, client);
        tokio::pin!(look);
        // Until it is there, keys and window go on.
        loop {
            terminal.show(window, lay_out(&picture, window, colour))?;
            tokio::select! {
                seen = &mut look => {
                    picture.take(seen, Zoned::now());
                    break;
                }
                _ = resized.recv() => window = size(),
                // Where keys do not come as keys.
                () = client.interrupted() => return Ok(()),
                octet = keyboard.octet() => match octet.map(|octet| keys.push(octet)) {
                    None | Some(Some(Key::Quit)) => return Ok(()),
                    Some(Some(Key::Redraw)) => terminal.forget(),
                    Some(Some(Key::Scroll(scroll))) => picture.scroll(scroll, window),
                    Some(None) => {}
                },
            }
        }
        pause = INTERVAL;
    }
}

/// For a file, a pipe, or a terminal that knows no control sequences: one table after the other.
fn print(client: &Client, out: &mut impl Write) -> Result<(), Failure> {
    let mut picture = Picture::default();
    loop {
        match client.call("get_stats", &[]).and_then(|answer| stats::modems_of(client, &answer)) {
            Err(ClientError::Interrupted) => break,
            seen => picture.take(seen, Zoned::now()),
        }
        match &picture.trouble {
            Some(trouble) => writeln!(out, "- {trouble}")?,
            None => {
                let line = picture.counts(true).iter().map(|(text, _)| text.as_str()).collect::<String>();
                writeln!(out, "{}  {line}\n{}", picture.clock(), Table::of(&picture.modems, Look::of_stdout()))?;
            }
        }
        out.flush()?;
        if client.pause(INTERVAL).is_err() {
            break;
        }
    }
    if stdout().is_terminal() {
        // Such a terminal shows a Ctrl-C as `^C`.
        writeln!(out)?;
    }
    Ok(())
}

/// Asks the gateway, after a pause.
async fn look_after(pause: Duration, client: &Client) -> Result<Vec<(String, Value)>, ClientError> {
    sleep(pause).await;
    match timeout(DEADLINE, client.ask("get_stats", &[])).await {
        Ok(answer) => stats::modems_of(client, &answer?),
        Err(_) => Err(ClientError::Transport(client.endpoint().clone(), Cause::TimedOut(DEADLINE))),
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

    /// How many modems there are and how many of each health, in pieces with the level that inks them.
    fn counts(&self, long: bool) -> Vec<(String, &'static str)> {
        let count = self.modems.len();
        let noun = match (long, count) {
            (false, _) => "",
            (true, 1) => " modem",
            (true, _) => " modems",
        };
        let mut pieces = vec![(format!("{count}{noun}:"), "")];
        for (at, level) in ["OK", "WARNING", "CRITICAL"].into_iter().enumerate() {
            let same = |modem: &Value| stats::text(modem, "health_state_short") == level;
            let count = self.modems.iter().filter(|(_, modem)| same(modem)).count();
            pieces.push((if at == 0 { " " } else { ", " }.to_owned(), ""));
            pieces.push((format!("{count} {level}"), if count > 0 { level } else { "" }));
        }
        pieces
    }

    /// When the modems were seen; with a word if that is what is known last.
    fn clock(&self) -> String {
        let stale = if self.trouble.is_some() { "seen " } else { "" };
        self.seen_at.as_ref().map(|time| format!("{stale}{}", time.strftime("%H:%M:%S"))).unwrap_or_default()
    }

    /// The first row: counts at the left, clock at the right, as much as fits.
    fn headline(&self, columns: usize, colour: bool) -> String {
        if self.seen_at.is_none() {
            return shortened("Asking the gateway ...", columns);
        }
        let plain = |pieces: &[(String, &str)]| pieces.iter().map(|(text, _)| text.as_str()).collect::<String>();
        let clock = self.clock();
        let room = columns.saturating_sub(width(&clock) + 1);
        let (pieces, clock) = match (self.counts(true), self.counts(false)) {
            (long, _) if width(&plain(&long)) <= room => (long, clock),
            (_, short) if width(&plain(&short)) <= room => (short, clock),
            (_, short) => (short, String::new()),
        };
        let counts = plain(&pieces);
        if width(&counts) > columns {
            return shortened(&counts, columns);
        }
        let gap = columns.saturating_sub(width(&counts) + width(&clock));
        let inked: String = pieces.iter().map(|(text, level)| inked(text, ink_of(level).filter(|_| colour))).collect();
        format!("{inked}{:gap$}{clock}", "").trim_end().to_owned()
    }
}

fn inked(text: &str, ink: Option<&str>) -> String {
    ink.map_or_else(|| text.to_owned(), |ink| format!("\x1b[{ink}m{text}\x1b[0m"))
}

/// Whether there is room for a blank row.
const fn is_roomy(window: Size) -> bool {
    window.rows >= 8
}

/// How many modems a window has room for, beside the headline, the table's header and the line of keys.
const fn table_rows(window: Size) -> usize {
    window.rows.saturating_sub(if is_roomy(window) { 4 } else { 3 })
}

/// The rows of the screen: what is seen in all, the table as far as it fits, and what keys do.
fn lay_out(picture: &Picture, window: Size, colour: bool) -> Vec<Row> {
    let table = Table::of(&picture.modems, Look { width: Some(window.columns), colour });
    let top = picture.top.min(picture.last_top(window));
    let room = table_rows(window);
    let count = picture.modems.len();
    let shown: Vec<String> = table.rows.into_iter().skip(top).take(room).collect();
    let mut foot = Vec::new();
    match &picture.trouble {
        Some(trouble) => foot.push(format!("- {trouble}")),
        None if count > room => {
            foot.push(format!("{}-{} of {count}  q: leave  arrows/PgUp/PgDn: scroll", top + 1, top + shown.len()));
        }
        None => foot.push("q: leave".to_owned()),
    }
    if picture.trouble.is_none() && table.hidden > 0 {
        foot.push(format!("({} columns do not fit)", table.hidden));
    }
    let foot = shortened(&foot.join("  "), window.columns);
    let trouble = picture.trouble.as_ref().and(ink_of("CRITICAL")).filter(|_| colour);

    let mut rows = vec![picture.headline(window.columns, colour)];
    rows.extend(is_roomy(window).then(String::new));
    rows.push(if count == 0 { String::new() } else { inked(&table.header, colour.then_some("1")) });
    let filler = room.saturating_sub(shown.len());
    rows.extend(shown);
    rows.extend(std::iter::repeat_n(String::new(), filler));
    rows.push(inked(&foot, trouble));
    rows.truncate(window.rows);
    rows.into_iter().map(Row::Text).collect()
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
                assert!(rows.iter().all(|row| width(row) <= window.columns), "{rows:#?}");
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
        assert!(rows[13].starts_with("1-10 of 16  q: leave"), "{rows:#?}");
        picture.scroll(Scroll::Bottom, window);
        assert!(texts(&picture, window)[13].starts_with("7-16 of 16"));
        picture.scroll(Scroll::Lines(-1), window);
        assert!(texts(&picture, window)[13].starts_with("6-15 of 16"));
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
            rows[9].starts_with("- interrupted") && rows[0].ends_with("seen 12:40:07") && rows[3].starts_with("00"),
            "{rows:#?}"
        );
        assert!(texts(&Picture::default(), window)[0].starts_with("Asking the gateway"));
    }

    #[test]
    fn colour_is_where_health_is_and_nowhere_if_unwanted() {
        let window = Size { columns: 80, rows: 12 };
        let mut picture = picture(4);
        let rows = lay_out(&picture, window, true);
        let Row::Text(first) = &rows[0] else { panic!("nothing wraps here") };
        assert!(first.contains("\x1b[32m2 OK\x1b[0m, \x1b[33m1 WARNING") && first.contains("\x1b[1;31m1 CRITICAL"));
        picture.take(Err(ClientError::Interrupted), "2026-11-21T12:41:00[UTC]".parse().unwrap());
        let Row::Text(last) = &lay_out(&picture, window, true)[11] else { panic!("nothing wraps here") };
        assert_eq!(last, "\x1b[1;31m- interrupted\x1b[0m");
        assert!(texts(&picture, window).iter().all(|row| !row.contains('\x1b')));
    }

    #[test]
    fn a_window_of_any_size_gets_no_more_than_it_has_room_for() {
        for (columns, rows) in [(1, 1), (5, 2), (20, 3), (40, 4), (40, 7), (300, 100)] {
            let window = Size { columns, rows };
            for count in [0, 1, 64] {
                let rows = texts(&picture(count), window);
                assert_eq!(rows.len(), window.rows, "{window:?}");
                // The slot and its health are never left out.
                assert!(columns < 40 || rows.iter().all(|row| width(row) <= columns), "{window:?}: {rows:#?}");
            }
        }
        let narrow = texts(&picture(64), Size { columns: 40, rows: 10 });
        assert_eq!(narrow[0], "64: 32 OK, 16 WARNING, 16 CRITICAL");
    }
}
