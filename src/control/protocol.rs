//! What is said over the control socket: one JSON object a line, requests one way, answers the other.
//!
//! ```text
//! {"do":"sim_list"}                                      {"is":"sims","cards":[{"slot":"00","known":"...000001",...}]}
//! {"do":"sim_accept","slot":"00"}                        {"is":"accepted","card":"...000002"}
//! {"do":"modems"}                                        {"is":"modems","modems":[{"slot":"00","imei":"...",...}]}
//! {"do":"trace","slot":"00","seconds":60,"restart":true} {"is":"line","text":"> AT\\r"} ... {"is":"end","reason":"..."}
//! ```
//!
//! What cannot be done is answered by `{"is":"error","text":"..."}`, and the connection goes on.

use serde::{Deserialize, Serialize};

/// Longest request, in octets.
pub const LONGEST_REQUEST: usize = 1024;
/// Longest recording, in seconds.
pub const LONGEST_TRACE: u64 = 3600;

/// What can be asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Which SIM card is in which slot, and which is known there.
    SimList,
    /// The card in a slot is the right one.
    SimAccept {
        /// The slot.
        slot: String,
    },
    /// What is known of every slot's modem.
    Modems,
    /// Record what goes over a slot's line, redacted.
    Trace {
        /// The slot.
        slot: String,
        /// How long.
        seconds: u64,
        /// Bring the modem up anew first.
        #[serde(default)]
        restart: bool,
    },
}

/// What is answered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::SimList`].
    Sims {
        /// One a slot.
        cards: Vec<Card>,
    },
    /// To [`Request::Modems`].
    Modems {
        /// One a slot.
        modems: Vec<Modem>,
    },
    /// To [`Request::SimAccept`].
    Accepted {
        /// The end of its ICCID.
        card: String,
    },
    /// A line of a trace.
    Line {
        /// The line.
        text: String,
    },
    /// The end of a trace.
    End {
        /// Why it ended.
        reason: String,
    },
    /// It cannot be done.
    Error {
        /// Why, and the remedy.
        text: String,
    },
}

/// The modem of a slot. Texts are empty where nothing is known yet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Modem {
    /// The slot.
    pub slot: String,
    /// Switched on in the configuration.
    pub enabled: bool,
    /// May be given an SMS to send.
    pub ready: bool,
    /// In one sentence.
    pub status: String,
    /// Device path.
    pub port: String,
    /// Manufacturer and model.
    pub model: String,
    /// IMEI.
    pub imei: String,
    /// IMSI.
    pub imsi: String,
    /// Serial number of the card.
    pub iccid: String,
    /// Registered network.
    pub network: String,
    /// Raw CSQ value, 99 = unknown.
    pub signal: u8,
}

/// The SIM card of a slot. Cards are named by the end of their ICCID.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Card {
    /// The slot.
    pub slot: String,
    /// The card the operator knows; none before the first was seen.
    pub known: Option<String>,
    /// The card that is in the slot; none if no modem is up, or it does not tell.
    pub present: Option<String>,
    /// They differ.
    pub swapped: bool,
}

/// Reads a request.
///
/// # Errors
/// What is wrong with it, for whoever sent it.
pub fn parse(line: &str) -> Result<Request, String> {
    let request: Request =
        serde_json::from_str(line).map_err(|error| format!("the request cannot be read: {error}"))?;
    if let Request::Trace { seconds, .. } = request
        && !(1..=LONGEST_TRACE).contains(&seconds)
    {
        return Err(format!("a trace takes 1 to {LONGEST_TRACE} seconds, not {seconds}"));
    }
    Ok(request)
}

/// Whether a user may ask: root, and whom the daemon runs as.
#[must_use]
pub const fn may_ask(peer: u32, own: u32) -> bool {
    peer == 0 || peer == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for request in [
            Request::SimList,
            Request::Modems,
            Request::SimAccept { slot: "00".to_owned() },
            Request::Trace { slot: "a b".to_owned(), seconds: 60, restart: true },
        ] {
            assert_eq!(parse(&serde_json::to_string(&request).unwrap()), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, part) in [
            ("", "cannot be read"),
            ("{\"do\":\"dance\"}", "unknown variant `dance`"),
            ("{\"do\":\"sim_accept\"}", "missing field `slot`"),
            ("{\"do\":\"sim_accept\",\"slot\":\"00\",\"force\":1}", "unknown field `force`"),
            ("{\"do\":\"trace\",\"slot\":\"00\",\"seconds\":0}", "1 to 3600 seconds, not 0"),
            ("{\"do\":\"trace\",\"slot\":\"00\",\"seconds\":3601}", "not 3601"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn only_root_and_the_daemons_own_user_may_ask() {
        for (peer, own, may) in [(0, 990, true), (990, 990, true), (1000, 990, false), (1000, 0, false), (0, 0, true)] {
            assert_eq!(may_ask(peer, own), may, "{peer} of {own}");
        }
    }
}
