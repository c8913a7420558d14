//! Modems made of code in a simulated network with a service centre: for tests, the demo, and any program on a pty.

mod args;
mod commands;
mod control;
mod faults;
mod hex;
mod modem;
mod network;
mod personality;
mod port;
mod pty;
mod serve;
mod sms;
mod world;

pub use args::EmulateArgs;
pub use control::Request;
pub use faults::{Dice, Fault};
pub use modem::{Event, Modem, Taken};
pub use network::{Conditions, Entry, Happening, Item, Network};
pub use personality::{PERSONALITIES, Personality, UssdText};
pub use pty::emulate;
pub use serve::{Shared, VirtualPool};
pub use world::World;
