//! XML to values. Any octets in; a value or an error out, in time and memory bounded by [`Limits`].
//!
//! Refused outright: document type declarations, processing instructions, entities other than the five of XML 1.0
//! section 4.6, characters outside section 2.2, anything that is not UTF-8. Errors never repeat what was sent: a token
//! would get into answers and logs.

use std::borrow::Cow;

use jiff::civil::DateTime;
use quick_xml::{
    Reader,
    events::{BytesDecl, BytesRef, Event},
};

use super::{Call, Fault, Limits, Number, NumberKind, Value, base64};

/// Longest method name read.
const METHOD_NAME: usize = 255;

/// Why a document is not the XML-RPC it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// A text that is no value of its type.
    #[error("not a valid {element}")]
    BadText {
        /// The type's element.
        element: &'static str,
    },
    /// A character XML 1.0 does not allow.
    #[error("a character that XML does not allow")]
    Character,
    /// A document type declaration or a processing instruction.
    #[error("{0} is not accepted")]
    Declaration(&'static str),
    /// The same member name twice in one struct.
    #[error("a struct has the same member twice")]
    DuplicateMember,
    /// Not UTF-8, or declared to be something else.
    #[error("the encoding has to be UTF-8")]
    Encoding,
    /// A reference to an entity other than the predefined five.
    #[error("an entity that is not predefined")]
    Entity,
    /// More than a limit allows.
    #[error("more than {limit} {what}")]
    Limit {
        /// The limit.
        limit: usize,
        /// What is limited.
        what: &'static str,
    },
    /// Well-formed, but not what belongs here.
    #[error("{0} was expected")]
    Unexpected(&'static str),
    /// Not well-formed XML.
    #[error("syntax error at octet {0}")]
    Syntax(u64),
    /// A `nil`.
    #[error("nil is not supported")]
    Nil,
    /// An element that is no type.
    #[error("unknown value type")]
    UnknownType,
}

/// Reads a `methodCall`.
///
/// # Errors
/// [`ParseError`] for anything else.
pub fn parse_call(document: &[u8], limits: Limits) -> Result<Call, ParseError> {
    let mut reader = Elements::new(document, limits)?;
    reader.open("methodCall")?;
    reader.open("methodName")?;
    let method = reader.text(METHOD_NAME)?.trim().to_owned();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/');
    if method.is_empty() || !method.chars().all(legal) {
        return Err(ParseError::BadText { element: "methodName" });
    }
    let mut params = Vec::new();
    if let Some(name) = reader.next_child()? {
        if name != "params" {
            return Err(ParseError::Unexpected("params"));
        }
        while let Some(name) = reader.next_child()? {
            if name != "param" {
                return Err(ParseError::Unexpected("param"));
            }
            params.push(reader.param()?);
        }
        reader.close()?;
    }
    reader.finish()?;
    Ok(Call { method, params })
}

/// Reads a `methodResponse`: a value or a fault.
///
/// # Errors
/// [`ParseError`] for anything else.
pub fn parse_response(document: &[u8], limits: Limits) -> Result<Result<Value, Fault>, ParseError> {
    let mut reader = Elements::new(document, limits)?;
    reader.open("methodResponse")?;
    let answer = match reader.next_child()? {
        Some("params") => {
            reader.open("param")?;
            let value = reader.param()?;
            reader.close()?;
            Ok(value)
        }
        Some("fault") => {
            let value = reader.param()?;
            let code = value.member("faultCode").and_then(Value::as_number).and_then(Number::to_i64);
            let message = value.member("faultString").and_then(Value::as_str);
            match (code.and_then(|code| i32::try_from(code).ok()), message) {
                (Some(code), Some(message)) => Err(Fault { code, message: message.to_owned() }),
                _ => return Err(ParseError::Unexpected("faultCode and faultString")),
            }
        }
        _ => return Err(ParseError::Unexpected("params or fault")),
    };
    reader.finish()?;
    Ok(answer)
}

/// Every element there is.
const NAMES: [&str; 22] = [
    "value",
    "param",
    "string",
    "name",
    "member",
    "int",
    "struct",
    "array",
    "data",
    "boolean",
    "methodCall",
    "methodName",
    "params",
    "i4",
    "i8",
    "double",
    "dateTime.iso8601",
    "base64",
    "nil",
    "ex:nil",
    "methodResponse",
    "fault",
];

/// An element by its name here; one that does not exist has none.
fn known(name: &str) -> &'static str {
    NAMES.into_iter().find(|known| *known == name).unwrap_or_default()
}

/// What comes next inside an element.
enum Item<'d> {
    Start(&'static str),
    End,
    Text(Cow<'d, str>),
    EndOfDocument,
}

/// The document as a bounded stream of elements and text.
struct Elements<'d> {
    reader: Reader<&'d [u8]>,
    limits: Limits,
    ascii: bool,
    started: bool,
    depth: usize,
    elements: usize,
}

impl<'d> Elements<'d> {
    fn new(document: &'d [u8], limits: Limits) -> Result<Self, ParseError> {
        if document.len() > limits.body {
            return Err(ParseError::Limit { limit: limits.body, what: "octets" });
        }
        let document = std::str::from_utf8(document).map_err(|_| ParseError::Encoding)?;
        let document = document.strip_prefix('\u{feff}').unwrap_or(document);
        if !document.chars().all(is_xml_character) {
            return Err(ParseError::Character);
        }
        let mut reader = Reader::from_str(document);
        let config = reader.config_mut();
        config.enable_all_checks(true);
        config.expand_empty_elements = true;
        Ok(Self { reader, limits, ascii: document.is_ascii(), started: false, depth: 0, elements: 0 })
    }

    fn next(&mut self) -> Result<Item<'d>, ParseError> {
        loop {
            let event = self.reader.read_event().map_err(|_| ParseError::Syntax(self.reader.error_position()))?;
            let first = !std::mem::replace(&mut self.started, true);
            match event {
                Event::Start(start) => {
                    self.depth += 1;
                    self.elements += 1;
                    if self.depth > self.limits.depth {
                        return Err(ParseError::Limit { limit: self.limits.depth, what: "nested elements" });
                    }
                    if self.elements > self.limits.elements {
                        return Err(ParseError::Limit { limit: self.limits.elements, what: "elements" });
                    }
                    return Ok(Item::Start(known(start.name().into_inner())));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Item::End);
                }
                Event::Text(text) => return Ok(Item::Text(text.xml10_content())),
                Event::CData(text) => return Ok(Item::Text(text.xml10_content())),
                Event::GeneralRef(reference) => {
                    return Ok(Item::Text(Cow::Owned(resolve(&reference)?.to_string())));
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) if first => self.check_encoding(&declaration)?,
                Event::Decl(_) | Event::PI(_) => return Err(ParseError::Declaration("a processing instruction")),
                Event::DocType(_) => return Err(ParseError::Declaration("a document type declaration")),
                Event::Eof if self.depth > 0 => return Err(ParseError::Syntax(self.reader.error_position())),
                Event::Eof => return Ok(Item::EndOfDocument),
                // Expanded into a start and an end.
                Event::Empty(_) => return Err(ParseError::Unexpected("an element")),
            }
        }
    }

    /// PHP's client declares ISO-8859-1 and writes character references: the same thing as long as all is ASCII.
    fn check_encoding(&self, declaration: &BytesDecl<'_>) -> Result<(), ParseError> {
        let Some(name) = declaration.encoding() else { return Ok(()) };
        let name = name.map_err(|_| ParseError::Encoding)?.to_ascii_lowercase();
        let same_as_ascii = matches!(name.as_str(), "us-ascii" | "ascii" | "iso-8859-1" | "iso-8859-15");
        if name == "utf-8" || (same_as_ascii && self.ascii) { Ok(()) } else { Err(ParseError::Encoding) }
    }

    /// The next child element, or `None` at the end of the one that is open. Blanks between are skipped.
    fn next_child(&mut self) -> Result<Option<&'static str>, ParseError> {
        loop {
            match self.next()? {
                Item::Start(name) => return Ok(Some(name)),
                Item::End => return Ok(None),
                Item::Text(text) if is_blank(&text) => {}
                Item::Text(_) => return Err(ParseError::Unexpected("an element")),
                Item::EndOfDocument => return Err(ParseError::Unexpected("a document")),
            }
        }
    }

    fn open(&mut self, name: &'static str) -> Result<(), ParseError> {
        if self.next_child()? == Some(name) { Ok(()) } else { Err(ParseError::Unexpected(name)) }
    }

    fn close(&mut self) -> Result<(), ParseError> {
        if self.next_child()?.is_none() { Ok(()) } else { Err(ParseError::Unexpected("an end tag")) }
    }

    /// Text up to the end of the open element.
    fn text(&mut self, limit: usize) -> Result<String, ParseError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Item::Text(more) => push(&mut text, &more, limit)?,
                Item::End => return Ok(text),
                Item::Start(_) | Item::EndOfDocument => return Err(ParseError::Unexpected("text")),
            }
        }
    }

    /// The `value` in an open `param` or `fault`, and its end.
    fn param(&mut self) -> Result<Value, ParseError> {
        self.open("value")?;
        let value = self.value()?;
        self.close()?;
        Ok(value)
    }

    /// What an open `value` holds, and its end. Recursion is bounded by the depth limit.
    fn value(&mut self) -> Result<Value, ParseError> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Item::Text(more) => push(&mut text, &more, self.limits.text)?,
                Item::End => return Ok(Value::String(text)),
                Item::Start(element) if is_blank(&text) => {
                    let value = self.typed(element)?;
                    self.close()?;
                    return Ok(value);
                }
                Item::Start(_) | Item::EndOfDocument => return Err(ParseError::Unexpected("a value")),
            }
        }
    }

    fn typed(&mut self, element: &str) -> Result<Value, ParseError> {
        match element {
            "array" => self.array(),
            "base64" => {
                let text = self.text(self.limits.text)?;
                base64::decode(&text).map(Value::Base64).ok_or(ParseError::BadText { element: "base64" })
            }
            "boolean" => match self.text(self.limits.text)?.trim() {
                "0" | "false" => Ok(Value::Boolean(false)),
                "1" | "true" => Ok(Value::Boolean(true)),
                _ => Err(ParseError::BadText { element: "boolean" }),
            },
            "dateTime.iso8601" => {
                let text = self.text(self.limits.text)?;
                date_time(text.trim()).map(Value::DateTime).ok_or(ParseError::BadText { element: "dateTime.iso8601" })
            }
            "double" => self.number(NumberKind::Double),
            "i4" | "i8" | "int" => self.number(NumberKind::Int),
            "nil" | "ex:nil" => Err(ParseError::Nil),
            "string" => self.text(self.limits.text).map(Value::String),
            "struct" => self.members(),
            _ => Err(ParseError::UnknownType),
        }
    }

    fn number(&mut self, kind: NumberKind) -> Result<Value, ParseError> {
        let text = self.text(self.limits.text)?.trim().to_owned();
        let valid = match kind {
            NumberKind::Int => text.parse::<i64>().is_ok(),
            NumberKind::Double => text.parse::<f64>().is_ok_and(f64::is_finite),
        };
        let element = if kind == NumberKind::Int { "int" } else { "double" };
        if valid { Ok(Value::Number(Number { kind, text })) } else { Err(ParseError::BadText { element }) }
    }

    fn array(&mut self) -> Result<Value, ParseError> {
        self.open("data")?;
        let mut elements = Vec::new();
        while let Some(name) = self.next_child()? {
            if name != "value" {
                return Err(ParseError::Unexpected("value"));
            }
            elements.push(self.value()?);
        }
        self.close()?;
        Ok(Value::Array(elements))
    }

    fn members(&mut self) -> Result<Value, ParseError> {
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(element) = self.next_child()? {
            if element != "member" {
                return Err(ParseError::Unexpected("member"));
            }
            self.open("name")?;
            let name = self.text(self.limits.text)?;
            let value = self.param()?;
            if !names.insert(name.clone()) {
                return Err(ParseError::DuplicateMember);
            }
            members.push((name, value));
        }
        Ok(Value::Struct(members))
    }

    /// The end of the root element and of the document.
    fn finish(&mut self) -> Result<(), ParseError> {
        if self.depth > 0 {
            self.close()?;
        }
        loop {
            match self.next()? {
                Item::EndOfDocument => return Ok(()),
                Item::Text(text) if is_blank(&text) => {}
                Item::Text(_) | Item::Start(_) | Item::End => return Err(ParseError::Unexpected("nothing more")),
            }
        }
    }
}

fn push(text: &mut String, more: &str, limit: usize) -> Result<(), ParseError> {
    if text.len() + more.len() > limit {
        return Err(ParseError::Limit { limit, what: "octets of text" });
    }
    text.push_str(more);
    Ok(())
}

fn resolve(reference: &BytesRef<'_>) -> Result<char, ParseError> {
    match &**reference {
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "gt" => Ok('>'),
        "lt" => Ok('<'),
        "quot" => Ok('"'),
        _ => {
            let character = reference.resolve_char_ref().map_err(|_| ParseError::Character)?;
            let character = character.ok_or(ParseError::Entity)?;
            if is_xml_character(character) { Ok(character) } else { Err(ParseError::Character) }
        }
    }
}

/// `Char` of XML 1.0 section 2.2.
fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace())
}

fn date_time(text: &str) -> Option<DateTime> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    ["%Y%m%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y%m%dT%H%M%S"]
        .iter()
        .find_map(|format| DateTime::strptime(format, text).ok())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
