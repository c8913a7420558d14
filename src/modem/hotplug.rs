//! Notices that a device may have come or gone (inotify, `inotify(7)`).
//!
//! It says only that something changed in the folders that were asked for, and says it once for many changes at a time.
//! What changed is for [`discovery`](super::discovery) to find out.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use tokio::{io::unix::AsyncFd, sync::watch};

/// How long to wait for more changes: a USB modem brings several devices, one after the other.
const QUIET: Duration = Duration::from_millis(50);

/// Room for a few hundred events.
const BUFFER: usize = 16 * 1024;

/// Folders being watched. A folder that is not there is waited for in the nearest one above it that is.
#[derive(Debug)]
pub struct Hotplug {
    inotify: AsyncFd<Inotify>,
    folders: BTreeSet<PathBuf>,
    watched: HashMap<WatchDescriptor, PathBuf>,
}

impl Hotplug {
    /// Watches the folders in which the devices of these ports, patterns among them, are or would be.
    ///
    /// # Errors
    /// If the system gives no inotify instance.
    pub fn new<'a>(ports: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        let folders = ports.into_iter().filter_map(folder_of).collect();
        #[expect(deprecated, reason = "its successor is unsafe; an Inotify keeps its descriptor, as that one demands")]
        let inotify = AsyncFd::new(Inotify::init()?)?;
        let mut hotplug = Self { inotify, folders, watched: HashMap::new() };
        hotplug.watch()?;
        Ok(hotplug)
    }

    /// Waits until something has changed, and then until nothing more does for a moment.
    ///
    /// # Errors
    /// If inotify fails; it is not to be expected that another try succeeds.
    pub async fn changed(&mut self) -> io::Result<()> {
        while !self.next_events().await? {}
        // A folder may have come with devices already in it, and these give no event.
        self.watch()?;
        while let Ok(events) = tokio::time::timeout(QUIET, self.next_events()).await {
            events?;
            self.watch()?;
        }
        Ok(())
    }

    /// Counts the changes into `changes` until nobody looks at it any more.
    ///
    /// # Errors
    /// As [`changed`](Self::changed).
    pub async fn run(mut self, changes: watch::Sender<u64>) -> io::Result<()> {
        loop {
            tokio::select! {
                changed = self.changed() => changed?,
                () = changes.closed() => return Ok(()),
            }
            changes.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Whether there was an event that matters.
    async fn next_events(&mut self) -> io::Result<bool> {
        let mut buffer = [0; BUFFER];
        let mut ready = self.inotify.readable_mut().await?;
        let mut matters = false;
        match ready.try_io(|inotify| inotify.get_mut().read_events(&mut buffer)) {
            Ok(events) => {
                for event in events? {
                    if event.mask.contains(EventMask::IGNORED) {
                        self.watched.remove(&event.wd);
                    }
                    matters |= match self.watched.get(&event.wd) {
                        Some(folder) if !self.folders.contains(folder) => {
                            // In a folder above, only the way down is of interest.
                            let named = event.name.map_or_else(|| folder.clone(), |name| folder.join(name));
                            self.folders.iter().any(|wanted| wanted.starts_with(&named))
                        }
                        Some(_) | None => true,
                    };
                }
                Ok(matters)
            }
            Err(_would_block) => Ok(false),
        }
    }

    /// Watches each folder, or the nearest above it that is there.
    fn watch(&mut self) -> io::Result<()> {
        let mask = WatchMask::CREATE
            | WatchMask::DELETE
            | WatchMask::MOVE
            | WatchMask::ATTRIB
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF;
        let mut watches = self.inotify.get_ref().watches();
        for folder in &self.folders {
            for candidate in folder.ancestors() {
                match watches.add(candidate, mask) {
                    Ok(descriptor) => {
                        self.watched.insert(descriptor, candidate.to_owned());
                        break;
                    }
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied)
}

/// The folder that has to be watched for a port: that of the device, or above the first part with a wildcard. `None` for
/// virtual modems.
#[must_use]
pub fn folder_of(port: &str) -> Option<PathBuf> {
    if port.is_empty() || port.starts_with("virtual:") {
        return None;
    }
    let is_pattern = |part: &Path| part.to_string_lossy().contains(['*', '?', '[']);
    let folder = Path::new(port).ancestors().skip(1).find(|folder| !is_pattern(folder))?;
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Real time, since inotify lives in it; a bound for failure only.
    const PATIENCE: Duration = Duration::from_secs(10);

    async fn notices(hotplug: &mut Hotplug, change: impl FnOnce()) {
        change();
        tokio::time::timeout(PATIENCE, hotplug.changed()).await.expect("no change noticed").unwrap();
    }

    #[test]
    fn ports_say_which_folder_to_watch() {
        for (port, folder) in [
            ("/dev/ttyUSB0", Some("/dev")),
            ("/dev/ttyUSB*", Some("/dev")),
            ("/dev/serial/by-id/*-if0[02]-port0", Some("/dev/serial/by-id")),
            ("/demo/*/tty", Some("/demo")),
            ("modem-00", Some(".")),
            ("virtual:generic", None),
            ("", None),
        ] {
            assert_eq!(folder_of(port), folder.map(PathBuf::from), "{port}");
        }
    }

    #[tokio::test]
    async fn devices_that_come_and_go_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("modem-00");
        let mut hotplug = Hotplug::new([folder.path().join("modem-*").to_str().unwrap()]).unwrap();
        notices(&mut hotplug, || fs::write(&device, "").unwrap()).await;
        notices(&mut hotplug, || fs::rename(&device, folder.path().join("modem-01")).unwrap()).await;
        notices(&mut hotplug, || fs::remove_file(folder.path().join("modem-01")).unwrap()).await;
    }

    #[tokio::test]
    async fn many_changes_at_once_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut hotplug = Hotplug::new([folder.path().join("*").to_str().unwrap()]).unwrap();
        notices(&mut hotplug, || (0..200).for_each(|n| fs::write(folder.path().join(n.to_string()), "").unwrap()))
            .await;
        let more = tokio::time::timeout(4 * QUIET, hotplug.changed()).await;
        assert!(more.is_err(), "the same changes were told twice");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_yet_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("dev/sms");
        let mut hotplug = Hotplug::new([folder.join("modem-*").to_str().unwrap()]).unwrap();
        notices(&mut hotplug, || fs::create_dir_all(&folder).unwrap()).await;
        notices(&mut hotplug, || fs::write(folder.join("modem-00"), "").unwrap()).await;
        notices(&mut hotplug, || fs::remove_dir_all(root.path().join("dev")).unwrap()).await;
        notices(&mut hotplug, || fs::create_dir_all(&folder).unwrap()).await;
        notices(&mut hotplug, || fs::write(folder.join("modem-00"), "").unwrap()).await;
    }

    #[tokio::test]
    async fn changes_beside_the_way_to_the_folder_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        let mut hotplug = Hotplug::new([root.path().join("sms/modem-*").to_str().unwrap()]).unwrap();
        fs::write(root.path().join("other"), "").unwrap();
        assert!(tokio::time::timeout(2 * QUIET, hotplug.changed()).await.is_err());
        notices(&mut hotplug, || fs::create_dir(root.path().join("sms")).unwrap()).await;
    }

    #[tokio::test]
    async fn changes_are_counted_until_nobody_looks() {
        let folder = tempfile::tempdir().unwrap();
        let hotplug = Hotplug::new([folder.path().join("*").to_str().unwrap()]).unwrap();
        let (sender, mut receiver) = watch::channel(0);
        let task = tokio::spawn(hotplug.run(sender));
        fs::write(folder.path().join("modem-00"), "").unwrap();
        tokio::time::timeout(PATIENCE, receiver.changed()).await.expect("no change counted").unwrap();
        assert_eq!(*receiver.borrow(), 1);
        drop(receiver);
        tokio::time::timeout(PATIENCE, task).await.expect("it did not end").unwrap().unwrap();
    }
}
