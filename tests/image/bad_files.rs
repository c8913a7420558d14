//! Files that a box must refuse, several at a time: what is wrong with each, and what `result.txt` has to say of it.

use crate::operator::{PUBLIC_KEY, gateway};

/// Files that are put on SGCONFIG together.
pub struct Round {
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// File, line and reason, of each thing that is wrong.
    pub told: Vec<&'static str>,
    /// What must not be told.
    pub secrets: Vec<&'static str>,
}

const SIMS: &str = "[00]\nport = /dev/sms/*\nimei = 490154203237518\ncosts_per_sms = 0.09\n";

/// First what is no text or no file of its kind, then what is wrong in it.
pub fn rounds() -> [Round; 2] {
    let issue = || smsgate::tls::issue(&["localhost".to_owned()], &[], jiff::Zoned::now().date(), 30).unwrap();
    let (one, other) = (issue(), issue());
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(SIMS.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let unreadable = Round {
        files: vec![
            ("sim-cards.conf", utf16),
            ("smsgate.conf", b"[server]\n# Z\xfcrich\n".to_vec()),
            ("network.conf", vec![b'#'; (256 << 10) + 1]),
            ("authorized_keys", one.key.clone().into_bytes()),
            ("tls.crt", one.chain.clone().into_bytes()),
            ("mail-ca.pem", b"VerySecretNote\n".to_vec()),
            ("syslog-ca.pem", b"one\ntwo\0\n".to_vec()),
        ],
        told: vec![
            "sim-cards.conf: is UTF-16, which is not read here; save it as UTF-8",
            "smsgate.conf:2: is not UTF-8; save it as UTF-8",
            "network.conf: has 262145 octets, 262144 are allowed; put the right file there",
            "authorized_keys:1: is a private key; remove it from this card",
            "tls.crt: comes without tls.key; put both there",
            "mail-ca.pem: holds no certificate",
            "syslog-ca.pem:2: has a NUL character; write the file anew",
        ],
        secrets: vec!["VerySecretNote", "BEGIN PRIVATE KEY"],
    };
    let gateway = gateway(1) + "[mail]\nenabled = True\nserver = 10.0.2.100\nca = my.pem\n";
    let lines = |words: &str| 1 + gateway.lines().position(|line| line.starts_with(words)).unwrap();
    assert_eq!(lines("[mail]"), 11, "as it is told below");
    let wrong = Round {
        files: vec![
            ("sim-cards.conf", (SIMS.replace("imei", "pin = Geheim\nimei") + "imei = 1\nbaud = quick\n").into_bytes()),
            ("smsgate.conf", gateway.into_bytes()),
            (
                "network.conf",
                b"[network]\naddress = 192.0.2.7\nhostname = other box\n[time]\nzone = Mars/Base\n[wlan]\n".to_vec(),
            ),
            ("authorized_keys", format!("# mine\ncommand=\"/bin/sh\" {PUBLIC_KEY}").into_bytes()),
            ("tls.crt", one.chain.clone().into_bytes()),
            ("tls.key", other.key.clone().into_bytes()),
        ],
        told: vec![
            "sim-cards.conf:3: `pin` is not a PIN; write 4 to 8",
            "sim-cards.conf:6: `imei` is already given in line 4; keep one",
            "sim-cards.conf:7: `baud` is not a whole number",
            "smsgate.conf:11: `[mail]` has no `",
            "network.conf:2: `address`: `192.0.2.7` has no prefix",
            "network.conf:3: `hostname`",
            "network.conf:5: `zone` is not a time zone",
            "network.conf:6: there is no section `[wlan]`",
            "authorized_keys:2: has options before the key",
            "tls.key: is not the key of the certificate in",
        ],
        secrets: vec!["Geheim", "BEGIN PRIVATE KEY"],
    };
    [unreadable, wrong]
}
