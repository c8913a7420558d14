//! Boxes in trouble: what they say of it, and that they come up all the same. Where /data cannot be used that is rescue,
//! whose certificate nobody can know.

use std::process::Command;

use crate::{
    api::Api,
    boot,
    data::Data,
    disk::{Disk, succeed},
    machine::{Machine, Options},
    operator::gateway_without_mail,
    result::Told,
    rig::TOKEN,
};

// At a start it is not 0 of them, since the gateway gives up the room that it has set aside.
const FULL: &str = " MiB are free on the file system of /data";
const READ_ONLY: &str = "can only be read";

#[test]
fn a_box_without_a_clock_or_an_address_works_and_says_what_is_wrong() {
    let disk = Disk::fresh();
    let clock = Some("1970-01-01T00:00:10".to_owned());
    let mut machine = Machine::boot(&disk, &Options { unplugged: true, clock, ..Options::default() });
    let told = Told::by(&mut machine, &disk);
    let token = told.tokens()["get_health_state"].clone();
    let ask = format!("SMSGATE_APITOKEN={token} check_smsgate --host localhost --ca /data/tls/ca.pem");
    machine.until("health tells of it", |machine| {
        let said = machine.run(&ask);
        said.status == 1 && said.text.contains("no time server has answered")
    });
    let year: i32 = machine.succeed("date +%Y").trim().parse().unwrap();
    assert!(year >= 2023, "the clock stands in {year}");
    assert_eq!(machine.succeed("ip -4 -o addr show scope global"), "", "somebody gave it an address");
    eprintln!("{}", machine.succeed("ip -o addr"));
    machine.until_up();
    boot::no_unit_has_failed(&mut machine);
    // A time server answers.
    machine.succeed("mkdir -p /run/systemd/timesync && touch /run/systemd/timesync/synchronized");
    machine.until("the warning is over", |machine| {
        machine.run("test -e /run/smsgate/warnings.d/clock").status != 0
            && machine.run(&ask).status != 2
            && !machine.run(&ask).text.contains("time server")
    });
    machine.power_off();
    disk.check_data().unwrap();
}

#[test]
fn whatever_is_wrong_with_data_the_box_answers_and_says_it() {
    let disk = Disk::fresh();
    disk.write("smsgate.conf", gateway_without_mail(0).as_bytes());
    disk.write("sim-cards.conf", b"# none yet\n");
    is_full(&disk);
    is_full_at_the_start(&disk);
    is_full_to_the_last_block(&disk);
    cannot_be_written_any_more(&disk);
    let healthy = disk.copy();

    disk.overwrite("DATA", &vec![0; 1 << 20]);
    goes_to_rescue(&disk, "is blank although this box was in use");
    assert!(disk.head(disk.partition("DATA")).iter().all(|octet| *octet == 0), "it was formatted");
    disk.overwrite("DATA", &vec![0xa5; 1 << 20]);
    goes_to_rescue(&disk, "holds something else than /data");
    assert!(disk.head(disk.partition("DATA")).iter().all(|octet| *octet == 0xa5), "it was written to");

    // The rest of the disk belongs to somebody else.
    succeed(Command::new("sfdisk").arg("--part-label").arg(healthy.path()).args(["5", "OTHER"]));
    goes_to_rescue(&healthy, "has no partition DATA and no room for one");
}

fn api(machine: &mut Machine, disk: &Disk) -> Api {
    machine.until_ca(disk);
    let api = Api { client: machine.client_of(disk, "smsgate.local"), token: TOKEN.to_owned() };
    machine.until("ping is answered", |_| api.client.ping().is_ok());
    api
}

/// Waits for a health state that tells of it, and is critical.
fn is_critical(machine: &mut Machine, api: &Api, text: &str) {
    machine.until(&format!("health tells: {text}"), |_| {
        let (level, said) = api.health();
        level == "CRITICAL" && said.contains(text)
    });
}

fn is_full(disk: &Disk) {
    let mut machine = Machine::boot(disk, &Options::default());
    let api = api(&mut machine, disk);
    assert_ne!(api.health().0, "CRITICAL", "{}", api.health().1);
    machine.until_up();
    fill(&mut machine, AS_GATEWAY, "/data/store");
    is_critical(&mut machine, &api, FULL);
    machine.power_cut();
}

/// As the gateway would: for root there is a reserve, with which provisioning works on.
const AS_GATEWAY: &str = "su -s /bin/sh smsgate";

fn fill(machine: &mut Machine, who: &str, folder: &str) {
    let full = format!("sync; cat /dev/zero >>{folder}/filler; sync; echo more >{folder}/more");
    // Once all is on the disk, what the file system had set aside for its own needs is free again.
    machine.until("nothing fits any more", |machine| {
        machine.run(&format!("{who} -c '{full}'")).text.contains("No space left")
    });
}

/// The gateway has set room aside for this.
fn is_full_at_the_start(disk: &Disk) {
    let mut machine = Machine::boot(disk, &Options::default());
    let api = api(&mut machine, disk);
    is_critical(&mut machine, &api, FULL);
    machine.until_up();
    assert_eq!(machine.run("cat /run/smsgate/rescue").status, 1, "it is the gateway itself that answers");
    machine.power_cut();
}

/// With the reserve gone too there is no store to be had.
fn is_full_to_the_last_block(disk: &Disk) {
    let mut machine = Machine::boot(disk, &Options::default());
    machine.until_up();
    fill(&mut machine, "sh", "/data");
    machine.power_cut();
    let mut machine = Machine::boot(disk, &Options::default());
    answers_in_rescue(&mut machine, "cannot open the store");
    machine.until("the operator is told", |_| disk.read("rescue.txt").is_some_and(|told| !told.is_empty()));
    let told = disk.read_text("rescue.txt");
    assert!(told.contains("cannot open the store"), "{told}");
    machine.succeed("rm -f /data/filler /data/more /data/store/filler /data/store/more && sync");
    machine.power_off();
    // Nobody calls a start rescue that works again.
    let mut machine = Machine::boot(disk, &Options::default());
    let api = api(&mut machine, disk);
    machine.until("health is better again", |_| api.health().0 != "CRITICAL");
    assert!(disk.read("rescue.txt").is_none());
    machine.power_off();
}

fn cannot_be_written_any_more(disk: &Disk) {
    let mut machine = Machine::boot(disk, &Options::default());
    let api = api(&mut machine, disk);
    machine.until_up();
    // As the kernel does when it meets damage.
    machine.succeed("device=$(findmnt -n -o SOURCE /data) && echo test >/sys/fs/ext4/${device##*/}/trigger_fs_error");
    machine.until("nothing can be written", |machine| machine.run("touch /data/x").status != 0);
    is_critical(&mut machine, &api, READ_ONLY);
    assert!(api.client.ping().is_ok());
    machine.power_cut();
    // The mark of the error, which the next start mends.
    assert!(Data::of(disk).read("/tls/ca.pem").is_some());
    let mut machine = Machine::boot(disk, &Options::default());
    let api = self::api(&mut machine, disk);
    machine.until("the error is over", |_| api.health().0 != "CRITICAL");
    machine.until_up();
    machine.power_off();
    disk.check_data().unwrap();
}

fn goes_to_rescue(disk: &Disk, reason: &str) {
    let machine = &mut Machine::boot(disk, &Options::default());
    answers_in_rescue(machine, reason);
    machine.until_up();
    for unit in ["smsgate", "smsgate-report", "smsgate-ssh"] {
        assert_ne!(machine.run(&format!("systemctl -q is-active {unit}")).status, 0, "{unit} runs");
    }
    assert_ne!(machine.run("findmnt /data").status, 0, "it is mounted");
    let told = disk.read_text("rescue.txt");
    assert!(told.contains(reason), "{told}");
}

fn answers_in_rescue(machine: &mut Machine, reason: &str) {
    let mut client = None;
    machine.until("somebody answers", |machine| {
        client = machine.client_of_whoever_answers();
        client.is_some()
    });
    let client = client.unwrap();
    client.ping().unwrap();
    let api = Api { client, token: "any".to_owned() };
    let (level, text) = api.health();
    assert_eq!(level, "CRITICAL");
    assert!(text.starts_with("Rescue: ") && text.contains(reason), "{text}");
}
