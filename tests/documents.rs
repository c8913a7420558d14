//! What the documents show is what happens: the README's first Python block and every example of docs/api.md, run
//! against the demo. What there is stands in them: methods, statistics, keys, and a test for each promise of
//! docs/parity.md and each row of docs/proof.md.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a panic is its answer"
)]

#[path = "rig/process.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "this program uses a part of it")]
#[allow(clippy::unwrap_used, reason = "a test helper fails its test")]
mod process;

use std::{
    collections::BTreeSet,
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

/// What the gateway says of itself, as JSON.
const INTROSPECTION: &str = r#"
import json, os, ssl
from xmlrpc.client import ServerProxy
demo = json.load(open(os.environ["DEMO"]))
gateway = ServerProxy(demo["url"], context=ssl.create_default_context(cafile=demo["ca"]))
modems = gateway.get_stats(demo["tokens"]["get_stats"])[1]
print(json.dumps({"methods": gateway.system.listMethods(), "members": sorted(next(iter(modems.values())))}))
"#;
/// Ways to ask a section of the configuration for a key (`src/config/fields.rs`).
const ASKED_BY: [&str; 9] =
    ["boolean", "filled", "optional", "parsed", "path", "required", "seconds", "tokens", "understood"];

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
fn every_method_and_every_statistic_is_in_the_api_document() {
    let api = document("docs/api.md");
    let demo = Demo::start();
    let facts: serde_json::Value =
        serde_json::from_str(&demo.run(Command::new("python3").args(["-c", INTROSPECTION]))).unwrap();
    let names = |what: &str| -> BTreeSet<String> {
        facts[what].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let python: String = blocks(&api, "python").collect();
    let shell: String = blocks(&api, "sh").collect();
    for method in names("methods") {
        assert!(api.contains(&format!("`{method}`")) || api.contains(&format!("`{method}(")), "{method} is not named");
        assert!(python.contains(&format!("gateway.{method}(")), "{method} has no example in Python");
        let posted = [format!("rpc {method} "), format!("rpc {method}\n"), format!("<methodName>{method}<")];
        assert!(posted.iter().any(|call| shell.contains(call)), "{method} has no example with curl");
    }
    let section = api.split("\n## get_stats\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let described: BTreeSet<String> = rows(section).skip(1).flat_map(|row| in_backquotes(&row[0])).collect();
    assert_eq!(described, names("members"));
}

#[test]
fn every_key_of_the_configuration_has_its_row() {
    let mut read: BTreeSet<String> = BTreeSet::new();
    for file in ["src/config/gateway.rs", "src/config/sims.rs"] {
        let text = document(file);
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (before, after) in code.match_indices("(\"").map(|(at, _)| (&code[..at], &code[at + 2..])) {
            if ASKED_BY.iter().any(|way| before.ends_with(&format!(".{way}"))) {
                read.insert(after.split('"').next().unwrap().to_owned());
            }
        }
    }
    assert!(read.len() > 40, "{read:?}");
    let configuration = document("docs/configuration.md");
    let keys = |row: Vec<String>| in_backquotes(&row[0]).last().cloned();
    let from = configuration.find("\n## smsgate.conf").unwrap();
    let mut described: BTreeSet<String> =
        rows(&configuration[from..]).filter_map(keys).map(|key| key.rsplit("] ").next().unwrap().to_owned()).collect();
    assert!(described.remove("token_SLOT_get_sms"), "the one key that has a slot's name in it");
    assert_eq!(described, read);
}

#[test]
fn every_promise_of_the_parity_table_has_its_test() {
    let parity = document("docs/parity.md");
    assert!(!parity.contains('@'), "a placeholder is left");
    let mut proofs = 0;
    for row in rows(&parity).filter(|row| row[0] != "Promise") {
        assert_eq!(row.len(), 3, "{row:?}");
        proofs += proofs_of(&row, 2);
    }
    assert!(proofs > 80, "only {proofs} were found");
}

#[test]
fn every_row_of_the_proof_has_its_test() {
    let proof = document("docs/proof.md");
    assert!(!proof.contains('@'), "a placeholder is left");
    let is_row = |row: &Vec<String>| row[0].starts_with(['D', 'S']) && row[0][1..].parse::<u8>().is_ok();
    let mut found = Vec::new();
    for row in rows(&proof).filter(is_row) {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(proofs_of(&row, 2) > 0 && !row[3].is_empty(), "{row:?}");
        found.push(row[0].clone());
    }
    let all = (1..=27).map(|number| format!("D{number}")).chain((1..=16).map(|number| format!("S{number}")));
    assert_eq!(found, all.collect::<Vec<_>>());
}

/// How many tests a cell names, all of which are there.
fn proofs_of(row: &[String], cell: usize) -> usize {
    let proofs = row[cell].split("; ").map(|proof| {
        let (file, name) = proof.split_once("`: ").unwrap_or_else(|| panic!("{proof:?} names no test: {row:?}"));
        let file = file.trim_start_matches('`');
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let there = if file.ends_with(".rs") { has_test(&text, name) } else { text.contains(name) };
        assert!(there, "{file} has no {name}: {row:?}");
    });
    proofs.count()
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

/// The cells of each row of the tables, but for the lines below their heads.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let cells = |line: &str| -> Option<Vec<String>> {
        let line = line.strip_prefix('|')?.strip_suffix('|')?;
        // A bar within code would be written with a backslash.
        Some(line.replace("\\|", "\u{1}").split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect())
    };
    text.lines().filter_map(cells).filter(|row: &Vec<String>| !row[0].starts_with("---"))
}

fn in_backquotes(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a function of this name has the attribute of a test above it.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    let starts = |line: &str| line.trim().trim_start_matches("async ").starts_with(&format!("fn {name}("));
    lines.iter().enumerate().filter(|(_, line)| starts(line)).any(|(at, _)| {
        let above = lines[..at].iter().rev().take_while(|line| line.trim().starts_with("#["));
        above.into_iter().any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
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
