//! Command lines (ITU-T V.250 clause 5) and the commands of device and network (TS 27.007).
//!
//! What concerns the SIM is in `sim`, messages in `sms`, USSD in `ussd`.

use std::time::Duration;

use super::modem::Modem;
use crate::at::{CmeError, CmsError};

/// Most names of commands that are counted: a terminal may make some up.
const MOST_NAMES: usize = 200;

/// Names for `+CLAC`.
const NAMES: [&str; 31] = [
    "+CCID", "+CFUN", "+CGMI", "+CGMM", "+CGMR", "+CGSN", "+CIMI", "+CLAC", "+CLCK", "+CMEE", "+CMGD", "+CMGF",
    "+CMGL", "+CMGR", "+CMGS", "+CNMA", "+CNMI", "+CNUM", "+COPS", "+CPIN", "+CPMS", "+CREG", "+CSCA", "+CSCS",
    "+CSMS", "+CSQ", "+CUSD", "+GCAP", "E", "I", "Z",
];

/// What a command comes to.
pub(super) enum Done {
    /// Lines of information, then the next command, or OK.
    Lines(Vec<String>),
    /// The answer comes later, and no command follows on the line.
    Later,
    /// OK, then a restart.
    Restart,
}

/// Why a command failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// `ERROR`.
    Plain,
    /// `+CME ERROR`.
    Cme(u16),
    /// `+CMS ERROR`.
    Cms(u16),
}

impl Failure {
    /// As the terminal wants it by `+CMEE` (TS 27.007 9.1; `+CMS ERROR` follows it with most makers).
    fn written(self, errors: u8) -> String {
        // The tables are in the texts that the gateway shows: `+CME ERROR 10 (SIM not inserted)`.
        let words =
            |text: String| text.split_once('(').map_or(String::new(), |(_, it)| it.trim_end_matches(')').to_owned());
        match (errors, self) {
            (0, _) | (_, Self::Plain) => "ERROR".to_owned(),
            (2, Self::Cme(code)) => format!("+CME ERROR: {}", words(CmeError::Code(code).to_string())),
            (2, Self::Cms(code)) => format!("+CMS ERROR: {}", words(CmsError::Code(code).to_string())),
            (_, Self::Cme(code)) => format!("+CME ERROR: {code}"),
            (_, Self::Cms(code)) => format!("+CMS ERROR: {code}"),
        }
    }
}

/// One line of information.
pub(super) fn one(line: impl Into<String>) -> Result<Done, Failure> {
    Ok(Done::Lines(vec![line.into()]))
}

/// OK alone.
pub(super) const NOTHING: Result<Done, Failure> = Ok(Done::Lines(Vec::new()));

impl Modem {
    pub(super) fn command_line(&mut self, now: Duration, line: &str) {
        let Some(commands) = line.get(..2).filter(|head| head.eq_ignore_ascii_case("AT")).and_then(|_| line.get(2..))
        else {
            return;
        };
        let mut lines = Vec::new();
        for (name, argument) in split(commands) {
            self.count(&name);
            match self.execute(now, &name, argument.as_deref()) {
                Ok(Done::Lines(more)) => lines.extend(more),
                Ok(Done::Later) => return,
                Ok(Done::Restart) => {
                    self.answer(now, &lines, "OK");
                    return self.boot(now);
                }
                Err(failure) => return self.fail(now, failure),
            }
        }
        self.answer(now, &lines, "OK");
    }

    fn count(&mut self, name: &str) {
        if let Some(count) = self.commands.get_mut(name) {
            *count += 1;
        } else if self.commands.len() < MOST_NAMES {
            self.commands.insert(name.to_owned(), 1);
        }
    }

    pub(super) fn fail(&mut self, now: Duration, failure: Failure) {
        self.answer(now, &[], &failure.written(self.settings.errors));
    }

    fn execute(&mut self, now: Duration, name: &str, argument: Option<&str>) -> Result<Done, Failure> {
        match name.trim_end_matches('?') {
            "+CSCA" | "+CSMS" | "+CMGF" | "+CPMS" | "+CNMI" | "+CNMA" | "+CMGL" | "+CMGR" | "+CMGD" | "+CMGS" => {
                self.sms_command(now, name, argument)
            }
            "+CUSD" => self.ussd_command(name, argument),
            _ => match self.sim_command(name, argument) {
                Some(result) => result,
                None => self.device_command(name, argument),
            },
        }
    }

    fn device_command(&mut self, name: &str, argument: Option<&str>) -> Result<Done, Failure> {
        match (name, argument) {
            ("Z" | "&F" | "&W" | "V" | "V1" | "Q0" | "X" | "X4" | "&D" | "&C" | "&D2" | "&C1" | "H" | "S", _)
            | ("+CMMS" | "+CLIP" | "+CRC" | "+CVHU" | "+DDET" | "+CSMP" | "^CURC" | "+CLTS", _)
            | ("+COPS" | "+CGREG" | "+CEREG", Some(_)) => NOTHING,
            ("E" | "E0" | "E1", _) => {
                self.settings.echo = name == "E1";
                NOTHING
            }
            ("I", _) => {
                let model = self.personality;
                Ok(Done::Lines([model.manufacturer, model.model, model.revision].map(str::to_owned).to_vec()))
            }
            ("^USSDMODE", Some(mode)) => {
                self.settings.ussd_as_text = mode == "0";
                NOTHING
            }
            ("+CMEE", Some("?")) => one("+CMEE: (0-2)"),
            ("+CMEE?", _) => one(format!("+CMEE: {}", self.settings.errors)),
            ("+CMEE", Some(mode)) => {
                self.settings.errors = parse(mode, Failure::Cme(50))?;
                NOTHING
            }
            ("+GCAP", _) => one("+GCAP: +CGSM"),
            ("+CLAC", _) => Ok(Done::Lines(NAMES.map(str::to_owned).to_vec())),
            ("+CGMI", None) => one(self.personality.manufacturer),
            ("+CGMM", None) => one(self.personality.model),
            ("+CGMR", None) => one(self.personality.revision),
            ("+CGSN", None) if self.personality.imei_quoted => one(format!("\"{}\"", self.imei)),
            ("+CGSN", None) => one(self.imei.clone()),
            ("+CGMI" | "+CGMM" | "+CGMR" | "+CGSN" | "+CNUM" | "+CIMI", Some("?")) => NOTHING,
            ("+CFUN?", _) => one("+CFUN: 1"),
            ("+CFUN", Some("1,1")) => {
                self.resets += 1;
                Ok(Done::Restart)
            }
            ("+CFUN", Some(_)) => NOTHING,
            ("+CSCS", Some("?")) => one("+CSCS: (\"GSM\",\"UCS2\")"),
            ("+CSCS?", _) => one(format!("+CSCS: \"{}\"", self.settings.charset)),
            ("+CSCS", Some(charset)) => match charset.trim_matches('"') {
                charset @ ("GSM" | "UCS2" | "IRA") => {
                    charset.clone_into(&mut self.settings.charset);
                    NOTHING
                }
                _ => Err(Failure::Cme(50)),
            },
            ("+CSQ", _) => one(format!("+CSQ: {},99", self.signal)),
            ("+CREG", Some("?")) => one("+CREG: (0-2)"),
            ("+CREG", Some(mode)) => {
                self.settings.creg = parse(mode, Failure::Cme(50))?;
                NOTHING
            }
            ("+CREG?" | "+CGREG?" | "+CEREG?", _) => {
                let name = name.trim_end_matches('?');
                one(format!("{name}: {},{}", self.settings.creg, self.registration))
            }
            ("+COPS?", _) if self.registered() => one("+COPS: 0,0,\"Testnetz\""),
            ("+COPS?", _) => one("+COPS: 0"),
            _ => Err(Failure::Plain),
        }
    }
}

/// A number, or the failure.
pub(super) fn parse<T: std::str::FromStr>(text: &str, failure: Failure) -> Result<T, Failure> {
    text.trim().parse().map_err(|_| failure)
}

/// The commands of a line: basic ones follow each other directly, others after a semicolon. What comes after `=` is the
/// argument; a `?` is kept with the name.
fn split(line: &str) -> Vec<(String, Option<String>)> {
    let mut commands = Vec::new();
    let mut rest = line.trim_start_matches([' ', ';']);
    while let Some(first) = rest.chars().next() {
        let end = if first.is_ascii_alphabetic() || first == '&' { basic_end(rest) } else { extended_end(rest) };
        let (command, after) = rest.split_at(end);
        let (name, argument) = match command.split_once('=') {
            Some((name, argument)) => (name, Some(argument.to_owned())),
            None => (command, None),
        };
        commands.push((name.trim().to_ascii_uppercase(), argument));
        rest = after.trim_start_matches([' ', ';']);
    }
    commands
}

/// A letter, `&` before it perhaps, and digits; `S` goes on with a value.
fn basic_end(text: &str) -> usize {
    if text.starts_with(['S', 's']) {
        return extended_end(text);
    }
    let head = text.char_indices().position(|(_, letter)| letter.is_ascii_alphabetic()).map_or(1, |at| at + 1);
    text.char_indices().skip(head).find(|(_, letter)| !letter.is_ascii_digit()).map_or(text.len(), |(at, _)| at)
}

/// Up to a semicolon outside quotes.
fn extended_end(text: &str) -> usize {
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ';' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line, and the commands it holds.
    type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    #[test]
    fn lines_are_split_into_commands() {
        let table: [Row<'_>; 8] = [
            ("", &[]),
            ("E0", &[("E0", None)]),
            ("E0V1+CMEE=1;+CREG?", &[("E0", None), ("V1", None), ("+CMEE", Some("1")), ("+CREG?", None)]),
            ("&F", &[("&F", None)]),
            ("S0=0", &[("S0", Some("0"))]),
            ("+cpms=\"SM\",\"SM\"", &[("+CPMS", Some("\"SM\",\"SM\""))]),
            ("+CUSD=1,\"a;b\",15;+CSQ", &[("+CUSD", Some("1,\"a;b\",15")), ("+CSQ", None)]),
            ("&", &[("&", None)]),
        ];
        for (line, commands) in table {
            let expected: Vec<_> =
                commands.iter().map(|(name, argument)| ((*name).to_owned(), argument.map(str::to_owned))).collect();
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn failures_are_written_as_asked() {
        let table = [
            (0, Failure::Cme(10), "ERROR"),
            (1, Failure::Cme(10), "+CME ERROR: 10"),
            (2, Failure::Cme(10), "+CME ERROR: SIM not inserted"),
            (1, Failure::Cms(321), "+CMS ERROR: 321"),
            (2, Failure::Cms(321), "+CMS ERROR: invalid memory index"),
            (2, Failure::Plain, "ERROR"),
        ];
        for (errors, failure, written) in table {
            assert_eq!(failure.written(errors).to_lowercase(), written.to_lowercase());
        }
    }
}
