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
    let (_, quoted) = at_first_quote(line);
    quoted.is_none_or(|quoted| at_last_quote(quoted).is_some())
}

/// The text, and what follows it from its closing quote on: nothing, or a comma and a number.
fn at_last_quote(quoted: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = quoted.split_at_checked(quoted.iter().rposition(|octet| *octet == b'"')?)?;
    let closed = match rest {
        [_, b',', number @ ..] => number.iter().all(|octet| octet.is_ascii_digit() || octet.is_ascii_whitespace()),
        _ => rest.iter().skip(1).all(u8::is_ascii_whitespace),
    };
    closed.then_some((text, rest))
}

/// What is before the first quote, and what is behind it, if there is one.
fn at_first_quote(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = line.splitn(2, |octet| *octet == b'"');
    (parts.next().unwrap_or_default(), parts.next())
}

fn ussd(line: &[u8]) -> Urc {
    let (head, quoted) = at_first_quote(line);
    let quoted = quoted.unwrap_or_default();
    let status = head.iter().find(|octet| octet.is_ascii_digit()).map_or(u8::MAX, |digit| digit - b'0');
    let (text, rest) = match at_last_quote(quoted) {
        Some((text, rest)) => (Some(text), rest),
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
            ("+CUSD: x", Some((u8::MAX, None, None))),
            ("+CUSD: 1,\"say \"yes\" or\"no\" ", Some((1, Some("say \"yes\" or\"no"), None))),
            ("+CUSD: 1,\"say \"yes\" or", None),
            ("+CUSD: 1,\"say \"yes\", or", None),
            ("+CUSD: 0,\"first line", None),
            ("+CUSD: 0,\"", None),
        ] {
            let expected =
                found.map(|(status, text, dcs)| Cusd { status, text: text.map(|t: &str| t.as_bytes().to_vec()), dcs });
            assert_eq!(read(line), expected, "{line}");
        }
    }

    /// What became of a line offered to heads.
    fn offered(claims: &mut Claims, now: Instant, line: &str) -> String {
        match claims.take(now, line, false) {
            Some(Claimed::Notice(Urc::Cmt { tpdu_octets, pdu })) => format!("CMT {tpdu_octets:?} {pdu}"),
            Some(Claimed::Notice(Urc::Cds { tpdu_octets, pdu })) => format!("CDS {tpdu_octets:?} {pdu}"),
            Some(Claimed::Notice(urc)) => format!("{urc:?}"),
            Some(Claimed::Entry(pdu)) => format!("entry {pdu}"),
            Some(Claimed::Swallowed) => "swallowed".to_owned(),
            None => "nobody's".to_owned(),
        }
    }

    fn opened(now: Instant, heads: &[&str]) -> Claims {
        let mut claims = Claims::new();
        for head in heads {
            if head.starts_with("+CMGL") {
                claims.open_entry(now, head);
            } else {
                let claimed = claims.open(now, head.as_bytes(), head);
                assert!(matches!(claimed, Some(Claimed::Swallowed)), "{head}: {claimed:?}");
            }
        }
        claims
    }

    /// TS 27.005 3.4.1: `+CMT: [<alpha>],<length>` in PDU mode, `+CMT: <oa>,[<alpha>],<scts>[,...,<length>]` in text mode.
    #[test]
    fn a_head_has_the_next_line_that_can_be_its_own() {
        let damaged = "07911326040000F0x40B911"; // a letter where a digit was
        for (head, line, found) in [
            ("+CMT: ,4", "00AABBCCDD", "CMT Some(4) 00AABBCCDD"),
            ("+CMT: \"Max\",4", "00AABBCCDD", "CMT Some(4) 00AABBCCDD"),
            ("+CDS: 4", "00AABBCCDD", "CDS Some(4) 00AABBCCDD"),
            ("+CDS: ,4", "00AABBCCDD", "CDS Some(4) 00AABBCCDD"),
            ("+CMGL: 1,1,,4", "00AABBCCDD", "entry 00AABBCCDD"),
            ("+CBM: 88", "0011223344", "Ignored(\"+CBM\")"),
            // A wrong length is no reason to lose a message.
            ("+CMT: ,4", "00AABB", "CMT Some(4) 00AABB"),
            // Text mode.
            ("+CMT: \"+4917\",,\"26/11/20,10:00:00+04\"", "OK", "CMT None OK"),
            ("+CMT: \"+4917\",,\"26/11/20,10:00:00+04\",145,4,0,0,\"+49\",145,2", "OK", "CMT None OK"),
            // Lines that are no PDU: too odd, too short, or notices.
            ("+CMT: ,4", "RING", "nobody's"),
            ("+CMT: ,4", "BUSY", "nobody's"),
            ("+CMT: ,4", "00A", "nobody's"),
            ("+CMT: ,4", &damaged[..20], "nobody's"),
            ("+CMT: ,4", &damaged[..21], "CMT Some(4) 07911326040000F0x40B9"),
            ("+CMT: ,4", damaged, "CMT Some(4) 07911326040000F0x40B911"),
            ("+CMT: ,4", "DST: 26/11/20 10:00:00", "nobody's"),
            ("+CMT: ,4", "NO CARRIER OF ANY SORT IN HERE", "nobody's"),
        ] {
            let now = Instant::now();
            assert_eq!(offered(&mut opened(now, &[head]), now, line), found, "{head} {line}");
        }
    }

    /// TS 27.005 3.4.1: `+CDS: <fo>,<mr>,...` of text mode has no PDU, and there is none in the next line either.
    #[test]
    fn a_report_in_text_mode_claims_nothing() {
        let (now, mut claims) = (Instant::now(), Claims::new());
        let line = "+CDS: 6,7,\"+4917\",145,\"26/11/20,10:00:00+04\",\"26/11/20,10:00:05+04\",0";
        let Some(Claimed::Notice(urc)) = claims.open(now, line.as_bytes(), line) else { panic!("no notice") };
        assert_eq!(urc, Urc::Unknown(line.to_owned()));
        assert_eq!(offered(&mut claims, now, "00AABBCCDD"), "nobody's");
    }

    /// The announced length is that of the TPDU: two octets of service centre address and the one that says so come on top.
    #[test]
    fn the_announced_length_tells_whose_a_pdu_is_else_the_last_has_it() {
        let now = Instant::now();
        for (line, found) in [
            ("02910011223344556677", "CMT Some(7) 02910011223344556677"),
            ("0291001122334455", "CDS Some(5) 0291001122334455"),
            ("029100112233", "entry 029100112233"),
            ("029100", "entry 029100"),
            ("FF", "entry FF"),
        ] {
            let mut claims = opened(now, &["+CMT: ,7", "+CDS: 5", "+CMGL: 1,1,,3"]);
            assert_eq!(offered(&mut claims, now, line), found, "{line}");
        }
    }

    #[test]
    fn a_head_waits_five_seconds() {
        let start = Instant::now();
        for head in ["+CMT: ,4", "+CDS: 4", "+CMGL: 1,1,,4"] {
            for (milliseconds, claimed) in [(0, true), (5_000, true), (5_001, false)] {
                let later = start + Duration::from_millis(milliseconds);
                let found = offered(&mut opened(start, &[head]), later, "00AABBCCDD");
                assert_eq!(found != "nobody's", claimed, "{head} {milliseconds}");
            }
        }
    }

    #[test]
    fn of_more_heads_than_eight_the_oldest_is_forgotten() {
        let now = Instant::now();
        let heads: Vec<String> = (1..=9).map(|octets| format!("+CMT: ,{octets}")).collect();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let mut claims = opened(now, &heads);
        assert_eq!(offered(&mut claims, now, "00AABB"), "CMT Some(2) 00AABB");
        assert_eq!(offered(&mut claims, now, "00AA"), "CMT Some(9) 00AA");
    }

    #[test]
    fn an_entry_of_a_listing_that_went_on_has_no_pdu_and_notices_keep_waiting() {
        let now = Instant::now();
        let mut claims = opened(now, &["+CDS: 2", "+CMGL: 1,1,,4"]);
        claims.close_entry();
        assert_eq!(offered(&mut claims, now, "00AABBCCDD"), "CDS Some(2) 00AABBCCDD");
        assert_eq!(offered(&mut claims, now, "00AABBCCDD"), "nobody's");
        let mut claims = opened(now, &["+CMGL: 1,1,,4", "+CMGL: 2,1,,4"]);
        assert_eq!(offered(&mut claims, now, "00AABBCCDD"), "entry 00AABBCCDD");
        assert_eq!(offered(&mut claims, now, "00AABBCCDD"), "nobody's");
    }

    fn text_of(urc: Option<Urc>) -> Option<String> {
        urc.map(|urc| {
            let Urc::Cusd(Cusd { text: Some(text), .. }) = urc else { panic!("{urc:?}") };
            String::from_utf8(text).unwrap()
        })
    }

    #[test]
    fn a_ussd_text_ends_with_its_quote() {
        let now = Instant::now();
        let mut claims = opened(now, &["+CUSD: 1,\"Menu"]);
        assert!(claims.in_ussd());
        assert_eq!(text_of(claims.extend_ussd(b"\"1\" Balance")), None);
        assert_eq!(text_of(claims.extend_ussd(b"2 Data\",15")).as_deref(), Some("Menu\n\"1\" Balance\n2 Data"));
        assert!(!claims.in_ussd() && claims.timeout().is_none());
    }

    #[test]
    fn a_ussd_text_without_end_is_given_out_after_five_seconds() {
        let start = Instant::now();
        let mut claims = opened(start, &["+CUSD: 1,\"Menu"]);
        let due = start + Duration::from_secs(5);
        assert_eq!(claims.timeout(), Some(due));
        assert_eq!(text_of(claims.expire(due - Duration::from_millis(1))), None);
        assert_eq!(text_of(claims.expire(due)).as_deref(), Some("Menu"));
        assert!(!claims.in_ussd());
    }

    #[test]
    fn a_ussd_text_grows_no_longer_than_a_line() {
        let head = "+CUSD: 1,\"";
        for (octets, given_out) in [(MAX_LINE, false), (MAX_LINE + 1, true)] {
            let mut claims = opened(Instant::now(), &[head]);
            let line = "x".repeat(octets - head.len() - 1); // and the line end between them
            assert_eq!(
                text_of(claims.extend_ussd(line.as_bytes())),
                given_out.then(|| format!("\n{line}")),
                "{octets}"
            );
        }
    }
}
