//! Looking after the modem while nothing else is to be done, and telling the pool what was seen.

use tokio::time::Instant;
use tracing::{info, warn};

use super::{super::health::judge, End, POLL_INTERVAL, Session};
use crate::{
    at::Command,
    model::{Health, HealthLevel},
};

impl Session<'_> {
    /// Asks for signal, registration and operator, and has the memories swept.
    ///
    /// PDU mode and announcements are set again each time: a module that reset itself silently has lost them, and would
    /// never announce anything again.
    pub(super) async fn poll(&mut self) -> Result<(), End> {
        self.next_poll = Instant::now() + POLL_INTERVAL;
        if let Ok(response) = self.command(Command::signal()).await? {
            self.seen.signal = response.signal().map_or(99, |signal| signal.strength);
        }
        self.look_at_registration().await?;
        if let Ok(response) = self.command(Command::operator()).await? {
            self.receiver.network = response.operator().unwrap_or_default();
        }
        let _ = self.command(Command::pdu_mode()).await?;
        if let Some(indication) = self.equipment.indication {
            let _ = self.command(Command::indications(indication)).await?;
        }
        self.work.sweep = true;
        self.publish();
        Ok(())
    }

    /// Circuit-switched registration, or that of LTE where only it is there (SMS over SGs).
    async fn look_at_registration(&mut self) -> Result<(), End> {
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
        });
    }

    fn log_change(&self, health: &Health) {
        let before = self.context.snapshot.borrow().health.clone();
        if before == *health {
            return;
        }
        let modem = &self.context.slot.id;
        match health.level {
            HealthLevel::Ok => info!(%modem, "modem is healthy"),
            HealthLevel::Warning | HealthLevel::Critical => {
                warn!(%modem, level = %health.level, reason = %health.message(), "modem health changed");
            }
        }
    }
}
