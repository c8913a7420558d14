//! Keeps the health of the whole gateway: judged anew at every change, the store looked at at the pool's
//! `health_check_interval`, the machine each minute, the room that is left for the store and limits to sending (where
//! there are any) every few seconds; published for those who ask, logged once a change of level.

use std::sync::Arc;

use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    limits,
    machine::{Machine, space_of},
};
use crate::{
    config::Config,
    model::{Health, HealthLevel, Space},
    pool::Pool,
    pool_health::{MachineCondition, StoreCondition, judge},
    store::{Shortage, Store},
};

/// Longest a commit may take.
const COMMIT: Duration = Duration::from_secs(10);
/// How often the machine is looked at, which costs a few reads.
const MACHINE: Duration = Duration::from_secs(60);
/// How often it is looked at how much room is left for the store, which costs a call of the system.
const SPACE: Duration = Duration::from_secs(5);
/// How often it is looked at who has reached a limit, where there are any.
const LIMITS: Duration = Duration::from_secs(5);
/// Longest a look at the machine may take before the last one counts again.
const LOOK: Duration = Duration::from_secs(10);

/// What the verdict is made of, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) pool: Pool,
    pub(super) store: Store,
    pub(super) mail: watch::Receiver<Health>,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) machine: Machine,
    pub(super) published: watch::Sender<Health>,
}

impl Verdict {
    /// Works until `cancel`.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut store = StoreCondition::default();
        let mut machine =
            MachineCondition { appliance: self.machine.appliance.is_some(), ..MachineCondition::default() };
        let (mut looked, mut machine_round, mut space_round) = (None, Instant::now(), Instant::now());
        let (mut limited, mut limits_round) = (Health::ok(), Instant::now());
        loop {
            // Subscribed before looking, so that no change falls between.
            let changed = self.pool.changed();
            self.publish(&store, &machine, &limited);
            let config = Arc::clone(&self.config.borrow_and_update());
            let interval = config.gateway.modempool.health_check_interval;
            let round = looked.map_or_else(Instant::now, |at| at + interval);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = changed => {}
                Ok(()) = self.mail.changed() => {}
                Ok(()) = self.config.changed() => {}
                () = sleep_until(round) => {
                    store = condition(&self.store).await;
                    looked = Some(Instant::now());
                }
                () = sleep_until(limits_round), if limits::are_there(&config) || limited != Health::ok() => {
                    // A store that fails is told of by its own round.
                    limited = limits::health(&self.store, &config).await.unwrap_or(limited);
                    limits_round = Instant::now() + LIMITS;
                }
                () = sleep_until(space_round) => {
                    let told = self.tell_space(config.gateway.api.get_sms_window).await;
                    if told == Some(true) {
                        machine_round = Instant::now();
                    }
                    // A look that hangs holds a thread.
                    space_round = Instant::now() + told.map_or(MACHINE, |_| SPACE);
                }
                () = sleep_until(machine_round) => {
                    machine = self.look(machine).await;
                    machine_round = Instant::now() + MACHINE;
                }
            }
        }
    }

    /// Tells the store how much room is left to it, if that can be seen: whether that is another step than before.
    async fn tell_space(&self, keep: Duration) -> Option<bool> {
        let folder = self.machine.store.clone();
        let looking = tokio::task::spawn_blocking(move || space_of(&folder));
        let Ok(Ok(Some(space))) = timeout(LOOK, looking).await else { return None };
        let is_another = self.store.set_shortage(Shortage { space, keep });
        match space {
            _ if !is_another => {}
            Space::Enough => info!("there is room enough on the disk again"),
            Space::Low => warn!("room on the disk is low: texts of finished messages are forgotten before their time"),
            Space::NearlyFull => warn!("the disk is nearly full: no new message is accepted to be sent"),
        }
        Some(is_another)
    }

    /// The machine now, or as it was if it does not let itself be looked at.
    async fn look(&self, before: MachineCondition) -> MachineCondition {
        let (machine, wall) = (self.machine.clone(), self.store.wall());
        let looking = tokio::task::spawn_blocking(move || machine.look(wall));
        timeout(LOOK, looking).await.ok().and_then(Result::ok).unwrap_or(before)
    }

    fn publish(&mut self, store: &StoreCondition, machine: &MachineCondition, limits: &Health) {
        let mail = self.mail.borrow_and_update().clone();
        let mut health = judge(&self.pool.snapshots(), Some(&mail), store, machine);
        health.merge(limits.clone());
        let before = self.published.send_replace(health.clone()).level;
        if before == health.level {
            return;
        }
        match health.level {
            HealthLevel::Ok => info!("the gateway is healthy"),
            level @ (HealthLevel::Warning | HealthLevel::Critical) => {
                warn!(%level, reason = %health.message(), "health of the gateway changed")
            }
        }
    }
}

async fn condition(store: &Store) -> StoreCondition {
    let failure = match timeout(COMMIT, store.check()).await {
        Ok(checked) => checked.err().map(|error| error.to_string()),
        Err(_) => Some(format!("no commit within {} s", COMMIT.as_secs())),
    };
    StoreCondition { set_aside: store.damaged_files(), failure }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use tempfile::TempDir;
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        model::{ModemSnapshot, SlotId},
        modem::sample,
        pool::SlotHandle,
        store::Options,
    };

    /// Longest anything may take; only failures wait that long.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn becomes(seen: &mut watch::Receiver<Health>, level: HealthLevel, word: &str) {
        let waiting = seen.wait_for(|health| health.level == level && health.message().contains(word));
        timeout(PATIENCE, waiting).await.expect(word).unwrap();
    }

    /// A verdict over one modem and mail.
    struct Bench {
        folder: TempDir,
        store: Store,
        modem: watch::Sender<ModemSnapshot>,
        mail: watch::Sender<Health>,
        seen: watch::Receiver<Health>,
        _mailbox: mpsc::Receiver<crate::modem::Request>,
    }

    impl Bench {
        async fn start(interval: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
            let store = Store::open(&folder.path().join("smsgate.db"), options).unwrap();
            let mut first = ModemSnapshot::absent(SlotId::new("00"), true, "");
            "/dev/ttyUSB0".clone_into(&mut first.port);
            let (modem, snapshot) = watch::channel(first);
            let (requests, mailbox) = mpsc::channel(1);
            let pool = Pool::new(BTreeMap::from([(SlotId::new("00"), SlotHandle { snapshot, requests })]));
            let (mail, mail_seen) = watch::channel(Health::ok());
            let (published, seen) = watch::channel(Health::of(HealthLevel::Warning, "starting"));
            let mut config = Config::clone(&sample::config(Vec::new()));
            config.gateway.modempool.health_check_interval = interval;
            let config = watch::channel(Arc::new(config)).1;
            let machine = Machine { store: folder.path().to_owned(), appliance: Some(folder.path().to_owned()) };
            let verdict = Verdict { pool, store: store.clone(), mail: mail_seen, config, machine, published };
            tokio::spawn(verdict.run(CancellationToken::new()));
            let mut bench = Self { folder, store, modem, mail, seen, _mailbox: mailbox };
            becomes(&mut bench.seen, HealthLevel::Ok, "").await;
            bench
        }
    }

    #[tokio::test]
    async fn changes_of_modems_and_mail_wait_for_no_round() {
        let Bench { modem, mail, mut seen, folder: _folder, .. } = Bench::start(Duration::from_secs(3600)).await;
        modem.send_modify(|modem| modem.health = Health::of(HealthLevel::Warning, "Signal: weak"));
        becomes(&mut seen, HealthLevel::Warning, "00: Signal: weak").await;
        mail.send_replace(Health::of(HealthLevel::Critical, "Mail: 535 no"));
        becomes(&mut seen, HealthLevel::Critical, "Mail: 535").await;
        mail.send_replace(Health::ok());
        modem.send_modify(|modem| modem.health = Health::ok());
        becomes(&mut seen, HealthLevel::Ok, "").await;
    }

    #[tokio::test]
    async fn the_store_is_looked_at_each_round() {
        let mut bench = Bench::start(Duration::from_millis(20)).await;
        let aside = bench.folder.path().join("smsgate.db.damaged-1");
        fs::write(&aside, "").unwrap();
        fs::write(bench.folder.path().join("smsgate.db.damaged-1-wal"), "").unwrap();
        becomes(&mut bench.seen, HealthLevel::Critical, "damaged-1 ").await;
        assert_eq!(bench.seen.borrow().reasons.len(), 1, "its companions are no databases");
        fs::remove_file(&aside).unwrap();
        becomes(&mut bench.seen, HealthLevel::Ok, "").await;
        bench.store.close().await;
        becomes(&mut bench.seen, HealthLevel::Critical, "nothing can be saved").await;
    }
}
