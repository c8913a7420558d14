//! Information lines, typed (TS 27.007, TS 27.005). Each reader gives `None` where the line is not there or not readable.

use super::fields::{after, number, split, unquote};

/// A line of an answer, with the PDU that followed it in a listing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InfoLine {
    /// The line.
    pub text: String,
    /// The PDU in hex.
    pub pdu: Option<String>,
}

/// What came between a command and its `OK`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Response {
    /// The lines, in order, without blank ones.
    pub lines: Vec<InfoLine>,
    /// Lines were dropped since the answer grew too long.
    pub truncated: bool,
}

/// One entry of a listing (`+CMGL`, `+CMGR`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedPdu {
    /// Where it is; `None` for `+CMGR`, which does not say.
    pub index: Option<u16>,
    /// `<stat>`: 0 unread, 1 read, 2 unsent, 3 sent.
    pub status: u8,
    /// Length of the TPDU as announced.
    pub tpdu_octets: Option<usize>,
    /// Service centre address and TPDU in hex; empty if the modem gave none.
    pub pdu: String,
}

/// How full a memory is (`+CPMS`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MemoryUse {
    /// The memory's name; empty in the answer to `+CPMS=`.
    pub name: String,
    /// Messages in it.
    pub used: u16,
    /// Messages it can hold.
    pub total: u16,
}

/// `+CSQ` (TS 27.007 8.5), raw: 0 to 31, 99 unknown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SignalQuality {
    /// Signal strength; 99 for everything outside 0 to 31.
    pub strength: u8,
    /// Bit error rate, 0 to 7 or 99.
    pub bit_error_rate: u8,
}

/// `<stat>` of `+CREG` and its like (TS 27.007 7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RegistrationState {
    /// 0: not registered, not searching.
    Off,
    /// 1 and 6: at home.
    Home,
    /// 2: searching.
    Searching,
    /// 3: refused.
    Denied,
    /// 5 and 7: roaming.
    Roaming,
    /// 4, 8 (emergency calls only) and the rest.
    Unknown,
}

impl RegistrationState {
    /// The state with this number. 6 and 7 are "SMS only", which is all we want.
    #[must_use]
    pub const fn of(stat: u8) -> Self {
        match stat {
            0 => Self::Off,
            1 | 6 => Self::Home,
            2 => Self::Searching,
            3 => Self::Denied,
            5 | 7 => Self::Roaming,
            _ => Self::Unknown,
        }
    }

    /// SMS can be sent.
    #[must_use]
    pub const fn is_registered(self) -> bool {
        matches!(self, Self::Home | Self::Roaming)
    }
}

/// Answer to `+CREG?` and its like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Registration {
    /// Which notices are on.
    pub mode: u8,
    /// Where we stand.
    pub state: RegistrationState,
}

/// `+CPIN` (TS 27.007 8.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PinState {
    /// No code wanted.
    Ready,
    /// The PIN is wanted.
    SimPin,
    /// The PUK is wanted: a person must unlock it.
    SimPuk,
    /// Another lock (`PH-NET PIN`, `SIM PIN2`, ...), as the modem wrote it.
    Other(String),
    /// `NOT INSERTED`.
    NotInserted,
    /// `NOT READY`: still starting.
    NotReady,
}

impl PinState {
    /// Reads the words after `+CPIN:`.
    #[must_use]
    pub fn parse(words: &str) -> Self {
        match words.trim() {
            "READY" => Self::Ready,
            "SIM PIN" => Self::SimPin,
            "SIM PUK" => Self::SimPuk,
            "NOT INSERTED" => Self::NotInserted,
            "NOT READY" => Self::NotReady,
            words => Self::Other(words.to_owned()),
        }
    }
}

/// Tries left before the SIM locks itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PinCounters {
    /// For the PIN.
    pub pin: u8,
    /// For the PUK, where the modem says.
    pub puk: Option<u8>,
}

impl Response {
    /// An answer of these lines.
    #[must_use]
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let lines = lines.into_iter().map(|text| InfoLine { text: text.to_owned(), pdu: None }).collect();
        Self { lines, truncated: false }
    }

    /// The first line, without a `+CGMI:` before it and quotes around it.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        let line = self.lines.first()?.text.as_str();
        let value = match line.split_once(':') {
            Some((name, value)) if name.starts_with(['+', '^', '$', '*']) => value,
            _ if line.starts_with("ICCID:") => line.get(6..)?,
            _ => line,
        };
        Some(unquote(value))
    }

    /// `+CFUN: n`.
    #[must_use]
    pub fn functionality(&self) -> Option<u8> {
        number(&split(self.parameters("+CFUN:")?), 0)
    }

    /// `+CSQ: n,m`.
    #[must_use]
    pub fn signal(&self) -> Option<SignalQuality> {
        let fields = split(self.parameters("+CSQ:")?);
        let strength: u8 = number(&fields, 0)?;
        let strength = if strength <= 31 { strength } else { 99 };
        Some(SignalQuality { strength, bit_error_rate: number(&fields, 1).unwrap_or(99) })
    }

    /// `+CREG: n,stat`, also `+CGREG` and `+CEREG`.
    #[must_use]
    pub fn registration(&self) -> Option<Registration> {
        let parameters = ["+CREG:", "+CGREG:", "+CEREG:"].iter().find_map(|prefix| self.parameters(prefix))?;
        let fields = split(parameters);
        Some(Registration { mode: number(&fields, 0)?, state: RegistrationState::of(number(&fields, 1)?) })
    }

    /// The operator's name of `+COPS: mode,format,"name"`, also where `+CSCS="UCS2"` makes it hex.
    #[must_use]
    pub fn operator(&self) -> Option<String> {
        let fields = split(self.parameters("+COPS:")?);
        let name = fields.get(2).copied().filter(|name| !name.is_empty())?;
        Some(ucs2_hex(name).unwrap_or_else(|| name.to_owned()))
    }

    /// The service centre's address of `+CSCA: "address",type`, also in UCS2 hex. `None` if the SIM has none.
    #[must_use]
    pub fn service_centre(&self) -> Option<String> {
        let fields = split(self.parameters("+CSCA:")?);
        let address = fields.first().copied().filter(|address| !address.is_empty())?;
        let address = ucs2_hex(address).unwrap_or_else(|| address.to_owned());
        let international = fields.get(1).is_some_and(|kind| *kind == "145");
        if international && !address.starts_with('+') { Some(format!("+{address}")) } else { Some(address) }
    }

    /// `+CPMS`: up to three memories, from the query (with names) or the setting (without).
    #[must_use]
    pub fn memory_use(&self) -> Vec<MemoryUse> {
        let Some(parameters) = self.parameters("+CPMS:") else { return Vec::new() };
        let fields = split(parameters);
        let named = fields.first().is_some_and(|name| name.parse::<u16>().is_err());
        fields
            .chunks(if named { 3 } else { 2 })
            .filter_map(|chunk| {
                let (name, counts) = if named { chunk.split_first()? } else { (&"", chunk) };
                Some(MemoryUse { name: (*name).to_owned(), used: number(counts, 0)?, total: number(counts, 1)? })
            })
            .collect()
    }

    /// The memories that can be read, of `+CPMS: ("SM","ME"),(..),(..)`.
    #[must_use]
    pub fn readable_memories(&self) -> Vec<super::Memory> {
        let group = self.parameters("+CPMS:").and_then(|p| p.split(')').next()).unwrap_or_default();
        let names = group.trim_start_matches('(').split(',').map(unquote);
        names.filter_map(super::Memory::parse).collect()
    }

    /// The serial number of the SIM: 18 to 22 digits, filler cut (ITU-T E.118).
    #[must_use]
    pub fn iccid(&self) -> Option<String> {
        let digits = self.value()?.trim_end_matches(['F', 'f']);
        let fits = (18..=22).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| digits.to_owned())
    }

    /// The subscription's identity: up to 15 digits (TS 23.003 2.2).
    #[must_use]
    pub fn imsi(&self) -> Option<String> {
        let digits = self.value()?;
        let fits = (6..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| digits.to_owned())
    }

    /// The equipment's identity, with or without prefix and quotes.
    #[must_use]
    pub fn imei(&self) -> Option<crate::model::Imei> {
        crate::model::Imei::parse(self.value()?)
    }

    /// TP-MR of `+CMGS: mr`.
    #[must_use]
    pub fn message_reference(&self) -> Option<u8> {
        number(&split(self.parameters("+CMGS:")?), 0)
    }

    /// `+CPIN: words`.
    #[must_use]
    pub fn pin_state(&self) -> Option<PinState> {
        self.parameters("+CPIN:").map(|words| PinState::parse(unquote(words)))
    }

    /// Tries left, in whichever of the six forms.
    #[must_use]
    pub fn pin_counters(&self) -> Option<PinCounters> {
        let mut counters = None;
        for line in &self.lines {
            if let Some(parameters) = after(&line.text, "+CPINR:") {
                // One line per code: +CPINR: SIM PIN,3,3
                let fields = split(parameters);
                match (fields.first().copied(), number(&fields, 1), &mut counters) {
                    (Some("SIM PIN"), Some(pin), counters) => *counters = Some(PinCounters { pin, puk: None }),
                    (Some("SIM PUK"), puk, Some(counters)) => counters.puk = puk,
                    _ => {}
                }
            }
        }
        counters.or_else(|| self.pin_counters_of_vendor())
    }

    fn pin_counters_of_vendor(&self) -> Option<PinCounters> {
        let at = |prefix, pin, puk| {
            let fields = split(self.parameters(prefix)?);
            Some(PinCounters { pin: number(&fields, pin)?, puk: number(&fields, puk) })
        };
        at("+SPIC:", 0, 1)
            .or_else(|| at("+QPINC:", 1, 2))
            .or_else(|| at("+QTRPIN:", 0, 2))
            .or_else(|| at("+ZPINPUK:", 0, 1))
            // ^CPIN: code,times,puk,pin,puk2,pin2
            .or_else(|| at("^CPIN:", 3, 2))
    }

    /// Messages of `+CMGL` and `+CMGR`.
    #[must_use]
    pub fn listed(&self) -> Vec<ListedPdu> {
        self.lines.iter().filter_map(listed).collect()
    }

    fn parameters(&self, prefix: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| after(&line.text, prefix))
    }
}

fn listed(line: &InfoLine) -> Option<ListedPdu> {
    let pdu = line.pdu.clone().unwrap_or_default();
    if let Some(parameters) = after(&line.text, "+CMGL:") {
        let fields = split(parameters);
        let index = Some(number(&fields, 0)?);
        let tpdu_octets = fields.last().and_then(|length| length.parse().ok());
        return Some(ListedPdu { index, status: number(&fields, 1)?, tpdu_octets, pdu });
    }
    let fields = split(after(&line.text, "+CMGR:")?);
    let tpdu_octets = fields.last().and_then(|length| length.parse().ok());
    Some(ListedPdu { index: None, status: number(&fields, 0)?, tpdu_octets, pdu })
}

/// Text of UCS2 in hex; `None` if it does not look like that. A name of hex digits alone is rarer than a modem that
/// forgets its character set, so at least two characters are wanted, all of them printable.
fn ucs2_hex(hex: &str) -> Option<String> {
    if hex.len() < 8 || !hex.len().is_multiple_of(4) {
        return None;
    }
    let octets = crate::tpdu::hex::decode(hex).ok()?;
    let units: Vec<u16> = octets.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    // The high octet of a name or number in a Latin script is zero or nearly so: plain digits in pairs never are.
    let plausible = units.iter().all(|unit| (0x20..0x0600).contains(unit));
    plausible.then(|| String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Response {
        Response::of([line])
    }

    #[test]
    fn signal() {
        for (line, strength) in
            [("+CSQ: 17,99", Some(17)), ("+CSQ:31,0", Some(31)), ("+CSQ: 199,99", Some(99)), ("+CSQ: x", None)]
        {
            assert_eq!(of(line).signal().map(|signal| signal.strength), strength, "{line}");
        }
    }

    #[test]
    fn registration() {
        use RegistrationState as S;
        for (line, state) in [
            ("+CREG: 0,1", Some(S::Home)),
            ("+CREG: 2,5,\"00C3\",\"01AB\",7", Some(S::Roaming)),
            ("+CEREG: 0,4", Some(S::Unknown)),
            ("+CGREG: 0,3", Some(S::Denied)),
            ("+CREG: 1", None),
        ] {
            assert_eq!(of(line).registration().map(|registration| registration.state), state, "{line}");
        }
    }

    /// TS 27.007 7.2.
    #[test]
    fn states_of_registration_and_those_that_carry_messages() {
        use RegistrationState as S;
        let states =
            [S::Off, S::Home, S::Searching, S::Denied, S::Unknown, S::Roaming, S::Home, S::Roaming, S::Unknown];
        for (stat, state) in (0..).zip(states) {
            assert_eq!(RegistrationState::of(stat), state, "{stat}");
            assert_eq!(state.is_registered(), [1, 5, 6, 7].contains(&stat), "{stat}");
        }
    }

    #[test]
    fn numbers_of_short_answers() {
        assert_eq!(of("+CFUN: 4").functionality(), Some(4));
        assert_eq!(of("+CFUN: 1,0").functionality(), Some(1));
        assert_eq!(of("+CFUN:").functionality(), None);
        assert_eq!(of("+CMGS: 255").message_reference(), Some(255));
        assert_eq!(of("+CMGS: 7,\"26/11/20,10:00:00+04\"").message_reference(), Some(7));
        assert_eq!(of("+CMGS: 256").message_reference(), None);
    }

    /// TS 27.007 8.3.
    #[test]
    fn codes_the_sim_waits_for() {
        for (line, state) in [
            ("+CPIN: READY", Some(PinState::Ready)),
            ("+CPIN:SIM PIN", Some(PinState::SimPin)),
            ("+CPIN: \"SIM PUK\"", Some(PinState::SimPuk)),
            ("+CPIN: NOT INSERTED", Some(PinState::NotInserted)),
            ("+CPIN: NOT READY", Some(PinState::NotReady)),
            ("+CPIN: PH-NET PIN", Some(PinState::Other("PH-NET PIN".to_owned()))),
            ("READY", None),
        ] {
            assert_eq!(of(line).pin_state(), state, "{line}");
        }
    }

    #[test]
    fn operator_and_service_centre_in_both_character_sets() {
        assert_eq!(of("+COPS: 0,0,\"Vodafone.de\",7").operator().as_deref(), Some("Vodafone.de"));
        assert_eq!(of("+COPS: 0,0,\"0056006F00640061\"").operator().as_deref(), Some("Voda"));
        assert_eq!(of("+COPS: 0,2,\"26202\"").operator().as_deref(), Some("26202"));
        assert_eq!(of("+COPS: 0,0,\"006F0032\"").operator().as_deref(), Some("o2")); // the shortest
        for digits in ["0032", "006F00320", "006F003200", "00320607", "00190032"] {
            assert_eq!(of(&format!("+COPS: 0,0,\"{digits}\"")).operator().as_deref(), Some(digits));
        }
        assert_eq!(of("+COPS: 0").operator(), None);
        assert_eq!(of("+CSCA: \"+491722270333\",145").service_centre().as_deref(), Some("+491722270333"));
        assert_eq!(of("+CSCA: \"491722270333\",145").service_centre().as_deref(), Some("+491722270333"));
        assert_eq!(of("+CSCA: \"002B00340039\",145").service_centre().as_deref(), Some("+49"));
        assert_eq!(of("+CSCA: \"01722270333\",129").service_centre().as_deref(), Some("01722270333"));
        assert_eq!(of("+CSCA: \"\",129").service_centre(), None);
    }

    #[test]
    fn identities_with_and_without_prefix_and_quotes() {
        for line in ["861536030196001", "+CGSN: \"861536030196001\"", "+CGSN: 861536030196001", "\"861536030196001\""] {
            assert_eq!(of(line).imei().map(|imei| imei.to_string()).as_deref(), Some("861536030196001"), "{line}");
        }
        for line in [
            "+CCID: \"89490200001234567890\"",
            "ICCID: 89490200001234567890",
            "+ICCID: 89490200001234567890",
            "89490200001234567890F",
        ] {
            assert_eq!(of(line).iccid().as_deref(), Some("89490200001234567890"), "{line}");
        }
        for line in ["+CCID: none", "+CCID: 8949", "8949020000123456789X0", "89490200001234567890123", ""] {
            assert_eq!(of(line).iccid(), None, "{line}");
        }
        assert_eq!(of("262021234567890").imsi().as_deref(), Some("262021234567890"));
        for line in ["26202", "26202123456789A", "2620212345678901", ""] {
            assert_eq!(of(line).imsi(), None, "{line}");
        }
        assert_eq!(of("Model: E173").value(), Some("Model: E173"));
    }

    #[test]
    fn memories() {
        let counts = |line: &str| -> Vec<(String, u16, u16)> {
            of(line).memory_use().into_iter().map(|memory| (memory.name, memory.used, memory.total)).collect()
        };
        assert_eq!(counts("+CPMS: \"SM\",3,20,\"ME\",0,23,\"SM\",3,20")[1], ("ME".to_owned(), 0, 23));
        assert_eq!(
            counts("+CPMS: 3,20,0,23,3,20"),
            [(String::new(), 3, 20), (String::new(), 0, 23), (String::new(), 3, 20)]
        );
        assert_eq!(counts("+CPMS: rubbish"), []);
        let test = of("+CPMS: (\"ME\",\"MT\",\"SM\",\"SR\"),(\"ME\"),(\"ME\",\"SM\")");
        use super::super::Memory::{Me, Mt, Sm, Sr};
        assert_eq!(test.readable_memories(), [Me, Mt, Sm, Sr]);
    }

    #[test]
    fn tries_left_in_every_form() {
        for (lines, pin, puk) in [
            (vec!["+CPINR: SIM PIN,3,3", "+CPINR: SIM PUK,10,10"], 3, Some(10)),
            (vec!["+SPIC: 3,10,0,10"], 3, Some(10)),
            (vec!["+QPINC: \"SC\",2,10"], 2, Some(10)),
            (vec!["+QTRPIN: 3,3,10,10"], 3, Some(10)),
            (vec!["+ZPINPUK: 1,9"], 1, Some(9)),
            (vec!["^CPIN: READY,,10,3,10,3"], 3, Some(10)),
        ] {
            assert_eq!(Response::of(lines.clone()).pin_counters(), Some(PinCounters { pin, puk }), "{lines:?}");
        }
        assert_eq!(of("OK").pin_counters(), None);
    }

    #[test]
    fn listings() {
        let line = |text: &str| InfoLine { text: text.to_owned(), pdu: Some("00".to_owned()) };
        let response = Response {
            lines: vec![line("+CMGL: 1,0,,25"), line("+CMGL: 12,1,\"\",30"), line("+CMGR: 0,,25")],
            truncated: false,
        };
        let found: Vec<_> = response.listed().into_iter().map(|l| (l.index, l.status, l.tpdu_octets)).collect();
        assert_eq!(found, [(Some(1), 0, Some(25)), (Some(12), 1, Some(30)), (None, 0, Some(25))]);
    }
}
