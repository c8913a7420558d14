//! Generations of the configuration: `gen-N` folders that never change, and `current`, which points at one.
//!
//! A generation is made whole and synced before `current` turns to it by a rename. The last three are kept. What a
//! power cut leaves is a folder that `current` never pointed at, or one with another name: both go at the next start.
//! Where `current` itself is gone, as a file system's repair may do, it is made anew for the newest: a box that has a
//! configuration never starts as if it had none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    candidate::Files,
    durable::{Access, create, folder, point, sync_folder},
};

/// How many are kept.
const KEPT: u64 = 3;
const CURRENT: &str = "current";

/// The folder with all generations.
#[derive(Debug)]
pub(super) struct Generations {
    root: PathBuf,
    /// The one in force.
    pub(super) number: Option<u64>,
}

impl Generations {
    /// Opens the folder, making it if need be, and clears away what a power cut left.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        folder(root, Access::Daemon)?;
        let mut generations = Self { root: root.to_owned(), number: current(root) };
        if generations.number.is_none()
            && let Some(newest) = generations.newest()?
        {
            generations.turn_to(newest)?;
        }
        generations.clear()?;
        Ok(generations)
    }

    /// The files of the one in force; empty if there is none.
    pub(super) fn files(&self) -> io::Result<Files> {
        if self.number.is_none() { Ok(Files::new()) } else { in_force(&self.root) }
    }

    /// The number that the next one will have.
    pub(super) fn next(&self) -> u64 {
        self.number.map_or(1, |number| number + 1)
    }

    /// Makes a new one and puts it in force.
    pub(super) fn commit(&mut self, files: &Files) -> io::Result<()> {
        let number = self.next();
        let unfinished = self.root.join(format!("gen-{number}.new"));
        folder(&unfinished, Access::Daemon)?;
        for (name, text) in files {
            create(&unfinished.join(name), text.as_bytes(), Access::Daemon)?;
        }
        sync_folder(&unfinished)?;
        fs::rename(&unfinished, self.folder_of(number))?;
        sync_folder(&self.root)?;
        self.turn_to(number)?;
        self.clear()
    }

    fn turn_to(&mut self, number: u64) -> io::Result<()> {
        point(&self.root.join(CURRENT), Path::new(&format!("gen-{number}")))?;
        self.number = Some(number);
        Ok(())
    }

    /// The newest that is whole, as each one is that has its final name.
    fn newest(&self) -> io::Result<Option<u64>> {
        let mut newest = None;
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                newest = newest.max(entry.file_name().to_str().and_then(number_in));
            }
        }
        Ok(newest)
    }

    fn folder_of(&self, number: u64) -> PathBuf {
        self.root.join(format!("gen-{number}"))
    }

    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(number_in);
            let newest = self.number.unwrap_or(0);
            let keep = number.is_some_and(|number| number <= newest && number + KEPT > newest);
            let is_ours = name.to_str().is_some_and(|name| name.starts_with("gen-"));
            if is_ours && !keep {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The number of the generation in force; `None` if there is none.
pub(super) fn current(root: &Path) -> Option<u64> {
    let target = fs::read_link(root.join(CURRENT)).ok()?;
    let number = number_in(target.to_str()?)?;
    root.join(target).is_dir().then_some(number)
}

/// The files of the generation in force.
pub(super) fn in_force(root: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(root.join(CURRENT))? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
    }
    Ok(files)
}

fn number_in(name: &str) -> Option<u64> {
    name.strip_prefix("gen-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Files {
        Files::from([("smsgate.conf".to_owned(), text.to_owned())])
    }

    #[test]
    fn three_are_kept_and_what_was_never_in_force_goes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("config");
        let mut generations = Generations::open(&root).unwrap();
        assert_eq!(generations.files().unwrap(), Files::new());
        for text in ["a", "b", "c", "d", "e"] {
            generations.commit(&files(text)).unwrap();
        }
        fs::create_dir(root.join("gen-6")).unwrap();
        fs::create_dir(root.join("gen-7.new")).unwrap();
        fs::write(root.join("other"), "").unwrap();
        let generations = Generations::open(&root).unwrap();
        assert_eq!((generations.number, generations.files().unwrap()), (Some(5), files("e")));
        let mut names: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["current", "gen-3", "gen-4", "gen-5", "other"]);
    }

    #[test]
    fn without_current_the_newest_that_is_whole_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("config");
        let mut generations = Generations::open(&root).unwrap();
        ["a", "b"].iter().for_each(|text| generations.commit(&files(text)).unwrap());
        fs::create_dir(root.join("gen-3.new")).unwrap();
        fs::remove_file(root.join(CURRENT)).unwrap();
        let generations = Generations::open(&root).unwrap();
        assert_eq!((generations.number, generations.files().unwrap()), (Some(2), files("b")));
        assert_eq!(current(&root), Some(2));
    }
}
