//! What is printed: a row for each figure, and whether it keeps its bar.

use std::time::Duration;

#[derive(Default)]
pub(super) struct Report {
    missed: bool,
}

impl Report {
    /// Whether any figure was over its bar.
    pub(super) const fn missed(&self) -> bool {
        self.missed
    }

    pub(super) fn row(&mut self, name: &str, value: f64, unit: &str, bar: Option<f64>) {
        let verdict = bar.map_or(String::new(), |bar| {
            let word = if value <= bar { "ok" } else { "MISSED" };
            format!("  at most {bar}: {word}")
        });
        self.missed |= bar.is_some_and(|bar| value > bar);
        println!("  {name:<46} {value:>9.2} {unit}{verdict}");
    }

    /// Median, with the bar, and 99th percentile.
    pub(super) fn rows(&mut self, name: &str, times: &mut [Duration], bar: Option<f64>) {
        times.sort();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
        self.row(&format!("{name}: median"), at(50), "ms", bar);
        self.row(&format!("{name}: p99"), at(99), "ms", None);
    }
}
