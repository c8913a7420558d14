//! USSD at the modem's side: `+CUSD` in the three ways of writing, and the network's menus (TS 27.007 7.15).
//!
//! `*100#` is the balance, `*101#` a menu of two levels; all else is unknown to the network.

use std::time::Duration;

use super::{
    commands::{Done, Failure, NOTHING, one},
    modem::Modem,
    personality::UssdText,
};
use crate::tpdu::{gsm7, hex};

/// CR as a septet fills seven spare bits, which would read as `@` (TS 23.038 6.1.2.3.1).
const CR: u8 = 0x0d;

impl Modem {
    /// A text the network sends of its own accord, as a modem prints it that was told to with `+CUSD=1`.
    pub(super) fn ussd_from_network(&mut self, now: Duration, text: &str, answer_wanted: bool) {
        if self.registered() && self.settings.ussd_notices {
            self.menu = answer_wanted;
            let line = self.ussd_line(u8::from(answer_wanted), text);
            self.notice(now, &line, None);
        }
    }

    pub(super) fn ussd_command(&mut self, name: &str, argument: Option<&str>) -> Result<Done, Failure> {
        let Some(argument) = argument else {
            return if name.ends_with('?') {
                one(format!("+CUSD: {}", u8::from(self.settings.ussd_notices)))
            } else {
                Err(Failure::Cme(50))
            };
        };
        if argument == "?" {
            return one("+CUSD: (0-2)");
        }
        let mut fields = argument.split(',');
        let (mode, code) = (fields.next().unwrap_or_default(), fields.next());
        match mode {
            "0" | "1" => self.settings.ussd_notices = mode == "1",
            "2" => {
                self.menu = false;
                self.late_ussd = None;
            }
            _ => return Err(Failure::Cme(50)),
        }
        let (Some(code), true) = (code, mode != "2") else { return NOTHING };
        if !self.sim.present {
            return Err(Failure::Cme(10));
        }
        if !self.sim.unlocked {
            return Err(Failure::Cme(self.lock()));
        }
        if !self.registered() {
            return Err(Failure::Cme(30));
        }
        let code = self.ussd_code(code.trim_matches('"')).ok_or(Failure::Cme(50))?;
        let (state, text) = self.ussd_answer(&code);
        let usual = self.ussd_line(state, &text);
        self.afterwards.push(self.faults.ussd_line.take().unwrap_or(usual));
        NOTHING
    }

    /// State and text of the network's answer.
    fn ussd_answer(&mut self, code: &str) -> (u8, String) {
        match (std::mem::take(&mut self.menu), code) {
            (false, "*100#") | (true, "1") => {
                let (sign, cents) = (if self.sim.balance < 0 { "-" } else { "" }, self.sim.balance.abs());
                (0, format!("Ihr Guthaben beträgt: {sign}{},{:02} EUR", cents / 100, cents % 100))
            }
            (false, "*101#") | (true, "0") => {
                self.menu = true;
                (1, "1 Guthaben\n2 Rufnummer\n9 Ende".to_owned())
            }
            (true, "2") => (0, format!("Ihre Rufnummer: {}", self.number)),
            (true, _) => (2, "Ende".to_owned()),
            (false, _) => (4, String::new()),
        }
    }

    /// The code that the terminal wrote, if it is written as this modem wants it.
    fn ussd_code(&self, written: &str) -> Option<String> {
        match (self.personality.ussd, self.settings.charset.as_str()) {
            // Firmwares differ in what `^USSDMODE=0` means: after it both are taken, and answers are hex as ever.
            (UssdText::PackedHex, _) => match hex::decode(written) {
                Ok(octets) => Some(unpacked(&octets)),
                Err(_) => self.settings.ussd_as_text.then(|| written.to_owned()),
            },
            (UssdText::Plain | UssdText::Ucs2Hex, "UCS2") => from_ucs2(written),
            (UssdText::Plain | UssdText::Ucs2Hex, _) => Some(written.to_owned()),
        }
    }

    fn ussd_line(&self, state: u8, text: &str) -> String {
        let (written, coding) = match self.personality.ussd {
            _ if text.is_empty() => return format!("+CUSD: {state}"),
            UssdText::Plain if self.settings.charset == "UCS2" => (ucs2(text), 15),
            UssdText::Plain => (text.to_owned(), 15),
            UssdText::Ucs2Hex => (ucs2(text), 72),
            UssdText::PackedHex => match packed(text) {
                Some(octets) => (hex::encode(&octets), 15),
                None => (ucs2(text), 72),
            },
        };
        format!("+CUSD: {state},\"{written}\",{coding}")
    }
}

fn ucs2(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

fn from_ucs2(written: &str) -> Option<String> {
    let octets = hex::decode(written).ok().filter(|octets| octets.len().is_multiple_of(2))?;
    let units: Vec<u16> =
        octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, octet| unit << 8 | u16::from(*octet))).collect();
    String::from_utf16(&units).ok()
}

/// None if the text does not fit the default alphabet.
fn packed(text: &str) -> Option<Vec<u8>> {
    let mut septets = gsm7::encode(text).ok()?;
    let full = septets.len().is_multiple_of(8) && septets.last() == Some(&CR);
    if full || septets.len() % 8 == 7 {
        septets.push(CR);
    }
    Some(gsm7::pack(&septets))
}

fn unpacked(octets: &[u8]) -> String {
    let mut septets = gsm7::unpack(octets, octets.len() * 8 / 7);
    if septets.len().is_multiple_of(8) && septets.last() == Some(&CR) {
        septets.pop();
    }
    gsm7::decode(&septets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_texts_come_back() {
        for text in ["*100#", "1234567", "12345678", "Ihr Guthaben beträgt: 1,00 EUR", "[€]"] {
            let octets = packed(text).unwrap();
            assert_eq!(unpacked(&octets), text);
        }
        assert_eq!(hex::encode(&packed("*100#").unwrap()), "AA180C3602");
        assert_eq!(packed("Привет"), None);
    }

    #[test]
    fn ucs2_texts_come_back() {
        for text in ["*100#", "Привет 😀"] {
            assert_eq!(from_ucs2(&ucs2(text)).as_deref(), Some(text));
        }
        for wrong in ["*100#", "002", "00"] {
            assert_eq!(from_ucs2(wrong), None, "{wrong}");
        }
    }
}
