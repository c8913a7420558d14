//! Commands of the device, the SIM, the network and USSD (TS 27.007). Messages are in `sms`.

use std::time::Duration;

use super::{hex, modem::Modem, personality::UssdText};

/// Not a code: the answer is out already.
const ANSWERED: u16 = u16::MAX;

impl Modem {
    pub(super) fn command_line(&mut self, now: Duration, line: &str) {
        let Some(head) = line.get(..2).filter(|head| head.eq_ignore_ascii_case("AT")) else {
            return;
        };
        let command = line.strip_prefix(head).unwrap_or_default();
        let (name, argument) = match command.split_once('=') {
            Some((name, argument)) => (name.to_ascii_uppercase(), Some(argument)),
            None => (command.to_ascii_uppercase(), None),
        };
        if self.sms_command(now, &name, argument) {
            return;
        }
        match self.device(now, &name, argument) {
            Ok(lines) => self.answer(now, &lines, "OK"),
            Err(ANSWERED) => {}
            Err(code) => self.device_error(now, code),
        }
    }

    fn device_error(&mut self, now: Duration, code: u16) {
        let result = match (self.settings.errors, code) {
            (1, 1..) => format!("+CME ERROR: {code}"),
            (2, 10) => "+CME ERROR: SIM not inserted".to_owned(),
            (2, 11) => "+CME ERROR: SIM PIN required".to_owned(),
            (2, 12) => "+CME ERROR: SIM PUK required".to_owned(),
            (2, 16) => "+CME ERROR: incorrect password".to_owned(),
            (2, 1..) => "+CME ERROR: operation not allowed".to_owned(),
            _ => "ERROR".to_owned(),
        };
        self.answer(now, &[], &result);
    }

    fn device(&mut self, now: Duration, name: &str, argument: Option<&str>) -> Result<Vec<String>, u16> {
        let one = |line: String| Ok(vec![line]);
        let (iccid_command, iccid_prefix) = self.personality.iccid;
        if name == iccid_command {
            return one(format!("{iccid_prefix}894900000000{:07}", self.serial));
        }
        if name == self.personality.pin_counter.trim_end_matches("=\"SC\"") || name == "+CPINR" {
            let (tries, label) = (self.pin_tries, self.personality.pin_counter);
            return one(match label {
                "+CPINR" => format!("+CPINR: SIM PIN,{tries},3"),
                "+QPINC" => format!("+QPINC: \"SC\",{tries},10"),
                "+ZPINPUK?" => format!("+ZPINPUK: {tries},10"),
                "^CPIN?" => format!("^CPIN: {},,10,{tries},10,3", self.pin_state()),
                "+SPIC" => format!("+SPIC: {tries},10,3,10"),
                _ => format!("+QTRPIN: {tries},10,3,10"),
            });
        }
        match (name, argument) {
            ("" | "Z" | "&F" | "+CMMS" | "+CLIP" | "+CRC" | "+CVHU" | "+DDET" | "+CSMP" | "^CURC" | "^USSDMODE", _) => {
                Ok(Vec::new())
            }
            ("E0" | "E1" | "E", _) => {
                self.settings.echo = name == "E1";
                Ok(Vec::new())
            }
            ("I", _) => Ok(vec![self.personality.manufacturer.to_owned(), self.personality.model.to_owned()]),
            ("+CMEE", Some(mode)) => {
                self.settings.errors = mode.parse().map_err(|_| 3_u16)?;
                Ok(Vec::new())
            }
            ("+GCAP", _) => one("+GCAP: +CGSM".to_owned()),
            ("+CGMI", _) => one(self.personality.manufacturer.to_owned()),
            ("+CGMM", _) => one(self.personality.model.to_owned()),
            ("+CGMR", _) => one(self.personality.revision.to_owned()),
            ("+CGSN", _) if self.personality.imei_quoted => one(format!("\"{}\"", self.imei)),
            ("+CGSN", _) => one(self.imei.clone()),
            ("+CFUN?", _) => one("+CFUN: 1".to_owned()),
            ("+CFUN", Some("1,1")) => {
                self.boot(now);
                Ok(Vec::new())
            }
            ("+CFUN", Some(_)) => Ok(Vec::new()),
            ("+CPIN?", _) => one(format!("+CPIN: {}", self.pin_state())),
            ("+CPIN", Some(pin)) => self.enter_pin(pin.trim_matches('"')),
            ("+CSCS", Some(charset)) => {
                self.settings.charset = charset.trim_matches('"').to_owned();
                Ok(Vec::new())
            }
            ("+CSQ", _) => one(format!("+CSQ: {},99", self.signal)),
            ("+CREG", Some(mode)) => {
                self.settings.creg = mode.parse().map_err(|_| 3_u16)?;
                Ok(Vec::new())
            }
            ("+CREG?" | "+CGREG?" | "+CEREG?", _) => {
                one(format!("{}: {},{}", name.trim_end_matches('?'), self.settings.creg, self.registration))
            }
            ("+COPS", Some(_)) => Ok(Vec::new()),
            ("+COPS?", _) if self.registered() => one("+COPS: 0,0,\"Testnetz\"".to_owned()),
            ("+COPS?", _) => one("+COPS: 0".to_owned()),
            ("+CIMI" | "+CNUM" | "+CUSD", _) if !self.unlocked => Err(if self.pin_tries == 0 { 12 } else { 11 }),
            ("+CIMI", _) => one(format!("26201{:010}", self.serial)),
            ("+CNUM", _) => one(format!("+CNUM: ,\"{}\",145", self.number)),
            ("+CLCK", Some(_)) => one(format!("+CLCK: {}", u8::from(self.pin.is_some()))),
            ("+CUSD", Some(request)) => self.ussd(now, request),
            _ => Err(if self.settings.errors > 0 && name.starts_with("+CUSD") { 3 } else { 0 }),
        }
    }

    fn pin_state(&self) -> &'static str {
        match (self.unlocked, self.pin_tries) {
            (true, _) => "READY",
            (false, 0) => "SIM PUK",
            (false, _) => "SIM PIN",
        }
    }

    fn enter_pin(&mut self, pin: &str) -> Result<Vec<String>, u16> {
        if self.unlocked {
            return Err(3);
        }
        if self.pin_tries == 0 {
            return Err(12);
        }
        if self.pin.as_deref() == Some(pin) {
            self.unlocked = true;
            self.pin_tries = 3;
            return Ok(Vec::new());
        }
        self.pin_tries -= 1;
        Err(16)
    }

    /// `*100#` is the balance, `*101#` a menu, all else is unknown to the network.
    fn ussd(&mut self, now: Duration, request: &str) -> Result<Vec<String>, u16> {
        let mut fields = request.split(',');
        match (fields.next(), fields.next()) {
            (Some("2"), _) => self.menu = false,
            (Some("1"), Some(code)) => {
                let code = self.ussd_code(code.trim_matches('"'));
                let in_menu = std::mem::take(&mut self.menu);
                let (state, text) = match (in_menu, code.as_str()) {
                    (false, "*100#") | (true, "1") => {
                        let (euro, cent) = (self.balance / 100, self.balance % 100);
                        (0, format!("Ihr Guthaben beträgt: {euro},{cent:02} EUR"))
                    }
                    (false, "*101#") => {
                        self.menu = true;
                        (1, "1 Guthaben 2 Ende".to_owned())
                    }
                    (true, _) => (2, "Ende".to_owned()),
                    (false, _) => (4, String::new()),
                };
                self.answer(now, &[], "OK");
                self.print_ussd(now, state, &text);
                return Err(ANSWERED);
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    fn ussd_code(&self, written: &str) -> String {
        let octets = || hex::decode(written).unwrap_or_default();
        match self.personality.ussd {
            _ if written.starts_with('*') || written.len() < 3 => written.to_owned(),
            UssdText::PackedHex => hex::unpacked_text(&octets()),
            UssdText::Plain | UssdText::Ucs2Hex => hex::ucs2_text(&octets()),
        }
    }

    fn print_ussd(&mut self, now: Duration, state: u8, text: &str) {
        let written = match self.personality.ussd {
            UssdText::Plain if self.settings.charset == "UCS2" => hex::ucs2(text),
            UssdText::Plain => text.to_owned(),
            UssdText::Ucs2Hex => hex::ucs2(text),
            UssdText::PackedHex => hex::packed(text),
        };
        let coding = if self.personality.ussd == UssdText::Ucs2Hex { 72 } else { 15 };
        self.notice(
            now,
            &if text.is_empty() { format!("+CUSD: {state}") } else { format!("+CUSD: {state},\"{written}\",{coding}") },
        );
    }
}
