//! For tests: a job with nothing special about it.

use std::time::Duration;

use crate::{
    model::{MessageId, OutgoingState, ResendPolicy, RunTime},
    store::OutboxJob,
};

/// The id of the job with this number.
pub(super) fn id(number: u32) -> MessageId {
    MessageId::parse(&format!("01890a5d-ac96-7000-8000-{number:012}")).unwrap()
}

/// A job that was never tried.
pub(super) fn job(number: u32) -> OutboxJob {
    OutboxJob {
        id: id(number),
        sender: None,
        recipient: "+491761234567".to_owned(),
        text: "hello".to_owned(),
        flash: false,
        policy: ResendPolicy::Alarm,
        state: OutgoingState::Queued,
        lifetime_over: false,
        expires: RunTime(i64::from(number)),
        cause: String::new(),
        failures: 0,
        parts: Vec::new(),
        pinned: None,
        reference: None,
        next_reference: 0,
        lifetime: Duration::from_secs(3600),
    }
}
