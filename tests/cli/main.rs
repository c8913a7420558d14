//! The command line as people and scripts meet it: the real binary, its output, its exit codes, its names.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]

mod gateway;
mod interactive;
mod pty;
mod remote;
mod tools;

use std::{os::unix::fs::symlink, path::Path};

use assert_cmd::Command;

/// What a run of the binary gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The binary, with no variable that could change what it does.
pub fn smsgate() -> Command {
    named(Path::new(env!("CARGO_BIN_EXE_smsgate")))
}

/// The binary by the name of one of its links.
pub fn linked(name: &str, folder: &Path) -> Command {
    let link = folder.join(name);
    symlink(env!("CARGO_BIN_EXE_smsgate"), &link).unwrap();
    named(&link)
}

fn named(path: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("TZ", "UTC").env("NO_COLOR", "1").timeout(std::time::Duration::from_secs(60));
    command
}

pub fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
