//! `provision`: the appliance takes over its operator's files, and reports back to him.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use tokio::runtime::Builder;

use super::{
    exit::{Exit, Failure},
    token::{bcrypt_hash, random_token},
};
use crate::provision::{self, Folders, ProvisionError, Reporting, Told, tokens::Token};

/// Flags of `provision`.
#[derive(Args, Clone, Debug)]
pub(super) struct ProvisionArgs {
    #[command(subcommand)]
    action: ProvisionAction,
}

#[derive(Clone, Debug, Subcommand)]
enum ProvisionAction {
    /// Take over the operator's files, make what is missing, write the system's files
    Apply {
        #[command(flatten)]
        folders: FolderArgs,
        /// Write the system's files for a box without a usable /data, and touch nothing else
        #[arg(long)]
        rescue: bool,
        /// File whose date is that of the image: no clock can be right that is behind it
        #[arg(long, value_name = "FILE", default_value = "/usr/lib/clock-epoch")]
        clock_epoch: PathBuf,
    },
    /// Tell the operator, once the gateway is up, how the box is reached and which modems it has
    Report {
        #[command(flatten)]
        folders: FolderArgs,
        /// Seconds that modems and addresses may take
        #[arg(long, value_name = "SECONDS", default_value_t = 120)]
        wait: u64,
        /// Where modems are looked for that no slot has
        #[arg(long, value_name = "PATTERN", default_value = "/dev/sms/*")]
        ports: String,
        /// Program that mounts the operator's partition when called with `mount`, and unmounts it with `unmount`
        #[arg(long, value_name = "PROGRAM")]
        mounter: Option<PathBuf>,
    },
}

#[derive(Args, Clone, Debug)]
struct FolderArgs {
    /// The operator's partition, mounted
    #[arg(long, value_name = "DIR", default_value = "/run/sgconfig")]
    media: PathBuf,
    /// What is kept
    #[arg(long, value_name = "DIR", default_value = "/data")]
    data: PathBuf,
    /// Where the system's files go
    #[arg(long, value_name = "DIR", default_value = "/run")]
    run: PathBuf,
}

/// Does it, and says in a few lines what came of it.
///
/// # Errors
/// [`Failure`]: a folder that cannot be written. Files of the operator's that are bad are none: `result.txt` tells.
pub(super) fn run(args: &ProvisionArgs, out: &mut impl Write) -> Result<(), Failure> {
    match &args.action {
        ProvisionAction::Apply { folders, rescue: true, .. } => Ok(provision::rescue(&folders.folders())?),
        ProvisionAction::Apply { folders, clock_epoch, .. } => {
            let outcome = provision::apply(&folders.folders(), date_of(clock_epoch), &mut mint)?;
            outcome.problems.iter().try_for_each(|problem| writeln!(out, "not applied: {problem}"))?;
            outcome.applied.iter().try_for_each(|name| writeln!(out, "in force: {name}"))?;
            Ok(())
        }
        ProvisionAction::Report { folders, wait, ports, mounter } => {
            let reporting = Reporting {
                folders: folders.folders(),
                wait: Duration::from_secs(*wait),
                ports: ports.clone(),
                mounter: mounter.clone(),
            };
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Failure::new(Exit::System, format!("cannot start: {error}")))?;
            let told = match runtime.block_on(provision::report(&reporting))? {
                Told::Written => "result.txt was written",
                Told::Nothing => "there is nothing new to tell",
                Told::Nobody => "the operator's partition is not there; it is tried again at the next start",
            };
            writeln!(out, "{told}")?;
            Ok(())
        }
    }
}

impl FolderArgs {
    fn folders(&self) -> Folders {
        Folders { media: self.media.clone(), data: self.data.clone(), run: self.run.clone() }
    }
}

fn date_of(file: &Path) -> Option<Timestamp> {
    fs::metadata(file).ok()?.modified().ok()?.try_into().ok()
}

fn mint() -> Result<Token, String> {
    let token = random_token().map_err(|failure| failure.to_string())?;
    let hash = bcrypt_hash(&token).map_err(|failure| failure.to_string())?;
    Ok(Token { token: token.expose_secret().to_owned(), hash })
}

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        let exit = match error {
            ProvisionError::Io { .. } => Exit::CannotCreate,
            ProvisionError::Identity(_) | ProvisionError::Tokens(_) => Exit::System,
            ProvisionError::Damaged(_) => Exit::Configuration,
        };
        Self::new(exit, error.to_string())
    }
}
