//! `completions`: scripts that let a shell complete our arguments.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{arguments::Arguments, exit::Failure};

/// Flags of `completions`.
#[derive(Args, Clone, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// [`Failure`] if the output cannot be written.
pub(super) fn run(args: &CompletionsArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "smsgate", &mut script);
    Ok(out.write_all(&script)?)
}
