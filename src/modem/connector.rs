//! From a slot to an open stream: a virtual modem, or the port that discovery found.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    discovery::{Claim, Discovery, Probe},
    link::{Link, LinkError},
    port::{Ports, Stream},
};
use crate::{
    at::Command,
    config::Slot,
    emulator::VirtualPool,
    model::{Imei, Msisdn},
};

/// Marks a port made of code.
const VIRTUAL: &str = "virtual:";
/// The speed at which unknown ports are asked; USB modems do not care.
const PROBE_BAUD: u32 = 115_200;

/// An open port.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    /// Shown to people.
    pub(super) name: String,
    /// Held as long as the port is used.
    pub(super) claim: Option<Claim>,
}

/// Opens ports. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    discovery: Discovery,
    ports: Arc<dyn Ports>,
    virtual_pool: Arc<VirtualPool>,
}

impl Connector {
    /// A connector over one discovery task, the ports it finds, and one set of virtual modems.
    #[must_use]
    pub const fn new(discovery: Discovery, ports: Arc<dyn Ports>, virtual_pool: Arc<VirtualPool>) -> Self {
        Self { discovery, ports, virtual_pool }
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
        let stream = self.open(claim.path(), slot.baud)?;
        let name = claim.path().display().to_string();
        Ok(Connection { stream, name, claim: Some(claim) })
    }

    fn open(&self, path: &Path, baud: u32) -> io::Result<Box<dyn Stream>> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("cannot open {}: {error}", path.display()));
        self.ports.open(path, baud).map_err(told)
    }
}

/// Asks a serial port for the IMEI behind it, with `AT`, `ATE0` and `AT+CGSN` only.
#[derive(Clone, Debug)]
pub struct SerialProbe {
    ports: Arc<dyn Ports>,
}

impl SerialProbe {
    /// A probe of these ports.
    #[must_use]
    pub fn new(ports: &Arc<dyn Ports>) -> Self {
        Self { ports: Arc::clone(ports) }
    }
}

impl Probe for SerialProbe {
    async fn imei(&self, port: PathBuf) -> Option<Imei> {
        let stream = self.ports.open(&port, PROBE_BAUD).ok()?;
        let mut link = Link::new(stream);
        for command in [Command::attention(), Command::echo_off()] {
            match link.execute(command).await {
                Ok(_) | Err(LinkError::Command(_)) => {}
                Err(LinkError::Lost { .. }) => return None,
            }
        }
        link.execute(Command::imei()).await.ok()?.imei()
    }
}
