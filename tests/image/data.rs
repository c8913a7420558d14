//! DATA of a box that is off, in a copy whose journal has been replayed as a mount does it. Nothing is mounted: debugfs
//! reads within the copy.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::disk::{Disk, said, succeed};

pub struct Data {
    /// What the replay said.
    replay: String,
    folder: TempDir,
}

impl Data {
    pub fn of(disk: &Disk) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let extent = disk.partition("DATA");
        let mut data = Self { replay: String::new(), folder };
        // By dd, which leaves holes where nothing was written.
        succeed(
            Command::new("dd")
                .arg(format!("if={}", disk.path().display()))
                .arg(format!("of={}", data.image().display()))
                .args(["bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none"])
                .arg(format!("skip={}", extent.start))
                .arg(format!("count={}", extent.length)),
        );
        let replay = Command::new("e2fsck").args(["-E", "journal_only", "-y"]).arg(data.image()).output().unwrap();
        data.replay = said(&replay);
        data
    }

    /// Looks for errors in the file system.
    ///
    /// # Errors
    /// What the file system checker says if it finds any.
    pub fn check(&self) -> Result<(), String> {
        let check = Command::new("e2fsck").arg("-fn").arg(self.image()).output().unwrap();
        if check.status.success() { Ok(()) } else { Err(format!("{}{}", self.replay, said(&check))) }
    }

    /// A file's content.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let copy = self.folder.path().join("file");
        let _ = fs::remove_file(&copy);
        self.debugfs(&format!("dump {path} {}", copy.display()));
        fs::read(copy).ok()
    }

    /// The gateway's database, as the gateway would find it; gone with this copy.
    pub fn store(&self) -> Connection {
        let folder = self.folder.path().join("store");
        fs::create_dir_all(&folder).unwrap();
        for name in ["smsgate.db", "smsgate.db-wal"] {
            if let Some(content) = self.read(&format!("/store/{name}")) {
                fs::write(folder.join(name), content).unwrap();
            }
        }
        Connection::open_with_flags(folder.join("smsgate.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    fn image(&self) -> PathBuf {
        Path::join(self.folder.path(), "data.ext4")
    }

    fn debugfs(&self, request: &str) -> String {
        let output = succeed(Command::new("debugfs").args(["-R", request]).arg(self.image()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
