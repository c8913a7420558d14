//! Rows that have become shorter are written anew, so that what they no longer need can hold others.
//!
//! SQLite merges pages when rows are deleted from them, not when an UPDATE (or a REPLACE, which comes to the same here)
//! makes rows shorter. New rows go to the end of a table, never into a gap: without this a text that is blanked would take
//! its room until its row goes, 30 days later. The file itself does not shrink, which would take a VACUUM with room for a
//! second copy; its free pages are used before it grows.

use rusqlite::{Connection, params_from_iter, types::Value};

/// A table and the column by which its rows are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    name: &'static str,
    key: &'static str,
    /// Whose rows go with those of this one (`ON DELETE CASCADE`), and the column that names it.
    part: Option<(&'static str, &'static str)>,
}

pub(super) const MESSAGE: Table = Table { name: "message", key: "sequence", part: None };
pub(super) const OUTBOX: Table = Table { name: "outbox", key: "sequence", part: Some(("outbox_segment", "message")) };
/// For segments without a row in `report`.
pub(super) const SEGMENT: Table = Table { name: "segment", key: "id", part: None };

/// Takes these rows out and puts them back as they are. All at once: one at a time leaves each page too full to merge.
pub(super) fn write_anew(connection: &Connection, table: Table, keys: &[i64]) -> rusqlite::Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys = serde_json::json!(keys).to_string();
    let rows = rows_of(connection, table.name, table.key, &keys)?;
    let parts = match table.part {
        Some((name, key)) => rows_of(connection, name, key, &keys)?,
        None => Rows::new(),
    };
    connection
        .prepare_cached(&format!(
            "DELETE FROM {} WHERE {} IN (SELECT value FROM json_each(?1))",
            table.name, table.key
        ))?
        .execute([&keys])?;
    put(connection, table.name, rows)?;
    table.part.map_or(Ok(()), |(name, _)| put(connection, name, parts))
}

type Rows = Vec<Vec<Value>>;

fn rows_of(connection: &Connection, table: &str, key: &str, keys: &str) -> rusqlite::Result<Rows> {
    let all = format!("SELECT * FROM {table} WHERE {key} IN (SELECT value FROM json_each(?1)) ORDER BY {key}");
    let mut statement = connection.prepare_cached(&all)?;
    let columns = statement.column_count();
    statement.query_map([keys], |row| (0..columns).map(|column| row.get(column)).collect())?.collect()
}

fn put(connection: &Connection, table: &str, rows: Rows) -> rusqlite::Result<()> {
    let Some(columns) = rows.first().map(Vec::len) else { return Ok(()) };
    let places = vec!["?"; columns].join(", ");
    let mut statement = connection.prepare_cached(&format!("INSERT INTO {table} VALUES ({places})"))?;
    rows.into_iter().try_for_each(|row| statement.execute(params_from_iter(row)).map(drop))
}
