//! Python's `configparser` as oracle: over generated files, `config::ini` finds the same sections, keys and values, or
//! refuses the same files at the same lines.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use smsgate::config::ini::{self, FaultKind, Ini, ReferenceError, Section};

const FILES: usize = 3000;
const SEED: u64 = 0x5eed_0000_0000_0001;

const ORACLE: &str = r#"
import configparser, json, sys
answers = []
for text in json.load(sys.stdin):
    parser = configparser.ConfigParser()
    path = sys.argv[1]
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    try:
        parser.read(path, encoding="utf-8")
    except configparser.ParsingError as error:
        if isinstance(error, configparser.MissingSectionHeaderError):
            answers.append({"error": "NoSection", "lines": [error.lineno]})
        else:
            answers.append({"error": "Parsing", "lines": [line for line, _ in error.errors]})
        continue
    except configparser.Error as error:
        answers.append({"error": type(error).__name__, "lines": [error.lineno]})
        continue
    sections = {}
    for name in parser.sections():
        sections[name] = {}
        for key in parser[name]:
            try:
                sections[name][key] = {"value": parser.get(name, key)}
            except configparser.Error as error:
                sections[name][key] = {"error": type(error).__name__}
    answers.append({"sections": sections})
json.dump(answers, sys.stdout)
"#;

#[test]
fn configparser_agrees() {
    let mut files: Vec<String> = (1..=FILES as u64).map(|number| Generator(SEED ^ (number << 20)).file()).collect();
    files.extend(NASTY.iter().map(|text| (*text).to_owned()));
    let answers = ask_python(&files);
    assert_eq!(answers.len(), files.len());
    let mut refused = BTreeMap::new();
    for (text, expected) in files.iter().zip(&answers) {
        if lines_without_key(text) < 2 {
            assert_eq!(&ours(text), expected, "{text:?}");
        } else {
            // To configparser the second is also a duplicate of the key "", and it stops there.
            assert!(ours(text)["error"].is_string() && expected["error"].is_string(), "{text:?}");
        }
        *refused.entry(expected["error"].as_str().unwrap_or("none")).or_insert(0) += 1;
    }
    // A generator that has become tame would prove nothing.
    for (kind, least) in [
        ("none", 300),
        ("Parsing", 100),
        ("NoSection", 20),
        ("DuplicateSectionError", 50),
        ("DuplicateOptionError", 50),
    ] {
        assert!(refused.get(kind).is_some_and(|count| *count >= least), "{kind}: {refused:?}");
    }
}

/// What the generator would find only by luck.
const NASTY: [&str; 14] = [
    "",
    "\n\n",
    "[a",
    "[]\nk=v",
    "[a]]\nk=v",
    "[a][b]\nk=v",
    "[DEFAULT]\nk=1\n[DEFAULT]\nk=2",
    "[default]\nk=1\n[DEFAULT]\nk=2\nl=%(k)s\n[x]",
    "[a]\nk\u{a0}=\u{a0}v\u{a0}",
    "[a]\nk\u{1c}=\u{1d}v\u{1e}\u{1f}",
    "[a]\n\u{2003}k=v\n\u{2003}\u{2003}w",
    "[a]\nk=v\u{b}\u{c}w\u{85}x\u{2028}y",
    "[a]\nÄ=1\nä=2",
    "[a]\nk0=%(k1)s\nk1=%(k2)s\nk2=%(k3)s\nk3=%(k4)s\nk4=%(k5)s\nk5=%(k6)s\nk6=%(k7)s\nk7=%(k8)s\nk8=%(k9)s\n\
     k9=%(ka)s\nka=%(kb)s\nkb=end",
];

fn ours(text: &str) -> Value {
    let (ini, faults) = ini::read(text);
    let line = |position: usize| text[..position].replace("\r\n", "\n").matches(['\n', '\r']).count() + 1;
    let fatal = faults.iter().find_map(|fault| {
        // configparser stops at the first of these.
        let kind = match fault.kind {
            FaultKind::DuplicateKey { .. } => "DuplicateOptionError",
            FaultKind::DuplicateSection { .. } => "DuplicateSectionError",
            FaultKind::NoSection => "NoSection",
            FaultKind::EmptyKey | FaultKind::NoDelimiter => return None,
        };
        Some((kind, line(fault.span.start)))
    });
    if let Some((kind, line)) = fatal {
        return json!({ "error": kind, "lines": [line] });
    }
    if !faults.is_empty() {
        let lines: Vec<_> = faults.iter().map(|fault| line(fault.span.start)).collect();
        return json!({ "error": "Parsing", "lines": lines });
    }
    let sections: BTreeMap<_, _> = ini.sections().map(|section| (&section.name, values(&ini, section))).collect();
    json!({ "sections": sections })
}

fn lines_without_key(text: &str) -> usize {
    ini::read(text).1.iter().filter(|fault| fault.kind == FaultKind::EmptyKey).count()
}

fn values(ini: &Ini, section: &Section) -> BTreeMap<String, Value> {
    let entries = section.entries.iter().chain(&ini.defaults().entries);
    entries
        .map(|entry| {
            let value = match ini.value(section, ini.entry(section, &entry.key).unwrap()) {
                Ok(value) => json!({ "value": value }),
                Err(ReferenceError::Syntax) => json!({ "error": "InterpolationSyntaxError" }),
                Err(ReferenceError::TooDeep) => json!({ "error": "InterpolationDepthError" }),
                Err(ReferenceError::Unknown(_)) => json!({ "error": "InterpolationMissingOptionError" }),
            };
            (entry.key.clone(), value)
        })
        .collect()
}

/// One process for all files.
fn ask_python(files: &[String]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut python = Command::new("python3")
        .args(["-c", ORACLE])
        .arg(folder.path().join("file.conf"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test compares with Python's configparser and needs python3: {error}"));
    python.stdin.take().unwrap().write_all(&serde_json::to_vec(files).unwrap()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Makes files out of lines that are usual, odd or wrong (xorshift64*).
struct Generator(u64);

impl Generator {
    fn file(&mut self) -> String {
        let end = self.pick(&["\n", "\n", "\n", "\r\n", "\r"]);
        let mut text = String::new();
        if self.chance(97) {
            text += &format!("[{}]{end}", self.section());
        }
        for _ in 0..self.below(12) {
            let line = self.line();
            text += &line;
            text += end;
        }
        if self.chance(30) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    }

    fn line(&mut self) -> String {
        match self.below(100) {
            0..58 => format!("{}{}{}{}", self.indent(), self.key(), self.delimiter(), self.value()),
            58..70 => format!("{}{}", self.pick(&["  ", "\t", "    ", "\u{a0}"]), self.value()),
            70..80 => self.pick(&["", "", "   ", "\t"]).to_owned(),
            80..88 => format!("{}{}{}", self.indent(), self.pick(&["#", ";", "# ", ";;"]), self.value()),
            88..96 => format!("{}[{}]{}", self.indent(), self.section(), self.pick(&["", "", " ", " ; x", "]", "x=1"])),
            96..98 => self.value(),
            _ => self.pick(&["=", ":x", " = v", "[", "[]", "]", "%", "\u{feff}k=v"]).to_owned(),
        }
    }

    fn indent(&mut self) -> &'static str {
        self.pick(&["", "", "", "", "", "", "", " ", "  ", "\t"])
    }

    fn section(&mut self) -> &'static str {
        self.pick(&[
            "a", "A", "b", "c d", " e ", "DEFAULT", "default", "mail", "00", "01", "x]y", "ü", "=", "#h", "s", "t",
        ])
    }

    fn key(&mut self) -> &'static str {
        self.pick(&[
            "k",
            "K",
            "key",
            "Key 2",
            "port",
            "token_SIM_get_sms",
            "ß",
            "İ",
            "ΑΣ",
            "a#b",
            "a;b",
            "%k",
            "[k",
            "x y",
            "l",
            "m",
            "n",
            "o",
            "p",
            "q",
            "r",
            "s",
            "t",
            "u",
        ])
    }

    fn delimiter(&mut self) -> &'static str {
        self.pick(&["=", "=", " = ", ":", " : ", "  =\t", "==", ":=", " =", "\u{a0}=\u{a0}"])
    }

    fn value(&mut self) -> String {
        let pieces = [
            "",
            "v",
            "1",
            "two words",
            "  ",
            "# no comment",
            " ; nor this",
            "%%",
            "%(k)s",
            "%(KEY)s",
            "%(port)s",
            "%(none)s",
            "%",
            "%s",
            "%(",
            "%()s",
            "%(k)",
            "100%",
            "\"quoted\"",
            "'",
            "\\n",
            r"([\d+\,]+)",
            "a=b",
            "c:d",
            "ä€😀",
            "\u{a0}",
            "[x]",
            "\u{b}",
            "\u{85}",
            "\u{1f}",
            "$2b$10$abc",
        ];
        (0..self.below(4)).map(|_| self.pick(&pieces)).collect()
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}
