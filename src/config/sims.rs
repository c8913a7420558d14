//! `sim-cards.conf`, typed: one slot per section.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use regex::Regex;
use secrecy::SecretString;

use super::{
    diagnostic::Severity,
    fields::{Document, Fields},
    ini::Ini,
    patterns::Patterns,
    values::{self, Problem},
};
use crate::model::{Imei, Mmi, Msisdn, Prefix, SendLimits, Service, SlotId};

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
    /// `ussd_allowed`: the only codes that may be sent besides `ussd_account_balance`; `None` if absent, when every code
    /// may be that changes no service.
    pub ussd_allowed: Option<Vec<String>>,
    /// `forward_ussd` of `[mail]`, where mail is switched on.
    pub forward_ussd: bool,
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
    /// `denied_prefixes`: how the numbers begin that this SIM never sends to, whatever `prefixes` and senders say.
    pub denied_prefixes: Vec<Prefix>,
    /// `max_parts_per_minute`, `max_parts_per_day`, `max_costs_per_day`.
    pub limits: SendLimits,
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

/// What `ussd_account_balance_regexp` is by default.
const BALANCE: &str = r"(\d+[\,\.]\d\d)";

/// Longest USSD string (TS 22.030 6.5.2 with TS 23.038 packing).
const LONGEST_USSD: usize = 182;

impl Slot {
    /// Whether the port is a pattern that may match several devices.
    #[must_use]
    pub fn port_is_glob(&self) -> bool {
        is_glob(&self.port)
    }

    /// Reads `sim-cards.conf`. What is bad is reported and replaced by something of its type.
    pub(super) fn read_all(document: &mut Document<'_>, ini: &Ini) -> Vec<Self> {
        let mut slots = Vec::new();
        let mut places = Vec::new();
        let mut patterns = Patterns::default();
        for section in ini.sections() {
            let mut fields = Fields::new(document, ini, section);
            slots.push(Self::read(&mut fields, &section.name, &mut patterns));
            places.push(Places {
                section: section.span.clone(),
                port: fields.key_span("port"),
                imei: fields.key_span("imei"),
                phone_number: fields.key_span("phone_number"),
            });
            fields.finish();
        }
        document.check_defaults(ini);
        if !slots.iter().any(|slot| slot.enabled) {
            document.report(Severity::Warning, None, "no SIM is enabled", "add a section such as `[00]` for each SIM");
        }
        check_together(document, &slots, &places);
        slots
    }

    fn read(fields: &mut Fields<'_, '_>, name: &str, patterns: &mut Patterns) -> Self {
        let enabled = fields.boolean("enabled", true);
        let port = if enabled { fields.required("port", values::line) } else { fields.optional("port", values::line) };
        let cost = if enabled {
            fields.required("costs_per_sms", values::micros)
        } else {
            fields.optional("costs_per_sms", values::micros)
        };
        let port = port.unwrap_or_default();
        let slot = Self {
            id: SlotId::new(name),
            enabled,
            baud: fields.parsed("baud", 115_200, |text| {
                Ok(u32::try_from(values::integer(text, 300, 4_000_000)?).unwrap_or(115_200))
            }),
            pin: fields.optional("pin", pin),
            wait_for_start: fields.seconds("wait_for_start", 60, 1),
            wait_for_delivery: fields.boolean("wait_for_delivery", false),
            phone_number: phone_number(fields),
            provider: fields.optional("provider", values::line).unwrap_or_default(),
            ussd_account_balance: fields.optional("ussd_account_balance", ussd_code),
            ussd_allowed: fields
                .field("ussd_allowed")
                .and_then(|field| fields.understood("ussd_allowed", &field, ussd_codes)),
            forward_ussd: false,
            ussd_account_balance_regexp: balance_pattern(fields, patterns),
            currency: fields.optional("currency", values::line).unwrap_or_else(|| "EUR".to_owned()),
            account_balance_warning_micros: fields.parsed("account_balance_warning", 5_000_000, values::micros),
            account_balance_critical_micros: fields.parsed("account_balance_critical", 1_000_000, values::micros),
            prefixes: fields.parsed("prefixes", Vec::new(), prefixes),
            denied_prefixes: fields.parsed("denied_prefixes", Vec::new(), prefixes),
            limits: SendLimits {
                parts_per_minute: fields.optional("max_parts_per_minute", values::parts),
                parts_per_day: fields.optional("max_parts_per_day", values::parts),
                micros_per_day: fields.optional("max_costs_per_day", values::micros),
            },
            costs_per_sms_micros: cost.unwrap_or_default(),
            health_check_interval: fields.seconds("health_check_interval", 600, 1),
            imei: imei(fields, is_glob(&port)),
            encoding: fields.parsed("encoding", SimEncoding::Gsm, |text| match text.to_lowercase().as_str() {
                "gsm" | "" => Ok(SimEncoding::Gsm),
                "ucs2" => Ok(SimEncoding::Ucs2),
                _ => Err(Problem::new("is unknown", "write GSM or UCS2")),
            }),
            email_address: fields.optional("email_address", values::mail_address),
            port,
        };
        if slot.account_balance_critical_micros > slot.account_balance_warning_micros {
            let span = fields.key_span("account_balance_critical");
            let message = "`account_balance_critical` is above `account_balance_warning`";
            fields.error_at(span, message, "the warning has to come first: exchange them");
        }
        if slot.limits.micros_per_day.is_some_and(|most| most < slot.costs_per_sms_micros.max(1)) {
            let span = fields.key_span("max_costs_per_day");
            let message = "`max_costs_per_day` is less than one SMS costs, so this SIM would never send";
            fields.error_at(span, message, "raise it above `costs_per_sms`, or leave `prefixes` empty");
        }
        if let Some(code) = &slot.ussd_account_balance
            && let Some(refusal) = slot.ussd_refusal(code)
        {
            let span = fields.key_span("ussd_account_balance");
            let message = format!("`ussd_account_balance` is not sent: {refusal}");
            fields.error_at(span, message, "write the code that tells the balance, such as *100#");
        }
        slot
    }

    /// Why this slot's modem must not be given a USSD code; `None` if it may (S10). An answer inside a menu is judged
    /// too: when the session is over, the network takes it for a code.
    #[must_use]
    pub fn ussd_refusal(&self, code: &str) -> Option<UssdRefusal> {
        let listed = self.ussd_allowed.as_ref();
        if listed.is_some_and(|codes| codes.iter().any(|allowed| allowed == code)) {
            return None;
        }
        match Mmi::of(code) {
            Mmi::Change(service) => return Some(UssdRefusal::Changes(service)),
            Mmi::Equipment => return Some(UssdRefusal::Equipment),
            Mmi::Interrogation(_) | Mmi::Ussd => {}
        }
        let is_balance = self.ussd_account_balance.as_deref() == Some(code);
        (listed.is_some() && !is_balance).then_some(UssdRefusal::NotListed)
    }
}

/// Why a USSD code is not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UssdRefusal {
    /// MMI that would change how a service is set (TS 22.030 6.5.2).
    #[error("this code would change {}; name it in `ussd_allowed` of the slot to allow it", .0.as_str())]
    Changes(Service),
    /// The modem itself would answer, with its IMEI.
    #[error("this code reads the modem's IMEI; name it in `ussd_allowed` of the slot to allow it")]
    Equipment,
    /// There is a list, and it is not there.
    #[error("this code is not in `ussd_allowed` of the slot")]
    NotListed,
}

fn is_glob(port: &str) -> bool {
    port.contains(['*', '?', '['])
}

/// A PIN has 4 to 8 digits (TS 31.101 9.5.1).
fn pin(text: &str) -> Result<SecretString, Problem> {
    if (4..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(SecretString::from(text));
    }
    Err(Problem::new("is not a PIN", "write 4 to 8 digits, or nothing if the SIM asks for none"))
}

fn ussd_code(text: &str) -> Result<String, Problem> {
    if text.len() <= LONGEST_USSD && text.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#' || b == b'+') {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is not a USSD code", "write digits, `*`, `#` and `+` only, such as *100#"))
}

/// Codes separated by commas or blanks; none at all allows only the balance.
fn ussd_codes(text: &str) -> Result<Vec<String>, Problem> {
    let codes = text.split(|c: char| c.is_whitespace() || c == ',').filter(|code| !code.is_empty());
    codes
        .map(|code| {
            ussd_code(code).map_err(|_| {
                let remedy = "write digits, `*`, `#` and `+` only, separated by commas, such as *100#, *101#";
                Problem::new("has an entry that is not a USSD code", remedy)
            })
        })
        .collect()
}

fn phone_number(fields: &mut Fields<'_, '_>) -> Option<Msisdn> {
    let field = fields.filled("phone_number")?;
    let number = fields.understood("phone_number", &field, |text| {
        Msisdn::parse(text).map_err(|error| Problem::new(format!("is bad: {error}"), "write it as +491760000000"))
    })?;
    if field.value.chars().any(char::is_alphabetic) {
        let message = format!("`phone_number` has letters; it is taken as {number}");
        fields.warn_at(field.span, message, "write the SIM's number");
    }
    Some(number)
}

fn balance_pattern(fields: &mut Fields<'_, '_>, patterns: &mut Patterns) -> Regex {
    let wanted = fields.optional("ussd_account_balance_regexp", |text| patterns.compiled(text));
    #[expect(clippy::expect_used, reason = "a constant, compiled in the tests")]
    wanted.unwrap_or_else(|| patterns.compiled(BALANCE).expect("the default pattern compiles"))
}

fn prefixes(text: &str) -> Result<Vec<Prefix>, Problem> {
    let parts = text.split(|c: char| c.is_whitespace() || c == ',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            Prefix::parse(part).map_err(|_| {
                let remedy = "write `+` and digits, separated by blanks or commas, such as +49176 +49151";
                Problem::new("has an entry that begins no phone number", remedy)
            })
        })
        .collect()
}

/// With a fixed port the IMEI decides nothing, so that a placeholder in it does no harm.
fn imei(fields: &mut Fields<'_, '_>, needed: bool) -> Option<Imei> {
    let field = fields.filled("imei")?;
    let imei = Imei::parse(&field.value);
    if imei.is_none() {
        let message = "`imei` is not 14 to 17 digits";
        if needed {
            fields.error_at(field.span, message, "write what the modem answers to AT+CGSN");
        } else {
            fields.warn_at(field.span, message, "it is ignored, since `port` names one device");
        }
    }
    imei
}

/// Where a slot's keys stand.
struct Places {
    section: Range<usize>,
    port: Range<usize>,
    imei: Range<usize>,
    phone_number: Range<usize>,
}

/// What no slot can see alone: things that two of them must not share.
fn check_together(document: &mut Document<'_>, slots: &[Slot], places: &[Places]) {
    let mut ports: BTreeMap<&str, Vec<(&Slot, &Places)>> = BTreeMap::new();
    let mut imeis = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for (slot, place) in slots.iter().zip(places).filter(|(slot, _)| slot.enabled) {
        if !slot.port.is_empty() && !slot.port.starts_with("virtual:") {
            ports.entry(&slot.port).or_default().push((slot, place));
        }
        if let Some(imei) = &slot.imei
            && let Some(first) = imeis.insert(imei, &slot.id)
        {
            let message = format!("slot `[{first}]` has the same IMEI");
            document.report(Severity::Error, Some(place.imei.clone()), message, "each modem has its own");
        }
        if let Some(number) = &slot.phone_number
            && let Some(first) = numbers.insert(number, &slot.id)
        {
            let message = format!("slot `[{first}]` has the same phone number");
            document.report(Severity::Warning, Some(place.phone_number.clone()), message, "each SIM has its own");
        }
    }
    for (port, sharing) in ports.into_iter().filter(|(_, sharing)| sharing.len() > 1) {
        let glob = is_glob(port);
        for (index, (slot, place)) in sharing.iter().enumerate() {
            if glob && slot.imei.is_none() {
                let message = format!("`[{}]` shares the pattern of its port, but has no IMEI", slot.id);
                let remedy = "add `imei = ...` (what the modem answers to AT+CGSN), or name one device as the port";
                document.report(Severity::Error, Some(place.section.clone()), message, remedy);
            } else if !glob && index > 0 {
                let message = "another slot has the same port";
                document.report(Severity::Error, Some(place.port.clone()), message, "give each slot its own port");
            }
        }
    }
}
