//! One modem: the actor that owns its port, and the pure rooms that tell it what to say.
//!
//! `task` follows a slot through its life: [`connector`] opens the port that [`discovery`] found, `starting` drives
//! the pure [`bringup`], `session` serves, and everything starts over after a fault.

mod backoff;
pub mod bringup;
mod chatter;
pub mod connector;
mod device;
pub mod discovery;
pub mod health;
pub mod hints;
pub mod hotplug;
pub mod inbound;
mod intake;
pub mod ladder;
mod link;
pub mod port;
mod recovery;
mod request;
#[cfg(test)]
pub(crate) mod sample;
mod session;
pub mod sim_card;
mod sought;
mod starting;
mod survey;
mod tap;
mod task;
mod usb;

pub use connector::{Connector, SerialProbe};
pub use port::{Opener, SerialPorts, Stream};
pub use request::{AcceptError, Request, SubmitError, UssdAsk, UssdError, UssdReply};
pub use survey::{Survey, SurveyedIdentity, survey};
pub use tap::{Passed, Taps, Traffic};
pub use task::ModemTask;
