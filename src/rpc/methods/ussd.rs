//! `send_ussd`: one USSD code through the SIM with a given number.

use super::{
    super::{
        fault,
        value::Arguments,
        wire::{Fault, Value},
    },
    Caller, Context, token,
};
use crate::model::Msisdn;

/// Longest code in characters (TS 22.090, TS 23.038 5: 160 octets hold 182 septets).
const LONGEST_CODE: usize = 182;

/// `send_ussd(token, sender, ussd_code)`: waits for the network's reply.
pub(super) async fn send(context: &Context<'_>, caller: &Caller, params: Vec<Value>) -> Result<Value, Fault> {
    let mut arguments = Arguments::new(params, 3, 3)?;
    let token = token(&mut arguments)?;
    let (sender, code) = (arguments.text()?, arguments.text()?);
    if !context.config.gateway.api.enable_send_ussd {
        return Err(fault::not_enabled());
    }
    context.authorise(caller, &token, &context.config.gateway.api.token_send_ussd).await?;
    let sender = Msisdn::parse(&sender).map_err(|_| fault::bad_argument("Invalid sender format."))?;
    let code = code.trim();
    if !is_code(code) {
        return Err(fault::bad_argument("Invalid USSD code: digits, `*`, `#` and `+` only."));
    }
    let Some(slot) = context.slot_of(sender.as_str()) else {
        return Ok(pair("ERROR", format!("Modem could not be identified for phone number {sender}.")));
    };
    Ok(match context.backends.pool.ussd(&slot.id, code.to_owned()).await {
        Ok(reply) => pair("OK", reply),
        Err(error) => pair("ERROR", format!("Failed to send USSD code: {error}.")),
    })
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
