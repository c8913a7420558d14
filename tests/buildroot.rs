//! The external tree for Buildroot, as far as it can be judged without Buildroot: what it names is there, its disks come
//! out as the appliance expects them, its scripts are sound. `make defconfig-check` and `scripts/kernel-fragments` judge
//! the rest.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its answer")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use regex::Regex;
use tempfile::TempDir;

const BOARDS: [&str; 4] = ["rpi4", "rpi5", "qemu-x86_64", "qemu-aarch64"];
/// What Buildroot leaves in its folder of images, as far as the boards put it on a disk.
const IMAGES: [&str; 17] = [
    "Image",
    "bzImage",
    "efi-part/EFI/BOOT/bootx64.efi",
    "rpi-firmware/config.txt",
    "rpi-firmware/cmdline.txt",
    "rpi-firmware/start4cd.elf",
    "rpi-firmware/fixup4cd.dat",
    "rpi-firmware/overlays/dwc2.dtbo",
    "bcm2711-rpi-4-b.dtb",
    "bcm2711-rpi-400.dtb",
    "bcm2711-rpi-cm4.dtb",
    "bcm2712-rpi-5-b.dtb",
    "bcm2712d0-rpi-5-b.dtb",
    "bcm2712-rpi-500.dtb",
    "bcm2712-rpi-cm5-cm5io.dtb",
    "bcm2712-rpi-cm5l-cm5io.dtb",
    "bcm2712-rpi-cm5-cm4io.dtb",
];
const SECTOR: u64 = 512;
const MIB: u64 = 1024 * 1024;

#[test]
fn every_path_of_the_tree_exists() {
    let variable = Regex::new(r"\$\(?BR2_EXTERNAL_SMSGATE_PATH\)?/([A-Za-z0-9_./-]+)").unwrap();
    let mut seen = 0;
    for file in files(&tree("")) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for found in variable.captures_iter(&text) {
            let named = found.get(1).unwrap().as_str();
            // Made when the image is built.
            if named.starts_with("../out/") {
                continue;
            }
            // Up to a wildcard.
            let path = tree(named.trim_end_matches('/'));
            assert!(path.exists(), "{}: {} is not there", file.display(), path.display());
            seen += 1;
        }
    }
    assert!(seen >= 40, "only {seen} paths found");
}

#[test]
fn each_board_has_a_defconfig_and_a_disk() {
    for board in BOARDS {
        let defconfig = defconfig(board);
        assert!(defconfig.contains(&format!("-c $(BINARIES_DIR)/genimage.cfg {board}\"")), "{board}");
        assert!(tree(&format!("board/{board}/genimage.cfg")).exists(), "{board}");
    }
    assert_eq!(fs::read_dir(tree("configs")).unwrap().count(), BOARDS.len());
}

#[test]
fn options_are_buildroots_or_ours() {
    let symbols = fs::read_to_string(tree("symbols.txt")).unwrap();
    let known: BTreeSet<&str> = symbols.lines().filter(|line| !line.starts_with('#')).collect();
    let option = Regex::new(r"(?m)^(?:# )?(BR2_[A-Za-z0-9_]+)(?:=.*| is not set)$").unwrap();
    for board in BOARDS {
        let defconfig = defconfig(board);
        for line in defconfig.lines() {
            let found = option.captures(line).unwrap_or_else(|| panic!("{board}: {line:?} is no option"));
            let name = found.get(1).unwrap().as_str();
            assert!(known.contains(name), "{board}: {name} is not in symbols.txt: run make defconfig-check");
        }
    }
}

#[test]
fn what_the_appliance_relies_on_is_asked_for() {
    let toolchain = Regex::new("(?m)^BR2_TOOLCHAIN_EXTERNAL_BOOTLIN_.*_GLIBC_STABLE=y$").unwrap();
    for board in BOARDS {
        let defconfig = defconfig(board);
        for line in [
            // Without the second line of the toolchain, Buildroot drops systemd and with it the daemon, and says nothing.
            "BR2_TOOLCHAIN_EXTERNAL=y",
            "BR2_INIT_SYSTEMD=y",
            "BR2_PACKAGE_SMSGATE=y",
            // Without it, systemd leaves out SystemCallFilter= and says nothing.
            "BR2_PACKAGE_LIBSECCOMP=y",
            "BR2_DOWNLOAD_FORCE_CHECK_HASHES=y",
            "BR2_TARGET_ROOTFS_SQUASHFS=y",
            "# BR2_TARGET_ENABLE_ROOT_LOGIN is not set",
            "# BR2_TARGET_GENERIC_GETTY is not set",
            "# BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW is not set",
        ] {
            assert!(defconfig.lines().any(|found| found == line), "{board}: {line}");
        }
        assert!(toolchain.is_match(&defconfig), "{board}");
    }
}

#[test]
fn the_kernel_of_each_defconfig_has_a_hash() {
    let hashes = fs::read_to_string(tree("patches/linux/linux.hash")).unwrap();
    for board in BOARDS {
        let defconfig = defconfig(board);
        let archive = defconfig
            .lines()
            .find_map(|line| {
                let value = |name: &str| line.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"');
                value("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE").map(|version| format!("linux-{version}.tar.xz")).or_else(
                    || value("BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION")?.rsplit('/').next().map(str::to_owned),
                )
            })
            .expect("a kernel");
        assert!(hashes.lines().any(|line| line.starts_with("sha256  ") && line.ends_with(&archive)), "{archive}");
    }
}

#[test]
fn the_package_is_of_this_version_and_licence() {
    let package = fs::read_to_string(tree("package/smsgate/smsgate.mk")).unwrap();
    assert!(package.contains(&format!("SMSGATE_VERSION = {}\n", env!("CARGO_PKG_VERSION"))));
    let hashes = fs::read_to_string(tree("package/smsgate/smsgate.hash")).unwrap();
    for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let sum = run(Command::new("sha256sum").arg(root().join(licence)));
        let sum = sum.split(' ').next().unwrap();
        assert!(hashes.contains(&format!("sha256  {sum}  {licence}\n")), "{licence} has changed: {sum}");
    }
    for installed in Regex::new(r"\$\(@D\)/([a-z0-9_./-]+)").unwrap().captures_iter(&package) {
        let path = root().join(installed.get(1).unwrap().as_str().trim_end_matches('/'));
        assert!(path.exists(), "{} is installed and not there", path.display());
    }
}

#[test]
fn disks_of_virtual_machines_are_gpt_with_the_names_the_appliance_looks_for() {
    for board in ["qemu-x86_64", "qemu-aarch64"] {
        let disk = Disk::of(board);
        let rows = disk.table();
        let expected = [
            ("SGBOOT", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", 64),
            ("ROOT_A", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", 256),
            ("ROOT_B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", 256),
            ("SGCONFIG", "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", 40),
            ("DATA", "0FC63DAF-8483-4772-8E79-3D69D8477DE4", 16),
        ];
        assert_eq!(rows.len(), expected.len(), "{board}");
        for (row, (name, kind, size)) in rows.iter().zip(expected) {
            assert!(row.text.ends_with(&format!("name=\"{name}\"")), "{board}: {}", row.text);
            assert!(row.text.contains(&format!("type={kind}")), "{board}: {}", row.text);
            assert_eq!(row.size, size * MIB, "{board}: {name}");
        }
        let kernel = if board == "qemu-x86_64" { "bzImage" } else { "Image" };
        let boot = disk.list(rows.first().unwrap());
        for file in ["EFI/BOOT/grub.cfg", &format!("A/{kernel}")] {
            assert!(boot.contains(&format!("::/{file}")), "{board}: no {file} in {boot}");
        }
        let menu = fs::read_to_string(tree(&format!("board/{board}/grub.cfg"))).unwrap();
        assert!(menu.contains(&format!("linux /A/{kernel} root=PARTLABEL=ROOT_A ")), "{menu}");
        disk.has_the_operators_part(rows.get(3).unwrap());
        disk.has_blank_data(rows.get(4).unwrap());
    }
}

#[test]
fn cards_of_the_raspberry_pi_are_mbr_with_room_for_a_second_slot() {
    for board in ["rpi4", "rpi5"] {
        let disk = Disk::of(board);
        let rows = disk.table();
        let expected = [("e", 64), ("c", 128), ("c", 128), ("f", 0), ("83", 256), ("83", 256), ("c", 40), ("83", 16)];
        assert_eq!(rows.len(), expected.len(), "{board}");
        for (number, (row, (kind, size))) in rows.iter().zip(expected).enumerate() {
            assert!(row.text.ends_with(&format!("type={kind}")), "{board}: p{}: {}", number + 1, row.text);
            assert!(size == 0 || row.size == size * MIB, "{board}: p{}: {}", number + 1, row.text);
        }
        // The root is found by the table's signature and the partition's number.
        let command_line = fs::read_to_string(tree("board/rpi/cmdline.txt")).unwrap();
        let table = disk.dump();
        let signature = table.lines().find_map(|line| line.strip_prefix("label-id: 0x")).unwrap();
        assert!(command_line.starts_with(&format!("root=PARTUUID={signature}-05 ")), "{command_line}");
        assert_eq!(command_line.lines().count(), 1, "the firmware takes one line");

        let autoboot = disk.file(rows.first().unwrap(), "autoboot.txt");
        assert_eq!(autoboot.len() as u64, SECTOR);
        assert!(autoboot.starts_with("[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n"));
        let boot = disk.list(rows.get(1).unwrap());
        for file in ["config.txt", "cmdline.txt", "Image", "overlays/dwc2.dtbo"] {
            assert!(boot.contains(&format!("::/{file}")), "{board}: no {file} in {boot}");
        }
        disk.has_the_operators_part(rows.get(6).unwrap());
        disk.has_blank_data(rows.get(7).unwrap());
    }
}

#[test]
fn the_command_lines_keep_usb_awake_and_restart_after_a_panic() {
    for file in ["board/rpi/cmdline.txt", "board/qemu-x86_64/grub.cfg", "board/qemu-aarch64/grub.cfg"] {
        let text = fs::read_to_string(tree(file)).unwrap();
        for word in ["ro", "rootwait", "panic=10", "usbcore.autosuspend=-1"] {
            assert!(text.split_whitespace().any(|found| found == word), "{file}: {word}");
        }
    }
}

#[test]
fn a_kernel_option_that_vanished_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let config = write("config", "CONFIG_USB=y\nCONFIG_NET=m\nCONFIG_LSM=\"landlock\"\n# CONFIG_SWAP is not set\n");
    let check = |fragments: &[(&str, &str)]| {
        let mut command = Command::new(tree("board/common/linux-check-dotconfig"));
        command.arg(&config).args(fragments.iter().map(|(name, text)| write(name, text)));
        command.output().unwrap()
    };
    for kept in
        ["CONFIG_USB=y\n", "# CONFIG_SWAP is not set\n", "# CONFIG_ABSENT is not set\n", "CONFIG_LSM=\"landlock\"\n"]
    {
        let output = check(&[("a", kept)]);
        assert!(output.status.success(), "{kept}: {}", said(&output));
    }
    for (lost, complaint) in [
        ("CONFIG_ABSENT=y\n", "CONFIG_ABSENT=y was asked for, and it is n"),
        ("CONFIG_NET=y\n", "CONFIG_NET=y was asked for, and it is m"),
        ("# CONFIG_USB is not set\n", "CONFIG_USB=n was asked for, and it is y"),
        ("CONFIG_LSM=\"landlock,yama\"\n", "CONFIG_LSM=\"landlock,yama\" was asked for, and it is \"landlock\""),
    ] {
        let output = check(&[("a", lost)]);
        assert!(!output.status.success() && said(&output).contains(complaint), "{lost}: {}", said(&output));
    }
    // The later fragment is the one that counts.
    assert!(check(&[("a", "CONFIG_USB=m\n"), ("b", "CONFIG_USB=y\n")]).status.success());
}

#[test]
fn scripts_are_sound() {
    let mut scripts: Vec<PathBuf> = ["image", "vendor", "defconfig-check", "kernel-fragments"]
        .iter()
        .map(|name| root().join("scripts").join(name))
        .collect();
    scripts.extend(files(&tree("board")).into_iter().filter(|file| fs::read(file).unwrap().starts_with(b"#!")));
    assert!(scripts.len() >= 9, "{scripts:?}");
    for script in &scripts {
        assert!(
            fs::metadata(script).unwrap().permissions().mode() & 0o111 != 0,
            "{} is not executable",
            script.display()
        );
    }
    run(Command::new("shellcheck").args(&scripts));
}

/// A disk as the board's own files describe it, of files that have nothing in them.
struct Disk {
    folder: TempDir,
    image: PathBuf,
}

/// One partition as `sfdisk --dump` shows it, sizes in bytes.
struct Row {
    text: String,
    start: u64,
    size: u64,
}

impl Disk {
    fn of(board: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        for file in IMAGES.iter().chain(&["bcm2712-rpi-cm5l-cm4io.dtb", "rootfs.squashfs"]) {
            let path = images.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        fs::create_dir_all(folder.path().join("root")).unwrap();
        let family = board.split(['4', '5', '-']).next().unwrap();
        let config = images.join("genimage.cfg");
        run(Command::new(tree(&format!("board/{family}/post-image.sh")))
            .arg(&images)
            .arg("-c")
            .arg(&config)
            .arg(board));
        let mut genimage = Command::new("genimage");
        // As Buildroot's support/scripts/genimage.sh calls it.
        for (option, path) in [("rootpath", "root"), ("tmppath", "tmp"), ("inputpath", "images"), ("outputpath", "out")]
        {
            genimage.arg(format!("--{option}")).arg(folder.path().join(path));
        }
        genimage.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap()));
        run(genimage.arg("--config").arg(config));
        let name = if family == "rpi" { "sdcard.img" } else { "disk.img" };
        let image = folder.path().join("out").join(name);
        Self { folder, image }
    }

    fn dump(&self) -> String {
        run(Command::new("/sbin/sfdisk").arg("--dump").arg(&self.image))
    }

    fn table(&self) -> Vec<Row> {
        let row = Regex::new(r"^\S+ : start= *(\d+), size= *(\d+), (.*)$").unwrap();
        let sectors = |text: &str| text.parse::<u64>().unwrap() * SECTOR;
        let rows = self.dump();
        let rows = rows.lines().filter_map(|line| row.captures(line));
        rows.map(|found| Row {
            text: found.get(3).unwrap().as_str().to_owned(),
            start: sectors(found.get(1).unwrap().as_str()),
            size: sectors(found.get(2).unwrap().as_str()),
        })
        .collect()
    }

    /// Where mtools finds the partition's files.
    fn offset(&self, row: &Row) -> String {
        format!("{}@@{}", self.image.display(), row.start)
    }

    fn list(&self, row: &Row) -> String {
        run(Command::new("mdir").args(["-/", "-b", "-i", &self.offset(row), "::"]))
    }

    fn file(&self, row: &Row, name: &str) -> String {
        run(Command::new("mtype").args(["-i", &self.offset(row), &format!("::{name}")]))
    }

    /// FAT32 for whoever counts clusters as well, and by the name that the operator is told.
    fn has_the_operators_part(&self, row: &Row) {
        let copy = self.folder.path().join("sgconfig");
        fs::write(&copy, self.bytes(row.start, row.size)).unwrap();
        let checked = run(Command::new("/sbin/fsck.fat").args(["-n", "-v"]).arg(&copy));
        assert!(checked.contains("32 bit"), "{checked}");
        let clusters = Regex::new(r"/(\d+) clusters").unwrap();
        let clusters = clusters.captures(&checked).unwrap().get(1).unwrap().as_str().parse::<u64>().unwrap();
        assert!(clusters >= 65525, "{clusters} clusters are a FAT16's");
        let label = run(Command::new("mlabel").args(["-s", "-i", &self.offset(row), "::"]));
        assert!(label.contains("SGCONFIG"), "{label}");
        assert!(self.file(row, "README.txt").contains("sim-cards.conf"));
    }

    fn has_blank_data(&self, row: &Row) {
        assert!(self.bytes(row.start, MIB).iter().all(|byte| *byte == 0));
    }

    fn bytes(&self, start: u64, size: u64) -> Vec<u8> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; usize::try_from(size).unwrap()];
        fs::File::open(&self.image).unwrap().read_exact_at(&mut bytes, start).unwrap();
        bytes
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tree(path: &str) -> PathBuf {
    root().join("buildroot").join(path)
}

fn defconfig(board: &str) -> String {
    fs::read_to_string(tree(&format!("configs/smsgate_{}_defconfig", board.replace('-', "_")))).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// What the command prints; it must succeed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run scripts/setup"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
