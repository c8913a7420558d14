//! The report: a table for each pool as Markdown, every run as CSV, and where a peer is better than we are.

use std::collections::BTreeMap;

use super::{
    cell::{Cell, Outcome},
    figure::Figure,
};

/// What one run of one gateway on one pool found in one figure.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which pool, as the headings have it.
    pub pool: String,
    /// Which column; the first of all is ours.
    pub column: usize,
    pub run: usize,
    pub figure: Figure,
    pub outcome: Outcome,
}

/// All findings, and what the columns are called.
#[derive(Debug)]
pub struct Table {
    columns: Vec<String>,
    findings: Vec<Finding>,
}

impl Table {
    pub fn new(columns: Vec<String>) -> Self {
        Self { columns, findings: Vec::new() }
    }

    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The pools in the order in which they came.
    pub fn pools(&self) -> Vec<&str> {
        let mut pools: Vec<&str> = Vec::new();
        for finding in &self.findings {
            if !pools.contains(&finding.pool.as_str()) {
                pools.push(&finding.pool);
            }
        }
        pools
    }

    /// A table of one pool.
    pub fn markdown(&self, pool: &str) -> String {
        let cells = self.cells(pool);
        let mut text = format!("| {pool} | {} |\n|---|", self.columns.join(" | "));
        text.push_str(&"---:|".repeat(self.columns.len()));
        text.push('\n');
        for figure in Figure::ALL {
            if !cells.keys().any(|(known, _)| *known == figure) {
                continue;
            }
            text.push_str(&format!("| {} [{}] |", figure.name(), figure.unit()));
            for column in 0..self.columns.len() {
                let ours = cells.get(&(figure, 0)).filter(|_| column > 0);
                let cell = cells.get(&(figure, column)).map(|cell| cell.text(figure, ours));
                text.push_str(&format!(" {} |", cell.unwrap_or_default()));
            }
            text.push('\n');
        }
        text
    }

    /// A line for each cell in which another column is better than the first.
    pub fn worse(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for pool in self.pools() {
            let cells = self.cells(pool);
            for ((figure, column), cell) in &cells {
                let Some(ours) = cells.get(&(*figure, 0)).filter(|_| *column > 0) else { continue };
                if cell.beats(*figure, ours) {
                    let names = (figure.name(), figure.unit(), &self.columns[*column], &self.columns[0]);
                    let (theirs, ours) = (cell.text(*figure, Some(ours)), ours.text(*figure, None));
                    lines.push(format!("{pool}: {} [{}]: {} {theirs}, {} {ours}", names.0, names.1, names.2, names.3));
                }
            }
        }
        lines
    }

    /// Every run.
    pub fn csv(&self) -> String {
        let mut text = "pool,gateway,run,figure,unit,value,remark\n".to_owned();
        for Finding { pool, column, run, figure, outcome } in &self.findings {
            let value = outcome.value().map(|value| value.to_string()).unwrap_or_default();
            let remark = outcome.remark().unwrap_or_default();
            let words = [pool, &self.columns[*column], &run.to_string(), figure.name(), figure.unit(), &value, remark];
            text.push_str(&words.map(quoted).join(","));
            text.push('\n');
        }
        text
    }

    fn cells(&self, pool: &str) -> BTreeMap<(Figure, usize), Cell> {
        let mut outcomes: BTreeMap<_, Vec<Outcome>> = BTreeMap::new();
        for finding in self.findings.iter().filter(|finding| finding.pool == pool) {
            outcomes.entry((finding.figure, finding.column)).or_default().push(finding.outcome.clone());
        }
        outcomes.into_iter().map(|(place, outcomes)| (place, Cell::of(&outcomes))).collect()
    }
}

/// A field of RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec!["ours".to_owned(), "peer, tuned".to_owned()]);
        let mut add = |column, run, figure, outcome| {
            table.add(Finding { pool: "4 modems".to_owned(), column, run, figure, outcome });
        };
        for (run, seconds) in [1.0, 3.0, 2.0].into_iter().enumerate() {
            add(0, run, Figure::Start, Outcome::Value(seconds));
            add(1, run, Figure::Start, Outcome::Value(seconds * 10.0));
        }
        add(0, 0, Figure::IdleMemory, Outcome::Value(16.0));
        add(1, 0, Figure::IdleMemory, Outcome::Value(4.0));
        add(1, 0, Figure::InRate, Outcome::Unable("no \"devices\", none".to_owned()));
        table
    }

    #[test]
    fn a_table_has_medians_and_ratios() {
        let text = table().markdown("4 modems");
        assert!(text.starts_with("| 4 modems | ours | peer, tuned |\n|---|---:|---:|\n"), "{text}");
        assert!(text.contains("| start to ready [s] | 2.00 | 20.0 (×10.0) |\n"), "{text}");
        assert!(text.contains("| idle, memory (PSS) [MiB] | 16.0 | **4.00 (×0.25)** |\n"), "{text}");
        assert!(text.contains("| burst in, rate [SMS/s] |  | –; no \"devices\", none |\n"), "{text}");
        assert!(!text.contains("burst out"), "{text}");
    }

    #[test]
    fn where_a_peer_is_better_is_said() {
        let lines = table().worse();
        assert_eq!(lines, ["4 modems: idle, memory (PSS) [MiB]: peer, tuned **4.00 (×0.25)**, ours 16.0"]);
    }

    #[test]
    fn csv_has_every_run_and_quotes_what_needs_it() {
        let csv = table().csv();
        assert_eq!(csv.lines().count(), 1 + 9);
        assert!(csv.contains("4 modems,ours,1,start to ready,s,3,\n"), "{csv}");
        assert!(csv.contains(",\"peer, tuned\",0,\"burst in, rate\",SMS/s,,\"no \"\"devices\"\", none\"\n"), "{csv}");
    }
}
