//! Modems of the emulator that hang in time that passes as fast as it can, and what brings them back.

use std::{fs, sync::Arc};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{super::usb::sample, *};
use crate::{
    emulator::{Cure, Fault, VirtualPool},
    model::{HealthLevel, SlotId},
    modem::{ModemTask, SerialProbe, discovery::Discovery, hints::Hints, sample as slots},
    store::{Options, Store},
};

/// Two modems on virtual ports, each on a USB device of its own unless told otherwise.
struct Bench {
    folder: TempDir,
    store: Store,
    modems: Arc<VirtualPool>,
    seen: Vec<watch::Receiver<ModemSnapshot>>,
    cancel: CancellationToken,
}

impl Bench {
    async fn start(shared_device: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
        let store = Store::open(&folder.path().join("smsgate.db"), options).unwrap();
        let modems = Arc::new(VirtualPool::new(Timestamp::UNIX_EPOCH, 1));
        let ports = ["virtual:generic", "virtual:sim7600e"];
        let sysfs = folder.path().join("sys");
        if shared_device {
            sample::device(&sysfs, "1-1", &ports);
        } else {
            sample::device(&sysfs, "1-1", &ports[..1]);
            sample::device(&sysfs, "1-2", &ports[1..]);
        }
        keep_time(store.clone());
        let cancel = CancellationToken::new();
        let mut seen = Vec::new();
        for (name, port) in ["00", "01"].into_iter().zip(ports) {
            let mut slot = slots::slot(name, "+49");
            port.clone_into(&mut slot.port);
            let (_changed, changes) = watch::channel(0);
            let (discovery, _seeker) =
                Discovery::new(std::slice::from_ref(&slot), Hints::load(None), changes, SerialProbe);
            let connector = match seen.first() {
                None => Connector::new(discovery, Arc::clone(&modems)).with_sysfs(&sysfs),
                Some((_, first)) => Connector::clone(first),
            };
            let (mut task, snapshot, requests) = ModemTask::new(
                watch::channel(Arc::new(slot)).1,
                store.clone(),
                connector.clone(),
                watch::channel(None).1,
            );
            seen.push((snapshot, connector));
            let running = cancel.clone();
            tokio::spawn(async move {
                // Its mailbox lives as long as the task.
                let _requests = requests;
                task.run(running).await;
            });
        }
        let seen = seen.into_iter().map(|(snapshot, _)| snapshot).collect();
        let mut bench = Self { folder, store, modems, seen, cancel };
        bench.ready(0, Duration::from_secs(60)).await;
        bench.ready(1, Duration::from_secs(60)).await;
        bench
    }

    fn fault(&self, fault: Fault) {
        self.modems.shared().with(|world, now| world.start_fault(now, 0, fault));
    }

    fn authorized(&self, device: &str) -> String {
        fs::read_to_string(self.folder.path().join("sys/devices/usb1").join(device).join("authorized")).unwrap()
    }

    /// How often a modem was told to restart.
    fn resets(&self, modem: usize) -> u32 {
        self.modems.shared().with(|world, _| world.modems()[modem].resets())
    }

    async fn ready(&mut self, modem: usize, within: Duration) {
        let ready = self.seen[modem].wait_for(|snapshot| snapshot.ready);
        timeout(within, ready).await.expect("the modem is ready").unwrap();
    }

    async fn until_down(&mut self, word: &str) {
        let down = self.seen[0].wait_for(|seen| !seen.ready && seen.health.message().contains(word));
        timeout(Duration::from_secs(3 * 3600), down).await.expect(word).unwrap();
    }

    /// The kernel's part: what is not authorised is off the bus.
    fn watch_bus(&self) {
        let (path, modems) = (self.folder.path().join("sys/devices/usb1/1-1/authorized"), Arc::clone(&self.modems));
        tokio::spawn(async move {
            let mut on = true;
            loop {
                let now_on = fs::read_to_string(&path).unwrap_or_default() != "0";
                if now_on != on {
                    let fault = if now_on { Fault::Replug { link: None } } else { Fault::Unplug };
                    modems.shared().with(|world, now| world.start_fault(now, 0, fault));
                    on = now_on;
                }
                sleep(Duration::from_millis(500)).await;
            }
        });
    }

    async fn recoveries(&self) -> (u64, Option<Rung>) {
        let found = self.store.recoveries().await.unwrap();
        found.get(&SlotId::new("00")).map_or((0, None), |found| (found.cured, found.last))
    }

    async fn credited(&self, cured: u64) {
        for _ in 0..1000 {
            if self.recoveries().await.0 == cured {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("not credited: {:?}", self.recoveries().await);
    }
}

/// The paused clock does not wait for the store's thread: it is held while an answer is due.
fn keep_time(store: Store) {
    tokio::spawn(async move {
        loop {
            while store.unanswered() > 0 {
                std::thread::yield_now();
            }
            sleep(Duration::from_millis(500)).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn each_hang_is_cured_by_its_rung_and_the_other_modem_sees_nothing() {
    for (cure, rung, resets) in [
        (Cure::Close, Rung::Reopen, 0),
        (Cure::Reopen, Rung::Reopen, 0),
        (Cure::Restart, Rung::Reset, 1),
        (Cure::Replug, Rung::Reauthorise, 1),
    ] {
        let mut bench = Bench::start(false).await;
        bench.watch_bus();
        let before = bench.seen[1].borrow().init_counter;
        bench.fault(Fault::Hang { until: cure });
        bench.until_down("Modem").await;
        bench.ready(0, Duration::from_secs(3600)).await;
        bench.credited(1).await;
        assert_eq!(bench.recoveries().await, (1, Some(rung)), "{cure:?}");
        assert_eq!((bench.resets(0), bench.resets(1)), (resets, 0), "{cure:?}");
        assert_eq!(bench.seen[1].borrow().init_counter, before, "the healthy modem was left alone");
        assert_eq!((bench.authorized("1-1").as_str(), bench.authorized("1-2").as_str()), ("1", "1"));
        bench.cancel.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn what_nothing_cures_is_given_up_and_looked_at_slowly_until_it_is_plugged_in_anew() {
    let mut bench = Bench::start(false).await;
    bench.watch_bus();
    bench.fault(Fault::Hang { until: Cure::Never });
    bench.until_down("given up after opening the port again, AT+CFUN=1,1, a USB reset").await;
    assert_eq!(bench.seen[0].borrow().health.level, HealthLevel::Critical);
    assert!(bench.seen[0].borrow().health.message().contains("checked again in 20 minutes"));
    let resets = bench.resets(0);
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!((bench.resets(0), bench.resets(1)), (resets, 0), "no restart once it was given up");
    bench.fault(Fault::Reboot);
    bench.fault(Fault::Replug { link: None });
    bench.ready(0, Duration::from_secs(180)).await;
}

#[tokio::test(start_paused = true)]
async fn a_usb_device_with_a_working_modem_on_it_is_never_taken_off_the_bus() {
    let mut bench = Bench::start(true).await;
    bench.watch_bus();
    let before = bench.seen[1].borrow().init_counter;
    bench.fault(Fault::Hang { until: Cure::Replug });
    let began = Instant::now();
    bench.until_down("given up after opening the port again, AT+CFUN=1,1, checked").await;
    assert!(began.elapsed() < Duration::from_secs(1800));
    let plugs = bench.modems.plugs("00");
    assert_eq!(plugs, Some(0), "never off the bus");
    assert_eq!((bench.resets(1), bench.seen[1].borrow().init_counter), (0, before));
}

#[tokio::test(start_paused = true)]
async fn a_person_has_to_act_or_nothing_is_there_and_nothing_is_reset() {
    let faults = [
        (Fault::SimAbsent { absent: true }, "SIM: SIM not inserted"),
        (Fault::PukRequired, "SIM: blocked, PUK required"),
        (Fault::PinRequired { pin: "1234".into(), tries: None }, "SIM PIN required"),
        (Fault::Unplug, "Modem"),
    ];
    for (fault, word) in faults {
        let mut bench = Bench::start(false).await;
        bench.watch_bus();
        bench.fault(fault.clone());
        bench.until_down(word).await;
        sleep(Duration::from_secs(2 * 3600)).await;
        assert_eq!((bench.resets(0), bench.authorized("1-1").as_str()), (0, "1"), "{fault:?}");
        let pins = bench.modems.shared().with(|world, _| world.modems()[0].pin_attempts());
        assert_eq!(pins, 0, "{fault:?}");
        assert!(bench.store.recovery_tries(&SlotId::new("00")).await.unwrap().is_empty(), "{fault:?}");
        bench.cancel.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_modem_that_finds_no_network_is_restarted_and_a_refused_one_is_not() {
    for (state, resets) in [(2, 1), (3, 0)] {
        let mut bench = Bench::start(false).await;
        bench.watch_bus();
        bench.fault(Fault::Registration { state });
        bench.until_down("Network: ").await;
        sleep(Duration::from_secs(20 * 60)).await;
        assert_eq!((bench.resets(0), bench.resets(1)), (resets, 0), "+CREG: {state}");
        bench.fault(Fault::Registration { state: 1 });
        bench.ready(0, Duration::from_secs(60)).await;
        bench.cancel.cancel();
    }
}

#[tokio::test]
async fn no_restart_goes_to_another_port_than_the_one_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { mail: false, retention: Duration::from_secs(3600), queue_limit: 100 };
    let store = Store::open(&folder.path().join("smsgate.db"), options).unwrap();
    let modems = Arc::new(VirtualPool::new(Timestamp::UNIX_EPOCH, 1));
    let mut slot = slots::slot("00", "+49");
    "virtual:generic".clone_into(&mut slot.port);
    let (_changed, changes) = watch::channel(0);
    let (discovery, _seeker) = Discovery::new(std::slice::from_ref(&slot), Hints::load(None), changes, SerialProbe);
    let connector = Connector::new(discovery, Arc::clone(&modems));
    let snapshot = watch::channel(ModemSnapshot::absent(slot.id.clone(), true, "")).0;
    let slot = watch::channel(Arc::new(slot)).1;
    let context = Context { slot, store, snapshot, self_test: watch::channel(None).1 };
    let mut recovery = Recovery::default();
    for (failed, resets) in [("/dev/ttyUSB0", 0), ("virtual:generic", 1)] {
        recovery.at_port(failed);
        recovery.perform(&context, &connector, Rung::Reset).await;
        assert_eq!(modems.shared().with(|world, _| world.modems()[0].resets()), resets, "{failed} failed");
    }
}
