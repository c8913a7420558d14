//! `smsgate.conf`: any text is a configuration or errors, each with a line that exists; no secret is shown; values with
//! references stay bounded. Where the appliance sets its own keys (`provision::owned`), these have the value wanted and
//! the operator's others are what they were, at the lines he is told.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::{
    config::ini,
    provision::{
        media,
        owned::{self, Owned},
    },
};
use smsgate_fuzz::page;

const SIMS: &str = "[00]\nport = /dev/ttyUSB0\ncosts_per_sms = 0.09\n";
const NAME: &str = "smsgate.conf";

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    page::values(text);
    page::configuration(text, SIMS);
    // Provisioning gets its texts from here.
    if let Ok(Some(text)) = media::text(NAME, octets) {
        own_keys(&text);
    }
});

fn own_keys(text: &str) {
    let key = |section, key, value: &str| Owned { section, key, value: value.to_owned() };
    let keys = [
        key("server", "host", "::"),
        key("server", "certificate", "/data/tls/100%.pem"),
        key("store", "path", "/data/store/smsgate.db"),
    ];
    let (before, faults) = ini::read(text);
    let edited = owned::set(NAME, text, &keys);
    edited.remarks.iter().for_each(|remark| page::finding(remark, text));
    for line in 1..=edited.text.lines().count() {
        assert!((1..=page::lines(text)).contains(&edited.original_line(line)), "line {line} of {:?}", edited.text);
    }
    if !faults.is_empty() {
        return;
    }
    let (after, faults) = ini::read(&edited.text);
    assert_eq!(faults, [], "{:?}", edited.text);
    for owned in &keys {
        let section = after.section(owned.section).expect("the section");
        let entry = section.entry(owned.key).expect("the key");
        assert_eq!(after.value(section, entry).as_ref(), Ok(&owned.value), "{:?}", edited.text);
    }
    let is_owned = |section: &str, name: &str| keys.iter().any(|owned| owned.section == section && owned.key == name);
    let others = |file: &ini::Ini| -> Vec<(String, String, String)> {
        let sections = file.everything().flat_map(|section| section.entries.iter().map(|entry| (&section.name, entry)));
        let others = sections.filter(|(section, entry)| !is_owned(section, &entry.key));
        others.map(|(section, entry)| (section.clone(), entry.key.clone(), entry.raw.clone())).collect()
    };
    assert_eq!(others(&after), others(&before), "{:?}", edited.text);
    let again = owned::set(NAME, &edited.text, &keys);
    assert_eq!(again.text, edited.text, "a second time changes nothing");
}
