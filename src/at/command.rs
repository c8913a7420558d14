//! One typed constructor per AT command.
//!
//! Nothing but these constructors writes a command line, and whatever they take from outside is a checked newtype: a
//! caller's string can never end a line early and start another command. What the answers mean is
//! [`Response`](super::Response)'s business.

use std::{borrow::Cow, fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::UssdRequest;

/// Commands answered from the modem's own memory.
const QUICK: Duration = Duration::from_secs(10);
/// Commands that ask the SIM.
const SIM: Duration = Duration::from_secs(30);
/// Commands that wait for the network.
const NETWORK: Duration = Duration::from_secs(60);
/// A listing of a full memory at 115200 baud, read by a slow module.
const LISTING: Duration = Duration::from_secs(60);

/// Which lines belong to a command's answer. Everything else is unsolicited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accept {
    /// No information line at all.
    Nothing,
    /// Lines starting with one of these.
    Prefixes(&'static [&'static str]),
    /// Lines starting with this, each followed by a line with a PDU.
    PduListing(&'static str),
    /// Any line that is not a known unsolicited result code.
    AnyLine,
}

/// A message memory (TS 27.005 3.2.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Memory {
    /// SIM.
    Sm,
    /// Modem.
    Me,
    /// SIM and modem together.
    Mt,
    /// Status reports.
    Sr,
}

impl Memory {
    /// The name between the quotes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sm => "SM",
            Self::Me => "ME",
            Self::Mt => "MT",
            Self::Sr => "SR",
        }
    }

    /// The memory with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sm, Self::Me, Self::Mt, Self::Sr].into_iter().find(|memory| memory.as_str() == name)
    }
}

/// The character set between us and the modem (TS 27.007 5.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Charset {
    /// GSM 7 bit default alphabet.
    Gsm,
    /// UCS2 in hex.
    Ucs2,
}

/// Settings of `+CNMI` (TS 27.005 3.4.1): mode, mt, bm, ds and bfr, the last left out by some modems.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Indication {
    /// Whether unsolicited codes are buffered while the link is reserved.
    pub mode: u8,
    /// 1 = store and announce with +CMTI, 2 = hand over with +CMT.
    pub mt: u8,
    /// Cell broadcast: always 0 here.
    pub bm: u8,
    /// 1 = status reports by +CDS, 2 = stored and announced by +CDSI.
    pub ds: u8,
    /// What happens to codes buffered before.
    pub bfr: Option<u8>,
}

/// A SIM PIN of 4 to 8 digits (TS 27.007 8.3). `Debug` shows no digit.
#[derive(Clone)]
pub struct SimPin(SecretString);

/// Why a string is no PIN. Says nothing about the string.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a SIM PIN has 4 to 8 digits")]
pub struct PinReject;

impl SimPin {
    /// Checks a PIN.
    ///
    /// # Errors
    /// [`PinReject`] unless it is 4 to 8 ASCII digits.
    pub fn new(pin: &SecretString) -> Result<Self, PinReject> {
        let digits = pin.expose_secret();
        let fits = (4..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(pin.clone())) } else { Err(PinReject) }
    }
}

impl fmt::Debug for SimPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimPin(****)")
    }
}

/// Service centre address and TPDU in hex, as `+CMGS` wants it: an even number of hex digits, no more than fit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PduHex(String);

impl PduHex {
    /// 12 octets of service centre address and 164 of SMS-SUBMIT, in hex, with some room.
    const MAX_DIGITS: usize = 400;

    /// Checks the digits.
    #[must_use]
    pub fn new(hex: &str) -> Option<Self> {
        let fits = !hex.is_empty()
            && hex.len() <= Self::MAX_DIGITS
            && hex.len().is_multiple_of(2)
            && hex.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self(hex.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One command line with everything the channel must know to run it.
#[derive(Clone)]
pub struct Command {
    text: Cow<'static, str>,
    accept: Accept,
    payload: Option<PduHex>,
    deadline: Duration,
    secret: bool,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("text", &self.name()).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// What the channel needs.
impl Command {
    /// The command line without its CR. Holds the PIN for `+CPIN=`: never log it, log [`name`](Self::name).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The command for logs: parameters hidden where they are secret or personal.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.secret { self.text.split_once('=').map_or("AT", |(name, _)| name) } else { &self.text }
    }

    /// Which lines belong to the answer.
    #[must_use]
    pub const fn accept(&self) -> Accept {
        self.accept
    }

    /// The PDU to send after the prompt.
    #[must_use]
    pub const fn payload(&self) -> Option<&PduHex> {
        self.payload.as_ref()
    }

    /// How long the final result may take, counted from sending the line (or the payload).
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Whether its bytes must not be logged.
    #[must_use]
    pub const fn secret(&self) -> bool {
        self.secret
    }

    /// The same command with another deadline (a profile's, or what is left of `wait_for_start`).
    #[must_use]
    pub const fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    const fn fixed(text: &'static str, accept: Accept, deadline: Duration) -> Self {
        Self { text: Cow::Borrowed(text), accept, payload: None, deadline, secret: false }
    }

    const fn made(text: String, accept: Accept, deadline: Duration) -> Self {
        Self { text: Cow::Owned(text), accept, payload: None, deadline, secret: false }
    }
}

/// Basic dialogue (V.250) and the modem itself.
impl Command {
    /// `AT`: is anybody there?
    #[must_use]
    pub const fn attention() -> Self {
        Self::fixed("AT", Accept::Nothing, Duration::from_secs(2))
    }

    /// `ATE0`: no echo, please. The channel copes with echo either way.
    #[must_use]
    pub const fn echo_off() -> Self {
        Self::fixed("ATE0", Accept::Nothing, QUICK)
    }

    /// `AT+CMEE=1`: numeric causes.
    #[must_use]
    pub const fn numeric_errors() -> Self {
        Self::fixed("AT+CMEE=1", Accept::Nothing, QUICK)
    }

    /// `AT+CFUN?`.
    #[must_use]
    pub const fn functionality() -> Self {
        Self::fixed("AT+CFUN?", Accept::Prefixes(&["+CFUN:"]), QUICK)
    }

    /// `AT+CFUN=1`: radio on.
    #[must_use]
    pub const fn full_functionality() -> Self {
        Self::fixed("AT+CFUN=1", Accept::Nothing, SIM)
    }

    /// `AT+CFUN=1,1`: restart the modem. The port goes away on many of them.
    #[must_use]
    pub const fn restart() -> Self {
        Self::fixed("AT+CFUN=1,1", Accept::Nothing, SIM)
    }

    /// `AT+CGMI`: manufacturer.
    #[must_use]
    pub const fn manufacturer() -> Self {
        Self::fixed("AT+CGMI", Accept::AnyLine, QUICK)
    }

    /// `AT+CGMM`: model.
    #[must_use]
    pub const fn model() -> Self {
        Self::fixed("AT+CGMM", Accept::AnyLine, QUICK)
    }

    /// `AT+CGMR`: firmware.
    #[must_use]
    pub const fn revision() -> Self {
        Self::fixed("AT+CGMR", Accept::AnyLine, QUICK)
    }

    /// `AT+CGSN`: IMEI.
    #[must_use]
    pub const fn imei() -> Self {
        Self::fixed("AT+CGSN", Accept::AnyLine, QUICK)
    }

    /// `AT+CSCS=`: character set of strings, USSD among them.
    #[must_use]
    pub const fn charset(charset: Charset) -> Self {
        match charset {
            Charset::Gsm => Self::fixed("AT+CSCS=\"GSM\"", Accept::Nothing, QUICK),
            Charset::Ucs2 => Self::fixed("AT+CSCS=\"UCS2\"", Accept::Nothing, QUICK),
        }
    }

    /// A profile's extra initialisation line. Only constants of this crate can get here.
    #[must_use]
    pub const fn extra(line: &'static str) -> Self {
        Self::fixed(line, Accept::Nothing, QUICK)
    }
}

/// The SIM.
impl Command {
    /// `AT+CPIN?`: which code is the SIM waiting for?
    #[must_use]
    pub const fn pin_state() -> Self {
        Self::fixed("AT+CPIN?", Accept::Prefixes(&["+CPIN:"]), QUICK)
    }

    /// `AT+CPIN=`: never repeated by anyone (a third wrong try locks the SIM).
    #[must_use]
    pub fn enter_pin(pin: &SimPin) -> Self {
        let text = format!("AT+CPIN=\"{}\"", pin.0.expose_secret());
        Self { secret: true, ..Self::made(text, Accept::Nothing, SIM) }
    }

    /// `AT+CPINR`: tries left (TS 27.007 8.65).
    #[must_use]
    pub const fn pin_retries() -> Self {
        Self::fixed("AT+CPINR", Accept::Prefixes(&["+CPINR:"]), QUICK)
    }

    /// `AT+SPIC`: tries left, SIMCom.
    #[must_use]
    pub const fn pin_retries_simcom() -> Self {
        Self::fixed("AT+SPIC", Accept::Prefixes(&["+SPIC:"]), QUICK)
    }

    /// `AT^CPIN?`: tries left, Huawei.
    #[must_use]
    pub const fn pin_retries_huawei() -> Self {
        Self::fixed("AT^CPIN?", Accept::Prefixes(&["^CPIN:"]), QUICK)
    }

    /// `AT+QPINC="SC"`: tries left, Quectel LTE.
    #[must_use]
    pub const fn pin_retries_quectel() -> Self {
        Self::fixed("AT+QPINC=\"SC\"", Accept::Prefixes(&["+QPINC:"]), QUICK)
    }

    /// `AT+QTRPIN`: tries left, Quectel 2G.
    #[must_use]
    pub const fn pin_retries_quectel_2g() -> Self {
        Self::fixed("AT+QTRPIN", Accept::Prefixes(&["+QTRPIN:"]), QUICK)
    }

    /// `AT+ZPINPUK?`: tries left, ZTE.
    #[must_use]
    pub const fn pin_retries_zte() -> Self {
        Self::fixed("AT+ZPINPUK?", Accept::Prefixes(&["+ZPINPUK:"]), QUICK)
    }

    /// `AT+CIMI`: IMSI.
    #[must_use]
    pub const fn imsi() -> Self {
        Self::fixed("AT+CIMI", Accept::AnyLine, SIM)
    }

    /// `AT+CCID`: ICCID.
    #[must_use]
    pub const fn iccid() -> Self {
        Self::fixed("AT+CCID", Accept::AnyLine, QUICK)
    }

    /// `AT+QCCID`: ICCID, Quectel.
    #[must_use]
    pub const fn iccid_quectel() -> Self {
        Self::fixed("AT+QCCID", Accept::AnyLine, QUICK)
    }

    /// `AT+CICCID`: ICCID, SIMCom.
    #[must_use]
    pub const fn iccid_simcom() -> Self {
        Self::fixed("AT+CICCID", Accept::AnyLine, QUICK)
    }

    /// `AT^ICCID?`: ICCID, Huawei.
    #[must_use]
    pub const fn iccid_huawei() -> Self {
        Self::fixed("AT^ICCID?", Accept::AnyLine, QUICK)
    }

    /// `AT+ZGETICCID`: ICCID, ZTE.
    #[must_use]
    pub const fn iccid_zte() -> Self {
        Self::fixed("AT+ZGETICCID", Accept::AnyLine, QUICK)
    }
}

/// The network.
impl Command {
    /// `AT+CSQ`: signal.
    #[must_use]
    pub const fn signal() -> Self {
        Self::fixed("AT+CSQ", Accept::Prefixes(&["+CSQ:"]), QUICK)
    }

    /// `AT+CREG?`: registration, circuit switched.
    #[must_use]
    pub const fn registration() -> Self {
        Self::fixed("AT+CREG?", Accept::Prefixes(&["+CREG:"]), QUICK)
    }

    /// `AT+CREG=1`: tell about changes.
    #[must_use]
    pub const fn announce_registration() -> Self {
        Self::fixed("AT+CREG=1", Accept::Nothing, QUICK)
    }

    /// `AT+CGREG?`: registration, packet switched.
    #[must_use]
    pub const fn packet_registration() -> Self {
        Self::fixed("AT+CGREG?", Accept::Prefixes(&["+CGREG:"]), QUICK)
    }

    /// `AT+CEREG?`: registration, LTE. SMS over SGs works where only this one is registered.
    #[must_use]
    pub const fn lte_registration() -> Self {
        Self::fixed("AT+CEREG?", Accept::Prefixes(&["+CEREG:"]), QUICK)
    }

    /// `AT+COPS=3,0`: long names, without touching the selection.
    #[must_use]
    pub const fn long_operator_names() -> Self {
        Self::fixed("AT+COPS=3,0", Accept::Nothing, QUICK)
    }

    /// `AT+COPS?`: which operator?
    #[must_use]
    pub const fn operator() -> Self {
        Self::fixed("AT+COPS?", Accept::Prefixes(&["+COPS:"]), SIM)
    }
}

/// Messages (TS 27.005).
impl Command {
    /// `AT+CSCA?`: service centre address.
    #[must_use]
    pub const fn service_centre() -> Self {
        Self::fixed("AT+CSCA?", Accept::Prefixes(&["+CSCA:"]), QUICK)
    }

    /// `AT+CSMS=`: 1 = we confirm what is handed over with `+CNMA`.
    #[must_use]
    pub const fn message_service(phase_2_plus: bool) -> Self {
        if phase_2_plus {
            Self::fixed("AT+CSMS=1", Accept::Prefixes(&["+CSMS:"]), QUICK)
        } else {
            Self::fixed("AT+CSMS=0", Accept::Prefixes(&["+CSMS:"]), QUICK)
        }
    }

    /// `AT+CMGF=0`: PDU mode.
    #[must_use]
    pub const fn pdu_mode() -> Self {
        Self::fixed("AT+CMGF=0", Accept::Nothing, QUICK)
    }

    /// `AT+CPMS=?`: which memories are there?
    #[must_use]
    pub const fn memories() -> Self {
        Self::fixed("AT+CPMS=?", Accept::Prefixes(&["+CPMS:"]), QUICK)
    }

    /// `AT+CPMS=`: memories to read from, to write to, to receive into.
    #[must_use]
    pub fn select_memories(read: Memory, write: Memory, receive: Memory) -> Self {
        let text = format!("AT+CPMS=\"{}\",\"{}\",\"{}\"", read.as_str(), write.as_str(), receive.as_str());
        Self::made(text, Accept::Prefixes(&["+CPMS:"]), SIM)
    }

    /// `AT+CPMS?`: how full?
    #[must_use]
    pub const fn memory_use() -> Self {
        Self::fixed("AT+CPMS?", Accept::Prefixes(&["+CPMS:"]), SIM)
    }

    /// `AT+CNMI=`: how new messages are announced.
    #[must_use]
    pub fn indications(indication: Indication) -> Self {
        let Indication { mode, mt, bm, ds, bfr } = indication;
        let bfr = bfr.map(|bfr| format!(",{bfr}")).unwrap_or_default();
        Self::made(format!("AT+CNMI={mode},{mt},{bm},{ds}{bfr}"), Accept::Nothing, QUICK)
    }

    /// `AT+CNMA`: what was handed over is safe here.
    #[must_use]
    pub const fn acknowledge() -> Self {
        Self::fixed("AT+CNMA", Accept::Nothing, QUICK)
    }

    /// `AT+CNMA=2`: what was handed over before is not safe here; the network shall send it again (RP-ERROR).
    #[must_use]
    pub const fn send_back() -> Self {
        Self::fixed("AT+CNMA=2", Accept::Nothing, QUICK)
    }

    /// `AT+CMGL=4`: every message in the memory (PDU mode).
    #[must_use]
    pub const fn list() -> Self {
        Self::fixed("AT+CMGL=4", Accept::PduListing("+CMGL:"), LISTING)
    }

    /// `AT+CMGR=`: one message.
    #[must_use]
    pub fn read(index: u16) -> Self {
        Self::made(format!("AT+CMGR={index}"), Accept::PduListing("+CMGR:"), SIM)
    }

    /// `AT+CMGD=`: deletes one message. There is no constructor that deletes more.
    #[must_use]
    pub fn delete(index: u16) -> Self {
        Self::made(format!("AT+CMGD={index}"), Accept::Nothing, SIM)
    }

    /// `AT+CMMS=1`: keep the link open, more parts follow.
    #[must_use]
    pub const fn more_messages() -> Self {
        Self::fixed("AT+CMMS=1", Accept::Nothing, QUICK)
    }

    /// `AT+CMGS=`: submits one TPDU. `tpdu_octets` leaves out the service centre address.
    #[must_use]
    pub fn submit(pdu: PduHex, tpdu_octets: usize) -> Self {
        let made = Self::made(format!("AT+CMGS={tpdu_octets}"), Accept::Prefixes(&["+CMGS:"]), NETWORK);
        Self { payload: Some(pdu), ..made }
    }
}

/// USSD (TS 27.007 7.15). The answer comes as [`Urc::Cusd`](super::Urc::Cusd), before or after the OK.
impl Command {
    /// `AT+CUSD=1,"...",15`: runs a code or answers a menu.
    #[must_use]
    pub fn ussd(request: &UssdRequest) -> Self {
        let text = format!("AT+CUSD=1,\"{}\",15", request.as_str());
        Self { secret: true, ..Self::made(text, Accept::Nothing, NETWORK) }
    }

    /// `AT+CUSD=1`: what the network says is shown, be it asked for or not.
    #[must_use]
    pub const fn ussd_notices() -> Self {
        Self::fixed("AT+CUSD=1", Accept::Nothing, QUICK)
    }

    /// `AT+CUSD=2`: ends the session.
    #[must_use]
    pub const fn cancel_ussd() -> Self {
        Self::fixed("AT+CUSD=2", Accept::Nothing, SIM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_4_to_8_digits_and_never_shown() {
        for (pin, fits) in [("1234", true), ("12345678", true), ("123", false), ("123456789", false), ("12\r4", false)]
        {
            assert_eq!(SimPin::new(&SecretString::from(pin)).is_ok(), fits, "{pin:?}");
        }
        let pin = SimPin::new(&SecretString::from("4711")).expect("valid");
        let command = Command::enter_pin(&pin);
        assert_eq!(command.text(), "AT+CPIN=\"4711\"");
        assert!(!format!("{pin:?} {command:?} {}", command.name()).contains("4711"));
    }

    #[test]
    fn only_codes_of_people_are_hidden_from_logs() {
        let code = crate::at::UssdCode::parse("*100#").expect("a code");
        let ussd = UssdRequest::encode(&code, Charset::Gsm, crate::at::UssdStyle::Charset);
        let pin = SimPin::new(&SecretString::from("4711")).expect("valid");
        for (command, text, name) in [
            (Command::ussd(&ussd), "AT+CUSD=1,\"*100#\",15", "AT+CUSD"),
            (Command::enter_pin(&pin), "AT+CPIN=\"4711\"", "AT+CPIN"),
            (Command::delete(7), "AT+CMGD=7", "AT+CMGD=7"),
            (Command::attention(), "AT", "AT"),
        ] {
            assert_eq!((command.text(), command.name()), (text, name));
            assert_eq!(command.secret(), text != name, "{name}");
            assert!(command.payload().is_none(), "{name}");
        }
    }

    #[test]
    fn a_pdu_is_hex_and_nothing_else() {
        for (hex, fits) in [("0011", true), ("001", false), ("", false), ("00\u{1a}1", false), ("00\r\n", false)] {
            assert_eq!(PduHex::new(hex).is_some(), fits, "{hex:?}");
        }
        assert!(PduHex::new(&"0".repeat(402)).is_none());
    }

    #[test]
    fn lines_as_the_standard_writes_them() {
        let cnmi = |bfr| Command::indications(Indication { mode: 2, mt: 1, bm: 0, ds: 1, bfr });
        assert_eq!(cnmi(Some(0)).text(), "AT+CNMI=2,1,0,1,0");
        assert_eq!(cnmi(None).text(), "AT+CNMI=2,1,0,1");
        assert_eq!(Command::select_memories(Memory::Sm, Memory::Me, Memory::Mt).text(), "AT+CPMS=\"SM\",\"ME\",\"MT\"");
        assert_eq!(Command::delete(7).text(), "AT+CMGD=7");
        let submit = Command::submit(PduHex::new("0011").expect("hex"), 25);
        assert_eq!((submit.text(), submit.payload().map(PduHex::as_str)), ("AT+CMGS=25", Some("0011")));
    }
}
