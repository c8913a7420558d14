//! Tables for the reading half of the wire.

use super::{super::write_call, *};

fn value_of(value: &str) -> Result<Value, ParseError> {
    let document = format!(
        "<?xml version='1.0'?>\n<methodCall><methodName>m</methodName>\n<params><param>{value}</param></params></methodCall>\n"
    );
    parse_call(document.as_bytes(), Limits::REQUEST).map(|mut call| call.params.remove(0))
}

#[test]
fn every_type_is_read() {
    for (xml, expected) in [
        ("<value><string>a &lt;b&gt; &#228;&#xE4;</string></value>", Value::string("a <b> ää")),
        ("<value>untyped</value>", Value::string("untyped")),
        ("<value>  </value>", Value::string("  ")),
        ("<value/>", Value::string("")),
        ("<value><string/></value>", Value::string("")),
        ("<value><string><![CDATA[<&>]]></string></value>", Value::string("<&>")),
        ("<value><string>a<!-- no -->b\r\nc</string></value>", Value::string("ab\nc")),
        ("<value>\n <boolean>1</boolean> </value>", Value::Boolean(true)),
        ("<value><int>-7</int></value>", Value::int(-7)),
        ("<value><i4>7</i4></value>", Value::int(7)),
        ("<value><double>1.5</double></value>", Value::double(1.5)),
        ("<value><base64>Zm9v</base64></value>", Value::Base64(b"foo".to_vec())),
        ("<value><array><data/></array></value>", Value::Array(vec![])),
        ("<value><array><data><value>1</value></data></array></value>", Value::Array(vec![Value::string("1")])),
        (
            "<value><struct><member><name>a</name><value>1</value></member></struct></value>",
            Value::Struct(vec![("a".into(), Value::string("1"))]),
        ),
        (
            "<value><dateTime.iso8601>20261120T22:19:05</dateTime.iso8601></value>",
            Value::DateTime(DateTime::constant(2026, 11, 20, 22, 19, 5, 0)),
        ),
    ] {
        assert_eq!(value_of(xml).as_ref(), Ok(&expected), "{xml}");
    }
}

#[test]
fn numbers_keep_their_characters() {
    let number = value_of("<value><i8>+491760000000</i8></value>").unwrap();
    assert_eq!(number.as_number().unwrap().text(), "+491760000000");
    assert_eq!(number.as_number().unwrap().to_i64(), Some(491_760_000_000));
}

#[test]
fn refusals_name_their_reason() {
    let bad = |element| ParseError::BadText { element };
    for (xml, expected) in [
        ("<value><nil/></value>", ParseError::Nil),
        ("<value><i16>1</i16></value>", ParseError::UnknownType),
        ("<value><int>99999999999999999999</int></value>", bad("int")),
        ("<value><int></int></value>", bad("int")),
        ("<value><double>NaN</double></value>", bad("double")),
        ("<value><double>inf</double></value>", bad("double")),
        ("<value><boolean>2</boolean></value>", bad("boolean")),
        ("<value><base64>!</base64></value>", bad("base64")),
        ("<value><dateTime.iso8601>today</dateTime.iso8601></value>", bad("dateTime.iso8601")),
        ("<value>&nbsp;</value>", ParseError::Entity),
        ("<value>&#0;</value>", ParseError::Character),
        ("<value>&#x1b;</value>", ParseError::Character),
        ("<value>\u{0}</value>", ParseError::Character),
        ("<value>a<int>1</int></value>", ParseError::Unexpected("a value")),
        ("<value><int>1</int>a</value>", ParseError::Unexpected("an element")),
        ("<value><?php evil ?></value>", ParseError::Declaration("a processing instruction")),
    ] {
        assert_eq!(value_of(xml), Err(expected), "{xml}");
    }
}

#[test]
fn encodings() {
    let call = |declaration: &str, text: &str| {
        let xml = format!(
            "{declaration}<methodCall><methodName>m</methodName><params><param><value>{text}</value></param></params></methodCall>"
        );
        parse_call(xml.as_bytes(), Limits::REQUEST).map(|call| call.params)
    };
    for (declaration, text, fits) in [
        ("", "ä", true),
        ("\u{feff}<?xml version='1.0' encoding='UTF-8'?>", "ä", true),
        ("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>", "&#228;", true),
        ("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>", "ä", false),
        ("<?xml version=\"1.0\" encoding=\"UTF-7\"?>", "a", false),
        ("<?xml version=\"1.0\" encoding=\"UTF-16\"?>", "a", false),
    ] {
        assert_eq!(call(declaration, text).is_ok(), fits, "{declaration} {text}");
    }
    assert_eq!(parse_call(b"\xff\xfe<\0m\0", Limits::REQUEST), Err(ParseError::Encoding));
}

#[test]
fn only_a_whole_call_is_a_call() {
    for xml in [
        "",
        "plain",
        "<methodCall>",
        "<methodCall></methodCall>",
        "<methodCall><methodName/></methodCall>",
        "<methodCall><methodName>a b</methodName></methodCall>",
        "<methodCall><methodName>m</methodName></methodCall><x/>",
        "<methodCall><methodName>m</methodName></methodCall>x",
        "<methodCall><methodName>m</methodName><params><param/></params></methodCall>",
        "<methodCall><methodName>m</methodName><params/><params/></methodCall>",
        "<methodResponse><params><param><value/></param></params></methodResponse>",
        "<!DOCTYPE a><methodCall><methodName>m</methodName></methodCall>",
        "</methodCall>",
    ] {
        assert!(parse_call(xml.as_bytes(), Limits::REQUEST).is_err(), "{xml}");
    }
    let call = parse_call(b"<methodCall><methodName>ping</methodName></methodCall>", Limits::REQUEST).unwrap();
    assert_eq!(call, Call { method: "ping".into(), params: vec![] });
}

#[test]
fn what_is_written_is_read_back() {
    let call = Call {
        method: "send_sms".into(),
        params: vec![
            Value::string("tab\tline\ncarriage\r<&>\u{1f600}"),
            Value::Struct(vec![("a".into(), Value::Array(vec![Value::double(0.1), Value::Base64(vec![0, 255])]))]),
            Value::Boolean(false),
            Value::DateTime(DateTime::constant(1999, 1, 2, 3, 4, 5, 0)),
        ],
    };
    assert_eq!(parse_call(write_call(&call).as_bytes(), Limits::REQUEST), Ok(call));
}

#[test]
fn answers_are_read() {
    use super::super::{write_fault, write_response};
    let fault = Fault { code: 401, message: "Invalid API token.".into() };
    assert_eq!(parse_response(write_fault(&fault).as_bytes(), Limits::RESPONSE), Ok(Err(fault)));
    let value = Value::Array(vec![Value::string("OK"), Value::Struct(vec![])]);
    assert_eq!(parse_response(write_response(&value).as_bytes(), Limits::RESPONSE), Ok(Ok(value)));
}
