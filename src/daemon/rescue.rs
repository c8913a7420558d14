//! `smsgate rescue`: stands in for a gateway that cannot run, so that whoever asks hears why.
//!
//! The listener, its limits and its wire are the gateway's; what it answers is `rpc::methods::rescue`'s. Before the first
//! peer is listened to it has read one line and given up every file: it opens no device, no store and no configuration.

use std::{fs::File, io::Read as _, net::IpAddr, path::Path, process::ExitCode, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    StartError, host_name, keep_secrets,
    run::{EXIT_SYSTEM, tell_systemd},
};
use crate::{
    config::{LogLevel, Seccomp},
    model::printable,
    rpc::{Limits, Methods, Server},
    sandbox::{self, Plan},
    telemetry, tls,
};

/// Longest reason that is told, in octets.
const REASON: u64 = 500;

/// Serves until a signal ends it.
#[must_use]
pub fn rescue(reason_file: &Path, host: &str, port: u16) -> ExitCode {
    keep_secrets();
    if let Err(error) = telemetry::start(LogLevel::Info) {
        eprintln!("smsgate: {error}");
        return ExitCode::from(EXIT_SYSTEM);
    }
    tls::install_provider();
    let reason = reason(reason_file);
    // Made before the sandbox, which needs to know none of the ways to random numbers then.
    let identity = match tls::ephemeral(&names(&host_name()), &[[127, 0, 0, 1].into(), loopback()]) {
        Ok(identity) => identity,
        Err(error) => return failed(&error.into()),
    };
    sandbox::confine(Seccomp::Enforce, &Plan::of_listener(port));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start the runtime");
            return ExitCode::from(EXIT_SYSTEM);
        }
    };
    runtime.block_on(async {
        let methods = Methods::in_rescue(&reason);
        match Server::bind(host, port, identity, methods, Limits::default()).await {
            Ok(server) => serve(server, &reason).await,
            Err(error) => failed(&error.into()),
        }
    })
}

async fn serve(server: Server, reason: &str) -> ExitCode {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("cannot listen for signals");
        return ExitCode::from(EXIT_SYSTEM);
    };
    warn!(address = %server.local_addr(), "smsgate is in rescue, no modem is touched: {reason}");
    tell_systemd(&[NotifyState::Ready, NotifyState::Status(reason)]);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.run(stop.clone()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = feed() => {}
    }
    info!("stopping");
    tell_systemd(&[NotifyState::Stopping]);
    stop.cancel();
    drop(serving.await);
    ExitCode::SUCCESS
}

/// Feeds systemd's watchdog, if there is one: timers that run are all the work there is.
async fn feed() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticker = interval((patience / 3).max(Duration::from_millis(1)));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticker.tick().await;
        tell_systemd(&[NotifyState::Watchdog]);
    }
}

fn failed(fault: &StartError) -> ExitCode {
    error!("{fault}");
    ExitCode::from(fault.exit_code())
}

/// The first line of the file. One that cannot be read is no reason to say nothing.
fn reason(file: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(file).and_then(|file| file.take(REASON).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    // A semicolon is what divides the reasons of a health state.
    let line = printable(text.lines().next().unwrap_or_default().trim().trim_end_matches('.')).replace(';', ",");
    match read {
        Ok(_) if !line.is_empty() => line,
        Ok(_) => format!("{} gives no reason", file.display()),
        Err(error) => format!("the reason in {} cannot be read ({error})", file.display()),
    }
}

/// What this machine may be called. Nobody trusts the certificate, but a client that looks at it sees which box it is.
fn names(host: &str) -> Vec<String> {
    let fits = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    let mut names = vec!["localhost".to_owned()];
    if fits(host) && host != "localhost" {
        names.insert(0, host.to_owned());
        if !host.contains('.') {
            names.insert(1, format!("{host}.local"));
        }
    }
    names
}

const fn loopback() -> IpAddr {
    IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_file_says_there_is_a_reason_of_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rescue");
        for (text, expected) in [
            (&b"no partition DATA on /dev/sda.\nmore\n"[..], "no partition DATA on /dev/sda"),
            (b"", "gives no reason"),
            (b"\n\n", "gives no reason"),
            (b"bad \x1b[2J \xff", "bad"),
            (b"one; two", "one, two"),
        ] {
            std::fs::write(&file, text).unwrap();
            let reason = reason(&file);
            assert!(reason.contains(expected) && !reason.contains(['\n', '\x1b']), "{reason}");
        }
        std::fs::write(&file, "x".repeat(10_000)).unwrap();
        assert_eq!(reason(&file).len(), 500);
        let missing = reason(&folder.path().join("none"));
        assert!(missing.contains("cannot be read") && missing.contains("none"), "{missing}");
    }

    #[test]
    fn a_name_that_cannot_stand_in_a_certificate_is_left_out() {
        assert_eq!(names("box"), ["box", "box.local", "localhost"]);
        assert_eq!(names("box.example.org"), ["box.example.org", "localhost"]);
        assert_eq!(names("b\u{fc}ro"), ["localhost"]);
        assert_eq!(names("localhost"), ["localhost"]);
    }
}
