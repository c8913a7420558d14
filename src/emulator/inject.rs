//! Messages from outside the network, as the control socket describes them: to PDUs in the order in which they come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{faults::Dice, ledger::Happening, world::World};
use crate::tpdu::{
    Address, DataCodingScheme, Deliver, EncodedPdu, Incoming, InformationElement, MessageClass, Payload, Reference,
    UserData, UserDataHeader, decode_incoming, encode_incoming, segment,
};

/// Units of UCS-2 in a message of one segment, and in each of several with a reference of 8 or 16 bits (TS 23.040
/// 9.2.3.24).
const ALONE: usize = 70;
const NARROW: usize = 67;
const WIDE: usize = 66;

/// A message from outside.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    /// Number of a modem.
    pub to: String,
    /// Number, or name.
    #[serde(default)]
    pub from: String,
    /// The text.
    #[serde(default)]
    pub text: String,
    /// Class 0: shown at once, not stored.
    #[serde(default)]
    pub flash: bool,
    /// In which order the segments come.
    #[serde(default)]
    pub order: Order,
    /// Short for `order` reversed.
    #[serde(default)]
    pub reversed: bool,
    /// Each segment comes twice.
    #[serde(default)]
    pub duplicate: bool,
    /// In which letters.
    #[serde(default)]
    pub alphabet: Letters,
    /// TP-DCS in place of the one that goes with the letters.
    #[serde(default)]
    pub dcs: Option<u8>,
    /// Reference of the segments; else one is made up.
    #[serde(default)]
    pub reference: Option<u16>,
    /// The reference has 16 bits.
    #[serde(default)]
    pub wide: bool,
    /// Segments that never come, from 1.
    #[serde(default)]
    pub omit: Vec<u8>,
    /// Service centre address and TPDU in hex, in place of all the others but `to` and `duplicate`.
    #[serde(default)]
    pub pdu: Option<String>,
}

/// In which order segments come.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first first.
    #[default]
    InOrder,
    /// The last first.
    Reversed,
    /// By chance.
    Shuffled,
}

/// In which letters a text is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Letters {
    /// GSM 7 bit if it fits.
    #[default]
    Auto,
    /// UCS-2 even if not needed.
    Ucs2,
}

/// One PDU to come.
struct Part {
    place: (u8, u8),
    pdu: EncodedPdu,
    class: Option<MessageClass>,
    text: Option<String>,
}

impl World {
    /// Sends a message from outside; the ids of its PDUs.
    ///
    /// # Errors
    /// What is wrong with which field.
    pub fn inject(&mut self, now: Duration, wanted: &Injection) -> Result<Vec<u64>, String> {
        inject(self, now, wanted)
    }
}

/// Sends a message from outside; the ids of its PDUs.
///
/// # Errors
/// No modem has the number, or the text cannot be encoded as asked.
pub fn inject(world: &mut World, now: Duration, wanted: &Injection) -> Result<Vec<u64>, String> {
    let to = &wanted.to;
    if !world.network.has(to) {
        return Err(format!("field `to`: no modem has the number `{to}`"));
    }
    let message = world.network.open_message();
    let mut parts = match &wanted.pdu {
        Some(pdu) => vec![raw(pdu)?],
        None => encoded(world, now, wanted, message)?,
    };
    let order = if wanted.reversed { Order::Reversed } else { wanted.order };
    arrange(&mut parts, order, world.network.dice());
    let mut ids = Vec::new();
    for part in parts {
        for _ in 0..=u8::from(wanted.duplicate) {
            let pdu = (part.pdu.clone(), part.class, part.text.clone());
            ids.push(world.network.enqueue(now, to, message, part.place, pdu));
        }
    }
    let (from, text) = (wanted.from.clone(), wanted.text.clone());
    world.network.note(now, to, Happening::Injected { message, from, text, ids: ids.clone() });
    Ok(ids)
}

/// Lays a PDU into a place of a memory, as if it had come before anybody looked; its id.
///
/// # Errors
/// No modem has the number, the place is taken or not there, or the PDU is no hex.
pub(super) fn lay(
    world: &mut World,
    now: Duration,
    to: &str,
    (memory, index): (&str, usize),
    pdu: &str,
) -> Result<u64, String> {
    let part = raw(pdu)?;
    let message = world.network.open_message();
    let item = world.network.outside(now, to, message, part.place, (part.pdu, part.class, None));
    let id = item.id;
    if !world.lay(now, to, memory, index, item)? {
        return Err(format!("field `index`: there is no free place {index} in `{memory}`"));
    }
    Ok(id)
}

fn raw(pdu: &str) -> Result<Part, String> {
    let octets = crate::tpdu::hex::decode(pdu).map_err(|error| format!("field `pdu`: {error}"))?;
    let service_centre = octets.first().copied().unwrap_or_default();
    let tpdu_octets = octets.len().saturating_sub(1 + usize::from(service_centre));
    // Whatever cannot be read goes all the same: the gateway has to bear it.
    let class = match decode_incoming(pdu) {
        Ok((_, Incoming::Deliver(deliver))) => deliver.data_coding.class(),
        Ok((_, Incoming::StatusReport(_))) | Err(_) => None,
    };
    Ok(Part { place: (1, 1), pdu: EncodedPdu { hex: pdu.to_ascii_uppercase(), tpdu_octets }, class, text: None })
}

fn encoded(world: &World, now: Duration, wanted: &Injection, message: u64) -> Result<Vec<Part>, String> {
    let sender = Address::number(&wanted.from)
        .or_else(|_| Address::alphanumeric(&wanted.from))
        .map_err(|error| format!("field `from`: {error}"))?;
    let class = wanted.flash.then_some(MessageClass::Zero);
    let number = wanted.reference.unwrap_or((message % 65_536) as u16);
    let reference = if wanted.wide { Reference::Wide(number) } else { Reference::Narrow((number % 256) as u8) };
    let segments = match wanted.alphabet {
        Letters::Auto => segment(&wanted.text, reference, class)
            .map_err(|error| format!("field `text`: {error}"))?
            .into_iter()
            .map(|part| (part.data_coding, part.user_data))
            .collect(),
        Letters::Ucs2 => ucs2(&wanted.text, reference, class)?,
    };
    let total = segments.len().try_into().unwrap_or(u8::MAX);
    let mut parts = Vec::new();
    for (place, (coding, user_data)) in (1..=u8::MAX).zip(segments) {
        let data_coding = wanted.dcs.map_or(coding, DataCodingScheme);
        let text = Some(user_data.text(coding));
        let deliver = Deliver {
            more_messages: place < total,
            loop_prevention: false,
            reply_path: false,
            status_report: false,
            originating_address: sender.clone(),
            protocol_identifier: 0,
            data_coding,
            service_centre_timestamp: world.network.stamp(now),
            user_data,
        };
        let pdu =
            encode_incoming(None, &Incoming::Deliver(deliver)).map_err(|error| format!("field `text`: {error}"))?;
        if !wanted.omit.contains(&place) {
            parts.push(Part { place: (place, total), pdu, class: data_coding.class(), text });
        }
    }
    Ok(parts)
}

/// Segments in UCS-2; no cut separates the halves of a surrogate pair.
fn ucs2(
    text: &str,
    reference: Reference,
    class: Option<MessageClass>,
) -> Result<Vec<(DataCodingScheme, UserData)>, String> {
    let coding = DataCodingScheme::new(crate::tpdu::Alphabet::Ucs2, class);
    let (reference, wide, most) = match reference {
        Reference::Narrow(reference) => (u16::from(reference), false, NARROW),
        Reference::Wide(reference) => (reference, true, WIDE),
    };
    let most = if text.encode_utf16().count() <= ALONE { ALONE } else { most };
    let mut pieces: Vec<Vec<u8>> = vec![Vec::new()];
    for letter in text.chars() {
        let mut units = [0; 2];
        let octets = letter.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()).collect::<Vec<u8>>();
        match pieces.last_mut().filter(|piece| piece.len() + octets.len() <= 2 * most) {
            Some(piece) => piece.extend(octets),
            None => pieces.push(octets),
        }
    }
    let total = u8::try_from(pieces.len()).map_err(|_| "field `text`: it needs more than 255 segments".to_owned())?;
    let segments = (1..=u8::MAX).zip(pieces).map(|(sequence, piece)| {
        let element = InformationElement::Concatenation { reference, wide, total, sequence };
        let header = (total > 1).then(|| UserDataHeader { elements: vec![element] });
        (coding, UserData { header, payload: Payload::Octets(piece) })
    });
    Ok(segments.collect())
}

fn arrange<T>(parts: &mut [T], order: Order, dice: &mut Dice) {
    match order {
        Order::InOrder => {}
        Order::Reversed => parts.reverse(),
        Order::Shuffled => {
            for last in (1..parts.len()).rev() {
                parts.swap(last, usize::try_from(dice.below(last as u64 + 1)).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_arranged() {
        let arranged = |order| {
            let mut parts = [1, 2, 3, 4, 5];
            arrange(&mut parts, order, &mut Dice::new(1));
            parts
        };
        assert_eq!(arranged(Order::InOrder), [1, 2, 3, 4, 5]);
        assert_eq!(arranged(Order::Reversed), [5, 4, 3, 2, 1]);
        let mut shuffled = arranged(Order::Shuffled);
        assert_ne!(shuffled, [1, 2, 3, 4, 5]);
        shuffled.sort_unstable();
        assert_eq!(shuffled, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn forced_ucs2_keeps_pairs_together() {
        let long = format!("{}😀{}", "x".repeat(66), "y".repeat(66));
        let table = [
            (long.as_str(), Reference::Narrow(1), 3),
            (long.as_str(), Reference::Wide(1), 3),
            ("short", Reference::Narrow(1), 1),
            ("", Reference::Narrow(1), 1),
        ];
        for (text, reference, count) in table {
            let segments = ucs2(text, reference, None).unwrap();
            let texts: Vec<String> = segments.iter().map(|(coding, data)| data.text(*coding)).collect();
            assert_eq!((texts.concat().as_str(), texts.len()), (text, count));
        }
    }
}
