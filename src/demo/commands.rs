//! What people can paste into a shell: commands that send an SMS and read one, with this binary and with Python.

use std::path::Path;

use super::setup::{SIMS, Setup};

/// The commands, each of one or more lines.
#[derive(Clone, Debug)]
pub(super) struct Commands {
    /// With this binary: send, then read.
    pub(super) ours: Vec<String>,
    /// With Python's `xmlrpc.client`: a here-document.
    pub(super) python: Vec<String>,
}

impl Commands {
    /// The commands for a gateway at `port`; `binary` is this program.
    pub(super) fn new(setup: &Setup, port: u16, binary: &Path) -> Self {
        let word = |path: &Path| shell_word(&path.display().to_string());
        let [sender, recipient, ..] = SIMS.map(|sim| sim.number);
        let ours = |command: &str, token: &str, rest: &str| {
            let (ca, token) = (word(&setup.path("ca.pem")), word(&setup.path(&format!("{token}.token"))));
            format!("{} {command} --port {port} --ca {ca} --api-token-file {token} {rest}", word(binary))
        };
        Self {
            ours: vec![
                ours(
                    "send-sms",
                    "send_sms",
                    &format!("--sender {sender} --to {recipient} --text 'Hello from the shell'"),
                ),
                ours("get-sms", "get_sms", &format!("--number {recipient}")),
            ],
            python: vec![
                "python3 - <<'END'".to_owned(),
                "import json, ssl, xmlrpc.client as x".to_owned(),
                format!(
                    "d = json.load(open({}))",
                    serde_json::Value::from(setup.path("demo.json").display().to_string())
                ),
                r#"g = x.ServerProxy(d["url"], context=ssl.create_default_context(cafile=d["ca"]))"#.to_owned(),
                r#"print(g.send_sms(d["tokens"]["send_sms"], "", d["numbers"][1], "Hello from Python"))"#.to_owned(),
                r#"print(g.get_sms(d["tokens"]["get_sms"], "")[-1]["text"])"#.to_owned(),
                "END".to_owned(),
            ],
        }
    }

    /// All lines.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.ours.iter().chain(&self.python).map(String::as_str)
    }
}

/// A word that a POSIX shell reads as itself.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for word in ["/tmp/demo", "a b", "it's", "$HOME;`id`", "", "grün"] {
            let output =
                std::process::Command::new("sh").args(["-c", &format!("printf %s {}", shell_word(word))]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
        }
    }
}
