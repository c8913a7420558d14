//! Provisioning of the appliance: the operator's files on a partition any computer can write become the configuration
//! in force, and what the box found out goes back to him (`docs/provisioning.md`).
//!
//! Decisions are pure: [`media`] sorts what is there, [`candidate`] judges a whole set with the daemon's own reader,
//! [`network`], [`keys`], [`owned`], [`tokens`], [`cards`] and [`identity`] know one thing each; [`networkd`],
//! [`firewall`], [`syslog`], [`result`] and [`suggested`] render text. `durable`, `generation`, `exchange` and `memory`
//! touch the disk, `census` looks at the modems, `acceptance` has the gateway accept their cards; [`apply`] and [`report`]
//! put all in order.

mod acceptance;
mod apply;
pub mod candidate;
pub mod cards;
mod census;
mod durable;
mod exchange;
pub mod finding;
pub mod firewall;
mod generation;
pub mod identity;
pub mod keys;
pub mod media;
mod memory;
pub mod network;
pub mod networkd;
pub mod owned;
mod report;
pub mod result;
pub mod suggested;
pub mod syslog;
pub mod tokens;

pub use apply::{Folders, ProvisionError, apply, rescue};
pub use memory::Outcome;
pub use report::{Reporting, Told, report};
