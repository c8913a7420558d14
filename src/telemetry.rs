//! Where the log goes: the journal under systemd, else standard error; and how much of it.
//!
//! In the journal each field of an event is a field of the entry, in capitals and with `SMSGATE_` before it, so that
//! `SMSGATE_MESSAGE_ID` cannot be taken for systemd's own `MESSAGE_ID` (systemd.journal-fields(7)), which names a kind of
//! message. The entry's identifier is `smsgate`.
//!
//! `SMSGATE_LOG` takes filter directives (`warn`, `smsgate::mail=debug,info`) and wins over the configured level. What
//! may be logged is each room's own duty: never a text, a PIN, a token or a password.

use std::{
    fs::File,
    io::{self, IsTerminal},
    str::FromStr as _,
    sync::Mutex,
};

use nix::sys::stat::fstat;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, ParseError, Targets},
    layer::SubscriberExt as _,
    reload::{self, Handle},
    util::SubscriberInitExt as _,
};

use crate::config::LogLevel;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `SMSGATE_LOG` is no list of filter directives.
    #[error("SMSGATE_LOG=`{directives}` cannot be understood: {reason}")]
    Directives {
        /// As found in the environment.
        directives: String,
        /// What is wrong.
        reason: ParseError,
    },
    /// Logging was set up already.
    #[error("logging is set up twice")]
    Twice,
}

/// Starts logging for the whole process.
///
/// # Errors
/// [`TelemetryError`]; nothing is logged then.
pub fn start(level: LogLevel) -> Result<Level, TelemetryError> {
    let directives = std::env::var("SMSGATE_LOG").ok();
    let (filter, handle) = reload::Layer::new(filter(level, directives.as_deref())?);
    let registry = tracing_subscriber::registry().with(filter);
    // Without a journal socket (a container with a stray JOURNAL_STREAM) standard error is still there.
    let journal = is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref(), stderr_identity())
        .then(|| tracing_journald::layer().ok())
        .flatten();
    let started = match journal {
        Some(journal) => registry
            .with(
                journal
                    .with_priority_mappings(priorities())
                    .with_syslog_identifier("smsgate".to_owned())
                    .with_field_prefix(Some("SMSGATE".to_owned())),
            )
            .try_init(),
        None => {
            let plain = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
            registry.with(plain).try_init()
        }
    };
    started.map_err(|_| TelemetryError::Twice)?;
    Ok(Level { filter: handle, directives })
}

/// How much is logged, to be changed while the process runs.
#[derive(Clone, Debug)]
pub struct Level {
    filter: Handle<Targets, Registry>,
    directives: Option<String>,
}

impl Level {
    /// Logs from this level on; unless `SMSGATE_LOG` says something else, which still wins.
    pub fn set(&self, level: LogLevel) {
        // Directives that were understood at the start are understood now, and the subscriber lasts as long as we do.
        if let Ok(filter) = filter(level, self.directives.as_deref()) {
            drop(self.filter.reload(filter));
        }
    }
}

/// Whether standard error, with this device and inode, is the stream that systemd has connected to the journal. The
/// variable alone does not say so: whoever is started from a service inherits it (systemd.exec(5)).
fn is_journal(stream: Option<&str>, stderr: Option<(u64, u64)>) -> bool {
    let named = stream.and_then(|stream| stream.split_once(':'));
    let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named.is_some() && named == stderr
}

fn stderr_identity() -> Option<(u64, u64)> {
    fstat(io::stderr()).ok().map(|data| (data.st_dev, data.st_ino))
}

/// Starts logging for the whole process into a file, without colour: the demo's terminal is not for logs.
///
/// # Errors
/// [`TelemetryError`]; nothing is logged then.
pub fn start_into(file: File, level: LogLevel) -> Result<(), TelemetryError> {
    let override_ = std::env::var("SMSGATE_LOG").ok();
    let plain = tracing_subscriber::fmt::layer().with_writer(Mutex::new(file)).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter(level, override_.as_deref())?).with(plain);
    registry.try_init().map_err(|_| TelemetryError::Twice)
}

/// The filter for `level`, unless directives are given.
fn filter(level: LogLevel, directives: Option<&str>) -> Result<Targets, TelemetryError> {
    match directives.filter(|text| !text.trim().is_empty()) {
        None => Ok(Targets::new().with_default(threshold(level))),
        Some(text) => {
            Targets::from_str(text).map_err(|reason| TelemetryError::Directives { directives: text.to_owned(), reason })
        }
    }
}

/// Upstream's levels in ours. There is nothing above an error here, so CRITICAL shows errors too.
const fn threshold(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Critical => LevelFilter::ERROR,
    }
}

/// `journalctl -p warning` and its like mean what they say: the crate's own mapping calls information a notice.
fn priorities() -> PriorityMappings {
    PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_decides_unless_directives_are_given() {
        for (level, directives, expected) in [
            (LogLevel::Debug, None, "debug"),
            (LogLevel::Info, None, "info"),
            (LogLevel::Warning, Some("  "), "warn"),
            (LogLevel::Error, None, "error"),
            (LogLevel::Critical, None, "error"),
            (LogLevel::Critical, Some("smsgate::mail=debug"), "smsgate::mail=debug"),
            (LogLevel::Critical, Some("smsgate::mail=debug,info"), "smsgate::mail=debug,info"),
        ] {
            assert_eq!(filter(level, directives).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn the_journal_is_used_only_where_standard_error_is_its_stream() {
        for (stream, stderr, expected) in [
            (Some("8:123"), Some((8, 123)), true),
            (Some("8:123"), Some((8, 124)), false),
            (Some("8:123"), None, false),
            (Some("x"), Some((8, 123)), false),
            (Some(""), None, false),
            (None, Some((8, 123)), false),
            (None, None, false),
        ] {
            assert_eq!(is_journal(stream, stderr), expected, "{stream:?} {stderr:?}");
        }
    }

    #[test]
    fn nonsense_in_the_environment_is_reported() {
        let error = filter(LogLevel::Info, Some("smsgate=loud")).unwrap_err();
        assert!(error.to_string().starts_with("SMSGATE_LOG=`smsgate=loud` cannot be understood"));
    }
}
