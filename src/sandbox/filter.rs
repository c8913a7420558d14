//! The filter of system calls: made from the lists, and put before every thread (seccomp(2), BPF).
//!
//! What is refused gets `EPERM`, so that a surprise is an error in a log and not the end of the gateway. Calls of another
//! processor mode (32-bit calls on a 64-bit machine) end the process: nothing of ours makes them.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

use super::{
    calls,
    rules::{Check, rules},
};

/// What becomes of a call that is not in the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Refuse,
    /// Let through, and noted in the kernel's audit log.
    Log,
}

/// Puts the filter before all threads of this process, for good; how many calls are allowed.
pub(super) fn install(verdict: Verdict) -> Result<usize, seccompiler::Error> {
    let programs = programs(verdict, std::process::id())?;
    for program in &programs {
        apply_filter_all_threads(program)?;
    }
    Ok(calls::allowed().count() + rules(0).len())
}

/// The filters, in the order in which they are installed. The kernel asks all of them and obeys the strictest.
fn programs(verdict: Verdict, process: u32) -> Result<Vec<BpfProgram>, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let young: Vec<c_long> = calls::YOUNG.into_iter().chain(calls::FUTURE).collect();
    let refused = match verdict {
        Verdict::Refuse => SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        Verdict::Log => SeccompAction::Log,
    };
    let mut list: BTreeMap<i64, Vec<SeccompRule>> = calls::allowed().map(|(_, call)| (call, Vec::new())).collect();
    for rule in rules(process) {
        let ways: Result<Vec<_>, _> = rule.ways.iter().map(|way| conditions(way)).collect();
        list.insert(rule.call, ways?);
    }
    let mut filters = Vec::new();
    if verdict == Verdict::Refuse {
        // The first filter has the word on these: the second one lets them pass.
        list.extend(young.iter().map(|call| (*call, Vec::new())));
        let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let young = young.into_iter().map(|call| (call, Vec::new())).collect();
        filters.push(SeccompFilter::new(young, SeccompAction::Allow, absent, architecture)?);
    }
    filters.push(SeccompFilter::new(list, refused, SeccompAction::Allow, architecture)?);
    filters.into_iter().map(BpfProgram::try_from).collect()
}

fn conditions(way: &[Check]) -> Result<SeccompRule, BackendError> {
    let conditions = way.iter().map(|check| {
        let operator = SeccompCmpOp::MaskedEq(check.mask.into());
        SeccompCondition::new(check.argument, SeccompCmpArgLen::Dword, operator, check.value.into())
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN_PROCESS: u32 = 4711;
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    /// `struct seccomp_data` (linux/seccomp.h) as 32-bit words.
    fn data(call: c_long, arguments: &[u64]) -> [u32; 16] {
        let architecture = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        let mut words = [0; 16];
        (words[0], words[1]) = (u32::try_from(call).unwrap(), architecture);
        for (index, argument) in arguments.iter().enumerate() {
            (words[4 + 2 * index], words[5 + 2 * index]) = (*argument as u32, (argument >> 32) as u32);
        }
        words
    }

    /// Runs a program as the kernel would (linux/bpf_common.h), for the instructions that occur in these.
    fn evaluate(program: &BpfProgram, data: &[u32; 16]) -> u32 {
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = &program[at];
            let jump = |holds| usize::from(if holds { instruction.jt } else { instruction.jf });
            at += 1;
            match instruction.code {
                0x20 => accumulator = data[instruction.k as usize / 4],
                0x54 => accumulator &= instruction.k,
                0x05 => at += instruction.k as usize,
                0x15 => at += jump(accumulator == instruction.k),
                0x25 => at += jump(accumulator > instruction.k),
                0x35 => at += jump(accumulator >= instruction.k),
                0x06 => return instruction.k,
                code => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    /// What all filters together say: none of ours is both an errno and overruled by another errno.
    fn verdict(verdict: Verdict, call: c_long, arguments: &[u64]) -> u32 {
        let data = data(call, arguments);
        let programs = programs(verdict, OWN_PROCESS).unwrap();
        assert!(programs.iter().all(|program| program.len() < 4096));
        programs.iter().map(|program| evaluate(program, &data)).min().unwrap()
    }

    #[test]
    fn calls_are_judged_by_their_arguments() {
        let stream = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u64;
        let datagram = libc::SOCK_DGRAM as u64;
        let (unix, inet, inet6) = (libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64);
        let thread = 0x003d_0f00; // what glibc starts threads with
        let (read, write, exec) = (libc::PROT_READ as u64, libc::PROT_WRITE as u64, libc::PROT_EXEC as u64);
        for (call, arguments, expected, what) in [
            (libc::SYS_read, &[0; 6][..], ALLOW, "read"),
            (libc::SYS_socket, &[inet, stream, 0], ALLOW, "TCP"),
            (libc::SYS_socket, &[inet6, datagram, 17], ALLOW, "UDP"),
            (libc::SYS_socket, &[unix, datagram, 0], ALLOW, "the journal"),
            (libc::SYS_socket, &[inet, 3, 1], EPERM, "raw"),
            (libc::SYS_socket, &[inet, datagram, 1], EPERM, "ping"),
            (libc::SYS_socket, &[inet, stream, 132], EPERM, "SCTP"),
            (libc::SYS_socket, &[17, 3, 0], EPERM, "packets"),
            (libc::SYS_socket, &[16, 3, 0], EPERM, "netlink"),
            (libc::SYS_socket, &[38, 5, 0], EPERM, "the kernel's ciphers"),
            (libc::SYS_socketpair, &[unix, stream, 0], ALLOW, "a pair"),
            (libc::SYS_socketpair, &[30, stream, 0], EPERM, "a pair of another family"),
            (libc::SYS_clone, &[thread], ALLOW, "a thread"),
            (libc::SYS_clone, &[17], EPERM, "fork"),
            (libc::SYS_clone, &[0x4111], EPERM, "vfork"),
            (libc::SYS_clone3, &[0], ENOSYS, "clone3, so that libc takes clone"),
            (libc::SYS_mmap, &[0, 4096, read | write], ALLOW, "memory"),
            (libc::SYS_mmap, &[0, 4096, read | exec], ALLOW, "a library"),
            (libc::SYS_mmap, &[0, 4096, read | write | exec], EPERM, "code to be written"),
            (libc::SYS_mprotect, &[0, 4096, read], ALLOW, "read-only"),
            (libc::SYS_mprotect, &[0, 4096, read | exec], EPERM, "data to be code"),
            (libc::SYS_ioctl, &[3, 0x802c_542a], ALLOW, "TCGETS2"),
            (libc::SYS_ioctl, &[3, 0x541b], ALLOW, "FIONREAD"),
            (libc::SYS_ioctl, &[3, 0x5412], EPERM, "TIOCSTI"),
            (libc::SYS_ioctl, &[3, 0x5413], EPERM, "TIOCGWINSZ"),
            (libc::SYS_tgkill, &[u64::from(OWN_PROCESS), 1, 6], ALLOW, "abort"),
            (libc::SYS_tgkill, &[1, 1, 9], EPERM, "another process's thread"),
            (libc::SYS_prctl, &[15], ALLOW, "a thread's name"),
            (libc::SYS_prctl, &[4, 1], EPERM, "PR_SET_DUMPABLE"),
            (libc::SYS_prlimit64, &[0, 3, 0, 1], ALLOW, "the stack's limit"),
            (libc::SYS_prlimit64, &[0, 3, 1, 0], EPERM, "a new limit"),
            (libc::SYS_prlimit64, &[1, 3, 0, 1], EPERM, "another process's limits"),
            (599, &[], ENOSYS, "a call of the future"),
        ] {
            assert_eq!(verdict(Verdict::Refuse, call, arguments), expected, "{what}");
        }
    }

    #[test]
    fn what_a_gateway_has_no_business_doing_is_refused() {
        for (call, name) in [
            (libc::SYS_execve, "execve"),
            (libc::SYS_execveat, "execveat"),
            (libc::SYS_ptrace, "ptrace"),
            (libc::SYS_process_vm_readv, "process_vm_readv"),
            (libc::SYS_process_vm_writev, "process_vm_writev"),
            (libc::SYS_kill, "kill"),
            (libc::SYS_tkill, "tkill"),
            (libc::SYS_rt_sigqueueinfo, "rt_sigqueueinfo"),
            (libc::SYS_pidfd_open, "pidfd_open"),
            (libc::SYS_mount, "mount"),
            (libc::SYS_umount2, "umount2"),
            (libc::SYS_pivot_root, "pivot_root"),
            (libc::SYS_chroot, "chroot"),
            (libc::SYS_unshare, "unshare"),
            (libc::SYS_setns, "setns"),
            (libc::SYS_bpf, "bpf"),
            (libc::SYS_perf_event_open, "perf_event_open"),
            (libc::SYS_keyctl, "keyctl"),
            (libc::SYS_add_key, "add_key"),
            (libc::SYS_io_uring_setup, "io_uring_setup"),
            (libc::SYS_userfaultfd, "userfaultfd"),
            (libc::SYS_setuid, "setuid"),
            (libc::SYS_setresuid, "setresuid"),
            (libc::SYS_setgroups, "setgroups"),
            (libc::SYS_capset, "capset"),
            (libc::SYS_init_module, "init_module"),
            (libc::SYS_finit_module, "finit_module"),
            (libc::SYS_kexec_load, "kexec_load"),
            (libc::SYS_reboot, "reboot"),
            (libc::SYS_personality, "personality"),
            (libc::SYS_mknodat, "mknodat"),
            (libc::SYS_symlinkat, "symlinkat"),
            (libc::SYS_linkat, "linkat"),
            (libc::SYS_settimeofday, "settimeofday"),
            (libc::SYS_clock_settime, "clock_settime"),
            (libc::SYS_sethostname, "sethostname"),
            (libc::SYS_syslog, "syslog"),
            (libc::SYS_seccomp, "seccomp"),
            (libc::SYS_open_by_handle_at, "open_by_handle_at"),
        ] {
            assert_eq!(verdict(Verdict::Refuse, call, &[]), EPERM, "{name}");
            assert_eq!(verdict(Verdict::Log, call, &[]), libc::SECCOMP_RET_LOG, "{name} in the other mode");
        }
    }

    #[test]
    fn calls_of_another_mode_of_the_processor_end_the_process() {
        let mut data = data(libc::SYS_read, &[]);
        data[1] = 0x4000_0003; // i386
        for program in programs(Verdict::Refuse, OWN_PROCESS).unwrap() {
            assert_eq!(evaluate(&program, &data), libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
}
