//! Which modems live: a snapshot of each, and a way to ask one for something.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    model::{ModemSnapshot, SlotId},
    modem::{AcceptError, Request, SubmitError, UssdError},
};

/// Longest a USSD dialogue may take before the caller gets an answer.
const USSD_DEADLINE: Duration = Duration::from_secs(45);

/// One slot's mailbox and its last snapshot.
#[derive(Clone, Debug)]
pub struct SlotHandle {
    /// What was last seen.
    pub snapshot: watch::Receiver<ModemSnapshot>,
    /// The modem task's mailbox.
    pub requests: mpsc::Sender<Request>,
}

/// The modems of the pool, by slot. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    slots: Arc<BTreeMap<SlotId, SlotHandle>>,
}

impl Pool {
    /// A pool of these slots.
    #[must_use]
    pub fn new(slots: BTreeMap<SlotId, SlotHandle>) -> Self {
        Self { slots: Arc::new(slots) }
    }

    /// Every slot's snapshot, in the order of slot names.
    #[must_use]
    pub fn snapshots(&self) -> Vec<ModemSnapshot> {
        self.slots.values().map(|handle| handle.snapshot.borrow().clone()).collect()
    }

    /// One slot's snapshot.
    #[must_use]
    pub fn snapshot(&self, slot: &SlotId) -> Option<ModemSnapshot> {
        self.slots.get(slot).map(|handle| handle.snapshot.borrow().clone())
    }

    /// Ends when some slot's snapshot has changed since this call. Never, without slots.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut changes: Vec<_> = self
            .slots
            .values()
            .map(|handle| {
                let mut snapshot = handle.snapshot.clone();
                snapshot.mark_unchanged();
                Box::pin(async move {
                    if snapshot.changed().await.is_err() {
                        // Its modem task has ended: nothing will ever change there.
                        std::future::pending::<()>().await;
                    }
                })
            })
            .collect();
        poll_fn(move |context| {
            let any = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
            if any { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Runs one USSD code and closes the session.
    ///
    /// # Errors
    /// [`UssdError`] if there is no such modem, it is not ready or busy, or the network gives no text.
    pub async fn ussd(&self, slot: &SlotId, code: String) -> Result<String, UssdError> {
        let handle = self.slots.get(slot).ok_or(UssdError::NotReady)?;
        if !handle.snapshot.borrow().ready {
            return Err(UssdError::NotReady);
        }
        let (reply, answer) = oneshot::channel();
        handle.requests.try_send(Request::Ussd { code, reply }).map_err(|_| UssdError::Busy)?;
        match tokio::time::timeout(USSD_DEADLINE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(UssdError::Failed("the modem went away".to_owned())),
            Err(_) => Err(UssdError::Failed("the network did not answer in time".to_owned())),
        }
    }

    /// Has the operator know the card that is in the slot; returns the end of its ICCID.
    ///
    /// # Errors
    /// [`AcceptError`] if there is no modem, it does not tell its card, or the store failed.
    pub async fn accept_card(&self, slot: &SlotId) -> Result<String, AcceptError> {
        let handle = self.slots.get(slot).ok_or(AcceptError::NotReady)?;
        let (reply, answer) = oneshot::channel();
        handle.requests.try_send(Request::AcceptCard { reply }).map_err(|_| AcceptError::NotReady)?;
        answer.await.unwrap_or(Err(AcceptError::NotReady))
    }

    /// Has the modem brought up anew; whether one was at work.
    pub async fn start_anew(&self, slot: &SlotId) -> bool {
        let Some(handle) = self.slots.get(slot) else { return false };
        let (reply, answer) = oneshot::channel();
        handle.requests.try_send(Request::StartAnew { reply }).is_ok() && answer.await.is_ok()
    }

    /// Submits one TPDU; returns the TP-MR.
    ///
    /// # Errors
    /// [`SubmitError`]; a request that was never taken up is `Transient`, one whose modem vanished is `OutcomeUnknown`.
    pub async fn submit(&self, slot: &SlotId, hex: String, tpdu_octets: usize, more: bool) -> Result<u8, SubmitError> {
        let transient = |cause: &str| SubmitError::Transient { cause: cause.to_owned() };
        let handle = self.slots.get(slot).ok_or_else(|| transient("no such slot"))?;
        let (reply, answer) = oneshot::channel();
        let request = Request::Submit { hex, tpdu_octets, more, reply };
        handle.requests.try_send(request).map_err(|_| transient("the modem is busy"))?;
        answer.await.unwrap_or_else(|_| Err(SubmitError::OutcomeUnknown { cause: "the modem task ended".to_owned() }))
    }
}
