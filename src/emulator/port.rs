//! A pty that behaves like a modem's serial port (pty(7)): raw, and usable again after any user's end.
//!
//! Knows nothing of modems. A slave is held open all the time, for without one the master fails between two users; but
//! a held slave keeps the flag of exclusive use (`TIOCEXCL`) that a user set and did not clear before it died. So the
//! closing of the slave is watched with inotify, the flag taken off, and what nobody read thrown away, as a serial port
//! with nobody at it does.

use std::{
    io::{self, Read, Write},
    os::fd::AsRawFd,
};

use inotify::{EventMask, Inotify, WatchMask};
use nix::{
    fcntl::OFlag,
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::termios::{FlushArg, tcflush},
};
use tokio::io::unix::AsyncFd;
use tokio_serial::{ClearBuffer, SerialPort, SerialPortBuilderExt, SerialStream};

/// Room for some dozen events.
const EVENTS: usize = 1024;

/// The modem's side of a pty.
#[derive(Debug)]
pub(super) struct Port {
    master: AsyncFd<PtyMaster>,
    slave: SerialStream,
    watch: AsyncFd<Inotify>,
    name: String,
    users: usize,
}

/// What became ready.
#[derive(Debug)]
pub(super) enum Ready {
    /// That many bytes were read.
    Read(usize),
    /// There is room to write.
    Write,
    /// The last user has closed the port.
    Closed,
}

impl Port {
    /// A new pty.
    #[expect(deprecated, reason = "its successor is unsafe; both keep their descriptors, as that one demands")]
    pub(super) fn open() -> io::Result<Self> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname_r(&master)?;
        let slave = tokio_serial::new(&name, 115_200).exclusive(false).open_native_async()?;
        release(&slave)?;
        let watch = Inotify::init()?;
        watch.watches().add(&name, WatchMask::OPEN | WatchMask::CLOSE)?;
        Ok(Self { master: AsyncFd::new(master)?, slave, watch: AsyncFd::new(watch)?, name, users: 0 })
    }

    /// Its path.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Writes what there is room for; 0 if there is none.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.master.get_mut().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Waits for input, for room if `full`, or for the last user to go. Loses nothing if it is dropped.
    pub(super) async fn ready(&mut self, full: bool, buffer: &mut [u8]) -> io::Result<Ready> {
        loop {
            tokio::select! {
                // Users first: input read after this is of a user who is still there.
                biased;
                guard = self.watch.readable_mut() => {
                    let mut guard = guard?;
                    let users = self.users;
                    if let Ok(counted) = guard.try_io(|watch| count(watch.get_mut(), users)) {
                        let (users, closed) = counted?;
                        self.users = users;
                        if closed {
                            self.allow_all();
                            if users == 0 {
                                return Ok(Ready::Closed);
                            }
                        }
                    }
                }
                guard = self.master.readable() => {
                    if let Ok(count) = guard?.try_io(|master| master.get_ref().read(buffer)) {
                        return Ok(Ready::Read(count?));
                    }
                }
                guard = self.master.writable(), if full => {
                    let mut guard = guard?;
                    // Readiness is the edge of room; the next write finds out how much there is.
                    guard.clear_ready();
                    return Ok(Ready::Write);
                }
            }
        }
    }

    /// Throws away what nobody has read.
    pub(super) fn discard(&self) {
        // Neither fails on an open pty, and there would be nothing to do about it.
        let _ = tcflush(self.master.get_ref(), FlushArg::TCOFLUSH);
        let _ = self.slave.clear(ClearBuffer::Input);
    }

    fn allow_all(&mut self) {
        // Fails at its second half if another user holds the lock, when the first half, the flag, is done.
        let _ = self.slave.set_exclusive(false);
        let _ = release(&self.slave);
    }
}

/// Gives up the lock that comes with opening: users lock the port for themselves.
fn release(slave: &SerialStream) -> io::Result<()> {
    #[expect(deprecated, reason = "its successor locks files only")]
    nix::fcntl::flock(slave.as_raw_fd(), nix::fcntl::FlockArg::Unlock)?;
    Ok(())
}

/// Users after the events that wait, and whether one of them has closed.
fn count(watch: &mut Inotify, mut users: usize) -> io::Result<(usize, bool)> {
    let mut buffer = [0; EVENTS];
    let mut closed = false;
    for event in watch.read_events(&mut buffer)? {
        if event.mask.contains(EventMask::OPEN) {
            users += 1;
        } else if event.mask.intersects(EventMask::CLOSE_WRITE | EventMask::CLOSE_NOWRITE) {
            users = users.saturating_sub(1);
            closed = true;
        }
    }
    Ok((users, closed))
}
