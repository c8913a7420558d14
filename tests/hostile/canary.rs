//! S3: fifty tokens, PINs, PUKs, texts and passwords of their own, pushed through everything the daemon does, at the level
//! that logs most. None of them is found again where people or machines look: log, health, statistics, traces, what
//! `check-config` says, and (but for the texts) the store.

use std::{fs, process::Command, time::Duration};

use nix::sys::signal::Signal;
use serde_json::json;
use smsgate::{cli::client::ClientError, rpc::wire::Value};

use super::{
    rig::{Api, Rig, Site, TOKEN, binary, hash},
    strings::hostile,
};

const EACH: usize = 50;
const MODEMS: usize = 8;
const OUTSIDE: &str = "+4915550000000";

/// What must not be found again. Each is unlike everything else there is.
struct Canaries {
    tokens: Vec<String>,
    wrong_tokens: Vec<String>,
    pins: Vec<String>,
    puks: Vec<String>,
    texts: Vec<String>,
    passwords: Vec<String>,
}

impl Canaries {
    fn new() -> Self {
        let each = |make: &dyn Fn(usize) -> String| (0..EACH).map(make).collect();
        Self {
            tokens: each(&|n| format!("tokenCanary{n:02}{}", "k".repeat(20))),
            wrong_tokens: each(&|n| format!("wrongCanary{n:02}{}", "w".repeat(20))),
            pins: each(&|n| (73_195_028 + n * 311).to_string()),
            puks: each(&|n| (58_317_640 + n * 733).to_string()),
            texts: each(&|n| format!("textCanary{n:02} é中 {}", "t".repeat(n))),
            passwords: each(&|n| format!("passCanary{n:02}\";#$")),
        }
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        let kinds = [&self.tokens, &self.wrong_tokens, &self.pins, &self.puks, &self.texts, &self.passwords];
        kinds.into_iter().flatten()
    }

    /// As it is written, and as it is on its way: in hex for a modem, in base64 for a mail server.
    fn forms(canary: &str) -> Vec<String> {
        let recognised: String = canary.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        let utf_16: String = recognised.encode_utf16().map(|unit| format!("{unit:04X}")).collect();
        let octets: String = recognised.bytes().map(|octet| format!("{octet:02x}")).collect();
        let mut forms = vec![utf_16.to_lowercase(), octets];
        // However it is placed in what is encoded, one of three forms is inside.
        for skipped in 0..if recognised.len() < 12 { 0 } else { 3 } {
            let encoded = base64(&recognised.as_bytes()[skipped..]);
            forms.push(encoded[..encoded.len() - 4].to_lowercase());
        }
        forms.push(recognised.to_lowercase());
        forms
    }

    /// Those that are found in a text.
    fn found<'a>(&'a self, text: &str) -> Vec<&'a String> {
        let text = text.to_lowercase();
        self.all().filter(|canary| Self::forms(canary).iter().any(|form| text.contains(form))).collect()
    }
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = octets.chunks(3).map(|group| {
        let bits = group.iter().fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet)) << (8 * (3 - group.len()));
        (0..4).map(|place| char::from(DIGITS[bits >> (18 - 6 * place) & 63])).collect::<String>()
    });
    groups.collect()
}

#[test]
fn s03_no_secret_is_found_again() {
    let canaries = Canaries::new();
    let mut rig = Rig::prepare(MODEMS, |site| configure(site, &canaries));
    let_in(&rig, &canaries);
    rig.environment.push(("SMSGATE_LOG", "trace".to_owned()));
    for (modem, pin) in canaries.pins.iter().enumerate().take(MODEMS) {
        rig.network.fault(modem, json!({ "fault": "pin_required", "pin": pin }));
    }
    // One SIM wants another PIN than the configured one, another its PUK.
    rig.network.fault(MODEMS - 1, json!({ "fault": "pin_required", "pin": "0000" }));
    rig.network.fault(MODEMS - 2, json!({ "fault": "puk_required" }));
    rig.restart();
    rig.until_ready(MODEMS - 2);
    let mut shown: Vec<(&str, String)> = Vec::new();

    // A recorded session from its beginning, with the PIN in it; messages and calls go on meanwhile.
    let mut trace = smsgate(&rig, &["trace", "00", "--seconds", "8", "--restart"]).spawn().unwrap();
    shown.push(("faults", calls(&rig, &canaries)));
    for (n, text) in canaries.texts.iter().enumerate() {
        rig.network.inject(rig.site.number(n % (MODEMS - 2)), OUTSIDE, text);
        rig.network.ask(&json!({ "do": "ussd", "modem": n % (MODEMS - 2), "text": text }));
    }
    let api = rig.api();
    rig.until("the messages are there", || api.get_sms("").len() >= EACH);
    rig.until("a mail about each", || rig.mails().len() >= EACH);
    rig.until("all texts are sent", || rig.network.events("submitted").len() >= EACH);
    trace.wait().unwrap();
    let mut traced = String::new();
    std::io::Read::read_to_string(&mut trace.stdout.take().unwrap(), &mut traced).unwrap();
    assert!(traced.contains("> AT"), "nothing was recorded: {traced}");
    shown.push(("trace", traced));

    shown.push(("broken files", broken_files(&rig, &canaries)));
    passwords(&rig, &canaries);
    shown.push(("health", format!("{:?}", rig.api().health())));
    shown.push(("statistics", format!("{:?}", rig.api().call("get_stats", &[]).unwrap())));
    let log = rig.log();
    // The log is one that would have shown them.
    for word in ["TRACE", "DEBUG", "wrong API token", "+CPIN", "AT+CMGS"] {
        assert!(log.contains(word), "{word} is not in the log");
    }
    eprintln!("{} canaries; a log of {} KiB", canaries.all().count(), log.len() / 1024);
    let (code, _) = rig.stop();
    assert_eq!(code, Some(0));
    shown.push(("log", log));
    for (what, text) in &shown {
        assert_eq!(canaries.found(text), Vec::<&String>::new(), "{what}: {}", lines_with(text, &canaries));
    }
    // The store has to hold the texts.
    let secrets = Canaries { texts: Vec::new(), ..canaries };
    for name in ["smsgate.db", "smsgate.db-wal"] {
        let octets = fs::read(rig.folder().join("state").join(name)).unwrap_or_default();
        assert_eq!(secrets.found(&String::from_utf8_lossy(&octets)), Vec::<&String>::new(), "{name}");
    }
}

/// The search finds what it is looking for, in every form.
#[test]
fn s03_the_search_would_find_them() {
    let canaries = Canaries::new();
    for canary in canaries.all() {
        for form in Canaries::forms(canary) {
            assert!(canaries.found(&format!("some {form} text")).contains(&canary), "{form}");
        }
    }
    assert!(canaries.found(&hostile(1000, 3).collect::<String>()).is_empty());
}

fn configure(site: &mut Site, canaries: &Canaries) {
    for (sim, pin) in site.sims.iter_mut().zip(&canaries.pins) {
        sim.set("pin", pin.clone());
        sim.set("ussd_account_balance", "*100#");
    }
    site.api = "repost_window = 0\n".to_owned();
}

/// Makes the tokens good ones.
fn let_in(rig: &Rig, canaries: &Canaries) {
    let path = rig.site.config_folder().join("smsgate.conf");
    let hashes: Vec<String> = canaries.tokens.iter().map(|token| hash(token)).collect();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace("token_send_sms = ", &format!("token_send_sms = {} ", hashes.join(" ")))).unwrap();
}

/// Tokens good and bad, texts, PUKs as people dial them; what the faults said.
fn calls(rig: &Rig, canaries: &Canaries) -> String {
    let mut said = String::new();
    let mut call = |token: &str, method: &str, arguments: &[&str]| {
        let arguments: Vec<Value> = arguments.iter().map(|text| Value::string(*text)).collect();
        match Api::new(&rig.site, token).call(method, &arguments) {
            Ok(value) if method != "get_sms" => said += &format!("{value:?}\n"),
            Ok(_) => {}
            Err(ClientError::Fault(fault)) => said += &format!("{}\n", fault.message),
            Err(error) => panic!("{method}: {error}"),
        }
    };
    for n in 0..EACH {
        let number = rig.site.number(n % (MODEMS - 2));
        call(TOKEN, "send_sms", &["", OUTSIDE, &canaries.texts[n]]);
        call(&canaries.tokens[n], "send_sms", &[number, OUTSIDE, "x"]);
        call(&canaries.tokens[n], "get_sms", &[""]);
        call(&canaries.wrong_tokens[n], ["get_stats", "get_sms", "send_ussd"][n % 3], &[number, "*100#"][..n % 3]);
        let (pin, puk) = (&canaries.pins[n], &canaries.puks[n]);
        call(TOKEN, "send_ussd", &[number, &format!("**05*{puk}*{pin}*{pin}#")]);
        call(TOKEN, "send_ussd", &[number, &format!("**04*{pin}*{puk}*{puk}#")]);
        // In the place of something else.
        call(TOKEN, "get_message", &[&canaries.passwords[n]]);
        call(TOKEN, &canaries.passwords[n], &[]);
        call(TOKEN, "send_sms", &[&canaries.texts[n], &canaries.texts[n], &canaries.texts[n]]);
    }
    said
}

/// Files that nobody can use, with secrets in the wrong places: what `check-config` says, and the daemon when it is told
/// to read them (in its log).
fn broken_files(rig: &Rig, canaries: &Canaries) -> String {
    let folder = rig.site.config_folder();
    let (gateway, sims) = (folder.join("smsgate.conf"), folder.join("sim-cards.conf"));
    let good = (fs::read_to_string(&gateway).unwrap(), fs::read_to_string(&sims).unwrap());
    let mut said = String::new();
    for n in 0..EACH {
        let (password, token, pin) = (&canaries.passwords[n], &canaries.tokens[n], &canaries.pins[n]);
        let (mine, theirs) = match n % 10 {
            0 => (good.0.replace("password = secret", &format!("pasword = {password}")), good.1.clone()),
            1 => (good.0.replace("password = secret", &format!("password {password}")), good.1.clone()),
            2 => (good.0.replace("password = secret", &format!("password =\n{password}")), good.1.clone()),
            3 => (good.0.replace("[mail]", &format!("[mail]\npassword = a\n  {password}")), good.1.clone()),
            4 => (good.0.replace("token_send_sms = ", &format!("token_send_sms = {token} ")), good.1.clone()),
            5 => (good.0.replace("token_get_stats = ", &format!("tokn_get_stats = {token} ")), good.1.clone()),
            6 => (good.0.clone(), good.1.replace("[01]", &format!("[01]\npn = {pin}"))),
            7 => (good.0.clone(), good.1.replace("[01]", &format!("[01]\npin = {pin}0"))),
            8 => (good.0.replace("[api]", &format!("[api]\n{token}\n= {token}")), good.1.clone()),
            _ => (good.0.replace("[api]", &format!("{password}\n[api]")), good.1.clone() + "\n[00"),
        };
        fs::write(&gateway, mine).unwrap();
        fs::write(&sims, theirs).unwrap();
        let checked = smsgate(rig, &["check-config"]).output().unwrap();
        said += &String::from_utf8_lossy(&checked.stdout);
        said += &String::from_utf8_lossy(&checked.stderr);
        if n < 10 {
            let reloads = || rig.log().matches("reload").count();
            let before = reloads();
            rig.signal(Signal::SIGHUP);
            rig.until("the reload is logged", || reloads() > before);
        }
    }
    fs::write(&gateway, &good.0).unwrap();
    fs::write(&sims, &good.1).unwrap();
    said
}

/// Passwords that the mail server refuses, one after the other.
fn passwords(rig: &Rig, canaries: &Canaries) {
    let gateway = rig.site.config_folder().join("smsgate.conf");
    let good = fs::read_to_string(&gateway).unwrap();
    fs::write(rig.folder().join("faults"), "AUTH reply 535 5.7.8 no").unwrap();
    let refused = || rig.log().matches("next try in").count();
    for (n, password) in canaries.passwords.iter().enumerate().take(6) {
        fs::write(&gateway, good.replace("password = secret", &format!("password = {password}"))).unwrap();
        let before = refused();
        rig.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(100));
        rig.network.inject(rig.site.number(0), OUTSIDE, &format!("a mail to send {n}"));
        rig.until("the mail server refuses the password", || refused() > before);
    }
}

fn smsgate(rig: &Rig, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--config").arg(rig.site.config_folder()).env_clear();
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

/// What to look at when something was found.
fn lines_with(text: &str, canaries: &Canaries) -> String {
    text.lines().filter(|line| !canaries.found(line).is_empty()).take(8).collect::<Vec<_>>().join("\n")
}
