//! Message waiting indications: voice mail and the like (TS 23.038 4, TS 23.040 9.2.3.24.2, 9.2.3.24.13).
//!
//! A phone shows a symbol and may throw the text away. A gateway has no symbol to show, so what the indication says is put
//! into words; who gets to read them is not decided here.

use std::fmt;

use super::{
    dcs::{MessageWaiting, WaitingKind},
    deliver::Deliver,
    udh::InformationElement,
};

/// Information element identifier of the special SMS message indication (TS 23.040 9.2.3.24.2).
const SPECIAL_MESSAGE_INDICATION: u8 = 0x01;
/// In the first octet of that element: the message is to be kept.
const STORE: u8 = 0x80;
/// In the first octet: what waits (the profile in bits 6 and 5 is one line of several, and changes nothing here).
const KIND: u8 = 0x1f;

/// Information element identifier of the enhanced voice mail information (TS 23.040 9.2.3.24.13).
const ENHANCED_VOICE_MAIL: u8 = 0x23;
/// In the first octet of that element: the message is to be kept.
const STORE_VOICE_MAIL: u8 = 0x10;

/// Everything a message says about messages that wait elsewhere.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WaitingIndications {
    /// One for each kind, in the order found.
    pub indications: Vec<WaitingIndication>,
    /// The text is for the symbol only: the receiver may throw it away (TS 23.038 4, group 1100).
    pub discard: bool,
}

/// One kind of message that waits, or waits no longer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WaitingIndication {
    /// What waits.
    pub kind: WaitingKind,
    /// How many; `None` where only the fact is told. 255 stands for that many or more.
    pub count: Option<u8>,
    /// Messages wait (`true`), or none any more.
    pub active: bool,
}

impl Deliver {
    /// The message waiting indications, if it is one.
    ///
    /// Those of the user data header override that of TP-DCS of the same kind; if any of them asks for the message to be
    /// kept, it is to be kept (9.2.3.24.2).
    #[must_use]
    pub fn waiting(&self) -> Option<WaitingIndications> {
        let mut all = WaitingIndications { indications: Vec::new(), discard: true };
        let elements = self.user_data.header.as_ref().map(|header| header.elements.as_slice()).unwrap_or_default();
        let malformed = elements.iter().any(|element| matches!(element, InformationElement::Malformed(_)));
        for element in elements.iter().filter(|_| !malformed) {
            let InformationElement::Other { id, data } = element else { continue };
            let (kind, count, keep) = match (*id, data.as_slice()) {
                (SPECIAL_MESSAGE_INDICATION, &[first, count]) => (kind(first & KIND), count, first & STORE != 0),
                (ENHANCED_VOICE_MAIL, &[first, ref rest @ ..]) => {
                    let Some(count) = behind_address(rest) else { continue };
                    (WaitingKind::Voicemail, count, first & STORE_VOICE_MAIL != 0)
                }
                _ => continue,
            };
            all.discard &= !keep;
            all.set(WaitingIndication { kind, count: Some(count), active: count > 0 });
        }
        if let Some(MessageWaiting { active, kind, discard }) = self.data_coding.message_waiting() {
            all.discard &= discard;
            if all.indications.iter().all(|indication| indication.kind != kind) {
                all.indications.push(WaitingIndication { kind, count: None, active });
            }
        }
        (!all.indications.is_empty()).then_some(all)
    }
}

impl WaitingIndications {
    fn set(&mut self, new: WaitingIndication) {
        match self.indications.iter_mut().find(|known| known.kind == new.kind) {
            Some(known) => *known = new,
            None => self.indications.push(new),
        }
    }
}

impl fmt::Display for WaitingIndications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, indication) in self.indications.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            indication.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for WaitingIndication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            WaitingKind::Voicemail => "voice mail",
            WaitingKind::Fax => "fax",
            WaitingKind::Email => "mail",
            WaitingKind::Other => "messages of another kind",
        };
        match (self.active, self.count) {
            (false, _) => write!(f, "{kind}: none waiting any more"),
            (true, None) => write!(f, "{kind}: waiting"),
            (true, Some(u8::MAX)) => write!(f, "{kind}: 255 or more waiting"),
            (true, Some(count)) => write!(f, "{kind}: {count} waiting"),
        }
    }
}

/// The number of unread voice messages, which follows the address of the mailbox (9.1.2.5: digits, type, digits in pairs).
fn behind_address(octets: &[u8]) -> Option<u8> {
    let digits = usize::from(*octets.first()?);
    octets.get(2 + digits.div_ceil(2)).copied()
}

/// Bits 4 to 0 of the element: the four basic kinds; extended ones (video and reserved) are another kind.
const fn kind(bits: u8) -> WaitingKind {
    match bits {
        0 => WaitingKind::Voicemail,
        1 => WaitingKind::Fax,
        2 => WaitingKind::Email,
        _ => WaitingKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tpdu::{DataCodingScheme, UserDataHeader, decode_incoming, pdu::Incoming};

    fn deliver(scheme: u8, elements: &[(u8, &[u8])]) -> Deliver {
        let plain = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
        let Ok((_, Incoming::Deliver(mut deliver))) = decode_incoming(plain) else { panic!("a plain message") };
        deliver.data_coding = DataCodingScheme(scheme);
        let elements = elements.iter().map(|(id, data)| InformationElement::Other { id: *id, data: data.to_vec() });
        deliver.user_data.header = Some(UserDataHeader { elements: elements.collect() });
        deliver
    }

    #[test]
    fn indications_of_coding_scheme_and_header() {
        for (name, scheme, elements, expected) in [
            ("no indication", 0x00, &[] as &[(u8, &[u8])], None),
            ("by the scheme, to be thrown away", 0xc8, &[], Some(("voice mail: waiting", true))),
            ("by the scheme, to be kept", 0xd8, &[], Some(("voice mail: waiting", false))),
            ("by the scheme in UCS-2", 0xe9, &[], Some(("fax: waiting", false))),
            ("no longer", 0xc0, &[], Some(("voice mail: none waiting any more", true))),
            ("by the header, to be thrown away", 0x00, &[(1, &[0x00, 3])], Some(("voice mail: 3 waiting", true))),
            ("by the header, to be kept", 0x00, &[(1, &[0x82, 1])], Some(("mail: 1 waiting", false))),
            ("a second line", 0x00, &[(1, &[0x20, 2])], Some(("voice mail: 2 waiting", true))),
            (
                "the header overrides the scheme",
                0xc8,
                &[(1, &[0x00, 0])],
                Some(("voice mail: none waiting any more", true)),
            ),
            ("one asks to be kept", 0xc8, &[(1, &[0x81, 1])], Some(("fax: 1 waiting, voice mail: waiting", false))),
            (
                "the last of a kind counts",
                0x00,
                &[(1, &[0, 1]), (1, &[0, 255])],
                Some(("voice mail: 255 or more waiting", true)),
            ),
            ("video", 0x00, &[(1, &[0x07, 1])], Some(("messages of another kind: 1 waiting", true))),
            (
                "enhanced voice mail, to be thrown away",
                0x00,
                &[(0x23, &[0x00, 0x04, 0x91, 0x21, 0x43, 7, 0])],
                Some(("voice mail: 7 waiting", true)),
            ),
            (
                "enhanced voice mail, to be kept, an odd number",
                0x00,
                &[(0x23, &[0x50, 0x03, 0x81, 0x21, 0xf3, 0, 0])],
                Some(("voice mail: none waiting any more", false)),
            ),
            (
                "enhanced voice mail of a mailbox with a longer number",
                0x00,
                &[(0x23, &[0x00, 0x06, 0x91, 0x21, 0x43, 0x65, 7, 3])],
                Some(("voice mail: 7 waiting", true)),
            ),
            ("enhanced voice mail cut short", 0x00, &[(0x23, &[0x00, 0x04, 0x91, 0x21])], None),
            ("an element too short", 0x00, &[(1, &[0x00])], None),
        ] {
            let found = deliver(scheme, elements).waiting().map(|all| (all.to_string(), all.discard));
            assert_eq!(found, expected.map(|(text, discard)| (text.to_owned(), discard)), "{name}");
        }
    }

    #[test]
    fn a_malformed_header_says_nothing() {
        let mut message = deliver(0x00, &[(1, &[0x00, 3])]);
        message.user_data.header.as_mut().unwrap().elements.push(InformationElement::Malformed(vec![5]));
        assert_eq!(message.waiting(), None);
    }
}
