//! Files that are refused: the configuration stays, the partition stays, `result.txt` says where and why.

use std::{fs, os::unix::fs::symlink};

use crate::folders::{Folders, GATEWAY, KEY, SIMS};

/// Puts something bad on a partition with good files beside it, and says what `result.txt` must have.
struct Bad {
    name: &'static str,
    content: Vec<u8>,
    told: &'static str,
}

fn bad(name: &'static str, content: impl AsRef<[u8]>, told: &'static str) -> Bad {
    Bad { name, content: content.as_ref().to_vec(), told }
}

fn all() -> Vec<Bad> {
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(SIMS.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let today = jiff::civil::date(2026, 1, 1);
    let make = || smsgate::tls::issue(&["localhost".to_owned()], &[], today, 825).unwrap();
    let expired = smsgate::tls::issue(&["localhost".to_owned()], &[], jiff::civil::date(2020, 1, 1), 30).unwrap();
    let (one, other) = (make(), make());
    let many_slots: String =
        (0..129).map(|number| format!("[{number}]\nport = /dev/ttyUSB{number}\ncosts_per_sms = 0\n")).collect();
    let slot = |line: &str| format!("{SIMS}{line}\n");
    vec![
        bad("sim-cards.conf", &utf16, "sim-cards.conf: is UTF-16, which is not read here; save it as UTF-8"),
        bad("sim-cards.conf", b"[00]\n# \xe4\n", "sim-cards.conf:2: is not UTF-8"),
        bad("sim-cards.conf", b"[00]\nport\0 = 1\n", "sim-cards.conf:2: has a NUL character"),
        bad("sim-cards.conf", vec![b'#'; 262_145], "sim-cards.conf: has 262145 octets, 262144 are allowed"),
        bad("sim-cards.conf", slot("baud = quick"), "sim-cards.conf:6: `baud` is not a whole number"),
        bad("sim-cards.conf", slot("imei = 1"), "sim-cards.conf:6: `imei` is already given in line 3; keep one"),
        bad("sim-cards.conf", SIMS.replace("9876", "GeheimX"), "sim-cards.conf:4: `pin` is not a PIN; write 4 to 8"),
        bad("sim-cards.conf", many_slots, "sim-cards.conf: has 129 slots, 128 are allowed; keep those whose modems"),
        bad("sim-cards.conf", "hello\n", "sim-cards.conf:1: this stands before the first section"),
        bad("sim-cards.conf", format!("{SIMS}{}", SIMS.replace("[00]", "[01]")), "slot `[00]` has the same IMEI"),
        bad("smsgate.conf", GATEWAY.replace("7000", "443"), "smsgate.conf:9: `port` is 443, which the gateway may not"),
        bad(
            "smsgate.conf",
            GATEWAY.replace("password = VerySecret\n", ""),
            "smsgate.conf:2: `[mail]` has no `password`",
        ),
        bad("smsgate.conf", format!("{GATEWAY}token_send_sms = GeheimX\n"), "has an entry that is not the hash"),
        bad("smsgate.conf", GATEWAY.replace("[server]", "ca = my.pem\n[server]"), "smsgate.conf:8: `ca` names a file"),
        bad("network.conf", "[network]\naddress = 192.0.2.7\n", "network.conf:2: `address`: `192.0.2.7` has no prefix"),
        bad("network.conf", "[time]\nzone = Mars/Base\n", "network.conf:2: `zone` is not a time zone"),
        bad("network.conf", "[time]\nzone = europe/zurich\n", "network.conf:2: `zone` is not a time zone"),
        bad("network.conf", "[wlan]\nssid = x\n", "network.conf:1: there is no section `[wlan]`"),
        bad("authorized_keys", format!("{KEY}hello\n"), "authorized_keys:2: is not an OpenSSH public key"),
        bad("authorized_keys", &one.key, "authorized_keys:1: is a private key; remove it from this card"),
        bad("tls.crt", &one.chain, "tls.crt: comes without tls.key; put both there"),
        bad("tls.key", &other.key, "tls.key: comes without tls.crt"),
        bad("tls.crt+tls.key", format!("{}+{}", one.chain, other.key), "tls.key: is not the key of the certificate in"),
        bad("tls.crt+tls.key", format!("{}+{}", expired.chain, expired.key), "tls.crt: ended on 2020-01-31"),
        bad("tls.crt+tls.key", format!("hello+{}", one.key), "tls.crt: holds no certificate"),
        bad("mail-ca.pem", "hello", "mail-ca.pem: holds no certificate"),
        bad("accept-sims", "00\n", "accept-sims: there is no slot whose card could be accepted; put it here together"),
    ]
}

#[test]
fn every_kind_of_bad_file_is_told_and_changes_nothing() {
    let folders = Folders::booted();
    let (config, tls) = (folders.snapshot("data/config"), folders.snapshot("data/tls"));
    for Bad { name, content, told } in all() {
        let names: Vec<&str> = name.split('+').collect();
        if let [certificate, key] = names[..] {
            let at =
                content.iter().position(|octet| *octet == b'+').filter(|at| content[at + 1..].starts_with(b"-----"));
            // Base64 has plus signs: the one between the two is that before the key's first line.
            let at = at.unwrap_or_else(|| content.windows(7).position(|window| window == b"+-----B").unwrap());
            folders.put(certificate, &content[..at]);
            folders.put(key, &content[at + 1..]);
        } else {
            folders.put(name, &content);
        }
        // A good file beside it is not taken either.
        if name != "network.conf" {
            folders.put("network.conf", "[network]\nhostname = other\n");
        }
        let before = given(&folders);
        folders.apply();
        let result = folders.result();
        assert!(result.contains("NOT APPLIED") && result.contains(told), "{told:?} is missing in\n{result}");
        assert_eq!(result.lines().filter(|line| line.starts_with("  ") && line.contains(": ")).count(), 1, "{result}");
        assert!(!result.contains("GeheimX"), "{result}");
        assert!(config == folders.snapshot("data/config") && tls == folders.snapshot("data/tls"), "{told}");
        assert!(before == given(&folders), "{told}: the partition was changed");
        before.keys().for_each(|path| fs::remove_file(path).unwrap());
    }
    folders.apply();
    assert!(folders.result().contains("OK: there was nothing to apply."), "{}", folders.result());
}

/// The operator's files: all but those the box writes.
fn given(folders: &Folders) -> crate::folders::Snapshot {
    let mut media = folders.snapshot("media");
    media.retain(|path, _| !path.ends_with("result.txt") && !path.ends_with("ca.pem") || path.ends_with("mail-ca.pem"));
    media
}

#[test]
fn a_folder_and_a_link_are_refused_and_not_followed() {
    let folders = Folders::booted();
    fs::create_dir(folders.at("media/network.conf")).unwrap();
    let elsewhere = folders.at("elsewhere");
    fs::write(&elsewhere, SIMS).unwrap();
    symlink(&elsewhere, folders.at("media/sim-cards.conf")).unwrap();
    folders.apply();
    let result = folders.result();
    assert!(result.contains("  network.conf: is a folder") && result.contains("  sim-cards.conf: is not an ordinary"));
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), SIMS);
    assert_eq!(folders.generation(), Some(1));
}

#[test]
fn bad_files_at_the_first_boot_leave_the_box_useful() {
    let folders = Folders::new();
    folders.put("smsgate.conf", "hello");
    folders.apply();
    let result = folders.result();
    assert!(result.contains("NOT APPLIED") && result.contains("Tokens - copy them now"), "{result}");
    assert_eq!(folders.generation(), Some(1));
    assert_eq!(folders.read("media/smsgate.conf"), "hello");
}

#[test]
fn misspelt_names_and_odd_settings_are_mentioned() {
    let folders = Folders::booted();
    folders.put("smsgate.conf.txt", GATEWAY);
    folders.put("sim-cards.conf", SIMS.replace("/dev/sms/*", "/dev/ttyUSB0"));
    folders.apply();
    let result = folders.result();
    for line in [
        "  smsgate.conf.txt: this name means nothing here; rename it to smsgate.conf if it is to be applied",
        "  sim-cards.conf:2: `[00]` is bound to /dev/ttyUSB0, a name that another modem may have after the next start",
    ] {
        assert!(result.contains(line), "{line} is missing in\n{result}");
    }
}
