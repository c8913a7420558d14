//! USSD through the SIM with a given number: one code (`send_ussd`), or a menu session that a person answers
//! (`ussd_open`, `ussd_answer`, `ussd_close`).

use super::{
    super::{
        fault,
        value::Arguments,
        wire::{Fault, Value},
    },
    Caller, Context, structure, token,
};
use crate::{
    model::{Msisdn, SlotId, UssdSession, UssdStep},
    modem::UssdError,
};

/// Longest code in characters (TS 22.090, TS 23.038 5: 160 octets hold 182 septets).
const LONGEST_CODE: usize = 182;

/// `send_ussd(token, sender, ussd_code)`: waits for the network's reply.
pub(super) async fn send(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let (sender, code) = sender_and_code(context, caller, params).await?;
    let Some(slot) = slot_of(context, &sender) else {
        return Ok(pair("ERROR", no_modem(&sender)));
    };
    Ok(match context.backends.pool.ussd(&slot, code).await {
        Ok(reply) => pair("OK", reply),
        Err(error) => pair("ERROR", failed(&error)),
    })
}

/// `ussd_open(token, sender, code)`: as `send_ussd`, but a session that the network leaves open stays so.
pub(super) async fn open(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let (sender, code) = sender_and_code(context, caller, params).await?;
    let slot = slot_of(context, &sender).ok_or_else(|| fault::bad_argument(no_modem(&sender)))?;
    context.backends.pool.ussd_open(&slot, code).await.map(step).map_err(|error| refused(&error))
}

/// `ussd_answer(token, session, text)`: answers the network's menu.
pub(super) async fn answer(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let mut arguments = Arguments::new(params, 3, 3)?;
    let session = session(context, caller, &mut arguments).await?;
    let text = arguments.text()?;
    let answered = context.backends.pool.ussd_answer(session, text).await;
    answered.map(step).map_err(|error| refused(&error))
}

/// `ussd_close(token, session)`: ends the session.
pub(super) async fn close(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let mut arguments = Arguments::new(params, 2, 2)?;
    let session = session(context, caller, &mut arguments).await?;
    match context.backends.pool.ussd_close(session).await {
        // What is over needs no closing.
        Ok(()) | Err(UssdError::Over(_) | UssdError::NotReady) => {
            Ok(step(UssdStep { session: None, text: String::new() }))
        }
        Err(error) => Err(refused(&error)),
    }
}

async fn sender_and_code(
    context: &Context<'_>,
    caller: &Caller,
    params: Vec<Value>,
) -> Result<(Msisdn, String), Fault> {
    let mut arguments = Arguments::new(params, 3, 3)?;
    authorised(context, caller, &mut arguments).await?;
    let (sender, code) = (arguments.text()?, arguments.text()?);
    let sender = Msisdn::parse(&sender).map_err(|_| fault::bad_argument("Invalid sender format."))?;
    let code = code.trim();
    if !is_code(code) {
        return Err(fault::bad_argument("Invalid USSD code: digits, `*`, `#` and `+` only."));
    }
    Ok((sender, code.to_owned()))
}

async fn session(context: &Context<'_>, caller: &Caller, arguments: &mut Arguments) -> Result<UssdSession, Fault> {
    authorised(context, caller, arguments).await?;
    UssdSession::parse(&arguments.text()?).ok_or_else(|| fault::bad_argument("Invalid USSD session."))
}

async fn authorised(context: &Context<'_>, caller: &Caller, arguments: &mut Arguments) -> Result<(), Fault> {
    if !context.config.gateway.api.enable_send_ussd {
        return Err(fault::not_enabled());
    }
    let token = token(arguments)?;
    context.authorise(caller, &token, &context.config.gateway.api.token_send_ussd).await
}

fn slot_of(context: &Context<'_>, sender: &Msisdn) -> Option<SlotId> {
    context.slot_of(sender.as_str()).map(|slot| slot.id.clone())
}

fn no_modem(sender: &Msisdn) -> String {
    format!("Modem could not be identified for phone number {sender}.")
}

fn failed(error: &UssdError) -> String {
    format!("Failed to send USSD code: {error}.")
}

/// What the caller can mend is 400, what may go better another time 503.
fn refused(error: &UssdError) -> Fault {
    match error {
        UssdError::Refused(_) | UssdError::Over(_) => fault::bad_argument(failed(error)),
        UssdError::Busy | UssdError::Failed(_) | UssdError::NotReady | UssdError::Occupied => {
            fault::unavailable(failed(error))
        }
    }
}

fn step(step: UssdStep) -> Value {
    structure([
        ("session", Value::String(step.session.as_ref().map(ToString::to_string).unwrap_or_default())),
        ("open", Value::Boolean(step.session.is_some())),
        ("text", Value::String(step.text)),
    ])
}

fn is_code(code: &str) -> bool {
    (1..=LONGEST_CODE).contains(&code.len())
        && code.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'*' | b'#' | b'+'))
}

fn pair(level: &str, text: String) -> Value {
    Value::Array(vec![Value::string(level), Value::String(text)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        for (code, valid) in
            [("*100#", true), ("+1", true), ("", false), ("*100#\"", false), ("*1\r", false), ("٣", false)]
        {
            assert_eq!(is_code(code), valid, "{code:?}");
        }
        assert!(is_code(&"1".repeat(182)) && !is_code(&"1".repeat(183)));
    }
}
