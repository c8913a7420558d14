//! The XML-RPC interface over TLS: what a client may ask, who may ask it, and how much a stranger may cost.
//!
//! [`wire`] reads and writes documents and is pure; the command line client uses it too. `value` reads arguments, `auth`
//! checks tokens, `methods` answers, `server` owns the listener. Modems are asked through the pool only.

mod auth;
mod connection;
mod fault;
mod methods;
mod party;
mod repost;
mod server;
mod value;
pub mod wire;

pub use connection::{Connection, Lifeline};
pub use methods::{Answer, Backends, Caller, Methods};
pub use party::party_of;
pub use server::{BindError, Limits, Server};
