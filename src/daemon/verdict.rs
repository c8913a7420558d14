//! Keeps the health of the whole gateway: judged anew at every change and at least at the pool's
//! `health_check_interval`, published for those who ask, logged once a change of level.

use tokio::{
    sync::watch,
    time::{Duration, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    model::{Health, HealthLevel},
    pool::Pool,
    pool_health::{StoreCondition, judge},
    store::Store,
};

/// What the verdict is made of, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) pool: Pool,
    pub(super) store: Store,
    pub(super) mail: Option<watch::Receiver<Health>>,
    pub(super) interval: Duration,
    pub(super) published: watch::Sender<Health>,
}

impl Verdict {
    /// Works until `cancel`.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut rounds = interval(self.interval);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut store = StoreCondition::default();
        loop {
            // Subscribed before looking, so that no change falls between.
            let changed = self.pool.changed();
            self.publish(&store);
            tokio::select! {
                () = cancel.cancelled() => return,
                () = changed => {}
                () = mail_changed(&mut self.mail) => {}
                _ = rounds.tick() => store = condition(&self.store).await,
            }
        }
    }

    fn publish(&mut self, store: &StoreCondition) {
        let mail = self.mail.as_mut().map(|mail| mail.borrow_and_update().clone());
        let health = judge(&self.pool.snapshots(), mail.as_ref(), store);
        let before = self.published.send_replace(health.clone()).level;
        if before == health.level {
            return;
        }
        match health.level {
            HealthLevel::Ok => info!("the gateway is healthy"),
            level => warn!(%level, reason = %health.message(), "health of the gateway changed"),
        }
    }
}

/// Ends when the mailer has said something new; never without one.
async fn mail_changed(mail: &mut Option<watch::Receiver<Health>>) {
    let ended = match mail {
        Some(mail) => mail.changed().await.is_err(),
        None => true,
    };
    if ended {
        std::future::pending::<()>().await;
    }
}

async fn condition(store: &Store) -> StoreCondition {
    let failure = store.check().await.err().map(|error| error.to_string());
    StoreCondition { set_aside: store.damaged_files(), failure }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use tokio::{sync::mpsc, time::Instant};

    use super::*;
    use crate::{
        model::{ModemSnapshot, SlotId},
        pool::SlotHandle,
        store::Options,
    };

    async fn becomes(seen: &mut watch::Receiver<Health>, level: HealthLevel, word: &str) {
        let waiting = seen.wait_for(|health| health.level == level && health.message().contains(word));
        tokio::time::timeout(Duration::from_secs(3600), waiting).await.expect(word).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_seen_at_once_and_the_store_each_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smsgate.db");
        let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
        let store = Store::open(&path, options).unwrap();
        let mut first = ModemSnapshot::absent(SlotId::new("00"), true, "");
        "/dev/ttyUSB0".clone_into(&mut first.port);
        let (modem, snapshot) = watch::channel(first);
        let (requests, _mailbox) = mpsc::channel(1);
        let pool = Pool::new(BTreeMap::from([(SlotId::new("00"), SlotHandle { snapshot, requests })]));
        let (mail, mail_seen) = watch::channel(Health::ok());
        let (published, mut seen) = watch::channel(Health::of(HealthLevel::Warning, "starting"));
        let interval = Duration::from_secs(600);
        let verdict = Verdict { pool, store: store.clone(), mail: Some(mail_seen), interval, published };
        let cancel = CancellationToken::new();
        let task = tokio::spawn(verdict.run(cancel.clone()));
        becomes(&mut seen, HealthLevel::Ok, "").await;

        let began = Instant::now();
        modem.send_modify(|modem| modem.health = Health::of(HealthLevel::Warning, "Signal: weak"));
        becomes(&mut seen, HealthLevel::Warning, "00: Signal: weak").await;
        mail.send_replace(Health::of(HealthLevel::Critical, "Mail: 535 no"));
        becomes(&mut seen, HealthLevel::Critical, "Mail: 535").await;
        mail.send_replace(Health::ok());
        modem.send_modify(|modem| modem.health = Health::ok());
        becomes(&mut seen, HealthLevel::Ok, "").await;
        assert!(began.elapsed() < Duration::from_secs(1), "no round was waited for");

        let aside = folder.path().join("smsgate.db.damaged-1");
        fs::write(&aside, "").unwrap();
        becomes(&mut seen, HealthLevel::Critical, "damaged-1").await;
        fs::remove_file(&aside).unwrap();
        becomes(&mut seen, HealthLevel::Ok, "").await;
        store.close().await;
        becomes(&mut seen, HealthLevel::Critical, "nothing can be saved").await;
        cancel.cancel();
        task.await.unwrap();
    }
}
