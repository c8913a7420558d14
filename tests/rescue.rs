//! `smsgate rescue` end to end: what people, clients and plugins hear of a box that cannot run its gateway, and that the
//! process has its hands on nothing.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its answer")]

mod rig;

use std::{
    fs,
    net::TcpListener,
    os::unix::{net::UnixDatagram, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use nix::sys::signal::Signal;
use rig::{PATIENCE, Process, binary};
use tempfile::TempDir;

const REASON: &str = "the partition DATA holds no file system that can be used (/dev/sda5)";

/// Asks as upstream's clients do, and trusts nobody; prints the answer, or the fault.
const ASK: &str = "
import ssl, sys, xmlrpc.client
context = ssl._create_unverified_context()
proxy = xmlrpc.client.ServerProxy('https://localhost:' + sys.argv[1] + '/RPC2', context=context)
try:
    answer = getattr(proxy, sys.argv[2])(*sys.argv[3:])
    print(answer if isinstance(answer, str) else '\\t'.join(answer))
except xmlrpc.client.Fault as fault:
    print('fault', fault.faultCode, fault.faultString)
";

/// Prints the certificate that is shown.
const CERTIFICATE: &str = "import ssl, sys; print(ssl.get_server_certificate(('localhost', int(sys.argv[1]))), end='')";

/// A process in rescue, and the service manager that started it.
struct Rescue {
    process: Process,
    notifications: UnixDatagram,
    port: u16,
    folder: TempDir,
}

impl Rescue {
    fn start() -> Self {
        Self::launch(Some(REASON), None)
    }

    /// `watchdog`: what has to be read then, or the process waits until it is.
    fn launch(reason: Option<&str>, watchdog: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("notify");
        let notifications = UnixDatagram::bind(&socket).unwrap();
        notifications.set_read_timeout(Some(PATIENCE)).unwrap();
        let file = folder.path().join("reason");
        if let Some(reason) = reason {
            fs::write(&file, reason).unwrap();
        }
        fs::create_dir(folder.path().join("empty")).unwrap();
        let port = TcpListener::bind("[::]:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(binary());
        command.arg("rescue").arg("--reason-file").arg(&file).args(["--port", &port.to_string()]);
        command.env_clear().env("NOTIFY_SOCKET", &socket);
        command.envs(watchdog.map(|patience| ("WATCHDOG_USEC", patience)));
        command.current_dir(folder.path().join("empty"));
        let rescue = Self { process: Process::start(command), notifications, port, folder };
        let said = rescue.notification();
        assert!(said.starts_with("READY=1\nSTATUS="), "{said}");
        rescue
    }

    fn notification(&self) -> String {
        let mut buffer = [0; 1024];
        let length = self.notifications.recv(&mut buffer).unwrap_or_else(|_| panic!("{}", self.process.log()));
        String::from_utf8_lossy(buffer.get(..length).unwrap()).trim().to_owned()
    }

    fn python(&self, script: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("python3");
        command.args(["-c", script, &self.port.to_string()]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn ask(&self, method: &str, arguments: &[&str]) -> String {
        self.python(ASK, &[&[method], arguments].concat())
    }

    /// What trusts this process and nobody else.
    fn pinned(&self) -> PathBuf {
        self.file("pinned.pem", &self.python(CERTIFICATE, &[]))
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs one of our tools under its name; exit code, standard output and standard error.
    fn tool(&self, name: &str, ca: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
        let port = self.port.to_string();
        let mut command = Command::new(binary());
        command.arg0(name).args(arguments).env_clear().env("SMSGATE_APITOKEN", "any").env("TZ", "UTC");
        if name == "munin_smsgate" {
            command.env("smsgate_port", &port).env("smsgate_cafile", ca);
        } else {
            command.args(["--port", &port, "--ca"]).arg(ca);
        }
        let output = command.output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }
}

#[test]
fn any_client_hears_that_the_box_is_there_and_why_it_is_of_no_use() {
    let rescue = Rescue::start();
    assert_eq!(rescue.ask("ping", &[]), "OK");
    for token in ["", "any"] {
        let answer = rescue.ask("get_health_state", &[token]);
        let (level, text) = answer.split_once('\t').unwrap();
        assert_eq!(level, "CRITICAL");
        assert!(text.starts_with(&format!("Rescue: {REASON}; No modem is touched")), "{text}");
    }
    for (method, arguments) in
        [("get_stats", &["x"][..]), ("send_sms", &["x", "", "+491700000000", "hello"]), ("get_sms", &["x", ""])]
    {
        let fault = rescue.ask(method, arguments);
        assert!(fault.starts_with(&format!("fault 503 The gateway is in rescue: {REASON}. ")), "{method}: {fault}");
    }
    let log = rescue.process.log();
    assert!(log.contains(REASON) && !log.contains("hello"), "{log}");
}

#[test]
fn plugins_that_trust_it_show_the_reason() {
    let rescue = Rescue::start();
    let pinned = rescue.pinned();
    let (code, out, _) = rescue.tool("check_smsgate", &pinned, &[]);
    assert_eq!(code, Some(2), "{out}");
    assert!(out.starts_with(&format!("CRITICAL Rescue: {REASON} (and 1 more) | time=")), "{out}");
    // Statistics that are not there are no reason to hide the state.
    let (code, out, _) = rescue.tool("check_smsgate", &pinned, &["--stats-token", "any"]);
    assert!(code == Some(2) && out.contains("no statistics: The gateway is in rescue"), "{out}");
    let (code, out, err) = rescue.tool("munin_smsgate", &pinned, &[]);
    assert_eq!((code, out.as_str()), (Some(75), ""), "{err}");
    assert!(err.contains(REASON), "{err}");
    let (code, out, _) = rescue.tool("munin_smsgate", &pinned, &["autoconf"]);
    assert!(code == Some(0) && out.starts_with("no (The gateway is in rescue: "), "{out}");
    let (code, _, err) = rescue.tool("smsgate", &pinned, &["stats"]);
    assert_eq!(code, Some(75), "{err}");
    assert!(err.contains("in rescue") && err.contains("see \"Rescue\" in the manual. (fault 503)"), "{err}");
    assert_eq!(rescue.tool("check_smsgate", &pinned, &["--certificate"]).0, Some(0));
}

#[test]
fn plugins_that_trust_the_lost_identity_say_where_to_look() {
    let rescue = Rescue::start();
    let other = smsgate::tls::issue(&["localhost".to_owned()], &[], jiff::civil::date(2026, 11, 20), 30).unwrap();
    let ca = rescue.file("ca.pem", &other.ca);
    let (code, out, _) = rescue.tool("check_smsgate", &ca, &[]);
    assert_eq!(code, Some(3), "{out}");
    assert!(
        out.contains("the CA given did not sign") && out.contains("in rescue? see rescue.txt on its SGCONFIG"),
        "{out}"
    );
    assert!(out.lines().next().unwrap().contains(" | time="), "{out}");
}

#[test]
fn it_is_watched_and_ends_when_it_is_told_to() {
    let mut rescue = Rescue::launch(Some(REASON), Some("600000"));
    for _ in 0..3 {
        assert_eq!(rescue.notification(), "WATCHDOG=1");
    }
    rescue.process.signal(Signal::SIGTERM);
    while rescue.notification() != "STOPPING=1" {}
    assert_eq!(rescue.process.wait(PATIENCE), Some(0), "{}", rescue.process.log());
}

#[test]
fn it_has_its_hands_on_nothing() {
    let rescue = Rescue::start();
    assert_eq!(rescue.ask("ping", &[]), "OK");
    let proc = PathBuf::from(format!("/proc/{}", rescue.process.id()));
    for entry in fs::read_dir(proc.join("fd")).unwrap() {
        let entry = entry.unwrap();
        let number: u32 = entry.file_name().to_string_lossy().parse().unwrap();
        let target = fs::read_link(entry.path()).unwrap();
        // Given on to us by whoever runs the tests.
        let inherited = fs::read_link(format!("/proc/self/fd/{number}")).is_ok_and(|ours| ours == target);
        let target = target.to_string_lossy();
        assert!(
            inherited || number <= 2 || target.starts_with("socket:") || target.starts_with("anon_inode:"),
            "{number}: {target}"
        );
    }
    let status = fs::read_to_string(proc.join("status")).unwrap();
    assert!(status.lines().any(|line| line == "Seccomp:\t2"), "{status}");
    assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"), "{status}");
    let log = rescue.process.log();
    assert!(log.contains("sandbox: system calls filtered"), "{log}");
    assert_eq!(fs::read_dir(rescue.folder.path().join("empty")).unwrap().count(), 0, "it wrote into its folder");
    assert_eq!(fs::read_to_string(rescue.folder.path().join("reason")).unwrap(), REASON);
}

#[test]
fn it_answers_without_a_reason_too() {
    let rescue = Rescue::launch(None, None);
    let health = rescue.ask("get_health_state", &["x"]);
    assert!(health.starts_with("CRITICAL\tRescue: the reason in ") && health.contains("cannot be read"), "{health}");
}
