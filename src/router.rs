//! Which SIM sends a message: the cheapest healthy one that may send to the recipient.
//!
//! Pure: it sees descriptions and answers with a slot and with the reasons. Another way to choose is another
//! [`RoutingModel`].

use std::fmt;

use crate::model::{Classified, ErrorClass, HealthLevel, Prefix, Recipient, SlotId};

/// What routing sees of one SIM.
#[derive(Clone, Debug)]
pub struct Sim {
    /// The slot it is in.
    pub slot: SlotId,
    /// Its own number as configured; empty if none is.
    pub number: String,
    /// How the numbers begin that it may send to.
    pub prefixes: Vec<Prefix>,
    /// How the numbers begin that it never sends to.
    pub denied: Vec<Prefix>,
    /// Price of one segment, in millionths.
    pub cost_micros: i64,
    /// Its modem's health.
    pub health: HealthLevel,
    /// Its modem takes messages now.
    pub ready: bool,
    /// Messages that leave before the one to be routed would: those in its queue, and the one under way.
    pub waiting: u64,
    /// Its limits leave room for this message now.
    pub has_room: bool,
    /// Messages sent today.
    pub sent_today: u64,
}

/// The SIM that sends, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Choice {
    /// The slot to send from.
    pub slot: SlotId,
    /// What became of each SIM, in the order they were given.
    pub explanation: Vec<Verdict>,
}

/// What became of one SIM in a decision.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Which.
    pub slot: SlotId,
    /// What became of it.
    pub reason: Reason,
}

/// Why a SIM was chosen or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The best of those that could send.
    Chosen,
    /// Its number was asked for as the sender.
    ChosenAsSender,
    /// Its health is CRITICAL.
    Critical,
    /// One of its denied prefixes begins the recipient's number.
    Denied,
    /// Another one costs less.
    DearerThanChosen,
    /// All else is equal, and the chosen one comes first by name.
    LaterByName,
    /// Another one, equally cheap and as free, sent fewer messages today.
    MoreSentToday,
    /// Fewer messages wait for another one that is equally cheap.
    MoreWaiting,
    /// No prefix of it begins the recipient's number.
    NoPrefix,
    /// It has sent what it may for now.
    NoRoom,
    /// Another SIM's number was asked for as the sender.
    NotTheSender,
    /// Its modem takes no messages now.
    NotReady,
    /// Its health is WARNING, and another one is OK.
    WarningWhileOthersAreOk,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Chosen => "chosen",
            Self::ChosenAsSender => "chosen, since its number is the sender",
            Self::Critical => "its health is CRITICAL",
            Self::Denied => "one of its denied prefixes begins the recipient's number",
            Self::DearerThanChosen => "it costs more",
            Self::LaterByName => "it comes later by name",
            Self::MoreSentToday => "it sent more messages today",
            Self::MoreWaiting => "more messages wait for it",
            Self::NoPrefix => "none of its prefixes begins the recipient's number",
            Self::NoRoom => "it has reached a limit",
            Self::NotTheSender => "another SIM's number is the sender",
            Self::NotReady => "its modem is not ready",
            Self::WarningWhileOthersAreOk => "its health is WARNING and that of another SIM is OK",
        })
    }
}

/// What a message waits for that is kept by limits alone.
pub const AT_LIMIT: &str = "no route: each SIM that could send to this number now has reached a limit";

/// Why no SIM can send.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoRoute {
    /// A SIM could send to this number, had it not sent what it may for now.
    #[error("{AT_LIMIT}")]
    AtLimit {
        /// What keeps each SIM from sending.
        explanation: Vec<Verdict>,
    },
    /// No SIM may send to this number, and one would if the number were not denied to it.
    #[error("no route: this number begins with a denied prefix of each SIM that has a prefix for it")]
    Denied {
        /// `NoPrefix` or `Denied` for each SIM.
        explanation: Vec<Verdict>,
    },
    /// SIMs may send to this number, but none can now.
    #[error("no route: no SIM that may send to this number is healthy and ready")]
    NoneHealthy {
        /// What is wrong with each SIM.
        explanation: Vec<Verdict>,
    },
    /// No SIM may send to this number, however healthy.
    #[error("no route: no prefix of any SIM begins this number")]
    NoPrefix {
        /// `NoPrefix` for each SIM.
        explanation: Vec<Verdict>,
    },
}

impl NoRoute {
    /// What became of each SIM.
    #[must_use]
    pub fn explanation(&self) -> &[Verdict] {
        match self {
            Self::AtLimit { explanation }
            | Self::Denied { explanation }
            | Self::NoPrefix { explanation }
            | Self::NoneHealthy { explanation } => explanation,
        }
    }
}

impl Classified for NoRoute {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Denied { .. } | Self::NoPrefix { .. } => ErrorClass::Permanent,
            Self::AtLimit { .. } | Self::NoneHealthy { .. } => ErrorClass::Transient,
        }
    }
}

/// A way to choose a SIM.
pub trait RoutingModel: Send + Sync {
    /// Chooses among `sims`, which have different slots.
    ///
    /// `sender` is the number that the client wants the message to come from, empty if it has no wish.
    ///
    /// # Errors
    /// [`NoRoute`] if no SIM can send, now or ever.
    fn choose(&self, sims: &[Sim], recipient: &Recipient, sender: &str) -> Result<Choice, NoRoute>;
}

/// The cheapest healthy SIM with a matching prefix; among equally cheap ones the one for which fewest messages wait, then
/// the one that sent least today, then the first by name. A SIM whose number is the wanted sender goes first, prefixes or
/// not, if it can send. No SIM sends to a number that is denied to it, and none while its limits leave no room.
///
/// SIMs of health WARNING are used only if none is OK, and CRITICAL ones never. A short code goes only to a SIM that has
/// a prefix of digits for it: a `+` prefix begins no short code.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastCost;

impl RoutingModel for LeastCost {
    fn choose(&self, sims: &[Sim], recipient: &Recipient, sender: &str) -> Result<Choice, NoRoute> {
        if let Some(forced) = wanted_sender(sims, recipient.as_str(), sender) {
            let reason_of = |sim: &Sim| if sim.slot == *forced { Reason::ChosenAsSender } else { Reason::NotTheSender };
            return Ok(Choice { slot: forced.clone(), explanation: explain(sims, reason_of) });
        }
        let number = recipient.as_str();
        let best = sims
            .iter()
            .filter(|sim| obstacle(sim, number).is_none())
            .min_by_key(|sim| (sim.health, sim.cost_micros, sim.waiting, sim.sent_today, &sim.slot));
        let explanation = explain(sims, |sim| match (obstacle(sim, number), best) {
            (Some(obstacle), _) => obstacle,
            (None, Some(best)) => comparison(sim, best),
            (None, None) => Reason::Chosen,
        });
        match best {
            Some(best) => Ok(Choice { slot: best.slot.clone(), explanation }),
            None => Err(no_route(explanation)),
        }
    }
}

/// What the verdicts come to if none is a choice.
fn no_route(explanation: Vec<Verdict>) -> NoRoute {
    let some = |reason: Reason| explanation.iter().any(|verdict| verdict.reason == reason);
    if some(Reason::NoRoom) {
        NoRoute::AtLimit { explanation }
    } else if some(Reason::Critical) || some(Reason::NotReady) {
        NoRoute::NoneHealthy { explanation }
    } else if some(Reason::Denied) {
        NoRoute::Denied { explanation }
    } else {
        NoRoute::NoPrefix { explanation }
    }
}

/// The slot whose number is `sender`, if it can send. Of several with one number, the first by name.
fn wanted_sender<'a>(sims: &'a [Sim], number: &str, sender: &str) -> Option<&'a SlotId> {
    let ours = sims.iter().filter(|sim| !sender.is_empty() && sim.number == sender);
    ours.filter(|sim| !is_denied(sim, number) && state_obstacle(sim).is_none())
        .map(|sim| (sim.health, &sim.slot))
        .min()
        .map(|(_, slot)| slot)
}

/// What keeps this SIM from sending, the lasting things first.
fn obstacle(sim: &Sim, number: &str) -> Option<Reason> {
    if !sim.prefixes.iter().any(|prefix| prefix.matches(number)) {
        return Some(Reason::NoPrefix);
    }
    if is_denied(sim, number) {
        return Some(Reason::Denied);
    }
    state_obstacle(sim)
}

fn state_obstacle(sim: &Sim) -> Option<Reason> {
    match sim.health {
        HealthLevel::Critical => Some(Reason::Critical),
        HealthLevel::Ok | HealthLevel::Warning if !sim.ready => Some(Reason::NotReady),
        HealthLevel::Ok | HealthLevel::Warning => (!sim.has_room).then_some(Reason::NoRoom),
    }
}

/// Denied is denied: no longer prefix that is allowed makes up for it.
fn is_denied(sim: &Sim, number: &str) -> bool {
    sim.denied.iter().any(|prefix| prefix.matches(number))
}

/// Why `best` was preferred to `sim`.
fn comparison(sim: &Sim, best: &Sim) -> Reason {
    if sim.slot == best.slot {
        Reason::Chosen
    } else if sim.health != best.health {
        Reason::WarningWhileOthersAreOk
    } else if sim.cost_micros != best.cost_micros {
        Reason::DearerThanChosen
    } else if sim.waiting != best.waiting {
        Reason::MoreWaiting
    } else if sim.sent_today != best.sent_today {
        Reason::MoreSentToday
    } else {
        Reason::LaterByName
    }
}

fn explain(sims: &[Sim], reason_of: impl Fn(&Sim) -> Reason) -> Vec<Verdict> {
    sims.iter().map(|sim| Verdict { slot: sim.slot.clone(), reason: reason_of(sim) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sim(slot: &str, prefixes: &str, cost_micros: i64) -> Sim {
        Sim {
            slot: SlotId::new(slot),
            number: format!("+{}", slot.len()),
            prefixes: prefixes.split_whitespace().map(|prefix| Prefix::parse(prefix).unwrap()).collect(),
            cost_micros,
            health: HealthLevel::Ok,
            denied: Vec::new(),
            ready: true,
            waiting: 0,
            has_room: true,
            sent_today: 0,
        }
    }

    fn reasons(sims: &[Sim], recipient: &str, sender: &str) -> Vec<Reason> {
        let recipient = Recipient::parse(recipient, true).unwrap();
        match LeastCost.choose(sims, &recipient, sender) {
            Ok(choice) => choice.explanation,
            Err(error) => error.explanation().to_vec(),
        }
        .into_iter()
        .map(|verdict| verdict.reason)
        .collect()
    }

    #[test]
    fn the_cheapest_of_all_matching_prefixes_wins_not_the_longest() {
        let sims = [sim("a", "+49176", 90), sim("b", "+49", 50), sim("c", "+43", 1)];
        assert_eq!(reasons(&sims, "+491760", ""), [Reason::DearerThanChosen, Reason::Chosen, Reason::NoPrefix]);
    }

    #[test]
    fn ties_go_to_the_freest_then_to_the_least_used_then_to_the_first_name() {
        let mut sims = [sim("b", "+", 5), sim("a", "+", 5), sim("c", "+", 5)];
        assert_eq!(reasons(&sims, "+1", "")[1], Reason::Chosen);
        assert_eq!(reasons(&sims, "+1", "")[0], Reason::LaterByName);
        sims[0].sent_today = 1;
        sims[1].sent_today = 1;
        assert_eq!(reasons(&sims, "+1", ""), [Reason::MoreSentToday, Reason::MoreSentToday, Reason::Chosen]);
        sims[2].waiting = 1;
        assert_eq!(reasons(&sims, "+1", ""), [Reason::LaterByName, Reason::Chosen, Reason::MoreWaiting]);
    }

    #[test]
    fn warning_is_a_last_resort_and_critical_none() {
        let mut sims = [sim("a", "+", 1), sim("b", "+", 2), sim("c", "+", 3)];
        sims[0].health = HealthLevel::Critical;
        sims[1].health = HealthLevel::Warning;
        assert_eq!(reasons(&sims, "+1", ""), [Reason::Critical, Reason::WarningWhileOthersAreOk, Reason::Chosen]);
        sims[2].ready = false;
        assert_eq!(reasons(&sims, "+1", ""), [Reason::Critical, Reason::Chosen, Reason::NotReady]);
    }

    #[test]
    fn having_no_prefix_is_permanent_and_having_no_health_is_not() {
        let mut sims = [sim("a", "+49", 1), sim("b", "", 1)];
        let refused = |sims: &[Sim], recipient: &str| {
            LeastCost.choose(sims, &Recipient::parse(recipient, true).unwrap(), "").unwrap_err().class()
        };
        assert_eq!(refused(&sims, "+43"), ErrorClass::Permanent);
        assert_eq!(refused(&[], "+43"), ErrorClass::Permanent);
        sims[0].health = HealthLevel::Critical;
        assert_eq!(refused(&sims, "+49"), ErrorClass::Transient);
        assert_eq!(refused(&sims, "+43"), ErrorClass::Permanent);
    }

    #[test]
    fn a_sender_of_ours_is_taken_if_it_can_send() {
        let mut sims = [sim("a", "+49", 1), sim("bb", "", 9)];
        assert_eq!(reasons(&sims, "+49", "+2"), [Reason::NotTheSender, Reason::ChosenAsSender]);
        sims[1].health = HealthLevel::Critical;
        assert_eq!(reasons(&sims, "+49", "+2"), [Reason::Chosen, Reason::NoPrefix]);
        assert_eq!(reasons(&sims, "+49", "+99"), [Reason::Chosen, Reason::NoPrefix]);
    }

    #[test]
    fn a_denied_prefix_is_denied_however_long_an_allowed_one_is() {
        let mut sims = [sim("a", "+49 +4917612", 1), sim("bb", "+", 9)];
        sims[0].denied = vec![Prefix::parse("+49176").unwrap()];
        assert_eq!(reasons(&sims, "+491761234", ""), [Reason::Denied, Reason::Chosen]);
        assert_eq!(reasons(&sims, "+491712345", ""), [Reason::Chosen, Reason::DearerThanChosen]);
        // Nor does asking for it as the sender.
        assert_eq!(reasons(&sims, "+491761234", "+1"), [Reason::Denied, Reason::Chosen]);
        sims[1].denied = vec![Prefix::parse("+4").unwrap()];
        let refused = LeastCost.choose(&sims, &Recipient::parse("+491761234", true).unwrap(), "").unwrap_err();
        assert!(matches!(refused, NoRoute::Denied { .. }) && refused.class() == ErrorClass::Permanent, "{refused}");
        sims[1].denied.clear();
        sims[1].health = HealthLevel::Critical;
        let refused = LeastCost.choose(&sims, &Recipient::parse("+491761234", true).unwrap(), "").unwrap_err();
        assert!(matches!(refused, NoRoute::NoneHealthy { .. }), "it may go once the other one is healthy: {refused}");
    }

    #[test]
    fn a_sim_without_room_is_no_route_and_another_takes_its_place() {
        let mut sims = [sim("a", "+", 1), sim("bb", "+", 9), sim("ccc", "+43", 1)];
        sims[0].has_room = false;
        assert_eq!(reasons(&sims, "+49", ""), [Reason::NoRoom, Reason::Chosen, Reason::NoPrefix]);
        assert_eq!(reasons(&sims, "+49", "+1"), [Reason::NoRoom, Reason::Chosen, Reason::NoPrefix]);
        sims[1].ready = false;
        let refused = LeastCost.choose(&sims, &Recipient::parse("+49", true).unwrap(), "").unwrap_err();
        assert_eq!((refused.to_string().as_str(), refused.class()), (AT_LIMIT, ErrorClass::Transient));
    }

    #[test]
    fn short_codes_need_a_prefix_of_digits_or_a_forced_sender() {
        let sims = [sim("a", "+", 1), sim("bb", "7", 9)];
        assert_eq!(reasons(&sims, "7070", ""), [Reason::NoPrefix, Reason::Chosen]);
        assert_eq!(reasons(&sims, "8080", ""), [Reason::NoPrefix, Reason::NoPrefix]);
        assert_eq!(reasons(&sims, "8080", "+1"), [Reason::ChosenAsSender, Reason::NotTheSender]);
    }
}
