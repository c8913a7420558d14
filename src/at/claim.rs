//! Notices and entries of more than one line: a PDU in the line after its head, a USSD text with line breaks.
//!
//! A head claims the next line that can be its PDU, even if other notices come between, and even if a second head does:
//! the announced length decides whose PDU it is, else the last head has it.

use std::time::{Duration, Instant};

use super::{
    fields::{after, split},
    framer::MAX_LINE,
    urc::{Cusd, Urc},
};

/// How long a head waits for its PDU: the octets of a notice leave the modem together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Heads waiting at once; more is noise.
const MAX_WAITING: usize = 8;

/// Whose the next PDU is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Head {
    Cmt,
    Cds,
    /// Cell broadcast, dropped.
    Broadcast,
    Listing,
}

#[derive(Debug)]
struct Waiting {
    head: Head,
    tpdu_octets: Option<usize>,
    /// The head is of text mode: any line at all follows, be it `OK`.
    any_text: bool,
    until: Instant,
}

/// A line that found its head.
#[derive(Debug)]
pub(super) enum Claimed {
    /// A notice is whole.
    Notice(Urc),
    /// The PDU of the last listing line.
    Entry(String),
    /// Taken, nothing to tell yet.
    Swallowed,
}

/// What waits for more lines.
#[derive(Debug)]
pub(super) struct Claims {
    waiting: Vec<Waiting>,
    ussd: Option<(Vec<u8>, Instant)>,
}

impl Claims {
    /// Nothing waits.
    pub(super) const fn new() -> Self {
        Self { waiting: Vec::new(), ussd: None }
    }

    /// A USSD text is open: every line belongs to it, `> ` included.
    pub(super) const fn in_ussd(&self) -> bool {
        self.ussd.is_some()
    }

    /// When to give up on the end of a USSD text.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.ussd.as_ref().map(|(_, until)| *until)
    }

    /// Gives out a USSD text whose end did not come.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Urc> {
        let (text, _) = self.ussd.take_if(|(_, until)| *until <= now)?;
        Some(ussd(&text))
    }

    /// Adds a line to the open USSD text.
    pub(super) fn extend_ussd(&mut self, line: &[u8]) -> Option<Urc> {
        let (text, _) = self.ussd.as_mut()?;
        text.push(b'\n');
        text.extend_from_slice(line);
        let done = ussd_closed(text) || text.len() > MAX_LINE;
        if done { self.ussd.take().map(|(text, _)| ussd(&text)) } else { None }
    }

    /// Offers a line that may be a head of a notice.
    pub(super) fn open(&mut self, now: Instant, line: &[u8], text: &str) -> Option<Claimed> {
        if after(text, "+CUSD:").is_some() {
            if ussd_closed(line) {
                return Some(Claimed::Notice(ussd(line)));
            }
            self.ussd = Some((line.to_vec(), now + PATIENCE));
            return Some(Claimed::Swallowed);
        }
        let (head, parameters) = [("+CMT:", Head::Cmt), ("+CDS:", Head::Cds), ("+CBM:", Head::Broadcast)]
            .into_iter()
            .find_map(|(prefix, head)| Some((head, after(text, prefix)?)))?;
        let fields = split(parameters);
        let tpdu_octets = fields.last().filter(|_| fields.len() <= 2).and_then(|length| length.parse().ok());
        if tpdu_octets.is_none() && head == Head::Cds {
            // Text mode has the whole report in one line; it cannot be read without its PDU.
            return Some(Claimed::Notice(Urc::Unknown(text.to_owned())));
        }
        self.wait(Waiting { head, tpdu_octets, any_text: tpdu_octets.is_none(), until: now + PATIENCE });
        Some(Claimed::Swallowed)
    }

    /// The last line of a listing waits for its PDU.
    pub(super) fn open_entry(&mut self, now: Instant, text: &str) {
        self.close_entry();
        let tpdu_octets = split(text).last().and_then(|length| length.parse().ok());
        self.wait(Waiting { head: Head::Listing, tpdu_octets, any_text: false, until: now + PATIENCE });
    }

    /// The listing went on or ended: its last line has no PDU.
    pub(super) fn close_entry(&mut self) {
        self.waiting.retain(|waiting| waiting.head != Head::Listing);
    }

    /// Offers a line that may be a PDU. `loose` says that the running command takes any line.
    pub(super) fn take(&mut self, now: Instant, text: &str, loose: bool) -> Option<Claimed> {
        self.waiting.retain(|waiting| waiting.until >= now);
        let last = self.waiting.last()?;
        let hex = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
        let place = if last.any_text {
            self.waiting.len().checked_sub(1)
        } else if hex {
            let fits = self.waiting.iter().rposition(|waiting| waiting.fits(text));
            fits.or_else(|| if loose { None } else { self.waiting.len().checked_sub(1) })
        } else if text.starts_with(|c: char| c.is_ascii_hexdigit()) && text.len() > 20 && !text.contains(':') {
            // A damaged PDU is still somebody's message.
            self.waiting.len().checked_sub(1)
        } else {
            None
        }?;
        let Waiting { head, tpdu_octets, .. } = self.waiting.remove(place);
        let pdu = text.to_owned();
        Some(match head {
            Head::Cmt => Claimed::Notice(Urc::Cmt { tpdu_octets, pdu }),
            Head::Cds => Claimed::Notice(Urc::Cds { tpdu_octets, pdu }),
            Head::Broadcast => Claimed::Notice(Urc::Ignored("+CBM".to_owned())),
            Head::Listing => Claimed::Entry(pdu),
        })
    }

    fn wait(&mut self, waiting: Waiting) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(waiting);
    }
}

impl Waiting {
    /// The announced length is that of the TPDU; the service centre address before it says its own length.
    fn fits(&self, hex: &str) -> bool {
        let address = hex.get(..2).and_then(|octet| usize::from_str_radix(octet, 16).ok());
        self.tpdu_octets.zip(address).is_some_and(|(tpdu, address)| hex.len() == 2 * (1 + address + tpdu))
    }
}

/// The quotes of `+CUSD: m,"text",dcs` are closed, or there are none. A quote inside the text is no end.
fn ussd_closed(line: &[u8]) -> bool {
    let Some((_, quoted)) = cut(line, b'"') else { return true };
    end_of_text(quoted).is_some()
}

/// Where the text ends: at a quote followed by nothing, or by a comma and a number.
fn end_of_text(quoted: &[u8]) -> Option<usize> {
    let quote = quoted.iter().rposition(|octet| *octet == b'"')?;
    let rest = quoted.get(quote + 1..)?;
    let number = |rest: &[u8]| rest.iter().all(|octet| octet.is_ascii_digit() || octet.is_ascii_whitespace());
    let closed = match rest.split_first() {
        Some((b',', rest)) => number(rest),
        _ => rest.iter().all(u8::is_ascii_whitespace),
    };
    closed.then_some(quote)
}

fn cut(line: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = line.iter().position(|octet| *octet == at)?;
    Some((line.get(..place)?, line.get(place + 1..)?))
}

fn ussd(line: &[u8]) -> Urc {
    let (head, quoted) = cut(line, b'"').unwrap_or((line, b""));
    let status = head.iter().find(|octet| octet.is_ascii_digit()).map_or(u8::MAX, |digit| digit - b'0');
    let (text, rest) = match end_of_text(quoted) {
        Some(end) => (quoted.get(..end), quoted.get(end + 1..).unwrap_or_default()),
        None => ((!quoted.is_empty()).then_some(quoted), b"".as_slice()),
    };
    let digits: String = rest.iter().filter(|octet| octet.is_ascii_digit()).map(|octet| char::from(*octet)).collect();
    Urc::Cusd(Cusd { status, text: text.map(<[u8]>::to_vec), dcs: digits.parse().ok() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Cusd> {
        match ussd_closed(line.as_bytes()).then(|| ussd(line.as_bytes())) {
            Some(Urc::Cusd(cusd)) => Some(cusd),
            _ => None,
        }
    }

    #[test]
    fn ussd_lines() {
        for (line, found) in [
            ("+CUSD: 0,\"Balance: 5\",15", Some((0, Some("Balance: 5"), Some(15)))),
            ("+CUSD: 1,\"a \"b\", c\",15", Some((1, Some("a \"b\", c"), Some(15)))),
            ("+CUSD:2", Some((2, None, None))),
            ("+CUSD: 4,\"\"", Some((4, Some(""), None))),
            ("+CUSD: 0,\"x\", 72 ", Some((0, Some("x"), Some(72)))),
            ("+CUSD: 0,\"first line", None),
            ("+CUSD: 0,\"", None),
        ] {
            let expected =
                found.map(|(status, text, dcs)| Cusd { status, text: text.map(|t: &str| t.as_bytes().to_vec()), dcs });
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
