//! From the PDU a modem printed to what the store keeps. Pure.
//!
//! Nothing is refused here: what cannot be decoded becomes an undecodable message that carries its hex, because the
//! SIM's copy is deleted once the store has it.

use jiff::Timestamp;

use crate::{
    model::SlotId,
    self_test::text::{is_own_number, token_in},
    store::{NewReport, NewSegment, ReportOutcome, SegmentContent, SegmentKey},
    tpdu::{
        Deliver, Incoming, InformationElement, Part, ProtocolIdentifier, StatusClass, StatusReport, decode_incoming,
        hex, join,
    },
};

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
        slot: arrival.slot.clone(),
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
    let content = if ProtocolIdentifier(deliver.protocol_identifier) == ProtocolIdentifier::TYPE_0 {
        SegmentContent::Discard
    } else {
        match deliver.user_data.header.as_ref().and_then(|header| header.concatenation()) {
            Some(part) if part.total > 1 => SegmentContent::Part {
                reference: part.reference,
                wide: part.wide,
                total: part.total,
                sequence: part.sequence,
            },
            _ => whole(deliver, arrival.number),
        }
    };
    NewSegment {
        key,
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

/// A message in one piece. What looks like a self-test and comes from the SIM's own number may be one.
///
/// A message waiting indication without a text gets one in words; without a text and with nothing that waits, it only
/// puts out a symbol that we do not have (TS 23.040 9.2.3.24.2). A text is never thrown away, although the standard allows
/// it: what a phone may forget, someone who polls a mailbox may be waiting for. Nor does a message that replaces another
/// (9.2.3.9) take one away. Some networks write blanks where they have no text.
fn whole(deliver: &Deliver, own: &str) -> SegmentContent {
    let text = deliver.user_data.text(deliver.data_coding);
    if let Some(token) = token_in(&text)
        && is_own_number(own, &deliver.originating_address.to_string())
    {
        return SegmentContent::SelfTest { token: token.to_owned(), text };
    }
    match deliver.waiting() {
        Some(waiting) if text.trim().is_empty() => {
            if waiting.discard && waiting.indications.iter().all(|indication| !indication.active) {
                SegmentContent::Discard
            } else {
                SegmentContent::Whole { text: format!("[Message waiting: {waiting}]") }
            }
        }
        None if text.is_empty() => SegmentContent::Whole { text: unread_elements(deliver).unwrap_or(text) },
        _ => SegmentContent::Whole { text },
    }
}

/// What a message without a text says in elements of its header that we do not read.
fn unread_elements(deliver: &Deliver) -> Option<String> {
    let elements = &deliver.user_data.header.as_ref()?.elements;
    let unread: Vec<String> = elements
        .iter()
        .filter_map(|element| match element {
            InformationElement::Other { id, data } => Some(format!("element {id:#04x}: {}", hex::encode(data))),
            InformationElement::Malformed(octets) => Some(format!("not an element: {}", hex::encode(octets))),
            InformationElement::Concatenation { .. }
            | InformationElement::Ports { .. }
            | InformationElement::NationalSingleShift(_)
            | InformationElement::NationalLockingShift(_) => None,
        })
        .collect();
    (!unread.is_empty()).then(|| format!("[No text. In the header: {}]", unread.join(", ")))
}

/// Whether the modem may put a newer message into this one's place on the SIM by itself (TS 23.040 9.2.3.9).
pub(super) fn may_be_replaced(pdu: &str) -> bool {
    match decode_incoming(pdu) {
        Ok((_, Incoming::Deliver(deliver))) => ProtocolIdentifier(deliver.protocol_identifier).replace_type().is_some(),
        Ok((_, Incoming::StatusReport(_))) | Err(_) => false,
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
        reference: report.message_reference,
        recipient: report.recipient.to_string(),
        status: report.status.0,
        outcome,
        text: report.status.text().to_owned(),
        received_at: arrival.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modem::sample;

    fn content(pdu: &str) -> SegmentContent {
        let slot = SlotId::new("00");
        let arrival = Arrival {
            slot: &slot,
            number: "+491700000000",
            network: "Net",
            sim: "8949",
            memory: "SM",
            index: Some(1),
            at: Timestamp::UNIX_EPOCH,
        };
        match sort(pdu, &arrival) {
            Inbound::Segment(segment) => segment.content,
            Inbound::Report(_) => panic!("not a report"),
        }
    }

    /// One message from +31641600986 with these TP-PID, TP-DCS and user data.
    fn deliver(pid: &str, dcs: &str, header: bool, user_data: &str) -> String {
        let first = if header { "44" } else { "04" };
        format!("00{first}0B911346610089F6{pid}{dcs}20806291731408{user_data}")
    }

    #[test]
    fn a_self_test_is_taken_for_one_only_from_our_own_number() {
        let token = "3f9c1a7be2d04c05";
        for (sender, ours) in
            [("+491700000000", true), ("01700000000", true), ("+491700000001", false), ("7070", false)]
        {
            let text = format!("SMSgate self-test {token}");
            let expected = if ours {
                SegmentContent::SelfTest { token: token.to_owned(), text }
            } else {
                SegmentContent::Whole { text }
            };
            assert_eq!(content(&sample::self_test_pdu(sender, token)), expected, "{sender}");
        }
    }

    #[test]
    fn special_messages_are_treated_as_the_standard_says() {
        let whole = |text: &str| SegmentContent::Whole { text: text.to_owned() };
        for (name, pdu, expected) in [
            ("a plain one", deliver("00", "00", false, "05E8329BFD06"), whole("hello")),
            ("type 0 is silent", deliver("40", "00", false, "05E8329BFD06"), SegmentContent::Discard),
            ("one that replaces another is a message", deliver("41", "00", false, "05E8329BFD06"), whole("hello")),
            (
                "voice mail without a text",
                deliver("00", "C8", false, "00"),
                whole("[Message waiting: voice mail: waiting]"),
            ),
            ("voice mail with a text", deliver("00", "C8", false, "05E8329BFD06"), whole("hello")),
            ("no voice mail any more", deliver("00", "C0", false, "00"), SegmentContent::Discard),
            (
                "the same, to be kept",
                deliver("00", "D0", false, "00"),
                whole("[Message waiting: voice mail: none waiting any more]"),
            ),
            (
                "no voice mail any more, with a blank for a text",
                deliver("00", "C0", false, "0120"),
                SegmentContent::Discard,
            ),
            ("a blank is a text elsewhere", deliver("00", "00", false, "0120"), whole(" ")),
            ("a call is asked for", deliver("5F", "00", false, "05E8329BFD06"), whole("hello")),
            ("for the SIM", deliver("7F", "F6", true, "0602700001FE00"), whole("[8 bit data: 01FE00]")),
            ("compressed", deliver("00", "20", false, "020102"), whole("[compressed text: 0102]")),
            ("reserved schemes are plain text", deliver("00", "8F", false, "05E8329BFD06"), whole("hello")),
            (
                "enhanced voice mail",
                deliver("00", "04", true, "0A09230700049121430300"),
                whole("[Message waiting: voice mail: 3 waiting]"),
            ),
            (
                "an unknown element and no text",
                deliver("00", "04", true, "0504800201FF"),
                whole("[No text. In the header: element 0x80: 01FF]"),
            ),
            (
                "counted",
                deliver("00", "04", true, "0504010200 03".replace(' ', "").as_str()),
                whole("[Message waiting: voice mail: 3 waiting]"),
            ),
        ] {
            assert_eq!(content(&pdu), expected, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_keeps_its_octets() {
        for pdu in ["", "00", "zz", "0004"] {
            let SegmentContent::Undecodable { text } = content(pdu) else { panic!("{pdu}") };
            assert!(text.contains(&pdu.to_ascii_uppercase()), "{text}");
        }
    }
}
