//! The methods: arguments in, value or fault out.
//!
//! Split by noun: `outbox` (send_sms, get_delivery_status, get_message), `inbox` (get_sms, wait_sms), `monitor`
//! (get_stats, get_health_state), `ussd`, `introspection` (system.*). None of them waits for a modem but those of USSD.
//! `rescue` answers in the place of all of them where there is no gateway to work on.

mod inbox;
mod introspection;
mod monitor;
mod outbox;
mod rescue;
mod ussd;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    auth::{Authenticator, Opened, Refusal},
    connection::Connection,
    fault,
    repost::Reposts,
    value::Arguments,
    wire::{Call, Fault, Value, write_response},
};
use crate::{
    config::{Config, Slot},
    model::Health,
    pool::Pool,
    store::{Store, StoreError},
};

/// What the methods work on.
pub struct Backends {
    /// The configuration. Each call works by the generation that was there when it came.
    pub config: watch::Receiver<Arc<Config>>,
    /// The store.
    pub store: Store,
    /// The modems.
    pub pool: Pool,
    /// Health of the whole gateway.
    pub health: watch::Receiver<Health>,
    /// How many segments a text takes; `None` if it is more than one message can have.
    pub parts_of: fn(&str) -> Option<u32>,
}

/// Every method of the interface. Cheap to clone.
#[derive(Clone)]
pub struct Methods {
    answers: Answers,
}

/// Who answers.
#[derive(Clone)]
enum Answers {
    /// A gateway.
    Gateway(Arc<Shared>),
    /// Nobody but this reason why there is none.
    Rescue(Arc<str>),
}

struct Shared {
    backends: Backends,
    auth: Authenticator,
    reposts: Reposts,
}

/// What one call works with.
struct Context<'a> {
    config: Arc<Config>,
    backends: &'a Backends,
    auth: &'a Authenticator,
    reposts: &'a Reposts,
}

/// What a method answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This.
    Value(Value),
    /// What this `methodResponse` says: an inbox is large, and asked for often.
    Document(String),
}

impl Answer {
    /// As it goes over the wire.
    #[must_use]
    pub fn into_document(self) -> String {
        match self {
            Self::Value(value) => write_response(&value),
            Self::Document(document) => document,
        }
    }
}

/// Who calls, and for how long an answer is worth waiting for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The connection the call came on.
    pub connection: Connection,
    /// Cancelled when the server stops: waiting methods answer with what they have.
    pub stopping: CancellationToken,
}

impl Methods {
    /// Starts the token checker over `backends`.
    ///
    /// # Errors
    /// If the system gives no random numbers or no thread.
    pub fn start(backends: Backends) -> std::io::Result<Self> {
        let auth = Authenticator::start()?;
        Ok(Self { answers: Answers::Gateway(Arc::new(Shared { backends, auth, reposts: Reposts::default() })) })
    }

    /// What answers where a gateway cannot work for `reason`.
    #[must_use]
    pub fn in_rescue(reason: &str) -> Self {
        Self { answers: Answers::Rescue(reason.into()) }
    }

    /// Runs one call.
    ///
    /// # Errors
    /// The fault to answer with.
    pub async fn call(&self, caller: &Caller, call: Call) -> Result<Answer, Fault> {
        let Shared { backends, auth, reposts } = match &self.answers {
            Answers::Gateway(shared) => &**shared,
            Answers::Rescue(reason) => return rescue::call(reason, call).map(Answer::Value),
        };
        let config = Arc::clone(&backends.config.borrow());
        let context = &Context { config, backends, auth, reposts };
        let params = call.params;
        let value = match call.method.as_str() {
            "get_delivery_status" => outbox::delivery_status(context, caller, params).await,
            "get_health_state" => monitor::health_state(context, caller, params).await,
            "get_message" => outbox::message(context, caller, params).await,
            "get_sms" => return inbox::messages(context, caller, params).await.map(Answer::Document),
            "get_stats" => monitor::stats(context, caller, params).await,
            "ping" => Arguments::new(params, 0, 0).map(|_| Value::string("OK")),
            "send_sms" => outbox::send(context, caller, params).await,
            "send_ussd" => ussd::send(context, caller, params).await,
            "system.listMethods" => introspection::names(params),
            "system.methodHelp" => introspection::help(params),
            "system.methodSignature" => introspection::signature(params),
            "ussd_answer" => ussd::answer(context, caller, params).await,
            "ussd_close" => ussd::close(context, caller, params).await,
            "ussd_open" => ussd::open(context, caller, params).await,
            "wait_sms" => return inbox::wait(context, caller, params).await.map(Answer::Document),
            unknown => Err(fault::no_such_method(unknown)),
        };
        value.map(Answer::Value)
    }
}

impl Context<'_> {
    /// Which of `hashes` the token opens.
    async fn opened(&self, caller: &Caller, token: &SecretString, hashes: &[&str]) -> Result<Opened, Fault> {
        let opened = self.auth.opened(caller.connection.peer(), token, hashes).await;
        opened.map_err(|refusal| match refusal {
            Refusal::Invalid => fault::invalid_token(),
            Refusal::TooMany { seconds } => fault::too_many_attempts(seconds),
            Refusal::Busy => fault::unavailable("Too many tokens are being checked. Try again in a moment."),
        })
    }

    /// Lets the call go on if the token opens any of `hashes`.
    async fn authorise(&self, caller: &Caller, token: &SecretString, hashes: &[String]) -> Result<(), Fault> {
        let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
        self.opened(caller, token, &hashes).await.map(drop)
    }

    /// The slot with this number.
    fn slot_of(&self, number: &str) -> Option<&Slot> {
        self.config.slots.iter().find(|slot| slot.phone_number.as_ref().is_some_and(|own| own.as_str() == number))
    }
}

/// The next argument as a token.
fn token(arguments: &mut Arguments) -> Result<SecretString, Fault> {
    arguments.text().map(SecretString::from)
}

/// What a client hears of trouble in the store; the detail goes to the log.
fn store_fault(error: &StoreError) -> Fault {
    if let StoreError::Full { limit } = error {
        return fault::unavailable(format!("The queue is full: {limit} messages are waiting."));
    }
    if matches!(error, StoreError::NoSpace) {
        return fault::unavailable("The disk of the gateway is nearly full. Try again later.");
    }
    if matches!(error, StoreError::Closed) {
        return fault::unavailable("The gateway is stopping.");
    }
    tracing::error!(%error, "the store failed an API call");
    fault::unavailable("The store is not available now.")
}

/// Millionths as a decimal number.
#[expect(clippy::cast_precision_loss, reason = "amounts of money stay far below 2^53 millionths")]
fn units(micros: i64) -> Value {
    Value::double(micros as f64 / 1e6)
}

/// A struct from name and value pairs.
fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A whole number, cut to what 32 bits hold.
fn int(number: impl TryInto<i32>) -> Value {
    Value::int(number.try_into().unwrap_or(i32::MAX))
}
