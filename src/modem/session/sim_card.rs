//! The card in the slot: compared with the known one when a session begins, and accepted when the operator says so.

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{
    super::{
        request::AcceptError,
        sim_card::{short, swap_notice},
    },
    Session,
};

impl Session<'_> {
    /// Compares the card with the one on record; a swap is logged once, and stays in the health.
    pub(super) async fn look_at_card(&mut self) {
        let Some(iccid) = &self.equipment.iccid else { return };
        let slot = &self.context.slot().id;
        match self.context.store.card_seen(slot, iccid).await {
            Ok(seen) => {
                let notice = swap_notice(slot, iccid, &seen);
                if seen.news {
                    match &notice {
                        Some(notice) => warn!(modem = %slot, "{notice}"),
                        None => info!(modem = %slot, "the known SIM card is back"),
                    }
                }
                self.seen.sim_swap = notice;
            }
            Err(error) => warn!(modem = %slot, %error, "cannot compare the SIM card with the known one"),
        }
    }

    /// The operator knows the card.
    pub(super) async fn accept_card(&mut self, reply: oneshot::Sender<Result<String, AcceptError>>) {
        let answer = match &self.equipment.iccid {
            None => Err(AcceptError::NoIccid),
            Some(iccid) => match self.context.store.card_accepted(&self.context.slot().id, iccid).await {
                Ok(()) => Ok(short(iccid)),
                Err(error) => Err(AcceptError::Store(error.to_string())),
            },
        };
        if let Ok(card) = &answer {
            info!(modem = %self.context.slot().id, %card, "the SIM card was accepted by the operator");
            self.seen.sim_swap = None;
            self.publish();
        }
        let _ = reply.send(answer);
    }
}
