//! Reads and writes the operator's partition.
//!
//! An applied file is renamed first and overwritten then: whenever the power goes, it is either still there to be
//! applied again, to the same end, or known as one of which nothing may be left.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    candidate::Files,
    durable::{Access, overwrite, replace, sync_folder, write},
    finding::Finding,
    media::{self, ACCEPT_FILE, APPLIED, Entry, Kind, MOST_OCTETS, NOTE, Sorted},
};
use crate::model::printable;

/// What follows the name of a file of the box's that the operator has edited, once there is a newer one.
const EDITED: &str = ".edited";

/// The partition, mounted.
#[derive(Debug)]
pub(super) struct Media {
    folder: PathBuf,
}

/// What was on it.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Texts by the name they are applied under.
    pub(super) files: Files,
    /// Names as written, of all files in [`Given::files`].
    pub(super) written: Vec<String>,
    /// Why something cannot be read.
    pub(super) problems: Vec<Finding>,
    /// Names that may be mistakes.
    pub(super) names: Vec<Finding>,
}

impl Given {
    fn take(&mut self, name: &str, text: String, written: String) {
        self.files.insert(name.to_owned(), text);
        self.written.push(written);
    }
}

impl Media {
    /// `None` if the folder is not there.
    pub(super) fn open(folder: &Path) -> Option<Self> {
        folder.is_dir().then(|| Self { folder: folder.to_owned() })
    }

    /// Reads what is to be applied; finishes what a power cut left of files applied earlier.
    pub(super) fn read(&self) -> io::Result<Given> {
        let Sorted { given, spent, problems, remarks } = media::sort(&self.entries()?);
        for name in spent {
            self.blank(&name)?;
        }
        let mut found = Given { problems, names: remarks, ..Given::default() };
        for (name, written) in given {
            match self.octets(&written) {
                // Here the name says it all. One with zeros in it is what a power cut left, and may have named slots.
                Ok(octets) if octets.is_empty() && name == ACCEPT_FILE => found.take(name, String::new(), written),
                Ok(octets) => match media::text(&written, &octets) {
                    Ok(Some(text)) => found.take(name, text, written),
                    Ok(None) => found.names.push(Finding::of_file(&written, "is empty", "it is left alone")),
                    Err(problem) => found.problems.push(problem),
                },
                Err(error) => {
                    let remedy = "write the file anew; the card may be damaged";
                    found.problems.push(Finding::of_file(&written, format!("cannot be read: {error}"), remedy));
                }
            }
        }
        Ok(found)
    }

    /// Marks files as applied and overwrites them.
    pub(super) fn spend(&self, written: &[String]) -> io::Result<()> {
        for name in written {
            let spent = format!("{name}{APPLIED}");
            fs::rename(self.folder.join(name), self.folder.join(&spent)).map_err(about(name))?;
            sync_folder(&self.folder)?;
            self.blank(&spent)?;
        }
        Ok(())
    }

    /// Writes one of the box's own files, unless it is there like this.
    pub(super) fn put(&self, name: &str, text: &str) -> io::Result<bool> {
        write(&self.folder.join(name), text.as_bytes(), Access::Public).map_err(about(name))
    }

    /// As [`Self::put`], for a file that may show tokens: nothing is left of what it held before.
    pub(super) fn put_secret(&self, name: &str, text: &str) -> io::Result<bool> {
        replace(&self.folder.join(name), text.as_bytes(), Access::Public).map_err(about(name))
    }

    /// Writes a file that the operator may be editing: unless `is_ours` knows what is there, that is kept under another
    /// name.
    pub(super) fn put_beside_edited(&self, name: &str, text: &str, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
        let path = self.folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there != text && !is_ours(&there)) {
            fs::rename(&path, self.folder.join(format!("{name}{EDITED}")))?;
        }
        self.put(name, text).map(drop)
    }

    /// Whether a file is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let kind = if metadata.is_file() {
                Kind::File
            } else if metadata.is_dir() {
                Kind::Folder
            } else {
                Kind::Other
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, kind, size: metadata.len() });
        }
        Ok(entries)
    }

    /// No more than is allowed, and not by way of a link.
    fn octets(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.folder.join(name))?;
        let mut octets = Vec::new();
        file.take(MOST_OCTETS).read_to_end(&mut octets)?;
        Ok(octets)
    }

    /// Overwrites an applied file, unless that is done.
    fn blank(&self, name: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        if fs::metadata(&path)?.len() == NOTE.len() as u64 && fs::read(&path)? == NOTE.as_bytes() {
            return Ok(());
        }
        // The note takes the secret's own place, so that a full card does not keep either.
        overwrite(&path, NOTE.as_bytes()).map_err(about(name))
    }
}

/// Says which of the partition's files it was that failed.
fn about(name: &str) -> impl FnOnce(io::Error) -> io::Error + use<'_> {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", printable(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_applied_file_is_blanked_even_if_the_power_went_between() {
        let folder = tempfile::tempdir().unwrap();
        let media = Media::open(folder.path()).unwrap();
        fs::write(folder.path().join("SIM-CARDS.CONF"), "pin = 1234\n").unwrap();
        fs::write(folder.path().join("tls.key.applied"), "secret").unwrap();
        let given = media.read().unwrap();
        assert_eq!(given.written, ["SIM-CARDS.CONF"]);
        assert_eq!(given.files.keys().collect::<Vec<_>>(), ["sim-cards.conf"]);
        assert_eq!(fs::read_to_string(folder.path().join("tls.key.applied")).unwrap(), NOTE);
        media.spend(&given.written).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("SIM-CARDS.CONF.applied")).unwrap(), NOTE);
        assert!(media.read().unwrap().files.is_empty());
    }

    #[test]
    fn only_an_empty_wish_says_something() {
        let folder = tempfile::tempdir().unwrap();
        let media = Media::open(folder.path()).unwrap();
        for (name, octets, taken) in [
            ("accept-sims", &b""[..], true),
            ("Accept-Sims.txt", b"\xef\xbb\xbf", true),
            ("accept-sims", b"\0\0", false),
            ("sim-cards.conf", b"", false),
        ] {
            fs::write(folder.path().join(name), octets).unwrap();
            let given = media.read().unwrap();
            assert_eq!((given.written.len(), given.names.len()), (usize::from(taken), usize::from(!taken)), "{name}");
            assert_eq!(given.files.get("accept-sims").map(String::as_str), taken.then_some(""), "{name}");
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    }

    #[test]
    fn what_the_operator_has_edited_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let media = Media::open(folder.path()).unwrap();
        let is_ours = |there: &str| there == "ours";
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        for (there, kept) in [("ours", None), ("ours, and pin = 1234", Some("ours, and pin = 1234"))] {
            fs::write(folder.path().join("a"), there).unwrap();
            media.put_beside_edited("a", "newer", is_ours).unwrap();
            assert_eq!((read("a").as_deref(), read("a.edited").as_deref()), (Some("newer"), kept));
        }
        media.put_beside_edited("a", "newer", is_ours).unwrap();
        assert_eq!(read("a.edited").as_deref(), Some("ours, and pin = 1234"));
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let media = Media::open(folder.path()).unwrap();
        for name in ["result.txt", "smsgate.conf.applied"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("smsgate.conf"), "x").unwrap();
        let failed = [
            ("result.txt: ", media.put("result.txt", "x").map(drop)),
            ("result.txt: ", media.put_secret("result.txt", "x").map(drop)),
            ("smsgate.conf: ", media.spend(&["smsgate.conf".to_owned()])),
        ];
        for (start, failed) in failed {
            let error = failed.unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
