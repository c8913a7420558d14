//! The emulator over real ptys and its control socket, used as the gateway and other programs use it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use smsgate::{
    emulator::{Conditions, ControlClient, EmulateArgs, Fault, Happening, Injection, UsbArgs, emulate},
    tpdu::{Address, Reference, Submit, encode_submit, segment},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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
        let task = tokio::spawn(emulate(args(dir.path(), modems, personality)));
        let emulator = Self { dir, task };
        // Links come before the socket.
        wait_for(&emulator.path("control"), true).await;
        emulator
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn control(&self) -> ControlClient {
        ControlClient::connect(&self.path("control")).await.unwrap()
    }

    fn open(&self, link: &str) -> Terminal {
        Terminal::open(&self.path(link))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn args(dir: &Path, modems: usize, personality: &[&str]) -> EmulateArgs {
    EmulateArgs {
        trace: Vec::new(),
        modems,
        dir: Some(dir.to_owned()),
        usb: UsbArgs::default(),
        personality: personality.iter().map(|name| (*name).to_owned()).collect(),
        seed: 1,
        control: Some(dir.join("control")),
        first_number: "+491700000000".to_owned(),
        baud: 0,
        submit_time: 0.0,
        quiet: true,
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
            while !seen.ends_with(end.as_bytes()) {
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

fn inject(to: &str, text: &str) -> Injection {
    Injection { to: to.to_owned(), from: "+4915112345678".to_owned(), text: text.to_owned(), ..Injection::default() }
}

/// A send of one segment to that number, report asked for: octets and PDU.
fn submit(to: &str, text: &str) -> (usize, String) {
    let part = segment(text, Reference::Narrow(0), None).unwrap().remove(0);
    let submit = Submit {
        reject_duplicates: false,
        reply_path: false,
        status_report_request: true,
        message_reference: 0,
        destination: Address::number(to).unwrap(),
        protocol_identifier: 0,
        data_coding: part.data_coding,
        validity: None,
        user_data: part.user_data,
    };
    let pdu = encode_submit(None, &submit).unwrap();
    (pdu.tpdu_octets, pdu.hex)
}

#[tokio::test]
async fn a_message_from_outside_is_read_and_deleted() {
    let emulator = Emulator::start(2, &["m35", "generic"]).await;
    let mut control = emulator.control().await;
    let mut terminal = emulator.open("modem-01");
    terminal.ask("ATE0").await;
    terminal.ask("AT+CNMI=2,1,0,1,0").await;
    let ids = control.inject(inject("+491700000001", "hello")).await.unwrap();
    terminal.until("+CMTI: \"SM\",1\r\n").await;
    assert!(terminal.ask("AT+CMGL=4").await.contains("E8329BFD06"));
    terminal.ask("AT+CMGD=1").await;
    assert!(!terminal.ask("AT+CMGL=4").await.contains("+CMGL"));
    let ledger = control.ledger(0).await.unwrap();
    let of_it = |event: &Happening| match event {
        Happening::Announced { id } | Happening::Deleted { id, .. } => ids.contains(id),
        _ => false,
    };
    assert_eq!(ledger.iter().filter(|entry| of_it(&entry.what)).count(), 2, "{ledger:?}");
    let last = ledger.last().unwrap().sequence;
    assert!(control.ledger(last).await.unwrap().is_empty());
    assert_eq!(control.stats().await.unwrap().modems[1].stored, 0);
}

#[tokio::test]
async fn a_message_between_modems_comes_with_a_report() {
    let emulator = Emulator::start(2, &["sim7600e", "mf190"]).await;
    let mut control = emulator.control().await;
    let (mut sender, mut recipient) = (emulator.open("modem-00"), emulator.open("modem-01"));
    for terminal in [&mut sender, &mut recipient] {
        terminal.ask("ATE0").await;
        terminal.ask("AT+CSMS=1").await;
    }
    sender.ask("AT+CNMI=2,1,0,1,0").await;
    recipient.ask("AT+CNMI=1,1,0,2,0").await;
    let (octets, pdu) = submit("+491700000001", "hello");
    sender.write(&format!("AT+CMGS={octets}\r")).await;
    sender.until("> ").await;
    sender.write(&format!("{pdu}\x1a")).await;
    assert!(sender.until("OK\r\n").await.contains("+CMGS: 0"));
    recipient.until("+CMTI: \"SM\",1\r\n").await;
    sender.until("+CDS: ").await;
    sender.until("\r\n").await;
    sender.until("\r\n").await;
    assert!(!control.wait_idle(Duration::from_millis(20)).await.unwrap(), "the report is not acknowledged");
    sender.ask("AT+CNMA").await;
    assert!(control.wait_idle(PATIENCE).await.unwrap());
}

#[tokio::test]
async fn a_modem_comes_back_under_another_name() {
    let emulator = Emulator::start(1, &["generic"]).await;
    let mut control = emulator.control().await;
    let mut terminal = emulator.open("modem-00");
    terminal.ask("ATE0").await;
    control.fault(0, Fault::Unplug).await.unwrap();
    wait_for(&emulator.path("modem-00"), false).await;
    let gone = timeout(PATIENCE, terminal.0.read_u8()).await.unwrap();
    assert!(gone.is_err(), "{gone:?}");
    assert_eq!(control.stats().await.unwrap().modems[0].link, None);
    control.inject(inject("+491700000000", "while away")).await.unwrap();
    control.fault(0, Fault::Replug { link: Some("other".to_owned()) }).await.unwrap();
    wait_for(&emulator.path("other"), true).await;
    let mut terminal = emulator.open("other");
    assert!(terminal.ask("AT").await.starts_with("AT\r"), "the echo is on again");
    assert!(terminal.ask("AT+CMGL=4").await.contains("+CMGL: 1,0"));
    // Back under the same name before anybody could see it go.
    control.fault(0, Fault::Replug { link: None }).await.unwrap();
    let gone = timeout(PATIENCE, terminal.0.read_u8()).await.unwrap();
    assert!(gone.is_err(), "{gone:?}");
    wait_for(&emulator.path("other"), true).await;
    emulator.open("other").ask("AT").await;
}

#[tokio::test]
async fn a_port_can_be_opened_again_however_it_was_left() {
    let emulator = Emulator::start(1, &["generic"]).await;
    for round in 0..20 {
        let mut terminal = emulator.open("modem-00");
        if round % 2 == 0 {
            terminal.ask("AT").await;
        }
        drop(terminal);
        // A user that is gone may need a moment to be noticed.
        sleep(Duration::from_millis(5)).await;
    }
    // In the middle of a PDU, and with an answer nobody has read.
    let mut terminal = emulator.open("modem-00");
    terminal.ask("ATE0").await;
    terminal.write("AT+CMGS=20\r").await;
    terminal.until("> ").await;
    terminal.write("0021000C").await;
    drop(terminal);
    sleep(Duration::from_millis(20)).await;
    let mut terminal = emulator.open("modem-00");
    terminal.write("\x1b").await;
    terminal.until("OK\r\n").await;
    terminal.write("AT+CGMI\r").await;
    sleep(Duration::from_millis(20)).await;
    drop(terminal);
    sleep(Duration::from_millis(20)).await;
    let mut terminal = emulator.open("modem-00");
    assert_eq!(terminal.ask("AT").await, "\r\nOK\r\n");
}

#[tokio::test]
async fn what_does_not_fit_the_pty_is_kept() {
    let emulator = Emulator::start(1, &["huawei"]).await;
    let mut control = emulator.control().await;
    let mut terminal = emulator.open("modem-00");
    terminal.ask("ATE0").await;
    terminal.ask("AT+CPMS=\"ME\",\"ME\",\"ME\"").await;
    let long = inject("+491700000000", &"x".repeat(1500));
    for _ in 0..20 {
        control.inject(long.clone()).await.unwrap();
    }
    let stored = control.stats().await.unwrap().modems[0].stored;
    assert_eq!(stored, 200);
    // Half a megabyte of listings before the first is read.
    for _ in 0..8 {
        terminal.write("AT+CMGL=4\r").await;
    }
    for _ in 0..8 {
        assert_eq!(terminal.until("OK\r\n").await.matches("+CMGL: ").count(), stored);
    }
}

#[tokio::test]
async fn two_thousand_messages_in_a_burst() {
    let emulator = Emulator::start(16, &["ec25"]).await;
    let mut control = emulator.control().await;
    let mut terminals = Vec::new();
    for index in 0..16 {
        let mut terminal = emulator.open(&format!("modem-{index:02}"));
        terminal.ask("ATE0").await;
        terminal.ask("AT+CPMS=\"ME\",\"ME\",\"ME\"").await;
        terminal.ask("AT+CNMI=2,1,0,1,0").await;
        terminals.push(terminal);
    }
    for count in 0..2000 {
        control.inject(inject(&format!("+4917000000{:02}", count % 16), "burst")).await.unwrap();
    }
    assert!(control.wait_idle(PATIENCE).await.unwrap());
    for terminal in &mut terminals {
        terminal.until("+CMTI: \"ME\",125\r\n").await;
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_and_the_conversation_goes_on() {
    let emulator = Emulator::start(1, &["generic"]).await;
    let mut control = emulator.control().await;
    let error = control.inject(inject("+1", "x")).await.unwrap_err().to_string();
    assert!(error.contains("field `to`"), "{error}");
    let error = control.fault(7, Fault::Unplug).await.unwrap_err().to_string();
    assert!(error.contains("field `modem`"), "{error}");
    control.conditions(Conditions::default()).await.unwrap();
    control.ussd(0, "hello", false).await.unwrap();
    assert_eq!(control.stats().await.unwrap().modems.len(), 1);
}

#[tokio::test]
async fn links_and_socket_go_with_the_emulator() {
    let mut emulator = Emulator::start(2, &["generic"]).await;
    wait_for(&emulator.path("modem-01"), true).await;
    emulator.task.abort();
    let _ = (&mut emulator.task).await;
    for name in ["modem-00", "modem-01", "control"] {
        wait_for(&emulator.path(name), false).await;
    }
}

#[tokio::test]
async fn an_unknown_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let args = EmulateArgs { personality: vec!["nokia".to_owned()], ..args(dir.path(), 1, &[]) };
    let error = emulate(args).await.unwrap_err().to_string();
    assert!(error.contains("nokia"), "{error}");
}
