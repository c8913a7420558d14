//! For tests: a slot and a configuration with nothing special about them, a clock that is moved by hand, a self-test that
//! comes back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config::{self, Config, SimEncoding, Slot, Source},
    model::{Prefix, SendLimits, SlotId},
    self_test::text::compose,
    store::ClockSource,
    tpdu::{Address, Deliver, Incoming, Reference, ServiceCentreTimestamp, encode_incoming, segment},
};

/// Both clocks go together, from 15 January 2027, 08:00 UTC.
#[derive(Debug, Default)]
pub(crate) struct HandClock(Mutex<Duration>);

impl HandClock {
    pub(crate) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl ClockSource for HandClock {
    fn boot_id(&self) -> String {
        "boot".to_owned()
    }

    fn boottime(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + self.boottime()
    }
}

/// A self-test with this token as a modem prints it.
pub(crate) fn self_test_pdu(sender: &str, token: &str) -> String {
    let segment = segment(&compose(token), Reference::Narrow(0), None).unwrap().remove(0);
    let deliver = Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: Address::number(sender).unwrap(),
        protocol_identifier: 0,
        data_coding: segment.data_coding,
        service_centre_timestamp: ServiceCentreTimestamp::from_timestamp(
            Timestamp::from_second(1_800_000_000).unwrap(),
            0,
        ),
        user_data: segment.user_data,
    };
    encode_incoming(None, &Incoming::Deliver(deliver)).unwrap().hex
}

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
        denied_prefixes: Vec::new(),
        limits: SendLimits::default(),
        costs_per_sms_micros: 90_000,
        health_check_interval: Duration::from_secs(600),
        imei: None,
        encoding: SimEncoding::Gsm,
        email_address: None,
    }
}

/// The least configuration that has these slots.
pub(crate) fn config(slots: Vec<Slot>) -> Arc<Config> {
    let gateway = Source { name: "g", text: "[mail]\nenabled=no\n[server]\ncertificate=c\nkey=k" };
    let (config, _) = config::load(gateway, Source { name: "s", text: "" });
    Arc::new(Config { slots, ..config.unwrap() })
}
