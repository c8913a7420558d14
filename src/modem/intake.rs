//! What came in: read it, commit it, and only then delete it from the SIM (or acknowledge it to the network).

use tracing::{debug, info, warn};

use super::{
    inbound::{Arrival, Inbound, join_parts, sort},
    task::Context,
};
use crate::{
    model::SlotId,
    store::{Committed, ReportMatch, SegmentKey, StoreError},
};

/// Who the SIM is, for the rows of what it receives.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) slot: SlotId,
    pub(super) number: String,
    pub(super) network: String,
    pub(super) sim: String,
}

/// What was committed.
#[derive(Debug)]
pub(super) struct Taken {
    /// The SIM's copy, which may go now.
    pub(super) key: SegmentKey,
    /// It was a self-test that came back.
    pub(super) self_test: bool,
}

/// Commits one PDU durably. After `Ok` the SIM's copy may go.
///
/// # Errors
/// The store's error; then nothing may be deleted or acknowledged.
pub(super) async fn commit(
    context: &Context,
    receiver: &Receiver,
    memory: &str,
    index: Option<u16>,
    pdu: &str,
) -> Result<Taken, StoreError> {
    let arrival = Arrival {
        slot: &receiver.slot,
        number: &receiver.number,
        network: &receiver.network,
        sim: &receiver.sim,
        memory,
        index,
        at: context.store.wall(),
    };
    match sort(pdu, &arrival) {
        Inbound::Segment(segment) => {
            let key = segment.key.clone();
            let committed = context.store.commit_segment(segment, join_parts).await?;
            match &committed {
                Committed::Stored { message: Some(id) } => {
                    info!(modem = %receiver.slot, message_id = %id, "message received")
                }
                Committed::SelfTest => info!(modem = %receiver.slot, "the self-test SMS came back"),
                Committed::Stored { message: None } => debug!(modem = %receiver.slot, "segment received"),
                Committed::AlreadyHeld => debug!(modem = %receiver.slot, "segment was saved before"),
                Committed::Repeat { .. } => {
                    info!(modem = %receiver.slot, "the network repeated a message; not shown again")
                }
            }
            Ok(Taken { key, self_test: committed == Committed::SelfTest })
        }
        Inbound::Report(report) => {
            let key = report.key.clone();
            let status = report.text.clone();
            match context.store.commit_report(report).await? {
                ReportMatch::Message(id) => info!(modem = %receiver.slot, message_id = %id, %status, "delivery report"),
                ReportMatch::Ambiguous => {
                    warn!(modem = %receiver.slot, "a delivery report fits more than one message and is left alone");
                }
                ReportMatch::Duplicate => debug!(modem = %receiver.slot, "delivery report seen before"),
                ReportMatch::Unmatched => debug!(modem = %receiver.slot, "delivery report fits no message yet"),
            }
            Ok(Taken { key, self_test: false })
        }
    }
}
