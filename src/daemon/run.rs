//! `smsgate run`: the daemon in the foreground, until a signal ends it.

use std::{io::IsTerminal, path::Path, process::ExitCode, time::Duration};

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::{Daemon, reload::reload};
use crate::{
    config::{Config, Severity},
    config_files::{LoadError, find_folder, load_folder},
    telemetry::{self, Level},
    tls,
};

/// Two are plenty: nothing here computes for long, and password hashes have a thread of their own.
const WORKER_THREADS: usize = 2;
/// sysexits `EX_SOFTWARE`.
const EXIT_SOFTWARE: u8 = 70;
/// sysexits `EX_OSERR`.
const EXIT_SYSTEM: u8 = 71;

/// Runs the daemon with the configuration in `folder` (or where it is usually found).
#[must_use]
pub fn run(folder: Option<&Path>) -> ExitCode {
    let folder = find_folder(folder);
    let config = match load(&folder) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let level = match telemetry::start(config.gateway.logging.level) {
        Ok(level) => level,
        Err(error) => {
            eprintln!("smsgate: {error}");
            return ExitCode::from(EXIT_SYSTEM);
        }
    };
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(8)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(serve(config, &folder, &level));
            // Name look-ups may hang on the blocking threads; nothing waits for them any more.
            runtime.shutdown_timeout(Duration::from_millis(200));
            code
        }
        Err(error) => {
            eprintln!("smsgate: cannot start the runtime: {error}");
            ExitCode::from(EXIT_SYSTEM)
        }
    }
}

/// Reads the configuration and tells every problem of it.
fn load(folder: &Path) -> Result<Config, ExitCode> {
    let loaded = load_folder(folder).map_err(|error| {
        eprintln!("smsgate: {error}");
        ExitCode::from(LoadError::EXIT_CODE)
    })?;
    if std::io::stderr().is_terminal() {
        if !loaded.diagnostics.is_empty() {
            eprintln!("{}", loaded.render(std::env::var_os("NO_COLOR").is_none()));
        }
    } else {
        for diagnostic in &loaded.diagnostics {
            let word = if diagnostic.severity == Severity::Error { "error" } else { "warning" };
            eprintln!("{word}: {diagnostic}");
        }
    }
    loaded.config.ok_or_else(|| {
        eprintln!("smsgate: the configuration in {} has errors, see above", folder.display());
        ExitCode::from(LoadError::EXIT_CODE)
    })
}

async fn serve(config: Config, folder: &Path, level: &Level) -> ExitCode {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        error!("cannot listen for signals");
        return ExitCode::from(EXIT_SYSTEM);
    };
    let mut daemon = match Daemon::start(config).await {
        Ok(daemon) => daemon,
        Err(fault) => {
            error!("{fault}");
            return ExitCode::from(fault.exit_code());
        }
    };
    tell_systemd(&[NotifyState::Ready]);
    let code = loop {
        tokio::select! {
            _ = terminate.recv() => break ExitCode::SUCCESS,
            _ = interrupt.recv() => break ExitCode::SUCCESS,
            () = daemon.fallen() => break ExitCode::from(EXIT_SOFTWARE),
            _ = hangup.recv() => {
                info!("SIGHUP");
                announce_reload();
                let outcome = reload(&mut daemon, folder, level).await;
                tell_systemd(&[NotifyState::Ready, NotifyState::Status(outcome)]);
            }
        }
    };
    tell_systemd(&[NotifyState::Stopping]);
    daemon.stop().await;
    code
}

/// What `Type=notify-reload` waits for (sd_notify(3)); nobody else minds.
fn announce_reload() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell_systemd(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot tell systemd of the reload"),
    }
}

fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot notify systemd");
    }
}
