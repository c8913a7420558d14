//! One message on its way through one SIM: segments, intents, submissions, outcomes.

use std::time::Duration;

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
/// Submissions of one part at most, the doubtful first one included.
const MOST_SUBMISSIONS: u32 = 2;

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
    /// The store failed: the message stays as it is on disk.
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
            Err(Stop::Store(error)) => {
                warn!(message_id = %self.job.id, modem = %self.slot.id, %error, "cannot record a submission");
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

        let open: Vec<(u16, &Segment, u32)> = (0_u16..)
            .zip(&segments)
            .filter_map(|(number, segment)| {
                let known = job.parts.iter().find(|part| part.number == number);
                match known.map(|part| (part.state, part.submissions)) {
                    None | Some((PartState::Pending, 0)) => Some((number, segment, 0)),
                    Some((PartState::Pending | PartState::Unknown | PartState::Sending, tries)) => {
                        Some((number, segment, tries))
                    }
                    Some((PartState::Sent | PartState::Delivered | PartState::Undelivered, _)) => None,
                }
            })
            .collect();

        let mut intent_recorded = false;
        for (position, (number, segment, submissions)) in open.iter().copied().enumerate() {
            let doubtful = job.parts.iter().any(|part| part.number == number && part.state == PartState::Unknown);
            if doubtful && (job.policy == ResendPolicy::Once || submissions >= MOST_SUBMISSIONS) {
                self.store.ended(job.id, OutgoingState::Unknown, "the modem fell silent after the text").await?;
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
                validity: Some(ValidityPeriod::relative(self.job.lifetime)),
                user_data: segment.user_data.clone(),
            };
            let pdu = match encode_submit(None, &submit) {
                Ok(pdu) => pdu,
                Err(error) => return self.fail(&error).await,
            };
            let next = open.get(position + 1).map(|(number, ..)| *number);
            let outcome = self.pool.submit(&self.slot.id, pdu.hex, pdu.tpdu_octets, next.is_some()).await;
            self.record_outcome(number, submissions + 1, next, outcome).await?;
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

    async fn record_outcome(
        &self,
        number: u16,
        submissions: u32,
        next: Option<u16>,
        outcome: Result<u8, SubmitError>,
    ) -> Result<(), Stop> {
        let id = self.job.id;
        match outcome {
            Ok(reference) => {
                self.store.part_sent(id, number, reference, next).await?;
                debug!(message_id = %id, modem = %self.slot.id, segment = number, reference, "segment sent");
                Ok(())
            }
            Err(SubmitError::Transient { cause }) => {
                let retry_at = self.store.now().after(retry_delay(self.job.failures));
                info!(message_id = %id, modem = %self.slot.id, %cause, "not sent, will be tried again");
                self.store.part_refused(id, number, &cause, Some(retry_at)).await?;
                Err(Stop::Recorded)
            }
            Err(SubmitError::Permanent { cause }) => {
                info!(message_id = %id, modem = %self.slot.id, %cause, "message failed");
                self.store.part_refused(id, number, &cause, None).await?;
                Err(Stop::Recorded)
            }
            Err(SubmitError::OutcomeUnknown { cause }) => {
                let again = self.job.policy == ResendPolicy::Alarm && submissions < MOST_SUBMISSIONS;
                let resolve_at = again.then(|| self.store.now().after(UNKNOWN_GRACE));
                warn!(message_id = %id, modem = %self.slot.id, %cause, "it is unknown whether the message left");
                self.store.part_unknown(id, number, &cause, resolve_at).await?;
                Err(Stop::Recorded)
            }
        }
    }

    async fn fail(&self, cause: &(dyn std::error::Error + Sync)) -> Result<(), Stop> {
        info!(message_id = %self.job.id, %cause, "message failed");
        self.store.ended(self.job.id, OutgoingState::Failed, &cause.to_string()).await?;
        Err(Stop::Recorded)
    }
}

fn low_octet(reference: u16) -> u8 {
    reference.to_le_bytes()[0]
}
