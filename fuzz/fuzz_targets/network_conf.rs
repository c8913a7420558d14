//! `network.conf`: any text is a network or findings, each with a line that exists; what is read, written in the order
//! of the manual, reads the same; and nothing in it becomes a line of its own in what systemd, nftables and rsyslog get.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smsgate::provision::{media, network};
use smsgate_fuzz::{box_files, page};

const NAME: &str = "network.conf";

fuzz_target!(|octets: &[u8]| {
    let text = match media::text(NAME, octets) {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(finding) => return page::finding(&finding, &String::from_utf8_lossy(octets)),
    };
    let is_zone = |zone: &str| matches!(zone, "UTC" | "Europe/Zurich");
    match network::read(NAME, &text, is_zone) {
        Ok(network) => {
            box_files::rendered(&network);
            let written = box_files::network_conf(&network);
            assert_eq!(network::read(NAME, &written, is_zone), Ok(network), "{written}");
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            for finding in &findings {
                page::finding(finding, &text);
                assert!(finding.line.is_some() && !finding.remedy.is_empty(), "{finding:?}");
            }
        }
    }
});
