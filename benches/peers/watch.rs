//! Files that change in a folder, told by the kernel: to watch costs the watched nothing.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use inotify::{Inotify, WatchMask};

/// Events that wait to be looked at; the thread waits with the next one.
const QUEUE: usize = 65_536;

pub struct Watch(Receiver<(Instant, String)>);

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn on(folder: &Path, mask: WatchMask) -> Result<Self, String> {
        let failed = |error| format!("{}: {error}", folder.display());
        let mut inotify = Inotify::init().map_err(failed)?;
        inotify.watches().add(folder, mask).map_err(failed)?;
        let (sender, receiver) = sync_channel(QUEUE);
        // Ends with the first event after its receiver, at the latest when the folder goes.
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while let Ok(events) = inotify.read_events_blocking(&mut buffer) {
                let now = Instant::now();
                for event in events {
                    let name = event.name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    if event.mask.contains(inotify::EventMask::IGNORED) || sender.send((now, name)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Names of files to look at, and when the first was told of; waits that long for it.
    pub fn changes(&self, at_most: Duration) -> Vec<(Instant, String)> {
        match self.0.recv_timeout(at_most) {
            Ok(first) => std::iter::once(first).chain(self.0.try_iter()).collect(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Vec::new(),
        }
    }
}
