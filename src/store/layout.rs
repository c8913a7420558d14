//! The tables and indexes that a database of each version has, and what to do if the disk changed their definitions (D22).
//!
//! SQLite keeps them as text, in which a flipped bit may make another name or no sense at all; it looks for neither.

use std::path::Path;

use rusqlite::Connection;

use super::schema::MIGRATIONS;

/// A row of `sqlite_schema`, without the page.
#[derive(Debug, Eq, PartialEq)]
struct Entry {
    row: i64,
    kind: Option<String>,
    name: Option<String>,
    table: Option<String>,
    sql: Option<String>,
}

/// The version whose layout the database has, whatever it says of itself.
///
/// # Errors
/// If the definitions make no sense.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<usize>> {
    let found = entries(connection)?;
    for version in (0..=MIGRATIONS.len()).rev() {
        if entries(&empty(version)?)? == found {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Gives a database the definitions of the version that has as many, in the same places. The newest if several have.
///
/// # Errors
/// If it cannot be written, or is no database.
pub(super) fn restore(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "writable_schema", true)?;
    let found: Vec<i64> = connection
        .prepare("SELECT rowid FROM sqlite_schema")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for version in (0..=MIGRATIONS.len()).rev() {
        let wanted = entries(&empty(version)?)?;
        if wanted.len() != found.len() {
            continue;
        }
        for (row, entry) in found.iter().zip(&wanted) {
            connection.execute(
                "UPDATE sqlite_schema SET type = ?2, name = ?3, tbl_name = ?4, sql = ?5 WHERE rowid = ?1",
                rusqlite::params![row, entry.kind, entry.name, entry.table, entry.sql],
            )?;
        }
        break;
    }
    connection.close().map_err(|(_, error)| error)
}

fn empty(version: usize) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    for step in MIGRATIONS.iter().take(version) {
        connection.execute_batch(step)?;
    }
    Ok(connection)
}

fn entries(connection: &Connection) -> rusqlite::Result<Vec<Entry>> {
    connection
        .prepare("SELECT rowid, type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")?
        .query_map([], |row| {
            Ok(Entry { row: row.get(0)?, kind: row.get(1)?, name: row.get(2)?, table: row.get(3)?, sql: row.get(4)? })
        })?
        .collect()
}
