//! `cert`: a certificate for the gateway, and the CA certificate that clients trust.
//!
//! The CA signs this one certificate and its key is thrown away, so there is nothing to guard but the server's key.

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::Args;

use super::exit::{Exit, Failure};
use crate::tls;

/// Flags of `cert`.
#[derive(Args, Clone, Debug)]
pub(super) struct CertArgs {
    /// Folder for the three files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) out: PathBuf,
    /// Names and addresses that clients use for this host, e.g. gateway.example.org 192.0.2.7. The host's own name,
    /// localhost, 127.0.0.1 and ::1 are always in
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Days until it expires
    #[arg(long, value_name = "DAYS", default_value_t = 825)]
    pub(super) days: u16,
    /// Replace files that are there
    #[arg(long)]
    pub(super) force: bool,
}

const CA_FILE: &str = "ca.pem";
const CERTIFICATE_FILE: &str = "cert.pem";
const KEY_FILE: &str = "key.pem";

/// Makes the certificate and writes the files.
///
/// # Errors
/// [`Failure`]: a name that cannot be in a certificate, files that are there, a folder that cannot be written.
pub(super) fn run(args: &CertArgs, out: &mut impl Write) -> Result<(), Failure> {
    let (names, addresses) = subjects(&args.names);
    let today = jiff::Zoned::now().date();
    let issued = tls::issue(&names, &addresses, today, args.days)
        .map_err(|error| Failure::new(Exit::Usage, format!("no certificate: {error}")))?;
    let files =
        [(CA_FILE, &issued.ca, 0o644), (CERTIFICATE_FILE, &issued.chain, 0o644), (KEY_FILE, &issued.key, 0o600)];
    fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, &error))?;
    if !args.force
        && let Some(there) = files.iter().map(|(name, ..)| args.out.join(name)).find(|path| path.exists())
    {
        let line = format!("{} is there already; use another folder, or --force to replace it", there.display());
        return Err(Failure::new(Exit::CannotCreate, line));
    }
    for (name, text, mode) in files {
        let path = args.out.join(name);
        write(&path, text, mode).map_err(|error| unwritable(&path, &error))?;
    }
    let subjects: Vec<String> = names.into_iter().chain(addresses.iter().map(IpAddr::to_string)).collect();
    let file = |name| args.out.join(name).display().to_string();
    writeln!(
        out,
        "Certificate for {}, for {} days from today.\n\n\
         For smsgate.conf, section [server]:\n\n    certificate = {}\n    key = {}\n\n\
         For clients (--ca): {}",
        subjects.join(", "),
        args.days,
        file(CERTIFICATE_FILE),
        file(KEY_FILE),
        file(CA_FILE)
    )?;
    Ok(())
}

/// What the certificate is for: what was asked for, this host, and loopback.
fn subjects(asked: &[String]) -> (Vec<String>, Vec<IpAddr>) {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let usual = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for subject in asked.iter().cloned().chain(host).chain(usual) {
        match subject.parse() {
            Ok(address) if !addresses.contains(&address) => addresses.push(address),
            Err(_) if !names.contains(&subject) => names.push(subject),
            _ => {}
        }
    }
    (names, addresses)
}

/// Writes by way of a file beside it, so that a daemon never loads half a certificate.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_told_apart_and_named_once() {
        let (names, addresses) = subjects(&["a.example".into(), "192.0.2.7".into(), "localhost".into()]);
        assert_eq!(names.iter().filter(|name| *name == "localhost").count(), 1);
        assert_eq!(names[0], "a.example");
        let text: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(text, ["192.0.2.7", "127.0.0.1", "::1"]);
    }
}
