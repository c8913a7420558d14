//! The mail server of the operator's, on this machine: the box reaches it as 10.0.2.100:465, by TLS.

use std::{fs, net::IpAddr, path::Path, process::Command};

use tempfile::TempDir;

use crate::rig::{Mail, Process};

/// The server's address as the box sees it.
pub const SERVER: &str = "10.0.2.100";

pub struct Mailbox {
    /// Port of this machine.
    pub port: u16,
    /// Whom the box has to trust, PEM.
    pub ca: String,
    server: Process,
    folder: TempDir,
}

impl Mailbox {
    pub fn start() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = package.join("target/venv/bin/python3");
        assert!(python.exists(), "aiosmtpd is missing: run scripts/setup");
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let address: IpAddr = SERVER.parse().unwrap();
        let issued = smsgate::tls::issue(&[], &[address], jiff::Zoned::now().date(), 2).unwrap();
        for (name, text) in [("chain.pem", &*issued.chain), ("key.pem", &*issued.key), ("faults", ""), ("mails", "")] {
            fs::write(at(name), text).unwrap();
        }
        let mut command = Command::new(python);
        command.arg(package.join("tests/smtp/server.py")).args(["--security", "tls"]);
        command.args(["--user", "gateway@example.org", "--password", "secret"]);
        command.arg("--out").arg(at("mails")).arg("--faults").arg(at("faults"));
        command.arg("--cert").arg(at("chain.pem")).arg("--key").arg(at("key.pem"));
        let (server, line) = Process::start_and_read_line(command);
        let port = line.trim().parse().expect("the mail server prints its port");
        Self { port, ca: issued.ca.clone(), server, folder }
    }

    /// Mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        Mail::all(&self.folder.path().join("mails"))
    }

    /// `[mail]` of smsgate.conf.
    pub fn section(&self) -> String {
        format!(
            "[mail]\nenabled = True\nserver = {SERVER}\nport = 465\nsecurity = tls\nuser = gateway@example.org\n\
             password = secret\nrecipient = mailbox@example.org\n"
        )
    }
}
