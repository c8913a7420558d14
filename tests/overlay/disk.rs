//! A box made of files: a disk with its table, its partitions, what the kernel tells about them, and an SGCONFIG. The
//! commands that need a kernel or root are stubs; sfdisk, mkfs.ext4, e2fsck and the shell's tools are real. The shell is
//! dash: busybox's prefers commands of its own to the stubs, so that it is the booted image that shows it at work.
//!
//! Each stub counts down to a power cut, which ends the script and everything it started.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::project;

/// Tables as the images have them, in sectors, with a small DATA at the end. The disk is larger than that.
pub(crate) const GPT: &str = "label: gpt
start=2048, size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=SGBOOT
start=10240, size=8192, type=linux, name=ROOT_A
start=18432, size=8192, type=linux, name=ROOT_B
start=26624, size=8192, type=EBD0A0A2-B9E5-4433-87C0-68B6D72699C7, name=SGCONFIG
start=34816, size=65536, type=linux, name=DATA
";
pub(crate) const MBR: &str = "label: dos
start=2048, size=4096, type=c
start=6144, size=4096, type=c
start=10240, size=4096, type=c
start=14336, size=86016, type=f
start=16384, size=4096, type=83
start=22528, size=4096, type=83
start=28672, size=4096, type=c
start=34816, size=65536, type=83
";

/// Size of a disk in MiB that these fill.
pub(crate) const SNUG: u64 = 50;

/// One stub for all commands; it goes by the name it is called by.
const STUB: &str = r#"#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$SMSGATE_ROOT
name=${0##*/}
for last; do :; done
left=$(cat "$root/cut")
if [ "$left" = 0 ]; then
    # A file system that was being made: something is there, and no end of it.
    [ "$name" != mkfs.ext4 ] || printf half | dd of="$last" bs=1 seek=70000 conv=notrunc 2>/dev/null
    kill -9 0
fi
echo $((left - 1)) >"$root/cut"
echo "$name $*" >>"$root/log"
case $name in
    mount)
        case $2 in
            vfat) [ -d "$root/card" ] && rmdir "$last" && ln -s "$root/card" "$last" ;;
            *) dumpe2fs -h "$5" >/dev/null 2>&1 ;;
        esac ;;
    umount) rm "$last" && mkdir "$last" ;;
    partx)
        sfdisk --dump "$root/dev/vda" | sed -n 's/^[^ ]*[^0-9]\([0-9]*\) : start= *\([0-9]*\), size= *\([0-9]*\),/\1 \2 \3/p' |
            while read -r number start size rest; do
                folder=$root/sys/block/vda/vda$number
                mkdir -p "$folder"
                echo "$number" >"$folder/partition"
                echo "$start" >"$folder/start"
                echo "$size" >"$folder/size"
                label=$(echo "$rest" | sed -n 's/.*name="\([^"]*\)".*/\1/p')
                printf 'DEVNAME=vda%s\nPARTN=%s\n%s' "$number" "$number" "${label:+PARTNAME=$label
}" >"$folder/uevent"
                truncate -s $((size * 512)) "$root/dev/vda$number"
            done ;;
    date) case ${1-} in -s) ;; *) exec date "$@" ;; esac ;;
    chown | sync | resize2fs | fsck.fat | smsgate) ;;
    systemctl) [ "$1" != show ] || echo "cannot open the store" ;;
    nft) case $last in *"$(cat "$root/refused" 2>/dev/null || echo nothing)") exit 1 ;; esac; ! grep -q nonsense "$last" ;;
    *) exec "$name" "$@" ;;
esac
"#;
const STUBBED: [&str; 18] = [
    "chown",
    "date",
    "dd",
    "e2fsck",
    "fsck.fat",
    "mkdir",
    "mkfs.ext4",
    "mount",
    "mv",
    "nft",
    "partx",
    "resize2fs",
    "rm",
    "sfdisk",
    "smsgate",
    "sync",
    "systemctl",
    "umount",
];

pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    /// With a disk of `mib` MiB that has this table, / on its second partition (MBR: the fifth), and an empty card.
    pub(crate) fn new(table: &str, mib: u64) -> Self {
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "card", "data", "dev", "proc/self", "run", "sys/block/vda", "sys/dev/block"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        fs::write(machine.path("bin/stub"), STUB).unwrap();
        fs::set_permissions(machine.path("bin/stub"), fs::Permissions::from_mode(0o755)).unwrap();
        for name in STUBBED {
            symlink("stub", machine.path("bin").join(name)).unwrap();
        }
        fs::write(machine.path("proc/self/mountinfo"), MOUNTS).unwrap();
        let disk = fs::File::create(machine.path("dev/vda")).unwrap();
        disk.set_len(mib << 20).unwrap();
        fs::write(machine.path("sys/block/vda/size"), format!("{}\n", mib << 11)).unwrap();
        fs::write(machine.path("table"), table).unwrap();
        let script = "sfdisk --quiet \"$SMSGATE_ROOT/dev/vda\" <\"$SMSGATE_ROOT/table\" && partx";
        let output = machine.command(&["sh", "-c", script], -1).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let root = if table.starts_with("label: gpt") { "vda2" } else { "vda5" };
        symlink(format!("../../block/vda/{root}"), machine.path("sys/dev/block/253:2")).unwrap();
        machine.set("run/machine-id", "0123456789abcdef0123456789abcdef\n");
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn set(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    /// The text of a file, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// Why there is rescue, if there is.
    pub(crate) fn rescue(&self) -> Option<String> {
        self.text("run/smsgate/rescue")
    }

    /// Runs a script of the overlay; it must end well.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.start(script, arguments, &[], -1);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {said}");
        said
    }

    /// As `run`, with more environment and whatever end.
    pub(crate) fn start(&self, script: &str, arguments: &[&str], more: &[(&str, &str)], cut: i64) -> Output {
        let script = project("overlay/usr/lib/smsgate").join(script);
        let words: Vec<&str> =
            ["dash", script.to_str().unwrap()].into_iter().chain(arguments.iter().copied()).collect();
        self.command(&words, cut).envs(more.iter().copied()).output().unwrap()
    }

    /// Runs `data` until the power fails before its command number `cut`; false if it came to its end before.
    pub(crate) fn data_until_cut(&self, cut: i64) -> bool {
        !self.start("data", &[], &[], cut).status.success()
    }

    /// What a restart leaves of /run and of what was mounted.
    pub(crate) fn restart(&self) {
        fs::remove_dir_all(self.path("run")).unwrap();
        self.set("run/machine-id", "fedcba9876543210fedcba9876543210\n");
        self.set("log", "");
    }

    fn command(&self, words: &[&str], cut: i64) -> Command {
        self.set("cut", &cut.to_string());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("SMSGATE_ROOT", self.folder.path()).process_group(0);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display()));
        command
    }

    /// Partitions as (number, start, size), from the disk itself.
    pub(crate) fn partitions(&self) -> Vec<(u32, u64, u64)> {
        let output = Command::new("sfdisk").arg("--dump").arg(self.path("dev/vda")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let field = |line: &str, key: &str| -> u64 {
            let rest = line.split(key).nth(1).unwrap().trim_start();
            rest.split(',').next().unwrap().parse().unwrap()
        };
        let lines = text.lines().filter(|line| line.contains("start="));
        lines
            .map(|line| {
                let device = line.split(' ').next().unwrap();
                let number = device.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap();
                (number.parse().unwrap(), field(line, "start="), field(line, "size="))
            })
            .collect()
    }

    /// The file system's own id, if there is one and e2fsck finds nothing wrong.
    pub(crate) fn file_system(&self, partition: &str) -> Option<String> {
        let device = self.path("dev").join(partition);
        let sound = |program: &str, option: &str| {
            let output = Command::new(program).arg(option).arg(Path::new(&device)).output().unwrap();
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        sound("e2fsck", "-fn")?;
        let facts = sound("dumpe2fs", "-h")?;
        facts.lines().find_map(|line| line.strip_prefix("Filesystem UUID:")).map(|id| id.trim().to_owned())
    }

    pub(crate) fn ran(&self, name: &str) -> usize {
        let log = self.text("log").unwrap_or_default();
        log.lines().filter(|line| line.split(' ').next() == Some(name)).count()
    }
}

const MOUNTS: &str = "21 1 253:2 / / ro,relatime - squashfs /dev/root ro
22 21 0:21 / /proc rw,nosuid - proc proc rw
23 21 0:22 / /run rw,nosuid - tmpfs tmpfs rw
";
