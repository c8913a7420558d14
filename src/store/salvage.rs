//! What a damaged database still holds, brought into a new one (D22), and how damage is found that SQLite does not see.
//!
//! Every table is read row by row, around the pages that cannot be read. A message whose seal does not hold is kept with
//! a text that says so and the PDUs that are sound; one that was to be sent is sent no more. What is gone from the list
//! of segments may come in a second time from its SIM, what is gone from the spool may be mailed a second time.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags, Row, ToSql, params_from_iter,
    types::{Type, Value, ValueRef},
};

use super::{
    inbox, layout, outbox,
    rows::{
        digest_of, message_id, optional_message_id, optional_timestamp, outgoing_state, part_state, policy, timestamp,
    },
    schema::beside,
    seal,
};

/// Rows that could not be read, one after the other, before a table is given up.
const TRIES: usize = 200_000;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Salvage {
    /// Rows that are as they were.
    pub kept: usize,
    /// Rows of which something is not as it was: kept with a note, or left out.
    pub damaged: usize,
    /// Whether there were pages that could not be read, so that nobody knows what is missing.
    pub unreadable: bool,
}

/// Whether every row is one that this program wrote. SQLite has found the file itself sound.
pub(super) fn is_sound(connection: &Connection) -> rusqlite::Result<bool> {
    for table in tables(connection)? {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if !is_row_sound(&table, row) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Copies what can be read of the database at `from` into the one of the newest schema that is empty. `mail`: whether
/// messages are mailed at all.
pub(super) fn salvage(from: &Path, into: &Connection, mail: bool) -> rusqlite::Result<Salvage> {
    let mut salvage = Salvage::default();
    let mut copy_of_it = None;
    let Ok(source) = source(from, &mut copy_of_it) else { return Ok(Salvage { unreadable: true, ..salvage }) };
    let transaction = into.unchecked_transaction()?;
    let mut spool_is_whole = true;
    for name in tables(into)? {
        let table = Table::of(into, &source, name)?;
        let is_whole = copy(&source, into, &table, &mut salvage)?;
        salvage.unreadable |= !is_whole;
        spool_is_whole &= is_whole || table.name != "spool";
    }
    settle(into, mail && !spool_is_whole)?;
    transaction.commit()?;
    Ok(salvage)
}

/// The database, or a copy of it in which the definitions of the tables make sense. Fails for what is no database at all.
fn source(path: &Path, copy: &mut Option<Copy>) -> rusqlite::Result<Connection> {
    let source = reader(path)?;
    if matches!(layout::version(&source), Ok(Some(_))) {
        return Ok(source);
    }
    drop(source);
    let made = Copy::of(path).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let copy = copy.insert(made);
    layout::restore(&copy.0)?;
    let source = reader(&copy.0)?;
    tables(&source)?;
    Ok(source)
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(path, flags)?;
    source.pragma_update(None, "cell_size_check", true)?;
    source.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(source)
}

/// A copy that is removed in the end.
struct Copy(PathBuf);

impl Copy {
    fn of(path: &Path) -> io::Result<Self> {
        let copy = Self(beside(path, ".copy"));
        fs::copy(path, &copy.0)?;
        let log = beside(path, "-wal");
        if log.exists() {
            fs::copy(log, beside(&copy.0, "-wal"))?;
        }
        Ok(copy)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            // One that stays is overwritten the next time.
            let _ = fs::remove_file(beside(&self.0, suffix));
        }
    }
}

/// Our own, those that others refer to first.
fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid")?
        .query_map([], |row| row.get(0))?
        .collect()
}

struct Table {
    name: String,
    /// Those that both databases have: a later version adds its own at the end.
    columns: Vec<String>,
    /// Of a table without row numbers: the primary key.
    key: Option<Vec<String>>,
}

impl Table {
    fn of(into: &Connection, source: &Connection, name: String) -> rusqlite::Result<Self> {
        let words = |connection: &Connection, query: &str| -> rusqlite::Result<Vec<String>> {
            connection.prepare(query)?.query_map([&name], |row| row.get(0))?.collect()
        };
        let all = "SELECT name FROM pragma_table_info(?1)";
        let theirs = words(source, all).unwrap_or_default();
        let columns = words(into, all)?.into_iter().take(theirs.len()).collect();
        let is_keyed: bool = into.query_row("SELECT wr FROM pragma_table_list(?1)", [&name], |row| row.get(0))?;
        let key = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
        let key = if is_keyed { Some(words(into, key)?) } else { None };
        Ok(Self { name, columns, key })
    }

    /// Not by way of an index, which may be damaged, too.
    fn select(&self, first: &str, order: &str) -> String {
        format!("SELECT {first}, {} FROM {} NOT INDEXED {order}", self.columns.join(", "), self.name)
    }

    fn values(&self, row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
        self.columns.iter().map(|column| row.get(column.as_str())).collect()
    }
}

/// Whether the table could be read to its end.
fn copy(source: &Connection, into: &Connection, table: &Table, salvage: &mut Salvage) -> rusqlite::Result<bool> {
    if table.columns.is_empty() {
        return Ok(false);
    }
    let marks = vec!["?"; table.columns.len()].join(", ");
    let columns = table.columns.join(", ");
    let mut insert = into.prepare(&format!("INSERT OR IGNORE INTO {} ({columns}) VALUES ({marks})", table.name))?;
    let mut keep = |row: &Row<'_>| -> rusqlite::Result<()> {
        let is_sound = is_row_sound(&table.name, row);
        let values = if is_sound { Some(table.values(row)?) } else { mended(source, row, table)? };
        // What breaks a rule of the table, or refers to what is gone, is left out.
        let rows = values.map_or(0, |values| insert.execute(params_from_iter(values)).unwrap_or(0));
        if is_sound && rows == 1 {
            salvage.kept += 1;
        } else {
            salvage.damaged += 1;
        }
        Ok(())
    };
    match &table.key {
        Some(key) => from_both_ends(source, table, key, &mut keep),
        None => around_gaps(source, table, &mut keep),
    }
}

type Keep<'a> = dyn FnMut(&Row<'_>) -> rusqlite::Result<()> + 'a;

/// By the number of the row: after one that cannot be read comes the next that can.
fn around_gaps(source: &Connection, table: &Table, keep: &mut Keep<'_>) -> rusqlite::Result<bool> {
    let Ok(mut statement) = source.prepare(&table.select("rowid", "WHERE rowid > ?1 ORDER BY rowid")) else {
        return Ok(false);
    };
    let last = last_row(source, table);
    let (mut after, mut misses) = (0_i64, 0);
    loop {
        let start = after;
        let mut rows = statement.query([start])?;
        loop {
            match rows.next() {
                Ok(Some(row)) => {
                    after = row.get(0)?;
                    keep(row)?;
                }
                Ok(None) => return Ok(misses == 0),
                Err(_) => break,
            }
        }
        misses = if after == start { misses + 1 } else { 1 };
        after += 1;
        if misses > TRIES || after >= last {
            return Ok(false);
        }
    }
}

/// The number of the last row, or one that is certainly beyond it.
fn last_row(source: &Connection, table: &Table) -> i64 {
    let number = |query: String| source.query_row(&query, [], |row| row.get::<_, i64>(0)).ok();
    number(format!("SELECT max(rowid) FROM {}", table.name))
        .or_else(|| number(format!("SELECT seq FROM sqlite_sequence WHERE name = '{}'", table.name)))
        .unwrap_or(i64::MAX)
}

/// By primary key: up to the first row that cannot be read, then down to the last.
fn from_both_ends(source: &Connection, table: &Table, key: &[String], keep: &mut Keep<'_>) -> rusqlite::Result<bool> {
    for direction in ["ASC", "DESC"] {
        let order: Vec<String> = key.iter().map(|column| format!("{column} {direction}")).collect();
        let Ok(mut statement) = source.prepare(&table.select("0", &format!("ORDER BY {}", order.join(", ")))) else {
            return Ok(false);
        };
        let mut rows = statement.query([])?;
        loop {
            match rows.next() {
                Ok(Some(row)) => keep(row)?,
                Ok(None) => return Ok(direction == "ASC"),
                Err(_) => break,
            }
        }
    }
    Ok(false)
}

/// Whether a row is one that this program wrote, as far as it can tell.
fn is_row_sound(table: &str, row: &Row<'_>) -> bool {
    let count = row.as_ref().column_count();
    let is_utf_8 = (0..count).all(|column| match row.get_ref(column) {
        Ok(ValueRef::Text(octets)) => std::str::from_utf8(octets).is_ok(),
        Ok(_) => true,
        Err(_) => false,
    });
    is_utf_8
        && match table {
            "message" => message_id(row, "id").is_ok() && is_sealed(row, &seal::MESSAGE),
            "outbox" => {
                message_id(row, "id").is_ok()
                    && outgoing_state(row, "state").is_ok()
                    && policy(row, "policy").is_ok()
                    && is_sealed(row, &seal::OUTGOING)
            }
            "outbox_segment" => part_state(row, "state").is_ok(),
            "segment" => is_pdu_sound(row).unwrap_or(false),
            _ => true,
        }
}

/// A database from before there were seals has no such column.
fn is_sealed(row: &Row<'_>, columns: &[&str]) -> bool {
    row.as_ref().column_index("seal").is_err() || seal::holds(row, columns).unwrap_or(false)
}

/// A PDU goes with its age; what is there has the digest that it came with.
fn is_pdu_sound(row: &Row<'_>) -> rusqlite::Result<bool> {
    let (pdu, digest): (String, Vec<u8>) = (row.get("pdu")?, row.get("digest")?);
    Ok(pdu.is_empty() || digest_of(&pdu) == digest)
}

/// A row that is not sound, with a note in the place of what is not certain; `None` if nothing can be made of it.
fn mended(source: &Connection, row: &Row<'_>, table: &Table) -> rusqlite::Result<Option<Vec<Value>>> {
    let mut changes: Vec<(&str, Value)> = match table.name.as_str() {
        "message" => {
            let Ok(id) = message_id(row, "id") else { return Ok(None) };
            let text = format!("{}{}", inbox::DAMAGED, pdus(source, &id.to_string()));
            let mut changes = vec![("text", text.into()), ("sender", String::new().into()), ("undecodable", 1.into())];
            // One value that makes no sense would keep all messages from being read.
            let unreadable = [
                (timestamp(row, "received_at").is_err(), "received_at", 0.into()),
                (optional_timestamp(row, "sent_at").is_err(), "sent_at", Value::Null),
                (row.get::<_, i32>("sent_offset").is_err(), "sent_offset", 0.into()),
                (row.get::<_, u16>("parts_missing").is_err(), "parts_missing", 0.into()),
                (optional_message_id(row, "completes").is_err(), "completes", Value::Null),
            ];
            changes.extend(unreadable.into_iter().filter(|(is, ..)| *is).map(|(_, name, value)| (name, value)));
            changes
        }
        "outbox" => {
            if message_id(row, "id").is_err() {
                return Ok(None);
            }
            let mut changes = vec![("text", String::new().into()), ("seal", Value::Null)];
            if !matches!(row.get_ref("next_run"), Ok(ValueRef::Null)) || outgoing_state(row, "state").is_err() {
                changes.extend([
                    ("state", "failed".to_owned().into()),
                    ("cause", outbox::DAMAGED.to_owned().into()),
                    ("next_run", Value::Null),
                ]);
            }
            let unreadable = [
                (timestamp(row, "queued_at").is_err(), "queued_at", 0.into()),
                (optional_timestamp(row, "sent_at").is_err(), "sent_at", Value::Null),
                (optional_timestamp(row, "done_at").is_err(), "done_at", Value::Null),
            ];
            changes.extend(unreadable.into_iter().filter(|(is, ..)| *is).map(|(_, name, value)| (name, value)));
            if policy(row, "policy").is_err() {
                changes.push(("policy", "once".to_owned().into()));
            }
            changes
        }
        "outbox_segment" => vec![("state", "unknown".to_owned().into()), ("doubtful", 1.into())],
        "segment" => vec![("pdu", String::new().into())],
        _ => return Ok(None),
    };
    let mut values = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        let change = changes.iter().position(|(name, _)| name == column).map(|at| changes.swap_remove(at).1);
        values.push(match (change, row.get_ref(column.as_str())?) {
            (Some(change), _) => change,
            (None, ValueRef::Text(octets)) => String::from_utf8_lossy(octets).into_owned().into(),
            (None, value) => Value::try_from(value)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Null, Box::new(error)))?,
        });
    }
    if table.name == "message" {
        reseal(table, &mut values)?;
    }
    Ok(Some(values))
}

/// The PDUs that a message was made of, as far as they are sound.
fn pdus(source: &Connection, message: &str) -> String {
    let query = "SELECT pdu, digest FROM segment NOT INDEXED
         WHERE message = ?1 OR concatenation IN (SELECT id FROM concatenation NOT INDEXED WHERE message = ?1)";
    let Ok(mut statement) = source.prepare(query) else { return String::new() };
    let Ok(mut rows) = statement.query([message]) else { return String::new() };
    let mut text = String::new();
    while let Ok(Some(row)) = rows.next() {
        if is_pdu_sound(row).unwrap_or(false)
            && let Ok(pdu) = row.get::<_, String>("pdu")
            && !pdu.is_empty()
        {
            let introduction = if text.is_empty() { " It was received as: " } else { ", " };
            text.push_str(introduction);
            text.push_str(&pdu);
        }
    }
    text
}

/// What the row says now is what is meant.
fn reseal(table: &Table, values: &mut [Value]) -> rusqlite::Result<()> {
    let at = |name: &str| table.columns.iter().position(|column| column == name);
    let Some(place) = at("seal") else { return Ok(()) };
    let sealed: Option<Vec<&dyn ToSql>> = seal::MESSAGE
        .iter()
        .map(|name| at(name).and_then(|at| values.get(at)).map(|value| value as &dyn ToSql))
        .collect();
    let seal = sealed.map(|values| seal::of(&values)).transpose()?;
    if let Some(value) = values.get_mut(place) {
        *value = seal.map_or(Value::Null, Value::Blob);
    }
    Ok(())
}

/// Makes rows agree of which one was kept and another was not.
fn settle(into: &Connection, mail_again: bool) -> rusqlite::Result<()> {
    // A part without its PDU is one that never came: its set is shown with a gap.
    into.execute_batch(
        "DELETE FROM concatenation_part WHERE concatenation IN (SELECT id FROM concatenation WHERE message IS NULL)
             AND segment NOT IN (SELECT id FROM segment WHERE pdu <> '')",
    )?;
    // Of a message whose parts are gone nobody knows which have left.
    into.execute(
        "UPDATE outbox SET state = 'unknown', cause = ?1, next_run = NULL
         WHERE next_run IS NOT NULL AND parts > (SELECT count(*) FROM outbox_segment WHERE message = sequence)",
        [outbox::DAMAGED],
    )?;
    into.execute_batch(
        "UPDATE outbox SET done_at = ifnull(done_at, queued_at), done_run = ifnull(done_run, accepted_run)
         WHERE next_run IS NULL AND sent_run IS NULL",
    )?;
    if mail_again {
        into.execute_batch(
            "INSERT OR IGNORE INTO spool (message, spooled_run, next_run)
             SELECT sequence, arrived_run, 0 FROM message WHERE blanked = 0",
        )?;
    }
    Ok(())
}
