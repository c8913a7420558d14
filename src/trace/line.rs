//! What kind of line a modem sends, and what of it may stay.
//!
//! The rule is to keep what is known to be harmless and to replace the rest, so that a line nobody has thought of gives
//! nothing away.

use super::{
    number::Numbers,
    text::{mask_ussd, mask_words, ucs2_ascii},
};
use crate::at::{FinalResult, Urc};

/// Digits in a row that may stay in a line whose parameters are known: counts, codes, states.
const LONGEST_KNOWN: usize = 5;
/// Likewise in any other line: a PIN has four.
const LONGEST_UNKNOWN: usize = 4;

/// Lines whose parameters are settings, states and counts, or the name of a network.
const HARMLESS: &[&str] = &[
    "+CSQ:",
    "+CPMS:",
    "+CMGF:",
    "+CNMI:",
    "+CSCS:",
    "+CSMS:",
    "+CFUN:",
    "+CPIN:",
    "+CPINR:",
    "+SPIC:",
    "^CPIN:",
    "+QPINC:",
    "+QTRPIN:",
    "+ZPINPUK:",
    "+CMEE:",
    "+CMGS:",
    "+CMMS:",
    "+CMTI:",
    "+CDSI:",
    "+COPS:",
    "+CUSD:",
    "+CCLK:",
    "+CSCB:",
    "+CNMA:",
    "+CPAS:",
    "+GCAP:",
    "+CLAC:",
    "^RSSI:",
    "^MODE:",
    "^BOOT:",
    "^SRVST:",
    "+QIND:",
    "+QUSIM:",
    "+CIEV:",
    "+ZUSIMR:",
    "^SIMST:",
    "^HCSQ:",
];
/// Lines with numbers between quotes.
const NUMBERED: &[&str] = &["+CSCA:", "+CNUM:", "+CLIP:", "+CCWA:", "+COLP:", "+CLCC:"];
/// Lines that tell where the modem is.
const LOCATED: &[&str] = &["+CREG:", "+CGREG:", "+CEREG:"];
/// Questions whose answers are names of makers, models and commands.
const ABOUT_MODEM: &[&str] =
    &["ATI", "AT+CGMI", "AT+CGMM", "AT+CGMR", "AT+GMI", "AT+GMM", "AT+GMR", "AT+CLAC", "AT+GCAP"];

/// The start of a line, whatever its case.
pub(super) fn starts(line: &str, prefix: &str) -> bool {
    line.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// Replaces what is personal in a line that neither belongs to a PDU or a text nor is an echo. `asked` is the command
/// under way, empty if none is.
pub(super) fn mask(line: &str, asked: &str, numbers: &mut Numbers) -> String {
    let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| starts(line, prefix));
    if FinalResult::parse(line).is_some() {
        return numbers.mask_runs(line, LONGEST_UNKNOWN);
    }
    // The name of an operator in UCS2 looks like a number.
    if starts(line, "+COPS:") {
        return line.to_owned();
    }
    if any(HARMLESS) || ABOUT_MODEM.contains(&asked) {
        return numbers.mask_runs(line, LONGEST_KNOWN);
    }
    if any(NUMBERED) {
        return mask_quoted(line, numbers);
    }
    if any(LOCATED) {
        return mask_cells(line);
    }
    if line.chars().all(|c| c.is_ascii_digit() || matches!(c, '"' | 'F' | 'f')) {
        return numbers.mask_runs(line, LONGEST_UNKNOWN);
    }
    if Urc::parse(line).is_some_and(|urc| !matches!(urc, Urc::Unknown(_))) {
        return mask_notice(line, numbers);
    }
    match prefix(line) {
        Some((head, rest)) => format!("{head}{}", mask_free(rest, numbers)),
        None => mask_words(line),
    }
}

/// Replaces numbers between quotes, in either dress, and names.
fn mask_quoted(line: &str, numbers: &mut Numbers) -> String {
    map_pieces(line, |quoted, piece| match ucs2_ascii(piece) {
        _ if !quoted => numbers.mask_runs(piece, LONGEST_KNOWN),
        Some(plain) => number_or_name(&plain, numbers).encode_utf16().map(|unit| format!("{unit:04X}")).collect(),
        None => number_or_name(piece, numbers),
    })
}

/// Fills in for a number, and masks anything else.
pub(super) fn number_or_name(string: &str, numbers: &mut Numbers) -> String {
    let (sign, digits) = string.strip_prefix('+').map_or(("", string), |digits| ("+", digits));
    if digits.is_empty() {
        string.to_owned()
    } else if digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#')) {
        format!("{sign}{}", numbers.filler(digits))
    } else {
        mask_words(string)
    }
}

/// Between quotes only names of memories and the like stay.
fn mask_notice(line: &str, numbers: &mut Numbers) -> String {
    map_pieces(line, |quoted, piece| {
        let short = piece.len() <= LONGEST_KNOWN && piece.bytes().all(|b| b.is_ascii_uppercase());
        match quoted {
            false => numbers.mask_runs(piece, LONGEST_UNKNOWN),
            true if short => piece.to_owned(),
            true => number_or_name(piece, numbers),
        }
    })
}

/// Area and cell, as quoted hex or plain numbers behind the state.
fn mask_cells(line: &str) -> String {
    map_pieces(line, |quoted, piece| {
        if quoted { "0".repeat(piece.chars().count()) } else { Numbers::default().mask_runs(piece, LONGEST_UNKNOWN) }
    })
}

/// What may stay of parameters that nobody knows: signs and short numbers.
fn mask_free(rest: &str, numbers: &mut Numbers) -> String {
    map_pieces(rest, |quoted, piece| {
        if quoted {
            return String::from_utf8(mask_ussd(piece.as_bytes(), b"+")).unwrap_or_else(|_| mask_words(piece));
        }
        let letters: String = piece
            .chars()
            .map(|c| match c {
                'A'..='Z' => 'X',
                ' '..='~' if !c.is_ascii_alphabetic() => c,
                _ => 'x',
            })
            .collect();
        numbers.mask_runs(&letters, LONGEST_UNKNOWN)
    })
}

/// `+NAME:` or `^NAME:` and what follows.
fn prefix(line: &str) -> Option<(&str, &str)> {
    let (name, _) = line.split_once(':')?;
    let signed = name.strip_prefix(['+', '^', '*', '%', '$', '#', '&', '_', '@', '-'])?;
    let fits = (1..=16).contains(&signed.len()) && signed.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if fits { line.split_at_checked(name.len() + 1) } else { None }
}

/// Puts `change` of each piece between or outside quotes in its place; an open string reaches to the end of the line.
pub(super) fn map_pieces(line: &str, mut change: impl FnMut(bool, &str) -> String) -> String {
    let pieces = line.split('"').enumerate().map(|(position, piece)| change(position % 2 == 1, piece));
    pieces.collect::<Vec<_>>().join("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_stay_of_a_line() {
        for (asked, line, masked) in [
            ("", "OK", "OK"),
            ("AT+CPIN", "+CME ERROR: 16", "+CME ERROR: 16"),
            ("AT+CSQ", "+CSQ: 17,99", "+CSQ: 17,99"),
            ("AT+CGMR", "Revision: M35FAR02A01", "Revision: M35FAR02A01"),
            ("ATI", "IMEI: 490154203237518", "IMEI: 000000000000018"),
            ("AT+CGSN", "490154203237518", "000000000000018"),
            ("AT+CGSN", "\"490154203237518\"", "\"000000000000018\""),
            ("AT+CCID", "+CCID: 89490200001234567890", "+CCID: 00000000000000000001"),
            ("AT+CCID", "89490200001234567890F", "00000000000000000001F"),
            ("AT+CSCA?", "+CSCA: \"+491722270333\",145", "+CSCA: \"+000000000001\",145"),
            ("AT+CSCA?", "+CSCA: \"002B00340039\",145", "+CSCA: \"002B00300031\",145"),
            ("AT+CNUM", "+CNUM: \"Mine\",\"+491722270333\",145", "+CNUM: \"Xxxx\",\"+000000000001\",145"),
            ("AT+CREG?", "+CREG: 2,1,\"00C3\",\"1A2B\"", "+CREG: 2,1,\"0000\",\"0000\""),
            ("AT+COPS?", "+COPS: 0,0,\"00540065\"", "+COPS: 0,0,\"00540065\""),
            ("", "+CMTI: \"SM\",3", "+CMTI: \"SM\",3"),
            ("", "^RSSI:18", "^RSSI:18"),
            ("", "RDY", "RDY"),
            ("", "+FOO: 12,\"+49172\",secret 1234", "+FOO: 12,\"+00000\",xxxxxx 0001"),
            ("", "Call me at 0172, Bob", "Xxxx xx xx 0000, Xxx"),
            ("", "SECRET: 12", "XXXXXX: 00"),
        ] {
            assert_eq!(mask(line, asked, &mut Numbers::default()), masked, "{line}");
        }
    }
}
