//! The daemon as a service manager meets it: what it is told and when, with the sandbox in force for every thread.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its answer")]

mod rig;

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{PATIENCE, Rig, becomes};

/// A service manager, and its service.
struct Service {
    notifications: UnixDatagram,
    daemon: Child,
    rig: Rig,
}

impl Service {
    fn start(watchdog: Duration) -> Self {
        let rig = Rig::prepare(1, |_| {});
        let socket = rig.folder().join("notify");
        let notifications = UnixDatagram::bind(&socket).unwrap();
        notifications.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = fs::File::create(rig.folder().join("log")).unwrap();
        let daemon = Command::new(env!("CARGO_BIN_EXE_smsgate"))
            .args(["run", "--config"])
            .arg(rig.site.config_folder())
            .env_clear()
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { notifications, daemon, rig }
    }

    /// The next notification.
    fn next(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.notifications.recv(&mut buffer).expect("no notification in time");
        String::from_utf8_lossy(buffer.get(..length).unwrap()).trim().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.daemon.id().try_into().unwrap()), signal).unwrap();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.rig.folder().join("log")).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
fn the_service_manager_is_told_and_the_watchdog_fed() {
    let mut service = Service::start(Duration::from_millis(1500));
    assert_eq!(service.next(), "READY=1");
    let begun = Instant::now();
    for _ in 0..4 {
        assert_eq!(service.next(), "WATCHDOG=1");
    }
    // The first meal comes at once, each of the others a third of the watchdog's patience later. A busy machine may wake us
    // late, but not by two of these.
    assert!(begun.elapsed() >= Duration::from_millis(500), "fed without a pause: {:?}", begun.elapsed());
    service.signal(Signal::SIGTERM);
    while service.next() != "STOPPING=1" {}
    let status = service.daemon.wait().unwrap();
    assert!(status.success(), "{status}\n{}", service.log());
}

#[test]
fn every_thread_is_confined() {
    let service = Service::start(Duration::from_secs(30));
    assert_eq!(service.next(), "READY=1");
    service.rig.until_ready(1);
    assert!(service.log().contains("sandbox: system calls filtered"), "{}", service.log());
    let mut names = Vec::new();
    for thread in fs::read_dir(format!("/proc/{}/task", service.daemon.id())).unwrap() {
        // A thread may have ended meanwhile.
        let Ok(status) = fs::read_to_string(thread.unwrap().path().join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let name = field("Name:");
        assert_eq!(field("Seccomp:"), "2", "{name}");
        assert_eq!(field("NoNewPrivs:"), "1", "{name}");
        names.push(name);
    }
    for expected in ["smsgate", "store", "token-check", "tokio-rt-worker"] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not among {names:?}");
    }
}

#[test]
fn the_certificate_is_read_again_from_within_the_sandbox() {
    let service = Service::start(Duration::from_secs(30));
    assert_eq!(service.next(), "READY=1");
    service.rig.site.issue_certificate();
    service.signal(Signal::SIGHUP);
    assert!(becomes(PATIENCE, || service.log().contains("certificate reloaded")), "{}", service.log());
}
