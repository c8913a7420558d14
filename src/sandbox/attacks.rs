//! What somebody would try who has taken over the process: each attack once, harmlessly, with what came of it.
//!
//! An attack is repelled if the kernel says no (`EPERM`, `EACCES`). Any other error means that the kernel would have done
//! it with better arguments, and those are chosen so that it cannot.

use std::{
    backtrace::Backtrace,
    fs, io,
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket},
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use nix::{
    errno::Errno,
    mount::MsFlags,
    sched::CloneFlags,
    sys::{
        personality, ptrace,
        socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
        stat::{Mode, SFlag, makedev, mknod},
        uio::{RemoteIoVec, process_vm_readv},
    },
    unistd::{self, Pid},
};
use serde::{Deserialize, Serialize};

use super::Confined;

/// What is attacked: things outside of the sandbox that nobody minds being found open.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Targets {
    /// A file that is none of the daemon's.
    pub secret: PathBuf,
    /// A folder that is none of the daemon's.
    pub folder: PathBuf,
    /// A folder that is the daemon's own.
    pub own_folder: PathBuf,
    /// A TCP service that is none of the daemon's business.
    pub service: SocketAddr,
    /// A free TCP port that is not the daemon's.
    pub free_port: SocketAddr,
    /// Somebody else's process.
    pub process: i32,
}

/// What should come of an attack.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Expected {
    /// It is repelled.
    Refused,
    /// It is no attack, and succeeds.
    Allowed,
    /// This kernel's Landlock is too old to repel it.
    Unguarded,
}

/// What came of an attack.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outcome {
    /// What was tried.
    pub attack: String,
    /// What should come of it.
    pub expected: Expected,
    /// Whether it was repelled.
    pub repelled: bool,
    /// What the kernel said, or what the attack got.
    pub said: String,
}

impl Outcome {
    /// Whether it came as it should.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self.expected {
            Expected::Refused => self.repelled,
            Expected::Allowed => !self.repelled,
            Expected::Unguarded => true,
        }
    }
}

/// Which belt repels an attack.
#[derive(Clone, Copy)]
enum Belt {
    /// The list of system calls.
    Calls,
    /// Landlock from this version on.
    Landlock(i32),
}

type Attempt = fn(&Targets) -> io::Result<String>;

/// The last attack's name; should it succeed, this program is another one from then on and tells nobody.
pub const EXECUTE: &str = "execve: become another program";

const ATTACKS: [(&str, Belt, Attempt); 23] = [
    ("fork: start a program", Belt::Calls, start_program),
    ("ptrace: seize another process", Belt::Calls, seize),
    ("process_vm_readv: read another process's memory", Belt::Calls, read_memory),
    ("kill: signal another process", Belt::Calls, signal),
    ("socket: raw", Belt::Calls, |_| open_socket(AddressFamily::Inet, SockType::Raw, Some(SockProtocol::Raw))),
    ("socket: packets", Belt::Calls, |_| open_socket(AddressFamily::Packet, SockType::Raw, None)),
    ("socket: netlink", Belt::Calls, |_| open_socket(AddressFamily::Netlink, SockType::Raw, None)),
    ("socket: virtual machines", Belt::Calls, |_| open_socket(AddressFamily::Vsock, SockType::Stream, None)),
    ("mount", Belt::Calls, mount),
    ("unshare: a name space of its own", Belt::Calls, |_| told(nix::sched::unshare(CloneFlags::CLONE_FS), "unshared")),
    ("chroot", Belt::Calls, |_| told(unistd::chroot("/"), "done")),
    ("setuid", Belt::Calls, |_| told(unistd::setuid(unistd::getuid()), "done")),
    ("personality", Belt::Calls, |_| told(personality::get(), "told")),
    ("mknod: make a device", Belt::Calls, make_device),
    ("symlink: lead others astray", Belt::Calls, make_link),
    ("open: read a file outside", Belt::Landlock(1), |targets| {
        fs::read(&targets.secret).map(|octets| format!("{} octets", octets.len()))
    }),
    ("open: list a folder outside", Belt::Landlock(1), |targets| {
        fs::read_dir(&targets.folder).map(|entries| format!("{} entries", entries.count()))
    }),
    ("open: read another process's environment", Belt::Landlock(1), |targets| {
        fs::read(format!("/proc/{}/environ", targets.process)).map(|octets| format!("{} octets", octets.len()))
    }),
    ("open: write a file outside", Belt::Landlock(1), |targets| write(&targets.folder.join("smsgate-sandbox-test"))),
    ("open: write to /etc", Belt::Landlock(1), |_| write(Path::new("/etc/smsgate-sandbox-test"))),
    ("truncate: empty a file outside", Belt::Calls, |targets| {
        told(unistd::truncate(&targets.folder.join("truncated"), 0), "emptied")
    }),
    ("connect: to another TCP port", Belt::Landlock(4), |targets| {
        TcpStream::connect(targets.service).map(|_| "connected".to_owned())
    }),
    ("bind: listen on another TCP port", Belt::Landlock(4), |targets| {
        TcpListener::bind(targets.free_port).map(|_| "listening".to_owned())
    }),
];

/// What the daemon does only seldom, and what must not be refused with the rest: another error than a refusal is none.
const HARMLESS: [(&str, Attempt); 6] = [
    ("(no attack) a name that no host has", |_| {
        ("smsgate.invalid", 465).to_socket_addrs().map(|found| format!("{} addresses", found.count()))
    }),
    ("(no attack) a UDP socket", |_| UdpSocket::bind(("127.0.0.1", 0)).map(|_| "opened".to_owned())),
    ("(no attack) another thread", |_| {
        let thread = thread::Builder::new().name("harmless".to_owned()).spawn(|| ())?;
        thread.join().map(|()| "ended".to_owned()).map_err(|_| io::Error::other("it fell over"))
    }),
    ("(no attack) a lot of memory, given back", |_| {
        let octets = vec![1_u8; 64 << 20];
        Ok(format!("{} octets", octets.len()))
    }),
    ("(no attack) where in the program this is", |_| {
        let trace = Backtrace::force_capture().to_string();
        Ok(format!("{} lines", trace.lines().count()))
    }),
    ("(no attack) a new file in a folder of its own", |targets| {
        let (path, renamed) = (targets.own_folder.join("new"), targets.own_folder.join("newer"));
        fs::write(&path, "x")?;
        fs::rename(&path, &renamed)?;
        fs::remove_file(&renamed).map(|()| "written, renamed, removed".to_owned())
    }),
];

/// Tries everything, and writes a line of JSON for each outcome as soon as it is known.
///
/// # Errors
/// If the outcomes cannot be written.
pub fn attack(targets: &Targets, confined: &Confined, out: &mut impl Write) -> io::Result<()> {
    for (name, belt, attempt) in ATTACKS {
        let expected = match (belt, confined.landlock) {
            (Belt::Landlock(since), Some(version)) if version < since => Expected::Unguarded,
            (Belt::Calls | Belt::Landlock(_), _) => Expected::Refused,
        };
        report(name, expected, attempt(targets), out)?;
    }
    for (name, attempt) in HARMLESS {
        report(name, Expected::Allowed, attempt(targets), out)?;
    }
    report(EXECUTE, Expected::Refused, execute(), out)
}

fn report(attack: &str, expected: Expected, result: io::Result<String>, out: &mut impl Write) -> io::Result<()> {
    let (repelled, said) = match result {
        Ok(got) => (false, got),
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) => (matches!(errno, Errno::EPERM | Errno::EACCES), format!("{errno:?}")),
            None => (false, error.to_string()),
        },
    };
    let outcome = Outcome { attack: attack.to_owned(), expected, repelled, said };
    writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
    out.flush()
}

fn told<T>(result: nix::Result<T>, done: &str) -> io::Result<String> {
    Ok(result.map(|_| done.to_owned())?)
}

fn start_program(_: &Targets) -> io::Result<String> {
    Command::new(std::env::current_exe()?).arg("--version").output().map(|output| output.status.to_string())
}

fn execute() -> io::Result<String> {
    Err(Command::new(std::env::current_exe()?).arg("--version").exec())
}

fn seize(targets: &Targets) -> io::Result<String> {
    told(ptrace::seize(Pid::from_raw(targets.process), ptrace::Options::empty()), "seized")
}

fn read_memory(targets: &Targets) -> io::Result<String> {
    let mut octets = [0; 8];
    // Nothing is at address 1, so that the worst answer is another error.
    let there = [RemoteIoVec { base: 1, len: octets.len() }];
    let read = process_vm_readv(Pid::from_raw(targets.process), &mut [io::IoSliceMut::new(&mut octets)], &there)?;
    Ok(format!("{read} octets"))
}

fn signal(targets: &Targets) -> io::Result<String> {
    // Signal 0 only asks whether it could be sent.
    told(nix::sys::signal::kill(Pid::from_raw(targets.process), None), "could be sent")
}

fn open_socket(family: AddressFamily, kind: SockType, protocol: Option<SockProtocol>) -> io::Result<String> {
    told(socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol), "opened")
}

fn mount(targets: &Targets) -> io::Result<String> {
    let nothing = None::<&str>;
    let result = nix::mount::mount(nothing, &targets.own_folder, Some("no-such-kind"), MsFlags::empty(), nothing);
    told(result, "mounted")
}

fn make_device(targets: &Targets) -> io::Result<String> {
    let path = targets.own_folder.join("device");
    // Major and minor number of /dev/null.
    told(mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, 3)), "made")
}

fn make_link(targets: &Targets) -> io::Result<String> {
    symlink(&targets.secret, targets.own_folder.join("link")).map(|()| "made".to_owned())
}

fn write(path: &Path) -> io::Result<String> {
    fs::write(path, "x")?;
    fs::remove_file(path)?;
    Ok("written".to_owned())
}
