//! `accept-sims`: the slots whose swapped SIM card the operator wants accepted, and what has become of that.
//!
//! What he asked for stands until the gateway has seen a card in the slot, over any number of starts. A power cut makes
//! it obeyed twice at worst: a card that is known by then stays known. Asking the gateway is the business of
//! `super::acceptance`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{finding::Finding, media::ACCEPT_FILE};
use crate::{config::Slot, control::protocol::Card, model::printable};

/// In place of names: every slot. A slot of this name goes before.
const ALL: &str = "all";

/// What has become of the wish to have the card in a slot accepted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Fate {
    /// The gateway has yet to be asked.
    Asked,
    /// It has seen no card there.
    Unseen,
    /// It said no, or nothing.
    Failed {
        /// Why.
        why: String,
    },
    /// The card that is there was the known one already.
    Known {
        /// End of its ICCID.
        card: String,
    },
    /// It is the known one now.
    Accepted {
        /// End of its ICCID.
        card: String,
        /// The same of the card known before.
        before: Option<String>,
    },
}

/// By slot.
pub type Fates = BTreeMap<String, Fate>;

/// What the gateway's list calls for.
#[derive(Debug, Eq, PartialEq)]
pub enum Step {
    /// Ask it to accept the card.
    Accept,
    /// There is nothing to be asked.
    Settle(Fate),
}

impl Fate {
    /// Whether the gateway is to be asked, now or at a later start.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Asked | Self::Unseen | Self::Failed { .. })
    }
}

/// The slots that the file names. An empty file names all.
///
/// # Errors
/// Every line that names none. It is not quoted: it may be anything, a PIN that was to go into another file.
pub fn read(text: &str, slots: &[Slot]) -> Result<Vec<String>, Vec<Finding>> {
    let enabled: Vec<&str> = slots.iter().filter(|slot| slot.enabled).map(|slot| slot.id.as_str()).collect();
    if enabled.is_empty() {
        let remedy = "put it here together with a sim-cards.conf, or later";
        return Err(vec![Finding::of_file(ACCEPT_FILE, "there is no slot whose card could be accepted", remedy)]);
    }
    let all = || enabled.iter().map(|slot| (*slot).to_owned());
    if text.trim().is_empty() {
        return Ok(all().collect());
    }
    let (mut named, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A slot's name may have blanks and # in it.
        let name = if enabled.contains(&line) { line } else { without_remark(line) };
        if enabled.contains(&name) {
            named.push(name.to_owned());
        } else if name == ALL {
            named.extend(all());
        } else if slots.iter().any(|slot| slot.id.as_str() == name) {
            let message = format!("slot `{name}` is switched off, so that no card is seen there");
            problems.push(Finding::at(ACCEPT_FILE, index + 1, message, "remove the line, or switch it on"));
        } else {
            let remedy = format!("there are: {}", enabled.join(", "));
            problems.push(Finding::at(ACCEPT_FILE, index + 1, "names no slot", remedy));
        }
    }
    if problems.is_empty() && named.is_empty() {
        let remedy = "write a slot's name a line, or `all`";
        problems.push(Finding::of_file(ACCEPT_FILE, "has remarks only", remedy));
    }
    if problems.is_empty() { Ok(named) } else { Err(problems) }
}

/// What is remembered from here on. `asked` takes the place of what was asked before; without it, what other files have
/// come (`news`) ends is told no longer. Slots that are gone or switched off have no card to wait for.
#[must_use]
pub fn taken_over(before: Fates, asked: Option<&[String]>, slots: &[Slot], news: bool) -> Fates {
    if let Some(asked) = asked {
        return asked.iter().map(|slot| (slot.clone(), Fate::Asked)).collect();
    }
    let is_there = |name: &String| slots.iter().any(|slot| slot.enabled && slot.id.as_str() == name);
    before.into_iter().filter(|(slot, fate)| is_there(slot) && (fate.is_open() || !news)).collect()
}

/// What to do about a slot, of which the gateway says this, if it knows it.
#[must_use]
pub fn step(card: Option<&Card>) -> Step {
    match card {
        Some(Card { swapped: true, .. }) => Step::Accept,
        Some(Card { present: Some(card), .. }) => Step::Settle(Fate::Known { card: card.clone() }),
        Some(Card { present: None, .. }) | None => Step::Settle(Fate::Unseen),
    }
}

/// What is told, a line each slot.
#[must_use]
pub fn told(fates: &Fates) -> Vec<String> {
    fates.iter().map(|(slot, fate)| printable(&format!("slot {slot}: {}", words(fate)))).collect()
}

fn words(fate: &Fate) -> String {
    match fate {
        Fate::Asked => "asked for; leave the box running until it has seen the card and writes this file again".into(),
        Fate::Unseen => "NOT YET, no card was seen there; it is looked for again at each start".into(),
        Fate::Failed { why } => format!("NOT YET, {why}; it is tried again at each start"),
        Fate::Known { card } => format!("the card with ICCID {card} is there, and was the known one already"),
        Fate::Accepted { card, before: Some(before) } => {
            format!("the card with ICCID {card} is accepted; before it was {before}")
        }
        Fate::Accepted { card, before: None } => format!("the card with ICCID {card} is accepted"),
    }
}

fn without_remark(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(name, _)| name.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    const SLOTS: &str = "[00]\nport = a\ncosts_per_sms = 0\n[back up #2]\nport = b\ncosts_per_sms = 0\n[off]\n\
                         enabled = no\n";

    fn slots(text: &str) -> Vec<Slot> {
        let gateway = "[mail]\nenabled = no\n[server]\ncertificate = c\nkey = k\n";
        let gateway = Source { name: "smsgate.conf", text: gateway };
        config::load(gateway, Source { name: "sim-cards.conf", text }).0.unwrap().slots
    }

    #[test]
    fn slots_are_named_a_line_each_or_all_at_once() {
        for (text, named) in [
            ("00\n", &["00"][..]),
            ("# the office\n  00 # in the attic\n\nback up #2", &["00", "back up #2"]),
            ("", &["00", "back up #2"]),
            ("\n \n", &["00", "back up #2"]),
            ("all\n", &["00", "back up #2"]),
        ] {
            assert_eq!(read(text, &slots(SLOTS)).unwrap(), named, "{text:?}");
        }
        let named_all = slots("[all]\nport = a\ncosts_per_sms = 0\n[00]\nport = b\ncosts_per_sms = 0\n");
        assert_eq!(read("all", &named_all).unwrap(), ["all"]);
    }

    #[test]
    fn what_names_no_slot_is_refused_with_its_line_and_not_quoted() {
        let none = "accept-sims: there is no slot whose card could be accepted; put it here together with";
        for (text, sims, told) in [
            ("00\n4711\n", SLOTS, &["accept-sims:2: names no slot; there are: 00, back up #2"][..]),
            ("[00]\n\n0 0\n", SLOTS, &["accept-sims:1: names no slot; ", "accept-sims:3: names no slot; "]),
            ("off\n", SLOTS, &["accept-sims:1: slot `off` is switched off, so that no card is seen there; "]),
            ("# 00\n", SLOTS, &["accept-sims: has remarks only; write a slot's name a line, or `all`"]),
            ("", "", &[none]),
            ("00", "[00]\nenabled = no\n", &[none]),
        ] {
            let problems: Vec<String> = read(text, &slots(sims)).unwrap_err().iter().map(ToString::to_string).collect();
            assert_eq!(problems.len(), told.len(), "{problems:?}");
            problems.iter().zip(told).for_each(|(found, told)| assert!(found.starts_with(told), "{problems:?}"));
            assert!(!problems.concat().contains("4711"), "{problems:?}");
        }
    }

    #[test]
    fn what_is_open_outlives_other_files_and_a_new_wish_takes_its_place() {
        let accepted = Fate::Accepted { card: "...000077".to_owned(), before: None };
        let fates = |list: &[(&str, Fate)]| -> Fates {
            list.iter().map(|(slot, fate)| ((*slot).to_owned(), fate.clone())).collect()
        };
        let before = fates(&[("00", accepted.clone()), ("back up #2", Fate::Unseen), ("off", Fate::Unseen)]);
        let other = ["00".to_owned()];
        for (asked, news, after) in [
            (None, false, fates(&[("00", accepted), ("back up #2", Fate::Unseen)])),
            (None, true, fates(&[("back up #2", Fate::Unseen)])),
            (Some(&other[..]), true, fates(&[("00", Fate::Asked)])),
        ] {
            assert_eq!(taken_over(before.clone(), asked, &slots(SLOTS), news), after);
        }
    }

    #[test]
    fn only_a_swapped_card_is_accepted() {
        let card = |known: Option<&str>, present: Option<&str>, swapped| Card {
            slot: "00".to_owned(),
            known: known.map(str::to_owned),
            present: present.map(str::to_owned),
            swapped,
        };
        for (card, expected) in [
            (Some(card(Some("...1"), Some("...2"), true)), Step::Accept),
            (Some(card(Some("...1"), Some("...1"), false)), Step::Settle(Fate::Known { card: "...1".to_owned() })),
            (Some(card(Some("...1"), None, false)), Step::Settle(Fate::Unseen)),
            (None, Step::Settle(Fate::Unseen)),
        ] {
            assert_eq!(step(card.as_ref()), expected);
        }
    }
}
