//! Factory reset by the file `factory-reset` on SGCONFIG, with the power failing at the worst moments of it; and a SGCONFIG
//! that nothing can read.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use crate::{
    api::Api,
    disk::Disk,
    machine::{BOOT, Machine, Options},
    operator::{PUBLIC_KEY, gateway_without_mail},
    result::Told,
    rig::TOKEN,
};

/// Files that a box which was set up has, and one that was reset has not.
const OWN: [&str; 3] = ["/data/tls/ca.pem", "/data/tls/server.key", "/data/state/machine-id"];

#[test]
fn a_factory_reset_ends_whole_wherever_the_power_fails() {
    let disk = Disk::fresh();
    let before = a_box_is_set_up_with_good_files(&disk);
    disk.write("factory-reset", b"");
    // Windows would have added the ending; the operator's next network.conf is to outlive the reset.
    disk.write("network.conf", b"[network]\nhostname = second\n");
    for moment in [Moment::Blanked, Moment::Formatting, Moment::Formatted, Moment::Done] {
        the_power_fails(&disk, moment);
    }
    let after = the_box_comes_up_as_new(&disk, &before);
    a_partition_that_nothing_can_read_does_not_stop_the_boot(&disk, &after);
}

/// What tells one box from another: its own files, by name.
type Identity = BTreeMap<&'static str, String>;

fn identity(machine: &mut Machine) -> Identity {
    OWN.into_iter().map(|path| (path, machine.succeed(&format!("sha256sum <{path}")))).collect()
}

fn a_box_is_set_up_with_good_files(disk: &Disk) -> Identity {
    let issued = smsgate::tls::issue(&["first.local".to_owned()], &[], jiff::Zoned::now().date(), 300).unwrap();
    for (name, text) in [
        ("smsgate.conf", &*gateway_without_mail(0)),
        ("sim-cards.conf", "# none yet\n"),
        ("network.conf", "[network]\nhostname = first\n[time]\nzone = Europe/Zurich\n"),
        ("authorized_keys", PUBLIC_KEY),
        ("tls.crt", &issued.chain),
        ("tls.key", &issued.key),
    ] {
        disk.write(name, text.as_bytes());
    }
    let mut machine = Machine::boot(disk, &Options::default());
    let told = Told::of_files(&mut machine, disk);
    told.has("OK, applied: authorized_keys, network.conf, sim-cards.conf, smsgate.conf, tls.crt, tls.key.");
    told.has("Configuration in force: number 1.");
    told.has("yours (tls.crt)");
    let client = machine.client_trusting(&issued.ca, "first.local");
    let api = Api { client, token: TOKEN.to_owned() };
    machine.until("the API answers under the operator's certificate", |_| api.client.ping().is_ok());
    assert_ne!(api.health().0, "");
    machine.until("SSH listens", |machine| machine.run("netstat -lnt | grep -q ':22 '").status == 0);
    assert_eq!(machine.succeed("hostname").trim(), "first");
    let identity = identity(&mut machine);
    machine.power_off();
    for name in ["smsgate.conf", "network.conf", "authorized_keys", "tls.key"] {
        assert!(disk.read(name).is_none() && disk.read(&format!("{name}.applied")).is_some(), "{:?}", disk.names());
    }
    let key = issued.key.lines().nth(1).unwrap().as_bytes();
    assert!(!disk.config_octets().windows(key.len()).any(|octets| octets == key), "the key can still be read");
    identity
}

/// When the power goes, seen from the disk.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The head of DATA has been overwritten.
    Blanked,
    /// The new file system is being written.
    Formatting,
    /// There is one, and the request is still there.
    Formatted,
    /// The request is there no more.
    Done,
}

fn the_power_fails(disk: &Disk, moment: Moment) {
    let data = disk.partition("DATA");
    let machine = Machine::start(disk, &Options::default());
    let (start, written) = (Instant::now(), disk.allocated());
    let mut blanked = false;
    loop {
        let head = disk.head(data);
        blanked |= head.iter().all(|octet| *octet == 0);
        let formatted = blanked && head[1080..1082] == [0x53, 0xef];
        let reached = match moment {
            Moment::Blanked => blanked,
            Moment::Formatting => blanked && disk.allocated() > written + (1 << 20) || formatted,
            Moment::Formatted => formatted,
            Moment::Done => !disk.names().contains(&"factory-reset".to_owned()),
        };
        if reached {
            break;
        }
        assert!(start.elapsed() < BOOT, "{moment:?} never came\n{}", machine.console());
        thread::sleep(Duration::from_millis(5));
    }
    machine.power_cut();
    let is_asked_for = disk.names().contains(&"factory-reset".to_owned());
    eprintln!("{moment:?}: cut {:.1?} after the power came, request there: {is_asked_for}", start.elapsed());
    if !is_asked_for {
        disk.check_data().unwrap();
    }
}

fn the_box_comes_up_as_new(disk: &Disk, before: &Identity) -> Identity {
    let mut machine = Machine::boot(disk, &Options::default());
    let told = Told::of_files(&mut machine, disk);
    told.has("OK, applied: network.conf.");
    told.has("Configuration in force: number 1.");
    let api = Api { client: machine.client_of(disk, "second.local"), token: told.tokens()["get_health_state"].clone() };
    machine.until("the API answers", |_| api.client.ping().is_ok());
    assert_ne!(api.health().0, "");
    let old = Api { client: api.client.clone(), token: TOKEN.to_owned() };
    assert!(old.try_call("get_health_state", &[]).unwrap().is_err(), "the token of before still opens the box");
    assert_ne!(machine.run("netstat -lnt | grep ':22 '").status, 0, "the key of before is still let in");
    let after = identity(&mut machine);
    for (path, sum) in before {
        assert_ne!(after[path], *sum, "{path} is still that of before");
    }
    machine.until_up();
    machine.power_off();
    disk.check_data().unwrap();
    let names = disk.names();
    let left = ["ca.pem", "network.conf.applied", "result.txt"];
    assert_eq!(names, left, "of the box before nothing is left");
    after
}

fn a_partition_that_nothing_can_read_does_not_stop_the_boot(disk: &Disk, before: &Identity) {
    disk.overwrite("SGCONFIG", &vec![0xa5; 64 * 1024]);
    let mut machine = Machine::boot(disk, &Options::default());
    machine.until("the certificate is there", |machine| machine.run("test -s /data/tls/ca.pem").status == 0);
    let ca = machine.succeed("cat /data/tls/ca.pem");
    let client = machine.client_trusting(&ca, "second");
    machine.until("the API answers", |_| client.ping().is_ok());
    assert_eq!(identity(&mut machine), *before);
    let warning = machine.succeed("cat /run/smsgate/warnings.d/sgconfig");
    assert!(warning.contains("cannot be mounted; format it as FAT32"), "{warning}");
    assert_ne!(machine.run("test -e /run/smsgate/rescue").status, 0);
    machine.power_off();
    disk.check_data().unwrap();
}
