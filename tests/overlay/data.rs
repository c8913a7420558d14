//! `/usr/lib/smsgate/data`: what becomes of every kind of disk, and of a power cut at every step.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
};

use crate::disk::{GPT, MBR, Machine, SNUG};

/// Size of the disk of most of these, with room to grow into.
const DISK: u64 = 128;

fn without_data(table: &str) -> String {
    let lines: Vec<&str> = table.lines().collect();
    lines[..lines.len() - 1].join("\n") + "\n"
}

fn write(machine: &Machine, name: &str, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(machine.path(name)).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_new_card_gets_its_data_partition_to_the_end_and_keeps_it() {
    for (table, data, number) in [(GPT, "vda5", 5), (MBR, "vda8", 8)] {
        let machine = Machine::new(table, DISK);
        let before = machine.partitions();
        machine.run("data", &[]);
        assert_eq!(machine.rescue(), None);
        let made = machine.file_system(data).expect("a sound file system");
        let after = machine.partitions();
        for (old, new) in before.iter().zip(&after) {
            let grows = old.0 == number || (number == 8 && old.0 == 4);
            assert!(if grows { new.1 == old.1 && new.2 > old.2 } else { old == new }, "{old:?} {new:?}");
        }
        let (_, start, size) = *after.last().unwrap();
        assert!((DISK << 11) - start - size < 4096, "to the end: {after:?}");
        assert_eq!(machine.text("run/smsgate/disk").unwrap().lines().next(), Some("DISK=/dev/vda"));
        assert!(machine.text("run/smsgate/disk").unwrap().contains(&format!("DATA=/dev/{data}\n")));
        for folder in ["config", "store", "tls", "state/gateway", "state/dropbear", "state/timesync"] {
            assert!(machine.path("data").join(folder).is_dir(), "{folder}");
        }
        assert_eq!(fs::read_dir(machine.path("card")).unwrap().count(), 0, "nothing is left on SGCONFIG");

        machine.restart();
        machine.run("data", &[]);
        assert_eq!((machine.rescue(), machine.file_system(data)), (None, Some(made)));
        assert_eq!(machine.partitions(), after);
        assert_eq!((machine.ran("mkfs.ext4"), machine.ran("sfdisk"), machine.ran("partx")), (0, 0, 0));
        let id = machine.text("run/machine-id");
        assert_eq!(id.as_deref(), Some("0123456789abcdef0123456789abcdef\n"), "the first one stays");
    }
}

#[test]
fn a_missing_partition_is_added_where_there_is_room() {
    for (table, data) in [(GPT, "vda5"), (MBR, "vda8")] {
        let machine = Machine::new(&without_data(table), DISK);
        let before = machine.partitions();
        machine.run("data", &[]);
        assert_eq!(machine.rescue(), None);
        assert!(machine.file_system(data).is_some());
        assert_eq!(machine.partitions().len(), before.len() + 1);
    }
    let small = GPT.replace("size=65536", "size=32768");
    for (table, reason) in [(without_data(GPT), "no room"), (small, "too small")] {
        let machine = Machine::new(&table, 34);
        machine.set("log", "");
        machine.run("data", &[]);
        assert!(machine.rescue().unwrap().contains(reason), "{:?}", machine.rescue());
        assert_eq!((machine.ran("sfdisk"), machine.ran("mkfs.ext4")), (0, 0), "{reason}");
    }
}

#[test]
fn what_is_not_ours_is_never_formatted_unless_asked_for() {
    let machine = Machine::new(GPT, DISK);
    write(&machine, "dev/vda5", 512, b"somebody's");
    machine.run("data", &[]);
    let reason = machine.rescue().unwrap();
    assert!(reason.contains("something else") && reason.contains("factory-reset"), "{reason}");
    assert_eq!(&fs::read(machine.path("dev/vda5")).unwrap()[512..522], b"somebody's");
    assert_eq!((machine.ran("mkfs.ext4"), machine.ran("mount")), (0, 1), "SGCONFIG was looked at");

    machine.restart();
    machine.set("card/factory-reset.txt", "");
    machine.run("data", &[]);
    assert_eq!(machine.rescue(), None);
    assert!(machine.file_system("vda5").is_some());
    assert!(!machine.path("card/factory-reset.txt").exists());
}

#[test]
fn a_box_in_use_whose_data_is_blank_does_not_become_a_new_one_by_itself() {
    let machine = Machine::new(GPT, SNUG);
    machine.set("card/result.txt", "OK");
    machine.run("data", &[]);
    let reason = machine.rescue().unwrap();
    assert!(reason.contains("is blank although") && reason.contains("factory-reset on SGCONFIG"), "{reason}");
    assert_eq!((machine.ran("mkfs.ext4"), machine.text("card/result.txt").as_deref()), (0, Some("OK")));

    machine.restart();
    machine.set("card/factory-reset", "");
    machine.run("data", &[]);
    assert_eq!(machine.rescue(), None);
    assert!(machine.file_system("vda5").is_some());
    machine.restart();
    machine.set("card/result.txt", "OK");
    machine.run("data", &[]);
    assert_eq!((machine.rescue(), machine.ran("mkfs.ext4")), (None, 0));
}

#[test]
fn a_factory_reset_takes_what_the_box_wrote_and_leaves_what_is_to_be_applied() {
    let machine = Machine::new(GPT, DISK);
    machine.run("data", &[]);
    let first = machine.file_system("vda5").unwrap();
    let secrets = ["result.txt", "smsgate.conf.applied", "TLS.KEY.applied", "sim-cards.conf.suggested"];
    for name in ["factory-reset", "sim-cards.conf"].iter().chain(&secrets) {
        machine.set(&format!("card/{name}"), &"x".repeat(700));
        // Where its octets lie can be looked at when the name is gone.
        fs::hard_link(machine.path("card").join(name), machine.path("dev").join(name)).unwrap();
    }
    machine.set("card/sim cards.applied", "");
    machine.restart();
    machine.run("data", &[]);
    assert_eq!(machine.rescue(), None);
    assert_ne!(machine.file_system("vda5").unwrap(), first);
    let left: Vec<_> = fs::read_dir(machine.path("card")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["sim-cards.conf"]);
    for name in secrets {
        let octets = fs::read(machine.path("dev").join(name)).unwrap();
        assert!(octets.len() >= 700 && octets.iter().all(|octet| *octet == 0), "{name} is not overwritten");
    }
    assert_eq!(machine.text("dev/sim-cards.conf"), Some("x".repeat(700)));
}

/// A FAT on a card that has worn out: `rm` and all else fail, and the request would stay.
#[test]
fn a_reset_that_could_not_be_ticked_off_is_not_begun() {
    let machine = Machine::new(GPT, SNUG);
    machine.run("data", &[]);
    let first = machine.file_system("vda5").unwrap();
    machine.set("card/factory-reset", "");
    std::os::unix::fs::symlink("/bin/false", machine.path("bin/touch")).unwrap();
    machine.restart();
    machine.run("data", &[]);
    let reason = machine.rescue().unwrap_or_default();
    assert!(reason.contains("cannot be written") && reason.contains("replace the card"), "{reason}");
    assert_eq!((machine.file_system("vda5").unwrap(), machine.ran("mkfs.ext4")), (first, 0));
    assert!(!machine.path("run/sgconfig").exists(), "SGCONFIG is not left mounted");
}

/// The power fails before each of the script's commands in turn, also while the file system is being made.
#[test]
fn power_cuts_at_every_step_leave_nothing_half_made() {
    for reset in [false, true] {
        // Without a request the steps are the same but for the first few.
        for cut in (0..).step_by(if reset { 1 } else { 5 }) {
            assert!(cut < 200, "it comes to an end");
            // The table is as large as the disk; growing is sfdisk's business.
            let machine = Machine::new(GPT, SNUG);
            if reset {
                write(&machine, "dev/vda5", 1 << 16, b"old");
                machine.set("card/factory-reset", "");
            }
            machine.set("card/smsgate.conf", "to be applied");
            let came_to_its_end = !machine.data_until_cut(cut);
            if !came_to_its_end {
                assert!(machine.rescue().is_some() || machine.ran("mkdir") == 0, "{cut}: unfinished is rescue");
                machine.restart();
                machine.run("data", &[]);
            }
            assert_eq!(machine.rescue(), None, "reset {reset}, cut {cut}");
            assert!(machine.file_system("vda5").is_some(), "reset {reset}, cut {cut}");
            let left: Vec<_> = fs::read_dir(machine.path("card")).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left, ["smsgate.conf"], "reset {reset}, cut {cut}");
            if came_to_its_end {
                assert!(cut > 20, "{cut} steps");
                break;
            }
        }
    }
}

#[test]
fn a_box_without_sgconfig_warns_and_goes_on() {
    let machine = Machine::new(GPT, DISK);
    fs::remove_dir(machine.path("card")).unwrap();
    machine.run("data", &[]);
    assert_eq!(machine.rescue(), None);
    assert!(machine.file_system("vda5").is_some());
    let warning = machine.text("run/smsgate/warnings.d/sgconfig").unwrap();
    assert!(warning.contains("cannot be mounted") && warning.ends_with("SGCONFIG\n"), "{warning}");

    fs::create_dir(machine.path("card")).unwrap();
    machine.run("sgconfig", &["mount"]);
    assert_eq!(machine.text("run/smsgate/warnings.d/sgconfig"), None, "it is over");
    machine.run("sgconfig", &["unmount"]);
    assert!(!machine.path("run/sgconfig").exists());
}

#[test]
fn what_cannot_be_used_is_said_and_leads_to_rescue() {
    type Break = fn(&Machine);
    let broken: [(&str, Break, &str); 4] = [
        ("root", |m| m.set("proc/self/mountinfo", "21 1 0:9 / / ro - tmpfs tmpfs ro\n"), "disk that / came from"),
        ("device", |m| fs::remove_file(m.path("dev/vda5")).unwrap(), "cannot be read"),
        (
            "mkfs",
            |m| {
                fs::remove_file(m.path("bin/mkfs.ext4")).unwrap();
                std::os::unix::fs::symlink("/bin/false", m.path("bin/mkfs.ext4")).unwrap();
            },
            "no file system can be made",
        ),
        (
            "mount",
            |m| {
                fs::remove_file(m.path("bin/mount")).unwrap();
                std::os::unix::fs::symlink("/bin/false", m.path("bin/mount")).unwrap();
            },
            "cannot be mounted",
        ),
    ];
    for (name, breaks, expected) in broken {
        // Nothing to grow, so that what was broken stays broken.
        let machine = Machine::new(GPT, SNUG);
        breaks(&machine);
        machine.run("data", &[]);
        let reason = machine.rescue().unwrap_or_default();
        assert!(reason.contains(expected) && reason.lines().count() == 1, "{name}: {reason}");
    }
}

#[test]
fn a_damaged_file_system_is_repaired_and_the_health_told() {
    let machine = Machine::new(GPT, DISK);
    machine.run("data", &[]);
    // The root folder's inode.
    let facts = std::process::Command::new("dumpe2fs").arg(machine.path("dev/vda5")).output().unwrap();
    let facts = String::from_utf8_lossy(&facts.stdout).into_owned();
    let table = facts.lines().find_map(|line| line.trim().strip_prefix("Inode table at ")).unwrap().to_owned();
    let block: u64 = table.split('-').next().unwrap().parse().unwrap();
    write(&machine, "dev/vda5", block * 4096 + 256, &[0; 256]);
    assert_eq!(machine.file_system("vda5"), None, "it is damaged");
    // As the kernel marks it when it meets the damage.
    let marked =
        std::process::Command::new("tune2fs").args(["-E", "force_fsck"]).arg(machine.path("dev/vda5")).output();
    assert!(marked.unwrap().status.success());
    machine.restart();
    machine.run("data", &[]);
    assert_eq!(machine.rescue(), None);
    assert!(machine.file_system("vda5").is_some());
    assert!(machine.text("run/smsgate/warnings.d/data").unwrap().contains("repaired"));
}

#[test]
fn the_clock_goes_on_from_the_saved_time_but_never_back() {
    let machine = Machine::new(GPT, DISK);
    for (saved, set) in [(1_000_000_000, 0), (4_000_000_000, 1)] {
        machine.set("data/state/timesync/clock", "");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(saved);
        let file = fs::OpenOptions::new().write(true).open(machine.path("data/state/timesync/clock")).unwrap();
        file.set_modified(time).unwrap();
        machine.restart();
        machine.run("data", &[]);
        let log = machine.text("log").unwrap();
        assert_eq!(log.lines().filter(|line| *line == format!("date -s @{saved}")).count(), set, "{saved}");
        let warned = machine.text("run/smsgate/warnings.d/clock").is_some();
        assert_eq!(warned, set == 1, "{saved}");
    }
}

#[test]
fn a_clock_that_systemd_had_to_set_to_the_images_day_is_told() {
    let machine = Machine::new(GPT, SNUG);
    machine.set("usr/lib/clock-epoch", "");
    machine.run("data", &[]);
    let warning = machine.text("run/smsgate/warnings.d/clock").unwrap();
    assert!(warning.contains("no time server has answered"), "{warning}");
}
