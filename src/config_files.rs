//! Finding and reading the configuration's files. What is in them is the business of [`config`].

use std::{
    fmt, fs,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::config::{self, Config, Diagnostic, Severity, Source};

/// The gateway's file in a configuration folder.
pub const GATEWAY_FILE: &str = "smsgate.conf";

/// The slots' file in a configuration folder.
pub const SIMS_FILE: &str = "sim-cards.conf";

/// Where the configuration is if neither the command line nor the working directory says so.
const SYSTEM_FOLDER: &str = "/etc/smsgate";

/// The permission of others to read.
const READ_BY_OTHERS: u32 = 0o004;

/// A folder's configuration.
pub struct Loaded {
    /// The configuration; `None` if a diagnostic is an error.
    pub config: Option<Config>,
    /// Every problem, in the order of the files' lines.
    pub diagnostics: Vec<Diagnostic>,
    files: [(String, String); 2],
}

impl Loaded {
    /// Shows all problems with their lines.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        config::render(&self.diagnostics, &self.sources(), colour)
    }

    fn sources(&self) -> [Source<'_>; 2] {
        self.files.each_ref().map(|(name, text)| Source { name, text })
    }
}

/// Without the files' text: passwords are in it.
impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .field("diagnostics", &self.diagnostics)
            .finish_non_exhaustive()
    }
}

/// Why the files could not even be read. The exit code for all of these is 78 (`EX_CONFIG`).
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It has octets that are no text.
    #[error("{}: line {line} is not UTF-8; convert it, e.g. with `iconv -f latin1 -t utf8`", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first such line.
        line: usize,
    },
    /// Others may read them, and they may contain passwords.
    #[error("configuration files may be read by others; run `chmod o-r {}`", quoted(paths))]
    ReadableByOthers {
        /// All such files.
        paths: Vec<PathBuf>,
    },
    /// It is not there, or the daemon's account may not read it.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl LoadError {
    /// The exit code of a program that cannot go on without its configuration (sysexits `EX_CONFIG`).
    pub const EXIT_CODE: u8 = 78;
}

/// The folder to read: the one named, or `conf` in the working directory if it holds a configuration, or
/// `/etc/smsgate`.
#[must_use]
pub fn find_folder(explicit: Option<&Path>) -> PathBuf {
    explicit.map_or_else(|| usual_folder(Path::new("")), Path::to_owned)
}

fn usual_folder(working_directory: &Path) -> PathBuf {
    let beside = working_directory.join("conf");
    if beside.join(GATEWAY_FILE).is_file() { beside } else { PathBuf::from(SYSTEM_FOLDER) }
}

/// Reads and understands a folder's two files.
///
/// Relative paths of certificates and keys are looked up in the working directory, then in `folder`.
///
/// # Errors
/// [`LoadError`] if a file cannot be read, or may be read by others.
pub fn load_folder(folder: &Path) -> Result<Loaded, LoadError> {
    load_from(folder, Path::new(""))
}

fn load_from(folder: &Path, working_directory: &Path) -> Result<Loaded, LoadError> {
    let files = match (read(&folder.join(GATEWAY_FILE)), read(&folder.join(SIMS_FILE))) {
        (Ok(gateway), Ok(sims)) => [gateway, sims],
        (Err(LoadError::ReadableByOthers { paths: mut all }), Err(LoadError::ReadableByOthers { paths })) => {
            all.extend(paths);
            return Err(LoadError::ReadableByOthers { paths: all });
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let [gateway, sims] = files.each_ref().map(|(name, text)| Source { name, text });
    let (mut config, mut diagnostics) = config::load(gateway, sims);
    if let Some(config) = &mut config {
        let ca = config.gateway.mail.ca.as_mut().filter(|_| config.gateway.mail.enabled);
        let server = &mut config.gateway.server;
        let paths =
            [("server", "certificate", Some(&mut server.certificate)), ("server", "key", Some(&mut server.key))];
        for (section, key, path) in paths.into_iter().chain([("mail", "ca", ca)]) {
            let Some(path) = path else { continue };
            let candidates = [working_directory.join(&path), folder.join(&path)];
            if let Some(found) = candidates.iter().find(|candidate| candidate.exists()) {
                found.clone_into(path);
                continue;
            }
            diagnostics.push(missing_file(gateway, section, key, &candidates));
            let [_, in_folder] = candidates;
            *path = in_folder;
        }
    }
    Ok(Loaded { config, diagnostics, files })
}

fn missing_file(gateway: Source<'_>, section: &str, key: &str, candidates: &[PathBuf; 2]) -> Diagnostic {
    let [first, second] = candidates;
    let places = if first == second {
        first.display().to_string()
    } else {
        format!("{} or {}", first.display(), second.display())
    };
    let remedy = if section == "server" { "`smsgate cert` makes a certificate and its key" } else { "" };
    Diagnostic {
        severity: Severity::Warning,
        file: gateway.name.to_owned(),
        place: config::place_of(gateway, section, key),
        message: format!("`{key}`: there is no {places}"),
        remedy: remedy.to_owned(),
    }
}

fn read(path: &Path) -> Result<(String, String), LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let mut file = fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & READ_BY_OTHERS != 0 {
        return Err(LoadError::ReadableByOthers { paths: vec![path.to_owned()] });
    }
    let mut octets = Vec::new();
    file.read_to_end(&mut octets).map_err(unreadable)?;
    let text = String::from_utf8(octets).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        LoadError::NotUtf8 { path: path.to_owned(), line: 1 + valid.iter().filter(|octet| **octet == b'\n').count() }
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, text))
}

/// As a shell takes each for one word.
fn quoted(paths: &[PathBuf]) -> String {
    let word = |path: &PathBuf| {
        let text = path.display().to_string();
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
        if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
    };
    paths.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = include_str!("../conf/smsgate.conf.example");
    const SIMS: &str = include_str!("../conf/sim-cards.conf.example");

    fn folder(files: &[(&str, &[u8], u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, octets, mode) in files {
            let path = folder.path().join(name);
            fs::write(&path, octets).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_to_run() {
        for (mode, refused) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
            let folder = folder(&[(GATEWAY_FILE, GATEWAY.as_bytes(), 0o600), (SIMS_FILE, SIMS.as_bytes(), mode)]);
            let result = load_folder(folder.path());
            assert_eq!(matches!(result, Err(LoadError::ReadableByOthers { .. })), refused, "{mode:o}");
            if let Err(error) = result {
                let path = folder.path().join(SIMS_FILE);
                assert!(error.to_string().ends_with(&format!("run `chmod o-r {}`", path.display())), "{error}");
            }
        }
    }

    #[test]
    fn all_files_that_others_may_read_are_named_at_once() {
        let folder = folder(&[(GATEWAY_FILE, b"", 0o644), (SIMS_FILE, b"", 0o644)]);
        let error = load_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(GATEWAY_FILE) && error.contains(SIMS_FILE), "{error}");
        assert_eq!(quoted(&["/a b/c".into(), "/it's".into()]), r"'/a b/c' '/it'\''s'");
    }

    #[test]
    fn files_that_are_not_there_or_not_text_are_named() {
        let missing = folder(&[(GATEWAY_FILE, GATEWAY.as_bytes(), 0o600)]);
        let error = load_folder(missing.path()).unwrap_err().to_string();
        assert!(error.contains(SIMS_FILE) && error.contains("No such file"), "{error}");
        let latin1 = folder(&[(GATEWAY_FILE, b"[mail]\n# \xe4\n", 0o600), (SIMS_FILE, SIMS.as_bytes(), 0o600)]);
        let error = load_folder(latin1.path()).unwrap_err().to_string();
        assert!(error.contains("smsgate.conf: line 2 is not UTF-8"), "{error}");
    }

    #[test]
    fn certificates_are_looked_up_in_the_working_directory_then_in_the_folder() {
        let folder = folder(&[
            (GATEWAY_FILE, GATEWAY.as_bytes(), 0o600),
            (SIMS_FILE, SIMS.as_bytes(), 0o600),
            ("key.pem", b"", 0o600),
        ]);
        let here = tempfile::tempdir().unwrap();
        let loaded = load_from(folder.path(), here.path()).unwrap();
        let server = loaded.config.as_ref().unwrap().gateway.server.clone();
        assert_eq!(server.key, folder.path().join("key.pem"));
        assert_eq!(server.certificate, folder.path().join("cert.pem"));
        assert_eq!(loaded.diagnostics.len(), 1, "{:?}", loaded.diagnostics);
        let line = 1 + GATEWAY.lines().position(|line| line.starts_with("certificate")).unwrap();
        assert!(loaded.diagnostics[0].to_string().starts_with(&format!("smsgate.conf:{line}: `certificate`")));
        assert!(loaded.render(false).contains("certificate = cert.pem"), "{}", loaded.render(false));

        fs::write(here.path().join("key.pem"), "").unwrap();
        let loaded = load_from(folder.path(), here.path()).unwrap();
        assert_eq!(loaded.config.unwrap().gateway.server.key, here.path().join("key.pem"));
    }

    #[test]
    fn the_folder_is_the_one_named_or_the_usual() {
        assert_eq!(find_folder(Some(Path::new("/a"))), Path::new("/a"));
        let here = tempfile::tempdir().unwrap();
        assert_eq!(usual_folder(here.path()), Path::new("/etc/smsgate"));
        fs::create_dir(here.path().join("conf")).unwrap();
        assert_eq!(usual_folder(here.path()), Path::new("/etc/smsgate"), "a folder without a configuration");
        fs::write(here.path().join("conf").join(GATEWAY_FILE), "").unwrap();
        assert_eq!(usual_folder(here.path()), here.path().join("conf"));
    }
}
