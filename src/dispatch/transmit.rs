//! One message on its way through one SIM: segments, intents, submissions, outcomes.

use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::{
    config::Slot,
    model::{OutgoingState, ResendPolicy},
    modem::SubmitError,
    pool::Pool,
    store::{OutboxJob, PartState, Route, Store, StoreError},
    tpdu::{Address, MessageClass, Reference, Segment, Submit, ValidityPeriod, encode_submit, segment},
};

use super::retry_delay;

/// How long a status report may settle an unknown outcome before the part is submitted again.
const UNKNOWN_GRACE: Duration = Duration::from_secs(60);
/// How long the store is left alone that could not record something.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
/// When a message is looked at again that the store's fault kept from going out.
const STORE_DELAY: Duration = Duration::from_secs(5);

/// What is needed to send one message through one SIM.
pub(super) struct Transmission {
    store: Store,
    pool: Pool,
    slot: Slot,
    job: OutboxJob,
}

/// Why the rest of a message was not tried now.
enum Stop {
    /// The outcome is on disk already.
    Recorded,
    /// The store failed, or knows better, before anything was handed over.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Transmission {
    pub(super) fn new(store: &Store, pool: &Pool, slot: &Slot, job: OutboxJob) -> Self {
        Self { store: store.clone(), pool: pool.clone(), slot: slot.clone(), job }
    }

    /// Submits every part that has not left yet.
    pub(super) async fn run(self) {
        match self.send().await {
            Ok(()) => info!(message_id = %self.job.id, modem = %self.slot.id, "message sent"),
            Err(Stop::Recorded) => {}
            Err(Stop::Store(StoreError::LimitReached(reached))) => {
                info!(message_id = %self.job.id, modem = %self.slot.id, "waits: {reached}");
                let (id, cause) = (self.job.id, reached.to_string());
                let _ = self.insist(|| self.store.deferred(id, &cause, reached.frees)).await;
            }
            Err(Stop::Store(error)) => {
                warn!(message_id = %self.job.id, modem = %self.slot.id, %error, "not sent, as the store failed");
                let id = self.job.id;
                let retry_at = self.store.now().after(STORE_DELAY);
                let _ = self.insist(|| self.store.deferred(id, "the store failed", retry_at)).await;
            }
        }
    }

    async fn send(&self) -> Result<(), Stop> {
        let job = &self.job;
        let reference = job.reference.unwrap_or(job.next_reference);
        let class = job.flash.then_some(MessageClass::Zero);
        let segments = match segment(&job.text, Reference::Narrow(low_octet(reference)), class) {
            Ok(segments) => segments,
            Err(error) => return self.fail(&error).await,
        };
        let destination = match Address::number(&job.recipient) {
            Ok(address) => address,
            Err(error) => return self.fail(&error).await,
        };
        self.record_route(&segments, reference).await?;

        let known = |number: u16| job.parts.iter().find(|part| part.number == number);
        let left = |number: u16| {
            known(number).is_some_and(|part| {
                matches!(part.state, PartState::Sent | PartState::Delivered | PartState::Undelivered)
            })
        };
        let open: Vec<(u16, &Segment)> = (0_u16..).zip(&segments).filter(|(number, _)| !left(*number)).collect();

        let mut intent_recorded = false;
        for (position, (number, segment)) in open.iter().copied().enumerate() {
            let doubtful = known(number).is_some_and(|part| part.doubtful);
            if doubtful && job.policy == ResendPolicy::Once {
                let cause = "the modem fell silent after the text";
                self.insist(|| self.store.ended(job.id, OutgoingState::Unknown, cause)).await?;
                return Err(Stop::Recorded);
            }
            if !intent_recorded {
                self.store.part_begins(job.id, number).await?;
            }
            let submit = Submit {
                reject_duplicates: doubtful,
                reply_path: false,
                status_report_request: true,
                message_reference: 0,
                destination: destination.clone(),
                protocol_identifier: 0,
                data_coding: segment.data_coding,
                validity: Some(ValidityPeriod::relative(job.expires.since(self.store.now()))),
                user_data: segment.user_data.clone(),
            };
            let pdu = match encode_submit(None, &submit) {
                Ok(pdu) => pdu,
                Err(error) => return self.fail(&error).await,
            };
            let next = open.get(position + 1).map(|(number, _)| *number);
            let outcome = self.pool.submit(&self.slot.id, pdu.hex, pdu.tpdu_octets, next.is_some()).await;
            self.record_outcome(number, doubtful, next, outcome).await?;
            intent_recorded = next.is_some();
        }
        Ok(())
    }

    async fn record_route(&self, segments: &[Segment], reference: u16) -> Result<(), StoreError> {
        let snapshot = self.pool.snapshot(&self.slot.id);
        let parts = u16::try_from(segments.len()).unwrap_or(u16::MAX);
        self.store
            .routed(
                self.job.id,
                Route {
                    slot: self.slot.id.clone(),
                    sim: snapshot.map(|seen| seen.sim_identity()).unwrap_or_default(),
                    number: self.slot.phone_number.as_ref().map(ToString::to_string).unwrap_or_default(),
                    parts,
                    reference: Some(reference),
                    cost_micros: self.slot.costs_per_sms_micros,
                    currency: self.slot.currency.clone(),
                },
            )
            .await
    }

    /// Writes down what became of a part. It is known now and never again, so it is insisted upon: without it the part
    /// would go out once more after the next start.
    async fn record_outcome(
        &self,
        number: u16,
        doubtful: bool,
        next: Option<u16>,
        outcome: Result<u8, SubmitError>,
    ) -> Result<(), Stop> {
        let id = self.job.id;
        match outcome {
            Ok(reference) => {
                let recorded = self.insist(|| self.store.part_sent(id, number, reference, next)).await;
                if matches!(recorded, Err(StoreError::PartLeft { .. } | StoreError::LimitReached(_))) {
                    // A report has settled the next part meanwhile, or it has to wait: this one's reference counts all
                    // the same.
                    self.insist(|| self.store.part_sent(id, number, reference, None)).await?;
                }
                recorded?;
                debug!(message_id = %id, modem = %self.slot.id, segment = number, reference, "segment sent");
                Ok(())
            }
            Err(SubmitError::Transient { cause }) => {
                let retry_at = self.store.now().after(retry_delay(self.job.failures));
                info!(message_id = %id, modem = %self.slot.id, %cause, "not sent, will be tried again");
                self.insist(|| self.store.part_refused(id, number, &cause, Some(retry_at))).await?;
                Err(Stop::Recorded)
            }
            Err(SubmitError::Permanent { cause }) => {
                info!(message_id = %id, modem = %self.slot.id, %cause, "message failed");
                self.insist(|| self.store.part_refused(id, number, &cause, None)).await?;
                Err(Stop::Recorded)
            }
            Err(SubmitError::OutcomeUnknown { cause }) => {
                // Only what may have left counts: a submission that was refused for certain costs nobody a duplicate.
                let again = self.job.policy == ResendPolicy::Alarm && !doubtful;
                let resolve_at = again.then(|| self.store.now().after(UNKNOWN_GRACE));
                warn!(message_id = %id, modem = %self.slot.id, %cause, "it is unknown whether the message left");
                self.insist(|| self.store.part_unknown(id, number, &cause, resolve_at)).await?;
                Err(Stop::Recorded)
            }
        }
    }

    async fn fail(&self, cause: &(dyn std::error::Error + Sync)) -> Result<(), Stop> {
        info!(message_id = %self.job.id, %cause, "message failed");
        let cause = cause.to_string();
        self.insist(|| self.store.ended(self.job.id, OutgoingState::Failed, &cause)).await?;
        Err(Stop::Recorded)
    }

    /// Repeats what the store could not do until it can, knows that it never will, or is closed.
    async fn insist<F>(&self, mut operation: impl FnMut() -> F) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        let mut told = false;
        loop {
            match operation().await {
                Err(error @ (StoreError::Busy | StoreError::Full { .. } | StoreError::Sqlite(_))) => {
                    if !std::mem::replace(&mut told, true) {
                        warn!(message_id = %self.job.id, %error, "cannot record what became of a message, trying on");
                    }
                    sleep(RECORD_PAUSE).await;
                }
                result => return result,
            }
        }
    }
}

fn low_octet(reference: u16) -> u8 {
    reference.to_le_bytes()[0]
}
