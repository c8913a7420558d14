//! Debian's Icinga 2 as a process of its own: private folders, a fresh port, asked through its REST API.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::Signal,
    unistd::{Group, User, getgid, getuid},
};
use serde_json::{Value as Json, json};

use super::{PATIENCE, process::Process};

const NODE: &str = "icinga-test";
const PASSWORD: &str = "only-on-loopback";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub struct Icinga {
    folder: PathBuf,
    port: u16,
    process: Process,
}

/// The last result of a service's check.
#[derive(Clone, Debug)]
pub struct Checked {
    /// 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    pub state: i64,
    pub output: String,
    pub perfdata: Vec<String>,
    began: f64,
}

impl Checked {
    /// A value with its unit, bounds and limits.
    pub fn value(&self, label: &str) -> Option<&str> {
        self.perfdata.iter().find_map(|item| item.strip_prefix(label)?.strip_prefix('='))
    }
}

impl Icinga {
    /// Starts Icinga with these objects beside what our commands and Debian's templates bring. Its folder must be empty.
    pub fn start(folder: &Path, objects: &str) -> Self {
        let commands = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/icinga2/smsgate-commands.conf");
        let templates = Path::new("/etc/icinga2/conf.d/templates.conf");
        for (file, package) in [
            (Path::new("/usr/sbin/icinga2"), "icinga2-bin"),
            (templates, "icinga2-common"),
            (Path::new("/usr/lib/nagios/plugins/check_http"), "monitoring-plugins-basic"),
        ] {
            assert!(file.exists(), "{} is missing: install the Debian package {package}", file.display());
        }
        for name in ["bin", "cache", "conf", "data/certs", "log", "run/cmd", "spool"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for link in ["check_smsgate", "smsgate-client"] {
            symlink(super::binary(), folder.join("bin").join(link)).unwrap();
        }
        let issued = smsgate::tls::issue(&[NODE.to_owned()], &[], jiff::Zoned::now().date(), 2).unwrap();
        for (ending, text) in [("crt", &issued.chain), ("key", &issued.key)] {
            fs::write(folder.join(format!("data/certs/{NODE}.{ending}")), text).unwrap();
        }
        fs::write(folder.join("data/certs/ca.crt"), &issued.ca).unwrap();
        let port = super::files::lasting_port();
        let main = format!(
            "include <itl>\ninclude <plugins>\ninclude {templates:?}\ninclude {commands:?}\n\
             object Endpoint NodeName {{ }}\nobject Zone \"main\" {{ endpoints = [ NodeName ] }}\n\
             object IcingaApplication \"app\" {{ }}\nobject CheckerComponent \"checker\" {{ }}\n\
             object NotificationComponent \"notification\" {{ }}\n\
             object ApiListener \"api\" {{ bind_host = \"127.0.0.1\", bind_port = {port} }}\n\
             object ApiUser \"test\" {{ password = \"{PASSWORD}\", permissions = [ \"*\" ] }}\n{objects}",
        );
        let config = folder.join("icinga2.conf");
        fs::write(&config, main).unwrap();
        let mut command = Command::new("/usr/sbin/icinga2");
        command.env_clear().env("PATH", PATH).arg("daemon").arg("-c").arg(&config);
        let user = User::from_uid(getuid()).unwrap().expect("this user has a name").name;
        let group = Group::from_gid(getgid()).unwrap().expect("this group has a name").name;
        let folder_of = |name: &str| folder.join(name).display().to_string();
        for (constant, value) in [
            ("NodeName", NODE.to_owned()),
            ("RunAsUser", user),
            ("RunAsGroup", group),
            ("PluginDir", "/usr/lib/nagios/plugins".to_owned()),
            ("SmsgateBinDir", folder_of("bin")),
            ("ConfigDir", folder_of("conf")),
            ("DataDir", folder_of("data")),
            ("CacheDir", folder_of("cache")),
            ("LogDir", folder_of("log")),
            ("SpoolDir", folder_of("spool")),
            ("InitRunDir", folder_of("run")),
            ("StatePath", folder_of("data/state")),
            ("PidPath", folder_of("run/icinga2.pid")),
            ("VarsPath", folder_of("cache/vars")),
            ("ObjectsPath", folder_of("cache/objects")),
            ("ModAttrPath", folder_of("data/modified-attributes")),
        ] {
            command.arg(format!("-D{constant}={value}"));
        }
        let mut icinga = Self { folder: folder.to_owned(), port, process: Process::start(command) };
        let deadline = Instant::now() + PATIENCE;
        while icinga.ask("GET", "status/IcingaApplication", &json!({})).is_none() {
            assert!(icinga.process.ended().is_none(), "Icinga ended:\n{}", icinga.log());
            assert!(Instant::now() < deadline, "Icinga does not answer:\n{}", icinga.log());
            thread::sleep(Duration::from_millis(100));
        }
        icinga
    }

    /// Has a service checked again and again until the result is as wanted.
    #[track_caller]
    pub fn until(&self, service: &str, what: &str, wanted: impl Fn(&Checked) -> bool) -> Checked {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let checked = self.check(service);
            if wanted(&checked) {
                return checked;
            }
            assert!(Instant::now() < deadline, "{service}: {what} did not come; last seen: {checked:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// A result that is younger than this call.
    #[track_caller]
    fn check(&self, service: &str) -> Checked {
        let deadline = Instant::now() + PATIENCE;
        let before = self.last(service).map_or(0.0, |checked| checked.began);
        let filter = json!({ "type": "Service", "filter": "service.name == name", "filter_vars": { "name": service } });
        let mut request = filter;
        request["force"] = true.into();
        self.act("reschedule-check", &request);
        loop {
            if let Some(checked) = self.last(service).filter(|checked| checked.began > before) {
                return checked;
            }
            assert!(Instant::now() < deadline, "{service} was not checked:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn last(&self, service: &str) -> Option<Checked> {
        let filter = json!({ "filter": "service.name == name", "filter_vars": { "name": service } });
        let answer = self.ask("GET", "objects/services", &filter).expect("an answer");
        let result = &answer["results"][0]["attrs"]["last_check_result"];
        let perfdata = result["performance_data"].as_array().cloned().unwrap_or_default();
        Some(Checked {
            state: result["exit_status"].as_i64()?,
            output: result["output"].as_str()?.to_owned(),
            perfdata: perfdata
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect(),
            began: result["execution_start"].as_f64()?,
        })
    }

    /// Does one of the API's actions; it must have matched something.
    #[track_caller]
    pub fn act(&self, action: &str, request: &Json) {
        let answer = self.ask("POST", &format!("actions/{action}"), request).expect("an answer");
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        assert!(!results.is_empty() && results.iter().all(|result| result["code"] == 200.0), "{action}: {answer}");
    }

    fn ask(&self, method: &str, path: &str, request: &Json) -> Option<Json> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "10", "--request", "POST", "--header", "Accept: application/json"]);
        command.args(["--header", &format!("X-HTTP-Method-Override: {method}")]);
        command.arg("--cacert").arg(self.folder.join("data/certs/ca.crt"));
        command.args(["--resolve", &format!("{NODE}:{}:127.0.0.1", self.port), "--user", &format!("test:{PASSWORD}")]);
        command.args(["--data", &request.to_string(), &format!("https://{NODE}:{}/v1/{path}", self.port)]);
        let output = command.stdin(Stdio::null()).output().expect("curl: install the Debian package curl");
        serde_json::from_slice(&output.stdout).ok()
    }

    /// What Icinga has written so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for Icinga {
    fn drop(&mut self) {
        // Its worker is a process of its own, which a SIGKILL of the parent would leave behind.
        self.process.signal(Signal::SIGTERM);
        self.process.wait(Duration::from_secs(20));
    }
}
