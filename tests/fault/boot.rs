//! The real daemon on what a power cut has left, in front of a network that is as it was at that moment: what lay on the
//! SIMs lies there again, what was on its way is on its way. Everything comes in, once; nothing is mailed under another
//! name or sent more often than it may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::{
    audit,
    disk::Image,
    rest,
    rig::{Rig, becomes, books::texts},
    site,
    witness::{Account, Offset, Witness},
};

/// How long it may take until everything has come in and been mailed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A site on which one daemon after the other is started.
pub struct Ground {
    rig: Rig,
    mails: usize,
}

impl Ground {
    pub fn new() -> Self {
        Self { rig: site::prepare(""), mails: 0 }
    }

    /// What is wrong after a start on `image`, the cut having come at this moment.
    pub fn boot(&mut self, image: &Image, account: &Account, at: u64) -> Vec<String> {
        let account = account.until(at);
        self.rig.renew_network();
        // What was asked for before the cut is told no more: the new network does not know it.
        self.rig.network.ask(&json!({ "do": "conditions", "set": { "report_loss": 100 } }));
        let root = self.rig.folder().to_owned();
        fs::remove_dir_all(root.join("state")).unwrap();
        fs::create_dir_all(root.join("state")).unwrap();
        for name in ["hints", "hints.new"] {
            let _ = fs::remove_file(root.join(name));
        }
        for (path, content) in image {
            fs::write(root.join(path), content).unwrap();
        }
        self.restore(&account);
        let offset = Offset::measure(&self.rig.network);
        self.rig.restart();
        let store = Connection::open_with_flags(self.rig.site.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        store.busy_timeout(Duration::from_secs(10)).unwrap();
        let mut open = Vec::new();
        becomes(PATIENCE, || {
            open = self.open(&store);
            open.is_empty()
        });
        let mut faults: Vec<String> = open.iter().take(5).map(|what| format!("after a start: {what}")).collect();
        let (code, _) = self.rig.stop();
        faults.extend((code != Some(0)).then(|| format!("it stopped with {code:?}")));
        faults.extend(self.judge(&store, account, offset));
        faults
    }

    /// Puts the network into the state of the moment.
    fn restore(&self, account: &Account) {
        for incoming in account.incoming.values().filter(|incoming| incoming.gone_by.is_none()) {
            let (to, pdu) = (&account.numbers[incoming.slot], &incoming.pdu);
            match &incoming.lies {
                Some((_, memory, index)) => {
                    let lay = json!({ "do": "lay", "to": to, "memory": memory, "index": index, "pdu": pdu });
                    self.rig.network.ask(&lay);
                }
                None if incoming.is_report => {}
                None => {
                    self.rig.network.ask(&json!({ "do": "inject_pdu", "to": to, "pdu": pdu }));
                }
            }
        }
    }

    /// What has not come in yet, or is not mailed yet.
    fn open(&self, store: &Connection) -> Vec<String> {
        let mut found = texts(store, "SELECT 'mail ' || error FROM spool");
        let mut lying = BTreeMap::new();
        for entry in self.rig.network.ledger() {
            match entry["event"].as_str().unwrap() {
                "queued" => {
                    lying.insert(entry["id"].as_u64().unwrap(), entry["pdu"].to_string());
                }
                "deleted" | "acknowledged" | "discarded" => {
                    lying.remove(&entry["id"].as_u64().unwrap());
                }
                _ => {}
            }
        }
        found.extend(lying.into_values().map(|pdu| format!("PDU {pdu} is still with the network")));
        found
    }

    fn judge(&mut self, store: &Connection, mut account: Account, offset: Offset) -> Vec<String> {
        let mails = self.rig.mails();
        let mut seen = Witness::default();
        let submitted = self.rig.network.events("submitted");
        seen.add_ledger(submitted, offset);
        seen.add_mails(&mails[self.mails..]);
        self.mails = mails.len();
        seen.events.iter().for_each(|event| account.enter(event));
        // What the new network has delivered of its own: messages from one slot to another.
        let delivered: BTreeSet<String> =
            self.rig.network.events("queued").iter().map(|it| it["pdu"].to_string()).collect();
        let mut faults = audit::faults(store, &account, u64::MAX);
        faults.retain(|fault| {
            !(fault.starts_with("invented") && delivered.iter().any(|pdu| fault.contains(pdu.trim_matches('"'))))
        });
        faults.extend(rest::arrivals(store, &account));
        faults
    }
}
