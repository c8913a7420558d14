//! The life of a box from its first start: an empty SGCONFIG, the same once more, the suggestion completed and renamed,
//! then files that are bad in one way or another.

use std::collections::BTreeMap;

use smsgate::config::{self, Source};

use crate::{
    api::Api,
    bad_files,
    disk::Disk,
    machine::{Machine, Options},
    pool::{Pool, link},
    result::Told,
};

const KINDS: [&str; 4] = ["sim7600e", "mf190", "huawei", "sim7600e"];
/// Asked for by the SIM card of the second modem.
const PIN: &str = "73951846";
const SUBSCRIBER: &str = "+4915112345678";

#[test]
fn a_box_is_of_use_from_its_first_start_and_no_bad_file_takes_that_away() {
    let pool = Pool::start(&KINDS);
    let locked = &pool.devices[1].modems[0];
    pool.fault(locked, serde_json::json!({ "fault": "pin_required", "pin": PIN }));
    let disk = Disk::fresh();
    let options = Options { usb: Some((KINDS.len(), pool.sockets())), ..Options::default() };

    let (tokens, kept) = with_nothing_on_sgconfig(&disk, &pool, &options);
    the_second_start_changes_nothing(&disk, &options, &kept);
    complete_the_suggestion(&disk, &pool);
    let slots = the_completed_suggestion_is_applied(&disk, &pool, &options, &tokens);
    for round in bad_files::rounds() {
        bad_files_change_nothing(&disk, &options, &round, &slots);
    }
    disk.check_data().unwrap();
    assert_eq!(pool.stats(locked)["pin_attempts"], 1, "the PIN is told once");
}

type Tokens = BTreeMap<String, String>;

fn api(machine: &Machine, disk: &Disk, tokens: &Tokens, opens: &str) -> Api {
    Api { client: machine.client_of(disk, "smsgate.local"), token: tokens[opens].clone() }
}

/// What is on the box's disk for good, by name.
#[derive(Debug, Eq, PartialEq)]
struct Kept {
    /// Sums, owners and modes in /data: of everything but the database and the time, both of which go on.
    data: String,
    /// SGCONFIG, octet for octet.
    config: Vec<u8>,
    names: Vec<String>,
}

impl Kept {
    fn of(mut machine: Machine, disk: &Disk) -> Self {
        machine.until_up();
        let data = machine.succeed(
            "find /data -xdev ! -path '/data/store/*' ! -path '/data/state/timesync/*' | sort | \
             while read -r name; do stat -c '%n %F %U %G %a' \"$name\"; [ ! -f \"$name\" ] || sha256sum \"$name\"; done",
        );
        machine.power_off();
        disk.check_data().unwrap();
        Self { data, config: disk.config_octets(), names: disk.names() }
    }
}

fn with_nothing_on_sgconfig(disk: &Disk, pool: &Pool, options: &Options) -> (Tokens, Kept) {
    let mut machine = Machine::boot(disk, options);
    let told = Told::by(&mut machine, disk);
    told.has("OK: there was nothing to apply.");
    assert_eq!(told.value("Addresses:"), "10.0.2.15");
    told.has("https://smsgate.local:7000/");
    let tokens = told.tokens();
    assert_eq!(tokens.keys().collect::<Vec<_>>(), ["get_health_state", "get_stats", "send_sms"]);

    let (stats, health) = (api(&machine, disk, &tokens, "get_stats"), api(&machine, disk, &tokens, "get_health_state"));
    assert_eq!(told.value("SHA-256:"), stats.client.fingerprint().unwrap());
    assert_eq!(stats.slots().len(), 0);
    let (level, text) = health.health();
    assert!(level == "WARNING" && text.contains("no SIM cards are configured"), "{level}: {text}");
    let stranger = Api { token: "nobody's".to_owned(), ..stats };
    assert!(stranger.try_call("get_stats", &[]).unwrap().is_err(), "a token that nobody was given");

    for (at, device) in pool.devices.iter().enumerate() {
        let modem = &device.modems[0];
        let lines: Vec<&str> =
            told.0.lines().skip_while(|line| !line.starts_with(&link(at, modem.interface))).take(3).collect();
        assert!(lines.len() == 3 && lines[0].contains("(no slot yet)"), "{lines:?}");
        assert!(lines[1].contains(&modem.imei), "{lines:?}");
        if at == 1 {
            assert!(lines[2].contains("PIN"), "{lines:?}");
        } else {
            assert!(lines[2].contains("Testnetz") && lines[2].contains("dBm"), "{lines:?}");
            assert!(!lines[1].contains("not known"), "IMSI and ICCID: {lines:?}");
        }
    }
    let suggested = disk.read_text("sim-cards.conf.suggested");
    let gateway = "[mail]\nenabled = False\n[server]\ncertificate = c\nkey = k\n";
    let (config, problems) = config::load(
        Source { name: "smsgate.conf", text: gateway },
        Source { name: "sim-cards.conf", text: &suggested },
    );
    assert_eq!(problems, [], "{suggested}");
    let found: Vec<String> = config.unwrap().slots.iter().map(|slot| slot.imei.as_ref().unwrap().to_string()).collect();
    assert_eq!(found, pool.modems().map(|modem| modem.imei.clone()).collect::<Vec<_>>());
    (tokens, Kept::of(machine, disk))
}

fn the_second_start_changes_nothing(disk: &Disk, options: &Options, before: &Kept) {
    let mut machine = Machine::boot(disk, options);
    Told::by(&mut machine, disk);
    let after = Kept::of(machine, disk);
    assert_eq!(after.names, before.names);
    assert_eq!(after.data, before.data);
    assert!(after.config == before.config, "SGCONFIG was written");
}

/// As the remarks in it say.
fn complete_the_suggestion(disk: &Disk, pool: &Pool) {
    let mut completed = String::new();
    let suggested = disk.read_text("sim-cards.conf.suggested");
    let mut modems = pool.devices.iter().enumerate();
    let mut modem = None;
    for line in suggested.lines() {
        if line.starts_with('[') {
            modem = modems.next();
        }
        let line = match (line, modem) {
            ("#pin = 1234", Some((1, _))) => format!("pin = {PIN}"),
            ("#prefixes = +", _) => "prefixes = +".to_owned(),
            (line, Some((_, device))) if line.starts_with("#phone_number") => {
                format!("phone_number = {}", device.modems[0].number)
            }
            (line, _) => line.to_owned(),
        };
        completed.push_str(&line);
        // As Windows' editor ends lines.
        completed.push_str("\r\n");
    }
    assert_eq!(completed.matches("\r\npin = ").count(), 1, "{suggested}");
    disk.remove("sim-cards.conf.suggested");
    disk.write("sim-cards.conf", completed.as_bytes());
}

fn the_completed_suggestion_is_applied(disk: &Disk, pool: &Pool, options: &Options, tokens: &Tokens) -> Tokens {
    let mut machine = Machine::boot(disk, options);
    machine.until_ca(disk);
    let stats = api(&machine, disk, tokens, "get_stats");
    machine.until("the modems are ready, with the tokens of the first start", |_| stats.ready() == pool.devices.len());
    let told = Told::by(&mut machine, disk);
    told.has("OK, applied: sim-cards.conf.");
    told.has_not(PIN);
    let mut all = told.tokens();
    assert_eq!(all.len(), 4, "{all:?}");
    for (slot, modem) in pool.modems().enumerate() {
        pool.network.inject(&modem.number, SUBSCRIBER, "hello");
        let inbox = api(&machine, disk, &all, &format!("get_sms of slot {slot:02}"));
        machine.until("the message is there", |_| inbox.received().len() == 1);
        assert_eq!(inbox.received()[0][1], modem.number);
    }
    machine.power_off();
    disk.check_data().unwrap();
    let names = disk.names();
    assert!(names.contains(&"sim-cards.conf.applied".to_owned()), "{names:?}");
    let octets = disk.config_octets();
    let secrets = tokens.values().map(String::as_str).chain([PIN]);
    for secret in secrets {
        let found = octets.windows(secret.len()).position(|window| window == secret.as_bytes());
        assert_eq!(found, None, "{secret} can still be read on SGCONFIG");
    }
    all.extend(tokens.clone());
    all
}

fn bad_files_change_nothing(disk: &Disk, options: &Options, round: &bad_files::Round, tokens: &Tokens) {
    for (name, content) in &round.files {
        disk.write(name, content);
    }
    let mut machine = Machine::boot(disk, options);
    machine.until_ca(disk);
    let stats = api(&machine, disk, tokens, "get_stats");
    machine.until("the modems are ready as before", |_| stats.ready() == KINDS.len());
    let told = Told::by(&mut machine, disk);
    told.has("NOT APPLIED. Nothing was changed");
    told.has("Configuration in force: number 2.");
    round.told.iter().for_each(|text| told.has(text));
    round.secrets.iter().for_each(|text| told.has_not(text));
    assert_eq!(machine.succeed("hostname").trim(), "smsgate");
    machine.power_off();
    for (name, content) in &round.files {
        assert_eq!(disk.read(name).as_deref(), Some(&**content), "{name} stays as it was written");
        disk.remove(name);
    }
}
