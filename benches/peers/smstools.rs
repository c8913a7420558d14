//! smstools: one `smsd`, which has a process for each modem, and files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use inotify::WatchMask;

use super::{
    gateway::{Gateway, Outgoing},
    pool::Pool,
    program::Program,
    watch::Watch,
};

const PROGRAM: &str = "/usr/sbin/smsd";
/// `NUMBER_OF_MODEMS` of its Makefile, as Debian builds it.
const MOST: usize = 64;
/// As /etc/smsd.conf of the package has it.
const USUAL: &str = "autosplit = 3\nreceive_before_send = no\n";
/// What an admin adds who wants it fast and safe.
const TUNED: &str = "delaytime = 1\ndelaytime_mainprocess = 1\nnotifier = yes\nerrorsleeptime = 1\nblocktime = 60\n";
/// The same for each modem: listings in place of one read for each place, and no question for the network before each look.
const TUNED_MODEM: &str = "check_memory_method = 31\ncheck_network = 2\n";
const FOLDERS: [&str; 5] = ["outgoing", "checked", "incoming", "sent", "failed"];

/// Its settings, for the report.
pub fn described(tuned: bool) -> String {
    let tuning = if tuned { format!("{TUNED}{TUNED_MODEM}") } else { String::new() };
    let options = format!("{USUAL}incoming = yes\n{tuning}");
    let options = options.trim_end().replace('\n', "; ");
    format!("{options}; messages out are files moved to outgoing/; smsd syncs its lock files and no message (strace)")
}

pub struct Smstools {
    folder: PathBuf,
    seen: BTreeSet<String>,
    sent: usize,
    watch: Option<Watch>,
    daemon: Option<Program>,
}

impl Smstools {
    /// Writes its files.
    ///
    /// # Errors
    /// The pool is too large, or a file cannot be written.
    pub fn prepare(folder: &Path, pool: &Pool, tuned: bool) -> Result<Self, String> {
        let modems = pool.modems();
        if modems > MOST {
            return Err(format!("smsd takes {MOST} devices at most (NUMBER_OF_MODEMS when it is built)"));
        }
        let root = folder.display();
        let names: Vec<String> = (0..modems).map(|modem| format!("M{modem:02}")).collect();
        let mut text = format!("devices = {}\n", names.join(", "));
        for name in FOLDERS {
            fs::create_dir_all(folder.join(name)).map_err(|error| error.to_string())?;
            text.push_str(&format!("{name} = {root}/{name}\n"));
        }
        text.push_str(&format!(
            "logfile = {root}/smsd.log\ninfofile = {root}/smsd.working\npidfile = {root}/smsd.pid\n{USUAL}{}",
            if tuned { TUNED } else { "" }
        ));
        for (modem, name) in names.iter().enumerate() {
            let (port, tuning) = (pool.port(modem), if tuned { TUNED_MODEM } else { "" });
            text.push_str(&format!("[{name}]\ndevice = {port}\nincoming = yes\nbaudrate = 115200\n{tuning}"));
        }
        fs::write(folder.join("smsd.conf"), text).map_err(|error| error.to_string())?;
        Ok(Self { folder: folder.to_owned(), seen: BTreeSet::new(), sent: 0, watch: None, daemon: None })
    }
}

impl Gateway for Smstools {
    fn launch(&mut self) -> Result<(), String> {
        let incoming = self.folder.join("incoming");
        self.watch = Some(Watch::on(&incoming, WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO)?);
        let conf = self.folder.join("smsd.conf").display().to_string();
        let log = self.folder.join("output");
        self.daemon = Some(Program::start(Path::new(PROGRAM), &["-t", &format!("-c{conf}")], &log)?);
        Ok(())
    }

    fn visible(&mut self, at_most: Duration) -> Result<Vec<(Instant, String)>, String> {
        let changes = self.watch.as_ref().map(|watch| watch.changes(at_most)).unwrap_or_default();
        let mut found = Vec::new();
        for (at, name) in changes {
            // A file may be closed before its text is in it.
            let file = fs::read(self.folder.join("incoming").join(&name)).unwrap_or_default();
            let file = String::from_utf8_lossy(&file);
            let text = file.split_once("\n\n").map(|(_, text)| text.trim()).unwrap_or_default();
            if !text.is_empty() && self.seen.insert(name) {
                found.push((at, text.to_owned()));
            }
        }
        match self.daemon.as_mut().and_then(Program::ended) {
            Some(words) if found.is_empty() => Err(words),
            _ => Ok(found),
        }
    }

    fn send(&mut self, messages: &[Outgoing]) -> Result<(), String> {
        for message in messages {
            let name = format!("send-{:06}", self.sent);
            let (draft, place) = (self.folder.join(&name), self.folder.join("outgoing").join(&name));
            let text = format!("To: {}\n\n{}", message.to.trim_start_matches('+'), message.text);
            fs::write(&draft, text).and_then(|()| fs::rename(&draft, place)).map_err(|error| error.to_string())?;
            self.sent += 1;
        }
        Ok(())
    }

    fn processes(&self) -> Vec<u32> {
        self.daemon.iter().map(Program::id).collect()
    }
}
