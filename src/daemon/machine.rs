//! Looks at the machine under the gateway, for its health: the file system of the store, and on an appliance what its
//! other services have left for us to tell (`DIR/warnings.d`, where DIR is that of `run --appliance`).
//!
//! What cannot be read is not judged: a file system that is not ext4 has no count of errors, and a service that writes its
//! line at this moment is read the next time.

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use nix::{
    fcntl::OFlag,
    sys::{
        stat::{major, minor, stat},
        statvfs::{FsFlags, statvfs},
    },
};

use crate::{
    model::{Space, printable},
    pool_health::{MachineCondition, Medium},
};

/// Where the services leave their lines.
const WARNINGS: &str = "warnings.d";
/// Its date is the day the appliance's software was put together; systemd sets a clock that stands before it.
const EPOCH: &str = "/usr/lib/clock-epoch";
/// Most services that are told of.
const MOST: usize = 20;
/// Longest line, in octets.
const LINE: u64 = 300;

/// Where to look.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// The store's folder.
    pub(super) store: PathBuf,
    /// The folder in which the services of an appliance leave what they know; `None` = this is none.
    pub(super) appliance: Option<PathBuf>,
}

impl Machine {
    /// Looks once. Blocks as long as the file systems do.
    pub(super) fn look(&self, wall: Timestamp) -> MachineCondition {
        let epoch = fs::metadata(EPOCH).and_then(|data| data.modified()).ok();
        MachineCondition {
            appliance: self.appliance.is_some(),
            warnings: self.appliance.as_ref().map(|folder| warnings(&folder.join(WARNINGS))).unwrap_or_default(),
            medium: medium(&self.store),
            early: self.appliance.as_ref().and(epoch).filter(|epoch| is_before(wall, *epoch)).map(|_| wall),
        }
    }
}

/// What is left of a folder's file system; none if it does not let itself be looked at. Blocks as long as that does.
pub(super) fn space_of(folder: &Path) -> Option<Space> {
    medium(folder).map(|medium| Space::of(medium.free, medium.total))
}

fn is_before(wall: Timestamp, epoch: SystemTime) -> bool {
    Timestamp::try_from(epoch).is_ok_and(|epoch| wall < epoch)
}

/// The first line of each file, by the files' names.
fn warnings(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<_> = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    files.iter().filter_map(|file| line(&file.path())).take(MOST).collect()
}

fn line(path: &Path) -> Option<String> {
    let mut octets = Vec::new();
    fs::File::open(path).ok()?.take(LINE).read_to_end(&mut octets).ok()?;
    // A semicolon is what divides the reasons of a health state.
    let line = printable(String::from_utf8_lossy(&octets).lines().next()?.trim()).replace(';', ",");
    (!line.is_empty()).then_some(line)
}

fn medium(folder: &Path) -> Option<Medium> {
    let data = statvfs(folder).ok()?;
    let octets = |blocks: u64| blocks.saturating_mul(data.fragment_size());
    let errors = errors(folder).unwrap_or(0);
    Some(Medium {
        folder: folder.to_owned(),
        free: octets(data.blocks_available()),
        total: octets(data.blocks()),
        read_only: data.flags().contains(FsFlags::ST_RDONLY) || errors > 0 && refuses_files(folder),
        errors,
    })
}

/// Since Linux 6.12, and in later ones of older lines, ext4 that has taken to reading only after an error does not show it
/// in its flags. Asked by a file without a name, which costs a write: only where there were errors.
fn refuses_files(folder: &Path) -> bool {
    let made = fs::OpenOptions::new().write(true).custom_flags(OFlag::O_TMPFILE.bits()).open(folder);
    made.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

/// The errors that ext4 has noted in the file system's own superblock (sysfs, `fs/ext4/DEVICE/errors_count`).
fn errors(folder: &Path) -> Option<u64> {
    let device = stat(folder).ok()?.st_dev;
    let link = fs::read_link(format!("/sys/dev/block/{}:{}", major(device), minor(device))).ok()?;
    let count = Path::new("/sys/fs/ext4").join(link.file_name()?).join("errors_count");
    fs::read_to_string(count).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    #[test]
    fn services_are_told_of_by_their_first_lines() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("run");
        let machine = Machine { store: folder.path().to_owned(), appliance: Some(own.clone()) };
        assert_eq!(machine.look(NOW).warnings, Vec::<String>::new(), "a folder that is not there");
        fs::create_dir_all(own.join("warnings.d/folder")).unwrap();
        for (name, text) in [
            ("watchdog", "the watchdog is not armed\nmore\n"),
            ("sgconfig", "SGCONFIG is missing; nothing was applied"),
            ("empty", ""),
            ("strange", "a\x07b\u{1b}[2J"),
            (".new", "half a l"),
        ] {
            fs::write(own.join("warnings.d").join(name), text).unwrap();
        }
        let seen = machine.look(NOW);
        assert_eq!(seen.warnings.len(), 3, "{:?}", seen.warnings);
        assert_eq!(seen.warnings[0], "SGCONFIG is missing, nothing was applied");
        assert!(!seen.warnings[1].contains('\u{1b}'), "{:?}", seen.warnings);
        assert_eq!(seen.warnings[2], "the watchdog is not armed");
        fs::remove_file(own.join("warnings.d/watchdog")).unwrap();
        assert_eq!(machine.look(NOW).warnings.len(), 2);
        let other = Machine { appliance: None, ..machine };
        assert_eq!((other.look(NOW).warnings.len(), other.look(NOW).appliance), (0, false));
    }

    #[test]
    fn the_file_system_is_that_of_the_folder() {
        let seen = medium(Path::new("/proc")).unwrap();
        assert_eq!((seen.total, seen.free), (0, 0));
        let folder = tempfile::tempdir().unwrap();
        let seen = medium(folder.path()).unwrap();
        assert!(seen.total > 0 && seen.free <= seen.total && !seen.read_only, "{seen:?}");
        assert_eq!(medium(&folder.path().join("none")), None);
        assert!(!refuses_files(folder.path()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_clock_before_the_epoch_is_noticed() {
        let epoch = SystemTime::from(NOW);
        for (wall, early) in [("1970-01-01T00:00:07Z", true), ("2099-01-01T00:00:00Z", false)] {
            assert_eq!(is_before(wall.parse().unwrap(), epoch), early, "{wall}");
        }
        assert!(!is_before(NOW, epoch));
    }
}
