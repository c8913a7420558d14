//! The rungs of the recovery ladder: what can be done about a modem that has stopped working, mildest first.

use std::fmt;

/// A way to bring a modem back. The order is the order in which they are tried.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Rung {
    /// Close the port, open it again, bring the modem up.
    Reopen,
    /// `AT+CFUN=1,1` (TS 27.007 8.2): the modem restarts.
    Reset,
    /// Take the USB device off the bus and let it on again (`authorized` in sysfs).
    Reauthorise,
}

impl Rung {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Reopen, Self::Reset, Self::Reauthorise];

    /// The word used on the wire and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reopen => "reopen",
            Self::Reset => "reset",
            Self::Reauthorise => "usb",
        }
    }

    /// The rung with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == word)
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reopen => "opening the port again",
            Self::Reset => "AT+CFUN=1,1",
            Self::Reauthorise => "a USB reset",
        })
    }
}
