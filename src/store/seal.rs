//! Seals: what of a row never changes, summed up when the row is written and compared when it is read (D22).
//!
//! SQLite notices a page that makes no sense, not a bit that flipped within a text. A row without a seal is from before
//! there were seals, or has lost its text to its age.

use aws_lc_rs::digest;
use rusqlite::{
    Row, ToSql,
    types::{ToSqlOutput, ValueRef},
};

/// Octets of a seal: of a SHA-256 the first.
const LENGTH: usize = 8;

/// What is sealed of `message`, in the order of its insertion.
pub(super) const MESSAGE: [&str; 14] = [
    "id",
    "slot",
    "recipient",
    "sender",
    "text",
    "network",
    "sent_at",
    "sent_offset",
    "received_at",
    "arrived_run",
    "flash",
    "parts_missing",
    "undecodable",
    "completes",
];

/// What is sealed of `outbox`.
pub(super) const OUTGOING: [&str; 9] =
    ["id", "asked_sender", "recipient", "text", "flash", "policy", "queued_at", "accepted_run", "expires_run"];

/// The seal of values in the order of their columns.
///
/// # Errors
/// If a value is of a kind that no column has.
pub(super) fn of(values: &[&dyn ToSql]) -> rusqlite::Result<Vec<u8>> {
    let mut sum = Sum::new();
    for value in values {
        match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => sum.add(value),
            ToSqlOutput::Owned(value) => sum.add((&value).into()),
            _ => return Err(rusqlite::Error::ToSqlConversionFailure("a value that no column holds".into())),
        }
    }
    Ok(sum.seal())
}

/// Whether the row is what was sealed. It has to have these columns, and `seal`.
///
/// # Errors
/// If a column is missing.
pub(super) fn holds(row: &Row<'_>, columns: &[&str]) -> rusqlite::Result<bool> {
    let ValueRef::Blob(seal) = row.get_ref("seal")? else { return Ok(true) };
    let mut sum = Sum::new();
    for column in columns {
        sum.add(row.get_ref(*column)?);
    }
    Ok(sum.seal() == seal)
}

struct Sum(digest::Context);

impl Sum {
    fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// With kind and length, so that no two rows have the same octets.
    fn add(&mut self, value: ValueRef<'_>) {
        let number;
        let (kind, octets): (u8, &[u8]) = match value {
            ValueRef::Null => (0, &[]),
            ValueRef::Integer(value) => {
                number = value.to_le_bytes();
                (1, &number)
            }
            ValueRef::Real(value) => {
                number = value.to_le_bytes();
                (2, &number)
            }
            ValueRef::Text(octets) => (3, octets),
            ValueRef::Blob(octets) => (4, octets),
        };
        self.0.update(&[kind]);
        self.0.update(&octets.len().to_le_bytes());
        self.0.update(octets);
    }

    fn seal(self) -> Vec<u8> {
        self.0.finish().as_ref().iter().take(LENGTH).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_row_is_what_was_sealed_or_is_noticed() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a TEXT, b INTEGER, seal BLOB) STRICT").unwrap();
        let seal = of(&[&"text", &Some(7)]).unwrap();
        assert_eq!(seal.len(), LENGTH);
        connection.execute("INSERT INTO t VALUES ('text', 7, ?1)", [&seal]).unwrap();
        let is_whole = || connection.query_row("SELECT * FROM t", [], |row| holds(row, &["a", "b"])).unwrap();
        assert!(is_whole());
        for (change, whole) in [
            ("a = 'tex'", false),
            ("a = 'text'", true),
            ("b = NULL", false),
            ("b = 7", true),
            ("seal = x'00'", false),
            ("seal = NULL", true),
        ] {
            connection.execute(&format!("UPDATE t SET {change}"), []).unwrap();
            assert_eq!(is_whole(), whole, "{change}");
        }
        assert_ne!(of(&[&"ab", &"c"]).unwrap(), of(&[&"a", &"bc"]).unwrap());
        assert_ne!(of(&[&"1"]).unwrap(), of(&[&1]).unwrap());
    }
}
