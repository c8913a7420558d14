//! gammu-smsd with SQLite (by libdbi): a process for each modem.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use inotify::WatchMask;
use rusqlite::{Connection, OpenFlags};

use super::{
    gateway::{Gateway, Outgoing},
    pool::Pool,
    program::{self, Program},
    watch::Watch,
};

const PROGRAM: &str = "/usr/bin/gammu-smsd";
/// Its tables, as the package brings them.
const TABLES: &str = "/usr/share/doc/gammu-smsd/examples/sqlite.sql";
/// What an admin adds who wants it fast and safe. Times are whole seconds; 0 for `LoopSleep` would be a busy loop.
const TUNED: &str = "commtimeout = 1\nreceivefrequency = 1\nloopsleep = 1\nstatusfrequency = 300\ncheckbattery = 0\n\
                     checksecurity = 0\n";
/// Longest that this tool waits for a lock of the database.
const LOCK: Duration = Duration::from_secs(30);

/// Its settings, for the report.
pub fn described(tuned: bool) -> String {
    if tuned {
        let options = TUNED.trim_end().replace('\n', "; ");
        format!("{options}; a database for each modem, in WAL mode; messages out are rows with a SenderID")
    } else {
        "connection, driver and phoneid only; one database for all modems, as its manual has it for several; messages out \
         are rows with a SenderID"
            .to_owned()
    }
}

pub struct Gammu {
    folder: PathBuf,
    modems: usize,
    databases: Vec<Database>,
    watch: Option<Watch>,
    running: Vec<Program>,
}

impl Gammu {
    /// Makes its databases and writes its files.
    ///
    /// # Errors
    /// It is not installed, or a file cannot be written.
    pub fn prepare(folder: &Path, pool: &Pool, tuned: bool) -> Result<Self, String> {
        let tables = fs::read_to_string(TABLES).map_err(|error| format!("{TABLES}: {error}"))?;
        let modems = pool.modems();
        let count = if tuned { modems } else { 1 };
        let databases =
            (0..count).map(|serial| Database::create(folder, serial, &tables, tuned)).collect::<Result<Vec<_>, _>>()?;
        let root = folder.display();
        for modem in 0..modems {
            let database = databases.get(modem).or(databases.first()).map(|database| database.name.as_str());
            let text = format!(
                "[gammu]\ndevice = {}\nconnection = at115200\n[smsd]\nservice = sql\ndriver = sqlite3\ndatabase = {}\n\
                 dbdir = {root}/\nphoneid = modem-{modem}\n{}",
                pool.port(modem),
                database.unwrap_or_default(),
                if tuned { TUNED } else { "" },
            );
            fs::write(folder.join(format!("smsdrc-{modem}")), text).map_err(|error| error.to_string())?;
        }
        Ok(Self { folder: folder.to_owned(), modems, databases, watch: None, running: Vec::new() })
    }
}

impl Gateway for Gammu {
    fn launch(&mut self) -> Result<(), String> {
        // A commit takes the journal away, or appends to the log.
        self.watch = Some(Watch::on(&self.folder, WatchMask::DELETE | WatchMask::MODIFY)?);
        for modem in 0..self.modems {
            let rc = self.folder.join(format!("smsdrc-{modem}")).display().to_string();
            let log = self.folder.join(format!("log-{modem}"));
            self.running.push(Program::start(Path::new(PROGRAM), &["-c", &rc], &log)?);
        }
        Ok(())
    }

    fn visible(&mut self, at_most: Duration) -> Result<Vec<(Instant, String)>, String> {
        let changes = self.watch.as_ref().map(|watch| watch.changes(at_most)).unwrap_or_default();
        let quiet = changes.is_empty();
        let mut found = Vec::new();
        for database in &mut self.databases {
            // With nothing told, all are looked at: a look may have come in the middle of a commit.
            if quiet || changes.iter().any(|(_, name)| name.starts_with(&database.name)) {
                let texts = database.fresh();
                found.extend(texts.into_iter().map(|text| (Instant::now(), text)));
            }
        }
        match self.running.iter_mut().find_map(Program::ended) {
            Some(words) if found.is_empty() => Err(words),
            _ => Ok(found),
        }
    }

    fn send(&mut self, messages: &[Outgoing]) -> Result<(), String> {
        let count = self.databases.len();
        for (serial, database) in self.databases.iter().enumerate() {
            let some = messages.iter().filter(|message| message.modem % count == serial);
            database.queue(some).map_err(|error| format!("{}: {error}", database.name))?;
        }
        Ok(())
    }

    fn processes(&self) -> Vec<u32> {
        self.running.iter().map(Program::id).collect()
    }
}

impl Drop for Gammu {
    fn drop(&mut self) {
        program::end(&mut self.running.iter_mut().collect::<Vec<_>>());
    }
}

struct Database {
    name: String,
    path: PathBuf,
    /// Readers of a log disturb nobody and stay; those of a database with a journal would hold a writer up.
    reader: Option<Connection>,
    last: i64,
}

impl Database {
    fn create(folder: &Path, serial: usize, tables: &str, log: bool) -> Result<Self, String> {
        let name = format!("{serial:02}.sqlite");
        let path = folder.join(&name);
        let made = || -> rusqlite::Result<Option<Connection>> {
            let database = Connection::open(&path)?;
            if log {
                database.pragma_update(None, "journal_mode", "wal")?;
            }
            database.execute_batch(tables)?;
            Ok(log.then_some(database))
        };
        let reader = made().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name, path, reader, last: 0 })
    }

    /// Texts of rows that were not there before. A file that is just being written may not be readable: the next look will.
    fn fresh(&mut self) -> Vec<String> {
        let other;
        let connection = match &self.reader {
            Some(reader) => reader,
            None => match self.unlocked() {
                Ok(connection) => {
                    other = connection;
                    &other
                }
                Err(_) => return Vec::new(),
            },
        };
        let rows = || -> rusqlite::Result<Vec<(i64, String)>> {
            let mut query = connection.prepare_cached("SELECT ID, TextDecoded FROM inbox WHERE ID > ? ORDER BY ID")?;
            query.query_map([self.last], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let rows = rows().unwrap_or_default();
        self.last = rows.last().map_or(self.last, |(id, _)| *id);
        rows.into_iter().map(|(_, text)| text).collect()
    }

    /// Without a lock, so that no writer waits for this tool.
    fn unlocked(&self) -> rusqlite::Result<Connection> {
        let uri = format!("file:{}?immutable=1", self.path.display());
        Connection::open_with_flags(uri, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
    }

    /// As its manual says how to send: rows of `outbox`, here in one transaction.
    fn queue<'a>(&self, messages: impl Iterator<Item = &'a Outgoing>) -> rusqlite::Result<()> {
        let mut database = Connection::open(&self.path)?;
        database.busy_timeout(LOCK)?;
        let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        {
            let mut row = transaction.prepare(
                "INSERT INTO outbox (DestinationNumber, TextDecoded, CreatorID, SenderID, Coding) \
                 VALUES (?, ?, 'bench', ?, 'Default_No_Compression')",
            )?;
            for message in messages {
                row.execute((&message.to, &message.text, format!("modem-{}", message.modem)))?;
            }
        }
        transaction.commit()
    }
}
