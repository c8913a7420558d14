//! `stats`: what the modems are doing, as a table or as JSON.

use std::io::{IsTerminal, Write};

use clap::Args;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets};

use super::{
    client::{Cause, Client, ClientError},
    exit::Failure,
    json,
};
use crate::{model::printable, rpc::wire::Value};

/// Flags of `stats`.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct StatsArgs {
    /// Print JSON: an object per modem, by its identifier
    #[arg(long)]
    pub(super) json: bool,
}

/// How a table may look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns of the terminal; `None` = cut nothing.
    pub(super) width: Option<usize>,
    /// Colour the health.
    pub(super) colour: bool,
}

impl Look {
    /// What standard output allows; `NO_COLOR` is honoured.
    #[must_use]
    pub(super) fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = Table::new().width().map(usize::from).filter(|width| terminal && *width > 0);
        Self { width, colour }
    }
}

/// Asks for the statistics and prints them.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(client: &Client, args: &StatsArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.json {
        let modems = fetch(client)?;
        let object: serde_json::Map<_, _> =
            modems.iter().map(|(id, members)| (id.clone(), json::from_value(members))).collect();
        serde_json::to_writer_pretty(&mut *out, &object)?;
        writeln!(out)?;
    } else {
        writeln!(out, "+ Get status ...")?;
        out.flush()?;
        let modems = fetch(client)?;
        write!(out, "{}", table(&modems, Look::of_stdout()))?;
    }
    Ok(())
}

/// Asks for the statistics: each modem's identifier and its members.
///
/// # Errors
/// [`ClientError`]; an answer of another shape is one too.
pub(super) fn fetch(client: &Client) -> Result<Vec<(String, Value)>, ClientError> {
    modems_of(client, &client.call("get_stats", &[])?)
}

/// The modems in an answer to `get_stats`.
///
/// # Errors
/// [`ClientError`] if the answer has another shape.
pub(super) fn modems_of(client: &Client, answer: &Value) -> Result<Vec<(String, Value)>, ClientError> {
    let modems = answer.as_array().and_then(|pair| pair.get(1)).and_then(Value::as_struct);
    modems.map(<[_]>::to_vec).ok_or_else(|| ClientError::Transport(client.endpoint().clone(), Cause::NotXmlRpc))
}

/// A member of a modem's struct as text that no terminal minds.
#[must_use]
pub(super) fn text(modem: &Value, member: &str) -> String {
    modem.member(member).map(text_of).unwrap_or_default()
}

/// A simple value as text that no terminal minds; empty for arrays and structs.
#[must_use]
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Number(number) => number.text().to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::DateTime(time) => time.to_string(),
        Value::Array(_) | Value::Base64(_) | Value::Struct(_) => String::new(),
    }
}

/// A member of a modem's struct as a number; `None` if it is none, as an unknown balance.
#[must_use]
pub(super) fn number(modem: &Value, member: &str) -> Option<f64> {
    match modem.member(member)? {
        Value::Number(number) => Some(number.to_f64()),
        Value::Array(_)
        | Value::Base64(_)
        | Value::Boolean(_)
        | Value::DateTime(_)
        | Value::String(_)
        | Value::Struct(_) => None,
    }
}

struct Column {
    title: &'static str,
    right: bool,
    /// Longest text shown on a terminal.
    limit: usize,
    /// Columns with the highest number are left out first where the terminal is narrow.
    rank: u8,
}

/// Upstream's columns in upstream's order, then our own.
const COLUMNS: [Column; 16] = [
    Column { title: "#", right: false, limit: 16, rank: 0 },
    Column { title: "Port", right: false, limit: 20, rank: 6 },
    Column { title: "Phone number", right: false, limit: 21, rank: 0 },
    Column { title: "dB", right: true, limit: 4, rank: 2 },
    Column { title: "Network", right: false, limit: 18, rank: 3 },
    Column { title: "Balance", right: true, limit: 12, rank: 4 },
    Column { title: "#Snt", right: true, limit: 10, rank: 5 },
    Column { title: "Last sent", right: false, limit: 16, rank: 8 },
    Column { title: "#Rcv", right: true, limit: 10, rank: 5 },
    Column { title: "Last recv", right: false, limit: 16, rank: 8 },
    Column { title: "#Init", right: true, limit: 6, rank: 9 },
    Column { title: "Last init", right: false, limit: 16, rank: 10 },
    Column { title: "Health", right: false, limit: 8, rank: 0 },
    Column { title: "Health state message", right: false, limit: 48, rank: 1 },
    Column { title: "Status", right: false, limit: 28, rank: 7 },
    Column { title: "Recovered", right: false, limit: 14, rank: 11 },
];
const HEALTH: usize = 12;
/// Blanks between columns.
const GAP: usize = 2;

/// The table, a line per modem, ending in a line feed.
#[must_use]
pub(super) fn table(modems: &[(String, Value)], look: Look) -> String {
    let Lines { header, rows, hidden } = lines(modems, look);
    let mut text: String = std::iter::once(header).chain(rows).map(|line| line + "\n").collect();
    if hidden > 0 {
        text += &format!("({hidden} columns do not fit; widen the terminal or use --json)\n");
    }
    text
}

/// The table in pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// The titles.
    pub(super) header: String,
    /// A line per modem.
    pub(super) rows: Vec<String>,
    /// Columns that did not fit.
    pub(super) hidden: usize,
}

/// The table's lines, for those who place them.
#[must_use]
pub(super) fn lines(modems: &[(String, Value)], look: Look) -> Lines {
    let rows: Vec<Vec<String>> = modems.iter().map(|(id, modem)| row(id, modem, look.width.is_some())).collect();
    let shown = fitting(&rows, look.width);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(shown.iter().filter_map(|at| COLUMNS.get(*at)).map(|column| Cell::new(column.title)));
    for row in rows {
        table.add_row(shown.iter().filter_map(|at| Some((*at, row.get(*at)?))).map(|(at, text)| {
            let cell = Cell::new(text);
            if at == HEALTH && look.colour { coloured(cell, text) } else { cell }
        }));
    }
    if look.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let last = shown.len().saturating_sub(1);
    for (place, at) in shown.iter().enumerate() {
        if let (Some(column), Some(definition)) = (table.column_mut(place), COLUMNS.get(*at)) {
            column.set_padding((0, if place == last { 0 } else { u16::try_from(GAP).unwrap_or(1) }));
            if definition.right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut lines = table.lines().map(|line| line.trim_end().to_owned());
    let header = lines.next().unwrap_or_default();
    Lines { header, rows: lines.collect(), hidden: COLUMNS.len() - shown.len() }
}

fn row(id: &str, modem: &Value, cut: bool) -> Vec<String> {
    let balance = match modem.member("balance") {
        Some(Value::Number(number)) => format!("{} {:.2}", text(modem, "currency"), number.to_f64()),
        _ => text(modem, "currency"),
    };
    let cells = [
        printable(id),
        text(modem, "port"),
        text(modem, "phone_number"),
        text(modem, "current_signal"),
        text(modem, "current_network"),
        balance,
        text(modem, "sent"),
        text(modem, "last_sent"),
        text(modem, "received"),
        text(modem, "last_received"),
        text(modem, "init_counter"),
        text(modem, "last_init"),
        text(modem, "health_state_short"),
        text(modem, "health_state_message"),
        text(modem, "status"),
        recovered(modem),
    ];
    let limit = |(cell, column): (String, &Column)| if cut { shortened(&cell, column.limit) } else { cell };
    cells.into_iter().zip(&COLUMNS).map(limit).collect()
}

/// How often the modem was brought back, and by what last; nothing if it never had to be.
fn recovered(modem: &Value) -> String {
    match text(modem, "recoveries").as_str() {
        "" | "0" => String::new(),
        count => format!("{count} {}", text(modem, "recovered_by")),
    }
}

/// The text, or as much of it as fits and an ellipsis.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// The columns that fit side by side, in their order.
fn fitting(rows: &[Vec<String>], width: Option<usize>) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    let Some(width) = width else { return shown };
    let column_width = |at: &usize| {
        let title = COLUMNS.get(*at).map_or(0, |column| column.title.len());
        rows.iter().filter_map(|row| row.get(*at)).map(|cell| cell.chars().count()).max().unwrap_or(0).max(title) + GAP
    };
    let rank = |at: usize| COLUMNS.get(at).map_or(0, |column| column.rank);
    while shown.iter().map(column_width).sum::<usize>() > width + GAP {
        let Some(least) = shown.iter().copied().max_by_key(|at| rank(*at)).filter(|at| rank(*at) > 0) else { break };
        shown.retain(|at| *at != least);
    }
    shown
}

fn coloured(cell: Cell, level: &str) -> Cell {
    match level {
        "OK" => cell.fg(Color::Green),
        "WARNING" => cell.fg(Color::Yellow),
        "CRITICAL" => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        _ => cell,
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

    #[test]
    fn columns_line_up() {
        let modems = vec![
            ("00".to_owned(), modem("Vodafone.de", "OK", "fine")),
            ("roof".to_owned(), modem("\u{1b}[2JÄther", "CRITICAL", "no answer")),
        ];
        let text = table(&modems, Look { width: None, colour: false });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        for title in ["Port", "Network", "Last sent", "Health state message", "Status"] {
            let at = lines[0].split(title).next().unwrap().chars().count();
            for line in &lines[1..] {
                assert!(line.chars().nth(at - 1) == Some(' ') && line.chars().nth(at) != Some(' '), "{title}:\n{text}")
            }
        }
        assert!(lines[1].contains(" -71 ") && lines[1].contains("EUR 12.30"), "{text}");
        assert!(lines[1].ends_with("Ready.  2 reset"), "{text}");
    }

    #[test]
    fn narrow_terminals_lose_the_least_useful_columns() {
        let modems = vec![("00".to_owned(), modem("Vodafone.de", "OK", "a".repeat(90).as_str()))];
        let text = table(&modems, Look { width: Some(80), colour: false });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("Phone number") && text.contains("Health") && !text.contains("Last init"), "{text}");
        assert!(text.contains("columns do not fit"), "{text}");
    }

    #[test]
    fn colour_only_where_asked() {
        let modems = vec![("00".to_owned(), modem("x", "CRITICAL", ""))];
        assert!(table(&modems, Look { width: None, colour: true }).contains("\u{1b}["));
        assert!(!table(&modems, Look { width: None, colour: false }).contains("\u{1b}["));
    }
}
