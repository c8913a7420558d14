//! Cores and processor time.

use std::time::Duration;

use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

/// Keeps this process and what it starts from now on to one core.
pub fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core).unwrap();
    // Clients and the daemon have a core each.
    sched_setaffinity(Pid::from_raw(0), &cores).unwrap();
}

/// User and system time of a process so far.
pub fn time_of(pid: u32) -> Duration {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).unwrap())).unwrap();
    clock_gettime(clock).unwrap().into()
}
