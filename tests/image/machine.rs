//! A box under power: a QEMU process on a disk, until it is switched off or its power is cut.
//!
//! What the machine consists of is in tests/image/qemu, which `make boot` uses too.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    agent::{Agent, Output},
    client::{Client, PATIENCE},
    disk::Disk,
    qmp::Qmp,
    rig::Process,
};

/// Longest boot. One takes 25 to 40 s on two idle cores; only failures wait that long.
pub const BOOT: Duration = Duration::from_secs(240);
/// Longest command in the box.
const COMMAND: Duration = Duration::from_secs(60);

/// The folder of the image for an architecture. `SMSGATE_TEST_IMAGES` is where those folders are.
pub fn image(architecture: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let images = env::var_os("SMSGATE_TEST_IMAGES").map_or_else(|| "target/test-image".into(), PathBuf::from);
    let image = package.join(images).join(architecture);
    assert!(image.join("disk.img").exists(), "there is no image in {}: run make test-image", image.display());
    image
}

/// What is different from a box at a plain network, without modems.
#[derive(Clone, Debug)]
pub struct Options {
    /// The processor's: x86_64, or aarch64.
    pub architecture: &'static str,
    /// No network at all.
    pub unplugged: bool,
    /// Port of the mail server on this machine, which the box sees as 10.0.2.100:465.
    pub mail: Option<u16>,
    /// What goes over the box's network is written down: [`Machine::capture`].
    pub listen: bool,
    /// How many ports USB devices may be plugged into, and the folder of the emulator's sockets for them.
    pub usb: Option<(usize, PathBuf)>,
    /// What the clock says when the power comes, as `2026-01-31T12:00:00`.
    pub clock: Option<String>,
    /// Where QEMU notes every write to the disk, and every flush (dm-log-writes).
    pub writes: Option<PathBuf>,
    /// More for the kernel's command line.
    pub append: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            architecture: "x86_64",
            unplugged: false,
            mail: None,
            listen: false,
            usb: None,
            clock: None,
            writes: None,
            append: String::new(),
        }
    }
}

pub struct Machine {
    qemu: Option<Process>,
    agent: Agent,
    pub qmp: Qmp,
    /// Where this machine finds the box's port 7000.
    pub port: u16,
    started: Instant,
    folder: TempDir,
}

impl Machine {
    /// Switches a box on, without waiting for anything in it.
    pub fn start(disk: &Disk, options: &Options) -> Self {
        // Not below target/: names of sockets must be short.
        let folder = tempfile::tempdir().unwrap();
        let architecture = options.architecture;
        let image = image(architecture);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/image/qemu"));
        command.arg(architecture).arg(&image).arg(disk.path()).arg(folder.path());
        command.args(["--port", &port.to_string()]);
        if options.unplugged {
            command.arg("--no-network");
        }
        if let Some(port) = options.mail {
            command.args(["--mail", &port.to_string()]);
        }
        if options.listen {
            command.arg("--listen").arg(folder.path().join("lan.pcap"));
        }
        if let Some((count, sockets)) = &options.usb {
            command.args(["--usb", &count.to_string()]).arg(sockets);
        }
        if let Some(clock) = &options.clock {
            command.args(["--clock", clock]);
        }
        if let Some(log) = &options.writes {
            command.arg("--log-writes").arg(log);
        }
        command.args(["--append", &options.append, "--", "-serial"]);
        command.arg(format!("file:{}", folder.path().join("console").display()));
        let started = Instant::now();
        let qemu = Process::start(command);
        let qmp = Qmp::connect(&folder.path().join("qmp"));
        let agent = Agent::connect(&folder.path().join("agent")).unwrap();
        Self { qemu: Some(qemu), agent, qmp, port, started, folder }
    }

    /// Switches a box on and waits until it runs commands.
    pub fn boot(disk: &Disk, options: &Options) -> Self {
        let mut machine = Self::start(disk, options);
        machine.until_agent();
        machine
    }

    /// Waits until the box runs commands, which is before its network and /data are there.
    pub fn until_agent(&mut self) {
        self.agent.run("true", BOOT).unwrap_or_else(|error| panic!("the box does not start: {error}"));
    }

    /// Waits until systemd has nothing to do any more: how long that took from the power on.
    pub fn until_up(&mut self) -> Duration {
        self.until("the box is up", |machine| {
            let state = machine.run("systemctl is-system-running");
            ["running", "degraded"].contains(&state.text.trim())
        });
        self.since_power_on()
    }

    /// Waits for a condition as long as a boot may take.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + BOOT;
        while !condition(self) {
            assert!(Instant::now() < deadline, "not within {BOOT:?}: {what}");
            // A box under emulation has little to spare for questions.
            thread::sleep(Duration::from_millis(250));
        }
    }

    pub fn since_power_on(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs a command as root.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Output {
        self.agent.run(command, COMMAND).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Runs a command that must succeed: its output.
    #[track_caller]
    pub fn succeed(&mut self, command: &str) -> String {
        let output = self.run(command);
        assert_eq!(output.status, 0, "{command}: {}", output.text);
        output.text
    }

    /// A client of the box that trusts its own CA.
    pub fn client(&mut self) -> Client {
        let ca = self.folder.path().join("ca.pem");
        fs::write(&ca, self.succeed("cat /data/tls/ca.pem")).unwrap();
        let name = self.succeed("hostname").trim().to_owned();
        Client { port: self.port, ca, name, patience: PATIENCE }
    }

    /// Waits until the box's CA is on SGCONFIG, whole: its name is there before its content.
    #[track_caller]
    pub fn until_ca(&mut self, disk: &Disk) -> String {
        let mut ca = String::new();
        self.until("the CA is on SGCONFIG", |_| {
            ca = disk.read("ca.pem").map(|ca| String::from_utf8_lossy(&ca).into_owned()).unwrap_or_default();
            ca.ends_with("-----END CERTIFICATE-----\n")
        });
        ca
    }

    /// A client as the operator has one: it knows the CA that the box put on SGCONFIG, and a name of the box.
    pub fn client_of(&self, disk: &Disk, name: &str) -> Client {
        self.client_trusting(&disk.read_text("ca.pem"), name)
    }

    /// A client that trusts another CA.
    pub fn client_trusting(&self, ca: &str, name: &str) -> Client {
        let file = self.folder.path().join("operators-ca.pem");
        fs::write(&file, ca).unwrap();
        Client { port: self.port, ca: file, name: name.to_owned(), patience: PATIENCE }
    }

    /// A client that trusts whoever answers now, as one has to in rescue; none while nobody does.
    pub fn client_of_whoever_answers(&self) -> Option<Client> {
        let script =
            "import ssl, sys; print(ssl.get_server_certificate(('localhost', int(sys.argv[1])), timeout=10), end='')";
        let output = Command::new("python3").args(["-c", script, &self.port.to_string()]).output().unwrap();
        output.status.success().then(|| self.client_trusting(&String::from_utf8_lossy(&output.stdout), "localhost"))
    }

    /// Everything the kernel and systemd wrote to the console.
    pub fn console(&self) -> String {
        let console = fs::read(self.folder.path().join("console")).unwrap_or_default();
        String::from_utf8_lossy(&console).into_owned()
    }

    /// Where what went over the network is, in libpcap's format.
    pub fn capture(&self) -> PathBuf {
        self.folder.path().join("lan.pcap")
    }

    /// Shuts the box down in order and waits for its end.
    pub fn power_off(mut self) {
        self.run("systemctl --no-block poweroff");
        let mut qemu = self.qemu.take().unwrap();
        assert_eq!(qemu.wait(BOOT), Some(0), "the box does not switch off: {}", qemu.log());
    }

    /// The power goes, at once. What the box had given to its disk is on it.
    pub fn power_cut(mut self) {
        self.qemu.take().unwrap().kill();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            let qemu = self.qemu.as_ref().map(Process::log).unwrap_or_default();
            eprintln!("--- QEMU says\n{qemu}\n--- the console says\n{}", self.console());
        }
    }
}
