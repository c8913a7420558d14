//! The hint file: on which port each modem was found last, so that it is found sooner after a restart.
//!
//! One line `IMEI PORT` each, as upstream writes it. A hint is never trusted, only tried first, so that a damaged file
//! costs time and nothing else: lines that are not whole are left out.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::model::Imei;

/// Where modems were seen last, and the file that remembers it.
#[derive(Debug)]
pub struct Hints {
    path: Option<PathBuf>,
    ports: BTreeMap<Imei, PathBuf>,
}

impl Hints {
    /// Reads the file; one that is absent or unreadable is the same as an empty one. Without a path nothing is kept.
    #[must_use]
    pub fn load(path: Option<&Path>) -> Self {
        let octets = path.and_then(|path| fs::read(path).ok()).unwrap_or_default();
        Self { path: path.map(Path::to_owned), ports: parse(&octets) }
    }

    /// Where this modem was last.
    #[must_use]
    pub fn port_of(&self, imei: &Imei) -> Option<&Path> {
        self.ports.get(imei).map(PathBuf::as_path)
    }

    /// Remembers where a modem is. The file is written if that is new.
    ///
    /// # Errors
    /// If the file cannot be written; the hint is remembered for this run all the same.
    pub fn remember(&mut self, imei: &Imei, port: &Path) -> io::Result<()> {
        if self.port_of(imei) == Some(port) {
            return Ok(());
        }
        // Two modems cannot be on one port: the older of the two hints is wrong.
        self.ports.retain(|_, other| other != port);
        self.ports.insert(imei.clone(), port.to_owned());
        match &self.path {
            Some(path) => replace(path, &render(&self.ports)),
            None => Ok(()),
        }
    }
}

/// The whole lines of a file. The last one counts only if its line end is there: a port cut short may be another port.
#[must_use]
pub fn parse(octets: &[u8]) -> BTreeMap<Imei, PathBuf> {
    let text = String::from_utf8_lossy(octets);
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.filter_map(pair).collect()
}

fn pair(line: &str) -> Option<(Imei, PathBuf)> {
    let (imei, port) = line.trim_end().split_once(' ')?;
    Some((Imei::parse(imei)?, PathBuf::from(port))).filter(|_| is_sound(port))
}

/// It is the same once it stood in a line.
fn is_sound(port: &str) -> bool {
    let foreign = |c: char| c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER;
    port.starts_with('/') && !port.contains(foreign)
}

/// The file with these pairs, but for those it cannot hold.
#[must_use]
pub fn render(ports: &BTreeMap<Imei, PathBuf>) -> String {
    let sound = ports.iter().filter_map(|(imei, port)| Some((imei, port.to_str().filter(|port| is_sound(port))?)));
    sound.map(|(imei, port)| format!("{imei} {port}\n")).collect()
}

/// Puts a new file in the old one's place, so that a power cut leaves one of the two.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn imei(last: u32) -> Imei {
        Imei::parse(&format!("49015420323{last:04}")).unwrap()
    }

    #[test]
    fn what_was_remembered_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hints");
        let mut hints = Hints::load(Some(&path));
        assert_eq!(hints.port_of(&imei(1)), None);
        hints.remember(&imei(1), Path::new("/dev/ttyUSB0")).unwrap();
        hints.remember(&imei(2), Path::new("/dev/ttyUSB1")).unwrap();
        hints.remember(&imei(1), Path::new("/dev/ttyUSB1")).unwrap();
        let hints = Hints::load(Some(&path));
        assert_eq!(hints.port_of(&imei(1)), Some(Path::new("/dev/ttyUSB1")));
        assert_eq!(hints.port_of(&imei(2)), None, "two modems on one port");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the new file has taken the old one's place");
    }

    #[test]
    fn the_file_is_written_only_when_something_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hints");
        let mut hints = Hints::load(Some(&path));
        hints.remember(&imei(1), Path::new("/dev/ttyUSB0")).unwrap();
        let first = fs::metadata(&path).unwrap().ino();
        hints.remember(&imei(1), Path::new("/dev/ttyUSB0")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), first);
        let keep = fs::File::open(&path).unwrap();
        hints.remember(&imei(1), Path::new("/dev/ttyUSB1")).unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), keep.metadata().unwrap().ino());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_and_the_hint_remains() {
        let folder = tempfile::tempdir().unwrap();
        let mut hints = Hints::load(Some(&folder.path().join("no/such/hints")));
        assert!(hints.remember(&imei(1), Path::new("/dev/ttyUSB0")).is_err());
        assert_eq!(hints.port_of(&imei(1)), Some(Path::new("/dev/ttyUSB0")));
        let mut hints = Hints::load(None);
        assert!(hints.remember(&imei(1), Path::new("/dev/ttyUSB0")).is_ok());
    }

    #[test]
    fn a_file_cut_at_any_octet_gives_no_wrong_pair() {
        let ports: BTreeMap<_, _> =
            (0..12).map(|number| (imei(number), PathBuf::from(format!("/dev/ttyUSB{number}")))).collect();
        let whole = render(&ports);
        for end in 0..=whole.len() {
            let found = parse(&whole.as_bytes()[..end]);
            assert_eq!(found.len(), whole[..end].matches('\n').count());
            assert!(found.iter().all(|(imei, port)| ports.get(imei) == Some(port)), "cut at {end}");
        }
        for start in 0..whole.len() {
            let found = parse(&whole.as_bytes()[start..]);
            let whole_lines: Vec<_> = found.iter().filter(|(imei, _)| imei.as_str().len() == 15).collect();
            assert!(whole_lines.iter().all(|(imei, port)| ports.get(*imei) == Some(port)), "begun at {start}");
        }
    }

    #[test]
    fn a_port_that_is_no_part_of_a_line_is_not_written() {
        for port in ["/dev/a\n490154203230002 /dev/b", "/dev/a\t", "/dev/a b", "dev/a", "", "/dev/\u{85}"] {
            assert_eq!(render(&BTreeMap::from([(imei(1), PathBuf::from(port))])), "", "{port:?}");
        }
    }

    #[test]
    fn garbage_between_whole_lines_is_left_out() {
        let text = b"\n490154203230001\n490154203230002 \nx /dev/a\n490154203230003 ttyUSB0\n\
            490154203230004 /dev/\xff\n490154203230005 /dev/a /dev/b\n490154203230006 /dev/ok\r\n\0\0\0\0\n";
        let found = parse(text);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(imei(6), PathBuf::from("/dev/ok"))]);
        assert_eq!(parse(&[0; 4096]), BTreeMap::new());
    }
}
