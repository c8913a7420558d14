//! `smsgate run`: the daemon in the foreground, until a signal ends it.

use std::{
    fs,
    io::IsTerminal,
    net::SocketAddr,
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::{Daemon, StartError, Surroundings, keep_secrets, reload::reload, store_path, watchdog};
use crate::{
    config::{Config, Severity},
    config_files::{LoadError, find_folder, load_folder},
    modem::hotplug,
    sandbox::{self, Confined, Places, Plan},
    store::{self, OpenError},
    telemetry::{self, Level},
    tls,
};

/// Two are plenty: nothing here computes for long, and password hashes have a thread of their own. On one core a second
/// would only be woken to find that the first has done the work.
const WORKER_THREADS: usize = 2;
/// sysexits `EX_SOFTWARE`.
const EXIT_SOFTWARE: u8 = 70;
/// sysexits `EX_OSERR`.
pub(super) const EXIT_SYSTEM: u8 = 71;

/// Runs the daemon with the configuration in `folder` (or where it is usually found). `appliance`: the folder in which the
/// other services of an appliance leave what they know.
#[must_use]
pub fn run(folder: Option<&Path>, appliance: Option<&Path>) -> ExitCode {
    run_and(folder, appliance, |_, _| {})
}

/// As [`run`]; when the daemon is up, `up` is told what confines it and where it listens.
#[must_use]
pub fn run_and(folder: Option<&Path>, appliance: Option<&Path>, up: impl FnOnce(Confined, SocketAddr)) -> ExitCode {
    keep_secrets();
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
    let cores = std::thread::available_parallelism().map_or(WORKER_THREADS, NonZero::get);
    let (confined, plan) = match confine(&config, &folder, appliance) {
        Ok(confined) => confined,
        Err(fault) => return refused(&fault.into()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS.min(cores))
        .max_blocking_threads(8)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let grounds = Grounds { folder, appliance: appliance.map(Path::to_owned), level, plan, confined };
            let code = runtime.block_on(serve(config, &grounds, |address| up(confined, address)));
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

/// What the process stands on from its start to its end.
pub(super) struct Grounds {
    /// Where the configuration is.
    pub(super) folder: PathBuf,
    /// Where the other services of an appliance leave what they know.
    appliance: Option<PathBuf>,
    /// How much is logged.
    pub(super) level: Level,
    /// What it may do: a later configuration may want more and not get it.
    plan: Plan,
    /// What sees to that.
    confined: Confined,
}

impl Grounds {
    /// What this configuration needs that the sandbox refuses until the next start.
    pub(super) fn lacking(&self, config: &Config) -> Vec<String> {
        self.plan.beyond(&plan(config, &self.folder, self.appliance.as_deref()), self.confined.landlock)
    }
}

fn plan(config: &Config, folder: &Path, appliance: Option<&Path>) -> Plan {
    let store = store_path(&config.gateway);
    let places = Places {
        configuration: folder,
        store: &store,
        ports: config.slots.iter().filter_map(|slot| hotplug::folder_of(&slot.port)).collect(),
        program: std::env::current_exe().ok(),
        appliance,
        // The mailer's TLS heeds it.
        authorities: std::env::var_os("SSL_CERT_FILE").map(PathBuf::from),
    };
    Plan::of(config, &places, |path| fs::canonicalize(path).ok())
}

/// Makes the store's folder, which cannot be made later, and shuts everything else out. There are no other threads yet, and
/// nothing from outside has been read but the configuration.
fn confine(config: &Config, folder: &Path, appliance: Option<&Path>) -> Result<(Confined, Plan), OpenError> {
    store::prepare_folder(&store_path(&config.gateway))?;
    let plan = plan(config, folder, appliance);
    Ok((sandbox::confine(config.gateway.seccomp, &plan), plan))
}

async fn serve(config: Config, grounds: &Grounds, up: impl FnOnce(SocketAddr)) -> ExitCode {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        error!("cannot listen for signals");
        return ExitCode::from(EXIT_SYSTEM);
    };
    let surroundings = Surroundings { appliance: grounds.appliance.clone(), ..Surroundings::default() };
    let mut daemon = match Daemon::start_in(config, surroundings).await {
        Ok(daemon) => daemon,
        Err(fault) => return refused(&fault),
    };
    tell_systemd(&[NotifyState::Ready]);
    up(daemon.local_addr());
    let fed =
        sd_notify::watchdog_enabled().map(|patience| tokio::spawn(watchdog::feed(daemon.store().clone(), patience)));
    let code = loop {
        tokio::select! {
            _ = terminate.recv() => break ExitCode::SUCCESS,
            _ = interrupt.recv() => break ExitCode::SUCCESS,
            () = daemon.fallen() => break ExitCode::from(EXIT_SOFTWARE),
            _ = hangup.recv() => {
                info!("SIGHUP");
                announce_reload();
                let outcome = reload(&mut daemon, grounds).await;
                tell_systemd(&[NotifyState::Ready, NotifyState::Status(outcome)]);
            }
        }
    };
    tell_systemd(&[NotifyState::Stopping]);
    if let Some(fed) = fed {
        fed.abort();
    }
    daemon.stop().await;
    code
}

/// It does not start. The status is what `systemctl status` shows, and what an appliance in rescue tells.
fn refused(fault: &StartError) -> ExitCode {
    error!("{fault}");
    tell_systemd(&[NotifyState::Status(&fault.to_string())]);
    ExitCode::from(fault.exit_code())
}

/// What `Type=notify-reload` waits for (sd_notify(3)); nobody else minds.
fn announce_reload() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell_systemd(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot tell systemd of the reload"),
    }
}

pub(super) fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot notify systemd");
    }
}
