//! The demo's folder: a certificate, tokens, and the two configuration files, all fresh and all for people to read.
//!
//! What is secret has mode 0600. A folder that an earlier demo left is emptied; any other that is not empty is refused.

use std::{
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    cli::{Exit, Failure, token},
    tls,
};

/// The file that marks a demo's folder, and tells scripts how to reach the gateway.
const MARK: &str = "demo.json";
/// Functions that have a token, by the names of their keys.
pub(crate) const FUNCTIONS: [&str; 5] = ["send_sms", "get_sms", "get_stats", "get_health_state", "send_ussd"];

/// A modem of the demo.
#[derive(Debug)]
pub(crate) struct Sim {
    /// Name of the slot, and of the emulator's personality.
    pub(crate) slot: &'static str,
    /// Number the emulator gives it.
    pub(crate) number: &'static str,
    encoding: &'static str,
    prefixes: &'static str,
    costs: &'static str,
}

/// Four families. The numbers are those of the emulator's first four modems.
pub(crate) const SIMS: [Sim; 4] = [
    Sim { slot: "sim7600e", number: "+491700000000", encoding: "GSM", prefixes: "+49 +43 +41", costs: "0.09" },
    Sim { slot: "mf190", number: "+491700000001", encoding: "UCS2", prefixes: "+49", costs: "0.07" },
    Sim { slot: "huawei", number: "+491700000002", encoding: "GSM", prefixes: "+4917 +33", costs: "0.05" },
    Sim { slot: "m35", number: "+491700000003", encoding: "GSM", prefixes: "+", costs: "0.19" },
];

/// The folder and what was put into it.
#[derive(Debug)]
pub(crate) struct Setup {
    folder: PathBuf,
    removed_at_end: bool,
    tokens: Vec<(&'static str, SecretString)>,
}

impl Setup {
    /// Makes folder, certificate and tokens. Without a path, a temporary folder that goes when this is dropped, unless
    /// it is to be kept.
    pub(crate) fn begin(folder: Option<&Path>, keep: bool) -> Result<Self, Failure> {
        let folder = match folder {
            Some(folder) => reuse(folder)?,
            None => temporary()?,
        };
        let mut setup = Self { removed_at_end: folder.1 && !keep, folder: folder.0, tokens: Vec::new() };
        setup.write(MARK, "{}\n", 0o600)?;
        setup.issue_certificate()?;
        for function in FUNCTIONS {
            let token = token::random_token()?;
            setup.write(&format!("{function}.token"), &format!("{}\n", token.expose_secret()), 0o600)?;
            setup.tokens.push((function, token));
        }
        Ok(setup)
    }

    /// A path inside the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A function's token.
    pub(crate) fn token(&self, function: &str) -> SecretString {
        self.tokens.iter().find(|(name, _)| *name == function).map(|(_, token)| token.clone()).unwrap_or_default()
    }

    /// Writes both configuration files, for a mail server at `mail`.
    pub(crate) fn configure(&self, mail: SocketAddr) -> Result<(), Failure> {
        let gateway = self.gateway_file(mail)?;
        self.write(crate::config_files::GATEWAY_FILE, &gateway, 0o600)?;
        self.write(crate::config_files::SIMS_FILE, &self.sims_file(), 0o600)
    }

    /// Writes `demo.json`, once the gateway's port is known.
    pub(crate) fn announce(&self, port: u16) -> Result<(), Failure> {
        let tokens: serde_json::Map<_, _> =
            self.tokens.iter().map(|(name, token)| ((*name).to_owned(), json!(token.expose_secret()))).collect();
        let numbers: Vec<&str> = SIMS.iter().map(|sim| sim.number).collect();
        let url = format!("https://localhost:{port}/");
        let text = json!({ "url": url, "ca": self.path("ca.pem"), "tokens": tokens, "numbers": numbers });
        self.write(MARK, &format!("{text:#}\n"), 0o600)
    }

    fn issue_certificate(&self) -> Result<(), Failure> {
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let issued = tls::issue(&["localhost".to_owned()], &addresses, jiff::Zoned::now().date(), 30)
            .map_err(|error| Failure::new(Exit::System, error.to_string()))?;
        self.write("ca.pem", &issued.ca, 0o644)?;
        self.write("cert.pem", &issued.chain, 0o644)?;
        self.write("key.pem", &issued.key, 0o600)
    }

    fn gateway_file(&self, mail: SocketAddr) -> Result<String, Failure> {
        let mut hashes = String::new();
        for (function, token) in &self.tokens {
            let hash = token::bcrypt_hash(token)?;
            if *function == "get_sms" {
                hashes.extend(SIMS.iter().map(|sim| format!("token_{}_get_sms = {hash}\n", sim.slot)));
            } else {
                hashes.push_str(&format!("token_{function} = {hash}\n"));
            }
        }
        let password = token::random_token()?;
        let path = |name: &str| value(&self.path(name));
        Ok(format!(
            "# The gateway of `smsgate demo`. The tokens are in {mark}.\n\
             \n[mail]\n# The demo's own mail server, which speaks TLS and keeps what it gets in memory.\n\
             server = {host}\nport = {port}\nsecurity = tls\nuser = gateway@example.org\npassword = {password}\n\
             recipient = mailbox@example.org\nca = {ca}\n\
             \n[server]\nhost = localhost\n# Any free port; {mark} tells which.\nport = 0\n\
             certificate = {certificate}\nkey = {key}\n\
             \n[api]\nenable_send_sms = True\nenable_send_ussd = True\n{hashes}\
             \n[modempool]\nsms_self_test_interval =\nserial_ports_hint_file = {hints}\n\
             \n[logging]\nlevel = INFO\n\
             \n[store]\npath = {store}\n",
            mark = MARK,
            host = mail.ip(),
            port = mail.port(),
            password = password.expose_secret(),
            ca = path("ca.pem"),
            certificate = path("cert.pem"),
            key = path("key.pem"),
            hints = path("ports.hints"),
            store = path("smsgate.db"),
        ))
    }

    fn sims_file(&self) -> String {
        let mut text =
            "# The SIM cards of `smsgate demo`: four modems made of code, each behind a port as real ones are.\n\
             \n[DEFAULT]\nwait_for_start = 20\ncurrency = EUR\nhealth_check_interval = 15\nussd_account_balance = *100#\n\
             account_balance_warning = 5.00\naccount_balance_critical = 1.00\n"
                .to_owned();
        for (index, Sim { slot, number, encoding, prefixes, costs }) in SIMS.iter().enumerate() {
            let port = value(&self.path("ports").join(format!("modem-{index:02}")));
            text.push_str(&format!(
                "\n[{slot}]\nport = {port}\nphone_number = {number}\nprovider = Testnetz\nencoding = {encoding}\n\
                 prefixes = {prefixes}\ncosts_per_sms = {costs}\n"
            ));
        }
        text
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), Failure> {
        let path = self.path(name);
        write(&path, text, mode).map_err(|error| unwritable(&path, &error))
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        if self.removed_at_end {
            // Nobody is left to tell if it fails, and the system empties its temporary folder some day.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A path as a value of the configuration, where a percent sign is written twice.
fn value(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // By way of a new file, so that an older one's mode does not stay and readers see all or nothing.
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}

fn temporary() -> Result<(PathBuf, bool), Failure> {
    let name = uuid::Uuid::now_v7().simple().to_string();
    let folder = std::env::temp_dir().join(format!("smsgate-demo-{}", name.get(24..).unwrap_or_default()));
    fs::DirBuilder::new().mode(0o700).create(&folder).map_err(|error| unwritable(&folder, &error))?;
    Ok((folder, true))
}

/// The folder asked for, empty.
fn reuse(folder: &Path) -> Result<(PathBuf, bool), Failure> {
    let failed = |error: io::Error| unwritable(folder, &error);
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(failed)?;
    let folder = &folder.canonicalize().map_err(failed)?;
    let refused = |why: &str| Err(Failure::new(Exit::CannotCreate, format!("{} {why}", folder.display())));
    let empty = fs::read_dir(folder).map_err(failed)?.next().is_none();
    if !empty && !folder.join(MARK).exists() {
        return refused("holds other things; name an empty or a new folder");
    }
    if std::os::unix::net::UnixStream::connect(folder.join(super::SOCKET)).is_ok() {
        return refused("is in use by another demo; end that one, or name another folder");
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let removed =
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(failed)?;
    }
    Ok((folder.clone(), false))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_configuration_loads_without_a_word_and_nothing_secret_can_be_read_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::begin(Some(&folder.path().join("100% demo")), false).unwrap();
        setup.configure("127.0.0.1:4465".parse().unwrap()).unwrap();
        setup.announce(4433).unwrap();
        let loaded = crate::config_files::load_folder(setup.folder()).unwrap();
        assert_eq!(loaded.render(false), "");
        let config = loaded.config.unwrap();
        assert_eq!(config.slots.len(), 4);
        assert!(
            bcrypt::verify(
                setup.token("get_sms").expose_secret(),
                &config.gateway.api.token_get_sms.values().next().unwrap()[0]
            )
            .unwrap()
        );
        for entry in fs::read_dir(setup.folder()).unwrap() {
            let path = entry.unwrap().path();
            let public = path.ends_with("ca.pem") || path.ends_with("cert.pem");
            assert_eq!(mode(&path), if public { 0o644 } else { 0o600 }, "{}", path.display());
        }
    }

    #[test]
    fn a_folder_of_an_earlier_demo_is_emptied_and_any_other_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.tex"), "").unwrap();
        assert_eq!(Setup::begin(Some(folder.path()), false).unwrap_err().exit(), Exit::CannotCreate);
        fs::write(folder.path().join(MARK), "").unwrap();
        fs::create_dir(folder.path().join("ports")).unwrap();
        drop(Setup::begin(Some(folder.path()), false).unwrap());
        assert!(!folder.path().join("thesis.tex").exists() && !folder.path().join("ports").exists());
        assert!(folder.path().join("key.pem").exists(), "a folder that was asked for stays");
    }

    #[test]
    fn a_temporary_folder_is_private_and_goes_unless_kept() {
        let setup = Setup::begin(None, false).unwrap();
        let folder = setup.folder().to_owned();
        assert_eq!(mode(&folder), 0o700);
        drop(setup);
        assert!(!folder.exists());
        let kept = Setup::begin(None, true).unwrap().folder().to_owned();
        assert!(kept.exists());
        fs::remove_dir_all(kept).unwrap();
    }
}
