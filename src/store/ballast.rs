//! Room set aside beside the database, so that a gateway can start on a full disk, and say that it is full: SQLite cannot
//! open a database without room for its write-ahead log and the index of that.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nix::sys::statvfs::statvfs;

/// Enough for the log and its index until the next checkpoint, and some hundred SMS.
const OCTETS: usize = 2 << 20;
/// It is not put where it would be felt.
const LEAST_FREE: u64 = 4 * OCTETS as u64;

/// Puts it there, if it is not and there is room. Without it the gateway works all the same.
pub(super) fn keep(database: &Path) {
    let path = beside(database);
    let free = database.parent().and_then(|folder| statvfs(folder).ok());
    let free = free.map_or(0, |data| data.blocks_available().saturating_mul(data.fragment_size()));
    if path.exists() || free < LEAST_FREE {
        return;
    }
    if let Err(error) = write(&path) {
        tracing::debug!(%error, "no room is set aside");
        let _ = fs::remove_file(&path);
    }
}

/// Gives it up. Whether there was any.
pub(super) fn release(database: &Path) -> bool {
    fs::remove_file(beside(database)).is_ok()
}

fn write(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // In pieces: once a large one was given back, the allocator would keep as much for good.
    io::copy(&mut io::repeat(0).take(OCTETS as u64), &mut file)?;
    file.sync_all()
}

fn beside(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".ballast");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_until_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("smsgate.db");
        assert!(!release(&database));
        keep(&database);
        keep(&database);
        assert_eq!(fs::metadata(folder.path().join("smsgate.db.ballast")).unwrap().len(), OCTETS as u64);
        assert!(release(&database) && !release(&database));
    }
}
