//! `sim-cards.conf.suggested`: a section for each modem that no slot has, which the daemon takes as it stands. What only
//! the operator knows (PIN, number, where the SIM may send to) waits in remarks.

use std::collections::BTreeSet;

use super::result::Modem;
use crate::model::Imei;

/// The file's name.
pub const SUGGESTED_FILE: &str = "sim-cards.conf.suggested";

/// The text; `None` if every modem has its slot. `pattern` matches the ports of all modems, `slots` are taken names.
#[must_use]
pub fn render(modems: &[Modem], slots: &[String], pattern: &str) -> Option<String> {
    let mut free = (0..).map(|number| format!("{number:02}")).filter(|name| !slots.contains(name));
    let mut seen = BTreeSet::new();
    let mut sections = String::new();
    for modem in modems.iter().filter(|modem| modem.slot.is_none()) {
        let imei = Imei::parse(&modem.imei);
        // A modem with two ports for commands is found twice.
        if imei.is_some() && !seen.insert(&modem.imei) {
            continue;
        }
        sections.push_str(&section(&free.next().unwrap_or_default(), modem, imei.is_some(), pattern));
    }
    if sections.is_empty() {
        return None;
    }
    let head = if slots.is_empty() {
        "# Modems that were found. Complete this, rename it to sim-cards.conf, start the box again."
    } else {
        "# Modems that no slot has. Add these sections to your sim-cards.conf, which has to name the others too, put it\n\
         # on this card and start the box again."
    };
    Some(format!("{head}\n# Lines with # are remarks: remove the # where you fill something in.\n{sections}"))
}

fn section(name: &str, modem: &Modem, has_imei: bool, pattern: &str) -> String {
    let mut text = format!("\n[{name}]\n");
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let known = |text: &str| if text.is_empty() { "not known".to_owned() } else { plain(text) };
    line(format!("# {}, found at {}", known(&modem.model), plain(&modem.port)));
    line(format!("# SIM card {}, IMSI {}", known(&modem.iccid), known(&modem.imsi)));
    if has_imei {
        line(format!("port = {pattern}"));
        line(format!("imei = {}", modem.imei));
    } else {
        line(format!("port = {}", modem.port.replace('%', "%%")));
    }
    for remark in [
        "# The PIN, if the card asks for one.",
        "#pin = 1234",
        "# Its number.",
        "#phone_number = +491760000000",
        "# Which numbers it may send to, by how they begin; without it, to none.",
        "#prefixes = +",
        "# What an SMS costs: the cheapest card that may send is taken.",
        "costs_per_sms = 0.00",
    ] {
        line(remark.to_owned());
    }
    text
}

/// What a modem says must not become a line of its own.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    fn modem(port: &str, imei: &str, slot: Option<&str>) -> Modem {
        Modem {
            port: port.to_owned(),
            imei: imei.to_owned(),
            slot: slot.map(str::to_owned),
            model: "SIMCOM\n[07]".to_owned(),
            ..Modem::default()
        }
    }

    #[test]
    fn the_daemon_takes_it_as_it_stands() {
        let modems = [
            modem("/dev/sms/a", "490154203237518", None),
            modem("/dev/sms/b", "490154203237518", None),
            modem("/dev/sms/c", "490154203237526", Some("00")),
            modem("/dev/sms/d", "", None),
        ];
        let text = render(&modems, &["00".to_owned(), "02".to_owned()], "/dev/sms/*").unwrap();
        let gateway = "[mail]\nenabled = no\n[server]\ncertificate = c\nkey = k\n";
        let gateway = Source { name: "smsgate.conf", text: gateway };
        let (config, problems) = config::load(gateway, Source { name: SUGGESTED_FILE, text: &text });
        assert_eq!(problems, []);
        let slots = config.unwrap().slots;
        let found: Vec<_> =
            slots.iter().map(|slot| (slot.id.as_str(), slot.port.as_str(), slot.imei.is_some())).collect();
        assert_eq!(found, [("01", "/dev/sms/*", true), ("03", "/dev/sms/d", false)]);
        assert!(render(&[modem("a", "", Some("00"))], &[], "x").is_none());
    }
}
