//! A box with modems of four kinds behind hubs, set up by its operator's files: 16 slots, one modem more than that, mail
//! to a server of his.
//!
//! What the scenario waits for are conditions, except where the gateway's own times are judged: those are taken from the
//! box's journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value as Json, json};

use crate::{
    api::Api,
    boot,
    disk::Disk,
    inside,
    machine::{Machine, Options},
    mailbox::Mailbox,
    mdns,
    operator::{gateway, sims},
    pool::{Modem, Pool, link, usb_port},
    rig::TOKEN,
};

/// Longest from the kernel's having a modem's last port until its slot has it.
const REBOUND: Duration = Duration::from_secs(5);
/// Whoever texts the gateway and is texted by it.
const SUBSCRIBER: &str = "+4915112345678";

/// Twelve sticks, and a board with four modules: 16 slots. The last device belongs to none.
const KINDS: [&str; 14] = [
    "sim7600e", "mf190", "huawei", "sim7600e", "mf190", "huawei", "sim7600e", "mf190", "huawei", "sim7600e", "mf190",
    "huawei", "ft4232h", "huawei",
];
const STRANGER: usize = 13;

#[test]
fn sixteen_modems_of_four_kinds_do_their_work_and_find_their_slots_again() {
    let (pool, mailbox) = (Pool::start(&KINDS), Mailbox::start());
    let slots: Vec<Modem> = pool.devices[..STRANGER].iter().flat_map(|device| device.modems.clone()).collect();
    assert_eq!(slots.len(), 16);
    let disk = Disk::fresh();
    disk.write("smsgate.conf", (mailbox.section() + &gateway(16)).as_bytes());
    disk.write("sim-cards.conf", sims(&slots).as_bytes());
    disk.write("mail-ca.pem", mailbox.ca.as_bytes());

    let usb = Some((KINDS.len(), pool.sockets()));
    let mut machine =
        Machine::boot(&disk, &Options { mail: Some(mailbox.port), listen: true, usb, ..Options::default() });
    machine.until_ca(&disk);
    let api = Api { client: machine.client_of(&disk, "smsgate.local"), token: TOKEN.to_owned() };
    machine.until("every modem is ready", |_| api.ready() == 16);
    eprintln!("16 modems are ready {:.1?} after the power came", machine.since_power_on());

    links_are_named_by_port_and_only_at_ports_have_one(&mut machine, &pool);
    let bound = every_slot_has_its_modem(&api, &pool);
    messages_come_in_and_are_mailed(&mut machine, &api, &pool, &slots, &mailbox);
    messages_go_out(&mut machine, &api, &pool, &slots);
    two_modems_change_places(&mut machine, &api, &pool, &bound);
    the_modem_without_a_slot_is_left_alone(&pool);

    machine.until_up();
    boot::no_unit_has_failed(&mut machine);
    boot::the_root_is_read_only(&mut machine);
    boot::nothing_runs_as_another_user(&mut machine);
    boot::only_the_api_and_mdns_listen(&mut machine);
    boot::the_watchdog_is_armed(&mut machine);
    boot::nobody_can_log_in(&mut machine);
    inside::nothing_dumps_core(&mut machine);
    let texts =
        ["to", "from"].map(|way| slots.iter().map(move |modem| format!("{way} modem {} of the pool", modem.index)));
    let secrets: Vec<String> = texts.into_iter().flatten().chain([TOKEN.to_owned()]).collect();
    inside::the_journal_has_none_of(&mut machine, &secrets);
    inside::the_gateway_has_the_modems_and_nothing_more(&mut machine);
    machine.until("the box announces itself", |machine| mdns::is_announced(&machine.capture()));

    let (level, text) = api.health();
    assert_ne!(level, "CRITICAL", "{text}");
    let reports = disk.read_text("result.txt");
    assert!(!reports.contains(TOKEN) && !reports.contains("secret"), "{reports}");
    machine.power_off();
    disk.check_data().unwrap();
}

fn links_are_named_by_port_and_only_at_ports_have_one(machine: &mut Machine, pool: &Pool) {
    let found: BTreeSet<String> = machine.succeed("ls -d /dev/sms/*").lines().map(str::to_owned).collect();
    let expected = pool.devices.iter().enumerate();
    let expected: BTreeSet<String> =
        expected.flat_map(|(at, device)| device.modems.iter().map(move |modem| link(at, modem.interface))).collect();
    assert_eq!(found, expected, "{}", machine.succeed("ls -l /dev/sms /dev/serial/by-path"));
    let terminals = machine.succeed("ls -d /dev/ttyUSB*").lines().count();
    assert!(terminals > 2 * found.len(), "no modem shows but one port: {terminals} of {}", found.len());
}

/// The slot of each device's first modem.
fn every_slot_has_its_modem(api: &Api, pool: &Pool) -> BTreeMap<usize, String> {
    let slots = api.slots();
    let mut bound = BTreeMap::new();
    let modems = pool.devices[..STRANGER].iter().enumerate();
    let modems = modems.flat_map(|(at, device)| device.modems.iter().map(move |modem| (at, modem)));
    for ((at, modem), slot) in modems.zip(&slots) {
        assert_eq!(slot.text("imei"), modem.imei, "{slot:?}");
        assert_eq!(slot.text("phone_number"), modem.number);
        assert_eq!(slot.text("port"), link(at, modem.interface), "{slot:?}");
        bound.entry(at).or_insert_with(|| slot.name.clone());
    }
    assert_eq!(slots.len(), 16);
    bound
}

fn messages_come_in_and_are_mailed(machine: &mut Machine, api: &Api, pool: &Pool, slots: &[Modem], mailbox: &Mailbox) {
    let text = |modem: &Modem| format!("to modem {} of the pool", modem.index);
    let stranger = &pool.devices[STRANGER].modems[0];
    for modem in slots.iter().chain([stranger]) {
        pool.network.inject(&modem.number, SUBSCRIBER, &text(modem));
    }
    let expected: BTreeSet<[String; 4]> = slots
        .iter()
        .enumerate()
        .map(|(slot, modem)| [SUBSCRIBER.to_owned(), modem.number.clone(), format!("{slot:02}"), text(modem)])
        .collect();
    machine.until("every message is there", |_| api.received().len() >= 16);
    assert_eq!(api.received().into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(api.received().len(), 16, "none came twice");
    machine.until("every message was mailed", |_| mailbox.mails().len() >= 16);
    let mails = mailbox.mails();
    assert!(mails.iter().all(|mail| mail.to == "mailbox@example.org"), "{mails:?}");
    for modem in slots {
        let about = mails.iter().filter(|mail| mail.header("Subject").contains(&modem.number)).count();
        assert_eq!(
            about,
            1,
            "{}: {:?}",
            modem.number,
            mails.iter().map(|mail| mail.header("Subject")).collect::<Vec<_>>()
        );
    }
}

fn messages_go_out(machine: &mut Machine, api: &Api, pool: &Pool, slots: &[Modem]) {
    let text = |modem: &Modem| format!("from modem {} of the pool", modem.index);
    for modem in slots {
        api.send(&modem.number, SUBSCRIBER, &text(modem));
    }
    let expected: BTreeSet<(String, String)> = slots.iter().map(|modem| (modem.number.clone(), text(modem))).collect();
    let sent = || -> Vec<(String, String)> {
        let word = |entry: &Json, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let sent = pool.network.submitted_to(SUBSCRIBER);
        sent.iter().map(|entry| (word(entry, "number"), word(entry, "text"))).collect()
    };
    machine.until("every message is in the network", |_| sent().len() >= 16);
    assert_eq!(sent().into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(sent().len(), 16, "none went twice");
}

/// A SIM7600E and an MF190 of different hubs: both out, then each at the other's port, in the order that gives the
/// terminals other numbers.
fn two_modems_change_places(machine: &mut Machine, api: &Api, pool: &Pool, bound: &BTreeMap<usize, String>) {
    let (one, other) = (0, 10);
    let terminal = |machine: &mut Machine, at: usize| {
        let link = link(at, pool.devices[at].modems[0].interface);
        machine.succeed(&format!("readlink -f {link}")).trim().to_owned()
    };
    let before = [one, other].map(|at| terminal(machine, at));
    for at in [one, other] {
        pool.unplug(at);
    }
    machine.until("both are missed", |_| api.ready() == 14);
    let mark = machine.succeed("journalctl -n 0 --show-cursor -q | sed -n 's/^-- cursor: //p'").trim().to_owned();
    pool.plug(other, one);
    // Now the lowest numbers are taken.
    let first = link(one, pool.devices[other].modems[0].interface);
    machine.until("the first is there", |machine| machine.run(&format!("test -e {first}")).status == 0);
    pool.plug(one, other);
    machine.until("both are back", |_| api.ready() == 16);

    let journal = Journal::since(machine, &mark);
    for ((device, place), before) in [(one, other), (other, one)].into_iter().zip(before) {
        let modem = &pool.devices[device].modems[0];
        let slot = api.slot(&bound[&device]);
        assert_eq!(slot.text("imei"), modem.imei, "{slot:?}");
        let link = link(place, modem.interface);
        assert_eq!(slot.text("port"), link, "{slot:?}");
        let now = machine.succeed(&format!("readlink -f {link}")).trim().to_owned();
        assert_ne!(now, before, "that is the terminal it had before");

        let attached = journal.last(&format!("usb {}: ", usb_port(place)), "now attached to ttyUSB");
        let found = journal.last("port found ", &slot.name) - attached;
        let initialised = journal.last("modem initialised ", &slot.name) - attached;
        eprintln!(
            "{} of slot {} now at {}: port found {found:.2} s after its last terminal came, initialised after {initialised:.2} s",
            pool.devices[device].kind,
            slot.name,
            usb_port(place)
        );
        assert!(found <= REBOUND.as_secs_f64(), "{found} s");
    }
    for slot in api.slots().iter().filter(|slot| ![&bound[&one], &bound[&other]].contains(&&slot.name)) {
        assert_eq!(slot.number("init_counter"), 1, "the others went on: {slot:?}");
    }
}

/// It is asked who it is, since it might be one that is looked for, and what it is, for the report. Its messages, its PIN
/// and its settings are nobody's business.
fn the_modem_without_a_slot_is_left_alone(pool: &Pool) {
    let stranger = &pool.devices[STRANGER].modems[0];
    let stats = pool.stats(stranger);
    let commands: BTreeMap<String, u64> = serde_json::from_value(stats["commands"].clone()).unwrap();
    assert!(commands.contains_key("+CGSN"), "it was never asked: {stats}");
    for name in ["+CMGL", "+CMGR", "+CMGD", "+CMGS", "+CNMI", "+CNMA", "+CFUN", "+CUSD"] {
        assert!(!commands.contains_key(name), "{name}: {commands:?}");
    }
    assert_eq!((&stats["resets"], &stats["pin_attempts"], &stats["stored"]), (&json!(0), &json!(0), &json!(1)));
}

/// Lines of the box's journal, with the seconds since its start at which they came; the kernel's have its own.
struct Journal(Vec<(f64, String)>);

impl Journal {
    fn since(machine: &mut Machine, cursor: &str) -> Self {
        let text = machine.succeed(&format!(
            "journalctl --sync && journalctl -q -o json --output-fields=MESSAGE,SMSGATE_MODEM,_SOURCE_MONOTONIC_TIMESTAMP --after-cursor='{cursor}'"
        ));
        let lines = text.lines().map(|line| {
            let entry: Json = serde_json::from_str(line).unwrap();
            let time =
                entry["_SOURCE_MONOTONIC_TIMESTAMP"].as_str().or_else(|| entry["__MONOTONIC_TIMESTAMP"].as_str());
            let microseconds: f64 = time.unwrap().parse().unwrap();
            let word = |name: &str| entry[name].as_str().unwrap_or_default();
            (microseconds / 1e6, format!("{} {}", word("MESSAGE"), word("SMSGATE_MODEM")))
        });
        Self(lines.collect())
    }

    /// When the last line with both words came.
    #[track_caller]
    fn last(&self, one: &str, other: &str) -> f64 {
        let found = self.0.iter().rev().find(|(_, line)| line.starts_with(one) && line.contains(other));
        found.unwrap_or_else(|| panic!("no line with {one:?} and {other:?}: {:#?}", self.0)).0
    }
}
