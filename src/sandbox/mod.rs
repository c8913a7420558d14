//! The sandbox: once it is confined, the process can do what a gateway does and nothing else, whoever has taken it over.
//!
//! Two belts, both for good and for all threads to come: a list of system calls (`calls`, `rules`, put into force by
//! `filter`) and, on files, TCP ports and signals, a plan made from the configuration (`plan`, put into force by
//! `files`). [`attacks`] tries to break out. The unit of systemd is a third belt and none of this room's business.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod calls;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod filter;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod rules;

pub mod attacks;
mod files;
mod plan;

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::config::Seccomp;
pub use plan::{Access, Grant, Places, Plan};

/// What is in force.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Confined {
    /// How many system calls are allowed; `None` = all.
    pub calls: Option<usize>,
    /// The version of Landlock that guards files and ports; `None` = nothing does.
    pub landlock: Option<i32>,
}

/// Confines the calling thread and all that it starts; says in the log what is in force. To be called before there are
/// other threads.
///
/// A kernel that cannot do it is warned of and no reason to stop: systemd's own filter is there still, and a gateway that
/// does not start helps nobody.
pub fn confine(mode: Seccomp, plan: &Plan) -> Confined {
    let confined = match mode {
        Seccomp::Off => {
            warn!("sandbox: switched off in the configuration");
            return Confined::default();
        }
        // Landlock cannot only tell what it would refuse.
        Seccomp::Log => Confined { calls: filtered(false), landlock: None },
        // In this order: setting up Landlock takes calls that the filter refuses.
        Seccomp::Enforce => Confined { landlock: restricted(plan), calls: filtered(true) },
    };
    let files = confined.landlock.map(files::enforced);
    match (mode, confined.calls) {
        (Seccomp::Log, Some(calls)) => {
            warn!(calls, "sandbox: other system calls are only noted in the kernel's log; nothing else is restricted");
        }
        (_, Some(calls)) => info!(calls, files, "sandbox: system calls filtered"),
        (_, None) => info!(files, "sandbox: system calls not filtered"),
    }
    confined
}

fn restricted(plan: &Plan) -> Option<i32> {
    // systemd may have its notification socket in the abstract name space.
    let abstract_sockets = std::env::var("NOTIFY_SOCKET").is_ok_and(|path| path.starts_with('@'));
    match files::restrict(plan, abstract_sockets) {
        Ok(Some(version)) => Some(version),
        Ok(None) => {
            warn!("sandbox: this kernel has no Landlock, or it is not switched on: files and ports are not restricted");
            None
        }
        Err(error) => {
            warn!(%error, "sandbox: files and ports are not restricted");
            None
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn filtered(refuse: bool) -> Option<usize> {
    let verdict = if refuse { filter::Verdict::Refuse } else { filter::Verdict::Log };
    filter::install(verdict)
        .inspect_err(|error| warn!(%error, "sandbox: this kernel does not filter system calls"))
        .ok()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn filtered(_refuse: bool) -> Option<usize> {
    warn!(processor = std::env::consts::ARCH, "sandbox: there is no filter of system calls for this processor");
    None
}
