//! Modems as USB devices over real sockets: a small machine enumerates them as a driver does, and talks to the modems.
//!
//! The machine's side of USB redirection is written here from the protocol, and shares no code with the emulator's.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test program: a panic is its answer"
)]

use std::{
    collections::VecDeque,
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use smsgate::emulator::{ControlClient, EmulateArgs, Fault, UsbArgs, emulate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Longer than anything takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

// Types of packets.
const HELLO: u32 = 0;
const DEVICE_CONNECT: u32 = 1;
const DEVICE_DISCONNECT: u32 = 2;
const INTERFACE_INFO: u32 = 4;
const EP_INFO: u32 = 5;
const SET_CONFIGURATION: u32 = 6;
const GET_CONFIGURATION: u32 = 7;
const CONFIGURATION_STATUS: u32 = 8;
const CONTROL_PACKET: u32 = 100;
const BULK_PACKET: u32 = 101;

struct Emulator {
    dir: tempfile::TempDir,
    task: JoinHandle<std::io::Result<()>>,
}

impl Emulator {
    async fn start(kinds: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let task = tokio::spawn(emulate(args(dir.path(), kinds)));
        let emulator = Self { dir, task };
        for name in ["control", "usb/devices.json"] {
            let path = emulator.path(name);
            within(async {
                while !path.exists() {
                    assert!(!emulator.task.is_finished());
                    sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
        }
        emulator
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn devices(&self) -> Vec<Value> {
        serde_json::from_slice(&std::fs::read(self.path("usb/devices.json")).unwrap()).unwrap()
    }

    async fn control(&self) -> ControlClient {
        ControlClient::connect(&self.path("control")).await.unwrap()
    }

    async fn machine(&self, port: &str) -> Machine {
        Machine::connect(&self.path(&format!("usb/{port}"))).await
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn args(dir: &Path, kinds: &[&str]) -> EmulateArgs {
    EmulateArgs {
        modems: 4,
        dir: None,
        usb: UsbArgs {
            usb_redir: Some(dir.join("usb")),
            usb: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            usb_devices: None,
        },
        personality: Vec::new(),
        seed: 1,
        trace: Vec::new(),
        control: Some(dir.join("control")),
        first_number: "+491700000000".to_owned(),
        baud: 0,
        submit_time: 0.0,
        quiet: true,
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("within reasonable time")
}

/// A machine with one port.
struct Machine {
    stream: UnixStream,
    long: bool,
    last: u64,
    /// Packets that came while another was waited for.
    early: VecDeque<(u32, u64, Vec<u8>)>,
}

/// An interface as its descriptors have it.
#[derive(Debug, Default)]
struct Interface {
    class: [u8; 3],
    bulk_in: u8,
    bulk_out: u8,
}

/// A device as its descriptors have it.
#[derive(Debug)]
struct Device {
    vendor: u16,
    product: u16,
    serial: u8,
    interfaces: Vec<Interface>,
}

impl Machine {
    async fn connect(path: &Path) -> Self {
        let stream = within(UnixStream::connect(path)).await.unwrap();
        let mut machine = Self { stream, long: false, last: 0, early: VecDeque::new() };
        // What QEMU 10 can do.
        machine.send(HELLO, &[&[0; 64], &0b1111_0111_u32.to_le_bytes()[..]].concat()).await;
        let hello = machine.next().await;
        assert_eq!((hello.0, hello.2.len()), (HELLO, 68));
        machine.long = true;
        machine
    }

    /// Sends a packet; its id.
    async fn send(&mut self, kind: u32, body: &[u8]) -> u64 {
        self.last += 1;
        let id = self.last.to_le_bytes();
        let id = if self.long { &id[..] } else { &id[..4] };
        let packet = [&kind.to_le_bytes(), &(body.len() as u32).to_le_bytes(), id, body].concat();
        self.stream.write_all(&packet).await.unwrap();
        self.last
    }

    async fn next(&mut self) -> (u32, u64, Vec<u8>) {
        within(self.read()).await.expect("the connection stays")
    }

    async fn read(&mut self) -> std::io::Result<(u32, u64, Vec<u8>)> {
        let (kind, length) = (self.stream.read_u32_le().await?, self.stream.read_u32_le().await?);
        let id = if self.long { self.stream.read_u64_le().await? } else { self.stream.read_u32_le().await?.into() };
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).await?;
        Ok((kind, id, body))
    }

    /// The answer to a packet; or the next packet of a type that asks for none.
    async fn until(&mut self, wanted: impl Fn(u32, u64) -> bool) -> Vec<u8> {
        if let Some(at) = self.early.iter().position(|(kind, id, _)| wanted(*kind, *id)) {
            return self.early.remove(at).unwrap().2;
        }
        loop {
            let packet = self.next().await;
            if wanted(packet.0, packet.1) {
                return packet.2;
            }
            self.early.push_back(packet);
        }
    }

    /// Waits for a device and enumerates it.
    async fn enumerate(&mut self) -> Device {
        let connect = self.until(|kind, _| kind == DEVICE_CONNECT).await;
        assert!(self.early.iter().any(|packet| packet.0 == INTERFACE_INFO), "interfaces come first");
        assert!(self.early.iter().any(|packet| packet.0 == EP_INFO), "endpoints come first");
        self.early.clear();
        let device = self.control([0x80, 6, 0, 1, 0, 0, 18, 0]).await.unwrap();
        let configuration = self.control([0x80, 6, 0, 2, 0, 0, 255, 255]).await.unwrap();
        assert_eq!(connect[4..10], device[8..14], "the redirection and the descriptor name the same device");
        let id = self.send(SET_CONFIGURATION, &[configuration[5]]).await;
        assert_eq!(self.until(|_, of| of == id).await, [0, configuration[5]]);
        Device {
            vendor: u16::from_le_bytes([device[8], device[9]]),
            product: u16::from_le_bytes([device[10], device[11]]),
            serial: device[16],
            interfaces: interfaces(&configuration),
        }
    }

    /// A control transfer; none if the device stalls.
    async fn control(&mut self, setup: [u8; 8]) -> Option<Vec<u8>> {
        let [kind, request, rest @ ..] = setup;
        let id = self.send(CONTROL_PACKET, &[&[kind & 0x80, request, kind, 0], &rest[..]].concat()).await;
        let answer = self.until(|_, of| of == id).await;
        (answer[3] == 0).then(|| answer[10..].to_vec())
    }

    async fn start_read(&mut self, endpoint: u8) -> u64 {
        self.send(BULK_PACKET, &[endpoint, 0, 0, 2, 0, 0, 0, 0, 0, 0]).await
    }

    /// Writes a command to the port and reads until a final result.
    async fn ask(&mut self, device: &Device, interface: usize, command: &str) -> String {
        let Interface { bulk_in, bulk_out, .. } = device.interfaces[interface];
        let ftdi = device.vendor == 0x0403;
        let number = interface as u8;
        let open = if ftdi { [0x40, 1, 3, 3, number + 1, 0, 0, 0] } else { [0x21, 0x22, 3, 0, number, 0, 0, 0] };
        assert_eq!(self.control(open).await, Some(Vec::new()));
        let said = format!("{command}\r");
        let mut body = vec![bulk_out, 0, said.len() as u8, 0, 0, 0, 0, 0, 0, 0];
        body.extend(said.bytes());
        let id = self.send(BULK_PACKET, &body).await;
        assert_eq!(self.until(|_, of| of == id).await[1], 0);
        let mut text = String::new();
        while !text.ends_with("OK\r\n") && !text.ends_with("ERROR\r\n") {
            let id = self.start_read(bulk_in).await;
            let answer = self.until(|_, of| of == id).await;
            assert_eq!(answer[1], 0);
            let packets = answer[10..].chunks(64).map(|packet| if ftdi { &packet[2..] } else { packet });
            text.push_str(&String::from_utf8_lossy(&packets.collect::<Vec<_>>().concat()));
        }
        text
    }
}

fn interfaces(mut configuration: &[u8]) -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    while !configuration.is_empty() {
        let (descriptor, rest) = configuration.split_at(configuration[0].into());
        match (descriptor[1], found.last_mut()) {
            (4, _) => found.push(Interface { class: descriptor[5..8].try_into().unwrap(), ..Interface::default() }),
            (5, Some(last)) if descriptor[3] == 2 && descriptor[2] & 0x80 != 0 => last.bulk_in = descriptor[2],
            (5, Some(last)) if descriptor[3] == 2 => last.bulk_out = descriptor[2],
            _ => {}
        }
        configuration = rest;
    }
    found
}

const ALL: [&str; 4] = ["sim7600e", "mf190", "huawei", "ft4232h"];

#[tokio::test]
async fn every_kind_is_enumerated_and_its_modems_answer() {
    let emulator = Emulator::start(&ALL).await;
    let mut modems = 0;
    for listed in emulator.devices() {
        let mut machine = emulator.machine(listed["port"].as_str().unwrap()).await;
        let device = machine.enumerate().await;
        assert_eq!(format!("{:04x}", device.vendor), listed["vendor"]);
        assert_eq!(format!("{:04x}", device.product), listed["product"]);
        for modem in listed["modems"].as_array().unwrap() {
            assert_eq!(modem["modem"], modems);
            modems += 1;
            let interface = modem["interface"].as_u64().unwrap() as usize;
            let answer = machine.ask(&device, interface, "AT+CGSN").await;
            assert!(answer.contains(modem["imei"].as_str().unwrap()), "{listed}: {answer}");
        }
    }
    assert_eq!(modems, 7);
}

#[tokio::test]
async fn the_interfaces_are_those_that_drivers_and_rules_go_by() {
    let emulator = Emulator::start(&ALL).await;
    let vendor = [0xff; 3];
    let storage = [8, 6, 0x50];
    // Ids, whether there is a serial number, classes.
    let sim = [0xff, 0, 0];
    let table: [(u16, u16, bool, &[[u8; 3]]); 4] = [
        (0x1e0e, 0x9001, true, &[vendor, sim, sim, sim, sim, vendor]),
        (0x19d2, 0x0117, true, &[vendor, vendor, vendor, storage]),
        (0x12d1, 0x1506, false, &[[0xff, 1, 1], [0xff, 1, 3], [0xff, 1, 2], storage]),
        (0x0403, 0x6011, false, &[vendor; 4]),
    ];
    for (number, (vendor, product, serial, classes)) in table.into_iter().enumerate() {
        let mut machine = emulator.machine(&format!("usb-{number:02}")).await;
        let device = machine.enumerate().await;
        assert_eq!((device.vendor, device.product, device.serial != 0), (vendor, product, serial));
        let seen: Vec<_> = device.interfaces.iter().map(|interface| interface.class).collect();
        assert_eq!(seen, classes, "{product:04x}");
    }
}

#[tokio::test]
async fn a_second_port_knows_that_it_is_one_and_an_idle_one_says_nothing() {
    let emulator = Emulator::start(&["sim7600e"]).await;
    let mut machine = emulator.machine("usb-00").await;
    let device = machine.enumerate().await;
    assert_eq!(machine.ask(&device, 3, "AT").await, "AT\r\r\nOK\r\n");
    assert_eq!(machine.ask(&device, 3, "AT+CGSN").await, "AT+CGSN\r\r\nERROR\r\n");
    // Reads of everything stay unanswered while other requests are answered.
    for interface in &device.interfaces {
        machine.start_read(interface.bulk_in).await;
    }
    for _ in 0..100 {
        let id = machine.send(GET_CONFIGURATION, &[]).await;
        assert_eq!(machine.until(|_, of| of == id).await, [0, 1]);
    }
    assert!(machine.early.iter().all(|packet| packet.0 != BULK_PACKET), "{:?}", machine.early);
}

#[tokio::test]
async fn modems_come_back_at_each_others_ports() {
    let emulator = Emulator::start(&["sim7600e", "sim7600e"]).await;
    let imeis: Vec<String> =
        emulator.devices().iter().map(|device| device["modems"][0]["imei"].as_str().unwrap().to_owned()).collect();
    let mut control = emulator.control().await;
    let mut machines = [emulator.machine("usb-00").await, emulator.machine("usb-01").await];
    for (machine, imei) in machines.iter_mut().zip(&imeis) {
        let device = machine.enumerate().await;
        assert!(machine.ask(&device, 2, "AT+CGSN").await.contains(imei));
    }
    for (modem, machine) in machines.iter_mut().enumerate() {
        control.fault(modem, Fault::Unplug).await.unwrap();
        machine.until(|kind, _| kind == DEVICE_DISCONNECT).await;
        assert_eq!(control.stats().await.unwrap().modems[modem].link, None);
    }
    for (modem, port) in [(0, "usb-01"), (1, "usb-00")] {
        control.fault(modem, Fault::Replug { link: Some(port.to_owned()) }).await.unwrap();
        assert_eq!(control.stats().await.unwrap().modems[modem].link.as_deref(), Some(port));
    }
    for (machine, imei) in machines.iter_mut().zip(imeis.iter().rev()) {
        let device = machine.enumerate().await;
        assert!(machine.ask(&device, 2, "AT+CGSN").await.contains(imei));
    }
}

#[tokio::test]
async fn a_port_takes_one_device_at_a_time() {
    let emulator = Emulator::start(&["sim7600e", "huawei"]).await;
    let mut control = emulator.control().await;
    let mut machine = emulator.machine("usb-00").await;
    assert_eq!(machine.enumerate().await.vendor, 0x1e0e);
    control.fault(1, Fault::Replug { link: Some("usb-00".to_owned()) }).await.unwrap();
    let id = machine.send(GET_CONFIGURATION, &[]).await;
    assert_eq!(machine.until(|kind, of| kind == CONFIGURATION_STATUS && of == id).await, [0, 1], "nothing has changed");
    control.fault(0, Fault::Unplug).await.unwrap();
    machine.until(|kind, _| kind == DEVICE_DISCONNECT).await;
    assert_eq!(machine.enumerate().await.vendor, 0x12d1);
}

#[tokio::test]
async fn all_modules_of_a_bridge_leave_and_come_together() {
    let emulator = Emulator::start(&["ft4232h"]).await;
    let mut control = emulator.control().await;
    let mut machine = emulator.machine("usb-00").await;
    machine.enumerate().await;
    control.fault(2, Fault::Unplug).await.unwrap();
    machine.until(|kind, _| kind == DEVICE_DISCONNECT).await;
    assert!(control.stats().await.unwrap().modems.iter().all(|modem| modem.link.is_none()));
    control.fault(1, Fault::Replug { link: None }).await.unwrap();
    let device = machine.enumerate().await;
    assert!(control.stats().await.unwrap().modems.iter().all(|modem| modem.link.as_deref() == Some("usb-00")));
    // They have started anew: each said so, and echoes again.
    let answer = machine.ask(&device, 3, "AT").await;
    assert!(answer.contains("RDY") && answer.ends_with("AT\r\r\nOK\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_machine_may_leave_and_another_one_come() {
    let emulator = Emulator::start(&["huawei"]).await;
    let mut control = emulator.control().await;
    let mut first = emulator.machine("usb-00").await;
    let device = first.enumerate().await;
    first.ask(&device, 2, "AT").await;
    drop(first);
    let mut second = emulator.machine("usb-00").await;
    let device = second.enumerate().await;
    second.ask(&device, 2, "AT").await;
    // One that is still there gives way to one that comes, as when a chardev is made anew before the old one is gone.
    let mut third = emulator.machine("usb-00").await;
    assert!(within(second.read()).await.is_err());
    let device = third.enumerate().await;
    third.ask(&device, 2, "AT").await;
    // Nonsense ends a connection, not the port.
    third.stream.write_all(&[0xff; 64]).await.unwrap();
    within(async { while third.read().await.is_ok() {} }).await;
    // Nobody is there while the device leaves and comes.
    control.fault(0, Fault::Replug { link: None }).await.unwrap();
    let mut fourth = emulator.machine("usb-00").await;
    let device = fourth.enumerate().await;
    assert!(fourth.ask(&device, 2, "AT").await.ends_with("OK\r\n"));
}

#[tokio::test]
async fn a_hanging_modem_is_cured_when_its_terminal_goes() {
    use smsgate::emulator::Cure;
    let emulator = Emulator::start(&["ft4232h", "mf190"]).await;
    let mut control = emulator.control().await;
    // Modem, port, interface, and the set-up stage that drops DTR.
    for (modem, port, interface, down) in
        [(1, "usb-00", 1, [0x40, 1, 0, 1, 2, 0, 0, 0]), (4, "usb-01", 2, [0x21, 0x22, 0, 0, 2, 0, 0, 0])]
    {
        let mut machine = emulator.machine(port).await;
        let device = machine.enumerate().await;
        machine.ask(&device, interface, "ATE0").await;
        control.fault(modem, Fault::Hang { until: Cure::Reopen }).await.unwrap();
        machine.control(down).await.unwrap();
        // It has started anew, and echoes again.
        assert!(machine.ask(&device, interface, "AT").await.contains("AT\r\r\nOK"), "{port}");
    }
}

#[tokio::test]
async fn an_unknown_device_is_named_with_those_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let error = emulate(args(dir.path(), &["keyboard"])).await.unwrap_err().to_string();
    assert!(error.contains("`keyboard`") && error.contains("sim7600e, zte-mf190"), "{error}");
}
