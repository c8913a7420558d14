//! The nouns every room shares: identifiers, numbers, message states, health.
//!
//! Pure data. Nothing here reads a clock, a file or a socket.

mod balance;
mod error_class;
mod health;
mod message;
mod mmi;
mod msisdn;
mod recovery;
mod runtime;
mod self_test;
mod send_limit;
mod slot;
mod space;
mod text;
mod ussd;

pub use balance::BalanceDay;
pub use error_class::{Classified, ErrorClass};
pub use health::{Health, HealthLevel};
pub use message::{InboundMessage, MessageId, MessageOrigin, OutgoingMessage, OutgoingState, ResendPolicy};
pub use mmi::{Mmi, Service};
pub use msisdn::{Imei, Msisdn, MsisdnError, Prefix, Recipient};
pub use recovery::Rung;
pub use runtime::RunTime;
pub use self_test::{SelfTest, SelfTestReturn, SelfTestStart};
pub use send_limit::{Reached, SendLimit, SendLimits, Spending, Spent, Window};
pub use slot::{ModemSnapshot, SlotId};
pub use space::Space;
pub use text::{disturbs, printable};
pub use ussd::{UssdSession, UssdStep};
