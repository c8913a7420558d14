//! `check-config`: every problem in the configuration files, with its line and a caret.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    look::Look,
};
use crate::{
    config::{Diagnostic, Severity},
    config_files,
};

/// Flags of `check-config`.
#[derive(Args, Clone, Debug)]
pub(super) struct CheckConfigArgs {
    /// Folder with smsgate.conf and sim-cards.conf [default: ./conf if there, else /etc/smsgate]
    #[arg(long, value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
}

/// Reads both files and prints what is wrong with them, then what they say.
///
/// # Errors
/// [`Failure`] if the daemon would not start with them.
pub(super) fn run(args: &CheckConfigArgs, out: &mut impl Write) -> Result<(), Failure> {
    let folder = config_files::find_folder(args.config.as_deref());
    let loaded =
        config_files::load_folder(&folder).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let problems = loaded.render(Look::of_stdout().colour);
    if !problems.is_empty() {
        writeln!(out, "{problems}")?;
    }
    let count = |severity| loaded.diagnostics.iter().filter(|found: &&Diagnostic| found.severity == severity).count();
    let found = format!("{}, {}", plural(count(Severity::Error), "error"), plural(count(Severity::Warning), "warning"));
    let Some(config) = &loaded.config else {
        return Err(Failure::new(Exit::Configuration, format!("{}: {found}", folder.display())));
    };
    let (server, slots) = (&config.gateway.server, &config.slots);
    let enabled = slots.iter().filter(|slot| slot.enabled).count();
    let mail = &config.gateway.mail;
    let mail = if mail.enabled { format!("mail by {}:{}", mail.server, mail.port) } else { "no mail".to_owned() };
    writeln!(
        out,
        "{}: {found}; {} ({enabled} enabled), API on {}:{}, {mail}",
        folder.display(),
        plural(slots.len(), "slot"),
        server.host,
        server.port
    )?;
    Ok(())
}

fn plural(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
