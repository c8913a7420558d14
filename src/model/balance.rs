//! The balance of an account as it is kept from day to day.

use jiff::civil::Date;

/// The last balance of a local day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BalanceDay {
    /// The day.
    pub day: Date,
    /// In millionths of the currency unit.
    pub micros: i64,
}
