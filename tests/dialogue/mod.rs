//! Commands by their lines, for programs that play recorded dialogues against the channel.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test helper fails its test")]

use std::time::Instant;

use secrecy::SecretString;
use smsgate::{
    at::{
        Channel, Charset, Command, Family, Indication, Memory, PduHex, Profile, SimPin, UssdCode, UssdRequest,
        UssdStyle,
    },
    trace::Line,
};

/// What the channel sends where `octets` were recorded. If nothing is due, the command of that line is given to it first;
/// its payload is further on in `rest`.
pub(crate) fn transmitted(channel: &mut Channel, now: Instant, octets: &[u8], rest: &[Line]) -> Vec<u8> {
    let due = channel.poll_transmit().unwrap_or_else(|| {
        let pdu = rest.iter().find_map(|line| match line {
            Line::Sent(octets) => octets.strip_suffix(b"\x1a"),
            _ => None,
        });
        let text = String::from_utf8_lossy(octets);
        channel.submit(now, command(text.trim_end_matches('\r'), pdu)).expect("the channel takes the next command");
        channel.poll_transmit().expect("a command is sent at once")
    });
    due.bytes
}

/// The command whose line this is; `pdu` is the payload that follows, if one does.
fn command(text: &str, pdu: Option<&[u8]>) -> Command {
    let fixed = [
        Command::attention(),
        Command::echo_off(),
        Command::numeric_errors(),
        Command::functionality(),
        Command::full_functionality(),
        Command::manufacturer(),
        Command::model(),
        Command::revision(),
        Command::imei(),
        Command::pin_state(),
        Command::pin_retries_simcom(),
        Command::imsi(),
        Command::iccid(),
        Command::iccid_quectel(),
        Command::signal(),
        Command::registration(),
        Command::operator(),
        Command::service_centre(),
        Command::pdu_mode(),
        Command::memory_use(),
        Command::acknowledge(),
        Command::list(),
        Command::charset(Charset::Ucs2),
        Command::charset(Charset::Gsm),
        Command::cancel_ussd(),
        Command::announce_registration(),
        Command::packet_registration(),
        Command::lte_registration(),
        Command::long_operator_names(),
        Command::memories(),
        Command::message_service(true),
        Command::message_service(false),
        Command::more_messages(),
        Command::send_back(),
        Command::pin_retries(),
        Command::pin_retries_huawei(),
        Command::pin_retries_quectel(),
        Command::pin_retries_quectel_2g(),
        Command::pin_retries_zte(),
        Command::iccid_huawei(),
        Command::iccid_simcom(),
        Command::iccid_zte(),
    ];
    let number = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.parse::<u16>().ok());
    if let Some(octets) = number("AT+CMGS=") {
        let pdu = std::str::from_utf8(pdu.expect("a PDU follows")).expect("hex");
        let deadline = Profile::of(Family::Generic).submit_deadline;
        return Command::submit(PduHex::new(pdu).expect("hex"), usize::from(octets)).within(deadline);
    }
    if let Some(index) = number("AT+CMGR=") {
        return Command::read(index);
    }
    if let Some(index) = number("AT+CMGD=") {
        return Command::delete(index);
    }
    if let Some(pin) = text.strip_prefix("AT+CPIN=\"").and_then(|rest| rest.strip_suffix('"')) {
        return Command::enter_pin(&SimPin::new(&SecretString::from(pin)).expect("a PIN"));
    }
    if text == "AT+CUSD=1" {
        return Command::ussd_notices();
    }
    if let Some(code) = text.strip_prefix("AT+CUSD=1,\"").and_then(|rest| rest.strip_suffix("\",15")) {
        let code = UssdCode::parse(code).expect("a code");
        return Command::ussd(&UssdRequest::encode(&code, Charset::Gsm, UssdStyle::Charset));
    }
    if let Some(settings) = text.strip_prefix("AT+CNMI=") {
        let mut numbers = settings.split(',').map(|number| number.parse().expect("a number"));
        let mut next = || numbers.next();
        let [mode, mt, bm, ds] = [next(), next(), next(), next()].map(|number| number.expect("four at least"));
        return Command::indications(Indication { mode, mt, bm, ds, bfr: next() });
    }
    if let Some(memories) = text.strip_prefix("AT+CPMS=\"") {
        let memory = |name: &str| Memory::parse(name.trim_matches('"')).expect("a memory");
        let names: Vec<Memory> = memories.split(',').map(memory).collect();
        return Command::select_memories(names[0], names[1], names[2]);
    }
    let families = [Family::Huawei, Family::QuectelLte, Family::Quectel2g, Family::Simcom, Family::Zte];
    if let Some(line) = families.iter().flat_map(|family| Profile::of(*family).extra).find(|line| **line == text) {
        return Command::extra(line);
    }
    fixed.into_iter().find(|command| command.text() == text).unwrap_or_else(|| panic!("no constructor for {text:?}"))
}
