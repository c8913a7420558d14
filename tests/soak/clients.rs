//! Who asks the daemon all the time: four clients of its API, one that is not let in, and monitoring.

use std::{
    env,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, atomic::AtomicBool},
    time::{Duration, Instant},
};

use super::rig::{Process, Rig, Site, TOKEN, binary, munin::MuninNode, traffic::rest};

/// The clients of `client.py`.
const CLIENTS: [&str; 5] = ["fresh", "get_sms", "wait_sms", "stats", "bad"];
/// What monitoring asks, and how often.
const MONITORING: Duration = Duration::from_secs(60);

/// The clients in Python, until they are dropped.
pub struct Clients(Vec<(&'static str, Process)>);

impl Clients {
    pub fn start(rig: &Rig) -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let usual = package.join("target/venv/bin/python3");
        let python = env::var_os("SMSGATE_TEST_PYTHON").map_or(usual, PathBuf::from);
        let start = |kind: &'static str| {
            let mut command = Command::new(&python);
            command.arg(package.join("tests/soak/client.py")).arg(kind);
            command.args(rig.site.sims.iter().map(|sim| &sim.number));
            command.env("SMSGATE_URL", format!("https://127.0.0.1:{}/RPC2", rig.site.port));
            command.env("SMSGATE_CA", rig.site.ca()).env("SMSGATE_TOKEN", TOKEN);
            (kind, Process::start(command))
        };
        Self(CLIENTS.map(start).into())
    }

    /// Ends them; how many calls each made, and what they complain about.
    pub fn end(mut self) -> (Vec<(&'static str, usize)>, Vec<String>) {
        let (mut calls, mut complaints) = (Vec::new(), Vec::new());
        for (kind, process) in &mut self.0 {
            if let Some(code) = process.ended() {
                complaints.push(format!("the client `{kind}` ended with {code}"));
            }
            process.end();
            let log = process.log();
            let (counts, others): (Vec<&str>, _) = log.lines().partition(|line| line.starts_with("calls "));
            calls.push((*kind, counts.last().map_or(0, |line| line["calls ".len()..].parse().unwrap())));
            complaints.extend(others.into_iter().map(str::to_owned));
        }
        (calls, complaints)
    }
}

/// What monitoring has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// How long each round took.
    pub rounds: Vec<Duration>,
    /// Exit codes of the check: 0 OK, 1 WARNING, 2 CRITICAL.
    pub levels: [usize; 3],
    pub complaints: Vec<String>,
}

/// The product's own check and Munin plugin, and a Munin node with the plugin in it, every minute.
pub fn monitor(rig: &Rig, over: &AtomicBool, seen: &Mutex<Seen>) {
    let folder = rig.folder().join("monitoring");
    std::fs::create_dir_all(folder.join("node")).unwrap();
    let node = MuninNode::start(&folder.join("node"), &rig.site);
    let [check, munin] = ["check_smsgate", "munin_smsgate"].map(|name| folder.join(name));
    for link in [&check, &munin] {
        symlink(binary(), link).unwrap();
    }
    while !over.load(std::sync::atomic::Ordering::Relaxed) {
        let began = Instant::now();
        let level = run_check(&check, &rig.site);
        let values = [run_plugin(&munin, &rig.site), fetch(&node)];
        let mut seen = seen.lock().unwrap();
        match level {
            Ok(level) => seen.levels[level] += 1,
            Err(complaint) => seen.complaints.push(complaint),
        }
        seen.complaints.extend(values.into_iter().filter_map(Result::err));
        seen.rounds.push(began.elapsed());
        drop(seen);
        rest(MONITORING.saturating_sub(began.elapsed()), over);
    }
}

fn run_check(check: &Path, site: &Site) -> Result<usize, String> {
    let mut command = Command::new(check);
    command.args(["--host", "127.0.0.1", "--port", &site.port.to_string(), "--ca"]).arg(site.ca());
    command.env_clear().env("SMSGATE_APITOKEN", TOKEN).env("SMSGATE_STATS_TOKEN", TOKEN);
    let (code, said) = output(command);
    usize::try_from(code).ok().filter(|code| *code < 3).ok_or_else(|| format!("check_smsgate: {code}: {said}"))
}

fn run_plugin(munin: &Path, site: &Site) -> Result<(), String> {
    let mut command = Command::new(munin);
    command.env_clear().env("smsgate_host", "127.0.0.1").env("smsgate_port", site.port.to_string());
    command.env("smsgate_cafile", site.ca()).env("smsgate_api_token", TOKEN);
    let (code, said) = output(command);
    let is_whole = code == 0 && (0..site.sims.len()).all(|slot| said.contains(&format!("{slot:02}.value ")));
    if is_whole { Ok(()) } else { Err(format!("munin_smsgate: {code}: {said:.300}")) }
}

fn fetch(node: &MuninNode) -> Result<(), String> {
    let mut master = node.connect();
    for request in ["config smsgate", "fetch smsgate"] {
        let lines = master.ask_for_lines(request);
        if lines.len() < 16 || lines.iter().any(|line| line.starts_with('#')) {
            return Err(format!("munin-node, {request}: {:?}", lines.first()));
        }
    }
    Ok(())
}

fn output(mut command: Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap_or(-1), said.into_owned())
}
