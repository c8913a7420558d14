//! USSD (TS 27.007 7.15, TS 23.038 clause 5): a `+CUSD` line is taken apart as it was put together, its text is read in
//! whatever dress it comes, never as more characters than it has octets; and a code that is sent reads as itself.
//!
//! The first two octets are state and data coding scheme, the rest is the string between the quotes.

#![no_main]

use std::{sync::LazyLock, time::Instant};

use libfuzzer_sys::fuzz_target;
use smsgate::{
    at::{Channel, Charset, Cusd, Event, MAX_LINE, Urc, UssdCode, UssdRequest, UssdStyle},
    balance,
    config::{Config, Source, load},
    model::{Mmi, printable},
    ussd::{SessionState, decode},
};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Has the default pattern for balances.
static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let gateway = "[mail]\nenabled = no\n[server]\ncertificate = c\nkey = k\n";
    let sims = "[00]\nport = /dev/ttyUSB0\ncosts_per_sms = 0.09\n";
    let (config, _) = load(Source { name: "g", text: gateway }, Source { name: "s", text: sims });
    config.expect("a configuration")
});

fuzz_target!(|octets: &[u8]| {
    let Some(([status, dcs], text)) = octets.split_first_chunk::<2>() else { return };
    let cusd = Cusd { status: status % 10, text: Some(text.to_vec()), dcs: Some(*dcs) };
    assert!(!SessionState::of(cusd.status).as_str().is_empty());
    on_the_line(&cusd, text);
    for hint in [Charset::Gsm, Charset::Ucs2] {
        for dcs in [Some(*dcs), None] {
            let read = decode(&Cusd { dcs, ..cusd.clone() }, hint);
            assert!(read.chars().count() <= text.len(), "{read:?}");
            assert!(!printable(&read).chars().any(char::is_control));
            let _ = balance::amount(&read);
        }
    }
    for slot in &CONFIG.slots {
        let _ = balance::find(&decode(&cusd, Charset::Gsm), &slot.ussd_account_balance_regexp);
    }
    if let Some(code) = std::str::from_utf8(text).ok().and_then(|text| UssdCode::parse(text).ok()) {
        let _ = Mmi::of(code.as_str());
        comes_back(&code);
    }
});

/// What a modem prints of it is what the dialogue tells of it.
fn on_the_line(cusd: &Cusd, text: &[u8]) {
    if text.len() > MAX_LINE / 2 || text.iter().any(|octet| matches!(octet, b'"' | b'\r' | b'\n')) {
        return;
    }
    let Cusd { status, dcs, .. } = cusd;
    let mut line = format!("\r\n+CUSD: {status},\"").into_bytes();
    line.extend(text);
    line.extend(format!("\",{}\r\n", dcs.unwrap_or_default()).bytes());
    let mut channel = Channel::new();
    channel.handle_input(*START, &line);
    assert_eq!(channel.poll_event(), Some(Event::Unsolicited(Urc::Cusd(cusd.clone()))));
    assert_eq!(channel.poll_event(), None);
}

/// A code reads as it was written, wherever its dress can be told from other text.
fn comes_back(code: &UssdCode) {
    let text = code.as_str();
    let read = |charset, style, dcs, hint| {
        let request = UssdRequest::encode(code, charset, style);
        decode(&Cusd { status: 0, text: Some(request.as_str().as_bytes().to_vec()), dcs: Some(dcs) }, hint)
    };
    assert_eq!(read(Charset::Ucs2, UssdStyle::Charset, 72, Charset::Ucs2), text);
    if text.contains(['*', '#', '+']) {
        assert_eq!(read(Charset::Gsm, UssdStyle::Charset, 15, Charset::Gsm), text);
    }
    let packed = UssdRequest::encode(code, Charset::Gsm, UssdStyle::Packed);
    if !packed.as_str().bytes().all(|digit| digit.is_ascii_digit()) {
        assert_eq!(read(Charset::Gsm, UssdStyle::Packed, 15, Charset::Gsm), text);
    }
}
