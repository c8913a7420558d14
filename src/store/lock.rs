//! One daemon per store: an advisory lock on a file beside the database, held as long as the writer lives.
//!
//! The kernel drops the lock with the process, however that ends, so there is never a stale one to clear away.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::OpenError;

/// The lock; dropping it lets the next daemon in.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let folder_error = |source: io::Error| OpenError::Folder { path: database.to_owned(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(PathBuf::from(name))
            .map_err(folder_error)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { _file: file }),
            Err((_, Errno::EWOULDBLOCK)) => Err(OpenError::Locked { path: database.to_owned() }),
            Err((_, errno)) => Err(folder_error(errno.into())),
        }
    }
}
