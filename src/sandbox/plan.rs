//! What the daemon needs of files and TCP ports, worked out from its configuration. Pure; [`files`](super::files) makes
//! the kernel see to it.

use std::path::{Path, PathBuf};

use crate::config::{Config, Slot};

/// Mail servers' usual ports, and that of name servers: the mail server may change without a restart.
const USUAL_PORTS: [u16; 4] = [25, 53, 465, 587];
/// The version of Landlock that began to guard TCP ports.
const GUARDS_PORTS: i32 = 4;
/// Marks the port of a slot that is made of code.
const VIRTUAL: &str = "virtual:";
/// A recorded session that a virtual modem plays back.
const TRACE: &str = "virtual:trace:";

/// What may be done beneath a path.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Access {
    /// Look and read.
    Read,
    /// Read, write and control what is there; make and remove nothing.
    Device,
    /// Anything that files, folders and sockets are for, but no device, link or program.
    Own,
}

/// A path and what may be done beneath it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Grant {
    /// A folder with all that is or comes to be in it, or a file.
    pub path: PathBuf,
    /// What may be done.
    pub access: Access,
}

/// Where things are that the configuration does not say by itself.
#[derive(Clone, Debug)]
pub struct Places<'a> {
    /// The configuration's folder.
    pub configuration: &'a Path,
    /// The database.
    pub store: &'a Path,
    /// The folders in which modems' ports are or will be.
    pub ports: Vec<PathBuf>,
    /// Where the other services of an appliance leave what they know.
    pub appliance: Option<&'a Path>,
    /// This program, which a backtrace reads.
    pub program: Option<PathBuf>,
    /// File of the certificates that are trusted instead of the system's.
    pub authorities: Option<PathBuf>,
}

/// Everything that is granted; what is not, is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Files.
    pub files: Vec<Grant>,
    /// TCP port to listen on; `None` = any: which one the system will choose is not known before.
    pub listen: Option<u16>,
    /// TCP ports to connect to.
    pub connect: Vec<u16>,
}

/// What the system keeps for all programs, and what ours reads of it.
///
/// `/etc` as a whole: a grant holds for the file that is there now, and resolv.conf, hosts and their like are replaced by
/// new files. What in there is secret is so by its permissions.
const SYSTEM: [&str; 20] = [
    "/etc",
    // Where resolv.conf may lead to.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    // Modules of the name service.
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    // Zones, and certificates of authorities.
    "/usr/share/zoneinfo",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/var/lib/ca-certificates",
    // How many processors there are, what this machine is called, how memory is given out.
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    // How many errors file systems have had.
    "/sys/fs/ext4",
    "/proc/self",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/dev/urandom",
];

impl Plan {
    /// What this configuration needs. `resolve` follows the links of a path, if it is there.
    #[must_use]
    pub fn of(config: &Config, places: &Places<'_>, resolve: impl Fn(&Path) -> Option<PathBuf>) -> Self {
        let gateway = &config.gateway;
        let mut files: Vec<Grant> = SYSTEM.iter().map(|path| grant(path, Access::Read)).collect();
        files.push(grant("/dev/null", Access::Device));
        files.push(grant(places.configuration, Access::Read));
        files.extend(places.appliance.map(|path| grant(path, Access::Read)));
        files.extend(places.program.iter().map(|path| grant(path, Access::Read)));
        files.push(grant(folder(places.store), Access::Own));
        files.extend(gateway.modempool.serial_ports_hint_file.iter().map(|path| grant(folder(path), Access::Own)));
        // Their folders, since they are renewed by putting new files in their place.
        let server = [Some(&gateway.server.certificate), Some(&gateway.server.key)];
        let trusted = [gateway.mail.ca.as_ref(), places.authorities.as_ref()];
        let certificates = server.into_iter().chain(trusted);
        for path in certificates.flatten().map(PathBuf::as_path).chain([Path::new("/etc/resolv.conf")]) {
            files.push(grant(folder(path), Access::Read));
            files.extend(resolve(path).map(|real| grant(folder(&real), Access::Read)));
        }
        let traces = config.slots.iter().filter_map(|slot| slot.port.strip_prefix(TRACE));
        files.extend(traces.map(|path| grant(path, Access::Read)));
        if config.slots.iter().any(is_real) {
            files.extend(places.ports.iter().map(|path| grant(path, Access::Device)));
            // Links lead into /dev under names that are not known beforehand.
            files.push(grant("/dev", Access::Device));
            files.push(grant("/sys/class/tty", Access::Read));
            files.push(grant("/sys/bus/usb", Access::Read));
            // `authorized` of the USB devices, should the account be permitted to write it.
            files.push(grant("/sys/devices", Access::Device));
        }
        files.sort();
        files.dedup();
        let mut connect = USUAL_PORTS.to_vec();
        if gateway.mail.enabled && !connect.contains(&gateway.mail.port) {
            connect.push(gateway.mail.port);
        }
        Self { files, listen: Some(gateway.server.port).filter(|port| *port != 0), connect }
    }

    /// What a process needs that listens on this port (0 = any) and has no business with any file.
    #[must_use]
    pub fn of_listener(port: u16) -> Self {
        Self { files: Vec::new(), listen: Some(port).filter(|port| *port != 0), connect: Vec::new() }
    }

    /// What another configuration would need beyond this, as far as this version of Landlock refuses it: it takes a restart,
    /// since a grant cannot be added later.
    #[must_use]
    pub fn beyond(&self, wanted: &Self, landlock: Option<i32>) -> Vec<String> {
        let Some(version) = landlock else { return Vec::new() };
        let files = wanted.files.iter().filter(|grant| !self.permits(grant));
        let files = files.map(|grant| grant.path.display().to_string());
        if version < GUARDS_PORTS {
            return files.collect();
        }
        let port = |what, port: &u16| format!("TCP port {port} to {what}");
        let listen = wanted.listen.iter().filter(|port| self.listen.is_some_and(|listen| listen != **port));
        let listen = listen.map(|p| port("listen on", p));
        let connect = wanted.connect.iter().filter(|port| !self.connect.contains(port)).map(|p| port("connect to", p));
        files.chain(listen).chain(connect).collect()
    }

    fn permits(&self, wanted: &Grant) -> bool {
        self.files.iter().any(|grant| grant.access >= wanted.access && wanted.path.starts_with(&grant.path))
    }
}

fn grant(path: impl AsRef<Path>, access: Access) -> Grant {
    Grant { path: path.as_ref().to_owned(), access }
}

fn is_real(slot: &Slot) -> bool {
    !slot.port.is_empty() && !slot.port.starts_with(VIRTUAL)
}

/// The folder a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Source};

    fn config(port: &str, mail: &str) -> Config {
        let gateway = format!(
            "[mail]\n{mail}\nserver=s\nuser=u@s\npassword=p\nrecipient=r@s\n[server]\ncertificate=/tls/live/c\n\
             key=/tls/live/k\nport=7001\n[modempool]\nserial_ports_hint_file=/var/cache/smsgate/hints\n"
        );
        let sims = format!("[00]\nport={port}\nphone_number=+491700000000\nprefixes=+\ncosts_per_sms=0.1\n");
        let (config, diagnostics) = config::load(
            Source { name: "smsgate.conf", text: &gateway },
            Source { name: "sim-cards.conf", text: &sims },
        );
        config.unwrap_or_else(|| panic!("{diagnostics:?}"))
    }

    fn plan(config: &Config) -> Plan {
        let places = Places {
            configuration: Path::new("/srv/conf"),
            store: Path::new("/var/lib/smsgate/smsgate.db"),
            ports: vec!["/dev/sms".into()],
            appliance: Some(Path::new("/run/smsgate")),
            program: None,
            authorities: Some("/opt/trust/bundle.pem".into()),
        };
        let links = |path: &Path| path.starts_with("/tls").then(|| Path::new("/tls/archive").join("c1"));
        Plan::of(config, &places, links)
    }

    #[test]
    fn what_is_configured_is_granted_and_nothing_else_may_be_written() {
        let plan = plan(&config("/dev/sms/modem-*", "port=2525"));
        let of = |access| {
            let all = plan.files.iter().filter(move |grant| grant.access == access);
            all.map(|grant| grant.path.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(of(Access::Own), ["/var/cache/smsgate", "/var/lib/smsgate"]);
        assert_eq!(of(Access::Device), ["/dev", "/dev/null", "/dev/sms", "/sys/devices"]);
        for path in ["/srv/conf", "/tls/live", "/tls/archive", "/opt/trust", "/etc", "/usr/lib", "/run/smsgate"] {
            assert!(of(Access::Read).contains(&path), "{path}");
        }
        assert!(!of(Access::Read).iter().any(|path| ["/", "/home", "/root", "/var", "/tmp", "/proc"].contains(path)));
        assert_eq!((plan.listen, plan.connect), (Some(7001), vec![25, 53, 465, 587, 2525]));
    }

    #[test]
    fn without_real_modems_there_are_no_devices() {
        let plan = plan(&config("virtual:generic", "enabled=False\nport=2525"));
        let devices: Vec<_> = plan.files.iter().filter(|grant| grant.access == Access::Device).collect();
        assert_eq!(devices, [&grant("/dev/null", Access::Device)]);
        assert_eq!(plan.connect, [25, 53, 465, 587]);
    }

    #[test]
    fn a_trace_that_is_played_back_can_be_read() {
        let plan = plan(&config("virtual:trace:/srv/traces/new-modem.at", "enabled=False"));
        assert!(plan.files.contains(&grant("/srv/traces/new-modem.at", Access::Read)));
        assert!(!plan.files.iter().any(|grant| grant.path == Path::new("/srv/traces")));
    }

    #[test]
    fn what_a_new_configuration_needs_beyond_the_old_is_told() {
        let old = plan(&config("virtual:generic", "port=465"));
        assert_eq!(old.beyond(&old, Some(7)), Vec::<String>::new());
        let new = plan(&config("/dev/sms/modem-*", "port=2525"));
        let beyond = old.beyond(&new, Some(7));
        for expected in ["/dev", "/dev/sms", "/sys/devices", "TCP port 2525 to connect to"] {
            assert!(beyond.iter().any(|what| what == expected), "{expected}: {beyond:?}");
        }
        assert_eq!(new.beyond(&old, Some(7)), Vec::<String>::new(), "less is never beyond");
        let files_only = old.beyond(&new, Some(3));
        assert!(files_only.iter().any(|what| what == "/dev") && !files_only.iter().any(|what| what.contains("TCP")));
        assert_eq!(old.beyond(&new, None), Vec::<String>::new(), "nothing is refused");
    }
}
