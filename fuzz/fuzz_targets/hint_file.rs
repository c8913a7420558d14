//! The hint file (which modem was at which port): any octets give only plausible pairs, pairs that are written read the
//! same, and a file cut anywhere, with zeros behind the cut or without, has no pair that the whole one has not.
//!
//! Up to the first `=== ` the input is the file; behind it is a port to be remembered.

#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use smsgate::{
    model::Imei,
    modem::hints::{Hints, parse, render},
};

fuzz_target!(|octets: &[u8]| {
    let mark = octets.windows(4).position(|window| window == b"=== ").unwrap_or(octets.len());
    let (file, port) = octets.split_at(mark);
    let found = parse(file);
    for (imei, port) in &found {
        assert!((14..=17).contains(&imei.as_str().len()) && imei.as_str().bytes().all(|octet| octet.is_ascii_digit()));
        assert!(port.is_absolute());
    }
    let written = render(&found);
    assert_eq!(parse(written.as_bytes()), found, "{written:?}");

    for end in 0..written.len() {
        let mut torn = written.as_bytes()[..end].to_vec();
        for _ in 0..2 {
            for (imei, port) in parse(&torn) {
                assert_eq!(found.get(&imei), Some(&port), "cut at {end}: {written:?}");
            }
            torn.extend([0; 16]);
        }
    }

    let port = port.strip_prefix(b"=== ").and_then(|port| std::str::from_utf8(port).ok()).unwrap_or("/dev/ttyUSB0");
    remembered(Path::new(port), &found.into_iter().collect::<Vec<_>>());
});

/// What is remembered is what is known then, whether or not a file can hold it; nothing else changes.
fn remembered(port: &Path, pairs: &[(Imei, PathBuf)]) {
    let mut hints = Hints::load(None);
    for (imei, port) in pairs {
        hints.remember(imei, port).expect("without a file");
    }
    let mine = Imei::parse("490154203237518").expect("an IMEI");
    hints.remember(&mine, port).expect("without a file");
    assert_eq!(hints.port_of(&mine), Some(port));
    let known: Vec<(&Imei, &Path)> = pairs
        .iter()
        .filter_map(|(imei, _)| Some((imei, hints.port_of(imei)?)))
        .filter(|(imei, _)| **imei != mine)
        .collect();
    for (place, (imei, there)) in known.iter().enumerate() {
        assert!(*there != port && !known[..place].iter().any(|(_, other)| other == there), "two on one port");
        assert!(pairs.iter().any(|(other, port)| other == *imei && port == there));
    }
    let pairs = known.into_iter().chain([(&mine, port)]).map(|(imei, port)| (imei.clone(), port.to_owned())).collect();
    for (imei, port) in parse(render(&pairs).as_bytes()) {
        assert_eq!(pairs.get(&imei), Some(&port), "a hint nobody gave");
    }
}
