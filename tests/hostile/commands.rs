//! S9: hostile strings into everything that can reach an AT command, and the octets that reach the modem for it: one
//! command for what was accepted, none for what was not, and nothing of a string outside of a PDU or quotes.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::LazyLock, time::Duration};

use regex::Regex;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use smsgate::{
    at::{Charset, Command, PduHex, SimPin, UssdAnswer, UssdCode, UssdRequest, UssdStyle},
    config::{self, Source},
    model::Recipient,
    rpc::wire::Value,
    tpdu::{Reference, decode_submit, segment},
};

use super::{
    peer::{Peer, Target},
    rig::{Rig, TOKEN},
    scale::figure,
    strings::hostile,
    wire::Wire,
};

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 9, 1);
/// Every way of writing USSD is among the models.
const MODEMS: usize = 6;
const OUTSIDE: &str = "+4915550000000";

/// What the daemon may say to a modem: constants, and the few commands with something in them.
static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    let fixed = r"AT|ATE0|AT\+(CMEE|CFUN|CMGF|CREG|CUSD|CLIP|CSMS)=[012]|AT\+C(NMI|OPS)=[0-9,]+|AT\+CSCS=.(GSM|UCS2).";
    let asked = r"AT[+^][A-Z]+(\?|=\?)?|AT\+CPMS=(.(SM|ME|MT|SR).,?){1,3}|AT\+(CMGL=4|CNMA=2)|AT[+^][A-Z]+=[0-9,]+|AT\+Q[A-Z]+=.[A-Z]+.(,[0-9])?";
    Regex::new(&format!("^({fixed}|{asked})$")).unwrap()
});
static SEND: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^AT\+CMGS=[0-9]{1,3}$").unwrap());
static PDU: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[0-9A-F]+$").unwrap());
static USSD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^AT\+CUSD=1,"[0-9A-Za-z !#%&'()*+,./:<=>?-]{1,728}",15$"#).unwrap());

#[test]
fn s09_hostile_strings_reach_no_modem_as_commands() {
    let count = figure("STRINGS", 200, 5000);
    let mut rig = Rig::prepare(MODEMS, |site| {
        let root = site.root().to_owned();
        for (modem, sim) in site.sims.iter_mut().enumerate() {
            sim.set("port", Wire::port(&root, modem));
            sim.set("health_check_interval", "3600");
            sim.set("wait_for_delivery", "False");
        }
        site.api = "allow_short_codes = True\nqueue_limit = 100000\n".to_owned();
    });
    let wires: Vec<Wire> = (0..MODEMS).map(|modem| Wire::new(rig.folder(), modem)).collect();
    rig.restart();
    rig.until_ready(MODEMS);

    let mut books = Books::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let target = Target::of(&rig.site);
        let mut peer = target.peer(SOURCE).await.unwrap();
        for (serial, text) in (0..).zip(hostile(count, 9)) {
            let number = rig.site.number(serial % MODEMS).to_owned();
            books.fields(&mut peer, &number, &text, serial).await;
        }
    });
    let lines = || wires.iter().flat_map(|wire| lines(&wire.heard())).collect::<Vec<_>>();
    let sends = |lines: &[String]| lines.iter().filter(|line| SEND.is_match(line)).count();
    rig.until("all that was accepted is sent", || sends(&lines()) >= books.parts);
    // Nothing more is to come.
    std::thread::sleep(Duration::from_millis(500));
    let said = lines();
    let strange: Vec<&String> =
        said.iter().filter(|line| ![&COMMAND, &SEND, &PDU, &USSD].iter().any(|known| known.is_match(line))).collect();
    let pdus: Vec<&String> = said.iter().filter(|line| PDU.is_match(line)).collect();
    let codes = said.iter().filter(|line| USSD.is_match(line)).count();
    eprintln!(
        "{count} strings in {} calls, {} refused; {} parts accepted; {} lines to {MODEMS} modems: {} \
         AT+CMGS, {} PDUs, {codes} AT+CUSD",
        books.calls,
        books.refused,
        books.parts,
        said.len(),
        sends(&said),
        pdus.len()
    );
    assert!(strange.is_empty(), "{strange:?}");
    assert_eq!((sends(&said), pdus.len()), (books.parts, books.parts));
    assert!(codes > 0 && codes <= books.codes, "{codes} codes in {} calls", books.codes);
    // What the modems took it for: every line was one command.
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let modems = stats["modems"].as_array().unwrap().iter();
    let given = modems.flat_map(|modem| modem["commands"].as_object().unwrap().values().filter_map(Json::as_u64));
    let lines = said.iter().filter(|line| line.starts_with("AT") && line.len() > 2).count();
    assert_eq!(given.sum::<u64>(), u64::try_from(lines).unwrap(), "{stats}");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for pdu in pdus {
        let (_, submit) = decode_submit(pdu).unwrap();
        *found.entry(submit.destination.to_string()).or_default() += 1;
    }
    assert_eq!(found, books.recipients);
}

/// What was accepted, and so has to be at the modems.
#[derive(Default)]
struct Books {
    calls: usize,
    refused: usize,
    parts: usize,
    /// Calls that could have led to a `+CUSD`.
    codes: usize,
    recipients: BTreeMap<String, usize>,
}

impl Books {
    /// One string into every field of every method that can reach a modem.
    async fn fields(&mut self, peer: &mut Peer, number: &str, text: &str, serial: usize) {
        // What no XML document can hold does not get there.
        let seen: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect();
        let seen = seen.replace(['\u{fffe}', '\u{ffff}'], "");
        self.sms(peer, number, &seen, "to").await;
        self.sms(peer, text, OUTSIDE, "from").await;
        self.sms(peer, number, OUTSIDE, &seen).await;
        for (method, arguments) in [
            ("get_sms", vec![TOKEN, text]),
            ("get_delivery_status", vec![TOKEN, text]),
            ("get_message", vec![TOKEN, text]),
            ("ussd_close", vec![TOKEN, text]),
            ("ussd_answer", vec![TOKEN, text, text]),
            ("wait_sms", vec![TOKEN, number, "0", text]),
            ("send_ussd", vec![TOKEN, text, "*100#"]),
        ] {
            self.call(peer, method, &arguments).await;
            self.codes += usize::from(method == "send_ussd");
        }
        self.call(peer, "send_ussd", &[TOKEN, number, &seen]).await;
        self.codes += 1;
        if serial.is_multiple_of(7) {
            self.menu(peer, number, &seen).await;
        }
    }

    async fn sms(&mut self, peer: &mut Peer, from: &str, to: &str, text: &str) {
        if self.call(peer, "send_sms", &[TOKEN, from, to, text]).await.is_none() {
            return;
        }
        let to = Recipient::parse(to, true).unwrap();
        let parts = segment(text, Reference::Narrow(0), None).unwrap().len();
        self.parts += parts;
        *self.recipients.entry(to.as_str().to_owned()).or_default() += parts;
    }

    /// The string as the answer to a menu.
    async fn menu(&mut self, peer: &mut Peer, number: &str, text: &str) {
        let Some(opened) = self.call(peer, "ussd_open", &[TOKEN, number, "*101#"]).await else { return };
        let session = opened.member("session").and_then(Value::as_str).unwrap().to_owned();
        self.call(peer, "ussd_answer", &[TOKEN, &session, text]).await;
        self.call(peer, "ussd_close", &[TOKEN, &session]).await;
        self.codes += 2;
    }

    async fn call(&mut self, peer: &mut Peer, method: &str, arguments: &[&str]) -> Option<Value> {
        self.calls += 1;
        let answer = peer.call(method, arguments).await.unwrap();
        self.refused += usize::from(answer.is_err());
        answer.map_err(|fault| assert!(matches!(fault.code, 400 | 401), "{method} {arguments:?}: {fault:?}")).ok()
    }
}

/// What was said line by line: commands end with CR, PDUs with Ctrl-Z.
fn lines(heard: &[u8]) -> Vec<String> {
    let lines = heard.split(|octet| matches!(octet, b'\r' | 0x1a));
    lines.map(|line| String::from_utf8_lossy(line).into_owned()).filter(|line| !line.is_empty()).collect()
}

/// The same strings with every octet they have, for the types that commands are made of.
#[test]
fn s09_hostile_strings_are_no_arguments() {
    let mut accepted = 0;
    for text in hostile(figure("STRINGS", 1000, 5000), 9) {
        for (charset, style) in
            [(Charset::Gsm, UssdStyle::Charset), (Charset::Ucs2, UssdStyle::Charset), (Charset::Gsm, UssdStyle::Packed)]
        {
            let code = UssdCode::parse(&text).map(|code| UssdRequest::encode(&code, charset, style));
            let answer = UssdAnswer::parse(&text).map(|answer| UssdRequest::answer(&answer, charset, style));
            for request in code.into_iter().chain(answer) {
                accepted += 1;
                assert!(USSD.is_match(Command::ussd(&request).text()), "{text:?}: {}", Command::ussd(&request).text());
            }
        }
        let digits = (4..=8).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
        let pin = SimPin::new(&SecretString::from(text.clone()));
        assert_eq!(pin.is_ok(), digits, "{text:?}");
        if let Ok(pin) = pin {
            accepted += 1;
            assert_eq!(Command::enter_pin(&pin).text(), format!("AT+CPIN=\"{text}\""));
        }
        if let Some(hex) = PduHex::new(&text) {
            accepted += 1;
            assert!(hex.as_str().bytes().all(|octet| octet.is_ascii_hexdigit()), "{text:?}");
        }
        if let Ok(recipient) = Recipient::parse(&text, true) {
            accepted += 1;
            let digits = recipient.as_str().trim_start_matches('+');
            assert!(digits.len() <= 20 && digits.bytes().all(|octet| octet.is_ascii_digit()), "{text:?}");
        }
        let sims = format!(
            "[00]\nport = /dev/null\nphone_number = +491700000000\nussd_account_balance = {text}\npin = {text}\n"
        );
        let gateway = "[mail]\nserver=s\nuser=u@s\npassword=p\nrecipient=r@s\n[server]\ncertificate=c\nkey=k\n";
        let (config, _) = config::load(
            Source { name: "smsgate.conf", text: gateway },
            Source { name: "sim-cards.conf", text: &sims },
        );
        let Some(slot) = config.and_then(|config| config.slots.into_iter().next()) else { continue };
        if let Some(code) = slot.ussd_account_balance {
            accepted += 1;
            assert!(UssdCode::parse(&code).is_ok(), "{text:?}: {code:?}");
        }
        if let Some(pin) = slot.pin {
            accepted += 1;
            assert!(SimPin::new(&pin).is_ok(), "{text:?}");
        }
    }
    assert!(accepted > 100, "only {accepted} were accepted by anything");
}
