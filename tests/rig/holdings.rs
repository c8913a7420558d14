//! What a process holds of the machine and has used of it, as Linux tells it in /proc.

use std::{fs, io::ErrorKind};

/// Of a second, in which /proc counts processor time; the same on all of Linux's platforms that we run on.
const TICKS: f64 = 100.0;

/// Resident memory of a process, in KiB.
pub fn resident(pid: u32) -> u64 {
    labelled(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap(), "VmRSS:").unwrap()
}

/// Most memory of a process that ever was resident, in KiB.
pub fn peak(pid: u32) -> u64 {
    labelled(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap(), "VmHWM:").unwrap()
}

/// Open descriptors of a process; none for who is not root, to whom the daemon does not show them.
pub fn descriptors(pid: u32) -> usize {
    match fs::read_dir(format!("/proc/{pid}/fd")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => 0,
        listed => listed.unwrap().count(),
    }
}

/// Threads of a process.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

/// Memory with its share of what others use too, in KiB; none if the process has ended.
pub fn proportional(pid: u32) -> Option<u64> {
    labelled(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:")
}

/// Octets it caused to be written to disks.
pub fn written(pid: u32) -> Option<u64> {
    labelled(&fs::read_to_string(format!("/proc/{pid}/io")).ok()?, "write_bytes:")
}

/// Processor time used so far, in seconds.
pub fn processor_time(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have spaces and brackets in it.
    let after_name: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| after_name.get(field)?.parse::<u32>().ok().map(f64::from);
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

fn labelled(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}
