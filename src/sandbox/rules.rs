//! System calls that are allowed only with certain arguments.
//!
//! A filter sees numbers, not what pointers point to: flags, families, requests and process ids can be judged, paths and
//! addresses cannot. Those are the business of [`files`](super::files).

use nix::libc::{self, c_int, c_long};

/// One comparison; of 32 bits, since the kernel looks at no more of any of these arguments.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Check {
    /// Which argument, from 0.
    pub(super) argument: u8,
    /// The bits that are compared.
    pub(super) mask: u32,
    /// What they must be.
    pub(super) value: u32,
}

/// A call, and the ways in which it may be made: all checks of one way must hold.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) call: c_long,
    pub(super) ways: Vec<Vec<Check>>,
}

/// `SOCK_NONBLOCK` and `SOCK_CLOEXEC` are above the type.
const SOCKET_TYPE: u32 = 0xf;
const WHOLE: u32 = u32::MAX;
/// `PR_SET_VMA` (linux/prctl.h): newer C libraries name the memory they take.
const PR_SET_VMA: c_int = 0x5356_4d41;

/// What a serial port is asked (asm-generic/ioctls.h): settings with and without a free choice of speed, control lines,
/// exclusive use, what is in its queues. Not among them: `TIOCSTI`, which types into a terminal.
const REQUESTS: [u32; 19] = [
    0x5401,      // TCGETS
    0x5402,      // TCSETS
    0x5403,      // TCSETSW
    0x5404,      // TCSETSF
    0x5409,      // TCSBRK
    0x540b,      // TCFLSH
    0x540c,      // TIOCEXCL
    0x540d,      // TIOCNXCL
    0x5411,      // TIOCOUTQ
    0x5415,      // TIOCMGET
    0x5416,      // TIOCMBIS
    0x5417,      // TIOCMBIC
    0x5418,      // TIOCMSET
    0x541b,      // FIONREAD
    0x5421,      // FIONBIO: how sockets are made not to wait
    0x802c_542a, // TCGETS2
    0x402c_542b, // TCSETS2
    0x402c_542c, // TCSETSW2
    0x402c_542d, // TCSETSF2
];

/// The rules for a process of this id.
pub(super) fn rules(process: u32) -> Vec<Rule> {
    vec![
        Rule { call: libc::SYS_socket, ways: sockets() },
        // Wakes tokio's signal driver.
        Rule { call: libc::SYS_socketpair, ways: vec![vec![is(0, libc::AF_UNIX)]] },
        Rule { call: libc::SYS_ioctl, ways: requests() },
        // New threads, never a new process.
        Rule { call: libc::SYS_clone, ways: vec![vec![bits(0, libc::CLONE_THREAD)]] },
        // Memory is for writing or for running code (a module of the name service, read from a file), not for both.
        Rule {
            call: libc::SYS_mmap,
            ways: vec![vec![without(2, libc::PROT_EXEC)], vec![without(2, libc::PROT_WRITE)]],
        },
        Rule { call: libc::SYS_mprotect, ways: vec![vec![without(2, libc::PROT_EXEC)]] },
        // A panic that cannot be caught ends the process by a signal to itself.
        Rule { call: libc::SYS_tgkill, ways: vec![vec![Check { argument: 0, mask: WHOLE, value: process }]] },
        Rule {
            call: libc::SYS_prctl,
            ways: [libc::PR_SET_NAME, libc::PR_GET_NAME, PR_SET_VMA].map(|option| vec![is(0, option)]).into(),
        },
        // How large stacks are and how many files may be open: to read, and of this process only.
        Rule { call: libc::SYS_prlimit64, ways: vec![vec![is(0, 0), is(2, 0)]] },
    ]
}

/// TCP and UDP, and sockets of this machine: the journal, systemd, name service daemons. Nothing raw, no packets, no
/// netlink: the C library's name look-ups do without.
fn sockets() -> Vec<Vec<Check>> {
    let kind = |kind: c_int| Check { argument: 1, mask: SOCKET_TYPE, value: kind.cast_unsigned() };
    let mut ways =
        vec![vec![is(0, libc::AF_UNIX), kind(libc::SOCK_STREAM)], vec![is(0, libc::AF_UNIX), kind(libc::SOCK_DGRAM)]];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (type_, protocol) in [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)] {
            // 0: the family's usual one.
            for protocol in [0, protocol] {
                ways.push(vec![is(0, family), kind(type_), is(2, protocol)]);
            }
        }
    }
    ways
}

fn requests() -> Vec<Vec<Check>> {
    REQUESTS.into_iter().map(|value| vec![Check { argument: 1, mask: WHOLE, value }]).collect()
}

const fn is(argument: u8, value: c_int) -> Check {
    Check { argument, mask: WHOLE, value: value.cast_unsigned() }
}

/// All of these bits are set.
const fn bits(argument: u8, bits: c_int) -> Check {
    Check { argument, mask: bits.cast_unsigned(), value: bits.cast_unsigned() }
}

/// None of these bits is set.
const fn without(argument: u8, bits: c_int) -> Check {
    Check { argument, mask: bits.cast_unsigned(), value: 0 }
}
