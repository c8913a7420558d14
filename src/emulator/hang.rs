//! A modem that hangs until something in particular is done about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::modem::Modem;

/// What brings a hanging modem back. Each cures what a milder one does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cure {
    /// The terminal closes the port; the modem goes on where it was.
    Close,
    /// The terminal closes the port, over which the modem starts anew.
    Reopen,
    /// `AT+CFUN=1,1`, which it obeys without an answer.
    Restart,
    /// It leaves the bus and comes back.
    Replug,
    /// Nothing but the `reboot` of the control socket.
    Never,
}

impl Modem {
    /// The terminal has closed the port.
    pub fn closed(&mut self, now: Duration) {
        self.cured(now, Cure::Reopen);
    }

    /// Hears nothing but what may cure it. Whether it hangs.
    pub(super) fn hangs(&mut self, now: Duration, bytes: &[u8]) -> bool {
        if self.faults.hung.is_none() {
            return false;
        }
        self.faults.heard.extend(bytes);
        while let Some(end) = self.faults.heard.iter().position(|byte| *byte == b'\r') {
            let line: Vec<u8> = self.faults.heard.drain(..=end).collect();
            if String::from_utf8_lossy(&line).trim().ends_with("AT+CFUN=1,1") {
                self.resets += 1;
                self.cured(now, Cure::Restart);
            }
        }
        true
    }

    /// Something was done; starts anew if it was enough.
    pub(super) fn cured(&mut self, now: Duration, by: Cure) {
        let Some(needed) = self.faults.hung.filter(|needed| by >= *needed) else { return };
        self.faults.hung = None;
        self.faults.heard.clear();
        if needed > Cure::Close || by > Cure::Reopen {
            self.boot(now);
        }
    }
}
