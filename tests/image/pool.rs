//! The USB devices at a box's hubs: modems of the emulator's, whose SIM cards are in one network.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::rig::{self, Network, Process};

/// Ports of a hub.
const HUB: usize = 8;

/// Eight sticks of three kinds.
pub const EIGHT: [&str; 8] = ["sim7600e", "mf190", "huawei", "sim7600e", "mf190", "huawei", "sim7600e", "mf190"];

pub struct Pool {
    pub network: Network,
    pub devices: Vec<Device>,
    emulator: Process,
    folder: TempDir,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub kind: String,
    /// Its vendor's and product's id.
    pub id: String,
    pub modems: Vec<Modem>,
}

#[derive(Clone, Debug)]
pub struct Modem {
    /// Its number in the emulator.
    pub index: usize,
    /// Which of the device's interfaces takes its commands.
    pub interface: u64,
    pub imei: String,
    /// Of its SIM card.
    pub number: String,
}

impl Pool {
    /// Devices of these kinds, one at each port.
    pub fn start(kinds: &[&str]) -> Self {
        // Not below target/: names of sockets must be short.
        let folder = tempfile::tempdir().unwrap();
        let (sockets, control) = (folder.path().join("usb"), folder.path().join("control"));
        let mut command = Command::new(rig::binary());
        command.arg("emulate").arg("--usb-redir").arg(&sockets).args(["--usb", &kinds.join(",")]);
        command.arg("--control").arg(&control);
        let emulator = Process::start(command);
        let list = sockets.join("devices.json");
        rig::until("the emulator's devices", || list.exists());
        let network = Network::connect(&control);
        let stats = network.ask(&json!({ "do": "stats" }));
        let list: Vec<Json> = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
        let devices = list.iter().map(|device| Device::of(device, &stats)).collect();
        Self { network, devices, emulator, folder }
    }

    /// Where the virtual machine finds the devices.
    pub fn sockets(&self) -> PathBuf {
        self.folder.path().join("usb")
    }

    pub fn modems(&self) -> impl Iterator<Item = &Modem> {
        self.devices.iter().flat_map(|device| &device.modems)
    }

    /// What the emulator knows of a modem.
    pub fn stats(&self, modem: &Modem) -> Json {
        self.network.ask(&json!({ "do": "stats" }))["modems"][modem.index].take()
    }

    pub fn fault(&self, modem: &Modem, what: Json) {
        self.network.fault(modem.index, what);
    }

    pub fn unplug(&self, device: usize) {
        self.fault(&self.devices[device].modems[0], json!({ "fault": "unplug" }));
    }

    /// Plugs a device that is out into the port that device number `place` started in.
    pub fn plug(&self, device: usize, place: usize) {
        self.fault(&self.devices[device].modems[0], json!({ "fault": "replug", "link": format!("usb-{place:02}") }));
    }
}

impl Device {
    fn of(device: &Json, stats: &Json) -> Self {
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        let modem = |modem: &Json| {
            let index = usize::try_from(modem["modem"].as_u64().unwrap()).unwrap();
            Modem {
                index,
                interface: modem["interface"].as_u64().unwrap(),
                imei: text(&modem["imei"]),
                number: text(&stats["modems"][index]["number"]),
            }
        };
        Self {
            kind: text(&device["kind"]),
            id: format!("{}:{}", text(&device["vendor"]), text(&device["product"])),
            modems: device["modems"].as_array().unwrap().iter().map(modem).collect(),
        }
    }
}

/// The kernel's name of the port that device number `place` starts in: its hub is at the controller's port of the same
/// number.
pub fn usb_port(place: usize) -> String {
    format!("1-{}.{}", place / HUB + 1, place % HUB + 1)
}

/// The link that our rules for udev make for an interface of a device there.
pub fn link(place: usize, interface: u64) -> String {
    format!("/dev/sms/pci-0000_00_10_0-usb-0_{}_{}_1_{interface}-p0", place / HUB + 1, place % HUB + 1)
}
