//! `sim-cards.conf`, typed: one slot per section.

use std::time::Duration;

use regex::Regex;
use secrecy::SecretString;

use crate::model::{Imei, Msisdn, Prefix, SlotId};

/// The character set used for USSD (`encoding`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SimEncoding {
    /// The GSM 7 bit default alphabet.
    #[default]
    Gsm,
    /// UCS2 in hex.
    Ucs2,
}

/// One section of `sim-cards.conf`.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The section's name.
    pub id: SlotId,
    /// `enabled` (default true).
    pub enabled: bool,
    /// `port`: a device, a glob, or `virtual:PERSONALITY`.
    pub port: String,
    /// `baud` (default 115200).
    pub baud: u32,
    /// `pin`; `None` if absent or blank.
    pub pin: Option<SecretString>,
    /// `wait_for_start` (default 60 s): how long a starting modem may take to answer and to find a network.
    pub wait_for_start: Duration,
    /// `wait_for_delivery` (default false): kept for compatibility, upstream never used it.
    pub wait_for_delivery: bool,
    /// `phone_number`; `None` if blank.
    pub phone_number: Option<Msisdn>,
    /// `provider`.
    pub provider: String,
    /// `ussd_account_balance`; `None` if blank.
    pub ussd_account_balance: Option<String>,
    /// `ussd_account_balance_regexp`.
    pub ussd_account_balance_regexp: Regex,
    /// `currency` (default EUR).
    pub currency: String,
    /// `account_balance_warning` (default 5), in millionths.
    pub account_balance_warning_micros: i64,
    /// `account_balance_critical` (default 1), in millionths.
    pub account_balance_critical_micros: i64,
    /// `prefixes`, blank or comma separated. Empty = this SIM sends to nobody.
    pub prefixes: Vec<Prefix>,
    /// `costs_per_sms`, in millionths of the currency unit.
    pub costs_per_sms_micros: i64,
    /// `health_check_interval` (default 600 s).
    pub health_check_interval: Duration,
    /// `imei`; needed where `port` is a glob that other slots share.
    pub imei: Option<Imei>,
    /// `encoding` (default GSM).
    pub encoding: SimEncoding,
    /// `email_address`: where this SIM's mails go.
    pub email_address: Option<String>,
}
