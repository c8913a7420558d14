//! What comes in through a whole gateway: every alphabet, data that is no text, PDUs nobody can read, flash and silent
//! messages, memories that are full; and flash on its way out, octet by octet.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use rig::Rig;
use serde_json::json;
use smsgate::tpdu::{
    Address, Alphabets, DataCodingScheme, Deliver, Incoming, InformationElement, Language, Payload, Reference,
    ServiceCentreTimestamp, UserData, UserDataHeader, decode_submit, encode_incoming, segment_with,
};

const SENDER: &str = "+491511111111";

/// Segments from [`SENDER`] in hex; `second` tells messages apart.
fn deliver(protocol_identifier: u8, data_coding: DataCodingScheme, user_data: UserData, second: i64) -> String {
    let at = jiff::Timestamp::from_second(1_790_000_000 + second).unwrap();
    let deliver = Deliver {
        more_messages: false,
        loop_prevention: false,
        reply_path: false,
        status_report: false,
        originating_address: Address::number(SENDER).unwrap(),
        protocol_identifier,
        data_coding,
        service_centre_timestamp: ServiceCentreTimestamp::from_timestamp(at, 0),
        user_data,
    };
    encode_incoming(None, &Incoming::Deliver(deliver)).unwrap().hex
}

/// A text in septets of these tables, however many segments it takes.
fn national(text: &str, language: Language, second: i64) -> Vec<String> {
    let alphabets = Alphabets { single_shift: vec![language], locking_shift: vec![language] };
    let segments = segment_with(text, Reference::Narrow(second as u8), None, &alphabets).unwrap();
    let septets = segments.iter().all(|segment| matches!(segment.user_data.payload, Payload::Septets(_)));
    assert!(septets, "{language:?} writes it in its own tables");
    segments.into_iter().map(|segment| deliver(0, segment.data_coding, segment.user_data, second)).collect()
}

fn data(octets: &[u8], elements: Vec<InformationElement>) -> UserData {
    let header = (!elements.is_empty()).then_some(UserDataHeader { elements });
    UserData { header, payload: Payload::Octets(octets.to_vec()) }
}

#[test]
fn every_alphabet_arrives_as_it_was_sent_and_data_is_marked() {
    let rig = Rig::start(4);
    let api = rig.api();
    rig.until_ready(4);
    let inject = |modem: usize, pdu: &str| {
        rig.network.ask(&json!({ "do": "inject_pdu", "to": rig.site.number(modem), "pdu": pdu }));
    };
    let mut expected: Vec<String> = Vec::new();
    for (number, text) in [
        "Καλημέρα κόσμε",
        "Привет, мир",
        "مرحبا بالعالم",
        "你好，世界",
        "€uro [brackets] {braces} ~^|\\",
        &format!("{}👩‍🚀🚀{}", "x".repeat(66), "🦀".repeat(50)),
    ]
    .into_iter()
    .enumerate()
    {
        rig.network.inject(rig.site.number(number % 4), SENDER, text);
        expected.push(text.to_owned());
    }
    for (second, (language, text)) in [
        (Language::Turkish, "Şişli'de yağmurlu bir gün, İstanbul'da güneşli. ".repeat(5)),
        (Language::Spanish, "El niño está aquí, Ángel y Óscar también. ".repeat(5)),
        (Language::Portuguese, "Ação e reação são questões de coração. ".repeat(5)),
        (Language::Hindi, "नमस्ते दुनिया ".repeat(12)),
    ]
    .into_iter()
    .enumerate()
    {
        for part in national(text.trim_end(), language, second as i64) {
            inject(second, &part);
        }
        expected.push(text.trim_end().to_owned());
    }
    let push = InformationElement::Ports { destination: 2948, source: 9200, wide: true };
    for (second, (scheme, user_data, text)) in (100..).zip([
        (0x04, data(b"eight bits, but text", vec![]), "eight bits, but text"),
        (0x04, data(&[0x00, 0xff, 0x07], vec![]), "[8 bit data: 00FF07]"),
        (0x04, data(&[0x01, 0x06, 0x03], vec![push]), "[8 bit data to port 2948 (WAP push): 010603]"),
        (0x20, data(&[0x41, 0x42], vec![]), "[compressed text: 4142]"),
        (0x8f, UserData { header: None, payload: Payload::Septets(b"reserved".to_vec()) }, "reserved"),
    ]) {
        inject(second as usize % 4, &deliver(0, DataCodingScheme(scheme), user_data, second));
        expected.push(text.to_owned());
    }
    // For the SIM, and of a kind that replaces another: both are kept.
    inject(0, &deliver(0x7f, DataCodingScheme(0xf6), data(&[0x02, 0x70], vec![]), 200));
    expected.push("[8 bit data: 0270]".to_owned());
    for text in ["first of its type", "second of its type"] {
        let septets = UserData { header: None, payload: Payload::Septets(text.bytes().collect()) };
        inject(1, &deliver(0x41, DataCodingScheme::GSM7, septets, 201));
        expected.push(text.to_owned());
    }

    rig.until("all texts", || api.get_sms("").len() >= expected.len());
    let mut texts: Vec<String> = api.get_sms("").into_iter().map(|sms| sms.text).collect();
    texts.sort();
    expected.sort();
    assert_eq!(texts, expected);
    rig.until("all mails", || rig.mails().len() >= expected.len());
    let mails: Vec<String> = rig.mails().iter().map(body).collect();
    for text in &expected {
        assert!(mails.iter().any(|mail| mail.contains(text.as_str())), "{text} is in no mail");
    }
}

/// The decoded body.
fn body(mail: &rig::Mail) -> String {
    let script = "import sys,email,email.policy\n\
        print(email.message_from_string(sys.stdin.read(), policy=email.policy.default).get_content())";
    let mut child = std::process::Command::new("python3")
        .args(["-c", script])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), mail.raw.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_hundred_pdus_nobody_can_read_hold_up_no_message() {
    let rig = Rig::start(4);
    let api = rig.api();
    rig.until_ready(4);
    for number in 0..100_usize {
        // An address longer than the standard has, then the number.
        let pdu = format!("0004FF91{number:04X}");
        rig.network.ask(&json!({ "do": "inject_pdu", "to": rig.site.number(number % 4), "pdu": pdu }));
        if number.is_multiple_of(10) {
            rig.network.inject(rig.site.number(number % 4), SENDER, &format!("good {number}"));
        }
    }
    rig.until("all of them", || api.get_sms("").len() == 110);
    let (raw, good): (Vec<_>, Vec<_>) = api.get_sms("").into_iter().partition(|sms| sms.undecodable);
    assert_eq!((raw.len(), good.len()), (100, 10));
    for number in 0..100 {
        assert_eq!(raw.iter().filter(|sms| sms.text.contains(&format!("Its PDU is 0004FF91{number:04X}]"))).count(), 1);
    }
    for number in (0..100).step_by(10) {
        assert_eq!(good.iter().filter(|sms| sms.text == format!("good {number}")).count(), 1);
    }
    rig.until("all mails", || rig.mails().len() == 110);
    rig.until("empty SIMs", || rig.network.events("deleted").len() == 110);
}

#[test]
fn flash_is_marked_and_a_silent_message_is_heard_of_by_nobody() {
    let rig = Rig::start(4);
    let api = rig.api();
    rig.until_ready(4);
    // Silent, as class 0 too: by memory from two modems, handed over by the others.
    for modem in 0..4_usize {
        for (scheme, second) in [(0x00, 1), (0x10, 2)] {
            let septets = UserData { header: None, payload: Payload::Septets(b"silent".to_vec()) };
            let pdu = deliver(0x40, DataCodingScheme(scheme), septets, second);
            rig.network.ask(&json!({ "do": "inject_pdu", "to": rig.site.number(modem), "pdu": pdu }));
        }
    }
    let gone = || rig.network.events("deleted").len() + rig.network.events("acknowledged").len();
    rig.until("confirmed or deleted", || gone() == 8);
    assert!(!rig.network.events("acknowledged").is_empty(), "some were handed over");
    for modem in 0..4 {
        rig.network.ask(&json!({
            "do": "inject", "to": rig.site.number(modem), "from": SENDER, "text": format!("flash {modem}"), "flash": true
        }));
    }
    rig.until("four flash messages", || api.get_sms("").len() == 4);
    assert!(api.get_sms("").iter().all(|sms| sms.flash && sms.text.starts_with("flash ")), "{:?}", api.get_sms(""));
    rig.until("four mails", || rig.mails().len() == 4);
    for mail in rig.mails() {
        assert!(body(&mail).contains("Flash message     : True"), "{}", mail.raw);
    }
    for slot in api.slots() {
        assert_eq!(api.stat(&slot, "received"), "1", "{slot}: silent ones are not counted");
    }
}

#[test]
fn flash_goes_out_as_class_0_in_either_alphabet_and_in_every_part() {
    let rig = Rig::start(1);
    let api = rig.api();
    rig.until_ready(1);
    let long = |letter: &str| letter.repeat(200);
    for (number, text, parts, scheme) in [
        ("+4915550000", "plain".to_owned(), 1, 0x10),
        ("+4915550001", "Привет".to_owned(), 1, 0x18),
        ("+4915550002", long("a"), 2, 0x10),
        ("+4915550003", long("я"), 3, 0x18),
    ] {
        let id = api.send_flash(number, &text);
        rig.until("delivery", || api.delivered(&id));
        let submitted = rig.network.submitted_to(number);
        assert_eq!(submitted.len(), parts, "{number}");
        for entry in &submitted {
            let (_, submit) = decode_submit(entry["pdu"].as_str().unwrap()).unwrap();
            assert_eq!(submit.data_coding, DataCodingScheme(scheme), "{number}");
        }
    }
    let id = api.send("", "+4915550004", "no flash").unwrap();
    rig.until("delivery", || api.delivered(&id));
    let (_, submit) = decode_submit(rig.network.submitted_to("+4915550004")[0]["pdu"].as_str().unwrap()).unwrap();
    assert_eq!(submit.data_coding, DataCodingScheme(0x00));
}

#[test]
fn full_memories_are_emptied_and_what_the_network_kept_follows() {
    let mut rig = Rig::prepare(5, |_| {});
    // While nobody is there the SIMs fill and the network keeps the rest.
    for modem in 0..5 {
        rig.network.fault(modem, json!({ "fault": "limit_memory", "slots": 4 }));
        for number in 0..15 {
            rig.network.inject(rig.site.number(modem), SENDER, &format!("message {number} to {modem}"));
        }
    }
    assert!(rig.network.events("delivered").len() <= 5 * 4, "no more has room");
    rig.restart();
    let api = rig.api();
    rig.until("all of them", || api.get_sms("").len() == 75);
    let mut texts: Vec<String> = api.get_sms("").into_iter().map(|sms| sms.text).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 75);
    rig.until("empty memories", || rig.network.events("deleted").len() == 75);
    rig.until("health", || api.healthy() == 5);
    for slot in api.slots() {
        assert!(!api.stat(&slot, "health_state_message").contains("Storage"), "{slot}");
    }
}
