//! The control socket: one JSON object a line, one answer a line, in order.
//!
//! ```text
//! {"do":"inject","to":"+491700000000","from":"+4915112345678","text":"hello"}
//! {"do":"inject","to":"+491700000000","from":"Bank","text":"long ...","order":"shuffled","duplicate":true,"omit":[2]}
//! {"do":"inject","to":"+491700000000","from":"+49151","text":"now!","flash":true,"alphabet":"ucs2","wide":true}
//! {"do":"inject","to":"+491700000000","pdu":"0004..."}
//! {"do":"inject_pdu","to":"+491700000000","pdu":"0004..."}
//! {"do":"lay","to":"+491700000000","memory":"SM","index":3,"pdu":"0004..."}
//! {"do":"fault","modem":0,"what":{"fault":"silence","seconds":3.5}}
//! {"do":"fault","modem":0,"what":{"fault":"replug","link":"modem-77"}}
//! {"do":"conditions","set":{"submit_latency":0.2,"report_delay":1,"report_jitter":2,"report_loss":10}}
//! {"do":"conditions","set":{"outcomes":{"+4915":"undelivered","+43":"trying_then_delivered","+44":70}}}
//! {"do":"ussd","modem":0,"text":"Your balance is low","answer_wanted":false}
//! {"do":"ledger","since":17}
//! {"do":"stats"}
//! {"do":"wait_idle","seconds":10}
//! ```
//!
//! An answer is `{"ok":...}` or `{"error":"field `to`: ..."}`. `inject` answers the ids of the PDUs in the order in which
//! they come, `lay` that of the PDU, `ledger` the entries after the one of that number ([`Entry`]), `stats` the modems
//! ([`Stats`]), `wait_idle` whether it came to that; the others `null`. `conditions` sets all conditions: those not named
//! are as without any, also a `submit_latency` that came with `--submit-time`. The faults are those of [`Fault`]. [`ControlClient`](super::ControlClient) speaks this.

use std::{collections::BTreeMap, fs, io, os::unix::fs::FileTypeExt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use super::{
    conditions::{Conditions, seconds},
    faults::Fault,
    inject::{Injection, inject, lay},
    ledger::Entry,
    serve::Shared,
    world::World,
};

/// What can be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Sends a message to a modem from outside.
    Inject(Injection),
    /// Short for `inject` with a PDU only.
    InjectPdu {
        /// Number of a modem.
        to: String,
        /// Service centre address and TPDU in hex, be they well-formed or not.
        pdu: String,
    },
    /// Lays a PDU into a memory of a modem, as if it had come before anybody looked; nothing announces it.
    Lay {
        /// Number of a modem.
        to: String,
        /// Name of the memory.
        memory: String,
        /// The place in it, from 1.
        index: usize,
        /// Service centre address and TPDU in hex.
        pdu: String,
    },
    /// Starts a fault.
    Fault {
        /// Index of the modem.
        modem: usize,
        /// Which.
        what: Fault,
    },
    /// Sets how the service centre treats messages.
    Conditions {
        /// How.
        set: Conditions,
    },
    /// The network sends a USSD text.
    Ussd {
        /// Index of the modem.
        modem: usize,
        /// The text.
        text: String,
        /// The network waits for an answer.
        #[serde(default)]
        answer_wanted: bool,
    },
    /// Reads the ledger.
    Ledger {
        /// Only entries after this number.
        #[serde(default)]
        since: u64,
    },
    /// Lists modems and what waits.
    Stats,
    /// Waits until nothing is under way.
    WaitIdle {
        /// That long at most.
        seconds: f64,
    },
}

/// What waits, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// Microseconds since the emulator's start, as the ledger has them.
    pub us: u64,
    /// PDUs the network has not delivered.
    pub waiting: usize,
    /// Entries in the ledger.
    pub entries: u64,
    /// The modems.
    pub modems: Vec<ModemStats>,
}

/// A modem.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ModemStats {
    /// Number of its SIM.
    pub number: String,
    /// Its IMEI.
    pub imei: String,
    /// Its model.
    pub model: String,
    /// Name of the link to it; none if it is not plugged.
    pub link: Option<String>,
    /// In the network.
    pub registered: bool,
    /// Messages and reports in its memories.
    pub stored: usize,
    /// How often each command was given to it, by name.
    pub commands: BTreeMap<String, u64>,
    /// How often it was told to restart (`AT+CFUN=1,1`).
    pub resets: u32,
    /// How often it was told a PIN (`AT+CPIN=`).
    pub pin_attempts: u32,
    /// Octets that have crossed its line, from the terminal.
    #[serde(default)]
    pub octets_to_modem: u64,
    /// Octets that have crossed its line, from the modem.
    #[serde(default)]
    pub octets_to_terminal: u64,
}

/// The socket, which ends with its owner.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Makes the socket; what another emulator left under the name is replaced.
    pub(super) fn bind(path: PathBuf) -> io::Result<Self> {
        if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        Ok(Self { listener: UnixListener::bind(&path)?, path })
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(self, shared: Shared) -> io::Result<()> {
        let mut conversations = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    conversations.spawn(converse(shared.clone(), accepted?.0));
                }
                Some(_) = conversations.join_next() => {}
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(shared: Shared, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let reply = match parse(&line) {
            Ok(Request::WaitIdle { seconds: at_most }) => Ok(Value::Bool(shared.wait_idle(seconds(at_most)).await)),
            Ok(request) => shared.with(|world, now| perform(world, now, request)),
            Err(error) => Err(error),
        };
        let reply = reply.map_or_else(|error| json!({ "error": error }), |value| json!({ "ok": value }));
        write.write_all(format!("{reply}\n").as_bytes()).await?;
    }
    Ok(())
}

fn parse(line: &str) -> Result<Request, String> {
    let fields: Map<String, Value> = serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))?;
    let read = |fields: &Map<String, Value>| serde_json::from_value::<Request>(Value::Object(fields.clone()));
    read(&fields).map_err(|error| {
        // What is wrong is in the field without which something else is wrong, or nothing.
        let without = |name: &String| {
            let mut rest = fields.clone();
            rest.remove(name);
            match read(&rest) {
                Ok(_) => true,
                Err(other) => other.to_string().contains(&format!("missing field `{name}`")),
            }
        };
        let named = error.to_string().contains("field `");
        match fields.keys().filter(|name| *name != "do" && !named).find(|name| without(name)) {
            Some(name) => format!("field `{name}`: {error}"),
            None => error.to_string(),
        }
    })
}

fn perform(world: &mut World, now: Duration, request: Request) -> Result<Value, String> {
    let no_modem = |world: &World| format!("field `modem`: there are {} modems", world.modems().len());
    match request {
        Request::Inject(injection) => inject(world, now, &injection).map(|ids| json!(ids)),
        Request::InjectPdu { to, pdu } => {
            let injection = Injection { to, pdu: Some(pdu), ..Injection::default() };
            inject(world, now, &injection).map(|ids| json!(ids))
        }
        Request::Lay { to, memory, index, pdu } => lay(world, now, &to, (&memory, index), &pdu).map(|id| json!(id)),
        Request::Fault { modem, what } => {
            world.start_fault(now, modem, what).then_some(Value::Null).ok_or_else(|| no_modem(world))
        }
        Request::Conditions { set } => {
            world.network.conditions = set;
            Ok(Value::Null)
        }
        Request::Ussd { modem, text, answer_wanted } => {
            world.send_ussd(now, modem, &text, answer_wanted).then_some(Value::Null).ok_or_else(|| no_modem(world))
        }
        Request::Ledger { since } => {
            let since = usize::try_from(since).unwrap_or(usize::MAX);
            Ok(json!(world.network.ledger().get(since..).unwrap_or_default() as &[Entry]))
        }
        Request::Stats => Ok(json!(stats(world, now))),
        Request::WaitIdle { .. } => Ok(Value::Bool(world.is_idle())),
    }
}

fn stats(world: &World, now: Duration) -> Stats {
    let modems = world.modems().iter().enumerate().map(|(index, modem)| ModemStats {
        number: modem.number.clone(),
        imei: modem.imei().to_owned(),
        model: modem.personality.name.to_owned(),
        link: modem.link().map(str::to_owned),
        registered: modem.registered(),
        stored: modem.stored(),
        commands: modem.commands.clone(),
        resets: modem.resets(),
        pin_attempts: modem.pin_attempts(),
        octets_to_modem: world.octets(index).to_modem,
        octets_to_terminal: world.octets(index).to_terminal,
    });
    Stats {
        us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
        waiting: world.network.waiting(),
        entries: world.network.ledger().len() as u64,
        modems: modems.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_requests_name_the_field() {
        let table = [
            ("nonsense", "no JSON object"),
            (r#"{"do":"dance"}"#, "unknown variant `dance`"),
            (r#"{"text":"x"}"#, "missing field `do`"),
            (r#"{"do":"inject","from":"x"}"#, "missing field `to`"),
            (r#"{"do":"inject","to":5}"#, "field `to`"),
            (r#"{"do":"inject","to":"+49","colour":1}"#, "unknown field `colour`"),
            (r#"{"do":"inject","to":"+49","order":"upwards"}"#, "field `order`"),
            (r#"{"do":"fault","modem":"first","what":{"fault":"unplug"}}"#, "field `modem`"),
            (r#"{"do":"fault","modem":0,"what":{"fault":"hiccup"}}"#, "field `what`"),
            (r#"{"do":"conditions","set":{"report_loss":1000}}"#, "field `set`"),
        ];
        for (line, part) in table {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        let table = [
            Request::Inject(Injection { to: "+491".to_owned(), text: "x".to_owned(), ..Injection::default() }),
            Request::Lay { to: "+491".to_owned(), memory: "SM".to_owned(), index: 3, pdu: "00".to_owned() },
            Request::Fault { modem: 3, what: Fault::Unplug },
            Request::Conditions { set: Conditions::default() },
            Request::Ussd { modem: 0, text: "x".to_owned(), answer_wanted: true },
            Request::Ledger { since: 4 },
            Request::Stats,
            Request::WaitIdle { seconds: 0.5 },
        ];
        for request in table {
            let line = serde_json::to_string(&request).unwrap();
            assert_eq!(parse(&line).as_ref(), Ok(&request), "{line}");
        }
    }
}
