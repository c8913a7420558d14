//! The control socket beside the database.

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use super::store_path;
pub(super) use crate::control::Backends;
use crate::{
    config::Gateway,
    control::{Listening, socket_beside},
};

/// Serves the socket. Without it everything else works, so that a folder in which none can be made is no reason not to
/// start.
pub(super) fn start(gateway: &Gateway, backends: Backends, tasks: &TaskTracker, cancel: &CancellationToken) {
    let path = socket_beside(&store_path(gateway));
    match Listening::bind(&path) {
        Ok(listening) => {
            tasks.spawn(listening.serve(backends, cancel.clone()));
        }
        Err(error) => {
            warn!(path = %path.display(), %error, "no control socket: `smsgate sim` and `smsgate trace` cannot be used")
        }
    }
}
