//! Drives bring-up over a link: time, the PIN record, and the check that it is the right modem.

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::{
    bringup::{Bringup, BringupError, Capabilities, Settings, Step},
    ladder::Failure,
    link::{Link, LinkError},
    task::Context,
};
use crate::{
    at::{Charset, Command, CommandError, Response, SimPin},
    config::SimEncoding,
    model::Imei,
    store::StoreError,
};

/// Why a modem did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartFault {
    /// Bring-up gave up.
    #[error("{0}")]
    Bringup(#[from] BringupError),
    /// The port went away.
    #[error("Modem: {0}")]
    Lost(String),
    /// The configured PIN is no PIN.
    #[error("SIM: the configured PIN is not 4 to 8 digits")]
    PinMalformed,
    /// This PIN was tried on this SIM before, and it is not on record that the SIM took it.
    #[error(
        "SIM: the configured PIN was tried before and not accepted. It is not tried again, so that the SIM does not lock. \
         Correct `pin` in sim-cards.conf. If it is right, start once without `pin`, which clears the record, and put it back"
    )]
    PinSpent,
    /// The attempt could not be recorded, so it was not made.
    #[error("SIM: the PIN is not tried while the attempt cannot be recorded ({0})")]
    PinUnrecorded(StoreError),
    /// Another modem than the configured one is on this port.
    #[error("Modem: the modem on the port has IMEI {found}, configured is {wanted}")]
    WrongModem {
        /// What it says.
        found: Imei,
        /// What `imei` says.
        wanted: Imei,
    },
}

impl StartFault {
    /// The port belongs to another slot's modem.
    pub(super) const fn wrong_modem(&self) -> bool {
        matches!(self, Self::WrongModem { .. })
    }

    /// What the recovery ladder makes of it: only what a restart may cure climbs.
    pub(super) const fn failure(&self) -> Failure {
        match self {
            Self::Bringup(BringupError::Silent | BringupError::SimNotReady | BringupError::NoPduMode(_)) => {
                Failure::Hung
            }
            Self::Bringup(BringupError::Closed) | Self::Lost(_) => Failure::Away,
            Self::Bringup(
                BringupError::PinMissing
                | BringupError::PinRejected(_)
                | BringupError::TooFewTries(_)
                | BringupError::PukRequired
                | BringupError::SimLocked(_)
                | BringupError::SimMissing,
            )
            | Self::PinMalformed
            | Self::PinSpent
            | Self::PinUnrecorded(_)
            | Self::WrongModem { .. } => Failure::Incurable,
        }
    }

    /// The status line for this fault.
    pub(super) const fn status(&self) -> &'static str {
        match self {
            Self::Bringup(BringupError::PinMissing) => "Error: SIM PIN required.",
            Self::Bringup(BringupError::PinRejected(_) | BringupError::TooFewTries(_))
            | Self::PinSpent
            | Self::PinMalformed
            | Self::PinUnrecorded(_) => "Error: Incorrect SIM PIN.",
            Self::Bringup(BringupError::PukRequired) => "Error: SIM PUK required.",
            Self::Bringup(
                BringupError::Closed
                | BringupError::NoPduMode(_)
                | BringupError::Silent
                | BringupError::SimLocked(_)
                | BringupError::SimMissing
                | BringupError::SimNotReady,
            )
            | Self::Lost(_)
            | Self::WrongModem { .. } => "Failed to initialize modem.",
        }
    }
}

/// Brings a modem up.
pub(super) async fn bring_up(context: &Context, link: &mut Link) -> Result<Capabilities, StartFault> {
    let slot = &context.slot();
    let pin = match &slot.pin {
        Some(pin) => Some(SimPin::new(pin).map_err(|_| StartFault::PinMalformed)?),
        None => None,
    };
    let charset = match slot.encoding {
        SimEncoding::Gsm => Charset::Gsm,
        SimEncoding::Ucs2 => Charset::Ucs2,
    };
    let mut machine = Bringup::new(Settings { pin, charset, wait_for_start: slot.wait_for_start });
    let opened = Instant::now();
    let mut last = None;
    loop {
        match machine.next(opened.elapsed(), last.as_ref()) {
            Step::Wait(pause) => {
                last = None;
                sleep(pause).await;
            }
            Step::Send(command) => {
                last = Some(exchange(link, command).await?);
                check_identity(context, machine.found())?;
            }
            Step::PinAttempt { iccid, command } => {
                let record = PinRecord::new(context, iccid);
                record.claim().await?;
                let answer = exchange(link, command).await?;
                // At once: a stop between here and the end of bring-up must not make a good PIN look like a bad one.
                if answer.is_ok() {
                    record.accepted().await;
                }
                last = Some(answer);
            }
            Step::Done(found) => {
                for note in &found.notes {
                    debug!(modem = %slot.id, command = %note.command, error = %note.error, "not supported");
                }
                return Ok(*found);
            }
            Step::Fail(error) => {
                if error == BringupError::PinMissing {
                    PinRecord::new(context, machine.found().iccid.clone()).forget().await;
                }
                return Err(error.into());
            }
        }
    }
}

async fn exchange(link: &mut Link, command: Command) -> Result<Result<Response, CommandError>, StartFault> {
    match link.execute(command).await {
        Ok(response) => Ok(Ok(response)),
        Err(LinkError::Command(error)) => Ok(Err(error)),
        Err(LinkError::Lost { cause, .. }) => Err(StartFault::Lost(cause)),
    }
}

fn check_identity(context: &Context, found: &Capabilities) -> Result<(), StartFault> {
    match (&context.slot().imei, &found.imei) {
        (Some(wanted), Some(found)) if wanted != found && context.slot().port_is_glob() => {
            Err(StartFault::WrongModem { found: found.clone(), wanted: wanted.clone() })
        }
        _ => Ok(()),
    }
}

/// The durable record of one PIN on one SIM.
struct PinRecord<'a> {
    context: &'a Context,
    sim: String,
    digest: [u8; 32],
}

impl<'a> PinRecord<'a> {
    fn new(context: &'a Context, iccid: Option<String>) -> Self {
        let slot = context.slot();
        let sim = iccid.unwrap_or_else(|| slot.id.to_string());
        let pin = slot.pin.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        // Not to hide the PIN, which stands in the configuration, but to notice that it was changed.
        let hash = digest(&SHA256, format!("smsgate pin record\0{sim}\0{pin}").as_bytes());
        let mut digest = [0; 32];
        digest.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self { context, sim, digest }
    }

    /// Records the attempt durably, unless this PIN was tried before without success.
    async fn claim(&self) -> Result<(), StartFault> {
        let store = &self.context.store;
        if !store.pin_may_try(&self.sim, self.digest).await.map_err(StartFault::PinUnrecorded)? {
            return Err(StartFault::PinSpent);
        }
        info!(modem = %self.context.slot().id, "entering the SIM PIN");
        store.pin_attempted(&self.sim, self.digest, store.wall()).await.map_err(StartFault::PinUnrecorded)
    }

    async fn accepted(&self) {
        if let Err(error) = self.context.store.pin_accepted(&self.sim, self.digest).await {
            warn!(modem = %self.context.slot().id, %error, "cannot record that the PIN was accepted");
        }
    }

    /// The operator has taken the PIN out of the configuration: whatever stands there next is a new one.
    async fn forget(&self) {
        if let Err(error) = self.context.store.pin_forgotten(&self.sim).await {
            warn!(modem = %self.context.slot().id, %error, "cannot clear the record of PIN attempts");
        }
    }
}
