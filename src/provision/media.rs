//! What lies on the operator's partition: which of its entries are files to apply, which are not and why, and their
//! octets to text.
//!
//! FAT has no upper and lower case that means anything, so names are compared without it. Whatever is not named here is
//! the operator's own business and is left alone; a name that is nearly one of these is mentioned. Reading and writing
//! is the business of `super::exchange`.

use super::finding::Finding;
use crate::config_files::{GATEWAY_FILE, SIMS_FILE};

/// `network.conf`.
pub const NETWORK_FILE: &str = "network.conf";
/// Public keys for SSH.
pub const KEYS_FILE: &str = "authorized_keys";
/// The operator's own certificate chain for the API.
pub const CERTIFICATE_FILE: &str = "tls.crt";
/// Its key.
pub const KEY_FILE: &str = "tls.key";
/// Whom to trust as the mail server.
pub const MAIL_CA_FILE: &str = "mail-ca.pem";
/// Whom to trust as the log server.
pub const SYSLOG_CA_FILE: &str = "syslog-ca.pem";
/// The slots whose swapped SIM card is to be accepted. No part of the configuration: it is obeyed once.
pub const ACCEPT_FILE: &str = "accept-sims";
/// The same, as Windows makes it.
const ACCEPT_TEXT_FILE: &str = "accept-sims.txt";

/// Every file that is applied, in the order in which `result.txt` names them.
pub const NAMES: [&str; 9] = [
    GATEWAY_FILE,
    SIMS_FILE,
    NETWORK_FILE,
    KEYS_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    MAIL_CA_FILE,
    SYSLOG_CA_FILE,
    ACCEPT_FILE,
];

/// Most octets of one file.
pub const MOST_OCTETS: u64 = 256 * 1024;

/// What follows the name of a file that has been applied.
pub const APPLIED: &str = ".applied";

/// What is left of an applied file.
pub const NOTE: &str = "This file has been applied. Its content was overwritten here, since it may hold secrets; the \
                        box has its own copy.\nTo change something, put a new file here under the name without \
                        `.applied` and start the box again.\n";

/// What kind of entry of a folder something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An ordinary file.
    File,
    /// A folder.
    Folder,
    /// A link, a device or the like.
    Other,
}

/// One entry of the partition's top folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// As written.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Octets.
    pub size: u64,
}

/// What is to be done about the entries.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Sorted {
    /// Files to read: the name of [`NAMES`], and the name as written.
    pub given: Vec<(&'static str, String)>,
    /// Files applied earlier of which something may be left, as written.
    pub spent: Vec<String>,
    /// Why something cannot be applied.
    pub problems: Vec<Finding>,
    /// Names that may be mistakes.
    pub remarks: Vec<Finding>,
}

/// Sorts the entries of the partition.
#[must_use]
pub fn sort(entries: &[Entry]) -> Sorted {
    let mut sorted = Sorted::default();
    let mut entries: Vec<&Entry> = entries.iter().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let lower = entry.name.to_ascii_lowercase();
        if let Some(name) = known(&lower) {
            sort_known(&mut sorted, name, entry);
        } else if lower.strip_suffix(APPLIED).and_then(known).is_some() {
            if entry.kind == Kind::File {
                sorted.spent.push(entry.name.clone());
            }
        } else if let Some(meant) = meant(&lower).filter(|_| entry.kind != Kind::Folder) {
            let remedy = format!("rename it to {meant} if it is to be applied");
            sorted.remarks.push(Finding::of_file(&entry.name, "this name means nothing here", remedy));
        }
    }
    sorted
}

fn known(lower: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|name| *name == lower || *name == ACCEPT_FILE && lower == ACCEPT_TEXT_FILE)
}

fn sort_known(sorted: &mut Sorted, name: &'static str, entry: &Entry) {
    let mut refuse = |message: String, remedy: &str| {
        sorted.problems.push(Finding::of_file(&entry.name, message, remedy));
    };
    match entry.kind {
        Kind::Folder => refuse("is a folder".to_owned(), "put a file there"),
        Kind::Other => refuse("is not an ordinary file".to_owned(), "put a file there, not a link"),
        Kind::File if entry.size > MOST_OCTETS => {
            refuse(format!("has {} octets, {MOST_OCTETS} are allowed", entry.size), "put the right file there");
        }
        Kind::File => match sorted.given.iter().find(|(known, _)| *known == name) {
            Some((_, other)) => refuse(format!("is there twice, also as {other}"), "remove one of them"),
            None => sorted.given.push((name, entry.name.clone())),
        },
    }
}

/// The file that a misspelt name was to be: a further ending (`smsgate.conf.txt`, as Windows hides them), another one
/// (`sim-cards.cfg`), another separator.
fn meant(lower: &str) -> Option<&'static str> {
    // What the box writes itself.
    if lower == "sim-cards.conf.suggested" {
        return None;
    }
    let plain = |name: &str| name.replace(['-', '_', ' '], "");
    let stem = |name: &str| plain(name.split('.').next().unwrap_or_default());
    NAMES.into_iter().filter(|name| *name != KEYS_FILE || !lower.ends_with(".pub")).find(|name| {
        let longer = lower.strip_prefix(*name).is_some_and(|rest| rest.starts_with(['.', ' ', '~', '_', '-', '(']));
        let tls = lower.starts_with("tls.") && *name == if lower.contains("key") { KEY_FILE } else { CERTIFICATE_FILE };
        let other_ending = stem(lower) == stem(name) && !name.starts_with("tls.");
        longer || tls || other_ending
    })
}

/// The text of a file; `None` if nothing is in it.
///
/// Windows' Notepad writes a byte order mark and ends lines with CR LF: both are accepted and taken away. So is a CR
/// alone, which ends a line of a configuration file too: behind this, lines end in one way.
///
/// # Errors
/// What is wrong with it as text.
pub fn text(name: &str, octets: &[u8]) -> Result<Option<String>, Finding> {
    if octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]) {
        let remedy = "save it as UTF-8 (Notepad: Save as, Encoding)";
        return Err(Finding::of_file(name, "is UTF-16, which is not read here", remedy));
    }
    // What a power cut leaves of a file whose name was made before its content was written.
    if octets.iter().all(|octet| *octet == 0) {
        return Ok(None);
    }
    let text = std::str::from_utf8(octets).map_err(|error| {
        let valid = octets.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + valid.iter().filter(|octet| **octet == b'\n').count();
        Finding::at(name, line, "is not UTF-8", "save it as UTF-8 (Notepad: Save as, Encoding)")
    })?;
    if let Some((before, _)) = text.split_once('\0') {
        let line = 1 + before.matches('\n').count();
        let remedy = "write the file anew: it is damaged, or no text (UTF-16 is not read here)";
        return Err(Finding::at(name, line, "has a NUL character", remedy));
    }
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: u64) -> Entry {
        Entry { name: name.to_owned(), kind: Kind::File, size }
    }

    #[test]
    fn names_have_no_case_and_others_are_left_alone() {
        let entries = [
            file("SIM-CARDS.CONF", 1),
            file("photo.jpg", 1),
            file("result.txt", 1),
            file("Network.conf", 262_144),
            file("Accept-SIMs.txt", 0),
            file("accept-sims.TXT.applied", 1),
        ];
        let sorted = sort(&entries);
        assert_eq!(sorted.spent, ["accept-sims.TXT.applied"]);
        let given: Vec<_> = sorted.given.iter().map(|(name, written)| (*name, written.as_str())).collect();
        let expected = [
            ("accept-sims", "Accept-SIMs.txt"),
            ("network.conf", "Network.conf"),
            ("sim-cards.conf", "SIM-CARDS.CONF"),
        ];
        assert_eq!(given, expected);
        assert_eq!((sorted.problems, sorted.remarks), (vec![], vec![]));
    }

    #[test]
    fn names_that_are_nearly_right_are_mentioned() {
        for (name, meant) in [
            ("smsgate.conf.txt", Some("smsgate.conf")),
            ("sim-cards.cfg", Some("sim-cards.conf")),
            ("sim_cards.conf", Some("sim-cards.conf")),
            ("SIMCARDS.TXT", Some("sim-cards.conf")),
            ("network.conf~", Some("network.conf")),
            ("network.ini", Some("network.conf")),
            ("authorized_keys.txt", Some("authorized_keys")),
            ("authorized-keys", Some("authorized_keys")),
            ("tls.pem", Some("tls.crt")),
            ("tls.crt.txt", Some("tls.crt")),
            ("tls.key.pem", Some("tls.key")),
            ("mail_ca.crt", Some("mail-ca.pem")),
            ("smsgate.conf (1)", Some("smsgate.conf")),
            ("sim-cards.conf.suggested", None),
            ("result.txt", None),
            ("ca.pem", None),
            ("factory-reset", None),
            ("accept_sims.txt", Some("accept-sims")),
            ("accept-sims.txt.txt", Some("accept-sims")),
            ("holiday.jpg", None),
        ] {
            let remarks = sort(&[file(name, 1)]).remarks;
            let expected = meant.map(|meant| format!("rename it to {meant} if"));
            assert_eq!(remarks.len(), usize::from(meant.is_some()), "{name}: {remarks:?}");
            if let Some(expected) = expected {
                assert!(remarks[0].remedy.starts_with(&expected), "{name}: {remarks:?}");
            }
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_refused() {
        let folder = Entry { kind: Kind::Folder, ..file("smsgate.conf", 0) };
        let link = Entry { kind: Kind::Other, ..file("tls.key", 0) };
        for (entries, complaint) in [
            (vec![folder], "is a folder"),
            (vec![link], "is not an ordinary file"),
            (vec![file("network.conf", 262_145)], "262145 octets, 262144 are allowed"),
            (vec![file("network.conf", 1), file("NETWORK.CONF", 1)], "is there twice, also as NETWORK.CONF"),
            (vec![file("accept-sims", 0), file("accept-sims.txt", 0)], "is there twice, also as accept-sims"),
        ] {
            let problems = sort(&entries).problems;
            assert_eq!(problems.len(), 1);
            assert!(problems[0].message.contains(complaint), "{problems:?}");
        }
    }

    #[test]
    fn what_windows_writes_is_read() {
        assert_eq!(text("a", b"\xef\xbb\xbf[a]\r\nb = 1\r\n"), Ok(Some("[a]\nb = 1\n".to_owned())));
        assert_eq!(text("a", b"[a]\rb = 1\r\r\nc"), Ok(Some("[a]\nb = 1\n\nc".to_owned())));
        assert_eq!(text("a", b""), Ok(None));
        assert_eq!(text("a", &[0; 512]), Ok(None));
        for (octets, start) in [
            (&b"\xff\xfe[\0a\0"[..], "a: is UTF-16"),
            (b"[\0a\0", "a:1: has a NUL"),
            (b"x\ny\xe4\n", "a:2: is not UTF-8; save it as UTF-8"),
        ] {
            let found = text("a", octets).unwrap_err().to_string();
            assert!(found.starts_with(start), "{found}");
        }
    }
}
