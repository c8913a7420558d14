//! Modems made of code in a simulated network with a service centre: for tests, the demo, and any program on a pty.
//!
//! [`World`] joins [`Modem`]s and [`Network`] without I/O and without a clock. [`Shared`] runs one; over it sit
//! [`VirtualPool`] (streams in the process) and [`emulate`] (ptys, USB devices for virtual machines, and a control socket,
//! which [`ControlClient`] uses).

mod alarm;
mod args;
mod client;
mod commands;
mod conditions;
mod control;
mod faults;
mod hang;
mod inject;
mod ledger;
mod line;
mod modem;
mod network;
mod personality;
mod playback;
mod port;
mod pty;
mod replay;
mod serve;
mod sim;
mod sms;
mod truth;
mod usb;
mod ussd;
mod world;

#[cfg(test)]
mod tests;

pub use args::EmulateArgs;
pub use client::{ControlClient, ControlError};
pub use conditions::{Conditions, Outcome};
pub use control::{ModemStats, Request, Stats};
pub use faults::{Dice, Fault};
pub use hang::Cure;
pub use inject::{Injection, Letters, Order, inject};
pub use ledger::{Concatenated, Entry, Happening, Notice, ReportOn};
pub use line::Octets;
pub use modem::{Event, Modem, Piece, Taken};
pub use network::{Item, Network, Place};
pub use personality::{PERSONALITIES, Personality, UssdText};
pub use pty::emulate;
pub use replay::Replay;
pub use serve::{Shared, VirtualPool};
pub use truth::{MemoryTruth, SimTruth, Truth};
pub use usb::UsbArgs;
pub use world::World;
