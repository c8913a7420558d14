//! `decode`: a PDU in hex, as modems print it, field by field (TS 23.040 9.2.2).
//!
//! Knows which decoder to ask and how to show what it says; the codec is `tpdu`'s.

use std::io::{BufRead, Write};

use clap::{Args, ValueEnum};

use super::{
    decode_fields::{self, Field, json_object},
    exit::{Exit, Failure},
    json,
};
use crate::{
    model::printable,
    tpdu::{self, Address, DecodeError, DecodeErrorKind, Incoming, Submit},
};

/// Digits shown on each side of a bad one.
const WINDOW: usize = 32;

/// Flags of `decode`.
#[derive(Args, Clone, Debug)]
pub(super) struct DecodeArgs {
    /// The PDU in hex; blanks are allowed. Without it, one PDU per line of standard input
    #[arg(value_name = "HEX")]
    pub(super) pdu: Vec<String>,
    /// What it is
    #[arg(long, value_enum, default_value_t = Kind::Auto)]
    pub(super) kind: Kind,
    /// The hex starts with the TPDU, there is no service centre address before it
    #[arg(long)]
    pub(super) no_sca: bool,
    /// Print JSON: an object per PDU
    #[arg(long)]
    pub(super) json: bool,
}

/// Types of TPDU.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Kind {
    /// By its TP-MTI
    Auto,
    /// To a phone: SMS-DELIVER or SMS-STATUS-REPORT
    Incoming,
    /// From a phone: SMS-SUBMIT
    Submit,
}

/// Decodes the argument or the lines of standard input.
///
/// # Errors
/// [`Failure`] with field, offset and a caret, after everything decodable was printed.
pub(super) fn run(args: &DecodeArgs, input: &mut impl BufRead, out: &mut impl Write) -> Result<(), Failure> {
    let lines = if args.pdu.is_empty() {
        let read: Result<Vec<String>, _> = input.lines().collect();
        read.map_err(|error| Failure::new(Exit::Data, format!("standard input cannot be read: {error}")))?
    } else {
        vec![args.pdu.concat()]
    };
    let compact = |line: &String| line.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let pdus: Vec<String> = lines.iter().map(compact).filter(|pdu| !pdu.is_empty()).collect();
    if pdus.is_empty() {
        return Err(Failure::new(Exit::Usage, "no PDU: give its hex digits as argument or on standard input"));
    }
    let mut failures = Vec::new();
    for (number, pdu) in pdus.iter().enumerate() {
        match decode(pdu, args) {
            Ok(decoded) if args.json => writeln!(out, "{}", json::line(&json_object(&decoded)))?,
            Ok(decoded) => {
                if number > 0 {
                    writeln!(out)?;
                }
                show(&decoded, out)?;
            }
            Err(bad) => failures.push(bad.describe(pdu)),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Data, failures.join("\n"))) }
}

/// A decoder's complaint, and how many octets were put before the digits the user gave.
struct Bad {
    error: DecodeError,
    added: usize,
}

impl Bad {
    /// The complaint, the digits around the place, a caret below.
    fn describe(&self, pdu: &str) -> String {
        let offset = self.error.offset.saturating_sub(self.added);
        let digits: Vec<char> = printable(pdu).chars().collect();
        let place = (offset * 2).min(digits.len());
        let start = place.saturating_sub(WINDOW);
        let end = digits.len().min(place + WINDOW);
        let window: String = digits.get(start..end).unwrap_or_default().iter().collect();
        let before = if start > 0 { "..." } else { "" };
        let after = if end < digits.len() { "..." } else { "" };
        let blanks = " ".repeat(before.len() + place - start);
        let DecodeError { field, kind, .. } = &self.error;
        format!("{field} at octet {offset}: {kind}\n  {before}{window}{after}\n  {blanks}^^")
    }
}

enum Decoded {
    Incoming(Incoming),
    Submit(Submit),
}

type Found = (Option<Address>, Decoded);

fn decode(pdu: &str, args: &DecodeArgs) -> Result<Vec<Field>, Bad> {
    let (centre, decoded) = find(pdu, args)?;
    let mut fields: Vec<Field> =
        centre.iter().map(|centre| Field::text("SCA", "service_centre", centre.to_string())).collect();
    fields.extend(match decoded {
        Decoded::Incoming(incoming) => decode_fields::of_incoming(&incoming),
        Decoded::Submit(submit) => decode_fields::of_submit(&submit),
    });
    Ok(fields)
}

/// A log may show the TPDU alone, so that is tried too: first if no address seems to be in front, else last.
fn find(pdu: &str, args: &DecodeArgs) -> Result<Found, Bad> {
    let with_sca = || attempt(pdu, args.kind).map_err(|error| Bad { error, added: 0 });
    let without_sca = || attempt(&format!("00{pdu}"), args.kind).map_err(|error| Bad { error, added: 1 });
    if args.no_sca {
        without_sca()
    } else if starts_with_address(pdu) {
        with_sca().or_else(|bad| without_sca().map_err(|_| bad))
    } else {
        without_sca().or_else(|_| with_sca())
    }
}

/// Whether the first octets can be a service centre address: none, or a length of 2 to 12 and a type octet, whose
/// first bit is always set (TS 24.011 8.2.5.1).
fn starts_with_address(pdu: &str) -> bool {
    let octet = |at: usize| pdu.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    match octet(0) {
        Some(0) => true,
        Some(2..=12) => octet(2).is_some_and(|kind| kind & 0x80 != 0),
        _ => false,
    }
}

fn attempt(pdu: &str, kind: Kind) -> Result<Found, DecodeError> {
    let submit = || tpdu::decode_submit(pdu).map(|(centre, submit)| (centre, Decoded::Submit(submit)));
    let incoming = || tpdu::decode_incoming(pdu).map(|(centre, incoming)| (centre, Decoded::Incoming(incoming)));
    match kind {
        Kind::Submit => submit(),
        Kind::Incoming => incoming(),
        Kind::Auto => match incoming() {
            Err(DecodeError { kind: DecodeErrorKind::MessageType(1), .. }) => submit(),
            other => other,
        },
    }
}

fn show(fields: &[Field], out: &mut impl Write) -> Result<(), Failure> {
    let width = fields.iter().map(|field| field.element.len()).max().unwrap_or(0);
    for Field { element, shown, .. } in fields {
        // Texts have lines; the rest of them stands below the first.
        let lines: Vec<String> = shown.split('\n').map(printable).collect();
        writeln!(out, "{element:width$}  {}", lines.join(&format!("\n{}", " ".repeat(width + 2))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_front_is_recognised() {
        for (pdu, expected) in [
            ("07919471060040340405", true),
            ("0001000B91", true),
            ("040B917190", false),
            ("01000B91", false),
            ("4", false),
            ("xyz", false),
        ] {
            assert_eq!(starts_with_address(pdu), expected, "{pdu}");
        }
    }

    #[test]
    fn the_caret_stands_below_the_octet() {
        let error = DecodeError { field: "TP-OA", offset: 3, kind: DecodeErrorKind::NotHex };
        let text = Bad { error, added: 1 }.describe(&"0A".repeat(60));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("TP-OA at octet 2"), "{text}");
        assert_eq!(lines[2], format!("  {}^^", " ".repeat(4)));
        let far = Bad { error: DecodeError { offset: 50, ..error }, added: 0 }.describe(&"0A".repeat(60));
        let lines: Vec<&str> = far.lines().collect();
        assert_eq!(lines[2].find('^').unwrap(), 2 + 3 + WINDOW, "{far}");
    }
}
