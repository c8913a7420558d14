//! Starts the self-test SMS that are due, and nothing else: the outbox sends them, the modem's task takes them in and
//! judges what is missing. When one is due is decided by [`schedule`].

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use jiff::tz::TimeZone;
use tokio::{
    sync::watch,
    time::{Duration, Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::{
    config::{Config, SelfTestInterval, Slot},
    model::{HealthLevel, MessageId, Msisdn, ResendPolicy, SelfTest, SlotId},
    pool::Pool,
    self_test::{
        schedule::{self, Clocks},
        text,
    },
    store::{NewOutgoing, NewSelfTest, Store, StoreError},
};

const ROUND: Duration = Duration::from_secs(60);

/// What the task works with.
#[derive(Clone)]
pub(super) struct SelfTests {
    pub(super) store: Store,
    pub(super) pool: Pool,
    pub(super) config: watch::Receiver<Arc<Config>>,
}

/// A SIM that has a number to write to.
struct Candidate {
    slot: SlotId,
    number: Msisdn,
    offset: Duration,
}

impl SelfTests {
    /// Works until `cancel`: looks once a minute, and whenever a modem or the configuration has changed.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut plan = self.plan();
        let mut record = None;
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        loop {
            let change = self.pool.changed();
            if record.is_none() {
                record = self.read().await;
            }
            if let (Some(known), Some((interval, candidates))) = (&mut record, &plan)
                && self.look(*interval, candidates, known, started.elapsed()).await.is_err()
            {
                // Whatever is true now is read again.
                record = None;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = change => {}
                Ok(()) = self.config.changed() => plan = self.plan(),
                _ = round.tick() => {}
            }
        }
    }

    /// How often which SIMs are tested, if they are. Says which cannot be.
    fn plan(&mut self) -> Option<(SelfTestInterval, Vec<Candidate>)> {
        let config = Arc::clone(&self.config.borrow_and_update());
        let interval = config.gateway.modempool.sms_self_test_interval?;
        for slot in config.slots.iter().filter(|slot| slot.enabled && slot.phone_number.is_none()) {
            warn!(modem = %slot.id, "no self-test SMS: the slot has no phone_number");
        }
        Some((interval, candidates(&config.slots)))
    }

    async fn read(&self) -> Option<BTreeMap<SlotId, SelfTest>> {
        match self.store.self_tests().await {
            Ok(tests) => Some(
                tests.into_iter().filter_map(|(slot, mut tests)| tests.pop().map(|newest| (slot, newest))).collect(),
            ),
            Err(error) => {
                warn!(%error, "cannot read the record of self-tests");
                None
            }
        }
    }

    /// Starts what is due on modems that are ready. `up` is how long this task has run: modems that all come up together
    /// test one after the other all the same.
    async fn look(
        &self,
        interval: SelfTestInterval,
        candidates: &[Candidate],
        record: &mut BTreeMap<SlotId, SelfTest>,
        up: Duration,
    ) -> Result<(), StoreError> {
        let clocks = Clocks { wall: self.store.wall(), run: self.store.now(), zone: TimeZone::system() };
        let mut started = false;
        for candidate in candidates.iter().filter(|candidate| up >= candidate.offset) {
            let last = record.get(&candidate.slot);
            let due = schedule::is_due(interval, &clocks, candidate.offset, last.map(|test| &test.start));
            if due && self.is_ready(&candidate.slot) && self.has_known_card(&candidate.slot).await? {
                let after = last.map(|test| test.sequence);
                started |= self.start(interval, candidate, &clocks, after).await?;
            }
        }
        if started {
            *record = self.read().await.ok_or(StoreError::Busy)?;
        }
        Ok(())
    }

    fn is_ready(&self, slot: &SlotId) -> bool {
        self.pool.snapshot(slot).is_some_and(|seen| seen.ready && seen.health.level < HealthLevel::Critical)
    }

    /// A card that nobody has accepted yet hardly has the slot's number: what it wrote there would go to somebody else.
    async fn has_known_card(&self, slot: &SlotId) -> Result<bool, StoreError> {
        let present = self.pool.snapshot(slot).map(|seen| seen.iccid).unwrap_or_default();
        let known = self.store.known_cards().await?.remove(slot);
        Ok(present.is_empty() || known.is_none_or(|known| known == present))
    }

    async fn start(
        &self,
        interval: SelfTestInterval,
        candidate: &Candidate,
        clocks: &Clocks,
        after: Option<i64>,
    ) -> Result<bool, StoreError> {
        let mut octets = [0; 8];
        if SystemRandom::new().fill(&mut octets).is_err() {
            warn!("no random numbers for a self-test SMS");
            return Ok(false);
        }
        let token = text::token(octets);
        let id = MessageId::from_uuid(Uuid::now_v7());
        let message = NewOutgoing {
            id,
            sender: Some(candidate.number.clone()),
            recipient: candidate.number.to_string(),
            text: text::compose(&token),
            flash: false,
            // Its return says whether it left: a second one would tell nothing and cost.
            policy: ResendPolicy::Once,
            queued_at: clocks.wall,
            lifetime: schedule::lifetime(interval),
        };
        let day = schedule::day(clocks, candidate.offset);
        let test = NewSelfTest { slot: candidate.slot.clone(), token, day, after, message };
        match self.store.start_self_test(test).await {
            Ok(true) => info!(modem = %candidate.slot, message_id = %id, "self-test SMS queued"),
            Ok(false) => {
                debug!(modem = %candidate.slot, "a self-test was started meanwhile");
                return Err(StoreError::Busy);
            }
            Err(error) => {
                warn!(modem = %candidate.slot, %error, "cannot queue a self-test SMS");
                return Err(error);
            }
        }
        Ok(true)
    }
}

/// The SIMs that have a number to write to, each with its place in the round.
fn candidates(slots: &[Slot]) -> Vec<Candidate> {
    let numbered = slots.iter().filter(|slot| slot.enabled).filter_map(|slot| {
        let number = slot.phone_number.clone()?;
        Some((slot.id.clone(), number))
    });
    let numbered: Vec<_> = numbered.collect();
    let count = numbered.len();
    let placed = numbered.into_iter().enumerate();
    placed
        .map(|(position, (slot, number))| Candidate { slot, number, offset: schedule::offset(position, count) })
        .collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::{
        sync::{mpsc, watch},
        time::advance,
    };

    use super::*;
    use crate::{
        model::{Health, ModemSnapshot, OutgoingMessage},
        modem::sample::{self, HandClock},
        pool::SlotHandle,
        store::Options,
    };

    const HOUR: Duration = Duration::from_secs(3600);

    /// Slots `00` and `01` with numbers, `02` without, all of them away, and a store whose clock is moved by hand.
    struct Bench {
        _folder: TempDir,
        clock: Arc<HandClock>,
        tests: SelfTests,
        modems: BTreeMap<SlotId, watch::Sender<ModemSnapshot>>,
        _mailboxes: Vec<mpsc::Receiver<crate::modem::Request>>,
        config: watch::Sender<Arc<Config>>,
        cancel: CancellationToken,
        /// While a blocking task waits for this, time stands still by itself.
        _stillness: std::sync::mpsc::Sender<()>,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(HandClock::default());
            let options = Options { mail: false, retention: HOUR, queue_limit: 10 };
            let store = Store::open_with_clock(&folder.path().join("smsgate.db"), options, clock.clone()).unwrap();
            let (mut modems, mut handles) = (BTreeMap::new(), BTreeMap::new());
            let (mut slots, mut mailboxes) = (Vec::new(), Vec::new());
            for (name, number) in [("00", "+491700000000"), ("01", "+491700000001"), ("02", "")] {
                let mut slot = sample::slot(name, "+43");
                slot.phone_number = Msisdn::parse(number).ok();
                let (sender, snapshot) = watch::channel(ModemSnapshot::absent(slot.id.clone(), true, number));
                let (requests, mailbox) = mpsc::channel(4);
                modems.insert(slot.id.clone(), sender);
                handles.insert(slot.id.clone(), SlotHandle { snapshot, requests });
                slots.push(slot);
                mailboxes.push(mailbox);
            }
            let pool = Pool::new(handles);
            let mut config = Config::clone(&sample::config(slots));
            config.gateway.modempool.sms_self_test_interval = Some(SelfTestInterval::Daily);
            let config = watch::Sender::new(Arc::new(config));
            let tests = SelfTests { store, pool, config: config.subscribe() };
            let cancel = CancellationToken::new();
            let (stillness, end) = std::sync::mpsc::channel();
            tokio::task::spawn_blocking(move || end.recv());
            let _mailboxes = mailboxes;
            Self { _folder: folder, clock, tests, modems, _mailboxes, config, cancel, _stillness: stillness }
        }

        fn start(&mut self) {
            self.cancel.cancel();
            self.cancel = CancellationToken::new();
            tokio::spawn(self.tests.clone().run(self.cancel.clone()));
        }

        fn set_ready(&self, name: &str, ready: bool, health: Health) {
            self.modems[&SlotId::new(name)].send_modify(|seen| {
                seen.ready = ready;
                seen.health = health;
            });
        }

        /// Rounds go by, each with the time that the store needs.
        async fn rounds(&self, rounds: u32) {
            for _ in 0..rounds {
                for _ in 0..20 {
                    self.tests.store.outbox_next_due().await.unwrap();
                    self.tests.store.self_tests().await.unwrap();
                }
                advance(ROUND).await;
            }
        }

        /// Messages queued so far once some rounds have gone by, oldest first.
        async fn queued(&self) -> Vec<OutgoingMessage> {
            self.rounds(10).await;
            let mut messages = self.tests.store.outgoing_latest(100).await.unwrap();
            messages.reverse();
            messages
        }

        async fn tested(&self) -> Vec<String> {
            self.queued().await.iter().map(|message| message.slot.as_ref().unwrap().to_string()).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_sim_with_a_number_tests_once_a_day_as_soon_as_its_modem_is_ready() {
        let mut bench = Bench::new();
        bench.start();
        assert!(bench.queued().await.is_empty(), "no modem is there");
        bench.set_ready("00", true, Health::of(HealthLevel::Critical, "x"));
        bench.set_ready("02", true, Health::ok());
        assert!(bench.queued().await.is_empty(), "one is ill, one has no number");
        bench.set_ready("00", true, Health::of(HealthLevel::Warning, "x"));
        let first = bench.queued().await.pop().unwrap();
        assert_eq!((first.slot.unwrap().as_str(), first.recipient.as_str()), ("00", "+491700000000"));
        assert!(text::token_in(&first.text).is_some());
        bench.set_ready("01", true, Health::ok());
        assert_eq!(bench.tested().await, ["00", "01"]);

        // The rest of the day, with restarts of this task.
        for _ in 0..5 {
            bench.clock.pass(2 * HOUR);
            bench.start();
            assert_eq!(bench.tested().await.len(), 2);
        }
        // Midnight has passed; one modem is away until the evening.
        bench.set_ready("01", false, Health::ok());
        bench.clock.pass(8 * HOUR);
        assert_eq!(bench.tested().await, ["00", "01", "00"]);
        bench.clock.pass(10 * HOUR);
        bench.set_ready("01", true, Health::ok());
        assert_eq!(bench.tested().await, ["00", "01", "00", "01"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_that_is_switched_on_later_is_taken_up() {
        let mut bench = Bench::new();
        let mut config = Config::clone(&bench.config.borrow());
        let daily = std::mem::take(&mut config.gateway.modempool.sms_self_test_interval);
        bench.config.send_replace(Arc::new(config.clone()));
        bench.set_ready("00", true, Health::ok());
        bench.start();
        assert!(bench.queued().await.is_empty(), "never");
        config.gateway.modempool.sms_self_test_interval = daily;
        bench.config.send_replace(Arc::new(config));
        assert_eq!(bench.tested().await, ["00"]);
    }

    #[tokio::test(start_paused = true)]
    async fn another_card_writes_to_nobody_until_it_is_accepted() {
        let mut bench = Bench::new();
        let (slot, store) = (SlotId::new("00"), bench.tests.store.clone());
        store.card_seen(&slot, "8949").await.unwrap();
        bench.modems[&slot].send_modify(|seen| "8950".clone_into(&mut seen.iccid));
        bench.set_ready("00", true, Health::of(HealthLevel::Warning, "SIM: another card is in the slot"));
        bench.start();
        assert!(bench.queued().await.is_empty(), "its number is not known");
        store.card_accepted(&slot, "8950").await.unwrap();
        assert_eq!(bench.tested().await, ["00"]);
    }

    #[tokio::test(start_paused = true)]
    async fn modems_that_come_up_together_do_not_test_together() {
        let mut bench = Bench::new();
        bench.set_ready("00", true, Health::ok());
        bench.set_ready("01", true, Health::ok());
        bench.start();
        bench.rounds(5).await;
        assert_eq!(bench.tests.store.outgoing_latest(100).await.unwrap().len(), 1);
        assert_eq!(bench.tested().await, ["00", "01"]);
    }
}
