//! Looking after the modem while nothing else is to be done, and telling the pool what was seen.

use jiff::tz::TimeZone;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    super::{
        bringup::BringupError,
        health::{fullest, judge},
        starting::StartFault,
    },
    End, POLL_INTERVAL, SEARCH_INTERVAL, Session,
};
use crate::{
    at::{CmeError, Command, CommandError, PinState, RegistrationState},
    model::{Health, HealthLevel},
    self_test::verdict::finding,
};

impl Session<'_> {
    /// Has the memories swept, after PDU mode, acknowledgements and announcements were set again: a module that reset
    /// itself silently has lost them, would never announce anything again, and would confirm by itself what it hands over
    /// to nobody.
    pub(super) async fn poll(&mut self) -> Result<(), End> {
        self.work.handed_over.append(&mut self.work.held_back);
        let _ = self.command(Command::pdu_mode()).await?;
        if self.equipment.acknowledges {
            let _ = self.command(Command::message_service(true)).await?;
        }
        if let Some(indication) = self.equipment.indication {
            let _ = self.command(Command::indications(indication)).await?;
        }
        let _ = self.command(Command::ussd_notices()).await?;
        self.work.sweep = true;
        let before = self.seen.self_test.clone();
        self.look_at_self_test().await;
        if self.seen.self_test != before {
            self.publish();
        }
        // While something is wrong it is looked at more often, so that the end of it is noticed soon.
        if judge(&self.seen).level != HealthLevel::Ok {
            self.check().await?;
        }
        // From its end, as the check: what stands behind it in the queue must have its turn.
        self.next_poll = Instant::now() + POLL_INTERVAL;
        Ok(())
    }

    /// The configuration says something else of the slot. It counts now, not when an interval is over that may be long.
    pub(super) async fn adapt(&mut self) {
        self.next_check = self.next_check.min(Instant::now() + self.context.slot().health_check_interval);
        self.replan_balance().await;
        self.publish();
    }

    /// The full check of health but for the memories, which every poll looks at: SIM, signal, registration, operator.
    pub(super) async fn check(&mut self) -> Result<(), End> {
        self.look_at_lock().await?;
        if let Ok(response) = self.command(Command::signal()).await? {
            self.seen.signal = response.signal().map_or(99, |signal| signal.strength);
        }
        self.look_at_registration().await?;
        self.look_at_sim().await?;
        if let Ok(response) = self.command(Command::operator()).await? {
            self.receiver.network = response.operator().unwrap_or_default();
        }
        // From its end: a modem that answers slowly must not be asked all the time.
        self.next_check = Instant::now() + self.context.slot().health_check_interval;
        self.publish();
        Ok(())
    }

    /// Checks soon, since something says that health has changed.
    pub(super) fn check_now(&mut self) {
        self.next_check = Instant::now();
    }

    /// The registration is known anew. A modem that loses it has its time to find a network again.
    pub(super) fn registration_is(&mut self, state: RegistrationState) {
        if self.seen.registration.is_registered() && !state.is_registered() {
            self.give_up_network = self.patience.map(|patience| Instant::now() + patience);
        }
        self.seen.registration = state;
    }

    /// When to give up on finding a network. A refusal by the network is nothing a restart cures, nor is a missing SIM.
    pub(super) fn network_deadline(&self) -> Option<Instant> {
        let curable = !self.seen.registration.is_registered()
            && self.seen.registration != RegistrationState::Denied
            && !self.seen.imsi.is_empty();
        self.give_up_network.filter(|_| curable)
    }

    pub(super) fn minutes_of_patience(&self) -> u64 {
        self.patience.map_or(0, |patience| patience.as_secs() / 60)
    }

    /// Reads from the record whether the self-test SMS comes back.
    pub(super) async fn look_at_self_test(&mut self) {
        let slot = self.context.slot();
        // Without a number of its own a SIM cannot write to itself.
        let interval = self.context.self_test.borrow().filter(|_| slot.phone_number.is_some());
        let Some(interval) = interval else {
            self.seen.self_test = None;
            return;
        };
        let store = &self.context.store;
        match store.self_tests_of(&slot.id).await {
            Ok(tests) => self.seen.self_test = finding(interval, &tests, store.now(), &TimeZone::system()),
            // A store that fails shows elsewhere; what was found last holds.
            Err(error) => debug!(modem = %slot.id, %error, "cannot read the record of self-tests"),
        }
    }

    /// Asks whether the modem has found a network, and for the rest once it has.
    pub(super) async fn search(&mut self) -> Result<(), End> {
        self.look_at_registration().await?;
        if self.seen.registration.is_registered() {
            return self.check().await;
        }
        self.publish();
        Ok(())
    }

    /// Whether the SIM is still there and open. One that is not is met by a new bring-up, which knows what to say of it.
    async fn look_at_lock(&mut self) -> Result<(), End> {
        match self.command(Command::pin_state()).await? {
            Ok(response) if response.pin_state().is_some_and(|state| state != PinState::Ready) => {
                Err(End::Restarted("the SIM is locked".to_owned()))
            }
            Err(CommandError::Cme(CmeError::SIM_NOT_INSERTED)) => {
                Err(End::NotStarted(StartFault::Bringup(BringupError::SimMissing)))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Reads what a SIM that was still busy did not tell at bring-up.
    async fn look_at_sim(&mut self) -> Result<(), End> {
        if self.seen.imsi.is_empty()
            && let Ok(response) = self.command(Command::imsi()).await?
        {
            self.seen.imsi = response.imsi().unwrap_or_default();
        }
        if self.seen.smsc.is_empty()
            && let Ok(response) = self.command(Command::service_centre()).await?
        {
            self.seen.smsc = response.service_centre().unwrap_or_default();
        }
        Ok(())
    }

    /// Circuit-switched registration, or that of LTE where only it is there (SMS over SGs).
    async fn look_at_registration(&mut self) -> Result<(), End> {
        self.next_search = Instant::now() + SEARCH_INTERVAL;
        let mut state = None;
        for query in [Command::registration(), Command::lte_registration()] {
            if let Ok(response) = self.command(query).await?
                && let Some(registration) = response.registration()
            {
                let registered = registration.state.is_registered();
                if state.is_none() || registered {
                    state = Some(registration.state);
                }
                if registered {
                    break;
                }
            }
        }
        if let Some(state) = state {
            self.registration_is(state);
        }
        Ok(())
    }

    /// Judges what was seen and publishes it. A change of health is logged once, with its reasons; other figures in the
    /// same reasons are none.
    pub(super) fn publish(&self) {
        let health = judge(&self.seen);
        self.log_change(&health);
        let ready = self.seen.registration.is_registered() && !self.seen.imsi.is_empty();
        let status = if ready { "Ready." } else { "Waiting for network." };
        self.context.publish(|snapshot| {
            status.clone_into(&mut snapshot.status);
            snapshot.ready = ready;
            snapshot.signal = self.seen.signal;
            self.receiver.network.clone_into(&mut snapshot.network);
            snapshot.health = health;
            snapshot.storage = fullest(&self.seen.storage).map_or((0, 0), |memory| (memory.used, memory.total));
            self.seen.smsc.clone_into(&mut snapshot.smsc);
            // Without an ICCID the IMSI would stand for the SIM from now on, and rows kept under its old name be lost.
            if !snapshot.iccid.is_empty() {
                self.seen.imsi.clone_into(&mut snapshot.imsi);
            }
        });
    }

    fn log_change(&self, health: &Health) {
        let before = self.context.snapshot.borrow().health.clone();
        if !health.is_news_after(&before) {
            return;
        }
        let modem = &self.context.slot().id;
        match health.level {
            HealthLevel::Ok => info!(%modem, "modem is healthy"),
            HealthLevel::Warning | HealthLevel::Critical => {
                warn!(%modem, level = %health.level, reason = %health.message(), "modem health changed");
            }
        }
    }
}
