//! The daemon: wires the rooms together, keeps their tasks alive, reloads and stops them.

mod control;
mod discretion;
mod housekeeping;
mod limits;
mod machine;
mod modems;
mod ports;
mod reload;
mod rescue;
mod run;
mod self_test;
mod supervise;
mod surroundings;
mod verdict;
mod watchdog;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::tz::TimeZone;
use tokio::{
    sync::watch,
    time::{Duration, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    config::{Config, Gateway, Server as ServerConfig, ciphers},
    dispatch::Dispatch,
    mail::{Mailer, Pace, Settings},
    model::Health,
    pool::Pool,
    pool_health::{MachineCondition, StoreCondition, judge},
    router::LeastCost,
    rpc::{Backends, BindError, Limits, Methods, Server},
    store::{OpenError, Options, Salvage, Store},
    tls::{Reloader, TlsError},
    tpdu::{Reference, segment},
};
pub use discretion::keep_secrets;
use machine::Machine;
use modems::Modems;
use ports::Ports;
pub use rescue::rescue;
pub use run::{run, run_and};
use self_test::SelfTests;
use supervise::{essential, supervise};
pub use surroundings::Surroundings;
use verdict::Verdict;

/// Name of the database in the state folder.
const DATABASE: &str = "smsgate.db";
/// The state folder where nothing else says so.
const STATE_FOLDER: &str = "/var/lib/smsgate";
/// How long everything together may take to end.
const STOP_GRACE: Duration = Duration::from_millis(4500);
/// How soon the outbox is asked for again when the store fails at the start.
const TAKE_OVER_PAUSE: Duration = Duration::from_secs(1);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The device folders cannot be watched.
    #[error("cannot watch for modems: {0}")]
    Hotplug(io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The thread that checks tokens.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl StartError {
    /// The exit code (sysexits): 78 for what the configuration can mend, 74 for a store that cannot be used, 69 for what
    /// may pass.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Tls(_) => 78,
            Self::Store(OpenError::Database { .. } | OpenError::Folder { .. } | OpenError::Newer { .. }) => 74,
            Self::Store(OpenError::Locked { .. }) | Self::Bind(_) | Self::Hotplug(_) | Self::Thread(_) => 69,
        }
    }
}

/// A running gateway.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    /// What is in force.
    config: watch::Sender<Arc<Config>>,
    ports: Ports,
    modems: Modems,
    store: Store,
    certificate: Reloader,
    mail: Arc<watch::Sender<Arc<Settings>>>,
    mail_health: watch::Receiver<Health>,
    /// Cancelled first: nothing new is accepted.
    intake: CancellationToken,
    /// Cancelled second: what is under way ends.
    work: CancellationToken,
    /// Cancelled by a task that fell and cannot be started again.
    fallen: CancellationToken,
    tasks: TaskTracker,
}

impl Daemon {
    /// Starts every task. Returns once the listener is bound and the store is open; modems come up by themselves.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_in(config, Surroundings::default()).await
    }

    /// As [`start`](Self::start), with a clock and ports of the caller's.
    ///
    /// # Errors
    /// [`StartError`], as there.
    pub async fn start_in(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        let config = watch::Sender::new(Arc::new(config));
        let now = Arc::clone(&config.borrow());
        let Config { gateway, slots } = &*now;
        let certificate = load_certificate(gateway)?;
        let store = open_store(&now, &surroundings)?;
        let intake = CancellationToken::new();
        let work = CancellationToken::new();
        let fallen = CancellationToken::new();
        let tasks = TaskTracker::new();

        let ports = Ports::start(gateway, slots, &surroundings, &tasks, &work, &fallen)?;
        let mut modems =
            Modems::new(&store, ports.connector().clone(), &tasks, &work, gateway.modempool.sms_self_test_interval);
        slots.iter().for_each(|slot| modems.start(slot));
        let mail = Arc::new(watch::Sender::new(Arc::new(settings(&now))));
        let mail_health = start_mail(&mail, &store, &tasks, &work);
        let (pool, taps) = (modems.pool().clone(), ports.connector().taps().clone());
        control::start(gateway, control::Backends { pool, store: store.clone(), taps }, &tasks, &work);

        let store_folder = store_path(gateway).parent().unwrap_or_else(|| Path::new(".")).to_owned();
        let machine = Machine { store: store_folder, appliance: surroundings.appliance.clone() };
        let health = start_verdict(&config, modems.pool(), &store, &mail_health, machine, &tasks, &work);

        let methods = Methods::start(Backends {
            config: config.subscribe(),
            store: store.clone(),
            pool: modems.pool().clone(),
            health,
            parts_of: |text| u32::try_from(segment(text, Reference::Narrow(0), None).ok()?.len()).ok(),
        });
        let methods = match methods {
            Ok(methods) => methods,
            Err(error) => {
                work.cancel();
                return Err(StartError::Thread(error));
            }
        };
        let server = &gateway.server;
        let bound = Server::bind(&server.host, server.port, certificate.subscribe(), methods, Limits::default()).await;
        let bound = match bound {
            Ok(bound) => bound,
            Err(error) => {
                work.cancel();
                return Err(error.into());
            }
        };
        let address = bound.local_addr();
        essential(&tasks, &fallen, "listener", bound.run(intake.clone()));
        start_dispatch(&config, &store, modems.pool(), &tasks, &intake);
        start_self_tests(&config, &store, modems.pool(), &tasks, &intake);
        let (kept, keeping) = (store.clone(), work.clone());
        supervise(&tasks, &work, "housekeeping".to_owned(), move || housekeeping::run(kept.clone(), keeping.clone()));
        info!(%address, slots = slots.len(), "smsgate is up");
        Ok(Self { address, config, ports, modems, store, certificate, mail, mail_health, intake, work, fallen, tasks })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The modems.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        self.modems.pool()
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Health of the mailer; good while mail is switched off.
    #[must_use]
    pub const fn mail_health(&self) -> &watch::Receiver<Health> {
        &self.mail_health
    }

    /// Waits until a task has fallen that nothing works without.
    pub async fn fallen(&self) {
        self.fallen.cancelled().await;
    }

    /// Stops: no new calls, no new submissions, then modems finish the command in flight, then the store is closed.
    pub async fn stop(self) {
        info!("stopping");
        self.intake.cancel();
        self.work.cancel();
        self.tasks.close();
        // A modem that has fallen silent over a submission would hold us up for minutes. What is cut off here is on disk
        // as an intent whose outcome is open.
        if timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            warn!(tasks = self.tasks.len(), "not everything ended in time");
        }
        self.store.close().await;
        info!("stopped");
    }
}

/// The database file: `[store] path`, else in the folder systemd made, else in the usual one.
#[must_use]
pub fn store_path(gateway: &Gateway) -> PathBuf {
    if let Some(path) = &gateway.store.path {
        return path.clone();
    }
    let folder = std::env::var("STATE_DIRECTORY").unwrap_or_else(|_| STATE_FOLDER.to_owned());
    // systemd joins several folders with colons; ours is the first.
    Path::new(folder.split(':').next().unwrap_or(STATE_FOLDER)).join(DATABASE)
}

fn load_certificate(gateway: &Gateway) -> Result<Reloader, TlsError> {
    let (certificate, key, suites) = certificate_of(&gateway.server);
    let (certificate, notice) = Reloader::load(certificate, key, &suites)?;
    log_notice(notice);
    Ok(certificate)
}

/// Certificate, key and cipher suites.
fn certificate_of(server: &ServerConfig) -> (&Path, &Path, Vec<&'static str>) {
    (&server.certificate, &server.key, ciphers::suites(&server.ciphers).suites)
}

fn log_notice(notice: Option<String>) {
    if let Some(notice) = notice {
        warn!("{notice}");
    }
}

fn open_store(Config { gateway, slots }: &Config, surroundings: &Surroundings) -> Result<Store, OpenError> {
    let path = store_path(gateway);
    let store = Store::open_with_clock(&path, options(gateway), Arc::clone(&surroundings.clock))?;
    store.set_limits(limits::of_slots(slots));
    store.set_flood_limit(gateway.mail.flood_limit);
    if let Some(damaged) = store.damage() {
        let Salvage { kept, damaged: rows, unreadable } = damaged.salvage;
        let path = damaged.aside.display();
        warn!(%path, kept, damaged = rows, unreadable, "the store was damaged and set aside; what is left of it was kept");
    }
    Ok(store)
}

fn options(gateway: &Gateway) -> Options {
    Options { mail: gateway.mail.enabled, retention: gateway.store.retention, queue_limit: gateway.api.queue_limit }
}

fn settings(config: &Config) -> Settings {
    let addressed = config.slots.iter().filter_map(|slot| Some((slot.id.clone(), slot.email_address.clone()?)));
    Settings {
        mail: config.gateway.mail.clone(),
        addresses: addressed.collect(),
        host: host_name(),
        zone: TimeZone::system(),
    }
}

/// Starts the mailer; one that is switched off waits to be switched on.
fn start_mail(
    settings: &Arc<watch::Sender<Arc<Settings>>>,
    store: &Store,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> watch::Receiver<Health> {
    let changed = Arc::clone(settings);
    let (published, health) = watch::channel(Health::ok());
    let (store, running) = (store.clone(), cancel.clone());
    supervise(tasks, cancel, "mail".to_owned(), move || {
        // A mailer whose settings can change no more would not notice new mail at once: the sender lives in here.
        let settings = changed.subscribe();
        let (mailer, seen) = Mailer::new(store.clone(), settings, Pace::default(), running.clone());
        let published = published.clone();
        async move {
            tokio::select! {
                () = mailer.run() => {}
                () = pass_on(seen, published) => {}
            }
        }
    });
    health
}

fn start_verdict(
    config: &watch::Sender<Arc<Config>>,
    pool: &Pool,
    store: &Store,
    mail: &watch::Receiver<Health>,
    machine: Machine,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> watch::Receiver<Health> {
    let seen = MachineCondition { appliance: machine.appliance.is_some(), ..MachineCondition::default() };
    let first = judge(&pool.snapshots(), None, &StoreCondition::default(), &seen);
    let (published, health) = watch::channel(first);
    let (pool, store, mail) = (pool.clone(), store.clone(), mail.clone());
    let verdict = Verdict { pool, store, mail, config: config.subscribe(), machine, published };
    let running = cancel.clone();
    supervise(tasks, cancel, "health".to_owned(), move || verdict.clone().run(running.clone()));
    health
}

/// Repeats what one mailer says of its health to those who have been listening since before it was started.
async fn pass_on(mut seen: watch::Receiver<Health>, published: watch::Sender<Health>) {
    loop {
        published.send_replace(seen.borrow_and_update().clone());
        if seen.changed().await.is_err() {
            // The mailer is about to end, and with it this.
            std::future::pending::<()>().await;
        }
    }
}

fn start_dispatch(
    config: &watch::Sender<Arc<Config>>,
    store: &Store,
    pool: &Pool,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let (config, store, pool) = (config.subscribe(), store.clone(), pool.clone());
    let running = cancel.clone();
    supervise(tasks, cancel, "dispatch".to_owned(), move || {
        let dispatch = Dispatch::new(store.clone(), pool.clone(), config.clone(), Box::new(LeastCost));
        let (store, running) = (store.clone(), running.clone());
        async move {
            // What a predecessor had claimed when it fell is nobody's now.
            while let Err(error) = store.outbox_abandoned().await {
                warn!(%error, "cannot take over the outbox");
                tokio::select! {
                    () = running.cancelled() => return,
                    () = sleep(TAKE_OVER_PAUSE) => {}
                }
            }
            dispatch.run(running).await;
        }
    });
}

fn start_self_tests(
    config: &watch::Sender<Arc<Config>>,
    store: &Store,
    pool: &Pool,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let tests = SelfTests { store: store.clone(), pool: pool.clone(), config: config.subscribe() };
    let running = cancel.clone();
    supervise(tasks, cancel, "self-test".to_owned(), move || tests.clone().run(running.clone()));
}

/// This machine's name, as the kernel has it.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
