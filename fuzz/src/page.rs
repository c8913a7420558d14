//! What the operator is told of a file: lines that exist, on one line, without what could disturb a terminal.

use smsgate::{
    config::{Diagnostic, Difference, Severity, Source, ini, load, place_of, render},
    provision::finding::Finding,
};

/// Lines of a text with universal line ends. The one behind the last line end counts too.
pub fn lines(text: &str) -> usize {
    text.replace("\r\n", "\n").matches(['\n', '\r']).count() + 1
}

/// A diagnostic's place is one of `text`, and what it quotes is as long as what stands there.
pub fn diagnostic(diagnostic: &Diagnostic, text: &str) {
    one_line(&diagnostic.to_string());
    let Some(place) = &diagnostic.place else { return };
    assert!(text.get(place.span.clone()).is_some(), "{diagnostic:?}");
    assert!((1..=lines(text)).contains(&place.line) && place.column > 0, "{diagnostic:?}");
    assert_eq!(place.text.len(), place.span.len(), "{diagnostic:?}");
}

/// The same for what provisioning finds.
pub fn finding(finding: &Finding, text: &str) {
    one_line(&finding.to_string());
    let line = finding.line.unwrap_or(1);
    assert!((1..=lines(text)).contains(&line), "{finding:?} of {} lines", lines(text));
}

/// Nothing that ends a line or steers a terminal.
pub fn one_line(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// What stands behind a secret's key, as a fuzzer's dictionary has it: nothing shown may contain it.
pub const SECRET: &str = "hunter2";

/// `shown` keeps the secrets of `text`. Where the secret stands in another place too, nothing is asked.
pub fn secrets_are_hidden(text: &str, shown: &str) {
    let (file, _) = ini::read(text);
    let keys = |key: &str| matches!(key, "password" | "pin") || key.starts_with("token_");
    let entries = file.everything().flat_map(|section| &section.entries).filter(|entry| keys(&entry.key));
    let secret: usize = entries.map(|entry| entry.raw.matches(SECRET).count()).sum();
    if secret > 0 && secret == text.to_lowercase().matches(SECRET).count() {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}

/// What both configuration files have in common: there is a configuration unless an error is told, every place is one of
/// the files, nothing shown has a secret, and a configuration is no different from itself.
pub fn configuration(gateway: &str, sims: &str) {
    let sources = [Source { name: "gateway", text: gateway }, Source { name: "sims", text: sims }];
    let (config, diagnostics) = load(sources[0], sources[1]);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    assert_eq!(config.is_none(), errors > 0, "{diagnostics:?}");
    for found in &diagnostics {
        diagnostic(found, if found.file == "gateway" { gateway } else { sims });
    }
    let mut shown = render(&diagnostics, &sources, false);
    shown.extend(diagnostics.iter().map(ToString::to_string));
    let Some(config) = config else {
        secrets_are_hidden(gateway, &shown);
        secrets_are_hidden(sims, &shown);
        return;
    };
    shown.push_str(&format!("{config:?}"));
    secrets_are_hidden(gateway, &shown);
    secrets_are_hidden(sims, &shown);
    let (again, _) = load(sources[0], sources[1]);
    assert!(again.is_some_and(|again| Difference::between(&config, &again).is_empty()));
    for slot in &config.slots {
        let place = place_of(sources[1], slot.id.as_str(), "port").expect("its section is there");
        assert!((1..=lines(sims)).contains(&place.line));
    }
}

/// References in a file's values end, and are no longer than what is left of them.
pub fn values(text: &str) {
    let (file, faults) = ini::read(text);
    for fault in faults {
        assert!(text.get(fault.span.clone()).is_some(), "{fault:?}");
    }
    for section in file.everything() {
        assert!(text.get(section.span.clone()).is_some_and(|name| name == section.name || name.is_empty()));
        for entry in &section.entries {
            assert!(text.get(entry.key_span.clone()).is_some_and(|key| key.to_lowercase() == entry.key));
            if let Ok(value) = file.value(section, entry) {
                assert!(entry.raw.contains('%') || value == entry.raw);
                assert!(value.len() <= text.len().max(LONGEST_VALUE), "{} octets of {}", value.len(), text.len());
            }
        }
    }
}

/// More than a value can have that makes sense.
const LONGEST_VALUE: usize = 64 << 10;
