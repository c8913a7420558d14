//! A whole site on one machine: virtual modems on ptys, a mail server and the daemon, each a process of its own.
//!
//! The daemon is the real binary, started as systemd would start it, and is met only through its API, its mails and its
//! files. The emulator is another process, so what the network knows survives whatever happens to the daemon.

#![allow(dead_code, unused_imports, reason = "each test program uses its part")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test helper fails its test")]
#![allow(clippy::indexing_slicing, reason = "a test helper fails its test")]
#![allow(clippy::print_stderr, reason = "a failed test shows the logs")]

mod api;
pub mod books;
mod files;
pub mod holdings;
pub mod icinga;
pub mod munin;
mod network;
pub mod ordeal;
pub mod past;
mod process;
pub mod traffic;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

pub use api::{Api, Sms, text_of};
pub use files::{ONCE_TOKEN, Sim, Site, TOKEN, hash};
pub use network::Network;
pub use process::Process;
use serde_json::Value as Json;
use tempfile::TempDir;

/// Longest anything may take here; only failures wait that long.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// The processes and the folder they share.
pub struct Rig {
    pub site: Site,
    pub network: Network,
    /// Variables of the daemon beside its own.
    pub environment: Vec<(&'static str, String)>,
    /// Arguments of the daemon beside its own.
    pub arguments: Vec<String>,
    /// A program and its arguments that starts the daemon for us, such as a tracer.
    pub under: Vec<String>,
    daemon: Option<Process>,
    mail: Option<Process>,
    emulator: Process,
    folder: TempDir,
}

impl Rig {
    /// Modems of all families in turn, a slot for each, and the daemon up.
    pub fn start(modems: usize) -> Self {
        Self::prepare(modems, |_| {}).run()
    }

    /// Everything but the daemon. `adapt` may change what the configuration files will say.
    pub fn prepare(modems: usize, adapt: impl FnOnce(&mut Site)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut site = Site::new(root, modems);
        site.issue_certificate();
        let mail = start_mail_server(&mut site);
        adapt(&mut site);
        let emulator = start_emulator(&site, modems);
        site.write();
        let control = root.join("control");
        until("the emulator's control socket", || control.exists());
        let network = Network::connect(&control);
        let first = root.join("dev/modem-00");
        until("the links of the modems", || modems == 0 || first.exists());
        Self {
            site,
            network,
            environment: Vec::new(),
            arguments: Vec::new(),
            under: Vec::new(),
            daemon: None,
            mail: Some(mail),
            emulator,
            folder,
        }
    }

    /// Starts the daemon and waits until it answers.
    pub fn run(mut self) -> Self {
        self.restart();
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another connection to the emulator.
    pub fn network_again(&self) -> Network {
        Network::connect(&self.folder().join("control"))
    }

    /// Starts a daemon that is not running, without waiting for anything.
    pub fn launch(&mut self) {
        assert!(self.daemon.is_none(), "there is a daemon already");
        self.daemon = Some(self.another_daemon());
    }

    /// A daemon with this configuration, whatever comes of it.
    pub fn another_daemon(&self) -> Process {
        let mut command = match self.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.arg("run").arg("--config").arg(self.site.config_folder()).args(&self.arguments);
        command.env_clear().env("TZ", "UTC").envs(self.environment.iter().map(|(name, value)| (name, value)));
        Process::start(command)
    }

    /// Starts the daemon and waits until it answers.
    pub fn restart(&mut self) {
        self.launch();
        let api = self.api();
        let deadline = Instant::now() + PATIENCE;
        while api.ping().is_err() {
            let daemon = self.daemon.as_mut().unwrap();
            assert!(daemon.ended().is_none(), "the daemon ended");
            assert!(Instant::now() < deadline, "the daemon does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Another emulator in the place of this one, with new modems and an empty network.
    pub fn renew_network(&mut self) {
        self.emulator.end();
        let control = self.folder().join("control");
        fs::remove_file(&control).unwrap();
        self.emulator = start_emulator(&self.site, self.site.sims.len());
        until("the emulator's control socket", || control.exists());
        self.network = Network::connect(&control);
    }

    /// The power goes.
    pub fn kill(&mut self) {
        self.daemon.take().expect("a daemon").kill();
    }

    /// The mail server is gone for good.
    pub fn kill_mail(&mut self) {
        self.mail.take().expect("a mail server").kill();
    }

    /// SIGTERM; the exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let mut daemon = self.daemon.take().expect("a daemon");
        let began = Instant::now();
        daemon.signal(nix::sys::signal::Signal::SIGTERM);
        let code = daemon.wait(PATIENCE);
        (code, began.elapsed())
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        self.daemon.as_ref().expect("a daemon").signal(signal);
    }

    /// Process id of the daemon.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon").id()
    }

    /// Process id of the modems and their network.
    pub fn emulator_pid(&self) -> u32 {
        self.emulator.id()
    }

    /// The exit code of the daemon, if it has ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        self.daemon.as_mut().expect("a daemon").ended()
    }

    /// It has ended by itself, and another may be started.
    pub fn forget(&mut self) {
        self.daemon = None;
    }

    /// What the daemon has written so far.
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Process::log).unwrap_or_default()
    }

    /// A client with the token for everything.
    pub fn api(&self) -> Api {
        Api::new(&self.site, TOKEN)
    }

    /// Until all modems that should be there are ready.
    pub fn until_ready(&self, modems: usize) {
        let api = self.api();
        self.until("the modems are ready", || api.healthy() >= modems);
    }

    /// Waits for a condition; shows the daemon's log when it does not come.
    #[track_caller]
    pub fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        if !becomes(PATIENCE, condition) {
            panic!("not within {PATIENCE:?}: {what}\n--- the daemon says\n{}", self.log());
        }
    }

    /// Mails so far, as the server took them.
    pub fn mails(&self) -> Vec<Mail> {
        Mail::all(&self.folder().join("mails"))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the daemon says\n{}", self.log());
            eprintln!("--- the emulator says\n{}", self.emulator.log());
        }
    }
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub raw: String,
    /// When it was taken, in microseconds of the wall clock.
    pub at: u64,
}

impl Mail {
    /// Those the server has written to a file so far.
    pub fn all(file: &Path) -> Vec<Self> {
        let text = fs::read_to_string(file).unwrap();
        let complete = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        complete
            .map(|line| {
                let mail: Json = serde_json::from_str(line).unwrap();
                Self {
                    to: mail["to"][0].as_str().unwrap().to_owned(),
                    raw: mail["raw"].as_str().unwrap().to_owned(),
                    at: mail["at"].as_u64().unwrap(),
                }
            })
            .collect()
    }

    /// The messages it is about: a digest has several.
    pub fn ids(&self) -> Vec<String> {
        let head = self.raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let ids = head.lines().find_map(|line| line.strip_prefix("X-SMSgate-Id: ")).unwrap_or_default();
        ids.split_whitespace().map(str::to_owned).collect()
    }

    /// A header that stands on one line.
    pub fn header(&self, name: &str) -> String {
        let head = self.raw.split("\r\n\r\n").next().unwrap();
        let prefix = format!("{name}: ");
        head.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    }
}

/// Waits for a condition.
#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    assert!(becomes(PATIENCE, condition), "not within {PATIENCE:?}: {what}");
}

/// Whether a condition holds in time.
pub fn becomes(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The binary that was built with this program, or the one that `SMSGATE_BINARY` names.
pub fn binary() -> PathBuf {
    env::var_os("SMSGATE_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_smsgate")), PathBuf::from)
}

fn start_emulator(site: &Site, modems: usize) -> Process {
    let root = site.root();
    let mut command = Command::new(binary());
    command.arg("emulate").args(["--modems", &modems.to_string()]);
    command.arg("--dir").arg(root.join("dev")).arg("--control").arg(root.join("control"));
    command.args(&site.emulator);
    Process::start(command)
}

fn start_mail_server(site: &mut Site) -> Process {
    let root = site.root().to_owned();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = package.join("target/venv/bin/python3");
    assert!(python.exists(), "aiosmtpd is missing: run scripts/setup");
    fs::write(root.join("faults"), "").unwrap();
    fs::write(root.join("mails"), "").unwrap();
    let at = |name: &str| -> PathBuf { root.join(name) };
    let mut command = Command::new(python);
    command.arg(package.join("tests/smtp/server.py")).args(["--security", "tls"]);
    command.args(["--user", "gateway@example.org", "--password", "secret"]);
    command.arg("--out").arg(at("mails")).arg("--faults").arg(at("faults"));
    command.arg("--cert").arg(at("conf/chain.pem")).arg("--key").arg(at("conf/key.pem"));
    let (process, line) = Process::start_and_read_line(command);
    site.mail_port = line.trim().parse().expect("the mail server prints its port");
    process
}
