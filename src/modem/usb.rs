//! The USB device behind a serial port, found in sysfs, and taking it off the bus (`authorized`, see the kernel's
//! Documentation/usb/authorization). It decides nothing: who may do this and when is the ladder's business.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the device stays off the bus.
pub(super) const OFF: Duration = Duration::from_secs(2);
/// Interfaces lie one below their device, ports of a converter one or two below those.
const DEPTH: usize = 6;

/// A USB device that can be taken off the bus.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct UsbDevice {
    folder: PathBuf,
    sysfs: PathBuf,
}

impl UsbDevice {
    /// The device that a port belongs to; `None` if it is no USB port.
    pub(super) fn of_port(sysfs: &Path, port: &Path) -> Option<Self> {
        let start = fs::canonicalize(tty(sysfs, port)?.join("device")).ok()?;
        let folder = start.ancestors().take(DEPTH).find(|folder| is_device(folder))?;
        Some(Self { folder: folder.to_owned(), sysfs: sysfs.to_owned() })
    }

    /// Whether this port is on the same device.
    pub(super) fn has_port(&self, port: &Path) -> bool {
        tty(&self.sysfs, port)
            .and_then(|tty| fs::canonicalize(tty.join("device")).ok())
            .is_some_and(|place| place.starts_with(&self.folder))
    }

    /// Takes the device off the bus, or lets it on again. Blocks while the kernel is at it.
    pub(super) fn authorise(&self, on: bool) -> io::Result<()> {
        fs::write(self.folder.join("authorized"), if on { "1" } else { "0" })
    }

    /// Whether this process may do so.
    pub(super) fn is_permitted(&self) -> bool {
        fs::OpenOptions::new().write(true).open(self.folder.join("authorized")).is_ok()
    }
}

/// Interfaces can be authorised too; only devices have a vendor.
fn is_device(folder: &Path) -> bool {
    folder.join("idVendor").is_file() && folder.join("authorized").is_file()
}

/// The folder of a port's terminal.
fn tty(sysfs: &Path, port: &Path) -> Option<PathBuf> {
    let device = fs::canonicalize(port).unwrap_or_else(|_| port.to_owned());
    Some(sysfs.join("class/tty").join(device.file_name()?))
}

#[cfg(test)]
pub(super) mod sample {
    //! A sysfs of a few files.

    use std::os::unix::fs::symlink;

    use super::*;

    /// One USB device with these ports; its `authorized` file.
    pub(in crate::modem) fn device(sysfs: &Path, name: &str, ports: &[&str]) -> PathBuf {
        let folder = sysfs.join("devices/usb1").join(name);
        let class = sysfs.join("class/tty");
        fs::create_dir_all(&class).unwrap();
        for (at, port) in ports.iter().enumerate() {
            let interface = folder.join(format!("{name}:1.{at}/{port}"));
            fs::create_dir_all(&interface).unwrap();
            fs::write(interface.parent().unwrap().join("authorized"), "1").unwrap();
            fs::create_dir_all(class.join(port)).unwrap();
            symlink(&interface, class.join(port).join("device")).unwrap();
        }
        fs::write(folder.join("idVendor"), "2c7c").unwrap();
        let authorized = folder.join("authorized");
        fs::write(&authorized, "1").unwrap();
        authorized
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_leads_to_its_device_and_its_siblings() {
        let sysfs = tempfile::tempdir().unwrap();
        let authorized = sample::device(sysfs.path(), "1-1", &["ttyUSB0", "ttyUSB1"]);
        sample::device(sysfs.path(), "1-2", &["ttyUSB2"]);
        let device = UsbDevice::of_port(sysfs.path(), Path::new("/dev/ttyUSB0")).unwrap();
        for (port, same) in [("ttyUSB0", true), ("ttyUSB1", true), ("ttyUSB2", false), ("ttyS0", false)] {
            assert_eq!(device.has_port(&Path::new("/dev").join(port)), same, "{port}");
        }
        device.authorise(false).unwrap();
        assert_eq!(fs::read_to_string(&authorized).unwrap(), "0");
        device.authorise(true).unwrap();
        assert_eq!(fs::read_to_string(&authorized).unwrap(), "1");
        assert_eq!(UsbDevice::of_port(sysfs.path(), Path::new("/dev/ttyS0")), None);
    }
}
