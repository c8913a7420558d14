//! Configuration: INI text to typed values plus every problem found, each with its place.

mod gateway;
mod sims;

pub use gateway::{
    Api, Gateway, LogLevel, Logging, Mail, MailSecurity, Modempool, SelfTestInterval, Server, StoreConfig,
};
pub use sims::{SimEncoding, Slot};
