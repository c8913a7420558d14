//! Control socket: one JSON object a line, one answer a line. `{"do": ...}` as [`Request`] says.

use std::{fs, io, os::unix::fs::FileTypeExt, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use super::{faults::Fault, network::Conditions, serve::Shared, world::World};
use crate::tpdu::{Address, Deliver, EncodedPdu, Incoming, MessageClass, Reference, encode_incoming, segment};

/// What can be asked.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Sends a text to a modem's number; answers the ids of its segments.
    Inject {
        /// Number of a modem.
        to: String,
        /// Number, or name.
        from: String,
        /// The text.
        text: String,
        /// Segments come last first.
        #[serde(default)]
        reversed: bool,
        /// Shown at once (class 0).
        #[serde(default)]
        flash: bool,
    },
    /// Sends a PDU to a modem's number as it stands, be it well-formed or not; answers its id.
    InjectPdu {
        /// Number of a modem.
        to: String,
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
    /// Reads the ledger.
    Ledger {
        /// Only entries after this number.
        #[serde(default)]
        since: usize,
    },
    /// Lists modems and what waits.
    Stats,
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
                    conversations.spawn(answer(shared.clone(), accepted?.0));
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

async fn answer(shared: Shared, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await? {
        let result = serde_json::from_str(&line).map_err(|error| error.to_string());
        let result = result.and_then(|request| shared.with(|world, now| perform(world, now, request)));
        let reply = result.map_or_else(|error| json!({ "error": error }), |value| json!({ "ok": value }));
        write.write_all(format!("{reply}\n").as_bytes()).await?;
    }
    Ok(())
}

fn perform(world: &mut World, now: Duration, request: Request) -> Result<Value, String> {
    match request {
        Request::Inject { to, from, text, reversed, flash } => {
            let class = flash.then_some(MessageClass::Zero);
            inject(world, now, &to, &from, &text, reversed, class)
        }
        Request::InjectPdu { to, pdu } => {
            known(world, &to)?;
            let service_centre = pdu.get(..2).and_then(|octets| usize::from_str_radix(octets, 16).ok());
            let tpdu_octets = (pdu.len() / 2).saturating_sub(service_centre.unwrap_or_default() + 1);
            Ok(json!(world.network.enqueue(now, &to, EncodedPdu { hex: pdu, tpdu_octets }, None, false)))
        }
        Request::Fault { modem, what } => {
            if world.start_fault(now, modem, what) {
                Ok(Value::Null)
            } else {
                Err(format!("no modem {modem}"))
            }
        }
        Request::Conditions { set } => {
            world.network.conditions = set;
            Ok(Value::Null)
        }
        Request::Ledger { since } => Ok(json!(world.network.ledger().get(since..).unwrap_or_default())),
        Request::Stats => {
            let modems: Vec<Value> = world
                .modems()
                .iter()
                .map(|modem| json!({ "number": modem.number, "imei": modem.imei(), "model": modem.personality.name }))
                .collect();
            Ok(json!({ "modems": modems, "waiting": world.network.waiting() }))
        }
    }
}

fn known(world: &World, number: &str) -> Result<(), String> {
    let found = world.modems().iter().any(|modem| modem.number == number);
    found.then_some(()).ok_or_else(|| format!("no modem has the number {number}"))
}

fn inject(
    world: &mut World,
    now: Duration,
    to: &str,
    from: &str,
    text: &str,
    reversed: bool,
    class: Option<MessageClass>,
) -> Result<Value, String> {
    known(world, to)?;
    let sender = Address::number(from).or_else(|_| Address::alphanumeric(from)).map_err(|error| error.to_string())?;
    let reference = Reference::Narrow((world.network.ledger().len() % 256) as u8);
    let mut segments = segment(text, reference, class).map_err(|error| error.to_string())?;
    if reversed {
        segments.reverse();
    }
    let mut ids = Vec::new();
    for part in segments {
        let text = part.user_data.text(part.data_coding);
        let deliver = Deliver {
            more_messages: false,
            loop_prevention: false,
            reply_path: false,
            status_report: false,
            originating_address: sender.clone(),
            protocol_identifier: 0,
            data_coding: part.data_coding,
            service_centre_timestamp: world.network.stamp(now),
            user_data: part.user_data,
        };
        let pdu = encode_incoming(None, &Incoming::Deliver(deliver)).map_err(|error| error.to_string())?;
        ids.push(world.network.enqueue(now, to, pdu, Some(text), false));
    }
    Ok(json!(ids))
}
