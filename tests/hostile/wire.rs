//! A wire between the daemon and a modem of the emulator: it notes every octet that the daemon sends, and lets somebody
//! else speak in the modem's place.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, symlink},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt},
    sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr},
};

pub struct Wire {
    heard: Arc<Mutex<Vec<u8>>>,
    daemons_end: Arc<PtyMaster>,
    cut: Arc<AtomicBool>,
    _held: File,
}

impl Wire {
    /// The name of the port that a slot has to have for this.
    pub fn port(root: &Path, modem: usize) -> String {
        root.join(format!("dev/wire-{modem:02}")).display().to_string()
    }

    /// Puts a wire in front of a modem.
    pub fn new(root: &Path, modem: usize) -> Self {
        let end = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let name = ptsname_r(&end).unwrap();
        // A pty forgets its settings with its last user. This one locks nobody out.
        let held = File::options().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&name).unwrap();
        let mut raw = tcgetattr(&held).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&held, SetArg::TCSANOW, &raw).unwrap();
        symlink(&name, Self::port(root, modem)).unwrap();
        let link = root.join(format!("dev/modem-{modem:02}"));
        super::rig::until("the modem's port", || link.exists());
        let device = fs::canonicalize(link).unwrap();
        let modems_end = File::options().read(true).write(true).open(device).unwrap();
        let wire = Self { heard: Arc::default(), daemons_end: Arc::new(end), cut: Arc::default(), _held: held };
        wire.carry_to_modem(modems_end.try_clone().unwrap());
        wire.carry_to_daemon(modems_end);
        wire
    }

    /// All that the daemon has sent.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    /// Speaks as the modem. What finds no room, while the daemon does not read, is lost; how much was said.
    pub fn say(&self, octets: &[u8]) -> usize {
        (&*self.daemons_end).write(octets).unwrap_or_default()
    }

    /// From now on nothing the modem says itself gets through; or again all.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    fn carry_to_modem(&self, mut modem: File) {
        let (end, heard) = (Arc::clone(&self.daemons_end), Arc::clone(&self.heard));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match (&*end).read(&mut buffer) {
                    Ok(count) => {
                        heard.lock().unwrap().extend(&buffer[..count]);
                        if modem.write_all(&buffer[..count]).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                    Err(_) => return,
                }
            }
        });
    }

    fn carry_to_daemon(&self, mut modem: File) {
        let (end, cut) = (Arc::clone(&self.daemons_end), Arc::clone(&self.cut));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = modem.read(&mut buffer) {
                let mut left = if cut.load(Ordering::Relaxed) { &[][..] } else { &buffer[..count] };
                while !left.is_empty() {
                    match (&*end).write(left) {
                        Ok(count) => left = &left[count..],
                        Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                        Err(_) => return,
                    }
                }
            }
        });
    }
}
