//! The box's API with a token for everything, as the scenarios use it.

use smsgate::rpc::wire::{Fault, Value};

use crate::{
    client::{Client, NoAnswer},
    rig::text_of,
};

pub struct Api {
    pub client: Client,
    pub token: String,
}

/// A slot as `get_stats` tells of it.
#[derive(Clone, Debug)]
pub struct Slot {
    pub name: String,
    members: Value,
}

impl Slot {
    /// A member that is text.
    pub fn text(&self, member: &str) -> &str {
        self.members.member(member).and_then(Value::as_str).unwrap_or_else(|| panic!("{member}: {:?}", self.members))
    }

    /// A member that is a number.
    pub fn number(&self, member: &str) -> i64 {
        self.members.member(member).and_then(Value::as_number).and_then(|number| number.to_i64()).unwrap()
    }

    pub fn is_ready(&self) -> bool {
        self.text("status") == "Ready."
    }
}

impl Api {
    /// Calls with the token as first argument, which must work.
    #[track_caller]
    pub fn call(&self, method: &str, arguments: &[&str]) -> Value {
        self.try_call(method, arguments).unwrap().unwrap_or_else(|fault| panic!("{method}{arguments:?}: {fault:?}"))
    }

    /// # Errors
    /// No answer.
    pub fn try_call(&self, method: &str, arguments: &[&str]) -> Result<Result<Value, Fault>, NoAnswer> {
        let all = [&[&*self.token], arguments].concat();
        self.client.call(method, &all.into_iter().map(Value::string).collect::<Vec<_>>())
    }

    /// Every slot; none while there is no answer.
    pub fn slots(&self) -> Vec<Slot> {
        let Ok(Ok(stats)) = self.try_call("get_stats", &[]) else { return Vec::new() };
        let slots = stats.as_array().unwrap()[1].clone();
        let slots = slots.as_struct().unwrap().iter();
        slots.map(|(name, members)| Slot { name: name.clone(), members: members.clone() }).collect()
    }

    pub fn ready(&self) -> usize {
        self.slots().iter().filter(|slot| slot.is_ready()).count()
    }

    #[track_caller]
    pub fn slot(&self, name: &str) -> Slot {
        let slots = self.slots();
        slots.iter().find(|slot| slot.name == name).unwrap_or_else(|| panic!("no slot {name}: {slots:?}")).clone()
    }

    /// Level and text.
    pub fn health(&self) -> (String, String) {
        let answer = self.call("get_health_state", &[]);
        let both = answer.as_array().unwrap();
        (text_of(&both[0]), text_of(&both[1]))
    }

    /// Sender, recipient, slot and text of what has come in.
    pub fn received(&self) -> Vec<[String; 4]> {
        let answer = self.call("get_sms", &[""]);
        let text = |message: &Value, name: &str| text_of(message.member(name).unwrap());
        let messages = answer.as_array().unwrap().iter();
        messages.map(|sms| ["sender", "recipient", "receiving_modem", "text"].map(|name| text(sms, name))).collect()
    }

    /// The id.
    #[track_caller]
    pub fn send(&self, sender: &str, to: &str, text: &str) -> String {
        text_of(&self.call("send_sms", &[sender, to, text]))
    }
}
