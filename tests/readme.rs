//! What README.md shows is what happens: its first Python block against the running demo.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its answer")]

#[path = "rig/process.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "this program uses a part of it")]
#[allow(clippy::unwrap_used, reason = "a test helper fails its test")]
mod process;

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use process::Process;

const PATIENCE: Duration = Duration::from_secs(45);

#[test]
fn the_python_of_the_readme_sends_and_reads_an_sms() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let snippet = first_block(&readme, "python").expect("README.md has a Python block");
    let folder = tempfile::tempdir().unwrap();
    let facts = folder.path().join("demo.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.args(["demo", "--keep", "--dir"]).arg(folder.path());
    let demo = Process::start(command);
    let deadline = Instant::now() + PATIENCE;
    while !knows_the_gateway(&facts) {
        assert!(Instant::now() < deadline, "demo.json tells of no gateway; the demo says\n{}", demo.log());
        thread::sleep(Duration::from_millis(20));
    }

    let output = Command::new("python3").args(["-c", snippet]).arg(&facts).output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complaints}\nthe demo says\n{}", demo.log());
    assert!(said.contains("sent:     delivered") && said.contains("received: 'Hello from Python"), "{said}");
}

/// The file marks the folder as the demo's before there is a gateway to tell of.
fn knows_the_gateway(facts: &Path) -> bool {
    let text = fs::read_to_string(facts).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text)
        .is_ok_and(|facts| facts.get("url").is_some_and(serde_json::Value::is_string))
}

/// The first fenced block of a language.
fn first_block<'a>(text: &'a str, language: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("```{language}\n"))?;
    Some(rest.split_once("```\n")?.0)
}
