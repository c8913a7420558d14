//! A folder on a disk that may lose power: what is durable, what only the page cache has, and what could be found
//! afterwards. Pure: operations in, contents out.
//!
//! The rules are those of POSIX at their worst. Octets are durable after a successful fsync of their file, names after
//! one of their folder; until then any share of them may be there. Names reach the disk in order, as a journal writes
//! them; octets in any order, and the last write may end at any sector. What a failed fsync was to save is never saved
//! by a later one: the kernel has marked those pages clean.

use std::{collections::BTreeMap, sync::Arc};

use smsgate::emulator::Dice;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// Paths relative to the recorded folder, and contents.
pub type Image = BTreeMap<String, Vec<u8>>;

/// A file, whatever its name is at the moment.
pub type Node = usize;

/// A change of the folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// A new, empty file.
    Create {
        path: String,
        node: Node,
    },
    Write {
        node: Node,
        at: u64,
        octets: Arc<[u8]>,
    },
    /// Makes the file that long, with zeros if it grows.
    Resize {
        node: Node,
        length: u64,
    },
    /// fsync or fdatasync of a file.
    Sync {
        node: Node,
    },
    /// One that failed.
    SyncFailed {
        node: Node,
    },
    /// fsync of the folder of this path; the recorded one itself is `""`.
    SyncFolder {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
}

/// How much of what was not synced is there after a cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Share {
    Nothing,
    Some,
    All,
}

/// A power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cut {
    pub octets: Share,
    pub names: Share,
    /// The last write that is there ends at a sector.
    pub torn: bool,
    /// Decides which share it is.
    pub seed: u64,
}

impl Cut {
    /// Any of them.
    pub fn drawn(dice: &mut Dice) -> Self {
        let share = |roll| match roll {
            0 => Share::Nothing,
            1 => Share::All,
            _ => Share::Some,
        };
        let (octets, names) = (share(dice.below(4)), share(dice.below(3)));
        Self { octets, names, torn: dice.below(2) == 0, seed: dice.roll() }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: u64, octets: Arc<[u8]> },
    Resize(u64),
}

#[derive(Clone, Debug)]
struct Pending {
    /// Its place among all changes.
    sequence: u64,
    change: Change,
    /// The fsync that was to save it failed.
    forsaken: bool,
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone, Debug)]
enum Naming {
    Create { path: String, node: Node },
    Rename { from: String, to: String },
    Remove { path: String },
}

impl Naming {
    fn folder(&self) -> &str {
        match self {
            Self::Create { path, .. } | Self::Remove { path } => folder_of(path),
            Self::Rename { to, .. } => folder_of(to),
        }
    }
}

/// The folder with all that is in it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    files: BTreeMap<Node, File>,
    names: BTreeMap<String, Node>,
    namings: Vec<Naming>,
    sequence: u64,
}

impl Disk {
    /// One that holds these files for certain, and which they are.
    pub fn holding(image: &Image) -> (Self, BTreeMap<String, Node>) {
        let names: BTreeMap<String, Node> = image.keys().cloned().zip(1..).collect();
        let file = |(path, node): (&String, &Node)| (*node, File { durable: image[path].clone(), pending: Vec::new() });
        (Self { files: names.iter().map(file).collect(), names: names.clone(), ..Self::default() }, names)
    }

    /// One more operation has been done.
    pub fn apply(&mut self, op: &Op) {
        self.sequence += 1;
        match op {
            Op::Create { path, node } => {
                self.files.insert(*node, File::default());
                self.namings.push(Naming::Create { path: path.clone(), node: *node });
            }
            Op::Write { node, at, octets } => self.change(*node, Change::Write { at: *at, octets: Arc::clone(octets) }),
            Op::Resize { node, length } => self.change(*node, Change::Resize(*length)),
            Op::Sync { node } => {
                let file = self.files.entry(*node).or_default();
                for pending in file.pending.drain(..).filter(|pending| !pending.forsaken) {
                    make(&mut file.durable, &pending.change, None);
                }
            }
            Op::SyncFailed { node } => {
                let file = self.files.entry(*node).or_default();
                file.pending.iter_mut().for_each(|pending| pending.forsaken = true);
            }
            Op::SyncFolder { path } => {
                let (done, open) = std::mem::take(&mut self.namings).into_iter().partition(|it| it.folder() == path);
                self.namings = open;
                let done: Vec<Naming> = done;
                done.iter().for_each(|naming| name(&mut self.names, naming));
            }
            Op::Rename { from, to } => self.namings.push(Naming::Rename { from: from.clone(), to: to.clone() }),
            Op::Remove { path } => self.namings.push(Naming::Remove { path: path.clone() }),
        }
    }

    /// What is there after the cut.
    pub fn after(&self, cut: &Cut) -> Image {
        let mut dice = Dice::new(cut.seed);
        let kept = match cut.names {
            Share::Nothing => 0,
            Share::Some => usize::try_from(dice.below(self.namings.len() as u64 + 1)).unwrap(),
            Share::All => self.namings.len(),
        };
        let mut names = self.names.clone();
        self.namings[..kept].iter().for_each(|naming| name(&mut names, naming));
        let mut chosen: BTreeMap<Node, Vec<&Pending>> = BTreeMap::new();
        for (node, file) in &self.files {
            let there = file.pending.iter().filter(|_| match cut.octets {
                Share::Nothing => false,
                Share::Some => dice.below(2) == 0,
                Share::All => true,
            });
            chosen.insert(*node, there.collect());
        }
        let writes = chosen.values().flatten().filter(|pending| matches!(pending.change, Change::Write { .. }));
        let last = writes.map(|pending| pending.sequence).max().filter(|_| cut.torn);
        let content = |node: &Node| {
            let mut content = self.files[node].durable.clone();
            for pending in &chosen[node] {
                let sectors = (last == Some(pending.sequence)).then(|| sectors(&pending.change, cut.seed));
                make(&mut content, &pending.change, sectors);
            }
            content
        };
        names.iter().map(|(path, node)| (path.clone(), content(node))).collect()
    }

    /// What is there if the machine goes on: only the process has ended.
    pub fn now(&self) -> Image {
        self.after(&Cut { octets: Share::All, names: Share::All, torn: false, seed: 0 })
    }

    /// What a file holds if the machine goes on.
    pub fn visible(&self, path: &str) -> Option<Vec<u8>> {
        let mut names = self.names.clone();
        self.namings.iter().for_each(|naming| name(&mut names, naming));
        let file = &self.files[names.get(path)?];
        let mut content = file.durable.clone();
        file.pending.iter().for_each(|pending| make(&mut content, &pending.change, None));
        Some(content)
    }

    fn change(&mut self, node: Node, change: Change) {
        let pending = Pending { sequence: self.sequence, change, forsaken: false };
        self.files.entry(node).or_default().pending.push(pending);
    }
}

/// The folder of a path; `""` is the recorded one.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn name(names: &mut BTreeMap<String, Node>, naming: &Naming) {
    match naming {
        Naming::Create { path, node } => {
            names.insert(path.clone(), *node);
        }
        // A name whose creation is not there cannot be moved either.
        Naming::Rename { from, to } => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
        Naming::Remove { path } => {
            names.remove(path);
        }
    }
}

/// `end`: where the write ends, in octets of its own.
fn make(content: &mut Vec<u8>, change: &Change, end: Option<usize>) {
    match change {
        Change::Write { at, octets } => {
            let octets = &octets[..end.unwrap_or(octets.len()).min(octets.len())];
            let at = usize::try_from(*at).unwrap();
            if octets.is_empty() {
                return;
            }
            if content.len() < at + octets.len() {
                content.resize(at + octets.len(), 0);
            }
            content[at..at + octets.len()].copy_from_slice(octets);
        }
        Change::Resize(length) => content.resize(usize::try_from(*length).unwrap(), 0),
    }
}

/// Where a torn write ends: at the boundary of a sector of its file, or before its first octet.
fn sectors(change: &Change, seed: u64) -> usize {
    let Change::Write { at, octets } = change else { return 0 };
    let boundaries = (at / SECTOR..=(at + octets.len() as u64) / SECTOR).map(|sector| sector * SECTOR);
    let ends: Vec<u64> = boundaries.filter(|end| *end > *at).map(|end| end - at).collect();
    match Dice::new(seed ^ 0x7042).below(ends.len() as u64 + 1) {
        0 => 0,
        number => usize::try_from(ends[usize::try_from(number - 1).unwrap()]).unwrap(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Cut = Cut { octets: Share::Nothing, names: Share::Nothing, torn: false, seed: 0 };

    fn create(path: &str, node: Node) -> Op {
        Op::Create { path: path.to_owned(), node }
    }

    fn write(node: Node, at: u64, octets: &[u8]) -> Op {
        Op::Write { node, at, octets: octets.into() }
    }

    fn folder(path: &str) -> Op {
        Op::SyncFolder { path: path.to_owned() }
    }

    fn rename(from: &str, to: &str) -> Op {
        Op::Rename { from: from.to_owned(), to: to.to_owned() }
    }

    fn disk(ops: &[Op]) -> Disk {
        let mut disk = Disk::default();
        ops.iter().for_each(|op| disk.apply(op));
        disk
    }

    fn files(files: &[(&str, &[u8])]) -> Image {
        files.iter().map(|(path, content)| ((*path).to_owned(), content.to_vec())).collect()
    }

    #[test]
    fn octets_last_from_the_sync_of_their_file_and_names_from_that_of_their_folder() {
        let remove = Op::Remove { path: "s/a".to_owned() };
        let table: [(&[Op], Image, Image); 9] = [
            (&[create("s/a", 1), write(1, 0, b"x")], files(&[]), files(&[("s/a", b"x")])),
            (&[create("s/a", 1), write(1, 0, b"x"), Op::Sync { node: 1 }], files(&[]), files(&[("s/a", b"x")])),
            (&[create("s/a", 1), write(1, 0, b"x"), folder("s")], files(&[("s/a", b"")]), files(&[("s/a", b"x")])),
            (&[create("s/a", 1), write(1, 0, b"x"), folder("")], files(&[]), files(&[("s/a", b"x")])),
            (
                &[create("s/a", 1), folder("s"), write(1, 0, b"xy"), Op::Sync { node: 1 }, write(1, 1, b"zz")],
                files(&[("s/a", b"xy")]),
                files(&[("s/a", b"xzz")]),
            ),
            (
                &[
                    create("s/a", 1),
                    folder("s"),
                    write(1, 2, b"x"),
                    Op::Sync { node: 1 },
                    Op::Resize { node: 1, length: 1 },
                ],
                files(&[("s/a", b"\0\0x")]),
                files(&[("s/a", b"\0")]),
            ),
            (&[create("s/a", 1), folder("s"), remove.clone()], files(&[("s/a", b"")]), files(&[])),
            (
                &[
                    create("s/a", 1),
                    folder("s"),
                    create("s/b", 2),
                    write(2, 0, b"n"),
                    Op::Sync { node: 2 },
                    rename("s/b", "s/a"),
                ],
                files(&[("s/a", b"")]),
                files(&[("s/a", b"n")]),
            ),
            (&[create("s/a", 1), folder("s"), remove, folder("s")], files(&[]), files(&[])),
        ];
        for (ops, durable, now) in table {
            assert_eq!(disk(ops).after(&LOST), durable, "{ops:?}");
            assert_eq!(disk(ops).now(), now, "{ops:?}");
        }
    }

    #[test]
    fn a_rename_may_reach_the_disk_before_what_was_written() {
        let disk = disk(&[
            create("a", 1),
            write(1, 0, b"old"),
            Op::Sync { node: 1 },
            folder(""),
            create("b", 2),
            write(2, 0, b"new"),
            rename("b", "a"),
        ]);
        let cut = Cut { octets: Share::Nothing, names: Share::All, torn: false, seed: 1 };
        assert_eq!(disk.after(&cut), files(&[("a", b"")]));
        let cut = Cut { octets: Share::All, names: Share::Nothing, ..cut };
        assert_eq!(disk.after(&cut), files(&[("a", b"old")]));
    }

    #[test]
    fn some_of_the_writes_are_there_in_any_combination_and_names_only_in_order() {
        let disk = disk(&[
            create("a", 1),
            create("b", 2),
            folder(""),
            write(1, 0, b"1"),
            write(2, 0, b"2"),
            rename("a", "c"),
            rename("b", "d"),
        ]);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            seen.insert(disk.after(&Cut { octets: Share::Some, names: Share::Some, torn: false, seed }));
        }
        assert_eq!(seen.len(), 4 * 3, "each of two writes, and 0, 1 or 2 names");
        assert!(!seen.iter().any(|image| image.contains_key("a") && image.contains_key("d")));
    }

    #[test]
    fn a_failed_sync_saves_nothing_and_neither_does_the_next() {
        let mut disk = disk(&[create("a", 1), folder(""), write(1, 0, b"one"), Op::SyncFailed { node: 1 }]);
        assert_eq!(disk.now(), files(&[("a", b"one")]));
        disk.apply(&write(1, 3, b"two"));
        disk.apply(&Op::Sync { node: 1 });
        assert_eq!(disk.after(&LOST), files(&[("a", b"\0\0\0two")]));
        disk.apply(&write(1, 0, b"one"));
        disk.apply(&Op::Sync { node: 1 });
        assert_eq!(disk.after(&LOST), files(&[("a", b"onetwo")]));
        assert_eq!((disk.visible("a"), disk.visible("b")), (Some(b"onetwo".to_vec()), None));
    }

    #[test]
    fn the_last_write_ends_at_a_sector() {
        let disk = disk(&[create("a", 1), folder(""), write(1, 100, &[7; 1500])]);
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..100 {
            lengths.insert(disk.after(&Cut { octets: Share::All, names: Share::All, torn: true, seed })["a"].len());
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [0, 512, 1024, 1536]);
    }
}
