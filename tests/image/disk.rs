//! The disk of a box that is switched off, as an operator's computer sees it: files on SGCONFIG, and DATA as a file
//! system to be judged.
//!
//! Nothing is mounted: mtools works within the image.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{
    data::Data,
    machine::{Options, image},
};

/// Start and length of a partition, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub start: u64,
    pub length: u64,
}

pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// A fresh disk, as it comes out of the image file.
    pub fn fresh() -> Self {
        Self::fresh_for(Options::default().architecture)
    }

    /// One for another processor.
    pub fn fresh_for(architecture: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let disk = Self { folder };
        let image = image(architecture).join("disk.img");
        succeed(Command::new("cp").arg("--sparse=always").arg(image).arg(disk.path()));
        disk
    }

    /// Another with the same content.
    pub fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        succeed(Command::new("cp").arg("--sparse=always").arg(self.path()).arg(copy.path()));
        copy
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// Where a partition lies, by its name.
    pub fn partition(&self, name: &str) -> Extent {
        let table = succeed(Command::new("sfdisk").arg("--json").arg(self.path()));
        let table: Json = serde_json::from_slice(&table.stdout).unwrap();
        let partitions = table["partitiontable"]["partitions"].as_array().unwrap();
        let found = partitions.iter().find(|partition| partition["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no partition is called {name}: {table}"));
        let octets = |member: &str| found[member].as_u64().unwrap() * 512;
        Extent { start: octets("start"), length: octets("size") }
    }

    /// Puts a file on SGCONFIG.
    pub fn write(&self, name: &str, content: &[u8]) {
        let file = self.folder.path().join("file");
        fs::write(&file, content).unwrap();
        succeed(self.mtools("mcopy").arg("-o").arg(&file).arg(format!("::{name}")));
    }

    /// A file of SGCONFIG.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let output = self.mtools("mtype").arg(format!("::{name}")).output().unwrap();
        output.status.success().then_some(output.stdout)
    }

    /// The same as text.
    #[track_caller]
    pub fn read_text(&self, name: &str) -> String {
        let content = self.read(name).unwrap_or_else(|| panic!("no {name} on SGCONFIG: {:?}", self.names()));
        String::from_utf8(content).unwrap()
    }

    pub fn remove(&self, name: &str) {
        succeed(self.mtools("mdel").arg(format!("::{name}")));
    }

    /// What is in the top folder of SGCONFIG.
    pub fn names(&self) -> Vec<String> {
        let output = self.mtools("mdir").args(["-b", "::"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("::/")).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Every octet of SGCONFIG, for those who look for what should be gone.
    pub fn config_octets(&self) -> Vec<u8> {
        self.octets(self.partition("SGCONFIG"))
    }

    /// The first MiB of a partition.
    pub fn head(&self, extent: Extent) -> Vec<u8> {
        self.octets(Extent { length: 1 << 20, ..extent })
    }

    /// Octets of the image file that were ever written.
    pub fn allocated(&self) -> u64 {
        fs::metadata(self.path()).unwrap().blocks() * 512
    }

    /// Writes octets into a partition, from its start.
    pub fn overwrite(&self, partition: &str, content: &[u8]) {
        let extent = self.partition(partition);
        assert!(u64::try_from(content.len()).unwrap() <= extent.length);
        let mut disk = File::options().write(true).open(self.path()).unwrap();
        disk.seek(SeekFrom::Start(extent.start)).unwrap();
        disk.write_all(content).unwrap();
    }

    /// Has the file system checker replay the journal of DATA, as a mount does, and then look for errors, in a copy: what
    /// it says if it finds any.
    pub fn check_data(&self) -> Result<(), String> {
        Data::of(self).check()
    }

    /// Every octet of a partition.
    pub fn octets(&self, extent: Extent) -> Vec<u8> {
        let mut disk = File::open(self.path()).unwrap();
        disk.seek(SeekFrom::Start(extent.start)).unwrap();
        let mut octets = Vec::new();
        disk.take(extent.length).read_to_end(&mut octets).unwrap();
        octets
    }

    fn mtools(&self, command: &str) -> Command {
        let mut command = Command::new(command);
        // Names are UTF-8, and times those of a box without a zone.
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("MTOOLS_SKIP_CHECK", "1");
        command.arg("-i").arg(format!("{}@@{}", self.path().display(), self.partition("SGCONFIG").start));
        command
    }
}

/// Runs a tool of this machine, which must succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    // sfdisk and e2fsck lie where not every user's path leads.
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/setup image"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    output
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_an_operator_writes_is_there() {
    let disk = Disk::fresh();
    assert_eq!(disk.names(), Vec::<String>::new());
    disk.write("smsgate.conf", b"[server]\n");
    disk.write("network.conf", &vec![b'#'; 5000]);
    assert_eq!(disk.names(), ["network.conf", "smsgate.conf"]);
    assert_eq!(disk.read_text("smsgate.conf"), "[server]\n");
    disk.remove("smsgate.conf");
    assert!(disk.read("smsgate.conf").is_none());
    assert!(disk.check_data().is_err(), "a fresh DATA has no file system");
}
