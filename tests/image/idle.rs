//! What a box writes to its disk while nothing happens: flash wears out by writing.

use std::{thread, time::Duration};

use crate::{
    api::Api,
    disk::Disk,
    machine::{Machine, Options},
    operator::{gateway_without_mail, sims},
    pool::{EIGHT, Modem, Pool},
    result::Told,
    rig::TOKEN,
};

/// After the last thing that a start does.
const SETTLING: Duration = Duration::from_secs(120);
const IDLE: Duration = Duration::from_secs(600);
const MOST_KIB: u64 = 100;

#[test]
fn a_box_with_nothing_to_do_hardly_writes() {
    let pool = Pool::start(&EIGHT);
    let slots: Vec<Modem> = pool.modems().cloned().collect();
    let disk = Disk::fresh();
    disk.write("smsgate.conf", gateway_without_mail(slots.len()).as_bytes());
    disk.write("sim-cards.conf", sims(&slots).as_bytes());
    let usb = Some((EIGHT.len(), pool.sockets()));
    let mut machine = Machine::boot(&disk, &Options { usb, ..Options::default() });
    Told::by(&mut machine, &disk);
    let api = Api { client: machine.client_of(&disk, "smsgate.local"), token: TOKEN.to_owned() };
    machine.until("every modem is ready", |_| api.ready() == slots.len());
    machine.until_up();

    thread::sleep(SETTLING);
    let before = written(&mut machine);
    machine.succeed("touch /run/before");
    thread::sleep(IDLE);
    let after = written(&mut machine);
    let kib = (after - before) / 2;
    eprintln!("{kib} KiB written in {IDLE:?}, {} KiB before", before / 2);
    let changed = machine.succeed("find /data -xdev -newer /run/before -exec stat -c '%y %n' {} +");
    assert!(kib <= MOST_KIB, "{kib} KiB in {IDLE:?}; what has changed:\n{changed}");
    assert_eq!(api.ready(), slots.len(), "it was at work all the time");
}

/// Sectors of 512 octets since the start.
fn written(machine: &mut Machine) -> u64 {
    let numbers = machine.succeed("cat /sys/class/block/vda/stat");
    numbers.split_whitespace().nth(6).unwrap().parse().unwrap()
}
