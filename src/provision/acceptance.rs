//! Has the running gateway accept the SIM cards that the operator asked for (`super::cards`).
//!
//! The gateway puts each one down before it answers. What is not answered stays open.

use std::path::Path;

use super::cards::{Fate, Fates, Step, step};
use crate::control::{
    Client, ClientError,
    protocol::{Answer, Card, Request},
};

/// What is told where there is no answer; the modems' part of the report says why.
const SILENT: &str = "the gateway did not answer";
/// What is told where the answer belongs to another question.
const FOREIGN: &str = "the gateway is of another version";

/// Asks for every slot whose fate is open, and puts down what came of it.
pub(super) fn ask(socket: &Path, fates: &mut Fates) {
    if !fates.values().any(Fate::is_open) {
        return;
    }
    let listed = list(socket);
    let open = fates.iter_mut().filter(|(_, fate)| fate.is_open());
    match listed {
        Ok((mut gateway, cards)) => {
            for (slot, fate) in open {
                let card = cards.iter().find(|card| card.slot == *slot);
                *fate = match step(card) {
                    Step::Settle(fate) => fate,
                    Step::Accept => accept(&mut gateway, slot, card.and_then(|card| card.known.clone())),
                };
            }
        }
        Err(why) => open.for_each(|(_, fate)| *fate = failed(&why)),
    }
}

fn list(socket: &Path) -> Result<(Client, Vec<Card>), String> {
    let mut gateway = Client::connect(socket).map_err(refusal)?;
    let answer = gateway.ask(&Request::SimList).map_err(refusal)?;
    let Answer::Sims { cards } = answer else { return Err(FOREIGN.to_owned()) };
    Ok((gateway, cards))
}

fn accept(gateway: &mut Client, slot: &str, before: Option<String>) -> Fate {
    match gateway.ask(&Request::SimAccept { slot: slot.to_owned() }) {
        Ok(Answer::Accepted { card }) => Fate::Accepted { card, before },
        Ok(_) => failed(FOREIGN),
        Err(error) => {
            let why = refusal(error);
            // The line names the slot already.
            failed(why.strip_prefix(&format!("slot {slot}: ")).unwrap_or(&why))
        }
    }
}

fn refusal(error: ClientError) -> String {
    match error {
        ClientError::Refused(why) => why,
        ClientError::NotRunning { .. } | ClientError::Permission { .. } | ClientError::Io { .. } => SILENT.to_owned(),
    }
}

fn failed(why: &str) -> Fate {
    Fate::Failed { why: why.to_owned() }
}
