//! What the documents show is what happens: the README's first Python block and every example of docs/api.md, run
//! against the demo.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its answer")]

#[path = "rig/process.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "this program uses a part of it")]
#[allow(clippy::unwrap_used, reason = "a test helper fails its test")]
mod process;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use process::Process;

const PATIENCE: Duration = Duration::from_secs(45);
/// The variables that the examples with curl expect.
const VARIABLES: &str = r#"
import json, os, shlex
demo = json.load(open(os.environ["DEMO"]))
values = {"URL": demo["url"], "CA": demo["ca"], "FIRST": demo["numbers"][0], "SECOND": demo["numbers"][1]}
values.update({f"TOKEN_{name}": token for name, token in demo["tokens"].items()})
print("\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items()))
"#;

#[test]
fn the_python_of_the_readme_sends_and_reads_an_sms() {
    let readme = document("README.md");
    let snippet = blocks(&readme, "python").next().expect("README.md has a Python block");
    let demo = Demo::start();
    let said = demo.run(Command::new("python3").args(["-c", snippet]).arg(demo.facts()));
    assert!(said.contains("sent:     delivered") && said.contains("received: 'Hello from Python"), "{said}");
}

#[test]
fn the_python_of_the_api_document_works() {
    let api = document("docs/api.md");
    let demo = Demo::start();
    let script: String = blocks(&api, "python").collect();
    let said = demo.run(Command::new("python3").args(["-c", &script]));
    for expected in ["OK\n", "Your code is 246810", "401 Invalid API token."] {
        assert!(said.contains(expected), "{expected:?} is missing in\n{said}");
    }
}

#[test]
fn the_curl_of_the_api_document_works() {
    let api = document("docs/api.md");
    let demo = Demo::start();
    let variables = demo.run(Command::new("python3").args(["-c", VARIABLES]));
    let mut examples = blocks(&api, "sh");
    let function = examples.next().unwrap();
    for example in examples {
        // An id of a message that is there, for the examples that ask for one.
        let script = format!(
            "set -eu\n{variables}{function}\
             SMS_ID=$(rpc send_sms \"$TOKEN_send_sms\" '' \"$SECOND\" x | sed -n 's/.*<string>\\(.*\\)<.string>.*/\\1/p')\n\
             {example}"
        );
        let said = demo.run(Command::new("sh").args(["-c", &script]));
        let fails = said.contains("<fault>");
        assert_eq!(fails, example.contains("not a token"), "{example}\n{said}");
        assert!(said.contains("<methodResponse>"), "{example}\n{said}");
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let at_the_top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name));
    let mut broken = Vec::new();
    for path in in_docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).chain(at_the_top) {
        let text = fs::read_to_string(&path).unwrap();
        for target in links(&text) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file: PathBuf = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let there = file.exists()
                && (heading.is_empty()
                    || headings(&fs::read_to_string(&file).unwrap_or_default()).any(|h| h == heading));
            if !there {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A demo in a folder of its own.
struct Demo {
    folder: tempfile::TempDir,
    process: Process,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
        command.args(["demo", "--keep", "--dir"]).arg(folder.path());
        let demo = Self { process: Process::start(command), folder };
        let deadline = Instant::now() + PATIENCE;
        while !knows_the_gateway(&demo.facts()) {
            assert!(Instant::now() < deadline, "demo.json tells of no gateway; the demo says\n{}", demo.process.log());
            thread::sleep(Duration::from_millis(20));
        }
        demo
    }

    fn facts(&self) -> PathBuf {
        self.folder.path().join("demo.json")
    }

    /// Runs a command that has to succeed, and returns what it printed.
    fn run(&self, command: &mut Command) -> String {
        let output = command.env("DEMO", self.facts()).output().unwrap();
        let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}{complaints}\nthe demo says\n{}", self.process.log());
        said.into_owned()
    }
}

/// The file marks the folder as the demo's before there is a gateway to tell of.
fn knows_the_gateway(facts: &Path) -> bool {
    let text = fs::read_to_string(facts).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text)
        .is_ok_and(|facts| facts.get("url").is_some_and(serde_json::Value::is_string))
}

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&fence)?;
        let (block, after) = after.split_once("```\n")?;
        rest = after;
        Some(block)
    })
}

/// The targets of links to files and headings of this repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

/// The names by which headings are linked to: lower case, without punctuation, blanks as hyphens.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}
