//! `udev/devices.md` as data: one device for each id of each row.

use std::{fs, path::Path};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Modem,
    /// A modem that still shows its CD: no ports.
    Disk,
    Bridge,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub name: String,
    /// `vendor:product`, as `lsusb` writes it.
    pub id: String,
    pub kind: Kind,
    /// The kernel's driver of the serial ports.
    pub driver: String,
    pub interfaces: Vec<Interface>,
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub number: u8,
    /// bInterfaceClass, bInterfaceSubClass, bInterfaceProtocol in hexadecimal.
    pub class: [String; 3],
    /// What the row calls it; `AT port` for those that get a name.
    pub role: String,
    pub at: bool,
}

impl Interface {
    pub fn has_tty(&self) -> bool {
        !["network", "storage", "data"].contains(&self.role.as_str())
    }
}

/// Every device of every table.
pub fn read() -> Vec<Device> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("udev/devices.md")).unwrap();
    let mut devices = Vec::new();
    let mut kind = None;
    for line in text.lines() {
        match line {
            "## Modems" => kind = Some(Kind::Modem),
            "## Bridges" => kind = Some(Kind::Bridge),
            _ => {}
        }
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if line.starts_with('|') && !line.starts_with("|---") && cells[0] != "Device" {
            devices.extend(Device::parse(&cells, kind.unwrap()));
        }
    }
    devices
}

impl Device {
    /// A row's devices: one for each id, and one for each id with which it shows its CD.
    pub fn parse(cells: &[&str], kind: Kind) -> Vec<Self> {
        let [name, ids, at, others, driver, disks, source] = cells else {
            panic!("a row has seven cells: {cells:?}");
        };
        assert!(!source.is_empty(), "{name}: known from where?");
        let cdc = *driver == "cdc_acm";
        let mut interfaces: Vec<Interface> = Vec::new();
        // Those with a number first, so that the others get what is left.
        let mut entries: Vec<_> =
            list(others).map(|entry| (entry, false)).chain(list(at).map(|entry| (entry, true))).collect();
        entries.sort_by_key(|(entry, _)| entry.split(' ').next().unwrap().contains('/'));
        for (entry, at) in entries {
            let mut words: Vec<_> = entry.split(' ').collect();
            let number = if words[0].contains('/') {
                (0..).find(|number| interfaces.iter().all(|other| other.number != *number)).unwrap()
            } else {
                u8::from_str_radix(words.remove(0), 16).unwrap()
            };
            let class = if words.first().is_some_and(|word| word.contains('/')) {
                words.remove(0)
            } else if cdc {
                "02/02/01"
            } else {
                "ff/00/00"
            };
            let class: Vec<_> = class.split('/').map(str::to_owned).collect();
            let role = if at { "AT port".to_owned() } else { words.join(" ") };
            assert!(!role.is_empty(), "{name}: what is interface {number}?");
            interfaces.push(Interface { number, class: class.try_into().unwrap(), role, at });
        }
        let device = |id: &str, kind, interfaces: &[Interface]| Self {
            name: (*name).to_owned(),
            id: id.to_owned(),
            kind,
            driver: (*driver).to_owned(),
            interfaces: interfaces.to_vec(),
        };
        let ports = list(ids).map(|id| device(id, kind, &interfaces));
        ports.chain(list(disks).map(|id| device(id, Kind::Disk, &[]))).collect()
    }
}

/// The entries of a cell; `-` is none.
fn list(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(", ").filter(|entry| *entry != "-")
}
