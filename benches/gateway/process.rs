//! What the kernel knows of a process, from `/proc` (proc(5)).

use std::{collections::BTreeMap, ffi::OsString, fs, time::Duration};

/// Ticks of a second in /proc, on every Linux since 2.6.
const USER_HZ: u64 = 100;

/// A figure of `/proc/PID/FILE` in MiB.
pub(super) fn memory(pid: u32, file: &str, name: &str) -> f64 {
    figure(&format!("/proc/{pid}/{file}"), name) as f64 / 1024.0
}

pub(super) fn threads(pid: u32) -> u64 {
    figure(&format!("/proc/{pid}/status"), "Threads:")
}

/// User and system time so far.
pub(super) fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold blanks; state is the first field after it, utime and stime the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / USER_HZ)
}

/// How often each of its threads has gone to sleep so far, and so was woken. Those that serve reads come and go.
pub(super) struct Sleeps(BTreeMap<OsString, u64>);

impl Sleeps {
    pub(super) fn of(pid: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(Result::unwrap);
        let count = |thread: &fs::DirEntry| {
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            Some((thread.file_name(), figure_in(&status, "voluntary_ctxt_switches:")))
        };
        Self(threads.filter_map(|thread| count(&thread)).collect())
    }

    /// Of the threads that are there now.
    pub(super) fn since(&self, before: &Self) -> u64 {
        self.0.iter().map(|(thread, count)| count - before.0.get(thread).unwrap_or(&0)).sum()
    }
}

fn figure(path: &str, name: &str) -> u64 {
    figure_in(&fs::read_to_string(path).unwrap(), name)
}

fn figure_in(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
