//! `sandbox-test`: a real gateway on virtual modems is attacked from within its own process, while it works.
//!
//! Two processes: this one is the world around the gateway ([`site`]), the other is the daemon as `smsgate run` runs it,
//! with a thread that attacks ([`inside`]). What is tried, and when an attack counts as repelled, is said in
//! [`sandbox::attacks`](crate::sandbox::attacks).

mod inside;
mod site;

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::exit::{Exit, Failure};
use crate::{
    config::Seccomp,
    config_files,
    sandbox::{
        Confined,
        attacks::{Expected, Outcome},
    },
};
pub(super) use inside::run_inside;
use site::Site;

/// Flags of `sandbox-test`.
#[derive(Args, Clone, Debug)]
pub(super) struct SandboxTestArgs {
    /// Folder of a configuration whose `[seccomp]` section is tested [default: everything is switched on]
    #[arg(long, value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
    /// Switch the sandbox off, to see the attacks succeed
    #[arg(long, conflicts_with = "config")]
    pub(super) unprotected: bool,
    /// Be the gateway that is attacked
    #[arg(long, hide = true)]
    pub(super) inside: bool,
}

/// What the gateway says first.
#[derive(Debug, Deserialize, Serialize)]
struct Greeting {
    port: u16,
    confined: Confined,
}

/// Runs the test and prints what came of each attack.
///
/// # Errors
/// [`Failure`]: the gateway does not start or does not work, or an attack succeeded.
pub(super) fn run(args: &SandboxTestArgs, out: &mut impl Write) -> Result<(), Failure> {
    let mut site = Site::start(mode(args)?)?;
    let Confined { calls, landlock } = site.confined();
    let calls = calls.map_or_else(|| "none filtered".to_owned(), |calls| format!("{calls} allowed"));
    let landlock = landlock.map_or_else(|| "none".to_owned(), |version| format!("version {version}"));
    writeln!(out, "System calls: {calls}. Landlock: {landlock}.")?;
    site.works()?;
    writeln!(out, "The gateway answers, takes an SMS in, mails it, and sends one.\n")?;
    let outcomes = site.attack()?;
    print(&outcomes, out)?;
    let replaced = outcomes.last().is_none_or(|last| !last.repelled);
    if !replaced {
        site.works()?;
        site.stop()?;
        writeln!(out, "\nAfter the attacks the gateway still does all that, and ends when it is told to.")?;
    }
    let succeeded = outcomes.iter().filter(|outcome| !outcome.is_good()).count();
    let unguarded = outcomes.iter().filter(|outcome| outcome.expected == Expected::Unguarded).count();
    if unguarded > 0 {
        writeln!(out, "{unguarded} attacks cannot be repelled by this kernel: its Landlock is too old.")?;
    }
    if succeeded > 0 {
        return Err(Failure::new(Exit::Negative, format!("the sandbox does not hold: {succeeded} came otherwise")));
    }
    writeln!(out, "All attacks were refused.")?;
    Ok(())
}

fn mode(args: &SandboxTestArgs) -> Result<Seccomp, Failure> {
    let Some(folder) = &args.config else {
        return Ok(if args.unprotected { Seccomp::Off } else { Seccomp::Enforce });
    };
    let broken = |why: String| Failure::new(Exit::Configuration, why);
    let loaded = config_files::load_folder(folder).map_err(|error| broken(error.to_string()))?;
    let config = loaded.config.as_ref().ok_or_else(|| broken(loaded.render(false)))?;
    Ok(config.gateway.seccomp)
}

fn print(outcomes: &[Outcome], out: &mut impl Write) -> Result<(), Failure> {
    let width = outcomes.iter().map(|outcome| outcome.attack.len()).max().unwrap_or(0);
    writeln!(out, "  {:<width$}  {:<11}  got", "attack", "expected")?;
    for outcome in outcomes {
        let mark = if outcome.is_good() { ' ' } else { '!' };
        let expected = match outcome.expected {
            Expected::Refused => "refused",
            Expected::Allowed => "allowed",
            Expected::Unguarded => "either way",
        };
        let got = if outcome.repelled { "refused" } else { "NOT refused" };
        let got = if outcome.expected == Expected::Allowed && !outcome.repelled { "allowed" } else { got };
        writeln!(out, "{mark} {:<width$}  {expected:<11}  {got} ({})", outcome.attack, outcome.said)?;
    }
    Ok(())
}
