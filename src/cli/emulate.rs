//! `emulate`: virtual modems on ptys until somebody ends it. The modems are the emulator's.

use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use super::exit::{Exit, Failure};
use crate::emulator::{EmulateArgs, emulate};

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Failure`] if a link or the control socket cannot be made, or no model has the name.
pub(super) fn run(args: EmulateArgs) -> Result<(), Failure> {
    let system = |error: std::io::Error| Failure::new(Exit::System, format!("cannot start: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(system)?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
        tokio::select! {
            ended = emulate(args) => ended.map_err(|error| Failure::new(Exit::CannotCreate, error.to_string())),
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    })
}
