//! The system calls the daemon makes, each with what it is for: the allow-list (seccomp(2)).
//!
//! Found by tracing the daemon through its end-to-end tests, and by reading what the C library, SQLite and the serial
//! library do on their rarer paths and in other versions. What is not here is refused. Calls that are allowed only with
//! certain arguments are in [`rules`](super::rules).

use nix::libc::{self, c_long};

/// Calls that are allowed whatever their arguments, for one purpose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// What the daemon needs them for.
    #[cfg_attr(not(test), expect(dead_code, reason = "people read it, and a test that none is empty"))]
    pub(super) reason: &'static str,
    pub(super) calls: &'static [(&'static str, c_long)],
}

macro_rules! group {
    ($reason:literal: $($call:ident)*) => {
        Group { reason: $reason, calls: &[$((stringify!($call), libc::$call)),*] }
    };
}

/// On every processor.
pub(super) const COMMON: &[Group] = &[
    group!("ports, sockets, files: octets in and out":
        SYS_read SYS_write SYS_readv SYS_writev SYS_close SYS_lseek),
    group!("database: pages, locks, durability":
        SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_fsync SYS_fdatasync SYS_ftruncate SYS_fallocate SYS_flock
        SYS_mremap SYS_msync),
    group!("database as root: its side files get the owner of the database": SYS_fchown),
    group!("files: open, look, list":
        SYS_openat SYS_fstat SYS_newfstatat SYS_statx SYS_faccessat SYS_faccessat2 SYS_readlinkat SYS_getdents64
        SYS_getcwd),
    group!("files: how full the disk is": SYS_statfs SYS_fstatfs),
    group!("hint file, damaged database, control socket: put in place, remove, protect":
        SYS_renameat2 SYS_unlinkat SYS_mkdirat SYS_fchmod SYS_fchmodat SYS_umask),
    group!("file descriptors: locks and flags, copies": SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_eventfd2),
    group!("waiting for events": SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_ppoll SYS_pselect6),
    group!("devices that come and go": SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch),
    group!("sockets, once there is one of a kind that is allowed":
        SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_shutdown SYS_getsockname SYS_getpeername
        SYS_getsockopt SYS_setsockopt SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg),
    group!("name look-ups send both questions at once": SYS_sendmmsg SYS_recvmmsg),
    group!("journal: an entry too long for a datagram is handed over as a file": SYS_memfd_create),
    group!("memory": SYS_brk SYS_munmap SYS_madvise SYS_membarrier SYS_mlock SYS_munlock),
    group!("threads: wait, wake, be known":
        SYS_futex SYS_set_robust_list SYS_get_robust_list SYS_rseq SYS_set_tid_address SYS_gettid SYS_sched_yield
        SYS_sched_getaffinity SYS_getcpu SYS_exit),
    group!("signals: handlers, and the stack on which an overflow is told":
        SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigtimedwait SYS_sigaltstack SYS_restart_syscall),
    group!("time": SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday),
    group!("randomness": SYS_getrandom),
    group!("who am I, and on what":
        SYS_getpid SYS_getppid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_uname SYS_sysinfo SYS_getrusage
        SYS_times),
    group!("the end": SYS_exit_group),
];

/// Calls that processors with a longer past still have; newer ones do the same by those in [`COMMON`].
#[cfg(target_arch = "x86_64")]
pub(super) const OWN: &[Group] = &[
    group!("files: open, look, list": SYS_open SYS_stat SYS_lstat SYS_access SYS_readlink SYS_getdents),
    group!("hint file, damaged database, control socket: put in place, remove, protect":
        SYS_rename SYS_renameat SYS_unlink SYS_mkdir SYS_chmod),
    group!("file descriptors": SYS_dup2 SYS_pipe),
    group!("waiting for events": SYS_poll SYS_select SYS_epoll_wait),
    group!("time": SYS_time),
    group!("threads: where their own variables are": SYS_arch_prctl),
];

#[cfg(target_arch = "aarch64")]
pub(super) const OWN: &[Group] = &[
    // asm-generic/unistd.h; the libc crate has no name for it here.
    Group { reason: "hint file, damaged database: put in place", calls: &[("SYS_renameat", 38)] },
];

/// Younger calls that the C library tries first; told that the kernel does not have them, it takes the older ones, whose
/// arguments a filter can see (`clone3` hands over a pointer) or which are in the list above.
pub(super) const YOUNG: [c_long; 3] = [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_close_range];

/// Calls from `cachestat` (Linux 6.5) on, the same numbers on all processors: whatever they will be, a library that tries
/// one is to find an old kernel, not a refusal it cannot make sense of.
pub(super) const FUTURE: core::ops::Range<c_long> = 451..600;

/// Every call that is allowed whatever its arguments.
pub(super) fn allowed() -> impl Iterator<Item = (&'static str, c_long)> {
    COMMON.iter().chain(OWN).flat_map(|group| group.calls.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_has_a_reason_and_stands_once() {
        let mut seen = BTreeSet::new();
        for (name, number) in allowed() {
            assert!(seen.insert(number), "{name} stands twice");
            assert!(!YOUNG.contains(&number) && !FUTURE.contains(&number), "{name} is both allowed and denied");
        }
        assert!(COMMON.iter().chain(OWN).all(|group| group.reason.len() > 3 && !group.calls.is_empty()));
    }
}
