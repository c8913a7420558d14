//! The emulator over real ptys and its control socket, used as the gateway and other programs use it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

use std::{path::Path, time::Duration};

use smsgate::emulator::{EmulateArgs, emulate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_serial::{SerialPortBuilderExt, SerialStream};

/// Longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Emulator {
    dir: tempfile::TempDir,
    task: JoinHandle<std::io::Result<()>>,
}

impl Emulator {
    async fn start(modems: usize, personality: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let args = EmulateArgs {
            modems,
            dir: dir.path().to_owned(),
            personality: personality.iter().map(|name| (*name).to_owned()).collect(),
            seed: 1,
            control: Some(dir.path().join("control")),
            first_number: "+491700000000".to_owned(),
            quiet: true,
        };
        let task = tokio::spawn(emulate(args));
        let emulator = Self { dir, task };
        wait_for(&emulator.dir.path().join("control"), true).await;
        emulator
    }

    fn open(&self, link: &str) -> Terminal {
        Terminal::open(&self.dir.path().join(link))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn wait_for(path: &Path, there: bool) {
    timeout(PATIENCE, async {
        while path.symlink_metadata().is_ok() != there {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{} there: {there}", path.display()));
}

struct Terminal(SerialStream);

impl Terminal {
    /// Opens as the gateway does, for itself alone.
    fn open(path: &Path) -> Self {
        Self(tokio_serial::new(path.display().to_string(), 115_200).open_native_async().unwrap())
    }

    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn until(&mut self, end: &str) -> String {
        let mut seen = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&seen).ends_with(end) {
                let mut byte = [0];
                self.0.read_exact(&mut byte).await.unwrap();
                seen.push(byte[0]);
            }
        };
        let done = timeout(PATIENCE, reading).await;
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(done.is_ok(), "no {end:?} in {seen:?}");
        seen
    }

    async fn ask(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r")).await;
        self.until("OK\r\n").await
    }
}

async fn control(emulator: &Emulator, request: &str) -> String {
    let mut stream = UnixStream::connect(emulator.dir.path().join("control")).await.unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

#[tokio::test]
async fn a_message_from_outside_is_read_and_deleted() {
    let emulator = Emulator::start(2, &["m35", "generic"]).await;
    let mut terminal = emulator.open("modem-01");
    terminal.ask("ATE0").await;
    terminal.ask("AT+CNMI=2,1,0,1,0").await;
    let reply =
        control(&emulator, r#"{"do":"inject","to":"+491700000001","from":"+4915112345678","text":"hello"}"#).await;
    assert!(reply.contains("ok"), "{reply}");
    terminal.until("+CMTI: \"SM\",1\r\n").await;
    assert!(terminal.ask("AT+CMGL=4").await.contains("E8329BFD06"));
    terminal.ask("AT+CMGD=1").await;
    assert!(!terminal.ask("AT+CMGL=4").await.contains("+CMGL"));
}

#[tokio::test]
async fn a_port_can_be_opened_again_after_it_was_closed() {
    let emulator = Emulator::start(1, &["generic"]).await;
    for round in 0..20 {
        let mut terminal = emulator.open("modem-00");
        if round % 2 == 0 {
            terminal.ask("AT").await;
        }
        drop(terminal);
        sleep(Duration::from_millis(5)).await;
    }
}
