//! `result.txt`: what became of the operator's files, how the box is reached, what is plugged into it.
//!
//! The same facts give the same text. What a modem is doing and how strong its signal is, is shown but is no fact: it
//! differs each time, and a card is not to be written for that.

use aws_lc_rs::digest::{SHA256, digest};

use super::{memory::Outcome, tokens::Made};

/// The file's name.
pub const RESULT_FILE: &str = "result.txt";

/// Everything to be told.
#[derive(Clone, Copy, Default)]
pub struct Report<'a> {
    /// How the last files fared.
    pub outcome: &'a [Outcome],
    /// Names that may be mistakes.
    pub names: &'a [String],
    /// What became of SIM cards to be accepted.
    pub cards: &'a [String],
    /// Number of the generation in force.
    pub generation: u64,
    /// The box's name.
    pub hostname: &'a str,
    /// The API's port.
    pub port: u16,
    /// Of the server's certificate.
    pub fingerprint: &'a str,
    /// The operator brought the certificate.
    pub own_certificate: bool,
    /// Tokens nobody was shown.
    pub tokens: &'a [Made],
    /// Whatever only the running box knows; none before it runs.
    pub running: Option<&'a Running>,
}

/// What the running box knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Running {
    /// Its addresses, without those that every machine has.
    pub addresses: Vec<String>,
    /// Its modems.
    pub modems: Vec<Modem>,
    /// What it could not find out.
    pub gaps: Vec<String>,
}

/// A modem.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Modem {
    /// Its port.
    pub port: String,
    /// The slot it belongs to, if one.
    pub slot: Option<String>,
    /// Manufacturer and model.
    pub model: String,
    /// IMEI.
    pub imei: String,
    /// IMSI.
    pub imsi: String,
    /// Serial number of the card.
    pub iccid: String,
    /// In one sentence.
    pub state: String,
    /// CSQ; 99 = not known.
    pub signal: u8,
}

/// The text.
#[must_use]
pub fn render(report: &Report<'_>) -> String {
    written(report, true)
}

/// A digest of all facts.
#[must_use]
pub fn facts(report: &Report<'_>) -> String {
    let text = written(&Report { tokens: &[], ..*report }, false);
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

fn written(report: &Report<'_>, with_state: bool) -> String {
    let mut page = Page(String::new());
    page.line(&format!("smsgate, box {}", report.hostname));
    for outcome in report.outcome {
        page.outcome(outcome, report.generation);
    }
    page.list("Names on this card that mean nothing to the box:", report.names);
    if !report.cards.is_empty() {
        page.head("SIM cards to be accepted");
        report.cards.iter().for_each(|line| page.line(line));
    }
    page.head("How to reach it");
    page.line(&format!("API:         https://{}.local:{}/", report.hostname, report.port));
    if let Some(running) = report.running {
        let addresses = if running.addresses.is_empty() { "none yet".to_owned() } else { running.addresses.join(", ") };
        page.line(&format!("Addresses:   {addresses}"));
    }
    page.line(&format!(
        "Certificate: {}",
        if report.own_certificate {
            "yours (tls.crt)"
        } else {
            "the box's own; clients trust ca.pem, which lies beside this file"
        }
    ));
    page.line(&format!("SHA-256:     {}", report.fingerprint));
    page.tokens(report.tokens);
    match report.running {
        Some(running) => page.modems(running, with_state),
        None => {
            page.head("Modems");
            page.line("The box has yet to look at them. Leave it running for some minutes; it writes this file again.");
        }
    }
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn head(&mut self, text: &str) {
        self.line(&format!("\n{text}\n{}", "-".repeat(text.chars().count())));
    }

    fn list(&mut self, head: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.line(&format!("\n{head}"));
        lines.iter().for_each(|line| self.line(&format!("  {line}")));
    }

    fn outcome(&mut self, outcome: &Outcome, generation: u64) {
        self.head("Your files");
        if !outcome.problems.is_empty() {
            self.line("NOT APPLIED. Nothing was changed: the configuration before these files is in force.");
            self.list("What to mend:", &outcome.problems);
        } else if outcome.applied.is_empty() {
            self.line("OK: there was nothing to apply.");
        } else {
            self.line(&format!("OK, applied: {}.", outcome.applied.join(", ")));
        }
        self.list("Good to know:", &outcome.remarks);
        self.line(&format!("\nConfiguration in force: number {generation}."));
    }

    fn tokens(&mut self, tokens: &[Made]) {
        if tokens.is_empty() {
            return;
        }
        self.head("Tokens - copy them now");
        self.line(
            "They are shown this once: the box keeps no copy, and they are gone as soon as it writes this file again.",
        );
        let width = tokens.iter().map(|made| made.opens.chars().count()).max().unwrap_or(0);
        tokens.iter().for_each(|made| self.line(&format!("  {:width$}  {}", made.opens, made.token)));
    }

    fn modems(&mut self, running: &Running, with_state: bool) {
        self.head("Modems");
        if running.modems.is_empty() {
            self.line("None was found.");
        }
        for modem in &running.modems {
            let slot = modem.slot.as_ref().map_or_else(|| "no slot yet".to_owned(), |slot| format!("slot {slot}"));
            let known = |text: &str| if text.is_empty() { "not known".to_owned() } else { text.to_owned() };
            self.line(&format!("{} ({slot}): {}", known(&modem.port), known(&modem.model)));
            self.line(&format!(
                "  IMEI {}, IMSI {}, ICCID {}",
                known(&modem.imei),
                known(&modem.imsi),
                known(&modem.iccid)
            ));
            if with_state {
                self.line(&format!("  {}, {}", known(modem.state.trim_end_matches('.')), strength(modem.signal)));
            }
        }
        self.list("What could not be found out:", &running.gaps);
    }
}

/// TS 27.007 8.5: 0 is -113 dBm or less, each step 2 dB.
fn strength(csq: u8) -> String {
    if csq > 31 { "signal not known".to_owned() } else { format!("signal {} dBm", i32::from(csq) * 2 - 113) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_comes_first_and_tokens_are_no_fact() {
        let outcome = [Outcome { problems: vec!["smsgate.conf:3: bad; mend it".to_owned()], ..Outcome::default() }];
        let tokens = [Made { opens: "send_sms".to_owned(), token: "T0ken".to_owned() }];
        let modem = Modem { port: "/dev/sms/1".to_owned(), signal: 20, state: "Ready.".to_owned(), ..Modem::default() };
        let running = Running { modems: vec![modem], ..Running::default() };
        let report = Report {
            outcome: &outcome,
            hostname: "box",
            tokens: &tokens,
            running: Some(&running),
            ..Report::default()
        };
        let text = render(&report);
        assert!(text.contains("NOT APPLIED") && text.contains("\n  smsgate.conf:3: bad; mend it\n"), "{text}");
        assert!(text.contains("  send_sms  T0ken\n") && text.contains("  Ready, signal -73 dBm\n"), "{text}");

        let weak = Running { modems: vec![Modem { signal: 3, ..running.modems[0].clone() }], ..Running::default() };
        let other = Report { tokens: &[], running: Some(&weak), ..report };
        assert!(!render(&other).contains("T0ken"));
        assert_eq!(facts(&other), facts(&Report { tokens: &tokens, ..other }));
        let moved = Running { addresses: vec!["192.0.2.7".to_owned()], ..weak.clone() };
        assert_ne!(facts(&other), facts(&Report { running: Some(&moved), tokens: &[], ..other }));
    }
}
