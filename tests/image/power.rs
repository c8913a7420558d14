//! The power goes at random moments, in the midst of a start or under traffic both ways; afterwards the network's own
//! ledger says what must be in the box's database.
//!
//! The emulator is another process and survives, as networks and SIM cards do. The disk has a cache that loses its content
//! (tests/image/volatile.rs). `SMSGATE_POWER_CUTS` (10) and `SMSGATE_POWER_SEED` (the clock's, it is printed) choose how
//! often and when; how far a box has come by then depends on the machine under it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use smsgate::emulator::Dice;
use tempfile::TempDir;

use crate::{
    api::Api,
    boot,
    client::{Client, PATIENCE},
    data::Data,
    disk::Disk,
    machine::{BOOT, Machine, Options},
    operator::{gateway_without_mail, sims},
    pool::{EIGHT, Modem, Pool},
    rig::{
        TOKEN,
        books::{check_arrivals, check_departures, on_sims, states, texts},
        text_of,
        traffic::Said,
    },
    volatile::Volatile,
};

/// Latest cut of a start, in milliseconds after the power came. A start takes 25 to 40 s.
const START: u64 = 45_000;
/// Latest cut under traffic, in milliseconds after the first modem is ready.
const TRAFFIC: u64 = 15_000;
/// How long the network must have had nothing to do: a doubtful part waits a minute before it is sent again.
const QUIET: Duration = Duration::from_secs(75);
const REST: Duration = Duration::from_secs(420);
/// Files of the box's own that stay as they are.
const OWN: [&str; 5] = ["/tls/ca.pem", "/tls/ca.key", "/tls/server.pem", "/tls/server.key", "/state/machine-id"];

#[test]
fn nothing_is_lost_at_whatever_moment_the_power_goes() {
    let cuts: u32 = setting("SMSGATE_POWER_CUTS").unwrap_or(10);
    let seed: u64 =
        setting("SMSGATE_POWER_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
    eprintln!("SMSGATE_POWER_SEED={seed} SMSGATE_POWER_CUTS={cuts}");
    let site = Site::set_up();
    let (own, root) = (site.own(), site.root());
    let said = Said::default();
    let mut dice = Dice::new(seed);
    for cut in 1..=cuts {
        let live = Volatile::over(&site.disk);
        let options = Options { writes: Some(live.log()), ..site.options() };
        let machine = Machine::start(&live.live, &options);
        let busy = cut % 2 == 0;
        let after = if busy {
            site.cut_under_traffic(machine, &said, dice.below(u64::MAX), Duration::from_millis(dice.below(TRAFFIC)))
        } else {
            thread::sleep(Duration::from_millis(dice.below(START)));
            let after = machine.since_power_on();
            machine.power_cut();
            after
        };
        let loss = live.lose_power(&site.disk, &mut dice);
        eprintln!("cut {cut} after {after:.1?}, under traffic: {busy}; {loss:?}");
        site.judge_disk(&own).unwrap_or_else(|fault| panic!("seed {seed}, cut {cut}: {fault}"));
    }

    let mut machine = Machine::boot(&site.disk, &site.options());
    let api = site.api(&machine);
    machine.until("every modem is ready", |_| api.ready() == EIGHT.len());
    eprintln!("8 modems are ready {:.1?} after the power came back", machine.since_power_on());
    site.until_rest(&api, &said);
    machine.until_up();
    boot::no_unit_has_failed(&mut machine);
    let (level, text) = api.health();
    assert_ne!(level, "CRITICAL", "{text}");
    machine.power_off();

    assert!(site.root() == root, "the root has changed");
    site.judge_disk(&own).unwrap();
    let (injected, sent) = (said.injected.into_inner().unwrap(), said.sent.into_inner().unwrap());
    let data = Data::of(&site.disk);
    let store = data.store();
    let accepted = sent.iter().filter(|sent| sent.id.is_some()).count();
    eprintln!("{} texts in, {accepted} of {} out accepted: {:?}", injected.len(), sent.len(), states(&store));
    assert!(cuts < 2 || !injected.is_empty() && accepted > 0, "there was no traffic");
    let ledger = site.pool.network.ledger();
    let mut faults = check_arrivals(&site.numbers, &store, &ledger, &injected);
    faults.extend(check_departures(&store, &ledger, &sent));
    let check = texts(&store, "PRAGMA integrity_check");
    faults.extend((check != ["ok"]).then(|| format!("{check:?}")));
    assert!(faults.is_empty(), "seed {seed}: {} faults\n{}", faults.len(), faults[..faults.len().min(40)].join("\n"));
}

/// A box that is set up, and what is around it.
struct Site {
    pool: Pool,
    slots: Vec<Modem>,
    numbers: Vec<String>,
    disk: Disk,
    /// A copy of the CA that outlives each machine.
    ca: PathBuf,
    _folder: TempDir,
}

impl Site {
    fn set_up() -> Self {
        let pool = Pool::start(&EIGHT);
        let slots: Vec<Modem> = pool.modems().cloned().collect();
        let disk = Disk::fresh();
        let files = gateway_without_mail(slots.len())
            .replace("[api]\n", "[api]\nqueue_limit = 100000\nget_sms_window = 86400\n");
        disk.write("smsgate.conf", files.as_bytes());
        disk.write("sim-cards.conf", sims(&slots).as_bytes());
        let folder = tempfile::tempdir().unwrap();
        let ca = Path::join(folder.path(), "ca.pem");
        let numbers = slots.iter().map(|modem| modem.number.clone()).collect();
        let site = Self { pool, slots, numbers, disk, ca, _folder: folder };
        let mut machine = Machine::boot(&site.disk, &site.options());
        fs::write(&site.ca, machine.until_ca(&site.disk)).unwrap();
        let api = site.api(&machine);
        machine.until("every modem is ready", |_| api.ready() == EIGHT.len());
        machine.power_off();
        site
    }

    fn options(&self) -> Options {
        Options { usb: Some((EIGHT.len(), self.pool.sockets())), ..Options::default() }
    }

    fn api(&self, machine: &Machine) -> Api {
        let client =
            Client { port: machine.port, ca: self.ca.clone(), name: "smsgate.local".to_owned(), patience: PATIENCE };
        Api { client, token: TOKEN.to_owned() }
    }

    fn own(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let data = Data::of(&self.disk);
        let read = |path| (path, data.read(path).unwrap_or_else(|| panic!("there is no {path}")));
        OWN.into_iter().map(read).collect()
    }

    /// Sums of the partitions that nobody writes.
    fn root(&self) -> Vec<Vec<u8>> {
        let sum = |name| digest(&SHA256, &self.disk.octets(self.disk.partition(name))).as_ref().to_vec();
        ["SGBOOT", "ROOT_A", "ROOT_B"].map(sum).to_vec()
    }

    /// Traffic from the moment the first modem is ready, until the power goes so long after that: when that was.
    fn cut_under_traffic(&self, machine: Machine, said: &Said, seed: u64, duration: Duration) -> Duration {
        let api = self.api(&machine);
        let answers = Instant::now() + BOOT;
        while api.ready() == 0 {
            assert!(Instant::now() < answers, "no modem is ready\n{}", machine.console());
            thread::sleep(Duration::from_millis(500));
        }
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| said.inject(&self.numbers, &self.pool.network, seed, &(100..600), &over));
            scope.spawn(|| {
                said.send(&self.numbers, false, seed, 800, &over, |to, text| {
                    let answer = api.try_call("send_sms", &["", to, text]);
                    Some(text_of(&answer.ok()?.ok()?))
                });
            });
            thread::sleep(duration);
            let after = machine.since_power_on();
            machine.power_cut();
            over.store(true, Ordering::Relaxed);
            after
        })
    }

    /// What lies on the disk of a box that is off.
    fn judge_disk(&self, own: &BTreeMap<&'static str, Vec<u8>>) -> Result<(), String> {
        let data = Data::of(&self.disk);
        data.check()?;
        for (path, content) in own {
            if data.read(path).as_ref() != Some(content) {
                return Err(format!("{path} has changed"));
            }
        }
        let hints = data.read("/state/gateway/ports.hints").ok_or("there is no hint file")?;
        let hints = String::from_utf8(hints).map_err(|error| error.to_string())?;
        for modem in &self.slots {
            let whole =
                |line: &&str| line.starts_with(&format!("{} /dev/sms/pci-", modem.imei)) && line.ends_with("-p0");
            if hints.lines().filter(whole).count() != 1 {
                return Err(format!("the hint file is not whole: {hints:?}"));
            }
        }
        Ok(())
    }

    /// Until nothing is under way any more, on either side.
    fn until_rest(&self, api: &Api, said: &Said) {
        let deadline = Instant::now() + REST;
        let ids: Vec<String> = said.sent.lock().unwrap().iter().filter_map(|sent| sent.id.clone()).collect();
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let stats = self.pool.network.ask(&serde_json::json!({ "do": "stats" }));
            let waiting = stats["waiting"].as_u64().unwrap();
            let on_sims = on_sims(&self.pool.network.ledger()).len();
            let entries = stats["entries"].as_u64().unwrap();
            if entries != seen || waiting > 0 || on_sims > 0 {
                (seen, since) = (entries, Instant::now());
            }
            if since.elapsed() > QUIET && ids.iter().all(|id| is_settled(api, id)) {
                return;
            }
            assert!(Instant::now() < deadline, "no rest: {waiting} wait, {on_sims} are on SIM cards");
            thread::sleep(Duration::from_secs(1));
        }
    }
}

fn is_settled(api: &Api, id: &str) -> bool {
    let message = api.call("get_message", &[id]);
    ["sent", "delivered", "unknown"].contains(&message.member("state").unwrap().as_str().unwrap())
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok()?.parse().ok()
}
