//! Looks at the gateway's health each minute, has it judged, and takes the time that the gateway needed.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use smsgate::{emulator::Fault, model::HealthLevel};

use super::{
    judge::{CAUSES, Cause, Check, MailServer, Modem},
    mailbox::Service,
    modems::{Contact, Deed, MODELS, Pool},
    plan::Act,
    rungs::Rungs,
    site::{Site, Told},
};

/// How long ago a modem may have stopped being silent over which a rung is tried: the answer is found late, and the tries
/// have pauses between them.
const LATELY: Duration = Duration::from_secs(5 * 60);

/// What was seen so far.
pub struct Watch {
    modems: Vec<Modem>,
    mail: MailServer,
    faults: Vec<String>,
    compared: usize,
    /// Contacts looked at.
    contacts: usize,
    /// Looks at which a modem was not well.
    unwell: usize,
    /// What began or ended, and was not seen to be told (told no more) yet.
    pub rungs: Rungs,
    /// Which were said to be given up a minute ago.
    given_up: [bool; MODELS.len()],
    pending: BTreeMap<(usize, Cause), (Duration, bool)>,
    /// The longest that it took: to be told, and to be told no more.
    slowest: BTreeMap<Cause, [Duration; 2]>,
}

impl Watch {
    pub fn new(pool: &Pool) -> Self {
        let mut watch = Self {
            modems: vec![Modem::default(); MODELS.len()],
            mail: MailServer::default(),
            faults: Vec::new(),
            compared: 0,
            contacts: 0,
            unwell: 0,
            rungs: Rungs::default(),
            given_up: [false; MODELS.len()],
            pending: BTreeMap::new(),
            slowest: BTreeMap::new(),
        };
        watch.note(Duration::ZERO, pool);
        watch
    }

    /// Something has just happened.
    pub fn observe(&mut self, now: Duration, act: &Act, pool: &Pool) {
        match act {
            Act::Plug { modem, .. } | Act::Fault { modem, fault: Fault::Reboot } => self.modems[*modem].restarted(now),
            Act::Fault { modem, fault: Fault::SimCard { .. } } => {
                self.modems[*modem].restarted(now);
                self.modems[*modem].another_card(now, true);
            }
            Act::Accept { modem } => self.modems[*modem].another_card(now, false),
            Act::Mail(service) => self.mail.observe(now, *service != Service::Up),
            _ => {}
        }
        self.note(now, pool);
    }

    /// The gateway was stopped and started.
    pub fn gateway_restarted(&mut self, now: Duration, pool: &Pool) {
        for modem in &mut self.modems {
            modem.restarted(now);
        }
        self.note(now, pool);
    }

    /// Compares what is told with what is the case.
    pub async fn look(&mut self, now: Duration, pool: &Pool, site: &Site) {
        self.note(now, pool);
        let (stats, level, message) = agreeing(site).await;
        assert_eq!(stats.len(), self.modems.len());
        for (slot, told) in stats.iter().enumerate() {
            self.compared += 1;
            self.unwell += usize::from(told.level > HealthLevel::Ok);
            let mut wrong = self.modems[slot].judge(now, told.level, &told.reasons);
            wrong.extend(self.modems[slot].judge_balance(now, &told.members["balance"]));
            let (port, link) = (&told.members["port"], pool.path(slot));
            if self.modems[slot].is_settled(now) && *port != link {
                wrong.push(format!("it is said to be at `{port}` and is at `{link}`"));
            }
            let told = format!("{} {:?}", told.level, told.reasons);
            let wrong = wrong.into_iter().map(|wrong| format!("{} modem {slot}: {wrong}; told: {told}", clock(now)));
            self.faults.extend(wrong);
        }
        self.take_times(now, &stats);
        self.look_at_rungs(now, site);

        for (slot, told) in stats.iter().enumerate() {
            self.given_up[slot] = told.reasons.iter().any(|reason| reason.contains("given up after"));
        }

        let others = without(&message, &of_modems(&stats));
        let mut wrong = Vec::new();
        match &others {
            Some(others) => wrong.extend(self.mail.judge(now, others)),
            None => wrong.push(format!("the pool says `{message}`, its modems {:?}", of_modems(&stats))),
        }
        let worst = stats.iter().map(|told| told.level).max().unwrap_or_default();
        let expected = if others.is_some_and(|others| !others.is_empty()) { HealthLevel::Critical } else { worst };
        if level != expected {
            wrong.push(format!("the pool is {level}, right is {expected}: {message}"));
        }
        self.faults.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", clock(now))));
    }

    /// What the recovery ladder did in the last minute: only to a modem that did not work, or that was given up.
    pub fn look_at_rungs(&mut self, now: Duration, site: &Site) {
        for modem in self.rungs.look(now, site.store()) {
            let from = now.saturating_sub(LATELY);
            let ill =
                [Cause::Silent, Cause::Network].into_iter().any(|it| self.modems[modem].was_between(it, from, now));
            if !ill && !self.given_up[modem] {
                self.faults.push(format!("{} modem {modem}: a rung is tried although nothing is wrong", clock(now)));
            }
        }
    }

    /// The gateway has reset a modem: only one that does not work may be.
    fn reset(&mut self, Contact { at, modem, deed }: Contact) {
        let is_ill = [Cause::Silent, Cause::Network].into_iter().any(|cause| self.modems[modem].was(cause, at));
        if !is_ill {
            self.faults.push(format!("{} modem {modem}: {deed:?} although nothing was wrong with it", clock(at)));
        }
        self.modems[modem].restarted(at);
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.clone()
    }

    pub fn summary(&self) -> String {
        let mut table = String::new();
        let _ = writeln!(table, "health compared      {:>8} times, {} of them not OK", self.compared, self.unwell);
        for (cause, [told, cleared]) in &self.slowest {
            let _ = writeln!(table, "  {cause:<18?} told after {told:?} at most, cleared after {cleared:?}");
        }
        table
    }

    /// Looks at what is the case.
    pub fn note(&mut self, now: Duration, pool: &Pool) {
        let contacts = pool.contacts();
        for contact in &contacts[self.contacts..] {
            match contact.deed {
                Deed::Opened => {}
                Deed::Reset | Deed::Deauthorised => self.reset(*contact),
            }
        }
        self.contacts = contacts.len();
        for (index, truth) in pool.truths().iter().enumerate() {
            let modem = &mut self.modems[index];
            let before = CAUSES.map(|cause| modem.is(cause));
            modem.observe(now, truth);
            for (cause, before) in CAUSES.into_iter().zip(before) {
                let is = modem.is(cause);
                if is != before {
                    self.pending.insert((index, cause), (now, is));
                }
            }
        }
    }

    fn take_times(&mut self, now: Duration, stats: &[Told]) {
        let told =
            |modem: usize, check: Check| stats[modem].reasons.iter().any(|reason| Check::of(reason) == Some(check));
        self.pending.retain(|(modem, cause), (since, wanted)| {
            if told(*modem, cause.check()) != *wanted {
                return true;
            }
            let slowest = &mut self.slowest.entry(*cause).or_default()[usize::from(!*wanted)];
            *slowest = (*slowest).max(now - *since);
            false
        });
    }
}

/// What is told of the modems and of the pool. Something may change between the two calls: then they are made again.
async fn agreeing(site: &Site) -> (Vec<Told>, HealthLevel, String) {
    loop {
        let before = site.stats().await;
        let (level, message) = site.health().await;
        if without(&message, &of_modems(&before)).is_some() {
            return (before, level, message);
        }
        let after = site.stats().await;
        if of_modems(&before) == of_modems(&after) {
            return (before, level, message);
        }
    }
}

/// What is left of a message without these reasons; `None` if one of them is not in it, or another modem's is.
fn without(message: &str, reasons: &[String]) -> Option<String> {
    let mut rest = message.to_owned();
    for reason in reasons {
        let at = rest.find(reason.as_str())?;
        rest.replace_range(at..at + reason.len(), "");
    }
    let rest = rest.split("; ").filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join("; ");
    let of_a_modem = |piece: &str| piece.get(..4).is_some_and(|head| head.ends_with(": ") && head.starts_with('0'));
    (!rest.split("; ").any(of_a_modem)).then_some(rest)
}

/// The modems' reasons as the pool tells them.
fn of_modems(stats: &[Told]) -> Vec<String> {
    let of = |(slot, told): (usize, &Told)| told.reasons.iter().map(move |it| format!("{slot:02}: {it}")).collect();
    stats.iter().enumerate().flat_map::<Vec<String>, _>(of).collect()
}

/// Hours, minutes and seconds of the day.
pub fn clock(now: Duration) -> String {
    let seconds = now.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
