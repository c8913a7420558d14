//! Drives the recovery ladder of one modem: keeps its tries in the store, does what each rung says, credits the cure.
//!
//! What to do and when is [`ladder`](super::ladder)'s decision.

use std::path::PathBuf;

use tokio::{
    sync::watch,
    time::{Duration, timeout},
};
use tracing::{info, warn};

use super::{
    connector::Connector,
    ladder::{Failure, Ladder, Step},
    link::Link,
    task::Context,
    usb,
};
use crate::{
    at::Command,
    model::{ModemSnapshot, Rung},
};

/// How long a port may take to be found for a reset.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a modem is left alone after a reset, before its port is looked for.
const RESTARTING: Duration = Duration::from_secs(5);

/// One modem's recovery.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    ladder: Ladder,
    loaded: bool,
    /// Where the modem was seen last.
    port: String,
}

impl Recovery {
    /// Decides what to do after a failure of the modem last seen on `port`.
    pub(super) async fn failed(&mut self, context: &Context, connector: &Connector, failure: Failure) -> Step {
        self.load(context).await;
        let usb = connector.usb_device(&context.slot().id, &PathBuf::from(&self.port)).is_some();
        self.ladder.failed(context.store.now(), failure, usb)
    }

    /// The modem's port was opened.
    pub(super) fn at_port(&mut self, port: &str) {
        port.clone_into(&mut self.port);
    }

    /// The modem was plugged in anew while it was given up.
    pub(super) fn replaced(&mut self) {
        self.ladder.replaced();
    }

    /// Where the modem was seen last.
    pub(super) fn port(&self) -> &str {
        &self.port
    }

    /// What has been tried, for people.
    pub(super) fn tried(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for rung in self.ladder.climbed() {
            if !names.contains(&rung.to_string()) {
                names.push(rung.to_string());
            }
        }
        names.join(", ")
    }

    /// How long the modem may be without a network.
    pub(super) async fn patience(&mut self, context: &Context) -> Option<Duration> {
        self.load(context).await;
        self.ladder.patience(context.store.now())
    }

    /// Does a rung. The try is on disk before; without that nothing is done but what costs the modem nothing.
    pub(super) async fn perform(&mut self, context: &Context, connector: &Connector, rung: Rung) {
        let modem = &context.slot().id;
        if let Err(error) = context.store.recovery_tried(modem, rung).await {
            warn!(%modem, %rung, %error, "the try cannot be recorded; the port is opened again and no more");
            self.ladder.tried(context.store.now(), Rung::Reopen);
            return;
        }
        self.ladder.tried(context.store.now(), rung);
        info!(%modem, %rung, "trying to bring the modem back");
        match rung {
            // The port is opened next in any case.
            Rung::Reopen => {}
            Rung::Reset => self.reset(context, connector).await,
            Rung::Reauthorise => self.reauthorise(context, connector).await,
        }
    }

    /// Waits until the modem works, and credits the rung that came last. Does not end.
    pub(super) async fn credit(&mut self, context: &Context, mut seen: watch::Receiver<ModemSnapshot>) -> Never {
        if seen.wait_for(|snapshot| snapshot.ready).await.is_ok()
            && let Some(rung) = self.ladder.works(context.store.now())
        {
            info!(modem = %context.slot().id, %rung, "the modem works again");
            if let Err(error) = context.store.recovery_cured(&context.slot().id, rung).await {
                warn!(modem = %context.slot().id, %error, "the recovery cannot be recorded");
            }
        }
        std::future::pending().await
    }

    /// Tries before a restart of the daemon count.
    async fn load(&mut self, context: &Context) {
        if self.loaded {
            return;
        }
        match context.store.recovery_tries(&context.slot().id).await {
            Ok(tries) => {
                self.ladder = Ladder::with_tries(tries);
                self.loaded = true;
            }
            Err(error) => warn!(modem = %context.slot().id, %error, "earlier recoveries cannot be read"),
        }
    }

    async fn reset(&self, context: &Context, connector: &Connector) {
        let modem = &context.slot().id;
        match timeout(CONNECT, connector.connect(&context.slot())).await {
            // A pattern leads to whatever suits it now, and that may be a modem that nothing is wrong with.
            Ok(Ok(connection)) if connection.name != self.port => {
                info!(%modem, port = %connection.name, "another port than the one that failed, so no restart");
                return;
            }
            Ok(Ok(connection)) => {
                let mut link = Link::new(connection.stream);
                // Many restart before they answer, and one that hangs does not answer at all.
                if let Err(error) = link.execute(Command::restart()).await {
                    info!(%modem, %error, "no answer to the restart");
                }
            }
            Ok(Err(error)) => warn!(%modem, %error, "the port cannot be opened for a restart"),
            Err(_) => warn!(%modem, "no port to restart the modem by"),
        }
        tokio::time::sleep(RESTARTING).await;
    }

    async fn reauthorise(&self, context: &Context, connector: &Connector) {
        let modem = &context.slot().id;
        // Looked at again: another slot may have come to work on the same device during the pause.
        let Some(device) = connector.usb_device(modem, &PathBuf::from(&self.port)) else {
            warn!(%modem, "its USB device cannot be reset now");
            return;
        };
        for on in [false, true] {
            let device = device.clone();
            match tokio::task::spawn_blocking(move || device.authorise(on)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%modem, %error, on, "the USB device cannot be switched"),
                Err(_) => warn!(%modem, on, "switching the USB device failed"),
            }
            if !on {
                tokio::time::sleep(usb::OFF).await;
            }
        }
    }
}

/// What never comes.
#[derive(Debug)]
pub(super) enum Never {}

#[cfg(test)]
mod tests;
