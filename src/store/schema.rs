//! The database file: making and checking it, its tables, and how an older one becomes a newer one.
//!
//! A file that SQLite finds damaged is set aside, never deleted: what it holds may still be worth a look by hand.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    OpenError, layout,
    salvage::{self, Salvage},
};

/// Each entry takes a database from the `user_version` that is its index to the next, and changes tables or indexes: by
/// those it is known, too.
pub(super) const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5, V6, V7];

/// The stamp of a message that is being worked on: it waits, but never falls due by itself.
pub(super) const IN_HAND: i64 = i64::MAX;

/// Octets of a page in a new database. A message changes some octets in each of a dozen pages, all of which are written
/// whole.
const PAGE: i64 = 1024;
/// Octets in the log that are brought into the database: pages that many messages change are written there once for all of
/// them. The log stays smaller than the room that is set aside for it (see `ballast`).
const CHECKPOINT: i64 = 3 << 19;

const V1: &str = "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    boot_id TEXT NOT NULL,
    boottime_ms INTEGER NOT NULL,
    run_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE message (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    slot TEXT NOT NULL,
    recipient TEXT NOT NULL,
    sender TEXT NOT NULL,
    text TEXT NOT NULL,
    network TEXT NOT NULL,
    sent_at INTEGER,
    sent_offset INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    arrived_run INTEGER NOT NULL,
    flash INTEGER NOT NULL,
    parts_missing INTEGER NOT NULL,
    undecodable INTEGER NOT NULL,
    completes TEXT,
    blanked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX message_by_arrival ON message (arrived_run);

CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    slot TEXT NOT NULL,
    sim TEXT NOT NULL,
    memory TEXT NOT NULL,
    storage_index INTEGER,
    pdu TEXT NOT NULL,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('whole', 'part', 'undecodable', 'discard', 'report')),
    received_at INTEGER NOT NULL,
    received_run INTEGER NOT NULL,
    deleted_run INTEGER,
    repeats INTEGER,
    concatenation INTEGER,
    message TEXT
) STRICT;
CREATE INDEX segment_by_digest ON segment (sim, digest);
CREATE INDEX segment_on_sim ON segment (sim, memory) WHERE deleted_run IS NULL;

CREATE TABLE concatenation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    sim TEXT NOT NULL,
    slot TEXT NOT NULL,
    sender TEXT NOT NULL,
    reference INTEGER NOT NULL,
    wide INTEGER NOT NULL,
    total INTEGER NOT NULL,
    opened_run INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    network TEXT NOT NULL,
    sent_at INTEGER,
    sent_offset INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    flash INTEGER NOT NULL,
    partial TEXT,
    message TEXT,
    completed_run INTEGER
) STRICT;
CREATE INDEX concatenation_by_key ON concatenation (sim, sender, reference);
CREATE INDEX concatenation_open ON concatenation (opened_run) WHERE message IS NULL AND partial IS NULL;

CREATE TABLE concatenation_part (
    concatenation INTEGER NOT NULL REFERENCES concatenation (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (concatenation, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE spool (
    message INTEGER PRIMARY KEY REFERENCES message (sequence),
    attempts INTEGER NOT NULL DEFAULT 0,
    spooled_run INTEGER NOT NULL,
    next_run INTEGER NOT NULL,
    died_run INTEGER,
    error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX spool_due ON spool (next_run) WHERE died_run IS NULL;

CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    asked_sender TEXT,
    recipient TEXT NOT NULL,
    text TEXT NOT NULL,
    flash INTEGER NOT NULL,
    policy TEXT NOT NULL,
    state TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    accepted_run INTEGER NOT NULL,
    expires_run INTEGER NOT NULL,
    next_run INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    slot TEXT,
    sim TEXT NOT NULL DEFAULT '',
    number TEXT NOT NULL DEFAULT '',
    parts INTEGER NOT NULL DEFAULT 0,
    offered_reference INTEGER NOT NULL,
    reference INTEGER,
    price_micros INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0,
    currency TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    cause TEXT NOT NULL DEFAULT '',
    sent_at INTEGER,
    sent_run INTEGER,
    done_at INTEGER,
    done_run INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (next_run) WHERE next_run IS NOT NULL;

CREATE TABLE recipient (
    number TEXT PRIMARY KEY,
    reference INTEGER NOT NULL,
    used_run INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox_segment (
    message INTEGER NOT NULL REFERENCES outbox (sequence) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    submissions INTEGER NOT NULL DEFAULT 0,
    doubtful INTEGER NOT NULL DEFAULT 0,
    slot TEXT,
    sim TEXT NOT NULL DEFAULT '',
    reference INTEGER,
    submitted_run INTEGER,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_segment_by_reference ON outbox_segment (sim, reference);

CREATE TABLE report (
    segment INTEGER PRIMARY KEY REFERENCES segment (id) ON DELETE CASCADE,
    sim TEXT NOT NULL,
    reference INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    status INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    text TEXT NOT NULL,
    received_run INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    message TEXT
) STRICT;
CREATE INDEX report_unmatched ON report (sim, reference) WHERE settled = 0;

CREATE TABLE sim (
    slot TEXT PRIMARY KEY,
    sent INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    last_sent INTEGER,
    last_received INTEGER,
    balance_micros INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sent_daily (
    day TEXT NOT NULL,
    slot TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (day, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE pin_attempt (
    sim TEXT NOT NULL,
    digest BLOB NOT NULL,
    attempted_at INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    PRIMARY KEY (sim, digest)
) STRICT, WITHOUT ROWID;
";

/// What is kept about SIMs and modems beyond their messages.
///
/// `balance_sim` and `balance_day.sim` name the SIM a balance was read of, since another card in the same slot has another
/// account. `sim_card.iccid` is the card the operator knows in a slot, `present` the one that was seen there last.
/// `self_test` has the latest tests of each slot: a late one has to be known again, and the last that came back tells how
/// long none has. `recovery_try` holds the tries of the last hour, by which a ladder is bounded also over restarts.
const V2: &str = "
ALTER TABLE message ADD COLUMN origin TEXT NOT NULL DEFAULT 'sms' CHECK (origin IN ('sms', 'ussd'));
ALTER TABLE outbox ADD COLUMN purpose TEXT NOT NULL DEFAULT 'message' CHECK (purpose IN ('message', 'self-test'));
ALTER TABLE sim ADD COLUMN balance_at INTEGER;
ALTER TABLE sim ADD COLUMN balance_sim TEXT;

CREATE TABLE balance_day (
    slot TEXT NOT NULL,
    sim TEXT NOT NULL,
    day TEXT NOT NULL,
    balance_micros INTEGER NOT NULL,
    PRIMARY KEY (slot, sim, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE self_test (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    slot TEXT NOT NULL,
    token TEXT NOT NULL UNIQUE,
    message TEXT NOT NULL,
    day TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    started_run INTEGER NOT NULL,
    returned_at INTEGER,
    returned_run INTEGER,
    round_trip_ms INTEGER
) STRICT;
CREATE INDEX self_test_by_slot ON self_test (slot);

CREATE TABLE sim_card (
    slot TEXT PRIMARY KEY,
    iccid TEXT NOT NULL,
    present TEXT NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery (
    slot TEXT NOT NULL,
    rung TEXT NOT NULL,
    tried INTEGER NOT NULL DEFAULT 0,
    cured INTEGER NOT NULL DEFAULT 0,
    last_tried_at INTEGER,
    last_cured_at INTEGER,
    PRIMARY KEY (slot, rung)
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_try (
    id INTEGER PRIMARY KEY,
    slot TEXT NOT NULL,
    rung TEXT NOT NULL,
    tried_run INTEGER NOT NULL
) STRICT;
CREATE INDEX recovery_try_by_slot ON recovery_try (slot, tried_run);
";

/// What came in is looked for by its bytes and by its sender: the SIM may go by another name today.
const V3: &str = "
DROP INDEX segment_by_digest;
CREATE INDEX segment_by_digest ON segment (digest);
DROP INDEX concatenation_by_key;
CREATE INDEX concatenation_by_key ON concatenation (sender, reference);
";

/// Of messages in both directions what never changes, summed up (see `seal`); NULL where nobody did.
const V4: &str = "
ALTER TABLE message ADD COLUMN seal BLOB;
ALTER TABLE outbox ADD COLUMN seal BLOB;
";

/// What was sent lately by those who have limits: `width` is the length of a step in milliseconds, `step` counts them.
const V5: &str = "
CREATE TABLE spending (
    party TEXT NOT NULL,
    width INTEGER NOT NULL,
    step INTEGER NOT NULL,
    parts INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (party, width, step)
) STRICT, WITHOUT ROWID;
";

/// Mails that carry several messages of a flood (see `gathering`): `spool.digest` and `gathering.digest` are the number of
/// the first message in it. The index is of those messages that count for a flood.
const V6: &str = "
ALTER TABLE spool ADD COLUMN digest INTEGER;
CREATE INDEX spool_by_digest ON spool (digest) WHERE digest IS NOT NULL;

CREATE TABLE gathering (
    slot TEXT NOT NULL,
    sender TEXT NOT NULL,
    digest INTEGER NOT NULL,
    opened_run INTEGER NOT NULL,
    ripe_run INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    PRIMARY KEY (slot, sender)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_by_sender ON message (slot, sender, arrived_run)
    WHERE flash = 0 AND parts_missing = 0 AND undecodable = 0 AND completes IS NULL AND origin = 'sms';
";

/// Each index costs a page or two with every message: the writer knows by heart what these were for (see `recall`), and
/// what waits for its mail is not much.
const V7: &str = "
DROP INDEX segment_on_sim;
DROP INDEX message_by_sender;
DROP INDEX spool_due;
";

/// A checked database of the newest schema, and where a damaged one it replaces was put.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) damage: Option<Damage>,
}

/// A damaged database that was set aside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Damage {
    /// Where it lies.
    pub aside: PathBuf,
    /// What was brought from it into the new one.
    pub salvage: Salvage,
}

/// Makes the folder of the database `path`, readable by the owner only.
///
/// # Errors
/// [`OpenError::Folder`].
pub fn prepare_folder(path: &Path) -> Result<(), OpenError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| OpenError::Folder { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}

/// Opens, checks and migrates `path`; a damaged file is set aside and a new one made, with what it still holds. The lock
/// must be held. `mail`: whether messages are mailed.
pub(super) fn open(path: &Path, mail: bool) -> Result<Opened, OpenError> {
    let database_error = |source| OpenError::Database { path: path.to_owned(), source };
    let folder_error = |source| OpenError::Folder { path: path.to_owned(), source };
    let salvaged = beside(path, ".salvaged");
    if salvaged.exists() && !path.exists() {
        // The power went between the two renames below.
        put_in_place(&salvaged, path).map_err(folder_error)?;
    }
    match open_checked(path) {
        Ok(connection) => migrated(path, connection),
        Err(Unfit::Damaged) => {
            // What is left of it is on the disk before it is set aside.
            let salvage = save(path, &salvaged, mail)?;
            let aside = set_aside(path).and_then(|aside| put_in_place(&salvaged, path).map(|()| aside));
            let aside = aside.map_err(folder_error)?;
            match open_checked(path) {
                Ok(connection) => Ok(Opened { damage: Some(Damage { aside, salvage }), ..migrated(path, connection)? }),
                Err(Unfit::Damaged) => Err(database_error(rusqlite::Error::InvalidQuery)),
                Err(Unfit::Sqlite(source)) => Err(database_error(source)),
                Err(Unfit::Folder(source)) => Err(OpenError::Folder { path: path.to_owned(), source }),
            }
        }
        Err(Unfit::Sqlite(source)) => Err(database_error(source)),
        Err(Unfit::Folder(source)) => Err(OpenError::Folder { path: path.to_owned(), source }),
    }
}

/// Makes a new database of what the damaged one at `path` still holds.
fn save(path: &Path, salvaged: &Path, mail: bool) -> Result<Salvage, OpenError> {
    let database_error = |source| OpenError::Database { path: salvaged.to_owned(), source };
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(salvaged, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::Folder { path: salvaged.to_owned(), source: error });
            }
            _ => {}
        }
    }
    let connection = match open_checked(salvaged) {
        Ok(connection) => migrated(salvaged, connection)?.connection,
        Err(Unfit::Damaged) => return Err(database_error(rusqlite::Error::InvalidQuery)),
        Err(Unfit::Sqlite(source)) => return Err(database_error(source)),
        Err(Unfit::Folder(source)) => return Err(OpenError::Folder { path: salvaged.to_owned(), source }),
    };
    let salvage = salvage::salvage(path, &connection, mail).map_err(database_error)?;
    // One file, so that one rename puts it in place.
    connection.pragma_update(None, "journal_mode", "DELETE").map_err(database_error)?;
    connection.close().map_err(|(_, source)| database_error(source))?;
    Ok(salvage)
}

/// A connection for the writer, without the check.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // Of a database that is there already it stays as it is.
    connection.pragma_update(None, "page_size", PAGE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT / page.max(512))?;
    connection.pragma_update(None, "journal_size_limit", 4 * 1024 * 1024)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    keep_temporaries_in_memory(&connection)?;
    connection.pragma_update(None, "cache_size", -512)?;
    connection.set_prepared_statement_cache_capacity(32);
    // The first query makes the log. SQLite would sync its name only if it can open the folder, and say nothing if it
    // cannot: a power cut could then take the log with every commit in it.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    sync_folder(path).map_err(|error| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC);
        rusqlite::Error::SqliteFailure(code, Some(format!("the folder cannot be synced: {error}")))
    })?;
    Ok(connection)
}

/// A connection that can only read.
pub(super) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    keep_temporaries_in_memory(&connection)?;
    connection.pragma_update(None, "cache_size", -256)?;
    connection.set_prepared_statement_cache_capacity(8);
    Ok(connection)
}

/// What SQLite would put into a file in /tmp, such as what it needs to take back half a statement: the sandbox lets the
/// daemon write there no more than anywhere else, and the commit would fail.
fn keep_temporaries_in_memory(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "temp_store", "MEMORY")
}

enum Unfit {
    Damaged,
    Folder(io::Error),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            _ => Self::Sqlite(error),
        }
    }
}

fn open_checked(path: &Path) -> Result<Connection, Unfit> {
    // SQLite gives its -wal and -shm files the mode of the database, so it is enough to make that one private.
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Unfit::Folder)?;
    let connection = connect(path)?;
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let layout = layout::version(&connection)?;
    let is_sound = match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => layout == Some(version) && salvage::is_sound(&connection)?,
        // What a later version wrote is not for this one to judge; but it may be the number that is damaged.
        Ok(_) => layout.is_none(),
        Err(_) => false,
    };
    if verdict == "ok" && is_sound { Ok(connection) } else { Err(Unfit::Damaged) }
}

fn migrated(path: &Path, connection: Connection) -> Result<Opened, OpenError> {
    let database_error = |source| OpenError::Database { path: path.to_owned(), source };
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(database_error)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    for (version, step) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {step} PRAGMA user_version = {version}; COMMIT;"))
            .map_err(database_error)?;
    }
    Ok(Opened { connection, damage: None })
}

/// Renames the database with its -wal and -shm to the first free `.damaged-<n>`.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let with = |suffix: &str| beside(path, suffix);
    let mut number = 1_u32;
    while with(&format!(".damaged-{number}")).exists() {
        number += 1;
    }
    for suffix in ["-wal", "-shm"] {
        let companion = with(suffix);
        if companion.exists() {
            fs::rename(companion, with(&format!(".damaged-{number}{suffix}")))?;
        }
    }
    let aside = with(&format!(".damaged-{number}"));
    fs::rename(path, &aside)?;
    sync_folder(path)?;
    Ok(aside)
}

fn put_in_place(new: &Path, path: &Path) -> io::Result<()> {
    fs::rename(new, path)?;
    sync_folder(path)
}

/// Makes the names in the folder of `path` durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The file whose name has more at its end.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What [`set_aside`] left beside `path` and nobody has taken away, without the companions.
pub(super) fn damaged_files(path: &Path) -> Vec<PathBuf> {
    let Some(prefix) = path.file_name().map(|name| format!("{}.damaged-", name.to_string_lossy())) else {
        return Vec::new();
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_prefix(&prefix).is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let mut found: Vec<_> = names.filter(is_ours).collect();
    found.sort();
    found
}
