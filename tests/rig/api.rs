//! The daemon as a client meets it.

use std::time::Duration;

use secrecy::SecretString;
use smsgate::{
    cli::client::{Client, ClientError, Endpoint},
    rpc::wire::Value,
};

use super::Site;

/// Longest call: a long poll and some.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Api(Client);

/// A message as `get_sms` tells it.
#[derive(Clone, Debug)]
pub struct Sms {
    pub id: String,
    pub text: String,
    pub sender: String,
    pub recipient: String,
    pub modem: String,
    pub flash: bool,
    pub undecodable: bool,
    pub parts_missing: i64,
}

impl Api {
    pub fn new(site: &Site, token: &str) -> Self {
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: site.port, ca: Some(site.ca()) };
        Self(Client::new(endpoint, SecretString::from(token.to_owned()), DEADLINE).unwrap())
    }

    pub fn call(&self, method: &str, arguments: &[Value]) -> Result<Value, ClientError> {
        self.0.call(method, arguments)
    }

    /// Whether the daemon answers at all; a fault is an answer.
    pub fn ping(&self) -> Result<(), ClientError> {
        match self.call("get_health_state", &[]) {
            Ok(_) | Err(ClientError::Fault(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub fn get_sms(&self, number: &str) -> Vec<Sms> {
        messages(&self.call("get_sms", &[Value::string(number)]).unwrap())
    }

    pub fn wait_sms(&self, number: &str, seconds: i32, after: &str) -> Vec<Sms> {
        let arguments = [Value::string(number), Value::int(seconds), Value::string(after)];
        messages(&self.call("wait_sms", &arguments).unwrap())
    }

    pub fn send(&self, sender: &str, to: &str, text: &str) -> Result<String, ClientError> {
        let arguments = [Value::string(sender), Value::string(to), Value::string(text)];
        self.call("send_sms", &arguments).map(|id| text_of(&id))
    }

    pub fn send_flash(&self, to: &str, text: &str) -> String {
        let arguments = [Value::string(""), Value::string(to), Value::string(text), Value::Boolean(true)];
        text_of(&self.call("send_sms", &arguments).unwrap())
    }

    pub fn delivered(&self, id: &str) -> bool {
        self.call("get_delivery_status", &[Value::string(id)]).unwrap().as_bool().unwrap()
    }

    /// A member of `get_message` that is text.
    pub fn outgoing(&self, id: &str, member: &str) -> String {
        let message = self.call("get_message", &[Value::string(id)]).unwrap();
        let member = message.member(member).unwrap();
        member.as_str().map_or_else(|| member.as_number().unwrap().text().to_owned(), str::to_owned)
    }

    /// `OK` or `ERROR`, and the text.
    pub fn ussd(&self, sender: &str, code: &str) -> (String, String) {
        pair(&self.call("send_ussd", &[Value::string(sender), Value::string(code)]).unwrap())
    }

    pub fn health(&self) -> (String, String) {
        pair(&self.call("get_health_state", &[]).unwrap())
    }

    /// The health, if there is anybody to say it.
    pub fn try_health(&self) -> Option<(String, String)> {
        self.call("get_health_state", &[]).ok().as_ref().map(pair)
    }

    /// A text of `get_stats` about one slot.
    pub fn stat(&self, slot: &str, member: &str) -> String {
        let stats = self.call("get_stats", &[]).unwrap();
        let slots = stats.as_array().unwrap()[1].clone();
        let member = slots.member(slot).unwrap().member(member).unwrap().clone();
        member.as_str().map_or_else(|| member.as_number().unwrap().text().to_owned(), str::to_owned)
    }

    /// The slots that `get_stats` tells of.
    pub fn slots(&self) -> Vec<String> {
        let stats = self.call("get_stats", &[]).unwrap();
        let slots = stats.as_array().unwrap()[1].clone();
        slots.as_struct().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// How many modems are not critical.
    pub fn healthy(&self) -> usize {
        let Ok(stats) = self.call("get_stats", &[]) else { return 0 };
        let slots = stats.as_array().unwrap()[1].clone();
        let health = |slot: &Value| text_of(slot.member("health_state_short").unwrap());
        slots.as_struct().unwrap().iter().filter(|(_, slot)| health(slot) != "CRITICAL").count()
    }
}

pub fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value:?}")).to_owned()
}

fn pair(value: &Value) -> (String, String) {
    let both = value.as_array().unwrap();
    (text_of(&both[0]), text_of(&both[1]))
}

fn messages(value: &Value) -> Vec<Sms> {
    let text = |message: &Value, name: &str| text_of(message.member(name).unwrap());
    let flag = |message: &Value, name: &str| message.member(name).unwrap().as_bool().unwrap();
    let messages = value.as_array().unwrap().iter();
    messages
        .map(|message| Sms {
            id: text(message, "sms_id"),
            text: text(message, "text"),
            sender: text(message, "sender"),
            recipient: text(message, "recipient"),
            modem: text(message, "receiving_modem"),
            flash: flag(message, "flash"),
            undecodable: flag(message, "undecodable"),
            parts_missing: message.member("parts_missing").unwrap().as_number().unwrap().to_i64().unwrap(),
        })
        .collect()
}
