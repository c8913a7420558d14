//! What holds in every box that is up, looked at from inside.

use crate::machine::Machine;

/// There are SMS, PINs and tokens in the gateway's memory.
pub fn nothing_dumps_core(machine: &mut Machine) {
    assert_eq!(machine.succeed("cat /proc/sys/kernel/core_pattern").trim(), "|/bin/false");
    let limits = machine.succeed("cat /proc/$(systemctl show -p MainPID --value smsgate)/limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"], "{limits}");
}

/// Of the whole journal since the start, each field of it; what is looked for is plain ASCII.
pub fn the_journal_has_none_of(machine: &mut Machine, secrets: &[String]) {
    let mut lines_with = |texts: &[String]| {
        let texts: String = texts.iter().map(|text| format!(" -e '{text}'")).collect();
        machine.run(&format!("journalctl -q -b --no-pager --all -o json | grep -F{texts}")).text
    };
    assert!(!lines_with(&["modem initialised".to_owned()]).is_empty(), "the search finds nothing at all");
    let found = lines_with(secrets);
    assert_eq!(found.trim(), "", "the journal has secrets");
}

/// Whom the gateway runs as, and what is left to it.
pub fn the_gateway_has_the_modems_and_nothing_more(machine: &mut Machine) {
    let status = machine.succeed("cat /proc/$(systemctl show -p MainPID --value smsgate)/status");
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!(line("Uid:").split_whitespace().next(), Some("650"), "{status}");
    assert_eq!((line("CapEff:"), line("NoNewPrivs:"), line("Seccomp:")), ("0000000000000000", "1", "2"), "{status}");
}
