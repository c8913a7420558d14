//! Cores and processor time.

use std::{fs, time::Duration};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

/// Ticks of a second in /proc, on every Linux since 2.6.
const USER_HZ: u64 = 100;

/// Keeps this process and what it starts from now on to one core.
pub fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &cores).expect("a core of its own for clients, and one for the daemon");
}

/// User and system time of a process so far.
pub fn time_of(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in parentheses may hold blanks; state is the first field after it, utime and stime the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / USER_HZ)
}
