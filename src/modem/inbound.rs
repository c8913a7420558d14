//! From the PDU a modem printed to what the store keeps. Pure.
//!
//! Nothing is refused here: what cannot be decoded becomes an undecodable message that carries its hex, because the
//! SIM's copy is deleted once the store has it.

use jiff::Timestamp;

use crate::{
    model::SlotId,
    store::{NewReport, NewSegment, ReportOutcome, SegmentContent, SegmentKey},
    tpdu::{Deliver, Incoming, Part, StatusClass, StatusReport, decode_incoming, join},
};

/// TP-PID of a short message type 0 (TS 23.040 9.2.3.9): acknowledge it and throw it away.
const SHORT_MESSAGE_TYPE_0: u8 = 0x40;

/// Where and when a PDU came in.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The slot.
    pub slot: &'a SlotId,
    /// Our number; empty if none is configured.
    pub number: &'a str,
    /// Network the modem is on.
    pub network: &'a str,
    /// ICCID or what stands for it.
    pub sim: &'a str,
    /// Memory, empty for what came directly.
    pub memory: &'a str,
    /// Index in the memory, `None` for what came directly.
    pub index: Option<u16>,
    /// Wall time.
    pub at: Timestamp,
}

/// What a PDU turned out to be.
#[derive(Clone, Debug)]
pub enum Inbound {
    /// An SMS-DELIVER, or something that could not be decoded.
    Segment(NewSegment),
    /// An SMS-STATUS-REPORT.
    Report(NewReport),
}

/// Sorts one PDU. Total: every text gives something that can be stored.
#[must_use]
pub fn sort(pdu: &str, arrival: &Arrival<'_>) -> Inbound {
    let pdu = pdu.trim().to_ascii_uppercase();
    let key = SegmentKey {
        sim: arrival.sim.to_owned(),
        memory: arrival.memory.to_owned(),
        index: arrival.index,
        pdu: pdu.clone(),
    };
    match decode_incoming(&pdu) {
        Ok((_, Incoming::Deliver(deliver))) => Inbound::Segment(segment(&deliver, key, arrival)),
        Ok((_, Incoming::StatusReport(report))) => Inbound::Report(status_report(&report, key, arrival)),
        Err(error) => {
            let text = format!("[This SMS could not be decoded: {error}. Its PDU is {pdu}]");
            Inbound::Segment(NewSegment {
                key,
                slot: arrival.slot.clone(),
                recipient: arrival.number.to_owned(),
                sender: String::new(),
                network: arrival.network.to_owned(),
                sent_at: None,
                sent_offset: 0,
                received_at: arrival.at,
                flash: false,
                content: SegmentContent::Undecodable { text },
            })
        }
    }
}

/// Joins the parts of a concatenated message (the store's [`Joiner`](crate::store::Joiner)).
#[must_use]
pub fn join_parts(total: u8, parts: &[(u8, &str)]) -> String {
    let decoded: Vec<(u8, Deliver)> = parts
        .iter()
        .filter_map(|(sequence, pdu)| match decode_incoming(pdu) {
            Ok((_, Incoming::Deliver(deliver))) => Some((*sequence, deliver)),
            Ok((_, Incoming::StatusReport(_))) | Err(_) => None,
        })
        .collect();
    let parts: Vec<Part<'_>> = decoded
        .iter()
        .map(|(sequence, deliver)| Part {
            sequence: *sequence,
            total,
            data_coding: deliver.data_coding,
            user_data: &deliver.user_data,
        })
        .collect();
    join(&parts, total).text
}

fn segment(deliver: &Deliver, key: SegmentKey, arrival: &Arrival<'_>) -> NewSegment {
    let content = if deliver.protocol_identifier == SHORT_MESSAGE_TYPE_0 {
        SegmentContent::Discard
    } else {
        match deliver.user_data.header.as_ref().and_then(|header| header.concatenation()) {
            Some(part) if part.total > 1 => SegmentContent::Part {
                reference: part.reference,
                wide: part.wide,
                total: part.total,
                sequence: part.sequence,
            },
            _ => SegmentContent::Whole { text: deliver.user_data.text(deliver.data_coding) },
        }
    };
    NewSegment {
        key,
        slot: arrival.slot.clone(),
        recipient: arrival.number.to_owned(),
        sender: deliver.originating_address.to_string(),
        network: arrival.network.to_owned(),
        sent_at: deliver.service_centre_timestamp.to_timestamp(),
        sent_offset: deliver.service_centre_timestamp.offset_seconds(),
        received_at: arrival.at,
        flash: deliver.data_coding.is_flash(),
        content,
    }
}

fn status_report(report: &StatusReport, key: SegmentKey, arrival: &Arrival<'_>) -> NewReport {
    let outcome = match report.status.class() {
        StatusClass::Delivered => ReportOutcome::Delivered,
        StatusClass::Trying => ReportOutcome::Trying,
        _ if report.status.is_expired() => ReportOutcome::Expired,
        StatusClass::PermanentFailure | StatusClass::TemporaryFailureFinal | StatusClass::Reserved => {
            ReportOutcome::Undelivered
        }
    };
    NewReport {
        key,
        slot: arrival.slot.clone(),
        reference: report.message_reference,
        recipient: report.recipient.to_string(),
        status: report.status.0,
        outcome,
        text: report.status.text().to_owned(),
        received_at: arrival.at,
    }
}
