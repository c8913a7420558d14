//! The operator's files on SGCONFIG, all of them together: what is refused is refused with findings about lines that
//! exist; what is accepted is a configuration the daemon loads, and judged again it is accepted as it is, with no new
//! token. No value gets a line of its own in what is rendered.
//!
//! The input is a text in which a line `=== NAME` begins a file.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use smsgate::{
    config::{Severity, Source, load},
    provision::{
        candidate::{Accepted, Files, Layout, Refusal, World, judge},
        finding::{self, Finding},
        keys,
        media::{self, Entry, Kind, NAMES},
        tokens::Token,
    },
};
use smsgate_fuzz::{box_files, page};

fuzz_target!(|octets: &[u8]| {
    let parts = parts(octets);
    let entries: Vec<Entry> = parts
        .iter()
        .map(|(name, octets)| Entry {
            name: name.clone(),
            kind: Kind::File,
            size: u64::try_from(octets.len()).expect("small"),
        })
        .collect();
    let sorted = media::sort(&entries);
    for problem in sorted.problems.iter().chain(&sorted.remarks) {
        page::one_line(&problem.to_string());
    }
    let mut given = Files::new();
    for (name, written) in sorted.given {
        assert!(NAMES.contains(&name) && name.eq_ignore_ascii_case(&written));
        match media::text(name, parts.get(&written).map_or(b"".as_slice(), Vec::as_slice)) {
            Ok(Some(text)) => {
                assert!(!text.contains(['\u{feff}', '\0']) || !text.starts_with('\u{feff}') && !text.contains('\0'));
                given.insert(name.to_owned(), text);
            }
            Ok(None) => {}
            Err(problem) => page::one_line(&problem.to_string()),
        }
    }
    match judged(&given, &Files::new()) {
        Err(Refusal::Bad(findings)) => {
            assert!(!findings.is_empty());
            told(&findings, &given);
        }
        Err(Refusal::Tokens(why)) => panic!("{why}"),
        Ok(accepted) => sound(&accepted, &given),
    }
});

/// Each file once: on FAT no name is there twice.
fn parts(octets: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        if let Some(name) = line.strip_prefix(b"=== ") {
            current = Some(String::from_utf8_lossy(name).trim().to_owned());
        } else if let Some(name) = &current {
            parts.entry(name.clone()).or_default().extend(line);
        }
    }
    parts
}

fn judged(given: &Files, current: &Files) -> Result<Accepted, Refusal> {
    let mut count = 0;
    let mut mint = || {
        count += 1;
        Ok(Token { token: format!("token{count}"), hash: format!("sha256:{count:064}") })
    };
    let layout = Layout { data: "/data".to_owned() };
    let is_zone = |zone: &str| matches!(zone, "UTC" | "Europe/Zurich");
    let now = "2026-06-01T00:00:00Z".parse().expect("a time");
    judge(given, current, &World { layout: &layout, now, is_zone: &is_zone }, &mut mint)
}

fn told(findings: &[Finding], given: &Files) {
    assert!(finding::told(findings).len() <= 41);
    for finding in findings {
        let text = given.get(&finding.file).map_or("", String::as_str);
        // Of a file that was not given, there is no line to be told.
        assert!(given.contains_key(&finding.file) || finding.line.is_none(), "{finding:?}");
        page::finding(finding, text);
        page::secrets_are_hidden(text, &finding.to_string());
    }
}

fn sound(accepted: &Accepted, given: &Files) {
    told(&accepted.remarks, given);
    box_files::rendered(&accepted.network);
    let text = |name: &str| accepted.files.get(name).map_or("", String::as_str);
    let (gateway, sims) = (text("smsgate.conf"), text("sim-cards.conf"));
    let (config, diagnostics) =
        load(Source { name: "smsgate.conf", text: gateway }, Source { name: "sim-cards.conf", text: sims });
    assert!(config.is_some() && diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning));
    let server = &accepted.config.gateway.server;
    assert!(server.host == "::" && server.port >= 1024 && server.port != 5353);
    assert!(server.key.starts_with("/data") && server.certificate.starts_with("/data"), "{gateway}");
    assert!(accepted.files.get("authorized_keys").is_none_or(|text| keys::any(text)));
    for made in &accepted.made {
        assert!(!gateway.contains(&made.token), "a token itself is in the file");
    }
    match judged(&Files::new(), &accepted.files) {
        Ok(again) => {
            assert!(again.made.is_empty() && again.remarks.is_empty());
            assert_eq!(again.files, accepted.files);
            assert_eq!(again.network, accepted.network);
        }
        Err(Refusal::Bad(findings)) => panic!("refused when it is in force: {findings:?}"),
        Err(Refusal::Tokens(why)) => panic!("{why}"),
    }
}
