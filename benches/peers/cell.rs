//! A cell of the table: what one gateway's runs come to in one figure, or why there is nothing, and against ours.

use super::{
    figure::{Better, Figure},
    numbers::{median, written},
};

/// What one run found.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Value(f64),
    /// A value that is less than the whole: how far it came.
    Partial(f64, String),
    /// No value, and why.
    Unable(String),
}

/// What all runs found.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub median: Option<f64>,
    /// The first remark, and whether others differ; how many runs have no value.
    pub remarks: Vec<String>,
}

impl Outcome {
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) | Self::Partial(value, _) => Some(*value),
            Self::Unable(_) => None,
        }
    }

    pub fn remark(&self) -> Option<&str> {
        match self {
            Self::Value(_) => None,
            Self::Partial(_, remark) | Self::Unable(remark) => Some(remark),
        }
    }
}

impl Cell {
    pub fn of(outcomes: &[Outcome]) -> Self {
        let values: Vec<f64> = outcomes.iter().filter_map(Outcome::value).collect();
        let mut all = outcomes.iter().filter_map(Outcome::remark);
        let first = all.next();
        let alike = all.all(|other| Some(other) == first);
        let more = if alike { "" } else { " (other runs alike)" };
        let mut remarks: Vec<String> = first.map(|first| format!("{first}{more}")).into_iter().collect();
        let without = outcomes.iter().filter(|outcome| outcome.value().is_none()).count();
        if without > 0 && !values.is_empty() {
            remarks.push(format!("{without} of {} runs without a value", outcomes.len()));
        }
        Self { median: median(&values), remarks }
    }

    /// How many times better ours is; below 1 it is worse.
    pub fn ratio(&self, figure: Figure, ours: &Self) -> Option<f64> {
        let (theirs, ours) = (self.median?, ours.median?);
        let (good, bad) = match figure.better() {
            Better::Less => (ours, theirs),
            Better::More => (theirs, ours),
        };
        (!figure.is_count() && good > 0.0).then(|| bad / good)
    }

    /// Ours is worse than this one: by the ratio, or in a count of what must not be.
    pub fn beats(&self, figure: Figure, ours: &Self) -> bool {
        match (self.median, ours.median) {
            (Some(theirs), Some(ours)) if figure.better() == Better::Less => theirs < ours,
            (Some(theirs), Some(ours)) => theirs > ours,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// As the table has it. `ours` is none in our own column.
    pub fn text(&self, figure: Figure, ours: Option<&Self>) -> String {
        let mut text = self.median.map_or_else(|| "–".to_owned(), written);
        if let Some(ours) = ours {
            if let Some(ratio) = self.ratio(figure, ours) {
                text.push_str(&format!(" (×{})", written(ratio)));
            }
            if self.beats(figure, ours) {
                text = format!("**{text}**");
            }
        }
        for remark in &self.remarks {
            text.push_str(&format!("; {remark}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: f64) -> Cell {
        Cell { median: Some(value), remarks: Vec::new() }
    }

    #[test]
    fn runs_come_together() {
        let unable = |why: &str| Outcome::Unable(why.to_owned());
        let table = [
            (vec![Outcome::Value(1.0), Outcome::Value(9.0), Outcome::Value(2.0)], Some(2.0), vec![]),
            (vec![unable("no"), unable("no")], None, vec!["no"]),
            (vec![unable("no"), Outcome::Value(3.0)], Some(3.0), vec!["no", "1 of 2 runs without a value"]),
            (vec![Outcome::Partial(4.0, "half".to_owned())], Some(4.0), vec!["half"]),
            (
                vec![Outcome::Partial(4.0, "4 of 9".to_owned()), Outcome::Partial(5.0, "5 of 9".to_owned())],
                Some(4.5),
                vec!["4 of 9 (other runs alike)"],
            ),
        ];
        for (outcomes, median, remarks) in table {
            let cell = Cell::of(&outcomes);
            assert_eq!((cell.median, cell.remarks), (median, remarks.into_iter().map(str::to_owned).collect()));
        }
    }

    #[test]
    fn a_ratio_above_one_speaks_for_ours() {
        let table = [
            (Figure::Start, 10.0, 2.0, Some(5.0), false),
            (Figure::Start, 1.0, 2.0, Some(0.5), true),
            (Figure::InRate, 10.0, 50.0, Some(5.0), false),
            (Figure::InRate, 100.0, 50.0, Some(0.5), true),
            (Figure::InLost, 0.0, 1.0, None, true),
            (Figure::InLost, 3.0, 0.0, None, false),
            (Figure::IdleProcessor, 0.0, 0.0, None, false),
        ];
        for (figure, theirs, ours, ratio, beaten) in table {
            let (theirs, ours) = (value(theirs), value(ours));
            assert_eq!((theirs.ratio(figure, &ours), theirs.beats(figure, &ours)), (ratio, beaten), "{figure:?}");
        }
    }

    #[test]
    fn a_cell_without_a_value_says_why() {
        let cell = Cell::of(&[Outcome::Unable("64 devices at most".to_owned())]);
        assert_eq!(cell.text(Figure::Start, Some(&value(1.0))), "–; 64 devices at most");
        assert_eq!(value(1.0).text(Figure::Start, Some(&value(2.0))), "**1.00 (×0.50)**");
        assert_eq!(value(4.0).text(Figure::Start, Some(&value(2.0))), "4.00 (×2.00)");
        assert_eq!(value(4.0).text(Figure::Start, None), "4.00");
    }
}
