//! Files that are there whole or not at all, whenever the power goes: written beside, synced, renamed, folder synced.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Group, Uid, User, chown, geteuid};

/// The account the daemon runs as, and its group.
const ACCOUNT: &str = "smsgate";

/// Who may read a file or enter a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    /// Root only.
    Private,
    /// Root, and the daemon's group.
    Daemon,
    /// The daemon's own.
    Own,
    /// Everybody.
    Public,
}

impl Access {
    const fn file_mode(self) -> u32 {
        match self {
            Self::Private | Self::Own => 0o600,
            Self::Daemon => 0o640,
            Self::Public => 0o644,
        }
    }

    const fn folder_mode(self) -> u32 {
        match self {
            Self::Private | Self::Own => 0o700,
            Self::Daemon => 0o750,
            Self::Public => 0o755,
        }
    }

    /// Gives the path to whom it belongs; only root can, and only where the account exists.
    fn settle(self, path: &Path) -> io::Result<()> {
        if !geteuid().is_root() {
            return Ok(());
        }
        let gid = || Group::from_name(ACCOUNT).ok().flatten().map(|group| group.gid);
        let uid = || User::from_name(ACCOUNT).ok().flatten().map(|user| user.uid);
        let (uid, gid): (Option<Uid>, Option<Gid>) = match self {
            Self::Private | Self::Public => return Ok(()),
            Self::Daemon => (None, gid()),
            Self::Own => (uid(), gid()),
        };
        Ok(chown(path, uid, gid)?)
    }
}

/// Makes a folder unless it is there.
pub(super) fn folder(path: &Path, access: Access) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(access.folder_mode()).create(path)?;
    access.settle(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes a file, unless it is there with this content. Whether anything was written.
pub(super) fn write(path: &Path, content: &[u8], access: Access) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(false);
    }
    let beside = beside(path);
    remove(&beside)?;
    create(&beside, content, access)?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_folder)?;
    Ok(true)
}

/// Writes a file that must not be there, and syncs it; its folder is not synced.
pub(super) fn create(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(access.file_mode()).open(path)?;
    access.settle(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes `link` point at `target`.
pub(super) fn point(link: &Path, target: &Path) -> io::Result<()> {
    let beside = beside(link);
    remove(&beside)?;
    std::os::unix::fs::symlink(target, &beside)?;
    fs::rename(&beside, link)?;
    link.parent().map_or(Ok(()), sync_folder)
}

/// As [`write()`], and then overwrites what the file held before, which may be secret.
///
/// A power cut between the two leaves the old octets in places that no file has any more.
pub(super) fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<bool> {
    let before = to_overwrite(path);
    let written = write(path, content, access)?;
    if let (true, Ok(before)) = (written, before) {
        zero(before)?;
    }
    Ok(written)
}

/// Overwrites a file's octets where they lie, and waits until that is done.
pub(super) fn overwrite_with_zeros(path: &Path) -> io::Result<()> {
    zero(to_overwrite(path)?)
}

fn to_overwrite(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)
}

fn zero(mut file: File) -> io::Result<()> {
    let mut left = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let zeros = [0; 4096];
    while left > 0 {
        let now = left.min(zeros.len());
        file.write_all(zeros.get(..now).unwrap_or_default())?;
        left -= now;
    }
    file.sync_all()
}

/// Overwrites and removes a file that may be there.
pub(super) fn erase(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    overwrite_with_zeros(path)?;
    remove(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Removes a file that may be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Waits until the names in a folder are on the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_written_once_with_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert!(write(&path, b"x", Access::Daemon).unwrap());
        assert!(!write(&path, b"x", Access::Daemon).unwrap());
        assert!(write(&path, b"y", Access::Daemon).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_overwritten_keeps_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, vec![7; 10_000]).unwrap();
        let still_open = File::open(&path).unwrap();
        assert!(replace(&path, b"x", Access::Public).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"x");
        assert_eq!(io::read_to_string(still_open).unwrap().into_bytes(), vec![0; 10_000]);
        fs::write(&path, vec![7; 10_000]).unwrap();
        overwrite_with_zeros(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), vec![0; 10_000]);
        erase(&path).unwrap();
        erase(&path).unwrap();
        assert!(!path.exists());
    }
}
