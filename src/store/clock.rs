//! Running time ([`RunTime`]) from the boot clock, carried over restarts and reboots.
//!
//! The wall clock is read here too, but only to be written down as data; no decision compares it.

use std::{fmt, fs, sync::Arc, time::Duration};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::model::RunTime;

/// Where the store takes its time from. Production uses [`SystemClock`]; tests bring one they can move.
pub trait ClockSource: fmt::Debug + Send + Sync {
    /// Changes with each boot of the machine.
    fn boot_id(&self) -> String;
    /// Time since boot, suspend included. Never goes back within one boot.
    fn boottime(&self) -> Duration;
    /// The wall clock, as data.
    fn wall(&self) -> Timestamp;
}

/// `CLOCK_BOOTTIME` and the kernel's boot id.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl ClockSource for SystemClock {
    fn boot_id(&self) -> String {
        // Without a boot id every start counts as a new boot: time then stands still while the daemon is down.
        fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    }

    fn boottime(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Run time as a fixed offset to the boot clock of this boot.
#[derive(Clone, Debug)]
pub(super) struct RunClock {
    source: Arc<dyn ClockSource>,
    boot_id: String,
    boottime_ms: i64,
    run_ms: i64,
}

impl RunClock {
    /// Continues from what the store remembers: the boot clock's difference within the same boot, else the stored
    /// value, and never below a stamp that some row carries already.
    pub(super) fn resume(source: Arc<dyn ClockSource>, connection: &Connection) -> rusqlite::Result<Self> {
        let boot_id = source.boot_id();
        let boottime_ms = millis(source.boottime());
        let stored: Option<(String, i64, i64)> = connection
            .query_row("SELECT boot_id, boottime_ms, run_ms FROM meta", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let continued = match stored {
            Some((id, then, run)) if !id.is_empty() && id == boot_id => {
                run.saturating_add(boottime_ms.saturating_sub(then).max(0))
            }
            Some((_, _, run)) => run,
            None => 0,
        };
        let stamped: i64 = connection.query_row(LARGEST_STAMP, [], |row| row.get(0))?;
        Ok(Self { source, boot_id, boottime_ms, run_ms: continued.max(stamped) })
    }

    pub(super) fn now(&self) -> RunTime {
        let passed = millis(self.source.boottime()).saturating_sub(self.boottime_ms).max(0);
        RunTime(self.run_ms.saturating_add(passed))
    }

    /// Of this boot of the machine; empty if it cannot be told.
    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    pub(super) fn wall(&self) -> Timestamp {
        self.source.wall()
    }

    /// Writes the pair of boot time and run time inside the caller's transaction.
    pub(super) fn persist(&self, connection: &Connection) -> rusqlite::Result<()> {
        let now = self.now().0;
        let boottime = self.boottime_ms.saturating_add(now.saturating_sub(self.run_ms));
        connection
            .prepare_cached(
                "INSERT INTO meta (one, boot_id, boottime_ms, run_ms) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT (one) DO UPDATE SET boot_id = ?1, boottime_ms = ?2, run_ms = ?3",
            )?
            .execute(params![self.boot_id, boottime, now])?;
        Ok(())
    }
}

const LARGEST_STAMP: &str = "SELECT max(
    ifnull((SELECT max(arrived_run) FROM message), 0),
    ifnull((SELECT max(received_run) FROM segment), 0),
    ifnull((SELECT max(deleted_run) FROM segment), 0),
    ifnull((SELECT max(opened_run) FROM concatenation), 0),
    ifnull((SELECT max(spooled_run) FROM spool), 0),
    ifnull((SELECT max(died_run) FROM spool), 0),
    ifnull((SELECT max(accepted_run) FROM outbox), 0),
    ifnull((SELECT max(sent_run) FROM outbox), 0),
    ifnull((SELECT max(done_run) FROM outbox), 0),
    ifnull((SELECT max(submitted_run) FROM outbox_segment), 0),
    ifnull((SELECT max(tried_run) FROM recovery_try), 0))";

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
