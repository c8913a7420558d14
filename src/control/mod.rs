//! The control socket: what an operator on this machine asks of the running daemon, beyond the API.
//!
//! A Unix stream socket beside the database, for root and the daemon's own user. It is for what must not go over the
//! network or needs the machine anyway: accepting a swapped SIM card, recording a modem's line. [`protocol`] has the
//! words, [`Listening`] serves them, [`Client`] asks.

mod client;
pub mod protocol;
mod recording;
mod server;

use std::path::{Path, PathBuf};

pub use client::{Client, ClientError};
pub use server::{Backends, Listening};

/// Name of the socket in the state folder.
pub const SOCKET: &str = "control.sock";

/// The socket that belongs to a database.
#[must_use]
pub fn socket_beside(database: &Path) -> PathBuf {
    database.with_file_name(SOCKET)
}
