//! The daemon as the appliance runs it: modems under names of USB ports in a folder of links that udev keeps, a box that
//! nobody has set up, what other services have to say, and a disk that is full or about to be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]
#![allow(clippy::print_stderr, reason = "what cannot be tested here is said")]

mod rig;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::statvfs::statvfs;
use rig::{Rig, books::texts, past::Past};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use smsgate::cli::client::ClientError;
use tempfile::TempDir;

const OUTSIDE: &str = "+4915550000";

/// As many as a large pool has.
const MODEMS: usize = 16;

/// From the moment the link is there until the slot has its modem on it again.
const BACK: Duration = Duration::from_secs(5);

/// `/dev/sms` as udev keeps it: a link for each port of the bus, and no folder where there is no link.
struct Links {
    /// In /dev, which the sandbox grants; what is beneath it may come and go.
    root: TempDir,
    ttys: PathBuf,
}

impl Links {
    fn new(rig: &Rig) -> Self {
        Self { root: tempfile::tempdir_in("/dev/shm").unwrap(), ttys: rig.folder().join("dev") }
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("sms")
    }

    /// The link of a USB port.
    fn at(&self, port: usize) -> PathBuf {
        self.folder().join(format!("pci-0000_00_14_0-usb-0_1_{port}_1_2"))
    }

    /// A tty has come up for this modem on this USB port. A link that is there is replaced, as udev does it.
    fn add(&self, port: usize, modem: usize) {
        fs::create_dir_all(self.folder()).unwrap();
        let tty = self.tty(modem).unwrap();
        let new = self.folder().join(format!(".#new-{port}"));
        symlink(tty, &new).unwrap();
        fs::rename(new, self.at(port)).unwrap();
    }

    fn remove(&self, port: usize) {
        fs::remove_file(self.at(port)).unwrap();
        // Fails while there are others.
        let _ = fs::remove_dir(self.folder());
    }

    /// The modem's tty, if it is plugged in.
    fn tty(&self, modem: usize) -> Option<PathBuf> {
        fs::canonicalize(self.ttys.join(format!("modem-{modem:02}"))).ok()
    }
}

/// A pool whose slots know their modems by IMEI alone. No link is there yet.
fn pool() -> (Rig, Links) {
    let mut rig = Rig::prepare(MODEMS, |_| {});
    let links = Links::new(&rig);
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let pattern = links.folder().join("*").display().to_string();
    for (modem, sim) in rig.site.sims.iter_mut().enumerate() {
        sim.set("port", pattern.clone());
        sim.set("imei", stats["modems"][modem]["imei"].as_str().unwrap());
    }
    rig.site.write();
    (rig, links)
}

/// Until the slot has its modem, on this USB port.
#[track_caller]
fn until_at(rig: &Rig, links: &Links, slot: usize, port: usize) {
    let (api, expected) = (rig.api(), links.at(port).display().to_string());
    rig.until(&format!("slot {slot:02} on {expected}"), || {
        api.stat(&format!("{slot:02}"), "port") == expected
            && api.stat(&format!("{slot:02}"), "imei") == rig.site.sims[slot].options["imei"]
    });
}

fn unplug(rig: &Rig, links: &Links, port: usize, modem: usize) {
    rig.network.fault(modem, json!({ "fault": "unplug" }));
    rig::until("the tty goes", || links.tty(modem).is_none());
    links.remove(port);
}

fn plug(rig: &Rig, links: &Links, port: usize, modem: usize) {
    rig.network.fault(modem, json!({ "fault": "replug", "link": null }));
    rig::until("the tty comes", || links.tty(modem).is_some());
    links.add(port, modem);
}

#[test]
fn each_slot_gets_its_own_modem_back_whatever_port_and_tty_it_comes_under() {
    let (rig, links) = pool();
    // The daemon is there before the bus is.
    let rig = rig.run();
    assert!(!links.folder().exists());
    (0..MODEMS).for_each(|modem| links.add(modem, modem));
    rig.until_ready(MODEMS);
    for slot in 0..MODEMS {
        until_at(&rig, &links, slot, slot);
    }

    // Two are unplugged and come back on each other's USB port, in an order that gives each the other's tty.
    let before = [3, 11].map(|modem| links.tty(modem).unwrap());
    unplug(&rig, &links, 3, 3);
    unplug(&rig, &links, 11, 11);
    rig.until("both are missed", || rig.api().healthy() == MODEMS - 2);
    plug(&rig, &links, 3, 11);
    plug(&rig, &links, 11, 3);
    let begun = Instant::now();
    until_at(&rig, &links, 3, 11);
    until_at(&rig, &links, 11, 3);
    assert!(begun.elapsed() < BACK, "{:?}\n{}", begun.elapsed(), rig.log());
    assert_ne!(before, [3, 11].map(|modem| links.tty(modem).unwrap()), "the ttys did not change");
    rig.until_ready(MODEMS);

    // A link that leads elsewhere from one moment to the next, both modems having changed places in between.
    for modem in [3, 11] {
        rig.network.fault(modem, json!({ "fault": "unplug" }));
        rig::until("the tty goes", || links.tty(modem).is_none());
    }
    for modem in [11, 3] {
        rig.network.fault(modem, json!({ "fault": "replug", "link": null }));
        rig::until("the tty comes", || links.tty(modem).is_some());
        links.add(modem, modem);
    }
    let begun = Instant::now();
    until_at(&rig, &links, 3, 3);
    until_at(&rig, &links, 11, 11);
    assert!(begun.elapsed() < BACK, "{:?}\n{}", begun.elapsed(), rig.log());

    // The whole pool loses its power, and the folder goes with the last link.
    (0..MODEMS).for_each(|modem| unplug(&rig, &links, modem, modem));
    assert!(!links.folder().exists());
    rig.until("all are missed", || rig.api().healthy() == 0);
    let last_first = |modem: usize| MODEMS - 1 - modem;
    (0..MODEMS).for_each(|modem| plug(&rig, &links, last_first(modem), modem));
    for slot in 0..MODEMS {
        until_at(&rig, &links, slot, last_first(slot));
    }
    rig.until_ready(MODEMS);

    // And they work: each SIM's SMS comes in by its own slot.
    for slot in [0, 3, 11, 15] {
        let text = format!("for {slot}");
        rig.network.inject(rig.site.number(slot), OUTSIDE, &text);
        let slot = format!("{slot:02}");
        rig.until(&text, || rig.api().get_sms("").iter().any(|sms| sms.text == text && sms.modem == slot));
    }
    let hints = fs::read_to_string(rig.folder().join("hints")).unwrap();
    assert_eq!(hints.lines().count(), MODEMS, "{hints}");
    assert!(!hints.contains(".#"), "a name that udev uses for a moment was kept: {hints}");
}

/// An appliance's folder, beneath the rig's.
fn appliance(rig: &mut Rig) -> PathBuf {
    let folder = rig.folder().join("run");
    fs::create_dir_all(folder.join("warnings.d")).unwrap();
    rig.arguments = vec!["--appliance".to_owned(), folder.display().to_string()];
    folder.join("warnings.d")
}

#[test]
fn a_box_that_nobody_has_set_up_answers_and_says_what_to_do() {
    let mut rig = Rig::prepare(0, |_| {});
    let warnings = appliance(&mut rig);
    fs::write(warnings.join("sgconfig"), "there is no partition SGCONFIG\n").unwrap();
    let rig = rig.run();
    rig.until("both are told", || {
        let (level, text) = rig.api().health();
        level == "WARNING"
            && text.contains("Pool: no SIM cards are configured, see sim-cards.conf.suggested on SGCONFIG")
            && text.contains("Appliance: there is no partition SGCONFIG")
    });
    assert_eq!(rig.api().slots(), Vec::<String>::new());
    let elsewhere = Rig::prepare(0, |_| {}).run();
    rig.until("no modems without an appliance", || elsewhere.api().health().0 == "CRITICAL");
    assert!(elsewhere.api().health().1.contains("Pool: no modem is configured"));
}

/// A file system with little room; only root can mount one.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(at: &'a Path, mib: u64) -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("not tested: only root mounts a small file system");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        let options = format!("size={mib}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status();
        assert!(mounted.unwrap().success());
        Some(Self(at))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Until nothing more fits.
    fn fill(&self) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 512]).is_ok() {}
    }

    /// Until so much is free.
    fn leave(&self, mib: u64) {
        let data = statvfs(self.0).unwrap();
        let free = data.blocks_available() * data.fragment_size();
        let more = usize::try_from(free - (mib << 20)).unwrap();
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        std::io::Write::write_all(&mut file, &vec![0; more]).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn on_a_full_disk_sms_wait_on_the_sim_and_come_in_when_there_is_room() {
    let rig = Rig::prepare(1, |_| {});
    let state = rig.site.store().parent().unwrap().to_owned();
    let Some(small) = Small::mount(&state, 12) else { return };
    let mut rig = rig.run();
    rig.until_ready(1);
    let mut sent = 0;
    until_nothing_fits(&rig, &small, &mut sent);
    let (level, text) = rig.api().health();
    assert_eq!(level, "CRITICAL", "{text}");
    let stored = || outside(&rig);
    let seen = || rig.api().get_sms("").len();
    assert!(stored() > 0);
    assert!(seen() + stored() >= sent, "{} in the store and {} on the SIM, of {sent}", seen(), stored());
    small.empty();
    rig.until("all are in", || seen() == sent);
    rig.until("none is left on the SIM", || stored() == 0);
    rig.until("health is good again", || !rig.api().health().1.contains("cannot be saved"));
    let mut texts: Vec<String> = rig.api().get_sms("").into_iter().map(|sms| sms.text).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), sent, "one came in twice");
    let (code, _) = rig.stop();
    assert_eq!(code, Some(0));

    // Nothing at all fits when it starts again: it has kept some room for that.
    small.fill();
    rig.launch();
    rig.until("it starts", || rig.log().contains("smsgate is up"));
    rig.until("it says that the disk is full", || rig.api().health().1.contains("free"));
    assert_eq!(rig.api().get_sms("").len(), sent);
    drop(small);
}

/// Fills what is left, and lets SMS come in until one cannot be saved: what SQLite has reserved takes some more. `sent`:
/// how many have come.
fn until_nothing_fits(rig: &Rig, small: &Small<'_>, sent: &mut usize) {
    rig.until("nothing more fits", || {
        small.fill();
        rig.network.inject(rig.site.number(0), OUTSIDE, &format!("{sent:03} {}", "x".repeat(140)));
        *sent += 1;
        std::thread::sleep(Duration::from_millis(200));
        rig.api().health().1.contains("cannot be saved and stay on the SIM")
    });
}

/// How many SMS are on the first modem's SIM or on their way to it.
fn outside(rig: &Rig) -> usize {
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let count = |value: &serde_json::Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    count(&stats["modems"][0]["stored"]) + count(&stats["waiting"])
}

#[test]
fn as_room_runs_out_texts_go_early_then_sending_stops_and_then_sms_wait() {
    let rig = Rig::prepare(1, |_| {});
    let state = rig.site.store().parent().unwrap().to_owned();
    let Some(small) = Small::mount(&state, 64) else { return };
    let mut past = Past::new(&rig.site.store());
    past.receive((0..1500).map(|number| format!("{number:0150}")), false);
    past.pass(Duration::from_secs(7200));
    past.close();
    let mut rig = rig.run();
    rig.until_ready(1);
    let store = Connection::open_with_flags(rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    let held = || texts(&store, "SELECT text FROM message WHERE text <> ''").len();
    let says = |level: &str, words: &str| {
        rig.until(words, || {
            let (seen, text) = rig.api().health();
            seen == level && text.contains(words)
        });
    };
    let send = |text: &str| rig.api().send("", OUTSIDE, text);
    send("while there is room").unwrap();
    assert_eq!(held(), 1500);
    assert!(!rig.api().health().1.contains("Disk"), "{:?}", rig.api().health());

    small.leave(10);
    says("WARNING", "texts of finished messages are forgotten early");
    rig.until("the newest thousand are left", || held() == 1000);
    send("while it is low").unwrap();

    small.leave(4);
    says("CRITICAL", "no new message is accepted to be sent. Make room");
    let Err(ClientError::Fault(fault)) = send("while it is nearly full") else { panic!("it was taken") };
    assert_eq!((fault.code, fault.message.as_str()), (503, "The disk of the gateway is nearly full. Try again later."));
    // What comes in does so all the same, and so do mails.
    let mut sent = 3;
    for number in 0..sent {
        rig.network.inject(rig.site.number(0), OUTSIDE, &format!("{number:03}"));
    }
    rig.until("all are in", || rig.api().get_sms("").len() == sent);
    rig.until("all are mailed", || rig.mails().len() == sent);

    until_nothing_fits(&rig, &small, &mut sent);
    assert!(matches!(send("while it is full"), Err(ClientError::Fault(fault)) if fault.code == 503));
    assert!(rig.api().get_sms("").len() + outside(&rig) >= sent);

    small.empty();
    rig.until("all are in", || rig.api().get_sms("").len() == sent);
    rig.until("none is left on the SIM", || outside(&rig) == 0);
    rig.until("health is good again", || !rig.api().health().1.contains("Disk"));
    send("when there is room again").unwrap();
    let mut seen: Vec<String> = rig.api().get_sms("").into_iter().map(|sms| sms.text).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), sent, "one came in twice");
    rig.until("what was accepted has left", || {
        texts(&store, "SELECT id FROM outbox WHERE next_run IS NOT NULL").is_empty()
    });
    let left: Vec<String> =
        rig.network.events("submitted").iter().map(|entry| entry["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(left, ["while there is room", "while it is low", "when there is room again"]);
    assert_eq!(texts(&store, "SELECT 'x' FROM message").len(), 1500 + sent, "facts went with their texts");
    drop(store);
    assert_eq!(rig.stop().0, Some(0));
}
