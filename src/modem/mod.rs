//! One modem: the actor that owns its port, and the pure rooms that tell it what to say.

pub mod discovery;
pub mod hints;
pub mod hotplug;
mod request;

pub use request::{Request, SubmitError, UssdError};
