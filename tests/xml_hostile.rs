//! Documents made to hurt an XML parser: each ends as a value or an error, soon and small.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail, its helpers too"
)]

use std::time::{Duration, Instant};

use smsgate::rpc::wire::{Call, Limits, Number, ParseError, Value, parse_call, parse_response};

/// A debug build on a busy machine is some ten times slower than the 20 ms asked of a release build.
const SOON: Duration = Duration::from_millis(200);

fn call_of(value: &str) -> Vec<u8> {
    document("<?xml version='1.0'?>", value)
}

fn document(prologue: &str, value: &str) -> Vec<u8> {
    format!(
        "{prologue}<methodCall><methodName>m</methodName><params><param><value>{value}</value></param></params></methodCall>"
    )
    .into_bytes()
}

fn utf_16(text: &str, to_octets: fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(to_octets).collect()
}

/// Nesting is written without a way back: what is refused has to be refused on the way in.
fn nested(levels: usize) -> String {
    "<array><data><value>".repeat(levels)
}

fn members(count: usize) -> String {
    let members: String = (0..count).map(|n| format!("<member><name>{n}</name><value/></member>")).collect();
    format!("<struct>{members}</struct>")
}

fn refused() -> Vec<(&'static str, Vec<u8>)> {
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE l [<!ENTITY l0 \"ha\">{laughs}]>");
    let quadratic = format!("<!DOCTYPE l [<!ENTITY a \"{}\">]>", "a".repeat(60_000));
    vec![
        ("a billion laughs", document(&laughs, "&l9;")),
        ("quadratic blow-up", document(&quadratic, &"&a;".repeat(20_000))),
        ("an external entity", document("<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>", "&x;")),
        ("a parameter entity", document("<!DOCTYPE l [<!ENTITY % p SYSTEM \"http://192.0.2.1/\">%p;]>", "a")),
        ("an external subset", document("<!DOCTYPE l SYSTEM \"http://192.0.2.1/\">", "a")),
        ("an empty document type", document("<!DOCTYPE l>", "a")),
        ("an undeclared entity", call_of("&x;")),
        ("a processing instruction", call_of("<?x y?>")),
        ("a style sheet", document("<?xml version='1.0'?><?xml-stylesheet href='a'?>", "a")),
        ("two declarations", document("<?xml version='1.0'?><?xml version='1.0'?>", "a")),
        ("UTF-16 big end first", utf_16(&String::from_utf8(call_of("a")).unwrap(), u16::to_be_bytes)),
        ("UTF-16 little end first", utf_16(&String::from_utf8(call_of("a")).unwrap(), u16::to_le_bytes)),
        ("declared UTF-16", document("<?xml version='1.0' encoding='UTF-16'?>", "a")),
        ("declared UTF-7", document("<?xml version='1.0' encoding='UTF-7'?>", "+ADw-i4+AD4-")),
        ("Latin 1 octets", call_of("a").into_iter().map(|octet| if octet == b'a' { 0xe4 } else { octet }).collect()),
        ("an overlong slash", [b"<methodCall>\xc0\xaf".as_slice(), &call_of("a")].concat()),
        (
            "a lone surrogate",
            call_of("a").into_iter().flat_map(|o| if o == b'a' { vec![0xed, 0xa0, 0x80] } else { vec![o] }).collect(),
        ),
        ("50,000 open arrays", call_of(&nested(50_000))),
        ("50,000 open arrays within the size", call_of(&nested(12_000))),
        ("five arrays too deep", call_of(&nested(5))),
        ("50,000 open names", "<a>".repeat(50_000).into_bytes()),
        ("a million members", call_of(&members(1_000_000))),
        ("more members than elements", call_of(&members(2_000))),
        ("64 MiB of text", call_of(&format!("<string>{}</string>", "a".repeat(64 << 20)))),
        ("64 KiB and one", call_of(&"a".repeat((64 << 10) + 1))),
        ("64 KiB and one in CDATA", call_of(&format!("<![CDATA[{}]]>", "a".repeat((64 << 10) + 1)))),
        ("more than 64 KiB in references", call_of(&"&lt;".repeat(65_537))),
        ("NUL", call_of("\0")),
        ("NUL by reference", call_of("&#0;")),
        ("escape by reference", call_of("&#x1B;")),
        ("a surrogate by reference", call_of("&#xD83D;")),
        ("beyond Unicode", call_of("&#x110000;")),
        ("a huge reference", call_of("&#99999999999999999999;")),
        (
            "a duplicate member",
            call_of("<struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct>"),
        ),
        ("a member without a name", call_of("<struct><member><value/></member></struct>")),
        ("a member without a value", call_of("<struct><member><name>a</name></member></struct>")),
        ("nil", call_of("<nil/>")),
        ("bad base64", call_of("<base64>a</base64>")),
        ("an i8 out of range", call_of("<i8>9223372036854775808</i8>")),
        ("a huge integer", call_of(&format!("<int>{}</int>", "9".repeat(60_000)))),
        ("NaN", call_of("<double>NaN</double>")),
        ("infinity", call_of("<double>-Infinity</double>")),
        ("a huge exponent", call_of("<double>1e999999999</double>")),
        ("two values", call_of("<int>1</int><int>1</int>")),
        ("text beside a value", call_of("<int>1</int>x")),
        ("crossed tags", call_of("<string><int></string></int>")),
        ("cut off", call_of("a").split_at(60).0.to_vec()),
        ("a comment that never ends", call_of("<!-- ")),
        ("a comment with two dashes", call_of("<!-- -- -->")),
        ("CDATA that never ends", call_of("<![CDATA[")),
        ("a tag that never ends", format!("<methodCall {}", "a='b' ".repeat(30_000)).into_bytes()),
        ("something after the end", [call_of("a"), b"<a/>".to_vec()].concat()),
        ("a name with markup", b"<methodCall><methodName>a&lt;b</methodName></methodCall>".to_vec()),
        ("a long name", format!("<methodCall><methodName>{}</methodName></methodCall>", "a".repeat(256)).into_bytes()),
        ("nothing", Vec::new()),
        ("noise", (0..=255_u8).cycle().take(250_000).collect()),
    ]
}

#[test]
fn hostile_documents_are_refused_soon() {
    for (name, document) in refused() {
        let start = Instant::now();
        let result = parse_call(&document, Limits::REQUEST);
        let taken = start.elapsed();
        assert!(result.is_err(), "{name}: accepted");
        assert!(taken < SOON, "{name}: {taken:?}");
        let words = result.unwrap_err().to_string();
        assert!(words.len() < 100, "{name}: {words}");
        assert!(parse_response(&document, Limits::REQUEST).is_err(), "{name}: accepted as an answer");
    }
}

#[test]
fn limits_are_met_exactly() {
    let limit = |what, limit| Some(ParseError::Limit { limit, what });
    for (name, document, expected) in [
        ("body", vec![b' '; (256 << 10) + 1], limit("octets", 256 << 10)),
        ("text", call_of(&"a".repeat((64 << 10) + 1)), limit("octets of text", 64 << 10)),
        ("text that fits", call_of(&"a".repeat(64 << 10)), None),
        ("references that fit", call_of(&"&lt;".repeat(60_000)), None),
        ("depth that fits", call_of(&format!("{}{}", nested(4), "</value></data></array>".repeat(4))), None),
        ("depth", call_of(&nested(5)), limit("nested elements", 16)),
        ("elements", call_of(&members(1400)), limit("elements", 4096)),
        ("members that fit", call_of(&members(1363)), None),
        ("an i8 that fits", call_of("<i8>9223372036854775807</i8>"), None),
        ("a long double", call_of(&format!("<double>0.{}</double>", "1".repeat(60_000))), None),
    ] {
        assert_eq!(parse_call(&document, Limits::REQUEST).err(), expected, "{name}");
    }
}

#[test]
fn any_cut_and_any_changed_octet_ends_in_a_value_or_an_error() {
    let call = call_of("<struct><member><name>&#228;</name><value><![CDATA[x]]><!-- c --></value></member></struct>");
    for cut in 0..call.len() {
        assert!(parse_call(&call[..cut], Limits::REQUEST).is_err(), "cut at {cut}");
    }
    for place in 0..call.len() {
        for octet in 0..=255 {
            let mut changed = call.clone();
            changed[place] = octet;
            if let Ok(Call { params, .. }) = parse_call(&changed, Limits::REQUEST) {
                assert!(params.iter().map(size).sum::<usize>() <= call.len());
            }
        }
    }
}

/// Octets of text a value holds.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Base64(octets) => octets.len(),
        Value::Boolean(_) | Value::DateTime(_) => 0,
        Value::Number(number) => Number::text(number).len(),
        Value::String(text) => text.len(),
        Value::Struct(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
    }
}
