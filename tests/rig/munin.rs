//! Debian's munin-node as a process of its own, spoken to in its line protocol; and munin-run with the same files.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::unistd::{Group, User, getgid, getuid};

use super::{Site, TOKEN, process::Process};

/// The node with our binary in its folder by the name `smsgate`, as upstream's manual has it.
pub struct MuninNode {
    folder: PathBuf,
    port: u16,
    process: Process,
}

impl MuninNode {
    /// Starts a node whose plugin asks this site.
    pub fn start(folder: &Path, site: &Site) -> Self {
        for program in ["/usr/sbin/munin-node", "/usr/sbin/munin-run"] {
            assert!(Path::new(program).exists(), "{program} is missing: install the Debian package munin-node");
        }
        for name in ["plugins", "plugin-conf.d", "state"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        symlink(super::binary(), folder.join("plugins/smsgate")).unwrap();
        let user = User::from_uid(getuid()).unwrap().expect("this user has a name").name;
        let group = Group::from_gid(getgid()).unwrap().expect("this group has a name").name;
        fs::write(folder.join("plugin-conf.d/smsgate"), shipped(site) + &format!("user {user}\ngroup {group}\n"))
            .unwrap();
        let port = super::files::lasting_port();
        let at = folder.display();
        fs::write(
            folder.join("munin-node.conf"),
            format!(
                "log_level 4\nlog_file {at}/node.log\npid_file {at}/node.pid\nbackground 0\nsetsid 0\nuser {user}\n\
                 group {group}\nhost_name munin-test\nallow ^127\\.0\\.0\\.1$\nhost 127.0.0.1\nport {port}\ntimeout 30\n"
            ),
        )
        .unwrap();
        // The folder with the plugins is fixed when Munin is built; the real program is run with another in its place.
        let program = format!(
            "$Munin::Common::Defaults::MUNIN_CONFDIR = '{at}'; \
             $Munin::Common::Defaults::MUNIN_PLUGSTATE = '{at}/state'; \
             require '/usr/sbin/munin-node'; exit main();"
        );
        let mut command = Command::new("perl");
        command.args(["-MMunin::Common::Defaults", "-e", &program, "--"]);
        command.arg("--config").arg(folder.join("munin-node.conf"));
        let node = Self { folder: folder.to_owned(), port, process: Process::start(command) };
        super::until("munin-node listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        node
    }

    /// A connection as the master makes it.
    pub fn connect(&self) -> Master {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut master = Master(BufReader::new(stream));
        let greeting = master.line();
        assert!(greeting.starts_with("# munin node at munin-test"), "{greeting}; {}", self.log());
        master
    }

    /// What munin-run prints for a request of the plugin; its exit code; what it complains about.
    pub fn run(&self, request: Option<&str>) -> (i32, String, String) {
        let mut command = Command::new("/usr/sbin/munin-run");
        command.arg("--config").arg(self.folder.join("munin-node.conf"));
        command.arg("--servicedir").arg(self.folder.join("plugins"));
        command.arg("--sconfdir").arg(self.folder.join("plugin-conf.d"));
        let output = command.arg("smsgate").args(request).output().unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// The node's log and what it wrote beside it.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("node.log")).unwrap_or_default() + &self.process.log()
    }
}

/// The shipped file for plugin-conf.d with this site in it.
fn shipped(site: &Site) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/munin/smsgate");
    let mut text = fs::read_to_string(path).unwrap();
    for (theirs, ours) in [
        ("smsgate_host localhost", "smsgate_host 127.0.0.1"),
        ("7000", &site.port.to_string()),
        ("/etc/ssl/certs/smsgate-ca.pem", &site.ca().display().to_string()),
        ("TOKEN-FOR-GET-STATS", TOKEN),
    ] {
        assert!(text.contains(theirs), "the shipped file has no {theirs}");
        text = text.replace(theirs, ours);
    }
    text
}

/// A connection to a node.
pub struct Master(BufReader<TcpStream>);

impl Master {
    /// A request with one line for an answer.
    pub fn ask(&mut self, request: &str) -> String {
        self.say(request);
        self.line()
    }

    /// A request with lines up to a dot for an answer.
    pub fn ask_for_lines(&mut self, request: &str) -> Vec<String> {
        self.say(request);
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            if line == "." {
                return lines;
            }
            lines.push(line);
        }
    }

    /// The values of `fetch smsgate` that a field has; `None` if the plugin failed.
    pub fn value(&mut self, field: &str) -> Option<String> {
        let prefix = format!("{field}.value ");
        self.ask_for_lines("fetch smsgate").iter().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    }

    fn say(&mut self, request: &str) {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "munin-node hung up");
        line.trim_end().to_owned()
    }
}
