//! Looking after the modem while nothing else is to be done, and telling the pool what was seen.

use jiff::tz::TimeZone;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{super::health::judge, End, POLL_INTERVAL, SEARCH_INTERVAL, Session};
use crate::{
    at::Command,
    model::{Health, HealthLevel},
    self_test::verdict::finding,
};

impl Session<'_> {
    /// Asks for signal, registration and operator, and has the memories swept.
    ///
    /// PDU mode and announcements are set again each time: a module that reset itself silently has lost them, and would
    /// never announce anything again.
    pub(super) async fn poll(&mut self) -> Result<(), End> {
        self.next_poll = Instant::now() + POLL_INTERVAL;
        self.work.handed_over.append(&mut self.work.held_back);
        if let Ok(response) = self.command(Command::signal()).await? {
            self.seen.signal = response.signal().map_or(99, |signal| signal.strength);
        }
        self.look_at_registration().await?;
        self.look_at_sim().await?;
        if let Ok(response) = self.command(Command::operator()).await? {
            self.receiver.network = response.operator().unwrap_or_default();
        }
        let _ = self.command(Command::pdu_mode()).await?;
        if let Some(indication) = self.equipment.indication {
            let _ = self.command(Command::indications(indication)).await?;
        }
        let _ = self.command(Command::ussd_notices()).await?;
        self.work.sweep = true;
        self.look_at_self_test().await;
        self.publish();
        Ok(())
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
            return self.poll().await;
        }
        self.publish();
        Ok(())
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
            self.seen.registration = state;
        }
        Ok(())
    }

    /// Judges what was seen and publishes it. A change of health is logged once, with its reasons.
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
            self.seen.smsc.clone_into(&mut snapshot.smsc);
            // Without an ICCID the IMSI would stand for the SIM from now on, and rows kept under its old name be lost.
            if !snapshot.iccid.is_empty() {
                self.seen.imsi.clone_into(&mut snapshot.imsi);
            }
        });
    }

    fn log_change(&self, health: &Health) {
        let before = self.context.snapshot.borrow().health.clone();
        if before == *health {
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
