//! Prepaid balances: the amount in a network's text, how long it will last, and what of it a person must know.
//!
//! Pure. Asking the network is the modem session's part, keeping what it said the store's.

mod account;
mod amount;
mod forecast;

pub use account::{Account, Reading};
pub use amount::{AmountError, amount, find};
pub use forecast::days_left;
