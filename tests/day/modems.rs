//! Eight virtual modems in a network, and a device folder in which they come and go under changing names.
//!
//! A device is a file of the name under which the modem is plugged; opening it leads to the modem. Names, links and
//! inotify are the real ones, the line behind the name is memory, so that no octet is ever under way unseen. What the
//! daemon does to a modem (opening its port, starting it anew) is written down.

use std::{
    collections::BTreeSet,
    fs, io, iter,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use smsgate::{
    emulator::{Conditions, Entry, Fault, Happening, Injection, Modem, Network, Personality, Shared, Truth, World},
    modem::{Opener, Stream},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The models, one a slot.
pub const MODELS: [&str; 8] =
    ["quectel-m35", "sim7600e", "zte-mf190", "huawei-e3131", "quectel-ec25", "generic", "quectel-m35", "sim7600e"];

/// What the daemon did to a modem that is more than to talk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Its port was opened.
    Opened,
    /// `AT+CFUN=1,1`.
    Reset,
    /// Its USB device was taken off the bus.
    Deauthorised,
}

/// A deed, when, and to which modem.
#[derive(Clone, Copy, Debug)]
pub struct Contact {
    pub at: Duration,
    pub modem: usize,
    pub deed: Deed,
}

/// The modems, the network and the device folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Shared,
    /// Holds the devices and what sysfs shows of them.
    folder: PathBuf,
    contacts: Arc<Mutex<Vec<Contact>>>,
    /// Whose USB device was taken off the bus.
    off: Arc<Mutex<BTreeSet<usize>>>,
}

/// How often sysfs is looked at: a modem is off for two seconds at least.
const SYSFS_ROUND: Duration = Duration::from_secs(1);

impl Pool {
    /// Modems under the names `ttyUSB0` and so on in `folder/dev`. Needs a runtime.
    pub fn new(folder: &Path, epoch: jiff::Timestamp, seed: u64) -> Self {
        let mut world = World::new(Network::new(epoch, seed));
        for (serial, model) in (0..).zip(MODELS) {
            let personality = Personality::named(model).expect("a model of that name");
            world.add(Modem::new(personality, &format!("+4917000000{serial:02}"), serial));
        }
        let (shared, folder) = (Shared::new(world), folder.to_owned());
        let pool = Self { shared, folder, contacts: Arc::default(), off: Arc::default() };
        for folder in [pool.device_folder(), pool.sysfs().join("class/tty")] {
            fs::create_dir_all(folder).unwrap();
        }
        for modem in 0..MODELS.len() {
            fs::create_dir_all(pool.usb_device(modem)).unwrap();
            fs::write(pool.usb_device(modem).join("idVendor"), "2c7c").unwrap();
            pool.plug(modem, &format!("ttyUSB{modem}"));
        }
        let kernel = pool.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SYSFS_ROUND).await;
                (0..MODELS.len()).for_each(|modem| kernel.obey(modem));
            }
        });
        pool
    }

    /// Where the devices are.
    pub fn device_folder(&self) -> PathBuf {
        self.folder.join("dev")
    }

    /// What stands for `/sys`.
    pub fn sysfs(&self) -> PathBuf {
        self.folder.join("sys")
    }

    fn usb_device(&self, modem: usize) -> PathBuf {
        self.sysfs().join(format!("devices/usb1/1-{modem}"))
    }

    /// Does what was written to `authorized`.
    fn obey(&self, modem: usize) {
        let authorized = fs::read_to_string(self.usb_device(modem).join("authorized")).unwrap();
        let is_off = self.off.lock().unwrap().contains(&modem);
        match (authorized.trim(), is_off) {
            ("0", false) => {
                let at = self.shared.with(|_, now| now);
                self.contacts.lock().unwrap().push(Contact { at, modem, deed: Deed::Deauthorised });
                self.unplug(modem);
                self.off.lock().unwrap().insert(modem);
            }
            ("1", true) => self.plug(modem, "ttyUSB0"),
            _ => {}
        }
    }

    /// The number of a modem's SIM.
    pub fn number(&self, modem: usize) -> String {
        self.shared.with(|world, _| world.modem(modem).unwrap().number.clone())
    }

    pub fn imei(&self, modem: usize) -> String {
        self.shared.with(|world, _| world.modem(modem).unwrap().imei().to_owned())
    }

    /// Where the modem is; nothing if it is nowhere.
    pub fn path(&self, modem: usize) -> String {
        let path = self.link(modem).map(|link| self.device_folder().join(link).display().to_string());
        path.unwrap_or_default()
    }

    fn link(&self, modem: usize) -> Option<String> {
        self.shared.with(|world, _| world.modem(modem).unwrap().link().map(str::to_owned))
    }

    /// The modem comes (back) to the bus under that name, or, if another has it, under the first free one.
    pub fn plug(&self, modem: usize, name: &str) {
        self.unplug(modem);
        let others = (0..8).map(|number| format!("ttyUSB{number}"));
        let is_free = |name: &String| !self.device_folder().join(name).exists();
        let name = iter::once(name.to_owned()).chain(others).find(is_free).expect("as many names as modems");
        self.off.lock().unwrap().remove(&modem);
        self.fault(modem, Fault::Replug { link: Some(name.clone()) });
        fs::write(self.usb_device(modem).join("authorized"), "1").unwrap();
        let interface = self.usb_device(modem).join(format!("1-{modem}:1.0"));
        fs::create_dir_all(interface.join(&name)).unwrap();
        let class = self.sysfs().join("class/tty").join(&name);
        fs::create_dir_all(&class).unwrap();
        symlink(interface.join(&name), class.join("device")).unwrap();
        fs::write(self.device_folder().join(name), []).unwrap();
    }

    /// The modem leaves the bus.
    pub fn unplug(&self, modem: usize) {
        let name = self.link(modem);
        self.fault(modem, Fault::Unplug);
        let Some(name) = name.filter(|name| self.device_folder().join(name).exists()) else { return };
        fs::remove_file(self.device_folder().join(&name)).unwrap();
        fs::remove_dir_all(self.sysfs().join("class/tty").join(&name)).unwrap();
        fs::remove_dir_all(self.usb_device(modem).join(format!("1-{modem}:1.0"))).unwrap();
    }

    pub fn fault(&self, modem: usize, fault: Fault) {
        assert!(self.shared.with(|world, now| world.start_fault(now, modem, fault)), "no modem {modem}");
    }

    pub fn inject(&self, injection: &Injection) {
        self.shared.with(|world, now| world.inject(now, injection)).expect("a message that can be sent");
    }

    /// The network sends the PDU of a text of one segment again, if the gateway is through with it.
    pub fn repeat(&self, to: &str, text: &str) {
        let pdu = self.shared.with(|world, _| {
            let ledger = world.network.ledger();
            let (id, pdu) = ledger.iter().find_map(|entry| match &entry.what {
                Happening::Queued { id, pdu, text: Some(it), .. } if it == text && entry.number == to => {
                    Some((*id, pdu.clone()))
                }
                _ => None,
            })?;
            let done = |it: &Happening| match it {
                Happening::Deleted { id: done, .. } | Happening::Acknowledged { id: done } => *done == id,
                _ => false,
            };
            ledger.iter().any(|entry| done(&entry.what)).then_some(pdu)
        });
        if pdu.is_some() {
            self.inject(&Injection { to: to.to_owned(), pdu, ..Injection::default() });
        }
    }

    pub fn set_conditions(&self, conditions: Conditions) {
        self.shared.with(|world, _| world.network.conditions = conditions);
    }

    /// What is the case with each modem.
    pub fn truths(&self) -> Vec<Truth> {
        self.shared.with(|world, now| world.modems().iter().map(|modem| modem.truth(now)).collect())
    }

    /// Messages and reports that the network or a modem's memory holds.
    pub fn under_way(&self) -> usize {
        self.shared.with(|world, _| world.network.waiting() + world.modems().iter().map(Modem::stored).sum::<usize>())
    }

    pub fn ledger(&self) -> Vec<Entry> {
        self.shared.with(|world, _| world.network.ledger().to_vec())
    }

    pub fn contacts(&self) -> Vec<Contact> {
        self.contacts.lock().unwrap().clone()
    }
}

impl Opener for Pool {
    fn open(&self, path: &Path, _baud: u32) -> io::Result<Box<dyn Stream>> {
        let (modem, now) = self.shared.with(|world, now| {
            let plugged = |modem: &Modem| modem.link().is_some_and(|name| self.device_folder().join(name) == path);
            (world.modems().iter().position(plugged), now)
        });
        let modem = modem.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let stream = self.shared.open(modem)?;
        let contacts = Arc::clone(&self.contacts);
        contacts.lock().unwrap().push(Contact { at: now, modem, deed: Deed::Opened });
        Ok(Box::new(Line { stream, modem, shared: self.shared.clone(), contacts }))
    }
}

/// A line to a modem that notes what is done over it.
struct Line {
    stream: DuplexStream,
    modem: usize,
    shared: Shared,
    contacts: Arc<Mutex<Vec<Contact>>>,
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        if octets.starts_with(b"AT+CFUN=1,1") {
            let at = self.shared.with(|_, now| now);
            self.contacts.lock().unwrap().push(Contact { at, modem: self.modem, deed: Deed::Reset });
        }
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
