//! Faults on demand, and the dice they are thrown with. Says what goes wrong; the modem makes it go wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A fault to start now.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Answers nothing for that long; for ever without a number.
    Silence {
        /// Seconds.
        seconds: Option<f64>,
    },
    /// Prints bytes without sense.
    Garbage {
        /// How many.
        count: usize,
    },
    /// Hands out one byte at a time.
    ByteByByte {
        /// On or off.
        on: bool,
    },
    /// The next sends fail with `+CMS ERROR`.
    CmsError {
        /// Code of TS 27.005 3.2.5.
        code: u16,
        /// How many sends.
        count: u32,
    },
    /// The prompt of the next sends never comes.
    NoPrompt {
        /// How many sends.
        count: u32,
    },
    /// The next send gets no answer.
    HangAfterPayload {
        /// Whether the network has the message all the same.
        submitted: bool,
    },
    /// The next answer is that late.
    Late {
        /// Seconds.
        seconds: f64,
    },
    /// Unsolicited lines come inside listings.
    Interleave {
        /// On or off.
        on: bool,
    },
    /// The next notices of new messages are lost.
    DropNotices {
        /// How many.
        count: u32,
    },
    /// The network delivers the next message twice.
    Duplicate,
    /// Only that many slots of a memory are left.
    LimitMemory {
        /// Slots in all; none: the model's own number.
        slots: Option<usize>,
    },
    /// The modem leaves the bus.
    Unplug,
    /// It comes back, under another link name if one is given.
    Replug {
        /// File name of the link.
        link: Option<String>,
    },
    /// It starts anew and forgets its settings.
    Reboot,
    /// Registration as `+CREG` numbers it: 0 none, 1 home, 2 searching, 3 denied, 5 roaming.
    Registration {
        /// The number.
        state: u8,
    },
    /// Signal as `+CSQ` numbers it.
    Signal {
        /// 0 to 31, or 99.
        value: u8,
    },
    /// The SIM asks for this PIN.
    PinRequired {
        /// The PIN.
        pin: String,
    },
    /// The balance is set.
    Balance {
        /// In cents.
        cents: i64,
    },
}

/// Faults that wait for their moment.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) silent_until: Option<Duration>,
    pub(super) byte_by_byte: bool,
    pub(super) cms: Option<(u16, u32)>,
    pub(super) no_prompt: u32,
    pub(super) hang: Option<bool>,
    pub(super) late: Option<Duration>,
    pub(super) interleave: bool,
    pub(super) drop_notices: u32,
    pub(super) duplicate: bool,
    pub(super) slots: Option<usize>,
}

/// SplitMix64: the same seed throws the same numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll().checked_rem(bound).unwrap_or(0)
    }
}
