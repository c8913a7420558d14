//! The table of modems, as wide as the terminal: upstream's columns in upstream's order, then our own.
//!
//! Where they do not fit side by side, the reason of the health and some more give way down to a useful width; then the
//! least useful columns go. Where there is no terminal nothing is cut. Values in, text out.

use std::fmt;

use super::{
    columns::{cell, padded, shortened, shortened_front, width},
    look::Look,
    stats::{number, text},
};
use crate::rpc::wire::Value;

/// The table in pieces, for those who place its lines themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The titles.
    pub(super) header: String,
    /// A line per modem.
    pub(super) rows: Vec<String>,
    /// Columns that did not fit.
    pub(super) hidden: usize,
}

impl Table {
    /// Lays out the modems of an answer to `get_stats`.
    #[must_use]
    pub(super) fn of(modems: &[(String, Value)], look: Look) -> Self {
        let rows: Vec<[String; COLUMNS.len()]> = modems.iter().map(|(id, modem)| cells(id, modem)).collect();
        let natural: Vec<usize> = COLUMNS.iter().enumerate().map(|(at, column)| column.natural(at, &rows)).collect();
        let shown = fitted(&natural, look.width);
        let line = |cells: &[String; COLUMNS.len()], ink: &dyn Fn(usize, &str) -> Option<&'static str>| {
            let mut line = String::new();
            for (at, room) in &shown {
                let (Some(column), Some(text)) = (COLUMNS.get(*at), cells.get(*at)) else { continue };
                let text = if at == &PORT { shortened_front(text, *room) } else { shortened(text, *room) };
                let padded = padded(&text, *room, column.right);
                match ink(*at, &text) {
                    Some(ink) => line.push_str(&padded.replacen(&text, &format!("\x1b[{ink}m{text}\x1b[0m"), 1)),
                    None => line.push_str(&padded),
                }
                line.push_str(GAP);
            }
            line.trim_end().to_owned()
        };
        let ink = |at: usize, text: &str| if at == HEALTH && look.colour { ink_of(text) } else { None };
        let titles = COLUMNS.map(|column| column.title.to_owned());
        Self {
            header: line(&titles, &|_, _| None),
            rows: rows.iter().map(|cells| line(cells, &ink)).collect(),
            hidden: COLUMNS.len() - shown.len(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.header)?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        match self.hidden {
            0 => Ok(()),
            hidden => writeln!(f, "({hidden} columns do not fit; widen the terminal or use stats --json)"),
        }
    }
}

/// The SGR parameters that a level of health is shown in (ECMA-48 8.3.117).
#[must_use]
pub(super) fn ink_of(level: &str) -> Option<&'static str> {
    match level {
        "OK" => Some("32"),
        "WARNING" => Some("33"),
        "CRITICAL" => Some("1;31"),
        _ => None,
    }
}

/// Between columns.
const GAP: &str = "  ";

struct Column {
    title: &'static str,
    right: bool,
    /// Narrowest it may become.
    least: usize,
    /// Widest it is on a terminal.
    most: usize,
    /// Columns with the highest number are left out first where the terminal is narrow.
    rank: u8,
}

impl Column {
    const fn fixed(title: &'static str, right: bool, most: usize, rank: u8) -> Self {
        Self { title, right, least: most, most, rank }
    }

    const fn elastic(title: &'static str, least: usize, most: usize, rank: u8) -> Self {
        Self { title, right: false, least, most, rank }
    }

    /// As wide as its texts.
    fn natural(&self, at: usize, rows: &[[String; COLUMNS.len()]]) -> usize {
        let texts = rows.iter().filter_map(|row| row.get(at)).map(|text| width(text));
        texts.max().unwrap_or(0).max(self.title.len())
    }
}

const COLUMNS: [Column; 16] = [
    Column::elastic("#", 8, 24, 0),
    Column::elastic("Port", 14, 48, 7),
    Column::fixed("Phone number", false, 21, 2),
    Column::fixed("dB", true, 4, 3),
    Column::elastic("Network", 10, 32, 4),
    Column::fixed("Balance", true, 14, 5),
    Column::fixed("#Snt", true, 10, 6),
    Column::fixed("Last sent", false, 16, 9),
    Column::fixed("#Rcv", true, 10, 6),
    Column::fixed("Last recv", false, 16, 9),
    Column::fixed("#Init", true, 6, 10),
    Column::fixed("Last init", false, 16, 11),
    Column::fixed("Health", false, 8, 0),
    Column::elastic("Health state message", REASON_LEAST, usize::MAX, 1),
    Column::elastic("Status", 12, 40, 8),
    Column::fixed("Recovered", false, 14, 12),
];
const SLOT: usize = 0;
/// Its end tells more than its beginning.
const PORT: usize = 1;
const HEALTH: usize = 12;
const REASON: usize = 13;
const REASON_LEAST: usize = 20;
/// Who gets what room is left, and up to what width, in this order.
const ELASTIC: [(usize, usize); 6] = [
    (REASON, COMFORT.0),
    (SLOT, usize::MAX),
    (4, usize::MAX),
    (14, usize::MAX),
    (PORT, usize::MAX),
    (REASON, usize::MAX),
];
/// A reason should have so much room before columns of this rank and above are shown.
const COMFORT: (usize, u8) = (40, 6);

/// The columns that fit side by side and the width of each.
fn fitted(natural: &[usize], width: Option<usize>) -> Vec<(usize, usize)> {
    let column = |at: usize, wanted: usize, most: fn(&Column) -> usize| {
        COLUMNS.get(at).map_or(wanted, |column| wanted.min(most(column).max(column.title.len())))
    };
    let Some(width) = width else { return natural.iter().copied().enumerate().collect() };
    let mut shown: Vec<(usize, usize)> =
        natural.iter().enumerate().map(|(at, wanted)| (at, column(at, *wanted, |column| column.least))).collect();
    // The last column needs no gap.
    let taken = |shown: &[(usize, usize)]| shown.iter().map(|(_, room)| room + GAP.len()).sum::<usize>();
    let rank = |at: usize| COLUMNS.get(at).map_or(0, |column| column.rank);
    let cut_off = natural.get(REASON).map_or(0, |wanted| wanted.min(&COMFORT.0).saturating_sub(REASON_LEAST));
    for (more, rank_from) in [(cut_off, COMFORT.1), (0, 1)] {
        while taken(&shown) + more > width + GAP.len() {
            let last = shown.iter().map(|(at, _)| rank(*at)).max().filter(|rank| *rank >= rank_from);
            let Some(last) = last else { break };
            shown.retain(|(at, _)| rank(*at) != last);
        }
    }
    let mut spare = (width + GAP.len()).saturating_sub(taken(&shown));
    for (at, limit) in ELASTIC {
        if let Some((_, room)) = shown.iter_mut().find(|(shown, _)| *shown == at) {
            let wanted = column(at, natural.get(at).copied().unwrap_or_default(), |column| column.most);
            let more = wanted.min(limit).saturating_sub(*room).min(spare);
            *room += more;
            spare -= more;
        }
    }
    shown
}

fn cells(id: &str, modem: &Value) -> [String; COLUMNS.len()] {
    let text = |member| cell(&text(modem, member));
    let balance = match number(modem, "balance") {
        Some(balance) => format!("{} {balance:.2}", text("currency")),
        None => String::new(),
    };
    // What is not there has no signal, not a weak one.
    let port = text("port");
    let signal = if port.is_empty() { String::new() } else { text("current_signal") };
    [
        cell(id),
        port,
        text("phone_number"),
        signal,
        text("current_network"),
        balance,
        text("sent"),
        text("last_sent"),
        text("received"),
        text("last_received"),
        text("init_counter"),
        text("last_init"),
        text("health_state_short"),
        text("health_state_message"),
        text("status"),
        recovered(modem),
    ]
}

/// How often the modem was brought back, and by what last; nothing if it never had to be.
fn recovered(modem: &Value) -> String {
    match text(modem, "recoveries").as_str() {
        "" | "0" => String::new(),
        count => format!("{count} {}", cell(&text(modem, "recovered_by"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modem(network: &str, level: &str, reason: &str) -> Value {
        let string = |name: &str, text: &str| (name.to_owned(), Value::string(text));
        Value::Struct(vec![
            string("port", "/dev/ttyUSB0"),
            string("phone_number", "+491760000000"),
            ("current_signal".into(), Value::int(-71)),
            string("current_network", network),
            ("balance".into(), Value::double(12.3)),
            string("currency", "EUR"),
            ("sent".into(), Value::int(3)),
            string("last_sent", "2026-11-20 22:46"),
            ("received".into(), Value::int(0)),
            string("last_received", ""),
            ("init_counter".into(), Value::int(1)),
            string("last_init", "2026-11-20 22:19"),
            string("health_state_short", level),
            string("health_state_message", reason),
            string("status", "Ready."),
            ("recoveries".into(), Value::int(2)),
            string("recovered_by", "reset"),
        ])
    }

    fn lines(modems: &[(String, Value)], width: Option<usize>) -> Vec<String> {
        let table = Table::of(modems, Look { width, colour: false });
        std::iter::once(table.header).chain(table.rows).collect()
    }

    /// What stands from one column on in a line.
    fn from_column(line: &str, column: usize) -> String {
        let mut at = 0;
        let skipped = line.chars().take_while(|c| {
            at += width(&c.to_string());
            at <= column
        });
        line.chars().skip(skipped.count()).collect()
    }

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let modems = vec![
            ("00".to_owned(), modem("Vodafone.de", "OK", "fine")),
            ("roof".to_owned(), modem("\u{1b}[2JÄther", "CRITICAL", "no answer")),
            ("cn".to_owned(), modem("中国移动", "WARNING", "信号弱")),
            ("il".to_owned(), modem("סלקום\u{202e}", "OK", "ok")),
            ("tr".to_owned(), modem("Tu\u{308}rk 👩\u{200d}👩 ❤\u{fe0f}", "OK", "ok")),
            ("none".to_owned(), modem("", "OK", "x")),
        ];
        for width in [None, Some(80), Some(120), Some(250)] {
            let lines = lines(&modems, width);
            assert!(!lines.iter().any(|line| line.contains('\u{1b}')), "{lines:#?}");
            for title in ["Phone number", "Health", "Health state message"] {
                let at = lines[0].find(title).unwrap();
                for line in &lines[1..] {
                    let (before, after) = (from_column(line, at - 1), from_column(line, at));
                    assert!(before.starts_with(' ') && !after.starts_with(' '), "{title} at {at}: {lines:#?}");
                }
            }
        }
        assert!(lines(&modems, None)[1].contains(" -71 ") && lines(&modems, None)[1].contains("EUR 12.30"));
        assert!(lines(&modems, None)[1].ends_with("Ready.  2 reset"));
    }

    #[test]
    fn a_narrow_terminal_shortens_the_reason_and_then_loses_the_least_useful_columns() {
        let modems = vec![("00".to_owned(), modem("中国移动中国移动中国移动", "OK", "a".repeat(90).as_str()))];
        for (columns, shown, gone) in [
            (40, &["#", "Health", "Health state message"][..], &["Phone number", "dB"][..]),
            (80, &["Phone number", "dB", "Network", "Balance", "Health state message"], &["#Snt", "Last init"]),
            (100, &["Phone number", "dB", "Network", "Balance", "Health state message"], &["#Snt", "Port"]),
            (120, &["#Snt", "#Rcv"], &["Port", "Status", "Last init", "Recovered"]),
            (200, &["Port", "#Snt", "Last sent", "Last recv", "#Init", "Last init", "Status", "Recovered"], &[]),
        ] {
            let lines = lines(&modems, Some(columns));
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:#?}");
            assert!(lines[1].contains("aaaaaaaaaaaaaaaaaaa"), "the reason is there: {lines:#?}");
            assert!(shown.iter().all(|title| lines[0].contains(title)), "{columns}: {lines:#?}");
            assert!(!gone.iter().any(|title| lines[0].contains(title)), "{columns}: {lines:#?}");
        }
        assert!(lines(&modems, Some(300))[1].contains(&"a".repeat(90)), "nothing is cut where there is room");
        let table = Table::of(&modems, Look { width: Some(80), colour: false });
        assert!(table.to_string().contains("(9 columns do not fit"), "{table}");
    }

    #[test]
    fn what_is_unknown_or_not_there_is_blank_and_a_port_keeps_its_end() {
        let Value::Struct(mut members) = modem("", "CRITICAL", "Modem: no modem on the port") else { return };
        for (name, value) in &mut members {
            match name.as_str() {
                "port" | "balance" => *value = Value::string(""),
                "current_signal" => *value = Value::int(-113),
                _ => {}
            }
        }
        let absent = ("00".to_owned(), Value::Struct(members.clone()));
        let lines_of_absent = lines(&[absent], None);
        assert!(!lines_of_absent[1].contains("-113") && !lines_of_absent[1].contains("EUR"), "{lines_of_absent:#?}");
        members[0].1 = Value::string("/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2:1.2-port0");
        let lines = lines(&[("00".to_owned(), Value::Struct(members))], Some(170));
        assert!(lines[1].contains("…") && lines[1].contains("1.2:1.2-port0 "), "{lines:#?}");
    }

    #[test]
    fn colour_only_where_asked_and_only_around_the_word() {
        let modems = vec![("00".to_owned(), modem("x", "CRITICAL", "")), ("01".to_owned(), modem("x", "OK", "why"))];
        let plain = Table::of(&modems, Look { width: None, colour: false }).to_string();
        let coloured = Table::of(&modems, Look { width: None, colour: true }).to_string();
        assert!(coloured.contains("\u{1b}[1;31mCRITICAL\u{1b}[0m") && coloured.contains("\u{1b}[32mOK\u{1b}[0m   "));
        let stripped =
            ["\u{1b}[1;31m", "\u{1b}[32m", "\u{1b}[0m"].iter().fold(coloured, |text, sgr| text.replace(sgr, ""));
        assert_eq!(stripped, plain);
    }
}
