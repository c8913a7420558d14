//! Options of `smsgate emulate` for modems on USB, and the devices they ask for.

use std::{io, ops::Range, path::PathBuf};

use super::kinds::{KINDS, Kind};
use crate::emulator::{modem::Modem, world::World};

/// Options for modems on USB.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct UsbArgs {
    /// Folder for sockets usb-00, usb-01, ... on which QEMU's usb-redir finds modems as USB devices
    #[arg(long, value_name = "DIR")]
    pub usb_redir: Option<PathBuf>,
    /// USB devices, taken in turn: sim7600e, zte-mf190, huawei-e3131 (one modem each), ft4232h (four)
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "sim7600e,zte-mf190,huawei-e3131,ft4232h",
        requires = "usb_redir"
    )]
    pub usb: Vec<String>,
    /// How many USB devices; as many as are listed if not given
    #[arg(long, value_name = "N", requires = "usb_redir")]
    pub usb_devices: Option<usize>,
}

/// A USB device and its modems.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Attached {
    pub(super) kind: &'static Kind,
    /// Their indexes in the world.
    pub(super) modems: Range<usize>,
}

/// Name of a port, which is that of its socket.
pub(super) fn port_name(number: usize) -> String {
    format!("usb-{number:02}")
}

impl UsbArgs {
    /// Makes the devices' modems and puts them into the world, the first device at the first port.
    pub(in crate::emulator) fn attach(
        &self,
        world: &mut World,
        mut make: impl FnMut(&str) -> io::Result<Modem>,
    ) -> io::Result<Vec<Attached>> {
        if self.usb_redir.is_none() {
            return Ok(Vec::new());
        }
        let count = self.usb_devices.unwrap_or(self.usb.len());
        let mut attached = Vec::new();
        for (number, name) in self.usb.iter().cycle().take(count).enumerate() {
            let kind = Kind::named(name).ok_or_else(|| {
                let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
                let text = format!("no USB device `{name}`; there are {}", known.join(", "));
                io::Error::new(io::ErrorKind::InvalidInput, text)
            })?;
            let first = world.modems().len();
            for _ in kind.modem_interfaces() {
                let mut modem = make(kind.modem)?;
                modem.link = port_name(number);
                world.add(modem);
            }
            let modems = first..world.modems().len();
            world.bundle(modems.clone());
            attached.push(Attached { kind, modems });
        }
        Ok(attached)
    }
}
