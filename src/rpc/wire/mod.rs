//! XML-RPC on the wire: values, calls, answers and faults, both directions.
//!
//! The format is the XML-RPC specification of 1999-06-15 with the usual additions (`i8`) and restrictions that keep a
//! hostile body cheap: see [`Limits`]. Written directly on quick-xml's tokeniser, since those limits have to be known
//! while reading. Pure: no socket, no clock. What a method makes of its arguments is decided in `rpc::value`.

mod base64;
mod parse;
mod write;

use jiff::civil::DateTime;

pub(crate) use base64::decode as decode_base64;
pub use parse::{ParseError, parse_call, parse_response};
pub(crate) use write::StructsWriter;
pub use write::{write_call, write_fault, write_response};

/// How much a document may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Elements open at the same time.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Octets of one text.
    pub text: usize,
    /// Octets of the whole document.
    pub body: usize,
}

impl Limits {
    /// For requests: anybody may send one before showing a token.
    pub const REQUEST: Self = Self { depth: 16, elements: 4096, text: 64 << 10, body: 256 << 10 };
    /// For answers read by our own client: a full inbox is large.
    pub const RESPONSE: Self = Self { depth: 16, elements: 2 << 20, text: 256 << 10, body: 64 << 20 };
}

/// A method call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// Positional arguments.
    pub params: Vec<Value>,
}

/// A fault answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Fault {code}: {message}")]
pub struct Fault {
    /// `faultCode`.
    pub code: i32,
    /// `faultString`.
    pub message: String,
}

/// A value. `<nil/>` does not exist here: it is refused on input and never written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `array`.
    Array(Vec<Self>),
    /// `base64`.
    Base64(Vec<u8>),
    /// `boolean`.
    Boolean(bool),
    /// `dateTime.iso8601`; the zone is not on the wire, ours are UTC.
    DateTime(DateTime),
    /// `int`, `i4`, `i8` or `double`.
    Number(Number),
    /// `string`, or text without a type.
    String(String),
    /// `struct`, members in the order written.
    Struct(Vec<(String, Self)>),
}

impl Value {
    /// A 32-bit integer.
    #[must_use]
    pub fn int(value: i32) -> Self {
        Self::Number(Number { kind: NumberKind::Int, text: value.to_string() })
    }

    /// A double; what has no decimal notation (NaN, infinity) becomes 0.
    #[must_use]
    pub fn double(value: f64) -> Self {
        let value = if value.is_finite() { value } else { 0.0 };
        Self::Number(Number { kind: NumberKind::Double, text: format!("{value:?}") })
    }

    /// A string.
    #[must_use]
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// The elements, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The truth value, if this is a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, if this is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The members, if this is a struct.
    #[must_use]
    pub fn as_struct(&self) -> Option<&[(String, Self)]> {
        if let Self::Struct(members) = self { Some(members) } else { None }
    }

    /// The member called `name`, if this is a struct that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.as_struct()?.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }
}

/// How a number was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NumberKind {
    /// `int`, `i4` or `i8`.
    Int,
    /// `double`.
    Double,
}

/// A number with the characters it was written with.
///
/// Clients that guess types send the phone number `+49176...` as an `i8`; the plus sign must not get lost on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Number {
    kind: NumberKind,
    text: String,
}

impl Number {
    /// Which element it was in.
    #[must_use]
    pub const fn kind(&self) -> NumberKind {
        self.kind
    }

    /// As written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        self.text.parse().unwrap_or(0.0)
    }

    /// The value, if it is a whole number of at most 64 bits.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        match self.kind {
            NumberKind::Int => self.text.parse().ok(),
            NumberKind::Double => {
                let value = self.to_f64();
                (value.fract() == 0.0).then(|| format!("{value:.0}").parse().ok()).flatten()
            }
        }
    }
}
