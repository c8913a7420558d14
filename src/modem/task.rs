//! The life of one slot: find the port, open it, bring the modem up, serve, and start over after any fault.

use std::{future::Future, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    time::{Duration, Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    AcceptError, Request, SubmitError, UssdError,
    backoff::Backoff,
    connector::{Connection, Connector},
    ladder::Step,
    link::Link,
    recovery::Recovery,
    session::{End, Session},
    starting::{self, StartFault},
};
use crate::{
    config::{SelfTestInterval, Slot},
    model::{Health, HealthLevel, ModemSnapshot, Rung},
    store::Store,
};

/// A session that lasted this long counts as one that worked.
const WORKED: Duration = Duration::from_secs(120);
/// Longest pause before a modem is looked for whose port went away while it worked: whoever plugs it in again waits for it.
const PROMPTLY: Duration = Duration::from_secs(2);
/// How many requests wait for one modem before it counts as busy.
const MAILBOX: usize = 16;

/// What every part of a slot's life needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    /// What the configuration says of the slot; another generation may come at any time.
    pub(super) slot: watch::Receiver<Arc<Slot>>,
    pub(super) store: Store,
    pub(super) snapshot: watch::Sender<ModemSnapshot>,
    /// How often its SIM writes to itself, if it does: what did not come back is missed then.
    pub(super) self_test: watch::Receiver<Option<SelfTestInterval>>,
}

impl Context {
    /// The slot as the configuration has it now.
    pub(super) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot.borrow())
    }

    /// Changes the published snapshot; readers are woken only if something is different.
    pub(super) fn publish(&self, change: impl FnOnce(&mut ModemSnapshot)) {
        self.snapshot.send_if_modified(|seen| {
            let before = seen.clone();
            change(seen);
            *seen != before
        });
    }

    pub(super) fn status(&self, status: &str) {
        self.publish(|seen| status.clone_into(&mut seen.status));
    }

    /// The modem cannot be used, and why. Logged when the reason is new.
    pub(super) fn down(&self, status: &str, reason: &str) {
        let health = Health::of(HealthLevel::Critical, reason);
        if health.is_news_after(&self.snapshot.borrow().health) {
            warn!(modem = %self.slot().id, %reason, "modem is down");
        }
        self.publish(|seen| {
            status.clone_into(&mut seen.status);
            seen.ready = false;
            seen.health = health;
        });
    }
}

/// The actor of one slot.
pub struct ModemTask {
    context: Context,
    connector: Connector,
    recovery: Recovery,
    requests: mpsc::Receiver<Request>,
}

impl ModemTask {
    /// The actor and the ends that the pool keeps. What comes through `slot` later must differ only in what a running
    /// session can take over without touching the modem. `self_test` is how often each SIM writes to itself.
    #[must_use]
    pub fn new(
        slot: watch::Receiver<Arc<Slot>>,
        store: Store,
        connector: Connector,
        self_test: watch::Receiver<Option<SelfTestInterval>>,
    ) -> (Self, watch::Receiver<ModemSnapshot>, mpsc::Sender<Request>) {
        let now = Arc::clone(&slot.borrow());
        let number = now.phone_number.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut first = ModemSnapshot::absent(now.id.clone(), now.enabled, &number);
        if now.enabled {
            "Try to initialize modem.".clone_into(&mut first.status);
            first.health = Health::of(HealthLevel::Critical, "Modem: not initialised yet");
        } else {
            "Disabled.".clone_into(&mut first.status);
        }
        let (snapshot, seen) = watch::channel(first);
        let (mailbox, requests) = mpsc::channel(MAILBOX);
        let context = Context { slot, store, snapshot, self_test };
        (Self { context, connector, recovery: Recovery::default(), requests }, seen, mailbox)
    }

    /// Lives until `cancel`. A disabled slot only turns requests away.
    pub async fn run(&mut self, cancel: CancellationToken) {
        if self.context.snapshot.borrow().ready {
            self.context.down("Try to initialize modem.", "Modem: its task failed and is started again");
        }
        self.live(&cancel).await;
        // What was never taken up has certainly not left.
        self.requests.close();
        while let Some(request) = self.requests.recv().await {
            turn_away(request);
        }
    }

    async fn live(&mut self, cancel: &CancellationToken) {
        let mut backoff = Backoff::default();
        while !cancel.is_cancelled() {
            if !self.context.slot().enabled {
                self.turning_away(cancel, std::future::pending::<()>()).await;
                return;
            }
            let started = Instant::now();
            let end = match self.live_once(cancel).await {
                None | Some(End::Cancelled) => return,
                Some(end) => end,
            };
            self.context.publish(|seen| seen.port.clear());
            if started.elapsed() >= WORKED {
                backoff.reset();
            }
            if self.recover(&end, &mut backoff, cancel).await.is_none() {
                return;
            }
        }
    }

    /// What the ladder says after a failure, until the port may be opened again. `None` when cancelled.
    async fn recover(&mut self, end: &End, backoff: &mut Backoff, cancel: &CancellationToken) -> Option<()> {
        let (context, connector) = (self.context.clone(), self.connector.clone());
        // Requests are turned away meanwhile by the part of `self` that is left.
        let mut recovery = std::mem::take(&mut self.recovery);
        let (slot, reason) = (context.slot().id.clone(), end.to_string());
        let climbing = async {
            match recovery.failed(&context, &connector, end.failure()).await {
                Step::StartOver => {
                    context.down(end.status(), &reason);
                    let pause = backoff.next(spread(slot.as_str()));
                    let unplugged = matches!(end, End::Lost(_));
                    sleep(if unplugged { pause.min(PROMPTLY) } else { pause }).await;
                }
                Step::Try { rung, after } => {
                    context.down(end.status(), &reason);
                    sleep(after).await;
                    recovery.perform(&context, &connector, rung).await;
                }
                Step::GiveUp { again } => {
                    let (tried, minutes) = (recovery.tried(), again.as_secs().div_ceil(60));
                    let tried = if tried.is_empty() { "all that may be tried in an hour".to_owned() } else { tried };
                    let reason = format!("{reason}, given up after {tried}, checked again in {minutes} minutes");
                    context.down(end.status(), &reason);
                    let replaced = tokio::select! {
                        () = sleep(again) => false,
                        () = connector.replaced(&slot, recovery.port()) => true,
                    };
                    if replaced {
                        recovery.replaced();
                    } else {
                        recovery.perform(&context, &connector, Rung::Reopen).await;
                    }
                }
            }
        };
        let done = self.turning_away(cancel, climbing).await;
        self.recovery = recovery;
        done
    }

    /// From finding the port to the end of the session. `None` when cancelled before the session began.
    async fn live_once(&mut self, cancel: &CancellationToken) -> Option<End> {
        if self.context.snapshot.borrow().port.is_empty() {
            self.context.status("Try finding port.");
        }
        let connector = self.connector.clone();
        let slot = self.context.slot();
        let context = self.context.clone();
        let waiting = async move {
            // A port that is there is found at once; only then is absence worth telling.
            let finding = connector.connect(&slot);
            tokio::pin!(finding);
            tokio::select! {
                found = &mut finding => found,
                () = sleep(Duration::from_secs(5)) => {
                    context.down("Failed finding port.", "Modem: no modem on the port");
                    finding.await
                }
            }
        };
        let connection = match self.turning_away(cancel, waiting).await? {
            Ok(connection) => connection,
            Err(error) => return Some(End::NoPort(error)),
        };
        let Connection { stream, name, claim } = connection;
        let _in_use = self.connector.uses(&self.context.slot().id, &name);
        self.recovery.at_port(&name);
        info!(modem = %self.context.slot().id, port = %name, "port found");
        self.context.publish(|seen| {
            name.clone_into(&mut seen.port);
            "Connecting to modem.".clone_into(&mut seen.status);
        });
        let mut link = Link::new(stream).tapped(self.connector.taps().of(&self.context.slot().id));
        let context = self.context.clone();
        let brought_up = self.turning_away(cancel, starting::bring_up(&context, &mut link)).await?;
        let equipment = match brought_up {
            Ok(equipment) => equipment,
            Err(fault) => {
                if let Some(claim) = claim
                    && fault.wrong_modem()
                {
                    claim.mistrust();
                }
                if let StartFault::Lost(cause) = &fault
                    && link.is_hung()
                {
                    return Some(End::Hung(cause.clone()));
                }
                return Some(End::NotStarted(fault));
            }
        };
        self.context.publish(|seen| {
            seen.init_counter += 1;
            seen.last_init = Some(self.context.store.wall());
            seen.imei = equipment.imei.as_ref().map(ToString::to_string).unwrap_or_default();
            seen.imsi = equipment.imsi.clone().unwrap_or_default();
            seen.iccid = equipment.iccid.clone().unwrap_or_default();
            seen.smsc = equipment.service_centre.clone().unwrap_or_default();
            equipment.model.clone_into(&mut seen.model);
        });
        info!(modem = %self.context.slot().id, model = %equipment.model, "modem initialised");
        let patience = self.recovery.patience(&context).await;
        let mut session = Session::new(&context, link, equipment, patience);
        let end = tokio::select! {
            end = session.serve(&mut self.requests, cancel) => end,
            never = self.recovery.credit(&context, context.snapshot.subscribe()) => match never {},
        };
        drop(claim);
        Some(end)
    }

    /// Awaits `work` while every request is told that the modem is not ready. `None` when cancelled.
    async fn turning_away<F: Future>(&mut self, cancel: &CancellationToken, work: F) -> Option<F::Output> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                output = &mut work => return Some(output),
                request = self.requests.recv() => match request {
                    Some(request) => turn_away(request),
                    None => return None,
                },
            }
        }
    }
}

fn turn_away(request: Request) {
    match request {
        Request::Submit { reply, .. } => {
            let cause = "the modem is not ready".to_owned();
            drop(reply.send(Err(SubmitError::Transient { cause })));
        }
        Request::Ussd { reply, .. } => drop(reply.send(Err(UssdError::NotReady))),
        Request::AcceptCard { reply } => drop(reply.send(Err(AcceptError::NotReady))),
        // It is about to be brought up anyway.
        Request::StartAnew { reply } => drop(reply),
    }
}

/// A number that differs from slot to slot.
fn spread(name: &str) -> u8 {
    name.bytes().fold(0, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(byte))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        emulator::VirtualPool,
        modem::{SerialProbe, discovery::Discovery, hints::Hints, sample},
        store::Options,
    };

    fn task(folder: &Path, slot: Slot) -> (ModemTask, watch::Receiver<ModemSnapshot>, mpsc::Sender<Request>) {
        let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
        let store = Store::open(&folder.join("smsgate.db"), options).unwrap();
        let (_changed, changes) = watch::channel(0);
        let (discovery, _seeker) = Discovery::new(std::slice::from_ref(&slot), Hints::load(None), changes, SerialProbe);
        let connector = Connector::new(discovery, Arc::new(VirtualPool::new(Timestamp::UNIX_EPOCH, 1)));
        ModemTask::new(watch::channel(Arc::new(slot)).1, store, connector, watch::channel(None).1)
    }

    fn submission() -> (Request, oneshot::Receiver<Result<u8, SubmitError>>) {
        let (reply, answer) = oneshot::channel();
        (Request::Submit { hex: "00".to_owned(), tpdu_octets: 0, more: false, reply }, answer)
    }

    #[tokio::test]
    async fn a_slot_that_is_switched_off_is_left_alone_and_no_trouble() {
        for enabled in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut slot = sample::slot("00", "+49");
            slot.port = "virtual:generic".to_owned();
            slot.enabled = enabled;
            let (mut task, mut seen, requests) = task(folder.path(), slot);
            let cancel = CancellationToken::new();
            let running = tokio::spawn({
                let cancel = cancel.clone();
                async move { task.run(cancel).await }
            });
            if enabled {
                seen.wait_for(|seen| !seen.port.is_empty()).await.unwrap();
            } else {
                let (request, answer) = submission();
                requests.send(request).await.unwrap();
                assert!(matches!(answer.await, Ok(Err(SubmitError::Transient { .. }))));
                let seen = seen.borrow().clone();
                assert_eq!((seen.status.as_str(), seen.port.as_str(), seen.init_counter), ("Disabled.", "", 0));
                assert_eq!(seen.health, Health::ok());
            }
            cancel.cancel();
            running.await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_waits_for_the_modem_when_the_daemon_stops_has_not_left() {
        let folder = tempfile::tempdir().unwrap();
        let (mut task, _snapshot, requests) = task(folder.path(), sample::slot("00", "+49"));
        let (request, answer) = submission();
        requests.try_send(request).unwrap();
        let cancel = CancellationToken::new();
        cancel.cancel();
        task.run(cancel).await;
        assert!(matches!(answer.await, Ok(Err(SubmitError::Transient { .. }))));
    }
}
