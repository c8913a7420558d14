//! What happens in the demo: the texts that come in and go out.

use std::fmt::Write as _;

/// One message that the outside world sends to a modem of the demo.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scene {
    /// Originating address: a number, a short code or a name.
    pub(crate) from: &'static str,
    /// The text.
    pub(crate) text: String,
    /// Class 0.
    pub(crate) flash: bool,
    /// Deliver the parts in another order than written.
    pub(crate) shuffled: bool,
}

/// A text of three segments in the GSM alphabet.
const LONG_TEXT: &str = "Maintenance window tonight from 22:00 to 02:00. The core switches in rooms A and B are replaced one \
     after the other; each rack loses its first uplink for about four minutes. Monitoring will report the uplinks as down, \
     please do not open tickets for them. If both uplinks of a rack are down at the same time, or anything else looks \
     odd, call the number on the door of room A. The work is done when the message 'uplinks restored' has come in.";

/// The `number`-th scene (from 0); they repeat with other codes. Every fifth is a message of several parts.
pub(crate) fn scene(number: usize) -> Scene {
    let plain = |from, text: String| Scene { from, text, flash: false, shuffled: false };
    match number % 5 {
        0 => plain("Bank", format!("Your one-time code is {:06}. It is valid for 5 minutes.", one_time_code(number))),
        1 => Scene { shuffled: true, ..plain("+491709990002", numbered(LONG_TEXT, number)) },
        2 => plain("+491709990003", format!("Alles gut, ich bin um {} Uhr da 👍🎉 Grüße", 8 + number % 12)),
        3 => {
            Scene { flash: true, ..plain("+491709990004", format!("ALARM {number}: temperature in rack 7 is 41 °C")) }
        }
        _ => plain(
            "+491709990005",
            format!("Ticket {}: disk replaced, array {{md0}} is clean [{number}]", 4000 + number),
        ),
    }
}

/// What a pool member sends out.
pub(crate) fn outgoing_text(number: usize) -> String {
    match number % 3 {
        0 => format!("Host web{number:02} is DOWN since 12:{:02}", number % 60),
        1 => format!("Störung behoben, Auftrag {number} ✅"),
        _ => numbered(LONG_TEXT, number),
    }
}

fn numbered(text: &str, number: usize) -> String {
    let mut text = text.to_owned();
    // Writing to a String cannot fail.
    let _ = write!(text, " ({number})");
    text
}

/// Six digits that look like a code; the demo needs no secret.
const fn one_time_code(number: usize) -> usize {
    (number * 7919 + 123_457) % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tpdu::{Reference, segment};

    #[test]
    fn a_round_of_twenty_has_four_messages_of_several_parts() {
        let several = (0..20)
            .filter(|number| {
                segment(&scene(*number).text, Reference::Narrow(1), None).is_ok_and(|parts| parts.len() > 1)
            })
            .count();
        assert_eq!(several, 4);
    }

    #[test]
    fn the_long_text_has_three_parts() {
        let parts = segment(&scene(1).text, Reference::Narrow(1), None).map(|parts| parts.len());
        assert_eq!(parts.ok(), Some(3));
    }
}
