//! The day's plan: who writes when, and what goes wrong. All of it follows from the seed.
//!
//! What goes wrong with one modem comes one thing after the other, with a quiet time between, so that health can be told
//! for each of them; different modems fail at the same time.

use std::{collections::BTreeMap, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use smsgate::emulator::{Conditions, Cure, Dice, Fault, Injection, Letters, Order, Outcome};

use super::{mailbox::Service, modems::MODELS};

/// `health_check_interval` of the slots.
pub const HEALTH_CHECK: Duration = Duration::from_secs(600);
/// `health_check_interval` of the mail server.
pub const MAIL_CHECK: Duration = Duration::from_secs(600);
/// `sms_self_test_interval`.
pub const SELF_TEST: &str = "daily";
/// What each slot says of its account.
pub const BALANCE: &str = "ussd_account_balance = *100#\ncurrency = EUR\naccount_balance_warning = 5.00\n\
                           account_balance_critical = 1.00\n";
/// Cents on each account in the morning. About 26 euro are spent a day, so that the first passes both thresholds, as does
/// the second until it is topped up; the last passes one just before nobody can ask any more.
pub const ACCOUNTS: [i64; MODELS.len()] = [1900, 1300, 8000, 8000, 40_000, 3000, 60_000, 700];
/// When the day began, by the wall clock.
pub const EPOCH: &str = "2026-11-20T04:00:00Z";
/// The slot that can send to whomever others cannot send to now.
pub const BACKUP: usize = 7;
/// Slots of which the backup takes over what they cannot send.
pub const BACKED: [usize; 2] = [0, 1];
/// The whole day.
pub const DAY: Duration = hours(24);
/// Before the end, when nobody writes any more and all that went wrong is over.
const EVENING: Duration = hours(2);

/// What happens.
#[derive(Clone, Debug)]
pub enum Act {
    /// Somebody writes to a SIM of ours.
    Arrival(Injection),
    /// The network sends the PDU of a text once more, if the gateway has taken it off the modem: nobody could tell two
    /// equal ones on one SIM from two messages.
    Repeat { to: String, text: String },
    /// A client sends.
    Send { to: String, text: String, flash: bool },
    /// A modem comes back to the bus, under that name.
    Plug { modem: usize, name: String },
    /// A modem leaves the bus.
    Unplug { modem: usize },
    /// Something happens to a modem.
    Fault { modem: usize, fault: Fault },
    /// The mail server changes.
    Mail(Service),
    /// The operator accepts the card in a slot.
    Accept { modem: usize },
}

/// Something and when it happens.
#[derive(Clone, Debug)]
pub struct Happening {
    pub at: Duration,
    pub act: Act,
}

/// What a slot may send to: numbers of its own, and for the backup those of the first four too.
pub fn prefixes(slot: usize) -> String {
    let own = format!("+49151{slot}");
    if slot == BACKUP { format!("{own} +491510 +491511 +491512 +491513") } else { own }
}

/// How the network treats messages: it takes its time, and loses a report now and then.
pub fn conditions() -> Conditions {
    let undelivered = (0..MODELS.len()).map(|slot| (format!("+49151{slot}0009"), Outcome::Undelivered));
    Conditions {
        submit_latency: 1.5,
        delivery_delay: 1.0,
        delivery_jitter: 4.0,
        report_delay: 2.0,
        report_jitter: 20.0,
        report_loss: 2,
        outcomes: undelivered.collect(),
        ..Conditions::default()
    }
}

/// When the local day ends: the first midnight after the beginning.
pub fn midnight() -> Duration {
    let began: Timestamp = EPOCH.parse().unwrap();
    let local = began.to_zoned(TimeZone::system());
    let next = local.tomorrow().unwrap().start_of_day().unwrap();
    Duration::try_from(next.timestamp().duration_since(began)).unwrap()
}

/// Everything that happens until `end`, in order.
pub fn day(seed: u64, numbers: &[String], end: Duration) -> Vec<Happening> {
    let evening = end.saturating_sub(EVENING);
    let mut plan = Plan { dice: Dice::new(seed), happenings: Vec::new(), serial: 0, hangs: [0; 8], evening };
    for (modem, number) in numbers.iter().enumerate() {
        plan.arrivals(number);
        plan.sends(modem);
        plan.incidents(modem);
    }
    plan.swap(SWAPPED, SWAP_AT);
    plan.part_cards(&numbers[ANOTHER_CARD]);
    plan.accounts();
    plan.mail_server();
    plan.happenings.retain(|happening| happening.at < end);
    plan.happenings.sort_by_key(|happening| happening.at);
    name_devices(&mut plan.dice, &mut plan.happenings);
    plan.happenings
}

/// The longest that a modem is away under [`traffic`].
pub const AWAY: Duration = minutes(15);
/// The slot whose messages the network refuses at first under [`traffic`]: nothing else is sent through it.
pub const REFUSED: usize = 6;
/// How often the network refuses them.
pub const REFUSALS: u32 = 3;
/// What begins the texts of those.
pub const TRIED_AGAIN: &str = "refused at first";

/// A pool at work until shortly before `end`: texts both ways, modems that are away for minutes, messages that the network
/// refuses at first, and a mail server that is too busy for half of the time.
pub fn traffic(seed: u64, numbers: &[String], end: Duration) -> Vec<Happening> {
    let evening = end.saturating_sub(minutes(30));
    let mut plan = Plan { dice: Dice::new(seed), happenings: Vec::new(), serial: 0, hangs: [0; 8], evening };
    for (modem, number) in numbers.iter().enumerate() {
        plan.arrivals(number);
        if modem == REFUSED {
            plan.refusals(modem);
            continue;
        }
        plan.sends(modem);
        plan.absences(modem);
    }
    let mut down = minutes(30);
    while down + minutes(40) < evening {
        plan.at(down, Act::Mail(Service::Overloaded));
        plan.at(down + minutes(40), Act::Mail(Service::Up));
        down += minutes(80);
    }
    plan.happenings.sort_by_key(|happening| happening.at);
    name_devices(&mut plan.dice, &mut plan.happenings);
    plan.happenings
}

/// Two modems that come back under each other's names, and when.
const SWAPPED: (usize, usize) = (2, 3);
const SWAP_AT: Duration = hours(9);
/// Kept free of other incidents for it.
const SWAP_TIME: Duration = minutes(50);
/// The modem whose SIM asks for its PUK for an hour.
const LOCKED: usize = 5;
/// The modem whose SIM somebody fills with drafts.
const FILLED: usize = 4;
/// Modems that hang until something in particular is done. Nothing else that a ladder would climb for happens to them, so
/// that its steps can be counted.
pub const HANGING: [usize; 3] = [1, 4, 6];
/// What they hang until, one after the other.
const CURES: [Cure; 5] = [Cure::Reopen, Cure::Restart, Cure::Replug, Cure::Never, Cure::Close];
/// Modems that do not say that they start anew: they leave the bus over it.
const STICKS: [usize; 2] = [2, 3];
/// The modem into which somebody puts another card, which is accepted an hour later.
const ANOTHER_CARD: usize = 6;
/// How long after a message the network repeats it at the latest.
const MOST_LATE: Duration = hours(2);
/// Between two incidents of one modem: more than any allowance of the judge.
const QUIET: u64 = 30 * 60;

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

struct Plan {
    dice: Dice,
    happenings: Vec<Happening>,
    serial: u32,
    /// How often each modem has hung.
    hangs: [usize; MODELS.len()],
    evening: Duration,
}

impl Plan {
    fn at(&mut self, at: Duration, act: Act) {
        self.happenings.push(Happening { at, act });
    }

    fn fault(&mut self, at: Duration, modem: usize, fault: Fault) {
        self.at(at, Act::Fault { modem, fault });
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.dice.below(most - least + 1)
    }

    fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn arrivals(&mut self, number: &str) {
        let mut at = Duration::from_secs(self.between(1, 600));
        while at < self.evening {
            let serial = self.serial();
            let text = format!("in {serial}");
            let mut injection = Injection {
                to: number.to_owned(),
                from: format!("+4916{serial:08}"),
                text: text.clone(),
                ..Injection::default()
            };
            match self.dice.below(20) {
                0..=2 => {
                    injection.text = (0..30).map(|word| format!("{text}.{word:02}")).collect::<Vec<_>>().join(" ");
                    injection.order = Order::Shuffled;
                }
                3..=4 => injection.flash = true,
                5..=6 => injection.text = format!("{text} Привет 😀"),
                7 => injection.alphabet = Letters::Ucs2,
                8 => {
                    let later = at + Duration::from_secs(self.between(60, MOST_LATE.as_secs()));
                    self.at(later.min(self.evening), Act::Repeat { to: number.to_owned(), text });
                }
                _ => {}
            }
            self.at(at, Act::Arrival(injection));
            at += Duration::from_secs(self.between(20, 560));
        }
    }

    fn sends(&mut self, slot: usize) {
        let mut at = Duration::from_secs(self.between(120, 600));
        while at < self.evening {
            self.send(at, slot);
            at += Duration::from_secs(self.between(30, 690));
        }
    }

    fn send(&mut self, at: Duration, slot: usize) {
        let serial = self.serial();
        let text = match self.dice.below(8) {
            0 => (0..30).map(|word| format!("out {serial}.{word:02}")).collect::<Vec<_>>().join(" "),
            1 => format!("out {serial} Žluťoučký kůň"),
            _ => format!("out {serial}"),
        };
        let flash = self.dice.below(20) == 0;
        self.at(at, Act::Send { to: format!("+49151{slot}{serial:07}"), text, flash });
    }

    fn absences(&mut self, modem: usize) {
        let mut at = Duration::from_secs(self.between(1800, 5400));
        while at + AWAY < self.evening {
            let away = Duration::from_secs(self.between(60, AWAY.as_secs()));
            self.at(at, Act::Unplug { modem });
            self.at(at + away, Act::Plug { modem, name: String::new() });
            at += away + Duration::from_secs(self.between(QUIET, 2 * QUIET));
        }
    }

    fn refusals(&mut self, modem: usize) {
        let mut at = minutes(25);
        while at + minutes(10) < self.evening {
            let serial = self.serial();
            self.fault(at, modem, Fault::CmsError { code: 38, count: REFUSALS });
            let text = format!("{TRIED_AGAIN} {serial}");
            self.at(at, Act::Send { to: format!("+49151{modem}{serial:07}"), text, flash: false });
            at += Duration::from_secs(self.between(600, 900));
        }
    }

    /// One thing after the other.
    fn incidents(&mut self, modem: usize) {
        let mut at = minutes(20) + Duration::from_secs(self.between(0, 1800));
        let mut first = true;
        while at + hours(1) < self.evening {
            if (modem == SWAPPED.0 || modem == SWAPPED.1) && at < SWAP_AT + SWAP_TIME && at + hours(2) > SWAP_AT {
                at = SWAP_AT + SWAP_TIME;
            }
            let lasted = match (std::mem::take(&mut first), modem) {
                (true, LOCKED) => self.locked_sim(at, modem),
                (true, FILLED) => self.drafts(at, modem),
                (true, ANOTHER_CARD) => self.another_card(at, modem),
                _ => self.incident(at, modem),
            };
            at += lasted + Duration::from_secs(self.between(QUIET, 2 * QUIET));
        }
    }

    /// Something goes wrong with a modem; how long it lasts.
    fn incident(&mut self, at: Duration, modem: usize) -> Duration {
        let lasting = Duration::from_secs(self.between(1200, 3300));
        match self.dice.below(16) {
            3..=4 | 8..=9 if HANGING.contains(&modem) => self.hang(at, modem),
            0..=2 => {
                let away = Duration::from_secs(self.between(20, 3300));
                self.at(at, Act::Unplug { modem });
                self.at(at + away, Act::Plug { modem, name: String::new() });
                away
            }
            3..=4 => {
                let silent = self.between(5, 600);
                self.fault(at, modem, Fault::Silence { seconds: Some(silent as f64) });
                Duration::from_secs(silent)
            }
            5 if STICKS.contains(&modem) => {
                self.at(at, Act::Unplug { modem });
                self.at(at + Duration::from_secs(8), Act::Plug { modem, name: String::new() });
                Duration::ZERO
            }
            5 => {
                self.fault(at, modem, Fault::Reboot);
                Duration::ZERO
            }
            6..=7 => {
                let value = [0, 1, 2, 5, 99][self.dice.below(5) as usize];
                self.fault(at, modem, Fault::Signal { value });
                self.fault(at + lasting, modem, Fault::Signal { value: 20 });
                lasting
            }
            8..=9 => {
                let state = [0, 2, 3, 5][self.dice.below(4) as usize];
                self.fault(at, modem, Fault::Registration { state });
                self.fault(at + lasting, modem, Fault::Registration { state: 1 });
                lasting
            }
            10 => self.drafts(at, modem),
            11 => {
                self.fault(at, modem, Fault::DropNotices { count: 12 });
                minutes(30)
            }
            kind if BACKED.contains(&modem) || modem == BACKUP => {
                // Whose turn it is at these slots is not known beforehand.
                self.fault(at, modem, Fault::Garbage { count: 40 + kind as usize });
                minutes(1)
            }
            12..=13 => {
                self.fault(at, modem, Fault::CmsError { code: 38, count: 3 });
                self.send(at + Duration::from_secs(1), modem);
                minutes(5)
            }
            14 => {
                self.fault(at, modem, Fault::NoPrompt { count: 1 });
                self.send(at + Duration::from_secs(1), modem);
                minutes(5)
            }
            _ => {
                let submitted = self.dice.below(2) == 0;
                self.fault(at, modem, Fault::HangAfterPayload { submitted });
                self.send(at + Duration::from_secs(1), modem);
                minutes(5)
            }
        }
    }

    /// Hangs, each time until something stronger is done, then from the beginning.
    fn hang(&mut self, at: Duration, modem: usize) -> Duration {
        let until = CURES[(modem + self.hangs[modem]) % CURES.len()];
        self.hangs[modem] += 1;
        self.fault(at, modem, Fault::Hang { until });
        if until != Cure::Never {
            return minutes(15);
        }
        // Somebody comes and takes its power away; the gateway may take an hour to look at it again.
        let person = Duration::from_secs(self.between(3600, 7200));
        self.fault(at + person, modem, Fault::Reboot);
        person + hours(1)
    }

    fn drafts(&mut self, at: Duration, modem: usize) -> Duration {
        let lasting = Duration::from_secs(self.between(1200, 3300));
        // The smallest SIM has ten places, the largest fifty: from nothing worth telling to all but full.
        let count = self.between(3, 45) as usize;
        self.fault(at, modem, Fault::Drafts { count });
        self.fault(at + lasting, modem, Fault::Drafts { count: 0 });
        lasting
    }

    /// Somebody puts in a SIM that wants its PUK, and an hour later the old one.
    fn locked_sim(&mut self, at: Duration, modem: usize) -> Duration {
        let (swap, hour) = (Duration::from_secs(20), hours(1));
        for (at, fault) in [(at, Fault::PukRequired), (at + hour, Fault::PukEntered)] {
            self.at(at, Act::Unplug { modem });
            self.fault(at + swap / 2, modem, fault);
            self.at(at + swap, Act::Plug { modem, name: String::new() });
        }
        hour + swap
    }

    fn another_card(&mut self, at: Duration, modem: usize) -> Duration {
        self.fault(at, modem, Fault::SimCard { serial: 99 });
        self.at(at + hours(1), Act::Accept { modem });
        hours(1)
    }

    /// What was sent to one card is not sent to the other: nothing is under way when they are exchanged, and nothing is
    /// repeated afterwards.
    fn part_cards(&mut self, number: &str) {
        let exchanged = |one: &Happening| matches!(one.act, Act::Fault { fault: Fault::SimCard { .. }, .. });
        let Some(at) = self.happenings.iter().find(|one| exchanged(one)).map(|one| one.at) else { return };
        let under_way = at.saturating_sub(minutes(2))..at + minutes(1);
        self.happenings.retain(|one| match &one.act {
            Act::Arrival(injection) => injection.to != number || !under_way.contains(&one.at),
            Act::Repeat { to, .. } => to != number || one.at < under_way.start || one.at > at + MOST_LATE,
            _ => true,
        });
    }

    /// Two accounts are topped up, and two cannot be asked for some hours.
    fn accounts(&mut self) {
        self.fault(hours(14), 1, Fault::Balance { cents: 6000 });
        self.fault(hours(12).min(self.evening), 7, Fault::Balance { cents: 5000 });
        for (modem, from, to) in [(5, Duration::ZERO, hours(3)), (7, hours(5), hours(9))] {
            self.fault(from, modem, Fault::UssdDelay { seconds: None });
            self.fault(to, modem, Fault::UssdDelay { seconds: Some(0.0) });
        }
    }

    fn swap(&mut self, (one, other): (usize, usize), at: Duration) {
        for modem in [one, other] {
            self.at(at, Act::Unplug { modem });
        }
        let back = at + Duration::from_secs(40);
        self.at(back, Act::Plug { modem: one, name: format!("={other}") });
        self.at(back, Act::Plug { modem: other, name: format!("={one}") });
    }

    /// Six hours without a mail server: first nobody listens, then it only says that it is busy.
    fn mail_server(&mut self) {
        let down = hours(10) + Duration::from_secs(self.between(0, 1800));
        self.at(hours(4), Act::Mail(Service::Forgetful));
        self.at(hours(4) + minutes(10), Act::Mail(Service::Up));
        self.at(down, Act::Mail(Service::Refused));
        self.at(down + hours(4), Act::Mail(Service::Overloaded));
        self.at(down + hours(6), Act::Mail(Service::Up));
    }
}

/// Gives each device that comes a name that is free, seldom the one it had; `=3` stands for the last one of modem 3.
fn name_devices(dice: &mut Dice, happenings: &mut [Happening]) {
    let mut last: Vec<String> = (0..MODELS.len()).map(|modem| format!("ttyUSB{modem}")).collect();
    let mut taken: BTreeMap<usize, String> = last.iter().cloned().enumerate().collect();
    let mut at_swap = last.clone();
    for happening in happenings {
        match &mut happening.act {
            Act::Unplug { modem } => {
                taken.remove(modem);
                at_swap.clone_from(&last);
            }
            Act::Plug { modem, name } => {
                let is_free = |name: &String| !taken.values().any(|other| other == name);
                let wanted = name.strip_prefix('=').map(|other| at_swap[other.parse::<usize>().unwrap()].clone());
                *name = wanted.filter(is_free).unwrap_or_else(|| {
                    let free: Vec<String> = (0..12).map(|number| format!("ttyUSB{number}")).filter(is_free).collect();
                    free[dice.below(free.len() as u64) as usize].clone()
                });
                last[*modem].clone_from(name);
                taken.insert(*modem, name.clone());
            }
            Act::Arrival(_)
            | Act::Repeat { .. }
            | Act::Send { .. }
            | Act::Fault { .. }
            | Act::Mail(_)
            | Act::Accept { .. } => {}
        }
    }
}
