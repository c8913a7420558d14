//! Files that are there whole or not at all, whenever the power goes: written beside, synced, renamed, folder synced.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
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
    put_in_place(&beside, path)?;
    Ok(true)
}

fn put_in_place(beside: &Path, path: &Path) -> io::Result<()> {
    fs::rename(beside, path)?;
    path.parent().map_or(Ok(()), sync_folder)
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

/// As [`write()`], for what may be secret: what the file held before is overwritten, and so is what a power cut left
/// beside it.
///
/// The old octets go before the new file takes the name: what FAT frees at a power cut, its check brings back as a file.
/// Until then the new file lies beside, so that a full disk loses nothing.
pub(super) fn replace(path: &Path, content: &[u8], access: Access) -> io::Result<bool> {
    let beside = beside(path);
    erase(&beside)?;
    if fs::read(path).is_ok_and(|there| there == content) {
        return Ok(false);
    }
    create(&beside, content, access)?;
    match overwrite(path, b"") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => put_in_place(&beside, path)?,
    }
    Ok(true)
}

/// Overwrites a file's octets where they lie, waits until that is done, and has it hold `content` in their place.
pub(super) fn overwrite(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    file.rewind()?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)?;
    file.sync_all()
}

/// Overwrites and removes a file that may be there.
pub(super) fn erase(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    overwrite(path, b"")?;
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
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

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

    fn inode(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_secret_is_overwritten_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for content in [vec![7; 10_000], vec![7; 3], vec![]] {
            fs::write(&path, content).unwrap();
            let before = inode(&path);
            overwrite(&path, b"note").unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), inode(&path)), (&b"note"[..], before));
        }
        erase(&path).unwrap();
        erase(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn nothing_is_left_of_what_was_replaced_or_lay_beside() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cut_off) = (folder.path().join("a"), folder.path().join(".a.new"));
        for (there, written) in [("old secret", true), ("x", false)] {
            fs::write(&path, there).unwrap();
            fs::write(&cut_off, "half a secret").unwrap();
            let (old, half) = (File::open(&path).unwrap(), File::open(&cut_off).unwrap());
            assert_eq!(replace(&path, b"x", Access::Public).unwrap(), written);
            assert_eq!((fs::read(&path).unwrap(), cut_off.exists()), (b"x".to_vec(), false));
            assert_eq!(half.metadata().unwrap().len(), 0);
            assert_eq!(old.metadata().unwrap().len(), u64::from(!written));
        }
    }
}
