//! What reaches the journal: the daemon under a real systemd-journald, in a mount namespace of their own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]
#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

mod rig;

use std::{fs, path::Path, process::Command};

use rig::{Api, Process, Rig, TOKEN, binary};
use serde_json::Value as Json;

const JOURNALD: &str = "/lib/systemd/systemd-journald";
const OUTSIDE: &str = "+4915550000";

/// Ends with everything it started, since they share a process namespace. The daemon's standard error is the journal's
/// stream, as it is in a service; a file `hup` or `stop` in the folder asks for that signal.
const SCRIPT: &str = r#"
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal || exit 1
"$JOURNALD" &
journald=$!
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$SMSGATE" run --config "$CONFIG"' &
daemon=$!
until [ -e "$FOLDER/stop" ]; do
    if [ -e "$FOLDER/hup" ]; then rm "$FOLDER/hup"; kill -HUP $daemon; fi
    sleep 0.05
done
kill $daemon
wait $daemon
journalctl --sync 2>/dev/null
journalctl -D /run/log/journal/* -o json -t smsgate > "$FOLDER/entries.part"
mv "$FOLDER/entries.part" "$FOLDER/entries"
kill $journald
"#;

#[test]
fn entries_have_their_facts_as_fields() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("left out: only root may have a journal of its own");
        return;
    }
    assert!(Path::new(JOURNALD).exists(), "{JOURNALD} is missing: install systemd");
    let rig = Rig::prepare(1, |_| {});
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SCRIPT]);
    command.env("JOURNALD", JOURNALD).env("SMSGATE", binary()).env("FOLDER", rig.folder());
    command.env("CONFIG", rig.site.config_folder()).env_remove("JOURNAL_STREAM").env_remove("SMSGATE_LOG");
    let services = Process::start(command);
    let api = rig.api();
    rig::until("the daemon answers", || api.ping().is_ok());
    rig.until_ready(1);
    let id = api.send("", OUTSIDE, "a text that is nobody's business").unwrap();
    rig::until("delivery", || api.delivered(&id));
    assert!(Api::new(&rig.site, "wrong").call("get_stats", &[]).is_err());
    let sims = rig.site.config_folder().join("sim-cards.conf");
    fs::write(&sims, fs::read_to_string(&sims).unwrap().replace("prefixes = +", "prefixes = abc")).unwrap();
    let asked = rig.folder().join("hup");
    fs::write(&asked, "").unwrap();
    rig::until("the reload is asked for", || !asked.exists());
    fs::write(rig.folder().join("stop"), "").unwrap();
    let entries = rig.folder().join("entries");
    rig::until("the journal is read", || entries.exists());
    let text = fs::read_to_string(entries).unwrap();
    let entries: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entry = |message: &str| {
        let found = entries.iter().find(|entry| entry["MESSAGE"].as_str().is_some_and(|text| text.contains(message)));
        found.unwrap_or_else(|| panic!("no `{message}` in {text}\n{}", services.log()))
    };

    let sent = entry("message sent");
    for (field, value) in [
        ("SMSGATE_MESSAGE_ID", id.as_str()),
        ("SMSGATE_MODEM", "00"),
        ("SYSLOG_IDENTIFIER", "smsgate"),
        ("PRIORITY", "6"),
        ("_TRANSPORT", "journal"),
    ] {
        assert_eq!(sent[field], value, "{field}: {sent}");
    }
    assert_eq!(entry("modem initialised")["SMSGATE_MODEM"], "00");
    assert_eq!(entry("wrong API token")["PRIORITY"], "4");
    assert_eq!(entry("`prefixes`")["PRIORITY"], "3");
    // These names are systemd's, with meanings of its own.
    for entry in &entries {
        assert!(entry.get("MESSAGE_ID").is_none() && entry.get("MODEM").is_none(), "{entry}");
    }
    assert!(!text.contains("nobody's business") && !text.contains(TOKEN), "{text}");
}
