//! Replaces what belongs to people in an AT session, as it goes by.
//!
//! Follows the dialogue far enough to know what a line is: the body of a message, part of a USSD text, an echo, the
//! answer to a question. Lines are held until they are whole, since half a number cannot be told from a count.

use std::time::Duration;

use super::{
    line::{map_pieces, mask, number_or_name, starts},
    number::Numbers,
    pdu,
    text::{mask_plain, mask_ussd, mask_words},
};
use crate::at::{FinalResult, MAX_LINE, Urc};

const CTRL_Z: u8 = 0x1a;
const ESC: u8 = 0x1b;
/// How long a USSD text may stay open, as in the dialogue itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Signs that show the shape of a USSD text.
const SHAPE: &[u8] = b"\",.:";
/// Signs of a USSD code.
const CODE: &[u8] = b"*#+";
/// Commands with passwords.
const SECRET: &[&str] = &["CPIN", "CLCK", "CPWD"];
/// Notices and entries that are followed by a PDU, or by a text in text mode.
const HEADS: &[&str] = &["+CMT:", "+CDS:", "+CBM:", "+CMGL:", "+CMGR:"];

/// Redacts one session.
#[derive(Debug, Default)]
pub struct Redactor {
    numbers: Numbers,
    /// The command under way.
    asked: String,
    /// A password is under way: its echo may come in pieces.
    hidden: bool,
    body: Option<Body>,
    /// A USSD text is open since then.
    ussd: Option<Duration>,
    partial: Vec<u8>,
}

/// What follows a head.
#[derive(Clone, Copy, Debug)]
struct Body {
    announced: Option<usize>,
    /// Text mode: whatever comes is the text.
    any: bool,
}

impl Redactor {
    /// Redacts what was written to the modem at once.
    pub fn sent(&mut self, octets: &[u8]) -> Vec<u8> {
        if octets == [ESC] {
            return octets.to_vec();
        }
        if let Some(payload) = octets.strip_suffix(&[CTRL_Z]) {
            let mut masked = self.payload(payload);
            masked.push(CTRL_Z);
            return masked;
        }
        let (line, end) = split_end(octets);
        let text = String::from_utf8_lossy(line).into_owned();
        self.asked = text.trim().to_ascii_uppercase();
        self.hidden = is_secret(&self.asked);
        let mut masked = self.command(&text).into_bytes();
        masked.extend_from_slice(end);
        masked
    }

    /// Redacts what came from the modem; returns the pieces that are whole.
    pub fn received(&mut self, at: Duration, octets: &[u8]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        for &octet in octets {
            self.partial.push(octet);
            let prompt = self.ussd.is_none() && self.partial == b"> ";
            if octet == b'\r' || octet == b'\n' || prompt || self.partial.len() >= MAX_LINE {
                pieces.extend(self.flush(at));
            }
        }
        pieces
    }

    /// Redacts what is left of an unfinished line.
    pub fn flush(&mut self, at: Duration) -> Option<Vec<u8>> {
        let piece = std::mem::take(&mut self.partial);
        if piece.is_empty() || piece == b"> " {
            return (!piece.is_empty()).then_some(piece);
        }
        let (line, end) = split_end(&piece);
        if line.is_empty() {
            return Some(piece);
        }
        let mut masked = self.line(at, line);
        masked.extend_from_slice(end);
        Some(masked)
    }

    fn payload(&mut self, payload: &[u8]) -> Vec<u8> {
        std::str::from_utf8(payload)
            .ok()
            .and_then(|hex| pdu::mask(hex, None, &mut self.numbers))
            .map_or_else(|| mask_plain(payload, b""), String::into_bytes)
    }

    fn command(&mut self, text: &str) -> String {
        let upper = text.to_ascii_uppercase();
        if let Some((head, rest)) = text.split_once('=').filter(|_| is_secret(&upper)) {
            return format!("{head}={}", hide(rest));
        }
        if let Some(quote) = text.find('"').filter(|_| upper.contains("+CUSD=")) {
            let (head, rest) = text.split_at(quote + 1);
            let (code, tail) =
                rest.rsplit_once('"').map_or((rest, String::new()), |(code, tail)| (code, format!("\"{tail}")));
            let code = String::from_utf8(mask_ussd(code.as_bytes(), CODE)).unwrap_or_else(|_| mask_words(code));
            return format!("{head}{code}{tail}");
        }
        self.numbers.mask_runs(text, 4)
    }

    fn line(&mut self, at: Duration, octets: &[u8]) -> Vec<u8> {
        if self.ussd.take_if(|since| at > *since + PATIENCE).is_none() && self.ussd.is_some() {
            if is_closed(octets) {
                self.ussd = None;
            }
            return mask_ussd_tail(octets);
        }
        let text = match std::str::from_utf8(octets) {
            Ok(text) if !text.chars().any(char::is_control) => text.trim(),
            _ => return self.noisy(at, octets),
        };
        let (before, after) = around(octets, text);
        let masked = self.clean_line(at, text);
        [before, &masked, after].concat()
    }

    fn clean_line(&mut self, at: Duration, text: &str) -> Vec<u8> {
        if let Some(body) = self.body.take() {
            if let Some(masked) = pdu::mask(text, body.announced, &mut self.numbers) {
                return masked.into_bytes();
            }
            if body.any {
                return mask_words(text).into_bytes();
            }
            self.body = Some(body);
        }
        let is_final = FinalResult::parse(text).is_some();
        if starts(text, "AT") {
            return self.command(text).into_bytes();
        }
        if starts(text, "+CUSD:") {
            return self.ussd(at, text.as_bytes());
        }
        if let Some(head) = HEADS.iter().find(|head| starts(text, head)) {
            return self.head(head, text).into_bytes();
        }
        if self.hidden && !is_final && !starts(text, "+CPIN:") {
            return hide(text).into_bytes();
        }
        if let Some(masked) = pdu::mask(text, None, &mut self.numbers).filter(|_| has_letters(text)) {
            return masked.into_bytes();
        }
        let masked = mask(text, &self.asked, &mut self.numbers);
        if is_final {
            self.asked.clear();
            self.hidden = false;
            self.body = None;
        }
        masked.into_bytes()
    }

    /// A line with control octets or of no encoding: the text in it decides, and the noise goes.
    fn noisy(&mut self, at: Duration, octets: &[u8]) -> Vec<u8> {
        if starts(&String::from_utf8_lossy(octets), "+CUSD:") {
            return self.ussd(at, octets);
        }
        let visible: Vec<u8> = octets.iter().copied().filter(|octet| (b' '..=b'~').contains(octet)).collect();
        let text = String::from_utf8_lossy(&visible).trim().to_owned();
        // The echo of a payload ends with Ctrl-Z; other noise is kept apart from text by its own octet.
        let known = FinalResult::parse(&text).is_some() || Urc::parse(&text).is_some();
        if octets.ends_with(&[CTRL_Z]) || known {
            let mut masked = self.clean_line(at, &text);
            masked.extend(octets.iter().filter(|octet| !(b' '..=b'~').contains(*octet)).map(|octet| octet & 0x1f));
            return masked;
        }
        octets
            .iter()
            .map(|octet| match octet {
                b'0'..=b'9' => b'0',
                b'+' | b',' | b':' | b'"' | b' ' => *octet,
                b' '..=b'~' => b'x',
                0 => 0,
                _ => 0xff,
            })
            .collect()
    }

    fn ussd(&mut self, at: Duration, octets: &[u8]) -> Vec<u8> {
        let Some(quote) = octets.iter().position(|octet| *octet == b'"') else {
            // A state, and nothing that needs quotes.
            let bare = octets.len() <= "+CUSD: 0,,15".len();
            let (head, rest) = octets.split_at(if bare { octets.len() } else { "+CUSD:".len() });
            return [head, &mask_plain(rest, b",")].concat();
        };
        let (head, text) = octets.split_at(quote + 1);
        let mut masked = head.to_vec();
        if is_closed(text) {
            masked.extend(mask_ussd_tail(text));
        } else {
            self.ussd = Some(at);
            masked.extend(mask_plain(text, SHAPE));
        }
        masked
    }

    fn head(&mut self, head: &str, text: &str) -> String {
        let parameters = text.get(head.len()..).unwrap_or_default();
        let last = parameters.rsplit(',').next().unwrap_or_default().trim();
        let announced = last.parse().ok();
        // Of text mode are the heads with a date or a sender between quotes (TS 27.005 3.4.1, 3.4.2).
        let any = parameters.contains('"') && parameters.matches(',').count() > 2 || announced.is_none();
        self.body = Some(Body { announced, any });
        let masked = map_pieces(parameters, |quoted, piece| match quoted {
            true => number_or_name(piece, &mut self.numbers),
            false => self.numbers.mask_runs(piece, 4),
        });
        format!("{}{masked}", text.get(..head.len()).unwrap_or_default())
    }
}

fn is_secret(upper: &str) -> bool {
    SECRET.iter().any(|name| upper.contains(name)) && upper.contains('=')
}

/// Nothing but signs stays.
fn hide(text: &str) -> String {
    mask_words(text)
}

fn has_letters(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// The text before the last quote and what follows it.
fn mask_ussd_tail(octets: &[u8]) -> Vec<u8> {
    let Some(end) = octets.iter().rposition(|octet| *octet == b'"').filter(|_| is_closed(octets)) else {
        return mask_plain(octets, SHAPE);
    };
    let (text, tail) = octets.split_at(end);
    let mut masked = mask_ussd(text, SHAPE);
    masked.extend_from_slice(tail);
    masked
}

/// Ends with a quote, and a coding scheme perhaps.
fn is_closed(octets: &[u8]) -> bool {
    octets.iter().rposition(|octet| *octet == b'"').is_some_and(|quote| {
        let tail = octets.get(quote + 1..).unwrap_or_default();
        let scheme = tail.strip_prefix(b",").unwrap_or(tail);
        scheme.iter().all(|octet| octet.is_ascii_digit() || *octet == b' ') && scheme.len() <= 4
    })
}

fn split_end(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n')).map_or(0, |last| last + 1);
    octets.split_at(end)
}

/// The blanks around a trimmed text.
fn around<'a>(octets: &'a [u8], text: &str) -> (&'a [u8], &'a [u8]) {
    let start = octets.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(0);
    let end = (start + text.len()).min(octets.len());
    (octets.get(..start).unwrap_or_default(), octets.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDU: &str = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";

    fn received(redactor: &mut Redactor, text: &str) -> String {
        let mut octets = redactor.received(Duration::ZERO, text.as_bytes()).concat();
        octets.extend(redactor.flush(Duration::ZERO).unwrap_or_default());
        String::from_utf8_lossy(&octets).into_owned()
    }

    fn sent(redactor: &mut Redactor, text: &str) -> String {
        String::from_utf8_lossy(&redactor.sent(text.as_bytes())).into_owned()
    }

    #[test]
    fn a_pin_and_its_echo_in_pieces() {
        let mut redactor = Redactor::default();
        assert_eq!(sent(&mut redactor, "AT+CPIN=\"4711\"\r"), "AT+CPIN=\"0000\"\r");
        assert_eq!(received(&mut redactor, "AT+CPIN=\"4711\"\r\r\n"), "AT+CPIN=\"0000\"\r\r\n");
        for piece in ["xAT+CPIN=\"4711\r\n", "4711\"\r\n", "\0AT+CPIN=\"47\x0011\"\r\n"] {
            let shown = received(&mut redactor, piece);
            assert!(!shown.contains("47") && !shown.contains("11"), "{shown}");
            assert_eq!(shown.len(), piece.len());
        }
        assert_eq!(received(&mut redactor, "+CME ERROR: 16\r\n"), "+CME ERROR: 16\r\n");
    }

    #[test]
    fn ussd_in_and_out() {
        let mut redactor = Redactor::default();
        assert_eq!(sent(&mut redactor, "AT+CUSD=1,\"*104*99887#\",15\r"), "AT+CUSD=1,\"*000*00000#\",15\r");
        assert_eq!(sent(&mut redactor, "AT+CUSD=1,\"AA180C3602\",15\r"), "AT+CUSD=1,\"783C1E8F07\",15\r");
        assert_eq!(received(&mut redactor, "\r\n+CUSD: 0,\"Code 99\",15\r\n"), "\r\n+CUSD: 0,\"xxxx 00\",15\r\n");
        assert_eq!(received(&mut redactor, "+CUSD: 4\r\n"), "+CUSD: 4\r\n");
        assert_eq!(received(&mut redactor, "+CUSD: 0,Secret\r\n"), "+CUSD: 0,xxxxxx\r\n");
        let several = "+CUSD: 1,\"Menu\r\nOK\r\n> 1 \"buy\"\r\n2 sell\",15\r\nOK\r\n";
        let shown = "+CUSD: 1,\"xxxx\r\nxx\r\nx 0 \"xxx\"\r\n0 xxxx\",15\r\nOK\r\n";
        // A quote at the end of a line ends the text for us earlier than it does; what follows is masked all the same.
        assert_eq!(received(&mut redactor, &several.replace("\"buy\"", "buy")), shown.replace("\"xxx\"", "xxx"));
        assert!(!received(&mut redactor, several).contains("buy"));
    }

    #[test]
    fn messages_behind_their_heads() {
        let mut redactor = Redactor::default();
        let shown = received(&mut redactor, &format!("+CMT: \"Bob\",30\r\n{PDU}\r\n"));
        assert!(shown.starts_with("+CMT: \"Xxx\",30\r\n07910000000000F1"), "{shown}");
        let shown = received(&mut redactor, &format!("+CMGL: 1,1,,30\r\n^RSSI:18\r\n{PDU}\r\nOK\r\n"));
        assert!(shown.contains("^RSSI:18\r\n0791") && shown.ends_with("\r\nOK\r\n"), "{shown}");
        assert!(!shown.contains("C8F71D"), "{shown}");
        let text_mode = "+CMT: \"+491711\",,\"24/01/01,10:00:00+04\"\r\nHidden 12\r\n+CSQ: 3,0\r\n";
        let shown = received(&mut redactor, text_mode);
        assert_eq!(shown, "+CMT: \"+000001\",,\"00/00/00,00:00:00+00\"\r\nXxxxxx 00\r\n+CSQ: 3,0\r\n");
    }

    #[test]
    fn the_prompt_does_not_wait_for_a_line_end() {
        let mut redactor = Redactor::default();
        assert_eq!(redactor.received(Duration::ZERO, b"\r\n> "), [b"\r".to_vec(), b"\n".to_vec(), b"> ".to_vec()]);
        let payload = format!("{PDU}\x1a");
        let masked = sent(&mut redactor, &payload);
        assert_eq!(masked.len(), payload.len());
        assert!(masked.ends_with('\x1a') && !masked.contains("C8F71D"));
        let echo = received(&mut redactor, &format!("{payload}\r\n"));
        assert_eq!(echo, format!("{masked}\r\n"));
    }
}
