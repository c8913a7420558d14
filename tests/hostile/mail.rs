//! S11: hostile senders and texts, from the modem to a mail server that takes nothing but what it expects: each message is
//! one mail, with our headers and commands only.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::json;

use super::{
    rig::{PATIENCE, Rig, becomes},
    scale::figure,
    strings::hostile,
};

const MODEMS: usize = 4;
const HEADERS: [&str; 11] = [
    "From",
    "To",
    "Date",
    "Subject",
    "Message-ID",
    "Auto-Submitted",
    "X-SMSgate-Id",
    "X-SMSgate-Modem",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

#[test]
fn s11_hostile_messages_make_one_mail_each() {
    let count = figure("MESSAGES", 200, 2000);
    let post = Arc::new(Mutex::new(Post::default()));
    let mut rig = Rig::prepare(MODEMS, |site| {
        site.mail_port = serve(&site.config_folder(), Arc::clone(&post));
        // A third is of one sender.
        site.mail.push_str("flood_limit = 0\n");
        for sim in &mut site.sims {
            sim.set("health_check_interval", "3600");
        }
    });
    rig.restart();
    rig.until_ready(MODEMS);
    // Two strings a message: who it is from, and what it says.
    for (serial, text) in (0..).zip(hostile(count, 11)) {
        let from: String = match serial % 3 {
            0 => text.chars().filter(|c| fits_a_sender(*c)).take(5).collect::<String>() + "\n.",
            1 => ["Bcc: a@b.c", "x@y.z", "a, b <c>", "\"q\" <a@b>", "=?utf-8?q?", "From:", ".", "  "][serial / 3 % 8]
                .to_owned(),
            _ => "+4915112345678".to_owned(),
        };
        // Two that are the same to the octet, second and sender among them, are one that came twice.
        let text = if serial % 4 < 2 { format!("{serial}{text}") } else { format!("{text}{serial}") };
        let text: String = if serial == 7 { "x\r\n.\r\nQUIT\r\n".repeat(700) } else { text };
        let to = rig.site.number(serial % MODEMS);
        let ucs2 = serial.is_multiple_of(2);
        rig.network.ask(&json!({
            "do": "inject", "to": to, "from": from, "text": text, "alphabet": if ucs2 { "ucs2" } else { "auto" },
        }));
    }
    // A lone surrogate, which no string can hold: 0xD83D as UCS-2.
    let surrogate = "00040491214300086211202212008002D83D";
    rig.network.ask(&json!({ "do": "inject_pdu", "to": rig.site.number(0), "pdu": surrogate }));
    let wanted = usize::try_from(count).unwrap() + 1;
    let all = becomes(PATIENCE, || {
        let post = post.lock().unwrap();
        !post.faults.is_empty() || post.mails.len() >= wanted
    });
    let post = post.lock().unwrap();
    assert!(post.faults.is_empty(), "{:#?}", post.faults);
    assert!(all, "{} mails of {wanted}, commands {:?}", post.mails.len(), post.commands);
    eprintln!("{} mails; commands {:?}", post.mails.len(), post.commands);
    assert_eq!(post.mails.len(), wanted);
    for mail in &post.mails {
        check(mail);
    }
    let ids: std::collections::BTreeSet<&str> =
        post.mails.iter().filter_map(|mail| header(mail, "X-SMSgate-Id")).collect();
    assert_eq!(ids.len(), wanted, "a mail for each");
    for verb in ["MAIL", "RCPT", "DATA"] {
        assert_eq!(post.commands[verb], wanted, "{verb}");
    }
    let known = ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT", "RSET", "NOOP"];
    assert!(post.commands.keys().all(|verb| known.contains(&verb.as_str())), "{:?}", post.commands);
}

/// In a sender of letters.
fn fits_a_sender(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '`') || matches!(c, ' ' | '\n' | '\r')
}

fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
    mail.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Our headers, each once, and a body of printable ASCII.
#[track_caller]
fn check(mail: &str) {
    let (head, body) = mail.split_once("\r\n\r\n").expect("a header and a body");
    let names: Vec<&str> = head
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}")).0)
        .collect();
    assert_eq!(names, HEADERS, "{head}");
    for text in [head, body] {
        let strange = text.replace("\r\n", "").chars().find(|c| !matches!(c, ' '..='~' | '\t'));
        assert_eq!(strange, None, "{mail}");
    }
    assert_eq!(header(mail, "To"), Some("mailbox@example.org"));
    let encoding = header(mail, "Content-Transfer-Encoding");
    assert!(matches!(encoding, Some("base64" | "quoted-printable")), "{encoding:?}");
}

/// What the mail server saw.
#[derive(Default)]
struct Post {
    mails: Vec<String>,
    commands: BTreeMap<String, usize>,
    faults: Vec<String>,
}

fn serve(folder: &Path, post: Arc<Mutex<Post>>) -> u16 {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let chain = CertificateDer::pem_slice_iter(&read("chain.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, post) = (Arc::clone(&config), Arc::clone(&post));
            thread::spawn(move || {
                let mut session = Session { stream: connect(config, stream.unwrap()), post };
                // Whoever hangs up, hangs up.
                drop(session.run());
            });
        }
    });
    port
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

fn connect(config: Arc<ServerConfig>, stream: TcpStream) -> Stream {
    BufReader::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream))
}

/// One connection to a server that knows the few commands it expects, in the order of RFC 5321 4.1.4, to the letter.
struct Session {
    stream: Stream,
    post: Arc<Mutex<Post>>,
}

impl Session {
    fn run(&mut self) -> io::Result<()> {
        self.say("220 mx.test ESMTP")?;
        let mut state = "start";
        loop {
            let line = self.line()?;
            let verb = line.split(' ').next().unwrap_or_default().to_owned();
            *self.post.lock().unwrap().commands.entry(verb.clone()).or_default() += 1;
            state = match (verb.as_str(), state) {
                ("EHLO", _) => {
                    self.say("250-mx.test\r\n250 AUTH PLAIN LOGIN")?;
                    "greeted"
                }
                ("AUTH", "greeted") if line.starts_with("AUTH PLAIN ") => {
                    self.say("235 welcome")?;
                    "ready"
                }
                ("MAIL", "ready") if line == "MAIL FROM:<gateway@example.org>" => {
                    self.say("250 from")?;
                    "from"
                }
                ("RCPT", "from") if line == "RCPT TO:<mailbox@example.org>" => {
                    self.say("250 to")?;
                    "to"
                }
                ("DATA", "to") if line == "DATA" => {
                    self.say("354 go on")?;
                    let mail = self.data()?;
                    self.post.lock().unwrap().mails.push(mail);
                    self.say("250 taken")?;
                    "ready"
                }
                ("RSET" | "NOOP", _) if line.len() == 4 => {
                    self.say("250 done")?;
                    "ready"
                }
                ("QUIT", _) if line == "QUIT" => return self.say("221 bye"),
                _ => {
                    self.fault(format!("in state {state}: {line:?}"));
                    return self.say("500 what?");
                }
            };
        }
    }

    /// Up to the line with a dot, with the dots of transparency taken off (RFC 5321 4.5.2).
    fn data(&mut self) -> io::Result<String> {
        let mut mail = String::new();
        loop {
            let line = self.line()?;
            match line.strip_prefix('.') {
                Some("") => return Ok(mail),
                Some(rest) if rest.starts_with('.') => mail.push_str(rest),
                Some(_) => self.fault(format!("a dot alone in {line:?}")),
                None => mail.push_str(&line),
            }
            mail.push_str("\r\n");
        }
    }

    /// A line that ends in CR LF, holds neither, and is no longer than 998 octets (RFC 5321 4.5.3.1.6).
    fn line(&mut self) -> io::Result<String> {
        let mut octets = Vec::new();
        if self.stream.read_until(b'\n', &mut octets)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let text = octets.strip_suffix(b"\r\n").unwrap_or(&octets).to_vec();
        if text.len() + 2 != octets.len() || text.contains(&b'\r') || text.len() > 998 || text.contains(&0) {
            self.fault(format!("a bad line: {:?}", String::from_utf8_lossy(&octets)));
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn fault(&self, what: String) {
        self.post.lock().unwrap().faults.push(what);
    }

    fn say(&mut self, answer: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{answer}\r\n").as_bytes())?;
        stream.flush()
    }
}
