//! `sim`: which SIM card is in which slot, and accepting one that was swapped.

use std::io::Write;

use clap::{Args, Subcommand};

use super::{
    exit::{Exit, Failure},
    local::Local,
};
use crate::control::protocol::{Answer, Card, Request};

/// Flags of `sim`.
#[derive(Args, Clone, Debug)]
pub(super) struct SimArgs {
    #[command(subcommand)]
    pub(super) action: SimAction,
}

/// What is to be done about the cards.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum SimAction {
    /// Show the known and the present SIM card of every slot
    List(Local),
    /// Accept the SIM card that is in a slot as the right one
    Accept {
        /// The slot, as its section in sim-cards.conf is named
        slot: String,
        #[command(flatten)]
        local: Local,
    },
}

/// Asks the daemon.
///
/// # Errors
/// [`Failure`] if it is not running, or says no.
pub(super) fn run(args: &SimArgs, out: &mut impl Write) -> Result<(), Failure> {
    match &args.action {
        SimAction::List(local) => {
            let answer = local.connect()?.ask(&Request::SimList)?;
            let Answer::Sims { cards } = answer else { return Err(unexpected(&answer)) };
            list(&cards, out)?;
        }
        SimAction::Accept { slot, local } => {
            let answer = local.connect()?.ask(&Request::SimAccept { slot: slot.clone() })?;
            let Answer::Accepted { card } = answer else { return Err(unexpected(&answer)) };
            writeln!(out, "The card with ICCID {card} is the known one of slot {slot} now.")?;
        }
    }
    Ok(())
}

/// The daemon answered something else than what was asked: another version.
pub(super) fn unexpected(answer: &Answer) -> Failure {
    Failure::new(Exit::Protocol, format!("the gateway gave an answer that does not belong here: {answer:?}"))
}

fn list(cards: &[Card], out: &mut impl Write) -> std::io::Result<()> {
    let width = cards.iter().map(|card| card.slot.chars().count()).max().unwrap_or(0).max(4);
    writeln!(out, "{:width$}  {:10}  {:10}", "slot", "known", "present")?;
    for card in cards {
        let shown = |iccid: &Option<String>| iccid.clone().unwrap_or_else(|| "-".to_owned());
        let note = if card.swapped { "  another card" } else { "" };
        writeln!(out, "{:width$}  {:10}  {:10}{note}", card.slot, shown(&card.known), shown(&card.present))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_in_columns() {
        let card = |slot: &str, known: Option<&str>, present: Option<&str>, swapped| Card {
            slot: slot.to_owned(),
            known: known.map(str::to_owned),
            present: present.map(str::to_owned),
            swapped,
        };
        let cards = [
            card("00", Some("...000001"), Some("...000001"), false),
            card("backup", Some("...000002"), Some("...000077"), true),
            card("01", None, None, false),
        ];
        let mut out = Vec::new();
        list(&cards, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "slot    known       present   \n\
                        00      ...000001   ...000001 \n\
                        backup  ...000002   ...000077   another card\n\
                        01      -           -         \n";
        assert_eq!(text, expected);
    }
}
