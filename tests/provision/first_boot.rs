//! What comes out is a gateway that runs: with nothing on the partition, with good files, with modems.

#[path = "../rig/process.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "this program uses a part of it")]
mod process;

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use process::Process;

use crate::folders::{Folders, GATEWAY, KEY, SIMS, succeeded};

const PATIENCE: Duration = Duration::from_secs(45);
/// Asks with the checks of Python 3.13; prints what `get_stats` knows and which tokens are refused.
const CLIENT: &str = r#"
import ssl, sys, xmlrpc.client
url, ca, good, other = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT
gateway = xmlrpc.client.ServerProxy(url, context=context)
print(gateway.ping())
print(sorted(gateway.get_stats(good)[1]))
try:
    gateway.get_stats(other)
except xmlrpc.client.Fault as fault:
    print(fault.faultCode)
"#;

/// A gateway on the configuration in force, but on another port: 7000 may be taken on this machine.
fn gateway(folders: &Folders) -> (Process, u16) {
    let port = TcpListener::bind(("::", 0)).unwrap().local_addr().unwrap().port();
    let copy = folders.at("copy");
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir(&copy).unwrap();
    for name in ["smsgate.conf", "sim-cards.conf"] {
        let text = folders.read(&format!("data/config/current/{name}"));
        fs::write(copy.join(name), text.replace("port = 7000", &format!("port = {port}"))).unwrap();
        fs::set_permissions(copy.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.args(["run", "--config"]).arg(copy).env_clear();
    let mut daemon = Process::start(command);
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(daemon.ended().is_none() && Instant::now() < deadline, "{}", daemon.log());
        thread::sleep(Duration::from_millis(10));
    }
    (daemon, port)
}

fn ask(folders: &Folders, port: u16, good: &str, other: &str) -> String {
    let mut client = Command::new("python3");
    client.args(["-c", CLIENT, &format!("https://localhost:{port}/")]).arg(folders.at("media/ca.pem"));
    succeeded(&client.args([good, other]).output().unwrap())
}

#[test]
fn nothing_on_the_partition_gives_a_gateway_with_tokens_that_are_shown_once() {
    let folders = Folders::booted();
    assert!(folders.result().contains("OK: there was nothing to apply."), "{}", folders.result());
    assert_eq!(folders.generation(), Some(1));
    let (daemon, port) = gateway(&folders);
    let (stats, send) = (folders.token("get_stats"), folders.token("send_sms"));
    assert_eq!(ask(&folders, port, &stats, &send), "OK\n[]\n401\n");

    let conf = folders.read("data/config/current/smsgate.conf");
    assert!(!conf.contains(&stats) && conf.contains("$2b$"), "{conf}");
    let nowhere = folders.at("nowhere/*");
    assert_eq!(folders.report(nowhere.to_str().unwrap(), 0), "result.txt was written\n");
    assert_eq!(folders.token("get_stats"), stats, "the first report still shows them");
    assert!(folders.result().contains("None was found."), "{}", folders.result());
    drop(daemon);
    assert!(!folders.at("data/state/tokens.unshown").exists());

    fs::remove_file(folders.at("media/result.txt")).unwrap();
    folders.apply();
    assert!(!folders.result().contains(&stats), "{}", folders.result());
}

#[test]
fn a_second_boot_changes_nothing() {
    let folders = Folders::new();
    folders.put("smsgate.conf", GATEWAY);
    folders.put("sim-cards.cfg", "misspelt");
    folders.apply();
    let nowhere = folders.at("nowhere/*");
    folders.report(nowhere.to_str().unwrap(), 0);
    let before = ["media", "data", "run"].map(|name| folders.snapshot(name));
    folders.apply();
    assert_eq!(folders.report(nowhere.to_str().unwrap(), 0), "there is nothing new to tell\n");
    assert!(before == ["media", "data", "run"].map(|name| folders.snapshot(name)));
}

#[test]
fn the_partition_is_mounted_only_to_be_written() {
    let folders = Folders::booted();
    let (mounter, calls) = (folders.at("mounter"), folders.at("calls"));
    fs::write(&mounter, format!("#!/bin/sh\necho \"$1\" >>{}\n", calls.display())).unwrap();
    fs::set_permissions(&mounter, fs::Permissions::from_mode(0o755)).unwrap();
    let report = || {
        let mut command = folders.command("report");
        command.args(["--wait", "0", "--ports", "/nowhere/*", "--mounter"]).arg(&mounter);
        succeeded(&command.output().unwrap())
    };
    assert_eq!(report(), "result.txt was written\n");
    assert_eq!(fs::read_to_string(&calls).unwrap(), "mount\nunmount\n");
    assert_eq!(report(), "there is nothing new to tell\n");
    assert_eq!(fs::read_to_string(&calls).unwrap(), "mount\nunmount\n");

    // Gone, it is told of again at the next boot; and where it cannot be mounted there is nobody to tell.
    fs::remove_file(folders.at("media/result.txt")).unwrap();
    folders.apply();
    fs::write(&mounter, "#!/bin/sh\nexit 1\n").unwrap();
    let result = folders.result();
    assert!(report().starts_with("the operator's partition is not there"));
    assert_eq!(folders.result(), result);
    fs::write(&mounter, "#!/bin/sh\n").unwrap();
    assert_eq!(report(), "result.txt was written\n");
}

#[test]
fn good_files_are_in_force_and_their_secrets_gone_from_the_partition() {
    let folders = Folders::new();
    let today = jiff::Zoned::now().date();
    let issued = smsgate::tls::issue(&["localhost".to_owned()], &[], today, 30).unwrap();
    folders.put("SMSGATE.CONF", format!("\u{feff}{GATEWAY}").replace('\n', "\r\n"));
    folders.put("sim-cards.conf", SIMS);
    folders.put("network.conf", "[network]\nhostname = gate\n");
    folders.put("authorized_keys", KEY);
    folders.put("tls.crt", &issued.chain);
    folders.put("tls.key", &issued.key);
    folders.put("mail-ca.pem", &issued.ca);
    let told = folders.apply();
    assert_eq!(told.lines().count(), 7, "{told}");

    let conf = folders.read("data/config/current/smsgate.conf");
    for line in ["# mine", "password = VerySecret", "host = ::", "certificate = "] {
        assert!(conf.lines().any(|there| there.starts_with(line)), "{line} in\n{conf}");
    }
    assert_eq!(folders.read("data/config/current/tls.key"), issued.key);
    let mode = fs::metadata(folders.at("data/config/current/tls.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let result = folders.result();
    assert!(result.contains("OK, applied: authorized_keys, mail-ca.pem, network.conf,"), "{result}");
    assert!(result.contains("https://gate.local:7000/") && !result.contains("Tokens"), "{result}");
    for (path, content) in folders.snapshot("media") {
        let content = String::from_utf8_lossy(&content).into_owned();
        for secret in ["VerySecret", "9876", "PRIVATE KEY"] {
            assert!(!content.contains(secret), "{secret} in {}", path.display());
        }
    }
    assert!(folders.at("media/SMSGATE.CONF.applied").exists() && !folders.at("media/SMSGATE.CONF").exists());

    let daemon = gateway(&folders);
    drop(daemon);
    let check = Command::new(env!("CARGO_BIN_EXE_smsgate"))
        .args(["check-config", "--config"])
        .arg(folders.at("data/config/current"))
        .output()
        .unwrap();
    assert!(succeeded(&check).contains("no errors, no warnings; 1 slot"), "{check:?}");
}

#[test]
fn tokens_that_open_nothing_any_more_are_not_shown() {
    let folders = Folders::booted();
    assert!(folders.result().contains("Tokens"), "{}", folders.result());
    folders.put("smsgate.conf", GATEWAY);
    folders.apply();
    assert!(!folders.result().contains("Tokens"), "{}", folders.result());
    assert!(!folders.at("data/state/tokens.unshown").exists());
}

#[test]
fn the_same_files_again_make_no_new_generation() {
    let folders = Folders::booted();
    for _ in 0..2 {
        folders.put("sim-cards.conf", SIMS);
        folders.apply();
        assert_eq!(folders.generation(), Some(2));
        assert!(!folders.at("media/sim-cards.conf").exists());
        // A new slot in a configuration of the box's gets its token.
        assert_eq!(folders.token("get_sms").len(), 30);
    }
}

#[test]
fn one_file_alone_changes_that_file_alone() {
    let folders = Folders::new();
    folders.put("smsgate.conf", GATEWAY);
    folders.put("sim-cards.conf", SIMS);
    folders.apply();
    let conf = folders.read("data/config/current/smsgate.conf");
    for count in 0..4 {
        folders.put("sim-cards.conf", SIMS.replace("0.09", &format!("0.1{count}")));
        folders.apply();
    }
    assert_eq!(folders.read("data/config/current/smsgate.conf"), conf);
    assert_eq!(folders.generation(), Some(5));
    let kept = fs::read_dir(folders.at("data/config")).unwrap().count();
    assert_eq!(kept, 4, "three generations and `current`");
}

#[test]
fn modems_are_listed_and_suggested_and_the_suggestion_runs() {
    let folders = Folders::booted();
    let dev = folders.at("dev");
    fs::create_dir(&dev).unwrap();
    let mut emulator = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    emulator.args(["emulate", "--modems", "3", "--dir"]).arg(&dev);
    let _emulator = Process::start(emulator);
    let deadline = Instant::now() + PATIENCE;
    while fs::read_dir(&dev).unwrap().count() < 3 {
        assert!(Instant::now() < deadline, "no emulator");
        thread::sleep(Duration::from_millis(10));
    }
    let pattern = dev.join("modem-*").display().to_string();
    let daemon = gateway(&folders);
    folders.report(&pattern, 40);
    drop(daemon);
    let result = folders.result();
    assert_eq!(result.matches("(no slot yet)").count(), 3, "{result}");
    assert_eq!(result.matches(" dBm").count(), 3, "{result}");
    assert!(!result.contains("IMEI not known") && !result.contains("ICCID not known"), "{result}");

    let suggested = folders.read("media/sim-cards.conf.suggested");
    folders.put("sim-cards.conf", suggested);
    folders.apply();
    assert!(folders.result().contains("OK, applied: sim-cards.conf."), "{}", folders.result());
    let token = folders.token("get_sms of slot 02");
    assert_eq!(token.len(), 30);
    let _daemon = gateway(&folders);
    folders.report(&pattern, 60);
    let result = folders.result();
    for slot in ["slot 00", "slot 01", "slot 02"] {
        assert!(result.contains(&format!("({slot}): ")), "{result}");
    }
    assert!(!result.contains("no slot yet"), "{result}");
}

#[test]
fn a_swapped_card_is_accepted_by_a_file_on_the_partition() {
    let folders = Folders::new();
    let (dev, control) = (folders.at("dev"), folders.at("control"));
    fs::create_dir(&dev).unwrap();
    let mut emulator = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    emulator.args(["emulate", "--modems", "1", "--dir"]).arg(&dev).arg("--control").arg(&control);
    let _emulator = Process::start(emulator);
    let port = dev.join("modem-00");
    let deadline = Instant::now() + PATIENCE;
    while !port.exists() || !control.exists() {
        assert!(Instant::now() < deadline, "no emulator");
        thread::sleep(Duration::from_millis(10));
    }
    folders.put("sim-cards.conf", format!("[00]\nport = {}\ncosts_per_sms = 0\n", port.display()));
    folders.apply();
    let cards = |ending: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut list = Command::new(env!("CARGO_BIN_EXE_smsgate"));
            let listed = list.args(["sim", "list", "--state"]).arg(folders.at("data/store")).output().unwrap();
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            if listed.trim_end().ends_with(ending) {
                return;
            }
            assert!(Instant::now() < deadline, "{ending:?} is not the end of\n{listed}");
            thread::sleep(Duration::from_millis(50));
        }
    };
    let (daemon, _) = gateway(&folders);
    cards("00    ...000000   ...000000");
    let mut emulator = UnixStream::connect(&control).unwrap();
    let fault = "{\"do\":\"fault\",\"modem\":0,\"what\":{\"fault\":\"sim_card\",\"serial\":77}}\n";
    emulator.write_all(fault.as_bytes()).unwrap();
    cards("00    ...000000   ...000077   another card");
    drop(daemon);

    folders.put("accept-sims.txt", "");
    folders.apply();
    let _daemon = gateway(&folders);
    folders.report(port.to_str().unwrap(), 60);
    let told = "slot 00: the card with ICCID ...000077 is accepted; before it was ...000000\n";
    assert!(folders.result().contains(told), "{}", folders.result());
    cards("00    ...000077   ...000077");
}
