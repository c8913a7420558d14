//! Fillers inside a PDU (TS 23.040 9.2.2): addresses and user data go, everything that says how they are written stays.
//!
//! Works on octets, not on decoded values: what comes out has each octet where it was, also where a modem or a service
//! centre did something odd, since that may be what the trace is about. Octets that fit no field are zeroed.

use super::{number::Numbers, text::FILLER};
use crate::tpdu::{Alphabet, DataCodingScheme, gsm7, hex};

/// Type of number "alphanumeric" in bits 6 to 4 of a type of address.
const ALPHANUMERIC: u8 = 0x50;
/// TP-UDHI in the first octet.
const HEADER_INDICATOR: u8 = 0x40;
/// Information elements without anything personal, and their lengths: concatenation, ports, national language tables.
const KEPT_ELEMENTS: [(u8, u8); 6] = [(0x00, 3), (0x04, 2), (0x05, 4), (0x08, 4), (0x24, 1), (0x25, 1)];
/// Fewest hex digits that are taken for a PDU.
const SHORTEST: usize = 12;

/// Replaces what is personal in a PDU in hex; `None` if it is no hex. `announced` is the length the modem told, which
/// shows whether it left out the service centre address.
pub(super) fn mask(text: &str, announced: Option<usize>, numbers: &mut Numbers) -> Option<String> {
    let mut octets = hex::decode(text).ok().filter(|octets| octets.len() * 2 >= SHORTEST)?;
    let with_service_centre = announced != Some(octets.len());
    let mut walk = Walk { octets: &mut octets, at: 0, numbers };
    let _ = walk.pdu(with_service_centre);
    walk.zero_rest();
    Some(hex::encode(&octets))
}

/// A place in a PDU; every step moves it behind a field.
struct Walk<'a> {
    octets: &'a mut [u8],
    at: usize,
    numbers: &'a mut Numbers,
}

/// The PDU is shorter than its fields.
type Cut = Option<()>;

impl Walk<'_> {
    fn pdu(&mut self, with_service_centre: bool) -> Cut {
        if with_service_centre {
            let length = usize::from(self.octet()?);
            if let Some(digits) = length.checked_sub(1) {
                let kind = self.octet()?;
                self.address(kind, digits * 2)?;
            }
        }
        let first = self.octet()?;
        match first & 0b11 {
            0b01 => self.submit(first),
            0b10 => self.report(),
            _ => self.deliver(first),
        }
    }

    fn deliver(&mut self, first: u8) -> Cut {
        self.counted_address()?;
        self.skip(1)?; // TP-PID
        let coding = self.octet()?;
        self.skip(7)?; // TP-SCTS
        self.user_data(coding, first & HEADER_INDICATOR != 0)
    }

    fn submit(&mut self, first: u8) -> Cut {
        self.skip(1)?; // TP-MR
        self.counted_address()?;
        self.skip(1)?; // TP-PID
        let coding = self.octet()?;
        self.skip(match first >> 3 & 0b11 {
            0b00 => 0,
            0b10 => 1,
            _ => 7,
        })?;
        self.user_data(coding, first & HEADER_INDICATOR != 0)
    }

    fn report(&mut self) -> Cut {
        self.skip(1)?; // TP-MR
        self.counted_address()?;
        self.skip(7 + 7 + 1) // TP-SCTS, TP-DT, TP-ST; what is optional behind them says nothing that is needed
    }

    fn counted_address(&mut self) -> Cut {
        let semi_octets = usize::from(self.octet()?);
        let kind = self.octet()?;
        self.address(kind, semi_octets)
    }

    fn address(&mut self, kind: u8, semi_octets: usize) -> Cut {
        let from = self.at;
        self.skip(semi_octets.div_ceil(2))?;
        let field = self.octets.get_mut(from..self.at)?;
        if kind & 0x70 == ALPHANUMERIC {
            let letters = gsm7::pack(&vec![FILLER; semi_octets * 4 / 7]);
            field.iter_mut().zip(letters.iter().chain(std::iter::repeat(&0))).for_each(|(to, from)| *to = *from);
            return Some(());
        }
        let digits: String = field
            .iter()
            .flat_map(|octet| [octet & 0x0f, octet >> 4])
            .take(semi_octets)
            .take_while(|semi| *semi != 0x0f)
            .filter_map(|semi| char::from_digit(u32::from(semi), 16))
            .collect();
        let filler = self.numbers.filler(&digits);
        let mut semis =
            filler.chars().filter_map(|digit| digit.to_digit(10)).filter_map(|digit| u8::try_from(digit).ok());
        for octet in field {
            let low = semis.next().unwrap_or(0x0f);
            let high = semis.next().unwrap_or(0x0f);
            *octet = high << 4 | low;
        }
        Some(())
    }

    fn user_data(&mut self, coding: u8, has_header: bool) -> Cut {
        let length = usize::from(self.octet()?);
        let body = self.octets.get_mut(self.at..)?;
        let alphabet = DataCodingScheme(coding).alphabet();
        let octets = if alphabet == Alphabet::Gsm7 { (length * 7).div_ceil(8) } else { length }.min(body.len());
        self.at += octets;
        let body = body.get_mut(..octets)?;
        let header = if has_header { mask_header(body) } else { 0 };
        match alphabet {
            Alphabet::Gsm7 => fill_septets(body, header, length),
            Alphabet::Octets | Alphabet::Ucs2 => {
                let text = body.get_mut(header..)?;
                let unit: &[u8] = if alphabet == Alphabet::Ucs2 { &[0, FILLER] } else { &[FILLER] };
                text.iter_mut().zip(unit.iter().cycle()).for_each(|(to, from)| *to = *from);
            }
        }
        Some(())
    }

    fn octet(&mut self) -> Option<u8> {
        let octet = self.octets.get(self.at).copied()?;
        self.at += 1;
        Some(octet)
    }

    fn skip(&mut self, count: usize) -> Cut {
        let end = self.at.checked_add(count).filter(|end| *end <= self.octets.len())?;
        self.at = end;
        Some(())
    }

    fn zero_rest(&mut self) {
        let at = self.at;
        self.octets.iter_mut().skip(at).for_each(|octet| *octet = 0);
    }
}

/// Zeroes the data of elements that may say something; returns the octets of the header, its length included. One that
/// is longer than the user data is text (as [`UserData`](crate::tpdu::UserData) reads it).
fn mask_header(body: &mut [u8]) -> usize {
    let Some((&mut length, elements)) = body.split_first_mut() else { return 0 };
    let Some(header) = elements.get_mut(..usize::from(length)) else { return 0 };
    let mut at = 0;
    while let Some(&[identifier, count]) = header.get(at..at + 2) {
        let data = at + 2..(at + 2 + usize::from(count)).min(header.len());
        at = data.end;
        if !KEPT_ELEMENTS.contains(&(identifier, count)) {
            header.get_mut(data).unwrap_or_default().fill(0);
        }
    }
    header.iter_mut().skip(at).for_each(|octet| *octet = 0);
    usize::from(length) + 1
}

/// Fills the septets behind a header of that many octets; they begin at a septet boundary (TS 23.040 9.2.3.24).
fn fill_septets(octets: &mut [u8], header: usize, septets: usize) {
    octets.iter_mut().skip(header).for_each(|octet| *octet = 0);
    for septet in (header * 8).div_ceil(7)..septets {
        for bit in (0..7).filter(|bit| FILLER >> bit & 1 == 1) {
            let place = septet * 7 + bit;
            if let Some(octet) = octets.get_mut(place / 8) {
                *octet |= 1 << (place % 8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tpdu::{Incoming, Payload, decode_incoming, decode_submit};

    const DELIVER: &str = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
    const REPORT: &str = "0791538375000075061805810531F1019082416500400190824165004000";
    const SUBMIT: &str = "07914346466554F601000B914316565811F9000004E8373B0C";

    fn masked(hex: &str) -> String {
        mask(hex, None, &mut Numbers::default()).unwrap()
    }

    #[test]
    fn a_message_keeps_its_structure() {
        let (centre, Incoming::Deliver(found)) = decode_incoming(&masked(DELIVER)).unwrap() else {
            panic!("a message")
        };
        let (_, Incoming::Deliver(original)) = decode_incoming(DELIVER).unwrap() else { panic!("a message") };
        assert_eq!(centre.unwrap().to_string(), "+00000000001");
        assert_eq!(found.originating_address.to_string(), "+00000000002");
        assert_eq!(found.service_centre_timestamp, original.service_centre_timestamp);
        assert_eq!(found.data_coding, original.data_coding);
        assert_eq!(found.user_data.payload, Payload::Septets(vec![FILLER; 12]));
    }

    #[test]
    fn a_submission_and_a_report_name_the_same_number() {
        let mut numbers = Numbers::default();
        let submit = mask(SUBMIT, None, &mut numbers).unwrap();
        let (_, submit) = decode_submit(&submit).unwrap();
        assert_eq!(submit.user_data.payload, Payload::Septets(vec![FILLER; 4]));
        let (_, Incoming::StatusReport(report)) = decode_incoming(&mask(REPORT, None, &mut numbers).unwrap()).unwrap()
        else {
            panic!("a report")
        };
        assert_eq!(report.recipient.to_string(), "00001");
        assert_eq!(mask(SUBMIT, None, &mut numbers).as_deref(), Some(masked(SUBMIT).as_str()));
    }

    #[test]
    fn parts_stay_parts() {
        let part = |coding: u8, header: &str, text: &str, length: usize| {
            format!("004404812143{:02X}{coding:02X}80629173140808{length:02X}{header}{text}", 0)
        };
        // Reference 0x2a, part 2 of 3, before eight septets; an element nobody knows before two units of UCS2.
        let septets = masked(&part(0, "0500032A0302", "9061F1985C3603", 15));
        assert_eq!(septets, part(0, "0500032A0302", "F0783C1E8FC7E3", 15).replace("2143", "0010"));
        let units = masked(&part(8, "037001AA", "04110430", 8));
        assert_eq!(units, part(8, "03700100", "00780078", 8).replace("2143", "0010"));
        // Text where a header is promised.
        let text = masked(&part(4, "", "C8656C6C6F", 5));
        assert_eq!(text, part(4, "", "7878787878", 5).replace("2143", "0010"));
    }

    #[test]
    fn no_cut_and_no_nonsense_lets_anything_through() {
        for hex in [DELIVER, REPORT, SUBMIT] {
            for kept in (SHORTEST..hex.len()).step_by(2) {
                assert_eq!(masked(&hex[..kept]).len(), kept);
            }
        }
        assert!(!masked("FFFFFFFFFFFFFFFFC8F71D14969741F977FD07").contains("F71D"));
        assert_eq!(mask("hello world!", None, &mut Numbers::default()), None);
        assert!(masked(&format!("{DELIVER}C8F71D")).ends_with("000000"));
    }

    #[test]
    fn a_missing_service_centre_is_noticed_by_the_length() {
        let bare = &DELIVER[16..];
        let shown = mask(bare, Some(bare.len() / 2), &mut Numbers::default()).unwrap();
        assert_eq!(shown[..4], bare[..4]);
        assert_eq!(shown[22..], masked(DELIVER)[38..]);
    }
}
