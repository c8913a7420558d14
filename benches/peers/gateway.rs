//! What all gateways have in common, and which take part.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{gammu::Gammu, ours::Ours, pool::Pool, smstools::Smstools};

/// A message to send.
pub struct Outgoing {
    /// Which modem is to take it, where the gateway wants to be told.
    pub modem: usize,
    pub to: String,
    pub text: String,
}

/// How a gateway is asked for new messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Pace {
    /// Each at once.
    Each,
    /// Many together will do.
    Together,
    /// Not at all.
    Never,
}

/// A gateway on a pool, in a folder of its own.
pub trait Gateway {
    /// Starts its processes, and waits for nothing.
    ///
    /// # Errors
    /// It is not installed, or its files cannot be written.
    fn launch(&mut self) -> Result<(), String>;

    /// Texts that have become visible, and when; waits that long for the first.
    ///
    /// # Errors
    /// It has ended, or cannot be asked.
    fn visible(&mut self, at_most: Duration) -> Result<Vec<(Instant, String)>, String>;

    /// How it is asked from now on, if it has to be asked: watching files costs a gateway nothing.
    fn pace(&mut self, _pace: Pace) {}

    /// Hands messages over.
    ///
    /// # Errors
    /// It does not take them.
    fn send(&mut self, messages: &[Outgoing]) -> Result<(), String>;

    /// Its processes without their children.
    fn processes(&self) -> Vec<u32>;
}

/// A gateway with one set of settings: a column of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Contestant {
    pub name: &'static str,
    pub settings: &'static str,
}

/// Ours first: the others are held against it.
pub const CONTESTANTS: [Contestant; 5] = [
    Contestant { name: "smsgate", settings: "defaults" },
    Contestant { name: "gammu-smsd", settings: "defaults" },
    Contestant { name: "gammu-smsd", settings: "tuned" },
    Contestant { name: "smstools", settings: "defaults" },
    Contestant { name: "smstools", settings: "tuned" },
];

impl Contestant {
    pub fn title(&self) -> String {
        if self.name == "smsgate" { self.name.to_owned() } else { format!("{} {}", self.name, self.settings) }
    }

    /// Its configuration beside paths and ports, for the report.
    pub fn described(&self) -> String {
        let tuned = self.settings == "tuned";
        match self.name {
            "gammu-smsd" => super::gammu::described(tuned),
            "smstools" => super::smstools::described(tuned),
            _ => super::ours::DESCRIBED.to_owned(),
        }
    }

    /// Its version, as the package's or its own.
    pub fn version(&self) -> String {
        let mut command = match self.name {
            "smsgate" => Command::new(super::pool::binary()),
            _ => Command::new("dpkg-query"),
        };
        match self.name {
            "smsgate" => command.arg("--version"),
            name => command.args(["--show", "--showformat", "${Package} ${Version}", name]),
        };
        let said = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        said.ok().filter(|said| !said.is_empty()).unwrap_or_else(|| format!("{}, of unknown version", self.name))
    }

    /// Prepares it in a folder.
    ///
    /// # Errors
    /// Why it cannot serve such a pool.
    pub fn prepare(&self, folder: &Path, pool: &Pool) -> Result<Box<dyn Gateway>, String> {
        let tuned = self.settings == "tuned";
        Ok(match self.name {
            "gammu-smsd" => Box::new(Gammu::prepare(folder, pool, tuned)?),
            "smstools" => Box::new(Smstools::prepare(folder, pool, tuned)?),
            _ => Box::new(Ours::prepare(folder, pool)?),
        })
    }
}
