//! The three folders of a box, and what can be done to them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

pub(crate) const GATEWAY: &str = "# mine\n[mail]\nenabled = True\nserver = mail.example.org\nuser = a@example.org\n\
                                  password = VerySecret\nrecipient = b@example.org\n[server]\nport = 7000\n[api]\n\
                                  enable_send_sms = False\n";
pub(crate) const SIMS: &str = "[00]\nport = /dev/sms/*\nimei = 490154203237518\npin = 9876\ncosts_per_sms = 0.09\n";
pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f somebody\n";

/// Every file below a folder with its content, links with their targets; no sockets.
pub(crate) type Snapshot = BTreeMap<PathBuf, Vec<u8>>;

pub(crate) struct Folders {
    root: TempDir,
}

impl Folders {
    pub(crate) fn new() -> Self {
        let folders = Self { root: tempfile::tempdir().unwrap() };
        ["media", "data", "run"].iter().for_each(|name| fs::create_dir(folders.root.path().join(name)).unwrap());
        folders
    }

    /// A box that has seen its first boot.
    pub(crate) fn booted() -> Self {
        let folders = Self::new();
        folders.apply();
        folders
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.at("media").join(name), content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn command(&self, action: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
        command.args(["provision", action]);
        for name in ["media", "data", "run"] {
            command.arg(format!("--{name}")).arg(self.at(name));
        }
        command
    }

    pub(crate) fn apply(&self) -> String {
        succeeded(&self.command("apply").output().unwrap())
    }

    pub(crate) fn report(&self, ports: &str, wait: u32) -> String {
        let mut command = self.command("report");
        succeeded(&command.args(["--wait", &wait.to_string(), "--ports", ports]).output().unwrap())
    }

    pub(crate) fn result(&self) -> String {
        self.read("media/result.txt")
    }

    /// What `result.txt` says a token is.
    pub(crate) fn token(&self, opens: &str) -> String {
        let result = self.result();
        let line = result.lines().find(|line| line.trim_start().starts_with(opens));
        line.unwrap_or_else(|| panic!("no token for {opens} in\n{result}"))
            .split_whitespace()
            .last()
            .unwrap()
            .to_owned()
    }

    /// The number of the generation in force.
    pub(crate) fn generation(&self) -> Option<u64> {
        let target = fs::read_link(self.at("data/config/current")).ok()?;
        target.to_str().unwrap().strip_prefix("gen-").unwrap().parse().ok()
    }

    pub(crate) fn snapshot(&self, folder: &str) -> Snapshot {
        let mut found = Snapshot::new();
        collect(&self.at(folder), &mut found);
        found
    }
}

/// What a program said that ended well.
pub(crate) fn succeeded(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    assert_eq!(err, "");
    out.into_owned()
}

fn collect(folder: &Path, found: &mut Snapshot) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            found.insert(path.clone(), fs::read_link(path).unwrap().into_os_string().into_encoded_bytes());
        } else if path.is_dir() {
            collect(&path, found);
        } else if path.is_file() {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}
