//! Faults on demand, and the dice they are thrown with. Most only set what the modem's own code then goes by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{conditions::seconds, hang::Cure, modem::Modem};

/// A fault to start now.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Answers nothing for that long; for ever without a number.
    Silence {
        /// Seconds.
        seconds: Option<f64>,
    },
    /// Hangs until that is done.
    Hang {
        /// What.
        until: Cure,
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
    /// So many of 100 notices of new messages are lost, by chance.
    LoseNotices {
        /// Of 100; 0 ends it.
        percent: u8,
    },
    /// The network delivers the next message twice.
    Duplicate,
    /// What waits for its moment (the next send, answer, notice or message) does not come any more.
    Disarm,
    /// Only that many slots of a memory are left.
    LimitMemory {
        /// Slots in all; none: the model's own number.
        slots: Option<usize>,
    },
    /// That many places of the SIM hold drafts, which nobody delivered and nobody but their writer may delete.
    Drafts {
        /// How many.
        count: usize,
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
        /// Tries left; none: as many as there were.
        tries: Option<u8>,
    },
    /// The SIM asks for its PUK, also after every restart.
    PukRequired,
    /// Somebody has entered the PUK elsewhere.
    PukEntered,
    /// The SIM is taken out, or put back.
    SimAbsent {
        /// Out or back.
        absent: bool,
    },
    /// Another card is put in, and the modem starts anew.
    SimCard {
        /// The end of its ICCID and IMSI.
        serial: u64,
    },
    /// The balance is set.
    Balance {
        /// In cents.
        cents: i64,
    },
    /// The network answers USSD that late from now on; never without a number.
    UssdDelay {
        /// Seconds.
        seconds: Option<f64>,
    },
    /// The modem prints this line for the network's next USSD answer, whatever that would be.
    UssdLine {
        /// As `+CUSD: 0,"text",15`.
        line: String,
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
    pub(super) hung: Option<Cure>,
    /// What a hanging modem was told and not yet looked at.
    pub(super) heard: Vec<u8>,
    pub(super) late: Option<Duration>,
    pub(super) interleave: bool,
    pub(super) drop_notices: u32,
    /// Of 100, and the dice it is thrown with.
    pub(super) lose_notices: (u8, Dice),
    pub(super) duplicate: bool,
    pub(super) slots: Option<usize>,
    pub(super) drafts: usize,
    pub(super) ussd_delay: Duration,
    pub(super) ussd_line: Option<String>,
}

impl Pending {
    /// Whether the next notice of a new message is lost.
    pub(super) fn loses_notice(&mut self) -> bool {
        if self.drop_notices > 0 {
            self.drop_notices -= 1;
            return true;
        }
        let (percent, dice) = &mut self.lose_notices;
        dice.below(100) < u64::from(*percent)
    }

    fn disarm(&mut self) {
        self.cms = None;
        self.no_prompt = 0;
        self.hang = None;
        self.late = None;
        self.drop_notices = 0;
        self.duplicate = false;
        self.ussd_line = None;
    }
}

impl Modem {
    /// Starts a fault.
    pub fn start_fault(&mut self, now: Duration, fault: Fault) {
        match fault {
            Fault::Silence { seconds: length } => {
                self.faults.silent_until = Some(length.map_or(Duration::MAX, |length| now + seconds(length)));
            }
            Fault::Hang { until } => self.faults.hung = Some(until),
            Fault::Garbage { count } => {
                let mut dice = Dice::new(self.serial ^ u64::try_from(now.as_micros()).unwrap_or_default());
                let bytes = (0..count).map(|_| dice.below(256) as u8).collect();
                self.emit(now, bytes, None);
            }
            Fault::ByteByByte { on } => self.faults.byte_by_byte = on,
            Fault::CmsError { code, count } => self.faults.cms = Some((code, count)),
            Fault::NoPrompt { count } => self.faults.no_prompt = count,
            Fault::HangAfterPayload { submitted } => self.faults.hang = Some(submitted),
            Fault::Late { seconds: length } => self.faults.late = Some(seconds(length)),
            Fault::Interleave { on } => self.faults.interleave = on,
            Fault::DropNotices { count } => self.faults.drop_notices = count,
            Fault::LoseNotices { percent } => self.faults.lose_notices = (percent, Dice::new(self.serial)),
            Fault::Duplicate => self.faults.duplicate = true,
            Fault::Disarm => self.faults.disarm(),
            Fault::LimitMemory { slots } => self.faults.slots = slots,
            Fault::Drafts { count } => self.faults.drafts = count,
            Fault::Unplug => self.unplug(),
            Fault::Replug { link } => {
                self.unplug();
                self.link = link.unwrap_or_else(|| std::mem::take(&mut self.link));
                self.plugged = true;
                self.plugs += 1;
                self.boot(now);
                self.cured(now, Cure::Replug);
            }
            Fault::Reboot => {
                self.faults.hung = None;
                self.boot(now);
            }
            Fault::Registration { state } => {
                self.registration = state;
                if self.settings.creg > 0 {
                    self.notice(now, &format!("+CREG: {state}"), None);
                }
            }
            Fault::Signal { value } => self.signal = value,
            Fault::PinRequired { pin, tries } => {
                self.sim.pin = Some(pin);
                self.sim.unlocked = false;
                self.sim.tries = tries.unwrap_or(self.sim.tries);
            }
            Fault::PukRequired => {
                self.sim.unlocked = false;
                self.sim.tries = 0;
            }
            Fault::PukEntered => {
                self.sim.tries = 3;
                self.sim.unlocked = self.sim.pin.is_none();
            }
            Fault::SimAbsent { absent } => {
                self.sim.present = !absent;
                self.sim.unlocked = self.sim.pin.is_none();
            }
            Fault::SimCard { serial } => {
                self.sim.serial = serial;
                self.boot(now);
            }
            Fault::Balance { cents } => self.sim.balance = cents,
            Fault::UssdDelay { seconds: delay } => {
                self.faults.ussd_delay = delay.map_or(Duration::MAX, seconds);
            }
            Fault::UssdLine { line } => self.faults.ussd_line = Some(line),
        }
    }
}

/// SplitMix64: the same seed throws the same numbers.
#[derive(Clone, Debug, Default)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_numbers() {
        let throw = |seed| {
            let mut dice = Dice::new(seed);
            [dice.below(1000), dice.below(1000), dice.below(1000)]
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7), throw(8));
        assert_eq!(Dice::new(7).below(0), 0);
    }

    #[test]
    fn faults_are_read_as_documented() {
        let table = [
            (r#"{"fault":"silence","seconds":null}"#, Fault::Silence { seconds: None }),
            (r#"{"fault":"hang","until":"restart"}"#, Fault::Hang { until: Cure::Restart }),
            (r#"{"fault":"lose_notices","percent":30}"#, Fault::LoseNotices { percent: 30 }),
            (r#"{"fault":"unplug"}"#, Fault::Unplug),
            (r#"{"fault":"ussd_delay","seconds":30}"#, Fault::UssdDelay { seconds: Some(30.0) }),
            (r#"{"fault":"replug","link":"modem-77"}"#, Fault::Replug { link: Some("modem-77".to_owned()) }),
            (r#"{"fault":"cms_error","code":38,"count":2}"#, Fault::CmsError { code: 38, count: 2 }),
            (r#"{"fault":"pin_required","pin":"1234"}"#, Fault::PinRequired { pin: "1234".to_owned(), tries: None }),
        ];
        for (text, fault) in table {
            assert_eq!(serde_json::from_str::<Fault>(text).unwrap(), fault, "{text}");
        }
        assert!(serde_json::from_str::<Fault>(r#"{"fault":"silence","second":1}"#).is_err());
    }
}
