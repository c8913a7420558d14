//! Received messages: those of the last while, and waiting for the next.

use std::{sync::Arc, time::Duration};

use jiff::{
    Timestamp,
    civil::DateTime,
    tz::{Offset, TimeZone},
};
use tokio::{sync::watch, time::Instant};

use super::{
    super::{
        fault,
        value::Arguments,
        wire::{Fault, StructsWriter, Value},
    },
    Caller, Context, store_fault, token,
};
use crate::{
    config::Config,
    model::{InboundMessage, MessageId, Msisdn, SlotId},
    store::InboxQuery,
};

/// Longest time `wait_sms` waits, in seconds.
const LONGEST_WAIT: i64 = 60;

/// Most messages in one answer; at some 600 octets each this is what an answer may weigh.
const MOST_MESSAGES: usize = 10_000;

/// Octets of a message in an answer, about, beside its text.
const MESSAGE_OCTETS: usize = 1300;

/// `get_sms(token, phone_number)`.
pub(super) async fn messages(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<String, Fault> {
    let mut arguments = Arguments::new(params, 2, 2)?;
    let slots = readable(context, caller, &mut arguments).await?;
    let slots = meant(context, slots, &arguments.text()?)?;
    Ok(answer(&read(context, &slots, None).await?))
}

/// `wait_sms(token, phone_number, timeout, after)`.
pub(super) async fn wait(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<String, Fault> {
    let mut arguments = Arguments::new(params, 4, 4)?;
    let slots = readable(context, caller, &mut arguments).await?;
    let (number, timeout, after) = (arguments.text()?, arguments.whole()?, arguments.text()?);
    let slots = meant(context, slots, &number)?;
    let timeout = u64::try_from(timeout)
        .ok()
        .filter(|_| timeout <= LONGEST_WAIT)
        .map(Duration::from_secs)
        .ok_or_else(|| fault::bad_argument("Invalid timeout: 0 to 60 seconds."))?;
    let after = if after.is_empty() {
        None
    } else {
        Some(MessageId::parse(&after).ok_or_else(|| fault::bad_argument("Invalid sms_id."))?)
    };

    let deadline = Instant::now() + timeout;
    let mut arrivals = context.backends.store.arrivals();
    let mut generations = context.backends.config.clone();
    loop {
        arrivals.borrow_and_update();
        let found = read(context, &slots, after).await?;
        // The new configuration may not know this token: the client asks again, and is checked again.
        if !Arc::ptr_eq(&generations.borrow(), &context.config) {
            return Ok(answer(&[]));
        }
        if !found.is_empty() {
            return Ok(answer(&found));
        }
        tokio::select! {
            () = another(&mut generations, &context.config) => {}
            changed = arrivals.changed() => {
                if changed.is_err() {
                    return Ok(answer(&found));
                }
            }
            () = tokio::time::sleep_until(deadline) => return Ok(answer(&found)),
            () = caller.stopping.cancelled() => return Ok(answer(&found)),
        }
    }
}

/// Waits for a configuration that is not `this` one.
async fn another(generations: &mut watch::Receiver<Arc<Config>>, this: &Arc<Config>) {
    if generations.wait_for(|config| !Arc::ptr_eq(config, this)).await.is_err() {
        // There will be no other.
        std::future::pending::<()>().await;
    }
}

/// The slots that the token, the next argument, may read.
async fn readable(context: &Context<'_>, caller: &Caller, arguments: &mut Arguments) -> Result<Vec<SlotId>, Fault> {
    let token = token(arguments)?;
    let tokens = &context.config.gateway.api.token_get_sms;
    let hashes: Vec<&str> = tokens.values().flatten().map(String::as_str).collect();
    let opened = context.opened(caller, &token, &hashes).await?;
    let opens = |hashes: &Vec<String>| hashes.iter().any(|hash| opened.by(hash));
    Ok(tokens.iter().filter(|(_, hashes)| opens(hashes)).map(|(slot, _)| slot.clone()).collect())
}

/// Those of the readable slots that `number` means.
fn meant(context: &Context<'_>, mut slots: Vec<SlotId>, number: &str) -> Result<Vec<SlotId>, Fault> {
    if number.is_empty() {
        return Ok(slots);
    }
    let number = Msisdn::parse(number).map_err(|_| fault::bad_argument("Invalid phone number format."))?;
    let Some(slot) = context.slot_of(number.as_str()) else { return Ok(Vec::new()) };
    slots.retain(|readable| *readable == slot.id);
    if slots.is_empty() { Err(fault::invalid_token()) } else { Ok(slots) }
}

async fn read(
    context: &Context<'_>,
    slots: &[SlotId],
    after: Option<MessageId>,
) -> Result<Vec<Arc<InboundMessage>>, Fault> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let store = &context.backends.store;
    let since = store.now().before(context.config.gateway.api.get_sms_window);
    let query = InboxQuery { slots: slots.to_vec(), since, after, limit: MOST_MESSAGES };
    store.recent_inbox(query).await.map_err(|error| store_fault(&error))
}

/// The document that tells of these messages.
fn answer(messages: &[Arc<InboundMessage>]) -> String {
    let local = TimeZone::system();
    let octets: usize = messages.iter().map(|message| MESSAGE_OCTETS + message.text.len()).sum();
    let mut writer = StructsWriter::new(octets);
    messages.iter().for_each(|message| describe(&mut writer, message, &local));
    writer.finish()
}

fn describe(writer: &mut StructsWriter, message: &InboundMessage, local: &TimeZone) {
    let sent_text = message.sent_at.map(|time| with_offset(time, message.sent_offset)).unwrap_or_default();
    let received_offset = local.to_offset(message.received_at).seconds();
    writer.begin();
    writer.string("sms_id", &message.id.to_string());
    writer.string("recipient", &message.recipient);
    writer.string("text", &message.text);
    // A message whose service centre gave no valid time still needs one on the wire.
    writer.date_time("timestamp", utc(message.sent_at.unwrap_or(message.received_at)));
    writer.date_time("created_timestamp", utc(message.received_at));
    writer.string("sender", &message.sender);
    writer.string("receiving_modem", message.slot.as_str());
    writer.string("receiving_network", &message.network);
    writer.boolean("flash", message.flash);
    writer.string("timestamp_text", &sent_text);
    writer.string("created_timestamp_text", &with_offset(message.received_at, received_offset));
    writer.int("parts_missing", message.parts_missing.into());
    writer.boolean("undecodable", message.undecodable);
    writer.end();
}

fn utc(time: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(time)
}

/// RFC 3339, to the second.
fn with_offset(time: Timestamp, seconds: i32) -> String {
    let offset = Offset::from_seconds(seconds).unwrap_or(Offset::UTC);
    let zoned = time.to_zoned(TimeZone::fixed(offset));
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{
        super::super::wire::{Limits, parse_response, write_response},
        *,
    };

    fn members(message: InboundMessage) -> Value {
        let document = answer(&[Arc::new(message)]);
        let value = parse_response(document.as_bytes(), Limits::RESPONSE).unwrap().unwrap();
        assert_eq!(document, write_response(&value), "it is laid out as any other answer");
        value.as_array().unwrap()[0].clone()
    }

    #[test]
    fn members_of_a_message() {
        let message = InboundMessage {
            sequence: 1,
            id: MessageId::from_uuid(Uuid::from_u128(1)),
            slot: SlotId::new("00"),
            recipient: "+491760000000".into(),
            sender: "Bank".into(),
            text: "code\u{c} 1".into(),
            network: "Vodafone.de".into(),
            sent_at: Some("2026-11-20T22:19:05.9Z".parse().unwrap()),
            sent_offset: 3600,
            received_at: "2026-11-20T22:19:07.5Z".parse().unwrap(),
            flash: true,
            parts_missing: 2,
            undecodable: false,
            completes: None,
            origin: crate::model::MessageOrigin::Sms,
        };
        let without_time = InboundMessage { sent_at: None, ..message.clone() };
        let local = with_offset(message.received_at, TimeZone::system().to_offset(message.received_at).seconds());
        let value = members(message);
        let names: Vec<&str> = value.as_struct().unwrap().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.join(" "), NAMES);
        for (name, xml) in [
            ("sms_id", "<string>00000000-0000-0000-0000-000000000001</string>"),
            ("recipient", "<string>+491760000000</string>"),
            ("text", "<string>code 1</string>"),
            ("timestamp", "<dateTime.iso8601>20261120T22:19:05</dateTime.iso8601>"),
            ("created_timestamp", "<dateTime.iso8601>20261120T22:19:07</dateTime.iso8601>"),
            ("sender", "<string>Bank</string>"),
            ("receiving_modem", "<string>00</string>"),
            ("receiving_network", "<string>Vodafone.de</string>"),
            ("flash", "<boolean>1</boolean>"),
            ("timestamp_text", "<string>2026-11-20T23:19:05+01:00</string>"),
            ("created_timestamp_text", &format!("<string>{local}</string>")),
            ("parts_missing", "<int>2</int>"),
            ("undecodable", "<boolean>0</boolean>"),
        ] {
            let written = write_response(value.member(name).unwrap());
            assert!(written.contains(xml), "{name}: {written}");
        }
        let value = members(without_time);
        assert_eq!(value.member("timestamp"), value.member("created_timestamp"));
        assert_eq!(value.member("timestamp_text"), Some(&Value::string("")));
    }

    #[test]
    fn times_with_an_offset() {
        let time: Timestamp = "2026-11-20T22:19:07.5Z".parse().unwrap();
        for (seconds, text) in [
            (0, "2026-11-20T22:19:07+00:00"),
            (3600, "2026-11-20T23:19:07+01:00"),
            (-12_600, "2026-11-20T18:49:07-03:30"),
            (49_500, "2026-11-21T12:04:07+13:45"),
        ] {
            assert_eq!(with_offset(time, seconds), text);
        }
    }

    #[test]
    fn no_messages() {
        assert_eq!(answer(&[]), write_response(&Value::Array(Vec::new())));
    }

    /// The members, in their order.
    const NAMES: &str = "sms_id recipient text timestamp created_timestamp sender receiving_modem receiving_network flash \
                         timestamp_text created_timestamp_text parts_missing undecodable";
}
