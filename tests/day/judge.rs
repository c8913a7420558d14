//! What the gateway must say of each modem, may say, and must not, worked out from what is the case.
//!
//! Pure: it is told truths and words with their times. A fault must be told once it has lasted as long as the gateway
//! may take to find it, and must not be told any more once it has been gone as long as the gateway may take to see
//! that. In between either is right.

use std::{collections::BTreeMap, time::Duration};

use smsgate::{
    emulator::{SimTruth, Truth},
    model::HealthLevel,
};

use super::plan;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The memories are looked at every 60 s (durability D5).
const POLL: Duration = seconds(60);
/// The rest of health every `health_check_interval`.
const CHECK: Duration = plan::HEALTH_CHECK;
/// What one round of questions may take, with a submission in between that the network lets wait.
const DIALOGUE: Duration = seconds(15);
/// A device that is gone is noticed by its port.
const UNPLUGGED: Duration = seconds(10);
/// A silent modem is found by the next poll, whose commands run into their deadlines three times in a row; or it hangs
/// over a submission, which has the longest deadline of all (150 s).
const SILENCE: Duration = seconds(60 + 150 + 60);
/// The longest pause between two tries to bring a modem up: a minute and a quarter (modem backoff).
const PAUSE: Duration = seconds(75);
/// Bring-up waits that long for a modem that starts (`wait_for_start`), then its dialogue.
const START: Duration = seconds(60 + 30);
/// The fastest climb to the top of the recovery ladder: found at once, each rung without a pause.
const CLIMB: Duration = seconds(120);
/// A modem that was given up is looked at again after an hour at the latest.
const GIVEN_UP: Duration = seconds(3600);
/// The balance is asked for every `health_check_interval`, half a minute later while another wants the modem's USSD; the
/// network has 40 s to answer.
const ASKED: Duration = seconds(600 + 2 * 30 + 40 + 15);
/// Three inquiries have to fail.
const UNANSWERED: Duration = seconds(3 * (600 + 40) + 2 * 30 + 15);
/// `account_balance_critical` and `account_balance_warning` of the slots, in cents.
const CRITICAL: i64 = 100;
const WARNING: i64 = 500;
/// A balance that lasts fewer days is told.
const FEW_DAYS: i64 = 14;
/// How long before midnight the day's last reading may have been, at a modem that was away.
const LAST_READING: Duration = seconds(3 * 3600);
/// What is older is forgotten.
const REMEMBERED: Duration = seconds(8 * 3600);
/// The last step of the mailer's pauses is an hour (durability D18).
const MAIL_CLEARED: Duration = seconds(3600 + 60);
/// The mail server is tried at least as often as its `health_check_interval` says.
const MAIL_TOLD: Duration = seconds(600 + 60);

/// How often what is the case is looked at.
const LOOKED: Duration = seconds(5);
/// How finely time is looked at when hidden times are left out.
const STEP: Duration = seconds(5);

/// A reason begins with the name of its check (contract 7).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Check {
    Modem,
    Sim,
    Signal,
    Network,
    Storage,
    /// What is left on the account.
    Balance,
    /// That it cannot be asked for.
    Inquiry,
    /// How long it lasts.
    Forecast,
    /// Another card than the known one.
    Card,
}

impl Check {
    pub fn of(reason: &str) -> Option<Self> {
        let (check, finding) = reason.split_once(": ")?;
        Some(match check {
            "Balance" if finding.starts_with("cannot be read") => Self::Inquiry,
            "Balance" if finding.starts_with("lasts ") => Self::Forecast,
            "SIM" if finding.contains("smsgate sim accept") => Self::Card,
            "Modem" => Self::Modem,
            "SIM" => Self::Sim,
            "Signal" => Self::Signal,
            "Network" => Self::Network,
            "Storage" => Self::Storage,
            "Balance" => Self::Balance,
            _ => return None,
        })
    }
}

/// Why something should be told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    Absent,
    Silent,
    /// A restart, or a start: over as soon as it has begun.
    Restarted,
    Locked,
    Signal,
    Network,
    Storage,
    /// Somebody has put in another card.
    Card,
    Balance,
    /// The network does not answer the code for the balance.
    Inquiry,
    /// The account is empty soon, whichever of the readings near midnight is the last.
    Forecast,
    /// The same with the reading that spends most.
    PerhapsForecast,
}

pub const CAUSES: [Cause; 12] = [
    Cause::Absent,
    Cause::Silent,
    Cause::Restarted,
    Cause::Locked,
    Cause::Signal,
    Cause::Network,
    Cause::Storage,
    Cause::Card,
    Cause::Balance,
    Cause::Inquiry,
    Cause::Forecast,
    Cause::PerhapsForecast,
];

impl Cause {
    pub const fn check(self) -> Check {
        match self {
            Self::Absent | Self::Silent | Self::Restarted => Check::Modem,
            Self::Locked => Check::Sim,
            Self::Signal => Check::Signal,
            Self::Network => Check::Network,
            Self::Storage => Check::Storage,
            Self::Card => Check::Card,
            Self::Balance => Check::Balance,
            Self::Inquiry => Check::Inquiry,
            Self::Forecast | Self::PerhapsForecast => Check::Forecast,
        }
    }

    /// Only a network that answers can tell.
    const fn is_asked_for(self) -> bool {
        matches!(self, Self::Balance | Self::Forecast | Self::PerhapsForecast)
    }

    /// How long until it is told at the latest.
    fn told(self) -> Duration {
        match self {
            Self::Absent => UNPLUGGED,
            Self::Silent => SILENCE,
            Self::Restarted | Self::PerhapsForecast => Duration::MAX,
            Self::Locked | Self::Card => PAUSE + START,
            Self::Signal | Self::Network => CHECK + DIALOGUE,
            Self::Storage => POLL + DIALOGUE,
            Self::Balance | Self::Forecast => ASKED,
            Self::Inquiry => UNANSWERED,
        }
    }

    /// How long until it is told no more at the latest, after it has lasted so long.
    fn cleared(self, lasted: Duration) -> Duration {
        match self {
            Self::Silent if lasted > CLIMB => GIVEN_UP + START,
            Self::Absent | Self::Silent | Self::Restarted | Self::Locked => PAUSE + START,
            Self::Signal | Self::Network => CHECK + DIALOGUE,
            Self::Storage => POLL + DIALOGUE,
            Self::Card => DIALOGUE,
            Self::Balance | Self::Inquiry | Self::Forecast | Self::PerhapsForecast => ASKED,
        }
    }

    /// While one of a higher rank lasts, nothing of a lower rank can be seen.
    const fn rank(self) -> u8 {
        match self {
            Self::Absent | Self::Silent | Self::Restarted => 2,
            Self::Locked => 1,
            _ => 0,
        }
    }

    fn level(self, truth: &Truth) -> HealthLevel {
        match self {
            Self::Absent => when(!truth.plugged),
            Self::Silent => when(truth.plugged && truth.silent),
            // Noted when they happen, or worked out from what was spent.
            Self::Restarted | Self::Card | Self::Forecast | Self::PerhapsForecast => HealthLevel::Ok,
            Self::Locked => when(truth.sim != SimTruth::Unlocked),
            Self::Signal => match truth.signal {
                0 | 1 => HealthLevel::Critical,
                6..=31 => HealthLevel::Ok,
                _ => HealthLevel::Warning,
            },
            Self::Network => match truth.registration {
                1 => HealthLevel::Ok,
                5 => HealthLevel::Warning,
                _ => HealthLevel::Critical,
            },
            Self::Balance => match truth.balance {
                ..CRITICAL => HealthLevel::Critical,
                CRITICAL..WARNING => HealthLevel::Warning,
                _ => HealthLevel::Ok,
            },
            Self::Inquiry if truth.ussd => HealthLevel::Ok,
            Self::Inquiry => HealthLevel::Warning,
            Self::Storage => truth.memories.iter().map(|it| fullness(it.used, it.total)).max().unwrap_or_default(),
        }
    }
}

const fn when(fault: bool) -> HealthLevel {
    if fault { HealthLevel::Critical } else { HealthLevel::Ok }
}

/// Over 50 % is a warning, over 80 % critical.
const fn fullness(used: usize, total: usize) -> HealthLevel {
    match used * 100 / total {
        81.. => HealthLevel::Critical,
        51..=80 => HealthLevel::Warning,
        _ => HealthLevel::Ok,
    }
}

/// Levels of one cause and since when, oldest first.
#[derive(Clone, Debug)]
struct History(Vec<(Duration, HealthLevel)>);

impl History {
    fn note(&mut self, now: Duration, level: HealthLevel) {
        if self.0.last().is_none_or(|(_, last)| *last != level) {
            self.0.push((now, level));
        }
        if self.0.get(1).is_some_and(|(since, _)| *since + REMEMBERED < now) {
            self.0.remove(0);
        }
    }

    /// How long the last fault lasted.
    fn last_length(&self, now: Duration) -> Duration {
        let ends = self.0.iter().skip(1).map(|(since, _)| *since).chain([now]);
        let faults = self.0.iter().zip(ends).filter(|((_, level), _)| *level > HealthLevel::Ok);
        faults.last().map_or(Duration::ZERO, |((since, _), end)| end - *since)
    }

    /// The levels between two times.
    fn between(&self, from: Duration, to: Duration) -> impl Iterator<Item = HealthLevel> {
        let ends = self.0.iter().skip(1).map(|(since, _)| *since).chain([Duration::MAX]);
        self.0
            .iter()
            .zip(ends)
            .filter(move |((since, _), end)| *since <= to && *end >= from)
            .map(|((_, level), _)| *level)
    }
}

/// What has been the case with one modem.
#[derive(Clone, Debug)]
pub struct Modem {
    causes: BTreeMap<Cause, History>,
    /// Cents on the account, and since when.
    balances: Vec<(Duration, i64)>,
}

impl Default for Modem {
    fn default() -> Self {
        let causes = CAUSES.map(|cause| (cause, History(vec![(Duration::ZERO, HealthLevel::Ok)])));
        let mut modem = Self { causes: causes.into(), balances: Vec::new() };
        modem.restarted(Duration::ZERO);
        modem
    }
}

impl Modem {
    /// What is the case from now on.
    pub fn observe(&mut self, now: Duration, truth: &Truth) {
        if self.balances.last().is_none_or(|(_, cents)| *cents != truth.balance) {
            self.balances.push((now, truth.balance));
        }
        let forecast = self.forecast(now, truth.balance);
        for (cause, history) in &mut self.causes {
            match cause {
                Cause::Card => {}
                Cause::Forecast => history.note(now, forecast.0),
                Cause::PerhapsForecast => history.note(now, forecast.1),
                _ => history.note(now, cause.level(truth)),
            }
        }
    }

    /// Whether what was spent since the first midnight leaves enough for the next days: for certain, and perhaps.
    fn forecast(&self, now: Duration, cents: i64) -> (HealthLevel, HealthLevel) {
        let midnight = plan::midnight();
        if now <= midnight {
            return (HealthLevel::Ok, HealthLevel::Ok);
        }
        let before = self.balances_between(midnight.saturating_sub(LAST_READING), midnight);
        let at_midnight = self.balances_between(midnight, midnight).last();
        let few = |then: i64| {
            let is_few = then > cents && cents.max(0) < FEW_DAYS * (then - cents);
            if is_few { HealthLevel::Warning } else { HealthLevel::Ok }
        };
        (at_midnight.map_or(HealthLevel::Ok, few), before.map(few).max().unwrap_or_default())
    }

    fn balances_between(&self, from: Duration, to: Duration) -> impl Iterator<Item = i64> {
        let ends = self.balances.iter().skip(1).map(|(since, _)| *since).chain([Duration::MAX]);
        let within = move |((since, _), end): &(&(Duration, i64), Duration)| *since <= to && *end >= from;
        self.balances.iter().zip(ends).filter(within).map(|((_, cents), _)| *cents)
    }

    /// The balance that is told must have been the case since the last inquiry that could be answered. A modem that was
    /// given up may answer again for up to an hour before it is looked at, and asked: what was read before holds.
    pub fn judge_balance(&self, now: Duration, told: &str) -> Option<String> {
        let unseen = |from, to| self.hidden(Cause::Balance, from, to) || self.muted(from, to);
        let from = self.back(now, ASKED, unseen).filter(|_| self.is_settled(now));
        let Ok(units) = told.parse::<f64>() else {
            return from.map(|_| format!("no balance is told: `{told}`"));
        };
        let range = || self.balances_between(from.unwrap_or_default(), now);
        let (least, most) = (range().min().unwrap_or_default(), range().max().unwrap_or_default());
        let cents = (units * 100.0).round() as i64;
        (!(least..=most).contains(&cents)).then(|| format!("a balance of {cents} is told, right is {least} to {most}"))
    }

    /// Another card was put in, or accepted.
    pub fn another_card(&mut self, now: Duration, is_new: bool) {
        let level = if is_new { HealthLevel::Warning } else { HealthLevel::Ok };
        self.causes.get_mut(&Cause::Card).expect("every cause has a history").note(now, level);
    }

    /// The modem has started anew.
    pub fn restarted(&mut self, now: Duration) {
        let history = self.causes.get_mut(&Cause::Restarted).expect("every cause has a history");
        history.note(now, HealthLevel::Critical);
        history.note(now, HealthLevel::Ok);
    }

    /// Whether it is the case now.
    pub fn is(&self, cause: Cause) -> bool {
        self.causes[&cause].0.last().is_some_and(|(_, level)| *level > HealthLevel::Ok)
    }

    /// Whether it was the case at some time between.
    pub fn was_between(&self, cause: Cause, from: Duration, to: Duration) -> bool {
        self.causes[&cause].between(from, to).any(|level| level > HealthLevel::Ok)
    }

    /// Whether it was the case at a time, as far as it was looked at.
    pub fn was(&self, cause: Cause, at: Duration) -> bool {
        self.was_between(cause, at.saturating_sub(LOOKED), at)
    }

    /// It has been on the bus and in use for longer than anything takes. Without a network it may be restarted any time.
    pub fn is_settled(&self, now: Duration) -> bool {
        let may = |cause| self.may(now, cause, &self.causes[&cause]);
        let in_use = |cause| may(cause) == HealthLevel::Ok;
        may(Cause::Network) < HealthLevel::Critical
            && [Cause::Absent, Cause::Silent, Cause::Restarted, Cause::Locked].into_iter().all(in_use)
    }

    /// As it was known at a time.
    #[cfg(test)]
    fn until(&self, now: Duration) -> Self {
        let mut modem = self.clone();
        modem.causes.values_mut().for_each(|history| history.0.retain(|(since, _)| *since <= now));
        modem
    }

    /// What is wrong with what was told now.
    pub fn judge(&self, now: Duration, level: HealthLevel, reasons: &[String]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut checks = Vec::new();
        for reason in reasons {
            match Check::of(reason) {
                Some(check) => checks.push(check),
                None => wrong.push(format!("`{reason}` names no check")),
            }
        }
        let (mut least, mut most) = (HealthLevel::Ok, HealthLevel::Ok);
        let mut allowed = Vec::new();
        for (cause, history) in &self.causes {
            let must = self.must(now, *cause, history);
            let may = self.may(now, *cause, history);
            if must > HealthLevel::Ok && !checks.contains(&cause.check()) {
                wrong.push(format!("{cause:?} ({must}) is not told"));
            }
            if may > HealthLevel::Ok {
                allowed.push(cause.check());
            }
            least = least.max(must);
            most = most.max(may);
        }
        for check in checks.iter().filter(|check| !allowed.contains(check)) {
            wrong.push(format!("{check:?} is told and not the case"));
        }
        if level < least || level > most {
            wrong.push(format!("the level is {level}, right is {least} to {most}"));
        }
        if (level > HealthLevel::Ok) == reasons.is_empty() {
            wrong.push(format!("{level} with {} reasons", reasons.len()));
        }
        wrong
    }

    /// The level that has to be told: what it has been at least, for as long as finding it may take. A modem that was
    /// hidden first has to come up again.
    fn must(&self, now: Duration, cause: Cause, history: &History) -> HealthLevel {
        let Some(from) = now.checked_sub(cause.told()) else { return HealthLevel::Ok };
        if history.0.last().is_some_and(|(_, level)| *level == HealthLevel::Ok) {
            return HealthLevel::Ok;
        }
        // Without a network it may be restarted any time, and says nothing else then.
        let searching = self.causes[&Cause::Network].between(now.saturating_sub(LOOKED), now).max();
        if cause != Cause::Network && searching == Some(HealthLevel::Critical) {
            return HealthLevel::Ok;
        }
        let above = self.causes.iter().filter(|(other, _)| other.rank() > cause.rank());
        let hidden = |(other, history): (&Cause, &History)| {
            let coming_up = other.cleared(history.last_length(now));
            history.between(from.saturating_sub(coming_up), now).any(|level| level > HealthLevel::Ok)
        };
        if above.into_iter().any(hidden) {
            return HealthLevel::Ok;
        }
        let from = self.back(now, cause.told(), |from, to| cause.is_asked_for() && self.muted(from, to));
        from.map_or(HealthLevel::Ok, |from| history.between(from, now).min().unwrap_or_default())
    }

    /// The level that may be told: the worst within the time that seeing its end may take, hidden times not counted.
    fn may(&self, now: Duration, cause: Cause, history: &History) -> HealthLevel {
        if history.0.iter().all(|(_, level)| *level == HealthLevel::Ok) {
            return HealthLevel::Ok;
        }
        let unseen = |from, to| self.hidden(cause, from, to) || cause.is_asked_for() && self.muted(from, to);
        let from = self.back(now, cause.cleared(history.last_length(now)), unseen).unwrap_or_default();
        history.between(from, now).max().unwrap_or_default()
    }

    /// The time before `now` by which it has been possible for so long to see. `None` before the day began.
    fn back(&self, now: Duration, length: Duration, unseen: impl Fn(Duration, Duration) -> bool) -> Option<Duration> {
        let (mut from, mut seen) = (now, Duration::ZERO);
        while seen < length {
            let before = from.checked_sub(STEP)?;
            if !unseen(before, from) {
                seen += STEP;
            }
            from = before;
        }
        Some(from)
    }

    /// Whether the network was not there, or did not answer, between two times. What was read before holds.
    fn muted(&self, from: Duration, to: Duration) -> bool {
        [Cause::Network, Cause::Inquiry].into_iter().any(|cause| self.was_between(cause, from, to))
    }

    /// Whether something of a higher rank was the case between two times.
    fn hidden(&self, cause: Cause, from: Duration, to: Duration) -> bool {
        let above = self.causes.iter().filter(|(other, _)| other.rank() > cause.rank());
        above.flat_map(|(_, history)| history.between(from, to)).any(|level| level > HealthLevel::Ok)
    }
}

/// What has been the case with the mail server.
#[derive(Clone, Debug)]
pub struct MailServer(History);

impl Default for MailServer {
    fn default() -> Self {
        Self(History(vec![(Duration::ZERO, HealthLevel::Ok)]))
    }
}

impl MailServer {
    /// What is the case from now on.
    pub fn observe(&mut self, now: Duration, down: bool) {
        self.0.note(now, when(down));
    }

    /// What is wrong with the reasons that were told of it.
    pub fn judge(&self, now: Duration, told: &str) -> Option<String> {
        let must = now
            .checked_sub(MAIL_TOLD)
            .is_some_and(|from| self.0.between(from, now).all(|level| level > HealthLevel::Ok));
        let may = self.0.between(now.saturating_sub(MAIL_CLEARED), now).any(|level| level > HealthLevel::Ok);
        match (must, may, told) {
            (true, _, "") => Some("the mail server is down and nobody says so".to_owned()),
            (_, _, "") => None,
            (_, true, told) if told.contains("mail server") || told.contains("mail was not taken") => None,
            (..) => Some(format!("`{told}` is said of nobody")),
        }
    }
}

#[test]
fn a_fault_is_told_in_time_and_no_longer() {
    let well = Truth {
        plugged: true,
        silent: false,
        sim: SimTruth::Unlocked,
        registration: 1,
        signal: 20,
        balance: 1000,
        ussd: true,
        memories: Vec::new(),
    };
    let mut modem = Modem::default();
    modem.observe(Duration::ZERO, &well);
    modem.observe(seconds(1000), &Truth { signal: 1, ..well.clone() });
    modem.observe(seconds(2000), &well);
    modem.observe(seconds(3000), &Truth { plugged: false, signal: 1, ..well.clone() });
    modem.observe(seconds(4000), &well);
    let (signal, gone) = ("Signal: none (CSQ 1)", "Modem: no modem on the port");
    for (at, level, reason, right) in [
        (999, HealthLevel::Ok, None, true),
        (999, HealthLevel::Critical, Some(signal), false),
        (1001, HealthLevel::Ok, None, true),
        (1001, HealthLevel::Critical, Some(signal), true),
        (1001, HealthLevel::Critical, None, false),
        (1800, HealthLevel::Critical, Some(signal), true),
        (1800, HealthLevel::Warning, Some(signal), false),
        (1800, HealthLevel::Ok, None, false),
        (1800, HealthLevel::Critical, Some(gone), false),
        (2001, HealthLevel::Critical, Some(signal), true),
        (2700, HealthLevel::Critical, Some(signal), false),
        (2700, HealthLevel::Ok, None, true),
        (3500, HealthLevel::Ok, None, false),
        (3500, HealthLevel::Critical, Some(gone), true),
        (3500, HealthLevel::Critical, Some(signal), false),
        (3500, HealthLevel::Critical, Some("weather"), false),
        (4001, HealthLevel::Critical, Some(gone), true),
        (4500, HealthLevel::Critical, Some(gone), false),
        (4500, HealthLevel::Ok, None, true),
    ] {
        let reasons: Vec<String> = reason.into_iter().map(str::to_owned).collect();
        let wrong = modem.until(seconds(at)).judge(seconds(at), level, &reasons);
        assert_eq!(wrong.is_empty(), right, "{at} s, {level}, {reasons:?}: {wrong:?}");
    }
}
