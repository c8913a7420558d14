//! Devices as the folders show them now: by which name, and which device that is, however its name was used before.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// A star stands for no hidden name: udev makes its links under one and renames them.
const PATTERNS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: false, require_literal_leading_dot: true };

/// Tells a device from another one that takes its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let data = fs::metadata(path)?;
        Ok(Self { device: data.dev(), inode: data.ino(), changed: (data.ctime(), data.ctime_nsec()) })
    }
}

/// A port as the configuration names it, and the device behind it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) path: PathBuf,
    pub(super) canonical: PathBuf,
    pub(super) identity: Identity,
}

impl Device {
    pub(super) fn at(path: PathBuf) -> Option<Self> {
        let canonical = fs::canonicalize(&path).ok()?;
        let identity = Identity::of(&canonical).ok()?;
        Some(Self { path, canonical, identity })
    }

    /// What a pattern leads to now. Links that lead nowhere are left out.
    pub(super) fn of_pattern(pattern: &str) -> impl Iterator<Item = Self> {
        let paths = glob::glob_with(pattern, PATTERNS).into_iter().flatten().filter_map(Result::ok);
        paths.filter_map(Self::at)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_lead_to_devices_and_hidden_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("ttyUSB0"), "").unwrap();
        fs::create_dir(at("sms")).unwrap();
        for (link, target) in [("sms/a", "../ttyUSB0"), ("sms/.#b", "../ttyUSB0"), ("sms/c", "../ttyUSB1")] {
            symlink(target, at(link)).unwrap();
        }
        let pattern = at("sms/*").display().to_string();
        let found: Vec<_> = Device::of_pattern(&pattern).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, at("sms/a"));
        assert_eq!(found[0].canonical, fs::canonicalize(at("ttyUSB0")).unwrap());
        let before = found[0].identity;
        fs::remove_file(at("ttyUSB0")).unwrap();
        fs::write(at("ttyUSB1"), "").unwrap();
        fs::write(at("ttyUSB0"), "").unwrap();
        let found: Vec<_> = Device::of_pattern(&pattern).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_ne!(found[0].identity, before, "another device under the same name");
    }
}
