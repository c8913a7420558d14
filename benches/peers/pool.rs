//! The emulated modems: `smsgate emulate` as a process of its own, so that its processor time is nobody's. Brings texts,
//! and knows from its ledger what was sent.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    ops::Range,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use smsgate::{
    emulator::{Entry, Happening, Injection, Request, Stats},
    tpdu::{Address, Deliver, Incoming, Reference, ServiceCentreTimestamp, encode_incoming, segment},
};

use super::{program::Program, tally::text};

/// Models that every gateway can drive: gammu-smsd gives up on the other two families and on a quoted IMEI.
const MODELS: &str = "quectel-m35,sim7600e,quectel-ec25";
/// What makes a line and a network as slow as they are.
const REAL: [&str; 4] = ["--baud", "115200", "--submit-time", "2.5"];
/// Requests under way at once: their answers fit into the socket.
const PIPELINE: usize = 50;

pub struct Pool {
    folder: PathBuf,
    modems: usize,
    control: BufReader<UnixStream>,
    /// Messages brought so far: each has a sender and a second of its own.
    brought: u32,
    /// Entries of the ledger that have been read.
    read: u64,
    epoch: Timestamp,
    _emulator: Program,
}

impl Pool {
    /// Starts the modems, in a folder of their own.
    ///
    /// # Errors
    /// What the emulator says.
    pub fn start(folder: &Path, modems: usize, line: &str) -> Result<Self, String> {
        let (dev, socket) = (folder.join("dev"), folder.join("control"));
        let count = modems.to_string();
        let (dev, control) = (dev.display().to_string(), socket.display().to_string());
        let mut arguments =
            vec!["emulate", "--modems", &count, "--dir", &dev, "--control", &control, "--personality", MODELS];
        if line == "real" {
            arguments.extend(REAL);
        }
        let mut emulator = Program::start(&binary(), &arguments, &folder.join("emulator.log"))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        let control = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => return Err(format!("no emulator: {error}")),
                Err(_) => {}
            }
            if let Some(words) = emulator.ended() {
                return Err(words);
            }
            thread::sleep(Duration::from_millis(5));
        };
        let epoch = Timestamp::now() - jiff::SignedDuration::from_hours(1);
        let control = BufReader::new(control);
        Ok(Self { folder: folder.to_owned(), modems, control, brought: 0, read: 0, epoch, _emulator: emulator })
    }

    pub fn modems(&self) -> usize {
        self.modems
    }

    /// The port of a modem.
    pub fn port(&self, modem: usize) -> String {
        self.folder.join(format!("dev/modem-{modem:02}")).display().to_string()
    }

    /// Texts of these serials from outside, to one modem after the other.
    ///
    /// # Errors
    /// What the emulator says.
    pub fn bring(&mut self, kind: &str, serials: Range<usize>) -> Result<(), String> {
        let serials: Vec<usize> = serials.collect();
        for some in serials.chunks(PIPELINE) {
            let mut lines = String::new();
            for serial in some {
                let to = number(serial % self.modems);
                let pdu = self.pdu(&text(kind, *serial))?;
                let request = Request::Inject(Injection { to, pdu: Some(pdu), ..Injection::default() });
                lines.push_str(&serde_json::to_string(&request).map_err(|error| error.to_string())?);
                lines.push('\n');
            }
            self.control.get_mut().write_all(lines.as_bytes()).map_err(|error| error.to_string())?;
            for _ in some {
                self.answer::<Json>()?;
            }
        }
        Ok(())
    }

    /// Texts that the service centre took since the last call.
    ///
    /// # Errors
    /// What the emulator says.
    pub fn submitted(&mut self) -> Result<Vec<String>, String> {
        let entries: Vec<Entry> = self.ask(&Request::Ledger { since: self.read })?;
        self.read += entries.len() as u64;
        let mut texts = Vec::new();
        for entry in entries {
            if let Happening::Submitted { text, .. } = entry.what {
                texts.push(text);
            }
        }
        Ok(texts)
    }

    /// Messages that no gateway has taken yet: in the network, or in a modem.
    ///
    /// # Errors
    /// What the emulator says.
    pub fn left(&mut self) -> Result<usize, String> {
        let stats: Stats = self.ask(&Request::Stats)?;
        Ok(stats.waiting + stats.modems.iter().map(|modem| modem.stored).sum::<usize>())
    }

    fn pdu(&mut self, text: &str) -> Result<String, String> {
        let serial = self.brought;
        self.brought += 1;
        let sender = format!("+49151{serial:08}");
        let part = segment(text, Reference::Narrow(0), None).map_err(|error| error.to_string())?.into_iter().next();
        let part = part.ok_or("an empty text")?;
        let sent = self.epoch + jiff::SignedDuration::from_secs(i64::from(serial));
        let deliver = Deliver {
            more_messages: false,
            loop_prevention: false,
            reply_path: false,
            status_report: false,
            originating_address: Address::number(&sender).map_err(|error| error.to_string())?,
            protocol_identifier: 0,
            data_coding: part.data_coding,
            service_centre_timestamp: ServiceCentreTimestamp::from_timestamp(sent, 0),
            user_data: part.user_data,
        };
        let pdu = encode_incoming(None, &Incoming::Deliver(deliver)).map_err(|error| error.to_string())?;
        Ok(pdu.hex)
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, String> {
        let line = serde_json::to_string(request).map_err(|error| error.to_string())?;
        self.control.get_mut().write_all(format!("{line}\n").as_bytes()).map_err(|error| error.to_string())?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        self.control.read_line(&mut line).map_err(|error| error.to_string())?;
        let mut answer: Json = serde_json::from_str(&line).map_err(|error| format!("the emulator: {error}"))?;
        match answer.get("error") {
            Some(error) => Err(format!("the emulator: {error}")),
            None => serde_json::from_value(answer["ok"].take()).map_err(|error| format!("the emulator: {error}")),
        }
    }
}

/// The number of a modem's SIM.
pub fn number(modem: usize) -> String {
    format!("+491700000{modem:03}")
}

/// How the modems are emulated, for the report.
pub fn description(line: &str) -> String {
    let options = if line == "real" { REAL.join(" ") } else { "no delay anywhere".to_owned() };
    format!("{options}; models {MODELS}")
}

/// The binary that was built with this program, or the one that `SMSGATE_BINARY` names.
pub fn binary() -> PathBuf {
    env::var_os("SMSGATE_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_smsgate")), PathBuf::from)
}
