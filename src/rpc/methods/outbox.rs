//! Outgoing messages: accepting one, and telling what became of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    super::{
        fault,
        party::party_of,
        repost::{CallDigest, Outcome},
        value::Arguments,
        wire::{Fault, Value},
    },
    Caller, Context, int, store_fault, structure, token, units,
};
use crate::{
    config::Api,
    model::{MessageId, Msisdn, OutgoingMessage, OutgoingState, Recipient, ResendPolicy},
    store::{Allowance, NewOutgoing, StoreError},
};

/// How long a broken connection may take to be noticed on a busy machine when a call comes that looks like its repost.
const BREAK_NOTICED: Duration = Duration::from_millis(500);

/// `send_sms(token, sender, recipient, message, flash = false)`.
pub(super) async fn send(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let mut arguments = Arguments::new(params, 4, 5)?;
    let api = &context.config.gateway.api;
    if !api.enable_send_sms {
        return Err(fault::not_enabled());
    }
    let token = token(&mut arguments)?;
    let (policy, hash) = policy(context, caller, &token).await?;
    let (sender, recipient, text) = (arguments.text()?, arguments.text()?, arguments.text()?);
    let flash = arguments.flag()?;

    let recipient = Recipient::parse(&recipient, api.allow_short_codes)
        .map_err(|_| fault::bad_argument("Invalid recipient format."))?;
    let sender = chosen_sender(context, &sender)?;
    let parts = (context.backends.parts_of)(&text)
        .ok_or_else(|| fault::bad_argument("The message is too long: it would need more than 255 parts."))?;
    let allowance = allowance(api, &hash, parts)?;

    let digest = call_digest(context, &token, sender.as_ref(), &recipient, &text, flash);
    let message = NewOutgoing {
        id: MessageId::from_uuid(Uuid::now_v7()),
        sender,
        recipient: recipient.as_str().to_owned(),
        text,
        flash,
        policy,
        queued_at: context.backends.store.wall(),
        lifetime: api.message_lifetime,
    };
    let (id, outcome) = accept(context, caller, digest, message, allowance).await;
    settled(outcome).await.map(|()| Value::string(id.to_string()))
}

/// `get_delivery_status(token, sms_id)`: an unknown id is not delivered.
pub(super) async fn delivery_status(
    context: &Context<'_>,
    caller: &Caller,
    params: Vec<Value>,
) -> Result<Value, Fault> {
    let id = authorised_id(context, caller, params).await?;
    let message = look_up(context, &id).await?;
    Ok(Value::Boolean(message.is_some_and(|message| message.state == OutgoingState::Delivered)))
}

/// `get_message(token, sms_id)`.
pub(super) async fn message(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let id = authorised_id(context, caller, params).await?;
    look_up(context, &id).await?.map(describe).ok_or_else(|| fault::bad_argument("Unknown sms_id."))
}

fn describe(message: OutgoingMessage) -> Value {
    let time = |time: Option<Timestamp>| Value::string(time.map(rfc_3339).unwrap_or_default());
    structure([
        ("sms_id", Value::string(message.id.to_string())),
        ("state", Value::string(message.state.as_str())),
        ("recipient", Value::String(message.recipient)),
        ("sender", Value::String(message.sender)),
        ("modem", Value::string(message.slot.map(|slot| slot.to_string()).unwrap_or_default())),
        ("parts", int(message.parts)),
        ("parts_sent", int(message.parts_sent)),
        ("parts_delivered", int(message.parts_delivered)),
        ("cause", Value::String(message.cause)),
        ("queued_at", time(Some(message.queued_at))),
        ("sent_at", time(message.sent_at)),
        ("done_at", time(message.done_at)),
        ("cost", units(message.cost_micros)),
        ("currency", Value::String(message.currency)),
        ("tries", int(message.tries)),
    ])
}

fn rfc_3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

async fn authorised_id(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<String, Fault> {
    let mut arguments = Arguments::new(params, 2, 2)?;
    let token = token(&mut arguments)?;
    context.authorise(caller, &token, &context.config.gateway.api.token_send_sms).await?;
    arguments.text()
}

async fn look_up(context: &Context<'_>, id: &str) -> Result<Option<OutgoingMessage>, Fault> {
    let Some(id) = MessageId::parse(id) else { return Ok(None) };
    context.backends.store.outgoing(id).await.map_err(|error| store_fault(&error))
}

/// Lets the call go on if the token may send, and says which policy it follows and by which hash it is known.
async fn policy(context: &Context<'_>, caller: &Caller, token: &SecretString) -> Result<(ResendPolicy, String), Fault> {
    let Api { token_send_sms, once_tokens, alarm_tokens, resend_policy, .. } = &context.config.gateway.api;
    let hashes = [token_send_sms, once_tokens, alarm_tokens].into_iter().flatten();
    let opened = context.opened(caller, token, &hashes.map(String::as_str).collect::<Vec<_>>()).await?;
    let any_of = |hashes: &[String]| hashes.iter().any(|hash| opened.by(hash));
    let known_by = token_send_sms.iter().find(|hash| opened.by(hash)).ok_or_else(fault::invalid_token)?;
    let policy = if any_of(once_tokens) {
        ResendPolicy::Once
    } else if any_of(alarm_tokens) {
        ResendPolicy::Alarm
    } else {
        *resend_policy
    };
    Ok((policy, known_by.clone()))
}

/// What a message of so many parts takes of what its token may send; `None` where that is not limited.
fn allowance(api: &Api, hash: &str, parts: u32) -> Result<Option<Allowance>, Fault> {
    let limits = api.token_limits;
    if limits.most_parts().is_some_and(|most| parts > most) {
        let message = format!("The message is too long: it would need {parts} parts, more than this token may send.");
        return Err(fault::bad_argument(message));
    }
    Ok((!limits.is_none()).then(|| Allowance { party: party_of(hash), limits, parts }))
}

/// The SIM the caller asks for: none if the text is empty or no number of ours.
fn chosen_sender(context: &Context<'_>, sender: &str) -> Result<Option<Msisdn>, Fault> {
    if sender.is_empty() {
        return Ok(None);
    }
    let number = Msisdn::parse(sender).map_err(|_| fault::bad_argument("Invalid sender format."))?;
    if context.slot_of(number.as_str()).is_some() {
        return Ok(Some(number));
    }
    tracing::info!(sender = %number, "send_sms asks for a sender that is no number of ours; routing decides");
    Ok(None)
}

/// What makes two calls the same.
fn call_digest(
    context: &Context<'_>,
    token: &SecretString,
    sender: Option<&Msisdn>,
    recipient: &Recipient,
    text: &str,
    flash: bool,
) -> CallDigest {
    let mut octets = vec![u8::from(flash)];
    for field in [token.expose_secret(), sender.map_or("", Msisdn::as_str), recipient.as_str(), text] {
        octets.extend_from_slice(&field.len().to_be_bytes());
        octets.extend_from_slice(field.as_bytes());
    }
    context.auth.digest_of(&octets)
}

/// Hands the message to the store in a task of its own: a caller that hangs up must not leave it half accepted, and a
/// repost has to learn what became of the first post.
async fn accept(
    context: &Context<'_>,
    caller: &Caller,
    call: CallDigest,
    message: NewOutgoing,
    allowance: Option<Allowance>,
) -> (MessageId, Outcome) {
    let window = context.config.gateway.api.repost_window;
    if let Some(rival) = context.reposts.rival(window, &call, &caller.connection, now()) {
        drop(tokio::time::timeout(BREAK_NOTICED, rival.gone()).await);
    }
    let (report, outcome) = watch::channel(None);
    let id = message.id;
    if let Some(earlier) = context.reposts.first_of(window, call, &caller.connection, now(), id, &outcome) {
        tracing::info!(message_id = %earlier.0, "send_sms was posted again after its connection broke");
        return earlier;
    }
    let store = context.backends.store.clone();
    tokio::spawn(async move {
        let result = match allowance {
            Some(allowance) => store.enqueue_within(message, allowance).await,
            None => store.enqueue(message).await,
        };
        let result = result.map_err(|error| {
            if let StoreError::LimitReached(reached) = error {
                return fault::limit_reached(reached.limit, reached.frees.since(store.now()));
            }
            store_fault(&error)
        });
        report.send_replace(Some(result));
    });
    (id, outcome)
}

/// The runtime's clock, by which everything waits.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn settled(mut outcome: Outcome) -> Result<(), Fault> {
    let settled =
        outcome.wait_for(Option::is_some).await.map_err(|_| fault::unavailable("The gateway is stopping."))?;
    settled.clone().unwrap_or(Ok(()))
}
