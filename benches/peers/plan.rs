//! What is to be measured, as variables of the environment say it: sizes, runs, which cases and which gateways.

use std::time::Duration;

/// Cases that can be chosen.
pub const CASES: [&str; 5] = ["start", "latency", "idle", "in", "out"];
/// Lines that can be chosen: without any delay, and as fast as a serial line and a network are.
pub const LINES: [&str; 2] = ["instant", "real"];

/// The gateway that the others are held against.
pub const OURS: &str = "smsgate";

/// What is to be measured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Sizes of the pool.
    pub modems: Vec<usize>,
    /// Runs of each gateway on each pool.
    pub runs: usize,
    /// Messages of a burst.
    pub messages: usize,
    /// Messages that are timed one by one.
    pub probes: usize,
    /// How long idleness is watched.
    pub idle: Duration,
    /// Longest that a case may take.
    pub patience: Duration,
    pub cases: Vec<String>,
    pub lines: Vec<String>,
    /// Names of peers, with or without their settings; all if empty.
    pub gateways: Vec<String>,
}

impl Plan {
    /// Reads the variables; an empty one is one that is not there.
    ///
    /// # Errors
    /// Which variable is wrong, and what it could be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let list = |name: &str, usual: &str| -> Vec<String> {
            let text = variable(name).filter(|text| !text.trim().is_empty()).unwrap_or_else(|| usual.to_owned());
            text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let number =
            |name: &str, usual: &str| -> Result<usize, String> { numbers(name, &list(name, usual))?.one(name) };
        let chosen = |name: &str, all: &[&str]| -> Result<Vec<String>, String> {
            let chosen = list(name, &all.join(","));
            match chosen.iter().find(|word| !all.contains(&word.as_str())) {
                Some(word) => Err(format!("{name}: there is no `{word}`; choose from {}", all.join(", "))),
                None => Ok(chosen),
            }
        };
        let seconds = |name: &str, usual: &str| number(name, usual).map(|seconds| Duration::from_secs(seconds as u64));
        Ok(Self {
            modems: numbers("MODEMS", &list("MODEMS", "1,4,16,64"))?.0,
            runs: number("RUNS", "5")?,
            messages: number("SMS", "2000")?,
            probes: number("PROBES", "40")?,
            idle: seconds("IDLE", "10")?,
            patience: seconds("PATIENCE", "60")?,
            cases: chosen("CASES", &CASES)?,
            lines: chosen("LINE", &LINES)?,
            gateways: list("PEERS", ""),
        })
    }

    pub fn has(&self, case: &str) -> bool {
        self.cases.iter().any(|chosen| chosen == case)
    }

    /// Whether a gateway with these settings takes part; ours always does.
    pub fn wants(&self, gateway: &str, settings: &str) -> bool {
        let full = format!("{gateway}-{settings}");
        gateway == OURS
            || self.gateways.is_empty()
            || self.gateways.iter().any(|name| *name == gateway || *name == full)
    }

    /// Longest that all may take with so many columns.
    pub fn longest(&self, columns: usize) -> Duration {
        let bursts = u32::from(self.has("in")) + u32::from(self.has("out"));
        let starts = if self.has("out") { 2 } else { 1 };
        let waits = u32::from(self.has("latency")) * 2;
        let visit = self.idle * u32::from(self.has("idle")) + self.patience * (bursts + starts + waits);
        let visits = self.modems.len() * self.lines.len() * self.runs * columns;
        visit * u32::try_from(visits).unwrap_or(u32::MAX)
    }
}

struct Numbers(Vec<usize>);

impl Numbers {
    fn one(self, name: &str) -> Result<usize, String> {
        match self.0.as_slice() {
            [one] => Ok(*one),
            _ => Err(format!("{name}: one number is wanted")),
        }
    }
}

fn numbers(name: &str, words: &[String]) -> Result<Numbers, String> {
    let read = |word: &String| match word.parse() {
        Ok(number) if number > 0 => Ok(number),
        Ok(_) | Err(_) => Err(format!("{name}: `{word}` is no number above 0")),
    };
    words.iter().map(read).collect::<Result<_, _>>().map(Numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(variables: &[(&str, &str)]) -> Result<Plan, String> {
        Plan::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn without_a_word_everything_is_measured() {
        let plan = plan(&[("RUNS", ""), ("PEERS", " ")]).unwrap();
        assert_eq!((plan.modems.as_slice(), plan.runs, plan.messages), ([1, 4, 16, 64].as_slice(), 5, 2000));
        assert!(CASES.iter().all(|case| plan.has(case)));
        assert!(plan.wants("smsgate", "defaults") && plan.wants("gammu-smsd", "tuned"));
    }

    #[test]
    fn sizes_are_chosen() {
        let chosen = [("MODEMS", "1,4"), ("SMS", "50"), ("CASES", "in out"), ("PEERS", "smstools-tuned")];
        let plan = plan(&chosen).unwrap();
        assert_eq!((plan.modems.as_slice(), plan.messages), ([1, 4].as_slice(), 50));
        assert!(plan.has("in") && !plan.has("idle"));
        assert!(plan.wants("smsgate", "defaults"));
        assert!(plan.wants("smstools", "tuned") && !plan.wants("smstools", "defaults"));
        assert!(!plan.wants("gammu-smsd", "tuned"));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let table = [
            ("MODEMS", "1,x", "MODEMS: `x`"),
            ("RUNS", "0", "RUNS: `0`"),
            ("SMS", "1,2", "SMS: one number"),
            ("CASES", "in,dance", "CASES: there is no `dance`"),
            ("LINE", "wet", "LINE: there is no `wet`"),
        ];
        for (name, value, part) in table {
            let error = plan(&[(name, value)]).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_longest_time_grows_with_the_runs() {
        let (once, thrice) = (plan(&[("RUNS", "1")]).unwrap(), plan(&[("RUNS", "3")]).unwrap());
        assert_eq!(once.longest(5) * 3, thrice.longest(5));
        assert!(plan(&[("CASES", "idle"), ("RUNS", "1")]).unwrap().longest(5) < once.longest(5));
    }
}
