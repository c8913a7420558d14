//! `result.txt` as an operator reads it.

use std::collections::BTreeMap;

use crate::{disk::Disk, machine::Machine};

pub struct Told(pub String);

impl Told {
    /// What the box has written of the operator's files, before it looks at anything else.
    #[track_caller]
    pub fn of_files(machine: &mut Machine, disk: &Disk) -> Self {
        machine.until("the files are applied", |machine| {
            machine.run("systemctl is-active smsgate-provision").text.trim() == "active"
        });
        Self(disk.read_text("result.txt"))
    }

    /// What the box has written when it has looked at everything.
    #[track_caller]
    pub fn by(machine: &mut Machine, disk: &Disk) -> Self {
        machine.until("the report is written", |machine| {
            let ended = machine.run("systemctl show -p ExecMainExitTimestampMonotonic --value smsgate-report");
            !["", "0"].contains(&ended.text.trim())
        });
        Self(disk.read_text("result.txt"))
    }

    /// Tokens by what they open.
    pub fn tokens(&self) -> BTreeMap<String, String> {
        let lines = self.0.lines().skip_while(|line| !line.starts_with("Tokens")).skip(2);
        let lines = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(opens, token)| (opens.trim().into(), token.into()))
            .collect()
    }

    /// What stands behind a word at the start of a line.
    #[track_caller]
    pub fn value(&self, word: &str) -> &str {
        let found = self.0.lines().find_map(|line| line.strip_prefix(word)).map(str::trim);
        found.unwrap_or_else(|| panic!("no {word} in\n{}", self.0))
    }

    #[track_caller]
    pub fn has(&self, text: &str) {
        assert!(self.0.contains(text), "{text:?} is missing in\n{}", self.0);
    }

    #[track_caller]
    pub fn has_not(&self, text: &str) {
        assert!(!self.0.contains(text), "{text:?} stands in\n{}", self.0);
    }
}
