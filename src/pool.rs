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
    model::{ModemSnapshot, SlotId, UssdSession, UssdStep},
    modem::{AcceptError, Request, SubmitError, UssdAsk, UssdError},
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
    slots: Arc<watch::Sender<BTreeMap<SlotId, SlotHandle>>>,
}

impl Pool {
    /// A pool of these slots.
    #[must_use]
    pub fn new(slots: BTreeMap<SlotId, SlotHandle>) -> Self {
        Self { slots: Arc::new(watch::Sender::new(slots)) }
    }

    /// A slot comes, or its modem's task is another one from now on.
    pub fn put(&self, slot: SlotId, handle: SlotHandle) {
        self.slots.send_modify(|slots| drop(slots.insert(slot, handle)));
    }

    /// A slot goes. What was asked of it before may still be answered.
    pub fn remove(&self, slot: &SlotId) {
        self.slots.send_modify(|slots| drop(slots.remove(slot)));
    }

    /// Every slot's snapshot, in the order of slot names.
    #[must_use]
    pub fn snapshots(&self) -> Vec<ModemSnapshot> {
        self.slots.borrow().values().map(|handle| handle.snapshot.borrow().clone()).collect()
    }

    /// One slot's snapshot.
    #[must_use]
    pub fn snapshot(&self, slot: &SlotId) -> Option<ModemSnapshot> {
        self.slots.borrow().get(slot).map(|handle| handle.snapshot.borrow().clone())
    }

    /// Ends when a slot's snapshot has changed since this call, or a slot has come or gone.
    pub fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut slots = self.slots.subscribe();
        let mut changes: Vec<_> = slots
            .borrow_and_update()
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
        let mut others = Box::pin(async move {
            if slots.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        poll_fn(move |context| {
            if others.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let any = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
            if any { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Runs one USSD code and closes the session.
    ///
    /// # Errors
    /// [`UssdError`] if there is no such modem, it is not ready or busy, or the network gives no text.
    pub async fn ussd(&self, slot: &SlotId, code: String) -> Result<String, UssdError> {
        self.ussd_step(slot, UssdAsk::Once(code)).await.map(|step| step.text)
    }

    /// Runs one USSD code; where the network waits for an answer, the step names the session.
    ///
    /// # Errors
    /// [`UssdError`], as for [`ussd`](Self::ussd).
    pub async fn ussd_open(&self, slot: &SlotId, code: String) -> Result<UssdStep, UssdError> {
        self.ussd_step(slot, UssdAsk::Open(code)).await
    }

    /// Answers the network in a session.
    ///
    /// # Errors
    /// [`UssdError`], as for [`ussd`](Self::ussd); `Over` if the session is.
    pub async fn ussd_answer(&self, session: UssdSession, text: String) -> Result<UssdStep, UssdError> {
        let slot = session.slot().clone();
        self.ussd_step(&slot, UssdAsk::Answer { session, text }).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`UssdError`], as for [`ussd_answer`](Self::ussd_answer).
    pub async fn ussd_close(&self, session: UssdSession) -> Result<(), UssdError> {
        let slot = session.slot().clone();
        self.ussd_step(&slot, UssdAsk::Close(session)).await.map(drop)
    }

    async fn ussd_step(&self, slot: &SlotId, ask: UssdAsk) -> Result<UssdStep, UssdError> {
        let handle = self.handle(slot).ok_or(UssdError::NotReady)?;
        if !handle.snapshot.borrow().ready {
            return Err(UssdError::NotReady);
        }
        let (reply, answer) = oneshot::channel();
        handle.requests.try_send(Request::Ussd { ask, reply }).map_err(|_| UssdError::Busy)?;
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
        let handle = self.handle(slot).ok_or(AcceptError::NotReady)?;
        let (reply, answer) = oneshot::channel();
        handle.requests.try_send(Request::AcceptCard { reply }).map_err(|_| AcceptError::NotReady)?;
        answer.await.unwrap_or(Err(AcceptError::NotReady))
    }

    /// Has the modem brought up anew; whether one was at work.
    pub async fn start_anew(&self, slot: &SlotId) -> bool {
        let Some(handle) = self.handle(slot) else { return false };
        let (reply, answer) = oneshot::channel();
        handle.requests.try_send(Request::StartAnew { reply }).is_ok() && answer.await.is_ok()
    }

    /// Submits one TPDU; returns the TP-MR.
    ///
    /// # Errors
    /// [`SubmitError`]; a request that was never taken up is `Transient`, one whose modem vanished is `OutcomeUnknown`.
    pub async fn submit(&self, slot: &SlotId, hex: String, tpdu_octets: usize, more: bool) -> Result<u8, SubmitError> {
        let transient = |cause: &str| SubmitError::Transient { cause: cause.to_owned() };
        let handle = self.handle(slot).ok_or_else(|| transient("no such slot"))?;
        let (reply, answer) = oneshot::channel();
        let request = Request::Submit { hex, tpdu_octets, more, reply };
        handle.requests.try_send(request).map_err(|_| transient("the modem is busy"))?;
        answer.await.unwrap_or_else(|_| Err(SubmitError::OutcomeUnknown { cause: "the modem task ended".to_owned() }))
    }

    fn handle(&self, slot: &SlotId) -> Option<SlotHandle> {
        self.slots.borrow().get(slot).cloned()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn handle(slot: &SlotId) -> (watch::Sender<ModemSnapshot>, SlotHandle) {
        let (sender, snapshot) = watch::channel(ModemSnapshot::absent(slot.clone(), true, ""));
        (sender, SlotHandle { snapshot, requests: mpsc::channel(1).0 })
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_a_snapshot_or_a_slot_that_comes_or_goes() {
        let (one, two) = (SlotId::new("00"), SlotId::new("01"));
        let ((seen, first), (_, second)) = (handle(&one), handle(&two));
        let pool = Pool::new([(one, first)].into());
        let quiet = Duration::from_secs(3600);
        assert!(timeout(quiet, pool.changed()).await.is_err());
        let change = pool.changed();
        seen.send_modify(|snapshot| snapshot.ready = true);
        assert!(timeout(quiet, change).await.is_ok());
        let other = pool.clone();
        let change = pool.changed();
        other.put(two.clone(), second);
        assert!(timeout(quiet, change).await.is_ok());
        assert_eq!(pool.snapshots().len(), 2);
        let change = pool.changed();
        other.remove(&two);
        assert!(timeout(quiet, change).await.is_ok());
        assert!(pool.snapshot(&two).is_none());
        assert!(matches!(pool.submit(&two, String::new(), 0, false).await, Err(SubmitError::Transient { .. })));
    }
}
