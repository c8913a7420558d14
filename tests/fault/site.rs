//! The site of the rigs: a few modems of all kinds, some of them sought by IMEI so that there are hints to keep; traffic
//! both ways; and strace around the daemon.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use smsgate::rpc::wire::Value;

use super::{
    rig::{
        Api, ONCE_TOKEN, Rig, TOKEN, text_of,
        traffic::{Said, Stop},
    },
    witness::{Event, What, now},
};

pub const MODEMS: usize = 6;
/// Of them, so many are found by their IMEI.
pub const SOUGHT: usize = 4;

/// Everything but the daemon. `more`: lines for `[modempool]`.
pub fn prepare(more: &str) -> Rig {
    let mut rig = Rig::prepare(MODEMS, |_| {});
    rig.site.api = "queue_limit = 100000\nget_sms_window = 86400\n".to_owned();
    rig.site.self_test = format!("\n{more}");
    let stats = rig.network.ask(&json!({ "do": "stats" }));
    let pattern = rig.folder().join("dev/modem-*").display().to_string();
    for modem in 0..SOUGHT {
        let imei = stats["modems"][modem]["imei"].as_str().unwrap().to_owned();
        rig.site.sims[modem].set("imei", imei);
        rig.site.sims[modem].set("port", pattern.clone());
    }
    rig.site.write();
    // As on an appliance, the folder is there before the daemon.
    fs::create_dir_all(rig.site.store().parent().unwrap()).unwrap();
    rig
}

/// The numbers of the slots.
pub fn numbers(rig: &Rig) -> Vec<String> {
    (0..MODEMS).map(|modem| rig.site.number(modem).to_owned()).collect()
}

/// Sends take a while, and reports come in any order.
pub fn set_conditions(rig: &Rig) {
    let conditions = json!({ "submit_latency": 0.03, "report_delay": 0.02, "report_jitter": 0.2, "report_loss": 20 });
    rig.network.ask(&json!({ "do": "conditions", "set": conditions }));
}

/// The command line that traces a program into a file. `more`: further options.
pub fn strace(file: &Path, more: &[String]) -> Vec<String> {
    let words = ["-D", "-I", "2", "-q", "-f", "-ttt", "-y", "-xx", "-s", "4194304", "-e", "signal=none", "-o"];
    let mut command = vec![program("strace")];
    command.extend(words.map(str::to_owned));
    command.push(file.display().to_string());
    command.extend(more.iter().cloned());
    command
}

/// The strace of a process.
#[derive(Clone, Copy, Debug)]
pub struct Tracer(Pid);

impl Tracer {
    /// None if it has none, or has ended.
    pub fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim().parse().ok()?;
        (tracer != 0).then(|| Self(Pid::from_raw(tracer)))
    }

    /// The power of the daemon goes, and everything it did until then is written down. It is stopped first, so that it does
    /// nothing without being seen, and then loses its strace, which would lose what it has not written down if it saw the
    /// kill.
    pub fn kill(self, rig: &mut Rig) {
        rig.signal(Signal::SIGSTOP);
        let tasks = format!("/proc/{}/task", rig.pid());
        let state = |task: fs::DirEntry| fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let stopped =
            |stat: &str| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 't', 'Z', 'X']));
        super::rig::until("every thread of the daemon has stopped", || {
            fs::read_dir(&tasks).map_or(true, |tasks| tasks.flatten().map(state).all(|stat| stopped(&stat)))
        });
        // A thread that strace holds at the beginning of a call looks the same, and has the call still to do.
        thread::sleep(Duration::from_millis(30));
        kill(self.0, Signal::SIGTERM).unwrap();
        self.wait();
        rig.kill();
    }

    /// Until it has ended, and so written everything down.
    pub fn wait(self) {
        let stat = format!("/proc/{}/stat", self.0);
        let ended = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        super::rig::until("strace has ended", ended);
    }
}

/// A program's path, since the daemon's environment has none.
pub fn program(name: &str) -> String {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin"];
    let found = folders.iter().map(|folder| PathBuf::from(folder).join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is missing: run scripts/setup")).display().to_string()
}

/// Traffic both ways and a reader, until it is stopped.
#[derive(Debug)]
pub struct Traffic {
    pub events: Mutex<Vec<Event>>,
    /// How many times slower than it could be.
    slowness: u64,
    said: Said,
    over: AtomicBool,
}

impl Traffic {
    pub fn new(slowness: u64) -> Self {
        Self { events: Mutex::default(), slowness, said: Said::default(), over: AtomicBool::new(false) }
    }

    /// Goes on while `work` is done.
    pub fn during<T>(&self, rig: &mut Rig, seed: u64, work: impl FnOnce(&mut Rig) -> T) -> T {
        self.over.store(false, Ordering::Relaxed);
        let numbers = numbers(rig);
        thread::scope(|scope| {
            let (network, numbers) = (rig.network_again(), &numbers);
            scope.spawn(move || {
                self.said.inject(numbers, &network, seed, &(20 * self.slowness..120 * self.slowness), &self.over)
            });
            for (once, token, pause) in [(false, TOKEN, 150), (true, ONCE_TOKEN, 400)] {
                let api = Api::new(&rig.site, token);
                scope.spawn(move || {
                    self.said.send(numbers, once, seed, pause * self.slowness, &self.over, |to, text| {
                        self.ask(&api, to, text, once)
                    });
                });
            }
            let api = Api::new(&rig.site, TOKEN);
            scope.spawn(move || self.read(&api, numbers));
            let stop = Stop(&self.over);
            let done = work(rig);
            drop(stop);
            done
        })
    }

    fn ask(&self, api: &Api, to: &str, text: &str, once: bool) -> Option<String> {
        let since = now();
        let id = api.send("", to, text).ok();
        let what = What::Asked { id: id.clone(), text: text.to_owned(), once };
        self.events.lock().unwrap().push(Event { since, by: now(), what });
        id
    }

    fn read(&self, api: &Api, numbers: &[String]) {
        let mut known = std::collections::BTreeSet::new();
        while !self.over.load(Ordering::Relaxed) {
            for number in numbers {
                let since = now();
                let Ok(answer) = api.call("get_sms", &[Value::string(number)]) else { continue };
                let by = now();
                for message in answer.as_array().unwrap() {
                    let id = text_of(message.member("sms_id").unwrap());
                    if known.insert(id.clone()) {
                        self.events.lock().unwrap().push(Event { since, by, what: What::Seen { id } });
                    }
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}
