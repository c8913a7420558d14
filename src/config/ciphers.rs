//! OpenSSL's names of cipher suites, as upstream's `ciphers` option has them, and IANA's, as rustls has them.
//!
//! Selecting words (`HIGH`, `!aNULL`) mean nothing here: whatever rustls offers is strong.

/// OpenSSL's name and IANA's, for each suite that rustls offers. TLS 1.3 has one name for both.
const SUITES: [(&str, &str); 9] = [
    ("TLS_AES_128_GCM_SHA256", "TLS13_AES_128_GCM_SHA256"),
    ("TLS_AES_256_GCM_SHA384", "TLS13_AES_256_GCM_SHA384"),
    ("TLS_CHACHA20_POLY1305_SHA256", "TLS13_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

/// What a cipher list comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ciphers {
    /// The suites by the names that `rustls::CipherSuite` prints (`TLS13_...` for TLS 1.3), in the order of the list.
    /// Empty = all that rustls offers.
    ///
    /// The option never concerned TLS 1.3 in upstream; a list that names none of its suites does not switch it off.
    pub suites: Vec<&'static str>,
    /// Names that are not offered.
    pub unknown: Vec<String>,
}

/// Reads a list of suites separated by colons, commas or blanks.
#[must_use]
pub fn suites(list: &str) -> Ciphers {
    let mut ciphers = Ciphers::default();
    for name in list.split(|c: char| c.is_whitespace() || c == ':' || c == ',').filter(|name| !name.is_empty()) {
        let known =
            SUITES.iter().find(|(openssl, iana)| name.eq_ignore_ascii_case(openssl) || name.eq_ignore_ascii_case(iana));
        match known {
            Some((_, iana)) if !ciphers.suites.contains(iana) => ciphers.suites.push(iana),
            Some(_) => {}
            None => ciphers.unknown.push(name.to_owned()),
        }
    }
    let names_1_3 = ciphers.suites.iter().any(|suite| suite.starts_with("TLS13_"));
    if !ciphers.suites.is_empty() && !names_1_3 {
        let all_1_3 = SUITES.iter().map(|(_, iana)| *iana).filter(|iana| iana.starts_with("TLS13_"));
        ciphers.suites.extend(all_1_3);
    }
    ciphers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_names_become_suites_and_the_rest_is_named() {
        let ciphers = suites("ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256:!aNULL");
        assert_eq!(ciphers.suites.len(), 4);
        assert_eq!(ciphers.suites[0], "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(ciphers.unknown, ["DHE-RSA-AES128-GCM-SHA256", "!aNULL"]);
        assert_eq!(suites("TLS_AES_128_GCM_SHA256").suites, ["TLS13_AES_128_GCM_SHA256"]);
        assert_eq!(suites(""), Ciphers::default());
    }

    #[test]
    fn every_suite_is_one_that_rustls_offers() {
        let offered = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
        let offered: Vec<_> = offered.iter().map(|suite| format!("{:?}", suite.suite())).collect();
        for (_, iana) in SUITES {
            assert!(offered.iter().any(|name| name == iana), "{iana} is not among {offered:?}");
        }
        assert_eq!(offered.len(), SUITES.len());
    }
}
