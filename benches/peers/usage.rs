//! What processes have used so far, as the kernel tells it (proc_pid_stat(5), proc_pid_io(5), smaps_rollup): a gateway's
//! processes and all that they started, also those that are gone.
//!
//! `write_bytes` counts pages when they get dirty: not the file system's own journal and tables, and a page that is
//! written twice before it goes to the disk counts once; a file that is deleted before that counts although it never went.

use std::{collections::BTreeMap, fs, time::Duration};

/// Ticks of a second in /proc, on every Linux since 2.6.
const USER_HZ: u64 = 100;

/// Used by a tree of processes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// User and system time.
    pub processor: Duration,
    pub written: u64,
}

impl Usage {
    /// Of these processes and their descendants, so far.
    pub fn of(roots: &[u32]) -> Self {
        let mut sum = Self::default();
        for pid in tree(roots) {
            let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            sum.processor += processor_time(&read("stat")).unwrap_or_default();
            sum.written += written_bytes(&read("io")).unwrap_or_default();
        }
        sum
    }

    /// Since then.
    pub fn since(&self, then: &Self) -> Self {
        Self {
            processor: self.processor.saturating_sub(then.processor),
            written: self.written.saturating_sub(then.written),
        }
    }
}

/// Proportional set size of these processes and their descendants, in bytes.
pub fn memory(roots: &[u32]) -> u64 {
    let rollup = |pid: u32| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    tree(roots).into_iter().filter_map(|pid| proportional_set_size(&rollup(pid))).sum()
}

/// These processes and their descendants.
pub fn tree(roots: &[u32]) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    descendants(roots, &children)
}

fn descendants(roots: &[u32], children: &BTreeMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let fresh: Vec<u32> = children.get(pid).into_iter().flatten().copied().collect();
        found.extend(fresh.into_iter().filter(|pid| !roots.contains(pid)));
        next += 1;
    }
    found
}

/// The fields after the name: that may hold blanks and parentheses. The first is the state, field 3 in the manual page.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(") ")?.1.split_whitespace().collect())
}

fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.get(1)?.parse().ok()
}

/// `utime`, `stime`, and those of children that have been waited for.
fn processor_time(stat: &str) -> Option<Duration> {
    let fields = fields(stat)?;
    let ticks: Vec<u64> = fields.get(11..15)?.iter().filter_map(|field| field.parse().ok()).collect();
    (ticks.len() == 4).then(|| Duration::from_millis(ticks.iter().sum::<u64>() * 1000 / USER_HZ))
}

fn written_bytes(io: &str) -> Option<u64> {
    io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}

fn proportional_set_size(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "4711 (gammu (smsd) x) S 42 4711 4711 0 -1 4194560 1234 99 0 0 150 50 7 3 20 0 1 0 123456 1000 200";

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        assert_eq!(parent(STAT), Some(42));
        assert_eq!(processor_time(STAT), Some(Duration::from_millis(2100)));
        for broken in ["", "1 (x)", "1 (x) S 2 3", "1 (x) S a b c d e f g h i j k l m n o p"] {
            assert_eq!(processor_time(broken), None, "{broken}");
        }
    }

    #[test]
    fn written_bytes_are_those_of_the_storage() {
        let io =
            "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 409600\ncancelled_write_bytes: 6\n";
        assert_eq!(written_bytes(io), Some(409_600));
        assert_eq!(written_bytes("cancelled_write_bytes: 6\n"), None);
    }

    #[test]
    fn shared_pages_count_by_share() {
        let rollup = "55-7f ---p 00000000 00:00 0 [rollup]\nRss:  9000 kB\nPss:    4321 kB\nPss_Dirty: 17 kB\n";
        assert_eq!(proportional_set_size(rollup), Some(4321 * 1024));
        assert_eq!(proportional_set_size(""), None);
    }

    #[test]
    fn children_of_children_count_and_each_once() {
        let children = BTreeMap::from([(1, vec![2, 3]), (3, vec![4]), (9, vec![10])]);
        assert_eq!(descendants(&[1], &children), [1, 2, 3, 4]);
        assert_eq!(descendants(&[1, 3], &children), [1, 3, 2, 4]);
    }

    #[test]
    fn this_process_uses_something() {
        let pid = std::process::id();
        assert!(tree(&[pid]).contains(&pid));
        assert!(memory(&[pid]) > 0);
    }
}
