//! Whether the card in a slot is the one the operator knows there, and in which words the difference is told.
//!
//! Cards are told apart by ICCID (ITU-T E.118). A modem that cannot tell it gives no notice: the IMSI would change also
//! where a provider re-programs a card, and is not printed on it.

use crate::{model::SlotId, store::CardSeen};

/// Digits by which a card is shown.
const SHOWN: usize = 6;

/// What the health of the modem says of the card `present`; `None` if it is the known one.
#[must_use]
pub fn swap_notice(slot: &SlotId, present: &str, seen: &CardSeen) -> Option<String> {
    if seen.known == present {
        return None;
    }
    let (present, known) = (short(present), short(&seen.known));
    let what = match &seen.home {
        Some(home) => format!("the card of slot {home}"),
        None => "another card".to_owned(),
    };
    Some(format!(
        "SIM: {what} is in the slot (ICCID {present}, known is {known}), confirm with `smsgate sim accept {slot}`"
    ))
}

/// The end of an ICCID: enough to find the card, too little to be of use elsewhere.
#[must_use]
pub fn short(iccid: &str) -> String {
    let hidden = iccid.chars().count().saturating_sub(SHOWN);
    format!("...{}", iccid.chars().skip(hidden).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_told_in_words() {
        let seen = |home: Option<&str>| CardSeen {
            known: "89490000000001000001".into(),
            home: home.map(SlotId::new),
            news: true,
        };
        let notice = |present: &str, home| swap_notice(&SlotId::new("00"), present, &seen(home));
        assert_eq!(notice("89490000000001000001", None), None);
        for (home, expected) in [(None, "SIM: another card is in"), (Some("01"), "SIM: the card of slot 01 is in")] {
            let told = notice("89490000000001000002", home).unwrap();
            assert!(told.starts_with(expected), "{told}");
            assert!(told.contains("...000002, known is ...000001), confirm with `smsgate sim accept 00`"), "{told}");
            assert!(!told.contains("8949"), "{told}");
        }
        assert_eq!(short("123"), "...123");
    }
}
