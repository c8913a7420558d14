//! Whatever text is given as a configuration: no panic, places within the text, and no secret in what is shown.

use proptest::prelude::*;
use smsgate::config::{self, Source};

const GATEWAY: &str = include_str!("../conf/smsgate.conf.example");
const SIMS: &str = include_str!("../conf/sim-cards.conf.example");

/// Loads, renders, and checks every place.
fn survive(gateway: &str, sims: &str) -> String {
    let sources = [Source { name: "g", text: gateway }, Source { name: "s", text: sims }];
    let (config, diagnostics) = config::load(sources[0], sources[1]);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == config::Severity::Error).count();
    assert_eq!(config.is_none(), errors > 0);
    for diagnostic in &diagnostics {
        if let Some(place) = &diagnostic.place {
            let text = if diagnostic.file == "g" { gateway } else { sims };
            let lines = text.replace("\r\n", "\n").matches(['\n', '\r']).count() + 1;
            assert!(text.get(place.span.clone()).is_some(), "{diagnostic:?}");
            assert!((1..=lines).contains(&place.line) && place.column > 0, "{diagnostic:?}");
            assert_eq!(place.text.len(), place.span.len());
        }
    }
    let shown = config::render(&diagnostics, &sources, false);
    let logged = diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    shown + &logged
}

#[test]
fn files_cut_anywhere_are_survived() {
    // 7 meets every place within a line sooner or later.
    for end in (0..=GATEWAY.len()).step_by(7).filter(|end| GATEWAY.is_char_boundary(*end)) {
        survive(&GATEWAY[..end], "");
    }
    for end in (0..=SIMS.len()).step_by(7).filter(|end| SIMS.is_char_boundary(*end)) {
        survive("", &SIMS[..end]);
    }
}

#[test]
fn lines_joined_indented_or_torn_show_no_secret() {
    let secret = "hunter2secret";
    let gateway = GATEWAY.replace("change-me", secret);
    let sims = SIMS.replace("pin =", &format!("pin = {secret}"));
    let damage: [fn(&str) -> String; 5] = [
        |line| format!("  {line}"),
        |line| line.replacen('=', " ", 1),
        |line| line.replacen('=', "\n", 1),
        |line| line.replacen('=', "=\n   ", 1),
        |line| line.chars().skip(1).collect(),
    ];
    for (gateway, sims) in [(gateway.as_str(), SIMS), (GATEWAY, sims.as_str())] {
        for damage in damage {
            let damaged = |text: &str| {
                let line = |line: &str| if line.contains(secret) { damage(line) } else { line.to_owned() };
                text.lines().map(line).collect::<Vec<_>>().join("\n")
            };
            let shown = survive(&damaged(gateway), &damaged(sims));
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_survived(gateway in "[\\[\\]=:%()#; \\t\\r\\nsamapiκ\u{feff}\u{85}*+-]{0,80}", sims in "\\PC{0,60}") {
        survive(&gateway, &sims);
        survive(&sims, &gateway);
    }
}
