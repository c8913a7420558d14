//! Reads what strace wrote (`-f -ttt -y -xx`): the changes of one folder, in the order in which they were done.
//!
//! What cannot be told from system calls (a shared mapping, an appending write) is reported, not guessed. The index of the
//! write-ahead log (`-shm`) is left out: SQLite maps it, and makes it anew after a crash.

use std::{collections::BTreeMap, sync::Arc};

use super::disk::{Node, Op};

/// The calls to ask strace for.
pub const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,\
    copy_file_range,fsync,fdatasync,sync_file_range,msync,mmap,rename,renameat,renameat2,unlink,unlinkat,link,linkat,\
    symlink,symlinkat";

/// An operation, and when its call began.
#[derive(Clone, Debug)]
pub struct Step {
    pub op: Op,
    /// Microseconds of the wall clock.
    pub begun: u64,
}

/// A call that was made to fail.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Microseconds of the wall clock.
    pub begun: u64,
}

/// What has been read so far, over any number of processes one after the other.
#[derive(Debug)]
pub struct Reader {
    root: String,
    pub steps: Vec<Step>,
    /// Calls that were made to fail.
    pub injected: Vec<Failed>,
    /// What this cannot make sense of.
    pub strange: Vec<String>,
    names: BTreeMap<String, Node>,
    last: Node,
    offsets: BTreeMap<u64, u64>,
    unfinished: BTreeMap<u64, (u64, String)>,
}

impl Reader {
    /// `root`: the folder whose changes count, without links.
    pub fn new(root: &str) -> Self {
        Self {
            root: root.to_owned(),
            steps: Vec::new(),
            injected: Vec::new(),
            strange: Vec::new(),
            names: BTreeMap::new(),
            last: 0,
            offsets: BTreeMap::new(),
            unfinished: BTreeMap::new(),
        }
    }

    /// For a folder in which these files lie already.
    pub fn knowing(root: &str, names: BTreeMap<String, Node>) -> Self {
        let last = names.values().copied().max().unwrap_or_default();
        Self { names, last, ..Self::new(root) }
    }

    /// All that was written about one process.
    pub fn read(&mut self, text: &str) {
        self.offsets.clear();
        self.unfinished.clear();
        text.lines().for_each(|line| self.line(line));
    }

    fn line(&mut self, line: &str) {
        let Some((process, rest)) = line.split_once(' ') else { return };
        // Short numbers of processes are padded.
        let Some((time, rest)) = rest.trim_start().split_once(' ') else { return };
        let (Ok(process), Some(time)) = (process.parse(), micros(time)) else { return };
        if let Some(begin) = rest.strip_suffix("<unfinished ...>") {
            self.unfinished.insert(process, (time, begin.trim_end().to_owned()));
        } else if rest.starts_with("<... ") {
            let Some((_, end)) = rest.split_once("resumed>") else { return };
            if let Some((begun, begin)) = self.unfinished.remove(&process) {
                self.call(begun, &format!("{begin}{end}"));
            }
        } else {
            self.call(time, rest);
        }
    }

    fn call(&mut self, begun: u64, text: &str) {
        let Some((call, rest)) = text.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(") = ").or_else(|| split_padded(rest)) else { return };
        let arguments: Vec<&str> = arguments.split(", ").collect();
        let before = self.steps.len();
        let understood = self.perform(call, &arguments, result, begun);
        // A file that may grow no further takes a part first, and then refuses.
        if result.contains("(INJECTED)") || result.contains("EFBIG") {
            self.injected.push(Failed { begun });
        }
        if understood.is_none() {
            let most = text.len().min(300);
            self.strange.push(format!("{before}: {}", &text[..most]));
        }
    }

    /// None: it concerns the folder and means nothing to us.
    fn perform(&mut self, call: &str, arguments: &[&str], result: &str, begun: u64) -> Option<()> {
        let argument = |index: usize| arguments.get(index).copied().unwrap_or_default();
        let done: Option<u64> = number(result);
        match call {
            "openat" | "open" | "creat" => {
                let Some(descriptor) = done else { return Some(()) };
                self.offsets.insert(descriptor, 0);
                let Some(path) = self.path_of(result) else { return Some(()) };
                let flags = if call == "openat" { argument(2) } else { argument(1) };
                self.opened(path, flags, call == "creat", begun)
            }
            "lseek" => {
                let (Some(descriptor), Some(offset)) = (number(argument(0)), done) else { return Some(()) };
                self.offsets.insert(descriptor, offset);
                Some(())
            }
            "write" | "writev" | "pwrite64" | "pwritev" | "pwritev2" => {
                let Some(node) = self.node_of(argument(0)) else { return Some(()) };
                let Some(count) = done else { return Some(()) };
                let descriptor = number(argument(0))?;
                let mut octets = strings(arguments);
                octets.truncate(usize::try_from(count).ok()?);
                let at = if call.starts_with('p') {
                    let last = if call == "pwritev2" { arguments.len() - 2 } else { arguments.len() - 1 };
                    number(argument(last))?
                } else {
                    let offset = self.offsets.get_mut(&descriptor)?;
                    *offset += count;
                    *offset - count
                };
                (octets.len() as u64 == count).then_some(())?;
                self.step(begun, Op::Write { node, at, octets: Arc::from(octets) })
            }
            "ftruncate" | "truncate" => {
                let Some(node) = self.node_of(argument(0)) else { return Some(()) };
                if done.is_none() {
                    return Some(());
                }
                self.step(begun, Op::Resize { node, length: number(argument(1))? })
            }
            "fsync" | "fdatasync" => {
                if let Some(node) = self.node_of(argument(0)) {
                    let op = if done.is_some() { Op::Sync { node } } else { Op::SyncFailed { node } };
                    return self.step(begun, op);
                }
                match self.folder_of(argument(0)) {
                    Some(path) if done.is_some() => self.step(begun, Op::SyncFolder { path }),
                    _ => Some(()),
                }
            }
            "rename" | "renameat" | "renameat2" => {
                let paths: Vec<Option<String>> = quoted(arguments).map(|path| self.inside(&path)).collect();
                match (paths.as_slice(), done) {
                    (_, None) | ([None, None], _) => Some(()),
                    ([Some(from), Some(to)], _) => {
                        let node = self.names.remove(from)?;
                        self.names.insert(to.clone(), node);
                        self.step(begun, Op::Rename { from: from.clone(), to: to.clone() })
                    }
                    _ => None,
                }
            }
            "unlink" | "unlinkat" => {
                let path = quoted(arguments).next().and_then(|path| self.inside(&path));
                let (Some(path), Some(_)) = (path, done) else { return Some(()) };
                // What was never opened is no file: the control socket.
                let Some(_) = self.names.remove(&path) else { return Some(()) };
                self.step(begun, Op::Remove { path })
            }
            "mmap" => {
                let shared = argument(3).contains("MAP_SHARED") && argument(2).contains("PROT_WRITE");
                if shared && self.node_of(argument(4)).is_some() { None } else { Some(()) }
            }
            // Whatever else changes a file of the folder.
            _ => {
                let of_descriptor = self.node_of(argument(0)).is_some();
                let of_path = quoted(arguments).any(|path| self.inside(&path).is_some());
                if done.is_some() && (of_descriptor || of_path) { None } else { Some(()) }
            }
        }
    }

    fn opened(&mut self, path: String, flags: &str, truncates: bool, begun: u64) -> Option<()> {
        let flags: Vec<&str> = flags.split('|').collect();
        if flags.contains(&"O_DIRECTORY") {
            return Some(());
        }
        match self.names.get(&path) {
            Some(node) if truncates || flags.contains(&"O_TRUNC") => {
                let node = *node;
                self.step(begun, Op::Resize { node, length: 0 })?;
            }
            None if truncates || flags.contains(&"O_CREAT") => {
                self.last += 1;
                let node = self.last;
                self.names.insert(path.clone(), node);
                self.step(begun, Op::Create { path, node })?;
            }
            _ => {}
        }
        if flags.contains(&"O_APPEND") { None } else { Some(()) }
    }

    fn step(&mut self, begun: u64, op: Op) -> Option<()> {
        self.steps.push(Step { op, begun });
        Some(())
    }

    /// The file behind a descriptor, if it lies in the folder.
    fn node_of(&self, descriptor: &str) -> Option<Node> {
        self.names.get(&self.path_of(descriptor)?).copied()
    }

    /// The folder behind a descriptor, if it is the recorded one or below.
    fn folder_of(&self, descriptor: &str) -> Option<String> {
        let path = decorated(descriptor)?;
        if path == self.root { Some(String::new()) } else { self.inside(&path) }
    }

    fn path_of(&self, descriptor: &str) -> Option<String> {
        self.inside(&decorated(descriptor)?)
    }

    /// Relative to the folder.
    fn inside(&self, path: &str) -> Option<String> {
        let path = path.strip_prefix(&self.root)?.strip_prefix('/')?;
        (!path.ends_with("-shm")).then(|| path.to_owned())
    }
}

/// The results of short calls are aligned.
fn split_padded(rest: &str) -> Option<(&str, &str)> {
    let (arguments, result) = rest.rsplit_once(" = ")?;
    Some((arguments.trim_end().strip_suffix(')')?, result))
}

fn micros(time: &str) -> Option<u64> {
    let (seconds, fraction) = time.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

/// A number that stands at the beginning.
fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// `3<path>`; none for a file that has no name any more.
fn decorated(descriptor: &str) -> Option<String> {
    let (_, rest) = descriptor.split_once('<')?;
    let (path, after) = rest.split_once('>')?;
    if after.starts_with("(deleted)") {
        return None;
    }
    String::from_utf8(unescaped(path)).ok()
}

fn quoted<'a>(arguments: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let inner = |argument: &&str| Some(argument.split_once('"')?.1.split_once('"')?.0.to_owned());
    arguments.iter().filter_map(inner).filter_map(|text| String::from_utf8(unescaped(&text)).ok())
}

/// All strings of a call, joined: a vector of buffers is written as one.
fn strings(arguments: &[&str]) -> Vec<u8> {
    let inner = |argument: &&str| Some(unescaped(argument.split_once('"')?.1.split_once('"')?.0));
    arguments.iter().filter_map(inner).flatten().collect()
}

/// `\x41\x42`; what is not escaped stays.
fn unescaped(text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let digit = |octet: u8| (octet as char).to_digit(16).map_or(0, |value| u8::try_from(value).unwrap());
    let mut octets = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' && at + 3 < text.len() {
            octets.push(digit(text[at + 2]) << 4 | digit(text[at + 3]));
            at += 4;
        } else {
            octets.push(text[at]);
            at += 1;
        }
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> String {
        text.bytes().map(|octet| format!("\\x{octet:02x}")).collect()
    }

    fn read(lines: &[String]) -> Reader {
        let mut reader = Reader::new("/r");
        reader.read(&lines.join("\n"));
        reader
    }

    fn opening(path: &str, descriptor: u64, flags: &str) -> String {
        format!(
            "7 1.000001 openat(AT_FDCWD<{}>, \"{}\", {flags}, 0600) = {descriptor}<{}>",
            hex("/x"),
            hex(path),
            hex(path)
        )
    }

    #[test]
    fn calls_become_operations_with_their_octets() {
        let (a, b) = (hex("/r/s/a"), hex("/r/s/b"));
        let reader = read(&[
            opening("/r/s/a", 3, "O_RDWR|O_CREAT|O_CLOEXEC"),
            opening("/elsewhere", 4, "O_RDWR|O_CREAT"),
            format!("7 2.000002 pwrite64(3<{a}>, \"{}\", 3, 512) = 2", hex("xyz")),
            format!("7 2.000003 write(4<{}>, \"{}\", 1) = 1", hex("/elsewhere"), hex("n")),
            format!("7 2.000004 lseek(3<{a}>, 7, SEEK_SET)  = 7"),
            format!("8 2.000005 write(3<{a}>, \"{}\", 2 <unfinished ...>", hex("pq")),
            format!("7 2.000006 fdatasync(3<{a}>) = -1 EIO (Input/output error) (INJECTED)"),
            "8 2.000007 <... write resumed>)         = 2".to_owned(),
            format!(
                "7 2.000008 writev(3<{a}>, [{{iov_base=\"{}\", iov_len=1}}, {{iov_base=\"{}\", iov_len=1}}], 2) = 2",
                hex("r"),
                hex("s")
            ),
            format!("7 2.000009 fsync(3<{a}>)        = 0"),
            format!("7     2.000010 ftruncate(3<{a}>, 4) = 0"),
            format!("7 2.000011 rename(\"{a}\", \"{b}\") = 0"),
            format!("7 2.000012 fsync(5<{}>) = 0", hex("/r/s")),
            format!("7 2.000013 fsync(5<{}>) = 0", hex("/r")),
            format!("7 2.000014 unlink(\"{b}\") = 0"),
            format!("7 2.000015 pwrite64(3<{b}>(deleted), \"{}\", 1, 0) = 1", hex("x")),
            "7 3.000000 +++ exited with 0 +++".to_owned(),
        ]);
        assert!(reader.strange.is_empty(), "{:?}", reader.strange);
        assert_eq!(reader.injected.len(), 1);
        let write = |at, octets: &[u8]| Op::Write { node: 1, at, octets: octets.into() };
        let ops: Vec<Op> = reader.steps.iter().map(|step| step.op.clone()).collect();
        let wanted = [
            Op::Create { path: "s/a".to_owned(), node: 1 },
            write(512, b"xy"),
            Op::SyncFailed { node: 1 },
            write(7, b"pq"),
            write(9, b"rs"),
            Op::Sync { node: 1 },
            Op::Resize { node: 1, length: 4 },
            Op::Rename { from: "s/a".to_owned(), to: "s/b".to_owned() },
            Op::SyncFolder { path: "s".to_owned() },
            Op::SyncFolder { path: String::new() },
            Op::Remove { path: "s/b".to_owned() },
        ];
        assert_eq!(ops, wanted);
        assert_eq!(reader.steps[3].begun, 2_000_005, "a call counts from its beginning");
    }

    #[test]
    fn opening_makes_and_empties() {
        let reader = read(&[
            opening("/r/a", 3, "O_RDWR|O_CREAT"),
            opening("/r/a", 4, "O_RDWR|O_CREAT"),
            opening("/r/a", 5, "O_WRONLY|O_CREAT|O_TRUNC"),
            opening("/r/b-shm", 6, "O_RDWR|O_CREAT"),
        ]);
        let ops: Vec<Op> = reader.steps.into_iter().map(|step| step.op).collect();
        assert_eq!(ops, [Op::Create { path: "a".to_owned(), node: 1 }, Op::Resize { node: 1, length: 0 }]);
    }

    #[test]
    fn what_cannot_be_followed_is_told() {
        let a = hex("/r/a");
        let strange = [
            format!("7 2.0 mmap(NULL, 32768, PROT_READ|PROT_WRITE, MAP_SHARED, 3<{a}>, 0) = 0x7f0000"),
            format!("7 2.0 fallocate(3<{a}>, 0, 0, 4096) = 0"),
            format!("7 2.0 link(\"{a}\", \"{}\") = 0", hex("/r/b")),
            opening("/r/a", 5, "O_WRONLY|O_APPEND"),
            format!("7 2.0 rename(\"{a}\", \"{}\") = 0", hex("/elsewhere")),
        ];
        for line in strange {
            let reader = read(&[opening("/r/a", 3, "O_RDWR|O_CREAT"), line.clone()]);
            assert_eq!(reader.strange.len(), 1, "{line}");
        }
        let fine = read(&[
            opening("/r/a", 3, "O_RDWR|O_CREAT"),
            format!("7 2.0 mmap(NULL, 32768, PROT_READ, MAP_SHARED, 3<{a}>, 0) = 0x7f0000"),
            format!("7 2.0 fallocate(9<{}>, 0, 0, 4096) = 0", hex("/elsewhere")),
        ]);
        assert!(fine.strange.is_empty(), "{:?}", fine.strange);
    }
}
