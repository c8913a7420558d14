//! QEMU's own control socket (QMP): devices that come and go, the power button, the end.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::{Value as Json, json};

pub struct Qmp(BufReader<UnixStream>);

impl Qmp {
    pub fn connect(socket: &Path) -> Self {
        let mut stream = None;
        super::rig::until("QEMU answers", || {
            stream = UnixStream::connect(socket).ok();
            stream.is_some()
        });
        let mut qmp = Self(BufReader::new(stream.unwrap()));
        assert!(qmp.line().get("QMP").is_some(), "QEMU greets first");
        qmp.execute("qmp_capabilities", json!({}));
        qmp
    }

    /// What QEMU returns, which must not be an error.
    #[track_caller]
    pub fn execute(&mut self, command: &str, arguments: Json) -> Json {
        let request = json!({ "execute": command, "arguments": arguments });
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        loop {
            let mut line = self.line();
            assert!(line.get("error").is_none(), "{request}: {line}");
            // What else comes are events.
            if line.get("return").is_some() {
                return line["return"].take();
            }
        }
    }

    /// Until QEMU tells of an event.
    pub fn until(&mut self, event: &str) -> Json {
        loop {
            let line = self.line();
            if line["event"] == event {
                return line;
            }
        }
    }

    fn line(&mut self) -> Json {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}
