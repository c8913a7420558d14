//! What the live view shows, laid out for a window of any size. Pure: values in, rows out.
//!
//! Texts come from anywhere and are made harmless here. Columns have fixed places, so that a character whose width the
//! terminal sees differently moves nothing but itself.

use jiff::{Timestamp, tz::TimeZone};

use super::commands::Commands;
use crate::{
    cli::{
        columns::{shortened, width},
        terminal::{Row, Size},
    },
    model::{HealthLevel, InboundMessage, ModemSnapshot, OutgoingMessage, OutgoingState, printable},
};

/// Rows from which on there is air between the parts, and the commands are shown in full.
const ROOMY: usize = 34;

/// A modem as shown.
#[derive(Clone, Debug)]
pub(super) struct ModemRow {
    /// Its snapshot.
    pub(super) snapshot: ModemSnapshot,
    /// Messages sent and received.
    pub(super) counts: (u64, u64),
    /// What is on its SIM, in hundredths.
    pub(super) balance: Option<i64>,
}

/// A mail as shown.
#[derive(Clone, Debug)]
pub(super) struct MailRow {
    /// Its header fields.
    pub(super) subject: String,
    pub(super) to: String,
    /// Seconds since it came.
    pub(super) age: u64,
}

/// Everything shown.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) port: u16,
    pub(super) modems: Vec<ModemRow>,
    /// Newest first, as all lists.
    pub(super) inbox: Vec<InboundMessage>,
    pub(super) outbox: Vec<OutgoingMessage>,
    pub(super) mails: Vec<MailRow>,
    pub(super) mail_count: usize,
    pub(super) commands: Commands,
    /// The commands have the screen to themselves.
    pub(super) only_commands: bool,
    pub(super) colour: bool,
    pub(super) zone: TimeZone,
}

/// Lays the picture out; at most `size.rows` rows.
pub(super) fn lay_out(picture: &Picture, size: Size) -> Vec<Row> {
    let pen = Pen { columns: size.columns, colour: picture.colour };
    let mut rows = vec![title(picture, pen)];
    if picture.only_commands {
        rows.push(blank());
        let room = size.rows.saturating_sub(rows.len());
        rows.extend(commands(picture.commands.lines(), size.columns, room));
        return rows;
    }
    let roomy = size.rows >= ROOMY;
    rows.extend(roomy.then(blank));
    rows.extend(modems(picture, pen));
    let gaps = if roomy { 4 } else { 0 };
    let left = size.rows.saturating_sub(rows.len() + gaps + 3);
    let foot: Vec<Row> = if roomy {
        let room = left.min(size.rows / 2).saturating_sub(1);
        std::iter::once(heading("TRY IT", pen)).chain(commands(picture.commands.lines(), size.columns, room)).collect()
    } else {
        let ours = picture.commands.ours.iter().map(String::as_str);
        commands(ours, size.columns, left.saturating_sub(4).min(size.rows / 3))
    };
    let room = size.rows.saturating_sub(rows.len() + foot.len() + gaps + 3);
    // Twice as much for what comes in as for each of the others.
    let share = room / 4;
    let lists = [
        ("SMS IN", inbox(picture, pen), room - 2 * share),
        ("SMS OUT", outbox(picture, pen), share),
        ("MAILS", mails(picture, pen), share),
    ];
    for (name, lines, share) in lists {
        rows.extend(roomy.then(blank));
        rows.push(heading(name, pen));
        let count = rows.len() + share;
        rows.extend(lines.into_iter().take(share));
        rows.resize(count, blank());
    }
    rows.extend(roomy.then(blank));
    rows.extend(foot);
    rows.truncate(size.rows);
    rows
}

/// How text looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ink {
    Plain,
    Heading,
    Dim,
    Good,
    Bad,
    Busy,
}

/// Writes cells into rows.
#[derive(Clone, Copy, Debug)]
struct Pen {
    columns: usize,
    colour: bool,
}

impl Pen {
    /// A row of cells: where each begins, how wide it may be, ink and text.
    fn row(self, cells: &[(usize, usize, Ink, &str)]) -> Row {
        let mut row = String::new();
        let mut cells = cells.to_vec();
        cells.sort_by_key(|(start, ..)| *start);
        for (start, width, ink, text) in cells {
            let room = self.columns.saturating_sub(start).min(width);
            if room == 0 {
                continue;
            }
            // Absolute columns count from 1.
            row.push_str(&format!("\x1b[{}G", start + 1));
            let text = cut(text, room);
            if self.colour && ink != Ink::Plain {
                row.push_str(&format!("\x1b[{}m{text}\x1b[0m", ink.code()));
            } else {
                row.push_str(&text);
            }
        }
        Row::Text(row)
    }
}

impl Ink {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Heading => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Busy => "33",
        }
    }
}

fn blank() -> Row {
    Row::Text(String::new())
}

fn heading(text: &str, pen: Pen) -> Row {
    pen.row(&[(0, usize::MAX, Ink::Heading, text)])
}

fn title(picture: &Picture, pen: Pen) -> Row {
    let keys = if picture.only_commands { "c back  q quit" } else { "c commands  q quit" };
    let (received, sent) = picture
        .modems
        .iter()
        .fold((0, 0), |(received, sent), modem| (received + modem.counts.1, sent + modem.counts.0));
    let state = format!("https://localhost:{}/ in {received} out {sent} mails {}", picture.port, picture.mail_count);
    let right = pen.columns.saturating_sub(keys.len());
    pen.row(&[
        (0, right.saturating_sub(1), Ink::Heading, "smsgate demo"),
        (14, right.saturating_sub(15), Ink::Plain, &state),
        (right, keys.len(), Ink::Dim, keys),
    ])
}

fn modems(picture: &Picture, pen: Pen) -> Vec<Row> {
    // Model and network go where there is room for them.
    let wide = pen.columns >= 100;
    let (model, number) = if wide { (10, 32) } else { (10, 10) };
    let network = number + 15;
    let signal = if wide { network + 12 } else { network };
    let (out, balance) = (signal + 9, signal + 22);
    let balances = picture.modems.iter().any(|modem| modem.balance.is_some());
    let health = if balances { balance + 11 } else { balance };
    let column = |at: usize, text| (at, 12, Ink::Heading, text);
    let mut head = vec![column(0, "MODEM"), column(number, "NUMBER")];
    if wide {
        head.extend([column(model, "MODEL"), column(network, "NETWORK")]);
    }
    head.extend([column(signal, "SIGNAL"), column(out, "   IN   OUT"), column(health, "STATE")]);
    if balances {
        head.push(column(balance, "BALANCE"));
    }
    let mut rows = vec![pen.row(&head)];
    for ModemRow { snapshot, counts: (sent, received), balance: amount } in &picture.modems {
        let seen = snapshot.init_counter > 0;
        let dbm = if seen { format!("{} dBm", snapshot.signal_dbm()) } else { String::new() };
        let counts = format!("{received:>5} {sent:>5}");
        let amount = amount.map(|cents| format!("{}.{:02} EUR", cents / 100, cents.abs() % 100)).unwrap_or_default();
        let (ink, state) = match snapshot.health.level {
            HealthLevel::Ok if snapshot.ready => (Ink::Good, snapshot.status.clone()),
            HealthLevel::Ok => (Ink::Busy, snapshot.status.clone()),
            HealthLevel::Warning => (Ink::Busy, snapshot.health.message()),
            HealthLevel::Critical => (Ink::Bad, snapshot.health.message()),
        };
        let mut cells = vec![
            (0, 9, Ink::Plain, snapshot.slot.as_str()),
            (number, 14, Ink::Plain, snapshot.phone_number.as_str()),
            (signal, 8, Ink::Plain, &dbm),
            (out, 12, Ink::Plain, &counts),
            (balance, if balances { 10 } else { 0 }, Ink::Plain, &amount),
            (health, usize::MAX, ink, &state),
        ];
        if wide {
            cells.push((model, 21, Ink::Plain, snapshot.model.as_str()));
            cells.push((network, 11, Ink::Plain, snapshot.network.as_str()));
        }
        rows.push(pen.row(&cells));
    }
    rows
}

fn inbox(picture: &Picture, pen: Pen) -> Vec<Row> {
    let row = |message: &InboundMessage| {
        let time = clock(message.received_at, &picture.zone);
        let text = if message.flash { format!("[flash] {}", message.text) } else { message.text.clone() };
        pen.row(&[
            (0, 8, Ink::Dim, &time),
            (9, 14, Ink::Plain, &message.sender),
            (24, 9, Ink::Plain, message.slot.as_str()),
            (34, usize::MAX, Ink::Plain, &text),
        ])
    };
    picture.inbox.iter().map(row).collect()
}

fn outbox(picture: &Picture, pen: Pen) -> Vec<Row> {
    let row = |message: &OutgoingMessage| {
        let time = clock(message.queued_at, &picture.zone);
        let ink = match message.state {
            OutgoingState::Delivered => Ink::Good,
            OutgoingState::Queued | OutgoingState::Routed | OutgoingState::Sending | OutgoingState::Sent => Ink::Busy,
            OutgoingState::Undelivered | OutgoingState::Expired | OutgoingState::Failed | OutgoingState::Unknown => {
                Ink::Bad
            }
        };
        let slot = message.slot.as_ref().map_or("", |slot| slot.as_str());
        pen.row(&[
            (0, 8, Ink::Dim, &time),
            (9, 14, Ink::Plain, &message.recipient),
            (24, 9, Ink::Plain, slot),
            (34, 11, ink, message.state.as_str()),
            (46, usize::MAX, Ink::Plain, &message.text),
        ])
    };
    picture.outbox.iter().map(row).collect()
}

fn mails(picture: &Picture, pen: Pen) -> Vec<Row> {
    let row = |mail: &MailRow| {
        let age = format!("{} s ago", mail.age);
        pen.row(&[(0, 9, Ink::Dim, &age), (9, 24, Ink::Plain, &mail.to), (34, usize::MAX, Ink::Plain, &mail.subject)])
    };
    picture.mails.iter().map(row).collect()
}

/// Lines to copy, as many as there is room for: the terminal wraps them, so that each is copied whole.
fn commands<'a>(lines: impl Iterator<Item = &'a str>, columns: usize, room: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in lines {
        let line = printable(line);
        let more = width(&line).saturating_sub(1) / columns;
        if rows.len() + 1 + more > room {
            break;
        }
        rows.push(Row::Wrapping(line.clone()));
        rows.extend(std::iter::repeat_n(Row::Wrapped(line), more));
    }
    rows
}

fn clock(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The text as one harmless line of at most `columns` columns; what is cut ends in `…`.
fn cut(text: &str, columns: usize) -> String {
    shortened(&printable(&text.replace(['\r', '\n'], " ")), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, SlotId};

    fn message(sender: &str, text: &str) -> InboundMessage {
        InboundMessage {
            sequence: 1,
            id: MessageId::parse("00000000-0000-7000-8000-000000000001").unwrap(),
            slot: SlotId::new("m35"),
            recipient: "+491700000003".into(),
            sender: sender.into(),
            text: text.into(),
            network: "Testnetz".into(),
            sent_at: None,
            sent_offset: 0,
            received_at: "2026-11-20T22:21:52Z".parse().unwrap(),
            flash: true,
            parts_missing: 0,
            undecodable: false,
            completes: None,
            origin: crate::model::MessageOrigin::Sms,
        }
    }

    fn picture(inbox: Vec<InboundMessage>) -> Picture {
        let mut snapshot = ModemSnapshot::absent(SlotId::new("m35"), true, "+491700000003");
        snapshot.init_counter = 1;
        snapshot.signal = 20;
        snapshot.ready = true;
        snapshot.status = "Ready.".into();
        snapshot.model = "Quectel_M35".into();
        Picture {
            port: 4433,
            modems: vec![ModemRow { snapshot, counts: (7, 3), balance: Some(1234) }; 4],
            inbox,
            outbox: Vec::new(),
            mails: vec![MailRow {
                subject: "SMS from \u{1b}]0;x\u{7}".into(),
                to: "mailbox@example.org".into(),
                age: 4,
            }],
            mail_count: 3,
            commands: Commands { ours: vec!["x".repeat(100)], python: vec!["print(1)".into()] },
            only_commands: false,
            colour: false,
            zone: TimeZone::UTC,
        }
    }

    /// What a terminal that knows the sequences used here would show.
    fn shown(rows: &[Row]) -> Vec<String> {
        rows.iter()
            .map(|row| match row {
                Row::Text(text) => {
                    let mut line = String::new();
                    for cell in text.split("\x1b[").skip(1) {
                        let (column, text) = cell.split_once('G').unwrap();
                        let start = column.parse::<usize>().unwrap() - 1;
                        assert!(width(&line) <= start, "cells overlap in {text:?}");
                        line.push_str(&" ".repeat(start - width(&line)));
                        line.push_str(text);
                    }
                    line
                }
                Row::Wrapping(text) => text.clone(),
                Row::Wrapped(_) => String::new(),
            })
            .collect()
    }

    #[test]
    fn every_window_is_filled_and_never_overfilled() {
        let picture = picture(vec![message("Bank", &"很长的文本".repeat(40)); 60]);
        for (columns, rows) in [(20, 8), (40, 12), (80, 24), (99, 33), (120, 40), (300, 90)] {
            let laid = lay_out(&picture, Size { columns, rows });
            assert_eq!(laid.len(), rows, "{columns}x{rows}");
            for (index, row) in laid.iter().enumerate() {
                if let Row::Wrapping(text) = row {
                    let below = laid.iter().skip(index + 1).take_while(|row| matches!(row, Row::Wrapped(_))).count();
                    assert_eq!(below, (width(text) - 1) / columns, "{columns}x{rows}: wraps into what is below");
                }
            }
            for (row, line) in laid.iter().zip(shown(&laid)) {
                assert!(!matches!(row, Row::Text(_)) || width(&line) <= columns, "{columns}x{rows}: {line}");
            }
        }
    }

    #[test]
    fn a_usual_window_shows_everything() {
        let laid = lay_out(&picture(vec![message("Bank", "code 1")]), Size { columns: 80, rows: 24 });
        let lines = shown(&laid);
        assert_eq!(lines[0], "smsgate demo  https://localhost:4433/ in 12 out 28 mails 3    c commands  q quit");
        assert!(lines[2].starts_with("m35       +491700000003  -73 dBm      3     7  12.34 EUR"), "{}", lines[2]);
        assert!(lines.iter().any(|line| line == "22:21:52 Bank           m35       [flash] code 1"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("4 s ago  mailbox@example.org      SMS from ")), "{lines:#?}");
    }

    #[test]
    fn nothing_that_came_in_steers_the_terminal() {
        let laid =
            lay_out(&picture(vec![message("\u{1b}[31mRed", "a\nb\u{9b}2J\u{202e}")]), Size { columns: 80, rows: 24 });
        let text: String = shown(&laid).concat();
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text:?}");
        assert!(text.contains("[flash] a b"));
    }

    #[test]
    fn colour_can_be_switched_off() {
        let mut picture = picture(Vec::new());
        let size = Size { columns: 80, rows: 24 };
        assert!(!format!("{:?}", lay_out(&picture, size)).contains("32m"));
        picture.colour = true;
        assert!(format!("{:?}", lay_out(&picture, size)).contains("32m"));
    }

    #[test]
    fn texts_are_cut_by_columns() {
        for (text, columns, expected) in [
            ("short", 5, "short"),
            ("longer", 5, "long…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("👍🎉 Grüße", 4, "👍…"),
            ("e\u{301}a", 2, "e\u{301}a"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(cut(text, columns), expected, "{text} {columns}");
        }
    }
}
