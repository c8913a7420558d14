//! Eight virtual modems in a network, and a device folder in which they come and go under changing names.
//!
//! A device is a file of the name under which the modem is plugged; opening it leads to the modem. Names, links and
//! inotify are the real ones, the line behind the name is memory, so that no octet is ever under way unseen. What the
//! daemon does to a modem (opening its port, starting it anew) is written down.

use std::{
    fs, io,
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
    Restarted,
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
    folder: PathBuf,
    contacts: Arc<Mutex<Vec<Contact>>>,
}

impl Pool {
    /// Modems under the names `ttyUSB0` and so on in `folder`. Needs a runtime.
    pub fn new(folder: &Path, epoch: jiff::Timestamp, seed: u64) -> Self {
        let mut world = World::new(Network::new(epoch, seed));
        for (serial, model) in (0..).zip(MODELS) {
            let personality = Personality::named(model).expect("a model of that name");
            world.add(Modem::new(personality, &format!("+4917000000{serial:02}"), serial));
        }
        let pool = Self { shared: Shared::new(world), folder: folder.to_owned(), contacts: Arc::default() };
        for modem in 0..MODELS.len() {
            pool.plug(modem, &format!("ttyUSB{modem}"));
        }
        pool
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
        let link = self.shared.with(|world, _| world.modem(modem).unwrap().link().map(str::to_owned));
        link.map(|link| self.folder.join(link).display().to_string()).unwrap_or_default()
    }

    /// The modem comes (back) to the bus under a name.
    pub fn plug(&self, modem: usize, name: &str) {
        self.unplug(modem);
        self.fault(modem, Fault::Replug { link: Some(name.to_owned()) });
        fs::write(self.folder.join(name), []).unwrap();
    }

    /// The modem leaves the bus.
    pub fn unplug(&self, modem: usize) {
        let name = self.shared.with(|world, _| world.modem(modem).unwrap().link().map(str::to_owned));
        self.fault(modem, Fault::Unplug);
        if let Some(path) = name.map(|name| self.folder.join(name)).filter(|path| path.exists()) {
            fs::remove_file(path).unwrap();
        }
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
            let plugged = |modem: &Modem| modem.link().is_some_and(|name| self.folder.join(name) == path);
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
            self.contacts.lock().unwrap().push(Contact { at, modem: self.modem, deed: Deed::Restarted });
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
