//! A `/sys` with USB devices in it, and udev looking at them.
//!
//! umockdev shows udevadm the made-up `/sys` and `/dev`. Its rules and its database are in a mount namespace, so that
//! neither those of the machine have a say nor does anything reach them. `udevadm test` does what udevd does with an event
//! but for running programs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::table::{Device, Interface};

/// The controller that everything is plugged into.
const CONTROLLER: &str = "/devices/pci0000:00/0000:00:14.0";

/// What runs in the namespace: rules into place, then udevadm for each path. As every program there, the shell sees the
/// made-up `/sys`.
const INSIDE: &str = r#"
set -e
tools=$1 rules=$2 bed=$3
mount -t tmpfs tmpfs /run
mkdir -p /run/udev/rules.d
cp "$tools"/rules.d/*.rules "$rules" /run/udev/rules.d/
# Makes ports units; part of systemd, not of udev.
[ -e /run/udev/rules.d/99-systemd.rules ] || cp /usr/lib/udev/rules.d/99-systemd.rules /run/udev/rules.d/
for folder in /usr/lib/udev /etc/udev; do
    if [ -d "$folder" ]; then mount -t tmpfs tmpfs "$folder"; fi
done
export LD_LIBRARY_PATH="$tools/lib"
exec umockdev-run --device "$bed/devices" -- sh -c '
    cd "$2"
    while read -r number path; do
        "$1/udevadm" test --action=add "/sys$path" >"$number.out" 2>"$number.err" || echo "failed" >>"$number.err"
        if [ -e "/sys$path/power/control" ]; then cat "/sys$path/power/control" >"$number.power"; fi
    done <paths' sh "$tools" "$bed"
"#;

/// A udevadm that can judge rules (systemd 254), with the rules that came with it.
pub struct Udevadm {
    folder: PathBuf,
}

impl Udevadm {
    /// What `scripts/setup` has fetched.
    pub fn fetched() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/udev");
        assert!(folder.join("udevadm").exists(), "{} is missing: run scripts/setup", folder.join("udevadm").display());
        Self { folder }
    }

    pub fn verify(&self, rules: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("70-smsgate-modems.rules");
        fs::write(&file, rules).unwrap();
        let mut command = Command::new(self.folder.join("udevadm"));
        let output = command.env("LD_LIBRARY_PATH", self.folder.join("lib")).arg("verify").arg(&file).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

/// Where a device is plugged in.
pub struct Socket {
    /// Hub ports from the root on, `1.2.3`.
    pub port: String,
    /// Its folder below `/sys`.
    pub path: String,
    /// Its interfaces with a serial port, and the folder of that below `/sys`.
    pub ports: Vec<(Interface, String)>,
    counts_ports: bool,
}

impl Socket {
    /// The name that the rules are to give.
    pub fn link(&self, interface: &Interface) -> String {
        let port = self.port.replace('.', "_");
        let number = if self.counts_ports { "-p0" } else { "" };
        format!("/dev/sms/pci-0000_00_14_0-usb-0_{port}_1_{}{number}", interface.number)
    }
}

/// What udev made of a device.
#[derive(Debug)]
pub struct Seen {
    properties: BTreeMap<String, String>,
    pub group: Option<String>,
    pub mode: Option<String>,
    /// `power/control` afterwards.
    pub power_control: String,
}

impl Seen {
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    pub fn links(&self) -> Vec<String> {
        self.property("DEVLINKS").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

/// The devices, as umockdev wants to have them described.
pub struct Testbed {
    text: String,
    paths: Vec<String>,
    sockets: usize,
    ttys: usize,
}

impl Default for Testbed {
    fn default() -> Self {
        let mut testbed = Self { text: String::new(), paths: Vec::new(), sockets: 0, ttys: 0 };
        testbed.node(CONTROLLER, &["SUBSYSTEM=pci", "DRIVER=xhci_hcd"], &[("vendor", "0x8086")]);
        testbed.node(&format!("{CONTROLLER}/usb1"), &["SUBSYSTEM=usb", "DEVTYPE=usb_device"], &[("version", " 2.00")]);
        testbed
    }
}

impl Testbed {
    /// Into the next free port of hubs with seven.
    pub fn plug(&mut self, device: &Device) -> Socket {
        let port = format!("1.{}.{}", self.sockets / 7 + 1, self.sockets % 7 + 1);
        self.plug_at(device, &port)
    }

    pub fn plug_at(&mut self, device: &Device, port: &str) -> Socket {
        self.sockets += 1;
        let name = format!("1-{port}");
        let path = format!("{CONTROLLER}/usb1/{name}");
        let (vendor, product) = device.id.split_once(':').unwrap();
        // All have the same serial number, as modules of one make often do.
        let attributes = [
            ("idVendor", vendor),
            ("idProduct", product),
            ("version", " 2.00"),
            ("serial", "0123456789ABCDEF"),
            ("product", "Modem"),
            ("power/control", ""),
        ];
        self.node(&path, &["SUBSYSTEM=usb", "DEVTYPE=usb_device"], &attributes);
        self.paths.push(path.clone());
        let cdc = device.driver == "cdc_acm";
        let mut ports = Vec::new();
        for interface in &device.interfaces {
            let folder = format!("{path}/{name}:1.{}", interface.number);
            let number = format!("{:02x}", interface.number);
            let [class, subclass, protocol] = &interface.class;
            let attributes = [
                ("bInterfaceNumber", number.as_str()),
                ("bInterfaceClass", class),
                ("bInterfaceSubClass", subclass),
                ("bInterfaceProtocol", protocol),
            ];
            let driver = format!("DRIVER={}", device.driver);
            self.node(&folder, &["SUBSYSTEM=usb", "DEVTYPE=usb_interface", &driver], &attributes);
            if interface.has_tty() {
                ports.push((interface.clone(), self.tty(&folder, cdc)));
            }
        }
        Socket { port: port.to_owned(), path, ports, counts_ports: !cdc }
    }

    /// The serial port of an interface: the next number that is free, as in the kernel.
    fn tty(&mut self, interface: &str, cdc: bool) -> String {
        let number = self.ttys;
        self.ttys += 1;
        let tty = if cdc { format!("ttyACM{number}") } else { format!("ttyUSB{number}") };
        let mut parent = interface.to_owned();
        if !cdc {
            write!(parent, "/{tty}").unwrap();
            self.node(&parent, &["SUBSYSTEM=usb-serial"], &[("port_number", "0")]);
        }
        let path = format!("{parent}/tty/{tty}");
        let (major, minor) = (if cdc { "MAJOR=166" } else { "MAJOR=188" }, format!("MINOR={number}"));
        self.node(&path, &["SUBSYSTEM=tty", &format!("DEVNAME=/dev/{tty}"), major, &minor], &[]);
        self.paths.push(path.clone());
        path
    }

    fn node(&mut self, path: &str, properties: &[&str], attributes: &[(&str, &str)]) {
        writeln!(self.text, "P: {path}").unwrap();
        for property in properties {
            writeln!(self.text, "E: {property}").unwrap();
        }
        for (name, value) in attributes {
            writeln!(self.text, "A: {name}={value}\\n").unwrap();
        }
        self.text.push('\n');
    }

    /// Shows udev each device and each port, in the order in which they were plugged in.
    pub fn run(&self, udevadm: &Udevadm) -> BTreeMap<String, Seen> {
        let bed = tempfile::tempdir().unwrap();
        let of = |number: usize, kind: &str| bed.path().join(format!("{number}.{kind}"));
        let paths: String = self.paths.iter().enumerate().map(|(number, path)| format!("{number} {path}\n")).collect();
        fs::write(bed.path().join("devices"), &self.text).unwrap();
        fs::write(bed.path().join("paths"), paths).unwrap();
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate::RULES);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", INSIDE, "sh"]);
        let output = command.arg(&udevadm.folder).arg(rules).arg(bed.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen = |(number, path): (usize, &String)| {
            let read = |kind| fs::read_to_string(of(number, kind));
            (path.clone(), Seen::parse(&read("out").unwrap(), &read("err").unwrap(), read("power").unwrap_or_default()))
        };
        self.paths.iter().enumerate().map(seen).collect()
    }
}

impl Seen {
    /// From what `udevadm test` prints: properties on one channel, on the other what each rule did.
    fn parse(out: &str, err: &str, power_control: String) -> Self {
        assert!(!err.lines().any(|line| line == "failed"), "udevadm failed:\n{err}");
        let last =
            |key: &str| err.lines().rev().find_map(|line| line.split_once(key)).map(|(_, value)| value.to_owned());
        let properties = out.lines().filter_map(|line| line.split_once('='));
        Self {
            properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            group: last(" GROUP "),
            mode: last(" MODE "),
            power_control,
        }
    }
}
