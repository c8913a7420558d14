//! `emulate`: virtual modems on ptys until somebody ends it. The modems are the emulator's.

use tokio::runtime::Builder;

use super::exit::{Exit, Failure};
use crate::emulator::{EmulateArgs, emulate};

/// Serves until Ctrl-C or SIGTERM.
///
/// # Errors
/// [`Failure`] if a link or the control socket cannot be made, or no model has the name.
pub(super) fn run(args: EmulateArgs) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::System, format!("cannot start: {error}")))?;
    runtime.block_on(emulate(args)).map_err(|error| Failure::new(Exit::CannotCreate, error.to_string()))
}
