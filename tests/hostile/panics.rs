//! S3: what a fault of the program itself gives away. A panic tells its place and no data, whatever its message was made
//! of; a daemon that crashes leaves no core, whatever it was allowed to leave when it was started.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use nix::sys::signal::Signal;

use super::rig::{Rig, until};

/// What this program is told when it is started a second time, to panic.
const ROLE: &str = "SMSGATE_PANICS";
const CANARY: &str = "panicCanary7351";
/// How a program can come to panic with something in its hands.
const WAYS: usize = 6;

#[test]
fn s03_a_panic_tells_its_place_and_no_data() {
    match std::env::var(ROLE).as_deref() {
        Ok("discreet") => {
            smsgate::daemon::keep_secrets();
            panic_in_all_ways();
        }
        Ok(_) => panic_in_all_ways(),
        Err(_) => {
            let (discreet, plain) = (said("discreet"), said("plain"));
            assert!(plain.contains(CANARY), "panics that would tell nothing anyway: {plain}");
            assert!(!discreet.contains(CANARY) && !discreet.contains("246810"), "{discreet}");
            let places = discreet.lines().filter(|line| line.contains("' panicked at ")).count();
            assert_eq!(places, WAYS, "{discreet}");
            assert!(discreet.contains("smsgate: thread 'busy' panicked at tests/hostile/panics.rs:"), "{discreet}");
            assert!(discreet.contains(": only what the source says"), "{discreet}");
        }
    }
}

/// What this program says when it is started again in a role.
fn said(role: &str) -> String {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "panics::s03_a_panic_tells_its_place_and_no_data", "--nocapture"]);
    let output = again.env(ROLE, role).env("RUST_BACKTRACE", "0").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn panic_in_all_ways() {
    let failed = || Err::<(), String>(format!("{CANARY} refused"));
    let ways: [&(dyn Fn() + Sync); WAYS] = [
        &|| panic!("only what the source says"),
        &|| panic!("token {CANARY}, PIN {}", 246_810),
        &|| failed().unwrap(),
        &|| failed().expect("an answer"),
        // The message has the whole text.
        &|| drop(format!("é{CANARY}")[1..].to_owned()),
        &|| std::panic::panic_any(CANARY.to_owned()),
    ];
    thread::scope(|scope| {
        for way in ways {
            let busy = thread::Builder::new().name("busy".to_owned()).spawn_scoped(scope, way).unwrap();
            assert!(busy.join().is_err());
        }
    });
}

/// A shell that lets its child leave cores in a folder.
fn generous(folder: &Path) -> Vec<String> {
    let script = format!("cd {} && ulimit -c unlimited; exec \"$0\" \"$@\"", folder.display());
    ["sh", "-c", &script].map(str::to_owned).to_vec()
}

#[test]
fn s03_a_crash_leaves_no_core() {
    let mut rig = Rig::prepare(1, |_| {});
    let cores = rig.folder().join("cores");
    fs::create_dir(&cores).unwrap();
    let is_empty = || fs::read_dir(&cores).unwrap().next().is_none();
    rig.under = generous(&cores);
    rig.restart();
    let limits = fs::read_to_string(format!("/proc/{}/limits", rig.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");

    // Also where somebody lifts the limit, as a crash handler is not bound by it.
    let lifted = Command::new("prlimit").args(["--pid", &rig.pid().to_string(), "--core=unlimited"]).status().unwrap();
    eprintln!("the limit was lifted again: {}", lifted.success());
    rig.signal(Signal::SIGABRT);
    until("it is gone", || rig.ended().is_some());
    assert_eq!(rig.ended(), Some(-1), "by the signal");
    rig.forget();
    assert!(is_empty(), "a core was written");

    // Where cores are files and the shell may leave one, any other program does.
    let shell = generous(&cores);
    let mut other = Command::new(&shell[0]);
    other.args(&shell[1..]).args(["sh", "-c", "kill -ABRT $$"]).stderr(Stdio::null());
    let dumped = other.status().unwrap().core_dumped();
    eprintln!("another program leaves a core here: {dumped}");
}
