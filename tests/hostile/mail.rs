//! S11: hostile senders and texts, from the modem to a mail server that takes nothing but what it expects: each message is
//! one mail, with our headers and commands only.

use serde_json::json;

use super::{
    post::{Office, header},
    rig::{PATIENCE, Rig, becomes},
    scale::{figure, is_full},
    strings::hostile,
};

const MODEMS: usize = 4;
const LONGEST_PARTS: usize = 255;
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
    let longest = usize::try_from(figure("LONGEST_MESSAGES", 1, 2)).unwrap();
    let mut office = None;
    let mut rig = Rig::prepare(MODEMS, |site| {
        site.mail_port = office.insert(Office::open(&site.config_folder())).port;
        // A third is of one sender.
        site.mail.push_str("flood_limit = 0\n");
        for sim in &mut site.sims {
            sim.set("health_check_interval", "3600");
        }
    });
    let office = office.unwrap();
    rig.restart();
    rig.until_ready(MODEMS);
    // Two strings a message: who it is from, and what it says.
    for (serial, text) in (0..).zip(hostile(count, 11)) {
        let from: String = match serial % 3 {
            0 => text.chars().filter(|c| fits_a_sender(*c)).take(4).collect::<String>() + "\n.",
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
    // The longest there is (TS 23.040 9.2.3.24.1): nothing that becomes a mail brings more over the air.
    for (modem, alphabet, units) in [(0, "auto", 153), (1, "ucs2", 67)].into_iter().take(longest) {
        let text = "x\r\n.\r\nQUIT\r\n".chars().cycle().take(LONGEST_PARTS * units).collect::<String>();
        rig.network.ask(&json!({
            "do": "inject", "to": rig.site.number(modem), "from": "+4915112345679", "text": text, "alphabet": alphabet,
        }));
    }
    // A lone surrogate, which no string can hold: 0xD83D as UCS-2.
    let surrogate = "00040491214300086211202212008002D83D";
    rig.network.ask(&json!({ "do": "inject_pdu", "to": rig.site.number(0), "pdu": surrogate }));
    let wanted = usize::try_from(count).unwrap() + longest + 1;
    let patience = PATIENCE * if is_full() { 10 } else { 1 };
    let all = becomes(patience, || {
        let post = office.post();
        !post.faults.is_empty() || post.mails.len() >= wanted
    });
    let post = office.post();
    assert!(post.faults.is_empty(), "{:#?}", post.faults);
    assert!(all, "{} mails of {wanted}, commands {:?}", post.mails.len(), post.commands);
    eprintln!("{} mails; commands {:?}", post.mails.len(), post.commands);
    assert_eq!(post.mails.len(), wanted);
    for mail in &post.mails {
        check(mail);
    }
    let octets = post.mails.iter().map(String::len).max().unwrap();
    eprintln!("the longest mail has {octets} octets");
    // Base64 or worse: longer than the text.
    assert!(octets > LONGEST_PARTS * 153, "the longest message is not whole");
    assert_eq!(post.ids().len(), wanted, "a mail for each");
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
