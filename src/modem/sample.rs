//! A slot for tests, with nothing special about it.

use std::time::Duration;

use crate::{
    config::{SimEncoding, Slot},
    model::{Prefix, SlotId},
};

/// A slot that sends to numbers with this prefix.
pub(crate) fn slot(name: &str, prefix: &str) -> Slot {
    Slot {
        id: SlotId::new(name),
        enabled: true,
        port: "/dev/null".into(),
        baud: 115_200,
        pin: None,
        wait_for_start: Duration::from_secs(60),
        wait_for_delivery: false,
        phone_number: None,
        provider: String::new(),
        ussd_account_balance: None,
        ussd_allowed: None,
        forward_ussd: false,
        ussd_account_balance_regexp: regex::Regex::new("x").unwrap(),
        currency: "EUR".into(),
        account_balance_warning_micros: 0,
        account_balance_critical_micros: 0,
        prefixes: vec![Prefix::parse(prefix).unwrap()],
        costs_per_sms_micros: 90_000,
        health_check_interval: Duration::from_secs(600),
        imei: None,
        encoding: SimEncoding::Gsm,
        email_address: None,
    }
}
