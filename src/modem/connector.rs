//! From a slot to an open stream: a virtual modem, or the port that discovery found.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{
    discovery::{Claim, Discovery, Probe},
    link::{Link, LinkError},
    port::{Opener, SerialPorts, Stream},
    tap::Taps,
    usb::UsbDevice,
};
use crate::{
    at::Command,
    config::Slot,
    emulator::VirtualPool,
    model::{Imei, Msisdn, SlotId},
};

/// Marks a port made of code.
const VIRTUAL: &str = "virtual:";
/// The speed at which unknown ports are asked; USB modems do not care.
const PROBE_BAUD: u32 = 115_200;

/// How often a port is looked at whose modem was given up.
const LOOK: Duration = Duration::from_secs(5);

/// An open port.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    /// Shown to people.
    pub(super) name: String,
    /// Held as long as the port is used.
    pub(super) claim: Option<Claim>,
}

/// Where the kernel shows its devices.
pub const SYSFS: &str = "/sys";

/// Opens ports. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    discovery: Discovery,
    opener: Arc<dyn Opener>,
    virtual_pool: Arc<VirtualPool>,
    taps: Taps,
    sysfs: Arc<Path>,
    /// Ports in use, so that no modem's USB device is taken from under another one that works.
    in_use: Arc<Mutex<BTreeMap<SlotId, PathBuf>>>,
}

/// Says that a slot uses a port, as long as it is kept.
#[derive(Debug)]
pub(super) struct InUse {
    slot: SlotId,
    ports: Arc<Mutex<BTreeMap<SlotId, PathBuf>>>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.slot);
    }
}

impl Connector {
    /// A connector over one discovery task and one set of virtual modems, for the serial ports of this machine.
    #[must_use]
    pub fn new(discovery: Discovery, virtual_pool: Arc<VirtualPool>) -> Self {
        Self {
            discovery,
            opener: Arc::new(SerialPorts),
            virtual_pool,
            taps: Taps::default(),
            sysfs: Arc::from(Path::new(SYSFS)),
            in_use: Arc::default(),
        }
    }

    /// Has the ports that discovery finds opened by another.
    #[must_use]
    pub fn with_opener(self, opener: &Arc<dyn Opener>) -> Self {
        Self { opener: Arc::clone(opener), ..self }
    }

    /// What goes over the lines of its ports.
    #[must_use]
    pub const fn taps(&self) -> &Taps {
        &self.taps
    }

    /// Looks for the modems of these slots from now on.
    pub async fn set_slots(&self, slots: &[Slot]) {
        self.discovery.set_slots(slots).await;
    }

    /// Looks for USB devices under this folder instead of `/sys`.
    #[must_use]
    pub fn with_sysfs(self, sysfs: &Path) -> Self {
        Self { sysfs: Arc::from(sysfs), ..self }
    }

    /// The USB device behind a port, if it may be taken off the bus: permitted, and no other slot is at work on it.
    pub(super) fn usb_device(&self, slot: &SlotId, port: &Path) -> Option<UsbDevice> {
        let device = UsbDevice::of_port(&self.sysfs, port)?;
        let in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let shared = in_use.iter().any(|(other, port)| other != slot && device.has_port(port));
        (!shared && device.is_permitted()).then_some(device)
    }

    /// Notes that the slot uses this port.
    pub(super) fn uses(&self, slot: &SlotId, port: &str) -> InUse {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner).insert(slot.clone(), PathBuf::from(port));
        InUse { slot: slot.clone(), ports: Arc::clone(&self.in_use) }
    }

    /// Ends when another device has taken the place of what is at the slot's port now, or nothing is there any more.
    pub(super) async fn replaced(&self, slot: &SlotId, port: &str) {
        let mark = || -> Option<(u64, i64, i64)> {
            if port.starts_with(VIRTUAL) {
                return self.virtual_pool.plugs(slot.as_str()).map(|plugs| (plugs, 0, 0));
            }
            fs::metadata(port).ok().map(|data| (data.ino(), data.ctime(), data.ctime_nsec()))
        };
        let before = mark();
        while mark() == before {
            sleep(LOOK).await;
        }
    }

    /// Waits for the slot's modem and opens its port.
    pub(super) async fn connect(&self, slot: &Slot) -> io::Result<Connection> {
        if let Some(personality) = slot.port.strip_prefix(VIRTUAL) {
            let stream = self.virtual_pool.connect(
                slot.id.as_str(),
                personality,
                slot.phone_number.as_ref().map(Msisdn::as_str),
            )?;
            return Ok(Connection { stream: Box::new(stream), name: slot.port.clone(), claim: None });
        }
        let claim = self
            .discovery
            .port_for(&slot.id)
            .await
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the search for modems has ended"))?;
        let name = claim.path().display().to_string();
        let stream = self
            .opener
            .open(claim.path(), slot.baud)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot open {name}: {error}")))?;
        Ok(Connection { stream, name, claim: Some(claim) })
    }
}

/// Asks a port for the IMEI behind it, with `AT`, `ATE0` and `AT+CGSN` only.
impl Probe for Arc<dyn Opener> {
    async fn imei(&self, port: PathBuf) -> Option<Imei> {
        let mut link = Link::new(self.open(&port, PROBE_BAUD).ok()?);
        for command in [Command::attention(), Command::echo_off()] {
            match link.execute(command).await {
                Ok(_) | Err(LinkError::Command(_)) => {}
                Err(LinkError::Lost { .. }) => return None,
            }
        }
        link.execute(Command::imei()).await.ok()?.imei()
    }
}

/// Asks the serial ports of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SerialProbe;

impl Probe for SerialProbe {
    async fn imei(&self, port: PathBuf) -> Option<Imei> {
        let opener: Arc<dyn Opener> = Arc::new(SerialPorts);
        opener.imei(port).await
    }
}
