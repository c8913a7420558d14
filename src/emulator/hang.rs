//! A modem whose firmware hangs: it answers nothing until the right thing is done to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::modem::Modem;

/// The mildest thing that brings a hung modem back. The order is that of the rungs of a recovery ladder; whatever is
/// stronger brings it back too.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cure {
    /// Its port is opened anew.
    Reopen,
    /// `AT+CFUN=1,1`, which it still reads.
    Reset,
    /// It leaves the bus and comes back.
    Replug,
    /// Only somebody who takes its power away ([`Fault::Reboot`](super::Fault::Reboot)).
    Power,
}

/// What resets a modem that hangs.
const RESET: &[u8] = b"AT+CFUN=1,1\r";

impl Modem {
    /// Something was done to the modem: does it still hang?
    pub(super) fn cure(&mut self, by: Cure) {
        if self.faults.hung.is_some_and(|cure| cure <= by) {
            self.faults.hung = None;
        }
    }

    /// Its port was opened.
    pub(super) fn opened(&mut self) {
        self.cure(Cure::Reopen);
    }

    /// A modem that hangs reads one command at most.
    pub(super) fn read_hung(&mut self, now: Duration, bytes: &[u8]) {
        if self.faults.hung == Some(Cure::Reset) && bytes.windows(RESET.len()).any(|window| window == RESET) {
            self.cure(Cure::Reset);
            self.boot(now);
        }
    }
}
