//! The emulator's control socket: what comes from outside, what goes wrong, and what the network knows.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Mutex,
};

use serde_json::{Value as Json, json};

pub struct Network(Mutex<BufReader<UnixStream>>);

impl Network {
    pub fn connect(path: &Path) -> Self {
        let mut stream = None;
        super::until("the emulator answers", || {
            stream = UnixStream::connect(path).ok();
            stream.is_some()
        });
        Self(Mutex::new(BufReader::new(stream.unwrap())))
    }

    /// Asks the emulator; what it says must not be an error.
    #[track_caller]
    pub fn ask(&self, request: &Json) -> Json {
        let mut stream = self.0.lock().unwrap();
        stream.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let mut answer: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(answer.get("error").is_none(), "{request}: {answer}");
        answer["ok"].take()
    }

    /// A text from outside.
    pub fn inject(&self, to: &str, from: &str, text: &str) -> Json {
        self.ask(&json!({ "do": "inject", "to": to, "from": from, "text": text }))
    }

    pub fn fault(&self, modem: usize, what: Json) {
        self.ask(&json!({ "do": "fault", "modem": modem, "what": what }));
    }

    pub fn ledger(&self) -> Vec<Json> {
        serde_json::from_value(self.ask(&json!({ "do": "ledger" }))).unwrap()
    }

    /// Entries of one kind.
    pub fn events(&self, kind: &str) -> Vec<Json> {
        self.ledger().into_iter().filter(|entry| entry["event"] == kind).collect()
    }

    /// Messages sent to a number, by text.
    pub fn submitted_to(&self, to: &str) -> Vec<Json> {
        self.events("submitted").into_iter().filter(|entry| entry["to"] == to).collect()
    }
}
