//! `smsgate demo` as people and CI meet it: the real binary, its round, its folder, and clients from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

fn smsgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.env_remove("SMSGATE_APITOKEN").env_remove("SMSGATE_LOG").stdin(Stdio::null());
    command
}

#[test]
fn a_round_moves_twenty_each_way_and_nothing_goes_astray() {
    let temporary = tempfile::tempdir().unwrap();
    let output = smsgate().args(["demo", "--round"]).env("TMPDIR", temporary.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        text.lines().last(),
        Some("20 SMS in (4 multi-part), 20 mails, 20 out, 20 delivered; nothing went astray"),
        "{text}"
    );
    for slot in ["sim7600e", "mf190", "huawei", "m35"] {
        assert!(text.lines().any(|line| line.starts_with(slot) && line.contains(" delivered ")), "{slot}: {text}");
    }
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "the temporary folder is gone: {left:?}");
}

#[test]
fn the_commands_it_prints_work_and_it_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(&folder.path().join("demo"));
    let commands = demo.commands();
    let python = commands.iter().position(|line| line.starts_with("python3")).unwrap();
    for script in [&commands[0], &commands[1], &commands[python..].join("\n")] {
        let output = Command::new("sh").args(["-c", script]).env_remove("SMSGATE_APITOKEN").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("Hello from the shell") || !script.contains("get-sms"), "{script}\n{text}");
    }
    let json = format!("{} --wait 1 --json", commands[1]);
    let output = Command::new("sh").args(["-c", &json]).env_remove("SMSGATE_APITOKEN").output().unwrap();
    let messages: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let texts: Vec<&str> =
        messages.as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect();
    assert!(texts.contains(&"Hello from the shell"), "{texts:?}");
    assert_eq!(demo.end(), Some(0));
}

/// A demo that keeps running.
struct Demo {
    child: Child,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let mut command = smsgate();
        command.args(["demo", "--keep", "--dir"]).arg(folder).stdout(Stdio::piped());
        Self { child: command.spawn().unwrap() }
    }

    /// What it prints, up to the end of the here-document.
    fn commands(&mut self) -> Vec<String> {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first: Vec<String> = lines.by_ref().take(2).collect();
        assert!(first[0].starts_with("The gateway runs until it is interrupted."), "{first:?}");
        let mut commands = Vec::new();
        for line in lines {
            commands.push(line);
            if commands.last().is_some_and(|line| line == "END") {
                return commands;
            }
        }
        unreachable!("the demo ended: {commands:?}")
    }

    fn end(&mut self) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
