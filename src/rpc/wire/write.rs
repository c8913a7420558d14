//! Values to XML, laid out as clients of upstream are used to see it.
//!
//! What XML 1.0 (section 2.2) forbids in a document never gets into one: SMS text may hold a form feed or an escape
//! character, and one such octet would make the whole answer unreadable.

use jiff::civil::DateTime;

use super::{Call, Fault, Number, NumberKind, Value, base64};

const DECLARATION: &str = "<?xml version='1.0'?>\n";
const RESPONSE: &str = "<methodResponse>\n<params>\n";
const RESPONSE_END: &str = "</params>\n</methodResponse>\n";
const PARAM: &str = "<param>\n";
const PARAM_END: &str = "\n</param>\n";
const ARRAY: &str = "<array><data>\n";
const ARRAY_END: &str = "</data></array>";
const STRUCT: &str = "<struct>\n";
const STRUCT_END: &str = "</struct>";
/// Octets around the elements of an array, and some to spare.
const FRAME_OCTETS: usize = 192;

/// A `methodCall` document.
#[must_use]
pub fn write_call(call: &Call) -> String {
    let mut xml = String::from(DECLARATION);
    xml.push_str("<methodCall>\n<methodName>");
    push_text(&mut xml, &call.method);
    xml.push_str("</methodName>\n<params>\n");
    for param in &call.params {
        push_param(&mut xml, param);
    }
    xml.push_str("</params>\n</methodCall>\n");
    xml
}

/// A `methodResponse` document with a value.
#[must_use]
pub fn write_response(value: &Value) -> String {
    let mut xml = String::from(DECLARATION);
    xml.push_str(RESPONSE);
    push_param(&mut xml, value);
    xml.push_str(RESPONSE_END);
    xml
}

/// Writes the `methodResponse` that [`write_response`] makes of an array of structs, without the values in between.
pub(crate) struct StructsWriter(String);

impl StructsWriter {
    /// An array without elements yet, which will take about so many octets.
    pub(crate) fn new(octets: usize) -> Self {
        let mut xml = String::with_capacity(octets + FRAME_OCTETS);
        for part in [DECLARATION, RESPONSE, PARAM, "<value>", ARRAY] {
            xml.push_str(part);
        }
        Self(xml)
    }

    /// Begins an element.
    pub(crate) fn begin(&mut self) {
        self.0.push_str("<value>");
        self.0.push_str(STRUCT);
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        self.0.push_str(STRUCT_END);
        self.0.push_str("</value>\n");
    }

    /// A member of the element that is open.
    pub(crate) fn string(&mut self, name: &str, text: &str) {
        self.member(name, |xml| push_typed(xml, "string", text));
    }

    /// A member of the element that is open.
    pub(crate) fn boolean(&mut self, name: &str, value: bool) {
        self.member(name, |xml| push_boolean(xml, value));
    }

    /// A member of the element that is open.
    pub(crate) fn int(&mut self, name: &str, value: i32) {
        self.member(name, |xml| push_typed(xml, "int", &value.to_string()));
    }

    /// A member of the element that is open.
    pub(crate) fn date_time(&mut self, name: &str, time: DateTime) {
        self.member(name, |xml| push_date_time(xml, time));
    }

    /// The whole document.
    pub(crate) fn finish(self) -> String {
        let mut xml = self.0;
        for part in [ARRAY_END, "</value>", PARAM_END, RESPONSE_END] {
            xml.push_str(part);
        }
        xml
    }

    fn member(&mut self, name: &str, value: impl FnOnce(&mut String)) {
        push_member(&mut self.0, name, |xml| {
            xml.push_str("<value>");
            value(xml);
            xml.push_str("</value>");
        });
    }
}

/// A `methodResponse` document with a fault.
#[must_use]
pub fn write_fault(fault: &Fault) -> String {
    let mut xml = String::from(DECLARATION);
    xml.push_str("<methodResponse>\n<fault>\n");
    let members = [("faultCode", Value::int(fault.code)), ("faultString", Value::string(fault.message.as_str()))];
    push_value(&mut xml, &Value::Struct(members.map(|(name, value)| (name.to_owned(), value)).into()));
    xml.push_str("\n</fault>\n</methodResponse>\n");
    xml
}

fn push_param(xml: &mut String, value: &Value) {
    xml.push_str(PARAM);
    push_value(xml, value);
    xml.push_str(PARAM_END);
}

fn push_value(xml: &mut String, value: &Value) {
    xml.push_str("<value>");
    match value {
        Value::Array(elements) => {
            xml.push_str(ARRAY);
            for element in elements {
                push_value(xml, element);
                xml.push('\n');
            }
            xml.push_str(ARRAY_END);
        }
        Value::Base64(octets) => push_typed(xml, "base64", &base64::encode(octets)),
        Value::Boolean(value) => push_boolean(xml, *value),
        Value::DateTime(time) => push_date_time(xml, *time),
        Value::Number(number) => push_typed(xml, element_of(number), number.text()),
        Value::String(text) => push_typed(xml, "string", text),
        Value::Struct(members) => {
            xml.push_str(STRUCT);
            for (name, value) in members {
                push_member(xml, name, |xml| push_value(xml, value));
            }
            xml.push_str(STRUCT_END);
        }
    }
    xml.push_str("</value>");
}

fn push_member(xml: &mut String, name: &str, value: impl FnOnce(&mut String)) {
    xml.push_str("<member>\n<name>");
    push_text(xml, name);
    xml.push_str("</name>\n");
    value(xml);
    xml.push_str("\n</member>\n");
}

fn push_boolean(xml: &mut String, value: bool) {
    push_typed(xml, "boolean", if value { "1" } else { "0" });
}

fn push_date_time(xml: &mut String, time: DateTime) {
    push_typed(xml, "dateTime.iso8601", &time.strftime("%Y%m%dT%H:%M:%S").to_string());
}

/// Integers wider than 32 bits are no XML-RPC; clients read them as doubles.
fn element_of(number: &Number) -> &'static str {
    match number.kind() {
        NumberKind::Int if number.to_i64().is_some_and(|value| i32::try_from(value).is_ok()) => "int",
        NumberKind::Int | NumberKind::Double => "double",
    }
}

fn push_typed(xml: &mut String, element: &str, text: &str) {
    xml.push('<');
    xml.push_str(element);
    xml.push('>');
    push_text(xml, text);
    xml.push_str("</");
    xml.push_str(element);
    xml.push('>');
}

fn push_text(xml: &mut String, text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        // Nearly all text is plain and goes over as it is; what ends a run of it is looked at by itself.
        let plain = rest.bytes().position(|octet| !is_plain(octet)).unwrap_or(rest.len());
        let (run, others) = rest.split_at(plain);
        xml.push_str(run);
        let mut others = others.chars();
        others.next().into_iter().for_each(|c| push_character(xml, c));
        rest = others.as_str();
    }
}

/// ASCII that stands for itself.
const fn is_plain(octet: u8) -> bool {
    matches!(octet, b' '..=b'~' | b'\t' | b'\n') && !matches!(octet, b'&' | b'<' | b'>')
}

fn push_character(xml: &mut String, c: char) {
    match c {
        '&' => xml.push_str("&amp;"),
        '<' => xml.push_str("&lt;"),
        '>' => xml.push_str("&gt;"),
        // Raw, a parser would turn it into a line feed (XML 1.0 section 2.11).
        '\r' => xml.push_str("&#13;"),
        '\t' | '\n' => xml.push(c),
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {}
        c => xml.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_look_like_upstreams() {
        assert_eq!(
            write_response(&Value::string("53ba0692")),
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><string>53ba0692</string></value>\n\
             </param>\n</params>\n</methodResponse>\n"
        );
        assert_eq!(
            write_fault(&Fault { code: 401, message: "Invalid API token.".into() }),
            "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n\
             <value><int>401</int></value>\n</member>\n<member>\n<name>faultString</name>\n\
             <value><string>Invalid API token.</string></value>\n</member>\n</struct></value>\n</fault>\n\
             </methodResponse>\n"
        );
        assert_eq!(
            write_response(&Value::Array(vec![Value::string("OK"), Value::Boolean(true)])),
            "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
             <value><string>OK</string></value>\n<value><boolean>1</boolean></value>\n</data></array></value>\n\
             </param>\n</params>\n</methodResponse>\n"
        );
    }

    #[test]
    fn nothing_xml_forbids_gets_out() {
        let xml = write_response(&Value::string("a\u{c}b\u{1b}[31m\u{0}\u{85}\u{fffe}<&>\"\r\n\t\u{1f600}"));
        assert!(xml.contains("<string>ab[31m&lt;&amp;&gt;\"&#13;\n\t\u{1f600}</string>"), "{xml}");
    }

    #[test]
    fn wide_integers_become_doubles() {
        let wide = Value::Number(Number { kind: NumberKind::Int, text: "4294967296".into() });
        assert!(write_response(&wide).contains("<double>4294967296</double>"));
        assert!(write_response(&Value::int(-71)).contains("<int>-71</int>"));
        assert!(write_response(&Value::double(12.34)).contains("<double>12.34</double>"));
        assert!(write_response(&Value::double(f64::NAN)).contains("<double>0.0</double>"));
    }
}
