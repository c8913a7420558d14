//! One modem: the actor that owns its port, and the pure rooms that tell it what to say.

pub mod bringup;
mod request;

pub use request::{Request, SubmitError, UssdError};
