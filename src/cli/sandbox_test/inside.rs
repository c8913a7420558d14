//! The gateway that is attacked: the daemon, with a thread that turns against it once it is up.

use std::{
    io::{self, BufRead as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    thread,
};

use super::{Greeting, SandboxTestArgs};
use crate::{
    daemon,
    sandbox::{
        Confined,
        attacks::{self, Targets},
    },
};

/// Runs the daemon. When it is up it says so on standard output, waits for a line with the targets, and attacks.
pub(in crate::cli) fn run_inside(args: &SandboxTestArgs) -> ExitCode {
    daemon::run_and(args.config.as_deref(), None, |confined, address| {
        // A new thread of a confined one is as confined as all the others.
        let attacker = thread::Builder::new().name("attacker".to_owned());
        if let Err(error) = attacker.spawn(move || converse(confined, address)) {
            tracing::error!(%error, "no thread to attack from");
        }
    })
}

fn converse(confined: Confined, address: SocketAddr) {
    if let Err(error) = try_to_converse(confined, address) {
        tracing::error!(%error, "the attack could not be told of");
    }
}

fn try_to_converse(confined: Confined, address: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&Greeting { port: address.port(), confined })?)?;
    out.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let targets: Targets = serde_json::from_str(&line)?;
    attacks::attack(&targets, &confined, &mut out)
}
