//! Modems as USB devices of a virtual machine: the device's side of USB redirection (usbredir 0.7), as QEMU's `usb-redir`
//! takes it. The guest's own drivers then make the serial ports.
//!
//! `packet` reads and writes the protocol's packets, `redir` is a connection, `device` a plugged device, `kinds` says what
//! devices there are, `descriptor`, `ftdi`, `secondary` and `storage` what they say. `socket` alone does I/O. A *port* is
//! a socket at which QEMU has a port of a hub; a modem's link is the name of the port at which its device is.

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
