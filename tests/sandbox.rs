//! The sandbox holds while the gateway works, and the attacks are real: without it they succeed.
//!
//! What the kernel of this machine cannot enforce is said in the output of `sandbox-test`, which is shown here.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test program: a panic is its answer")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Output},
};

fn sandbox_test(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    let Output { status, stdout, stderr } =
        command.arg("sandbox-test").args(arguments).env_clear().env("TZ", "UTC").output().unwrap();
    let text = format!("{}{}", String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    println!("{text}");
    (status.code(), text)
}

/// The lines of attacks that were not refused.
fn successes(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains("NOT refused")).collect()
}

#[test]
fn attacks_from_within_are_refused_while_the_gateway_works() {
    let (code, text) = sandbox_test(&[]);
    assert_eq!(code, Some(0));
    assert!(text.contains("After the attacks the gateway still does all that"), "{text}");
    for attack in
        ["fork", "execve", "ptrace", "socket: raw", "open: read a file outside", "open: write to /etc", "mount"]
    {
        let line = text.lines().find(|line| line.trim().starts_with(attack)).unwrap();
        assert!(line.contains(" refused  ") && line.contains("refused (E"), "{line}");
    }
}

/// Those that anybody may do: as root, who runs this in a container, all of them succeed.
#[test]
fn without_the_sandbox_the_attacks_succeed() {
    let (code, text) = sandbox_test(&["--unprotected"]);
    assert_eq!(code, Some(1));
    assert!(text.starts_with("System calls: none filtered. Landlock: none."), "{text}");
    let open = successes(&text);
    for attack in [
        "fork",
        "socket: netlink",
        "symlink",
        "open: read a file outside",
        "open: list a folder outside",
        "open: write a file outside",
        "truncate",
        "connect",
        "bind",
        "execve",
    ] {
        assert!(open.iter().any(|line| line.contains(attack)), "{attack} was refused without a sandbox:\n{text}");
    }
}

#[test]
fn the_log_mode_lets_everything_pass() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("smsgate.conf", "[mail]\nenabled = False\n[server]\ncertificate = c\nkey = k\n[seccomp]\nmode = log\n");
    write(
        "sim-cards.conf",
        "[00]\nport = virtual:generic\nphone_number = +491700000000\nprefixes = +\ncosts_per_sms = 0.1\n",
    );
    let (code, text) = sandbox_test(&["--config", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(text.contains(" allowed. Landlock: none."), "the filter is there: {text}");
    assert!(successes(&text).len() > 10, "{text}");
}
