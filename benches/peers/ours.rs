//! This daemon: met only through its API, as by any client.

use std::{
    fs,
    net::{IpAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use smsgate::rpc::wire::Value;

use super::{
    api::{Api, TOKEN},
    gateway::{Gateway, Outgoing, Pace},
    pool::{Pool, binary, number},
    program::Program,
};

/// What the report says of its settings.
pub const DESCRIBED: &str = "the defaults; mail is off, as the peers do not mail; prefixes = + and costs_per_sms for every \
                             SIM. Texts in come by wait_sms on a connection that stays; those out go by send_sms on 8 \
                             connections, each call durable before its answer, and each asks for a delivery report \
                             (the peers ask for none). Its log is a file, and counts as written.";
/// Connections that hand messages over.
const SENDERS: usize = 8;
/// Longest until it listens.
const START: Duration = Duration::from_secs(30);
/// Between two looks of a client that collects.
const CALM: Duration = Duration::from_millis(50);
/// Longest that a poll waits, in seconds.
const POLL: i32 = 2;
/// Seen messages that wait to be looked at.
const QUEUE: usize = 65_536;

type Seen = Result<(Instant, String), String>;

pub struct Ours {
    folder: PathBuf,
    port: u16,
    daemon: Option<Program>,
    seen: Option<Receiver<Seen>>,
    pace: Arc<AtomicU8>,
}

impl Ours {
    /// Writes its files.
    ///
    /// # Errors
    /// Which cannot be written.
    pub fn prepare(folder: &Path, pool: &Pool) -> Result<Self, String> {
        let port = free_port()?;
        let conf = folder.join("conf");
        fs::create_dir_all(&conf).map_err(|error| error.to_string())?;
        let today = jiff::Zoned::now().date();
        let issued = smsgate::tls::issue(&["localhost".to_owned()], &[IpAddr::from([127, 0, 0, 1])], today, 2)
            .map_err(|error| error.to_string())?;
        let sum = digest(&SHA256, TOKEN.as_bytes());
        let hash = sum.as_ref().iter().fold("sha256:".to_owned(), |text, octet| format!("{text}{octet:02x}"));
        let root = folder.display();
        let slots =
            (0..pool.modems()).fold(String::new(), |text, slot| format!("{text}token_{slot:02}_get_sms = {hash}\n"));
        let gateway = format!(
            "[mail]\nenabled = False\n[server]\nhost = 127.0.0.1\nport = {port}\ncertificate = {root}/conf/chain.pem\n\
             key = {root}/conf/key.pem\n[api]\nenable_send_sms = True\ntoken_send_sms = {hash}\n\
             token_get_stats = {hash}\ntoken_get_health_state = {hash}\n{slots}\
             [modempool]\nsms_self_test_interval =\nserial_ports_hint_file = {root}/hints\n\
             [logging]\nlevel = INFO\n[store]\npath = {root}/state/smsgate.db\n"
        );
        let mut sims = String::new();
        for slot in 0..pool.modems() {
            let (number, port) = (number(slot), pool.port(slot));
            sims.push_str(&format!(
                "[{slot:02}]\nphone_number = {number}\nport = {port}\nprefixes = +\ncosts_per_sms = 0.09\n"
            ));
        }
        let files = [
            ("ca.pem", &issued.ca),
            ("chain.pem", &issued.chain),
            ("key.pem", &issued.key),
            ("smsgate.conf", &gateway),
            ("sim-cards.conf", &sims),
        ];
        for (name, text) in files {
            let path = conf.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(|error| error.to_string())?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            port,
            daemon: None,
            seen: None,
            pace: Arc::new(AtomicU8::new(Pace::Each as u8)),
        })
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("conf/ca.pem")
    }
}

impl Gateway for Ours {
    fn launch(&mut self) -> Result<(), String> {
        let conf = self.folder.join("conf").display().to_string();
        let log = self.folder.join("smsgate.log");
        self.daemon = Some(Program::start(&binary(), &["run", "--config", &conf], &log)?);
        let (sender, receiver) = sync_channel(QUEUE);
        let (port, ca, pace) = (self.port, self.ca(), Arc::clone(&self.pace));
        thread::spawn(move || look(port, &ca, &pace, &sender));
        self.seen = Some(receiver);
        Ok(())
    }

    fn visible(&mut self, at_most: Duration) -> Result<Vec<(Instant, String)>, String> {
        if let Some(words) = self.daemon.as_mut().and_then(Program::ended) {
            return Err(words);
        }
        let Some(seen) = &self.seen else { return Ok(Vec::new()) };
        let first = seen.recv_timeout(at_most).ok();
        first.into_iter().chain(seen.try_iter()).collect()
    }

    fn pace(&mut self, pace: Pace) {
        self.pace.store(pace as u8, Ordering::Relaxed);
    }

    fn send(&mut self, messages: &[Outgoing]) -> Result<(), String> {
        let ca = self.ca();
        let share = messages.len().div_ceil(SENDERS).max(1);
        thread::scope(|scope| {
            let senders: Vec<_> =
                messages.chunks(share).map(|some| scope.spawn(|| hand_over(self.port, &ca, some))).collect();
            let ends =
                senders.into_iter().map(|sender| sender.join().unwrap_or_else(|_| Err("a sender failed".to_owned())));
            ends.collect()
        })
    }

    fn processes(&self) -> Vec<u32> {
        self.daemon.iter().map(Program::id).collect()
    }
}

fn hand_over(port: u16, ca: &Path, messages: &[Outgoing]) -> Result<(), String> {
    let mut api = Api::connect(port, ca)?;
    messages.iter().try_for_each(|message| {
        let arguments = ["", &message.to, &message.text].map(Value::string);
        api.call("send_sms", &arguments).map(drop)
    })
}

/// Polls until nobody wants to know any more.
fn look(port: u16, ca: &Path, pace: &AtomicU8, sender: &SyncSender<Seen>) {
    let mut after = String::new();
    let deadline = Instant::now() + START;
    let mut api = loop {
        match Api::connect(port, ca) {
            Ok(api) => break api,
            Err(error) if Instant::now() > deadline => {
                let _ = sender.send(Err(error));
                return;
            }
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    };
    loop {
        let wanted = pace.load(Ordering::Relaxed);
        if wanted != Pace::Each as u8 {
            thread::sleep(CALM);
        }
        if wanted == Pace::Never as u8 {
            continue;
        }
        let arguments = [Value::string(""), Value::int(POLL), Value::string(&*after)];
        let found = match api.call("wait_sms", &arguments) {
            Ok(found) => found,
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        };
        let now = Instant::now();
        for sms in found.as_array().unwrap_or_default() {
            let member = |name| sms.member(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            after = member("sms_id");
            if sender.send(Ok((now, member("text")))).is_err() {
                return;
            }
        }
    }
}

/// A port that nobody has just now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
