//! S4: documents made to hurt an XML parser, posted to the daemon. Each costs no more time than the largest good call
//! does, and no memory that stays. What the parser says to each is in `tests/xml_hostile.rs`.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tokio::io::AsyncWriteExt;

use super::{
    figures::{Times, resident},
    peer::{Target, answer, request},
    rig::{Rig, TOKEN},
    scale::figure,
};

const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 1);

fn call_of(value: &str) -> Vec<u8> {
    document("<?xml version='1.0'?>", value)
}

fn document(prologue: &str, value: &str) -> Vec<u8> {
    format!("{prologue}<methodCall><methodName>ping</methodName><params><param><value>{value}</value></param></params></methodCall>")
        .into_bytes()
}

fn utf_16(to_octets: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let text = String::from_utf8(call_of("a")).unwrap();
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(to_octets).collect()
}

fn members(count: usize, same: bool) -> String {
    let name = |n| if same { 0 } else { n };
    let members: String = (0..count).map(|n| format!("<member><name>{}</name><value/></member>", name(n))).collect();
    format!("<struct>{members}</struct>")
}

/// The corpus of the table and what else hurts: name and document.
fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE l [<!ENTITY l0 \"ha\">{laughs}]>");
    let quadratic = format!("<!DOCTYPE l [<!ENTITY a \"{}\">]>", "a".repeat(60_000));
    let external = |what: &str| document(&format!("<!DOCTYPE l [<!ENTITY x SYSTEM \"{what}\">]>"), "&x;");
    vec![
        ("a billion laughs", document(&laughs, "&l9;")),
        ("quadratic blow-up", document(&quadratic, &"&a;".repeat(20_000))),
        ("a file as an entity", external("file:///etc/passwd")),
        ("an endless file as an entity", external("file:///dev/zero")),
        ("an address as an entity", external("http://127.0.0.1:1/")),
        ("a parameter entity", document("<!DOCTYPE l [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\">%p;]>", "a")),
        ("an external subset", document("<!DOCTYPE l SYSTEM \"http://127.0.0.1:1/\">", "a")),
        ("an entity of itself", document("<!DOCTYPE l [<!ENTITY a \"&a;\">]>", "&a;")),
        ("20,000 declarations", document(&format!("<!DOCTYPE l [{}]>", "<!ENTITY a 'b'>".repeat(16_000)), "a")),
        ("a processing instruction", call_of("<?php phpinfo() ?>")),
        ("a style sheet", document("<?xml version='1.0'?><?xml-stylesheet href='a'?>", "a")),
        (
            "XInclude",
            call_of("<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/passwd' parse='text'/>"),
        ),
        ("UTF-16, big end first", utf_16(u16::to_be_bytes)),
        ("UTF-16, little end first", utf_16(u16::to_le_bytes)),
        ("UTF-16 in the declaration", document("<?xml version='1.0' encoding='UTF-16'?>", "a")),
        ("UTF-7", document("<?xml version='1.0' encoding='UTF-7'?>", "+ADw-i4+AD4-")),
        ("EBCDIC", document("<?xml version='1.0' encoding='IBM037'?>", "a")),
        ("octets that are no UTF-8", [b"\xff\xfe\xfd".as_slice(), &call_of("a")].concat()),
        ("50,000 open arrays", call_of(&"<array><data><value>".repeat(50_000))),
        ("12,000 open arrays", call_of(&"<array><data><value>".repeat(12_000))),
        ("50,000 open elements", "<a>".repeat(50_000).into_bytes()),
        ("80,000 open elements of a letter", "<a>".repeat(80_000).into_bytes()),
        ("a million members", call_of(&members(1_000_000, false))),
        ("4,000 members", call_of(&members(4_000, false))),
        ("a duplicate member", call_of(&members(2, true))),
        ("1,300 duplicate members", call_of(&members(1_300, true))),
        ("64 MiB of text", call_of(&"a".repeat(64 << 20))),
        ("240 KiB of text", call_of(&"a".repeat(240 << 10))),
        ("240 KiB of references", call_of(&"&#x41;".repeat(40_000))),
        ("240 KiB of CDATA", call_of(&"<![CDATA[]]>".repeat(20_000))),
        ("240 KiB of comments", call_of(&"<!---->".repeat(35_000))),
        (
            "20,000 attributes",
            call_of(&format!("<string {}/>", (0..20_000).map(|n| format!("a{n}='' ")).collect::<String>())),
        ),
        ("one attribute of 240 KiB", call_of(&format!("<string a='{}'/>", "a".repeat(240 << 10)))),
        ("a name of 240 KiB", call_of(&format!("<{}/>", "a".repeat(240 << 10)))),
        ("a tag that never ends", call_of(&format!("<{}", "a ".repeat(120 << 10)))),
        ("a comment that never ends", call_of(&format!("<!--{}", "-".repeat(240 << 10)))),
        ("CDATA that never ends", call_of(&format!("<![CDATA[{}", "]".repeat(240 << 10)))),
        ("240 KiB of blanks", [vec![b' '; 240 << 10], call_of("a")].concat()),
        ("NUL", call_of("\0")),
        ("NUL by reference", call_of("&#0;")),
        ("a surrogate by reference", call_of("&#xD83D;")),
        ("a huge reference", call_of(&format!("&#{};", "9".repeat(200_000)))),
        ("i8", call_of("<i8>9223372036854775808</i8>")),
        ("nil", call_of("<nil/>")),
        ("nil of the extensions", call_of("<ex:nil xmlns:ex='http://ws.apache.org/xmlrpc/namespaces/extensions'/>")),
        ("bad base64", call_of(&format!("<base64>{}</base64>", "=".repeat(60_000)))),
        ("base64 of one letter", call_of("<base64>a</base64>")),
        ("a huge integer", call_of(&format!("<int>{}</int>", "9".repeat(60_000)))),
        ("a huge exponent", call_of("<double>1e999999999</double>")),
        ("a double of 60,000 digits", call_of(&format!("<double>0.{}1</double>", "0".repeat(60_000)))),
        ("NaN", call_of("<double>NaN</double>")),
        ("infinity", call_of("<double>-Infinity</double>")),
        ("a date of no calendar", call_of("<dateTime.iso8601>99999999T99:99:99</dateTime.iso8601>")),
        ("cut off", call_of("a").split_at(60).0.to_vec()),
        ("nothing", Vec::new()),
    ]
}

#[test]
fn s04_xml_bombs() {
    let rig = Rig::start(1);
    let (target, pid) = (Target::of(&rig.site), rig.pid());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // As large as a good call may be, and refused only after all of it was understood.
    let large = request("send_sms", &[TOKEN, "", "+4915550000000", &"a".repeat(60_000)]).into_bytes();
    let good: Times = (0..20).map(|_| runtime.block_on(posted(&target, &large)).0).collect();
    let bar = Duration::from_millis(figure("XML_MS", 20, 20));
    let most = if super::scale::is_full() { bar } else { bar.max(good.percentile(90) * 20) };
    let growth = figure("XML_GROWTH_KIB", 8 * 1024, 4 * 1024);
    eprintln!("{}", good.row("a good call of 60 KiB"));
    let mut all = Times::default();
    let (mut faults, mut grown) = (Vec::new(), 0);
    let documents = corpus();
    for (name, document) in &documents {
        let memory = resident(pid);
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", document.len());
        let octets = [head.as_bytes(), document].concat();
        // The quickest of three: what is asked is what it costs, not what else the machine had to do.
        let tries: Vec<(Duration, String)> = (0..3).map(|_| runtime.block_on(posted(&target, &octets))).collect();
        let (took, heard) = tries.into_iter().min().unwrap();
        all.push(took);
        grown = grown.max(resident(pid).saturating_sub(memory));
        if took > most || resident(pid).saturating_sub(memory) > growth {
            faults.push(format!("{name}: {took:?}, {} KiB more", resident(pid).saturating_sub(memory)));
        }
        // A good `ping` has no argument: whatever is well-formed is refused for that.
        if !heard.contains("<fault>") && !heard.starts_with("http/1.1 413") {
            faults.push(format!("{name}: {heard:.200}"));
        }
    }
    eprintln!("{}; at most {grown} KiB more after one", all.row(&format!("{} documents", documents.len())));
    assert!(faults.is_empty(), "{most:?} and {growth} KiB are allowed:\n{}", faults.join("\n"));
    runtime.block_on(target.timed(SOURCE, "ping", &[])).unwrap();
}

/// How long it takes from the last octet sent, or the first that nobody wanted, to the answer; and the answer.
async fn posted(target: &Target, octets: &[u8]) -> (Duration, String) {
    let (mut reader, mut writer) = tokio::io::split(target.tls(SOURCE).await.unwrap());
    let sending = async {
        // Nobody may want to hear the end of it.
        let sent = writer.write_all(octets).await;
        drop(sent.and(writer.flush().await));
        Instant::now()
    };
    let hearing = async {
        let heard = answer(&mut reader).await.map(|(head, body)| head + &String::from_utf8_lossy(&body));
        (Instant::now(), heard.unwrap_or_else(|error| error.to_string()))
    };
    let (sent, (answered, heard)) = tokio::join!(sending, hearing);
    (answered.saturating_duration_since(sent), heard)
}
