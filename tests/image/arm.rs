//! The same on the other processor: the image for 64-bit ARM with the daemon built for it, on a machine of QEMU's own.

use crate::{
    api::Api,
    boot,
    disk::Disk,
    inside,
    machine::{Machine, Options},
    operator::{gateway_without_mail, sims},
    pool::{EIGHT, Modem, Pool},
    rig::TOKEN,
};

const SUBSCRIBER: &str = "+4915112345678";

#[test]
fn eight_modems_do_their_work_on_arm() {
    let pool = Pool::start(&EIGHT);
    let slots: Vec<Modem> = pool.modems().cloned().collect();
    let disk = Disk::fresh_for("aarch64");
    disk.write("smsgate.conf", gateway_without_mail(slots.len()).as_bytes());
    disk.write("sim-cards.conf", sims(&slots).as_bytes());
    let usb = Some((EIGHT.len(), pool.sockets()));
    let mut machine = Machine::boot(&disk, &Options { usb, architecture: "aarch64", ..Options::default() });
    assert_eq!(machine.succeed("uname -m").trim(), "aarch64");
    machine.until_ca(&disk);
    let api = Api { client: machine.client_of(&disk, "smsgate.local"), token: TOKEN.to_owned() };
    machine.until("ping is answered", |_| api.client.ping().is_ok());
    eprintln!("aarch64: ping {:.1?} after the power came", machine.since_power_on());
    machine.until("every modem is ready", |_| api.ready() == slots.len());
    eprintln!("aarch64: 8 modems are ready {:.1?} after the power came", machine.since_power_on());

    let modem = &slots[3];
    pool.network.inject(&modem.number, SUBSCRIBER, "to ARM");
    machine.until("the message is there", |_| !api.received().is_empty());
    assert_eq!(api.received(), [[SUBSCRIBER, &modem.number, "03", "to ARM"].map(str::to_owned)]);
    let id = api.send(&modem.number, SUBSCRIBER, "from ARM");
    machine.until("the message is delivered", |_| api.call("get_delivery_status", &[&id]).as_bool() == Some(true));
    let sent = pool.network.submitted_to(SUBSCRIBER);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0]["number"].as_str(), sent[0]["text"].as_str()), (Some(&*modem.number), Some("from ARM")));

    machine.until_up();
    boot::no_unit_has_failed(&mut machine);
    boot::the_watchdog_is_armed(&mut machine);
    inside::the_gateway_has_the_modems_and_nothing_more(&mut machine);
    let sandbox = machine.succeed("journalctl -q -u smsgate -o cat --no-pager");
    assert!(sandbox.contains("sandbox"), "{sandbox}");
    let (level, text) = api.health();
    assert_ne!(level, "CRITICAL", "{text}");
    machine.power_off();
    disk.check_data().unwrap();
}
