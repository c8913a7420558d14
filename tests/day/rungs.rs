//! What the recovery ladder did: each try and each cure, against how the modems hung.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

use smsgate::{
    emulator::{Cure, Fault},
    model::Rung,
};

use super::{
    books::{open, texts},
    plan::{Act, HANGING, Happening},
    watch::clock,
};

/// Most tries of one rung in any hour.
const MOST_PER_HOUR: usize = 3;
/// Looks within less than an hour: what was seen at the first of them happened up to a minute before.
const LOOKS: Duration = Duration::from_secs(59 * 60);

/// How often a rung was tried, and how often it cured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counts {
    tried: u64,
    cured: u64,
}

/// What was seen of the ladder so far.
#[derive(Debug, Default)]
pub struct Rungs {
    counts: BTreeMap<(usize, String), Counts>,
    /// When tries were seen, by modem and rung.
    tries: BTreeMap<(usize, String), Vec<Duration>>,
    /// The rung that cured each modem last.
    last: BTreeMap<usize, String>,
}

impl Rungs {
    /// Looks into the store; the modems of which a rung was tried since the last look.
    pub fn look(&mut self, now: Duration, store: &Path) -> Vec<usize> {
        let rows = texts(&open(store), "SELECT slot || ' ' || rung || ' ' || tried || ' ' || cured FROM recovery");
        let mut modems = Vec::new();
        for row in rows {
            let words: Vec<&str> = row.split(' ').collect();
            let (modem, rung) = (words[0].parse().unwrap(), words[1].to_owned());
            let counts = Counts { tried: words[2].parse().unwrap(), cured: words[3].parse().unwrap() };
            let before = self.counts.insert((modem, rung.clone()), counts).unwrap_or_default();
            if counts.cured > before.cured {
                self.last.insert(modem, rung.clone());
            }
            for _ in before.tried..counts.tried {
                self.tries.entry((modem, rung.clone())).or_default().push(now);
                modems.push(modem);
            }
        }
        modems
    }

    /// How often a modem was cured, and by what last.
    pub fn cured(&self, modem: usize) -> (u64, String) {
        let of = self.counts.iter().filter(|((it, _), _)| *it == modem);
        (of.map(|(_, counts)| counts.cured).sum(), self.last.get(&modem).cloned().unwrap_or_default())
    }

    /// What does not agree with the plan.
    pub fn faults(&self, plan: &[Happening]) -> Vec<String> {
        let mut faults = Vec::new();
        for ((modem, rung), tries) in &self.tries {
            for (index, first) in tries.iter().enumerate() {
                let within = tries[index..].iter().take_while(|at| **at <= *first + LOOKS).count();
                if within > MOST_PER_HOUR {
                    faults.push(format!(
                        "modem {modem}: `{rung}` is tried {within} times within an hour from {}",
                        clock(*first)
                    ));
                }
            }
        }
        for modem in HANGING {
            for (rung, right) in expected(plan, modem) {
                let counts = self.counts.get(&(modem, rung.as_str().to_owned())).copied().unwrap_or_default();
                if counts != right {
                    faults.push(format!("modem {modem}: `{}` has {counts:?}, right is {right:?}", rung.as_str()));
                }
            }
        }
        faults
    }

    /// Tries and cures by rung.
    pub fn summary(&self) -> String {
        let mut table = String::new();
        for rung in Rung::ALL {
            let of = || self.counts.iter().filter(|((_, it), _)| it == rung.as_str()).map(|(_, counts)| counts);
            let (tried, cured): (u64, u64) = (of().map(|it| it.tried).sum(), of().map(|it| it.cured).sum());
            let _ = writeln!(table, "rung {:<15} {tried:>8} times tried, {cured} times the cure", rung.as_str());
        }
        table
    }
}

/// What each rung has to count for a modem: each hang climbs as far as its cure.
fn expected(plan: &[Happening], modem: usize) -> [(Rung, Counts); 3] {
    let hangs: Vec<Cure> = plan
        .iter()
        .filter_map(|one| match &one.act {
            Act::Fault { modem: it, fault: Fault::Hang { until } } if *it == modem => Some(*until),
            _ => None,
        })
        .collect();
    let cured = |cures: &[Cure]| hangs.iter().filter(|cure| cures.contains(cure)).count() as u64;
    let (reopened, reset) = (cured(&[Cure::Close, Cure::Reopen]), cured(&[Cure::Restart]));
    let (replugged, never) = (cured(&[Cure::Replug]), cured(&[Cure::Never]));
    [
        (Rung::Reopen, Counts { tried: reopened + reset + replugged + never, cured: reopened }),
        (Rung::Reset, Counts { tried: reset + replugged + never, cured: reset }),
        (Rung::Reauthorise, Counts { tried: replugged + never, cured: replugged }),
    ]
}
