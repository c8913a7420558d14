//! munin-node itself, with the binary as its plugin and the configuration shipped in `contrib/munin`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod rig;

use rig::{Rig, Site, munin::MuninNode};
use serde_json::json;

/// What munin-run prints about two modems after two messages came in by the first and one left by the second.
const CONFIG: &str = include_str!("golden/munin-config.txt");
const VALUES: &str = include_str!("golden/munin-values.txt");

#[test]
fn a_master_gets_graphs_and_values() {
    let rig = Rig::start(2);
    rig.until_ready(2);
    let api = rig.api();
    rig.network.inject(rig.site.number(0), "+491511111111", "one");
    rig.network.inject(rig.site.number(0), "+491511111111", "two");
    api.send(rig.site.number(1), "+4915550000", "out").unwrap();
    rig.until("both ways are counted", || api.stat("00", "received") == "2" && api.stat("01", "sent") == "1");

    let node = MuninNode::start(&rig.folder().join("munin"), &rig.site);
    assert_eq!(node.run(Some("config")), (0, CONFIG.to_owned(), String::new()));
    assert_eq!(node.run(None), (0, VALUES.to_owned(), String::new()));
    assert_eq!(node.run(Some("autoconf")), (0, "yes\n".to_owned(), String::new()));

    // The node leaves empty lines out.
    let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let mut master = node.connect();
    assert!(master.ask("cap multigraph").contains("multigraph"));
    assert_eq!(master.ask("list").split_whitespace().collect::<Vec<_>>(), ["smsgate"]);
    assert_eq!(master.ask_for_lines("config smsgate"), lines(CONFIG), "{}", node.log());
    assert_eq!(master.ask_for_lines("fetch smsgate"), lines(VALUES), "{}", node.log());

    // With dirtyconfig the values come along: nothing else differs.
    let mut dirty = node.connect();
    assert!(dirty.ask("cap multigraph dirtyconfig").contains("dirtyconfig"));
    let both = dirty.ask_for_lines("config smsgate");
    let (values, config): (Vec<_>, Vec<_>) = both.into_iter().partition(|line| line.contains(".value "));
    assert_eq!(config, lines(CONFIG));
    let fetched: Vec<_> = lines(VALUES).into_iter().filter(|line| line.contains(".value ")).collect();
    assert_eq!(values, fetched);
}

#[test]
fn values_follow_the_gateway() {
    let mut rig = Rig::prepare(2, often).run();
    rig.until_ready(2);
    let node = MuninNode::start(&rig.folder().join("munin"), &rig.site);
    let mut master = node.connect();
    master.ask("cap multigraph");
    let is = |master: &mut rig::munin::Master, field: &str, value: &str| master.value(field).as_deref() == Some(value);
    rig.until("all is well", || is(&mut master, "health_01", "0"));
    assert!(!is(&mut master, "signal_01", "U"));

    rig.network.fault(1, json!({ "fault": "unplug" }));
    rig.until("an unplugged modem is critical", || is(&mut master, "health_01", "2"));
    assert!(is(&mut master, "signal_01", "U"), "what is not there has no signal");
    assert!(is(&mut master, "health_00", "0"), "the other one is well");

    rig.network.fault(1, json!({ "fault": "signal", "value": 3 }));
    rig.network.fault(1, json!({ "fault": "replug", "link": null }));
    rig.until("a weak signal is a warning", || is(&mut master, "health_01", "1"));
    assert!(is(&mut master, "signal_01", "-107"));

    // The mail server has no graph; the modems' go on.
    rig.kill_mail();
    rig.until("the gateway knows that the mail server is dead", || rig.api().health().1.contains("mail server"));
    assert!(is(&mut master, "health_00", "0"));

    rig.stop();
    rig.until("no value from a stopped gateway", || master.value("health_00").is_none());
    let (code, out, complaint) = node.run(None);
    assert_eq!((code != 0, out.as_str(), complaint.lines().count()), (true, "", 1), "{complaint}");
    assert!(complaint.contains("refused; is smsgate running there?"), "{complaint}");
    let (code, out, _) = node.run(Some("autoconf"));
    assert_eq!((code, out.starts_with("no (connection to 127.0.0.1:")), (0, true), "{out}");

    rig.restart();
    rig.until("values again", || is(&mut master, "health_00", "0"));
}

#[test]
fn a_low_balance_is_drawn() {
    let rig = Rig::prepare(1, |site| {
        often(site);
        site.sims[0].set("ussd_account_balance", "*100#");
    });
    rig.network.fault(0, json!({ "fault": "balance", "cents": 1234 }));
    let rig = rig.run();
    rig.until_ready(1);
    let node = MuninNode::start(&rig.folder().join("munin"), &rig.site);
    let mut master = node.connect();
    master.ask("cap multigraph");
    let config = master.ask_for_lines("config smsgate");
    for limit in ["balance_00.warning 5:", "balance_00.critical 1:"] {
        assert!(config.iter().any(|line| line == limit), "{config:?}");
    }
    rig.until("the balance is known", || master.value("balance_00").as_deref() == Some("12.34"));
    rig.network.fault(0, json!({ "fault": "balance", "cents": 499 }));
    rig.until("it has fallen", || master.value("balance_00").as_deref() == Some("4.99"));
    rig.until("which is a warning", || master.value("health_00").as_deref() == Some("1"));
}

/// Modems and the mail server are looked at every second.
fn often(site: &mut Site) {
    site.api += "[DEFAULT]\nhealth_check_interval = 1\n";
    site.sims.iter_mut().for_each(|sim| sim.set("health_check_interval", "1"));
}
