//! Modems as USB devices of a virtual machine: the device's side of USB redirection (usbredir 0.7), as QEMU's `usb-redir`
//! takes it. The guest's own drivers then make the serial ports.
//!
//! `packet` reads and writes the protocol's packets, `redir` is a connection, `device` a plugged device, `kinds` says what
//! devices there are, `descriptor`, `ftdi`, `secondary` and `storage` what they say. `socket` alone does I/O. A *port* is
//! a socket at which QEMU has a port of a hub; a modem's link is the name of the port at which its device is. The faults
//! `unplug` and `replug` of the control socket work as for ptys: a device comes back where it was, or at the port that
//! `link` names, and all modems of a device go together.
//!
//! ```text
//! smsgate emulate --usb-redir DIR --usb sim7600e,ft4232h --usb-devices 16 --control SOCKET
//! qemu-system-x86_64 ... -device qemu-xhci,id=xhci -device usb-hub,bus=xhci.0,port=1,ports=8
//!     -chardev socket,id=c0,path=DIR/usb-00,server=off -device usb-redir,chardev=c0,bus=xhci.0,port=1.1
//! ```
//!
//! `DIR/devices.json`, there once all sockets are, says which modem is behind which device.

mod args;
mod descriptor;
mod device;
mod fields;
mod ftdi;
mod kinds;
mod packet;
mod redir;
mod secondary;
mod socket;
mod storage;

pub(super) use args::Attached;
pub use args::UsbArgs;
pub(super) use socket::Bus;

#[cfg(test)]
mod tests;
