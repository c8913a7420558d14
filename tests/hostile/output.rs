//! S12: what a gateway or a sender puts into answers, as the command line, the Icinga check and the Munin plugin show it:
//! nothing that moves a cursor, turns text around, adds a line, a value or a graph.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Seek as _, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value as Json;
use smsgate::rpc::wire::{Limits, parse_call};

use super::{rig::binary, scale::figure, strings::hostile};

/// What a text member is filled with.
type Filling = Arc<dyn Fn() -> String + Send + Sync>;

/// The command line with a name of its own, if it has one, and its arguments.
const COMMANDS: [(&str, &str, &[&str]); 14] = [
    ("stats", "", &["stats"]),
    ("stats --json", "", &["stats", "--json"]),
    ("get-sms", "", &["get-sms"]),
    ("get-sms --json", "", &["get-sms", "--json"]),
    ("send-sms", "", &["send-sms", "--to", "+4915550000000", "--text", "x", "--timeout", "1"]),
    ("send-sms --json", "", &["send-sms", "--to", "+4915550000000", "--text", "x", "--timeout", "1", "--json"]),
    ("send-ussd", "", &["send-ussd", "--sender", "+491700000000", "--code", "*100#"]),
    ("send-ussd --json", "", &["send-ussd", "--sender", "+491700000000", "--code", "*100#", "--json"]),
    ("shell", "", &["shell"]),
    ("icinga", "check_smsgate", &[]),
    ("icinga with values", "check_smsgate", &["--stats-token", "x"]),
    ("munin config", "munin_smsgate", &["config"]),
    ("munin values", "munin_smsgate", &[]),
    ("munin autoconf", "munin_smsgate", &["autoconf"]),
];

#[test]
fn s12_hostile_answers_on_screens_and_in_monitoring() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["check_smsgate", "munin_smsgate"] {
        symlink(binary(), folder.path().join(name)).unwrap();
    }
    let payloads: Vec<String> = hostile(figure("PAYLOADS", 200, 200), 12).collect();
    let serial = AtomicUsize::new(0);
    let next = move || payloads[serial.fetch_add(1, Ordering::Relaxed) % payloads.len()].clone();
    let hostile_gateway = Gateway::start(folder.path(), Arc::new(next));
    let plain = Gateway::start(folder.path(), Arc::new(|| "plain".to_owned()));
    let mut faults = Vec::new();
    for (name, link, arguments) in COMMANDS {
        let (_, wanted, _) = plain.run(folder.path(), link, arguments);
        // Each answer has some dozens of texts, so that all strings come by in a few.
        for _ in 0..figure("OUTPUT_ROUNDS", 6, 20) {
            let (code, out, err) = hostile_gateway.run(folder.path(), link, arguments);
            if let Some(c) = out.chars().chain(err.chars()).find(|c| is_harmful(*c)) {
                faults.push(format!("{name}: {c:?} in {:.300}", around(&(out.clone() + &err), c)));
            }
            if name.ends_with("--json")
                && !out.is_empty()
                && out.lines().all(|line| serde_json::from_str::<Json>(line).is_err())
                && serde_json::from_str::<Json>(&out).is_err()
            {
                faults.push(format!("{name}: no JSON: {out:.300}"));
            }
            if matches!(name, "stats" | "munin config" | "munin values" | "icinga" | "icinga with values")
                && out.lines().count() != wanted.lines().count()
            {
                faults.push(format!(
                    "{name}: {} lines instead of {}: {out}",
                    out.lines().count(),
                    wanted.lines().count()
                ));
            }
            if link == "check_smsgate" {
                check_report(name, code, &out, &mut faults);
            }
            if link == "munin_smsgate" && !arguments.contains(&"autoconf") {
                let shape = |text: &str| {
                    text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
                };
                if shape(&out) != shape(&wanted) {
                    faults.push(format!("{name}: other fields: {out}"));
                }
            }
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Icinga takes what follows the first `|` of a line for values.
fn check_report(name: &str, code: i32, out: &str, faults: &mut Vec<String>) {
    if !(0..=3).contains(&code) {
        faults.push(format!("{name}: exit code {code}: {out}"));
    }
    if out.matches('|').count() > 1 {
        faults.push(format!("{name}: a `|` too many: {out}"));
    }
}

/// Moves a cursor, ends a line, or turns text around.
pub fn is_harmful(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn around(text: &str, c: char) -> String {
    let at = text.find(c).unwrap();
    text.char_indices()
        .filter(|(place, _)| place.abs_diff(at) < 60)
        .map(|(_, c)| c.escape_default().to_string())
        .collect()
}

/// A gateway whose answers have the members that they should have, filled with what it is told.
pub struct Gateway {
    pub port: u16,
    pub ca: std::path::PathBuf,
}

impl Gateway {
    fn start(folder: &Path, filling: Filling) -> Self {
        Self::start_saying(folder, move |method| answer(method, &*filling))
    }

    /// One that says this value, as XML, to a method.
    pub fn start_saying(folder: &Path, say: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let say = Arc::new(say);
        let issued = smsgate::tls::issue(&["localhost".to_owned()], &[], jiff::Zoned::now().date(), 2).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ca = folder.join(format!("ca-{port}.pem"));
        fs::write(&ca, &issued.ca).unwrap();
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, say) = (Arc::clone(&config), Arc::clone(&say));
                thread::spawn(move || serve(stream.unwrap(), config, &*say));
            }
        });
        Self { port, ca }
    }

    /// Exit code, output, errors.
    fn run(&self, folder: &Path, link: &str, arguments: &[&str]) -> (i32, String, String) {
        let port = self.port.to_string();
        let mut command = Command::new(if link.is_empty() { binary() } else { folder.join(link) });
        let (name, rest) = arguments.split_at(usize::from(link.is_empty()));
        command.args(name).env_clear().env("TZ", "UTC").env("NO_COLOR", "1").env("SMSGATE_APITOKEN", "token");
        if link == "munin_smsgate" {
            command.env("smsgate_host", "localhost").env("smsgate_port", &port).env("smsgate_cafile", &self.ca);
            command.env("smsgate_apitoken", "token");
        } else {
            command.args(["--host", "localhost", "--port", &port, "--ca"]).arg(&self.ca);
        }
        let mut input = tempfile::tempfile_in(folder).unwrap();
        input.write_all(b"status\nussd\n+491700000000\n*100#\n1\n\nexit\n").unwrap();
        input.rewind().unwrap();
        let output = command.args(rest).stdin(input).output().unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("UTF-8");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

/// One request, one answer.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, say: &dyn Fn(&str) -> String) -> Option<()> {
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream));
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let call = parse_call(&body, Limits::REQUEST).unwrap();
    let body = format!("<methodResponse><params><param>{}</param></params></methodResponse>", say(&call.method));
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", body.len());
    let stream = reader.get_mut();
    stream.write_all((head + &body).as_bytes()).ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

/// A value, with every character that XML can carry: also those that our own writer would leave out.
fn text(text: &str) -> String {
    format!("<value><string>{}</string></value>", escaped(text))
}

fn escaped(text: &str) -> String {
    let carried =
        |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars()
        .filter(carried)
        .map(|c| match c {
            '&' | '<' | '>' | '\r' => format!("&#{};", u32::from(c)),
            c => c.to_string(),
        })
        .collect()
}

fn members(members: &[(&str, String)]) -> String {
    let each = members.iter().map(|(name, value)| format!("<member><name>{}</name>{value}</member>", escaped(name)));
    format!("<value><struct>{}</struct></value>", each.collect::<String>())
}

fn array(elements: &[String]) -> String {
    format!("<value><array><data>{}</data></array></value>", elements.concat())
}

fn int(number: i32) -> String {
    format!("<value><int>{number}</int></value>")
}

/// The statistics of so many modems, each with a name that begins with its number.
pub fn statistics(count: usize, filling: &dyn Fn() -> String) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("{number:02}{}", filling())).collect();
    let modems: Vec<(&str, String)> = names.iter().map(|name| (name.as_str(), modem(filling))).collect();
    array(&[text("OK"), members(&modems)])
}

fn modem(filling: &dyn Fn() -> String) -> String {
    let any = || text(&filling());
    members(&[
        ("port", any()),
        ("phone_number", any()),
        ("current_network", any()),
        ("current_signal", int(-71)),
        ("status", any()),
        ("balance", any()),
        ("currency", any()),
        ("sent", int(2)),
        ("received", int(7)),
        ("health_state_short", any()),
        ("health_state_message", any()),
        ("init_counter", int(1)),
        ("last_init", any()),
        ("last_received", any()),
        ("last_sent", any()),
        ("recoveries", int(2)),
        ("recovered_by", any()),
        ("serial", any()),
        ("later", any()),
    ])
}

fn answer(method: &str, filling: &dyn Fn() -> String) -> String {
    let any = || text(&filling());
    match method {
        "get_stats" => array(&[text("OK"), members(&["00", "01", "roof"].map(|name| (name, modem(filling))))]),
        "get_health_state" => array(&[text("WARNING"), any()]),
        "get_sms" | "wait_sms" => {
            let message = || {
                members(&[
                    ("sms_id", any()),
                    ("recipient", any()),
                    ("text", any()),
                    ("sender", any()),
                    ("created_timestamp_text", any()),
                    ("timestamp_text", any()),
                    ("receiving_modem", any()),
                    ("receiving_network", any()),
                ])
            };
            array(&(0..20).map(|_| message()).collect::<Vec<_>>())
        }
        "get_message" => members(&[("state", any()), ("cause", any()), ("modem", any()), ("recipient", any())]),
        "send_ussd" => array(&[text("OK"), any()]),
        "ussd_open" => members(&[("session", any()), ("text", any())]),
        "get_delivery_status" => "<value><boolean>0</boolean></value>".to_owned(),
        _ => any(),
    }
}
