//! Which device belongs to which slot: a fixed port, or the one of a pattern's devices whose modem has the right IMEI.
//!
//! One task asks the devices, all at once and each of them once, however many slots look for a modem. It asks again only
//! when a device was replaced, or after a while if it gave no answer. How a device is asked is the business of a
//! [`Probe`]; what a slot does with its port, of the modem's task.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    device::{Device, Identity},
    hints::Hints,
    sought::{Sought, Target},
};
use crate::{
    config::Slot,
    model::{Imei, SlotId},
};

/// Longest a device may take to tell its IMEI.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long the device of a hint is asked before the others are too.
const HEAD_START: Duration = Duration::from_secs(2);

/// When a device that gave no IMEI is asked again; it may have been starting. Doubles each time, up to `RARELY`.
const AGAIN: Duration = Duration::from_secs(30);

/// How often a device is asked that never gives an IMEI; it may be something else than a modem.
const RARELY: Duration = Duration::from_secs(600);

/// Requests that may wait for the task; each slot has one at a time.
const MAILBOX: usize = 256;

/// Asks a device for the IMEI of its modem.
pub trait Probe: Send + Sync + 'static {
    /// Opens `port` for itself alone, asks with `AT`, `ATE0` and `AT+CGSN` and nothing else, and closes it. `None` if
    /// it cannot be opened or gives no IMEI.
    fn imei(&self, port: PathBuf) -> impl Future<Output = Option<Imei>> + Send;
}

/// A way to ask for a slot's port. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Discovery {
    requests: mpsc::Sender<Message>,
}

impl Discovery {
    /// Makes the task and a handle to it. `changes` says that devices may have come or gone
    /// ([`Hotplug::run`](super::hotplug::Hotplug::run)).
    ///
    /// Slots that are switched off keep their fixed ports from being asked, and nothing else.
    #[must_use]
    pub fn new<P: Probe>(slots: &[Slot], hints: Hints, changes: watch::Receiver<u64>, probe: P) -> (Self, Seeker<P>) {
        let (requests, mailbox) = mpsc::channel(MAILBOX);
        let seeker = Seeker {
            sought: Sought::of(slots),
            hints,
            probe: Arc::new(probe),
            mailbox,
            changes,
            claims: Arc::default(),
            known: BTreeMap::new(),
            probing: JoinSet::new(),
            waiting: Vec::new(),
        };
        (Self { requests }, seeker)
    }

    /// Waits until the slot's modem is there. Whoever loses interest drops the future.
    ///
    /// `None` if there is no such slot, it is a virtual one, or the task has ended.
    pub async fn port_for(&self, slot: &SlotId) -> Option<Claim> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Message::Seek(Request { slot: slot.clone(), reply })).await.ok()?;
        answer.await.ok()
    }

    /// Looks for the modems of these slots from now on. Who holds a port keeps it, and who waits for one goes on waiting
    /// for the same.
    pub async fn set_slots(&self, slots: &[Slot]) {
        // Without the task nobody looks for anything.
        drop(self.requests.send(Message::Slots(Sought::of(slots))).await);
    }
}

/// The right to use a port. While it is held nobody else gets the port, nor is the device asked for its IMEI.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    device: PathBuf,
    claims: Arc<Claims>,
}

impl Claim {
    /// The port, by the name under which the configuration finds it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the port back because it is another modem's: its device is asked again.
    pub fn mistrust(self) {
        self.claims.state().mistrusted.insert(self.device.clone());
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.state().held.remove(&self.device);
        self.claims.changed.notify_one();
    }
}

#[derive(Debug, Default)]
struct Claims {
    state: Mutex<ClaimState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct ClaimState {
    held: BTreeSet<PathBuf>,
    mistrusted: BTreeSet<PathBuf>,
}

impl Claims {
    /// Sets of paths are never half changed, so that a panic elsewhere does no harm.
    fn state(&self) -> MutexGuard<'_, ClaimState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Message {
    Seek(Request),
    Slots(Sought),
}

#[derive(Debug)]
struct Request {
    slot: SlotId,
    reply: oneshot::Sender<Claim>,
}

struct Waiting {
    target: Target,
    reply: oneshot::Sender<Claim>,
    since: Instant,
}

struct Known {
    identity: Identity,
    answer: Answer,
}

enum Answer {
    /// `patience`: how long to wait if it turns out to be nothing.
    Awaited {
        patience: Duration,
    },
    Modem(Imei),
    Nothing {
        again: Instant,
        patience: Duration,
    },
}

struct Probed {
    port: PathBuf,
    canonical: PathBuf,
    identity: Identity,
    imei: Option<Imei>,
}

/// The task that looks for modems; see [`run`](Self::run).
pub struct Seeker<P> {
    sought: Sought,
    hints: Hints,
    probe: Arc<P>,
    mailbox: mpsc::Receiver<Message>,
    changes: watch::Receiver<u64>,
    claims: Arc<Claims>,
    known: BTreeMap<PathBuf, Known>,
    probing: JoinSet<Probed>,
    waiting: Vec<Waiting>,
}

impl<P: Probe> Seeker<P> {
    /// Serves until every [`Discovery`] handle is gone.
    pub async fn run(mut self) {
        let mut changes_end = false;
        loop {
            let again = self.step();
            let claims = Arc::clone(&self.claims);
            tokio::select! {
                message = self.mailbox.recv() => match message {
                    Some(Message::Seek(request)) => self.admit(request),
                    Some(Message::Slots(sought)) => self.sought = sought,
                    None => return,
                },
                changed = self.changes.changed(), if !changes_end => changes_end = changed.is_err(),
                Some(Ok(probed)) = self.probing.join_next() => self.record(probed),
                () = claims.changed.notified() => {}
                () = tokio::time::sleep_until(again) => {}
            }
        }
    }

    fn admit(&mut self, Request { slot, reply }: Request) {
        if let Some(target) = self.sought.targets.get(&slot) {
            self.waiting.push(Waiting { target: target.clone(), reply, since: Instant::now() });
        }
    }

    fn record(&mut self, Probed { port, canonical, identity, imei }: Probed) {
        let answer = match imei {
            Some(imei) => {
                if let Err(error) = self.hints.remember(&imei, &port) {
                    tracing::warn!(%error, "the hint file cannot be written");
                }
                Answer::Modem(imei)
            }
            None => {
                let patience = match self.known.get(&canonical).map(|known| &known.answer) {
                    Some(Answer::Awaited { patience }) => *patience,
                    Some(Answer::Modem(_) | Answer::Nothing { .. }) | None => AGAIN,
                };
                Answer::Nothing { again: Instant::now() + patience, patience }
            }
        };
        self.known.insert(canonical, Known { identity, answer });
    }

    /// Gives out what is found, and asks what has to be asked. Returns when to look again if nothing happens.
    fn step(&mut self) -> Instant {
        self.forget();
        let now = Instant::now();
        let mut next = now + RARELY;
        let mut found = BTreeMap::new();
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.reply.is_closed() {
                continue;
            }
            match self.find(&waiting, &mut found, &mut next) {
                Some(device) => self.grant(device, waiting.reply),
                None => self.waiting.push(waiting),
            }
        }
        next.max(now + Duration::from_millis(1))
    }

    /// Drops what is known of devices that are gone or replaced, or that were another modem's.
    fn forget(&mut self) {
        let mistrusted = std::mem::take(&mut self.claims.state().mistrusted);
        self.known.retain(|canonical, known| {
            let same = Identity::of(canonical).is_ok_and(|identity| identity == known.identity);
            let asking = matches!(known.answer, Answer::Awaited { .. });
            asking || (same && !mistrusted.contains(canonical))
        });
    }

    /// `found` keeps what each pattern leads to: many slots have the same one, and looking takes a pool of links long.
    fn find(
        &mut self,
        waiting: &Waiting,
        found: &mut BTreeMap<String, Vec<Device>>,
        next: &mut Instant,
    ) -> Option<Device> {
        match &waiting.target {
            Target::Fixed(port) => Device::at(port.clone()).filter(|device| self.is_free(device)),
            Target::Pattern { pattern, imei } => {
                let all = found.entry(pattern.clone()).or_insert_with(|| self.devices(pattern));
                let devices: Vec<_> = all.iter().filter(|device| self.is_free(device)).cloned().collect();
                let hinted = imei.as_ref().and_then(|imei| self.hints.port_of(imei)).map(Path::to_owned);
                let (first, others): (Vec<_>, Vec<_>) =
                    devices.into_iter().partition(|device| Some(&device.path) == hinted.as_ref());
                let mut head_start = false;
                for device in first {
                    self.ask(&device, next);
                    let awaited = matches!(self.answer(&device), Some(Answer::Awaited { .. }));
                    head_start = awaited && waiting.since.elapsed() < HEAD_START;
                    if self.suits(&device, imei.as_ref()) {
                        return Some(device);
                    }
                }
                if let Some(suiting) = others.iter().position(|device| self.suits(device, imei.as_ref())) {
                    return others.into_iter().nth(suiting);
                }
                if head_start {
                    *next = (*next).min(waiting.since + HEAD_START);
                } else {
                    for device in &others {
                        self.ask(device, next);
                    }
                }
                None
            }
        }
    }

    /// What a pattern leads to, but for ports that slots name outright.
    fn devices(&self, pattern: &str) -> Vec<Device> {
        let fixed: Vec<_> = self.sought.fixed.iter().filter_map(|port| fs::canonicalize(port).ok()).collect();
        Device::of_pattern(pattern).filter(|device| !fixed.contains(&device.canonical)).collect()
    }

    fn is_free(&self, device: &Device) -> bool {
        !self.claims.state().held.contains(&device.canonical)
    }

    fn answer(&self, device: &Device) -> Option<&Answer> {
        self.known.get(&device.canonical).map(|known| &known.answer)
    }

    /// Whether the device is known to have the modem with this IMEI, or any that is nobody's.
    fn suits(&self, device: &Device, imei: Option<&Imei>) -> bool {
        match (self.answer(device), imei) {
            (Some(Answer::Modem(found)), Some(imei)) => found == imei,
            (Some(Answer::Modem(found)), None) => !self.sought.owned.contains(found),
            (Some(Answer::Awaited { .. } | Answer::Nothing { .. }) | None, _) => false,
        }
    }

    /// Asks a device unless its answer is known or on its way.
    fn ask(&mut self, device: &Device, next: &mut Instant) {
        let patience = match self.answer(device) {
            Some(Answer::Awaited { .. } | Answer::Modem(_)) => return,
            Some(Answer::Nothing { again, .. }) if *again > Instant::now() => {
                *next = (*next).min(*again);
                return;
            }
            Some(Answer::Nothing { patience, .. }) => RARELY.min(*patience * 2),
            None => AGAIN,
        };
        let known = Known { identity: device.identity, answer: Answer::Awaited { patience } };
        self.known.insert(device.canonical.clone(), known);
        let identity = device.identity;
        let (probe, port, canonical) = (Arc::clone(&self.probe), device.path.clone(), device.canonical.clone());
        self.probing.spawn(async move {
            // A task of its own, so that a panic in it is a device without an answer and no more.
            let asked = tokio::spawn({
                let port = port.clone();
                async move { tokio::time::timeout(DEADLINE, probe.imei(port)).await.ok().flatten() }
            });
            let imei = asked.await.ok().flatten();
            Probed { port, canonical, identity, imei }
        });
    }

    fn grant(&mut self, device: Device, reply: oneshot::Sender<Claim>) {
        self.claims.state().held.insert(device.canonical.clone());
        let claims = Arc::clone(&self.claims);
        // A claim that nobody takes releases itself.
        drop(reply.send(Claim { path: device.path, device: device.canonical, claims }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    const A: &str = "490154203230001";
    const B: &str = "490154203230002";
    const HANGS: &str = "hang";
    const PANICS: &str = "panic";

    /// A device is a file that contains its IMEI.
    struct Files {
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Probe for Files {
        async fn imei(&self, port: PathBuf) -> Option<Imei> {
            self.asked.lock().unwrap().push(port.file_name().unwrap().to_string_lossy().into_owned());
            let text = fs::read_to_string(&port).ok()?;
            match text.as_str() {
                HANGS => std::future::pending().await,
                PANICS => panic!("a probe that panics"),
                _ => Imei::parse(&text),
            }
        }
    }

    struct Rig {
        folder: tempfile::TempDir,
        asked: Arc<Mutex<Vec<String>>>,
        changes: watch::Sender<u64>,
        discovery: Discovery,
    }

    impl Rig {
        /// Slots are `name port imei`, with ports in the rig's folder.
        fn new(devices: &[(&str, &str)], hints: &str, slots: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, contents) in devices {
                fs::write(folder.path().join(name), contents).unwrap();
            }
            let hint_file = folder.path().join("hints");
            fs::write(&hint_file, hints.replace("DIR", folder.path().to_str().unwrap())).unwrap();
            let slots = Self::slots(folder.path(), slots);
            let (changes, receiver) = watch::channel(0);
            let asked = Arc::default();
            let probe = Files { asked: Arc::clone(&asked) };
            let (discovery, seeker) = Discovery::new(&slots, Hints::load(Some(&hint_file)), receiver, probe);
            tokio::spawn(seeker.run());
            Self { folder, asked, changes, discovery }
        }

        fn slots(folder: &Path, slots: &[&str]) -> Vec<Slot> {
            let section = |slot: &&str| {
                let [name, port, imei] = slot.split(' ').collect::<Vec<_>>()[..] else { panic!("{slot}") };
                format!("[{name}]\nport={}/{port}\nimei={imei}\ncosts_per_sms=0\n", folder.display())
            };
            let sims = slots.iter().map(section).collect::<String>();
            let gateway = Source { name: "g", text: "[mail]\nenabled=no\n[server]\ncertificate=c\nkey=k" };
            let (config, found) = config::load(gateway, Source { name: "s", text: &sims });
            config.unwrap_or_else(|| panic!("{found:?}")).slots
        }

        async fn port_for(&self, slot: &str) -> Claim {
            self.discovery.port_for(&SlotId::new(slot)).await.expect("a known slot")
        }

        fn name(&self, claim: &Claim) -> String {
            claim.path().strip_prefix(self.folder.path()).unwrap().display().to_string()
        }

        fn asked(&self) -> Vec<String> {
            let mut asked = self.asked.lock().unwrap().clone();
            asked.sort();
            asked
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_device_is_asked_once_for_all_slots() {
        let rig = Rig::new(
            &[("tty0", "none"), ("tty1", B), ("tty2", A)],
            "",
            &[&format!("a tty* {A}"), &format!("b tty* {B}")],
        );
        let (a, b) = tokio::join!(rig.port_for("a"), rig.port_for("b"));
        assert_eq!((rig.name(&a), rig.name(&b)), ("tty2".into(), "tty1".into()));
        assert_eq!(rig.asked(), ["tty0", "tty1", "tty2"]);
        drop(a);
        assert_eq!(rig.name(&rig.port_for("a").await), "tty2");
        assert_eq!(rig.asked().len(), 3, "a known device was asked again");
        assert!(rig.discovery.port_for(&SlotId::new("nobody")).await.is_none());
        drop(b);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_hangs_or_fails_delays_only_itself() {
        let rig = Rig::new(&[("tty0", HANGS), ("tty1", A), ("tty2", PANICS)], "", &[&format!("a tty* {A}")]);
        let start = Instant::now();
        assert_eq!(rig.name(&rig.port_for("a").await), "tty1");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_hinted_port_alone_is_asked_if_it_answers() {
        let rig = Rig::new(&[("tty0", B), ("tty1", A)], &format!("{A} DIR/tty1\n"), &[&format!("a tty* {A}")]);
        assert_eq!(rig.name(&rig.port_for("a").await), "tty1");
        assert_eq!(rig.asked(), ["tty1"]);
        let rig = Rig::new(&[("tty0", A), ("tty1", HANGS)], &format!("{A} DIR/tty1\n"), &[&format!("a tty* {A}")]);
        let start = Instant::now();
        assert_eq!(rig.name(&rig.port_for("a").await), "tty0");
        assert_eq!(start.elapsed().as_secs(), HEAD_START.as_secs());
        let hints = fs::read_to_string(rig.folder.path().join("hints")).unwrap();
        assert_eq!(hints, format!("{A} {}/tty0\n", rig.folder.path().display()));
    }

    #[tokio::test(start_paused = true)]
    async fn ports_in_use_and_ports_of_other_slots_are_left_alone() {
        let slots = ["a tty0 ", &format!("b tty* {B}"), "c tty* "];
        let rig = Rig::new(&[("tty0", "fixed"), ("tty1", B)], "", &slots[..2]);
        let _a = rig.port_for("a").await;
        let _b = rig.port_for("b").await;
        assert_eq!(rig.asked(), ["tty1"]);
        let id = SlotId::new("b");
        let second = tokio::time::timeout(AGAIN * 4, rig.discovery.port_for(&id)).await;
        assert!(second.is_err(), "a port was given out twice");
        assert_eq!(rig.asked(), ["tty1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn slots_come_and_go_and_ports_in_use_stay_in_use() {
        let slots = [format!("a tty* {A}"), format!("b tty* {B}")];
        let rig = Rig::new(&[("tty0", A), ("tty1", B)], "", &[&slots[0]]);
        let a = rig.port_for("a").await;
        assert!(rig.discovery.port_for(&SlotId::new("b")).await.is_none(), "not configured yet");
        let sought = Rig::slots(rig.folder.path(), &[&slots[1], "fixed tty0 "]);
        rig.discovery.set_slots(&sought).await;
        assert_eq!(rig.name(&rig.port_for("b").await), "tty1");
        assert!(rig.discovery.port_for(&SlotId::new("a")).await.is_none(), "not configured any more");
        let id = SlotId::new("fixed");
        assert!(tokio::time::timeout(AGAIN, rig.discovery.port_for(&id)).await.is_err(), "`a` still has the port");
        drop(a);
        assert_eq!(rig.name(&rig.port_for("fixed").await), "tty0");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_without_imei_takes_a_modem_that_is_nobodys() {
        let slots = ["any *y1* ", &format!("b tty* {B}")];
        let rig = Rig::new(&[("tty1", B), ("tty10", A)], "", &slots);
        assert_eq!(rig.name(&rig.port_for("any").await), "tty10");
    }

    #[tokio::test(start_paused = true)]
    async fn devices_that_come_later_or_are_replaced_are_found() {
        let rig = Rig::new(&[("tty0", B)], "", &[&format!("a tty* {A}"), "f fixed "]);
        let arrive = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            fs::write(rig.folder.path().join("tty1"), A).unwrap();
            fs::write(rig.folder.path().join("fixed"), "").unwrap();
            rig.changes.send_modify(|count| *count += 1);
        };
        let start = Instant::now();
        let (claim, fixed, ()) = tokio::join!(rig.port_for("a"), rig.port_for("f"), arrive);
        assert_eq!((rig.name(&claim), rig.name(&fixed)), ("tty1".into(), "fixed".into()));
        assert_eq!(start.elapsed().as_secs(), 1);
        fs::remove_file(claim.path()).unwrap();
        drop(claim);
        fs::remove_file(rig.folder.path().join("tty0")).unwrap();
        fs::write(rig.folder.path().join("tty2"), A).unwrap();
        assert_eq!(rig.name(&rig.port_for("a").await), "tty2");
        assert_eq!(rig.asked(), ["tty0", "tty1", "tty2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_is_no_modem_is_asked_ever_more_rarely() {
        let rig = Rig::new(&[("tty0", "GPS")], "", &[&format!("a tty* {A}")]);
        let id = SlotId::new("a");
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, rig.discovery.port_for(&id)).await.is_err());
        // At 0, 30 s, 90 s, 210 s, 450 s, 930 s, and then every 600 s.
        assert_eq!(rig.asked().len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_without_answer_is_asked_again_later() {
        let rig = Rig::new(&[("tty0", "starting")], "", &[&format!("a tty* {A}")]);
        let answer_later = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            // Written in place, and not announced: only the passing of time can help.
            fs::write(rig.folder.path().join("tty0"), A).unwrap();
        };
        let (claim, ()) = tokio::join!(rig.port_for("a"), answer_later);
        assert_eq!(rig.asked(), ["tty0", "tty0"]);
        claim.mistrust();
        assert_eq!(rig.name(&rig.port_for("a").await), "tty0");
        assert_eq!(rig.asked().len(), 3, "a mistrusted device was not asked again");
    }
}
